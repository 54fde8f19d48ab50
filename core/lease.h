/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lease.h - the fast path: packets of known flows that go from the interface where they came in straight to the one where
 * they leave, without the kernel's routing.
 *
 * THEORY OF OPERATION
 *
 * The kernel shows the way. A packet that it routed and sent is seen at the egress of its device, with the Ethernet header
 * that the kernel chose, and the mark and priority that filter rules gave it. The flow of such a packet gets a LEASE: the
 * number of that next hop and the tick. As long as the lease holds, a packet of the flow that comes in by the same interface
 * as the one before is translated where it comes in, gets that header, one hop less, and is redirected to that device.
 * Nothing computes a route a second time, whatever rules made the first.
 *
 * A lease ends
 *	by age		LEASE_WATCHED ticks after it was given; LEASE_ALONE, if nobody watches. Then packets go the kernel's way
 *			until one of them arrives at the egress, and is the lease's renewal. So neighbours, connection
 *			tracking and counters of filter rules see each flow that is in use, once a lease.
 *	by change	the daemon writes the tick into config.watch whenever routes, rules, neighbours, links, addresses or filter
 *			rules change. Leases of that tick and of all before it do not hold. One store, no walk.
 *	with its flow	reset, end, or an outside address that left: what is no session has no lease.
 *
 * config.watch holds two ticks (union lease_watch), written together: when the daemon last looked (without it leases are
 * short, since nobody tells of changes), and when something last changed.
 *
 * IN DOUBT a packet goes up, before a byte of it was touched: fragments, options, SYN, FIN and RST, the last hop, what is
 * larger than the device's MTU, ICMP, whatever no lease knows, and what came by another interface than before. TCP gets a
 * lease when both sides have spoken, so that the kernel's connection tracking has seen the opening, and keeps it until the
 * first FIN or RST.
 *
 * FULL NAT (clients.h) translates once more at the egress, whichever way a packet came there; so its sessions have leases,
 * too, for what comes in. What its servers answer goes to an address of the router, and by no lease.
 *
 * A NEXT HOP is found by what it says; a lease names it by its number, 1 .. NEXT_HOPS - 1. It is never freed: one to which no
 * lease was given for NEXT_HOP_KEEP ticks has none that holds, and whoever needs a place takes it. Its word says whether it is
 * whole, and changes with each owner; a reader looks twice. Where all places of a hash are in use, flows stay without a lease.
 *
 * A lease lies in one word of the flow with the slot of its mapping, which never changes, and is replaced by
 * compare-and-swap. If the flow ended meanwhile and another of the same mapping has the slot, the lease is taken back.
 */
#pragma once
#include "core/identification.h"
#include "core/session.h"

enum {
	LEASE_WATCHED = 24, /* less than the 30 s after which the kernel forgets a UDP connection */
	LEASE_ALONE = 4,
	LEASE_PATIENCE = 4, /* ticks without a word from the daemon until it counts as gone */
	LEASE_SHIFT = 20,   /* a lease: number of the next hop, tick */
	NEXT_HOP_KEEP = 2 * LEASE_WATCHED,
	NEXT_HOP_PROBES = 8,
};

#define NEXT_HOP_WHOLE (1ull << 63)

enum { NO_SESSION = -1 };

static __always_inline int lease_holds(const struct config *c, u32 lease, u32 now)
{
	union lease_watch watch = { .word = LOAD(&c->watch) };
	u32 age = (now - lease) & TIME, unwatched = (now + 1 - watch.looked) & TIME;

	return lease >> LEASE_SHIFT &&
	       age <= (u32)(unwatched <= LEASE_PATIENCE ? LEASE_WATCHED : LEASE_ALONE) &&
	       age < ((now - watch.changed) & TIME);
}

/* The words of a next hop behind its first, which say what it is. */
enum { NEXT_HOP_WORDS = 4 };
static __always_inline u64 *next_hop_words(struct next_hop *hop) { return &hop->word + 1; }

static __always_inline int next_hop_is(struct next_hop *hop, struct next_hop *like)
{
	u64 *a = next_hop_words(hop), *b = next_hop_words(like);

	return LOAD(a) == b[0] && LOAD(a + 1) == b[1] && LOAD(a + 2) == b[2] && LOAD(a + 3) == b[3];
}

/* Nobody holds a lease to it. */
static __always_inline int next_hop_idle(u64 word, u32 now)
{
	return !(word & NEXT_HOP_WHOLE) || word_age(word, now) > NEXT_HOP_KEEP;
}

/* Take a place for a next hop. 0: somebody else was faster. */
static __always_inline int next_hop_take(struct next_hop *at, u64 word, struct next_hop *like, u32 now)
{
	u64 taken = ((word | TIME) + 1) & ~NEXT_HOP_WHOLE, *to = next_hop_words(at),
	    *from = next_hop_words(like);

	if (!CAS(&at->word, word, taken))
		return 0;
	for (u32 i = 0; i < NEXT_HOP_WORDS; i++)
		STORE(to + i, from[i]);
	STORE(&at->word, taken | NEXT_HOP_WHOLE | (now & TIME));
	return 1;
}

/* The number of the next hop that is like this one, with a lease given now. 0: there is no room. */
static __always_inline u32 next_hop_number(struct nat_instance *nat, const struct config *c,
					   struct next_hop *like, u32 now)
{
	u64 *words = next_hop_words(like);
	u32 h = (u32)(hash_words(c, words[0] + words[3], words[1] ^ words[2]) >> 32), room = 0;

