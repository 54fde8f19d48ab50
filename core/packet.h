/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet.h - from bytes to a struct packet.
 *
 * All bytes are read and written through packet_bytes(), which bounds offset and length and returns NULL. The
 * parser trusts nothing: impossible lengths end with a reason, never with a guess. What it does not understand
 * but may pass is told by packet->kind.
 */
#pragma once
#include "core/env.h"

enum {
	PACKET_REACH =
		255, /* headers end before this: Ethernet 14, IPv4 60, ICMP 8, quoted IPv4 60, 20 of TCP */
	IP_MIN = 20,
	UDP_HEADER = 8,
	TCP_MIN = 20,
	DCCP_MIN = 12, /* with short sequence numbers; four more with long ones */
	SCTP_MIN = 16, /* with the head of a first chunk */
	ICMP_HEADER = 8,
	QUOTE_MIN = 8, /* of the quoted transport header: RFC 792 */
};

enum {
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_DCCP = 33,
	PROTOCOL_GRE = 47,
	PROTOCOL_ESP = 50,
	PROTOCOL_AH = 51,
	PROTOCOL_SCTP = 132,
	PROTOCOL_UDPLITE = 136,
};

enum { ETHERTYPE_AT = 12, ETHERTYPE_IPV4 = 0x0800 }; /* in an Ethernet header */

/* Byte offsets within the headers. */
enum {
	IPV4_LENGTH = 2,
	IPV4_ID = 4,
	IPV4_FRAGMENT = 6,
	IPV4_TTL = 8,
	IPV4_PROTOCOL = 9,
	IPV4_CHECK = 10,
	IPV4_SOURCE = 12,
	IPV4_TARGET = 16
};
enum {
	UDP_LENGTH = 4,
	UDP_CHECK = 6,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_CHECK = 16,
	ICMP_CHECK = 2,
	ICMP_ID = 4,
	UDPLITE_COVERAGE = 4,
	DCCP_OFFSET = 4,
	DCCP_TYPE = 8,
	SCTP_CHECK = 8,
	SCTP_CHUNK = 12,
	GRE_TYPE = 2,
	GRE_CALL = 6
};
/* GRE's first word: version 1 with a key, as PPTP has it, and the flags that say which numbers follow (RFC 2637 section 4.1). */
enum { GRE_VERSION_1 = 0x2001, GRE_NUMBERS = 0x1080, GRE_PPP = 0x880b, PPTP_PORT = 1723 };
enum { IPV4_DONT_FRAGMENT = 0x4000, IPV4_MORE_FRAGMENTS = 0x2000, IPV4_OFFSET_MASK = 0x1fff };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMP_TIMESTAMP = 13,
	ICMP_TIMESTAMP_REPLY = 14,
	ICMP_MASK = 17,
	ICMP_MASK_REPLY = 18,
};

/* What the parser found. */
enum packet_kind {
	PACKET_PORTS,	 /* of a class, TCP say, or an ICMP query: both endpoints are known */
	PACKET_ERROR,	 /* an ICMP error; quote is filled */
	PACKET_FRAGMENT, /* not the first fragment: no ports */
	PACKET_OTHER,	 /* a protocol without ports, or an ICMP message that is neither */
	PACKET_NOT_IP,
};

/* Addresses and ports of one IPv4 header, with the offsets of its parts. Ports as in struct flow; of ESP, the SPI; of PPTP's GRE, see gre_call(). */
struct tuple {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	u8 protocol;
	u8 class;
	u8 has_check; /* the transport checksum is within reach */
	u8 zero;
	u16 l3;
	u16 l4;
};

/* The readable bytes of a packet. The verifier knows these pointers only on the stack. */
struct bytes {
	void *data;
	void *end;
};

