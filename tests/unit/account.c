/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "core/sweep.h"
#include "tests/unit/core.h"

static void generations_part_counts(void **state)
{
	u64 first = account_generations(5ull << GENERATION_BITS | 3), a = account_make(first, 12, 3456);

	(void)state;
	assert_int_equal(account_mappings(a), 12);
	assert_int_equal(account_sessions(a), 3456);
	assert_true(account_under(a, first) == a);
	/* A reset of flows, of mappings; and what is packed beside the counts does not touch them. */
	u64 flows = account_under(a, account_generations(5ull << GENERATION_BITS | 4));
	assert_int_equal(account_mappings(flows), 12);
	assert_int_equal(account_sessions(flows), 0);
	u64 mappings = account_under(a, account_generations(6ull << GENERATION_BITS | 4));
	assert_int_equal(account_mappings(mappings), 0);
	assert_int_equal(account_sessions(mappings), 0);
	a = account_make(~0ull, 70000, 20000000);
	assert_int_equal(account_mappings(a), 65535);
	assert_int_equal(account_sessions(a), 0xffffff);
	assert_true((a & ACCOUNT_GENERATIONS) == ACCOUNT_GENERATIONS);
}

/* Before the pass, after it, seen: what then counts. */
static void the_sweep_settles(void **state)
{
	static const struct {
		u32 was, is, seen, then;
	} rows[] = {
		{ 8, 8, 8, 8 },	   /* nothing happened */
		{ 8, 8, 3, 3 },	   /* five ended, or were left by somebody who died */
		{ 8, 10, 8, 10 },  /* two came, not seen */
		{ 8, 10, 10, 10 }, /* two came, and were seen: not counted twice */
		{ 8, 10, 5, 7 },   /* two came, five of the old ones ended */
		{ 0, 0, 4, 4 },	   /* nobody counted before */
		{ 9, 2, 2, 2 },	   /* a reset */
		{ 3, 3, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(account_settled(rows[i].was, rows[i].is, rows[i].seen), rows[i].then);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations_part_counts),
		cmocka_unit_test(the_sweep_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
