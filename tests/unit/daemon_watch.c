// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/watch_neighbours.h: which news of a neighbour end leases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/watch_neighbours.h"

static const u8 one[6] = { 2, 0, 0, 0, 0, 1 }, two[6] = { 2, 0, 0, 0, 0, 2 };

static void only_a_loss_or_another_address_is_a_change(void **state)
{
	struct neighbours n = { 0 };

	(void)state;
	assert_false(neighbours_set(&n, 3, 1, NULL)); /* nobody knew it */
	assert_false(neighbours_set(&n, 3, 1, one));
	assert_false(neighbours_set(&n, 3, 1, one));
	assert_true(neighbours_set(&n, 3, 1, two));
	assert_false(neighbours_set(&n, 4, 1, one)); /* on another link it is another */
	assert_true(neighbours_set(&n, 3, 1, NULL));
	assert_false(neighbours_set(&n, 3, 1, NULL));
	assert_false(neighbours_set(&n, 3, 1, one)); /* it is back: nobody has a lease to it */
	assert_true(neighbours_set(&n, 3, 1, NULL));
	assert_false(neighbours_set(&n, 4, 1, one));
	neighbours_free(&n);
}

static void many_are_remembered(void **state)
{
	struct neighbours n = { 0 };
	u32 changed = 0;

	(void)state;
	for (u32 i = 0; i < 5000; i++)
		changed += neighbours_set(&n, 2, i, one);
	assert_int_equal(changed, 0);
	for (u32 i = 0; i < 5000; i += 2)
		changed += neighbours_set(&n, 2, i, NULL);
	assert_int_equal(changed, 2500);
	for (u32 i = 5000; i < 20000; i++) /* those that went make room */
		changed += neighbours_set(&n, 2, i, one);
	assert_int_equal(changed, 2500);
	for (u32 i = 1; i < 5000; i += 2)
		changed += neighbours_set(&n, 2, i, two);
	assert_int_equal(changed, 5000);
	neighbours_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_loss_or_another_address_is_a_change),
		cmocka_unit_test(many_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
