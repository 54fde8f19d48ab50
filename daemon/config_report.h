/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Notes for the reader of a configuration: how the parts of the parser write errors and warnings. */
#pragma once

#include <stdbool.h>

#include "daemon/config.h"

enum {
	REPORT_QUOTE_SIZE = 48,
	REPORT_PLACE_SIZE = 32,
};

void report_init(struct settings_report *report, const char *name);

/* Begin a note. Every report_what() is followed by its report_mend(). */
void report_what(struct settings_report *report, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void report_mend(struct settings_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* No further note would be kept: time to stop looking. */
bool report_full(const struct settings_report *report);

/* By line; notes of one line stay in the order in which they came. */
void report_sort(struct settings_report *report);

/* Text of a file, made fit for a message: quoted, cut, nothing that a terminal would obey. Returns the buffer. */
const char *report_quote(char quoted[REPORT_QUOTE_SIZE], const char *text);

/* " on line 12", or "" for line 0. Returns the buffer. */
const char *report_place(char place[REPORT_PLACE_SIZE], unsigned int line);

/* Add one more to a list of words: "a, b, c". What has no room is left out. */
void report_list_add(char *list, size_t size, const char *word, const char *between);
