/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host.h - an inside address and the outside address that it keeps.
 *
 * Paired pooling (RFC 4787 REQ-2, RFC 6888 REQ-2): all mappings of a host use one outside address of the interface
 * by which they leave. The address is chosen once, by where the hash of the host lands in the interface's
 * buckets, and then kept in the host table; the daemon fills the buckets so that a change of the pool moves few
 * of them. Hosts that are in the table move only when their address has left. tests/model/reset.pml has SPIN check what that
 * and resets mean for them, their mappings and flows.
 *
 * A host without mappings keeps its address for timers.host_retention_timeout, if there is room. The sweep sets HOST_IDLE in
 * its word; every touch takes it away, so that it says: nothing has happened since, and the host has nothing to lose but
 * its address. When no candidate place is left for a new host, the longest idle of them gives way, by a CAS on the word that
 * says so: never one that is in use.
 */
#pragma once
#include "core/request.h"

enum { HOST_IDLE = 1 }; /* a flag of the word */

union host_key {
	u64 word;
	struct {
		__be32 inside;
		u8 interface;
		u8 zero[3];
	};
};

static __always_inline u64 host_key(__be32 inside, u8 interface)
{
	union host_key key = { .word = 0 };

	key.inside = inside;
	key.interface = interface;
	return key.word;
}

/* The entry of an outside address in the address table. Flags 0: it is none of ours. */
static __always_inline struct outside_address address_find(struct nat_instance *nat, const struct config *c,
							   __be32 addr)
{
	union {
		u64 word;
		struct outside_address address;
	} found = { .word = 0 };
	u32 h = (u32)hash_words(c, addr, 0);

	for (u32 i = 0; i < ADDRESS_PROBES; i++) {
		u64 *at = env_address(nat, (h + i) & c->address_mask);
		if (!at)
			break;
		found.word = LOAD(at);
		if (found.address.addr == addr && found.word)
			return found.address;
		if (!found.word)
			break;
	}
	found.word = 0;
	return found.address;
}

/*
 * May hosts use this address on this interface now? own: OWN_ROUTER, the router may; OWN_FIXED, whom the configuration lets.
 * Of a reserved one the daemon sees to it that only those have entries who may (native/fixed.h).
 */
static __always_inline int address_serves(struct outside_address a, u32 interface, u32 own)
{
	return (a.flags & ADDRESS_LIVE) && a.interface == interface &&
	       (own || a.flags & (ADDRESS_POOL | ADDRESS_RESERVED));
}

static __always_inline struct outside_address host_choose(struct nat_instance *nat, const struct config *c,
							  const struct request *r)
{
	union {
		u64 word;
		struct outside_address address;
	} chosen = { .word = 0 };
	u32 bucket = (u32)hash_words(c, r->inside.addr, 1) & (POOL_BUCKETS - 1);
	u64 *at;

	if (r->own)
		return address_find(nat, c, r->inside.addr);
	at = env_pool(nat, r->interface * POOL_BUCKETS + bucket);
	if (at)
		chosen.word = LOAD(at);
	return chosen.address;
}

/* What a packet needs of a host. */
union host_value {
	u64 word;
	struct {
		u8 interface;
		u8 own;
		u16 index;
		__be32 outside;
	};
};

/* The host entry with this key, of whatever generation, or NULL. */
static __always_inline struct slot *host_find(struct nat_instance *nat, const struct config *c, u64 key,
					      u64 *w, u32 *number, union host_value *value)
{
	struct slot *s = table_find(nat, c, TABLE_HOSTS, table_hash(c, TABLE_HOSTS, &key), &key, w, number);

	if (!s)
		return 0;
	value->word = LOAD(&s->data[1]);
	return slot_same(s, *w) ? s : 0;
}

/*
 * Is there an address now that r->inside could have, and not the one that was seen not to serve (0: any)? That may have come
 * back since. While there is none, nobody loses the one that he had; and whoever has his by reservation has no other.
 */
SLOW u32 host_can_move(struct nat_instance *nat, struct request *r, __be32 lost)
{
	const struct config *c = env_config(nat);
	union host_value value;
	u32 number;
	u64 w;

	SLOW_ENTER(nat);
	if (!r || !c)
		return 0;
	struct outside_address a = host_choose(nat, c, r);
	if (a.addr == lost || !address_serves(a, r->interface, r->own))
		return 0;
	return !host_find(nat, c, host_key(r->inside.addr, r->interface), &w, &number, &value) ||
	       !(value.own & OWN_FIXED);
}

/*
 * The host's outside address: 1 and r->outside.addr, r->index; 0: it has none that still serves; -1: it has to wait for the
 * one that is reserved for it.
 */
