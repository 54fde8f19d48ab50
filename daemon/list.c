// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/list.h"
#include <string.h>

#include "core/sweep.h"
#include "daemon/keepnat.h"
#include "daemon/sweeper.h"

void list_open(struct list_view *view, struct keepnat *k)
{
	memset(view, 0, sizeof(*view));
	view->nat = k->nat;
	view->nat.work = NULL;						/* readers have no use for it */
	view->nat.now = __atomic_load_n(&k->nat.now, __ATOMIC_RELAXED); /* the sweeper keeps it fresh */
	view->sweep = sweeper_sweep(k->sweeper);
	view->cpus = k->cpus;
	pthread_mutex_lock(&k->lock);
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].number < MAX_INTERFACES)
			memcpy(view->names[k->interfaces[i].number], k->interfaces[i].name, IF_NAMESIZE);
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		view->full[i] = !*view->names[i] && *view->names[clients_number(i)];
	pthread_mutex_unlock(&k->lock);
}

u32 list_slots(const struct list_view *view, enum list_kind kind)
{
	const struct config *c = view->nat.config;

	switch (kind) {
	case LIST_SESSIONS:
		return c->flow_mask + 1;
	case LIST_MAPPINGS:
	case LIST_BLOCKS:
		return c->mapping_mask + 1;
	case LIST_HOSTS:
		return c->host_mask + 1;
	default:
		return c->address_mask + 1;
	}
}

/* The interface that a row is on; *full: it is a client's. */
static u8 interface_shown(const struct list_view *view, u8 interface, bool *full)
{
	*full = view->full[interface & (MAX_OUTSIDE - 1)];
	return *full ? (u8)clients_number(interface) : interface;
}

static bool filter_wants(const struct list_filter *f, u8 protocol, u8 interface)
{
	return (!f->by_protocol || f->protocol == protocol) &&
	       (!f->by_interface || f->interface == interface);
}

static bool filter_wants_endpoints(const struct list_filter *f, __be32 inside, __be32 outside,
				   __be16 outside_port)
{
	return (!f->by_host || f->host == inside) && (!f->by_outside || f->outside == outside) &&
	       (!f->by_port || f->outside_port == outside_port);
}

/*
 * Sessions
 */

static enum session_state session_state(const struct flow *f, u64 out, u64 in, u32 now)
{
	if (!class_connects(flow_class(f)))
		return SESSION_ACTIVE;
	switch (tcp_state(out ? word_flags(out) : 0, in ? word_flags(in) : 0, out ? word_age(out, now) : TIME,
			  in ? word_age(in, now) : TIME)) {
	case TCP_INIT:
		return SESSION_INIT;
	case TCP_ESTABLISHED:
		return SESSION_ESTABLISHED;
	default:
		return SESSION_CLOSING;
	}
}

/* Idle time and what is left, from the words of both halves (0: there is no such half). 0: its time is over. */
static int session_age(const struct list_view *view, const struct flow *f, u64 out, u64 in,
		       struct session_row *row)
{
	u32 now = view->nat.now, timeout = session_timeout(view->nat.config, flow_class(f), out, in, now);

	row->state = session_state(f, out, in, now);
	row->idle = out ? word_age(out, now) : TIME;
	if (in && word_age(in, now) < row->idle)
		row->idle = word_age(in, now);
	row->lifetime = timeout - row->idle;
	return row->idle <= timeout;
}

/* What one flow says of its session. */
static void session_ends(const struct list_view *view, struct session_row *row, const struct flow *f)
{
	bool out = f->direction == DIRECTION_OUT;

	row->protocol = f->protocol;
	row->interface = interface_shown(view, f->interface, &row->full);
	row->own = f->own & 1;
	row->hairpin = f->own & FLOW_HAIRPIN && !row->full;
	row->generation = word_gen(f->word);
	row->inside_address = out ? f->saddr : f->addr;
	row->inside_port = out ? f->sport : f->port;
	row->outside_address = out ? f->addr : f->daddr;
	row->outside_port = out ? f->port : f->dport;
	row->remote_address = out ? f->daddr : f->saddr;
	row->remote_port = out ? f->dport : f->sport;
	if (flow_has_spi(f))
		row->inside_port = row->outside_port = row->remote_port = 0;
}

