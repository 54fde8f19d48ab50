/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * miss.h - packets that no flow knows: first packets, ICMP errors, the router's own, and what is to be refused.
 *
 * One function for each place where a packet is met (translate.h); each takes work->packet and work->meeting and fills
 * work->plan. They are functions of their own to the verifier, and off the hot path.
 */
#pragma once
#include "core/call.h"
#include "core/classify.h"

static __always_inline struct endpoint source_of(const struct tuple *t)
{
	struct endpoint e = { .addr = t->saddr, .port = t->sport, .zero = 0 };

	return e;
}

static __always_inline struct endpoint destination_of(const struct tuple *t)
{
	struct endpoint e = { .addr = t->daddr, .port = t->dport, .zero = 0 };

	return e;
}

/* Begin the request of a packet. Which end is inside depends on the way it goes. */
static __always_inline struct request *request_start(struct work *work)
{
	const struct packet *p = &work->packet;
	const struct tuple *t = p->kind == PACKET_ERROR ? &p->quote : &p->ip;
	struct request *r = &work->req;

	r->protocol = t->protocol;
	r->class = p->kind == PACKET_PORTS || p->kind == PACKET_ERROR ? t->class : (u8)CLASSES;
	r->interface = work->meeting.interface & (MAX_OUTSIDE - 1);
	r->own = 0;
	r->flags = p->kind == PACKET_PORTS && class_connects(t->class) && !p->later
			   ? (u8)tcp_flags_after(0, p->tcp_flags)
			   : 0;
	r->hairpin = work->meeting.ours == ADDRESS_CLIENTS ? FLOW_HAIRPIN : 0;
	r->bytes = p->length;
	r->now = work->meeting.now;
	r->mapping = 0;
	r->fixed = 0;
	r->full = 0;
	r->client = 0;
	r->inbound = 0;
	r->alone = 0;
	return r;
}

/*
 * OUT
 */

/* A whole segment that neither opens a connection nor ends one. */
static __always_inline int tcp_goes_on(const struct packet *p)
{
	return !(p->tcp_flags & (TCP_SYN | TCP_RST)) && !p->first && !p->later;
}

/* A packet of a protocol without ports leaves: as open_out(). */
static __always_inline u32 portless_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u32 alone = interface_alone(c, r->interface);
	int spi = spi_has(r, r->inside);

	r->generation = generation_word(c, r->interface);
	if (r->protocol == PROTOCOL_AH)
		return r->own ? REASON_own_other : REASON_ah_unsupported;
	if (r->own) {
		r->outside = r->inside;
		r->index = address_find(nat, c, r->inside.addr).index;
		u32 reason = spi ? spi_out(nat, work) : session_claim(nat, work);
		return reason_verdict(reason) == VERDICT_DROP ? REASON_own_other : REASON_out_created;
	}
	u32 shared = !alone && !host_alone(nat, work);
	if (alone || shared) {
		u32 reason = host_out(nat, work);
		if (reason)
			return reason;
	}
	r->alone = !shared;
	if (spi)
		return spi_out(nat, work);
	if (!shared)
		return session_alone(nat, work, 1);
	r->outside.port = 0;
	return session_open_claim(nat, work);
}

/*
 * A packet leaves to a destination that is not translated, from where it would be. 1: and so it shall; but not as part of a session that the
 * destination opened, of which the outbound flow ended by its time.
 */
static __always_inline u32 passes_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;

	if (!address_passes(nat, work->packet.ip.daddr))
		return 0;
	r->inside = source_of(&work->packet.ip);
	u32 inside = !source_classify(nat, c, &work->meeting, r) && !r->own;
	r->own = 0;
	if (!inside || work->packet.kind != PACKET_PORTS)
		return inside;
	r->remote = destination_of(&work->packet.ip);
	return mapping_peek_out(nat, work) || !session_stands(nat, work);
}

