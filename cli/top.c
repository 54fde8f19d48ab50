// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * top: what goes on, anew each second: two samples of the API, and what changed between them.
 *
 * Hosts are ranked by the counts of their sessions, so all sessions are asked for; where there are more than SESSIONS_RANKED that would
 * cost too much each second, and is left out.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/rows.h"

enum { SESSIONS_RANKED = 20000, SHOWN = 10, SECOND = 1000 };

struct sample {
	json_t *status, *interfaces, *reasons;
	json_t *hosts; /* by inside address: "sessions", "packets", "bytes"; NULL: too many sessions */
	double when;   /* seconds */
};

struct top {
	struct client *client;
	bool json, terminal;
	unsigned long long shown;
	struct termios before;
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Samples
 */

static void sample_free(struct sample *s)
{
	json_decref(s->status);
	json_decref(s->interfaces);
	json_decref(s->reasons);
	json_decref(s->hosts);
	memset(s, 0, sizeof(*s));
}

static int get(struct top *top, const char *path, json_t **json)
{
	struct url url;

	url_start(&url, path);
	return client_get(top->client, &url, json);
}

static void number_add(json_t *object, const char *key, unsigned long long number)
{
	json_object_set_new(object, key, json_integer((json_int_t)(json_number_at(object, key) + number)));
}

static json_t *hosts_of(const json_t *sessions)
{
	json_t *hosts = json_object();
	const json_t *session;
	size_t i;

	json_array_foreach(json_object_get(sessions, "sessions"), i, session)
	{
		const char *address = json_text_at(session, "inside_address");
		json_t *host = json_object_get(hosts, address);

		if (!host) {
			host = json_object();
			json_object_set_new(hosts, address, host);
		}
		number_add(host, "sessions", 1);
		number_add(host, "packets",
			   json_number_at(session, "packets_out") + json_number_at(session, "packets_in"));
		number_add(host, "bytes",
			   json_number_at(session, "bytes_out") + json_number_at(session, "bytes_in"));
	}
	return hosts;
}

static int sample_take(struct top *top, struct sample *s)
{
	json_t *sessions = NULL;
	int status = get(top, "/v1/status", &s->status);

	if (!status)
		status = get(top, "/v1/interfaces", &s->interfaces);
	if (!status)
		status = get(top, "/v1/reasons", &s->reasons);
	if (!status && json_number_at(s->status, "sessions.used") <= SESSIONS_RANKED)
		status = get(top, "/v1/sessions", &sessions);
	if (sessions)
		s->hosts = hosts_of(sessions);
	json_decref(sessions);
	s->when = seconds_now();
	return status;
}

/*
 * What changed
 */

/* How fast a count of a row grew; a count that went back began anew. */
static unsigned long long rate(const json_t *was, const json_t *is, const char *key, double seconds)
{
	unsigned long long a = json_number_at(was, key), b = json_number_at(is, key);

	return b > a && seconds > 0 ? (unsigned long long)((double)(b - a) / seconds + 0.5) : 0;
}

static const json_t *row_with(const json_t *rows, const char *key, const char *value)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(json_text_at(row, key), value))
			return row;
	}
	return NULL;
}

static void rate_set(json_t *to, const char *name, const json_t *was, const json_t *is, const char *key,
		     double seconds)
{
	json_object_set_new(to, name, json_integer((json_int_t)rate(was, is, key, seconds)));
}

static json_t *interfaces_between(const struct sample *was, const struct sample *is, double seconds)
{
	static const char *const keys[] = { "packets_out",     "bytes_out",	 "packets_in",
					    "bytes_in",	       "packets_passed", "packets_dropped",
					    "packets_answered" };
	const json_t *before = json_object_get(was->interfaces, "interfaces"), *row;
	json_t *list = json_array();
	size_t i;

	json_array_foreach(json_object_get(is->interfaces, "interfaces"), i, row)
	{
		const char *name = json_text_at(row, "interface");
		const json_t *old = row_with(before, "interface", name);
		json_t *one = json_pack("{s:s, s:s}", "interface", name, "role", json_text_at(row, "role"));

		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			rate_set(one, keys[k], old ? old : row, row, keys[k], seconds);
		json_array_append_new(list, one);
	}
	return list;
}

static int busier(const void *a, const void *b)
{
	static const char *const keys[] = { "bytes", "packets", "sessions" };
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		unsigned long long p = json_number_at(x, keys[i]), q = json_number_at(y, keys[i]);
		if (p != q)
			return p < q ? 1 : -1;
	}
	return 0;
}