static void session_counts(struct session_row *row, const struct flow *out, const struct flow *in)
{
	row->packets_out = out ? out->packets : 0;
	row->bytes_out = out ? out->bytes : 0;
	row->packets_in = in ? in->packets : 0;
	row->bytes_in = in ? in->bytes : 0;
}

/* An outbound flow is its session's row; an inbound one only if it has no other half. */
int list_session(struct list_view *view, const struct list_filter *filter, u32 at, struct session_row *row)
{
	struct nat_instance *nat = &view->nat;
	const struct config *c = nat->config;
	struct insert copy, other;
	const struct flow *f = &copy.flow, *peer = &other.flow;
	u64 w = LOAD(&env_slot(nat, TABLE_FLOWS, at)->word);

	if (word_state(w) != LIVE || !slot_read(nat, TABLE_FLOWS, at, w, &copy) ||
	    f->direction == DIRECTION_PERMIT || f->realm ||
	    !flow_stands(c, w, f->interface, f->own, f->index))
		return 0;
	session_ends(view, row, f);
	if (!filter_wants(filter, row->protocol, row->interface) ||
	    !filter_wants_endpoints(filter, row->inside_address, row->outside_address, row->outside_port) ||
	    (filter->by_remote && filter->remote != row->remote_address) ||
	    (filter->by_remote_port && filter->remote_port != row->remote_port))
		return 0;

	bool paired = flow_peer(nat, f, &other) != NO_SLOT &&
		      flow_stands(c, peer->word, peer->interface, peer->own, peer->index);
	if (f->direction == DIRECTION_IN) {
		session_counts(row, NULL, f);
		return !paired && session_age(view, f, 0, w, row);
	}
	session_counts(row, f, paired ? peer : NULL);
	row->hairpin = row->hairpin || (paired && peer->own & FLOW_HAIRPIN && !row->full);
	return session_age(view, f, w, paired ? peer->word : 0, row);
}

/*
 * Mappings and hosts
 */

/* When both halves agree: the word of the outside half; else 0. */
static u64 mapping_other(struct list_view *view, const struct mapping *i)
{
	struct nat_instance *nat = &view->nat;
	const struct config *c = nat->config;
	struct endpoint outside = { .addr = i->addr, .port = i->port };
	u64 key = mapping_key(outside, i->class, HALF_OUTSIDE, i->interface), w;
	struct insert o;
	u32 at;

	if (!table_find(nat, c, TABLE_MAPPINGS, table_hash(c, TABLE_MAPPINGS, &key), &key, &w, &at) ||
	    !slot_read(nat, TABLE_MAPPINGS, at, w, &o) || mapping_stale(c, i->interface, o.mapping.own, w))
		return 0;
	return o.mapping.addr == i->key_addr && o.mapping.port == i->key_port ? w : 0;
}

int list_mapping(struct list_view *view, const struct list_filter *filter, u32 at, struct mapping_row *row)
{
	struct nat_instance *nat = &view->nat;
	struct insert copy;
	const struct mapping *i = &copy.mapping;
	u64 w = LOAD(&env_slot(nat, TABLE_MAPPINGS, at)->word), other;

	if (word_state(w) != LIVE || !slot_read(nat, TABLE_MAPPINGS, at, w, &copy) ||
	    i->half & HALF_OUTSIDE || i->class >= CLASSES || word_flags(w) & RESTING ||
	    mapping_stale(nat->config, i->interface, i->own, w))
		return 0;
	row->protocol = protocol_of_class(i->class);
	row->interface = interface_shown(view, i->interface, &row->full);
	row->own = i->own & OWN_ROUTER;
	row->fixed = i->own & OWN_FIXED;
	row->full = row->full || i->own & OWN_FULL;
	row->inside_address = i->key_addr;
	row->inside_port = i->key_port;
	row->outside_address = i->addr;
	row->outside_port = i->port;
	row->generation = word_gen(w);
	if (!filter_wants(filter, row->protocol, row->interface) ||
	    !filter_wants_endpoints(filter, row->inside_address, row->outside_address, row->outside_port))
		return 0;
	other = mapping_other(view, i);
	row->idle = word_age(w, nat->now);
	if (other && word_age(other, nat->now) < row->idle)
		row->idle = word_age(other, nat->now);
	return other != 0;
}

