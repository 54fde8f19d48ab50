/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * scan.h - JSON that is only looked at: rows as they lie in the daemon's answer, without a copy.
 *
 * A list may have a million rows; to build each as a tree of its own takes five times as long as to print it. Anything
 * else is jansson's. The text may be any bytes: what is not JSON ends a scan, and nothing beyond the span is read.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Some text; at == end: nothing. */
struct span {
	const char *at, *end;
};

enum { ROW_MEMBERS = 40 };

struct member {
	struct span key; /* without quotes */
	struct span value;
};

struct row {
	struct span text; /* the whole object */
	int count;
	struct member members[ROW_MEMBERS];
};

/* How a scan went on. */
enum scan { SCAN_WRONG = -1, SCAN_END, SCAN_NEXT };

/* What is within an object or an array: its members or items, to be taken by the next two. False: it is neither. */
bool scan_enter(struct span *inside, struct span value);

/* Take the next member or item off the front. SCAN_WRONG: that is not JSON. */
enum scan scan_member(struct span *inside, struct member *member);
enum scan scan_item(struct span *inside, struct span *item);

/* Read the members of an object; those beyond ROW_MEMBERS are left out. False: it is not one. */
bool row_read(struct row *row, struct span object);

/* The value at a key, or at "a.b". Empty: there is none. */
struct span row_value(const struct row *row, const char *key);

bool span_is(struct span span, const char *text);

/* A number that is not negative and whole, or 0. */
unsigned long long span_number(struct span span);

/* The text of a string, cut to the buffer's size; any other value as it stands. */
void span_text(struct span span, char *buffer, size_t size);
