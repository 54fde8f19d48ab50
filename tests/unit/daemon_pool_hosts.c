// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ten thousand hosts with a mapping each on a pool that changes (daemon/pool.h beside the core): who moves, and who does not.
 */
#include "tests/unit/core.h"

#include "daemon/pool.h"

enum { HOSTS = 10000, ADDRESSES = 16, LEAVES = 5, PORT = 5000, NEW_PORT = 6000 };

static struct pool *pool;
static struct sweep *sweep;
static struct endpoint was[HOSTS];

static __be32 host(u32 i) { return htonl(0x0a000001 + i); }
static __be32 outside(u32 i) { return htonl(0xc6336401 + i); }

/* The pool has the first `count` addresses, or all of these but one. */
static struct pool_change pool_is(u32 count, u32 without)
{
	struct pool_address want[ADDRESSES + 1];
	struct pool_change change;
	u32 n = 0;

	for (u32 i = 0; i < count; i++)
		if (i != without)
			want[n++] = (struct pool_address){ .addr = outside(i),
							   .flags = ADDRESS_LIVE | ADDRESS_POOL };
	assert_int_equal(pool_apply(pool, want, n, &change), 0);
	assert_int_equal(change.refused, 0);
	return change;
}

/* A packet of a host: its source outside. */
static struct endpoint sends(u32 i, u16 port)
{
	u32 reason = meet_udp(NATIVE_OUT, host(i), port, REMOTE_1, 53);

	assert_true(reason == REASON_out_created || reason == REASON_out_session);
	return endpoint(frame_source(), frame_sport());
}

static int same(struct endpoint a, struct endpoint b) { return a.addr == b.addr && a.port == b.port; }

static int begin(void **state)
{
	(void)state;
	nat_begin(
		(struct native_sizes){ .flows = 65536, .mappings = 131072, .hosts = 32768, .addresses = 32 },
		0);
	pool = pool_open(&nat);
	sweep = sweep_memory_new(&nat);
	assert_non_null(pool);
	assert_non_null(sweep);
	(void)pool_is(ADDRESSES, ADDRESSES);
	for (u32 i = 0; i < HOSTS; i++)
		was[i] = sends(i, PORT);
	sweep_pass(sweep, nat.now);
	assert_int_equal(sweep->last.hosts, HOSTS);
	assert_int_equal(sweep->last.mappings[CLASS_UDP], HOSTS);
	return 0;
}

static int end(void **state)
{
	sweep_memory_free(sweep);
	pool_close(pool);
	return nat_end(state);
}

/* An address more: everybody goes on as before, also with new mappings; newcomers use it. */
static void an_address_comes(void **state)
{
	u32 newcomers = 0;

	(void)state;
	assert_int_equal(pool_is(ADDRESSES + 1, ADDRESSES + 1).came, 1);
	nat.now += 10;
	for (u32 i = 0; i < HOSTS; i++) {
		assert_true(same(sends(i, PORT), was[i]));
		assert_int_equal(sends(i, NEW_PORT).addr, was[i].addr);
	}
	for (u32 i = HOSTS; i < HOSTS + 1700; i++)
		newcomers += sends(i, PORT).addr == outside(ADDRESSES);
	assert_in_range(newcomers, 50, 150);
}

/*
 * An address less: its own hosts move with their next packet, nobody else. It comes back: who was silent meanwhile has it
 * again, with the port as long as that was his; who moved stays.
 */
static void an_address_leaves_and_returns(void **state)
{
	u32 its_own = 0, moved = 0, silent = 0;
	struct endpoint is[HOSTS];

	(void)state;
	for (u32 i = 0; i < HOSTS; i++)
		its_own += was[i].addr == outside(LEAVES);
	assert_in_range(its_own, HOSTS / ADDRESSES - 150, HOSTS / ADDRESSES + 150);
	assert_int_equal(pool_is(ADDRESSES, LEAVES).left, 1);
	nat.now += 10;
	for (u32 i = 0; i < HOSTS; i++) {
		is[i] = was[i];
		if (was[i].addr == outside(LEAVES) && i & 1) {
			silent++;
			continue;
		}
		is[i] = sends(i, PORT);
		assert_int_not_equal(is[i].addr, outside(LEAVES));
		moved += is[i].addr != was[i].addr;
		if (was[i].addr != outside(LEAVES))
			assert_true(same(is[i], was[i]));
	}
	assert_int_equal(moved + silent, its_own);
	assert_true(silent > its_own / 3 && moved > its_own / 3);
	sweep_pass(sweep, nat.now);

	assert_int_equal(pool_is(ADDRESSES, ADDRESSES).came, 1);
	nat.now += 10;
	for (u32 i = 0; i < HOSTS; i++)
		if (i & 2)
			assert_true(same(sends(i, PORT), is[i]));
	/* Mappings end, and their rest; the hosts are kept. */
	for (u32 hour = 1; hour <= 23; hour++) {
		nat.now += 3600;
		sweep_pass(sweep, nat.now);
		sweep_pass(sweep, nat.now);
	}
	assert_int_equal(sweep->last.mappings[CLASS_UDP], 0);
	assert_int_equal(live(TABLE_MAPPINGS), 0);
	for (u32 i = 0; i < HOSTS; i++)
		assert_int_equal(sends(i, NEW_PORT).addr, is[i].addr);
	assert_int_equal(live(TABLE_HOSTS), HOSTS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(an_address_comes),
		CASE(an_address_leaves_and_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
