// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/api_stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/event.h"

enum {
	STREAMS_MAX = 32, /* of the connections that there may be */
	LIFE_SECONDS = 10,
};

#define STREAM_HEAD "retry: 2000\n\n"
#define STREAM_LIFE ":\n\n"

struct streams {
	pthread_mutex_t lock; /* over all below; taken before libmicrohttpd's own */
	struct listener *first;
	unsigned int count;
	u64 last; /* number of the last event that sleepers were woken for */
	time_t life;
	bool ending;
};

/* One client. `next`, `asleep` and `woken` are set under the streams' lock; the rest is the server thread's. */
struct listener {
	struct streams *streams;
	struct listener *next;
	struct MHD_Connection *connection;
	struct keepnat *k;
	struct event_filter filter;
	u64 after;   /* the last event that was told, or passed over */
	bool asleep; /* its connection is suspended */
	bool woken;  /* it was: say at least that there is life */
	char *text;  /* that goes out */
	size_t at, length;
};

struct streams *streams_open(void)
{
	struct streams *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void streams_close(struct streams *s)
{
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void streams_resume(struct streams *s)
{
	for (struct listener *l = s->first; l; l = l->next) {
		if (!l->asleep)
			continue;
		l->asleep = false;
		l->woken = true;
		MHD_resume_connection(l->connection);
	}
}

void streams_end(struct streams *s)
{
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	streams_resume(s);
	pthread_mutex_unlock(&s->lock);
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

void streams_wake(struct streams *s, struct keepnat *k)
{
	u64 last = event_last(k);
	time_t now = seconds();

	pthread_mutex_lock(&s->lock);
	if (s->last != last || now - s->life >= LIFE_SECONDS) {
		s->last = last;
		s->life = now;
		streams_resume(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/*
 * One listener
 */

static void listener_say(struct listener *l, char *text)
{
	free(l->text);
	l->text = text;
	l->at = 0;
	l->length = text ? strlen(text) : 0;
}

static char *event_format(const struct event *event)
{
	json_t *json = json_event(event);
	char *data = json_dumps(json, JSON_COMPACT), *text = NULL;

	if (data && asprintf(&text, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)event->number,
			     event_kind(event->id)->name, data) < 0)
		text = NULL;
	free(data);
	json_decref(json);
	return text;
}

/* The next that is to be told, if there is something. */
static void listener_next(struct listener *l)
{
	u64 lost = events_forgotten(l->k, l->after);
	struct event event;
	char *text = NULL;

	if (lost) {
		l->after += lost;
		if (asprintf(&text, "event: lost\ndata: {\"lost\":%llu}\n\n", (unsigned long long)lost) < 0)
			text = NULL;
	}
	while (!text && event_after(l->k, l->after, &event)) {
		l->after = event.number;
		if (event_wanted(&l->filter, &event))
			text = event_format(&event);
	}
	if (!text && l->woken)
		text = strdup(STREAM_LIFE);
	l->woken = false;
	listener_say(l, text);
}

/* Sleep, unless there was an event since the one of this number: what comes later is streams_wake()'s, which waits for this lock. */
static bool listener_sleep(struct listener *l, u64 last)
{
	struct streams *s = l->streams;
	bool sleep;

	pthread_mutex_lock(&s->lock);
	sleep = !s->ending && event_last(l->k) == last;
	if (sleep) {
		l->asleep = true;
		MHD_suspend_connection(l->connection);
	}
	pthread_mutex_unlock(&s->lock);
	return sleep;
}

static bool streams_ending(struct streams *s)
{
	bool ending;

	pthread_mutex_lock(&s->lock);
	ending = s->ending;
	pthread_mutex_unlock(&s->lock);
	return ending;
}

static ssize_t listener_read(void *context, uint64_t position, char *buffer, size_t size)
{
	struct listener *l = context;
	size_t length;

	(void)position;
	while (l->at == l->length) {
		u64 last = event_last(l->k);

		if (streams_ending(l->streams))
			return MHD_CONTENT_READER_END_OF_STREAM;
		listener_next(l);
		if (l->at == l->length && listener_sleep(l, last))
			return 0;
	}
	length = l->length - l->at < size ? l->length - l->at : size;
	memcpy(buffer, l->text + l->at, length);
	l->at += length;
	return (ssize_t)length;
}

static void listener_free(void *context)
{
	struct listener *l = context, **at = &l->streams->first;

	pthread_mutex_lock(&l->streams->lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->streams->count--;
	pthread_mutex_unlock(&l->streams->lock);
	free(l->text);
	free(l);
}

/*
 * Requests
 */

bool stream_wanted(const struct request *request)
{
	const char *accept =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

	return accept && strstr(accept, "text/event-stream");
}

/* Whence it goes on: 0 and *after, or -EINVAL and the request is answered. */
static int stream_begin(struct request *request, u64 *after)
{
	const char *id = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID");
	int error = filter_number(request, "cursor", 0, (u64)INT64_MAX, after);

	if (error == -EINVAL)
		return error;
	if (id && *id >= '0' && *id <= '9')
		*after = strtoull(id, NULL, 10);
	else if (error)
		*after = event_last(request->api->k);
	return 0;
}

/* In the list of streams; false: there are as many as there may be. */
static bool listener_enter(struct listener *l)
{
	struct streams *s = l->streams;
	bool room;

	pthread_mutex_lock(&s->lock);
	room = s->count < STREAMS_MAX;
	if (room) {
		s->count++;
		l->next = s->first;
		s->first = l;
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

void stream_start(struct request *request, const struct event_filter *filter)
{
	static const struct stream stream = { .read = listener_read, .free = listener_free };
	struct listener *l;
	u64 after = 0;

	if (stream_begin(request, &after))
		return;
	l = calloc(1, sizeof(*l));
	if (!l) {
		request_json(request, NULL);
		return;
	}
	*l = (struct listener){ .streams = request->api->streams,
				.connection = request->connection,
				.k = request->api->k,
				.filter = *filter,
				.after = after };
	if (!listener_enter(l)) {
		free(l);
		request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "too many clients wait for events",
			     "end one of them, or ask for the list now and then", NULL);
		return;
	}
	listener_say(l, strdup(STREAM_HEAD));
	request->type = "text/event-stream";
	request_stream(request, &stream, l);
}
