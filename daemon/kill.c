// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kill.h"

#include "core/sweep.h"

enum { KILL_TRIES = 64 }; /* packets may touch an entry as often before it ends */

void kill_begin(struct kill *kill, enum kill_what what)
{
	kill->what = what;
	kill->stage = what == KILL_SESSIONS ? LIST_SESSIONS : LIST_MAPPINGS;
	kill->at = 0;
	kill->done = false;
	kill->counts = (struct kill_counts){ 0 };
}

/* Make the entry that had the word `was` another one, by `change`, if it is still that entry. */
static bool slot_change(struct slot *slot, u64 was, u64 (*change)(u64 word, u32 now), u32 now)
{
	for (int i = 0; i < KILL_TRIES; i++) {
		u64 w = LOAD(&slot->word);

		if (word_state(w) != LIVE || (w ^ was) & IDENT)
			return false;
		if (CAS(&slot->word, w, change(w, now)))
			return true;
	}
	return false;
}

static u64 ended(u64 word, u32 now)
{
	(void)now;
	return word_free(word);
}

static void kill_session(struct kill *kill, u64 word)
{
	struct nat_instance *nat = &kill->view.nat;
	struct session_row row;
	struct insert flow, peer;

	if (!list_session(&kill->view, &kill->filter, kill->at, &row) ||
	    !slot_read(nat, TABLE_FLOWS, kill->at, word, &flow))
		return;
	u32 other = flow_peer(nat, &flow.flow, &peer);

	if (!slot_change(env_slot(nat, TABLE_FLOWS, kill->at), word, ended, 0))
		return;
	/* The inbound half last: without ports it is a claim, which nobody else may have while the outbound one is there. */
	if (other != NO_SLOT)
		(void)slot_change(env_slot(nat, TABLE_FLOWS, other), peer.words[0], ended, 0);
	kill->counts.sessions++;
}

static void kill_mapping(struct kill *kill, u64 word)
{
	struct mapping_row row;

	if (!list_mapping(&kill->view, &kill->filter, kill->at, &row))
		return;
	if (row.fixed)
		kill->counts.kept++;
	else
		kill->counts.mappings += slot_change(env_slot(&kill->view.nat, TABLE_MAPPINGS, kill->at),
						     word, word_rest, kill->view.nat.now);
}

static void kill_host(struct kill *kill, u64 word)
{
	struct host_row row;

	if (!list_host(&kill->view, &kill->filter, kill->at, &row))
		return;
	if (row.reserved)
		kill->counts.kept++;
	else
		kill->counts.hosts +=
			slot_change(env_slot(&kill->view.nat, TABLE_HOSTS, kill->at), word, ended, 0);
}

/* The word is read before the row: an entry that takes the slot meanwhile is another one, and stays. */
static void slot_visit(struct kill *kill)
{
	struct nat_instance *nat = &kill->view.nat;

	switch (kill->stage) {
	case LIST_MAPPINGS:
		kill_mapping(kill, LOAD(&env_slot(nat, TABLE_MAPPINGS, kill->at)->word));
		break;
	case LIST_SESSIONS:
		kill_session(kill, LOAD(&env_slot(nat, TABLE_FLOWS, kill->at)->word));
		break;
	default:
		kill_host(kill, LOAD(&env_slot(nat, TABLE_HOSTS, kill->at)->word));
	}
}

void kill_step(struct kill *kill, u32 slots)
{
	for (; slots && !kill->done; slots--) {
		slot_visit(kill);
		if (++kill->at < list_slots(&kill->view, kill->stage))
			continue;
		kill->at = 0;
		kill->done = kill->stage == LIST_HOSTS ||
			     (kill->stage == LIST_SESSIONS && kill->what != KILL_HOSTS);
		kill->stage = kill->stage == LIST_MAPPINGS ? LIST_SESSIONS : LIST_HOSTS;
	}
}
