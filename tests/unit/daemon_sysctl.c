// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Settings of the kernel: changed, remembered over a crash, and given back; in a folder in place of /proc/sys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/sysctl.h"

struct lab {
	char root[64], file[80];
	struct sysctls sysctls;
};

static void path_of(const struct lab *lab, const char *name, char path[160])
{
	snprintf(path, 160, "%s/%s", lab->root, name);
}

static void setting_put(const struct lab *lab, const char *name, const char *value)
{
	char path[160];
	FILE *file;

	path_of(lab, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", value);
	assert_int_equal(fclose(file), 0);
}

static void setting_is(const struct lab *lab, const char *name, const char *value)
{
	char now[SYSCTL_VALUE];

	assert_int_equal(sysctl_read(&lab->sysctls, name, now, sizeof(now)), 0);
	assert_string_equal(now, value);
}

/* What another process sees: only the file is remembered. */
static void restart(struct lab *lab)
{
	memset(&lab->sysctls, 0xa5, sizeof(lab->sysctls));
	assert_int_equal(sysctls_open(&lab->sysctls, lab->root, lab->file), 0);
}

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	*state = lab;
	strcpy(lab->root, "/tmp/keepnat-sysctl-XXXXXX");
	assert_non_null(mkdtemp(lab->root));
	snprintf(lab->file, sizeof(lab->file), "%s/remembered", lab->root);
	setting_put(lab, "forward", "0");
	setting_put(lab, "eth0.100", "2");
	setting_put(lab, "on", "1");
	restart(lab);
	return 0;
}

static int lab_close(void **state)
{
	static const char *const names[] = { "forward", "eth0.100", "on", "remembered", "remembered.new" };
	struct lab *lab = *state;
	char path[160];

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(lab, names[i], path);
		unlink(path);
	}
	rmdir(lab->root);
	free(lab);
	return 0;
}

static void a_change_is_made_and_undone(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "forward", "1"), 0);
	setting_is(lab, "forward", "1");
	sysctls_undo(&lab->sysctls, "");
	setting_is(lab, "forward", "0");
	assert_int_not_equal(access(lab->file, F_OK), 0);
}

static void what_is_so_already_is_not_ours(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "on", "1"), 0);
	assert_int_equal(lab->sysctls.count, 0);
	setting_put(lab, "on", "0");
	sysctls_undo(&lab->sysctls, "");
	setting_is(lab, "on", "0");
}

static void a_crash_does_not_lose_the_old_value(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "forward", "1"), 0);
	restart(lab);
	assert_int_equal(sysctl_set(&lab->sysctls, "forward", "1"), 0); /* it is so, and still ours */
	restart(lab);
	sysctls_undo(&lab->sysctls, "");
	setting_is(lab, "forward", "0");
}

static void what_somebody_else_changed_stays(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "eth0.100", "1"), 0);
	setting_put(lab, "eth0.100", "3");
	sysctls_undo(&lab->sysctls, "");
	setting_is(lab, "eth0.100", "3");
	assert_int_equal(lab->sysctls.count, 0);
}

/* The administrator turned it off while we were dead: that is what we give back to. */
static void the_last_value_before_ours_is_remembered(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "eth0.100", "1"), 0);
	setting_put(lab, "eth0.100", "0");
	restart(lab);
	assert_int_equal(sysctl_set(&lab->sysctls, "eth0.100", "1"), 0);
	sysctls_undo(&lab->sysctls, "");
	setting_is(lab, "eth0.100", "0");
}

static void only_what_begins_so_is_undone(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "forward", "1"), 0);
	assert_int_equal(sysctl_set(&lab->sysctls, "eth0.100", "1"), 0);
	sysctls_undo(&lab->sysctls, "eth0");
	setting_is(lab, "eth0.100", "2");
	setting_is(lab, "forward", "1");
	restart(lab);
	assert_int_equal(lab->sysctls.count, 1);
	assert_string_equal(lab->sysctls.changes[0].name, "forward");
}

static void what_cannot_be_set_is_not_remembered(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(sysctl_set(&lab->sysctls, "none", "1"), -ENOENT);
	strcpy(lab->sysctls.file, "/nowhere/remembered"); /* nor set, if it cannot be remembered */
	assert_int_equal(sysctl_set(&lab->sysctls, "forward", "1"), -ENOENT);
	setting_is(lab, "forward", "0");
	assert_int_equal(lab->sysctls.count, 0);
}

static void a_damaged_memory_is_read_as_far_as_it_goes(void **state)
{
	static const char *const lines[] = { "\n", "forward\n", "forward\t0\n", "\t\t\t\n",
					     "eth0.100\t2\t1\nforw" };
	struct lab *lab = *state;
	FILE *file = fopen(lab->file, "w");

	for (unsigned int i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		fputs(lines[i], file);
	fprintf(file, "\t%0200d\t1\n", 0);
	assert_int_equal(fclose(file), 0);
	restart(lab);
	setting_put(lab, "eth0.100", "1");
	sysctls_undo(&lab->sysctls, "");
	setting_is(lab, "eth0.100", "2");
	setting_is(lab, "forward", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)
		TEST(a_change_is_made_and_undone),
		TEST(what_is_so_already_is_not_ours),
		TEST(a_crash_does_not_lose_the_old_value),
		TEST(what_somebody_else_changed_stays),
		TEST(the_last_value_before_ours_is_remembered),
		TEST(only_what_begins_so_is_undone),
		TEST(what_cannot_be_set_is_not_remembered),
		TEST(a_damaged_memory_is_read_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
