// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/crash.h and crash_store.h: a signature that stays, and reports as files. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/blackbox.h"
#include "daemon/crash.h"
#include "daemon/crash_store.h"

static struct blackbox box;
static struct crash_end end = { .status = SIGSEGV };

/* A crash in the second function of a program that lies there. */
static u64 crash_at(u64 base)
{
	memset(&box, 0, sizeof(box));
	box.module_count = 1;
	box.modules[0] = (struct crash_module){
		.begin = base, .end = base + 0x10000, .bias = base, .id = { 1, 2, 3 }, .id_size = 3
	};
	box.crash.begun = 1;
	box.crash.frame_count = 2;
	box.crash.frames[0] = base + 0x100;
	box.crash.frames[1] = base + 0x200;
	return crash_signature(&box, &end);
}

static void a_signature_is_of_the_place_and_not_of_addresses(void **state)
{
	u64 here = crash_at(0x10000), same = crash_at(0x7f0000000000), other;

	(void)state;
	assert_true(here == same);
	box.crash.frames[1]++;
	other = crash_signature(&box, &end);
	assert_true(other != here);
	(void)crash_at(0x10000);
	box.modules[0].id[0]++;
	assert_true(crash_signature(&box, &end) != here);
	end.status = SIGBUS;
	assert_true(crash_at(0x10000) != here);
	end.status = SIGSEGV;
}

static void what_a_broken_worker_wrote_is_bounded(void **state)
{
	(void)state;
	memset(&box, 0xff, sizeof(box));
	(void)crash_signature(&box, &end);
}

static void reports_are_kept_listed_and_acknowledged(void **state)
{
	struct crash_entry entries[8];
	char folder[] = "/tmp/keepnat-crash-XXXXXX", text[64], path[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(crash_store_unread(folder), 0);
	assert_int_equal(crash_store_write(folder, "20260101T000001Z-1", "one", 2), 0);
	assert_int_equal(crash_store_write(folder, "20260101T000003Z-1", "three", 2), 0);
	assert_int_equal(crash_store_write(folder, "20260101T000002Z-1", "two", 2), 0);
	assert_int_equal(crash_store_list(folder, entries, 8), 2);
	assert_string_equal(entries[0].name, "20260101T000003Z-1");
	assert_true(entries[0].unread);
	assert_int_equal(crash_store_read(folder, &entries[1], text, sizeof(text)), 0);
	assert_string_equal(text, "two");
	assert_int_equal(crash_store_read(folder, &entries[0], text, 4), 0);
	assert_string_equal(text, "thr");
	assert_int_equal(crash_store_unread(folder), 2);
	assert_int_equal(crash_store_ack(folder), 2);
	assert_int_equal(crash_store_unread(folder), 0);
	assert_int_equal(crash_store_list(folder, entries, 8), 2);
	assert_false(entries[0].unread);
	assert_int_equal(crash_store_write(folder, "20260101T000004Z-1", "four", 1), 0);
	assert_int_equal(crash_store_list(folder, entries, 8), 1);
	snprintf(path, sizeof(path), "%s/crashes/20260101T000004Z-1.unread", folder);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/crashes", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_is_of_the_place_and_not_of_addresses),
		cmocka_unit_test(what_a_broken_worker_wrote_is_bounded),
		cmocka_unit_test(reports_are_kept_listed_and_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
