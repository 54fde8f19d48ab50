// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/record.h: what ports are shared out by is told once a day (RFC 7422 section 4), and all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/record.h"

enum { RANGES = 100, DAY = 86400, BEGIN = 1000000 };

static struct keepnat k;
static struct settings settings;
static struct settings_interface interfaces[2];
static struct settings_range ranges[RANGES];
static struct config config;
static u64 seen;

static int setup(void **state)
{
	(void)state;
	memset(&k, 0, sizeof(k));
	memset(&settings, 0, sizeof(settings));
	memset(&config, 0, sizeof(config));
	memset(interfaces, 0, sizeof(interfaces));
	pthread_mutex_init(&k.lock, NULL);
	k.instance = "test";
	k.settings = &settings;
	k.nat.config = &config;
	k.interface_count = 2;
	settings.interfaces = interfaces;
	settings.interface_count = 2;
	settings.nat.ports = (struct settings_ports){ 1024, 65535 };
	for (u32 i = 0; i < RANGES; i++) {
		u32 first = 0xc6336400 + i * 2; /* 198.51.100.0, .2, ... */
		ranges[i].range.first.s_addr = ranges[i].range.last.s_addr = host_to_be32(first);
	}
	interfaces[0] = (struct settings_interface){
		.name = "wan0", .role = ROLE_OUTSIDE, .pool = ranges, .pool_count = 2
	};
	interfaces[0].deterministic.inside.prefix.address.s_addr = host_to_be32(0x0a000000);
	interfaces[0].deterministic.inside.prefix.length = 28;
	interfaces[0].deterministic.dynamic = 2;
	interfaces[1] = (struct settings_interface){ .name = "wan1", .role = ROLE_OUTSIDE };
	k.interfaces[1].number = 1;
	config.shares[0] = (struct shares){ .hosts = 14,
					    .ratio = 14,
					    .each = 4032,
					    .first = 1024,
					    .algorithm = 1,
					    .block_size = 100,
					    .block_count = 80,
					    .block_max = 10 };
	events_open(&k);
	seen = event_last(&k);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	events_close(&k);
	return 0;
}

/* The next event; "" if there is none. */
static const char *told(void)
{
	static struct event event;

	if (!event_after(&k, seen, &event))
		return "";
	seen = event.number;
	assert_int_equal(event.id, EVENT_ports_shared);
	assert_string_equal(event.subject, "wan0");
	return event.text;
}

static const char record[] =
	"deterministic: algorithm 1, inside 10.0.0.0/28, ratio 14, dynamic 2, ports 1024-65535, 4032 each "
	"from 1024 on, 10 blocks of 100 more at most, outside 198.51.100.0 198.51.100.2";

/* Nor later, nor sooner, than after a day; and at once if the clock was set back. Of what is not deterministic, nothing. */
static void once_a_day(void **state)
{
	(void)state;
	k.recorded = BEGIN;
	record_look(&k, BEGIN);
	record_look(&k, BEGIN + DAY - 1);
	assert_string_equal(told(), "");
	record_look(&k, BEGIN + DAY);
	assert_string_equal(told(), record);
	record_look(&k, BEGIN + DAY + 1);
	record_look(&k, BEGIN + 2 * DAY - 1);
	assert_string_equal(told(), "");
	record_look(&k, BEGIN + 3 * DAY);
	assert_string_equal(told(), record);
	record_look(&k, BEGIN);
	assert_string_equal(told(), record);
	assert_string_equal(told(), "");
}

/* A pool of many ranges: each is told, whole. */
static void nothing_is_cut(void **state)
{
	char whole[RANGES * 20] = "", range[24];
	const char *text;

	(void)state;
	interfaces[0].pool_count = RANGES;
	record_tell(&k, &interfaces[0], &config.shares[0]);
	for (u32 lines = 0; *(text = told()); lines++) {
		assert_true(strlen(text) < EVENT_TEXT);
		text = strstr(text, lines ? "too, " : "outside ");
		assert_non_null(text);
		strcat(whole, strchr(text, ' '));
	}
	text = whole;
	for (u32 i = 0; i < RANGES; i++) {
		int length = snprintf(range, sizeof(range), " 198.51.100.%u", i * 2);
		assert_memory_equal(text, range, (size_t)length);
		text += length;
	}
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(once_a_day, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_cut, setup, teardown),
	};

	return cmocka_run_group_tests_name("daemon_record", tests, NULL, NULL);
}
