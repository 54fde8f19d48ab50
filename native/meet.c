/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "core/answer.h"
#include "core/translate.h"
#include "native/meet.h"

enum { ETHERTYPE_AT = 12, ETHERTYPE_IPV4 = 0x0800 };

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
	m->came = from ? from->number : 0;
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
	u8 *ip = packet_bytes(b, p->ip.l3, IP_MIN);

	if (!ip)
		return REASON_internal;
	if (p->ttl <= 1)
		return REASON_hairpin_ttl;
	u16 was = (u16)get16(ip, IPV4_TTL);
	ip[IPV4_TTL]--;
	put16(ip, IPV4_CHECK,
	      (__be16)checksum_apply((u16)get16(ip, IPV4_CHECK),
				     checksum_diff16(was, (u16)get16(ip, IPV4_TTL))));
	return 0;
}

/* The packet becomes an answer to its sender. Bytes of the frame afterwards; 0: it has no room. */
static u32 answer(const struct config *c, struct work *work, struct bytes *b, const struct native_frame *f)
{
	const struct packet *p = &work->packet;
	u32 quoted = answer_quoted(p), length;
	u8 *ip = f->data + f->l3;

	if (work->plan.reason == REASON_session_lost) {
		length = answer_reset(b, p);
		return length ? f->l3 + length : 0;
	}
	length = f->l3 + ANSWER_ROOM + quoted;
	if (f->room < length)
		return 0;
	memmove(ip + ANSWER_ROOM, ip, quoted);
	b->end = f->data + length;
	return answer_unreachable(b, p, answer_code(work->plan.reason), c->router[work->meeting.came])
		       ? 0
		       : length;
}

/* Carry out the plan. Bytes of the frame afterwards. */
static u32 act(const struct config *c, struct work *work, struct bytes *b, const struct native_frame *f)
{
	struct plan *plan = &work->plan;
	u32 reason = 0, length = f->length;

	if (plan->verdict == VERDICT_ANSWER) {
		u32 answered = answer(c, work, b, f);
		if (answered)
			return answered;
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

struct native_result native_meet(struct nat_instance *nat, enum native_hook hook,
				 const struct native_frame *f)
{
	const struct interface *at = interface_find(nat->config, f->ifindex);
	struct bytes b = { .data = f->data, .end = f->data + f->length };
	struct work *work = nat->work;
	u32 length = f->length;

	if (!at || at->role != (hook == NATIVE_HAIRPIN ? ROLE_INSIDE : ROLE_OUTSIDE))
		return (struct native_result){ .verdict = hook == NATIVE_OUT ? VERDICT_DROP : VERDICT_PASS,
					       .reason = REASONS,
					       .length = length };
	memset(&work->plan, 0, sizeof(work->plan));
	work->plan.interface = at->number;
	if (concerns(nat, &b, f, hook, &work->plan)) {
		meeting_fill(nat, f, hook, at, &work->meeting);
		memset(&work->packet, 0, sizeof(work->packet));
		work->packet.ip.l3 = (u16)f->l3;
		u32 reason = (u32)packet_parse(&b, &work->packet, f->length - f->l3);
		if (reason)
			plan_because(&work->plan, reason);
		else
			translate(nat, hook);
		length = act(nat->config, work, &b, f);
	}
	struct counter *counter = &nat->counters->by[work->plan.interface][work->plan.reason];
	counter->packets++;
	counter->bytes += f->length - f->l3;
	return (struct native_result){ work->plan.verdict, work->plan.reason, work->plan.interface, length };
}
