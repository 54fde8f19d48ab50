// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reset of an interface: what it makes stale, when its report is complete and what it says, and how many there may be.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/sweep.h"
#include "daemon/keepnat.h"
#include "daemon/reset.h"

enum { WAN = 3 };

static int lab_open(void **state)
{
	struct keepnat *k = calloc(1, sizeof(*k));

	k->nat.config = calloc(1, sizeof(*k->nat.config));
	pthread_mutex_init(&k->lock, NULL);
	*state = k;
	return 0;
}

static int lab_close(void **state)
{
	struct keepnat *k = *state;

	pthread_mutex_destroy(&k->lock);
	free(k->nat.config);
	free(k);
	return 0;
}

static void pass_begins(struct keepnat *k)
{
	k->sweep.running = true;
	reset_pass_begins(k);
}

static void pass_ends(struct keepnat *k, const struct sweep_place *place)
{
	struct sweep_counts counts = { .at[WAN] = *place };

	k->sweep.passes++;
	k->sweep.running = false;
	k->sweep.at[WAN] = *place;
	reset_pass_ends(k, &counts);
}

static u32 generation(const struct keepnat *k, enum table t) { return generation_now(k->nat.config, t, WAN); }

static void what_each_keeps(void **state)
{
	static const u32 bumped[][3] = { { 1, 0, 0 }, { 1, 1, 0 }, { 1, 1, 1 } };
	struct keepnat *k = *state;

	for (int keep = RESET_KEEP_MAPPINGS; keep <= RESET_KEEP_NONE; keep++) {
		u32 flows = generation(k, TABLE_FLOWS), mappings = generation(k, TABLE_MAPPINGS),
		    hosts = generation(k, TABLE_HOSTS);

		assert_int_equal(reset_interface(k, WAN, (enum reset_keep)keep), 0);
		assert_int_equal(generation(k, TABLE_FLOWS), flows + bumped[keep][0]);
		assert_int_equal(generation(k, TABLE_MAPPINGS), mappings + bumped[keep][1]);
		assert_int_equal(generation(k, TABLE_HOSTS), hosts + bumped[keep][2]);
	}
	assert_int_equal(generation_word(k->nat.config, WAN + 1), 0);
}

static void names(void **state)
{
	enum reset_keep keep;

	(void)state;
	for (int i = RESET_KEEP_MAPPINGS; i <= RESET_KEEP_NONE; i++) {
		assert_int_equal(reset_keep_read(reset_keep_name((enum reset_keep)i), &keep), 0);
		assert_int_equal(keep, i);
	}
	assert_int_equal(reset_keep_read("everything", &keep), -EINVAL);
}

/* A pass that was under way has seen some slots before the reset came: only the next one has seen all. */
static void complete_after_a_whole_pass(void **state)
{
	struct keepnat *k = *state;
	struct sweep_place place = { .ended_sessions = 100, .ended_hosts = 7 };

	pass_begins(k);
	pass_ends(k, &place);
	pass_begins(k);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_MAPPINGS), 0);
	place.ended_sessions = 103;
	pass_ends(k, &place);
	assert_false(reset_report_of(k, WAN).complete);
	pass_begins(k);
	place = (struct sweep_place){ .ended_sessions = 140,
				      .sessions = 5,
				      .mappings = 40,
				      .hosts = 30,
				      .old_mappings = 2,
				      .old_sessions = 1,
				      .ended_hosts = 7 };
	pass_ends(k, &place);
	struct reset_report report = reset_report_of(k, WAN);
	assert_true(report.complete);
	assert_int_equal(report.ended.sessions, 40);
	assert_int_equal(report.ended.mappings, 2);
	assert_int_equal(report.ended.hosts, 0);
	assert_int_equal(report.sessions, 5);
	assert_int_equal(report.mappings, 40);
	assert_int_equal(report.hosts, 30);
	assert_int_equal(report.skipped, 1);
}

static void resets_coalesce(void **state)
{
	struct keepnat *k = *state;
	struct sweep_place place = { 0 };

	assert_int_equal(reset_report_of(k, WAN).resets, 0);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_HOSTS), 0);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_MAPPINGS), 0);
	pass_begins(k);
	place.ended_sessions = 11;
	pass_ends(k, &place);
	struct reset_report report = reset_report_of(k, WAN);
	assert_true(report.complete);
	assert_int_equal(report.coalesced, 2);
	assert_int_equal(report.keep, RESET_KEEP_HOSTS);
	assert_int_equal(report.ended.sessions, 11);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_MAPPINGS), 0);
	report = reset_report_of(k, WAN);
	assert_false(report.complete);
	assert_int_equal(report.coalesced, 1);
	assert_int_equal(report.resets, 3);
	assert_int_equal(report.keep, RESET_KEEP_MAPPINGS);
}

/* Before numbers could come round it says no; a pass later, when nothing is so old any more, it goes on. */
static void so_many_and_no_more(void **state)
{
	struct keepnat *k = *state;
	struct sweep_place place = { 0 };
	u32 made = 0;

	while (made < GENERATION_MASK && !reset_interface(k, WAN, RESET_KEEP_MAPPINGS))
		made++;
	assert_in_range(made, 100000, GENERATION_MASK / 4);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_NONE), -EBUSY);
	assert_int_equal(generation(k, TABLE_HOSTS), 0);
	assert_int_equal(reset_interface(k, WAN + 1, RESET_KEEP_MAPPINGS), 0);
	pass_begins(k);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_MAPPINGS), -EBUSY);
	pass_ends(k, &place);
	pass_begins(k);
	assert_int_equal(reset_interface(k, WAN, RESET_KEEP_MAPPINGS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_each_keeps, lab_open, lab_close),
		cmocka_unit_test_setup_teardown(names, lab_open, lab_close),
		cmocka_unit_test_setup_teardown(complete_after_a_whole_pass, lab_open, lab_close),
		cmocka_unit_test_setup_teardown(resets_coalesce, lab_open, lab_close),
		cmocka_unit_test_setup_teardown(so_many_and_no_more, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
