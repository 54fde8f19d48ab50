/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "core/answer.h"
#include "core/drop.h"
#include "core/mss.h"
#include "core/pptp.h"
#include "core/translate.h"
#include "native/meet.h"

static int frame_is_ipv4(const struct native_frame *f)
{
	if (!f->l3)
		return !f->ethertype || f->ethertype == ETHERTYPE_IPV4;
	return f->length >= f->l3 && be16_to_host(get16(f->data, ETHERTYPE_AT)) == ETHERTYPE_IPV4;
}

/* Is it for the NAT at all? What makes its destination ours (struct meeting); 0: no, and the plan says so. */
static u32 concerns(struct nat_instance *nat, const struct bytes *b, const struct native_frame *f,
		    enum native_hook hook, struct plan *plan)
{
	u32 reason = REASON_not_ipv4;

	if (frame_is_ipv4(f)) {
		if (hook != NATIVE_HAIRPIN)
			return ADDRESS_LIVE;
		u8 *ip = packet_bytes(b, f->l3, IP_MIN);
		u32 ours = ip ? address_find(nat, nat->config, get32(ip, IPV4_TARGET)).flags &
					   (ADDRESS_LIVE | ADDRESS_CLIENTS)
			      : 0;
		if (ours)
			return ours;
		reason = REASON_inside_other;
	}
	plan_because(plan, reason);
	return 0;
}

/* Does it go to a host that may be a server of full NAT? */
static int to_server(const struct nat_instance *nat, const struct bytes *b, const struct native_frame *f)
{
	u8 *ip = frame_is_ipv4(f) ? packet_bytes(b, f->l3, IP_MIN) : NULL;

	return ip && server_maybe(nat->config, get32(ip, IPV4_TARGET));
}

static void meeting_fill(const struct nat_instance *nat, const struct native_frame *f, enum native_hook hook,
			 const struct interface *at, u32 ours, struct meeting *m)
{
	int leaves = hook == NATIVE_OUT || hook == NATIVE_CLIENT;
	const struct interface *from = at; /* by which the packet came */

	m->now = nat->now & TIME;
	m->interface = at->number;
	m->ours = (u8)ours;
	m->local = leaves && !f->ingress_ifindex;
	if (leaves)
		from = m->local ? NULL : interface_find(nat->config, f->ingress_ifindex);
	m->from = from ? from->role : (u8)ROLE_NONE;
	m->listed = from ? from->listed : 0;
	m->by = from ? from->number : (u8)NO_INTERFACE;
}

/* A fragment that is to be put in order first: the plan says so. */
static int diverts(struct nat_instance *nat, const struct bytes *b, const struct native_frame *f,
		   enum native_hook hook)
{
	u8 *ip = frame_is_ipv4(f) ? packet_bytes(b, f->l3, IP_MIN) : NULL;
	u8 direction = hook == NATIVE_IN ? DIRECTION_IN : DIRECTION_OUT;

	if ((hook != NATIVE_IN && hook != NATIVE_HAIRPIN) || !nat->config->defrag || !ip || !fragment_is(ip))
		return 0;
	if (f->ordered) {
		(void)rewrite_hops(b, f->l3, 1);
		return 0;
	}
	if (!fragment_order(nat, nat->config, nat->work, ip, direction))
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
	case NATIVE_CLIENT:
		translate_client(nat, nat->config, nat->work);
		break;
	default:
		translate_hairpin(nat, nat->config, nat->work);
		break;
	}
}

static void count(struct nat_instance *nat, u32 interface, u32 reason, const struct native_frame *f)
{
	struct counter *counter = &nat->counters->by[interface][reason];

	counter->packets++;
	counter->bytes += f->length - f->l3;
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
	u32 by = work->meeting.by < MAX_INTERFACES ? work->meeting.by : 0;
	return answer_unreachable(b, p, answer_code(work->plan.reason), c->router[by]) ? 0 : length;
}

