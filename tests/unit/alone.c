// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/host.h where an address is one host's alone: the claim, two processors at once, and what is left of them. */
#include "native/sweep_memory.h"
#include "tests/unit/core.h"

enum { MANY = 300, POOL = ADDRESS_LIVE | ADDRESS_POOL };

static __be32 host(u32 i) { return htonl(0x0a000000 + i); }
static __be32 outside(u32 i) { return htonl(0xc6330000 + i); }

static void begin(u32 addresses)
{
	struct native_sizes sizes = { .hosts = 8192, .addresses = addresses };

	nat_begin(sizes, 0);
	native_interface_alone(&nat, 0);
	for (u32 i = 0; i < addresses; i++)
		assert_true(native_address_set(&nat, 0, outside(i), POOL) >= 0);
}

static int setup_few(void **state)
{
	(void)state;
	begin(4);
	return 0;
}

static int setup_many(void **state)
{
	(void)state;
	begin(MANY);
	return 0;
}

static u32 get(__be32 inside)
{
	ask(CLASS_UDP, inside, 5000);
	return host_out(&nat, work());
}

static int owns(__be32 inside, __be32 address)
{
	ask(CLASS_UDP, inside, 5000)->outside.addr = address;
	return host_owns(&nat, request(), 0) && host_owns(&nat, request(), HOST_OUTSIDE);
}

static void sweep_now(void)
{
	struct sweep *s = sweep_memory_new(&nat);

	assert_non_null(s);
	sweep_pass(s, nat.now);
	sweep_memory_free(s);
}

/* Each of three hundred hosts has one of three hundred addresses, no two the same, to the last; one more has none. */
static void to_the_last_address(void **state)
{
	static u8 given[MANY];

	(void)state;
	memset(given, 0, sizeof(given));
	for (u32 i = 0; i < MANY; i++) {
		assert_int_equal(get(host(i)), 0);
		u32 at = ntohl(request()->outside.addr) - ntohl(outside(0));
		assert_true(at < MANY && !given[at]);
		given[at] = 1;
		assert_true(owns(host(i), outside(at)));
	}
	assert_int_equal(get(host(MANY)), REASON_no_free_address);
	assert_int_equal(live(TABLE_HOSTS), 2 * MANY);
	assert_int_equal(get(host(7)), 0);
}

/* All hints say that addresses are vacant, which are not: each try corrects one, and the next packet goes on. */
static void wrong_hints_are_corrected(void **state)
{
	u32 tries = 0;

	(void)state;
	for (u32 i = 1; i < MANY; i++)
		assert_int_equal(get(host(i)), 0);
	for (u32 i = 0; i < MANY; i++)
		vacant_set(&nat, 0, i, 1);
	while (get(host(0)) && tries++ < MANY)
		;
	assert_in_range(tries, 0, MANY / ADDRESS_CLAIMS + 1);
	assert_true(owns(host(0), request()->outside.addr));
}

/* An address left, and its hint says that it is vacant: whoever finds that goes on to one that is there. */
static void a_hint_without_address(void **state)
{
	(void)state;
	for (u32 i = 0; i < 3; i++)
		native_address_set(&nat, 0, outside(i), 0);
	vacant_set(&nat, 0, address_find(&nat, config(), outside(3)).index, 0);
	for (u32 i = 0; i < 3; i++)
		vacant_set(&nat, 0, address_find(&nat, config(), outside(i)).index, 1);
	native_address_set(&nat, 0, outside(0), POOL);
	assert_int_equal(get(HOST_1), 0);
	assert_int_equal(get(HOST_2), 0);
	assert_int_equal(get(host(77)), REASON_no_free_address);
}

/* Our packet claims the first address for HOST_1; before it goes on, another packet of that host claims the second, and has it. */
static void race(struct outside_address first, struct outside_address second)
{
	struct work *mine = nat.work;
	static struct work other;

	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(address_claim(&nat, config(), work(), first), CLAIM_DONE);
	struct request saved = mine->req;
	nat.work = &other;
	ask(CLASS_UDP, HOST_1, 5000);
	assert_int_equal(address_claim(&nat, config(), work(), second), CLAIM_DONE);
	assert_int_equal(host_settle(&nat, config(), work()), 0);
	nat.work = mine;
	mine->req = saved;
}

