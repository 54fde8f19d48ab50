/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keepnat.bpf.c - the programs: one for each place where a packet is met, for devices with and without an Ethernet
 * header.
 *
 *   out_*      egress of an outside interface
 *   in_*       ingress of an outside interface
 *   hairpin_*  ingress of an inside interface
 *   learn_*    its egress, where the fast path is on
 *   client_*   its egress, where there is full NAT; learns, too
 *   xdp_out    the receive queue of an inside interface, xdp_in of an outside one, where the fast path is at XDP
 *   ordered    ingress of the device by which fragments come back in order
 *
 * A packet's way: keepnat.bpf.c builds struct packet -> packet.h parses -> translate.h plans -> rewrite_skb.h writes ->
 * forward.h sends -> its reason is counted.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "core/answer.h"
#include "core/drop.h"
#include "core/mss.h"
#include "core/pptp.h"
#include "core/translate.h"
#include "bpf/fast.h"
#include "bpf/sockets.h"
#include "bpf/xdp.h"

enum hook { HOOK_OUT, HOOK_IN, HOOK_HAIRPIN, HOOK_CLIENT };

/* Bytes from the start of the frame that must be readable to parse it. */
static __always_inline u32 bytes_wanted(const struct bytes *b, u32 l3)
{
	u8 *ip = packet_bytes(b, l3, IP_MIN);

	if (!ip)
		return l3 + IP_MIN;
	u32 l4 = l3 + (ip[0] & 15u) * 4;
	switch (ip[IPV4_PROTOCOL]) {
	case PROTOCOL_TCP:
		return l4 + TCP_MIN;
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
		return l4 + UDP_HEADER;
	case PROTOCOL_DCCP:
		return l4 + DCCP_MIN;
	case PROTOCOL_SCTP:
		return l4 + SCTP_MIN;
	case PROTOCOL_ICMP:
		return l4 + ICMP_HEADER + 60 + TCP_MIN;
	default: /* an SPI or a call id */
		return l4 + QUOTE_MIN;
	}
}

/* Make the first bytes readable: a packet may lie in pieces. If that fails the parser will see. */
static __always_inline void bytes_need(struct __sk_buff *skb, struct bytes *b, u32 wanted)
{
	if (wanted > skb->len)
		wanted = skb->len;
	bytes_attach(skb, b);
	if ((u8 *)b->data + (wanted & 0x1ff) <= (u8 *)b->end)
		return;
	(void)bpf_skb_pull_data(skb, wanted);
	bytes_attach(skb, b);
}

/*
 * ORDER (core/fragment.h). A fragment is diverted by the device config.defrag, behind which another network namespace has the
 * kernel put datagrams together and cut them again as they were (daemon/defrag.h). Role and number of the interface go with it
 * in tc_index, which the kernel leaves alone. It comes back by ingress of that interface once more, with a mark that nobody else
 * knows, taken away at once; and as for another station, for it has the Ethernet header of its way there. Should the number be
 * another interface's by then, in another role, it ends. The hop of the namespace is given back to who has the mark: if another
 * program took that away, and the fragment goes round, it comes to the end of its hops.
 */
enum { ORDER_ROLE_AT = 8 }; /* in tc_index; below it the number */

/* Called for fragments. 1: it is to be diverted. */
SLOW u32 order(struct __sk_buff *skb, struct work *work, u32 l3, u32 direction)
{
	const struct config *c = env_config(skb);
	struct bytes b;

	SLOW_ENTER(skb);
	if (!work || !c)
		return 0;
	l3 = l3 ? ETHERNET : 0;
	bytes_need(skb, &b, l3 + IP_MIN);
	if (c->pass[0] && skb->mark == c->pass[0]) {
		skb->mark = 0;
		(void)rewrite_hops(&b, l3, 1);
		(void)bpf_skb_change_type(skb, PACKET_FOR_US);
		return 0;
	}
	if (!c->defrag || (skb->pkt_type != PACKET_FOR_US && !test_run))
		return 0;
	u8 *ip = packet_bytes(&b, l3, IP_MIN);
	return ip && fragment_is(ip) && fragment_order(skb, c, work, ip, (u8)direction);
}

