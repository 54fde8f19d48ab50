/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "core/answer.h"
#include "core/translate.h"
#include "native/meet.h"

enum { ETHERTYPE_AT = 12, ETHERTYPE_IPV4 = 0x0800, VIRTUAL_MTU = 1500 };

static int frame_is_ipv4(const struct native_frame *f)
{
	if (!f->l3)
		return !f->ethertype || f->ethertype == ETHERTYPE_IPV4;
	return f->length >= f->l3 && be16_to_host(get16(f->data, ETHERTYPE_AT)) == ETHERTYPE_IPV4;
}

/* Is it for the NAT at all? If not, the plan says so. */
static int concerns(struct nat_instance *nat, const struct bytes *b, const struct native_frame *f,
		    enum native_hook hook, struct plan *plan)
{
	u32 reason = REASON_not_ipv4;

	if (frame_is_ipv4(f)) {
		if (hook != NATIVE_HAIRPIN)
			return 1;
		u8 *ip = packet_bytes(b, f->l3, IP_MIN);
		if (ip && address_is_ours(nat, nat->config, get32(ip, IPV4_TARGET)))
			return 1;
		reason = REASON_inside_other;
	}
	plan_because(plan, reason);
	return 0;
}

static void meeting_fill(const struct nat_instance *nat, const struct native_frame *f, enum native_hook hook,
			 const struct interface *at, struct meeting *m)
{
	const struct interface *from = at; /* by which the packet came */

	m->now = nat->now & TIME;
	m->interface = at->number;
	m->local = hook == NATIVE_OUT && !f->ingress_ifindex;
	if (hook == NATIVE_OUT)
		from = m->local ? NULL : interface_find(nat->config, f->ingress_ifindex);
	m->from = from ? from->role : (u8)ROLE_NONE;
	m->listed = from ? from->listed : 0;
}

/* A fragment that is to be put in order first: the plan says so. */
static int diverts(struct nat_instance *nat, const struct bytes *b, const struct native_frame *f,
		   enum native_hook hook)
{
	u8 *ip = frame_is_ipv4(f) ? packet_bytes(b, f->l3, IP_MIN) : NULL;

	if (hook == NATIVE_OUT || !nat->config->defrag || f->ordered || !ip || !fragment_is(ip) ||
	    !fragment_order(nat, nat->config, nat->work, ip,
			    hook == NATIVE_IN ? DIRECTION_IN : DIRECTION_OUT))
		return 0;
	plan_because(&nat->work->plan, REASON_fragment_diverted);
	return 1;
}

static void translate(struct nat_instance *nat, enum native_hook hook)
{
	switch (hook) {
	case NATIVE_OUT:
		translate_out(nat, nat->config, nat->work);
		break;
	case NATIVE_IN:
		translate_in(nat, nat->config, nat->work);
		break;
	default:
		translate_hairpin(nat, nat->config, nat->work);
		break;
	}
}

/* A hairpinned packet does not see the kernel's routing: one hop less is our business. 0 or a reason. */
static u32 hop(const struct bytes *b, const struct packet *p)
{
	if (p->ttl <= 1)
		return REASON_hairpin_ttl;
	return rewrite_ttl(b, p->ip.l3) ? REASON_internal : 0;
}

/* Carry out the plan. Bytes of the frame afterwards. */
static u32 act(struct work *work, const struct bytes *b, u32 length)
{
	struct plan *plan = &work->plan;
	u32 reason = 0;

	if (plan->verdict == VERDICT_ANSWER) {
		u32 answer = answer_reset(b, &work->packet);
		if (answer)
			return work->packet.ip.l3 + answer;
		reason = REASON_internal;
	} else if (plan->verdict != VERDICT_TRANSLATE) {
		return length;
	}
	if (!reason && plan->hairpin)
		reason = hop(b, &work->packet);
	if (!reason && rewrite(b, &work->packet, plan))
		reason = REASON_internal;
	if (reason)
		plan_because(plan, reason);
	return length;
}

/*
 * The fast path (core/lease.h), as bpf/fast.h has it.
 */

static const struct interface *fast_interface(const struct nat_instance *nat, u32 ifindex, enum role role)
{
	const struct interface *at = interface_find(nat->config, ifindex);

	return at && at->fast && at->role == role ? at : NULL;
}

/* An ordinary packet behind an Ethernet header: 1 and *p. */
static int frame_ordinary(const struct native_frame *f, const struct bytes *b, struct packet *p)
{
	memset(p, 0, sizeof(*p));
	return f->l3 && frame_is_ipv4(f) && packet_ordinary(b, p, f->l3, f->length - f->l3);
}

