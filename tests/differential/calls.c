/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * calls.c - random PPTP: several hosts that call several servers by one outside address, often with the same call id, against a naive
 * table of who has which. Control messages of any type both ways, several in a segment, cut ones, calls that are cleared; GRE both
 * ways, with known ids and others; time, sweeps, resets, silence. limit: 600 s
 *
 * The table knows of each call what it is called outside and by its server; nothing of slots, nor which id is chosen where one is
 * taken: only that nobody else has it. GRE without a known id goes by address, to the host that was first. Nothing but silence ends a
 * call. Each packet must be, byte for byte, what an independent builder makes of it.
 */
#include "tests/control.h"
#include "tests/differential/rounds.h"
#include "tests/state.h"

enum { ROUND = 2000, OPERATIONS = 60000, MESSAGES = 3 };
enum { HOSTS = 4, SERVERS = 2, IDS = 5, NAMES = 4, NOBODY = -1, SILENCE = 100000 };
enum {
	GRE = 47,
	TCP_PROTOCOL = 6,
	CONTROL_PORT = 1723,
	HEAD = 16,
	LONGEST = 32,
	SEGMENT = MESSAGES * LONGEST
};
enum { REPLY_OUTGOING = 8, REPLY_INCOMING = 10, CLEAR = 12, DISCONNECT = 13 };

/* The others are what is tried first in place of one that another host has. */
static const u16 ids[IDS] = { 1, 2, 1 + 0x3d1b, 1 + 2 * 0x3d1b, 7 };

struct call {
	bool known;
	u16 outside;
	int name; /* what its server calls it; or NOBODY */
};

/* A control message, and what it must become. */
struct message {
	u8 type;
	u8 length;
	u16 first;
	u16 second;
};

struct lab {
	struct rounds rounds;
	struct nat_instance nat;
	struct call calls[SERVERS][HOSTS][IDS];
	int owner[SERVERS]; /* of GRE by address */
	u16 port[HOSTS];    /* of the control connections, outside; 0: none yet */
	u64 named, changed, by_address, refused, resets;
};

static u32 chance(struct lab *lab, u32 n) { return rounds_chance(&lab->rounds, n); }
static void wrong_set(struct lab *lab, const char *wrong) { rounds_wrong(&lab->rounds, wrong); }

