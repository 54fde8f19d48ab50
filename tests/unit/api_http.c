// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* limit: 120 s. The API over its socket: answers, pages, errors, and clients that do not behave. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/shares.h"
#include "core/table.h"
#include "daemon/api.h"
#include "daemon/reload.h"
#include "daemon/event.h"
#include "tests/unit/fixture/http.h"
#include "tests/unit/fixture/instance.h"

enum { FLOWS = 1 << 16, MAPPINGS = 1 << 16, HOSTS = 4096 };

static int setup(void **state)
{
	struct instance *i = instance_make(FLOWS, MAPPINGS, HOSTS);

	*state = i;
	return api_start(&i->k);
}

static int teardown(void **state)
{
	struct instance *i = *state;

	api_stop(&i->k);
	events_close(&i->k);
	instance_free(i);
	return 0;
}

/* `count` UDP sessions of `hosts` hosts. */
static void fill(struct instance *i, u32 count, u32 hosts)
{
	__be32 remote = address("192.0.2.9");

	for (u32 n = 0; n < count; n++) {
		u32 reason = instance_packet(i, 1, PROTOCOL_UDP, host_to_be32(0x0a000001 + n % hosts),
					     (u16)(2000 + n / hosts), remote, 53, 0);
		assert_true(reason == REASON_out_created);
	}
}

/* The JSON of a path that answers 200. */
static json_t *get(struct instance *i, const char *path)
{
	struct reply reply = http_get(i->folder, path);
	json_error_t error;
	json_t *json;

	assert_int_equal(reply.status, 200);
	assert_true(reply.complete);
	assert_non_null(strstr(reply.head, "application/json"));
	json = json_loadb(reply.body, reply.length, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		print_error("%s: %s at %d\n", path, error.text, error.position);
	assert_non_null(json);
	reply_free(&reply);
	return json;
}

/* A path that is refused, with these words in "error", "mend" and "at". */
static void refused(struct instance *i, const char *path, int status, const char *what, const char *mend,
		    const char *at)
{
	struct reply reply = http_get(i->folder, path);
	json_t *json = json_loadb(reply.body, reply.length, 0, NULL);

	assert_int_equal(reply.status, status);
	assert_non_null(strstr(json_string_value(json_object_get(json, "error")), what));
	assert_non_null(strstr(json_string_value(json_object_get(json, "mend")), mend));
	assert_string_equal(json_string_value(json_object_get(json, "at")), at);
	json_decref(json);
	reply_free(&reply);
}

static json_int_t number(const json_t *json, const char *key)
{
	json_t *value = json_object_get(json, key);

	if (!json_is_integer(value))
		print_error("no number %s\n", key);
	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static const char *string(const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	assert_non_null(value);
	return value;
}

static void status(void **state)
{
	struct instance *i = *state;
	json_t *json, *part;

	i->k.sweep = (struct sweep_report){ .passes = 3,
					    .last_seconds = 0.25,
					    .sessions = { 5, 6, 7 },
					    .mappings = { 1, 2, 3 },
					    .hosts = 4,
					    .at[0] = { .blocks = 3, .blocks_taken = 5 } };
	shares_lend(&i->k.nat.config->shares[0], 256, 2, 1024, 65535);
	i->k.unsolicited = (struct unsolicited_report){ .held = 2, .told = 30, .silent = 4 };
	strcpy(i->k.warnings[i->k.warning_count++], "rp_filter is strict on wan0");
	json = get(i, "/v1/status");
	assert_string_equal(string(json, "instance"), "test");
	assert_string_equal(string(json, "started"), "2026-01-01T00:00:00Z");
	assert_string_equal(string(json, "mode"), "tc");
	assert_true(strlen(string(json, "version")) > 0);
	assert_true(json_is_true(json_object_get(json, "ready")));
	part = json_object_get(json, "sessions");
	assert_int_equal(number(part, "used"), 18);
	assert_int_equal(number(part, "tcp"), 6);
	assert_int_equal(number(part, "capacity"), FLOWS / 4);
	assert_int_equal(number(json_object_get(json, "mappings"), "used"), 6);
	assert_int_equal(number(json_object_get(json, "hosts"), "capacity"), HOSTS / 2);
	assert_int_equal(number(json_object_get(json, "sweep"), "passes"), 3);
	part = json_array_get(json_object_get(json, "blocks"), 0);
	assert_string_equal(string(part, "interface"), "wan0");
	assert_int_equal(number(part, "ports"), 256);
	assert_int_equal(number(part, "capacity"), 2 * 252);
	assert_int_equal(number(part, "lent"), 3);
	assert_int_equal(number(part, "free"), 2 * 252 - 5);
	part = json_object_get(json, "unsolicited_syns");
	assert_int_equal(number(part, "held"), 2);
	assert_int_equal(number(part, "capacity"), HELD_SYNS);
	assert_int_equal(number(part, "told"), 30);
	assert_int_equal(number(part, "silent"), 4);
	assert_true(number(json_object_get(json, "memory"), "bytes") == (json_int_t)sizes_bytes(&i->k.sizes));
	part = json_array_get(json_object_get(json, "hooks"), 0);
	assert_string_equal(string(part, "interface"), "wan0");
	assert_string_equal(string(part, "hook"), "tcx");
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "warnings"), 0)),
			    "rp_filter is strict on wan0");
	json_decref(json);

	i->k.interfaces[1].hook = NULL;
	i->k.nat.config->shares[0] = (struct shares){ 0 };
	json = get(i, "/v1/status");
	assert_true(json_is_false(json_object_get(json, "ready")));
	assert_int_equal(json_array_size(json_object_get(json, "blocks")), 0);
	json_decref(json);
}

