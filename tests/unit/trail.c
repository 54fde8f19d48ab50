// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* native/trail.h: each mapping and each block is told of once when it begins and once when it ends, with the times that hold. */
#include "tests/unit/core.h"

#include "native/trail.h"

enum { RECORDS = 64 };

static struct sweep *sweep;
static struct trail trail;
static struct trail_record records[RECORDS];
static u32 taken, places; /* so many records find room */

static bool take(void *context, const struct trail_record *record)
{
	assert_ptr_equal(context, records);
	if (taken >= places)
		return false;
	records[taken++] = *record;
	return true;
}

static int begin(void **state)
{
	(void)nat_setup(state);
	sweep = sweep_memory_new(&nat);
	taken = 0;
	places = RECORDS;
	trail = (struct trail){
		.nat = &nat, .mappings = TRAIL_MAPPINGS_ALL, .blocks = true, .take = take, .context = records
	};
	trail.entries = calloc(config()->mapping_mask + 1, sizeof(*trail.entries));
	assert_non_null(trail.entries);
	trail_follow(&trail, sweep);
	return 0;
}

static int end(void **state)
{
	free(trail.entries);
	sweep_memory_free(sweep);
	return nat_end(state);
}

static void pass_at(u32 now)
{
	nat.now = now;
	sweep_pass(sweep, now);
	sweep_pass(sweep, now);
}

static void out_at(u32 now, __be32 inside, u16 port)
{
	nat.now = now;
	meet_udp(NATIVE_OUT, inside, port, REMOTE_1, 53);
	assert_int_equal(frame_source(), ADDRESS_A);
}

/* The next record that was taken, from 0 on. */
static void told(u32 number, enum trail_kind kind, __be32 inside, u16 inside_port, u16 outside_port,
		 u64 since, u64 when)
{
	const struct trail_record *r = &records[number];

	assert_true(number < taken);
	assert_int_equal(r->kind, kind);
	assert_int_equal(r->protocol, kind < TRAIL_BLOCK_BEGIN ? PROTOCOL_UDP : 0);
	assert_int_equal(r->interface, 0);
	assert_int_equal(r->inside, inside);
	assert_int_equal(r->outside, ADDRESS_A);
	assert_int_equal(r->inside_port, inside_port);
	assert_int_equal(r->outside_port, outside_port);
	assert_int_equal(r->since, since);
	assert_int_equal(r->when, when);
}

static void begin_and_end(void **state)
{
	(void)state;
	out_at(START, HOST_1, 5000);
	pass_at(START + 7);
	assert_int_equal(taken, 1);
	told(0, TRAIL_MAPPING_BEGIN, HOST_1, 5000, 5000, 0, START);
	out_at(START + 200, HOST_1, 5000);
	pass_at(START + 501); /* it comes to rest: nobody else has its port before that is over */
	pass_at(START + 501 + 120);
	assert_int_equal(taken, 1);
	pass_at(START + 501 + 121);
	assert_int_equal(taken, 2);
	told(1, TRAIL_MAPPING_END, HOST_1, 5000, 5000, START, START + 501);
	pass_at(START + 900);
	assert_int_equal(taken, 2);
}

/* Its endpoint has it back: that is no other mapping. */
static void woken(void **state)
{
	(void)state;
	out_at(START, HOST_1, 5000);
	pass_at(START + 301);
	out_at(START + 350, HOST_1, 5000);
	pass_at(START + 350);
	pass_at(START + 350 + 301);
	pass_at(START + 350 + 301 + 121);
	assert_int_equal(taken, 2);
	told(1, TRAIL_MAPPING_END, HOST_1, 5000, 5000, START, START + 350 + 301);
}

/* Nobody takes records: they are told later, with the same times, and one of each. */
static void no_room(void **state)
{
	(void)state;
	places = 0;
	out_at(START, HOST_1, 5000);
	out_at(START + 1, HOST_2, 6000);
	pass_at(START + 10);
	places = 1;
	pass_at(START + 20);
	assert_int_equal(taken, 1);
	pass_at(START + 302);
	pass_at(START + 302 + 121); /* both end */
	assert_int_equal(live(TABLE_MAPPINGS), 0);
	places = RECORDS;
	pass_at(START + 700);
	assert_int_equal(taken, 4);
	for (u32 i = 0; i < taken; i++) {
		bool first = records[i].inside == HOST_1;
		u64 began = first ? START : START + 1;
		bool over = records[i].kind == TRAIL_MAPPING_END;
		told(i, records[i].kind, first ? HOST_1 : HOST_2, first ? 5000 : 6000, first ? 5000 : 6000,
		     over ? began : 0, over ? START + 302 : began);
	}
	assert_int_equal(trail.lost, 0);
}

