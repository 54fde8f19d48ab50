/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rewrite.h - a plan applied to bytes.
 *
 * Everything is incremental (RFC 3022 section 4.1, RFC 1624): what was corrupt stays corrupt. The order of the steps
 * does not matter, since the plan has the new values and the packet was read before. A UDP checksum of 0 stays 0; one
 * that comes out as 0 is sent as 0xffff (RFC 768).
 */
#pragma once
#include "core/checksum.h"
#include "core/crc32c.h"
#include "core/plan.h"

static __always_inline void put16(void *at, u32 off, __be16 value)
{
	*(volatile u16 *)((u8 *)at + off) = (u16)value;
}
static __always_inline void put32(void *at, u32 off, __be32 value) { PUT32((u8 *)at + off, (u32)value); }

static __always_inline u64 target_diff_addresses(const struct tuple *t, const struct target *n)
{
	return checksum_diff32((u32)t->saddr, (u32)n->saddr) + checksum_diff32((u32)t->daddr, (u32)n->daddr);
}

static __always_inline u64 target_diff_ports(const struct tuple *t, const struct target *n)
{
	return checksum_diff16((u16)t->sport, (u16)n->sport) + checksum_diff16((u16)t->dport, (u16)n->dport);
}

/* Addresses, identification and header checksum. What it adds to a sum over the header goes to *sum. 0 or -1. */
static __always_inline int rewrite_ip(const struct bytes *b, const struct tuple *t, const struct target *n,
				      u64 *sum)
{
	u8 *ip = packet_bytes(b, t->l3, IP_MIN);

	if (!ip)
		return -1;
	u64 diff = target_diff_addresses(t, n);
	if (n->has_id) {
		diff += checksum_diff16((u16)get16(ip, IPV4_ID), (u16)n->id);
		put16(ip, IPV4_ID, n->id);
	}
	u16 was = (u16)get16(ip, IPV4_CHECK), check = checksum_apply(was, diff);
	put32(ip, IPV4_SOURCE, n->saddr);
	put32(ip, IPV4_TARGET, n->daddr);
	put16(ip, IPV4_CHECK, (__be16)check);
	*sum += diff + checksum_diff16(was, check);
	return 0;
}

/* So many hops more or (two at least, and one) less. The header checksum follows. 0 or -1. */
static __always_inline int rewrite_hops(const struct bytes *b, u32 l3, int more)
{
	u8 *ip = packet_bytes(b, l3, IP_MIN);

	if (!ip)
		return -1;
	u16 was = (u16)get16(ip, IPV4_TTL);
	ip[IPV4_TTL] = (u8)(ip[IPV4_TTL] + more);
	put16(ip, IPV4_CHECK,
	      (__be16)checksum_apply((u16)get16(ip, IPV4_CHECK),
				     checksum_diff16(was, (u16)get16(ip, IPV4_TTL))));
	return 0;
}

static __always_inline int rewrite_ttl(const struct bytes *b, u32 l3) { return rewrite_hops(b, l3, -1); }

/* A hairpinned packet does not see the kernel's routing: one hop less is our business. 0 or a reason. */
static __always_inline u32 rewrite_hairpin_ttl(const struct bytes *b, const struct packet *p)
{
	if (p->ttl <= 1)
		return REASON_hairpin_ttl;
	return rewrite_ttl(b, p->ip.l3) ? REASON_internal : 0;
}

/* The ports, or the identifier of an ICMP query. 0 or -1. */
static __always_inline int rewrite_ports(const struct bytes *b, const struct tuple *t, const struct target *n,
					 u64 *sum)
{
	u8 *at = packet_bytes(b, t->l4, QUOTE_MIN);

	if (t->class >= CLASSES) /* quoted, and without ports */
		return 0;
	if (!at)
		return -1;
	if (t->protocol == PROTOCOL_ICMP) {
		put16(at, ICMP_ID, n->sport ? n->sport : n->dport);
	} else {
		put16(at, 0, n->sport);
		put16(at, 2, n->dport);
	}
	*sum += target_diff_ports(t, n);
	return 0;
}

/* The call id of PPTP's GRE. */
static __always_inline int rewrite_call(const struct bytes *b, const struct tuple *t, const struct target *n,
					u64 *sum)
{
	u8 *at = packet_bytes(b, t->l4, QUOTE_MIN);

	if (!tuple_has_call(t))
		return 0;
	if (!at)
		return -1;
	put16(at, GRE_CALL, n->dport);
	*sum += checksum_diff16((u16)t->dport, (u16)n->dport);
	return 0;
}

