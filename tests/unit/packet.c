// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * core/packet.h: rows of packets, each whole but for one field. Every packet is parsed from memory of just its size, so
 * that a byte read beyond it is seen.
 */
#include "tests/unit/core.h"

enum { PASSES = -1 };

static const struct packet_spec udp = { .protocol = PROTOCOL_UDP,
					.saddr = 0x0100a8c0,
					.daddr = 0x010071cb,
					.sport = 4000,
					.dport = 53,
					.payload_length = 12 };
static const struct packet_spec tcp = { .protocol = PROTOCOL_TCP,
					.saddr = 0x0100a8c0,
					.daddr = 0x010071cb,
					.sport = 4000,
					.dport = 80,
					.tcp_flags = TCP_SYN,
					.payload_length = 12 };
static const struct packet_spec echo = { .protocol = PROTOCOL_ICMP,
					 .saddr = 0x0100a8c0,
					 .daddr = 0x010071cb,
					 .icmp_type = ICMP_ECHO,
					 .sport = 77,
					 .payload_length = 12 };
static const struct packet_spec error_udp = { .protocol = PROTOCOL_ICMP,
					      .saddr = 0x010071cb,
					      .daddr = 0x016433c6,
					      .icmp_type = ICMP_UNREACHABLE,
					      .quote = &udp };
static const struct packet_spec error_tcp = { .protocol = PROTOCOL_ICMP,
					      .saddr = 0x010071cb,
					      .daddr = 0x016433c6,
					      .icmp_type = ICMP_TIME_EXCEEDED,
					      .quote = &tcp };
static const struct packet_spec error_echo = { .protocol = PROTOCOL_ICMP,
					       .saddr = 0x010071cb,
					       .daddr = 0x016433c6,
					       .icmp_type = ICMP_PARAMETER,
					       .quote = &echo };

/* The short way either leaves a packet alone or reads it as the long one did. */
static int ordinary_agrees(const struct bytes *b, u32 length, const struct packet *parsed, int reason)
{
	struct packet p = { 0 };

	if (!packet_ordinary(b, &p, 0, length))
		return 0;
	p.id = parsed->id;
	p.ttl = parsed->ttl;
	assert_int_equal(reason, 0);
	assert_memory_equal(&p, parsed, sizeof(p));
	return 1;
}

/* Parse so many bytes as they came from a device that saw no more. PASSES or a reason. */
static int parse(const u8 *ip, u32 length, struct packet *p)
{
	u8 *exact = malloc(length + 2), *at = exact + 2; /* 2 mod 4, as in the kernel */

	assert_non_null(exact);
	memcpy(at, ip, length);
	memset(p, 0, sizeof(*p));
	struct bytes b = { .data = at, .end = at + length };
	int reason = packet_parse(&b, p, length);
	ordinary_agrees(&b, length, p, reason);
	free(exact);
	return reason ? reason : PASSES;
}

static u32 build(const struct packet_spec *spec, u8 *ip)
{
	int length = packet_build(spec, ip, ROOM);

	assert_true(length > 0);
	return (u32)length;
}

static int parse_spec(const struct packet_spec *spec, struct packet *p)
{
	u8 ip[ROOM];
	u32 length = build(spec, ip);

	return parse(ip, length, p);
}

/* One field of a packet set to a value. bytes: 1 or 2, the latter in network order; mask: which bits of it. */
struct row {
	const char *name;
	const struct packet_spec *spec;
	u16 offset;
	u8 bytes;
	u16 mask;
	u16 value;
	int wanted;
};

static void field_set(u8 *ip, const struct row *r)
{
	u32 was = r->bytes == 2 ? (u32)ip[r->offset] << 8 | ip[r->offset + 1] : ip[r->offset];
	u32 is = (was & ~(u32)r->mask) | (r->value & r->mask);

	if (r->bytes == 2)
		ip[r->offset] = (u8)(is >> 8);
	ip[r->offset + (r->bytes == 2)] = (u8)is;
}

enum {
	AT_ICMP = 20,
	AT_QUOTE = 28,
	AT_QUOTED_L4 = 48,
	UDP_TOTAL = 40,
	TCP_TOTAL = 52,
	ALL = 0xffff,
};