/* A packet leaves from r->inside to r->remote. The reason; on a TRANSLATE one r->outside is the new source. */
static __always_inline u32 open_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u32 reason = source_classify(nat, c, &work->meeting, r);

	if (reason)
		return reason;
	if (r->own && address_is_multicast(r->remote.addr))
		return REASON_own_other;
	if (packet_portless(&work->packet))
		return portless_out(nat, c, work);
	if (r->class >= CLASSES) {
		if (r->own)
			return REASON_own_other;
		return work->packet.kind == PACKET_FRAGMENT ? REASON_fragment_unknown
							    : REASON_icmp_unsupported;
	}
	if (r->class == CLASS_ICMP && !work->packet.request)
		return r->own ? REASON_own_error : REASON_reply_no_session;
	if (r->class == CLASS_TCP && work->meeting.from == ROLE_INSIDE && tcp_goes_on(&work->packet) &&
	    session_lost(nat, work))
		return REASON_session_lost;
	return session_out(nat, work);
}

/* An ICMP error leaves, about a packet to r->inside (RFC 5508 REQ-5). r->own: it is the router's own. */
static __always_inline u32 error_out(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	int own = work->meeting.from != ROLE_INSIDE && address_is_ours(nat, c, work->packet.ip.saddr);

	if (own && address_is_ours(nat, c, r->inside.addr))
		return REASON_own_error; /* about a packet to the router itself */
	if (r->class >= CLASSES ? !portless_peek(nat, work, 1) && !host_alone(nat, work)
				: mapping_peek_out(nat, work))
		return REASON_error_no_mapping;
	r->own = (u8)own;
	return REASON_out_error;
}

/*
 * Refusals that are told to their senders (RFC 6888 REQ-11, RFC 5508 REQ-8): so many a second, as the kernel limits its own.
 * Never about ICMP errors, later fragments, or to or from what is no host's address (RFC 1812 section 4.3.2.7).
 */
enum { TOLD_MAX = 100 };

static __always_inline u32 told_reason(u32 reason)
{
	switch (reason) {
	case REASON_no_port:
		return REASON_told_no_port;
	case REASON_no_address:
	case REASON_no_free_address:
	case REASON_hosts_full:
	case REASON_mappings_full:
		return REASON_told_full;
	case REASON_host_mappings:
	case REASON_host_sessions:
	case REASON_host_rate:
		return REASON_told_limit;
	default:
		return reason;
	}
}

/* May one more be told in this tick? Two processors may take one for two: it is no promise to anybody. */
static __always_inline int told_more(struct config *c, u32 now)
{
	u64 was = LOAD(&c->told), told = was >> 32 == now ? was : (u64)now << 32;

	if ((u32)told >= TOLD_MAX)
		return 0;
	(void)CAS(&c->told, was, told + 1);
	return 1;
}

/* Work->plan drops a packet from inside: is its sender to be told why? Then the plan is to answer. */
SLOW u32 refusal_tell(struct nat_instance *nat, struct work *work)
{
	struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	u32 reason = told_reason(work->plan.reason);

	if (reason == work->plan.reason || work->meeting.from != ROLE_INSIDE || p->kind != PACKET_PORTS ||
	    p->later || address_is_multicast(p->ip.daddr) || address_is_multicast(p->ip.saddr) ||
	    !p->ip.saddr)
		return 0;
	if (told_more(c, work->meeting.now))
		plan_because(&work->plan, reason);
	return 0;
}

SLOW u32 miss_out(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	struct request *r = request_start(work);

	if (passes_out(nat, c, work)) {
		plan_because(plan, REASON_pass_through_out);
		return 0;
	}
	if (p->kind == PACKET_ERROR) {
		r->inside = destination_of(&p->quote);
		r->remote = source_of(&p->quote);
		plan_because(plan, error_out(nat, c, work));
		plan->quote.daddr = r->outside.addr;
		plan->quote.dport = r->outside.port;
		if (!r->own) /* also for a router inside, whose address means nothing outside */
			plan->ip.saddr = r->outside.addr;
		return 0;
	}
	r->inside = source_of(&p->ip);
	r->remote = destination_of(&p->ip);
	plan_because(plan, open_out(nat, c, work));
	if (c->tell && plan->verdict == VERDICT_DROP && !work->meeting.trial)
		refusal_tell(nat, work);
	plan->ip.saddr = r->outside.addr;
	plan->ip.sport = r->outside.port;
	return 0;
}

/*
 * IN
 */

/*
 * A packet that has no class came in, to an address of ours. The reason; on a TRANSLATE one r->inside is the new destination.
 */
