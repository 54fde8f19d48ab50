/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * answer.h - what the sender of a packet is told in its place.
 *
 * The packet becomes the answer: the same bytes, written anew and cut, go back by the interface by which they came. Of a TCP
 * connection that cannot go on that is a RST; of what is refused, ICMP, which quotes it.
 */
#pragma once
#include "core/rewrite.h"

enum { ANSWER_TTL = 64 };

/* Bytes of a TCP header behind its ports. */
enum { TCP_SEQUENCE = 4, TCP_ACKNOWLEDGEMENT = 8, TCP_WINDOW = 14 };

/* The sum over a pseudo header; of the two ends the order does not count. */
static __always_inline u64 pseudo_sum(const struct tuple *t, u32 length)
{
	return (t->saddr & 0xffff) + (t->saddr >> 16) + (t->daddr & 0xffff) + (t->daddr >> 16) +
	       (u16)host_to_be16(t->protocol) + (u16)host_to_be16(length);
}

/* The sum over the words of an IP header that an answer changes, but for addresses, which only change places. */
static __always_inline u64 answer_words(const u8 *ip)
{
	return (u64)(u16)get16(ip, 0) + (u16)get16(ip, IPV4_LENGTH) + (u16)get16(ip, IPV4_ID) +
	       (u16)get16(ip, IPV4_FRAGMENT) + (u16)get16(ip, IPV4_TTL);
}

/* The IP header of an answer of `length` bytes from the packet's target to its source. Options stay. */
static __always_inline void answer_ip(u8 *ip, const struct tuple *t, u32 length)
{
	u64 before = answer_words(ip);

	ip[1] = 0;
	put16(ip, IPV4_LENGTH, host_to_be16(length));
	put16(ip, IPV4_ID, 0);
	put16(ip, IPV4_FRAGMENT, host_to_be16(IPV4_DONT_FRAGMENT));
	ip[IPV4_TTL] = ANSWER_TTL;
	put16(ip, IPV4_CHECK,
	      (__be16)checksum_apply((u16)get16(ip, IPV4_CHECK), answer_words(ip) + 5 * 0xffff - before));
	put32(ip, IPV4_SOURCE, t->daddr);
	put32(ip, IPV4_TARGET, t->saddr);
}

/* Sequence numbers and flags as RFC 9293 section 3.10.7.1 wants them for a connection that does not exist. */
static __always_inline void answer_sequence(u8 *tcp, const struct packet *p, u32 payload)
{
	u32 data = payload - (u32)(tcp[TCP_OFFSET] >> 4) * 4 + (p->tcp_flags & TCP_FIN);
	__be32 sequence = get32(tcp, TCP_SEQUENCE), acknowledged = get32(tcp, TCP_ACKNOWLEDGEMENT);

	if (p->tcp_flags & TCP_ACK) {
		put32(tcp, TCP_SEQUENCE, acknowledged);
		put32(tcp, TCP_ACKNOWLEDGEMENT, 0);
		tcp[TCP_FLAGS] = TCP_RST;
	} else {
		put32(tcp, TCP_SEQUENCE, 0);
		put32(tcp, TCP_ACKNOWLEDGEMENT, host_to_be32(be32_to_host(sequence) + data));
		tcp[TCP_FLAGS] = TCP_RST | TCP_ACK;
	}
	tcp[TCP_OFFSET] = TCP_MIN / 4 << 4;
}

/*
 * Make a whole TCP segment a RST to its sender. Bytes of the answer from its IP header on, to which the packet is then to be
 * cut; 0: the headers are out of reach. A checksum that the kernel left partial (it holds the sum of the pseudo header alone)
 * stays so.
 */
static __always_inline u32 answer_reset(const struct bytes *b, const struct packet *p)
{
	const struct tuple *t = &p->ip;
	u8 *ip = packet_bytes(b, t->l3, IP_MIN), *tcp = packet_bytes(b, t->l4, TCP_MIN);
	u32 header = t->l4 - t->l3, payload = p->length - header;

	if (!ip || !tcp)
		return 0;
	int partial = (u16)get16(tcp, TCP_CHECK) == checksum_fold(pseudo_sum(t, payload));
	u64 sum = pseudo_sum(t, TCP_MIN);
	answer_ip(ip, t, header + TCP_MIN);
	answer_sequence(tcp, p, payload);
	put16(tcp, 0, t->dport);
	put16(tcp, 2, t->sport);
	put32(tcp, TCP_WINDOW, 0); /* and the checksum */
	put16(tcp, TCP_CHECK + 2, 0);
	if (partial) {
		put16(tcp, TCP_CHECK, (__be16)checksum_fold(sum));
	} else {
		for (u32 i = 0; i < TCP_MIN; i += 2)
			sum += (u16)get16(tcp, i);
		put16(tcp, TCP_CHECK, (__be16)(u16)~checksum_fold(sum));
	}
	return header + TCP_MIN;
}

