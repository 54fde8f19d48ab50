/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "native/packet_build.h"

enum { ICMP = 1, TCP = 6, UDP = 17, DCCP = 33, SCTP = 132, UDPLITE = 136 };
enum { DCCP_REQUEST = 0, DCCP_LISTEN = 10 };
enum { FIN = 1, RST = 4, ACK = 16 };

static uint16_t word_at(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void word_put(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void long_put(uint8_t *at, uint32_t value)
{
	word_put(at, value >> 16);
	word_put(at + 2, value & 0xffff);
}

/* Add bytes to a sum of 16-bit words in network order; an odd last byte is followed by zero. */
static uint32_t sum_bytes(uint32_t sum, const uint8_t *at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

/* The pseudo header of RFC 768 and 9293. */
static uint32_t sum_pseudo(const uint8_t *ip, size_t transport_length)
{
	uint8_t rest[4] = { 0, ip[9], (uint8_t)(transport_length >> 8), (uint8_t)transport_length };

	return sum_bytes(sum_bytes(0, ip + 12, 8), rest, 4);
}

static size_t header_length(const uint8_t *ip) { return (size_t)(ip[0] & 15) * 4; }

bool packet_has_ports(uint8_t protocol)
{
	return protocol == TCP || protocol == UDP || protocol == DCCP || protocol == SCTP ||
	       protocol == UDPLITE;
}

size_t packet_check_place(uint8_t protocol)
{
	switch (protocol) {
	case TCP:
		return 16;
	case UDP:
	case DCCP:
	case UDPLITE:
		return 6;
	case SCTP:
		return 8;
	default:
		return protocol == ICMP ? 2 : 0;
	}
}

static bool has_service(const struct packet_spec *s)
{
	return s->protocol == DCCP && (s->type == DCCP_REQUEST || s->type == DCCP_LISTEN);
}

static size_t transport_header(const struct packet_spec *s)
{
	switch (s->protocol) {
	case TCP:
		return 20;
	case DCCP:
		return has_service(s) ? 20 : 16;
	case SCTP: /* and the head of its chunk */
		return 16;
	default:
		return s->protocol == UDP || s->protocol == ICMP || s->protocol == UDPLITE ? 8 : 0;
	}
}

/* The CRC32c of RFC 9260 appendix A, bit by bit, over a packet whose checksum field counts as 0. */
static uint32_t crc32c(const uint8_t *at, size_t length)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < length; i++) {
		crc ^= i >= 8 && i < 12 ? 0 : at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc ^ 0xffffffff;
}

static uint32_t little_at(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Of the transport's bytes, those that its checksum covers. */
static size_t covered(const uint8_t *ip, const uint8_t *at, size_t length)
{
	size_t bytes = length;

	if (ip[9] == UDPLITE && word_at(at + 4))
		bytes = word_at(at + 4);
	if (ip[9] == DCCP && at[5] & 15)
		bytes = at[4] * 4u + ((at[5] & 15u) - 1) * 4;
	return bytes < length ? bytes : length;
}

static void ip_put(const struct packet_spec *s, uint8_t *ip, size_t header, size_t length,
		   unsigned int fragment)
{
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = s->tos;
	word_put(ip + 2, (unsigned int)length);
	word_put(ip + 4, s->id);
	word_put(ip + 6, (s->dont_fragment ? 0x4000u : 0) | fragment);
	ip[8] = s->ttl ? s->ttl : 64;
	ip[9] = s->protocol;
	memcpy(ip + 12, &s->saddr, 4);
	memcpy(ip + 16, &s->daddr, 4);
	memcpy(ip + 20, s->options, s->options_length);
	word_put(ip + 10, 0);
	word_put(ip + 10, 0xffff - sum_bytes(0, ip, header));
}

static void payload_put(const struct packet_spec *s, uint8_t *at)
{
	for (size_t i = 0; i < s->payload_length; i++)
		at[i] = s->payload ? s->payload[i] : (uint8_t)i;
}

static void transport_put(const struct packet_spec *s, uint8_t *at, size_t length)
{
	if (s->protocol == ICMP) {
		bool reply = s->icmp_type == 0 || s->icmp_type == 14 || s->icmp_type == 18;
		at[0] = s->icmp_type;
		at[1] = s->icmp_code;
		long_put(at + 4, s->icmp_rest);
		if (!s->quote && (s->sport || s->dport))
			word_put(at + 4, reply ? s->dport : s->sport);
		return;
	}
	if (!packet_has_ports(s->protocol))
		return;
	word_put(at, s->sport);
	word_put(at + 2, s->dport);
	switch (s->protocol) {
	case UDP:
		word_put(at + 4, (unsigned int)length);
		return;
	case UDPLITE:
		word_put(at + 4, s->coverage);
		return;
	case DCCP: /* with a sequence number of 48 bits */
		at[4] = has_service(s) ? 5 : 4;
		at[5] = s->coverage & 15;
		at[8] = (uint8_t)(s->type << 1 | 1);
		long_put(at + 12, s->sequence);
		if (has_service(s))
			long_put(at + 16, s->tag);
		return;
	case SCTP:
		long_put(at + 4, s->tag);
		at[12] = s->type;
		word_put(at + 14, (unsigned int)length - 12);
		return;
	default:
		break;
	}
	long_put(at + 4, s->sequence);
	long_put(at + 8, s->acknowledgement);
	at[12] = 0x50;
	at[13] = s->tcp_flags;
	word_put(at + 14, s->tcp_flags & RST ? 0 : 0xffff);
}

static void check_put(const struct packet_spec *s, const uint8_t *ip, uint8_t *at, size_t length)
{
	size_t place = packet_check_place(s->protocol);

	if (!place || length < place + 2 || (s->no_check && (s->protocol == UDP || s->protocol == SCTP)))
		return;
	if (s->protocol == SCTP) {
		long_put(at + place, __builtin_bswap32(crc32c(at, length) ^ s->corrupt));
		return;
	}
	uint32_t sum =
		sum_bytes(s->protocol == ICMP ? 0 : sum_pseudo(ip, length), at, covered(ip, at, length));
	uint32_t check = 0xffff - sum;
	if (!check && (s->protocol == UDP || s->protocol == UDPLITE))
		check = 0xffff;
	word_put(at + place, check ^ s->corrupt);
}

int packet_build(const struct packet_spec *s, uint8_t *ip, size_t room)
{
	size_t header = 20u + s->options_length, transport = transport_header(s), length = header + transport;
	int quoted = 0;

	if (s->options_length > PACKET_OPTIONS || s->options_length % 4 || s->fragment_offset % 8)
		return -EINVAL;
	if (length + s->payload_length > room || length + s->payload_length > PACKET_ROOM)
		return -ENOSPC;
	memset(ip, 0, length);
	if (s->quote) {
		quoted = packet_build(s->quote, ip + length, room - length);
		if (quoted < 0)
			return quoted;
		if (s->quote_bytes && s->quote_bytes < quoted)
			quoted = s->quote_bytes;
		if (length + (size_t)quoted + s->payload_length > room)
			return -ENOSPC;
	}
	length += (size_t)quoted;
	payload_put(s, ip + length);
	length += s->payload_length;
	transport_put(s, ip + header, length - header);
	ip_put(s, ip, header, length, 0);
	check_put(s, ip, ip + header, length - header);
	if (!s->fragment_bytes)
		return (int)length;

	if ((size_t)s->fragment_offset + s->fragment_bytes > length - header)
		return -EINVAL;
	bool more = (size_t)s->fragment_offset + s->fragment_bytes < length - header;
	memmove(ip + header, ip + header + s->fragment_offset, s->fragment_bytes);
	length = header + s->fragment_bytes;
	ip_put(s, ip, header, length, (more ? 0x2000u : 0) | s->fragment_offset / 8u);
	return (int)length;
}

void packet_reset(const struct packet_spec *sent, struct packet_spec *reset)
{
	bool known = sent->tcp_flags & ACK;

	*reset = (struct packet_spec){ .protocol = TCP, .dont_fragment = true };
	reset->saddr = sent->daddr;
	reset->daddr = sent->saddr;
	reset->sport = sent->dport;
	reset->dport = sent->sport;
	memcpy(reset->options, sent->options, sizeof(reset->options));
	reset->options_length = sent->options_length;
	reset->tcp_flags = known ? RST : RST | ACK;
	if (known)
		reset->sequence = sent->acknowledgement;
	else
		reset->acknowledgement =
			sent->sequence + sent->payload_length + (sent->tcp_flags & FIN ? 1 : 0);
}

void packet_unreachable(const struct packet_spec *sent, uint8_t code, __be32 from, struct packet_spec *icmp)
{
	*icmp = (struct packet_spec){
		.protocol = ICMP, .icmp_type = 3, .icmp_code = code, .dont_fragment = true
	};
	icmp->tos = sent->tos & 0xfc;
	icmp->saddr = from;
	icmp->daddr = sent->saddr;
	icmp->quote = sent;
	icmp->quote_bytes = (uint16_t)(20 + sent->options_length + (sent->protocol == TCP ? 20 : 8));
}

/* The transport of a whole packet; bits as for packet_check(). */
static unsigned int transport_check(const uint8_t *ip, size_t length)
{
	size_t header = header_length(ip), place = packet_check_place(ip[9]), bytes = length - header;
	const uint8_t *at = ip + header;

	if (!place || bytes < place + 4u - 2u * (ip[9] != SCTP) || (word_at(ip + 6) & 0x3fff))
		return 0;
	if (ip[9] == SCTP)
		return little_at(at + place) && little_at(at + place) != crc32c(at, bytes)
			       ? PACKET_BAD_TRANSPORT
			       : 0;
	if (ip[9] == UDP) {
		if (!word_at(at + 6))
			return 0;
		if (word_at(at + 4) > bytes)
			return PACKET_BAD_FORM;
		bytes = word_at(at + 4);
	}
	uint32_t sum = sum_bytes(ip[9] == ICMP ? 0 : sum_pseudo(ip, bytes), at, covered(ip, at, bytes));
	return sum == 0xffff ? 0 : PACKET_BAD_TRANSPORT;
}

static bool is_error(uint8_t type) { return type == 3 || type == 4 || type == 5 || type == 11 || type == 12; }

static unsigned int quote_check(const uint8_t *ip, size_t room)
{
	unsigned int bad = 0;

	if (room < 20 || ip[0] >> 4 != 4 || header_length(ip) < 20 || header_length(ip) > room)
		return 0;
	size_t length = word_at(ip + 2);
	if (sum_bytes(0, ip, header_length(ip)) != 0xffff)
		bad |= PACKET_BAD_QUOTED_IP;
	if (length <= room && length >= header_length(ip) && transport_check(ip, length))
		bad |= PACKET_BAD_QUOTED_TRANSPORT;
	return bad;
}

unsigned int packet_check(const uint8_t *ip, size_t room)
{
	unsigned int bad = 0;

	if (room < 20 || ip[0] >> 4 != 4)
		return PACKET_BAD_FORM;
	size_t header = header_length(ip), length = word_at(ip + 2);
	if (header < 20 || length < header || length > room)
		return PACKET_BAD_FORM;
	if (sum_bytes(0, ip, header) != 0xffff)
		bad |= PACKET_BAD_IP;
	bad |= transport_check(ip, length);
	if (ip[9] == ICMP && length >= header + 8 && !(word_at(ip + 6) & 0x3fff) && is_error(ip[header]))
		bad |= quote_check(ip + header + 8, length - header - 8);
	return bad;
}
