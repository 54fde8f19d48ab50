/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of keepnat.yaml share: texts that must be taken or refused, and that what is printed reads back. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <cmocka.h>

#include "daemon/address.h"
#include "daemon/config.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Two interfaces on lines 1 to 3; what is put after them begins on line 4. */
#define BASE                                \
	"interfaces:\n"                     \
	"  - {name: wan0, role: outside}\n" \
	"  - {name: lan0, role: inside}\n"

/* A text that is refused with exactly one note. */
struct refusal {
	const char *text;
	unsigned int line;
	const char *what;
	const char *mend;
};

static inline int parse(const char *text, struct settings **settings, struct settings_report *report)
{
	return settings_parse(text, strlen(text), "test.yaml", settings, report);
}

/* Settings of a text that must be taken. */
static inline struct settings *parsed(const char *text)
{
	static struct settings_report report;
	struct settings *settings;

	if (parse(text, &settings, &report)) {
		print_message("%s\n", text);
		settings_report_print(stderr, "error", &report);
		fail();
	}
	assert_int_equal(report.count, 0);
	assert_non_null(settings);
	return settings;
}

static inline bool note_is(const struct settings_report *report, unsigned int line, const char *what,
			   const char *mend)
{
	return report->count == 1 && !report->more && report->notes[0].line == line &&
	       strstr(report->notes[0].what, what) && strstr(report->notes[0].mend, mend);
}

static inline void assert_refusals(const struct refusal *rows, size_t count)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < count; i++) {
		const struct refusal *row = &rows[i];
		struct settings_report report;
		struct settings *settings = (struct settings *)&report;
		int error = parse(row->text, &settings, &report);

		assert_null(settings);
		if (error == -EINVAL && note_is(&report, row->line, row->what, row->mend))
			continue;
		bad++;
		print_message("row %zu, result %d:\n%s\nexpected line %u: %s; %s\n", i, error, row->text,
			      row->line, row->what, row->mend);
		settings_report_print(stdout, "error", &report);
	}
	assert_int_equal(bad, 0);
}

static inline char *printed(const struct settings *settings)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	assert_int_equal(settings_print(file, settings), 0);
	assert_int_equal(fclose(file), 0);
	return text;
}

static inline void assert_same_fixed(const struct settings *a, const struct settings *b)
{
	assert_int_equal(a->reservation_count, b->reservation_count);
	for (unsigned int i = 0; i < a->reservation_count; i++) {
		const struct settings_reservation *x = &a->reservations[i], *y = &b->reservations[i];

		assert_int_equal(x->inside.s_addr, y->inside.s_addr);
		assert_int_equal(x->outside.s_addr, y->outside.s_addr);
		assert_int_equal(x->inbound, y->inbound);
		assert_int_equal(x->address_only, y->address_only);
	}
	assert_int_equal(a->port_mapping_count, b->port_mapping_count);
	for (unsigned int i = 0; i < a->port_mapping_count; i++) {
		const struct settings_port_mapping *x = &a->port_mappings[i], *y = &b->port_mappings[i];

		assert_int_equal(x->protocols, y->protocols);
		assert_string_equal(x->interface, y->interface);
		assert_int_equal(x->outside.s_addr, y->outside.s_addr);
		assert_int_equal(x->inside.s_addr, y->inside.s_addr);
		assert_int_equal(x->outside_port, y->outside_port);
		assert_int_equal(x->inside_port, y->inside_port);
		assert_int_equal(x->count, y->count);
	}
}

/* Field by field, not by what is printed: a field that the printer forgot must show. */
static inline void assert_same_settings(const struct settings *a, const struct settings *b)
{
	assert_memory_equal(&a->nat, &b->nat, sizeof(a->nat));
	assert_memory_equal(&a->capacity, &b->capacity, sizeof(a->capacity));
	assert_same_fixed(a, b);
	assert_int_equal(a->pass_through_count, b->pass_through_count);
	for (unsigned int i = 0; i < a->pass_through_count; i++) {
		const struct address_prefix *x = &a->pass_through[i].prefix, *y = &b->pass_through[i].prefix;

		assert_int_equal(x->address.s_addr, y->address.s_addr);
		assert_int_equal(x->length, y->length);
	}
	assert_int_equal(a->interface_count, b->interface_count);
	for (unsigned int i = 0; i < a->interface_count; i++) {
		const struct settings_interface *x = &a->interfaces[i], *y = &b->interfaces[i];

		assert_string_equal(x->name, y->name);
		assert_int_equal(x->role, y->role);
		assert_int_equal(x->pool_count, y->pool_count);
		assert_int_equal(x->network_count, y->network_count);
		assert_int_equal(!x->deterministic.inside.line, !y->deterministic.inside.line);
		assert_int_equal(x->deterministic.inside.prefix.address.s_addr,
				 y->deterministic.inside.prefix.address.s_addr);
		assert_int_equal(x->deterministic.inside.prefix.length,
				 y->deterministic.inside.prefix.length);
		assert_int_equal(x->deterministic.algorithm, y->deterministic.algorithm);
		assert_int_equal(x->deterministic.ratio, y->deterministic.ratio);
		assert_int_equal(x->deterministic.dynamic, y->deterministic.dynamic);
		for (unsigned int j = 0; j < x->pool_count; j++)
			assert_memory_equal(&x->pool[j].range, &y->pool[j].range, sizeof(x->pool[j].range));
		for (unsigned int j = 0; j < x->network_count; j++) {
			assert_int_equal(x->networks[j].prefix.address.s_addr,
					 y->networks[j].prefix.address.s_addr);
			assert_int_equal(x->networks[j].prefix.length, y->networks[j].prefix.length);
		}
	}
}

static inline void assert_round_trip(const char *text)
{
	struct settings *first = parsed(text), *second;
	char *once = printed(first), *twice;

	second = parsed(once);
	twice = printed(second);
	assert_same_settings(first, second);
	assert_string_equal(once, twice);
	free(once);
	free(twice);
	settings_free(first);
	settings_free(second);
}
