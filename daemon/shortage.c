// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/shortage.h"

#include <stdio.h>
#include <string.h>

#include "daemon/address.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"

enum { REASONS_MAX = 4, HOSTS_NAMED = 3, HOSTS_TEXT = 128 };

static const struct {
	u32 reasons[REASONS_MAX]; /* what counts it; REASON_out_session, which is 0: no more */
	enum event_id event;
	const char *text;
} shortages_known[SHORTAGES] = {
	[SHORTAGE_PORTS] = { { REASON_told_no_port, REASON_no_port },
			     EVENT_ports_exhausted,
			     "no free port: hosts are refused; add addresses to its pool, or limit what a "
			     "host may have (nat.limits)" },
	[SHORTAGE_ROOM] = { { REASON_told_full, REASON_no_free_address, REASON_hosts_full,
			      REASON_mappings_full },
			    EVENT_room_exhausted,
			    "no room: hosts are refused, for no outside address is free or a table is full; "
			    "add "
			    "addresses to its pool, or raise capacity" },
	[SHORTAGE_SESSIONS] = { { REASON_out_from_mapping, REASON_in_from_mapping, REASON_flows_full },
				EVENT_sessions_exhausted,
				"the session table is full: packets of new sessions go by their mappings, "
				"more "
				"slowly; raise capacity.sessions" },
};
_Static_assert(REASON_out_session == 0, "it ends a list of reasons");

static u64 shortage_packets(const struct list_view *view, u32 interface, unsigned int kind)
{
	u64 packets = 0;

	for (unsigned int i = 0; i < REASONS_MAX && shortages_known[kind].reasons[i]; i++)
		packets +=
			list_reason(view, interface, (enum reason)shortages_known[kind].reasons[i]).packets;
	return packets;
}

/* Those that have most mappings there, as of the last sweep, the first of them first. How many there are of `most`. */
static unsigned int hosts_most(struct list_view *view, u32 interface, struct host_row most[HOSTS_NAMED])
{
	const struct list_filter filter = { .by_interface = true, .interface = (u8)interface };
	unsigned int count = 0;
	struct host_row row;

	for (u32 at = 0; at < list_slots(view, LIST_HOSTS); at++) {
		unsigned int place = count;

		if (!list_host(view, &filter, at, &row) || !row.counted || !row.mappings)
			continue;
		while (place && most[place - 1].mappings < row.mappings)
			place--;
		if (place == HOSTS_NAMED)
			continue;
		count += count < HOSTS_NAMED;
		memmove(&most[place + 1], &most[place], (count - 1 - place) * sizeof(*most));
		most[place] = row;
	}
	return count;
}

/* "; most mappings: 10.0.0.5 (64000), 10.0.0.6 (12)", or nothing. */
static void hosts_tell(struct list_view *view, u32 interface, char *text, size_t size)
{
	struct host_row most[HOSTS_NAMED];
	unsigned int count = hosts_most(view, interface, most);
	char address[ADDRESS_TEXT_SIZE];

	*text = 0;
	for (unsigned int i = 0; i < count; i++) {
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%s (%u)", i ? ", " : "; most mappings: ",
			 address_format(address, (struct in_addr){ most[i].inside_address }),
			 most[i].mappings);
	}
}

/* It has cost so many packets by now. */
static void shortage_look(struct keepnat *k, struct list_view *view, u32 number, unsigned int kind,
			  struct shortage *shortage, u64 packets, u64 now)
{
	const char *text = shortages_known[kind].text, *interface = view->names[number];
	char hosts[HOSTS_TEXT];

	if (packets != shortage->packets) {
		shortage->packets = packets;
		shortage->seen = now;
		if (!shortage->said) {
			hosts_tell(view, number, hosts, sizeof(hosts));
			event_warn(k, shortages_known[kind].event, interface, "%s%s", text, hosts);
		}
		shortage->said = true;
	} else if (shortage->said && now - shortage->seen >= SHORTAGE_QUIET) {
		shortage->said = false;
		keepnat_unwarn(k, "%s: %s", interface, text);
		event_tell(k, EVENT_shortage_over, interface, "over for %d seconds: %s", SHORTAGE_QUIET,
			   text);
	}
}

void shortages_look(struct keepnat *k, struct shortages *shortages, u64 now)
{
	struct list_view view;

	list_open(&view, k);
	for (u32 i = 0; i < MAX_INTERFACES; i++)
		for (unsigned int kind = 0; kind < SHORTAGES; kind++) {
			struct shortage *at = &shortages->of[i][kind];
			u64 packets = shortage_packets(&view, i, kind);

			if (!shortages->begun)
				at->packets = packets;
			else if (*view.names[i])
				shortage_look(k, &view, i, kind, at, packets, now);
		}
	shortages->begun = true;
}
