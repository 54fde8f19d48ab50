/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.c - random packets, whole and broken, natively and through the BPF programs: bytes, verdicts, reasons and all
 * state must be equal, and no inside address leaves. limit: 600 s
 *
 * A million. Seven in ten have an Ethernet header: those from inside and from outside, two fifths of them, meet XDP first, as on a
 * device with the fast path, and what it does not send meets TC; the others meet TC alone. The rest go through devices without
 * a header, at TC. All of the state is compared after each fifty packets.
 */
#include <errno.h>
#include <unistd.h>

#include "core/clients.h"
#include "core/sweep.h"
#include "native/fixed.h"
#include "native/held.h"
#include "tests/differential/rounds.h"
#include "tests/way/way.h"

enum { PACKETS_ETHERNET = 700000, PACKETS_BARE = 300000, ROUND = 500, COMPARE_EVERY = 50 };
enum { STATION = 2 }; /* each byte of each hardware address */

struct lab {
	struct rounds rounds; /* its operations: packets */
	struct way *ways[2];
	struct sweep *sweeps[2];
	u32 outside[2]; /* ifindexes */
	u32 inside;
	u32 fast; /* FAST_*, of each */
	u32 now;
	u64 told; /* of SYNs that were held */
	u64 verdicts[VERDICT_DIVERT + 1];
	u64 reasons[REASONS];
	u64 hooks[NATIVE_CLIENT + 1];
	struct packet_spec first; /* the last first fragment, so that later ones can follow it */
	struct native_frame first_frame;
	enum native_hook first_hook;
	bool first_sent;
	struct packet_spec last; /* a whole packet out or in, to be sent again by the same road */
	struct native_frame last_frame;
	enum native_hook last_hook;
	u8 after[ROOM]; /* what came of the last packet, natively, from the IP header on */
};

static u32 chance(struct lab *lab, u32 n) { return rounds_chance(&lab->rounds, n); }

static int device_add(struct lab *lab, const char *name, enum role role)
{
	int ifindex = lab->ways[1]->ops->device(lab->ways[1], name, role);

	for (int i = 0; i < 2 && ifindex > 0; i++) {
		int number = native_interface_add(&lab->ways[i]->nat, (u32)ifindex, role);
		native_interface_fast(&lab->ways[i]->nat, (u32)number, lab->fast);
		memset(lab->ways[i]->nat.config->stations[number], STATION, 6);
		if (role == ROLE_INSIDE)
			native_interface_listed(&lab->ways[i]->nat, (u32)number);
	}
	return ifindex;
}

/* One configuration for both. */
static void settings_choose(struct lab *lab)
{
	struct config like = *lab->ways[0]->nat.config;

	like.port_min = chance(lab, 2) ? 1024 : 40000;
	like.port_max = like.port_min == 1024 ? 65535 : (u16)(40000 + chance(lab, 40));
	like.port_parity = (u8)chance(lab, 2);
	like.port_preserve = (u8)chance(lab, 2);
	like.hairpin = chance(lab, 4) != 0;
	for (u32 i = 0; i < FILTERINGS; i++)
		like.filtering[i] = (u8)chance(lab, 3);
	like.timers.udp_timeout = 20 + chance(lab, 100);
	for (u32 i = 0; i < 2; i++)
		like.mss[i] = (u16)(chance(lab, 3) ? 1 + chance(lab, 3000) : 0);
	like.tell = (u8)chance(lab, 2);
	like.hold = chance(lab, 4) != 0;
	like.pptp = chance(lab, 4) != 0;
	like.router[MAX_OUTSIDE] = chance(lab, 2) ? 0 : address(10, 0, 0, 254);
	like.limits.on = chance(lab, 2);
	like.limits.new_mappings = chance(lab, 2) ? 0 : 1 + chance(lab, 20);
	like.limits.all.mappings = chance(lab, 2) ? 0 : 1 + chance(lab, 100);
	like.limits.all.sessions = chance(lab, 2) ? 0 : 1 + chance(lab, 200);
	like.limits.by[CLASS_TCP].sessions = chance(lab, 2) ? 0 : 1 + chance(lab, 50);
	if (!chance(lab, 3)) /* where both addresses have room for eight hosts each, each has its own ports */
		(void)shares_own(&like.shares[0], (enum algorithm)chance(lab, 4),
				 be32_to_host(address(10, 0, 0, 0)), 16, 2, 0, 8, like.port_min,
				 like.port_max);
	if (like.port_min == 1024 && chance(lab, 2))
		shares_lend(&like.shares[0], 64, 1 + chance(lab, 3), 60000, 60400);
	for (int i = 0; i < 2; i++)
		*lab->ways[i]->nat.config = like;
}