/* What a SYN announces is lowered to what the outside interface carries. */
static void clamp(const struct config *c, const struct work *work, const struct bytes *b)
{
	const struct packet *p = &work->packet;
	u32 most = c->mss[work->plan.interface & (MAX_OUTSIDE - 1)];
	u8 *tcp = packet_bytes(b, p->ip.l4, TCP_MIN);
	struct mss_change change;

	if (!most || !mss_concerns(p) || !tcp)
		return;
	u32 at = mss_find(b, p, mss_end(b, p));
	if (at && mss_lower(b, p, at, most, &change))
		put16(tcp, TCP_CHECK,
		      (__be16)checksum_apply((u16)get16(tcp, TCP_CHECK),
					     checksum_diff16(change.was, change.is)));
}

/* The id that a control message at offset `at` of the frame names becomes another. */
static void control_write(const struct work *work, const struct native_frame *f, u32 at)
{
	const struct control *m = &work->control;
	u8 *check = f->data + work->packet.ip.l4 + TCP_CHECK;
	__be16 was = m->head[m->place / 2];

	put16(f->data, at + m->place, m->id);
	put16(check, 0, (__be16)checksum_apply((u16)get16(check, 0), checksum_diff16((u16)was, (u16)m->id)));
}

/* Messages of PPTP's control connection pass: see core/pptp.h. 0, or the reason to drop the packet. */
static u32 control(struct nat_instance *nat, const struct bytes *b, const struct native_frame *f,
		   u32 direction)
{
	struct work *work = nat->work;
	const struct packet *p = &work->packet;
	u32 at = mss_end(b, p), end = p->ip.l3 + p->length;

	if (!pptp_concerns(nat->config, p, direction) || !at)
		return 0;
	for (u32 i = 0; i < PPTP_MESSAGES && at + sizeof(work->control.head) <= end; i++) {
		memcpy(work->control.head, f->data + at, sizeof(work->control.head));
		u32 length = pptp_length(&work->control);
		if (!length || length > end - at)
			break;
		u32 reason = pptp_message(nat, work, direction);
		if (reason)
			return reason;
		if (work->control.place)
			control_write(work, f, at);
		at += length;
	}
	if (at < end)
		plan_because(&work->plan, REASON_control_cut);
	return 0;
}

/* A packet from outside is dropped. If it is a SYN that nobody wanted, a copy of it is held (core/held.h). */
static void syn_hold(struct nat_instance *nat, const struct native_frame *f)
{
	struct work *work = nat->work;
	struct held *at = held_wanted(nat->config, work) ? held_take(nat, nat->config, work) : NULL;

	if (!at)
		return;
	memcpy(at->packet, f->data + f->l3, at->head.length);
	held_give(at, work, 1);
}

/* A packet ends here, or is answered: its headers are kept for people (core/drop.h). */
static void drop_keep(struct nat_instance *nat, const struct native_frame *f, enum native_hook hook)
{
	const struct plan *plan = &nat->work->plan;
	u32 length = f->length - f->l3, kept = length < DROP_BYTES ? length : DROP_BYTES;
	struct drop *at = drop_begin(nat, plan->reason, nat->now & TIME);

	if (!at)
		return;
	drop_describe(nat, at, plan->interface,
		      hook == NATIVE_IN || hook == NATIVE_CLIENT ? DIRECTION_IN : DIRECTION_OUT, length,
		      kept);
	memcpy(at->packet, f->data + f->l3, kept);
	drop_end(at);
}

