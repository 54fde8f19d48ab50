// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/spi.h: the claim on a gateway, two processors at once, and what is left of them. */
#include "native/sweep_memory.h"
#include "tests/unit/core.h"

#define GATEWAY REMOTE_1
enum { OUT_SPI = 0x11000000, IN_SPI = 0x21000000 };

static __be16 high(u32 spi) { return htons((u16)(spi >> 16)); }
static __be16 low(u32 spi) { return htons((u16)spi); }

/* A packet with this SPI; it lies in frame() afterwards. */
static u32 esp(enum native_hook hook, __be32 from, __be32 to, u32 spi)
{
	u8 payload[12] = { (u8)(spi >> 24), (u8)(spi >> 16), (u8)(spi >> 8), (u8)spi };
	struct packet_spec s = { .protocol = PROTOCOL_ESP,
				 .saddr = from,
				 .daddr = to,
				 .payload = payload,
				 .payload_length = sizeof(payload) };
	u32 reason = meet(hook, &s);

	assert_memory_equal(frame() + 20, payload, sizeof(payload));
	return reason;
}

static u32 out(__be32 host, u32 spi) { return esp(NATIVE_OUT, host, GATEWAY, spi); }
static u32 in(u32 spi) { return esp(NATIVE_IN, GATEWAY, ADDRESS_A, spi); }

/* The request of a packet of this SPI, as miss.h makes it. */
static struct request *ask_out(__be32 host, u32 spi)
{
	struct request *r = ask(CLASS_UDP, host, 0);

	r->protocol = PROTOCOL_ESP;
	r->class = CLASSES;
	r->inside.port = high(spi);
	r->remote.port = low(spi);
	assert_int_equal(host_out(&nat, work()), 0);
	r->outside.port = r->inside.port;
	r->alone = 0;
	return r;
}

static struct request *ask_in(u32 spi)
{
	struct request *r = ask(CLASS_UDP, 0, 0);

	r->protocol = PROTOCOL_ESP;
	r->class = CLASSES;
	r->remote.port = high(spi);
	r->outside.addr = ADDRESS_A;
	r->outside.port = low(spi);
	return r;
}

/* The claim on the gateway: whose, or 0; *balance. */
static __be32 claimant(int *balance)
{
	if (!claim_seek(&nat, config(), ask_in(1)))
		return 0;
	*balance = claim_balance(request()->claim);
	return request()->flow.addr;
}

static void assert_claim(__be32 host, int balance)
{
	int is = 0;

	assert_int_equal(claimant(&is), host);
	assert_int_equal(is, balance);
}

static struct slot *flow_of_spi(__be32 from, __be32 to, u32 spi, u8 direction)
{
	return flow_at(PROTOCOL_ESP, (struct endpoint){ .addr = from, .port = high(spi) },
		       (struct endpoint){ .addr = to, .port = low(spi) }, direction);
}

/* So many outbound SPIs wait, and no more than four bits count. */
static void the_balance(void **state)
{
	(void)state;
	for (u32 i = 0; i < 10; i++) {
		assert_int_equal(out(HOST_1, OUT_SPI + i), REASON_out_created);
		assert_claim(HOST_1, i < SPI_MOST ? (int)i + 1 : SPI_MOST);
	}
	for (int i = 0; i < 20; i++) {
		assert_int_equal(in(IN_SPI + (u32)i), REASON_in_created);
		assert_int_equal(frame_target(), HOST_1);
		assert_claim(HOST_1, SPI_MOST - 1 - i > SPI_LEAST ? SPI_MOST - 1 - i : SPI_LEAST);
	}
}

/* Two processors have the first packet of one SPI: one flow, one wait. */
static void one_spi_twice(void **state)
{
	static struct work other;
	struct work *mine = nat.work;

	(void)state;
	ask_out(HOST_1, OUT_SPI);
	assert_int_equal(spi_claim(&nat, work(), 1), 0);
	nat.work = &other;
	ask_out(HOST_1, OUT_SPI);
	assert_int_equal(spi_claim(&nat, work(), 1), 0);
	assert_int_equal(spi_open(&nat, work()), REASON_out_created);
	nat.work = mine;
	assert_int_equal(spi_open(&nat, work()), REASON_out_created);
	assert_claim(HOST_1, 1);
	assert_int_equal(out(HOST_1, OUT_SPI), REASON_out_session);
}

/* A processor read the claim; then the wait that it saw was over, or the claim another's: it counts nothing. */
static void a_claim_read_long_ago(void **state)
{
	struct request *r, saved;

	(void)state;
	out(HOST_1, OUT_SPI);
	r = ask_in(IN_SPI);
	assert_int_equal(spi_owner(&nat, work()), 0);
	saved = *r;
	assert_int_equal(in(IN_SPI + 1), REASON_in_created);
	*r = saved;
	assert_false(claim_count(&nat, r, -1));
	assert_claim(HOST_1, 0);

	ask_in(IN_SPI + 2);
	assert_int_equal(spi_owner(&nat, work()), 0);
	saved = *r;
	assert_int_equal(out(HOST_2, OUT_SPI + 2), REASON_out_created);
	*r = saved;
	assert_false(claim_count(&nat, r, -1));
	assert_claim(HOST_2, 1);
}

