/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * translate.h - decide: what becomes of a packet, and why. Read this first.
 *
 * Three questions, one for each place where a packet is met, and a fourth where there is full NAT (clients.h):
 *
 *   translate_out	leaves by an outside interface: its source must become an outside endpoint
 *   translate_in	came in by an outside interface: its destination may be one
 *   translate_hairpin	came in by an inside interface and goes to an address of ours: perhaps both; or to the one that
 *			stands for clients of full NAT: then it is an answer to one
 *   translate_client	leaves by an inside interface: its source may be such a client
 *
 * Each reads work->packet and work->meeting and fills work->plan (plan.h): verdict, reason, and for each header the addresses
 * and ports that it shall have. Nothing is written here but state. A known session is a look at one line; everything else
 * is a miss (miss.h), from there session.h, mapping.h and host.h.
 */
#pragma once
#include "core/clients.h"
#include "core/held.h"
#include "core/lease.h"

/* The request of a packet from inside, TCP or UDP, whose IP header lies there with its ports behind it: 1; 0: it is something else. */
static __always_inline int ahead_request(struct work *work, u8 *ip)
{
	struct request *r = &work->req;

	if (ip[0] != 0x45 || (ip[IPV4_PROTOCOL] != PROTOCOL_UDP && ip[IPV4_PROTOCOL] != PROTOCOL_TCP))
		return 0;
	r->inside.addr = get32(ip, IPV4_SOURCE);
	r->inside.port = get16(ip, IP_MIN);
	r->inside.zero = 0;
	r->remote.addr = get32(ip, IPV4_TARGET);
	r->remote.port = get16(ip, IP_MIN + 2);
	r->remote.zero = 0;
	r->protocol = ip[IPV4_PROTOCOL];
	r->class = r->protocol == PROTOCOL_TCP ? CLASS_TCP : CLASS_UDP;
	r->interface = AHEAD_INTERFACE;
	r->own = 0;
	r->client = 0;
	return 1;
}

/*
 * A packet that came in by an inside interface will most likely leave by an outside one: ask for its flow now, and for what
 * its first packet needs if it is not at home, and routing goes on while the lines come. The processor does not wait for
 * the first to ask for the others: it guesses which way the comparison goes. Nothing depends on any of it.
 */
static __always_inline void translate_ahead(struct nat_instance *nat, const struct config *c,
					    const struct bytes *b, u32 l3)
{
	u8 *ip = packet_bytes(b, l3, IP_MIN + QUOTE_MIN);
	struct work *work = env_scratch(nat);
	union flow_key key;

	if (!ip || !work || !ahead_request(work, ip))
		return;
	flow_key_between(&key, work->req.inside, work->req.remote, work->req.protocol, DIRECTION_OUT);
	struct slot *s = table_home(nat, c, TABLE_FLOWS, key.word);
	if (!s || LOAD(&s->word) & REACH || slot_key_is(TABLE_FLOWS, s, key.word)) {
		work->firsts = 0;
		return;
	}
	work->firsts++;
	mapping_guess(nat, work, 0);
}

/*
 * The fast path waits for a packet's flow before anything else is asked for. Where one first packet comes after the other, all that it
 * needs is asked for at once, before the fast path looks.
 */
enum { AHEAD_FIRSTS = 2 };
static __always_inline int ahead_wanted(const struct work *work) { return work->firsts >= AHEAD_FIRSTS; }

static __always_inline void translate_expect(struct nat_instance *nat, struct work *work,
					     const struct bytes *b, u32 l3)
{
	u8 *ip = packet_bytes(b, l3, IP_MIN + QUOTE_MIN);

	if (ip && ahead_request(work, ip))
		mapping_guess(nat, work, 1);
}

/*
 * A packet of a known session leaves by this interface: the reason, and its source in *n, which had the packet's own
 * endpoints. NO_SESSION: unknown, or its way now leads out by another interface. *lease: see lease.h.
 */
