/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "tests/scenarios/scenario.h"

enum { ICMP = 1, SCTP = 132 };
enum { VERDICTS = 5 };

static const char *const reason_names[REASONS + 1] = {
#define REASON(id, verdict, text) #id,
#include "core/reasons.def"
#undef REASON
	"(none)"
};
static const char *const verdict_names[] = { [VERDICT_PASS] = "pass",
					     [VERDICT_TRANSLATE] = "translate",
					     [VERDICT_DROP] = "drop",
					     [VERDICT_ANSWER] = "answer",
					     [VERDICT_DIVERT] = "divert" };

const char *reason_name(u32 reason) { return reason_names[reason < REASONS ? reason : REASONS]; }

/* Addresses and ports of an IP header as they are in the bytes. */
struct ends {
	__be32 saddr;
	__be32 daddr;
	u16 sport;
	u16 dport;
	bool ports; /* there are any */
};

static u16 word_at(const u8 *at) { return (u16)(at[0] << 8 | at[1]); }

static bool icmp_replies(u8 type) { return type == 0 || type == 14 || type == 18; }

static void ends_read(const struct packet_spec *s, const u8 *ip, u32 room, struct ends *e)
{
	u32 l4 = 20u + s->options_length;

	memset(e, 0, sizeof(*e));
	if (room < 20)
		return;
	memcpy(&e->saddr, ip + 12, 4);
	memcpy(&e->daddr, ip + 16, 4);
	if (s->fragment_offset || room < l4 + 8)
		return;
	e->ports = packet_has_ports(s->protocol) || (s->protocol == ICMP && !s->quote);
	if (packet_has_ports(s->protocol)) {
		e->sport = word_at(ip + l4);
		e->dport = word_at(ip + l4 + 2);
	} else if (s->protocol == ICMP && !s->quote) {
		*(icmp_replies(s->icmp_type) ? &e->dport : &e->sport) = word_at(ip + l4 + 4);
	}
}

/* The part of a wanted endpoint before or after its colon. What is open takes the value that is there. */
static int part_resolve(struct world *world, char *part, const char *actual)
{
	if (!strcmp(part, "*")) {
		snprintf(part, VALUE_MAX_BYTES, "%s", actual);
		return 0;
	}
	if (part[0] != '$')
		return 0;
	if (variable_set(world, part + 1, actual))
		return -1;
	snprintf(part, VALUE_MAX_BYTES, "%s", actual);
	return 0;
}

/* ADDR[:PORT], each also $name or *; the values that shall be. */
static int end_resolve(struct world *world, const char *text, __be32 actual_addr, u16 actual_port, bool ports,
		       __be32 *addr, u16 *port)
{
	char whole[VALUE_MAX_BYTES * 2], address[VALUE_MAX_BYTES] = "", number[VALUE_MAX_BYTES] = "0",
					 actual[VALUE_MAX_BYTES];
	u32 n;

	if (!text || strlen(text) >= VALUE_MAX_BYTES)
		return world_fail(world, "an endpoint is wanted, not %s", text ? text : "(end)");
	snprintf(whole, sizeof(whole), "%s", text);
	char *colon = strchr(whole, ':');
	if (colon) {
		*colon = 0;
		snprintf(number, sizeof(number), "%.63s", colon + 1);
	}
	snprintf(address, sizeof(address), "%.63s", whole);
	address_print(actual, sizeof(actual), actual_addr);
	if (part_resolve(world, address, actual))
		return -1;
	if ((number[0] == '$' || number[0] == '*') && !ports)
		return world_fail(world, "this packet carries no ports: %s", text);
	snprintf(actual, sizeof(actual), "%u", actual_port);
	if (part_resolve(world, number, actual))
		return -1;
	if (address_parse(address, addr) || number_parse(number, 65535, &n))
		return world_fail(world, "not an endpoint: %s", text);
	*port = (u16)n;
	return 0;
}

/* END > END into the spec that shall be. */
static int ends_resolve(struct world *world, struct words *words, const struct ends *actual,
			struct packet_spec *s)
{
	if (end_resolve(world, words_next(words), actual->saddr, actual->sport, actual->ports, &s->saddr,
			&s->sport))
		return -1;
	if (!words_take(words, ">"))
		return world_fail(world, "'>' wanted");
	return end_resolve(world, words_next(words), actual->daddr, actual->dport, actual->ports, &s->daddr,
			   &s->dport);
}