int list_block(struct list_view *view, const struct list_filter *filter, u32 at, struct block_row *row)
{
	struct nat_instance *nat = &view->nat;
	struct insert copy;
	const struct mapping *i = &copy.mapping;
	u64 w = LOAD(&env_slot(nat, TABLE_MAPPINGS, at)->word);

	if (word_state(w) != LIVE || !slot_read(nat, TABLE_MAPPINGS, at, w, &copy) ||
	    i->half & HALF_OUTSIDE || i->class != CLASS_BLOCK ||
	    mapping_stale(nat->config, i->interface, i->own, w) || !mapping_other(view, i))
		return 0;
	u32 size = nat->config->shares[i->interface & (MAX_OUTSIDE - 1)].block_size;
	u32 first = be16_to_host(i->port) * size, wanted = be16_to_host(filter->outside_port);
	row->interface = i->interface;
	row->inside_address = i->key_addr;
	row->outside_address = i->addr;
	row->first = (u16)first;
	row->last = (u16)(first + size - 1);
	row->idle = word_age(w, nat->now);
	row->generation = word_gen(w);
	return (!filter->by_interface || filter->interface == row->interface) &&
	       (!filter->by_host || filter->host == row->inside_address) &&
	       (!filter->by_outside || filter->outside == row->outside_address) &&
	       (!filter->by_port || (wanted >= row->first && wanted <= row->last));
}

/* The arrays of two passes change places when one ends: which is the last is asked for each row. */
static void host_count(struct host_row *row, const struct sweep *sweep, u32 at)
{
	const u32 *mappings, *sessions;

	row->counted = sweep && __atomic_load_n(&sweep->passes, __ATOMIC_RELAXED);
	row->mappings = row->sessions = 0;
	if (!row->counted)
		return;
	mappings = __atomic_load_n(&sweep->last_host_mappings, __ATOMIC_RELAXED);
	sessions = __atomic_load_n(&sweep->last_host_sessions, __ATOMIC_RELAXED);
	row->mappings = __atomic_load_n(&mappings[at], __ATOMIC_RELAXED);
	row->sessions = __atomic_load_n(&sessions[at], __ATOMIC_RELAXED);
}

int list_host(struct list_view *view, const struct list_filter *filter, u32 at, struct host_row *row)
{
	struct slot *slot = env_slot(&view->nat, TABLE_HOSTS, at);
	union {
		u64 words[8];
		struct host host;
	} copy = { .words = { LOAD(&slot->word) } };
	const struct host *h = &copy.host;

	if (word_state(h->word) != LIVE)
		return 0;
	copy.words[1] = LOAD(&slot->data[0]);
	copy.words[2] = LOAD(&slot->data[1]);
	row->reserved = h->own & OWN_FIXED;
	if (!slot_same(slot, h->word) || h->key_interface & HOST_OUTSIDE ||
	    (word_stale(view->nat.config, TABLE_HOSTS, h->interface, h->word) && !row->reserved))
		return 0;
	row->interface = h->interface;
	row->own = h->own & OWN_ROUTER;
	row->inside_address = h->inside;
	row->outside_address = h->outside;
	row->idle = word_age(h->word, view->nat.now);
	row->generation = word_gen(h->word);
	host_count(row, view->sweep, at);
	return (!filter->by_interface || filter->interface == row->interface) &&
	       filter_wants_endpoints(filter, row->inside_address, row->outside_address,
				      filter->outside_port);
}
