// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/book_sink.h: what goes over the wire, byte for byte, and what becomes of records that nobody takes. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/env.h"
#include "daemon/book_sink.h"

enum { QUEUE = 16, NOW = 1000, HEADER = 16 };
#define WHEN 1700000000123ull

static struct sink sink;
static struct book_names names;
static unsigned int taken;

static const struct trail_record mapping = {
	.kind = TRAIL_MAPPING_BEGIN,
	.protocol = 17,
	.inside_port = 5000,
	.outside_port = 40000,
	.last_port = 40000,
	.when = WHEN,
};

static struct trail_record record_of(const struct trail_record *like)
{
	struct trail_record r = *like;

	r.inside = inet_addr("10.0.0.11");
	r.outside = inet_addr("198.51.100.2");
	return r;
}

static void open_to(const struct sink_format *format, const char *target)
{
	assert_int_equal(sink_open(&sink, format, target, QUEUE, 0), 0);
	names = (struct book_names){ .instance = "test", .host = "gate" };
	snprintf(names.interfaces[0], sizeof(names.interfaces[0]), "%s", "\"\\#{");
	format->begin(&sink);
}

static int teardown(void **state)
{
	(void)state;
	sink_close(&sink);
	return 0;
}

static size_t pack(const struct trail_record *records, unsigned int count, u64 now)
{
	return sink.format->pack(&sink, &names, records, count, now, &taken);
}

static u32 number_at(size_t at, unsigned int length)
{
	u32 value = 0;

	while (length--)
		value = value << 8 | sink.out[at++];
	return value;
}

static void ipfix_bytes(void **state)
{
	static const u8 record[] = {
		1,  0, 0,    30,			   /* set 256, of 30 bytes */
		0,  0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, /* 1700000000123 ms */
		8,  0, 0,    0,	   0,			   /* NAT44 BIB create, instance 0 */
		10, 0, 0,    11,   198,	 51,   100,  2,	   17, 0x13, 0x88, 0x9c, 0x40,
	};
	struct trail_record r = record_of(&mapping);

	(void)state;
	open_to(&book_ipfix, "udp:192.0.2.1:4739");
	size_t first = pack(&r, 1, WHEN), second = pack(&r, 1, WHEN + 59999);
	assert_true(first > second);
	assert_int_equal(second, HEADER + sizeof(record));
	assert_int_equal(number_at(0, 2), 10);
	assert_int_equal(number_at(2, 2), second);
	assert_int_equal(number_at(4, 4), (WHEN + 59999) / 1000);
	assert_int_equal(number_at(8, 4), 1); /* one record went before */
	assert_int_equal(number_at(12, 4), 0);
	assert_memory_equal(sink.out + HEADER, record, sizeof(record));
	assert_int_equal(pack(&r, 1, WHEN + 60000), first); /* templates again */
	assert_int_equal(number_at(HEADER, 2), 2);
	assert_int_equal(number_at(HEADER + 4, 2), 256);
}

/* By TCP templates are sent once; a new connection begins anew. */
static void ipfix_stream(void **state)
{
	struct trail_record r = record_of(&mapping);

	(void)state;
	open_to(&book_ipfix, "tcp:192.0.2.1:4739");
	size_t first = pack(&r, 1, WHEN);
	assert_true(pack(&r, 1, WHEN + 3600000) < first);
	assert_int_equal(number_at(8, 4), 1);
	book_ipfix.begin(&sink);
	assert_int_equal(pack(&r, 1, WHEN), first);
	assert_int_equal(number_at(8, 4), 0);
}

/* Of each threshold which it is, and what it is; of a pool, which one. Of a binding the two addresses. */
static void ipfix_thresholds(void **state)
{
	static const struct {
		u16 kind, set, bytes;
		u8 event, threshold;
		bool pool;
	} rows[] = {
		{ TRAIL_POOL_HIGH, 267, 25, 18, 1, true },
		{ TRAIL_POOL_LOW, 268, 25, 18, 2, true },
		{ TRAIL_MAPPINGS_HIGH, 269, 21, 18, 3, false },
		{ TRAIL_BINDINGS_HIGH, 270, 21, 18, 5, false },
	};
	enum { BODY = HEADER + 4, EVENT = BODY + 8, FIELDS = EVENT + 5 };
	struct trail_record r = { .interface = 3, .when = WHEN, .count = 1234 };

	(void)state;
	open_to(&book_ipfix, "udp:192.0.2.1:4739");
	(void)pack(&r, 1, WHEN);
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r.kind = rows[i].kind;
		assert_int_equal(pack(&r, 1, WHEN), BODY + rows[i].bytes);
		assert_int_equal(number_at(HEADER, 2), rows[i].set);
		assert_int_equal(number_at(EVENT, 1), rows[i].event);
		assert_int_equal(number_at(FIELDS, 4), rows[i].threshold);
		assert_int_equal(number_at(FIELDS + 4, 4), 1234);
		if (rows[i].pool)
			assert_int_equal(number_at(FIELDS + 8, 4), 3);
	}
	r = record_of(&r);
	for (r.kind = TRAIL_BINDING_BEGIN; r.kind <= TRAIL_BINDING_END; r.kind++) {
		assert_int_equal(pack(&r, 1, WHEN), BODY + 21);
		assert_int_equal(number_at(HEADER, 2), 266);
		assert_int_equal(number_at(EVENT, 1), r.kind == TRAIL_BINDING_BEGIN ? 14 : 15);
		assert_int_equal(number_at(FIELDS, 4), 0x0a00000b);
		assert_int_equal(number_at(FIELDS + 4, 4), 0xc6336402);
	}
}