static u32 quote_offset(const struct packet_spec *s) { return 20u + s->options_length + 8u; }

static void ends_print(char *text, size_t room, const struct ends *e)
{
	char from[32], to[32];

	address_print(from, sizeof(from), e->saddr);
	address_print(to, sizeof(to), e->daddr);
	snprintf(text, room, "%s:%u > %s:%u", from, e->sport, to, e->dport);
}

/* What came out, for the message. */
static void event_print(char *text, size_t room, const struct event *e)
{
	const struct packet_spec *s = &e->packet->spec;
	struct ends outer, quoted;
	char one[80] = "", two[80] = "";

	ends_read(s, e->after, e->length, &outer);
	ends_print(one, sizeof(one), &outer);
	if (s->quote && e->length > quote_offset(s)) {
		ends_read(&e->packet->quote, e->after + quote_offset(s), e->length - quote_offset(s),
			  &quoted);
		ends_print(two, sizeof(two), &quoted);
	}
	snprintf(text, room, "%s %s: %s%s%s%s", verdict_names[e->result.verdict],
		 reason_name(e->result.reason), one, two[0] ? " { " : "", two, two[0] ? " }" : "");
}

/* First byte in which two packets differ, or -1. */
static int difference(const u8 *a, const u8 *b, u32 length)
{
	for (u32 i = 0; i < length; i++)
		if (a[i] != b[i])
			return (int)i;
	return -1;
}

/* Leave the checksums of a packet that was wrong on purpose out of the comparison. */
static void checks_blank(const struct packet_spec *s, u8 *ip, u32 length)
{
	u32 place = 20u + s->options_length + (u32)packet_check_place(s->protocol),
	    bytes = s->protocol == SCTP ? 4 : 2;

	if (length >= 12)
		memset(ip + 10, 0, 2);
	if (packet_check_place(s->protocol) && length >= place + bytes)
		memset(ip + place, 0, bytes);
}

/* The whole packet must be what an independent builder makes of the wanted endpoints. */
static int bytes_fit(struct world *world, const struct event *e, const struct packet_text *wanted)
{
	static u8 ip[FRAME_ROOM], actual[FRAME_ROOM];
	struct packet_text text = *wanted;
	char met[256];

	if (e->hook != NATIVE_IN && e->result.verdict == VERDICT_TRANSLATE && e->length >= 20 &&
	    (!(e->before[6] & 0x40) || e->before[6] & 0x3f || e->before[7]))
		text.spec.id = word_at(e->after + 4); /* not atomic: the NAT's own count */
	if (e->result.reason == REASON_hairpin || e->result.reason == REASON_hairpin_error ||
	    e->result.reason == REASON_hairpin_fragment || e->result.reason == REASON_out_fast ||
	    e->result.reason == REASON_in_fast)
		text.spec.ttl = (u8)((text.spec.ttl ? text.spec.ttl : 64) - 1);
	int length = packet_make(world, &text, ip, sizeof(ip));
	if (length < 0)
		return -1;
	memcpy(actual, e->after, e->length);
	bool wrong = text.mutation_count || text.spec.corrupt || text.quote.corrupt;
	if (wrong) {
		checks_blank(&text.spec, ip, (u32)length);
		checks_blank(&text.spec, actual, e->length);
	}
	int at = (u32)length == e->length ? difference(ip, actual, e->length) : -2;
	if (at == -1)
		return 0;
	event_print(met, sizeof(met), e);
	if (at == -2)
		return world_fail(world, "length %u, wanted %d (%s)", e->length, length, met);
	return world_fail(world, "byte %d of the packet is 0x%02x, wanted 0x%02x (%s)", at, actual[at],
			  ip[at], met);
}

/* [id NUMBER|$NAME|*] */
static int id_fits(struct world *world, struct words *words, const struct event *e)
{
	char actual[VALUE_MAX_BYTES], wanted[VALUE_MAX_BYTES];

	if (!words_take(words, "id"))
		return 0;
	snprintf(actual, sizeof(actual), "%u", word_at(e->after + 4));
	snprintf(wanted, sizeof(wanted), "%.63s", words_peek(words) ? words_next(words) : "");
	if (part_resolve(world, wanted, actual))
		return -1;
	return strcmp(wanted, actual) ? world_fail(world, "identification %s, wanted %s", actual, wanted) : 0;
}

