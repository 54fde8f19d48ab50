/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet_build.h - make IPv4 packets for tests, and check the checksums of any.
 *
 * The oracle of the NAT's arithmetic: sums are taken whole, byte by byte, in two passes over the finished packet,
 * and nothing here is shared with core/.
 */
#pragma once
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_ROOM = 65535, PACKET_OPTIONS = 40 };

/* A packet in words; all in host byte order but the addresses. What is zero is absent, ttl 0 means 64. */
struct packet_spec {
	uint8_t protocol;
	uint8_t tos;
	uint8_t ttl;
	bool dont_fragment;
	uint16_t id;
	__be32 saddr;
	__be32 daddr;
	uint8_t options[PACKET_OPTIONS]; /* of IP */
	uint8_t options_length;		 /* a multiple of 4 */

	uint16_t sport; /* of ICMP queries: the identifier, in the inside end's port */
	uint16_t dport;
	uint8_t tcp_flags;
	uint32_t sequence;
	uint32_t acknowledgement;
	uint8_t type;	   /* of a DCCP packet, of an SCTP packet's one chunk */
	uint32_t tag;	   /* the service code of a DCCP Request or Listen, the verification tag of SCTP */
	uint16_t coverage; /* of DCCP's checksum (CsCov) and UDP-Lite's; 0: everything */
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint32_t icmp_rest; /* second word of an ICMP message; of queries the sequence in the low half */
	const struct packet_spec *quote; /* an ICMP error about this one */
	uint16_t quote_bytes;		 /* so much of it, from its IP header on; 0: all */

	const uint8_t *payload; /* NULL: bytes that count up */
	uint16_t payload_length;
	bool no_check;	  /* UDP without a checksum, SCTP whose device is to make it */
	uint16_t corrupt; /* exclusive-or onto the finished transport checksum */

	/* A fragment: so many bytes of the IP payload from this offset on; 0 bytes: the whole packet. */
	uint16_t fragment_offset;
	uint16_t fragment_bytes;
};

/* Has the protocol ports in the first four bytes of its header? */
bool packet_has_ports(uint8_t protocol);

/* Where its checksum lies, from the transport header on; 0: a protocol without. SCTP's has four bytes, others two. */
size_t packet_check_place(uint8_t protocol);

/* Bytes of the packet, or -ENOSPC, or -EINVAL. */
int packet_build(const struct packet_spec *spec, uint8_t *ip, size_t room);

/* The RST that the sender of this TCP segment must get for it (RFC 9293 section 3.10.7.1), with the segment's IP options. */
void packet_reset(const struct packet_spec *sent, struct packet_spec *reset);

/* The ICMP "destination unreachable" that the sender of this packet must get for it, from an address; *sent is quoted. */
void packet_unreachable(const struct packet_spec *sent, uint8_t code, __be32 from, struct packet_spec *icmp);

/* Which checksums of a packet are wrong. Those of fragments and cut quotes are not looked at. */
enum {
	PACKET_BAD_IP = 1,
	PACKET_BAD_TRANSPORT = 2,
	PACKET_BAD_QUOTED_IP = 4,
	PACKET_BAD_QUOTED_TRANSPORT = 8,
	PACKET_BAD_FORM = 16, /* not an IPv4 packet of that length */
};
unsigned int packet_check(const uint8_t *ip, size_t length);