/* Carry out the plan. Bytes of the frame afterwards. */
static u32 act(struct nat_instance *nat, struct bytes *b, const struct native_frame *f, enum native_hook hook)
{
	const struct config *c = nat->config;
	struct work *work = nat->work;
	struct plan *plan = &work->plan;
	u32 reason = 0, length = f->length;

	if (plan->verdict == VERDICT_DROP && hook == NATIVE_IN)
		syn_hold(nat, f);
	if (plan->verdict == VERDICT_ANSWER) {
		u32 answered = answer(c, work, b, f);
		if (answered)
			return answered;
		reason = REASON_internal;
	} else if (plan->verdict != VERDICT_TRANSLATE) {
		return length;
	}
	if (!reason && plan->hairpin)
		reason = rewrite_hairpin_ttl(b, &work->packet);
	if (!reason && (hook == NATIVE_OUT || hook == NATIVE_IN))
		clamp(c, work, b);
	if (!reason && (hook == NATIVE_OUT || hook == NATIVE_IN))
		reason = control(nat, b, f, hook == NATIVE_OUT ? DIRECTION_OUT : DIRECTION_IN);
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

/* p: the ordinary packet in the frame. */
static int fly(struct nat_instance *nat, enum native_hook hook, const struct interface *at,
	       const struct native_frame *f, const struct packet *p, struct native_result *result)
{
	struct bytes b = { .data = f->data, .end = f->data + f->length };
	struct plan plan = { .verdict = VERDICT_TRANSLATE };
	struct flight flight;

	if (!at->fast || f->data[f->l3 + IPV4_TTL] <= 1)
		return 0;
	int reason =
		hit_fast(nat, nat->config, p, at->number, hook == NATIVE_IN ? DIRECTION_IN : DIRECTION_OUT,
			 p->length, nat->now & TIME, &flight, 0, 1);
	if (reason == NO_SESSION)
		return 0;
	plan.ip = flight.to;
	memcpy(f->data, flight.hop.frame, sizeof(flight.hop.frame));
	if (rewrite_ttl(&b, f->l3) || rewrite(&b, p, &plan))
		reason = REASON_internal;
	*result = (struct native_result){ reason_verdict((u32)reason), (u32)reason, flight.interface,
					  f->length, 0 };
	count(nat, flight.interface, (u32)reason, f);
	return 1;
}

/* The packet, as it is inside, leaves as the kernel sends it. */
static void learn(struct nat_instance *nat, enum native_hook hook, const struct native_frame *f,
		  const struct packet *p)
{
	int in = hook != NATIVE_OUT;
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
	offer->hop.can = at->fast & FAST_TARGET ? HOP_REDIRECT : 0;
	offer->hop.ifindex = f->ifindex;
	offer->hop.priority = PRIORITY_BY_SERVICE;
	lease_renew(nat, nat->work);
}

/* Of the interface whose hook it is. */
static enum role hook_role(enum native_hook hook)
{
	return hook == NATIVE_HAIRPIN || hook == NATIVE_CLIENT ? ROLE_INSIDE : ROLE_OUTSIDE;
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

	if (known && (hook == NATIVE_LEARN || hook == NATIVE_CLIENT))
		learn(nat, hook, f, &ordinary);
	if (hook == NATIVE_LEARN)
		return result;
	if (!at || at->role != hook_role(hook) || (hook == NATIVE_CLIENT && !to_server(nat, &b, f)))
		return (struct native_result){ .verdict = hook == NATIVE_OUT ? VERDICT_DROP : VERDICT_PASS,
					       .reason = REASONS,
					       .length = length };
	if (known && (hook == NATIVE_IN || hook == NATIVE_HAIRPIN) &&
	    fly(nat, hook, at, f, &ordinary, &result))
		return result;
	memset(&work->plan, 0, sizeof(work->plan));
	work->plan.interface = at->number;
	u32 ours = diverts(nat, &b, f, hook) ? 0 : concerns(nat, &b, f, hook, &work->plan);
	if (ours) {
		meeting_fill(nat, f, hook, at, ours, &work->meeting);
		memset(&work->packet, 0, sizeof(work->packet));
		work->packet.ip.l3 = (u16)f->l3;
		u32 reason = (u32)packet_parse(&b, &work->packet, f->length - f->l3);
		if (reason)
			plan_because(&work->plan, reason);
		else
			translate(nat, hook);
		if (work->plan.verdict == VERDICT_ANSWER) /* before it becomes the answer */
			drop_keep(nat, f, hook);
		length = act(nat, &b, f, hook);
		if (work->plan.verdict == VERDICT_DROP)
			drop_keep(nat, f, hook);
	}
	count(nat, work->plan.interface, work->plan.reason, f);
	if (known && work->plan.reason == REASON_out_session)
		learn(nat, hook, f, &ordinary);
	return (struct native_result){ work->plan.verdict, work->plan.reason, work->plan.interface, length,
				       work->plan.hairpin };
}
