// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The answers that fit in one piece: how the instance is, its interfaces, its reasons. */
#include <string.h>
#include <time.h>

#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/blackbox.h"
#include "daemon/book.h"
#include "daemon/crash_store.h"
#include "daemon/api_snapshot.h"
#include "daemon/device.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/reason.h"
#include "version.h"

static json_t *json_u64(u64 value) { return json_integer((json_int_t)value); }

json_t *json_time(time_t when)
{
	char text[32];
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return json_null();
	return json_string(text);
}

/* Names come from the system and may be any bytes; JSON wants UTF-8. */
static json_t *json_name(const char *name)
{
	json_t *json = json_string(name);

	return json ? json : json_string("?");
}

static const char *role_name(u8 role)
{
	return role == ROLE_OUTSIDE ? "outside" : role == ROLE_INSIDE ? "inside" : "none";
}

/*
 * Status
 */

static json_t *json_classes(const u64 *by_class, u32 classes, u64 capacity)
{
	u64 used = by_class[CLASS_UDP] + by_class[CLASS_TCP] + by_class[CLASS_ICMP], other = 0;

	for (u32 class = CLASS_ICMP + 1; class < classes; class ++)
		other += by_class[class];
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "used", json_u64(used + other), "capacity",
			 json_u64(capacity), "udp", json_u64(by_class[CLASS_UDP]), "tcp",
			 json_u64(by_class[CLASS_TCP]), "icmp", json_u64(by_class[CLASS_ICMP]), "other",
			 json_u64(other));
}

static json_t *json_unsolicited(const struct unsolicited_report *report)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "held", json_u64(report->held), "capacity",
			 json_u64(HELD_SYNS), "told", json_u64(report->told), "silent",
			 json_u64(report->silent));
}

static json_t *json_sweep(const struct sweep_report *sweep)
{
	return json_pack("{s:o, s:f, s:f, s:o, s:o, s:o}", "passes", json_u64(sweep->passes), "last_seconds",
			 sweep->last_seconds, "last_cpu_seconds", sweep->last_cpu_seconds, "ended_sessions",
			 json_u64(sweep->ended_sessions), "ended_mappings", json_u64(sweep->ended_mappings),
			 "mended", json_u64(sweep->mended));
}

/*
 * Blocks of ports of each interface that lends any, by the last sweep. What is neither lent nor free has ports that rest from before
 * a reset.
 */
static json_t *json_blocks(struct keepnat *k, const struct sweep_report *sweep)
{
	json_t *list = json_array();
	struct list_view view;

	list_open(&view, k);
	for (u32 i = 0; i < MAX_OUTSIDE; i++) {
		const struct sweep_place *place = &sweep->at[i];
		u32 ports, capacity = list_block_capacity(&view, i, &ports);
		u64 taken = place->blocks > place->blocks_taken ? place->blocks : place->blocks_taken;
		if (capacity)
			json_array_append_new(list,
					      json_pack("{s:o, s:i, s:i, s:o, s:o}", "interface",
							json_name(view.names[i]), "ports", (int)ports,
							"capacity", (int)capacity, "lent",
							json_u64(place->blocks), "free",
							json_u64(taken < capacity ? capacity - taken : 0)));
	}
	return list;
}

/* Destinations of the log, none by default. */
static json_t *json_log(struct keepnat *k)
{
	struct book_report reports[BOOK_SINKS];
	unsigned int count = book_reports(k, reports);
	json_t *list = json_array();

	for (unsigned int i = 0; i < count; i++) {
		const struct book_report *r = &reports[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "format", r->format,
						"to", r->target, "up", r->up, "written", json_u64(r->written),
						"waiting", json_u64(r->waiting), "lost", json_u64(r->lost),
						"failures", json_u64(r->failures)));
	}
	return list;
}

static json_t *json_hook(const struct keepnat_interface *interface)
{
	return json_pack("{s:o, s:s, s:s?, s:b, s:s, s:s?}", "interface", json_name(interface->name), "role",
			 role_name(interface->role), "hook", interface->hook, "up", interface->up,
			 "acceleration", device_fast_name(interface->fast), "why", interface->why);
}