/* The first `most` of a list, the busiest first. Takes the list. */
static json_t *busiest(json_t *list, unsigned long long most)
{
	size_t count = json_array_size(list);
	json_t **rows = calloc(count + 1, sizeof(*rows)), *first = json_array();

	for (size_t i = 0; rows && i < count; i++)
		rows[i] = json_array_get(list, i);
	if (rows)
		qsort(rows, count, sizeof(*rows), busier);
	for (size_t i = 0; rows && i < count && i < most; i++)
		json_array_append(first, rows[i]);
	free(rows);
	json_decref(list);
	return first;
}

/* Reasons for which packets are dropped or answered, those that occurred in this second. */
static json_t *reasons_between(const struct sample *was, const struct sample *is, double seconds)
{
	const json_t *before = json_object_get(was->reasons, "reasons"), *row;
	json_t *list = json_array();
	size_t i;

	json_array_foreach(json_object_get(is->reasons, "reasons"), i, row)
	{
		const json_t *old = json_array_get(before, i);
		const char *verdict = json_text_at(row, "verdict");

		if ((strcmp(verdict, "drop") != 0 && strcmp(verdict, "answer") != 0) ||
		    json_number_at(old, "packets") >= json_number_at(row, "packets"))
			continue;
		json_t *one = json_pack("{s:s, s:s}", "reason", json_text_at(row, "reason"), "text",
					json_text_at(row, "text"));
		rate_set(one, "packets", old, row, "packets", seconds);
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *hosts_between(const struct sample *was, const struct sample *is, double seconds)
{
	json_t *list = json_array(), *row;
	const char *address;

	json_object_foreach(is->hosts, address, row)
	{
		const json_t *old = json_object_get(was->hosts, address);
		json_t *one = json_pack("{s:s}", "inside_address", address);

		rate_set(one, "packets", old, row, "packets", seconds);
		rate_set(one, "bytes", old, row, "bytes", seconds);
		json_object_set(one, "sessions", json_object_get(row, "sessions"));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *between(const struct top *top, const struct sample *was, const struct sample *is)
{
	double seconds = is->when - was->when;
	json_t *hosts =
		is->hosts && was->hosts ? busiest(hosts_between(was, is, seconds), top->shown) : json_null();

	return json_pack("{s:f, s:O, s:O, s:O, s:o, s:o, s:o}", "seconds", seconds, "sessions",
			 json_object_get(is->status, "sessions"), "mappings",
			 json_object_get(is->status, "mappings"), "in_use",
			 json_object_get(is->status, "hosts"), "interfaces",
			 interfaces_between(was, is, seconds), "reasons",
			 busiest(reasons_between(was, is, seconds), top->shown), "hosts", hosts);
}

/*
 * On the screen
 */

struct screen {
	bool terminal;
	int left; /* rows that fit still; only of a terminal */
	int columns;
};

static void line(struct screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct screen *screen, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!screen->terminal)
		puts(text);
	else if (screen->left-- > 0)
		printf("%.*s\033[K%s", screen->columns, text, screen->left ? "\r\n" : "");
}

static void used_text(char text[96], const char *name, const json_t *counts)
{
	unsigned long long used = json_number_at(counts, "used"),
			   capacity = json_number_at(counts, "capacity");

	snprintf(text, 96, "%s %llu of %llu (%llu %%)", name, used, capacity,
		 capacity ? used * 100 / capacity : 0);
}

static void interfaces_show(struct screen *screen, const json_t *list)
{
	const json_t *row;
	size_t i;

	line(screen, "%-15s %-8s %9s %9s %9s %9s %9s %9s", "INTERFACE", "ROLE", "OUT/s", "B-OUT/s", "IN/s",
	     "B-IN/s", "PASSED/s", "DROPPED/s");
	json_array_foreach(list, i, row)
	{
		static const char *const keys[] = { "packets_out", "bytes_out",	     "packets_in",
						    "bytes_in",	   "packets_passed", "packets_dropped" };
		char cells[6][CELL_SIZE];

		for (int k = 0; k < 6; k++)
			count_text(cells[k], json_number_at(row, keys[k]));
		line(screen, "%-15s %-8s %9s %9s %9s %9s %9s %9s", json_text_at(row, "interface"),
		     json_text_at(row, "role"), cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]);
	}
}

static void reasons_show(struct screen *screen, const json_t *list)
{
	char cell[CELL_SIZE];
	const json_t *row;
	size_t i;

	if (!json_array_size(list))
		return;
	line(screen, " ");
	line(screen, "%-24s %9s  %s", "NOT LET THROUGH", "PACKETS/s", "MEANING");
	json_array_foreach(list, i, row)
		line(screen, "%-24s %9s  %s", json_text_at(row, "reason"),
		     count_text(cell, json_number_at(row, "packets")), json_text_at(row, "text"));
}

static void hosts_show(struct screen *screen, const json_t *list)
{
	char packets[CELL_SIZE], bytes[CELL_SIZE], sessions[CELL_SIZE];
	const json_t *row;
	size_t i;

	line(screen, " ");
	if (!json_is_array(list)) {
		line(screen, "hosts: more than %d sessions, too many to rank each second", SESSIONS_RANKED);
		return;
	}
	line(screen, "%-24s %9s %9s %9s", "HOST", "PACKETS/s", "BYTES/s", "SESSIONS");
	json_array_foreach(list, i, row)
		line(screen, "%-24s %9s %9s %9s", json_text_at(row, "inside_address"),
		     count_text(packets, json_number_at(row, "packets")),
		     count_text(bytes, json_number_at(row, "bytes")),
		     count_text(sessions, json_number_at(row, "sessions")));
}

static void show(const struct top *top, const struct sample *is, const json_t *json)
{
	char sessions[96], mappings[96], hosts[96];
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	struct screen screen = { .terminal = top->terminal };

	if (top->terminal && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row))
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	screen.left = size.ws_row;
	screen.columns = size.ws_col;
	if (top->terminal)
		printf("\033[H");
	used_text(sessions, "sessions", json_object_get(json, "sessions"));
	used_text(mappings, "mappings", json_object_get(json, "mappings"));
	used_text(hosts, "hosts", json_object_get(json, "in_use"));
	line(&screen, "keepnat %s, instance %s%s", json_text_at(is->status, "version"),
	     json_text_at(is->status, "instance"), top->terminal ? "; q to leave" : "");
	line(&screen, "%s, %s, %s", sessions, mappings, hosts);
	line(&screen, " ");
	interfaces_show(&screen, json_object_get(json, "interfaces"));
	reasons_show(&screen, json_object_get(json, "reasons"));
	hosts_show(&screen, json_object_get(json, "hosts"));
	if (top->terminal)
		printf("\033[J");
	fflush(stdout);
}

/*
 * The terminal
 */

/* Keys come as they are pressed, and a screen of its own is shown; ^C still ends it. */
static void terminal_begin(struct top *top)
{
	struct sigaction action = { .sa_handler = end };
	struct termios raw;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!top->terminal)
		return;
	tcgetattr(STDIN_FILENO, &top->before);
	raw = top->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	printf("\033[?1049h\033[?25l\033[H\033[2J");
	fflush(stdout);
}

