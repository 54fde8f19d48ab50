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
 *
 * ALONE (RFC 2663 section 4.1.1, basic NAT). On an interface of config.alone an outside address is one host's alone, ports stay
 * as they are, and protocols without ports are translated, too. The claim on an address is its reverse entry: inserted if
 * absent, as an outside half is the claim on a port (mapping.h). In order:
 *
 *   claim  insert the reverse entry O, of the address that the hash names, or else of one that looks vacant; then the host's
 *          own H. Another packet of the host was first, with another address: end O by its word, use H. An O that names us
 *          already is ours to use, and says so by a flag, so that who inserted it does not end it.
 *   use    H counts only while O names its inside address, and a mapping only while its host's H names its outside address.
 *   end    the sweep, or who needs the place: H. Then the sweep, once no packet can be at work on it: O. An O of an older
 *          generation is no claim: who wants the address ends it.
 *
 * Which addresses look vacant is a hint: a bit too many costs a try, and one too few an address until the sweep looks. Never
 * is an address given to two: where none is vacant, a new host's packets are dropped, and the sweep ends the host that has been
 * idle for longest, one in each pass.
 */
#pragma once
#include "core/ports.h"

enum {
	HOST_IDLE = 1,	 /* a flag of the word */
	HOST_SHARED = 2, /* a flag of the word of a reverse entry: others than who inserted it go by it */
	HOST_UNCLAIMED = 0xffff, /* of host_get(): host_claim() is to be asked */
	HOST_TRIES = 3,
	ADDRESS_CLAIMS = 8,
	NO_INDEX = 0xffffffff,
};

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
 * Of a reserved one the daemon sees to it that only those have entries who may (native/fixed.h). One for clients is for all.
 */
static __always_inline int address_serves(struct outside_address a, u32 interface, u32 own)
{
	return a.flags & (ADDRESS_LIVE | ADDRESS_CLIENTS) && a.interface == interface &&
	       (own || a.flags & (ADDRESS_POOL | ADDRESS_RESERVED | ADDRESS_CLIENTS));
}

/* Is an address of this interface one host's alone? */
static __always_inline u32 interface_alone(const struct config *c, u32 interface)
{
	return c->alone >> (interface & (MAX_OUTSIDE - 1)) & 1u;
}

/* The same, of the one that is asked for: the router's own address is also others'. */
static __always_inline u32 request_alone(const struct config *c, const struct request *r)
{
	return !r->own && interface_alone(c, r->interface);
}

/* The number of an address that looks vacant, from `from` on and around; or NO_INDEX. */
SLOW u32 vacant_find(struct nat_instance *nat, u32 interface, u32 from)
{
	const struct config *c = env_config(nat);
	u64 open = 0;
	u32 word = 0;

	SLOW_ENTER(nat);
	if (!c)
		return NO_INDEX;
	interface &= MAX_OUTSIDE - 1;
	for (u32 i = 0; i <= ADDRESS_WORDS && !open; i++) {
		word = (from / 64 + i) & (ADDRESS_WORDS - 1);
		open = LOAD(&c->vacant[interface][word]) & (i ? ~0ull : ~0ull << (from & 63));
	}
	return open ? word << 6 | bit_lowest(open) : NO_INDEX;
}

static __always_inline void vacant_set(struct nat_instance *nat, u32 interface, u32 index, int vacant)
{
	struct config *c = env_config(nat);
	u64 bit = 1ull << (index & 63);

	if (!c)
		return;
	u64 *word = &c->vacant[interface & (MAX_OUTSIDE - 1)][index / 64 & (ADDRESS_WORDS - 1)];
	if (!(LOAD(word) & bit) == !vacant)
		return;
	if (vacant)
		FETCH_OR(word, bit);
	else
		FETCH_AND(word, ~bit);
}

static __always_inline struct outside_address address_in_bucket(struct nat_instance *nat, u32 interface,
								u32 bucket)
{
	union {
		u64 word;
		struct outside_address address;
	} found = { .word = 0 };
	u64 *at = env_pool(nat, interface * POOL_BUCKETS + (bucket & (POOL_BUCKETS - 1)));

	if (at)
		found.word = LOAD(at);
	return found.address;
}

