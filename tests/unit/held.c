// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/held.h, native/held.h: SYNs that nobody wanted. */
#include "core/held.h"
#include "native/held.h"
#include "tests/unit/core.h"

enum { AFTER = 7, TOO_OLD = 6 + HELD_PATIENCE + 1 };

static int held_setup(void **state)
{
	nat_setup(state);
	config()->hold = 1;
	return 0;
}

static __be32 remote(u32 n) { return htonl(0xcb000000u + n); }

static u32 syn(__be32 from, u16 port) { return meet_tcp(NATIVE_IN, TCP_SYN, from, port, ADDRESS_A, 4000); }

/* The number of the one place that is taken. */
static u32 place(void)
{
	u32 i = 0;

	while (i < HELD_SYNS && !(nat.held[i].word & HELD_TAKEN))
		i++;
	assert_true(i < HELD_SYNS);
	return i;
}

/* What comes of all that are held: how many senders are told, how many not. */
static void ends(u32 told, u32 silent)
{
	struct held_answer answer;
	u32 met[HELD_TOLD + 1] = { 0 };

	for (u32 i = 0; i < HELD_SYNS; i++) {
		enum held_end end = held_end(&nat, i, &answer);

		met[end]++;
		if (end == HELD_TOLD)
			assert_int_equal(packet_check(answer.ip, answer.length), 0);
	}
	assert_int_equal(met[HELD_TOLD], told);
	assert_int_equal(met[HELD_SILENT], silent);
}

static void repeated_waits_with_the_first(void **state)
{
	(void)state;
	assert_int_equal(syn(REMOTE_1, 80), REASON_no_mapping);
	nat.now += 6;
	assert_int_equal(syn(REMOTE_1, 80), REASON_no_mapping);
	assert_int_equal(held_count(&nat), 1);
	ends(0, 0);
	nat.now += 1;
	ends(1, 0);
	ends(0, 0);
	assert_int_equal(held_count(&nat), 0);
}

/* One that differs in a single thing is another. */
static void connections_are_apart(void **state)
{
	(void)state;
	syn(REMOTE_1, 80);
	syn(REMOTE_1, 81);
	syn(REMOTE_2, 80);
	meet_tcp(NATIVE_IN, TCP_SYN, REMOTE_1, 80, ADDRESS_A, 4001);
	assert_int_equal(held_count(&nat), 4);
	meet_tcp(NATIVE_OUT, TCP_SYN, HOST_1, 4000, REMOTE_1, 81);
	assert_int_equal(frame_sport(), 4000);
	nat.now += AFTER;
	ends(3, 1);
}

/* DCCP between the same ports is another one; a Response is none. */
static void dccp_is_another_connection(void **state)
{
	static const u8 types[] = { 0, 1, 8, 10 };
	struct packet_spec s = {
		.protocol = PROTOCOL_DCCP, .saddr = REMOTE_1, .daddr = ADDRESS_A, .sport = 80
	};

	(void)state;
	native_address_set(&nat, 0, ADDRESS_A, ADDRESS_LIVE | ADDRESS_POOL);
	syn(REMOTE_1, 80);
	for (u32 i = 0; i < sizeof(types); i++) {
		s.type = types[i];
		s.dport = (u16)(4000 + i);
		assert_int_equal(meet(NATIVE_IN, &s), REASON_no_mapping);
	}
	assert_int_equal(held_count(&nat), 4);
	meet_tcp(NATIVE_OUT, TCP_SYN, HOST_1, 4000, REMOTE_1, 80);
	s = (struct packet_spec){ .protocol = PROTOCOL_DCCP,
				  .saddr = HOST_1,
				  .daddr = REMOTE_1,
				  .sport = 4002,
				  .dport = 80,
				  .type = 10 };
	assert_int_equal(meet(NATIVE_OUT, &s), REASON_out_created);
	nat.now += AFTER;
	ends(2, 2);
}

/* However many come, the memory is what it is; who finds no place is counted, and his sender never told. */
static void a_flood_is_bounded(void **state)
{
	u32 full = 0, held = 0;

	(void)state;
	for (u32 i = 0; i < 4 * HELD_SYNS; i++) {
		u32 reason = syn(remote(i), 80);

		full += reason == REASON_syns_full;
		held += reason == REASON_no_mapping;
	}
	assert_int_equal(full + held, 4 * HELD_SYNS);
	assert_in_range(held, HELD_SYNS * 9 / 10, HELD_SYNS);
	assert_int_equal(held_count(&nat), held);
	nat.now += AFTER;
	ends(held, 0);
	assert_int_equal(syn(remote(4 * HELD_SYNS - 1), 80), REASON_no_mapping);
}

/* Nobody lets go: what is too old gives way, and only that. */
static void without_a_daemon(void **state)
{
	u32 full = 0;

	(void)state;
	for (u32 i = 0; i < 4 * HELD_SYNS; i++)
		syn(remote(i), 80);
	nat.now += TOO_OLD - 1;
	for (u32 i = 0; i < HELD_SYNS; i++)
		full += syn(remote(8 * HELD_SYNS + i), 80) == REASON_syns_full;
	assert_in_range(full, HELD_SYNS * 8 / 10, HELD_SYNS);
	nat.now += 1;
	full = 0;
	for (u32 i = 0; i < HELD_SYNS / 16; i++)
		full += syn(remote(9 * HELD_SYNS + i), 80) == REASON_syns_full;
	assert_int_equal(full, 0);
}

