// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How full tables and pools are, and who has most: what is told of it, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/event.h"
#include "daemon/list.h"
#include "daemon/usage.h"
#include "tests/unit/fixture/instance.h"

enum { FLOWS = 1 << 10, MAPPINGS = 1 << 10, HOSTS = 256 };

static int setup(void **state)
{
	struct instance *i = instance_make(FLOWS, MAPPINGS, HOSTS);

	*state = i;
	events_open(&i->k);
	return 0;
}

static int teardown(void **state)
{
	struct instance *i = *state;

	events_close(&i->k);
	instance_free(i);
	return 0;
}

/* On the way up each level once, on the way down nothing until it is well below. */
static void levels(void **state)
{
	static const struct {
		u64 used;
		enum usage_level level;
	} rows[] = {
		{ 0, USAGE_NORMAL },	 { 799, USAGE_NORMAL },	  { 800, USAGE_HIGH },
		{ 799, USAGE_HIGH },	 { 899, USAGE_HIGH },	  { 900, USAGE_CRITICAL },
		{ 850, USAGE_CRITICAL }, { 999, USAGE_CRITICAL }, { 1000, USAGE_FULL },
		{ 751, USAGE_FULL },	 { 750, USAGE_FULL },	  { 749, USAGE_NORMAL },
		{ 1000, USAGE_FULL },	 { 0, USAGE_NORMAL },
	};
	enum usage_level level = USAGE_NORMAL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct usage usage = { rows[i].used, 1000 };
		level = usage_level(level, &usage);
		assert_int_equal(level, rows[i].level);
	}
	assert_int_equal(usage_level(USAGE_FULL, &(struct usage){ 0, 0 }), USAGE_NORMAL);
}

static u64 told(struct instance *i, enum event_id id) { return event_count(&i->k, id).told; }

static void a_table_that_fills(void **state)
{
	struct instance *i = *state;
	struct usages usages = { 0 };
	struct event event;

	i->k.sweep.passes = 1;
	i->k.sweep.hosts = i->k.sizes.hosts * 85 / 100;
	usages_look(&i->k, &usages);
	assert_int_equal(told(i, EVENT_usage_high), 1);
	assert_true(event_after(&i->k, 0, &event));
	assert_string_equal(event.subject, "hosts");
	assert_non_null(strstr(event.text, "used to 84 %: 108 of 128"));
	assert_string_equal(i->k.warnings[0], "hosts: used to 84 %: 108 of 128");
	i->k.sweep.hosts = i->k.sizes.hosts;
	usages_look(&i->k, &usages); /* the sweep has not counted anew */
	assert_int_equal(told(i, EVENT_usage_full), 0);
	i->k.sweep.passes++;
	usages_look(&i->k, &usages);
	assert_int_equal(told(i, EVENT_usage_full), 1);
	assert_int_equal(told(i, EVENT_usage_critical), 0);
	assert_int_equal(i->k.warning_count, 1);
	i->k.sweep.passes++;
	i->k.sweep.hosts = 3;
	usages_look(&i->k, &usages);
	assert_int_equal(told(i, EVENT_usage_normal), 1);
	assert_int_equal(i->k.warning_count, 0);
}

static void fill(struct instance *i, u32 ports)
{
	for (u32 n = 0; n < ports; n++)
		(void)instance_out(i, PROTOCOL_UDP, n % 2 ? "10.0.0.1" : "10.0.0.2", (u16)(2000 + n),
				   "192.0.2.9", 53, 0);
}

static void a_pool_that_fills(void **state)
{
	struct instance *i = *state;
	struct usages usages = { 0 };
	struct usage ports[MAX_OUTSIDE][PORT_AREAS];
	u32 addresses[MAX_OUTSIDE];
	struct list_view view;
	struct event event;
	u64 after = 0;

	i->k.nat.config->port_min = 2000;
	i->k.nat.config->port_max = 2099;
	fill(i, 160);
	list_open(&view, &i->k);
	usage_of_pools(&view, ports, addresses);
	assert_int_equal(addresses[0], 2);
	assert_int_equal(ports[0][CLASS_UDP].capacity, 200);
	assert_in_range(ports[0][CLASS_UDP].used, 80, 200); /* both may have one address */
	assert_int_equal(ports[0][CLASS_TCP].capacity, 200);
	i->k.sweep.passes = 1;
	for (u32 n = 0; n < 200; n++)
		(void)instance_out(i, PROTOCOL_UDP, n % 2 ? "10.0.0.3" : "10.0.0.4", (u16)(2000 + n),
				   "192.0.2.9", 53, 0);
	for (u32 host = 5; host < 20; host++) {
		char text[16];
		snprintf(text, sizeof(text), "10.0.1.%u", host);
		for (u32 n = 0; n < 100; n++)
			(void)instance_out(i, PROTOCOL_UDP, text, (u16)(2000 + n), "192.0.2.9", 53, 0);
	}
	usages_look(&i->k, &usages);
	assert_int_equal(told(i, EVENT_usage_full), 1);
	while (event_after(&i->k, after, &event) && event.id != EVENT_usage_full)
		after = event.number;
	assert_string_equal(event.subject, "wan0 udp ports");
	assert_string_equal(event.text, "used to 100 %: 200 of 200");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test_setup_teardown(a_table_that_fills, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_that_fills, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