static void interfaces_and_reasons(void **state)
{
	struct instance *i = *state;
	json_t *json, *list, *row;
	size_t at;

	i->k.nat.config->mss[0] = 1460;
	instance_out(i, PROTOCOL_UDP, "10.0.0.5", 5000, "192.0.2.9", 53, 0);
	assert_int_equal(instance_in(i, PROTOCOL_UDP, "192.0.2.9", 53, "198.51.100.2", 9, 0),
			 REASON_no_mapping);
	json = get(i, "/v1/interfaces?interface=wan0");
	list = json_object_get(json, "interfaces");
	assert_int_equal(json_array_size(list), 1);
	row = json_array_get(list, 0);
	assert_string_equal(string(row, "role"), "outside");
	assert_int_equal(number(row, "packets_translated"), 1);
	assert_int_equal(number(row, "bytes_dropped"), 100);
	assert_int_equal(number(row, "packets_out"), 1);
	assert_int_equal(number(row, "bytes_out"), 100);
	assert_int_equal(number(row, "packets_in"), 0);
	assert_int_equal(number(row, "packets_passed"), 0);
	assert_int_equal(number(row, "mss"), 1460);
	json_decref(json);
	json = get(i, "/v1/interfaces?interface=lan0");
	row = json_array_get(json_object_get(json, "interfaces"), 0);
	assert_true(json_is_null(json_object_get(row, "mss")));
	json_decref(json);

	json = get(i, "/v1/reasons");
	list = json_object_get(json, "reasons");
	for (size_t r = 0; r < json_array_size(list); r++) {
		const json_t *reason = json_array_get(list, r);
		const char *verdict = string(reason, "verdict");
		bool refuses = !strcmp(verdict, "drop") || !strcmp(verdict, "answer");
		if (json_is_string(json_object_get(reason, "mend")) != refuses)
			fail_msg("%s: a mend is missing, or one too many", string(reason, "reason"));
	}
	assert_int_equal(json_array_size(list), REASONS);
	json_array_foreach(list, at, row)
	{
		int expected = at == REASON_out_created || at == REASON_no_mapping;
		assert_int_equal(number(row, "packets"), expected);
	}
	row = json_array_get(list, REASON_no_mapping);
	assert_string_equal(string(row, "reason"), "no_mapping");
	assert_string_equal(string(row, "verdict"), "drop");
	json_decref(json);
	json = get(i, "/v1/reasons?interface=lan0");
	assert_int_equal(number(json_array_get(json_object_get(json, "reasons"), REASON_no_mapping),
				"packets"),
			 0);
	json_decref(json);
}

