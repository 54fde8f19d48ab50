// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/pptp.h, core/call.h: what is a message, ids that many want, two processors at once, and what is left of calls. */
#include "core/pptp.h"
#include "core/rewrite.h"
#include "native/sweep_memory.h"
#include "tests/control.h"
#include "tests/unit/core.h"

#define SERVER REMOTE_1
enum { SHORTEST = 16, REQUEST = 168, REPLY = 32 };

static __be32 host(u32 n) { return htonl(0xc0a80001 + n); }

/* A segment of the control connection of host(n), which keeps its port. */
static u32 segment(enum native_hook hook, u32 n, const u8 *payload, u32 length)
{
	bool out = hook == NATIVE_OUT;
	u16 port = (u16)(5000 + n);
	struct packet_spec s = { .protocol = PROTOCOL_TCP,
				 .saddr = out ? host(n) : SERVER,
				 .daddr = out ? SERVER : ADDRESS_A,
				 .sport = out ? port : PPTP_PORT,
				 .dport = out ? PPTP_PORT : port,
				 .tcp_flags = TCP_ACK,
				 .payload = payload,
				 .payload_length = (u16)length };
	u32 reason = meet(hook, &s);

	if (reason_verdict(reason) == VERDICT_TRANSLATE)
		assert_int_equal(packet_check(frame(), IP_MIN + TCP_MIN + length), 0);
	return reason;
}

/* The id at this place of the message that segment() met. */
static u32 id_at(u32 place) { return be16_to_host(get16(frame(), IP_MIN + TCP_MIN + place)); }

/* host(n) asks for a call that it calls `id`: the reason, and *outside, what it is called outside. */
static u32 asks(u32 n, u32 id, u32 *outside)
{
	u8 request[REQUEST];

	control_message(request, sizeof(request), PPTP_OUTGOING_REQUEST, id, 0);
	u32 reason = segment(NATIVE_OUT, n, request, sizeof(request));
	*outside = id_at(12);
	return reason;
}

/* The server answers that, and calls it `id`: what the host sees as its own. */
static u32 answers(u32 n, u32 outside, u32 id)
{
	u8 reply[REPLY];

	control_message(reply, sizeof(reply), PPTP_OUTGOING_REPLY, id, outside);
	assert_int_equal(reason_verdict(segment(NATIVE_IN, n, reply, sizeof(reply))), VERDICT_TRANSLATE);
	assert_int_equal(id_at(12), id);
	return id_at(14);
}

static u32 gre(enum native_hook hook, __be32 from, __be32 to, u32 id)
{
	u8 payload[12] = { 0x20, 0x01, 0x88, 0x0b, 0, 0, (u8)(id >> 8), (u8)id };
	struct packet_spec s = { .protocol = PROTOCOL_GRE,
				 .saddr = from,
				 .daddr = to,
				 .payload = payload,
				 .payload_length = sizeof(payload) };

	return meet(hook, &s);
}

static u32 gre_out(u32 n, u32 id) { return gre(NATIVE_OUT, host(n), SERVER, id); }
static u32 gre_in(u32 id) { return gre(NATIVE_IN, SERVER, ADDRESS_A, id); }
static u32 gre_id(void) { return be16_to_host(get16(frame(), IP_MIN + GRE_CALL)); }

/* The inbound flow of the call that is `outside` outside. */
static struct flow *call_in(u32 outside)
{
	return (struct flow *)flow_at(PROTOCOL_GRE,
				      (struct endpoint){ .addr = SERVER, .port = htons(GRE_PPP) },
				      (struct endpoint){ .addr = ADDRESS_A, .port = htons((u16)outside) },
				      DIRECTION_IN);
}

