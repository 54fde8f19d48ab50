// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/shortage.h"

#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/log.h"

enum { REASONS_MAX = 4 };

static const struct {
	u32 reasons[REASONS_MAX]; /* what counts it; REASON_out_session, which is 0: no more */
	const char *text;
} shortages_known[SHORTAGES] = {
	[SHORTAGE_PORTS] = { { REASON_told_no_port, REASON_no_port },
			     "no free port: hosts are refused; add addresses to its pool, or limit what a "
			     "host may have (nat.limits)" },
	[SHORTAGE_ROOM] = { { REASON_told_full, REASON_no_free_address, REASON_hosts_full,
			      REASON_mappings_full },
			    "no room: hosts are refused, for no outside address is free or a table is full; "
			    "add "
			    "addresses to its pool, or raise capacity" },
	[SHORTAGE_SESSIONS] = { { REASON_out_from_mapping, REASON_in_from_mapping, REASON_flows_full },
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

/* It has cost so many packets by now. */
static void shortage_look(struct keepnat *k, const char *interface, const char *text,
			  struct shortage *shortage, u64 packets, u64 now)
{
	if (packets != shortage->packets) {
		shortage->packets = packets;
		shortage->seen = now;
		if (!shortage->said)
			keepnat_warn(k, "%s: %s", interface, text);
		shortage->said = true;
	} else if (shortage->said && now - shortage->seen >= SHORTAGE_QUIET) {
		shortage->said = false;
		keepnat_unwarn(k, "%s: %s", interface, text);
		log_info("%s: over for %d seconds: %s", interface, SHORTAGE_QUIET, text);
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
				shortage_look(k, view.names[i], shortages_known[kind].text, at, packets, now);
		}
	shortages->begun = true;
}
