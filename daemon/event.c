// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/event.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "daemon/keepnat.h"
#include "daemon/log.h"

enum {
	NUMBER_SHIFT = 20
}; /* a start each second may tell a million events, and JSON's numbers hold it until 2242 */

/* How many of a kind may be told now. */
struct allowance {
	u32 left;
	time_t filled; /* CLOCK_MONOTONIC */
	u64 dropped;   /* since the last that was told */
};

struct events {
	pthread_mutex_t lock; /* over all below; nobody takes another one under it */
	struct journal *journal;
	int news;	 /* eventfd */
	u64 first, next; /* numbers: of the start, and of the next event */
	u64 unwritten;
	struct allowance allowance[EVENTS];
	struct event_count count[EVENTS];
	struct event ring[EVENTS_KEPT]; /* by number */
};

static const struct event_kind kinds[EVENTS] = {
#define EVENT(name_, severity_, message_id_, windows_, meaning_, mend_) \
	{ #name_, LOG_LEVEL_##severity_, message_id_, windows_, meaning_, mend_ },
#include "daemon/events.def"
#undef EVENT
};

static const char *const severities[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
};

const struct event_kind *event_kind(enum event_id id) { return &kinds[id]; }

const char *severity_name(int severity) { return severities[severity]; }

int severity_read(const char *name)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_INFO; i++)
		if (!strcmp(severities[i], name))
			return i;
	return -1;
}

void events_open(struct keepnat *k)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return;
	pthread_mutex_init(&e->lock, NULL);
	e->journal = journal_open();
	e->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->first = e->next = (u64)time(NULL) << NUMBER_SHIFT;
	for (int i = 0; i < EVENTS; i++)
		e->allowance[i].left = EVENT_BURST;
	k->events = e;
}

void events_close(struct keepnat *k)
{
	struct events *e = k->events;

	if (!e)
		return;
	k->events = NULL;
	journal_close(e->journal);
	if (e->news >= 0)
		close(e->news);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/*
 * Telling
 */

static void text_clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = *text == '\n' ? ' ' : '?';
}

static bool allowance_take(struct allowance *a)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - a->filled >= EVENT_BURST - (time_t)a->left)
		a->left = EVENT_BURST;
	else
		a->left += (u32)(now.tv_sec - a->filled);
	a->filled = now.tv_sec;
	if (!a->left)
		return false;
	a->left--;
	return true;
}

/* Into the ring, with a number; false: there were too many of its kind. */
static bool event_keep(struct events *e, struct event *event)
{
	struct allowance *a = &e->allowance[event->id];
	bool allowed;

	pthread_mutex_lock(&e->lock);
	allowed = allowance_take(a);
	if (allowed) {
		event->number = e->next++;
		event->dropped = a->dropped;
		a->dropped = 0;
		e->ring[event->number % EVENTS_KEPT] = *event;
		e->count[event->id].told++;
	} else {
		a->dropped++;
		e->count[event->id].dropped++;
	}
	pthread_mutex_unlock(&e->lock);
	if (allowed)
		(void)eventfd_write(e->news, 1);
	return allowed;
}

static void event_write(struct keepnat *k, const struct event *event)
{
	struct events *e = k->events;
	char untold[64] = "";

	if (event->dropped)
		snprintf(untold, sizeof(untold), " (%llu more were not told)",
			 (unsigned long long)event->dropped);
	if (journal_write(e ? e->journal : NULL, kinds[event->id].severity, k->instance, event, untold) || !e)
		return;
	pthread_mutex_lock(&e->lock);
	e->unwritten++;
	pthread_mutex_unlock(&e->lock);
}

static void event_tell_text(struct keepnat *k, enum event_id id, const char *subject, const char *text)
{
	struct event event = { .id = id };

	clock_gettime(CLOCK_REALTIME, &event.when);
	snprintf(event.subject, sizeof(event.subject), "%s", subject);
	snprintf(event.text, sizeof(event.text), "%s", text);
	text_clean(event.subject);
	text_clean(event.text);
	if (!k->events || event_keep(k->events, &event))
		event_write(k, &event);
}

void event_tell(struct keepnat *k, enum event_id id, const char *subject, const char *format, ...)
{
	char text[EVENT_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	event_tell_text(k, id, subject, text);
}

void event_warn(struct keepnat *k, enum event_id id, const char *subject, const char *format, ...)
{
	char text[EVENT_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (keepnat_show(k, "%s: %s", subject, text))
		event_tell_text(k, id, subject, text);
}

/*
 * Asking
 */

/* The number of the oldest event that is kept. Under the lock. */
static u64 ring_oldest(const struct events *e)
{
	return e->next - e->first > EVENTS_KEPT ? e->next - EVENTS_KEPT : e->first;
}

bool event_after(struct keepnat *k, u64 after, struct event *event)
{
	struct events *e = k->events;
	u64 oldest, at;

	if (!e)
		return false;
	pthread_mutex_lock(&e->lock);
	oldest = ring_oldest(e);
	at = after >= oldest && after < e->next ? after + 1 : oldest;
	if (at < e->next)
		*event = e->ring[at % EVENTS_KEPT];
	pthread_mutex_unlock(&e->lock);
	return at < e->next;
}

u64 event_last(struct keepnat *k)
{
	struct events *e = k->events;
	u64 last;

	if (!e)
		return 0;
	pthread_mutex_lock(&e->lock);
	last = e->next - 1;
	pthread_mutex_unlock(&e->lock);
	return last;
}

u64 events_forgotten(struct keepnat *k, u64 after)
{
	struct events *e = k->events;
	u64 oldest = 0, first = 0;

	if (!e)
		return 0;
	pthread_mutex_lock(&e->lock);
	oldest = ring_oldest(e);
	first = e->first;
	pthread_mutex_unlock(&e->lock);
	return after + 1 >= first && oldest > after + 1 ? oldest - after - 1 : 0;
}

int events_fd(const struct keepnat *k) { return k->events ? k->events->news : -1; }

void events_seen(struct keepnat *k)
{
	eventfd_t count;

	if (k->events)
		(void)eventfd_read(k->events->news, &count);
}

struct event_count event_count(struct keepnat *k, enum event_id id)
{
	struct events *e = k->events;
	struct event_count count = { 0 };

	if (!e)
		return count;
	pthread_mutex_lock(&e->lock);
	count = e->count[id];
	pthread_mutex_unlock(&e->lock);
	return count;
}

u64 events_unwritten(struct keepnat *k)
{
	struct events *e = k->events;
	u64 unwritten = 0;

	if (!e)
		return 0;
	pthread_mutex_lock(&e->lock);
	unwritten = e->unwritten;
	pthread_mutex_unlock(&e->lock);
	return unwritten;
}