static __be32 inside(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 remote(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside(void) { return host_to_be32(0xc6336402); }

static void forget(struct lab *lab)
{
	memset(lab->calls, 0, sizeof(lab->calls));
	memset(lab->port, 0, sizeof(lab->port));
	for (u32 i = 0; i < SERVERS; i++)
		lab->owner[i] = NOBODY;
}

/*
 * The table
 */

static struct call *call_of(struct lab *lab, u32 server, u32 host, u16 id)
{
	for (u32 i = 0; i < IDS; i++)
		if (ids[i] == id)
			return &lab->calls[server][host][i];
	return NULL;
}

/* The call that has this id outside: whose, and which of its ids. */
static struct call *call_outside(struct lab *lab, u32 server, u16 id, u32 *host, u32 *which)
{
	for (*host = 0; *host < HOSTS; ++*host)
		for (*which = 0; *which < IDS; ++*which) {
			struct call *c = &lab->calls[server][*host][*which];
			if (c->known && c->outside == id)
				return c;
		}
	return NULL;
}

/* One of the names that a server has for a host's call: no two calls have one. */
static u16 name_of(struct lab *lab, u32 host, u32 which)
{
	return (u16)(0x8000 + (host * IDS + which) * NAMES + chance(lab, NAMES));
}

static bool is_reply(u8 type) { return type == REPLY_OUTGOING || type == REPLY_INCOMING; }

/* Which of its two ids the host chose, on its way out or in: 1 or 2; 0: none. RFC 2637 section 2. */
static u32 chosen(u8 type, bool out)
{
	switch (type) {
	case 7:
	case 9:
	case CLEAR:
	case DISCONNECT:
		return out ? 1 : 0;
	case REPLY_OUTGOING:
	case REPLY_INCOMING:
		return out ? 1 : 2;
	case 11:
	case 14:
	case 15:
		return out ? 0 : 1;
	default:
		return 0;
	}
}

/* A whole message went out with its id as it is now: what should it be? */
static u16 message_out(struct lab *lab, u32 server, u32 host, const struct message *m, u16 is)
{
	struct call *c = call_of(lab, server, host, m->first);
	u32 who, which;

	if (!chosen(m->type, true))
		return m->first;
	if (!c->known) {
		if (m->type == CLEAR || m->type == DISCONNECT)
			return m->first;
		if (call_outside(lab, server, is, &who, &which))
			wrong_set(lab, "an id was given that another call has");
		if (is != m->first && !call_outside(lab, server, m->first, &who, &which))
			wrong_set(lab, "another id, though the host's own was free");
		*c = (struct call){ true, is, NOBODY };
		lab->named++;
	}
	lab->changed += c->outside != m->first;
	if (is_reply(m->type))
		c->name = m->second;
	return c->outside;
}

/* A whole message came in: what should the id be that its host chose? */
static u16 message_in(struct lab *lab, u32 server, u32 host, const struct message *m)
{
	u32 who, which, place = chosen(m->type, false);
	u16 id = place == 1 ? m->first : m->second;
	struct call *c = place ? call_outside(lab, server, id, &who, &which) : NULL;

	if (!c || who != host)
		return id;
	if (is_reply(m->type))
		c->name = m->first;
	return ids[which];
}

/*
 * Control connections
 */

static u32 messages_put(u8 *at, const struct message *m, u32 count)
{
	u32 length = 0;

	for (u32 i = 0; i < count; length += m[i++].length)
		control_message(at + length, m[i].length, m[i].type, m[i].first, m[i].second);
	return length;
}

/* Mostly about a call that there is; what its server calls it fits. */
static struct message message_some(struct lab *lab, u32 server, u32 host, bool out)
{
	static const u8 types[] = { 1, 5, 7, 7, 7, 8, 8, 8, 9, 10, 10, 11, 12, 13, 14, 15 };
	struct message m = { .type = types[chance(lab, sizeof(types))],
			     .length = (u8)(HEAD + 4 * chance(lab, (LONGEST - HEAD) / 4 + 1)) };
	u32 who = chance(lab, 6) ? host : chance(lab, HOSTS), which = chance(lab, IDS);
	const struct call *c = &lab->calls[server][who][which];
	u16 id = out || !c->known || !chance(lab, 8) ? ids[which] : c->outside;

	if (!out)
		(void)call_outside(lab, server, id, &who, &which);
	if (who == HOSTS) /* nobody's: any of the host's, for it is not looked at */
		who = host, which = 0;
	m.first = out || chosen(m.type, false) == 1 ? id : name_of(lab, who, which);
	m.second = out ? name_of(lab, host, which) : id;
	return m;
}

/* The packet: its reason. ip is what it became. */
static u32 meet(struct lab *lab, enum native_hook hook, const struct packet_spec *s, u8 *ip, u32 *length)
{
	*length = (u32)packet_build(s, ip, ROOM);
	return rounds_meet(&lab->nat, hook, hook == NATIVE_OUT ? IN_IFINDEX : 0, ip, *length).reason;
}

/* It must be what is wanted, to the byte. */
static void judge(struct lab *lab, const struct packet_spec *wanted, const u8 *ip, u32 length)
{
	static u8 whole[ROOM];

	if (packet_build(wanted, whole, ROOM) != (int)length || memcmp(whole, ip, length))
		wrong_set(lab, "the packet is not what an independent builder makes of it");
}

static u16 word_at(const u8 *at) { return (u16)(at[0] << 8 | at[1]); }

/* What these messages must have become; sent: what passed, from the payload on. The last one may be cut, and is then not looked at. */
static void messages_follow(struct lab *lab, u32 server, u32 host, bool out, struct message *m, u32 whole,
			    const u8 *sent)
{
	for (u32 i = 0; i < whole; sent += m[i++].length) {
		u16 *at = chosen(m[i].type, out) == 2 ? &m[i].second : &m[i].first;

		if (chosen(m[i].type, out))
			*at = out ? message_out(lab, server, host, &m[i], word_at(sent + 12))
				  : message_in(lab, server, host, &m[i]);
	}
}

static void segment_op(struct lab *lab)
{
	static u8 ip[ROOM], payload[SEGMENT];
	u32 server = chance(lab, SERVERS), host = chance(lab, HOSTS), count = 1 + chance(lab, MESSAGES),
	    length;
	bool out = !lab->port[host] || chance(lab, 2);
	struct message m[MESSAGES];
	struct packet_spec s = { .protocol = TCP_PROTOCOL,
				 .saddr = out ? inside(host) : remote(server),
				 .daddr = out ? remote(server) : outside(),
				 .sport = out ? (u16)(5000 + host) : CONTROL_PORT,
				 .dport = out ? CONTROL_PORT : lab->port[host],
				 .tcp_flags = TCP_ACK,
				 .dont_fragment = true,
				 .payload = payload };

	for (u32 i = 0; i < count; i++)
		m[i] = message_some(lab, server, host, out);
	s.payload_length = (u16)messages_put(payload, m, count);
	u32 cut = chance(lab, 8) ? 0 : 1 + chance(lab, HEAD - 1);
	s.payload_length = (u16)(s.payload_length - cut);
	u32 reason = meet(lab, out ? NATIVE_OUT : NATIVE_IN, &s, ip, &length);
	rounds_tell(&lab->rounds,
		    "%s, host %u, server %u, %u messages, the first of type %u, ids %u, %u: reason %u",
		    out ? "out" : "in", host, server, count, m[0].type, m[0].first, m[0].second, reason);
	if (reason_verdict(reason) != VERDICT_TRANSLATE || (reason == REASON_control_cut) != (cut > 0)) {
		wrong_set(lab, "a segment of a control connection has another reason");
		return;
	}
	messages_follow(lab, server, host, out, m, count - (cut > 0), ip + 40);
	messages_put(payload, m, count);
	if (out) {
		lab->port[host] = word_at(ip + 20);
		s.saddr = outside();
		s.sport = lab->port[host];
	} else {
		s.daddr = inside(host);
		s.dport = (u16)(5000 + host);
	}
	judge(lab, &s, ip, length);
}

/*
 * GRE
 */

static void gre_judge(struct lab *lab, const char *what, u32 host, u32 server, u32 id, u32 is, u32 wanted)
{
	rounds_tell(&lab->rounds, "GRE %s, host %u, server %u, id %u: reason %u, wanted %u", what, host,
		    server, id, is, wanted);
	if (is != wanted)
		wrong_set(lab, "GRE has another reason than the table's");
}

/* Mostly PPTP's, with an id; else of another version, which has none. */
static void gre_put(struct lab *lab, u8 *payload, bool with_id, u16 id)
{
	const u8 pptp[] = { chance(lab, 2) ? 0x30 : 0x20, 1, 0x88, 0x0b, 0, 4, (u8)(id >> 8), (u8)id },
		 plain[] = { 0, 0, 8, 0, 0x45, 0, (u8)(id >> 8), (u8)id };

	memset(payload, 0x55, LONGEST);
	memcpy(payload, with_id ? pptp : plain, sizeof(pptp));
}

static void gre_out_op(struct lab *lab)
{
	static u8 ip[ROOM], payload[LONGEST];
	u32 server = chance(lab, SERVERS), host = chance(lab, HOSTS), which = chance(lab, IDS), length;
	const struct call *c = &lab->calls[server][host][which];
	bool with_id = chance(lab, 8);
	u16 name = c->known && c->name != NOBODY && chance(lab, 4) ? (u16)c->name : name_of(lab, host, which);
	struct packet_spec s = { .protocol = GRE,
				 .saddr = inside(host),
				 .daddr = remote(server),
				 .dont_fragment = true,
				 .payload = payload,
				 .payload_length = LONGEST };
	int *owner = &lab->owner[server];
	u32 wanted = REASON_out_session;

	if (!with_id || !c->known || c->name != name) {
		wanted = *owner == NOBODY      ? REASON_out_created
			 : *owner == (int)host ? REASON_out_session
					       : REASON_remote_taken;
		*owner = *owner == NOBODY ? (int)host : *owner;
		lab->by_address++;
		lab->refused += wanted == REASON_remote_taken;
	}
	gre_put(lab, payload, with_id, name);
	gre_judge(lab, "out", host, server, name, meet(lab, NATIVE_OUT, &s, ip, &length), wanted);
	if (wanted == REASON_remote_taken)
		return;
	s.saddr = outside();
	judge(lab, &s, ip, length);
}

static void gre_in_op(struct lab *lab)
{
	static u8 ip[ROOM], payload[LONGEST];
	u32 server = chance(lab, SERVERS), host = chance(lab, HOSTS), which = chance(lab, IDS), length;
	bool with_id = chance(lab, 8);
	u16 id = lab->calls[server][host][which].outside;
	struct packet_spec s = { .protocol = GRE,
				 .saddr = remote(server),
				 .daddr = outside(),
				 .dont_fragment = true,
				 .payload = payload,
				 .payload_length = LONGEST };

	if (!id || !chance(lab, 8))
		id = ids[chance(lab, IDS)];
	const struct call *c = with_id ? call_outside(lab, server, id, &host, &which) : NULL;
	if (!c)
		host = lab->owner[server] == NOBODY ? HOSTS : (u32)lab->owner[server];
	gre_put(lab, payload, with_id, id);
	gre_judge(lab, "in", host, server, id, meet(lab, NATIVE_IN, &s, ip, &length),
		  host < HOSTS ? REASON_in_session : REASON_no_mapping);
	if (host == HOSTS)
		return;
	if (c) {
		payload[6] = (u8)(ids[which] >> 8);
		payload[7] = (u8)ids[which];
	}
	s.daddr = inside(host);
	judge(lab, &s, ip, length);
}

/*
 * Time
 */

static void pass(struct lab *lab, u32 ticks)
{
	lab->nat.now = (lab->nat.now + ticks) & TIME;
	sweep_pass(lab->rounds.sweep, lab->nat.now);
}

/* A reset of flows: sessions by address end, calls do not. */
static void reset_op(struct lab *lab)
{
	native_reset(&lab->nat, 0, TABLE_FLOWS);
	for (u32 i = 0; i < SERVERS; i++)
		lab->owner[i] = NOBODY;
	lab->resets++;
}

static void silence_op(struct lab *lab)
{
	for (u32 i = 0; i < 6; i++)
		pass(lab, SILENCE / 2 + 1);
	rounds_flows_gone(&lab->rounds);
	forget(lab);
}

static void operation(struct lab *lab)
{
	u32 n = chance(lab, 1000);
	struct state_fault fault;

	if (n < 350)
		segment_op(lab);
	else if (n < 600)
		gre_out_op(lab);
	else if (n < 950)
		gre_in_op(lab);
	else if (n < 985)
		pass(lab, chance(lab, 8));
	else if (n < 997)
		reset_op(lab);
	else
		silence_op(lab);
	if (n >= 950 && state_check(&lab->nat, 0, &fault))
		wrong_set(lab, "the state is not in order");
}

static int round_begin(struct lab *lab)
{
	struct native_sizes sizes = { .flows = 2048, .mappings = 256, .hosts = 64, .addresses = 1 };

	if (rounds_nat(&lab->rounds, &lab->nat, &sizes))
		return -1;
	rounds_short(&lab->nat, outside(), SILENCE);
	lab->nat.config->filtering[CLASS_TCP] = FILTERING_EIF; /* control connections outlive resets, too */
	lab->nat.now = chance(lab, 0x100000);
	forget(lab);
	return 0;
}

int main(int argc, char **argv)
{
	static struct lab lab;
	static const struct rounds_steps steps = { OPERATIONS, ROUND, round_begin, operation };

	rounds_run(&lab.rounds, &lab, &steps, argc, argv);
	printf("# %llu operations: %llu calls, %llu messages changed, %llu GRE by address, %llu refused, "
	       "%llu resets\n",
	       lab.rounds.operations, lab.named, lab.changed, lab.by_address, lab.refused, lab.resets);
	return rounds_end(&lab.rounds, "calls", "a naive table",
			  lab.named && lab.changed && lab.by_address && lab.refused && lab.resets);
}
