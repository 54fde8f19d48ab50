// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reset of an outside interface, and the report of what it did. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api_request.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/sweeper.h"

/* What the body of a reset may say: {"keep": "mappings" | "hosts" | "none", "wait": true | false}, or nothing. */
struct order {
	enum reset_keep keep;
	bool wait; /* the sweep begins its next pass at once */
};

/* 0 or -EINVAL. */
static int order_read(const struct request *request, struct order *order)
{
	json_t *json, *keep, *wait;
	int error = 0;

	*order = (struct order){ .keep = RESET_KEEP_MAPPINGS };
	if (!request->body_length)
		return 0;
	json = json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, NULL);
	keep = json_object_get(json, "keep");
	wait = json_object_get(json, "wait");
	if (!json_is_object(json) || json_object_size(json) != (size_t) !!keep + !!wait ||
	    (wait && !json_is_boolean(wait)))
		error = -EINVAL;
	else if (keep)
		error = json_is_string(keep) ? reset_keep_read(json_string_value(keep), &order->keep)
					     : -EINVAL;
	order->wait = json_is_true(wait);
	json_decref(json);
	return error;
}

/* The number of the outside interface that the path names; or NO_INTERFACE, and the request is answered. */
static u8 reset_target(struct request *request)
{
	struct keepnat *k = request->api->k;
	char what[96], mend[512] = "outside are:";
	u8 number = NO_INTERFACE, role = ROLE_NONE;

	pthread_mutex_lock(&k->lock);
	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct keepnat_interface *at = &k->interfaces[i];
		size_t used = strlen(mend);

		if (at->role == ROLE_OUTSIDE)
			snprintf(mend + used, sizeof(mend) - used, " %s", at->name);
		if (!strcmp(at->name, request->name)) {
			number = at->number;
			role = at->role;
		}
	}
	pthread_mutex_unlock(&k->lock);
	if (role == ROLE_OUTSIDE)
		return number;
	snprintf(what, sizeof(what),
		 role == ROLE_INSIDE ? "%.15s is an inside interface: all state is the outside one's"
				     : "there is no interface \"%.15s\"",
		 request->name);
	request_fail(request, role == ROLE_INSIDE ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_NOT_FOUND, what, mend,
		     NULL);
	return NO_INTERFACE;
}

/* The counts are there once the report is complete. */
static void answer_report(struct request *request, const struct reset_report *report)
{
	json_t *json = json_pack("{s:s, s:I, s:I, s:s, s:b}", "interface", request->name, "resets",
				 (json_int_t)report->resets, "coalesced", (json_int_t)report->coalesced,
				 "keep", reset_keep_name(report->keep), "complete", (int)report->complete);
	const struct {
		const char *key;
		u64 count;
	} counts[] = {
		{ "sessions_ended", report->ended.sessions },
		{ "sessions_now", report->sessions },
		{ "mappings_kept", report->mappings },
		{ "mappings_ended", report->ended.mappings },
		{ "hosts_kept", report->hosts },
		{ "hosts_ended", report->ended.hosts },
		{ "hosts_moved", report->ended.moved },
		{ "skipped", report->skipped },
	};

	for (size_t i = 0; report->complete && i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(json, counts[i].key, json_integer((json_int_t)counts[i].count));
	request_json(request, json);
}

void answer_reset(struct request *request)
{
	struct keepnat *k = request->api->k;
	struct reset_report report;
	struct order order;
	u8 number = reset_target(request);

	if (number == NO_INTERFACE)
		return;
	if (order_read(request, &order)) {
		request_fail(
			request, MHD_HTTP_BAD_REQUEST, "the body is not what a reset takes",
			"send nothing, or {\"keep\": \"mappings\", \"hosts\" or \"none\", \"wait\": true or "
			"false}",
			"keep");
		return;
	}
	if (reset_interface(k, number, order.keep)) {
		request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "more resets came within one pass of the sweep than can be told apart",
			     "try again in a minute", NULL);
		return;
	}
	if (order.wait)
		sweeper_hurry(k->sweeper);
	report = reset_report_of(k, number);
	answer_report(request, &report);
}

void answer_reset_report(struct request *request)
{
	struct reset_report report;
	u8 number = reset_target(request);

	if (number == NO_INTERFACE)
		return;
	report = reset_report_of(request->api->k, number);
	if (report.resets)
		answer_report(request, &report);
	else
		request_fail(request, MHD_HTTP_NOT_FOUND, "this interface was not reset",
			     "POST here resets it", NULL);
}
