// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/shortage.h: what has run out is said once, for as long as it lasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/keepnat.h"
#include "daemon/shortage.h"

enum { CPUS = 2, WAN = 1 };

static struct keepnat k;
static struct config config;
static struct counters counters[CPUS];
static struct shortages shortages;
static u8 no_hosts[64];

static int setup(void **state)
{
	(void)state;
	memset(&k, 0, sizeof(k));
	memset(counters, 0, sizeof(counters));
	memset(&shortages, 0, sizeof(shortages));
	pthread_mutex_init(&k.lock, NULL);
	k.nat.config = &config;
	k.nat.counters = counters;
	k.nat.tables[TABLE_HOSTS] = no_hosts;
	k.cpus = CPUS;
	k.interfaces[0] = (struct keepnat_interface){ .name = "wan1", .role = ROLE_OUTSIDE, .number = WAN };
	k.interface_count = 1;
	return 0;
}

static void warned(const char *text)
{
	assert_int_equal(k.warning_count, 1);
	assert_non_null(strstr(k.warnings[0], text));
}

static void it_is_said_once_and_taken_back(void **state)
{
	(void)state;
	shortages_look(&k, &shortages, 100);
	counters[0].by[WAN][REASON_out_created].packets = 5;
	shortages_look(&k, &shortages, 101);
	assert_int_equal(k.warning_count, 0);
	counters[1].by[WAN][REASON_no_port].packets = 1;
	shortages_look(&k, &shortages, 102);
	warned("wan1: no free port");
	counters[0].by[WAN][REASON_told_no_port].packets = 1;
	shortages_look(&k, &shortages, 110);
	warned("add addresses to its pool");
	shortages_look(&k, &shortages, 110 + SHORTAGE_QUIET - 1);
	warned("wan1: ");
	shortages_look(&k, &shortages, 110 + SHORTAGE_QUIET);
	assert_int_equal(k.warning_count, 0);
	counters[0].by[WAN][REASON_told_no_port].packets++;
	shortages_look(&k, &shortages, 300);
	warned("wan1: no free port");
}

static void each_reason_has_its_words(void **state)
{
	static const struct {
		enum reason reason;
		const char *text;
	} rows[] = {
		{ REASON_told_no_port, "no free port" },
		{ REASON_no_port, "no free port" },
		{ REASON_told_full, "no room" },
		{ REASON_no_free_address, "no room" },
		{ REASON_hosts_full, "no room" },
		{ REASON_mappings_full, "no room" },
		{ REASON_out_from_mapping, "session table" },
		{ REASON_in_from_mapping, "session table" },
		{ REASON_flows_full, "capacity.sessions" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup(state);
		shortages_look(&k, &shortages, 1);
		counters[0].by[WAN][rows[i].reason].packets = 1;
		shortages_look(&k, &shortages, 2);
		warned(rows[i].text);
	}
}

static void what_an_earlier_process_saw_is_no_news(void **state)
{
	(void)state;
	counters[0].by[WAN][REASON_no_port].packets = 1000;
	shortages_look(&k, &shortages, 1);
	shortages_look(&k, &shortages, 2);
	assert_int_equal(k.warning_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_is_said_once_and_taken_back, setup),
		cmocka_unit_test_setup(each_reason_has_its_words, setup),
		cmocka_unit_test_setup(what_an_earlier_process_saw_is_no_news, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
