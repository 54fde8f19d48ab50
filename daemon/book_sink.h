/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * book_sink.h - one destination of the book: a queue of records, and the connection to who shall have them.
 *
 * A record stays in the queue until it has arrived as far as can be known: of TCP, when it was acknowledged; of a datagram, when
 * nobody complained for a while; of a file, when it was written. When a connection is lost the others are sent once more, so that
 * some may arrive twice, but none is missed silently. One that cannot be had again is tried after a second, and at longer intervals.
 *
 * sink_push() is for any thread, one at a time; all else for the thread of the book.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"
#include "native/trail.h"

enum {
	SINK_OUT = 16384,      /* bytes of a message, */
	SINK_DATAGRAM = 1400,  /* or of one that is to fit into a packet */
	SINK_BATCH = 64,       /* records of a message at most */
	SINK_FLIGHTS = 4096,   /* messages under way */
	SINK_SETTLED_MS = 300, /* a datagram of which nobody complained for so long has arrived */
	SINK_STALLED_MS = 10000,
	SINK_CONNECT_MS = 5000,
	SINK_AGAIN_MS = 1000, /* until the next attempt; doubled each time, */
	SINK_AGAIN_MAX_MS = 16000,
};

/* Whom a record is about, in words. */
struct book_names {
	const char *instance;
	char host[64];
	char interfaces[MAX_INTERFACES][SETTINGS_NAME_SIZE];
};

struct sink;

struct sink_format {
	const char *name;
	/*
	 * A message of as many of these records as fit, at least one: its bytes, in sink->out. *taken: how many records it holds. The time is
	 * that of now, in milliseconds since 1970.
	 */
	size_t (*pack)(struct sink *sink, const struct book_names *names, const struct trail_record *records,
		       unsigned int count, u64 now, unsigned int *taken);
	/* A new connection: nothing is known there of what was said before. */
	void (*begin)(struct sink *sink);
};

extern const struct sink_format book_json, book_syslog, book_ipfix;

struct sink_flight {
	u64 until; /* records of the queue that have arrived with it */
	u64 bytes; /* of the connection so far, with it */
	u64 when;  /* milliseconds */
	u64 lost;  /* of lost records, those that were said by then */
};

struct sink {
	const struct sink_format *format;
	char target[SETTINGS_PATH_SIZE];
	struct settings_destination to; /* its path points into target */
	u32 rate;
	int fd; /* -1: closed */
	bool connecting;
	bool up;   /* it takes records, as far as is known */
	bool seen; /* a message has arrived since it was opened */
	u64 since; /* all times in milliseconds of the monotonic clock: when it began to connect, or last took bytes */
	u64 again;     /* when to try again; */
	u64 pause;     /* and after how long the next time */
	double tokens; /* records that it may be sent now */
	u64 filled;

	/* The queue. Counts only grow: records pushed, sent, and arrived. */
	struct trail_record *ring;
	u32 size;
	u64 pushed, sent, arrived;
	u64 lost, lost_said, lost_arrived; /* records; of these, those that were said; and were heard */
	u64 failures;
	struct sink_flight flights[SINK_FLIGHTS];
	u64 flight_first, flight_next;
	u64 bytes; /* that the connection took */

	u8 out[SINK_OUT];
	size_t out_length, out_done;
	u64 out_until;

	/* For the format. */
	u32 sequence;
	u64 templates; /* when they were sent */
};

/* To a destination that settings_destination_parse() takes. 0 or -errno. */
int sink_open(struct sink *sink, const struct sink_format *format, const char *target, u32 size, u32 rate);
void sink_close(struct sink *sink);

/* May another record be pushed without loss, or is it the destination's own fault? */
bool sink_ready(const struct sink *sink);
void sink_push(struct sink *sink, const struct trail_record *record);

/* Is it all gone, as far as it goes? */
bool sink_idle(const struct sink *sink);

/* Do what can be done now. wall: milliseconds since 1970. */
void sink_run(struct sink *sink, const struct book_names *names, u64 now, u64 wall);

/* Open its file anew. */
void sink_reopen(struct sink *sink);

/* To wait for: its descriptor and what of it; -1: nothing but time. */
int sink_fd(const struct sink *sink, short *events);