/* Between our claim and our entry another packet of the host made one, with another address: that stands, ours is free. */
static void the_first_entry_stands(void **state)
{
	struct outside_address a = address_find(&nat, config(), outside(0));
	struct outside_address b = address_find(&nat, config(), outside(1));

	(void)state;
	race(a, b);
	assert_int_equal(host_settle(&nat, config(), work()), 0);
	assert_int_equal(request()->outside.addr, outside(1));
	assert_int_equal(request()->index, b.index);
	assert_true(owns(HOST_1, outside(1)));
	assert_false(address_taken(&nat, config(), a));
	assert_int_equal(live(TABLE_HOSTS), 2);
}

/* The claim that a packet takes back is one that another packet of the host already goes by: it stays. */
static void a_shared_claim_stays(void **state)
{
	struct outside_address a = address_find(&nat, config(), outside(0));

	(void)state;
	race(a, a);
	address_give(&nat, request());
	assert_true(owns(HOST_1, outside(0)));
}

/* A claim without a host is nobody's once no packet can be at work on it; not before. */
static void a_claim_alone_ends(void **state)
{
	(void)state;
	ask(CLASS_UDP, HOST_1, 5000);
	struct outside_address a = address_find(&nat, config(), outside(0));
	assert_int_equal(address_claim(&nat, config(), work(), a), CLAIM_DONE);
	nat.now += SWEEP_PATIENCE - 1;
	sweep_now();
	assert_true(address_taken(&nat, config(), a));
	nat.now++;
	sweep_now();
	assert_false(address_taken(&nat, config(), a));
	assert_int_equal(vacant_find(&nat, 0, a.index), a.index);
}

/*
 * A packet of HOST_1 has found that the address is its host's alone. Before it goes on, a reset of hosts, and the address is
 * HOST_2's, who uses the same port: its mapping stands.
 */
static void who_had_the_address_ends_nothing(void **state)
{
	struct work *mine = nat.work;
	static struct work other;

	(void)state;
	assert_int_equal(get(HOST_1), 0);
	for (u32 i = 0; i < 4; i++)
		if (outside(i) != mine->req.outside.addr)
			native_address_set(&nat, 0, outside(i), 0);
	nat_reset(1, 1, 1);
	nat.work = &other;
	assert_int_equal(get(HOST_2), 0);
	assert_int_equal(mapping_out(&nat, work()), 0);
	assert_int_equal(request()->outside.addr, mine->req.outside.addr);
	nat.work = mine;
	assert_int_equal(port_claim_this(&nat, work(), 1), MAPPING_AGAIN);
	ask(CLASS_UDP, HOST_2, 5000)->outside = other.req.outside;
	assert_int_equal(mapping_in(&nat, work(), 1), 0);
	assert_int_equal(request()->inside.addr, HOST_2);
}

/* A claim on which nobody looked for days, since its host never asked again, does not end while the host is in use. */
static void time_does_not_end_a_claim(void **state)
{
	(void)state;
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 500, REMOTE_1, 500), REASON_out_created);
	__be32 address = request()->outside.addr;
	for (u32 i = 0; i < 3 * 24; i++) {
		nat.now = (nat.now + TIME / 24) & TIME;
		for (u32 step = 0; step < 2; step++)
			(void)meet_udp(NATIVE_OUT, HOST_1, 500, REMOTE_1, 500);
		sweep_now();
		assert_true(owns(HOST_1, address));
	}
}

#define FEW(name) cmocka_unit_test_setup_teardown(name, setup_few, nat_end)
#define MANY_CASE(name) cmocka_unit_test_setup_teardown(name, setup_many, nat_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MANY_CASE(to_the_last_address), MANY_CASE(wrong_hints_are_corrected),
		FEW(a_hint_without_address),	FEW(the_first_entry_stands),
		FEW(a_shared_claim_stays),	FEW(a_claim_alone_ends),
		FEW(time_does_not_end_a_claim), FEW(who_had_the_address_ends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