static __be32 server(void) { return address(10, 0, 0, 6); }
static __be32 router(void) { return address(10, 0, 255, 1); }

/* A server with full NAT on two ports, and without on a third. */
static int servers_add(struct nat_instance *nat)
{
	struct fixed_mapping mappings[3];
	struct fixed_want want = { .mappings = mappings, .mapping_count = 3 };
	struct fixed_report report;

	for (u32 i = 0; i < 3; i++)
		mappings[i] = (struct fixed_mapping){
			.inside = { .addr = server(), .port = host_to_be16(i < 2 ? 7 : 8) },
			.outside = { .addr = address(198, 51, 100, 1 + i / 2), .port = host_to_be16(4000) },
			.class = i == 1 ? CLASS_TCP : CLASS_UDP,
			.full = i < 2,
			.client = router(),
		};
	server_add(nat->config->servers, server());
	if (native_address_set(nat, clients_number(MAX_OUTSIDE), router(), ADDRESS_CLIENTS | ADDRESS_LOCAL) <
	    0)
		return -1;
	return fixed_apply(nat, &want, &report) || report.refused ? -1 : 0;
}

static int round_begin(struct lab *lab)
{
	const struct native_sizes sizes = { .flows = chance(lab, 2) ? 4096 : 128,
					    .mappings = 1024,
					    .hosts = 64,
					    .fragments = 64,
					    .addresses = 5 };
	u64 seed = chance(lab, 0xffffffff);

	for (int i = 0; i < 2; i++)
		if (way_begin(lab->ways[i], &sizes, seed))
			return -1;
	settings_choose(lab);
	lab->fast = chance(lab, 2) ? FAST_TC : FAST_TC | FAST_XDP | FAST_TARGET;
	lab->inside = (u32)device_add(lab, "lan0", ROLE_INSIDE);
	lab->outside[0] = (u32)device_add(lab, "wan0", ROLE_OUTSIDE);
	lab->outside[1] = (u32)device_add(lab, "wan1", ROLE_OUTSIDE);
	lab->now = chance(lab, 0x100000);
	for (int i = 0; i < 2; i++)
		way_clock(lab->ways[i], lab->now);
	for (int i = 0; i < 2; i++) {
		struct nat_instance *nat = &lab->ways[i]->nat;
		native_network_add(nat, address(10, 0, 0, 0), address(255, 255, 0, 0));
		native_pass_through_add(nat, address(203, 0, 113, 3), address(255, 255, 255, 255));
		native_address_set(nat, 0, address(198, 51, 100, 1),
				   ADDRESS_LIVE | ADDRESS_LOCAL | ADDRESS_POOL);
		native_address_set(nat, 0, address(198, 51, 100, 2), ADDRESS_LIVE | ADDRESS_POOL);
		native_address_set(nat, 1, address(192, 0, 2, 1),
				   ADDRESS_LIVE | ADDRESS_LOCAL | ADDRESS_POOL);
		if (servers_add(nat))
			return -1;
		lab->sweeps[i] = sweep_memory_new(nat);
		if (!lab->sweeps[i])
			return -1;
	}
	struct native_socket s = { .class = CLASS_UDP,
				   .local = address(198, 51, 100, 1),
				   .port = host_to_be16(5353) };
	for (int i = 0; i < 2; i++)
		if (lab->ways[i]->ops->socket(lab->ways[i], &s))
			return -1;
	lab->first_sent = false;
	lab->last_frame.ifindex = 0;
	return lab->inside && lab->outside[0] && lab->outside[1] ? 0 : -1;
}

static void round_end(struct lab *lab)
{
	for (int i = 0; i < 2; i++) {
		sweep_memory_free(lab->sweeps[i]);
		lab->sweeps[i] = NULL;
	}
}

/*
 * Packets
 */

static __be32 inside_some(struct lab *lab) { return address(10, 0, 0, 1 + chance(lab, 6)); }
static __be32 remote_some(struct lab *lab) { return address(203, 0, 113, 1 + chance(lab, 3)); }