static const struct row rows[] = {
	{ "as it is", &udp, 0, 1, 0, 0, PASSES },
	{ "as it is", &tcp, 0, 1, 0, 0, PASSES },
	{ "as it is", &echo, 0, 1, 0, 0, PASSES },
	{ "as it is", &error_udp, 0, 1, 0, 0, PASSES },
	{ "as it is", &error_tcp, 0, 1, 0, 0, PASSES },
	{ "as it is", &error_echo, 0, 1, 0, 0, PASSES },

	{ "version 0", &udp, 0, 1, 0xf0, 0x00, REASON_malformed_ip },
	{ "version 5", &udp, 0, 1, 0xf0, 0x50, REASON_malformed_ip },
	{ "version 6", &udp, 0, 1, 0xf0, 0x60, REASON_malformed_ip },
	{ "version 15", &udp, 0, 1, 0xf0, 0xf0, REASON_malformed_ip },
	{ "ihl 0", &udp, 0, 1, 0x0f, 0, REASON_malformed_ip },
	{ "ihl 1", &udp, 0, 1, 0x0f, 1, REASON_malformed_ip },
	{ "ihl 2", &udp, 0, 1, 0x0f, 2, REASON_malformed_ip },
	{ "ihl 3", &udp, 0, 1, 0x0f, 3, REASON_malformed_ip },
	{ "ihl 4", &udp, 0, 1, 0x0f, 4, REASON_malformed_ip },
	{ "ihl beyond the packet", &udp, 0, 1, 0x0f, 15, REASON_malformed_ip },
	{ "ihl up to the end", &udp, 0, 1, 0x0f, 10, REASON_malformed_transport },
	{ "length 0", &udp, IPV4_LENGTH, 2, ALL, 0, REASON_malformed_ip },
	{ "length below a header", &udp, IPV4_LENGTH, 2, ALL, 19, REASON_malformed_ip },
	{ "length of a header alone", &udp, IPV4_LENGTH, 2, ALL, 20, REASON_malformed_transport },
	{ "length one short of a UDP header", &udp, IPV4_LENGTH, 2, ALL, 27, REASON_malformed_transport },
	{ "length shorter than UDP says", &udp, IPV4_LENGTH, 2, ALL, UDP_TOTAL - 1,
	  REASON_malformed_transport },
	{ "length beyond the packet", &udp, IPV4_LENGTH, 2, ALL, UDP_TOTAL + 1, REASON_malformed_ip },
	{ "length 65535", &udp, IPV4_LENGTH, 2, ALL, 0xffff, REASON_malformed_ip },
	{ "length one short of a TCP header", &tcp, IPV4_LENGTH, 2, ALL, 39, REASON_malformed_transport },
	{ "length of a TCP header alone", &tcp, IPV4_LENGTH, 2, ALL, 40, PASSES },
	{ "length one short of an ICMP header", &echo, IPV4_LENGTH, 2, ALL, 27, REASON_malformed_transport },
	{ "length of an ICMP header alone", &echo, IPV4_LENGTH, 2, ALL, 28, PASSES },
	{ "length up to the quote's last port", &error_udp, IPV4_LENGTH, 2, ALL, 28 + 27,
	  REASON_malformed_error },
	{ "length without a quote", &error_udp, IPV4_LENGTH, 2, ALL, 28, REASON_malformed_error },

	{ "a later fragment", &udp, IPV4_FRAGMENT, 2, ALL, 1, PASSES },
	{ "a later fragment at the very end", &udp, IPV4_FRAGMENT, 2, ALL, 0x1fff, PASSES },
	{ "a TCP fragment in the header", &tcp, IPV4_FRAGMENT, 2, ALL, 1, REASON_fragment_tiny },
	{ "a TCP fragment on the flags", &tcp, IPV4_FRAGMENT, 2, ALL, 2, REASON_fragment_tiny },
	{ "a TCP fragment behind the header", &tcp, IPV4_FRAGMENT, 2, ALL, 3, PASSES },
	{ "a first fragment", &tcp, IPV4_FRAGMENT, 2, ALL, IPV4_MORE_FRAGMENTS, PASSES },
	{ "an ICMP error in fragments", &error_udp, IPV4_FRAGMENT, 2, ALL, IPV4_MORE_FRAGMENTS,
	  REASON_malformed_error },
	{ "the reserved fragment bit", &udp, IPV4_FRAGMENT, 2, ALL, 0x8000, PASSES },

	{ "UDP length 0", &udp, 20 + UDP_LENGTH, 2, ALL, 0, REASON_malformed_transport },
	{ "UDP length 7", &udp, 20 + UDP_LENGTH, 2, ALL, 7, REASON_malformed_transport },
	{ "UDP length 8", &udp, 20 + UDP_LENGTH, 2, ALL, 8, PASSES },
	{ "UDP length one more than there is", &udp, 20 + UDP_LENGTH, 2, ALL, 21,
	  REASON_malformed_transport },
	{ "UDP length 65535", &udp, 20 + UDP_LENGTH, 2, ALL, 0xffff, REASON_malformed_transport },

	{ "TCP data offset 0", &tcp, 20 + TCP_OFFSET, 1, 0xf0, 0x00, REASON_malformed_transport },
	{ "TCP data offset 1", &tcp, 20 + TCP_OFFSET, 1, 0xf0, 0x10, REASON_malformed_transport },
	{ "TCP data offset 4", &tcp, 20 + TCP_OFFSET, 1, 0xf0, 0x40, REASON_malformed_transport },
	{ "TCP data offset up to the end", &tcp, 20 + TCP_OFFSET, 1, 0xf0, 0x80, PASSES },
	{ "TCP data offset beyond the packet", &tcp, 20 + TCP_OFFSET, 1, 0xf0, 0x90,
	  REASON_malformed_transport },
	{ "TCP data offset 15", &tcp, 20 + TCP_OFFSET, 1, 0xf0, 0xf0, REASON_malformed_transport },

	{ "quoted version 6", &error_udp, AT_QUOTE, 1, 0xf0, 0x60, REASON_malformed_error },
	{ "quoted ihl 0", &error_udp, AT_QUOTE, 1, 0x0f, 0, REASON_malformed_error },
	{ "quoted ihl 4", &error_udp, AT_QUOTE, 1, 0x0f, 4, REASON_malformed_error },
	{ "quoted ihl beyond the packet", &error_udp, AT_QUOTE, 1, 0x0f, 15, REASON_malformed_error },
	{ "quoted ihl that leaves seven bytes", &error_udp, AT_QUOTE, 1, 0x0f, 9, REASON_malformed_error },
	{ "quoted ihl that leaves eight bytes", &error_udp, AT_QUOTE, 1, 0x0f, 8, PASSES },
	{ "quoted later fragment", &error_udp, AT_QUOTE + IPV4_FRAGMENT, 2, ALL, 1, REASON_malformed_error },
	{ "quoted first fragment", &error_udp, AT_QUOTE + IPV4_FRAGMENT, 2, ALL, IPV4_MORE_FRAGMENTS,
	  PASSES },
	{ "quoted length is what it was, not what is here", &error_udp, AT_QUOTE + IPV4_LENGTH, 2, ALL,
	  0xffff, PASSES },
	{ "quoted protocol without ports", &error_udp, AT_QUOTE + IPV4_PROTOCOL, 1, ALL, 50, PASSES },
	{ "quoted ICMP error", &error_echo, AT_QUOTED_L4, 1, ALL, ICMP_UNREACHABLE, REASON_malformed_error },
	{ "quoted echo reply", &error_echo, AT_QUOTED_L4, 1, ALL, ICMP_ECHO_REPLY, PASSES },
};

