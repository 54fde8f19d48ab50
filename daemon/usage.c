// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/usage.h"

#include <stdio.h>
#include <string.h>

#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"

static const struct {
	u32 percent;
	enum event_id event;
} levels[] = {
	[USAGE_NORMAL] = { 75, EVENT_usage_normal }, /* below it */
	[USAGE_HIGH] = { 80, EVENT_usage_high },
	[USAGE_CRITICAL] = { 90, EVENT_usage_critical },
	[USAGE_FULL] = { 100, EVENT_usage_full },
};

static const char *const tables[USAGE_TABLES] = { "sessions", "mappings", "hosts" };

const char *usage_table_name(enum usage_table table) { return tables[table]; }

const char *usage_class_name(u32 class) { return class == PORT_AREAS - 1 ? "other" : class_name((u8) class); }

static u64 sum(const u64 *counts, u32 count)
{
	u64 all = 0;

	while (count--)
		all += counts[count];
	return all;
}

struct usage usage_of_table(struct keepnat *k, enum usage_table table)
{
	struct usage usage = { 0 };

	pthread_mutex_lock(&k->lock);
	switch (table) {
	case USAGE_SESSIONS:
		usage = (struct usage){ sum(k->sweep.sessions, CLASSES + 1), k->sizes.sessions };
		break;
	case USAGE_MAPPINGS:
		usage = (struct usage){ sum(k->sweep.mappings, CLASSES), k->sizes.mappings };
		break;
	default:
		usage = (struct usage){ k->sweep.hosts, k->sizes.hosts };
		break;
	}
	pthread_mutex_unlock(&k->lock);
	return usage;
}

void usage_of_pools(struct list_view *view, struct usage ports[MAX_OUTSIDE][PORT_AREAS],
		    u32 addresses[MAX_OUTSIDE])
{
	const struct list_filter all = { 0 };
	u32 range = (u32)view->nat.config->port_max - view->nat.config->port_min + 1;
	struct pool_row row;

	memset(ports, 0, sizeof(struct usage) * MAX_OUTSIDE * PORT_AREAS);
	memset(addresses, 0, sizeof(u32) * MAX_OUTSIDE);
	for (u32 at = 0; at < list_slots(view, LIST_POOLS); at++) {
		if (!list_pool(view, &all, at, &row) || !(row.flags & ADDRESS_POOL) ||
		    row.interface >= MAX_OUTSIDE)
			continue;
		addresses[row.interface]++;
		for (u32 class = 0; class < PORT_AREAS; class ++) {
			ports[row.interface][class].used += range - row.free[class];
			ports[row.interface][class].capacity += range;
		}
	}
}

enum usage_level usage_level(enum usage_level level, const struct usage *usage)
{
	enum usage_level now = USAGE_FULL;

	if (!usage->capacity)
		return USAGE_NORMAL;
	while (now > USAGE_NORMAL && usage->used * 100 < usage->capacity * levels[now].percent)
		now--;
	if (now == USAGE_NORMAL && usage->used * 100 >= usage->capacity * levels[USAGE_NORMAL].percent)
		return level;
	return now > level || now == USAGE_NORMAL ? now : level;
}

u64 usage_threshold(u64 capacity, enum usage_level level)
{
	return (capacity * levels[level].percent + 99) / 100;
}

static void usage_look(struct keepnat *k, const char *subject, const struct usage *usage, u8 *told)
{
	enum usage_level level = usage_level(*told, usage);
	unsigned long long percent = usage->capacity ? usage->used * 100 / usage->capacity : 0;

	if (level == *told)
		return;
	*told = (u8)level;
	keepnat_unwarn(k, "%s: used to ", subject);
	if (level == USAGE_NORMAL)
		event_tell(k, levels[level].event, subject, "used to %llu %%: %llu of %llu", percent,
			   usage->used, usage->capacity);
	else
		event_warn(k, levels[level].event, subject, "used to %llu %%: %llu of %llu", percent,
			   usage->used, usage->capacity);
}

static void pools_look(struct keepnat *k, struct usages *usages)
{
	struct usage ports[MAX_OUTSIDE][PORT_AREAS];
	u32 addresses[MAX_OUTSIDE];
	struct list_view view;
	char subject[EVENT_SUBJECT];

	list_open(&view, k);
	usage_of_pools(&view, ports, addresses);
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		for (u32 class = 0; class < PORT_AREAS && *view.names[i]; class ++) {
			snprintf(subject, sizeof(subject), "%s %s ports", view.names[i],
				 usage_class_name(class));
			usage_look(k, subject, &ports[i][class], &usages->ports[i][class]);
		}
}

void usages_look(struct keepnat *k, struct usages *usages)
{
	u64 passes;

	pthread_mutex_lock(&k->lock);
	passes = k->sweep.passes;
	pthread_mutex_unlock(&k->lock);
	if (passes == usages->passes)
		return;
	usages->passes = passes;
	for (enum usage_table table = 0; table < USAGE_TABLES; table++) {
		struct usage usage = usage_of_table(k, table);

		usage_look(k, tables[table], &usage, &usages->tables[table]);
	}
	pools_look(k, usages);
}