static void a_daemon_that_was_away_tells_nobody(void **state)
{
	(void)state;
	syn(REMOTE_1, 80);
	nat.now += TOO_OLD - 1;
	syn(REMOTE_2, 80);
	ends(1, 0);
	nat.now += TOO_OLD;
	ends(0, 1);
}

/* The place of who died while he had it is free when it is too old. */
static void a_dead_reader_leaks_nothing(void **state)
{
	(void)state;
	syn(REMOTE_1, 80);
	u32 at = place();
	nat.held[at].word = HELD_TAKEN | nat.now;
	assert_int_equal(syn(REMOTE_1, 80), REASON_no_mapping);
	assert_int_equal(held_count(&nat), 1);
	assert_int_equal(nat.held[at].word & HELD_WHOLE, 0);
	nat.now += AFTER;
	ends(1, 0);
	nat.now += TOO_OLD - AFTER;
	syn(REMOTE_1, 80);
	assert_true(nat.held[at].word & HELD_WHOLE);
}

/* What others wrote there is not trusted. */
static void a_place_of_rubbish_is_let_go(void **state)
{
	(void)state;
	for (u32 i = 0; i < 4; i++) {
		nat.held[i].word = HELD_TAKEN | HELD_WHOLE | (nat.now - AFTER);
		nat.held[i].head.outside = ADDRESS_A;
		nat.held[i].head.length = i ? (u16)(i == 1 ? HELD_BYTES + 1 : 39) : 0xffff;
		nat.held[i].head.interface = i == 3 ? MAX_INTERFACES : 0;
		nat.held[i].packet[0] = 0x45;
	}
	nat.held[3].head.length = 40;
	ends(0, 4);
	assert_int_equal(held_count(&nat), 0);
}

static struct packet_spec syn_spec(void)
{
	return (struct packet_spec){ .protocol = PROTOCOL_TCP,
				     .saddr = REMOTE_1,
				     .daddr = ADDRESS_A,
				     .sport = 80,
				     .dport = 4000,
				     .tcp_flags = TCP_SYN };
}

/* What lies in frame() comes in there, and nobody wants it. */
static void meet_at(u32 ifindex, int length)
{
	struct native_frame f = { .data = frame(), .length = (u32)length, .ifindex = ifindex };

	assert_int_equal(native_meet(&nat, NATIVE_IN, &f).reason, REASON_no_mapping);
}

/* As it comes through a veth: the checksum holds the pseudo header's sum alone. What is quoted is as on a wire. */
static void a_partial_checksum_is_completed(void **state)
{
	struct packet_spec spec = syn_spec();

	(void)state;
	for (u16 payload = 0; payload <= HELD_BYTES - 39; payload++) {
		u8 whole[ROOM];
		struct held_answer answer;
		spec.payload_length = payload;
		int length = packet_build(&spec, whole, ROOM);
		assert_true(length > 0);
		memcpy(frame(), whole, (size_t)length);
		struct tuple t = { .saddr = REMOTE_1, .daddr = ADDRESS_A, .protocol = PROTOCOL_TCP };
		u16 partial = checksum_fold(pseudo_sum(&t, (u32)length - IP_MIN));
		put16(frame(), IP_MIN + TCP_CHECK, (__be16)partial);
		meet_at(OUTSIDE_IFINDEX, length);
		u32 at = place();
		nat.now += AFTER;
		assert_int_equal(held_end(&nat, at, &answer), HELD_TOLD);
		assert_int_equal(packet_check(answer.ip, answer.length) &
					 ~(unsigned)PACKET_BAD_QUOTED_TRANSPORT,
				 0);
		if (length <= HELD_BYTES)
			assert_memory_equal(answer.ip + ANSWER_ROOM, whole, (size_t)length);
		else /* nobody knows the rest */
			assert_memory_equal(answer.ip + ANSWER_ROOM, frame(), HELD_BYTES);
	}
}

static void it_is_told_where_it_came_in(void **state)
{
	struct held_answer answer;

	(void)state;
	int second = native_interface_add(&nat, 9, ROLE_OUTSIDE);
	struct packet_spec spec = syn_spec();
	meet_at(9, packet_build(&spec, frame(), ROOM));
	nat.now += AFTER;
	u32 at = place();
	struct held again = nat.held[at];
	assert_int_equal(held_end(&nat, at, &answer), HELD_TOLD);
	assert_int_equal(answer.ifindex, 9);
	nat.held[at] = again;
	config()->interfaces[second].ifindex = 0; /* its device is gone */
	assert_int_equal(held_end(&nat, at, &answer), HELD_SILENT);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, held_setup, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(repeated_waits_with_the_first),
		CASE(connections_are_apart),
		CASE(dccp_is_another_connection),
		CASE(a_flood_is_bounded),
		CASE(without_a_daemon),
		CASE(a_daemon_that_was_away_tells_nobody),
		CASE(a_dead_reader_leaks_nothing),
		CASE(a_place_of_rubbish_is_let_go),
		CASE(a_partial_checksum_is_completed),
		CASE(it_is_told_where_it_came_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