static __always_inline u32 portless_in(struct nat_instance *nat, const struct config *c, struct work *work,
				       u8 flags)
{
	struct request *r = &work->req;

	if (spi_has(r, r->outside)) {
		u32 reason = spi_in(nat, c, work, flags);
		if (reason != REASON_no_mapping)
			return reason;
	}
	if (flags & ADDRESS_LOCAL)
		return REASON_local_address;
	if (r->protocol == PROTOCOL_ICMP)
		return REASON_icmp_unsupported;
	if (r->protocol == PROTOCOL_AH)
		return REASON_ah_unsupported;
	if (flags & ADDRESS_INBOUND && host_inbound(nat, work))
		return session_alone(nat, work, 0);
	return REASON_no_mapping;
}

/* A packet came in from r->remote to r->outside. The reason; on a TRANSLATE one r->inside is the new destination. */
static __always_inline u32 open_in(struct nat_instance *nat, const struct config *c, struct work *work)
{
	const struct packet *p = &work->packet;
	struct request *r = &work->req;
	struct outside_address a;
	u32 reason = target_classify(nat, c, work, &a);
	u8 flags = a.flags;

	if (reason)
		return reason;
	if (p->kind == PACKET_FRAGMENT) /* from inside perhaps for the router itself */
		return flags & ADDRESS_CLIENTS ? REASON_local_address : REASON_fragment_unknown;
	if (r->class >= CLASSES)
		return portless_in(nat, c, work, flags);
	if (r->class == CLASS_ICMP && p->request && (flags & ADDRESS_LOCAL || !(flags & ADDRESS_INBOUND)))
		return flags & ADDRESS_LOCAL ? REASON_local_address : REASON_no_mapping;
	int socket = env_local_socket(nat, r->class, r->remote, r->outside);
	if (socket == SOCKET_CONNECTED || (socket && flags & ADDRESS_CLIENTS))
		return REASON_local_socket;
	if (!socket || !(flags & ADDRESS_LOCAL)) /* where the router answers, its services come first */
		r->inbound = flags & ADDRESS_INBOUND;
	reason = session_in(nat, work);
	if (reason != REASON_no_mapping)
		return reason;
	if (socket)
		return REASON_local_socket;
	/* Of the rare classes nobody tells us about the router's sockets: it gets what is nobody's. */
	return flags & ADDRESS_LOCAL && (!(flags & ADDRESS_POOL) || class_shares_ports(r->class))
		       ? REASON_local_address
		       : REASON_no_mapping;
}

/* An ICMP error came in, about a packet from r->outside (RFC 5508 REQ-4). */
static __always_inline u32 error_in(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	struct outside_address a;
	u32 reason = target_classify(nat, c, work, &a);

	if (reason)
		return reason;
	if (r->class >= CLASSES
		    ? portless_peek(nat, work, 0) || (!(a.flags & ADDRESS_LOCAL) && host_inbound(nat, work))
		    : !mapping_in(nat, work, 0))
		return r->own ? REASON_own_error : REASON_in_error;
	return a.flags & ADDRESS_LOCAL ? REASON_own_error : REASON_error_no_mapping;
}

SLOW u32 miss_in(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	struct request *r = request_start(work);

	if (p->kind == PACKET_ERROR) {
		r->outside = source_of(&p->quote);
		r->remote = destination_of(&p->quote);
		plan_because(plan, error_in(nat, c, work));
		plan->quote.saddr = plan->ip.daddr = r->inside.addr;
		plan->quote.sport = r->inside.port;
		return 0;
	}
	r->remote = source_of(&p->ip);
	r->outside = destination_of(&p->ip);
	plan_because(plan, open_in(nat, c, work));
	plan->ip.daddr = r->inside.addr;
	plan->ip.dport = r->inside.port;
	return 0;
}

/*
 * HAIRPIN (RFC 4787 REQ-9, RFC 5382 REQ-8): two sessions, the sender's towards an outside endpoint, and that endpoint's
 * owner's with the sender's outside endpoint. A packet is a hit in the outbound flow of the one and, with the source
 * that it gets there, in the inbound flow of the other.
 */