static void fields_out_of_range(void **state)
{
	u8 ip[ROOM];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u32 length = build(rows[i].spec, ip);
		field_set(ip, &rows[i]);
		int got = parse(ip, length, &p);
		if (got != rows[i].wanted)
			fail_msg("row %zu, %s: %d, wanted %d", i, rows[i].name, got, rows[i].wanted);
	}
}

/* Each field with each value: whatever comes of it, nothing is read beyond the packet. */
static void any_byte_any_value(void **state)
{
	static const struct packet_spec *const specs[] = { &udp,       &tcp,	   &echo,
							   &error_udp, &error_tcp, &error_echo };
	u8 ip[ROOM];
	struct packet p;

	(void)state;
	for (size_t s = 0; s < sizeof(specs) / sizeof(specs[0]); s++) {
		u32 length = build(specs[s], ip);
		for (u32 at = 0; at < length && at < 80; at++) {
			u8 was = ip[at];
			for (int value = 0; value < 256; value += at % 4 ? 5 : 1) {
				ip[at] = (u8)value;
				(void)parse(ip, length, &p);
			}
			ip[at] = was;
		}
	}
}

static void length_put(u8 *ip, u32 length)
{
	ip[2] = (u8)(length >> 8);
	ip[3] = (u8)length;
}

