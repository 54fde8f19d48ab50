/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * draft.h - a configuration in the making, from what another system wrote.
 *
 * An importer adds items, each with the line that it comes from, and notes about what it did not understand or cannot carry over.
 * Whether the whole is right is not its business: draft_settle() has the draft read by the very reader of configurations, takes out
 * the item that an error is about, tells why under the line of the source, and goes on until nothing is wrong. So what is printed
 * passes `keepnat check`, and no rule about configurations stands here a second time.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "daemon/config.h"

enum draft_kind {
	DRAFT_INTERFACE, /* text: its name as here; key: its name there */
	DRAFT_MODE,	 /* of an interface: a line of its section */
	DRAFT_POOL,	 /* of an interface: a range */
	DRAFT_NETWORK,	 /* of an interface: a network */
	DRAFT_PORTS,	 /* a line of nat.ports */
	DRAFT_FILTERING, /* a line of nat.filtering_type */
	DRAFT_TIMER,	 /* a line of nat.timers */
	DRAFT_RESERVATION,
	DRAFT_PORT_MAPPING,
	DRAFT_PASS_THROUGH,
};

enum { DRAFT_NOBODY = -1, DRAFT_TEXT_SIZE = 160, DRAFT_KEY_SIZE = 128 };

struct draft_item {
	enum draft_kind kind;
	unsigned int line; /* of the source; 0: of none */
	int interface;	   /* whose it is: the number of an item; or DRAFT_NOBODY */
	bool inside;	   /* of an interface: its role */
	bool gone;
	unsigned int place; /* the line in what was written last */
	char text[DRAFT_TEXT_SIZE];
	char key[DRAFT_KEY_SIZE]; /* what it is found by */
};

enum draft_severity {
	DRAFT_TOLD,	/* carried over, or needless; worth knowing */
	DRAFT_LEFT_OUT, /* understood, but it cannot be carried over */
	DRAFT_ERROR,	/* not understood */
};

struct draft_note {
	unsigned int line;
	enum draft_severity severity;
	int number; /* in the order in which they came */
	char what[256], mend[256];
};

struct draft {
	const char *name; /* of the source */
	struct draft_item *items;
	int item_count;
	struct draft_note *notes;
	int note_count;
};

void draft_init(struct draft *draft, const char *name);
void draft_free(struct draft *draft);

/*
 * The item is the draft's, until the next one is added. What has no room is told, and gives an item that is gone. What the same line has
 * given before is not added again: it is that item.
 */
struct draft_item *draft_add(struct draft *draft, enum draft_kind kind, unsigned int line, int interface,
			     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Items that are not gone. NULL: there is none. */
struct draft_item *draft_find(const struct draft *draft, enum draft_kind kind, int interface,
			      const char *key);
struct draft_item *draft_find_text(const struct draft *draft, enum draft_kind kind, int interface,
				   const char *text);
bool draft_has_side(const struct draft *draft, bool inside);
bool draft_has(const struct draft *draft, enum draft_kind kind, int interface);
int draft_number(const struct draft *draft, const struct draft_item *item);

/* Take an interface out, with all that is its own. */
void draft_drop_interface(struct draft *draft, struct draft_item *interface);

/* A note begins with what, and ends with what to do. */
void draft_what(struct draft *draft, unsigned int line, enum draft_severity severity, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void draft_mend(struct draft *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A NAT needs both sides. What the source does not tell, the caller may know; NULL: the interface gets a name that must be changed, and
 * that is told.
 */
void draft_complete(struct draft *draft, const char *inside, const char *outside);

/*
 * True: what is left of the draft passes. False: nothing that could be a configuration is left, and that was told. Sorts the notes by line,
 * and leaves one of those that are the same.
 */
bool draft_settle(struct draft *draft);

/* The notes, a line each. */
void draft_notes_print(const struct draft *draft, FILE *file, const char *before);
const char *draft_severity_name(enum draft_severity severity);

/* The configuration, with the notes as comments. */
void draft_print(struct draft *draft, FILE *file);