static void terminal_end(const struct top *top)
{
	if (!top->terminal)
		return;
	printf("\033[?25h\033[?1049l");
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
}

/* A second, or less if it is to end. */
static void pause_for_key(const struct top *top)
{
	struct pollfd keys = { .fd = top->terminal ? STDIN_FILENO : -1, .events = POLLIN };
	double until = seconds_now() + 1;
	char key;

	while (!ended) {
		double left = until - seconds_now();

		if (left <= 0 || poll(&keys, 1, (int)(left * SECOND) + 1) == 0)
			return;
		if (keys.revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
			ended = 1;
	}
}

/* Between the last sample and now. */
static void tell(const struct top *top, const struct sample *was, const struct sample *is)
{
	json_t *json = between(top, was, is);

	if (top->json) {
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
	} else {
		show(top, is, json);
	}
	json_decref(json);
}

static int run(struct top *top, bool once)
{
	struct sample was = { 0 }, is = { 0 };
	int status = sample_take(top, &was);

	for (bool more = true; more && !status && !ended; more = !once) {
		pause_for_key(top);
		if (ended)
			break;
		status = sample_take(top, &is);
		if (!status)
			tell(top, &was, &is);
		sample_free(&was);
		was = is;
		memset(&is, 0, sizeof(is));
	}
	sample_free(&was);
	return status;
}

int top_run(const struct options *options)
{
	struct top top = { .json = options->json };
	int status = limit_read(options->limit, &top.shown);

	if (!options->limit)
		top.shown = SHOWN;
	if (!status)
		status = client_open(options, &top.client);
	if (status)
		return status;
	top.terminal = !options->json && !options->once && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	terminal_begin(&top);
	status = run(&top, options->once);
	terminal_end(&top);
	if (status && top.terminal) /* what was said is gone with the screen */
		complain("keepnatd does not answer any more; see keepnat status");
	client_close(top.client);
	return status;
}
