/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * translate.h - decide: what becomes of a packet, and why. Read this first.
 *
 * Three questions, one for each place where a packet is met:
 *
 *   translate_out	leaves by an outside interface: its source must become an outside endpoint
 *   translate_in	came in by an outside interface: its destination may be one
 *   translate_hairpin	came in by an inside interface and goes to an address of ours: perhaps both
 *
 * Each reads work->packet and work->meeting and fills work->plan (plan.h): verdict, reason, and for each header the addresses
 * and ports that it shall have. Nothing is written here but state. A known session is a look at one line; everything else
 * is a miss (miss.h), from there session.h, mapping.h and host.h.
 */
#pragma once
#include "core/miss.h"

/* A packet of a known session leaves. */
static __always_inline int hit_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	union flow_key key;
	struct flow_hit hit;

	flow_key(&key, &p->ip, DIRECTION_OUT);
	if (!flow_find(nat, c, key.word, &hit) || hit.interface != work->meeting.interface)
		return 0; /* unknown, or its way now leads out by another interface */
	if (!flow_pass(&hit, p, work->meeting.now))
		return 0;
	plan->ip.saddr = hit.addr;
	plan->ip.sport = hit.port;
	plan_because(plan, p->later ? REASON_out_fragment : REASON_out_session);
	return 1;
}

/* A packet of a known session came in. */
static __always_inline int hit_in(struct nat_instance *nat, const struct config *c, struct work *work)
{
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	union flow_key key;
	struct flow_hit hit;

	flow_key(&key, &p->ip, DIRECTION_IN);
	if (!flow_find(nat, c, key.word, &hit))
		return 0;
	if (hit.own & FLOW_HAIRPIN) { /* its remote is an address of ours: nobody outside may use it */
		plan_because(plan, REASON_spoofed_own);
		return 1;
	}
	if (!flow_pass(&hit, p, work->meeting.now))
		return 0;
	plan->ip.daddr = hit.addr;
	plan->ip.dport = hit.port;
	plan_because(plan, p->later ? REASON_in_fragment : REASON_in_session);
	return 1;
}

/* Both sessions of a hairpinned packet are known. */
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
	if (!flow_find(nat, c, key.word, &out))
		return 0;
	key.saddr = out.addr;
	key.sport = out.port;
	key.direction = DIRECTION_IN;
	if (!flow_find(nat, c, key.word, &in))
		return 0;
	if (!flow_pass(&out, p, work->meeting.now) || !flow_pass(&in, p, work->meeting.now))
		return 0;
	plan->ip.saddr = out.addr;
	plan->ip.sport = out.port;
	plan->ip.daddr = in.addr;
	plan->ip.dport = in.port;
	plan_because(plan, p->later ? REASON_hairpin_fragment : REASON_hairpin);
	return 1;
}

/* After a first fragment got its way, its later ones shall find it. */
static __always_inline void translate_remember(struct nat_instance *nat, const struct config *c,
					       struct work *work, u8 direction)
{
	if (work->packet.first && work->packet.kind == PACKET_PORTS && work->plan.verdict != VERDICT_DROP)
		fragment_store(nat, c, work, direction);
}

static __always_inline void translate_begin(struct nat_instance *nat, const struct config *c,
					    struct work *work, u8 direction)
{
	struct packet *p = &work->packet;

	if (p->kind == PACKET_FRAGMENT)
		(void)fragment_find(nat, c, work, direction);
	work->plan.ip = target_of(&p->ip);
	if (p->kind == PACKET_ERROR)
		work->plan.quote = target_of(&p->quote);
}

static __always_inline void translate_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	translate_begin(nat, c, work, DIRECTION_OUT);
	if (work->packet.kind != PACKET_PORTS || !hit_out(nat, c, work))
		miss_out(nat, work);
	translate_remember(nat, c, work, DIRECTION_OUT);
}

static __always_inline void translate_in(struct nat_instance *nat, const struct config *c, struct work *work)
{
	translate_begin(nat, c, work, DIRECTION_IN);
	if (work->packet.kind != PACKET_PORTS || !hit_in(nat, c, work))
		miss_in(nat, work);
	translate_remember(nat, c, work, DIRECTION_IN);
}

/* The packet is to an address of ours: the caller has looked (address_is_ours()). */
static __always_inline void translate_hairpin(struct nat_instance *nat, const struct config *c,
					      struct work *work)
{
	translate_begin(nat, c, work, DIRECTION_OUT);
	work->plan.hairpin = 1;
	if ((work->packet.kind != PACKET_PORTS || !hit_hairpin(nat, work)) && miss_hairpin(nat, work))
		hairpin_open(nat, work);
	translate_remember(nat, c, work, DIRECTION_OUT);
}
