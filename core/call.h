/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * call.h - PPTP's calls (RFC 2637): GRE by call id, so that several hosts may call one server by one outside address.
 *
 * Each end of a call names it by an id of its own, and tells the other in the control connection (pptp.h). A GRE packet carries the id
 * that its receiver named, and so, unlike an SPI, says by itself whose it is, if no two calls behind one outside address have one id.
 * Hosts do not know of each other and may choose the same: then another id stands for a host's outside, in control messages and
 * in GRE packets from the server.
 *
 * THREE FLOWS stand for a call. In their keys the id stands for the port of whom the packet is for, and GRE_PPP, which all such packets
 * carry, for the other's, so that nothing of what goes by address is among them.
 *
 *   in	     (server, GRE_PPP) -> (outside address, id outside): the new destination is the host, with the id that it named. This flow is
 *	     the claim on the id outside: inserted if absent when a message of the host names the call, before that message leaves. An id
 *	     may be had as it is, or is the first free one of CALL_TRIES that follow from it; so whoever knows what the host
 *	     called it finds what stands for it, and the other way round the flow says so. Nothing else is written anywhere.
 *   out     (host, GRE_PPP) -> (server, id of the server's): when a message said what the server calls it. It changes the source alone.
 *   permit  (server, GRE_PPP) -> (outside address, id of the server's): who may be told of errors about it, as of an SPI.
 *
 * The first two name each other as halves of a session do, and the sweep judges them as it judges those of SPIs. A host that calls again
 * with its id has the same one outside. When the server has another name for it then, the outbound flow of the older one ends, so that
 * there are never more than these three for one id of a host, whatever a server says; of two that came at once one may be left until its time is over.
 *
 * WITHOUT a control connection that was seen, or whose messages were cut in segments, no flow has the id of a GRE packet: then the
 * packet counts as one that has none, and goes by address as all GRE did before, and as GRE of version 0 always does (session.h). So
 * do all packets of a host that has its outside address to itself.
 *
 * A RESET of flows cannot have ids learned again: nobody says them twice. So flows of calls outlive it: no inserter takes their slots
 * for being old, and the first packet, or the sweep, gives them the new generation, if their host still has that outside address.
 *
 * TWO PROCESSORS. Two calls that want one id: the table lets one be inserted, and the other looks again. One message seen by two
 * processors at once may be given two ids only if the first of the two became free in between; the one that the server does not
 * use ends by its time.
 *
 * LATER FRAGMENTS go where the first one told (fragment.h), else by address.
 */
#pragma once
#include "core/fragment.h"
#include "core/spi.h"

enum { CALL_TRIES = 32, CALL_STEP = 0x3d1b };

/* The i-th id that may stand for one outside. */
static __always_inline __be16 call_candidate(__be16 id, u32 i)
{
	return host_to_be16((u16)(be16_to_host(id) + i * CALL_STEP));
}

static __always_inline void call_key(union flow_key *key, const struct request *r)
{
	spi_key(key, r, DIRECTION_IN, host_to_be16(GRE_PPP), r->outside.port);
}

/* A flow of a call counts, as used at `time`, whatever reset came, if its host has the outside address yet. 0: it does not. */
static __always_inline int call_renew(struct nat_instance *nat, struct slot *s, u64 w, u32 time,
				      __be32 inside, __be32 outside, u8 interface, u32 own)
{
	const struct config *c = env_config(nat);

	if (!c)
		return 0;
	u32 gen = generation_now(c, TABLE_FLOWS, interface); /* before the look at the host */
	if (!(own & OWN_ROUTER) && host_other(nat, c, inside, interface) != outside)
		return 0;
	return slot_touch(s, w, time, gen, 0);
}

/* The flow that flow_seek() found, if one, does not stand: is it of a call, and only a reset made it old? */
static __always_inline int call_waits(const struct config *c, const struct flow_hit *hit)
{
	return hit->slot && hit->value.own & FLOW_CALL && !address_left(c, hit->value.index) &&
	       slot_same(hit->slot, hit->word);
}

/*
 * The flow of a call with this key: as flow_seek(), but one that a reset made old may count again. Then it is not asked again whether
 * it stands: the next reset would make it old once more, and the packet another host's.
 */
static __always_inline int call_find(struct nat_instance *nat, const struct config *c,
				     const union flow_key *key, struct flow_hit *hit)
{
	int out = key->direction == DIRECTION_OUT;

	return flow_seek(nat, c, key->word, hit) ||
	       (call_waits(c, hit) &&
		call_renew(nat, hit->slot, hit->word, word_time(hit->word),
			   out ? key->saddr : hit->value.addr, out ? hit->value.addr : key->daddr,
			   hit->value.interface, hit->value.own));
}

/*
 * GRE: if no flow has its call id, it counts as a packet without. A later fragment has that of the first one. Asked of all that go the
 * long way, for the verifier would follow what comes after it twice.
 */
SLOW u32 call_settle(struct nat_instance *nat, struct work *work, u32 direction)
{
	const struct config *c = env_config(nat);
	union flow_key key;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct packet *p = &work->packet;
	if (p->ip.protocol != PROTOCOL_GRE || p->kind != PACKET_OTHER)
		return 0;
	if (p->piece && !p->ip.sport)
		fragment_find(nat, work, direction);
	flow_key(&key, &p->ip, (u8)direction);
	if (p->ip.sport && call_find(nat, c, &key, &hit) &&
	    (direction == DIRECTION_IN || hit.value.interface == work->meeting.interface))
		return 1;
	p->ip.sport = p->ip.dport = 0;
	p->kind = PACKET_OTHER;
	p->first = p->later = 0;
	return 0;
}

/*
 * The flow of this GRE packet's call was there just now, and is old again: the next reset came. The plan is made by it all the same, if
 * it has not ended.
 */
SLOW u32 call_pass(struct nat_instance *nat, struct work *work, u32 direction)
{
	const struct config *c = env_config(nat);
	union flow_key key;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;

	flow_key(&key, &p->ip, (u8)direction);
	if (!call_find(nat, c, &key, &hit) || !flow_pass(&hit, p, work->meeting.now)) {
		plan_because(plan, REASON_mapping_lost);
		return 0;
	}
	if (direction == DIRECTION_OUT) {
		plan->ip.saddr = hit.value.addr;
		plan->ip.sport = hit.value.port;
		plan_because(plan, p->later ? REASON_out_fragment : REASON_out_session);
		return 0;
	}
	plan->ip.daddr = hit.value.addr;
	plan->ip.dport = hit.value.port;
	plan_because(plan, p->later ? REASON_in_fragment : REASON_in_session);
	return 0;
}

struct call_search {
	struct nat_instance *nat;
	struct request *req;
};

/* Is the i-th candidate what stands for the id of the request's host? Of those that nobody has, the first is noted. */
static long call_step(u32 i, void *context)
{
	struct call_search *s = context;
	struct request *r = s->req;
	const struct config *c = env_config(s->nat);
	union flow_key key;
	struct flow_hit hit;

	r->outside.port = call_candidate(r->inside.port, i);
	call_key(&key, r);
	if (!c)
		return 1;
	if (!flow_seek(s->nat, c, key.word, &hit) && !call_waits(c, &hit)) {
		if (!r->port)
			r->port = i + 1;
		return 0;
	}
	r->claim = hit.word;
	r->in_slot = hit.number;
	r->outcome = hit.value.addr == r->inside.addr && hit.value.port == r->inside.port;
	return r->outcome;
}

/*
 * What stands for r->inside's id at r->outside.addr towards r->remote.addr: 1, r->outside.port and r->in_slot; or 0, and in
 * r->outside.port what may stand for it, if there is r->port. A reset may have made it old.
 */
SLOW u32 call_seek(struct nat_instance *nat, struct work *work)
{
	SLOW_ENTER(nat);
	if (!work)
		return 0;
	struct request *r = &work->req;
	struct call_search s = { .nat = nat, .req = r };

	r->port = r->outcome = 0;
	env_loop(CALL_TRIES, call_step, &s);
	if (r->outcome)
		return 1;
	r->outside.port = call_candidate(r->inside.port, r->port - 1);
	return 0;
}

/* The flow that was prepared is one of a call; half: of two that the sweep judges together, so that no inserter takes one. */
static __always_inline void call_prepared(struct work *work, int half)
{
	union flow_value value;

	value.word[0] = work->ins.words[3];
	value.own |= FLOW_CALL;
	if (half)
		value.idle_max = CLAIM_IDLE_MAX;
	work->ins.words[3] = value.word[0];
}

/* The claim that call_seek() found counts as used now. 0: it does not stand any more, and ends. */
SLOW u32 call_keep(struct nat_instance *nat, struct work *work)
{
	SLOW_ENTER(nat);
	if (!work)
		return 0;
	struct request *r = &work->req;
	struct slot *s = env_slot(nat, TABLE_FLOWS, r->in_slot);

	if (!s)
		return 0;
	if (call_renew(nat, s, r->claim, r->now, r->inside.addr, r->outside.addr, r->interface, r->own))
		return 1;
	slot_end(s, r->claim);
	return 0;
}

/* Claim the id r->outside.port, which looked free: 0 and r->in_slot, CLAIM_AGAIN or a reason. */
SLOW u32 call_claim(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct insert *ins = &work->ins;
	flow_prepare(c, work, DIRECTION_IN, NO_SLOT, 0);
	call_prepared(work, 1);
	u32 put = flows_insert(nat, ins);
	struct slot *s = env_slot(nat, TABLE_FLOWS, ins->slot);

	work->req.in_slot = ins->slot;
	if (put == INSERT_FOUND && s && address_left(c, WORD_FIELD(LOAD(&s->data[3]), 48, 16)))
		slot_end(s, ins->found);
	return put == INSERT_NEW    ? 0
	       : put == INSERT_FULL ? REASON_flows_full
	       : put == INSERT_BUSY ? REASON_table_busy
				    : CLAIM_AGAIN;
}

/*
 * A message of the request's host names a call r->inside.port: what stands for it, found or, if the call begins, made, as
 * call_seek(). 0; REASON_no_mapping: nothing; or another reason.
 */
static __always_inline u32 call_name(struct nat_instance *nat, struct work *work, int begins)
{
	struct request *r = &work->req;

	for (int try = 0; try < MAPPING_TRIES; try++) {
		if (call_seek(nat, work)) {
			if (call_keep(nat, work))
				return 0;
			continue;
		}
		if (!begins)
			return REASON_no_mapping;
		if (!r->port)
			return REASON_calls_taken;
		u32 reason = session_admit(nat, work);
		if (reason)
			return reason;
		reason = call_claim(nat, work);
		if (!reason)
			return 0;
		account_return(nat, r);
		if (reason != CLAIM_AGAIN)
			return reason;
	}
	return REASON_table_busy;
}

/* Is r->outside's id one of the host r->inside.addr's? 1, r->inside.port and r->in_slot. */
SLOW u32 call_owner(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union flow_key key;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	call_key(&key, r);
	if (!call_find(nat, c, &key, &hit) || hit.value.addr != r->inside.addr)
		return 0;
	r->inside.port = hit.value.port;
	r->in_slot = hit.number;
	return 1;
}

/* The flow out in this slot, if it still is of the call whose inbound flow is r->in_slot, ends, and who was told of errors about it. */
SLOW u32 call_close(struct nat_instance *nat, struct work *work, u32 at)
{
	const struct config *c = env_config(nat);
	union flow_value value;
	union flow_key key, is;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct request *r = &work->req;
	struct slot *s = at <= c->flow_mask ? env_slot(nat, TABLE_FLOWS, at) : 0;
	if (!s)
		return 0;
	u64 w = LOAD(&s->word);
	is.word[0] = LOAD(&s->data[0]);
	is.word[1] = LOAD(&s->data[1]);
	value.word[0] = LOAD(&s->data[2]);
	if (word_state(w) != LIVE || value.peer != r->in_slot || is.saddr != r->inside.addr ||
	    is.daddr != r->remote.addr || is.protocol != PROTOCOL_GRE || is.direction != DIRECTION_OUT ||
	    !is.sport || !slot_same(s, w))
		return 0;
	slot_move(s, w, FREE);
	spi_key(&key, r, DIRECTION_PERMIT, is.sport, is.dport);
	if (flow_seek(nat, c, key.word, &hit) && hit.value.addr == r->inside.addr)
		slot_end(hit.slot, hit.word);
	return 1;
}

/*
 * The server calls the call whose inbound flow is r->in_slot r->remote.port: the flows out. What the table refuses goes by address.
 * The slot of the flow out with another name that it gave before, or NO_SLOT: it is to be closed.
 */
SLOW u32 call_open(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union flow_value value;
	union flow_key key;

	SLOW_ENTER(nat);
	if (!work || !c)
		return NO_SLOT;
	struct request *r = &work->req;
	struct slot *in = env_slot(nat, TABLE_FLOWS, r->in_slot);
	if (!in)
		return NO_SLOT;
	value.word[0] = LOAD(&in->data[2]);
	r->inside.port = r->outside.port = host_to_be16(GRE_PPP);
	flow_prepare(c, work, DIRECTION_OUT, r->in_slot, 0);
	call_prepared(work, 1);
	u32 put = flow_put(nat, &work->ins);
	if (put > INSERT_FOUND)
		return NO_SLOT;
	if (put == INSERT_FOUND) /* perhaps of an inbound flow that has ended */
		flow_point(nat, c, work->ins.slot, r->in_slot);
	u32 was = value.peer == work->ins.slot ? NO_SLOT : value.peer;
	flow_point(nat, c, r->in_slot, work->ins.slot);
	spi_key(&key, r, DIRECTION_PERMIT, r->inside.port, r->remote.port);
	spi_prepare(c, work, &key);
	call_prepared(work, 0);
	(void)flow_put(nat, &work->ins);
	return was;
}

/* Of r->inside.addr, to which a packet with a call id came: 1 and r->outside.addr. */
SLOW u32 call_host(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	r->outside.addr = host_other(nat, c, r->inside.addr, r->interface);
	return r->outside.addr != 0;
}

/* Who sent the packet to r->remote, with a call id, that left from r->outside: 1 and r->inside.addr. */
SLOW u32 call_sender(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union flow_key key;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	spi_key(&key, r, DIRECTION_PERMIT, r->outside.port, r->remote.port);
	if (!call_find(nat, c, &key, &hit))
		return 0;
	r->inside.addr = hit.value.addr;
	r->own = hit.value.own & OWN_ROUTER;
	return 1;
}

/* An ICMP error about a packet without ports: the other address as session_peek(), and what stands in place of ports. */
static __always_inline u32 portless_peek(struct nat_instance *nat, struct work *work, u32 out)
{
	struct request *r = &work->req;
	struct tuple *q = &work->packet.quote;

	if (tuple_has_call(q)) {
		if (out ? call_host(nat, work) && call_seek(nat, work) : call_sender(nat, work))
			return 1;
		q->sport = q->dport = 0; /* it went by address */
		r->inside.port = r->outside.port = r->remote.port = 0;
	}
	return spi_has(r, out ? r->inside : r->outside) ? spi_peek(nat, work, out)
							: session_peek(nat, work, out);
}
