/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "tests/scenarios/scenario.h"

enum { ICMP = 1, TCP = 6, UDP = 17, DCCP = 33, SCTP = 132, UDPLITE = 136 };
enum { DEFAULT_PAYLOAD = 8 };

struct message {
	const char *name;
	u8 type;
	bool error;
};

static const struct message messages[] = {
	{ "reply", 0, false },
	{ "unreachable", 3, true },
	{ "quench", 4, true },
	{ "redirect", 5, true },
	{ "echo", 8, false },
	{ "advertisement", 9, false },
	{ "solicitation", 10, false },
	{ "exceeded", 11, true },
	{ "parameter", 12, true },
	{ "timestamp", 13, false },
	{ "timestamp-reply", 14, false },
	{ "information", 15, false },
	{ "information-reply", 16, false },
	{ "mask", 17, false },
	{ "mask-reply", 18, false },
	{ "traceroute", 30, false },
};

/* icmp NAME[/CODE] */
static int message_read(struct world *world, struct words *words, struct packet_spec *s, bool *error)
{
	const char *text = words_next(words);
	size_t length = text ? strcspn(text, "/") : 0;
	u32 code = 0;

	for (size_t i = 0; text && i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (strlen(messages[i].name) != length || strncmp(messages[i].name, text, length))
			continue;
		if (text[length] && number_parse(text + length + 1, 255, &code))
			return world_fail(world, "bad ICMP code in %s", text);
		s->icmp_type = messages[i].type;
		s->icmp_code = (u8)code;
		*error = messages[i].error;
		return 0;
	}
	return world_fail(world, "no ICMP message %s", text ? text : "(end)");
}

static int ends_read(struct world *world, struct words *words, struct packet_spec *s)
{
	const char *from = words_next(words);

	if (endpoint_parse(from, &s->saddr, &s->sport))
		return world_fail(world, "not an address[:port]: %s", from ? from : "(end)");
	if (!words_take(words, ">"))
		return world_fail(world, "'>' wanted after %s", from);
	const char *to = words_next(words);
	if (endpoint_parse(to, &s->daddr, &s->dport))
		return world_fail(world, "not an address[:port]: %s", to ? to : "(end)");
	return 0;
}

/* Letters of TCP flags, if the word is made of them; else *flags stays. */
static bool flags_read(const char *text, u8 *flags)
{
	static const char letters[] = "FSRPAUEC";
	u8 found = 0;

	for (; text && *text; text++) {
		const char *at = strchr(letters, *text);
		if (!at)
			return false;
		found |= (u8)(1u << (at - letters));
	}
	*flags = found;
	return true;
}

struct option {
	const char *name;
	u32 most;
};

/* Options with one number. Their order is that of option_store(). */
static const struct option options[] = {
	{ "ttl", 255 },	       { "tos", 255 },	      { "id", 65535 },	      { "len", 60000 },
	{ "seq", 0xffffffff }, { "ack", 0xffffffff }, { "mtu", 65535 },	      { "quote", 65535 },
	{ "corrupt", 65535 },  { "cut", 65535 },      { "ethertype", 65535 }, { "code", 255 },
	{ "type", 255 },       { "tag", 0xffffffff }, { "coverage", 65535 },
};

static void option_store(struct packet_text *p, struct packet_spec *s, u32 which, u32 n)
{
	switch (which) {
	case 0:
		s->ttl = (u8)n;
		break;
	case 1:
		s->tos = (u8)n;
		break;
	case 2:
		s->id = (u16)n;
		break;
	case 3:
		s->payload_length = (u16)n;
		break;
	case 4:
		s->sequence = n;
		if (s->protocol == ICMP)
			s->icmp_rest = n & 0xffff;
		break;
	case 5:
		s->acknowledgement = n;
		break;
	case 6:
		s->icmp_rest = n;
		break;
	case 7:
		s->quote_bytes = (u16)n;
		break;
	case 8:
		s->corrupt = (u16)n;
		break;
	case 9:
		p->cut = n;
		break;
	case 10:
		p->ethertype = (u16)n;
		break;
	case 11:
		s->icmp_code = (u8)n;
		break;
	case 12:
		s->type = (u8)n;
		break;
	case 13:
		s->tag = n;
		break;
	default:
		s->coverage = (u16)n;
		break;
	}
}

int tcp_options_read(struct world *world, struct words *words, struct packet_spec *s)
{
	int n = hex_parse(words_next(words), s->tcp_options, PACKET_OPTIONS);

	if (n < 0 || n % 4)
		return world_fail(world, "TCP options: hexadecimal, a multiple of 4 bytes");
	s->tcp_options_length = (u8)n;
	return 0;
}

/* Options of other forms. 1: it was one; 0: it was not; -1. */
static int option_special(struct world *world, struct words *words, struct packet_text *p,
			  struct packet_spec *s, u8 *payload)
{
	u32 offset, bytes;