static void config_is_what_was_read(void **state)
{
	json_t *all = get(*state, "/v1/config"), *json = all;
	json_t *wan = json_array_get(json_object_get(json, "interfaces"), 0);

	assert_string_equal(string(wan, "name"), "wan0");
	assert_string_equal(json_string_value(json_array_get(json_object_get(wan, "pool"), 0)),
			    "198.51.100.1-198.51.100.2");
	json = json_object_get(json_object_get(json, "nat"), "timers");
	assert_int_equal(number(json, "udp_timeout"), 300);
	json = json_array_get(json_object_get(all, "reservations"), 0);
	assert_string_equal(string(json, "inside"), "10.0.0.9");
	assert_string_equal(string(json, "outside"), "198.51.100.2");
	assert_true(json_is_true(json_object_get(json, "inbound")));
	assert_true(json_is_false(json_object_get(json, "address_only")));
	json = json_array_get(json_object_get(all, "port_mappings"), 0);
	assert_string_equal(string(json, "protocol"), "both");
	assert_string_equal(string(json, "outside"), "wan0:8080-8081");
	assert_string_equal(string(json, "inside"), "10.0.0.8:80-81");
	json_decref(all);
}

static void one_session(void **state)
{
	struct instance *i = *state;
	json_t *json, *row;

	instance_out(i, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 80, TCP_SYN);
	json = get(i, "/v1/sessions");
	assert_true(json_is_null(json_object_get(json, "cursor")));
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 1);
	row = json_array_get(json_object_get(json, "sessions"), 0);
	assert_string_equal(string(row, "protocol"), "tcp");
	assert_string_equal(string(row, "inside_address"), "10.0.0.5");
	assert_int_equal(number(row, "inside_port"), 5000);
	assert_string_equal(string(row, "remote_address"), "192.0.2.9");
	assert_int_equal(number(row, "remote_port"), 80);
	assert_string_equal(string(row, "interface"), "wan0");
	assert_string_equal(string(row, "state"), "init");
	assert_int_equal(number(row, "lifetime"), 240);
	assert_int_equal(number(row, "packets_out"), 1);
	assert_int_equal(number(row, "bytes_in"), 0);
	json_decref(json);
	json = get(i, "/v1/mappings?host=10.0.0.5&protocol=tcp");
	assert_int_equal(json_array_size(json_object_get(json, "mappings")), 1);
	json_decref(json);
	json = get(i, "/v1/hosts?interface=wan0");
	assert_int_equal(json_array_size(json_object_get(json, "hosts")), 1);
	json_decref(json);
	json = get(i, "/v1/pools");
	assert_int_equal(json_array_size(json_object_get(json, "pools")), 2);
	row = json_array_get(json_object_get(json, "pools"), 0);
	assert_int_equal(number(json_object_get(row, "ports_free"), "udp"), 64512);
	json_decref(json);
}

/* Without a limit: all of them in one object, in pieces. */
static void all_at_once(void **state)
{
	struct instance *i = *state;
	struct reply reply;
	json_t *json;

	fill(i, 10000, 100);
	reply = http_get(i->folder, "/v1/sessions");
	assert_true(reply.complete);
	assert_true(reply.chunks > 50);
	json = json_loadb(reply.body, reply.length, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 10000);
	assert_true(json_is_null(json_object_get(json, "cursor")));
	json_decref(json);
	reply_free(&reply);
}

/* By pages: each session once, though others end and begin between two of them. */
static void pages(void **state)
{
	struct instance *i = *state;
	static u8 seen[3000];
	char path[96] = "/v1/sessions?limit=100";
	u32 asked = 0, ended = 0;

	fill(i, 3000, 10); /* the ports are 2000..2299 */
	memset(seen, 0, sizeof(seen));
	for (;;) {
		json_t *json = get(i, path), *list = json_object_get(json, "sessions"),
		       *cursor = json_object_get(json, "cursor");
		size_t n;
		json_t *row;

		assert_true(json_array_size(list) <= 100);
		json_array_foreach(list, n, row)
		{
			__be32 host = address(string(row, "inside_address"));
			u32 at = (be32_to_host(host) & 0xff) - 1 +
				 10 * ((u32)number(row, "inside_port") - 2000);
			assert_true(at < 3000);
			assert_int_equal(seen[at], 0);
			seen[at] = 1;
		}
		asked++;
		/* the session that was last met dies; it is the one that the cursor came from */
		if (json_is_integer(cursor)) {
			struct slot *out =
				env_slot(&i->k.nat, TABLE_FLOWS, (u32)json_integer_value(cursor) - 1);
			struct slot *in = env_slot(&i->k.nat, TABLE_FLOWS, ((struct flow *)out)->peer);
			in->word = word_free(in->word);
			out->word = word_free(out->word);
			ended++;
		}
		snprintf(path, sizeof(path), "/v1/sessions?limit=100&cursor=%lld",
			 json_integer_value(cursor));
		int more = json_is_integer(cursor);
		json_decref(json);
		if (!more)
			break;
	}
	assert_true(asked >= 30);
	assert_int_equal(ended, asked - 1);
	for (u32 n = 0; n < 3000; n++)
		assert_int_equal(seen[n], 1);
}

