// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How a device takes part in the fast path, by what is known of it and what is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/device.h"

enum { XDP = FAST_TC | FAST_XDP, BOTH = FAST_TC | FAST_XDP | FAST_TARGET };

static const struct device adapter = { .told = true, .native = true, .target = true },
			   old_driver = { .told = true }, receiver = { .told = true, .native = true },
			   virtual = { .told = true, .native = true, .target = true, .unchecked = true },
			   old_kernel = { .told = false }, tunnel = { .bare = true };

static void as_asked(void **state)
{
	static const struct {
		const struct device *device;
		enum settings_accelerate asked;
		int fast;
		const char *why;
	} cases[] = {
		{ &adapter, SETTINGS_ACCELERATE_AUTO, BOTH, "the driver has XDP" },
		{ &adapter, SETTINGS_ACCELERATE_XDP, BOTH, "configured so" },
		{ &adapter, SETTINGS_ACCELERATE_ALL, BOTH | FAST_ALL, "configured so" },
		{ &adapter, SETTINGS_ACCELERATE_TC, FAST_TC, "configured so" },
		{ &adapter, SETTINGS_ACCELERATE_OFF, FAST_OFF, "configured so" },
		{ &old_driver, SETTINGS_ACCELERATE_AUTO, FAST_TC, "no XDP of its own" },
		{ &old_driver, SETTINGS_ACCELERATE_XDP, FAST_TC, "no XDP of its own" },
		{ &old_driver, SETTINGS_ACCELERATE_ALL, FAST_TC, "no XDP of its own" },
		{ &receiver, SETTINGS_ACCELERATE_AUTO, FAST_TC, "does not send what XDP redirects" },
		{ &receiver, SETTINGS_ACCELERATE_XDP, XDP, "configured so" },
		{ &virtual, SETTINGS_ACCELERATE_AUTO, FAST_TC, "not computed yet" },
		{ &virtual, SETTINGS_ACCELERATE_XDP, BOTH, "not computed yet" },
		{ &virtual, SETTINGS_ACCELERATE_ALL, BOTH | FAST_ALL, "not computed yet" },
		{ &old_kernel, SETTINGS_ACCELERATE_AUTO, FAST_TC, "does not tell" },
		{ &old_kernel, SETTINGS_ACCELERATE_XDP, BOTH, "configured so" },
		{ &tunnel, SETTINGS_ACCELERATE_AUTO, FAST_OFF, "no Ethernet header" },
		{ &tunnel, SETTINGS_ACCELERATE_XDP, FAST_OFF, "no Ethernet header" },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;

		assert_int_equal(device_fast(cases[i].device, cases[i].asked, &why), cases[i].fast);
		assert_non_null(strstr(why, cases[i].why));
	}
}

/* Loopback has no XDP of its own, on each kernel that tells; and one that does not exist is like one that tells nothing. */
static void the_kernel_is_asked(void **state)
{
	struct device device = { .bare = true };

	(void)state;
	device_ask(1, "lo", &device);
	assert_true(device.bare && !device.native && !device.target);
	device_ask(0x7fffffff, "keepnat-none", &device);
	assert_true(!device.told && !device.native && !device.target && !device.unchecked);
	assert_string_equal(device.driver, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_asked),
		cmocka_unit_test(the_kernel_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