struct packet {
	struct tuple ip;
	struct tuple quote;
	u16 length; /* of the IP packet */
	__be16 id;
	u8 kind;      /* enum packet_kind */
	u8 tcp_flags; /* of DCCP and SCTP: what comes nearest */
	u8 ttl;
	u8 first;   /* the first fragment of several */
	u8 request; /* an ICMP query, not its reply; what may begin a connection of DCCP */
	u8 later;   /* a later fragment whose ports the first one told */
	u8 icmp_type;
	u8 piece;      /* a fragment of a packet without ports */
	u8 atomic;     /* whole, and nobody may cut it: its identification means nothing (RFC 6864) */
	__be16 new_id; /* later: the identification that the first fragment left with */
};

/* A protocol without ports, or with ports that the NAT does not know. Fragments, too: they need none, but of ESP. */
static __always_inline int packet_portless(const struct packet *p)
{
	return p->kind == PACKET_OTHER ? p->ip.protocol != PROTOCOL_ICMP
				       : p->kind == PACKET_PORTS && p->ip.class >= CLASSES;
}

/* Bytes of the IP header. */
static __always_inline u32 tuple_header(const struct tuple *t) { return (u32)(t->l4 - t->l3); }

/* len bytes at offset off of the packet, or NULL. The one accessor. */
static __always_inline void *packet_bytes(const struct bytes *b, u32 off, u32 len)
{
	off = BOUNDED(off, PACKET_REACH);
	if (off > PACKET_REACH)
		return 0;
	u8 *at = (u8 *)b->data + off;
	if (at + len > (u8 *)b->end)
		return 0;
	return at;
}

/* Words of the packet, as they lie there: 16-bit ones on even addresses, 32-bit ones perhaps not on multiples of four. */
static __always_inline __be16 get16(const void *at, u32 off)
{
	return (__be16)(*(const volatile u16 *)((const u8 *)at + off));
}

static __always_inline __be32 get32(const void *at, u32 off) { return (__be32)GET32((const u8 *)at + off); }

static __always_inline int protocol_class(u8 protocol)
{
	switch (protocol) {
	case PROTOCOL_UDP:
		return CLASS_UDP;
	case PROTOCOL_TCP:
		return CLASS_TCP;
	case PROTOCOL_ICMP:
		return CLASS_ICMP;
	case PROTOCOL_DCCP:
		return CLASS_DCCP;
	case PROTOCOL_SCTP:
		return CLASS_SCTP;
	case PROTOCOL_UDPLITE:
		return CLASS_UDPLITE;
	default:
		return -1;
	}
}

static inline u8 protocol_of_class(u32 class)
{
	static const u8 protocols[CLASSES] = {
		[CLASS_UDP] = PROTOCOL_UDP,   [CLASS_TCP] = PROTOCOL_TCP,
		[CLASS_ICMP] = PROTOCOL_ICMP, [CLASS_DCCP] = PROTOCOL_DCCP,
		[CLASS_SCTP] = PROTOCOL_SCTP, [CLASS_UDPLITE] = PROTOCOL_UDPLITE,
	};

	return class < CLASSES ? protocols[class] : 0;
}

/* Where the checksum lies within the transport header of a class. Of SCTP it has four bytes, of others two. */
static __always_inline u32 class_check(u32 class)
{
	switch (class) {
	case CLASS_TCP:
		return TCP_CHECK;
	case CLASS_ICMP:
		return ICMP_CHECK;
	case CLASS_SCTP:
		return SCTP_CHECK;
	default:
		return UDP_CHECK;
	}
}

/* 1: a query, 0: a reply to one, -1: neither. RFC 5508 section 3.1; information requests are obsolete (RFC 6918). */
static __always_inline int icmp_is_request(u8 type)
{
	switch (type) {
	case ICMP_ECHO:
	case ICMP_TIMESTAMP:
	case ICMP_MASK:
		return 1;
	case ICMP_ECHO_REPLY:
	case ICMP_TIMESTAMP_REPLY:
	case ICMP_MASK_REPLY:
		return 0;
	default:
		return -1;
	}
}

