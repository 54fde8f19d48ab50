// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/snapshot_tables.h"

#include <string.h>

#include "core/sweep.h"
#include "daemon/pool.h"
#include "native/save.h"

enum { SLICE = 1 << 14, AHEAD = 16 }; /* slots between two pauses; entries that lines are asked for ahead */

/* In this order: see save.h. */
static const enum table tables[] = { TABLE_HOSTS, TABLE_MAPPINGS, TABLE_FLOWS };

static void slice_save(struct nat_instance *nat, struct snapshot_writer *w, enum table t, u32 from, u32 to)
{
	struct saved saved[SAVE_MOST];

	for (u32 at = from; at < to; at++) {
		u32 count = save_slot(nat, t, at, saved);

		for (u32 i = 0; i < count; i++)
			snapshot_add(w, &saved[i]);
	}
}

bool snapshot_save(struct nat_instance *nat, struct snapshot_writer *w, snapshot_pause pause, void *context)
{
	u64 of = 0, done = 0;

	for (unsigned int i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		of += (u64)table_mask(nat->config, tables[i]) + 1;
	for (unsigned int i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		u32 slots = table_mask(nat->config, tables[i]) + 1, to;

		for (u32 from = 0; from < slots && !w->error; from = to) {
			to = slots - from < SLICE ? slots : from + SLICE;
			slice_save(nat, w, tables[i], from, to);
			done += to - from;
			if (pause && pause(context, done, of))
				return true;
		}
	}
	return false;
}

/* Entries wait in a ring until what they need has come from memory. */
struct loading {
	struct restore *restore;
	struct snapshot_outcome *outcome;
	struct saved waiting[AHEAD];
	u32 first, count;
};

static void first_restore(struct loading *l)
{
	const struct saved *saved = &l->waiting[l->first];

	l->outcome->of[saved->kind][restore_entry(l->restore, saved)]++;
	l->first = (l->first + 1) % AHEAD;
	l->count--;
}

static void entry_take(void *context, const struct saved *saved)
{
	struct loading *l = context;

	if (l->count == AHEAD)
		first_restore(l);
	l->waiting[(l->first + l->count++) % AHEAD] = *saved;
	restore_ahead(l->restore, saved);
}

int snapshot_load(struct snapshot_reader *reader, struct restore *restore, struct snapshot_outcome *outcome)
{
	struct loading loading = { .restore = restore, .outcome = outcome };
	int error;

	memset(outcome, 0, sizeof(*outcome));
	error = snapshot_read(reader, entry_take, &loading);
	while (loading.count && !error)
		first_restore(&loading);
	for (u32 i = 0; i < MAX_OUTSIDE && error; i++)
		pool_generation_bump(&restore->nat, i,
				     1u << TABLE_FLOWS | 1u << TABLE_MAPPINGS | 1u << TABLE_HOSTS);
	return error;
}