/* Cut at every byte: a length that says more than is there; and one that says what is. */
static void cut_at_every_byte(void **state)
{
	static const struct {
		const struct packet_spec *spec;
		u32 least; /* so many bytes are enough */
		int before;
	} cuts[] = {
		{ &udp, 40, REASON_malformed_transport }, /* its own length says all */
		{ &tcp, 40, REASON_malformed_transport },    { &echo, 28, REASON_malformed_transport },
		{ &error_udp, 56, REASON_malformed_error },  { &error_tcp, 56, REASON_malformed_error },
		{ &error_echo, 56, REASON_malformed_error },
	};
	u8 ip[ROOM];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		u32 length = build(cuts[i].spec, ip);
		for (u32 cut = 0; cut <= length; cut++) {
			length_put(ip, length);
			assert_int_equal(parse(ip, cut, &p), cut < length ? REASON_malformed_ip : PASSES);
			length_put(ip, cut);
			int wanted = cut < 20		   ? REASON_malformed_ip
				     : cut < 28		   ? REASON_malformed_transport
				     : cut < cuts[i].least ? cuts[i].before
							   : PASSES;
			if (parse(ip, cut, &p) != wanted)
				fail_msg("packet %zu cut to %u bytes: wanted %d", i, cut, wanted);
		}
	}
}

/* The quoted checksum is within reach only from the byte on where it ends. */
static void quoted_checksum_within_reach(void **state)
{
	static const struct {
		const struct packet_spec *spec;
		u32 ends;
	} quotes[] = { { &error_udp, 48 + 8 }, { &error_tcp, 48 + 18 }, { &error_echo, 48 + 4 } };
	u8 ip[ROOM];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		u32 length = build(quotes[i].spec, ip);
		for (u32 cut = 56; cut <= length; cut++) {
			length_put(ip, cut);
			assert_int_equal(parse(ip, cut, &p), PASSES);
			assert_int_equal(p.quote.has_check, cut >= quotes[i].ends);
		}
	}
}

/* What lies behind the IP packet (padding of the link) belongs to nobody: a quote does not reach into it. */
static void padding_is_no_quote(void **state)
{
	u8 ip[ROOM];
	struct packet p;
	u32 length = build(&error_tcp, ip);

	(void)state;
	for (u32 said = 28; said < length; said++) {
		length_put(ip, said);
		int got = parse(ip, length, &p);
		if (got != (said < 56 ? REASON_malformed_error : PASSES))
			fail_msg("%u bytes of %u: %d", said, length, got);
		if (got == PASSES)
			assert_int_equal(p.quote.has_check, said >= 48 + 18);
	}
}

static void what_is_found(void **state)
{
	struct packet p;

	(void)state;
	assert_int_equal(parse_spec(&tcp, &p), PASSES);
	assert_int_equal(p.kind, PACKET_PORTS);
	assert_int_equal(p.ip.saddr, tcp.saddr);
	assert_int_equal(p.ip.daddr, tcp.daddr);
	assert_int_equal(p.ip.sport, htons(4000));
	assert_int_equal(p.ip.dport, htons(80));
	assert_int_equal(p.ip.class, CLASS_TCP);
	assert_int_equal(p.tcp_flags, TCP_SYN);
	assert_int_equal(p.length, TCP_TOTAL);
	assert_int_equal(p.ttl, 64);

	assert_int_equal(parse_spec(&error_tcp, &p), PASSES);
	assert_int_equal(p.kind, PACKET_ERROR);
	assert_int_equal(p.quote.saddr, tcp.saddr);
	assert_int_equal(p.quote.dport, htons(80));
	assert_int_equal(p.quote.class, CLASS_TCP);

	struct packet_spec reply = echo;
	reply.icmp_type = ICMP_ECHO_REPLY;
	reply.sport = 0;
	reply.dport = 77;
	assert_int_equal(parse_spec(&reply, &p), PASSES);
	assert_int_equal(p.request, 0);
	assert_int_equal(p.ip.sport, 0);
	assert_int_equal(p.ip.dport, htons(77));
	assert_int_equal(parse_spec(&echo, &p), PASSES);
	assert_int_equal(p.request, 1);
	assert_int_equal(p.ip.sport, htons(77));
	assert_int_equal(p.ip.dport, 0);
}

/* IP options of every length, also around what an error quotes. */
static void options_are_skipped(void **state)
{
	struct packet p;

	(void)state;
	for (u8 words = 0; words <= 10; words++) {
		struct packet_spec inner = tcp, outer = error_tcp;
		inner.options_length = outer.options_length = (u8)(words * 4);
		memset(inner.options, 1, sizeof(inner.options));
		memset(outer.options, 1, sizeof(outer.options));
		outer.quote = &inner;
		assert_int_equal(parse_spec(&inner, &p), PASSES);
		assert_int_equal(p.ip.l4, 20 + words * 4);
		assert_int_equal(p.ip.dport, htons(80));
		assert_int_equal(parse_spec(&outer, &p), PASSES);
		assert_int_equal(p.quote.l4, 48 + 2 * words * 4);
		assert_int_equal(p.quote.dport, htons(80));
	}
}

