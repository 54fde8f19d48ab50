/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * all.bpf.c - accelerate: all. At XDP also what no lease knows: first packets of sessions from inside, and the packets with
 * which TCP opens and closes.
 *
 *   all_out	the receive queue of an inside interface
 *   all_in	of an outside one
 *
 * A packet of a flow with a lease goes as at XDP (xdp.h). For another one the kernel is asked for the next hop (bpf_fib_lookup()); then the
 * core decides as it does at TC (core/translate.h), and the frame is rewritten and redirected. The kernel's routing, its connection tracking
 * and its filter rules see nothing of it: who has rules for forwarded packets must not configure this.
 *
 * WHAT GOES UP as it came, to be met at TC: protocols but TCP and UDP, fragments, IP options, the last hop, PPTP's control connections;
 * packets to the router, or to an outside address from inside; what comes in and belongs to no session (filtering, held SYNs, the router's
 * sockets: nothing is decided here); sessions of the router's own or by another interface than the route leads to; where there is no
 * route, no neighbour yet, or too small an MTU; destinations that are not translated, and refusals of which the sender may be told. What
 * the core made on the way is no harm: at TC the packet then belongs to a known session. Other refusals end the packet here.
 *
 * THE KERNEL'S NEIGHBOURS would grow stale if nothing were sent by the kernel. A flow's lease, once it is over, is renewed by the kernel
 * as it is without `all`; and of the packets without a lease one each tick, way and CPU goes up.
 */
#define NAT_AT_XDP
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "core/drop.h"
#include "core/mss.h"
#include "core/pptp.h"
#include "core/translate.h"
#include "bpf/xdp.h"

enum { ALL_FOUND = 1 << 8 }; /* all_way() found one; below it the interface's number */

/* Has this process of the kernel's something to see of a way in this tick? Then this packet is it. */
static __always_inline int all_shows(struct work *work, u8 direction)
{
	u32 *shown = direction == DIRECTION_OUT ? &work->shown[0] : &work->shown[1];

	if (virtual_time || *shown == work->meeting.now)
		return 0;
	*shown = work->meeting.now;
	return 1;
}

/* Parse the frame: 1 if it is a packet of which more may be said here. */
SLOW u32 all_read(struct xdp_md *xdp, struct work *work)
{
	u32 length = xdp->data_end - xdp->data - ETHERNET;
	struct bytes b;

	SLOW_ENTER(xdp);
	if (!work)
		return 0;
	struct packet *p = &work->packet;

	xdp_bytes(xdp, &b);
	u8 *ip = packet_bytes(&b, ETHERNET, IP_MIN);
	if (!ip || ip[0] != 0x45 || ip[IPV4_TTL] <= 1 || fragment_is(ip) ||
	    (ip[IPV4_PROTOCOL] != PROTOCOL_TCP && ip[IPV4_PROTOCOL] != PROTOCOL_UDP))
		return 0;
	u32 source = be32_to_host(get32(ip, IPV4_SOURCE)) >> 24;
	if (!source || source == 127 || source >= 224) /* no host's: the kernel drops it */
		return 0;
	__builtin_memset(p, 0, sizeof(*p));
	p->ip.l3 = ETHERNET;
	if (packet_parse(&b, p, length) || p->kind != PACKET_PORTS)
		return 0;
	return p->ip.protocol != PROTOCOL_TCP ||
	       (p->ip.sport != host_to_be16(PPTP_PORT) && p->ip.dport != host_to_be16(PPTP_PORT));
}