/* Classes whose checksum is never 0: a sum that comes out so is sent as 0xffff (RFC 768, RFC 3828 section 3.1). */
static __always_inline int class_avoids_zero(u32 class)
{
	return class == CLASS_UDP || class == CLASS_UDPLITE;
}

/*
 * SCTP's CRC over `bytes` bytes, after their ports changed. One that is 0 stays: mostly the kernel left it to the device. (Of
 * four thousand million packets one that is really 0 is spoilt, if its port changes.)
 */
static __always_inline int rewrite_crc(const struct bytes *b, const struct tuple *t, const struct target *n,
				       u32 bytes, u64 *sum)
{
	u8 *at = packet_bytes(b, t->l4 + SCTP_CHECK, 4);
	u32 change = (u32)be16_to_host(t->sport ^ n->sport) << 16 | be16_to_host(t->dport ^ n->dport);

	if (!at)
		return -1;
	u32 was = (u32)get32(at, 0);
	if (!change || !was)
		return 0;
	change = crc32c_change(__builtin_bswap32(change), bytes);
	u32 check = was ^ (u32)host_to_be32(__builtin_bswap32(change));
	put32(at, 0, (__be32)check);
	*sum += checksum_diff32(was, check);
	return 0;
}

/*
 * The transport checksum after its words changed by ports and, but for ICMP and SCTP, its pseudo header by addresses. bytes: of
 * the transport header and what follows.
 */
static __always_inline int rewrite_check(const struct bytes *b, const struct tuple *t, const struct target *n,
					 u32 bytes, u64 *sum)
{
	u8 *at = packet_bytes(b, t->l4 + class_check(t->class), 2);

	if (!at)
		return -1;
	if (t->class == CLASS_SCTP)
		return rewrite_crc(b, t, n, bytes, sum);
	u16 was = (u16)get16(at, 0);
	if (class_avoids_zero(t->class) && !was)
		return 0;
	u64 diff = target_diff_ports(t, n);
	if (t->protocol != PROTOCOL_ICMP)
		diff += target_diff_addresses(t, n);
	u16 check = checksum_apply(was, diff);
	if (class_avoids_zero(t->class) && !check)
		check = 0xffff;
	put16(at, 0, (__be16)check);
	*sum += checksum_diff16(was, check);
	return 0;
}

/* A quoted header: as above, with what may be missing left out. Its sum is what the ICMP checksum must follow. */
static __always_inline int rewrite_quote(const struct bytes *b, const struct packet *p,
					 const struct target *n, u64 *sum)
{
	u8 *ip = packet_bytes(b, p->quote.l3, IP_MIN);

	if (!ip || rewrite_ip(b, &p->quote, n, sum) || rewrite_ports(b, &p->quote, n, sum) ||
	    rewrite_call(b, &p->quote, n, sum))
		return -1;
	u32 bytes = be16_to_host(get16(ip, IPV4_LENGTH)) - tuple_header(&p->quote);
	return p->quote.has_check ? rewrite_check(b, &p->quote, n, bytes, sum) : 0;
}

/* An ICMP error: outer addresses, the quoted packet, the ICMP checksum over it. */
static __always_inline int rewrite_error(const struct bytes *b, const struct packet *p,
					 const struct plan *plan)
{
	u64 outer = 0, sum = 0;
	u8 *icmp;

	if (rewrite_ip(b, &p->ip, &plan->ip, &outer) || rewrite_quote(b, p, &plan->quote, &sum))
		return -1;
	icmp = packet_bytes(b, p->ip.l4, ICMP_HEADER);
	if (!icmp)
		return -1;
	put16(icmp, ICMP_CHECK, (__be16)checksum_apply((u16)get16(icmp, ICMP_CHECK), sum));
	return 0;
}

/* Apply the plan. 0; -1: the bytes are out of reach, and the packet must not go on. */
static __always_inline int rewrite(const struct bytes *b, const struct packet *p, const struct plan *plan)
{
	u64 sum = 0;

	if (p->kind == PACKET_ERROR)
		return rewrite_error(b, p, plan);
	if (rewrite_ip(b, &p->ip, &plan->ip, &sum))
		return -1;
	if (p->later)
		return 0;
	if (p->kind == PACKET_OTHER)
		return rewrite_call(b, &p->ip, &plan->ip, &sum);
	if (rewrite_ports(b, &p->ip, &plan->ip, &sum))
		return -1;
	return rewrite_check(b, &p->ip, &plan->ip, p->length - tuple_header(&p->ip), &sum);
}