static __always_inline struct outside_address host_choose(struct nat_instance *nat, const struct config *c,
							  const struct request *r)
{
	struct outside_address none = { .addr = 0 };
	u32 bucket = (u32)hash_words(c, r->inside.addr, 1);
	const struct shares *s = &c->shares[r->interface & (MAX_OUTSIDE - 1)];

	if (r->own || r->client)
		return address_find(nat, c, r->client ? r->client : r->inside.addr);
	if (s->hosts) {
		u32 host = share_host(s, be32_to_host(r->inside.addr));
		if (host == NO_SHARE)
			return none;
		bucket = share_run(s, host, 0).address;
	}
	return address_in_bucket(nat, r->interface, bucket);
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

/* Did a reset end an entry of this word? Not what the configuration made. */
static __always_inline u32 host_stale(const struct config *c, u32 interface, u32 own, u64 w)
{
	return word_stale(c, TABLE_HOSTS, interface, w) && !(own & OWN_FIXED);
}

/* What is needed of a host entry that was found: 1 if it was read whole. */
static __always_inline int host_read(const struct slot *s, u64 w, union host_value *value)
{
	value->word = LOAD(&s->data[1]);
	return slot_same(s, w);
}

/* The host entry with this key, of whatever generation, or NULL. */
static __always_inline struct slot *host_find(struct nat_instance *nat, u64 key, u64 *w, u32 *number,
					      union host_value *value)
{
	struct slot *s = table_seek(nat, TABLE_HOSTS, &key, w, number);

	return s && host_read(s, *w, value) ? s : 0;
}

/* The other address of the entry of this one, that stands: of a host, its outside address; 0: there is none. */
static __always_inline __be32 host_other(struct nat_instance *nat, const struct config *c, __be32 addr,
					 u32 key_interface)
{
	union host_value value;
	u32 number;
	u64 w;

	return host_find(nat, host_key(addr, (u8)key_interface), &w, &number, &value) &&
			       !host_stale(c, key_interface & (MAX_OUTSIDE - 1), value.own, w)
		       ? value.outside
		       : 0;
}

/* Is this address a host's alone already? */
static __always_inline int address_taken(struct nat_instance *nat, const struct config *c,
					 struct outside_address a)
{
	return host_other(nat, c, a.addr, HOST_OUTSIDE | a.interface) != 0;
}

/* The entry that hosts_insert() found there already, by work->ins, and *value; NULL: it ended meanwhile. */
static __always_inline struct slot *host_met(struct nat_instance *nat, const struct work *work,
					     union host_value *value)
{
	struct slot *s = env_slot(nat, TABLE_HOSTS, work->ins.slot);

	return s && host_read(s, work->ins.found, value) ? s : 0;
}

/*
 * Asked where an address is one host's alone. Does the host r->inside.addr have r->outside.addr? reverse, HOST_OUTSIDE: by the
 * claim on the address; 0: by the host's own entry.
 */
SLOW u32 host_owns(struct nat_instance *nat, const struct request *r, u32 reverse)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!r || !c)
		return 0;
	__be32 from = reverse ? r->outside.addr : r->inside.addr;
	__be32 to = reverse ? r->inside.addr : r->outside.addr;
	return host_other(nat, c, from, reverse | r->interface) == to;
}

/*
 * Is there an address now that r->inside could have, and not the one that was seen not to serve (0: any)? That may have come
 * back since. While there is none, nobody loses the one that he had; and whoever has his by reservation has no other.
 */
SLOW u32 host_can_move(struct nat_instance *nat, struct request *r, __be32 lost)
{
	const struct config *c = env_config(nat);
	union host_value value = { .word = 0 };
	u32 number;
	u64 w;

	SLOW_ENTER(nat);
	if (!r || !c)
		return 0;
	struct outside_address a = host_choose(nat, c, r);
	if (a.addr == lost || !address_serves(a, r->interface, r->own))
		return 0;
	int known = host_find(nat, host_key(r->inside.addr, r->interface), &w, &number, &value) != 0;
	if (known && value.own & OWN_FIXED)
		return 0;
	if (!request_alone(c, r) ||
	    (known && address_serves(address_find(nat, c, value.outside), r->interface, 0)))
		return 1;
	return vacant_find(nat, r->interface, 0) != NO_INDEX;
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
	struct slot *s = host_find(nat, key, &w, &number, &value);

	if (!s)
		return 0;
	u32 fixed = value.own & OWN_FIXED;
	struct outside_address a = address_find(nat, c, value.outside);
	int serves = address_serves(a, r->interface, r->own | fixed);
	if (fixed && !serves)
		return -1;
	u32 stale = host_stale(c, r->interface, value.own, w);
	if (!serves || stale) {
		__be32 lost = serves ? 0 : value.outside;
		if (request_alone(c, r) ? stale
					: host_can_move(nat, r, lost)) /* alone: once another is claimed */
			slot_end(s, w);
		return 0;
	}
	r->outside.addr = value.outside;
	if (request_alone(c, r) && !host_owns(nat, r, HOST_OUTSIDE)) {
		slot_end(s, w);
		return 0;
	}
	if (!slot_touch(s, w, r->now, word_gen(w), 0))
		return 0;
	r->index = a.index; /* not that of then: it may have been away */
	r->host = number;
	r->same_port = value.own & OWN_SAME_PORTS;
	r->alone = r->same_port && !(a.flags & ADDRESS_LOCAL);
	return 1;
}

