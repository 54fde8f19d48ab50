// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/checksum.h against sums taken whole. */
#include "tests/unit/core.h"

#include "core/checksum.h"

/* The sum of RFC 1071, one word after the other. */
static u16 whole(const u16 *words, size_t count)
{
	u32 sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += words[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (u16)~sum;
}

static void folds(void **state)
{
	static const struct {
		u64 sum;
		u16 folded;
	} rows[] = {
		{ 0, 0 },
		{ 1, 1 },
		{ 0xffff, 0xffff },
		{ 0x10000, 1 },
		{ 0x1fffe, 0xffff },
		{ 0x1ffff, 1 },
		{ 0xffffffff, 0xffff },
		{ 0x100000000, 1 },
		{ 0xffff0000, 0xffff },
		{ 0x1fffeffff, 0xffff },
		{ (u64)0xffff * 0x10000, 0xffff },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(checksum_fold(rows[i].sum), rows[i].folded);
}

/* RFC 1071 section 3, RFC 1624 section 4. */
static void published_examples(void **state)
{
	(void)state;
	assert_int_equal(checksum_fold(0x0001 + 0xf203 + 0xf4f5 + 0xf6f7), 0xddf2);
	assert_int_equal(checksum_apply(0xdd2f, checksum_diff16(0x5555, 0x3285)), 0x0000);
}

/* Changed words, one by one or in pairs, give what a sum over all of them gives. */
static void incremental_is_whole(void **state)
{
	u16 words[32];
	u64 chance = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < 32; i++) {
			u32 dice = test_random(&chance);
			words[i] = dice % 5 ? (u16)(dice >> 8) : dice % 2 ? 0 : 0xffff;
		}
		u16 check = whole(words, 32);
		u16 one = (u16)test_random(&chance);
		u32 two = test_random(&chance);
		u64 diff = checksum_diff16(words[3], one) +
			   checksum_diff32((u32)words[8] | (u32)words[9] << 16, two);
		words[3] = one;
		words[8] = (u16)two;
		words[9] = (u16)(two >> 16);
		u16 after = checksum_apply(check, diff), wanted = whole(words, 32);
		/* All bits set and none are one number; a sum that is not of zeros alone comes out as the former. */
		assert_true(after == wanted || (after ^ wanted) == 0xffff);
		assert_int_equal(after, wanted);
	}
}

/* Nothing changed: the field stays as it was, right or wrong. */
static void no_change_keeps_the_field(void **state)
{
	(void)state;
	for (u32 check = 0; check < 0xffff; check++)
		assert_int_equal(checksum_apply((u16)check, checksum_diff16(0x1234, 0x1234)), check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds),
		cmocka_unit_test(published_examples),
		cmocka_unit_test(incremental_is_whole),
		cmocka_unit_test(no_change_keeps_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