/* Perhaps a fragment: those whose header is not at hand, too. */
static __always_inline int is_fragment(struct __sk_buff *skb, u32 l3)
{
	struct bytes b;

	bytes_attach(skb, &b);
	u8 *ip = packet_bytes(&b, l3, IP_MIN);
	return is_ipv4(skb) && (!ip || fragment_is(ip));
}

/* The program's return value. */
static __always_inline int divert(struct __sk_buff *skb, const struct config *c, u32 l3,
				  const struct interface *from)
{
	static const u8 frame[ETHERNET] = { DEFRAG_MAC, DEFRAG_MAC, [12] = ETHERTYPE_IPV4 >> 8 };

	if (test_run)
		return TC_ACT_UNSPEC;
	if ((!l3 && bpf_skb_change_head(skb, ETHERNET, 0)) ||
	    bpf_skb_store_bytes(skb, 0, frame, sizeof(frame), 0))
		return TC_ACT_SHOT;
	skb->tc_index = (u16)(from->role << ORDER_ROLE_AT | from->number);
	return (int)bpf_redirect(c->defrag, 0);
}

/* All headers: the IP header first, since it tells how much more. */
static __always_inline void bytes_pull(struct __sk_buff *skb, struct bytes *b, u32 l3)
{
	bytes_need(skb, b, l3 + IP_MIN);
	bytes_need(skb, b, bytes_wanted(b, l3));
}

/*
 * Send a hairpinned packet on its way, after it was rewritten. The program's return value.
 */
static __always_inline int hairpin_send(struct __sk_buff *skb, u32 l3, struct plan *plan)
{
	u32 to = hairpin_interface(skb, plan->ip.saddr, plan->ip.daddr), mtu = 0;

	if (!to) {
		plan_because(plan, REASON_no_mapping);
		return TC_ACT_SHOT;
	}
	if (test_run)
		return TC_ACT_UNSPEC;
	if (bpf_check_mtu(skb, to, &mtu, 0, 0)) {
		plan_because(plan, REASON_hairpin_too_big);
		return TC_ACT_SHOT;
	}
	return send_to(skb, to, l3, plan);
}

/*
 * An answer to a client of full NAT goes on by the kernel. If the client was in hairpin, it goes to an outside address now,
 * and is met once more, as a packet from inside. The program's return value.
 */