static __always_inline int hit_out(struct nat_instance *nat, const struct config *c, const struct packet *p,
				   u32 interface, u32 now, struct target *n, u32 *lease)
{
	union flow_key key;
	struct flow_hit hit;

	flow_key(&key, &p->ip, DIRECTION_OUT);
	if (!flow_find(nat, c, key.word, &hit) || hit.value.interface != interface ||
	    !flow_pass(&hit, p, now))
		return NO_SESSION;
	n->saddr = hit.value.addr;
	n->sport = hit.value.port;
	*lease = hit.value.lease;
	return p->later ? REASON_out_fragment : REASON_out_session;
}

/* A packet of a known session came in: as above, with its destination. */
static __always_inline int hit_in(struct nat_instance *nat, const struct config *c, const struct packet *p,
				  u32 now, struct target *n)
{
	union flow_key key;
	struct flow_hit hit;

	flow_key(&key, &p->ip, DIRECTION_IN);
	if (!flow_find(nat, c, key.word, &hit))
		return NO_SESSION;
	if (hit.value.own & FLOW_HAIRPIN) /* its remote is not outside: nobody there may use it */
		return REASON_spoofed_own;
	if (!flow_pass(&hit, p, now))
		return NO_SESSION;
	n->daddr = hit.value.addr;
	n->dport = hit.value.port;
	return p->later ? REASON_in_fragment : REASON_in_session;
}

/* Both sessions of a hairpinned packet are known, or that of an answer to a client of full NAT: 1, and the plan is made. */
SLOW u32 hit_hairpin(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	union flow_key key;
	struct flow_hit out, in;

	flow_key(&key, &p->ip, DIRECTION_OUT);
	out.slot = 0;
	if (plan->hairpin) {
		if (!flow_find(nat, c, key.word, &out))
			return 0;
		key.saddr = out.value.addr;
		key.sport = out.value.port;
	}
	key.direction = DIRECTION_IN;
	if (!flow_find(nat, c, key.word, &in))
		return 0;
	if ((out.slot && !flow_pass(&out, p, work->meeting.now)) || !flow_pass(&in, p, work->meeting.now))
		return 0;
	plan->ip.saddr = key.saddr;
	plan->ip.sport = key.sport;
	plan->ip.daddr = in.value.addr;
	plan->ip.dport = in.value.port;
	plan_because(plan, !plan->hairpin ? REASON_full_nat_answer
			   : p->later	  ? REASON_hairpin_fragment
					  : REASON_hairpin);
	return 1;
}

/* The plan is made: a new identification, if it means something. All fragments of a datagram leave with one. */
static __always_inline void translate_identify(struct nat_instance *nat, struct work *work)
{
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;

	if (p->atomic || plan->verdict != VERDICT_TRANSLATE)
		return;
	if (!p->later) {
		identify(nat, &p->ip, &plan->ip, env_segments(nat));
		return;
	}
	plan->ip.id = p->new_id;
	plan->ip.has_id = 1;
}

/*
 * After a first fragment got its way, its later ones shall find it. A fragment does not tell how long its datagram is, so a
 * CRC over all of it cannot follow a port.
 */
static __always_inline void translate_remember(struct nat_instance *nat, const struct config *c,
					       struct work *work, u8 direction)
{
	struct plan *plan = &work->plan;

	if (!(work->packet.first && (work->packet.kind == PACKET_PORTS || packet_portless(&work->packet))) &&
	    !(work->packet.piece && plan->ip.has_id))
		return;
	if (plan->verdict == VERDICT_DROP)
		return;
	if (work->packet.ip.class == CLASS_SCTP && plan->verdict == VERDICT_TRANSLATE &&
	    ports_change(&work->packet.ip, &plan->ip))
		plan_because(plan, REASON_fragment_sctp);
	else
		fragment_store(nat, c, work, direction);
}

