/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * event.h - what is told to people: kept in a ring for the API, and written to the journal or to stderr.
 *
 * Any thread may tell, under any lock: the ring's own lock is taken last and held for a copy, and what would have to wait for
 * the journal or for stderr is not written there, but counted. Of each kind of event EVENT_BURST may come at once and one in a
 * second after that; the next that is told says how many were not.
 *
 * Numbers grow by one from event to event, and over restarts: the first one is the time of the start, shifted. So who has the
 * number of the last event that they know can ask for what came since, whatever happened to the daemon meanwhile.
 */
#pragma once
#include <stdbool.h>
#include <time.h>

#include "core/types.h"

struct keepnat;
struct events;

enum event_id {
#define EVENT(name, severity, message_id, windows, meaning, mend) EVENT_##name,
#include "daemon/events.def"
#undef EVENT
	EVENTS
};

enum {
	EVENTS_KEPT = 512,
	EVENT_BURST = 64,
	EVENT_SUBJECT = 64,
	EVENT_TEXT = 320,
};

struct event_kind {
	const char *name;
	int severity;		/* enum log_level */
	const char *message_id; /* 32 digits, as the journal wants them */
	const char *windows;	/* numbers of events that say the same there; or "" */
	const char *meaning, *mend;
};

struct event {
	u64 number;
	u64 dropped; /* of this kind, untold before it */
	struct timespec when;
	enum event_id id;
	char subject[EVENT_SUBJECT]; /* the interface, the address, the table; or "" */
	char text[EVENT_TEXT];	     /* one line of printable ASCII */
};

/* k->events, or none: without them events are only written, as lines. */
void events_open(struct keepnat *k);
void events_close(struct keepnat *k);

/* Tell. subject: the interface, address or table that it is about; "" if there is none. */
void event_tell(struct keepnat *k, enum event_id id, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * The same for what lasts: `status` shows "SUBJECT: TEXT" until keepnat_unwarn() takes it back, and as long as it is shown it is
 * not told again. Takes k->lock.
 */
void event_warn(struct keepnat *k, enum event_id id, const char *subject, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The first event with a number above `after`: true and *event. After a number that is still to come: the oldest. */
bool event_after(struct keepnat *k, u64 after, struct event *event);

/* The number of the last one; that before the first, when there is none yet. */
u64 event_last(struct keepnat *k);

/* How many came after this one, in this run, that are not kept any more. */
u64 events_forgotten(struct keepnat *k, u64 after);

/* Readable when there was an event since events_seen(); -1: there are none. */
int events_fd(const struct keepnat *k);
void events_seen(struct keepnat *k);

/* Of this kind, told and untold since the start. */
struct event_count {
	u64 told, dropped;
};
struct event_count event_count(struct keepnat *k, enum event_id id);

/* Events that the journal or stderr would not take at once. */
u64 events_unwritten(struct keepnat *k);

const struct event_kind *event_kind(enum event_id id);

/* "error", "warning", "notice", "info"; and back: -1 for any other word. */
const char *severity_name(int severity);
int severity_read(const char *name);