static int fly(struct nat_instance *nat, enum native_hook hook, const struct interface *at,
	       const struct native_frame *f, struct native_result *result)
{
	struct bytes b = { .data = f->data, .end = f->data + f->length };
	struct plan plan = { .verdict = VERDICT_TRANSLATE };
	struct flight flight;
	struct packet p;

	if (!at->fast || !frame_ordinary(f, &b, &p) || f->data[f->l3 + IPV4_TTL] <= 1)
		return 0;
	int reason =
		hit_fast(nat, nat->config, &p, at->number, hook == NATIVE_IN ? DIRECTION_IN : DIRECTION_OUT,
			 p.length, nat->now & TIME, &flight);
	if (reason == NO_SESSION)
		return 0;
	plan.ip = flight.to;
	memcpy(f->data, flight.hop.frame, sizeof(flight.hop.frame));
	if (rewrite_ttl(&b, f->l3) || rewrite(&b, &p, &plan))
		reason = REASON_internal;
	*result = (struct native_result){ reason_verdict((u32)reason), (u32)reason, flight.interface,
					  f->length };
	struct counter *counter = &nat->counters->by[flight.interface][reason];
	counter->packets++;
	counter->bytes += f->length - f->l3;
	return 1;
}

/* The packet, as it is inside, leaves as the kernel sends it. */
static void learn(struct nat_instance *nat, enum native_hook hook, const struct native_frame *f,
		  const struct packet *p)
{
	int in = hook == NATIVE_LEARN;
	const struct interface *from =
		fast_interface(nat, f->ingress_ifindex, in ? ROLE_OUTSIDE : ROLE_INSIDE);
	const struct interface *at = fast_interface(nat, f->ifindex, in ? ROLE_INSIDE : ROLE_OUTSIDE);
	struct offer *offer = &nat->work->offer;

	if (!from || !at)
		return;
	memset(offer, 0, sizeof(*offer));
	offer->inside = in ? destination_of(&p->ip) : source_of(&p->ip);
	offer->remote = in ? source_of(&p->ip) : destination_of(&p->ip);
	offer->protocol = p->ip.protocol;
	offer->direction = in ? DIRECTION_IN : DIRECTION_OUT;
	offer->now = nat->now & TIME;
	memcpy(offer->hop.frame, f->data, sizeof(offer->hop.frame));
	offer->hop.mtu = VIRTUAL_MTU;
	offer->hop.from = from->number;
	offer->hop.ifindex = f->ifindex;
	offer->hop.priority = PRIORITY_BY_SERVICE;
	lease_renew(nat, nat->work);
}

struct native_result native_meet(struct nat_instance *nat, enum native_hook hook,
				 const struct native_frame *f)
{
	const struct interface *at = interface_find(nat->config, f->ifindex);
	struct bytes b = { .data = f->data, .end = f->data + f->length };
	struct native_result result = { .verdict = VERDICT_PASS, .reason = REASONS, .length = f->length };
	struct work *work = nat->work;
	u32 length = f->length;
	struct packet ordinary;
	int known = frame_ordinary(f, &b, &ordinary);

	if (hook == NATIVE_LEARN) {
		if (known)
			learn(nat, hook, f, &ordinary);
		return result;
	}
	if (!at || at->role != (hook == NATIVE_HAIRPIN ? ROLE_INSIDE : ROLE_OUTSIDE))
		return (struct native_result){ .verdict = hook == NATIVE_OUT ? VERDICT_DROP : VERDICT_PASS,
					       .reason = REASONS,
					       .length = length };
	if (hook != NATIVE_OUT && fly(nat, hook, at, f, &result))
		return result;
	memset(&work->plan, 0, sizeof(work->plan));
	work->plan.interface = at->number;
	if (!diverts(nat, &b, f, hook) && concerns(nat, &b, f, hook, &work->plan)) {
		meeting_fill(nat, f, hook, at, &work->meeting);
		memset(&work->packet, 0, sizeof(work->packet));
		work->packet.ip.l3 = (u16)f->l3;
		u32 reason = (u32)packet_parse(&b, &work->packet, f->length - f->l3);
		if (reason)
			plan_because(&work->plan, reason);
		else
			translate(nat, hook);
		length = act(work, &b, length);
	}
	struct counter *counter = &nat->counters->by[work->plan.interface][work->plan.reason];
	counter->packets++;
	counter->bytes += f->length - f->l3;
	if (known && work->plan.reason == REASON_out_session)
		learn(nat, hook, f, &ordinary);
	return (struct native_result){ work->plan.verdict, work->plan.reason, work->plan.interface, length };
}