static __always_inline void translate_begin(struct nat_instance *nat, struct work *work, u8 direction)
{
	struct packet *p = &work->packet;

	if (p->kind == PACKET_FRAGMENT)
		(void)fragment_find(nat, work, direction);
	work->plan.ip = target_of(&p->ip);
	if (p->kind == PACKET_ERROR)
		work->plan.quote = target_of(&p->quote);
}

static __always_inline void translate_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	int reason = NO_SESSION;
	u32 lease;

	call_settle(nat, work, DIRECTION_OUT);
	translate_begin(nat, work, DIRECTION_OUT);
	if (work->packet.kind == PACKET_PORTS || packet_portless(&work->packet))
		reason = hit_out(nat, c, &work->packet, work->meeting.interface, work->meeting.now,
				 &work->plan.ip, &lease);
	if (reason != NO_SESSION)
		plan_because(&work->plan, (u32)reason);
	else if (tuple_has_call(&work->packet.ip)) /* it was known just now */
		call_pass(nat, work, DIRECTION_OUT);
	else
		miss_out(nat, work);
	if (work->plan.reason == REASON_out_from_mapping)
		held_forget(nat, work);
	translate_identify(nat, work);
	translate_remember(nat, c, work, DIRECTION_OUT);
}

static __always_inline void translate_in(struct nat_instance *nat, const struct config *c, struct work *work)
{
	int reason = NO_SESSION;

	call_settle(nat, work, DIRECTION_IN);
	translate_begin(nat, work, DIRECTION_IN);
	if (work->packet.kind == PACKET_PORTS || packet_portless(&work->packet))
		reason = hit_in(nat, c, &work->packet, work->meeting.now, &work->plan.ip);
	if (reason != NO_SESSION)
		plan_because(&work->plan, (u32)reason);
	else if (tuple_has_call(&work->packet.ip))
		call_pass(nat, work, DIRECTION_IN);
	else
		miss_in(nat, work);
	translate_remember(nat, c, work, DIRECTION_IN);
}

/* Leaves by an inside interface, to a host that may be a server of full NAT: the caller has looked (server_maybe()). */
static __always_inline void translate_client(struct nat_instance *nat, const struct config *c,
					     struct work *work)
{
	int reason = NO_SESSION;
	u32 lease;

	translate_begin(nat, work, DIRECTION_OUT);
	if (work->packet.kind == PACKET_PORTS)
		reason = hit_out(nat, c, &work->packet, clients_number(work->meeting.interface),
				 work->meeting.now, &work->plan.ip, &lease);
	if (reason == NO_SESSION)
		miss_client(nat, work);
	else
		plan_because(&work->plan, REASON_full_nat);
	translate_identify(nat, work);
	if (work->plan.verdict == VERDICT_TRANSLATE)
		translate_remember(nat, c, work, DIRECTION_OUT);
}

/* Of an answer to a client of full NAT (clients.h) no session is known. */
static __always_inline void miss_answer(struct nat_instance *nat, struct work *work)
{
	miss_in(nat, work);
	if (work->plan.verdict == VERDICT_TRANSLATE)
		work->plan.reason = REASON_full_nat_answer;
}

/* The packet is to an address of ours, or to one that stands for clients: the caller has looked, and said so (ours). */
static __always_inline void translate_hairpin(struct nat_instance *nat, const struct config *c,
					      struct work *work)
{
	int answer = work->meeting.ours & ADDRESS_CLIENTS;
	u8 direction = answer ? DIRECTION_IN : DIRECTION_OUT;

	translate_begin(nat, work, direction);
	work->plan.hairpin = !answer;
	if (work->packet.kind != PACKET_PORTS || !hit_hairpin(nat, work)) {
		if (answer)
			miss_answer(nat, work);
		else if (miss_hairpin(nat, work))
			hairpin_open(nat, work);
	}
	if (!answer)
		translate_identify(nat, work);
	translate_remember(nat, c, work, direction);
}