/* An entry of the host table, in work->ins: what other tells is its other address. */
static __always_inline void host_prepare(const struct config *c, struct work *work, u64 key, __be32 other,
					 u8 own)
{
	const struct request *r = &work->req;
	struct insert *ins = &work->ins;

	ins->words[0] = word_make(r->now, generation_in(r->generation, TABLE_HOSTS), 0);
	ins->words[1] = key;
	ins->words[2] = ins->words[3] = ins->words[4] = ins->words[5] = ins->words[6] = ins->words[7] = 0;
	ins->host.interface = r->interface;
	ins->host.own = own;
	ins->host.index = (u16)r->index;
	ins->host.outside = other;
	ins->host.created = r->now;
	ins->hash = table_hash(c, TABLE_HOSTS, &key);
	ins->now = r->now;
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

/* Insert the entry in work->ins, if need be in the place of an idle host. INSERT_*. */
static __always_inline u32 host_put(struct nat_instance *nat, struct work *work)
{
	u32 put = hosts_insert(nat, &work->ins);

	if (put == INSERT_FULL && host_make_room(nat, work))
		put = hosts_insert(nat, &work->ins);
	return put;
}

/*
 * The address that stands for a client of full NAT, in place of a host's. 0 or a reason. Clients are no hosts: there may be
 * more of them than hosts, and who they are is for others to say.
 */
SLOW u32 client_address(struct nat_instance *nat, struct request *r)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!r || !c)
		return REASON_internal;
	struct outside_address a = address_find(nat, c, r->client);
	if (!address_serves(a, r->interface, r->own))
		return REASON_no_address;
	r->outside.addr = a.addr;
	r->index = a.index;
	r->host = NO_SLOT;
	r->same_port = r->alone = 0;
	return 0;
}

/*
 * The outside address of r->inside.addr on r->interface: r->outside.addr and r->index. The host is found or made.
 * 0, a reason, or HOST_UNCLAIMED.
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

	if (r->client)
		return client_address(nat, r);
	int known = host_known(nat, c, r, key);
	if (known)
		return known > 0 ? 0 : REASON_no_address;
	if (request_alone(c, r))
		return HOST_UNCLAIMED;

	struct outside_address a = host_choose(nat, c, r);
	if (!address_serves(a, r->interface, r->own))
		return REASON_no_address;
	r->index = a.index;
	host_prepare(c, work, key, a.addr, r->own);
	switch (host_put(nat, work)) {
	case INSERT_NEW:
		r->outside.addr = a.addr;
		r->host = ins->slot;
		r->same_port = r->alone = 0;
		return 0;
	case INSERT_FOUND: /* another packet of the host was first: its choice stands */
		return host_known(nat, c, r, key) > 0 ? 0 : REASON_table_busy;
	case INSERT_FULL:
		return REASON_hosts_full;
	default:
		return REASON_table_busy;
	}
}

/* What claims say beside reasons. */
enum { CLAIM_DONE, CLAIM_TAKEN = 0xfffe, CLAIM_AGAIN = 0xffff };

/* What is to be done about the reverse entry that was there already. CLAIM_*. */
static __always_inline u32 address_found(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u64 w = work->ins.found;
	union host_value value;
	struct slot *s = host_met(nat, work, &value);

	if (!s)
		return CLAIM_AGAIN;
	if (value.own & OWN_FIXED)
		return CLAIM_TAKEN;
	if (host_stale(c, r->interface, value.own, w)) {
		slot_end(s, w);
		return CLAIM_AGAIN;
	}
	if (value.outside != r->inside.addr)
		return CLAIM_TAKEN;
	return slot_touch(s, w, r->now, word_gen(w), HOST_SHARED) ? CLAIM_DONE : CLAIM_AGAIN;
}

/* Claim an outside address for r->inside.addr. CLAIM_*, or a reason. */
static __always_inline u32 address_claim(struct nat_instance *nat, const struct config *c, struct work *work,
					 struct outside_address a)
{
	struct request *r = &work->req;

	r->outside.addr = a.addr;
	r->index = a.index;
	r->claim = 0;
	host_prepare(c, work, host_key(a.addr, HOST_OUTSIDE | r->interface), r->inside.addr, OWN_SAME_PORTS);
	switch (host_put(nat, work)) {
	case INSERT_NEW:
		r->claim = work->ins.found;
		r->claim_slot = work->ins.slot;
		vacant_set(nat, r->interface, a.index, 0);
		return CLAIM_DONE;
	case INSERT_FOUND:
		return address_found(nat, c, work);
	case INSERT_FULL:
		return REASON_hosts_full;
	default:
		return REASON_table_busy;
	}
}

