// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/fragment.h: later fragments find the ports that the first one told. */
#include "core/translate.h"
#include "tests/unit/core.h"

static struct packet_spec piece(u16 id, u16 offset, u16 bytes)
{
	return (struct packet_spec){ .protocol = PROTOCOL_UDP,
				     .saddr = HOST_1,
				     .daddr = REMOTE_1,
				     .sport = 5000,
				     .dport = 53,
				     .payload_length = 100,
				     .fragment_offset = offset,
				     .fragment_bytes = bytes,
				     .id = id };
}

static u32 out_piece(u16 id, u16 offset, u16 bytes)
{
	struct packet_spec spec = piece(id, offset, bytes);

	return meet(NATIVE_OUT, &spec);
}

static void follow_the_first(void **state)
{
	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	assert_int_equal(frame_source(), ADDRESS_A);
	assert_int_equal(out_piece(1, 48, 32), REASON_out_fragment);
	assert_int_equal(frame_source(), ADDRESS_A);
	assert_int_equal(out_piece(1, 80, 28), REASON_out_fragment);
	assert_int_equal(frame_source(), ADDRESS_A);
}

/* The bytes of a later fragment are payload, whatever they look like. */
static void payload_is_left_alone(void **state)
{
	u8 before[28];

	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	struct packet_spec last = piece(1, 80, 28);
	assert_int_equal(packet_build(&last, frame(), ROOM), 48);
	memcpy(before, frame() + 20, 28);
	assert_int_equal(meet(NATIVE_OUT, &last), REASON_out_fragment);
	assert_memory_equal(before, frame() + 20, 28);
}

static void strangers_are_dropped(void **state)
{
	(void)state;
	assert_int_equal(out_piece(1, 48, 32), REASON_fragment_unknown);
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	assert_int_equal(out_piece(2, 48, 32), REASON_fragment_unknown);
	struct packet_spec spec = piece(1, 48, 32);
	spec.daddr = REMOTE_2;
	assert_int_equal(meet(NATIVE_OUT, &spec), REASON_fragment_unknown);
	spec = piece(1, 48, 32);
	spec.protocol = PROTOCOL_TCP;
	assert_int_equal(meet(NATIVE_OUT, &spec), REASON_fragment_unknown);
}

static void not_for_long(void **state)
{
	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	nat.now += 2;
	assert_int_equal(out_piece(1, 48, 32), REASON_out_fragment);
	nat.now += 1; /* a later fragment does not prolong it */
	assert_int_equal(out_piece(1, 80, 28), REASON_fragment_unknown);
	assert_int_equal(out_piece(1, 0, 48), REASON_out_session);
	assert_int_equal(out_piece(1, 80, 28), REASON_out_fragment);
}

/* A repeated first fragment prolongs. One with other ports takes over: the identification came round. */
static void repeated_and_replaced(void **state)
{
	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	nat.now += 2;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_session);
	nat.now += 2;
	assert_int_equal(out_piece(1, 48, 32), REASON_out_fragment);
	struct packet_spec other = piece(1, 0, 48);
	other.sport = 6000;
	assert_int_equal(meet(NATIVE_OUT, &other), REASON_out_created);
	assert_int_equal(live(TABLE_FRAGMENTS), 1);
	const struct flow *f = (const struct flow *)flow_at(PROTOCOL_UDP, endpoint(HOST_1, 6000),
							    endpoint(REMOTE_1, 53), DIRECTION_OUT);
	u64 packets = f->packets;
	assert_int_equal(out_piece(1, 48, 32), REASON_out_fragment);
	assert_int_equal(f->packets, packets + 1);
}

static void directions_are_apart(void **state)
{
	struct packet_spec in = piece(1, 0, 48);

	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	in.saddr = REMOTE_1;
	in.sport = 53;
	in.daddr = ADDRESS_A;
	in.dport = 5000;
	in.fragment_offset = 48;
	in.fragment_bytes = 32;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_fragment_unknown);
	in.fragment_offset = 0;
	in.fragment_bytes = 48;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_in_session);
	in.fragment_offset = 48;
	in.fragment_bytes = 32;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_in_fragment);
	assert_int_equal(frame_target(), HOST_1);
}

