// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/checksum.h and core/crc32c.h against sums taken whole. */
#include "tests/unit/core.h"

#include "core/checksum.h"
#include "core/crc32c.h"

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

/* The CRC of RFC 9260 appendix A, bit by bit. */
static u32 crc_whole(const u8 *at, u32 length)
{
	u32 crc = 0xffffffff;

	for (u32 i = 0; i < length; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static u32 little(const u8 *at) { return at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24; }

static void crc_follows_the_first_bytes(void **state)
{
	static const u32 more[] = {
		255, 256, 257, 1452, 1499, 4096, 8999, 32767, 32768, 65514, 65515, 65535
	};
	static u8 bytes[65535];
	u64 random = 7;

	(void)state;
	assert_int_equal(crc_whole((const u8 *)"123456789", 9), 0xe3069283);
	for (u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)test_random(&random);
	for (u32 n = 0; n < 240 + sizeof(more) / sizeof(more[0]); n++) {
		u32 length = n < 240 ? n + 4 : more[n - 240], before = crc_whole(bytes, length),
		    was = little(bytes);
		for (u32 i = 0; i < 4; i++)
			bytes[i] ^= (u8)(n % 3 || i < 2 ? test_random(&random) : 0);
		assert_int_equal(before ^ crc32c_change(was ^ little(bytes), length),
				 crc_whole(bytes, length));
	}
	assert_int_equal(crc32c_change(0, 1500), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds),
		cmocka_unit_test(published_examples),
		cmocka_unit_test(incremental_is_whole),
		cmocka_unit_test(no_change_keeps_the_field),
		cmocka_unit_test(crc_follows_the_first_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
