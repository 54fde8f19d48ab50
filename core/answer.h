/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * answer.h - what the sender of a packet is told in its place.
 *
 * The packet becomes the answer: the same bytes, written anew and cut, go back by the interface by which they came.
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