/* What began and ended behind another's back that could not be told of is counted. */
static void no_room_for_two(void **state)
{
	(void)state;
	places = 0;
	out_at(START, HOST_1, 5000);
	pass_at(START + 301);
	pass_at(START + 301 + 121);
	out_at(START + 500, HOST_2, 5000); /* the same outside endpoint, in the same slot */
	pass_at(START + 500 + 301);
	pass_at(START + 500 + 301 + 121);
	assert_int_equal(trail.lost, 1);
	places = RECORDS;
	pass_at(START + 2000);
	assert_int_equal(taken, 2);
	told(0, TRAIL_MAPPING_BEGIN, HOST_1, 5000, 5000, 0, START);
	told(1, TRAIL_MAPPING_END, HOST_1, 5000, 5000, START, START + 301);
}

/* A reset: another host may have the port after its rest, and both are told, each in its own time. */
static void after_a_reset(void **state)
{
	u32 now = START + 5;

	(void)state;
	out_at(START, HOST_1, 5000);
	pass_at(START + 1);
	nat_reset(1, 1, 0);
	out_at(START + 5, HOST_1, 5000);
	assert_int_not_equal(frame_sport(), 5000); /* it rests */
	while (taken < 3 && now < START + 400) {
		out_at(++now, HOST_1, 5000);
		pass_at(now);
	}
	assert_int_equal(taken, 3);
	told(1, TRAIL_MAPPING_BEGIN, HOST_1, 5000, records[1].outside_port, 0, START + 5);
	assert_int_equal(records[2].kind, TRAIL_MAPPING_END);
	told(2, TRAIL_MAPPING_END, HOST_1, 5000, 5000, START, records[2].when);
	assert_in_range(records[2].when, START + 1, START + 20);
}

/* Who comes after a daemon that died tells nothing twice, if it has the entries; and what ended meanwhile. */
static void another_daemon(void **state)
{
	struct slot *slot;

	(void)state;
	out_at(START, HOST_1, 5000);
	pass_at(START + 1);
	sweep_memory_free(sweep);
	sweep = sweep_memory_new(&nat);
	trail_follow(&trail, sweep);
	out_at(START + 2, HOST_2, 6000);
	slot = half_at(endpoint(ADDRESS_A, 5000), CLASS_UDP, HALF_OUTSIDE);
	assert_int_equal(slot_end(slot, slot->word), 1); /* behind the sweep's back */
	pass_at(START + 9);
	assert_int_equal(taken, 3);
	for (u32 i = 1; i < taken; i++)
		if (records[i].kind == TRAIL_MAPPING_END)
			told(i, TRAIL_MAPPING_END, HOST_1, 5000, 5000, START, START + 9);
		else
			told(i, TRAIL_MAPPING_BEGIN, HOST_2, 6000, 6000, 0, START + 2);
}

static void lend(u32 size)
{
	struct shares s = { .inside = 0 };

	shares_lend(&s, size, 2, config()->port_min, config()->port_max);
	native_interface_shares(&nat, 0, &s);
}

/* A block tells whose its ports are: its mappings are not told of, but those of the router itself. */
static void by_need(void **state)
{
	u16 port;

	(void)state;
	trail.mappings = TRAIL_MAPPINGS_BY_NEED;
	lend(64);
	out_at(START, HOST_1, 5000);
	port = frame_sport();
	pass_at(START + 1);
	assert_int_equal(taken, 1);
	told(0, TRAIL_BLOCK_BEGIN, HOST_1, 0, port / 64 * 64, 0, START);
	assert_int_equal(records[0].last_port, records[0].outside_port + 63);
	pass_at(START + 302);
	pass_at(START + 302 + 121);
	pass_at(START + 302 + 121 + 122);
	assert_int_equal(taken, 2);
	assert_int_equal(records[1].kind, TRAIL_BLOCK_END);
	assert_int_equal(records[1].since, START);
	assert_in_range(records[1].when, START + 302, START + 302 + 121);
}

static void each_is_asked_for(void **state)
{
	(void)state;
	lend(64);
	out_at(START, HOST_1, 5000);
	pass_at(START + 1);
	assert_int_equal(taken, 2);
	trail.mappings = TRAIL_MAPPINGS_OFF;
	trail.blocks = false;
	out_at(START + 2, HOST_2, 6000);
	pass_at(START + 3);
	assert_int_equal(taken, 2);
	pass_at(START + 303); /* what was told of is told of to its end */
	pass_at(START + 303 + 121);
	pass_at(START + 303 + 121 + 122);
	assert_int_equal(taken, 4);
	for (u32 i = 2; i < taken; i++)
		assert_int_equal(records[i].inside, HOST_1);
}