/* A datagram has no more than fits; what is left stays for the next. */
static void ipfix_fits(void **state)
{
	struct trail_record many[SINK_BATCH];

	(void)state;
	for (unsigned int i = 0; i < SINK_BATCH; i++) {
		many[i] = record_of(&mapping);
		many[i].kind = i % 2 ? TRAIL_SESSION_END : TRAIL_BLOCK_BEGIN; /* each in a set of its own */
	}
	open_to(&book_ipfix, "udp:192.0.2.1:4739");
	assert_in_range(pack(many, SINK_BATCH, WHEN), HEADER + 1, SINK_DATAGRAM);
	assert_in_range(taken, 1, SINK_BATCH - 1);
}

static void text_is(const char *wanted, size_t length)
{
	assert_int_equal(length, strlen(wanted));
	assert_memory_equal(sink.out, wanted, length);
}

static void lines(void **state)
{
	struct trail_record r = record_of(&mapping), two[2] = { r, r };
	const char *json =
		"{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"mapping_begin\",\"protocol\":\"udp\","
		"\"inside_address\":\"10.0.0.11\",\"inside_port\":5000,\"outside_address\":\"198.51.100.2\","
		"\"outside_port\":40000,\"interface\":\"\\\"\\\\#{\",\"instance\":\"test\"}\n";

	(void)state;
	open_to(&book_json, "/var/log/nat");
	text_is(json, pack(&r, 1, WHEN));
	assert_int_equal(pack(two, 2, WHEN), 2 * strlen(json));
	assert_int_equal(taken, 2);
	sink_close(&sink);
	open_to(&book_json, "udp:192.0.2.1:514"); /* a record a datagram */
	text_is(json, pack(two, 2, WHEN));
	assert_int_equal(taken, 1);
	sink_close(&sink);
	open_to(&book_json, "/var/log/nat");
	text_is("{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"records_lost\",\"count\":7,\"instance\":"
		"\"test\"}\n",
		pack(&(struct trail_record){ .kind = TRAIL_LOST, .when = WHEN, .count = 7 }, 1, WHEN));
	text_is("{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"mappings_high\",\"limit\":80,"
		"\"instance\":"
		"\"test\"}\n",
		pack(&(struct trail_record){ .kind = TRAIL_MAPPINGS_HIGH, .when = WHEN, .count = 80 }, 1,
		     WHEN));
	r.kind = TRAIL_BINDING_END;
	r.protocol = 0;
	text_is("{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"binding_end\",\"inside_address\":\"10.0."
		"0.11\","
		"\"outside_address\":\"198.51.100.2\",\"interface\":\"\\\"\\\\#{\",\"instance\":\"test\"}\n",
		pack(&r, 1, WHEN));
}

/* Each message of a stream has its length before it. */
static void syslog_lengths(void **state)
{
	struct trail_record r = record_of(&mapping);
	char *message;
	size_t length;

	(void)state;
	open_to(&book_syslog, "tcp:192.0.2.1:514");
	length = pack(&r, 1, WHEN);
	sink.out[length] = 0;
	assert_int_equal(strtoul((char *)sink.out, &message, 10),
			 length - (size_t)(message + 1 - (char *)sink.out));
	assert_memory_equal(message, " <134>1 2023-11-14T22:13:20.123Z gate keepnatd ", 47);
}

/* A queue that is full is waited for, unless its destination is gone: then what comes is lost, and counted. */
static void a_full_queue(void **state)
{
	struct trail_record r = record_of(&mapping);

	(void)state;
	open_to(&book_json, "unix:/nonexistent/collector");
	for (unsigned int i = 0; i < QUEUE; i++) {
		assert_true(sink_ready(&sink));
		sink_push(&sink, &r);
	}
	assert_false(sink_ready(&sink));
	sink_run(&sink, &names, NOW, WHEN); /* nobody is there */
	assert_false(sink.up);
	assert_true(sink_ready(&sink));
	sink_push(&sink, &r);
	assert_int_equal(sink.lost, 1);
	assert_int_equal(sink.pushed, QUEUE);
	assert_int_equal(sink.arrived, 0);
}

/* It comes: what waited goes there, after what was lost was said. And what it did not acknowledge goes once more. */
static void it_returns(void **state)
{
	struct trail_record r = record_of(&mapping);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int server = socket(AF_INET, SOCK_DGRAM, 0);
	char target[64], text[1024];
	u64 now = NOW;

	(void)state;
	assert_int_equal(bind(server, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&address, &size), 0);
	snprintf(target, sizeof(target), "udp:127.0.0.1:%u", ntohs(address.sin_port));
	open_to(&book_json, target);
	sink.lost = 3;
	sink_push(&sink, &r);
	sink_run(&sink, &names, now, WHEN);
	ssize_t n = recv(server, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "\"records_lost\",\"count\":3"));
	n = recv(server, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "mapping_begin"));
	assert_int_equal(sink.arrived, 0); /* somebody might complain yet */
	sink_run(&sink, &names, now += SINK_SETTLED_MS, WHEN);
	assert_int_equal(sink.arrived, 1);
	close(server);
	sink_push(&sink, &r);
	sink_run(&sink, &names, now += 1, WHEN); /* it is refused */
	for (int i = 0; i < 100 && sink.up; i++)
		sink_run(&sink, &names, now += 1, WHEN);
	assert_false(sink.up);
	assert_int_equal(sink.arrived, 1);
	assert_int_equal(sink.sent, 1);
	assert_int_equal(sink.lost, 3);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
	const struct CMUnitTest tests[] = {
		CASE(ipfix_bytes), CASE(ipfix_stream),	 CASE(ipfix_thresholds), CASE(ipfix_fits),
		CASE(lines),	   CASE(syslog_lengths), CASE(a_full_queue),	 CASE(it_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