/*
 * ICMP: destination unreachable. In front of the packet, cut to its headers, room is made for an IP header and one of ICMP.
 * More than the headers is not quoted: the sender finds its socket by them, and the sum of a valid IP header is known without
 * reading it (what was corrupt stays corrupt).
 */
enum { ANSWER_ROOM = IP_MIN + ICMP_HEADER, ICMP_HOST_UNREACHABLE = 1, ICMP_PROHIBITED = 13 };

/* Bytes of its transport header that are quoted. */
static __always_inline u32 answer_quote(const struct packet *p)
{
	return p->ip.protocol == PROTOCOL_TCP ? TCP_MIN : QUOTE_MIN;
}

/* Bytes of the packet that are quoted, from its IP header on. */
static __always_inline u32 answer_quoted(const struct packet *p)
{
	return (u32)(p->ip.l4 - p->ip.l3) + answer_quote(p);
}

/* The code that goes with a reason. */
static __always_inline u8 answer_code(u32 reason)
{
	return reason == REASON_told_limit ? ICMP_PROHIBITED : ICMP_HOST_UNREACHABLE;
}

static __always_inline u64 answer_words_sum(const u8 *at, u32 words)
{
	u64 sum = 0;

	for (u32 i = 0; i < words; i++)
		sum += (u16)get16(at, 2 * i);
	return sum;
}

/*
 * The sum over the quoted transport header: its first bytes, and of TCP the rest. A checksum that the kernel left partial will
 * be made right by whoever sends the packet, for as much of it as there is: then segment and pseudo header add up to nothing.
 * Of what has a sum over the pseudo header only TCP and UDP are ever left so.
 */
static __always_inline u64 answer_transport_sum(const u8 *at, const u8 *rest, const struct packet *p)
{
	const struct tuple *t = &p->ip;
	u16 pseudo = checksum_fold(pseudo_sum(t, p->length - (u32)(t->l4 - t->l3)));
	u16 check = rest ? (u16)get16(rest, TCP_CHECK - QUOTE_MIN) : (u16)get16(at, UDP_CHECK);

	if ((t->protocol == PROTOCOL_TCP || t->protocol == PROTOCOL_UDP) && check == pseudo)
		return (u16)~pseudo;
	return answer_words_sum(at, QUOTE_MIN / 2) +
	       (rest ? answer_words_sum(rest, (TCP_MIN - QUOTE_MIN) / 2) : 0);
}

/* The outer header, of an answer of `length` bytes. The DS field is the sender's (RFC 5508 REQ-10). */
static __always_inline void answer_outer(u8 *ip, u8 ds, u32 length, __be32 from, __be32 to)
{
	u64 sum = 0;

	ip[0] = 0x45;
	ip[1] = ds & 0xfc;
	put16(ip, IPV4_LENGTH, host_to_be16(length));
	put16(ip, IPV4_ID, 0);
	put16(ip, IPV4_FRAGMENT, host_to_be16(IPV4_DONT_FRAGMENT));
	ip[IPV4_TTL] = ANSWER_TTL;
	ip[IPV4_PROTOCOL] = PROTOCOL_ICMP;
	put16(ip, IPV4_CHECK, 0);
	put32(ip, IPV4_SOURCE, from);
	put32(ip, IPV4_TARGET, to);
	for (u32 i = 0; i < IP_MIN; i += 2)
		sum += (u16)get16(ip, i);
	put16(ip, IPV4_CHECK, (__be16)(u16)~checksum_fold(sum));
}

/*
 * Tell the sender of a packet why it was refused. *b: what is quoted, with ANSWER_ROOM before it. from: the router's address
 * there, 0: the packet's target. 0; -1: the headers are out of reach.
 */
static __always_inline int answer_unreachable(const struct bytes *b, const struct packet *p, u8 code,
					      __be32 from)
{
	const struct tuple *t = &p->ip;
	u8 *ip = packet_bytes(b, t->l3, ANSWER_ROOM), *quoted = packet_bytes(b, t->l3 + ANSWER_ROOM, IP_MIN);
	u8 *at = packet_bytes(b, (u32)t->l4 + ANSWER_ROOM, QUOTE_MIN), *rest = 0;

	if (t->protocol == PROTOCOL_TCP) {
		rest = packet_bytes(b, (u32)t->l4 + ANSWER_ROOM + QUOTE_MIN, TCP_MIN - QUOTE_MIN);
		if (!rest)
			return -1;
	}
	if (!ip || !quoted || !at)
		return -1;
	answer_outer(ip, quoted[1], ANSWER_ROOM + answer_quoted(p), from ? from : t->daddr, t->saddr);
	u8 *icmp = ip + IP_MIN;
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = code;
	put16(icmp, ICMP_CHECK, 0);
	put32(icmp, ICMP_ID, 0);
	u64 sum = (u16)get16(icmp, 0) + answer_transport_sum(at, rest, p);
	put16(icmp, ICMP_CHECK, (__be16)(u16)~checksum_fold(sum));
	return 0;
}
