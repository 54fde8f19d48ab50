// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Recoveries from serious errors: their list, their reports, and that somebody has read them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api_request.h"
#include "daemon/crash_store.h"
#include "daemon/keepnat.h"

/* "KEY: value" of a report. */
static json_t *json_line(const char *text, const char *key)
{
	char value[256];
	size_t length;
	const char *at;

	snprintf(value, sizeof(value), "\n%s: ", key);
	at = strstr(text, value);
	if (!at)
		return json_null();
	at += strlen(value);
	length = strcspn(at, "\n");
	snprintf(value, sizeof(value), "%.*s", (int)(length < sizeof(value) ? length : sizeof(value) - 1),
		 at);
	return json_string(value);
}

static json_t *json_crash(const struct request *request, const struct crash_entry *entry, bool whole)
{
	char *text = calloc(1, CRASH_TEXT);
	json_t *json = NULL;

	if (text && !crash_store_read(request->api->k->state_dir, entry, text, CRASH_TEXT))
		json = json_pack("{s:s, s:b, s:o, s:o, s:o}", "crash", entry->name, "unread",
				 (int)entry->unread, "time", json_line(text, "time"), "signature",
				 json_line(text, "signature"), "error", json_line(text, "error"));
	if (json && whole)
		json_object_set_new(json, "report", json_string(text));
	free(text);
	return json;
}

/* All of them, or the one that the path names. */
static json_t *json_crashes(const struct request *request, const char *name)
{
	struct crash_entry *entries = calloc(CRASH_LIST, sizeof(*entries));
	u32 count = entries ? crash_store_list(request->api->k->state_dir, entries, CRASH_LIST) : 0;
	json_t *list = json_array(), *crash;

	for (u32 i = 0; i < count; i++) {
		if (name && strcmp(name, entries[i].name) != 0)
			continue;
		crash = json_crash(request, &entries[i], name);
		if (crash)
			json_array_append_new(list, crash);
	}
	free(entries);
	return list;
}

void answer_crashes(struct request *request)
{
	request_json(request, json_pack("{s:o}", "crashes", json_crashes(request, NULL)));
}

void answer_crash(struct request *request)
{
	json_t *list = json_crashes(request, request->name), *crash = json_array_get(list, 0);

	if (crash)
		request_json(request, json_incref(crash));
	else
		request_fail(request, MHD_HTTP_NOT_FOUND, "there is no report of this name",
			     "GET /v1/crashes lists them", NULL);
	json_decref(list);
}

void answer_crash_ack(struct request *request)
{
	request_json(request,
		     json_pack("{s:i}", "acknowledged", (int)crash_store_ack(request->api->k->state_dir)));
}
