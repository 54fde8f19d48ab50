// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A change of the pool: ten thousand hosts on sixteen addresses. One address more moves nobody; one less moves only those who
 * were on it; when it is back, those who had no packet meanwhile are on it as before.
 */
#include "tests/unit/core.h"

#include "daemon/pool.h"

enum { HOSTS = 10000, ADDRESSES = 16, LOST = 5 };

struct place {
	__be32 addr;
	u16 port;
};

static struct place places[HOSTS]; /* where each was seen last */

static __be32 host(u32 i) { return htonl(0x0a000001u + i); }
static __be32 outside(u32 i) { return htonl(0xc6336401u + i); }

/* All of the first `count` but one (`without`, ADDRESSES + 1: none) are in the pool. */
static void pool_is(struct pool *pool, u32 count, u32 without)
{
	struct pool_address want[ADDRESSES + 1];
	struct pool_change change;
	unsigned int n = 0;

	for (u32 i = 0; i < count; i++)
		if (i != without)
			want[n++] = (struct pool_address){ .addr = outside(i),
							   .interface = 0,
							   .flags = ADDRESS_LIVE | ADDRESS_POOL };
	assert_int_equal(pool_apply(pool, want, n, &change), 0);
	assert_int_equal(change.refused, 0);
}

/* A packet of a host leaves: from where? */
static struct place seen(u32 i, u16 port)
{
	u32 reason = meet_udp(NATIVE_OUT, host(i), port, REMOTE_1, 53);

	assert_true(reason == REASON_out_created || reason == REASON_out_session);
	return (struct place){ frame_source(), frame_sport() };
}

/* Every host sends, by its mapping and by a new one. Who moved? */
static u32 all_send(u16 new_port)
{
	u32 moved = 0;

	for (u32 i = 0; i < HOSTS; i++) {
		struct place now = seen(i, 5000), other = seen(i, new_port);

		assert_int_equal(now.addr, other.addr);
		if (now.addr == places[i].addr)
			assert_int_equal(now.port, places[i].port);
		moved += now.addr != places[i].addr;
		places[i] = now;
	}
	return moved;
}

static u32 hosts_on(__be32 addr)
{
	u32 n = 0;

	for (u32 i = 0; i < HOSTS; i++)
		n += places[i].addr == addr;
	return n;
}

static void only_those_move_who_must(void **state)
{
	(void)state;
	struct native_sizes sizes = {
		.flows = 1 << 18, .mappings = 1 << 18, .hosts = 1 << 15, .addresses = ADDRESSES + 1
	};
	nat_begin(sizes, 0);
	struct pool *pool = pool_open(&nat);

	assert_non_null(pool);
	pool_is(pool, ADDRESSES, ADDRESSES + 1);
	for (u32 i = 0; i < HOSTS; i++)
		places[i] = seen(i, 5000);
	for (u32 i = 0; i < ADDRESSES; i++) /* nearly the same number each */
		assert_in_range(hosts_on(outside(i)), HOSTS / ADDRESSES * 7 / 8, HOSTS / ADDRESSES * 9 / 8);

	pool_is(pool, ADDRESSES + 1, ADDRESSES + 1);
	assert_int_equal(all_send(5001), 0);

	u32 on_it = hosts_on(outside(LOST));
	pool_is(pool, ADDRESSES + 1, LOST);
	assert_int_equal(all_send(5002), on_it);
	assert_int_equal(hosts_on(outside(LOST)), 0);

	/* Every other host of another address is silent while that is away. */
	u32 silent = 0;
	pool_is(pool, ADDRESSES + 1, LOST + 1);
	for (u32 i = 0; i < HOSTS; i++) {
		if (places[i].addr != outside(LOST + 1))
			continue;
		if (i & 1)
			places[i] = seen(i, 5000);
		else
			silent++;
	}
	assert_true(silent > 100);
	pool_is(pool, ADDRESSES + 1, ADDRESSES + 1);
	assert_int_equal(all_send(5003), 0);
	assert_int_equal(hosts_on(outside(LOST + 1)), silent);
	pool_close(pool);
	native_destroy(&nat);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_those_move_who_must) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