static __be32 outside_some(struct lab *lab)
{
	return chance(lab, 5) ? address(198, 51, 100, 1 + chance(lab, 2)) : address(192, 0, 2, 1);
}

/* Mostly ports that somebody has. */
static u16 port_some(struct lab *lab)
{
	const struct nat_instance *nat = &lab->ways[0]->nat;

	for (u32 try = 0; try < 40 && chance(lab, 8); try++) {
		const struct mapping *m = (const struct mapping *)nat->tables[TABLE_MAPPINGS] +
					  chance(lab, nat->config->mapping_mask + 1);
		if (word_state(m->word) == LIVE && m->half & HALF_OUTSIDE)
			return be16_to_host(m->key_port);
	}
	return (u16)(chance(lab, 4) ? 4000 + chance(lab, 8) : chance(lab, 2) ? 5353 : chance(lab, 65536));
}

static __be32 any_address(struct lab *lab)
{
	switch (chance(lab, 12)) {
	case 0:
		return address(224, 0, 0, 5);
	case 1:
		return address(192, 168, 1, 1);
	case 2:
		return 0;
	case 3:
		return address(172, 16, 0, 9);
	default:
		return chance(lab, 3)	? remote_some(lab)
		       : chance(lab, 2) ? inside_some(lab)
					: outside_some(lab);
	}
}

/* To a server, or from it to the address that stands for its clients. */
static void spec_full(struct lab *lab, enum native_hook hook, struct packet_spec *s)
{
	if (hook == NATIVE_CLIENT) {
		if (!chance(lab, 4))
			s->saddr = chance(lab, 3) ? outside_some(lab) : router();
		else if (chance(lab, 20))
			s->saddr = remote_some(lab);
		s->sport = (u16)(7 + chance(lab, 3));
		s->daddr = server();
		s->dport = (u16)(7 + chance(lab, 2));
	} else if (hook == NATIVE_HAIRPIN && !chance(lab, 3)) {
		s->daddr = router();
		s->dport = (u16)(chance(lab, 2) ? 7 + chance(lab, 3) : port_some(lab));
		if (chance(lab, 4)) {
			s->saddr = server();
			s->sport = 7;
		}
	} else if (hook == NATIVE_OUT && !chance(lab, 8)) {
		s->saddr = server();
		s->sport = (u16)(7 + chance(lab, 2));
	}
}

/* TCP's options, of few kinds and of any length: mostly what announces the largest segment is among them. */
static void options_choose(struct lab *lab, struct packet_spec *s)
{
	static const u8 kinds[] = { 0, 1, 1, 1, 2, 2, 3, 8 };
	u32 at = chance(lab, 36);

	s->tcp_options_length = (u8)(4 * chance(lab, 11));
	for (u32 i = 0; i < PACKET_OPTIONS; i++)
		s->tcp_options[i] = chance(lab, 8) ? kinds[chance(lab, 8)] : (u8)chance(lab, 256);
	memset(s->tcp_options, 1, chance(lab, at + 1));
	memcpy(s->tcp_options + at, (u8[]){ 2, 4, (u8)chance(lab, 16), (u8)chance(lab, 256) }, 4);
}

/* PPTP's control messages of any type, often several and sometimes cut or broken, with few ids; and GRE with these. */
static void control_choose(struct lab *lab, enum native_hook hook, struct packet_spec *s)
{
	static const u8 lengths[] = { 12, 16, 16, 16, 20, 24, 28, 32 };
	static u8 payload[200];
	u32 at = 0;

	for (u32 i = 0; i < sizeof(payload); i++)
		payload[i] = (u8)chance(lab, 4);
	while (s->protocol == 6 && at + 32 < sizeof(payload)) {
		u8 length = lengths[chance(lab, 8)];
		memcpy(payload + at,
		       (u8[]){ 0, length, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, (u8)(6 + chance(lab, 11)) }, 10);
		payload[at + 12] = payload[at + 14] = 0;
		at += length;
	}
	if (s->protocol == PROTOCOL_GRE)
		memcpy(payload, (u8[]){ chance(lab, 8) ? 0x30 : 0x20, 1, 0x88, 0x0b, 0, 4, 0 }, 7);
	else if (chance(lab, 8))
		*(hook == NATIVE_IN || hook == NATIVE_LEARN ? &s->sport : &s->dport) = PPTP_PORT;
	if (!chance(lab, 8))
		payload[chance(lab, 40)] ^= 1;
	s->payload = payload;
}

