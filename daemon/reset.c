// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/reset.h"

#include <errno.h>
#include <string.h>

#include "core/sweep.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/pool.h"
#include "native/vacant.h"

/* Numbers of generations come round: beyond half of them what is older would count as newer. A wide margin below it. */
enum { RECENT_MAX = GENERATION_MASK / 8 };

static const char *const names[] = { "mappings", "hosts", "none" };

const char *reset_keep_name(enum reset_keep keep) { return names[keep]; }

int reset_keep_read(const char *name, enum reset_keep *keep)
{
	for (int i = RESET_KEEP_MAPPINGS; i <= RESET_KEEP_NONE; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*keep = (enum reset_keep)i;
		return 0;
	}
	return -EINVAL;
}

static u32 reset_tables(enum reset_keep keep)
{
	u32 tables = 1u << TABLE_FLOWS;

	if (keep >= RESET_KEEP_HOSTS)
		tables |= 1u << TABLE_MAPPINGS;
	if (keep >= RESET_KEEP_NONE)
		tables |= 1u << TABLE_HOSTS;
	return tables;
}

static struct reset_ended place_ended(const struct sweep_place *place)
{
	return (struct reset_ended){ .sessions = place->ended_sessions,
				     .mappings = place->ended_mappings,
				     .hosts = place->ended_hosts,
				     .moved = place->ended_moved };
}

int reset_interface(struct keepnat *k, unsigned int number, enum reset_keep keep)
{
	struct resets *resets = &k->resets;
	struct reset_report *report = &resets->report[number];
	int error = 0;

	pthread_mutex_lock(&k->lock);
	if (resets->recent[number] + resets->former[number] >= RECENT_MAX)
		error = -EBUSY;
	if (!error) {
		pool_generation_bump(&k->nat, number, reset_tables(keep));
		FAULT(reset_stored);
		vacant_fill(&k->nat, number); /* a hint: the addresses of hosts that are older now */
		if (report->complete || !report->coalesced) { /* else it goes on for this one, too */
			report->complete = false;
			report->coalesced = 0;
			report->keep = RESET_KEEP_MAPPINGS;
			resets->before[number] = place_ended(&k->sweep.at[number]);
		}
		report->resets++;
		report->coalesced++;
		if (keep > report->keep)
			report->keep = keep;
		resets->recent[number]++;
		resets->wanted[number] = k->sweep.passes + (k->sweep.running ? 2 : 1);
		FAULT(reset_counted);
	}
	pthread_mutex_unlock(&k->lock);
	return error;
}

struct reset_report reset_report_of(struct keepnat *k, unsigned int number)
{
	struct reset_report report;

	pthread_mutex_lock(&k->lock);
	report = k->resets.report[number];
	pthread_mutex_unlock(&k->lock);
	return report;
}

void reset_pass_begins(struct keepnat *k)
{
	for (unsigned int i = 0; i < MAX_OUTSIDE; i++) {
		k->resets.former[i] = k->resets.recent[i];
		k->resets.recent[i] = 0;
	}
}

static void report_complete(struct keepnat *k, unsigned int number, const struct sweep_place *place)
{
	const struct keepnat_interface *interface = keepnat_interface_numbered(k, number);
	struct reset_report *report = &k->resets.report[number];
	const struct reset_ended *before = &k->resets.before[number];

	report->complete = true;
	report->ended.sessions = place->ended_sessions - before->sessions;
	report->ended.mappings = place->ended_mappings - before->mappings + place->old_mappings;
	report->ended.hosts = place->ended_hosts - before->hosts + place->old_hosts;
	report->ended.moved = place->ended_moved - before->moved + place->old_moved;
	report->sessions = place->sessions;
	report->mappings = place->mappings;
	report->hosts = place->hosts;
	report->skipped = place->old_sessions;
	event_tell(k, EVENT_interface_reset, interface ? interface->name : "",
		   "%llu resets, keeping %s%s: sessions ended %llu, mappings kept %llu and ended %llu, hosts "
		   "kept %llu, ended %llu, to move %llu",
		   report->coalesced, report->keep ? "" : "hosts and ", names[report->keep],
		   report->ended.sessions, report->mappings, report->ended.mappings, report->hosts,
		   report->ended.hosts, report->ended.moved);
}

void reset_pass_ends(struct keepnat *k, const struct sweep_counts *counts)
{
	for (unsigned int i = 0; i < MAX_OUTSIDE; i++) {
		const struct reset_report *report = &k->resets.report[i];

		if (report->coalesced && !report->complete && k->sweep.passes >= k->resets.wanted[i])
			report_complete(k, i, &counts->at[i]);
	}
}