/* Give back what was claimed, unless others go by it already. */
static __always_inline void address_give(struct nat_instance *nat, const struct request *r)
{
	struct slot *s = r->claim ? env_slot(nat, TABLE_HOSTS, r->claim_slot) : 0;

	if (s && slot_end(s, r->claim))
		vacant_set(nat, r->interface, r->index, 1);
}

/*
 * The host's entry was there: it counts if its address serves; else it is what is left of before, and ends.
 * CLAIM_DONE and r->outside.addr, r->index, or CLAIM_AGAIN.
 */
static __always_inline u32 host_found(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u64 w = work->ins.found;
	union host_value value;
	struct slot *s = host_met(nat, work, &value);

	if (!s)
		return CLAIM_AGAIN;
	struct outside_address a = address_find(nat, c, value.outside);
	if (host_stale(c, r->interface, value.own, w) || !address_serves(a, r->interface, 0)) {
		slot_end(s, w);
		return CLAIM_AGAIN;
	}
	if (!slot_touch(s, w, r->now, word_gen(w), 0))
		return CLAIM_AGAIN;
	if (value.outside != r->outside.addr)
		address_give(nat, r);
	r->outside.addr = value.outside;
	r->index = a.index;
	return CLAIM_DONE;
}

/* The entry of r->inside.addr, whose outside address was claimed just now. 0 or a reason. */
static __always_inline u32 host_settle(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u32 outcome = REASON_table_busy;

	host_prepare(c, work, host_key(r->inside.addr, r->interface), r->outside.addr, OWN_SAME_PORTS);
	r->same_port = OWN_SAME_PORTS;
	r->alone = 1;
	for (u32 i = 0; i < HOST_TRIES; i++) {
		u32 put = host_put(nat, work);

		r->host = work->ins.slot;
		if (put == INSERT_NEW || (put == INSERT_FOUND && host_found(nat, c, work) == CLAIM_DONE))
			return 0;
		if (put == INSERT_FULL)
			outcome = REASON_hosts_full;
		if (put != INSERT_FOUND)
			break;
	}
	address_give(nat, r);
	return outcome;
}

/* An outside address for r->inside.addr alone: as host_get(), which found none. */
SLOW u32 host_claim(struct nat_instance *nat, struct work *work)
{
	struct config *c = env_config(nat);
	union {
		u64 word;
		struct outside_address address;
	} at;

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	at.address = host_choose(nat, c, r);
	if (!address_serves(at.address, r->interface, 0))
		return REASON_no_address;
	u32 index = at.address.index;
	for (u32 i = 0; i < ADDRESS_CLAIMS; i++) {
		u32 claimed = at.word ? address_claim(nat, c, work, at.address) : CLAIM_TAKEN;
		if (claimed == CLAIM_DONE)
			return host_settle(nat, c, work);
		if (claimed == CLAIM_AGAIN)
			continue;
		if (claimed != CLAIM_TAKEN)
			return claimed;
		vacant_set(nat, r->interface, index, 0);
		index = vacant_find(nat, r->interface, index);
		if (index == NO_INDEX) {
			STORE(&c->refused[r->interface & (MAX_OUTSIDE - 1)], 1);
			return REASON_no_free_address;
		}
		at.word = LOAD(&c->indexes[index & (MAX_POOL_ADDRESSES - 1)]);
	}
	return REASON_table_busy;
}

/* The outside address of r->inside.addr, found, made or claimed: as host_get(). 0 or a reason. */
static __always_inline u32 host_out(struct nat_instance *nat, struct work *work)
{
	u32 reason = host_get(nat, work);

	return reason == HOST_UNCLAIMED ? host_claim(nat, work) : reason;
}

/* r->outside.addr is a host's alone: 1 and r->inside, the port as it is; 0: whose is not known, or not any more. */
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
	r->generation = generation_word(c, r->interface);
	if (!host_find(nat, host_key(r->outside.addr, HOST_OUTSIDE | r->interface), &w, &number, &value) ||
	    host_stale(c, r->interface, value.own, w))
		return 0;
	r->inside.addr = value.outside;
	r->inside.port = r->outside.port;
	r->index = value.index;
	return 1;
}

/*
 * Of a protocol without ports: 1 and r->outside, r->index if the host r->inside.addr has an address to itself, so that
 * nobody else's answers come there; else 0. Nothing is made or touched.
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
	if (!host_find(nat, host_key(r->inside.addr, r->interface), &w, &number, &value) ||
	    host_stale(c, r->interface, value.own, w))
		return 0;
	u32 fixed = value.own & OWN_FIXED;
	struct outside_address a = address_find(nat, c, value.outside);
	if (!address_serves(a, r->interface, fixed))
		return 0;
	if (fixed ? !(a.flags & ADDRESS_RESERVED) : !request_alone(c, r))
		return 0;
	r->outside.addr = value.outside;
	r->outside.port = 0;
	r->index = a.index;
	return 1;
}
