// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sizes of the arrays, and which kernels serve.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/machine.h"
#include "daemon/size.h"

#define GIGABYTE (1ull << 30)

static struct sizes sizes_for(u32 sessions, u32 hosts, u64 memory)
{
	struct settings *settings;
	struct settings_report report;
	struct sizes sizes;

	assert_int_equal(settings_simple("lan0", "wan0", NULL, &settings, &report), 0);
	settings->capacity.sessions = sessions;
	settings->capacity.hosts = hosts;
	sizes_choose(&sizes, settings, memory, 2);
	settings_free(settings);
	return sizes;
}

static void auto_follows_the_memory(void **state)
{
	(void)state;
	assert_int_equal(sizes_for(0, 0, 64 * GIGABYTE).sessions, 1 << 20);
	assert_int_equal(sizes_for(0, 0, 7.6 * GIGABYTE).sessions, 1 << 20); /* what is called 8 GB */
	assert_int_equal(sizes_for(0, 0, 4 * GIGABYTE).sessions, 1 << 19);
	assert_int_equal(sizes_for(0, 0, GIGABYTE).sessions, 1 << 17);
	assert_int_equal(sizes_for(0, 0, GIGABYTE / 64).sessions, 1 << 14);
	assert_int_equal(sizes_for(0, 0, 8 * GIGABYTE).hosts, 1 << 16);
	assert_int_equal(sizes_for(1024, 0, 8 * GIGABYTE).hosts, 4096);
}

/* An eighth of the machine at most, whatever its memory. */
static void auto_is_modest(void **state)
{
	(void)state;
	for (u64 memory = GIGABYTE / 4; memory <= 64 * GIGABYTE; memory *= 2) {
		struct sizes sizes = sizes_for(0, 0, memory);

		assert_true(sizes_bytes(&sizes) < memory / 8);
	}
}

static void tables_are_powers_of_two_and_half_full(void **state)
{
	static const u32 sessions[] = { 1024, 1025, 100000, 1000000, 67108864 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		struct sizes s = sizes_for(sessions[i], 5000, GIGABYTE);

		assert_int_equal(s.flow_slots & (s.flow_slots - 1), 0);
		assert_int_equal(s.mapping_slots & (s.mapping_slots - 1), 0);
		assert_int_equal(s.host_slots, 16384);
		assert_in_range(s.flow_slots, 4 * (u64)sessions[i], 8 * (u64)sessions[i] - 1);
		assert_int_equal(s.address_places & (s.address_places - 1), 0);
		assert_true(s.address_places >= 4 * s.addresses);
	}
}

static void pools_have_their_bitmaps(void **state)
{
	static const struct {
		const char *pool;
		u32 at_least;
	} pools[] = { { "198.51.100.0/24", 256 + 1 }, { "10.64.0.0/20", MAX_POOL_ADDRESSES } };

	(void)state;
	for (unsigned int i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		struct settings *settings;
		struct settings_report report;
		struct sizes sizes;

		assert_int_equal(settings_simple("lan0", "wan0", pools[i].pool, &settings, &report), 0);
		sizes_choose(&sizes, settings, GIGABYTE, 2);
		settings_free(settings);
		assert_in_range(sizes.addresses, pools[i].at_least, MAX_POOL_ADDRESSES);
	}
}

static void kernels(void **state)
{
	(void)state;
	assert_int_equal(machine_release_serves("6.1.0-18-amd64"), 1);
	assert_int_equal(machine_release_serves("6.18.44"), 1);
	assert_int_equal(machine_release_serves("10.0"), 1);
	assert_int_equal(machine_release_serves("6.0.19"), 0);
	assert_int_equal(machine_release_serves("5.15.0-100-generic"), 0);
	assert_int_equal(machine_release_serves("unknown"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_follows_the_memory),
		cmocka_unit_test(auto_is_modest),
		cmocka_unit_test(tables_are_powers_of_two_and_half_full),
		cmocka_unit_test(pools_have_their_bitmaps),
		cmocka_unit_test(kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