/* [data HEX] */
static int data_resolve(struct world *world, struct words *words, struct packet_spec *s, u8 *payload)
{
	if (!words_take(words, "data"))
		return 0;
	int n = hex_parse(words_next(words), payload, RAW_MAX);
	if (n < 0)
		return world_fail(world, "bad hexadecimal data");
	s->payload = payload;
	s->payload_length = (u16)n;
	return 0;
}

/* translate [END > END [data HEX] [{ END > END [data HEX] }] [tcp-options HEX] [id ID]] */
static int translate_fits(struct world *world, struct words *words, const struct event *e)
{
	static struct packet_text wanted;
	struct ends actual;
	const struct packet_spec *s = &e->packet->spec;

	if (!words_peek(words) || !strchr("0123456789$*", words_peek(words)[0]))
		return 0;
	wanted = *e->packet;
	ends_read(s, e->after, e->length, &actual);
	if (ends_resolve(world, words, &actual, &wanted.spec) ||
	    data_resolve(world, words, &wanted.spec, wanted.payload))
		return -1;
	if (words_take(words, "{")) {
		u32 at = quote_offset(s);
		if (!s->quote || e->length <= at)
			return world_fail(world, "nothing is quoted here");
		ends_read(&e->packet->quote, e->after + at, e->length - at, &actual);
		if (ends_resolve(world, words, &actual, &wanted.quote) ||
		    data_resolve(world, words, &wanted.quote, wanted.quote_payload))
			return -1;
		if (!words_take(words, "}"))
			return world_fail(world, "'}' wanted");
	}
	if (words_take(words, "tcp-options") && tcp_options_read(world, words, &wanted.spec))
		return -1;
	return bytes_fit(world, e, &wanted) || id_fits(world, words, e) ? -1 : 0;
}

/* An answer is a RST for the packet, or the ICMP error that its reason asks for, and nothing else. */
static int answer_fits(struct world *world, const struct event *e)
{
	static struct packet_text wanted;
	const struct packet_spec *sent = &e->packet->spec;
	__be32 router = world->ways[0]->nat.config->router[MAX_OUTSIDE];

	memset(&wanted, 0, sizeof(wanted));
	if (e->result.reason == REASON_session_lost) {
		packet_reset(sent, &wanted.spec);
	} else {
		wanted.quote = *sent;
		packet_unreachable(&wanted.quote, e->result.reason == REASON_told_limit ? 13 : 1,
				   router ? router : sent->daddr, &wanted.spec);
	}
	return bytes_fit(world, e, &wanted);
}

/* What holds for every packet, whatever was expected. */
static int invariants_hold(struct world *world, const struct event *e)
{
	char met[256];

	event_print(met, sizeof(met), e);
	if ((e->result.verdict == VERDICT_PASS || e->result.verdict == VERDICT_DIVERT) &&
	    difference(e->before, e->after, e->length) >= 0)
		return world_fail(world, "a packet that passed was changed (%s)", met);
	if (e->result.verdict == VERDICT_ANSWER)
		return answer_fits(world, e);
	if (e->result.verdict != VERDICT_TRANSLATE)
		return 0;
	/* What was right stays right, what was wrong stays wrong (RFC 3022 section 4.2). */
	unsigned int before = packet_check(e->before, e->length), after = packet_check(e->after, e->length);
	if (before != after)
		return world_fail(world, "checksums: faults 0x%x before, 0x%x after (%s)", before, after,
				  met);
	return 0;
}

int expect_event(struct world *world, struct words *words, const struct event *e)
{
	char met[256];
	u32 wanted = 0;

	if (invariants_hold(world, e))
		return -1;
	if (words_take(words, "any"))
		return 0;
	event_print(met, sizeof(met), e);
	const char *verdict = words_next(words);
	while (wanted < VERDICTS && (!verdict || strcmp(verdict_names[wanted], verdict)))
		wanted++;
	if (wanted == VERDICTS)
		return world_fail(world, "expect pass, drop, translate, answer, divert or any, not %s",
				  verdict ? verdict : "(end)");
	if (wanted != e->result.verdict)
		return world_fail(world, "%s was wanted; met: %s", verdict, met);
	if (wanted == VERDICT_TRANSLATE && translate_fits(world, words, e))
		return -1;
	const char *reason = words_next(words);
	if (reason && strcmp(reason, reason_name(e->result.reason)))
		return world_fail(world, "reason %s was wanted; met: %s", reason, met);
	return words_peek(words) ? world_fail(world, "left over: %s", words_peek(words)) : 0;
}