static void page_ends(void **state)
{
	struct instance *i = *state;
	json_t *json;

	fill(i, 10, 10);
	json = get(i, "/v1/sessions?limit=10");
	char path[64];
	snprintf(path, sizeof(path), "/v1/sessions?limit=10&cursor=%lld", number(json, "cursor"));
	json_decref(json);
	json = get(i, path); /* nothing left */
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 0);
	assert_true(json_is_null(json_object_get(json, "cursor")));
	json_decref(json);
	json = get(i, "/v1/sessions?cursor=4294967295");
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 0);
	json_decref(json);
}

static void filters(void **state)
{
	struct instance *i = *state;
	json_t *json;
	char path[96];

	fill(i, 100, 10);
	json = get(i, "/v1/sessions?host=10.0.0.3");
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 10);
	const char *outside = string(json_array_get(json_object_get(json, "sessions"), 0), "outside_address");
	snprintf(path, sizeof(path), "/v1/sessions?host=10.0.0.3&outside=%s:%lld", outside,
		 number(json_array_get(json_object_get(json, "sessions"), 0), "outside_port"));
	json_decref(json);
	json = get(i, path);
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 1);
	json_decref(json);
	json = get(i, "/v1/sessions?protocol=tcp");
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 0);
	json_decref(json);
	json = get(i, "/v1/hosts?host=10.0.0.3");
	assert_int_equal(json_array_size(json_object_get(json, "hosts")), 1);
	json_decref(json);
}

static void refusals(void **state)
{
	struct instance *i = *state;

	refused(i, "/v1/nothing", 404, "nothing at this path", "/v1/sessions", "/v1/nothing");
	refused(i, "/v1/sessions?limit=0", 400, "\"0\" is no limit", "from 1 to", "limit");
	refused(i, "/v1/sessions?limit=-1", 400, "no limit", "from 1 to", "limit");
	refused(i, "/v1/sessions?cursor=x", 400, "no cursor", "from 0 to", "cursor");
	refused(i, "/v1/sessions?cursor=4294967296", 400, "no cursor", "to 4294967295", "cursor");
	refused(i, "/v1/sessions?cursor", 400, "no cursor", "from 0", "cursor");
	refused(i, "/v1/sessions?host=10.0.0", 400, "\"10.0.0\" is no host", "10.0.0.11", "host");
	refused(i, "/v1/sessions?outside=198.51.100.1:70000", 400, "no outside", ":PORT", "outside");
	refused(i, "/v1/sessions?outside=198.51.100.1:", 400, "no outside", ":PORT", "outside");
	refused(i, "/v1/sessions?protocol=256", 400, "no protocol", "udp, tcp, icmp, gre", "protocol");
	refused(i, "/v1/sessions?interface=eth9", 400, "no interface", "wan0 lan0", "interface");
	refused(i, "/v1/sessions?state=init", 400, "no parameter \"state\"", "it takes: host",
		"/v1/sessions");
	refused(i, "/v1/sessions?host=10.0.0.1&host=10.0.0.2", 400, "stands twice", "leave one out",
		"/v1/sessions");
	refused(i, "/v1/status?limit=1", 400, "no parameter \"limit\"", "it takes none", "/v1/status");
	refused(i, "/v1/%ff%01", 404, "nothing at this path", "/v1", "/v1/??");
	refused(i, "/v1/sessions?%ff=1", 400, "no parameter \"?\"", "it takes", "/v1/sessions");
	refused(i, "/v1/stop", 405, "does not take that method", "use POST", "/v1/stop");
}

