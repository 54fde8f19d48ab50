// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Snapshots: what they are, and the order to write one now. */
#include "daemon/api_request.h"
#include "daemon/api_snapshot.h"
#include "daemon/snapshot.h"

static const char *const kinds[SAVED_KINDS] = {
	[SAVED_HOST] = "hosts",
	[SAVED_MAPPING] = "mappings",
	[SAVED_SESSION] = "sessions",
	[SAVED_FLOW] = "other",
};

static const char *const outcomes[RESTORE_OUTCOMES] = {
	[RESTORE_DONE] = "restored",	      [RESTORE_TIME] = "timed_out",
	[RESTORE_INTERFACE] = "no_interface", [RESTORE_ADDRESS] = "no_address",
	[RESTORE_PORT] = "no_port",	      [RESTORE_TAKEN] = "taken",
	[RESTORE_FULL] = "no_room",	      [RESTORE_ROUTER] = "routers_own",
};

static json_t *json_u64(u64 value) { return json_integer((json_int_t)value); }

static json_t *json_entries(const u64 entries[SAVED_KINDS])
{
	json_t *json = json_object();

	for (u32 i = 0; i < SAVED_KINDS; i++)
		json_object_set_new(json, kinds[i], json_u64(entries[i]));
	return json;
}

/* What was restored at the start, and what was left out and why; null: there was nothing. */
static json_t *json_restored(const struct snapshot_report *r)
{
	json_t *json;

	if (r->state == SNAPSHOT_NONE)
		return json_null();
	if (r->state == SNAPSHOT_REFUSED)
		return json_pack("{s:s}", "refused", r->refused);
	json = json_pack("{s:o, s:o, s:f}", "written", json_time(r->restored_from), "off", json_u64(r->off),
			 "seconds", r->restore_seconds);
	for (u32 j = 0; j < RESTORE_OUTCOMES; j++) {
		u64 entries[SAVED_KINDS];

		for (u32 i = 0; i < SAVED_KINDS; i++)
			entries[i] = r->outcome.of[i][j];
		json_object_set_new(json, outcomes[j], json_entries(entries));
	}
	return json;
}

json_t *json_snapshot(struct keepnat *k)
{
	struct snapshot_report r;

	snapshot_report_of(k, &r);
	return json_pack("{s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:o, s:s?, s:o}", "interval",
			 (int)r.interval, "running", r.running, "done", json_u64(r.done), "of",
			 json_u64(r.of), "taken", json_u64(r.taken), "last",
			 r.last ? json_time(r.last) : json_null(), "bytes", json_u64(r.bytes), "seconds",
			 r.seconds, "cpu_seconds", r.cpu_seconds, "entries", json_entries(r.entries), "error",
			 *r.error ? r.error : NULL, "restored", json_restored(&r));
}

void answer_snapshot(struct request *request) { request_json(request, json_snapshot(request->api->k)); }

/* The answer has the number that `taken` will have when it is done. */
void answer_snapshot_order(struct request *request)
{
	u64 number = snapshot_ask(request->api->k);
	json_t *json;

	if (!number) {
		request_fail(request, MHD_HTTP_CONFLICT, "snapshots are switched off",
			     "set snapshot.interval in the configuration, and start the daemon again", NULL);
		return;
	}
	json = json_snapshot(request->api->k);
	if (json)
		json_object_set_new(json, "number", json_u64(number));
	request_json(request, json);
}