static void spec_choose(struct lab *lab, enum native_hook hook, struct packet_spec *s)
{
	static const u8 protocols[] = { 17, 17, 17, 6, 6, 6, 1, 1, 47, 50, 33, 132, 136 };
	static const u8 types[] = { 8, 8, 0, 0, 13, 14, 3, 5, 17 };
	static const u8 spis[][200] = {
		{ 0, 0, 0, 1 }, { 0, 0, 1, 0 }, { 0, 1, 0, 0 }, { 1, 0, 0, 0 }, { 0 }
	};
	bool in = hook == NATIVE_IN || hook == NATIVE_LEARN, back = hook == NATIVE_HAIRPIN && chance(lab, 2);

	memset(s, 0, sizeof(*s));
	s->protocol = protocols[chance(lab, sizeof(protocols))];
	s->type = (u8)chance(lab, 16);
	s->coverage = (u16)(chance(lab, 2) ? 0 : chance(lab, 64));
	s->saddr = !chance(lab, 20) ? any_address(lab) : in ? remote_some(lab) : inside_some(lab);
	s->daddr = !chance(lab, 20)	       ? any_address(lab)
		   : hook == NATIVE_LEARN      ? inside_some(lab)
		   : hook == NATIVE_IN || back ? outside_some(lab)
					       : remote_some(lab);
	s->sport = in ? (u16)(7 + chance(lab, 3)) : port_some(lab);
	s->dport = in || back ? port_some(lab) : (u16)(7 + chance(lab, 3));
	spec_full(lab, hook, s);
	s->icmp_type = types[chance(lab, 9)];
	s->tcp_flags = chance(lab, 3) ? TCP_ACK : chance(lab, 2) ? TCP_SYN : (u8)chance(lab, 64);
	if (s->protocol == 6 && chance(lab, 4))
		options_choose(lab, s);
	s->ttl = (u8)(1 + chance(lab, 255));
	s->id = (u16)chance(lab, 16);
	s->payload_length = (u16)chance(lab, 200);
	if (s->protocol == PROTOCOL_ESP)
		s->payload = spis[chance(lab, 5)];
	if ((s->protocol == 6 && !chance(lab, 4)) || (s->protocol == PROTOCOL_GRE && chance(lab, 4)))
		control_choose(lab, hook, s);
	s->no_check = !chance(lab, 6);
	s->corrupt = !chance(lab, 10) ? (u16)chance(lab, 65536) : 0;
	if (!chance(lab, 6)) {
		s->options_length = (u8)(4 * (1 + chance(lab, 10)));
		memset(s->options, 1, s->options_length);
	}
	if (!chance(lab, 8)) {
		s->fragment_offset = (u16)(chance(lab, 2) ? 0 : 8 * (1 + chance(lab, 8)));
		s->fragment_bytes = (u16)(8 * (1 + chance(lab, 8)));
		s->payload_length = 200;
	}
}

/* An error about a packet that may have gone the other way. */
static void error_choose(struct lab *lab, enum native_hook hook, struct packet_spec *s,
			 struct packet_spec *quote)
{
	static const u8 types[] = { 3, 11, 12 };

	spec_choose(lab, hook, s);
	spec_choose(lab, hook, quote);
	quote->fragment_bytes = s->fragment_bytes = s->fragment_offset = quote->fragment_offset = 0;
	__be32 addr = quote->saddr;
	u16 port = quote->sport;
	quote->saddr = quote->daddr;
	quote->sport = quote->dport;
	quote->daddr = addr;
	quote->dport = port;
	s->protocol = 1;
	s->icmp_type = types[chance(lab, 3)];
	s->icmp_code = (u8)chance(lab, 16);
	if (chance(lab, 4))
		s->daddr = quote->saddr;
	s->payload_length = 0;
	s->quote = quote;
	s->quote_bytes = (u16)(chance(lab, 2) ? 0 : chance(lab, 100));
}