static bool interface_serves(const struct keepnat_interface *interface)
{
	return interface->ifindex && interface->hook;
}

/* What is under the lock. */
static void status_add_shared(json_t *json, struct keepnat *k)
{
	json_t *hooks = json_array(), *warnings = json_array();
	struct unsolicited_report unsolicited;
	struct sweep_report sweep;
	bool ready = true, liberal;

	pthread_mutex_lock(&k->lock);
	sweep = k->sweep;
	unsolicited = k->unsolicited;
	liberal = k->liberal;
	for (unsigned int i = 0; i < k->interface_count; i++) {
		ready = ready && interface_serves(&k->interfaces[i]);
		json_array_append_new(hooks, json_hook(&k->interfaces[i]));
	}
	ready = ready && k->interface_count;
	for (unsigned int i = 0; i < k->warning_count; i++)
		json_array_append_new(warnings, json_name(k->warnings[i]));
	pthread_mutex_unlock(&k->lock);

	json_object_set_new(json, "ready", json_boolean(ready));
	json_object_set_new(json, "conntrack_liberal", json_boolean(liberal));
	json_object_set_new(json, "hooks", hooks);
	json_object_set_new(json, "sessions", json_classes(sweep.sessions, CLASSES + 1, k->sizes.sessions));
	json_object_set_new(json, "mappings", json_classes(sweep.mappings, CLASSES, k->sizes.mappings));
	json_object_set_new(json, "hosts",
			    json_pack("{s:o, s:o}", "used", json_u64(sweep.hosts), "capacity",
				      json_u64(k->sizes.hosts)));
	json_object_set_new(json, "blocks", json_blocks(k, &sweep));
	json_object_set_new(json, "unsolicited_syns", json_unsolicited(&unsolicited));
	json_object_set_new(json, "sweep", json_sweep(&sweep));
	json_object_set_new(json, "warnings", warnings);
}

void answer_status(struct request *request)
{
	struct keepnat *k = request->api->k;
	struct timespec now;
	json_t *json = json_object();

	clock_gettime(CLOCK_BOOTTIME, &now);
	json_object_set_new(json, "version", json_string(KEEPNAT_VERSION));
	json_object_set_new(json, "instance", json_name(k->instance));
	json_object_set_new(json, "started", json_time(k->started));
	json_object_set_new(json, "uptime", json_integer(now.tv_sec - request->api->started.tv_sec));
	json_object_set_new(json, "mode", json_string("tc"));
	json_object_set_new(json, "memory", json_pack("{s:o}", "bytes", json_u64(sizes_bytes(&k->sizes))));
	json_object_set_new(json, "recoveries",
			    json_pack("{s:i, s:i}", "unread", (int)crash_store_unread(k->state_dir),
				      "since_start", k->box ? (int)k->box->crashes : 0));
	json_object_set_new(json, "snapshot", json_snapshot(k));
	json_object_set_new(json, "log", json_log(k));
	status_add_shared(json, k);
	request_json(request, json);
}

/*
 * Interfaces
 */

static void counter_add(struct counter *sum, const struct counter *counter)
{
	sum->packets += counter->packets;
	sum->bytes += counter->bytes;
}

static void json_counter(json_t *json, const char *const keys[2], const struct counter *counter)
{
	json_object_set_new(json, keys[0], json_u64(counter->packets));
	json_object_set_new(json, keys[1], json_u64(counter->bytes));
}