	for (u32 i = 0; i < NEXT_HOP_PROBES; i++) {
		u32 number = (h + i) & (NEXT_HOPS - 1);
		struct next_hop *at = env_next_hop(nat, number);
		if (!at || !number)
			continue;
		u64 word = LOAD(&at->word);
		if (next_hop_idle(word, now)) {
			room = room ? room : number;
			continue;
		}
		if (!next_hop_is(at, like))
			continue;
		if (word_time(word) == (now & TIME) || CAS(&at->word, word, (word & ~TIME) | (now & TIME)))
			return number;
	}
	struct next_hop *at = env_next_hop(nat, room);
	if (!room || !at)
		return 0;
	u64 word = LOAD(&at->word);
	return next_hop_idle(word, now) && next_hop_take(at, word, like, now) ? room : 0;
}

/* A copy of a next hop. 0: it is being replaced. */
static __always_inline int next_hop_read(struct nat_instance *nat, u32 number, struct next_hop *hop)
{
	struct next_hop *at = env_next_hop(nat, number);

	if (!at)
		return 0;
	u64 word = LOAD(&at->word), *from = next_hop_words(at), *to = next_hop_words(hop);
	for (u32 i = 0; i < NEXT_HOP_WORDS; i++)
		to[i] = LOAD(from + i);
	return word & NEXT_HOP_WHOLE && !((LOAD(&at->word) ^ word) & ~TIME);
}

/* May TCP go on without the kernel? It has seen more than the opening of this direction, and no end. */
static __always_inline int tcp_is_open(u32 flags)
{
	return (flags & (FLAG_DATA | FLAG_FIN | FLAG_RST)) == FLAG_DATA;
}

static __always_inline void lease_give(struct flow_hit *hit, u32 lease)
{
	union flow_value value = hit->value;

	value.lease = lease;
	if (CAS(&hit->slot->data[4], hit->value.word[2], value.word[2]) && !slot_same(hit->slot, hit->word))
		(void)CAS(&hit->slot->data[4], value.word[2], hit->value.word[2]);
}

/*
 * The kernel sent the packet of work->offer: its flow gets a lease, or a new one. 1: it did.
 */
SLOW u32 lease_renew(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct offer *offer = &work->offer;
	int tcp = offer->protocol == PROTOCOL_TCP, in = offer->direction == DIRECTION_IN;
	struct flow_hit hit, other;
	union flow_key key;

	flow_key_between(&key, offer->inside, offer->remote, offer->protocol, DIRECTION_OUT);
	if (!flow_seek(nat, c, key.word, &hit))
		return 0;
	if (in || (tcp && !hit.value.lease)) {
		struct endpoint outside = { .addr = hit.value.addr, .port = hit.value.port };
		other = hit;
		flow_key_between(&key, offer->remote, outside, offer->protocol, DIRECTION_IN);
		if (!flow_seek(nat, c, key.word, in ? &hit : &other))
			return 0;
		if (tcp && !(word_flags(other.word) & (FLAG_SYN | FLAG_DATA)))
			return 0;
	}
	if (hit.value.own & ~OWN_FULL || (tcp && !tcp_is_open(word_flags(hit.word))) ||
	    LOAD(&hit.slot->data[5]) < 2 || (hit.value.lease & TIME) == (offer->now & TIME))
		return 0;
	u32 number = next_hop_number(nat, c, &offer->hop, offer->now);
	if (number)
		lease_give(&hit, number << LEASE_SHIFT | (offer->now & TIME));
	return number != 0;
}

/* A packet that takes the fast path, and how. */
struct flight {
	struct target to;
	struct next_hop hop;
	u32 interface; /* the outside interface: whose counters */
};

/*
 * An ordinary packet came in by interface `from`; size: of the largest IP packet that will be on the wire; can: HOP_* that the
 * next hop must be; segments: see identify(). The reason, and the flight; NO_SESSION: it goes the kernel's way.
 */
static __always_inline int hit_fast(struct nat_instance *nat, const struct config *c, const struct packet *p,
				    u32 from, u8 direction, u32 size, u32 now, struct flight *flight, u32 can,
				    u32 segments)
{
	union flow_key key;
	struct flow_hit hit;

	flow_key(&key, &p->ip, direction);
	if (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST) || !flow_find(nat, c, key.word, &hit) ||
	    !lease_holds(c, hit.value.lease, now) ||
	    (p->ip.protocol == PROTOCOL_TCP && !tcp_is_open(word_flags(hit.word))) ||
	    !next_hop_read(nat, hit.value.lease >> LEASE_SHIFT, &flight->hop) || flight->hop.from != from ||
	    size > flight->hop.mtu || can & ~flight->hop.can || !flow_pass(&hit, p, now))
		return NO_SESSION;
	flight->to = target_of(&p->ip);
	flight->interface = hit.value.interface;
	if (direction == DIRECTION_OUT) {
		flight->to.saddr = hit.value.addr;
		flight->to.sport = hit.value.port;
		if (!p->atomic)
			identify(nat, &p->ip, &flight->to, segments);
		return REASON_out_fast;
	}
	flight->to.daddr = hit.value.addr;
	flight->to.dport = hit.value.port;
	return REASON_in_fast;
}
