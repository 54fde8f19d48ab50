/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * book.h - the records that the law asks for: whose which outside port, or block of ports, was, from when to when.
 *
 * native/trail.h finds them in the tables while the sweep goes over these; nothing is asked of packets. Each record goes into a queue for each
 * destination (book_sink.h), which a thread of its own empties. Where a queue is full whose destination takes records, only slowly, nothing
 * more is taken: the tables keep what is to be told. Where it is full because its destination is gone, what has no room is lost to
 * that destination, counted, and said there when it is back.
 *
 * What was told of is in a file under the run folder, which outlives the daemon: its successor tells nothing twice, and the end of what ended
 * meanwhile.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct keepnat;
struct sweep;

/* k->book, if anything is to be logged. 0, or -errno after a line. */
int book_start(struct keepnat *k);

/* leave: the data path goes on, and with it what was told of. */
void book_stop(struct keepnat *k, bool leave);

/* The sweep shows its work to the book, if there is one; in its own thread. */
void book_follow(struct keepnat *k, struct sweep *sweep);

/*
 * Tell of what has run out, and of hosts that have all that they may have: once when it begins, and once a minute while packets are refused
 * for it (RFC 8158 section 5.5). And of what is about to run out, and of pools that are so no more: once, at the percentages of usage.h.
 * For the main thread, twice a second or so.
 */
void book_look(struct keepnat *k);

/* Files are opened anew. */
void book_reopen(struct keepnat *k);

/* Of a destination. */
struct book_report {
	const char *format; /* "json", "syslog", "ipfix" */
	char target[256];
	bool up;
	u64 written; /* records */
	u64 waiting;
	u64 lost;
	u64 failures; /* how often it went */
};

enum { BOOK_SINKS = 3 };

/* How many there are. Any thread. */
unsigned int book_reports(struct keepnat *k, struct book_report reports[BOOK_SINKS]);

/* Mappings and blocks that came and went while nothing could be told of them. Any thread. */
u64 book_missed(const struct keepnat *k);
