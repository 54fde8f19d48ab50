// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/recovery.h: when a worker that died has a successor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/recovery.h"

static struct recoveries recoveries;
static struct settings_recovery settings;

static int setup(void **state)
{
	(void)state;
	memset(&recoveries, 0, sizeof(recoveries));
	settings = (struct settings_recovery){ .restart = true, .backoff = 2, .give_up_after = 5 };
	return 0;
}

static void assert_next(u64 signature, u64 lived, u32 delay, bool give_up)
{
	struct recovery_step step = recovery_next(&recoveries, &settings, signature, lived);

	assert_int_equal(step.delay, delay);
	assert_int_equal(step.give_up, give_up);
}

static void the_first_is_at_once_and_each_further_one_later(void **state)
{
	(void)state;
	assert_next(1, 5, 0, false);
	assert_next(2, 5, 2, false);
	assert_next(3, 5, 4, false);
	assert_next(4, RECOVERY_STABLE - 1, 8, false);
	assert_next(5, 5, 16, true);
	assert_int_equal(recoveries.total, 5);
}

static void who_ran_for_long_begins_a_new_row(void **state)
{
	(void)state;
	for (u32 i = 0; i < 4; i++)
		(void)recovery_next(&recoveries, &settings, 7, 1);
	assert_next(7, RECOVERY_STABLE, 0, false);
	assert_int_equal(recoveries.row, 1);
	assert_int_equal(recoveries.same, 1);
	assert_int_equal(recoveries.total, 5);
}

static void the_delay_has_an_end(void **state)
{
	(void)state;
	settings.give_up_after = 0;
	for (u32 i = 0; i < 200; i++)
		(void)recovery_next(&recoveries, &settings, i, 1);
	assert_next(0, 1, RECOVERY_DELAY_MAX, false);
	settings.backoff = 1000;
	assert_next(0, 1, 1000, false);
	settings.backoff = 0;
	assert_next(0, 1, 0, false);
}

static void a_loop_is_the_same_error_again_and_again(void **state)
{
	(void)state;
	assert_false(recovery_next(&recoveries, &settings, 9, 1).loop);
	assert_false(recovery_next(&recoveries, &settings, 9, 1).loop);
	assert_true(recovery_next(&recoveries, &settings, 9, 1).loop);
	assert_false(recovery_next(&recoveries, &settings, 8, 1).loop);
	assert_int_equal(recoveries.same, 1);
}

static void who_shall_not_be_restarted_is_not(void **state)
{
	(void)state;
	settings.restart = false;
	assert_next(1, 100000, 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_is_at_once_and_each_further_one_later, setup),
		cmocka_unit_test_setup(who_ran_for_long_begins_a_new_row, setup),
		cmocka_unit_test_setup(the_delay_has_an_end, setup),
		cmocka_unit_test_setup(a_loop_is_the_same_error_again_and_again, setup),
		cmocka_unit_test_setup(who_shall_not_be_restarted_is_not, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
