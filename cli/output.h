/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * output.h - rows as text for people or as JSON for programs, one interface for both.
 *
 * Rows are printed as they come and then forgotten, so a list may have any length. The widths of columns follow from
 * what a column shows, not from the rows; the last one has none. Colour is for terminals, and not if NO_COLOR is set.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/scan.h"

enum format {
	FORMAT_TEXT,	 /* an address or the name of an interface */
	FORMAT_WORD,	 /* a protocol, a role, a hook */
	FORMAT_SHORT,	 /* yes or no */
	FORMAT_NAME,	 /* of a reason */
	FORMAT_ENDPOINT, /* two keys: address and port */
	FORMAT_COUNT,	 /* 1234, 56.7k, 8.9M */
	FORMAT_SECONDS,	 /* 5s, 4m05s, 3h02m, 1d04h */
	FORMAT_TIME,	 /* RFC 3339 */
	FORMAT_STATE,	 /* a word with a colour of its own */
	FORMAT_FLAGS,	 /* keys, separated by blanks: the names of those that are true */
};

struct column {
	const char *title; /* NULL ends the list */
	const char *key;   /* "a.b": member b of object a */
	const char *port;  /* the second key of an endpoint */
	enum format format;
};

struct output {
	const char *name; /* of the list in JSON */
	const struct column *columns;
	bool json, colour;
	unsigned long long rows;
};

/* colour: as the terminal and the environment want it. */
bool output_has_colour(void);

/* The title, or what comes before the first row. */
void output_begin(struct output *output, const char *name, const struct column *columns, bool json);
void output_row(struct output *output, const struct row *row);
void output_end(struct output *output);

/* One whole answer as JSON. */
void output_json(const json_t *json);

/* Numbers for people. Each returns its buffer. */
enum { CELL_SIZE = 160 };
const char *count_text(char text[CELL_SIZE], unsigned long long count);
const char *seconds_text(char text[CELL_SIZE], unsigned long long seconds);

/* The integer at a key ("a.b" too), 0 if there is none. */
unsigned long long json_number_at(const json_t *json, const char *key);
const char *json_text_at(const json_t *json, const char *key); /* "" likewise */