/* What is a message, and where in it is the id that the inside end chose: by type, out and in. */
static void messages_are_told(void **state)
{
	static const u32 places[][2] = { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 },
					 { 0, 0 }, { 6, 0 }, { 6, 7 }, { 6, 0 }, { 6, 7 }, { 0, 6 },
					 { 6, 0 }, { 6, 0 }, { 0, 6 }, { 0, 6 }, { 0, 0 }, { 0, 0 } };
	struct control m;
	u8 *at = (u8 *)m.head;

	(void)state;
	for (u32 type = 0; type < sizeof(places) / sizeof(places[0]); type++) {
		assert_int_equal(pptp_place(type, DIRECTION_OUT), places[type][0]);
		assert_int_equal(pptp_place(type, DIRECTION_IN), places[type][1]);
	}
	for (u32 length = 0; length < 0x10000; length++) {
		control_message(at, SHORTEST, PPTP_OUTGOING_REQUEST, 1, 2);
		put16(at, 0, htons((u16)length));
		assert_int_equal(pptp_length(&m), length < SHORTEST || length % 4 ? 0 : length);
	}
	for (u32 i = 2; i < 8; i++) { /* kind and cookie to the byte */
		control_message(at, SHORTEST, PPTP_OUTGOING_REQUEST, 1, 2);
		assert_int_equal(pptp_length(&m), SHORTEST);
		at[i] ^= 1;
		assert_int_equal(pptp_length(&m), 0);
	}
}

/* Hosts that want one id get as many others; the next one is refused, until one is free. Each has what is its own. */
static void many_want_one_id(void **state)
{
	u32 outside[CALL_TRIES + 1];

	(void)state;
	for (u32 n = 0; n < CALL_TRIES; n++) {
		assert_int_equal(reason_verdict(asks(n, 7, &outside[n])), VERDICT_TRANSLATE);
		assert_int_equal(outside[n], (7 + n * CALL_STEP) & 0xffff);
		assert_int_equal(answers(n, outside[n], 1000 + n), 7);
	}
	assert_int_equal(asks(CALL_TRIES, 7, &outside[CALL_TRIES]), REASON_calls_taken);
	for (u32 n = 0; n < CALL_TRIES; n++) {
		assert_int_equal(gre_out(n, 1000 + n), REASON_out_session);
		assert_int_equal(gre_in(outside[n]), REASON_in_session);
		assert_int_equal(frame_target(), host(n));
		assert_int_equal(gre_id(), 7);
	}
	asks(3, 8, &outside[3]);
	assert_int_equal(outside[3], 8);
}

/* Two processors look for an id at once, and see the same one free: one has it, the other looks again. */
static void two_at_once(void **state)
{
	u32 outside;

	(void)state;
	asks(0, 1, &outside); /* so that both hosts are known */
	asks(1, 2, &outside);
	struct request *r = request();
	r->inside.port = htons(9);
	r->remote.port = htons(GRE_PPP);
	assert_false(call_seek(&nat, work()));
	assert_int_equal(r->outside.port, htons(9));
	struct request saved = *r;
	assert_int_equal(asks(0, 9, &outside), REASON_out_session);
	assert_int_equal(outside, 9);
	*r = saved;
	assert_int_equal(call_claim(&nat, work()), CLAIM_AGAIN);
	assert_int_equal(call_name(&nat, work(), 1), 0);
	assert_int_equal(r->outside.port, htons(9 + CALL_STEP));
	assert_int_equal(gre_in(9), REASON_in_session);
	assert_int_equal(frame_target(), host(0));
}

/* A server that gives a call one name after the other has the last one, and fills no table. */
static void one_name_at_a_time(void **state)
{
	u32 outside, before;

	(void)state;
	asks(0, 1, &outside);
	answers(0, 1, 500);
	before = live(TABLE_FLOWS);
	for (u32 i = 0; i < 300; i++)
		assert_int_equal(answers(0, 1, 501 + i), 1);
	assert_int_equal(live(TABLE_FLOWS), before);
	assert_int_equal(gre_out(0, 800), REASON_out_session);
	assert_int_equal(gre_out(0, 500), REASON_out_created);
	assert_int_equal(gre_in(1), REASON_in_session);
}

/* The inbound flow of a call may name a slot that has become another call's, if two processors closed the same flow: that one stays. */
static void another_call_is_not_closed(void **state)
{
	u32 outside;

	(void)state;
	asks(0, 1, &outside);
	answers(0, 1, 500);
	asks(0, 2, &outside);
	answers(0, 2, 600);
	struct flow *one = call_in(1), *other = call_in(2);
	other->peer = one->peer;
	assert_int_equal(answers(0, 2, 601), 2);
	assert_int_equal(gre_out(0, 500), REASON_out_session);
	assert_int_equal(gre_out(0, 601), REASON_out_session);
}

