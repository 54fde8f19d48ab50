/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * clients.h - full NAT (RFC 2663 section 4.3: twice NAT): a port mapping whose server sees an inside address of the router in
 * place of its client, and needs no way to the outside.
 *
 * Two NATs, one behind the other. The outside interface's translates as for any port mapping, so the kernel routes and
 * filters the client's own address both ways. The second one stands at the inside interface and looks the other way: the
 * client is its inside endpoint, and an inside address of the router its outside one, which has its own mappings, sessions and
 * ports, by the same protocols. It has a number of its own among those of outside interfaces, clients_number() in
 * plan.h.
 *
 *	client C:p ──> outside O:q ── in ──> C:p > S:s ── kernel ──> egress of inside: client ──> R:r > S:s ──> server
 *	           <── O:q > C:p ── out ──── S:s > C:p <── kernel ── ingress of inside: answer ── S:s > R:r <──
 *
 * Whose packets: those of sessions with a mapping that has OWN_FULL, opened from outside (OWN_FULL in its flows); what the
 * server itself opened goes as ever. A client in hairpin has passed the outside NAT already: its outside endpoint is the
 * client, and the answer, back at that, is met once more as a packet from inside. The router's own packets with that address
 * claim their port as they do outside, so nobody takes it from them. Only UDP and TCP, which port mappings are for.
 *
 * It does not matter whether the kernel or the fast path (lease.h) brings a packet to the egress: it is translated there.
 *
 * Resets of an outside interface are not this NAT's: its address is none of theirs. It follows the router's inside address.
 */
#pragma once
#include "core/miss.h"

/* The bit of an address in config.servers. */
static __always_inline u32 server_bit(__be32 addr) { return (u32)addr * 0x9e3779b1u >> 20; }

/* Can there be a server of full NAT at this address? Nearly all others are told apart by one look. */
static __always_inline int server_maybe(const struct config *c, __be32 addr)
{
	u32 bit = server_bit(addr);

	return (int)(LOAD(&c->servers[bit / 64 % SERVER_WORDS]) >> (bit & 63) & 1);
}

/* By these words, as config.servers has them, there can. */
static __always_inline void server_add(u64 words[SERVER_WORDS], __be32 addr)
{
	u32 bit = server_bit(addr);

	FETCH_OR(&words[bit / 64 % SERVER_WORDS], 1ull << (bit & 63));
}

/*
 * Is r->inside a client of the server at r->remote? 1 and r->client. r->interface is the clients'; work->meeting.by that of
 * the session, unless a flow tells. What the server opened itself has no client, unless one is known.
 */
SLOW u32 client_find(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	u32 interface = work->meeting.by;
	union flow_key key;
	struct flow_hit hit;
	struct half half;

	flow_key_between(&key, r->remote, r->inside, r->protocol, DIRECTION_OUT);
	if (flow_find(nat, c, key.word, &hit)) {
		interface = hit.value.interface;
		if (!(hit.value.own & OWN_FULL) && mapping_peek_out(nat, work))
			return 0;
	} else if (address_passes(nat, (u32)r->inside.addr)) {
		return 0; /* it needs no port mapping to come here */
	}
	if (half_find(nat, c, mapping_key(r->remote, r->class, HALF_INSIDE, interface), interface, &half) !=
	    HALF_LIVE)
		return 0;
	half.value.rest = LOAD(&half.slot->data[2]);
	r->client = (__be32)half.value.host;
	return half.value.own & OWN_FULL && slot_same(half.slot, half.word);
}

/* An ICMP error about a packet that the server sent to its client, r->inside (RFC 5508 REQ-4). */
static __always_inline u32 error_client(struct nat_instance *nat, struct work *work)
{
	if (!client_find(nat, work) || mapping_peek_out(nat, work))
		return REASON_full_nat_not;
	return REASON_full_nat;
}

/* May packets of this source be a client's, or (r->own) the router's in the name of that address? */
static __always_inline int client_classify(struct nat_instance *nat, const struct config *c,
					   struct work *work)
{
	struct request *r = &work->req;
	struct outside_address a = address_find(nat, c, r->inside.addr);

	if (work->meeting.local) {
		r->client = r->inside.addr;
		r->own = OWN_ROUTER;
		return a.flags & ADDRESS_CLIENTS && a.interface == r->interface;
	}
	if (work->meeting.from == ROLE_INSIDE) { /* hairpin */
		work->meeting.by = a.interface;
		return (a.flags & ADDRESS_LIVE) != 0;
	}
	return work->meeting.from == ROLE_OUTSIDE;
}

/* A packet goes from r->inside to r->remote, by an inside interface. On a TRANSLATE reason r->outside is the new source. */
static __always_inline u32 open_client(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;

	if (r->class >= CLASS_ICMP || !client_classify(nat, c, work))
		return REASON_full_nat_not;
	if (!r->own && !client_find(nat, work))
		return REASON_full_nat_not;
	u32 reason = session_out(nat, work);
	return reason_verdict(reason) == VERDICT_TRANSLATE ? REASON_full_nat : reason;
}

SLOW u32 miss_client(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	struct request *r = request_start(work);

	r->interface = clients_number(work->meeting.interface) & (MAX_OUTSIDE - 1);
	r->hairpin = FLOW_HAIRPIN;
	if (p->kind == PACKET_ERROR) {
		r->inside = destination_of(&p->quote);
		r->remote = source_of(&p->quote);
		plan_because(plan, error_client(nat, work));
		plan->quote.daddr = r->outside.addr;
		plan->quote.dport = r->outside.port;
		if (!work->meeting.local)
			plan->ip.saddr = r->outside.addr;
		return 0;
	}
	r->inside = source_of(&p->ip);
	r->remote = destination_of(&p->ip);
	plan_because(plan, open_client(nat, c, work));
	plan->ip.saddr = r->outside.addr;
	plan->ip.sport = r->outside.port;
	return 0;
}