static __always_inline int host_known(struct nat_instance *nat, const struct config *c, struct request *r,
				      u64 key)
{
	union host_value value;
	u64 w;
	u32 number;
	struct slot *s = host_find(nat, c, key, &w, &number, &value);

	if (!s)
		return 0;
	u32 fixed = value.own & OWN_FIXED;
	struct outside_address a = address_find(nat, c, value.outside);
	int serves = address_serves(a, r->interface, r->own | fixed);
	if (fixed && !serves)
		return -1;
	if (!serves || (word_stale(c, TABLE_HOSTS, r->interface, w) && !fixed)) {
		if (host_can_move(nat, r, serves ? 0 : value.outside))
			slot_end(s, w);
		return 0;
	}
	if (!slot_touch(s, w, r->now, word_gen(w), 0))
		return 0;
	r->outside.addr = value.outside;
	r->index = a.index; /* not that of then: it may have been away */
	r->host = number;
	r->same_port = value.own & OWN_SAME_PORTS;
	return 1;
}

struct host_search {
	struct nat_instance *nat;
	struct work *work;
};

/* Is there, at the candidate place i of the host in work->ins, one that is idle, and the longest so far? */
static long host_idle_step(u32 i, void *context)
{
	struct host_search *search = context;
	const struct config *c = env_config(search->nat);
	struct request *r = &search->work->req;

	if (!c)
		return 1;
	u32 number = table_pos(search->work->ins.hash, i, table_mask(c, TABLE_HOSTS));
	struct slot *s = env_slot(search->nat, TABLE_HOSTS, number);
	if (!s)
		return 1;
	u64 w = LOAD(&s->word);
	u32 age = word_age(w, r->now);
	if (word_state(w) == LIVE && word_flags(w) & HOST_IDLE && (!r->idle_word || age > r->idle_age)) {
		r->idle_word = w;
		r->idle_slot = number;
		r->idle_age = age;
	}
	return 0;
}

/* End the one that has been idle for longest, of those that stand where the host in work->ins might. 1: there is room now. */
SLOW u32 host_make_room(struct nat_instance *nat, struct work *work)
{
	SLOW_ENTER(nat);
	if (!work)
		return 0;
	struct host_search search = { .nat = nat, .work = work };
	struct request *r = &work->req;

	r->idle_word = 0;
	env_loop(WINDOW, host_idle_step, &search);
	struct slot *s = r->idle_word ? env_slot(nat, TABLE_HOSTS, r->idle_slot) : 0;
	return s && slot_end(s, r->idle_word);
}

/*
 * The outside address of r->inside.addr on r->interface: r->outside.addr and r->index. The host is found or made.
 * 0 or a reason.
 */
SLOW u32 host_get(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	struct insert *ins = &work->ins;
	u64 key = host_key(r->inside.addr, r->interface);
	u64 hash = table_hash(c, TABLE_HOSTS, &key);

	int known = host_known(nat, c, r, key);
	if (known)
		return known > 0 ? 0 : REASON_no_address;

	struct outside_address a = host_choose(nat, c, r);
	if (!address_serves(a, r->interface, r->own))
		return REASON_no_address;
	ins->words[0] = word_make(r->now, generation_in(r->generation, TABLE_HOSTS), 0);
	ins->words[1] = key;
	ins->words[2] = ins->words[3] = ins->words[4] = ins->words[5] = ins->words[6] = ins->words[7] = 0;
	ins->host.interface = r->interface;
	ins->host.own = r->own;
	ins->host.index = a.index;
	ins->host.outside = a.addr;
	ins->host.created = r->now;
	ins->hash = hash;
	ins->now = r->now;
	u32 put = hosts_insert(nat, ins);
	if (put == INSERT_FULL && host_make_room(nat, work))
		put = hosts_insert(nat, ins);
	switch (put) {
	case INSERT_NEW:
		r->outside.addr = a.addr;
		r->index = a.index;
		r->host = ins->slot;
		r->same_port = 0;
		return 0;
	case INSERT_FOUND: /* another packet of the host was first: its choice stands */
		return host_known(nat, c, r, key) > 0 ? 0 : REASON_table_busy;
	case INSERT_FULL:
		return REASON_hosts_full;
	default:
		return REASON_table_busy;
	}
}

/* All that comes in to r->outside.addr is a host's: 1 and r->inside, the port as it is; 0: whose is not known any more. */
SLOW u32 host_inbound(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union host_value value;
	u32 number;
	u64 w;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	if (!host_find(nat, c, host_key(r->outside.addr, HOST_OUTSIDE | r->interface), &w, &number, &value))
		return 0;
	r->inside.addr = value.outside;
	r->inside.port = r->outside.port;
	r->index = value.index;
	return 1;
}

/*
 * A packet of a protocol without ports goes out: 1 and r->outside, r->index if its host has an address to itself, so that
 * nobody else's answers come there; else 0.
 */
SLOW u32 host_alone(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union host_value value;
	u32 number;
	u64 w;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	if (!host_find(nat, c, host_key(r->inside.addr, r->interface), &w, &number, &value) ||
	    !(value.own & OWN_FIXED))
		return 0;
	struct outside_address a = address_find(nat, c, value.outside);
	if (!address_serves(a, r->interface, OWN_FIXED) || !(a.flags & ADDRESS_RESERVED))
		return 0;
	r->outside.addr = value.outside;
	r->outside.port = 0;
	r->index = a.index;
	return 1;
}