static __always_inline int icmp_is_error(u8 type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

/* The transport ports of a tuple whose l3, l4 and protocol are set; room: bytes there must be. 0 or a reason. */
static __always_inline int tuple_ports(const struct bytes *b, struct packet *p, struct tuple *t, int quoted)
{
	u8 *at = packet_bytes(b, t->l4, QUOTE_MIN);

	if (!at)
		return REASON_malformed_transport;
	if (t->protocol != PROTOCOL_ICMP) {
		t->sport = get16(at, 0);
		t->dport = get16(at, 2);
		return 0;
	}
	int request = icmp_is_request(at[0]);
	if (request < 0)
		return REASON_icmp_unsupported;
	if (!quoted)
		p->request = (u8)request;
	t->sport = request ? get16(at, ICMP_ID) : 0;
	t->dport = request ? 0 : get16(at, ICMP_ID);
	return 0;
}

/* The IPv4 header at t->l3. Its header length in bytes, or 0. */
static __always_inline u32 tuple_ip(const struct bytes *b, struct tuple *t)
{
	u8 *ip = packet_bytes(b, t->l3, IP_MIN);

	if (!ip || ip[0] >> 4 != 4)
		return 0;
	u32 header = (ip[0] & 15u) * 4;
	if (header < IP_MIN)
		return 0;
	t->saddr = get32(ip, IPV4_SOURCE);
	t->daddr = get32(ip, IPV4_TARGET);
	t->protocol = ip[IPV4_PROTOCOL];
	t->l4 = (u16)(t->l3 + header);
	return header;
}

/*
 * PPTP's GRE has no ports, but the call id of whom it is for: it stands for that end's, and beside it, for the other's, what is 0
 * where there is no call id. at: the GRE header.
 */
static __always_inline void gre_call(const u8 *at, struct tuple *t)
{
	if ((be16_to_host(get16(at, 0)) & ~(u32)GRE_NUMBERS) != GRE_VERSION_1 ||
	    get16(at, GRE_TYPE) != host_to_be16(GRE_PPP))
		return;
	t->sport = get16(at, GRE_TYPE);
	t->dport = get16(at, GRE_CALL);
}

/* Has it a call id? */
static __always_inline int tuple_has_call(const struct tuple *t)
{
	return t->protocol == PROTOCOL_GRE && t->sport;
}

/* The packet that an ICMP error quotes. 0 or a reason. RFC 5508 section 4; options are skipped (REQ-3b). */
static __always_inline int packet_quote(const struct bytes *b, struct packet *p)
{
	struct tuple *q = &p->quote;

	q->l3 = (u16)(p->ip.l4 + ICMP_HEADER);
	if (!tuple_ip(b, q))
		return REASON_malformed_error;
	u8 *ip = packet_bytes(b, q->l3, IP_MIN);
	u32 fragment = ip ? be16_to_host(get16(ip, IPV4_FRAGMENT)) : 0;
	if (!ip || fragment & IPV4_OFFSET_MASK)
		return REASON_malformed_error; /* a later fragment: nothing says whose */
	int class = protocol_class(q->protocol);
	u32 end = p->ip.l3 + p->length; /* what lies behind the IP packet is the link's padding */
	q->class = class < 0 ? (u8)CLASSES : (u8) class;
	if (class < 0) { /* neither ports nor a checksum that we know */
		u8 *at = packet_bytes(b, q->l4, QUOTE_MIN);
		if (q->protocol == PROTOCOL_ESP && q->l4 + 4u <= end && at)
			(void)tuple_ports(b, p, q, 1);
		if (q->protocol == PROTOCOL_GRE && q->l4 + QUOTE_MIN <= end && at)
			gre_call(at, q);
		return 0;
	}
	if (tuple_ports(b, p, q, 1) || q->l4 + QUOTE_MIN > end)
		return REASON_malformed_error;
	u32 check = q->l4 + class_check(q->class), bytes = q->class == CLASS_SCTP ? 4 : 2;
	q->has_check = check + bytes <= end && packet_bytes(b, check, bytes) != 0;
	if (q->class == CLASS_SCTP && fragment & IPV4_MORE_FRAGMENTS)
		q->has_check = 0; /* of a datagram whose length nobody knows */
	return 0;
}

static __always_inline int packet_tcp(const struct bytes *b, struct packet *p, u32 payload)
{
	u8 *at = packet_bytes(b, p->ip.l4, TCP_MIN);

	if (!at || payload < TCP_MIN)
		return REASON_malformed_transport;
	u32 header = (u32)(at[TCP_OFFSET] >> 4) * 4;
	if (header < TCP_MIN || (header > payload && !p->first))
		return REASON_malformed_transport;
	p->tcp_flags = at[TCP_FLAGS];
	return 0;
}

static __always_inline int packet_udp(const struct bytes *b, struct packet *p, u32 payload)
{
	u8 *at = packet_bytes(b, p->ip.l4, UDP_HEADER);

	if (!at || payload < UDP_HEADER)
		return REASON_malformed_transport;
	u32 length = be16_to_host(get16(at, UDP_LENGTH));
	if (length < UDP_HEADER || (length > payload && !p->first))
		return REASON_malformed_transport;
	return 0;
}

/* What a DCCP packet's type says of its connection, in TCP's words (RFC 4340 section 5.1, RFC 5596). */
static __always_inline u8 dccp_flags(u32 type)
{
	switch (type) {
	case 0:	 /* Request */
	case 1:	 /* Response */
	case 10: /* Listen */
		return TCP_SYN;
	case 5: /* CloseReq */
	case 6: /* Close */
		return TCP_FIN;
	case 7: /* Reset */
		return TCP_RST;
	default:
		return TCP_ACK;
	}
}

/* Request, Sync or Listen: what comes in so to an endpoint that is nobody's is unsolicited (RFC 5597 REQ-4). */
static __always_inline u8 dccp_begins(u32 type) { return (u8)((1u << 0 | 1u << 8 | 1u << 10) >> type & 1); }

static __always_inline int packet_dccp(const struct bytes *b, struct packet *p, u32 payload)
{
	u8 *at = packet_bytes(b, p->ip.l4, DCCP_MIN);

	if (!at || payload < DCCP_MIN)
		return REASON_malformed_transport;
	u32 header = at[DCCP_OFFSET] * 4u;
	if (header < DCCP_MIN + (at[DCCP_TYPE] & 1u) * 4 || (header > payload && !p->first))
		return REASON_malformed_transport;
	u32 type = at[DCCP_TYPE] >> 1 & 15;
	p->tcp_flags = dccp_flags(type);
	p->request = dccp_begins(type);
	return 0;
}

/* The same of an SCTP packet's first chunk (RFC 9260 section 3.2). */
static __always_inline u8 sctp_flags(u32 chunk)
{
	switch (chunk) {
	case 1: /* INIT */
	case 2: /* INIT ACK */
		return TCP_SYN;
	case 7:	 /* SHUTDOWN */
	case 8:	 /* SHUTDOWN ACK */
	case 14: /* SHUTDOWN COMPLETE */
		return TCP_FIN;
	case 6: /* ABORT */
		return TCP_RST;
	default:
		return TCP_ACK;
	}
}

static __always_inline int packet_sctp(const struct bytes *b, struct packet *p, u32 payload)
{
	u8 *at = packet_bytes(b, p->ip.l4, SCTP_MIN);

	if (!at || payload < SCTP_MIN)
		return REASON_malformed_transport;
	p->tcp_flags = sctp_flags(at[SCTP_CHUNK]);
	return 0;
}

/* The checksum covers the header at least (RFC 3828 section 3.1). */
static __always_inline int packet_udplite(const struct bytes *b, struct packet *p, u32 payload)
{
	u8 *at = packet_bytes(b, p->ip.l4, UDP_HEADER);

	if (!at || payload < UDP_HEADER)
		return REASON_malformed_transport;
	u32 coverage = be16_to_host(get16(at, UDPLITE_COVERAGE));
	if (coverage && (coverage < UDP_HEADER || (coverage > payload && !p->first)))
		return REASON_malformed_transport;
	return 0;
}

static __always_inline int packet_icmp(const struct bytes *b, struct packet *p, u32 payload)
{
	u8 *at = packet_bytes(b, p->ip.l4, ICMP_HEADER);

	if (!at || payload < ICMP_HEADER)
		return REASON_malformed_transport;
	p->icmp_type = at[0];
	if (icmp_is_error(at[0])) {
		if (p->first)
			return REASON_malformed_error;
		p->kind = PACKET_ERROR;
		return packet_quote(b, p);
	}
	if (icmp_is_request(at[0]) < 0)
		p->kind = PACKET_OTHER;
	return 0;
}

/* ESP: its SPI, which later fragments have from the first one. */
static __always_inline int packet_esp(const struct bytes *b, struct packet *p, u32 payload, u32 fragment)
{
	if (fragment & IPV4_OFFSET_MASK) {
		p->kind = PACKET_FRAGMENT;
		return 0;
	}
	p->first = (fragment & IPV4_MORE_FRAGMENTS) != 0;
	if (payload < QUOTE_MIN || tuple_ports(b, p, &p->ip, 0))
		return p->first ? REASON_fragment_tiny : REASON_malformed_transport;
	return 0;
}

/* GRE: by its call id, or by address. Fragments of it need no ports; later ones have them from the first one, if that told. */
static __always_inline int packet_gre(const struct bytes *b, struct packet *p, u32 payload, u32 fragment)
{
	u8 *at = packet_bytes(b, p->ip.l4, QUOTE_MIN);

	p->piece = (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) != 0;
	if (fragment & IPV4_OFFSET_MASK || payload < QUOTE_MIN || !at)
		return 0;
	gre_call(at, &p->ip);
	p->first = p->piece && p->ip.sport;
	return 0;
}

/*
 * Read the IPv4 packet at p->ip.l3; all else of *p is zero. 0, or the reason why it cannot be translated.
 * skb_length: bytes from the IP header to the end of the packet, which may be more than lies before p->end.
 */
static __always_inline int packet_parse(const struct bytes *b, struct packet *p, u32 skb_length)
{
	struct tuple *t = &p->ip;
	u32 header = tuple_ip(b, t);
	u8 *ip = packet_bytes(b, t->l3, IP_MIN);

	if (!header || !ip)
		return REASON_malformed_ip;
	u32 length = be16_to_host(get16(ip, IPV4_LENGTH));
	u32 fragment = be16_to_host(get16(ip, IPV4_FRAGMENT));
	/* A segment that offload will cut may be longer than 16 bits tell, and carry 0: take what there is. */
	if (!length && skb_length > 0xffff)
		length = skb_length;
	if (length < header || length > skb_length)
		return REASON_malformed_ip;
	p->length = (u16)(length > 0xffff ? 0xffff : length);
	p->id = get16(ip, IPV4_ID);
	p->ttl = ip[IPV4_TTL];
	p->atomic = (fragment & (IPV4_DONT_FRAGMENT | IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) ==
		    IPV4_DONT_FRAGMENT;
	int class = protocol_class(t->protocol);
	t->class = class < 0 ? (u8)CLASSES : (u8) class;
	t->has_check = 1;
	if (class < 0) {
		p->kind = PACKET_OTHER;
		if (t->protocol == PROTOCOL_ESP)
			return packet_esp(b, p, length - header, fragment);
		if (t->protocol == PROTOCOL_GRE)
			return packet_gre(b, p, length - header, fragment);
		p->piece = (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) != 0;
		return 0;
	}
	if (fragment & IPV4_OFFSET_MASK) {
		/* RFC 1858, 3128: a fragment that reaches into the transport header. */
		if ((fragment & IPV4_OFFSET_MASK) * 8 < TCP_MIN && t->protocol == PROTOCOL_TCP)
			return REASON_fragment_tiny;
		p->kind = PACKET_FRAGMENT;
		return 0;
	}
	p->first = (fragment & IPV4_MORE_FRAGMENTS) != 0;
	p->kind = PACKET_PORTS;
	int reason;
	switch (t->protocol) {
	case PROTOCOL_TCP:
		reason = packet_tcp(b, p, length - header);
		break;
	case PROTOCOL_UDP:
		reason = packet_udp(b, p, length - header);
		break;
	case PROTOCOL_DCCP:
		reason = packet_dccp(b, p, length - header);
		break;
	case PROTOCOL_SCTP:
		reason = packet_sctp(b, p, length - header);
		break;
	case PROTOCOL_UDPLITE:
		reason = packet_udplite(b, p, length - header);
		break;
	default:
		reason = packet_icmp(b, p, length - header);
		break;
	}
	if (reason)
		return p->first && reason == REASON_malformed_transport ? REASON_fragment_tiny : reason;
	return p->kind == PACKET_PORTS ? tuple_ports(b, p, t, 0) : 0;
}

/*
 * The most frequent packets without detours: TCP or UDP, whole, no IP options, no SYN, no control of PPTP's. 1, and *p is what packet_parse() makes of
 * it, but for id and ttl; 0: something else, or something wrong.
 */
static __always_inline int packet_ordinary(const struct bytes *b, struct packet *p, u32 l3, u32 skb_length)
{
	u8 *ip = packet_bytes(b, l3, IP_MIN + QUOTE_MIN), *tcp;
	__be16 pieces = host_to_be16(IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK),
	       whole = host_to_be16(IPV4_DONT_FRAGMENT);

	if (!ip || ip[0] != 0x45 || get16(ip, IPV4_FRAGMENT) & pieces)
		return 0;
	u32 length = be16_to_host(get16(ip, IPV4_LENGTH));
	if (length > skb_length || length < IP_MIN + UDP_HEADER)
		return 0;
	u32 payload = length - IP_MIN, claimed;
	switch (ip[IPV4_PROTOCOL]) {
	case PROTOCOL_TCP:
		tcp = packet_bytes(b, l3 + IP_MIN, TCP_MIN);
		if (!tcp)
			return 0;
		claimed = (u32)(tcp[TCP_OFFSET] >> 4) * 4;
		if (claimed < TCP_MIN || claimed > payload)
			return 0;
		p->tcp_flags = tcp[TCP_FLAGS];
		p->ip.class = CLASS_TCP;
		if (p->tcp_flags & TCP_SYN) /* what it announces may have to be lowered */
			return 0;
		if (get16(tcp, 0) == host_to_be16(PPTP_PORT) || get16(tcp, 2) == host_to_be16(PPTP_PORT))
			return 0; /* see pptp.h */
		break;
	case PROTOCOL_UDP:
		claimed = be16_to_host(get16(ip, IP_MIN + UDP_LENGTH));
		if (claimed < UDP_HEADER || claimed > payload)
			return 0;
		p->ip.class = CLASS_UDP;
		break;
	default:
		return 0;
	}
	p->ip.saddr = get32(ip, IPV4_SOURCE);
	p->ip.daddr = get32(ip, IPV4_TARGET);
	p->ip.sport = get16(ip, IP_MIN);
	p->ip.dport = get16(ip, IP_MIN + 2);
	p->ip.protocol = ip[IPV4_PROTOCOL];
	p->ip.has_check = 1;
	p->ip.l3 = (u16)l3;
	p->ip.l4 = (u16)(l3 + IP_MIN);
	p->length = (u16)length;
	p->atomic = (get16(ip, IPV4_FRAGMENT) & whole) != 0;
	p->kind = PACKET_PORTS;
	return 1;
}