/* What was dropped tells its later fragments nothing. */
static void a_dropped_first_is_forgotten(void **state)
{
	struct packet_spec in = piece(1, 0, 48);

	(void)state;
	in.saddr = REMOTE_1;
	in.daddr = ADDRESS_A;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_no_mapping);
	assert_int_equal(live(TABLE_FRAGMENTS), 0);
	in.fragment_offset = 48;
	in.fragment_bytes = 32;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_fragment_unknown);
}

/* A full table loses fragments, no more. */
static void full(void **state)
{
	u32 lost = 0;

	(void)state;
	for (u16 id = 0; id < 1000; id++) {
		u32 reason = out_piece(id, 0, 48);
		assert_true(reason == REASON_out_created || reason == REASON_out_session);
		reason = out_piece(id, 48, 32);
		assert_true(reason == REASON_out_fragment || reason == REASON_fragment_unknown);
		lost += reason == REASON_fragment_unknown;
	}
	assert_true(lost >= 1000 - 256);
	nat.now += 3;
	assert_int_equal(out_piece(5000, 0, 48), REASON_out_session);
	assert_int_equal(out_piece(5000, 48, 32), REASON_out_fragment);
}

/* A reset that keeps mappings may come between two fragments: nothing of the datagram is lost. */
static void a_reset_of_flows_loses_none(void **state)
{
	struct packet_spec in = piece(1, 0, 48);

	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	nat_reset(1, 0, 0);
	assert_int_equal(out_piece(1, 48, 32), REASON_out_created);
	assert_int_equal(frame_source(), ADDRESS_A);
	assert_int_equal(out_piece(1, 80, 28), REASON_out_fragment);
	in.saddr = REMOTE_1;
	in.sport = 53;
	in.daddr = ADDRESS_A;
	in.dport = 5000;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_in_session);
	nat_reset(1, 0, 0);
	in.fragment_offset = 48;
	in.fragment_bytes = 32;
	assert_int_equal(meet(NATIVE_IN, &in), REASON_in_created);
	assert_int_equal(frame_target(), HOST_1);
}

static void a_reset_of_mappings_forgets(void **state)
{
	(void)state;
	assert_int_equal(out_piece(1, 0, 48), REASON_out_created);
	nat_reset(1, 1, 0);
	assert_int_equal(out_piece(1, 48, 32), REASON_fragment_unknown);
}

/* As many as there are, and then they come round; another destination or protocol counts from elsewhere. */
static void identifications_are_unique(void **state)
{
	static u8 seen[65536];
	struct tuple t = { .protocol = PROTOCOL_UDP };
	struct target n = { .saddr = ADDRESS_A, .daddr = REMOTE_1 },
		      other = { .saddr = ADDRESS_A, .daddr = REMOTE_2 };

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (u32 i = 0; i < 65536; i++) {
		identify(&nat, &t, &n, 1);
		assert_int_equal(n.has_id, 1);
		assert_int_equal(seen[n.id]++, 0);
	}
	u16 first = be16_to_host(n.id);
	identify(&nat, &t, &n, 1);
	assert_int_equal(be16_to_host(n.id), (u16)(first + 1));
	identify(&nat, &t, &other, 1);
	assert_int_not_equal(other.id, n.id);
	t.protocol = PROTOCOL_DCCP;
	identify(&nat, &t, &other, 1);
	assert_int_not_equal(be16_to_host(other.id), (u16)(first + 2));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, nat_setup, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(identifications_are_unique),
		CASE(follow_the_first),
		CASE(payload_is_left_alone),
		CASE(strangers_are_dropped),
		CASE(not_for_long),
		CASE(repeated_and_replaced),
		CASE(directions_are_apart),
		CASE(a_dropped_first_is_forgotten),
		CASE(full),
		CASE(a_reset_of_flows_loses_none),
		CASE(a_reset_of_mappings_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