/* A packet from inside to an outside endpoint without an owner inside: the router's, or nobody's. */
static __always_inline u32 hairpin_nobody(struct nat_instance *nat, const struct config *c,
					  const struct work *work)
{
	const struct request *r = &work->req;
	struct outside_address a = address_find(nat, c, work->packet.ip.daddr);

	if (a.flags & ADDRESS_LOCAL)
		return REASON_local_address;
	return r->class < CLASSES && env_local_socket(nat, r->class, r->inside, r->outside)
		       ? REASON_local_socket
		       : REASON_no_mapping;
}

/* What stands against opening the sessions of a packet from r->inside to r->outside; REASON_hairpin: nothing. */
static __always_inline u32 hairpin_check(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u32 inbound = address_find(nat, c, r->outside.addr).flags & ADDRESS_INBOUND;

	if (r->class >= CLASSES || (r->class == CLASS_ICMP && !(inbound && work->packet.request)))
		return hairpin_nobody(nat, c, work);
	u32 reason = mapping_in(nat, work, 0), own = r->own;
	r->own = 0;
	r->inside = source_of(&work->packet.ip);
	if (reason == REASON_no_mapping && inbound) {
		r->inbound = inbound;
		reason = 0;
	}
	if (reason == REASON_no_mapping || (!reason && own))
		return hairpin_nobody(nat, c, work);
	if (reason)
		return reason;
	if (!c->hairpin)
		return REASON_hairpin_off;
	if (work->meeting.listed && !address_is_inside(c, r->inside.addr))
		return REASON_source_not_inside;
	return REASON_hairpin;
}

/*
 * Open both sessions. Beside miss_hairpin(), not below it: a program's chain of calls has 512 bytes of stack.
 */
SLOW u32 hairpin_open(struct nat_instance *nat, struct work *work)
{
	SLOW_ENTER(nat);
	if (!work)
		return 0;
	struct request *r = &work->req;
	struct plan *plan = &work->plan;

	r->hairpin = FLOW_HAIRPIN;
	r->remote = destination_of(&work->packet.ip);
	plan_because(plan, session_out(nat, work));
	if (plan->verdict != VERDICT_TRANSLATE)
		return 0;
	plan->ip.saddr = r->outside.addr;
	plan->ip.sport = r->outside.port;
	r->remote = r->outside;
	r->outside = destination_of(&work->packet.ip);
	plan_because(plan, session_in(nat, work));
	if (plan->verdict != VERDICT_TRANSLATE)
		return 0;
	plan->ip.daddr = r->inside.addr;
	plan->ip.dport = r->inside.port;
	plan_because(plan, REASON_hairpin);
	return 0;
}

/*
 * An ICMP error from inside about a packet from r->outside to r->inside (RFC 5508 REQ-7). REASON_hairpin_error: the quoted
 * destination becomes r->remote, the quoted source r->inside.
 */
static __always_inline u32 error_hairpin(struct nat_instance *nat, struct work *work)
{
	struct request *r = &work->req;
	struct endpoint quoted = r->outside;

	if (mapping_peek_out(nat, work))
		return REASON_own_error; /* not about a hairpinned packet */
	r->remote = r->outside;
	r->outside = quoted;
	if (mapping_in(nat, work, 0))
		return REASON_error_no_mapping;
	return r->own ? REASON_own_error : REASON_hairpin_error;
}

/* 1: hairpin_open() is to be asked; 0: the plan is made. */
SLOW u32 miss_hairpin(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	struct plan *plan = &work->plan;
	struct request *r = request_start(work);

	r->interface = address_find(nat, c, p->ip.daddr).interface & (MAX_OUTSIDE - 1);
	if (p->kind == PACKET_ERROR) {
		r->inside = destination_of(&p->quote);
		r->outside = source_of(&p->quote);
		plan_because(plan, error_hairpin(nat, work));
		plan->quote.saddr = plan->ip.daddr = r->inside.addr;
		plan->quote.sport = r->inside.port;
		plan->quote.daddr = plan->ip.saddr = r->remote.addr;
		plan->quote.dport = r->remote.port;
		return 0;
	}
	r->inside = source_of(&p->ip);
	r->outside = destination_of(&p->ip);
	plan_because(plan, hairpin_check(nat, c, work));
	return plan->reason == REASON_hairpin;
}