SLOW int client_send(struct __sk_buff *skb, u32 to)
{
	const struct config *c = env_config(skb);

	SLOW_ENTER(skb);
	if (test_run || !c || !address_is_ours(skb, c, (__be32)to))
		return TC_ACT_UNSPEC;
	return (int)bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* The packet becomes a RST, or what tells why it was refused. 0, or it cannot. Beside the programs, for the verifier's sake. */
SLOW u32 answer_write(struct __sk_buff *skb, struct work *work)
{
	const struct config *c = env_config(skb);
	struct bytes b;

	SLOW_ENTER(skb);
	if (!work || !c)
		return 1;
	const struct packet *p = &work->packet;
	u32 l3 = p->ip.l3, length, reason = work->plan.reason;

	bytes_attach(skb, &b);
	if (reason == REASON_session_lost) {
		length = answer_reset(&b, p);
		return !length || bpf_skb_change_tail(skb, l3 + length, 0);
	}
	length = l3 + answer_quoted(p);
	if (bpf_skb_change_tail(skb, length, 0) || bpf_skb_adjust_room(skb, ANSWER_ROOM, BPF_ADJ_ROOM_MAC, 0))
		return 1;
	bytes_need(skb, &b, length + ANSWER_ROOM);
	u64 by = work->meeting.by;
	asm volatile("if %0 <= %1 goto +1\n%0 = 0" : "+r"(by) : "i"(MAX_INTERFACES - 1));
	return answer_unreachable(&b, p, answer_code(reason), c->router[by]) != 0;
}

/* The packet becomes an answer to its sender. The program's return value. */
static __always_inline int answer(struct __sk_buff *skb, struct work *work)
{
	u32 l3 = work->packet.ip.l3;

	if (answer_write(skb, work)) {
		plan_because(&work->plan, REASON_internal);
		return TC_ACT_SHOT;
	}
	if (test_run)
		return TC_ACT_UNSPEC;
	return send_to(skb, skb->ingress_ifindex, l3, &work->plan);
}

/*
 * A SYN passes by an outside interface: what it announces is lowered to what that carries. A checksum that is partial counts nothing
 * but addresses: the helper knows. 0, or out of reach.
 */
SLOW u32 mss_clamp(struct __sk_buff *skb, struct work *work)
{
	const struct config *c = env_config(skb);
	struct mss_change change;
	struct bytes b;

	SLOW_ENTER(skb);
	if (!work || !c)
		return 1;
	const struct packet *p = &work->packet;
	u32 most = c->mss[work->plan.interface & (MAX_OUTSIDE - 1)];

	if (!most)
		return 0;
	bytes_attach(skb, &b);
	u32 end = mss_end(&b, p);
	bytes_need(skb, &b, end);
	u32 at = mss_find(&b, p, end);
	if (!at || !mss_lower(&b, p, at, most, &change))
		return 0;
	return bpf_l4_csum_replace(skb, p->ip.l4 + TCP_CHECK, change.was, change.is, 2) != 0;
}

/* The id that a control message at offset `at` of the frame names becomes another. A partial checksum does not count it. 0 or -1. */
static __always_inline long control_write(struct __sk_buff *skb, const struct work *work, u32 at)
{
	const struct control *m = &work->control;
	__be16 was = m->place == PPTP_ID * 2 ? m->head[PPTP_ID] : m->head[PPTP_SECOND_ID], is = m->id;

	if (bpf_skb_store_bytes(skb, at + m->place, &is, sizeof(is), 0))
		return -1;
	return bpf_l4_csum_replace(skb, work->packet.ip.l4 + TCP_CHECK, was, is, 2);
}

/*
 * A control message at offset `at` of the frame passes, with so many bytes from there on: its own bytes. 0: it is none, or is not whole,
 * or the packet is to be dropped, and the plan says so.
 */
SLOW u32 control_message(struct __sk_buff *skb, struct work *work, u32 at, u32 left, u32 direction)
{
	SLOW_ENTER(skb);
	if (!work || left < sizeof(work->control.head) ||
	    bpf_skb_load_bytes(skb, at, work->control.head, sizeof(work->control.head)))
		return 0;
	u32 length = pptp_length(&work->control);

	if (!length || length > left)
		return 0;
	u32 reason = pptp_message(skb, work, direction);
	if (!reason && work->control.place && control_write(skb, work, at))
		reason = REASON_internal;
	if (!reason)
		return length;
	plan_because(&work->plan, reason);
	return 0;
}

/*
 * What passes by an outside interface, before its headers are written: a SYN, or messages of PPTP's control connection (core/pptp.h).
 * Asked of all, for the verifier would follow what comes after it twice. 0; 1: it must not go on, and the plan says why.
 */
SLOW u32 payload_alter(struct __sk_buff *skb, struct work *work, u32 direction)
{
	const struct config *c = env_config(skb);
	struct bytes b;

	SLOW_ENTER(skb);
	if (!work || !c)
		return 1;
	const struct packet *p = &work->packet;
	if (mss_concerns(p) && mss_clamp(skb, work)) {
		plan_because(&work->plan, REASON_internal);
		return 1;
	}
	if (!pptp_concerns(c, p, direction))
		return 0;
	bytes_attach(skb, &b);
	u32 at = mss_end(&b, p), end = p->ip.l3 + p->length;
	for (u32 i = 0; i < PPTP_MESSAGES && at < end; i++) {
		u32 length = control_message(skb, work, at, end - at, direction);
		if (!length)
			break;
		at += length;
	}
	if (work->plan.verdict == VERDICT_DROP)
		return 1;
	if (at < end)
		plan_because(&work->plan, REASON_control_cut);
	return 0;
}

/* A packet from outside is dropped. If it is a SYN that nobody wanted, a copy of it is held (core/held.h). Beside the programs, too. */
SLOW u32 syn_hold(struct __sk_buff *skb, struct work *work)
{
	const struct config *c = env_config(skb);

	SLOW_ENTER(skb);
	if (!work || !c || !held_wanted(c, work) || (skb->pkt_type != PACKET_FOR_US && !test_run))
		return 0;
	struct held *at = held_take(skb, c, work);
	if (!at)
		return 0;
	u64 length = work->packet.length;
	LENGTH_WITHIN(length, HELD_BYTES);
	held_give(at, work, !bpf_skb_load_bytes(skb, work->packet.ip.l3, at->packet, (u32)length));
	return 0;
}

/* A packet ends here, or is answered: its headers are kept for people (core/drop.h). Beside the programs, too. */
SLOW u32 drop_keep(struct __sk_buff *skb, struct work *work, u32 l3, u32 direction)
{
	SLOW_ENTER(skb);
	if (!work)
		return 0;
	u64 length = skb->len - (l3 ? ETHERNET : 0);
	struct drop *at = drop_begin(skb, work->plan.reason, env_now(skb));
	if (!at)
		return 0;
	drop_describe(skb, at, work->plan.interface, direction, (u32)length,
		      length < DROP_BYTES ? (u32)length : DROP_BYTES);
	LENGTH_WITHIN(length, DROP_BYTES);
	(void)bpf_skb_load_bytes(skb, l3 ? ETHERNET : 0, at->packet, (u32)length);
	drop_end(at);
	return 0;
}

/* Carry out the plan. What the hook never does is not compiled in: the lookup of a route takes 64 bytes of stack. */
static __always_inline int act(struct __sk_buff *skb, struct bytes *b, struct work *work, enum hook hook)
{
	struct plan *plan = &work->plan;

	if (plan->verdict == VERDICT_PASS)
		return TC_ACT_UNSPEC;
	if (plan->verdict == VERDICT_DROP) {
		if (hook == HOOK_IN)
			syn_hold(skb, work);
		return TC_ACT_SHOT;
	}
	if (hook == HOOK_OUT && plan->verdict == VERDICT_ANSWER)
		return answer(skb, work);
	if (hook == HOOK_HAIRPIN && plan->hairpin) {
		u32 reason = rewrite_hairpin_ttl(b, &work->packet);
		if (reason) {
			plan_because(plan, reason);
			return TC_ACT_SHOT;
		}
	}
	if (hook == HOOK_OUT || hook == HOOK_IN) {
		if (payload_alter(skb, work, hook == HOOK_OUT ? DIRECTION_OUT : DIRECTION_IN))
			return TC_ACT_SHOT;
		bytes_attach(skb, b);
	}
	if (rewrite_skb(skb, b, work)) {
		plan_because(plan, REASON_internal);
		return TC_ACT_SHOT;
	}
	if (hook != HOOK_HAIRPIN)
		return TC_ACT_UNSPEC;
	return plan->hairpin ? hairpin_send(skb, work->packet.ip.l3, plan)
			     : client_send(skb, (u32)plan->ip.daddr);
}

/* Beside the programs, whose stack it would take. */
SLOW u32 expect_first(struct __sk_buff *skb, struct work *work)
{
	struct bytes b;

	SLOW_ENTER(skb);
	if (!work)
		return 0;
	bytes_attach(skb, &b);
	translate_expect(skb, work, &b, ETHERNET);
	return 0;
}

static __always_inline void expect(struct __sk_buff *skb)
{
	struct work *work = env_scratch(skb);

	if (work && ahead_wanted(work))
		expect_first(skb, work);
}

static __always_inline void expect_none(struct __sk_buff *skb)
{
	struct work *work = env_scratch(skb);

	if (work && work->firsts)
		work->firsts = 0;
}

/* Is it for the NAT at all? What makes its destination ours (struct meeting); 0: no, and the plan says so. */
static __always_inline u32 concerns(struct __sk_buff *skb, const struct config *c, struct bytes *b, u32 l3,
				    enum hook hook, struct plan *plan)
{
	if (!is_ipv4(skb)) {
		plan_because(plan, REASON_not_ipv4);
		return 0;
	}
	u32 ours = ADDRESS_LIVE;
	if (hook == HOOK_HAIRPIN) { /* most packets are not: look at the address first */
		bytes_need(skb, b, l3 + IP_MIN);
		u8 *ip = packet_bytes(b, l3, IP_MIN);
		ours = ip ? address_find(skb, c, get32(ip, IPV4_TARGET)).flags &
				       (ADDRESS_LIVE | ADDRESS_CLIENTS)
			  : 0;
		if (!ours) {
			translate_ahead(skb, c, b, l3);
			plan_because(plan, REASON_inside_other);
			return 0;
		}
	}
	bytes_pull(skb, b, l3);
	return ours;
}

/* Does it go to a host that may be a server of full NAT? */
static __always_inline int to_server(struct __sk_buff *skb, const struct config *c, u32 l3)
{
	struct bytes b;

	if (!is_ipv4(skb))
		return 0;
	bytes_need(skb, &b, l3 + IP_MIN);
	u8 *ip = packet_bytes(&b, l3, IP_MIN);
	return ip && server_maybe(c, get32(ip, IPV4_TARGET));
}

static __always_inline void meeting_fill(struct __sk_buff *skb, const struct config *c, struct meeting *m,
					 const struct interface *at, u32 ours, enum hook hook)
{
	int leaves = hook == HOOK_OUT || hook == HOOK_CLIENT;
	const struct interface *from = at;

	m->now = env_now(skb);
	m->interface = at->number;
	m->ours = (u8)ours;
	m->trial = 0;
	m->local = leaves && !skb->ingress_ifindex;
	if (leaves)
		from = m->local ? 0 : interface_find(c, skb->ingress_ifindex);
	m->from = from ? from->role : (u8)ROLE_NONE;
	m->listed = from ? from->listed : 0;
	m->by = from ? from->number : (u8)NO_INTERFACE;
}

static __always_inline void translate(struct __sk_buff *skb, const struct config *c, struct work *work,
				      enum hook hook)
{
	switch (hook) {
	case HOOK_OUT:
		translate_out(skb, c, work);
		break;
	case HOOK_IN:
		translate_in(skb, c, work);
		break;
	case HOOK_CLIENT:
		translate_client(skb, c, work);
		break;
	default:
		translate_hairpin(skb, c, work);
		break;
	}
}

/*
 * The short way, for nearly all packets: an ordinary one of a known session, from its bytes to its bytes without scratch
 * memory. The program's return value; NOT_KNOWN: nothing was touched, go the long way; KNOWN_LEARN: it passes, and learn_out()
 * is to be asked.
 */
static __always_inline int meet_known(struct __sk_buff *skb, const struct config *c,
				      const struct interface *at, u32 l3, enum hook hook)
{
	u32 interface = at->number, now = env_now(skb), lease = now;
	u32 length = skb->len - l3;
	struct packet p = {};
	struct bytes b;
	int reason;

	bytes_attach(skb, &b);
	if (!is_ipv4(skb) || !packet_ordinary(&b, &p, l3, length))
		return NOT_KNOWN;
	struct target n = target_of(&p.ip);
	if (hook == HOOK_OUT)
		reason = hit_out(skb, c, &p, interface, now, &n, &lease);
	else if (hook == HOOK_CLIENT)
		reason = hit_out(skb, c, &p, clients_number(interface), now, &n, &lease);
	else
		reason = hit_in(skb, c, &p, now, &n);
	if (reason == NO_SESSION || reason == REASON_spoofed_own) /* the long way drops it, too */
		return NOT_KNOWN;
	if (hook == HOOK_CLIENT)
		reason = REASON_full_nat;
	if (hook != HOOK_IN && !p.atomic)
		identify(skb, &p.ip, &n, env_segments(skb));
	if (rewrite_skb_ports(skb, &b, &p.ip, &n))
		reason = REASON_internal;
	count(interface, (u32)reason, length);
	if (reason == REASON_internal)
		return TC_ACT_SHOT;
	if (hook == HOOK_OUT && l3 && at->fast && (lease & TIME) != now) {
		learn_ready(skb, &p);
		return KNOWN_LEARN;
	}
	return TC_ACT_UNSPEC;
}

/* packet_parse(), beside the programs, whose stack it would take. */
SLOW u32 packet_read(struct __sk_buff *skb, struct work *work, u32 length)
{
	struct bytes b;

	SLOW_ENTER(skb);
	if (!work)
		return REASON_internal;
	bytes_attach(skb, &b);
	return (u32)packet_parse(&b, &work->packet, length);
}

/* Beside the slow path, which needs all the stack there is. */
#define KNOWN(name, l3, hook)                                                                    \
	static __attribute__((noinline)) int name(struct __sk_buff *skb, const struct config *c, \
						  const struct interface *at)                    \
	{                                                                                        \
		return meet_known(skb, c, at, l3, hook);                                         \
	}

KNOWN(known_out_ethernet, ETHERNET, HOOK_OUT)
KNOWN(known_out_bare, 0, HOOK_OUT)
KNOWN(known_in_ethernet, ETHERNET, HOOK_IN)
KNOWN(known_in_bare, 0, HOOK_IN)

static __always_inline int meet(struct __sk_buff *skb, u32 l3, enum hook hook)
{
	const struct config *c = env_config(skb);
	struct bytes b;

	if (!c)
		return TC_ACT_SHOT;
	const struct interface *at = interface_find(c, skb->ifindex);
	if (!at || at->role != (hook == HOOK_HAIRPIN || hook == HOOK_CLIENT ? ROLE_INSIDE : ROLE_OUTSIDE))
		return hook == HOOK_OUT ? TC_ACT_SHOT : TC_ACT_UNSPEC; /* half configured: nothing leaves */
	if (hook == HOOK_OUT && pass_take(skb, c))
		return TC_ACT_UNSPEC;
	if (hook == HOOK_CLIENT && !to_server(skb, c, l3))
		return TC_ACT_UNSPEC; /* it has been counted */
	int known = NOT_KNOWN;
	if (hook == HOOK_HAIRPIN && l3 && at->fast)
		expect(skb);
	if ((hook == HOOK_IN || hook == HOOK_HAIRPIN) && l3 && at->fast)
		known = hook == HOOK_IN ? meet_fast_in(skb, at->number) : meet_fast_out(skb, at->number);
	if (hook == HOOK_OUT)
		known = l3 ? known_out_ethernet(skb, c, at) : known_out_bare(skb, c, at);
	if (hook == HOOK_CLIENT)
		known = meet_known(skb, c, at, l3, hook);
	if (hook == HOOK_OUT && known == KNOWN_LEARN) {
		learn_out(skb, c, at);
		return TC_ACT_UNSPEC;
	}
	if (hook == HOOK_IN && known == NOT_KNOWN)
		known = l3 ? known_in_ethernet(skb, c, at) : known_in_bare(skb, c, at);
	if (hook == HOOK_HAIRPIN && known != NOT_KNOWN)
		expect_none(skb);
	if (known != NOT_KNOWN)
		return known;
	struct work *work = env_scratch(skb);
	u32 length = skb->len - l3;
	if (!work)
		return TC_ACT_SHOT;
	if ((hook == HOOK_IN || hook == HOOK_HAIRPIN) && is_fragment(skb, l3) &&
	    order(skb, work, l3, hook == HOOK_IN ? DIRECTION_IN : DIRECTION_OUT)) {
		count(at->number, REASON_fragment_diverted, length);
		return divert(skb, c, l3, at);
	}
	__builtin_memset(&work->plan, 0, sizeof(work->plan));
	work->plan.interface = at->number;
	u32 ours = concerns(skb, c, &b, l3, hook, &work->plan);
	if (!ours) {
		count(at->number, work->plan.reason, length);
		return TC_ACT_UNSPEC;
	}
	meeting_fill(skb, c, &work->meeting, at, ours, hook);
	__builtin_memset(&work->packet, 0, sizeof(work->packet));
	work->packet.ip.l3 = (u16)l3;
	u32 reason = packet_read(skb, work, length);
	if (reason)
		plan_because(&work->plan, reason);
	else
		translate(skb, c, work, hook);
	u32 direction = hook == HOOK_IN || hook == HOOK_CLIENT ? DIRECTION_IN : DIRECTION_OUT;
	if (work->plan.verdict == VERDICT_ANSWER) /* before it becomes the answer */
		drop_keep(skb, work, l3, direction);
	int verdict = act(skb, &b, work, hook);
	if (verdict == TC_ACT_SHOT)
		drop_keep(skb, work, l3, direction);
	count(at->number, work->plan.reason, length);
	return verdict;
}

/* Not of what was translated at the ingress of another device: the kernel did not show its way. */
static __attribute__((noinline)) int learn(struct __sk_buff *skb)
{
	const struct config *c = env_config(skb);

	if (c && !pass_take(skb, c))
		learn_in(skb, c);
	return TC_ACT_UNSPEC;
}

SEC("tc") int out_ethernet(struct __sk_buff *skb) { return meet(skb, ETHERNET, HOOK_OUT); }
SEC("tc") int in_ethernet(struct __sk_buff *skb) { return meet(skb, ETHERNET, HOOK_IN); }
SEC("tc") int hairpin_ethernet(struct __sk_buff *skb) { return meet(skb, ETHERNET, HOOK_HAIRPIN); }
SEC("tc") int learn_ethernet(struct __sk_buff *skb) { return learn(skb); }
SEC("tc") int client_ethernet(struct __sk_buff *skb)
{
	learn(skb);
	return meet(skb, ETHERNET, HOOK_CLIENT);
}

SEC("tc") int out_bare(struct __sk_buff *skb) { return meet(skb, 0, HOOK_OUT); }
SEC("tc") int in_bare(struct __sk_buff *skb) { return meet(skb, 0, HOOK_IN); }
SEC("tc") int hairpin_bare(struct __sk_buff *skb) { return meet(skb, 0, HOOK_HAIRPIN); }
SEC("tc") int client_bare(struct __sk_buff *skb) { return meet(skb, 0, HOOK_CLIENT); }

SEC("xdp") int xdp_out(struct xdp_md *xdp) { return meet_xdp(xdp, DIRECTION_OUT); }
SEC("xdp") int xdp_in(struct xdp_md *xdp) { return meet_xdp(xdp, DIRECTION_IN); }

/* What is no fragment of ours stays where it is: the namespace behind this device has nothing to say. */
SEC("tc") int ordered(struct __sk_buff *skb)
{
	const struct config *c = env_config(skb);
	u32 role = skb->tc_index >> ORDER_ROLE_AT, number = skb->tc_index & ((1 << ORDER_ROLE_AT) - 1);

	if (!c || !is_ipv4(skb) || !role || number >= MAX_INTERFACES || c->interfaces[number].role != role)
		return TC_ACT_SHOT;
	skb->tc_index = 0;
	skb->mark = c->pass[0];
	return (int)bpf_redirect(c->interfaces[number].ifindex, BPF_F_INGRESS);
}

/* Not attached: tells the daemon the kernel's jiffies, by which the entries' times are kept. */
struct clock {
	u64 jiffies;
};
SEC("syscall") int clock_read(struct clock *clock)
{
	clock->jiffies = bpf_jiffies64();
	return 0;
}

/*
 * Not attached: answers what only the kernel knows, to the daemon that explains what would become of a packet (daemon/explain.h), by
 * the functions that the other programs ask. The frame of a trial run has a struct question behind its Ethernet header; the return
 * value is the answer.
 */
SEC("tc") int question(struct __sk_buff *skb)
{
	struct question q;

	if (bpf_skb_load_bytes(skb, ETHERNET, &q, sizeof(q)))
		return 0;
	if (q.kind == QUESTION_ROUTE)
		return env_route_inside(skb, q.remote, q.local);
	if (q.kind == QUESTION_HAIRPIN)
		return (int)hairpin_interface(skb, q.remote, q.local);
	struct endpoint remote = { .addr = q.remote, .port = q.remote_port };
	struct endpoint local = { .addr = q.local, .port = q.local_port };
	return env_local_socket(skb, q.class, remote, local);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