/* Break some bytes, most of all of the headers; or cut it. What goes to a server still does: else nobody would count it. */
static u32 break_some(struct lab *lab, enum native_hook hook, u8 *ip, u32 length)
{
	__be32 to = server();

	u32 n = chance(lab, 4) ? 0 : 1 + chance(lab, 3);

	for (u32 i = 0; i < n; i++)
		ip[chance(lab, chance(lab, 4) && length > 60 ? 60 : length)] = (u8)chance(lab, 256);
	if (hook == NATIVE_CLIENT)
		memcpy(ip + 16, &to, sizeof(to));
	if (!chance(lab, 12) && length > 21)
		length = 20 + chance(lab, length - 20);
	return length;
}

static const char *const names[REASONS + 1] = {
#define REASON(id, verdict, text) #id,
#include "core/reasons.def"
#undef REASON
	"(none)"
};

static void bytes_print(char *text, size_t room, const u8 *bytes, u32 length)
{
	size_t used = 0;

	for (u32 i = 0; i < length && used + 3 < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%02x", bytes[i]);
}

/* What leaves outside, forwarded, has no inside source, unless its destination is one that is not translated. */
static void leak_judge(struct lab *lab, enum native_hook hook, const struct native_frame *like,
		       const struct native_result *r, const u8 *ip)
{
	static const u8 inside[] = { 10, 0 }, untranslated[] = { 203, 0, 113, 3 };

	if (hook == NATIVE_OUT && like->ingress_ifindex &&
	    (r->verdict == VERDICT_PASS || r->verdict == VERDICT_TRANSLATE) && !memcmp(ip + 12, inside, 2) &&
	    memcmp(ip + 16, untranslated, 4))
		snprintf(lab->rounds.wrong, sizeof(lab->rounds.wrong), "LEAK: %s",
			 r->reason < REASONS ? names[r->reason] : "passed, uncounted");
}

static void both_meet(struct lab *lab, enum native_hook hook, const struct native_frame *like, const u8 *ip,
		      u32 length)
{
	static u8 frames[2][ROOM + ETHERNET_HEADER + 4];
	struct native_result r[2];
	char hex[300];

	for (int i = 0; i < 2; i++) {
		struct native_frame f = *like;
		f.data = frames[i] + 2;
		f.l3 = lab->ways[i]->l3;
		f.length = length + f.l3;
		f.ethertype = 0x0800;
		f.room = ROOM;
		memset(f.data, STATION, ETHERNET_HEADER);
		f.data[12] = 8;
		f.data[13] = 0;
		memcpy(f.data + f.l3, ip, length);
		int rc = lab->ways[i]->ops->meet(lab->ways[i], hook, &f, &r[i]);
		if (rc) {
			bytes_print(hex, sizeof(hex), ip, length);
			snprintf(lab->rounds.wrong, sizeof(lab->rounds.wrong), "%s: %s: hook %d: %s",
				 lab->ways[i]->name, strerror(-rc), hook, hex);
			return;
		}
	}
	u32 l3 = lab->ways[0]->l3;
	bool same = r[0].verdict == r[1].verdict && r[0].reason == r[1].reason &&
		    r[0].interface == r[1].interface &&
		    (r[0].verdict == VERDICT_DROP ||
		     (r[0].length == r[1].length &&
		      !memcmp(frames[0] + 2 + l3, frames[1] + 2 + l3, r[0].length - l3)));
	memcpy(lab->after, frames[0] + 2 + l3, r[0].length - l3);
	lab->rounds.operations += lab->ways[1]->l3 || hook != NATIVE_LEARN; /* no program for that there */
	lab->verdicts[r[0].verdict]++;
	lab->hooks[hook]++;
	leak_judge(lab, hook, like, &r[0], lab->after);
	if (r[0].reason < REASONS)
		lab->reasons[r[0].reason]++;
	if (same)
		return;
	bytes_print(hex, sizeof(hex), ip, length);
	snprintf(lab->rounds.wrong, sizeof(lab->rounds.wrong), "hook %d: natively %s, %s %s, bytes %s: %s",
		 hook, names[r[0].reason], lab->ways[1]->name, names[r[1].reason],
		 r[0].verdict == r[1].verdict ? "differ" : "aside", hex);
}

/* A later fragment of the last datagram whose first one was sent. */
static void later_op(struct lab *lab)
{
	static u8 ip[ROOM];
	struct packet_spec s = lab->first;

	s.fragment_offset = (u16)(s.fragment_bytes + 8 * chance(lab, 3));
	s.fragment_bytes = (u16)(8 * (1 + chance(lab, 4)));
	int length = packet_build(&s, ip, sizeof(ip));
	if (length > 0)
		both_meet(lab, lab->first_hook, &lab->first_frame, ip,
			  break_some(lab, lab->first_hook, ip, (u32)length));
}

static bool to_server(const u8 *ip)
{
	__be32 to = server();

	return !memcmp(ip + 16, &to, sizeof(to));
}

/* The last packet once more, past all hooks on its way: the flow's next one. */
static void again_op(struct lab *lab)
{
	static u8 ip[ROOM], inside[ROOM];
	struct native_frame f = lab->last_frame, begin = { .ifindex = f.ingress_ifindex },
			    end = { .ifindex = lab->inside, .ingress_ifindex = f.ifindex };
	int length = packet_build(&lab->last, ip, sizeof(ip));

	if (length <= 0 || !f.ifindex)
		return;
	if (lab->last_hook == NATIVE_OUT && f.ingress_ifindex == lab->inside)
		both_meet(lab, NATIVE_HAIRPIN, &begin, ip, (u32)length);
	if (!lab->rounds.wrong[0])
		both_meet(lab, lab->last_hook, &f, ip, (u32)length);
	memcpy(inside, lab->after, (size_t)length);
	if (lab->last_hook == NATIVE_IN && !lab->rounds.wrong[0])
		both_meet(lab, to_server(inside) ? NATIVE_CLIENT : NATIVE_LEARN, &end, inside, (u32)length);
}

static void packet_op(struct lab *lab)
{
	static u8 ip[ROOM];
	enum native_hook hook = (enum native_hook)chance(lab, 5);
	struct packet_spec s, quote;
	u32 which = chance(lab, 4) ? 0 : 1;
	bool inside = hook >= NATIVE_HAIRPIN;
	struct native_frame f = { .ifindex = inside ? lab->inside : lab->outside[which] };

	if (hook == NATIVE_LEARN)
		f.ingress_ifindex = chance(lab, 6) ? lab->outside[which] : 0;
	if (hook == NATIVE_CLIENT)
		f.ingress_ifindex = chance(lab, 4) ? lab->outside[which] : chance(lab, 2) ? lab->inside : 0;
	if (hook == NATIVE_OUT)
		f.ingress_ifindex = chance(lab, 6) ? lab->inside : chance(lab, 3) ? 0 : lab->outside[!which];
	if (chance(lab, 6))
		spec_choose(lab, hook, &s);
	else
		error_choose(lab, hook, &s, &quote);
	if (hook == NATIVE_OUT && !f.ingress_ifindex)
		s.saddr = which ? address(192, 0, 2, 1) : address(198, 51, 100, 1);
	if (s.fragment_bytes && !s.fragment_offset) {
		lab->first = s;
		lab->first_frame = f;
		lab->first_hook = hook;
		lab->first_sent = true;
	}
	int length = packet_build(&s, ip, sizeof(ip));
	if (length <= 0)
		return;
	u64 translated = lab->verdicts[VERDICT_TRANSLATE];
	both_meet(lab, hook, &f, ip, break_some(lab, hook, ip, (u32)length));
	/* Mostly one that has a flow now. */
	if ((hook == NATIVE_OUT || hook == NATIVE_IN) &&
	    (lab->verdicts[VERDICT_TRANSLATE] > translated || !chance(lab, 16))) {
		lab->last = s;
		lab->last.quote = NULL;
		lab->last_frame = f;
		lab->last_hook = hook;
	}
}

/* The daemon ends what is held, after both ways alike; what is told is a packet without fault. */
static void held_op(struct lab *lab)
{
	struct held_answer answers[2];

	memset(answers, 0, sizeof(answers));
	for (u32 i = 0; i < HELD_SYNS && !lab->rounds.wrong[0]; i++) {
		enum held_end end = held_end(&lab->ways[0]->nat, i, &answers[0]);
		if (end != held_end(&lab->ways[1]->nat, i, &answers[1]) ||
		    memcmp(&answers[0], &answers[1], sizeof(answers[0])))
			snprintf(lab->rounds.wrong, sizeof(lab->rounds.wrong),
				 "held SYN %u fares otherwise by %s", i, lab->ways[1]->name);
		else if (end == HELD_TOLD && packet_check(answers[0].ip, answers[0].length) &
						     (PACKET_BAD_IP | PACKET_BAD_TRANSPORT | PACKET_BAD_FORM))
			snprintf(lab->rounds.wrong, sizeof(lab->rounds.wrong),
				 "what is told of held SYN %u is wrong", i);
		lab->told += end == HELD_TOLD;
	}
}

static void time_op(struct lab *lab)
{
	lab->now += 1 + chance(lab, chance(lab, 3) ? 4 : 200);
	bool watched = chance(lab, 2);
	union lease_watch watch = { .looked = lab->now & TIME,
				    .changed = (lab->now - chance(lab, 10)) & TIME };
	for (int i = 0; i < 2; i++) {
		way_clock(lab->ways[i], lab->now & TIME);
		if (watched)
			lab->ways[i]->nat.config->watch = watch.word;
		sweep_pass(lab->sweeps[i], lab->now & TIME);
	}
	held_op(lab);
}

static void reset_op(struct lab *lab)
{
	enum table what = (enum table)chance(lab, 3);
	u32 which = chance(lab, 2);

	for (int i = 0; i < 2; i++)
		native_reset(&lab->ways[i]->nat, which, what);
}

static int packets_run(struct lab *lab, u64 packets)
{
	if (round_begin(lab)) {
		snprintf(lab->rounds.wrong, sizeof(lab->rounds.wrong), "%s: the round could not begin",
			 lab->ways[1]->name);
		return -1;
	}
	for (u64 i = 0; i < packets && !lab->rounds.wrong[0]; i++) {
		u32 n = chance(lab, 100);
		if (lab->first_sent && n < 30) {
			lab->first_sent = chance(lab, 2);
			later_op(lab);
		} else if (n < 50) {
			again_op(lab);
		} else if (n < 97) {
			packet_op(lab);
		} else if (n < 99) {
			time_op(lab);
		} else {
			reset_op(lab);
		}
		if ((i % COMPARE_EVERY == 0 || i + 1 == packets) && !lab->rounds.wrong[0])
			way_same(lab->ways[0], lab->ways[1], lab->rounds.wrong, sizeof(lab->rounds.wrong));
	}
	round_end(lab);
	return 0;
}

/* One test: a BPF way beside the native one. */
static bool way_test(u32 number, struct way *way, u64 seed, u64 packets)
{
	struct lab lab = { .rounds = { .seed = seed, .wanted = packets },
			   .ways = { way_native(way->l3), way } };

	if (!lab.ways[0])
		abort();
	while (rounds_next(&lab.rounds))
		packets_run(&lab, ROUND);
	rounds_explain(&lab.rounds, "kernel");
	printf("# %s: %llu packets: %llu passed, %llu translated, %llu dropped; %llu SYNs were told of\n",
	       way->name, lab.rounds.operations, lab.verdicts[VERDICT_PASS], lab.verdicts[VERDICT_TRANSLATE],
	       lab.verdicts[VERDICT_DROP], lab.told);
	if (way->l3)
		printf("# %llu met XDP first, which sent %u of them\n",
		       lab.hooks[NATIVE_IN] + lab.hooks[NATIVE_HAIRPIN], way->redirected);
	for (u32 r = 0; r < REASONS; r++)
		if (!lab.reasons[r])
			printf("# never met: %s\n", names[r]);
	printf("%s %u - random packets, natively and %s\n", lab.rounds.wrong[0] ? "not ok" : "ok", number,
	       way->name);
	fflush(stdout);
	way_free(lab.ways[0]);
	way_free(way);
	return !lab.rounds.wrong[0];
}

int main(int argc, char **argv)
{
	u64 seed = rounds_seed(argc, argv);
	bool good = true;

	if (geteuid()) {
		printf("1..0 # SKIP needs root, for BPF and network namespaces\n");
		return 0;
	}
	printf("1..2\n# seed %llu\n", seed);
	for (u32 i = 0; i < 2; i++) {
		struct way *way = i ? way_bpf_bare() : way_bpf_ethernet();
		if (way)
			good &= way_test(i + 1, way, seed,
					 rounds_wanted(argc, argv, i ? PACKETS_BARE : PACKETS_ETHERNET));
		else
			printf("not ok %u - %s: %s\n", i + 1, i ? "bare" : "ethernet", strerror(errno));
		good &= way != NULL;
	}
	return !good;
}