static int posted(struct instance *i, const char *body)
{
	struct reply reply = http_post(i->folder, "/v1/stop", body);
	int code = reply.status;

	reply_free(&reply);
	return code;
}

/* What the main thread is told, or 0 if nothing comes within a time. */
static u64 ordered(const struct instance *i, int milliseconds)
{
	struct pollfd fd = { .fd = i->k.stop_fd, .events = POLLIN };
	u64 order = 0;

	if (poll(&fd, 1, milliseconds) == 1)
		assert_int_equal(read(i->k.stop_fd, &order, sizeof(order)), sizeof(order));
	return order;
}

static void stop_is_told_once(void **state)
{
	struct instance *i = *state;
	char *large = malloc(8192);

	memset(large, ' ', 8191);
	large[8191] = 0;
	assert_int_equal(posted(i, "{\"detach\": 1}"), 400);
	assert_int_equal(posted(i, "{\"detached\": true}"), 400);
	assert_int_equal(posted(i, "[]"), 400);
	assert_int_equal(posted(i, "{"), 400);
	assert_int_equal(posted(i, large), 413);
	free(large);
	assert_int_equal(ordered(i, 0), 0);
	assert_int_equal(posted(i, "{\"detach\": true}"), 200);
	assert_int_equal(ordered(i, 5000), 2);
	assert_int_equal(posted(i, ""), 409);
	api_stop(&i->k);
	assert_int_equal(ordered(i, 0), 0);
	assert_int_equal(api_start(&i->k), 0);
	assert_int_equal(posted(i, ""), 200);
	assert_int_equal(ordered(i, 5000), 1);
}

/* The main thread as far as configurations go: until one that it was told to expect is done. */
static void *reload_one(void *context)
{
	struct instance *i = context;
	struct pollfd fd = { .fd = reload_fd(&i->k), .events = POLLIN };

	if (poll(&fd, 1, 20000) == 1)
		reload_run(&i->k);
	return NULL;
}

static void config_is_refused(void **state)
{
	struct instance *i = *state;
	size_t length = RELOAD_TEXT_MAX + 1;
	char *large = malloc(length + 1);
	struct reply reply;
	pthread_t thread;
	json_t *json;

	reply = http_put(i->folder, "/v1/config", "a: 1");
	assert_int_equal(reply.status, 503); /* nobody is there who could take it */
	reply_free(&reply);
	assert_int_equal(reload_start(&i->k), 0);
	assert_int_equal(pthread_create(&thread, NULL, reload_one, i), 0);
	memset(large, ' ', length);
	memcpy(large + 5000, "\ninterfaces: 7\n", 15);
	large[10000] = 0; /* longer than other bodies may be */
	reply = http_put(i->folder, "/v1/config?name=some.yaml", large);
	pthread_join(thread, NULL);
	assert_int_equal(reply.status, 422);
	json = json_loadb(reply.body, reply.length, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "at")), "some.yaml:2");
	assert_int_equal(json_integer_value(
				 json_object_get(json_array_get(json_object_get(json, "errors"), 0), "line")),
			 2);
	json_decref(json);
	reply_free(&reply);
	large[10000] = ' ';
	large[length] = 0;
	reply = http_put(i->folder, "/v1/config", large);
	assert_int_equal(reply.status, 413);
	reply_free(&reply);
	free(large);
	reload_close(&i->k);
	reply = http_post(i->folder, "/v1/reload", "");
	assert_int_equal(reply.status, 503);
	reply_free(&reply);
	api_stop(&i->k);
	reload_stop(&i->k, false);
}