static void icmp_types(void **state)
{
	struct packet p;

	(void)state;
	for (int type = 0; type < 256; type++) {
		struct packet_spec spec = echo;
		spec.icmp_type = (u8)type;
		spec.payload_length = 0;
		int got = parse_spec(&spec, &p);
		int query = type == 0 || type == 8 || type == 13 || type == 14 || type == 17 || type == 18;
		int error = type == 3 || type == 11 || type == 12;
		assert_int_equal(got, error ? REASON_malformed_error : PASSES); /* an error without a quote */
		if (!error)
			assert_int_equal(p.kind, query ? PACKET_PORTS : PACKET_OTHER);
	}
}

/* A segment that offload will cut: longer than the length field can say. */
static void length_of_large_segments(void **state)
{
	u32 length = 70000;
	u8 *ip = calloc(1, length + 2);
	struct bytes b = { .data = ip + 2, .end = ip + 2 + 60 }; /* the rest lies elsewhere */
	struct packet p = { 0 };

	(void)state;
	assert_non_null(ip);
	build(&tcp, ip + 2);
	length_put(ip + 2, 0);
	assert_int_equal(packet_parse(&b, &p, length), 0);
	assert_int_equal(p.length, 0xffff);
	memset(&p, 0, sizeof(p));
	assert_int_equal(packet_parse(&b, &p, 0xffff), REASON_malformed_ip);
	free(ip);
}

/* What the short way takes, and what it leaves to the long one. */
static void ordinary_packets(void **state)
{
	static const struct {
		const struct packet_spec *spec;
		u8 offset, value;
		int ordinary;
	} rows[] = { { &udp, 0, 0x45, 1 }, { &tcp, 33, TCP_ACK, 1 }, { &tcp, 33, TCP_SYN | TCP_ACK, 0 },
		     { &udp, 0, 0x46, 0 }, { &udp, 6, 0x40, 1 },     { &udp, 6, 0x20, 0 },
		     { &tcp, 7, 1, 0 },	   { &echo, 0, 0x45, 0 },    { &error_udp, 0, 0x45, 0 },
		     { &udp, 3, 39, 0 },   { &udp, 25, 7, 0 },	     { &tcp, 32, 0x40, 0 },
		     { &tcp, 32, 0xf0, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u8 ip[ROOM];
		u32 length = build(rows[i].spec, ip);
		struct bytes b = { .data = ip, .end = ip + length };
		struct packet p = { 0 };

		ip[rows[i].offset] = rows[i].value;
		int reason = packet_parse(&b, &p, length);
		if (ordinary_agrees(&b, length, &p, reason) != rows[i].ordinary)
			fail_msg("row %zu", i);
	}
}

/* What packets say of their connection: RFC 4340 section 5.1, RFC 5596, RFC 9260 section 3.2; each type there may be. */
static void connections_of_others(void **state)
{
	struct packet_spec spec = {
		.protocol = PROTOCOL_DCCP, .saddr = 1, .daddr = 2, .sport = 3, .dport = 4
	};
	struct packet p;

	(void)state;
	for (u32 type = 0; type < 16; type++) {
		spec.type = (u8)type;
		assert_int_equal(parse_spec(&spec, &p), PASSES);
		assert_int_equal(p.kind, PACKET_PORTS);
		assert_int_equal(p.ip.class, CLASS_DCCP);
		assert_int_equal(p.ip.dport, htons(4));
		assert_int_equal(p.tcp_flags, type <= 1 || type == 10  ? TCP_SYN
					      : type == 5 || type == 6 ? TCP_FIN
					      : type == 7	       ? TCP_RST
								       : TCP_ACK);
	}
	spec.protocol = PROTOCOL_SCTP;
	for (u32 type = 0; type < 256; type++) {
		spec.type = (u8)type;
		assert_int_equal(parse_spec(&spec, &p), PASSES);
		assert_int_equal(p.ip.class, CLASS_SCTP);
		assert_int_equal(p.tcp_flags, type == 1 || type == 2		     ? TCP_SYN
					      : type == 7 || type == 8 || type == 14 ? TCP_FIN
					      : type == 6			     ? TCP_RST
										     : TCP_ACK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_out_of_range),	    cmocka_unit_test(any_byte_any_value),
		cmocka_unit_test(cut_at_every_byte),	    cmocka_unit_test(quoted_checksum_within_reach),
		cmocka_unit_test(padding_is_no_quote),	    cmocka_unit_test(what_is_found),
		cmocka_unit_test(options_are_skipped),	    cmocka_unit_test(icmp_types),
		cmocka_unit_test(length_of_large_segments), cmocka_unit_test(ordinary_packets),
		cmocka_unit_test(connections_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