/* "packets_dropped", "bytes_dropped" and so on; of those that were translated also which way they went. */
static void interface_add_counters(json_t *json, const struct list_view *view, u32 number)
{
	static const char *const keys[][2] = {
		[VERDICT_PASS] = { "packets_passed", "bytes_passed" },
		[VERDICT_TRANSLATE] = { "packets_translated", "bytes_translated" },
		[VERDICT_DROP] = { "packets_dropped", "bytes_dropped" },
		[VERDICT_ANSWER] = { "packets_answered", "bytes_answered" },
		[VERDICT_DIVERT] = { "packets_diverted", "bytes_diverted" },
	};
	static const char *const way_keys[][2] = {
		[WAY_OUT] = { "packets_out", "bytes_out" },
		[WAY_IN] = { "packets_in", "bytes_in" },
	};
	struct counter sums[sizeof(keys) / sizeof(keys[0])] = { 0 }, ways[WAYS] = { 0 };

	for (u32 i = 0; i < REASONS; i++) {
		struct counter counter = list_reason(view, number, i);
		counter_add(&sums[reason_verdict(i)], &counter);
		if (reason_verdict(i) == VERDICT_TRANSLATE)
			counter_add(&ways[reason_way(i)], &counter);
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_counter(json, keys[i], &sums[i]);
	for (size_t i = 0; i < sizeof(way_keys) / sizeof(way_keys[0]); i++)
		json_counter(json, way_keys[i], &ways[i]);
}

static const char *mode_name(const struct list_view *view, const struct keepnat_interface *interface)
{
	if (interface->role != ROLE_OUTSIDE || interface->number >= MAX_OUTSIDE)
		return NULL;
	return list_address_only(view, interface->number) ? "address_only" : "address_and_port";
}

/* The largest segment that TCP may announce there; null: no limit. */
static json_t *json_mss(const struct list_view *view, const struct keepnat_interface *interface)
{
	u32 most = interface->role == ROLE_OUTSIDE ? list_mss(view, interface->number) : 0;

	return most ? json_integer((json_int_t)most) : json_null();
}

static json_t *json_interface(const struct list_view *view, const struct keepnat_interface *interface)
{
	json_t *json =
		json_pack("{s:o, s:s, s:s?, s:i, s:i, s:b, s:b, s:i, s:o, s:s?, s:s, s:s?}", "interface",
			  json_name(interface->name), "role", role_name(interface->role), "mode",
			  mode_name(view, interface), "ifindex", (int)interface->ifindex, "number",
			  (int)interface->number, "up", interface->up, "ethernet", !interface->bare, "mtu",
			  (int)interface->mtu, "mss", json_mss(view, interface), "hook", interface->hook,
			  "acceleration", device_fast_name(interface->fast), "why", interface->why);

	if (json && interface->number < MAX_INTERFACES)
		interface_add_counters(json, view, interface->number);
	return json;
}

void answer_interfaces(struct request *request)
{
	struct keepnat *k = request->api->k;
	struct keepnat_interface interfaces[MAX_INTERFACES];
	unsigned int count;
	struct list_view view;
	json_t *list;
	u32 number;

	list_open(&view, k);
	if (filter_interface(request, &view, &number))
		return;
	pthread_mutex_lock(&k->lock);
	count = k->interface_count < MAX_INTERFACES ? k->interface_count : MAX_INTERFACES;
	memcpy(interfaces, k->interfaces, count * sizeof(interfaces[0]));
	pthread_mutex_unlock(&k->lock);
	list = json_array();
	for (unsigned int i = 0; i < count; i++)
		if (number == NO_INTERFACE || interfaces[i].number == number)
			json_array_append_new(list, json_interface(&view, &interfaces[i]));
	request_json(request, json_pack("{s:o}", "interfaces", list));
}

/*
 * Reasons
 */

void answer_reasons(struct request *request)
{
	struct list_view view;
	json_t *list;
	u32 number;

	list_open(&view, request->api->k);
	if (filter_interface(request, &view, &number))
		return;
	list = json_array();
	for (u32 i = 0; i < REASONS; i++) {
		struct counter counter = list_reason(&view, number, i);
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o}", "reason", reason_name(i),
						"verdict", verdict_name(reason_verdict(i)), "text",
						reason_text(i), "mend", reason_mend(i), "packets",
						json_u64(counter.packets), "bytes", json_u64(counter.bytes)));
	}
	request_json(request, json_pack("{s:o}", "reasons", list));
}