/* A hundred clients, of which each reads a little of a long list and then no more, hurt nobody else. */
static void slow_readers(void **state)
{
	struct instance *i = *state;
	int fds[100];
	char byte[16];

	fill(i, 10000, 100);
	for (int n = 0; n < 100; n++) {
		fds[n] = http_connect(i->folder);
		assert_true(fds[n] >= 0);
		assert_int_equal(http_send(fds[n], "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
	}
	for (int n = 0; n < 100; n++)
		assert_int_equal(read(fds[n], byte, sizeof(byte)), sizeof(byte));
	for (int n = 0; n < 20; n++)
		json_decref(get(i, "/v1/status")); /* which gives up after a time */
	for (int n = 0; n < 100; n++)
		close(fds[n]);
}

/* What is no request is answered by an error or not at all, and leaves the server as it was. */
static void garbage(void **state)
{
	static const char *const texts[] = {
		"\r\n\r\n",
		"GET\r\n\r\n",
		"GET /v1/status HTTP/9.9\r\n\r\n",
		"\x01\x02\x03",
		"GET /v1/status HTTP/1.1\r\n",
		"POST /v1/stop HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/stop HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"
	};
	struct instance *i = *state;
	char answer[16];
	u64 order;

	for (size_t n = 0; n < sizeof(texts) / sizeof(texts[0]); n++) {
		int fd = http_connect(i->folder);
		ssize_t length;

		assert_true(fd >= 0);
		http_send(fd, texts[n]);
		json_decref(get(i, "/v1/status")); /* one thread: what was sent before is dealt with */
		length = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		assert_false(length >= 12 && !memcmp(answer + 9, "200", 3));
		close(fd);
	}
	json_decref(get(i, "/v1/status"));
	assert_int_equal(read(i->k.stop_fd, &order, sizeof(order)), -1);
}

/* A listing that finds nothing still ends, in a table of many turns. */
static void nothing_found(void **state)
{
	struct instance *i = *state;
	struct reply reply;
	json_t *json;

	fill(i, 1000, 10);
	reply = http_get(i->folder, "/v1/sessions?host=10.9.9.9");
	assert_true(reply.chunks >= 4); /* a sign of life in each turn */
	json = json_loadb(reply.body, reply.length, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 0);
	json_decref(json);
	reply_free(&reply);
}

static void socket_file(void **state)
{
	struct instance *i = *state;
	struct keepnat other = { .instance = "other", .lock = PTHREAD_MUTEX_INITIALIZER };
	struct stat status;
	char path[128];

	snprintf(path, sizeof(path), "%s/api.sock", i->folder);
	memcpy(other.run_dir, i->k.run_dir, sizeof(other.run_dir));
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0660);

	/* Somebody listens: it stays theirs. */
	assert_int_equal(api_start(&other), -EADDRINUSE);
	json_decref(get(i, "/v1/status"));

	api_stop(&i->k);
	assert_int_equal(lstat(path, &status), -1);

	/* Nobody listens on what a dead process left: it is replaced. */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(api_start(&i->k), 0);
	json_decref(get(i, "/v1/status"));

	/* What is not ours to remove is not removed. */
	unlink(path);
	FILE *file = fopen(path, "w");
	fclose(file);
	api_stop(&i->k);
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(api_start(&i->k), -ENOTSOCK);
	unlink(path);
	snprintf(other.run_dir, sizeof(other.run_dir), "%s/absent", i->folder);
	assert_int_equal(api_start(&other), -ENOENT);
	memset(other.run_dir, 'x', sizeof(other.run_dir) - 1);
	assert_int_equal(api_start(&other), -ENAMETOOLONG);
	assert_int_equal(api_start(&i->k), 0);
}

/* Stopping while clients are in the middle of a list. */
static void stop_under_load(void **state)
{
	struct instance *i = *state;
	int fds[10];

	fill(i, 10000, 100);
	for (int n = 0; n < 10; n++) {
		fds[n] = http_connect(i->folder);
		assert_int_equal(http_send(fds[n], "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
	}
	api_stop(&i->k);
	assert_null(i->k.api);
	assert_true(http_connect(i->folder) < 0);
	for (int n = 0; n < 10; n++) {
		struct reply reply = http_read(fds[n]);
		assert_false(reply.status == 200 && reply.complete);
		reply_free(&reply);
	}
	assert_int_equal(api_start(&i->k), 0);
}

/* Page by page, each once; what comes later is found from the last number on. */
static void events(void **state)
{
	struct instance *i = *state;
	json_t *json, *part;
	char path[96];

	events_open(&i->k);
	event_tell(&i->k, EVENT_started, "", "it begins");
	event_tell(&i->k, EVENT_link_lost, "wan0", "the link is down");
	json = get(i, "/v1/events");
	part = json_object_get(json, "events");
	assert_int_equal(json_array_size(part), 2);
	part = json_array_get(part, 1);
	assert_string_equal(string(part, "event"), "link_lost");
	assert_string_equal(string(part, "severity"), "warning");
	assert_string_equal(string(part, "subject"), "wan0");
	assert_string_equal(string(part, "text"), "the link is down");
	assert_true(strlen(string(part, "time")) == strlen("2026-01-01T00:00:00.000Z"));
	assert_true(json_is_null(json_object_get(json, "cursor")));
	snprintf(path, sizeof(path), "/v1/events?cursor=%lld", (long long)number(json, "last"));
	json_decref(json);
	for (int n = 0; n < 150; n++)
		event_tell(&i->k,
			   n % 3   ? EVENT_address_lost
			   : n % 2 ? EVENT_warning
				   : EVENT_address_returned,
			   "", "%d", n);
	json = get(i, path);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 100);
	snprintf(path, sizeof(path), "/v1/events?cursor=%lld", (long long)number(json, "cursor"));
	json_decref(json);
	json = get(i, path);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 64 + 25 + 25 - 100);
	assert_true(json_is_null(json_object_get(json, "cursor")));
	json_decref(json);
	json = get(i, "/v1/events?severity=warning&event=link_lost&limit=5");
	assert_int_equal(json_array_size(json_object_get(json, "events")), 1);
	json_decref(json);
	refused(i, "/v1/events?severity=loud", 400, "\"loud\" is no severity", "error, warning", "severity");
	refused(i, "/v1/events?event=party", 400, "\"party\" is no event", "events.md", "event");
	refused(i, "/v1/events?cursor=-1", 400, "\"-1\" is no cursor", "number", "cursor");
}

/* Headers that do not end, as one line or as many, are cut off after a bounded number of bytes. */
static void headers_without_end(void **state)
{
	static const char *const pieces[] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					      "X-Header-Of-Many: value\r\n" };
	enum { MOST = 4 << 20 }; /* the socket's own buffers in it */
	struct instance *i = *state;

	for (size_t n = 0; n < sizeof(pieces) / sizeof(pieces[0]); n++) {
		int fd = http_connect(i->folder);
		size_t sent = 0;

		assert_int_equal(http_send(fd, "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: "), 0);
		while (sent < MOST && !http_send(fd, pieces[n]))
			sent += strlen(pieces[n]);
		assert_true(sent < MOST);
		json_decref(get(i, "/v1/status"));
		close(fd);
	}
}