/* Another processor learned the SPI between our look at the claim and our flow: it is whose that flow says. */
static void who_was_first_is_obeyed(void **state)
{
	(void)state;
	out(HOST_1, OUT_SPI);
	assert_int_equal(in(IN_SPI), REASON_in_created);
	out(HOST_2, OUT_SPI + 1);
	ask_in(IN_SPI);
	assert_int_equal(spi_learn(&nat, work()), REASON_in_created);
	assert_int_equal(request()->inside.addr, HOST_1);
	assert_claim(HOST_2, 1);
	assert_int_equal(in(IN_SPI + 1), REASON_in_created);
	assert_int_equal(frame_target(), HOST_2);
}

/* What came first to the one host, and he sent nothing new since, is learned again by another who asks; nothing else is. */
static void what_came_first_is_forgotten(void **state)
{
	(void)state;
	out(HOST_1, OUT_SPI);
	in(IN_SPI);
	assert_int_equal(in(IN_SPI + 1), REASON_in_created);
	assert_claim(HOST_1, -1);
	assert_int_equal(out(HOST_2, OUT_SPI + 2), REASON_out_created);
	assert_null(flow_of_spi(GATEWAY, ADDRESS_A, IN_SPI + 1, DIRECTION_IN));
	assert_non_null(flow_of_spi(GATEWAY, ADDRESS_A, IN_SPI, DIRECTION_IN));
	assert_int_equal(in(IN_SPI + 1), REASON_in_created);
	assert_int_equal(frame_target(), HOST_2);
}

/* Halves that name each other; and an error finds who sent. */
static void pairs(void **state)
{
	struct flow *o, *i;

	(void)state;
	out(HOST_1, OUT_SPI);
	in(IN_SPI);
	in(IN_SPI + 1);
	out(HOST_1, OUT_SPI + 1);
	for (u32 n = 0; n < 2; n++) {
		o = (struct flow *)flow_of_spi(HOST_1, GATEWAY, OUT_SPI + n, DIRECTION_OUT);
		i = (struct flow *)flow_of_spi(GATEWAY, ADDRESS_A, IN_SPI + n, DIRECTION_IN);
		assert_true(o && i);
		assert_ptr_equal(env_slot(&nat, TABLE_FLOWS, o->peer), i);
		assert_ptr_equal(env_slot(&nat, TABLE_FLOWS, i->peer), o);
		assert_non_null(flow_of_spi(GATEWAY, ADDRESS_A, OUT_SPI + n, DIRECTION_PERMIT));
	}
	assert_claim(HOST_1, 0);
}

/* A claim that was lost is the next pass's to make; and none is left when all is over. */
static void the_sweep_keeps_the_claim(void **state)
{
	struct sweep *s = sweep_memory_new(&nat);
	int balance;

	(void)state;
	assert_non_null(s);
	out(HOST_1, OUT_SPI);
	in(IN_SPI);
	assert_true(claimant(&balance));
	slot_end(env_slot(&nat, TABLE_FLOWS, request()->claim_slot), request()->claim);
	assert_int_equal(in(IN_SPI + 1), REASON_local_address);
	sweep_pass(s, nat.now);
	assert_claim(HOST_1, 0);
	assert_int_equal(s->last.sessions[CLASSES], 1);
	for (u32 i = 0; i < 5; i++) { /* by the one half as by the other */
		nat.now += config()->timers.udp_timeout - 1;
		assert_int_equal(i & 1 ? in(IN_SPI) : out(HOST_1, OUT_SPI),
				 i & 1 ? REASON_in_session : REASON_out_session);
		sweep_pass(s, nat.now);
		assert_claim(HOST_1, 0);
	}
	for (u32 i = 0; i < 4; i++) {
		nat.now += config()->timers.udp_timeout + 1;
		sweep_pass(s, nat.now);
	}
	assert_int_equal(live(TABLE_FLOWS), 0);
	sweep_memory_free(s);
}

/* No room for flows: what stands in the claim goes by it; who has none is refused. */
static void a_full_table(void **state)
{
	(void)state;
	native_destroy(&nat);
	nat_begin((struct native_sizes){ .flows = 64 }, 1);
	for (u32 i = 0; live(TABLE_FLOWS) < 64; i++)
		meet_udp(NATIVE_OUT, HOST_1, (u16)(1000 + i), REMOTE_2, 53);
	assert_int_equal(out(HOST_1, OUT_SPI), REASON_flows_full);
	assert_int_equal(in(IN_SPI), REASON_local_address);
	native_destroy(&nat);
	nat_begin((struct native_sizes){ .flows = 64 }, 1);
	out(HOST_1, OUT_SPI);
	for (u32 i = 0; live(TABLE_FLOWS) < 64; i++)
		meet_udp(NATIVE_OUT, HOST_1, (u16)(1000 + i), REMOTE_2, 53);
	assert_int_equal(in(IN_SPI), REASON_in_from_mapping);
	assert_int_equal(frame_target(), HOST_1);
	assert_int_equal(out(HOST_1, OUT_SPI + 1), REASON_out_from_mapping);
	assert_claim(HOST_1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_balance, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(one_spi_twice, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(a_claim_read_long_ago, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(who_was_first_is_obeyed, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(what_came_first_is_forgotten, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(pairs, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(the_sweep_keeps_the_claim, nat_setup, nat_end),
		cmocka_unit_test_setup_teardown(a_full_table, nat_setup, nat_end),
	};

	return cmocka_run_group_tests_name("spi", tests, NULL, NULL);
}
