// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* keepnat kill: what is named ends, what is not stays, and packets go on as daemon/kill.h says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/sweep.h"
#include "daemon/kill.h"
#include "tests/state.h"
#include "tests/unit/fixture/instance.h"

enum { FLOWS = 1024, MAPPINGS = 1024, HOSTS = 256, UDP = PROTOCOL_UDP, GRE = PROTOCOL_GRE };

static const char *const server = "192.0.2.9";

static int setup(void **state)
{
	*state = instance_make(FLOWS, MAPPINGS, HOSTS);
	return 0;
}

static int teardown(void **state)
{
	instance_free(*state);
	return 0;
}

static void out(struct instance *i, u8 protocol, const char *from, u16 sport, const char *to, u16 dport)
{
	u32 reason = instance_out(i, protocol, from, sport, to, dport, 0);

	assert_true(reason == REASON_out_created || reason == REASON_out_session);
}

static struct kill_counts killed(struct instance *i, enum kill_what what, struct list_filter filter)
{
	static struct kill kill;
	struct state_fault fault;

	list_open(&kill.view, &i->k);
	kill.filter = filter;
	kill_begin(&kill, what);
	for (int turns = 0; !kill.done; turns++) {
		assert_true(turns < 1000);
		kill_step(&kill, 7);
	}
	assert_false(state_check(&i->k.nat, 0, &fault));
	return kill.counts;
}

static u32 rows(struct instance *i, enum list_kind kind, struct list_filter filter)
{
	struct mapping_row mapping;
	struct session_row session;
	struct list_view view;
	struct host_row host;
	u32 count = 0;

	list_open(&view, &i->k);
	for (u32 at = 0; at < list_slots(&view, kind); at++)
		count += (u32)(kind == LIST_SESSIONS   ? list_session(&view, &filter, at, &session)
			       : kind == LIST_MAPPINGS ? list_mapping(&view, &filter, at, &mapping)
						       : list_host(&view, &filter, at, &host));
	return count;
}

static u32 live_flows(struct instance *i)
{
	u32 count = 0;

	for (u32 at = 0; at < FLOWS; at++)
		count += word_state(env_slot(&i->k.nat, TABLE_FLOWS, at)->word) == LIVE;
	return count;
}

static const struct list_filter all;

static struct list_filter of_host(const char *host)
{
	return (struct list_filter){ .by_host = true, .host = address(host) };
}

/* Two hosts, each with two sessions of one endpoint. */
static void populate(struct instance *i)
{
	out(i, UDP, "10.0.0.5", 5000, server, 53);
	out(i, UDP, "10.0.0.5", 5000, server, 54);
	out(i, UDP, "10.0.0.6", 5000, server, 53);
	out(i, UDP, "10.0.0.6", 5000, server, 54);
}

static void a_session(void **state)
{
	struct list_filter one = of_host("10.0.0.5");
	struct instance *i = *state;

	populate(i);
	one.by_remote = one.by_remote_port = true;
	one.remote = address(server);
	one.remote_port = host_to_be16(53);
	struct kill_counts counts = killed(i, KILL_SESSIONS, one);
	assert_int_equal(counts.sessions, 1);
	assert_int_equal(counts.mappings, 0);
	assert_int_equal(rows(i, LIST_SESSIONS, all), 3);
	assert_int_equal(rows(i, LIST_SESSIONS, one), 0);
	assert_int_equal(rows(i, LIST_MAPPINGS, all), 2);
	assert_int_equal(live_flows(i), 6); /* both halves ended */
	assert_int_equal(killed(i, KILL_SESSIONS, one).sessions, 0);
	/* Its endpoint goes on as before, with a session anew. */
	assert_int_equal(instance_out(i, UDP, "10.0.0.5", 5000, server, 53, 0), REASON_out_created);
	assert_int_equal(i->plan.ip.sport, host_to_be16(5000));
	assert_int_equal(instance_out(i, UDP, "10.0.0.5", 5000, server, 54, 0), REASON_out_session);
}

static void another_port_of_the_remote(void **state)
{
	struct list_filter filter = { .by_remote = true, .remote = address("192.0.2.8") };

	populate(*state);
	assert_int_equal(killed(*state, KILL_SESSIONS, filter).sessions, 0);
	filter.remote = address(server);
	assert_int_equal(killed(*state, KILL_SESSIONS, filter).sessions, 4);
	assert_int_equal(live_flows(*state), 0);
}

static void a_mapping(void **state)
{
	struct list_filter one = of_host("10.0.0.5");
	struct instance *i = *state;

	populate(i);
	out(i, UDP, "10.0.0.5", 5001, server, 53);
	one.by_outside = one.by_port = true;
	out(i, UDP, "10.0.0.5", 5000, server, 53);
	one.outside = i->plan.ip.saddr;
	one.outside_port = i->plan.ip.sport;
	struct kill_counts counts = killed(i, KILL_MAPPINGS, one);
	assert_int_equal(counts.sessions, 2);
	assert_int_equal(counts.mappings, 1);
	assert_int_equal(rows(i, LIST_MAPPINGS, all), 2);
	assert_int_equal(rows(i, LIST_SESSIONS, of_host("10.0.0.5")), 1);
	/* Its port rests: nobody comes in by it, no other host has it, and the endpoint itself has it again. */
	assert_int_equal(instance_packet(i, 0, UDP, address(server), 53, one.outside,
					 be16_to_host(one.outside_port), 0),
			 REASON_no_mapping);
	assert_int_equal(instance_out(i, UDP, "10.0.0.5", 5000, server, 53, 0), REASON_out_created);
	assert_int_equal(i->plan.ip.saddr, one.outside);
	assert_int_equal(i->plan.ip.sport, one.outside_port);
}

static void a_host(void **state)
{
	struct instance *i = *state;

	populate(i);
	out(i, GRE, "10.0.0.5", 0, server, 0);
	struct kill_counts counts = killed(i, KILL_HOSTS, of_host("10.0.0.5"));
	assert_int_equal(counts.sessions, 3);
	assert_int_equal(counts.mappings, 1);
	assert_int_equal(counts.hosts, 1);
	assert_int_equal(counts.kept, 0);
	assert_int_equal(rows(i, LIST_HOSTS, all), 1);
	assert_int_equal(rows(i, LIST_SESSIONS, all), 2);
	/* The claim on the server ended, too: another host may have it. */
	out(i, GRE, "10.0.0.6", 0, server, 0);
	assert_int_equal(instance_out(i, UDP, "10.0.0.5", 5000, server, 53, 0), REASON_out_created);
	assert_int_equal(rows(i, LIST_HOSTS, all), 2);
}

static void what_is_configured_stays(void **state)
{
	struct instance *i = *state;

	populate(i);
	for (u32 at = 0; at < HOSTS; at++) {
		struct host *h = (struct host *)env_slot(&i->k.nat, TABLE_HOSTS, at);

		if (word_state(h->word) == LIVE && h->inside == address("10.0.0.5"))
			h->own |= OWN_FIXED;
	}
	struct kill_counts counts = killed(i, KILL_HOSTS, of_host("10.0.0.5"));
	assert_int_equal(counts.sessions, 2);
	assert_int_equal(counts.hosts, 0);
	assert_int_equal(counts.kept, 1);
	assert_int_equal(rows(i, LIST_HOSTS, all), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_session), TEST(another_port_of_the_remote), TEST(a_mapping),
		TEST(a_host),	 TEST(what_is_configured_stays),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