/* The kernel's next hop for a packet of these addresses, into work->offer.hop: ALL_FOUND and its interface of this role; 0: none for us. */
SLOW u32 all_way(struct xdp_md *xdp, struct work *work, u32 from, u32 to, u32 role)
{
	const struct config *c = env_config(xdp);
	struct bpf_fib_lookup fib = {};
	struct bytes b;

	SLOW_ENTER(xdp);
	if (!work || !c)
		return 0;
	struct next_hop *hop = &work->offer.hop;

	xdp_bytes(xdp, &b);
	u8 *ip = packet_bytes(&b, ETHERNET, IP_MIN);
	if (!ip)
		return 0;
	fib.family = 2; /* AF_INET */
	fib.l4_protocol = ip[IPV4_PROTOCOL];
	fib.sport = work->packet.ip.sport;
	fib.dport = work->packet.ip.dport;
	fib.tot_len = work->packet.length;
	fib.ifindex = xdp->ingress_ifindex;
	fib.tos = ip[1];
	fib.ipv4_src = (__be32)from;
	fib.ipv4_dst = (__be32)to;
	if (bpf_fib_lookup(xdp, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return 0;
	const struct interface *way = interface_find(c, fib.ifindex);
	if (!way || way->role != role || !(way->fast & FAST_TARGET))
		return 0;
	__builtin_memcpy(hop->frame, fib.dmac, 6);
	__builtin_memcpy(hop->frame + 6, fib.smac, 6);
	hop->mtu = virtual_time ? (u16)VIRTUAL_MTU : fib.mtu_result;
	hop->from = work->meeting.by;
	hop->can = HOP_REDIRECT;
	hop->ifindex = fib.ifindex;
	hop->mark = 0;
	hop->priority = PRIORITY_BY_SERVICE;
	hop->zero2 = 0;
	return ALL_FOUND | way->number;
}

/* A SYN passes by outside interface `number`: see mss.h. */
SLOW u32 all_clamp(struct xdp_md *xdp, struct work *work, u32 number)
{
	const struct config *c = env_config(xdp);
	struct mss_change change;
	struct bytes b;

	SLOW_ENTER(xdp);
	if (!work || !c)
		return 0;
	const struct packet *p = &work->packet;
	u32 most = c->mss[number & (MAX_OUTSIDE - 1)];

	xdp_bytes(xdp, &b);
	u32 at = most ? mss_find(&b, p, mss_end(&b, p)) : 0;
	u8 *check = packet_bytes(&b, p->ip.l4 + TCP_CHECK, 2);
	if (at && check && mss_lower(&b, p, at, most, &change))
		put16(check, 0,
		      (__be16)checksum_apply((u16)get16(check, 0), checksum_diff16(change.was, change.is)));
	return 0;
}

/* The frame becomes what plan and next hop say. 0, or it is out of reach. */
SLOW u32 all_write(struct xdp_md *xdp, struct work *work)
{
	struct bytes b;

	SLOW_ENTER(xdp);
	if (!work)
		return 1;
	xdp_bytes(xdp, &b);
	return xdp_header(&b, &work->offer.hop) || rewrite(&b, &work->packet, &work->plan);
}

/* A packet from inside ends here: its headers are kept for people, as drop_keep() does at TC. */
SLOW u32 all_keep(struct xdp_md *xdp, struct work *work)
{
	SLOW_ENTER(xdp);
	if (!work)
		return 0;
	u64 length = work->packet.length;
	struct drop *at = drop_begin(xdp, work->plan.reason, work->meeting.now);
	if (!at)
		return 0;
	drop_describe(xdp, at, work->plan.interface, DIRECTION_OUT, (u32)length,
		      length < DROP_BYTES ? (u32)length : DROP_BYTES);
	LENGTH_WITHIN(length, DROP_BYTES);
	(void)bpf_xdp_load_bytes(xdp, ETHERNET, at->packet, (u32)length);
	drop_end(at);
	return 0;
}

/* The packet goes out or in by outside interface `number`, as the plan says. The program's return value. */
static __always_inline int all_send(struct xdp_md *xdp, struct work *work, u32 number, u8 direction)
{
	const struct packet *p = &work->packet;
	struct offer *offer = &work->offer;
	u32 reason = work->plan.reason;

	if (mss_concerns(p))
		all_clamp(xdp, work, number);
	if (all_write(xdp, work)) {
		count(number, REASON_internal, p->length);
		return XDP_DROP;
	}
	count(number, reason, p->length);
	if (reason == REASON_out_session || reason == REASON_in_session) {
		offer->protocol = p->ip.protocol;
		offer->direction = direction;
		offer->now = work->meeting.now;
		lease_renew(xdp, work);
	}
	return xdp_send(offer->hop.ifindex);
}

/*
 * What is known of a packet that no lease knows, and its ends into work->offer, the inside one as it is inside. LOOK_KNOWN and the outside
 * interface of its session; LOOK_NEW: there is none; LOOK_UP: it is not for here. A lease that is over is the kernel's to renew.
 */
enum { LOOK_UP = 0, LOOK_NEW = 1 << 8, LOOK_KNOWN = 2 << 8 };
SLOW u32 all_look(struct xdp_md *xdp, struct work *work, u32 direction)
{
	const struct config *c = env_config(xdp);
	struct flow_hit hit = {};
	union flow_key key;

	SLOW_ENTER(xdp);
	if (!work || !c)
		return LOOK_UP;
	const struct packet *p = &work->packet;
	struct offer *offer = &work->offer;

	offer->remote = direction == DIRECTION_OUT ? destination_of(&p->ip) : source_of(&p->ip);
	offer->inside = direction == DIRECTION_OUT ? source_of(&p->ip) : destination_of(&p->ip);
	flow_key(&key, &p->ip, (u8)direction);
	if (!flow_seek(xdp, c, key.word, &hit))
		return LOOK_NEW;
	/* One of this tick that does not hold was given beside a change of routes or the like: the next one will. */
	int leased = hit.value.lease && (hit.value.lease & TIME) != work->meeting.now &&
		     !(p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) &&
		     (p->ip.protocol == PROTOCOL_UDP || tcp_is_open(word_flags(hit.word)));
	if (hit.value.own & ~OWN_FULL || leased)
		return LOOK_UP;
	if (direction == DIRECTION_IN) {
		offer->inside.addr = hit.value.addr;
		offer->inside.port = hit.value.port;
	}
	return LOOK_KNOWN | hit.value.interface;
}

/* What a first packet needs is asked for before it is looked at: see translate_expect(). */
SLOW u32 all_expect(struct xdp_md *xdp, struct work *work)
{
	struct bytes b;

	SLOW_ENTER(xdp);
	if (!work)
		return 0;
	xdp_bytes(xdp, &b);
	translate_expect(xdp, work, &b, ETHERNET);
	return 0;
}

static __always_inline void all_begin(struct work *work, u32 interface, u8 from, u8 listed, u8 by)
{
	struct meeting *m = &work->meeting;

	m->interface = (u8)interface;
	m->from = from;
	m->local = 0;
	m->listed = listed;
	m->by = by;
	m->ours = ADDRESS_LIVE;
	m->trial = 1;
	__builtin_memset(&work->plan, 0, sizeof(work->plan));
	work->plan.interface = (u8)interface;
}

/* A packet of inside interface `at`. The program's return value. */
static __always_inline int all_leave(struct xdp_md *xdp, const struct config *c, struct work *work,
				     const struct interface *at)
{
	const struct packet *p = &work->packet;

	if (p->tcp_flags & TCP_SYN)
		all_expect(xdp, work);
	u32 look = all_look(xdp, work, DIRECTION_OUT);
	work->firsts = look == LOOK_NEW ? work->firsts + 1 : 0;

	if (look == LOOK_UP || address_find(xdp, c, p->ip.daddr).flags & (ADDRESS_LIVE | ADDRESS_CLIENTS))
		return XDP_PASS;
	if (look == LOOK_NEW && !ahead_wanted(work) && !(p->tcp_flags & TCP_SYN))
		all_expect(xdp, work);
	u32 way = all_way(xdp, work, (u32)p->ip.saddr, (u32)p->ip.daddr, ROLE_OUTSIDE), number = way & 0xff;
	if (!way || (look != LOOK_NEW && (look & 0xff) != number) || all_shows(work, DIRECTION_OUT))
		return XDP_PASS;
	all_begin(work, number, ROLE_INSIDE, at->listed, at->number);
	translate_out(xdp, c, work);
	u32 reason = work->plan.reason;
	if (work->plan.verdict == VERDICT_DROP && !(c->tell && told_reason(reason) != reason)) {
		all_keep(xdp, work);
		count(number, reason, p->length);
		return XDP_DROP;
	}
	if (work->plan.verdict != VERDICT_TRANSLATE)
		return XDP_PASS;
	return all_send(xdp, work, number, DIRECTION_OUT);
}

/* A packet of outside interface `at`: as above. */
static __always_inline int all_enter(struct xdp_md *xdp, const struct config *c, struct work *work,
				     const struct interface *at)
{
	const struct packet *p = &work->packet;

	if (!(all_look(xdp, work, DIRECTION_IN) & LOOK_KNOWN) ||
	    !all_way(xdp, work, (u32)p->ip.saddr, (u32)work->offer.inside.addr, ROLE_INSIDE) ||
	    all_shows(work, DIRECTION_IN))
		return XDP_PASS;
	all_begin(work, at->number, ROLE_OUTSIDE, 0, at->number);
	work->plan.ip = target_of(&p->ip);
	int reason = hit_in(xdp, c, p, work->meeting.now, &work->plan.ip);
	if (reason == NO_SESSION || reason == REASON_spoofed_own)
		return XDP_PASS;
	plan_because(&work->plan, (u32)reason);
	return all_send(xdp, work, at->number, DIRECTION_IN);
}

static __always_inline int all_known(struct xdp_md *xdp, u8 direction)
{
	const struct config *c = env_config(xdp);
	const struct interface *at = c ? xdp_from(xdp, c, direction) : 0;

	return at ? xdp_known(xdp, c, at, direction) : XDP_PASS;
}

/* Beside what comes behind them, for the verifier: see fast.h. */
SLOW int all_known_out(struct xdp_md *xdp) { return all_known(xdp, DIRECTION_OUT); }
SLOW int all_known_in(struct xdp_md *xdp) { return all_known(xdp, DIRECTION_IN); }

static __always_inline int meet_all(struct xdp_md *xdp, u8 direction)
{
	const struct config *c = env_config(xdp);
	struct work *work = env_scratch(xdp);
	struct bytes b;

	if (direction == DIRECTION_OUT && work && ahead_wanted(work))
		all_expect(xdp, work);
	int known = direction == DIRECTION_OUT ? all_known_out(xdp) : all_known_in(xdp);
	if (known != NO_SESSION) {
		if (direction == DIRECTION_OUT && work && work->firsts)
			work->firsts = 0;
		return known;
	}
	const struct interface *at = c ? xdp_from(xdp, c, direction) : 0;
	if (!at || !work || !(at->fast & FAST_ALL))
		return XDP_PASS;
	xdp_bytes(xdp, &b);
	if (!xdp_frame(c, &b, at))
		return XDP_PASS;
	work->meeting.now = env_now(xdp);
	work->meeting.by = at->number;
	if (!all_read(xdp, work))
		return XDP_PASS;
	return direction == DIRECTION_OUT ? all_leave(xdp, c, work, at) : all_enter(xdp, c, work, at);
}

SEC("xdp") int all_out(struct xdp_md *xdp) { return meet_all(xdp, DIRECTION_OUT); }
SEC("xdp") int all_in(struct xdp_md *xdp) { return meet_all(xdp, DIRECTION_IN); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
