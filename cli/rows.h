/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rows.h - a list of the API from its first to its last row, page by page. */
#pragma once
#include <stdbool.h>

#include "cli/output.h"

struct options;

struct rows {
	const char *path; /* "/v1/sessions" */
	const char *name; /* "sessions" */
	const struct column *columns;
	bool paged;			       /* it takes limit and cursor */
	bool (*wanted)(const struct row *row); /* of text, not of JSON; NULL: all */
	bool limited;			       /* it takes limit alone, and comes in one piece */
};

/* The columns of `events`. */
extern const struct column event_columns[];

/* --limit, or NULL: there is none. STATUS_DONE, or STATUS_USAGE after a line that says why. */
int limit_read(const char *text, unsigned long long *limit);

/* Ask with the filters of `options`, and print. An exit status. */
int rows_print(const struct options *options, const struct rows *rows);