/* Read from a stream until the text is there. */
static void stream_says(int fd, char *seen, size_t size, const char *text)
{
	size_t used = strlen(seen);

	while (!strstr(seen, text)) {
		ssize_t n = recv(fd, seen + used, size - used - 1, 0);
		if (n <= 0)
			print_error("the stream ends without \"%s\": %s\n", text, seen);
		assert_true(n > 0);
		used += (size_t)n;
		seen[used] = 0;
	}
}

static int stream_open(struct instance *i, const char *query, const char *header)
{
	char request[256];
	int fd = http_connect(i->folder);

	snprintf(request, sizeof(request),
		 "GET /v1/events%s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n%s\r\n", query,
		 header);
	assert_int_equal(http_send(fd, request), 0);
	return fd;
}

/* As they come; from where a former connection ended; those that are wanted; and others are served meanwhile. */
static void event_stream(void **state)
{
	struct instance *i = *state;
	static char seen[1 << 16];
	char header[64];
	struct event event;
	json_t *json;
	int fd, other;

	events_open(&i->k);
	event_tell(&i->k, EVENT_started, "", "before");
	assert_true(event_after(&i->k, 0, &event));
	*seen = 0;
	fd = stream_open(i, "", "");
	stream_says(fd, seen, sizeof(seen), "retry: ");
	assert_non_null(strstr(seen, "text/event-stream"));
	event_tell(&i->k, EVENT_link_lost, "wan0", "as it comes");
	api_beat(&i->k);
	stream_says(fd, seen, sizeof(seen), "\"text\":\"as it comes\"");
	assert_null(strstr(seen, "before"));
	json = get(i, "/v1/status");
	json_decref(json);

	snprintf(header, sizeof(header), "Last-Event-ID: %llu\r\n", event.number);
	*seen = 0;
	other = stream_open(i, "?severity=warning", header);
	event_tell(&i->k, EVENT_stopped, "", "not wanted");
	event_tell(&i->k, EVENT_address_lost, "", "wanted");
	api_beat(&i->k);
	stream_says(other, seen, sizeof(seen), "\"text\":\"wanted\"");
	assert_non_null(strstr(seen, "event: link_lost\n"));
	assert_null(strstr(seen, "not wanted"));
	close(other);
	close(fd);
}

