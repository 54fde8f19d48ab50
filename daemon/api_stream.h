/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api_stream.h - events as they come, as server-sent events: GET /v1/events with "Accept: text/event-stream".
 *
 * A stream that has told all sleeps (its connection is suspended) until streams_wake() finds that there is more. It begins with
 * the event after "Last-Event-ID", which browsers send when they connect again; else after cursor=; else with what comes next. Who
 * reads so slowly that the ring goes round is told how many events were lost. A sign of life goes out every few seconds.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct event;
struct keepnat;
struct request;
struct streams;

/* Which events are wanted: those of a kind, or all; so severe, or more so. */
struct event_filter {
	int kind; /* -1: any */
	int severity;
};

bool event_wanted(const struct event_filter *filter, const struct event *event);
json_t *json_event(const struct event *event);

/* NULL: no memory. streams_end() before the server is stopped, streams_close() after. */
struct streams *streams_open(void);
void streams_end(struct streams *streams);
void streams_close(struct streams *streams);

/* Wake those for whom there is something. Any thread. */
void streams_wake(struct streams *streams, struct keepnat *k);

/* Does the client ask for events as they come? */
bool stream_wanted(const struct request *request);

/* Answer so. */
void stream_start(struct request *request, const struct event_filter *filter);