/* With its destination, if that is asked for: from when it was met, and until the sweep ends it. */
static void sessions(void **state)
{
	struct trail_flow *flows = calloc(config()->flow_mask + 1, sizeof(*flows));

	(void)state;
	assert_non_null(flows);
	trail.flows = flows;
	trail.mappings = TRAIL_MAPPINGS_OFF;
	trail_follow(&trail, sweep);
	pass_at(START);
	out_at(START + 3, HOST_1, 5000);
	pass_at(START + 5);
	assert_int_equal(taken, 1);
	assert_int_equal(records[0].kind, TRAIL_SESSION_BEGIN);
	assert_int_equal(records[0].protocol, PROTOCOL_UDP);
	assert_int_equal(records[0].inside, HOST_1);
	assert_int_equal(records[0].inside_port, 5000);
	assert_int_equal(records[0].outside, ADDRESS_A);
	assert_int_equal(records[0].outside_port, 5000);
	assert_int_equal(records[0].remote, REMOTE_1);
	assert_int_equal(records[0].remote_port, 53);
	assert_int_equal(records[0].when, START + 3); /* its one packet came then */
	out_at(START + 7, HOST_2, 6000);
	out_at(START + 8, HOST_2, 6000);
	pass_at(START + 9);
	assert_int_equal(taken, 2);
	assert_int_equal(records[1].inside, HOST_2);
	assert_int_equal(records[1].when, START + 5); /* not before that pass */
	pass_at(START + 304);
	assert_int_equal(taken, 3);
	assert_int_equal(records[2].kind, TRAIL_SESSION_END);
	assert_int_equal(records[2].inside, HOST_1);
	assert_int_equal(records[2].remote_port, 53);
	assert_int_equal(records[2].since, START + 3);
	assert_int_equal(records[2].when, START + 304);
	pass_at(START + 304);
	assert_int_equal(taken, 3);
	trail.flows = NULL;
	trail_follow(&trail, sweep);
	free(flows);
}

/* Of a host and its address: from when its entry was made, until a pass does not find it. */
static void bindings(void **state)
{
	u32 gone = START + 3 + config()->timers.host_retention_timeout + 600;

	(void)state;
	trail.hosts = calloc(config()->host_mask + 1, sizeof(*trail.hosts));
	assert_non_null(trail.hosts);
	trail.mappings = TRAIL_MAPPINGS_OFF;
	trail_follow(&trail, sweep);
	out_at(START + 3, HOST_1, 5000);
	out_at(START + 4, HOST_1, 5001);
	places = 0; /* nobody takes it now: later, with the same time */
	pass_at(START + 5);
	places = RECORDS;
	pass_at(START + 6);
	assert_int_equal(taken, 1);
	assert_int_equal(records[0].kind, TRAIL_BINDING_BEGIN);
	assert_int_equal(records[0].inside, HOST_1);
	assert_int_equal(records[0].outside, ADDRESS_A);
	assert_int_equal(records[0].interface, 0);
	assert_int_equal(records[0].protocol | records[0].inside_port | records[0].outside_port, 0);
	assert_int_equal(records[0].when, START + 3);
	for (u32 now = START + 300; now < gone; now += 200)
		pass_at(now);
	pass_at(gone);
	assert_int_equal(taken, 2);
	assert_int_equal(records[1].kind, TRAIL_BINDING_END);
	assert_int_equal(records[1].inside, HOST_1);
	assert_int_equal(records[1].outside, ADDRESS_A);
	assert_int_equal(records[1].since, START + 3);
	assert_in_range(records[1].when, START + 3 + config()->timers.host_retention_timeout, gone);
	out_at(gone + 1, HOST_1, 5000);
	pass_at(gone + 2);
	assert_int_equal(taken, 3);
	assert_int_equal(records[2].kind, TRAIL_BINDING_BEGIN);
	assert_int_equal(records[2].when, gone + 1);
	free(trail.hosts);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(begin_and_end), CASE(woken),	   CASE(no_room), CASE(no_room_for_two),
		CASE(after_a_reset), CASE(another_daemon), CASE(by_need), CASE(each_is_asked_for),
		CASE(sessions),	     CASE(bindings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
