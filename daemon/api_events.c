// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Events as a list (as they come, they are api_stream.c's): the oldest first, a page at a time. The cursor is the number of the last one that was told; "cursor" is null
 * when that was all, and "last" is what to give as the cursor later on, for what comes from now on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/api_snapshot.h"
#include "daemon/api_stream.h"
#include "daemon/event.h"
#include "daemon/log.h"

enum { EVENTS_PAGE = 100 };

static int kind_read(const char *name)
{
	for (int i = 0; i < EVENTS; i++)
		if (!strcmp(event_kind((enum event_id)i)->name, name))
			return i;
	return -1;
}

/* severity=, event=. 0, or -EINVAL: the request is answered. */
static int event_filter_read(struct request *request, struct event_filter *filter)
{
	const char *severity = request_parameter(request, "severity"),
		   *kind = request_parameter(request, "event");

	*filter = (struct event_filter){ .kind = -1, .severity = LOG_LEVEL_INFO };
	if (severity) {
		filter->severity = severity_read(severity);
		if (filter->severity < 0)
			return filter_refuse(request, "severity", severity,
					     "give error, warning, notice or info");
	}
	if (kind) {
		filter->kind = kind_read(kind);
		if (filter->kind < 0)
			return filter_refuse(request, "event", kind,
					     "give one of those in doc/events.md, such as link_lost");
	}
	return 0;
}

bool event_wanted(const struct event_filter *filter, const struct event *event)
{
	return (filter->kind < 0 || filter->kind == (int)event->id) &&
	       event_kind(event->id)->severity <= filter->severity;
}

json_t *json_moment(const struct timespec *when)
{
	char seconds[32], text[48];
	struct tm tm;

	if (!gmtime_r(&when->tv_sec, &tm) || !strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm))
		return json_null();
	snprintf(text, sizeof(text), "%s.%03ldZ", seconds, when->tv_nsec / 1000000);
	return json_string(text);
}

json_t *json_event(const struct event *event)
{
	const struct event_kind *kind = event_kind(event->id);

	return json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "number",
			 (json_int_t)event->number, "time", json_moment(&event->when), "severity",
			 severity_name(kind->severity), "event", kind->name, "subject", event->subject,
			 "text", event->text, "meaning", kind->meaning, "mend", kind->mend, "message_id",
			 kind->message_id, "dropped", (json_int_t)event->dropped);
}

void answer_events(struct request *request)
{
	struct keepnat *k = request->api->k;
	struct event_filter filter;
	struct event event;
	json_t *list, *cursor = NULL;
	u64 after = 0, limit = EVENTS_PAGE;

	if (event_filter_read(request, &filter) ||
	    filter_number(request, "limit", 1, 0xffffffff, &limit) == -EINVAL ||
	    filter_number(request, "cursor", 0, (u64)INT64_MAX, &after) == -EINVAL)
		return;
	if (stream_wanted(request)) {
		stream_start(request, &filter);
		return;
	}
	if (limit > EVENTS_PAGE)
		limit = EVENTS_PAGE;
	list = json_array();
	while (!cursor && event_after(k, after, &event)) {
		if (event_wanted(&filter, &event) && json_array_size(list) == limit) {
			cursor = json_integer((json_int_t)after);
		} else {
			if (event_wanted(&filter, &event))
				json_array_append_new(list, json_event(&event));
			after = event.number;
		}
	}
	request_json(request, json_pack("{s:o, s:o, s:I}", "events", list, "cursor",
					cursor ? cursor : json_null(), "last", (json_int_t)after));
}