	if (words_take(words, "df")) {
		s->dont_fragment = true;
	} else if (words_take(words, "nocheck")) {
		s->no_check = true;
	} else if (words_take(words, "data")) {
		int n = hex_parse(words_next(words), payload, RAW_MAX);
		if (n < 0)
			return world_fail(world, "bad hexadecimal data");
		s->payload = payload;
		s->payload_length = (u16)n;
	} else if (words_take(words, "options")) {
		int n = hex_parse(words_next(words), s->options, PACKET_OPTIONS);
		if (n < 0 || n % 4)
			return world_fail(world, "IP options: hexadecimal, a multiple of 4 bytes");
		s->options_length = (u8)n;
	} else if (words_take(words, "tcp-options")) {
		return tcp_options_read(world, words, s) ? -1 : 1;
	} else if (words_take(words, "fragment")) {
		if (number_parse(words_next(words), 65528, &offset) ||
		    number_parse(words_next(words), 65535, &bytes) || offset % 8)
			return world_fail(world, "fragment OFFSET BYTES, offset a multiple of 8");
		s->fragment_offset = (u16)offset;
		s->fragment_bytes = (u16)bytes;
	} else if (words_take(words, "set")) {
		struct mutation *m = &p->mutations[p->mutation_count];
		int n = -1;
		if (p->mutation_count < MUTATIONS_MAX && !number_parse(words_next(words), 65535, &m->offset))
			n = hex_parse(words_next(words), m->bytes, sizeof(m->bytes));
		if (n < 0)
			return world_fail(world, "set OFFSET HEX, a few at most");
		m->length = (u32)n;
		p->mutation_count++;
	} else {
		return 0;
	}
	return 1;
}

static int options_read(struct world *world, struct words *words, struct packet_text *p,
			struct packet_spec *s, u8 *payload)
{
	u32 n;

	for (const char *w = words_peek(words); w && strcmp(w, "expect") && strcmp(w, "}") && strcmp(w, "{");
	     w = words_peek(words)) {
		if (s->protocol == TCP && flags_read(w, &s->tcp_flags)) {
			words->at++;
			continue;
		}
		int special = option_special(world, words, p, s, payload);
		if (special < 0)
			return -1;
		if (special)
			continue;
		u32 i = 0;
		while (i < sizeof(options) / sizeof(options[0]) && strcmp(options[i].name, w))
			i++;
		if (i == sizeof(options) / sizeof(options[0]))
			return world_fail(world, "unknown word in a packet: %s", w);
		words->at++;
		if (number_parse(words_next(words), options[i].most, &n))
			return world_fail(world, "%s wants a number up to %u", w, options[i].most);
		option_store(p, s, i, n);
	}
	return 0;
}

/* Protocols of which nothing but the number is to be known here; 0: it is none of them. */
static u8 protocol_plain(const char *name)
{
	return !strcmp(name, "udp")	  ? UDP
	       : !strcmp(name, "dccp")	  ? DCCP
	       : !strcmp(name, "sctp")	  ? SCTP
	       : !strcmp(name, "udplite") ? UDPLITE
					  : 0;
}

static int spec_read(struct world *world, struct words *words, struct packet_text *p, struct packet_spec *s,
		     u8 *payload, bool *error)
{
	const char *protocol = words_next(words);
	u32 number;

	*error = false;
	s->payload_length = DEFAULT_PAYLOAD;
	if (!protocol)
		return world_fail(world,
				  "a packet is wanted: udp, tcp, icmp, dccp, sctp, udplite, proto or raw");
	s->protocol = protocol_plain(protocol);
	if (!strcmp(protocol, "tcp")) {
		s->protocol = TCP;
		s->tcp_flags = 0x10;
		s->payload_length = 0;
	} else if (!strcmp(protocol, "icmp")) {
		s->protocol = ICMP;
		if (message_read(world, words, s, error))
			return -1;
		if (*error)
			s->payload_length = 0;
	} else if (!strcmp(protocol, "proto")) {
		if (number_parse(words_next(words), 255, &number))
			return world_fail(world, "proto NUMBER");
		s->protocol = (u8)number;
	} else if (!s->protocol) {
		return world_fail(world, "no such protocol: %s", protocol);
	}
	if (ends_read(world, words, s))
		return -1;
	return options_read(world, words, p, s, payload);
}

int packet_read(struct world *world, struct words *words, struct packet_text *p)
{
	bool error, quoted_error;

	memset(p, 0, sizeof(*p));
	p->ethertype = 0x0800;
	if (words_take(words, "raw")) {
		int n = hex_parse(words_next(words), p->raw, sizeof(p->raw));
		if (n <= 0)
			return world_fail(world, "raw HEX");
		p->raw_length = (u32)n;
		return options_read(world, words, p, &p->spec, p->payload);
	}
	if (spec_read(world, words, p, &p->spec, p->payload, &error))
		return -1;
	if (!words_take(words, "{"))
		return 0;
	if (!error)
		return world_fail(world, "only ICMP errors quote a packet");
	if (spec_read(world, words, p, &p->quote, p->quote_payload, &quoted_error))
		return -1;
	if (!words_take(words, "}"))
		return world_fail(world, "'}' wanted");
	p->spec.quote = &p->quote;
	return options_read(world, words, p, &p->spec, p->payload);
}

int packet_make(struct world *world, const struct packet_text *p, u8 *ip, size_t room)
{
	struct packet_spec spec = p->spec;
	int length = (int)p->raw_length;

	if (spec.quote)
		spec.quote = &p->quote; /* of this very text: it may be a copy */
	if (p->raw_length)
		memcpy(ip, p->raw, p->raw_length);
	else
		length = packet_build(&spec, ip, room);
	if (length < 0)
		return world_fail(world, "this packet cannot be built");
	for (u32 i = 0; i < p->mutation_count; i++) {
		const struct mutation *m = &p->mutations[i];
		if (m->offset + m->length > (u32)length)
			return world_fail(world, "set beyond the end of the packet (%d bytes)", length);
		memcpy(ip + m->offset, m->bytes, m->length);
	}
	return p->cut && p->cut < (u32)length ? (int)p->cut : length;
}
