// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Another configuration: it is the main thread's to load. The connection is suspended until that has answered, and the request
 * is then met once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api_request.h"
#include "daemon/keepnat.h"
#include "daemon/reload.h"

/* The main thread's. */
static void reload_done(struct reload_order *order)
{
	struct request *request = order->context;

	MHD_resume_connection(request->connection);
}

static void reload_begin(struct request *request, const char *name, bool text)
{
	struct reload_order *order = calloc(1, sizeof(*order));

	if (!order) {
		request_json(request, NULL);
		return;
	}
	if (text) {
		order->text = request->body_length ? request->body : (char *)"";
		order->size = request->body_length;
	}
	snprintf(order->name, sizeof(order->name), "%s", name);
	order->done = reload_done;
	order->context = request;
	MHD_suspend_connection(request->connection);
	request->reload = order;
	if (!reload_order(request->api->k, order))
		return;
	MHD_resume_connection(request->connection);
	request->reload = NULL;
	free(order);
	request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "keepnatd is stopping",
		     "start it with this configuration", NULL);
}

static json_t *problems_json(const struct settings_report *problems)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < problems->count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:i}", "error", problems->notes[i].what,
						"mend", problems->notes[i].mend, "at", problems->name, "line",
						(int)problems->notes[i].line));
	return list;
}

static void answer_refused(struct request *request, const struct reload_result *result)
{
	const struct settings_note *first = &result->problems.notes[0];
	char at[160];

	snprintf(at, sizeof(at), first->line ? "%s:%u" : "%s", result->problems.name, first->line);
	request_fail_all(request,
			 result->end == RELOAD_REFUSED ? MHD_HTTP_UNPROCESSABLE_CONTENT : MHD_HTTP_CONFLICT,
			 first->what, first->mend, at, problems_json(&result->problems));
}

static void reload_answer(struct request *request)
{
	struct reload_order *order = request->reload;
	const struct reload_result *result = &order->result;

	if (result->end == RELOAD_DONE)
		request_json(request,
			     json_pack("{s:b, s:i, s:i, s:o}", "changed", (int)result->changed,
				       "interfaces_added", (int)result->added, "interfaces_removed",
				       (int)result->removed, "warnings", problems_json(&result->problems)));
	else
		answer_refused(request, result);
	request->reload = NULL;
	free(order);
}

void answer_config_put(struct request *request)
{
	const char *name = request_parameter(request, "name");

	if (request->reload)
		reload_answer(request);
	else
		reload_begin(request, name && *name ? name : "the body", true);
}

void answer_reload(struct request *request)
{
	if (request->reload)
		reload_answer(request);
	else
		reload_begin(request, "", false);
}