/* The ring went round while nobody read: so many are said to be lost, and the rest comes. */
static void event_stream_loses(void **state)
{
	struct instance *i = *state;
	static char seen[1 << 20];
	struct event event;
	char query[64];
	u64 told = 0;
	int fd;

	events_open(&i->k);
	event_tell(&i->k, EVENT_started, "", "the first");
	assert_true(event_after(&i->k, 0, &event));
	for (int n = 0; n < 60; n++)
		for (int id = 0; id < EVENTS; id++)
			event_tell(&i->k, (enum event_id)id, "", "%d", n);
	for (int id = 0; id < EVENTS; id++)
		told += event_count(&i->k, (enum event_id)id).told;
	snprintf(query, sizeof(query), "?cursor=%llu", event.number);
	*seen = 0;
	fd = stream_open(i, query, "");
	stream_says(fd, seen, sizeof(seen), "event: lost\n");
	snprintf(query, sizeof(query), "data: {\"lost\":%llu}\n", (unsigned long long)told - 1 - EVENTS_KEPT);
	stream_says(fd, seen, sizeof(seen), query);
	stream_says(fd, seen, sizeof(seen), "\"text\":\"59\"");
	close(fd);
}

/* A client that asks for events and does not read them costs no more than one that does, and is told what it lost. */
static void event_stream_stalls(void **state)
{
	struct instance *i = *state;
	static char seen[1 << 22];
	int stalled, fd;

	events_open(&i->k);
	*seen = 0;
	stalled = stream_open(i, "", "");
	stream_says(stalled, seen, sizeof(seen), "retry: ");
	for (int n = 0; n < 20; n++) {
		for (int m = 0; m < 500; m++)
			for (int id = 0; id < EVENTS; id++)
				if (id != EVENT_link_lost) /* so many of a kind are told, and no more */
					event_tell(&i->k, (enum event_id)id, "", "%d", n);
		api_beat(&i->k);
		json_decref(get(i, "/v1/status"));
	}
	*seen = 0;
	fd = stream_open(i, "", "");
	stream_says(fd, seen, sizeof(seen), "retry: ");
	event_tell(&i->k, EVENT_link_lost, "wan0", "the last");
	api_beat(&i->k);
	stream_says(fd, seen, sizeof(seen), "the last");
	*seen = 0;
	stream_says(stalled, seen, sizeof(seen), "event: lost\n");
	stream_says(stalled, seen, sizeof(seen), "the last");
	close(fd);
	close(stalled);
}

/* Not more streams than leave room for others; and the server ends with sleepers. */
static void event_streams_are_bounded(void **state)
{
	struct instance *i = *state;
	static char seen[4096];
	int fds[40], refused_count = 0;
	json_t *json;

	events_open(&i->k);
	for (int n = 0; n < 40; n++) {
		fds[n] = stream_open(i, "", "");
		*seen = 0;
		stream_says(fds[n], seen, sizeof(seen), "\r\n\r\n");
		refused_count += !strncmp(seen, "HTTP/1.1 503", 12);
	}
	assert_int_equal(refused_count, 8);
	json = get(i, "/v1/status");
	json_decref(json);
	api_stop(&i->k);
	for (int n = 0; n < 40; n++)
		close(fds[n]);
	assert_int_equal(api_start(&i->k), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(status, setup, teardown),
		cmocka_unit_test_setup_teardown(interfaces_and_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(config_is_what_was_read, setup, teardown),
		cmocka_unit_test_setup_teardown(one_session, setup, teardown),
		cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(pages, setup, teardown),
		cmocka_unit_test_setup_teardown(page_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(filters, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_found, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(events, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(event_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(event_stream_loses, setup, teardown),
		cmocka_unit_test_setup_teardown(event_stream_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(event_streams_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(config_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(socket_file, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_under_load, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