/* Halves name each other, and after the last packet of either the sweep ends all that a call left. */
static void the_sweep_ends_calls(void **state)
{
	struct sweep *s = sweep_memory_new(&nat);
	u32 outside;

	(void)state;
	assert_non_null(s);
	asks(0, 1, &outside);
	answers(0, 1, 500);
	struct flow *in = call_in(1);
	struct flow *out =
		(struct flow *)flow_at(PROTOCOL_GRE,
				       (struct endpoint){ .addr = host(0), .port = htons(GRE_PPP) },
				       (struct endpoint){ .addr = SERVER, .port = htons(500) },
				       DIRECTION_OUT);
	assert_true(in && out);
	assert_ptr_equal(env_slot(&nat, TABLE_FLOWS, in->peer), out);
	assert_ptr_equal(env_slot(&nat, TABLE_FLOWS, out->peer), in);
	for (u32 i = 0; i < 4; i++) { /* by the one half as by the other */
		nat.now += config()->timers.udp_timeout - 1;
		assert_int_equal(i & 1 ? gre_in(1) : gre_out(0, 500),
				 i & 1 ? REASON_in_session : REASON_out_session);
		sweep_pass(s, nat.now);
		assert_int_equal(s->last.sessions[CLASSES], 1);
	}
	nat.now += config()->timers.tcp_idle_timeout + 1;
	for (u32 i = 0; i < 3; i++)
		sweep_pass(s, nat.now);
	assert_int_equal(live(TABLE_FLOWS), 0);
	sweep_memory_free(s);
}

/* A reset of flows: no call is lost to who inserts meanwhile, and each counts again, by a packet or by the sweep; not with its host. */
static void a_reset(void **state)
{
	u32 outside;

	(void)state;
	native_destroy(&nat);
	nat_begin((struct native_sizes){ .flows = 64 }, 1);
	for (u32 n = 0; n < 3; n++) {
		asks(n, 1, &outside);
		answers(n, outside, 500 + n);
	}
	nat_reset(1, 0, 0);
	for (u32 i = 0; i < 200; i++)
		meet_udp(NATIVE_OUT, host(9), (u16)(1000 + i), REMOTE_2, 53);
	assert_int_equal(gre_in(1), REASON_in_session);
	assert_int_equal(gre_out(1, 501), REASON_out_session);
	struct sweep *s = sweep_memory_new(&nat);
	assert_non_null(s);
	sweep_pass(s, nat.now);
	assert_int_equal(gre_out(2, 502), REASON_out_session);
	assert_int_equal(gre_in(1 + CALL_STEP), REASON_in_session);
	assert_int_equal(frame_target(), host(1));
	nat_reset(1, 1, 1);
	assert_int_equal(gre_in(1), REASON_local_address);
	sweep_pass(s, nat.now);
	assert_null(flow_at(PROTOCOL_GRE, (struct endpoint){ .addr = SERVER, .port = htons(GRE_PPP) },
			    (struct endpoint){ .addr = ADDRESS_A, .port = htons(1) }, DIRECTION_IN));
	sweep_memory_free(s);
}

/* No room for flows: a call that has no claim is refused, GRE of others goes on. */
static void a_full_table(void **state)
{
	u32 outside;

	(void)state;
	native_destroy(&nat);
	nat_begin((struct native_sizes){ .flows = 64 }, 1);
	asks(0, 1, &outside);
	answers(0, 1, 500);
	for (u32 i = 0; live(TABLE_FLOWS) < 64; i++)
		meet_udp(NATIVE_OUT, HOST_1, (u16)(1000 + i), REMOTE_2, 53);
	assert_int_equal(asks(1, 1, &outside), REASON_flows_full);
	assert_int_equal(gre_out(0, 500), REASON_out_session);
	assert_int_equal(gre_in(1), REASON_in_session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_told),
		cmocka_unit_test_setup_teardown(many_want_one_id, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(two_at_once, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(one_name_at_a_time, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(another_call_is_not_closed, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(the_sweep_ends_calls, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(a_reset, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(a_full_table, nat_setup, nat_end),
	};

	return cmocka_run_group_tests_name("pptp", tests, NULL, NULL);
}
