/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * random.c - random packets, resets, changes of addresses and steps of time against the naive model of model.h.
 *
 * Each round has a configuration of its own. Besides the model's judgement: every translated packet must be, byte for byte,
 * what an independent builder makes of its new endpoints; nothing leaves with a source that is not ours; after each step of
 * time the core has as many sessions and mappings as the model. limit: 600 s
 */
#include "core/sweep.h"
#include "tests/differential/model.h"
#include "tests/differential/rounds.h"

enum { ROUND = 4000, OPERATIONS = 1200000, REMOTES = 4 }; /* a million packets and more */
enum { HOSTS = 10, HOSTS_MANY = 55, HOSTS_AT_ONCE = 30, HOST_STAYS = 8 };

struct lab {
	struct rounds rounds;
	struct nat_instance nat;
	struct model *model;
	u32 clock; /* tick at the model's time 0 */
	u32 pool;
	u32 hosts; /* more than there is room for, or few */
	u64 packets, created, dropped;
	bool in; /* the packet at hand came in */
	u8 announced; /* in the options of the last TCP segment made: where the largest segment stands; 0: nowhere */
};

static u32 chance(struct lab *lab, u32 n) { return rounds_chance(&lab->rounds, n); }
static void wrong_set(struct lab *lab, const char *wrong) { rounds_wrong(&lab->rounds, wrong); }

/*
 * What a round is like
 */

/* In half of the rounds hosts have limits, few enough to be met. */
static void limits_choose(struct lab *lab, struct limits *l)
{
	l->on = chance(lab, 2);
	if (!l->on)
		return;
	l->all.mappings = chance(lab, 2) ? 0 : 4 + chance(lab, 20);
	l->all.sessions = chance(lab, 2) ? 0 : 4 + chance(lab, 40);
	for (u32 i = 0; i < ACCOUNTS; i++) {
		l->by[i].mappings = chance(lab, 2) ? 0 : 1 + chance(lab, 10);
		l->by[i].sessions = chance(lab, 2) ? 0 : 1 + chance(lab, 20);
	}
}

static void settings_choose(struct lab *lab, struct config *c)
{
	static const u16 ranges[][2] = { { 1024, 65535 },  { 1024, 65535 }, { 1, 65535 },
					 { 40000, 40015 }, { 2000, 2063 },  { 1000, 1040 } };
	u32 range = chance(lab, 6);

	c->port_min = ranges[range][0];
	c->port_max = ranges[range][1];
	c->port_parity = (u8)chance(lab, 2);
	c->port_preserve = chance(lab, 4) != 0;
	c->hairpin = chance(lab, 5) != 0;
	for (u32 i = 0; i < FILTERINGS; i++)
		c->filtering[i] = (u8)chance(lab, 3);
	c->timers.udp_timeout = 20 + chance(lab, 100);
	c->timers.icmp_timeout = 10 + chance(lab, 60);
	c->timers.tcp_idle_timeout = 200 + chance(lab, 1000);
	c->timers.tcp_trans_open_timeout = 10 + chance(lab, 100);
	c->timers.tcp_trans_close_timeout = 10 + chance(lab, 100);
	c->timers.hold_down_timeout = 1 + chance(lab, 100);
	limits_choose(lab, &c->limits);
	c->mss[0] = (u16)(chance(lab, 3) ? 0 : 68 + chance(lab, 3000));
	c->tell = (u8)chance(lab, 2);
	c->router[MAX_OUTSIDE] = chance(lab, 2) ? 0 : address(10, 0, 0, 254);
}

static void lab_address(struct lab *lab, __be32 addr, u8 flags)
{
	native_address_set(&lab->nat, 0, addr, flags);
	model_address_set(lab->model, addr, flags);
}

static int round_begin(struct lab *lab)
{
	struct native_sizes sizes = {
		.flows = 4096, .mappings = 4096, .hosts = MODEL_HOSTS, .fragments = 256
	};
	struct model *m = lab->model;

	memset(m, 0, sizeof(*m));
	lab->pool = chance(lab, 4);
	sizes.addresses = 1 + lab->pool; /* no more: sweeping their ports is most of what a round costs */
	lab->hosts = HOSTS;
	if (!chance(lab, 3)) {
		lab->hosts = HOSTS_MANY;
		sizes.hosts = MODEL_HOSTS / 2;
	}
	if (rounds_nat(&lab->rounds, &lab->nat, &sizes))
		return -1;
	settings_choose(lab, lab->nat.config);
	m->settings = *lab->nat.config;
	native_interface_listed(&lab->nat, MAX_OUTSIDE);
	m->network = address(10, 0, 0, 0);
	m->netmask = address(255, 255, 0, 0);
	native_network_add(&lab->nat, m->network, m->netmask);
	if (chance(lab, 2)) {
		m->untranslated = address(203, 0, 113, 1 + chance(lab, REMOTES));
		native_pass_through_add(&lab->nat, m->untranslated, address(255, 255, 255, 255));
	}
	lab_address(lab, address(198, 51, 100, 1),
		    ADDRESS_LIVE | ADDRESS_LOCAL | (lab->pool ? 0 : ADDRESS_POOL));
	for (u32 i = 1; i <= lab->pool; i++)
		lab_address(lab, address(198, 51, 100, 1 + i), ADDRESS_LIVE | ADDRESS_POOL);
	m->socket = (struct model_end){ address(198, 51, 100, 1), 5353 };
	native_socket_add(&lab->nat, CLASS_UDP, m->socket.addr, host_to_be16(m->socket.port), 0, 0);
	lab->clock = chance(lab, 0x100000);
	lab->nat.now = lab->clock & TIME;
	sweep_pass(lab->rounds.sweep, lab->nat.now); /* limits hold while somebody sweeps */
	return 0;
}

/*
 * Endpoints
 */

static u16 port_some(struct lab *lab)
{
	static const u16 ports[] = { 53,   500,	 1023, 1024,  1025,  2001,  2002,  4000,
				     4001, 5000, 5353, 40000, 40001, 65534, 65535, 1 };

	return ports[chance(lab, 16)];
}

static struct model_end inside_some(struct lab *lab)
{
	bool many = lab->hosts == HOSTS_MANY; /* they come and go */
	u32 first = many ? lab->model->now / HOST_STAYS : 0, count = many ? HOSTS_AT_ONCE : HOSTS;

	return (struct model_end){ address(10, 0, 0, 1 + (first + chance(lab, count)) % lab->hosts),
				   port_some(lab) };
}

static struct model_end remote_some(struct lab *lab)
{
	return (struct model_end){ address(203, 0, 113, 1 + chance(lab, REMOTES)),
				   (u16)(7 + chance(lab, 3)) };
}

static struct model_end outside_some(struct lab *lab, enum class class)
{
	const struct model *m = lab->model;
	struct model_end e = { address(198, 51, 100, 1 + chance(lab, 5)), port_some(lab) };

	for (u32 try = 0; try < 8 && m->binding_count && chance(lab, 5); try++) {
		const struct model_binding *b = &m->bindings[chance(lab, m->binding_count)];
		if (b->live && b->class == class)
			return b->outside;
	}
	return e;
}

/*
 * Packets
 */

static const u8 protocols[CLASSES] = { [CLASS_UDP] = 17,  [CLASS_TCP] = 6,    [CLASS_ICMP] = 1,
				       [CLASS_DCCP] = 33, [CLASS_SCTP] = 132, [CLASS_UDPLITE] = 136 };

/* What TCP's flags, DCCP's types and SCTP's chunks say of a connection. */
static const struct {
	u8 flags, dccp, sctp, shown;
} segments[] = { { 0x02, 0, 1, MODEL_SYN },
		 { 0x12, 1, 2, MODEL_SYN },
		 { 0x10, 3, 3, MODEL_DATA },
		 { 0x18, 2, 0, MODEL_DATA },
		 { 0x11, 6, 8, MODEL_DATA | MODEL_FIN },
		 { 0x04, 7, 6, MODEL_RST },
		 { 0x14, 7, 6, MODEL_RST },
		 { 0x38, 8, 10, MODEL_DATA } };

static bool connects(enum class class)
{
	return class == CLASS_TCP || class == CLASS_DCCP || class == CLASS_SCTP;
}

/* Other options, the largest segment at any offset, other options. */
static void announce(struct lab *lab, struct packet_spec *s)
{
	static const u8 others[][4] = {
		{ 1 }, { 1, 1 }, { 4, 2 }, { 3, 3, 7 }, { 5, 3, 2 }, { 254, 4, 2, 4 }
	};
	static const u8 lengths[] = { 1, 2, 2, 3, 3, 4 };
	u32 before = chance(lab, 9), after = chance(lab, 4), at = 0, mss = chance(lab, 65536);

	lab->announced = 0;
	if (!chance(lab, 3))
		return;
	for (u32 i = 0; i <= before + after && at + 4 <= PACKET_OPTIONS; i++) {
		u32 which = chance(lab, 6), length = i == before ? 4 : lengths[which];

		memcpy(s->tcp_options + at,
		       i == before ? (u8[]){ 2, 4, (u8)(mss >> 8), (u8)mss } : others[which], length);
		if (i == before)
			lab->announced = (u8)(at + 2);
		at += length;
	}
	s->tcp_options_length = (u8)((at + 3) & ~3u); /* the rest: end of the options */
}

/* Only a SYN announces anything, only what passes by outside is looked at, and nothing is raised (RFC 9293 section 3.7.1). */
static void announced_lower(struct lab *lab, const struct model_packet *p, struct packet_spec *s)
{
	u32 most = lab->nat.config->mss[0];
	u8 *at = s->tcp_options + lab->announced;

	if (s->protocol != 6 || !(s->tcp_flags & 2) || p->hook == MODEL_HAIRPIN || !most || !lab->announced ||
	    (u32)(at[0] << 8 | at[1]) <= most)
		return;
	at[0] = (u8)(most >> 8);
	at[1] = (u8)most;
}

static void spec_fill(struct lab *lab, const struct model_packet *p, struct packet_spec *s)
{
	u32 which = chance(lab, 8);

	memset(s, 0, sizeof(*s));
	s->protocol = p->protocol;
	s->saddr = p->from.addr;
	s->daddr = p->to.addr;
	s->sport = p->from.port;
	s->dport = p->to.port;
	s->id = (u16)chance(lab, 65536);
	s->tos = (u8)chance(lab, 256);
	s->ttl = (u8)(2 + chance(lab, 250));
	s->dont_fragment = chance(lab, 2);
	s->payload_length = (u16)(chance(lab, 3) ? chance(lab, 64) : chance(lab, 1400));
	s->no_check = !chance(lab, 8);
	s->tcp_flags = segments[which].flags;
	s->type = p->class == CLASS_DCCP ? segments[which].dccp : segments[which].sctp;
	s->tag = chance(lab, 0xffffffff);
	if (p->class == CLASS_DCCP || (p->class == CLASS_UDPLITE && s->payload_length > 8))
		s->coverage = (u16)(8 + chance(lab, 8));
	s->sequence = chance(lab, 0xffffffff);
	if (!chance(lab, 8)) {
		s->options_length = (u8)(4 * (1 + chance(lab, 10)));
		memset(s->options, 1, s->options_length);
	}
	if (p->protocol == 1)
		s->icmp_type = p->request ? 8 : 0;
	if (p->protocol == 6)
		announce(lab, s);
	((struct model_packet *)p)->segment = connects(p->class) ? segments[which].shown : 0;
}

/* Send it. The outcome; *ip has what came out. */
static struct native_result lab_send(struct lab *lab, enum native_hook hook, u32 from, u8 *ip, u32 length)
{
	lab->in = hook == NATIVE_IN;
	struct native_result r = rounds_meet(&lab->nat, hook, from, ip, length);
	lab->packets++;
	lab->dropped += r.verdict == VERDICT_DROP;
	return r;
}

static u16 word_at(const u8 *at) { return (u16)(at[0] << 8 | at[1]); }

static void ends_read(const struct packet_spec *s, const u8 *ip, struct model_end *from, struct model_end *to)
{
	u32 l4 = 20u + s->options_length;

	memcpy(&from->addr, ip + 12, 4);
	memcpy(&to->addr, ip + 16, 4);
	from->port = to->port = 0;
	if (s->protocol != 1) {
		from->port = word_at(ip + l4);
		to->port = word_at(ip + l4 + 2);
	} else {
		*(s->icmp_type ? &from->port : &to->port) = word_at(ip + l4 + 4);
	}
}

/*
 * Is the checksum of this whole packet that of its pseudo header, by chance? Then it looks like one that the kernel left partial, as
 * it leaves TCP and UDP, and what quotes it is made for what it would become (core/answer.h).
 */
static bool looks_partial(const u8 *ip, u32 length)
{
	u32 l4 = (u32)(ip[0] & 15) * 4, sum = ip[9] + length - l4;

	for (u32 i = 12; i < 20; i += 2)
		sum += word_at(ip + i);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (ip[9] == 6 || ip[9] == 17) && word_at(ip + l4 + (ip[9] == 6 ? 16 : 6)) == sum;
}

/* The output must be what the builder makes of the new ends. */
static void bytes_judge(struct lab *lab, const struct packet_spec *sent, const u8 *ip, u32 length)
{
	static u8 wanted[ROOM];
	struct packet_spec s = *sent;
	s.id = s.dont_fragment || lab->in ? s.id : word_at(ip + 4); /* the NAT's own count */
	int built = packet_build(&s, wanted, sizeof(wanted));

	if (built != (int)length || memcmp(wanted, ip, length))
		wrong_set(lab, "a translated packet is not what an independent builder makes of it");
	if (packet_check(ip, length))
		wrong_set(lab, "a translated packet has a wrong checksum");
}

static void story_end(char *text, size_t room, struct model_end e)
{
	u32 a = be32_to_host(e.addr);

	snprintf(text, room, "%u.%u.%u.%u:%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, e.port);
}

static void story_tell(struct lab *lab, const struct model_packet *p, const struct native_result *r,
		       const struct model_outcome *o)
{
	static const char *const hooks[] = { "out", "own", "in", "hairpin" };
	static const char *const names[] = {
#define REASON(id, verdict, text) #id,
#include "core/reasons.def"
#undef REASON
		"(none)"
	};
	char ends[4][32];

	story_end(ends[0], 32, p->from);
	story_end(ends[1], 32, p->to);
	story_end(ends[2], 32, o->from);
	story_end(ends[3], 32, o->to);
	rounds_tell(&lab->rounds, "at %u: %s protocol %u %s > %s (segment %u): %s, %s > %s", lab->model->now,
		    hooks[p->hook], p->protocol, ends[0], ends[1], p->segment, names[r->reason], ends[2],
		    ends[3]);
}

/* What the sender's endpoint is outside, from the table itself: a filtered hairpin does not show it. */
static void sender_peek(struct lab *lab, const struct model_packet *p, struct model_outcome *o)
{
	struct endpoint inside = { p->from.addr, host_to_be16(p->from.port), 0 };
	u64 key = mapping_key(inside, (u8)p->class, HALF_INSIDE, 0);
	struct half half;

	if (half_find(&lab->nat, lab->nat.config, key, 0, &half) != HALF_LIVE)
		return;
	o->from.addr = half.value.addr;
	o->from.port = be16_to_host(half.value.port);
}

static const enum native_hook hook_of[] = { NATIVE_OUT, NATIVE_OUT, NATIVE_IN, NATIVE_HAIRPIN };

static void packet_op(struct lab *lab, struct model_packet *p)
{
	static u8 ip[ROOM], before[ROOM];
	struct packet_spec s, reset;
	struct model_outcome o = { 0 };

	spec_fill(lab, p, &s);
	int length = packet_build(&s, ip, sizeof(ip));
	memcpy(before, ip, (size_t)length);
	struct native_result r =
		lab_send(lab, hook_of[p->hook], p->hook == MODEL_OUT ? IN_IFINDEX : 0, ip, (u32)length);
	o.verdict = r.verdict;
	o.reason = r.reason;
	if (r.verdict != VERDICT_ANSWER)
		ends_read(&s, ip, &o.from, &o.to);
	if (p->hook == MODEL_HAIRPIN && r.reason == REASON_filtered)
		sender_peek(lab, p, &o);
	story_tell(lab, p, &r, &o);
	lab->created += r.reason == REASON_out_created;
	wrong_set(lab, model_judge(lab->model, p, &o));
	if (r.verdict == VERDICT_PASS && memcmp(before, ip, (size_t)length))
		wrong_set(lab, "a packet that passed was changed");
	if (r.verdict == VERDICT_ANSWER) {
		__be32 router = lab->nat.config->router[MAX_OUTSIDE];
		if (r.reason == REASON_session_lost)
			packet_reset(&s, &reset);
		else
			packet_unreachable(&s, r.reason == REASON_told_limit ? 13 : 1,
					   router ? router : s.daddr, &reset);
		if (r.reason == REASON_session_lost || !looks_partial(before, (u32)length))
			bytes_judge(lab, &reset, ip, r.length - ETHERNET);
		return;
	}
	if (p->hook == MODEL_OUT && r.verdict != VERDICT_DROP && r.reason != REASON_pass_through_out &&
	    !(model_address_flags(lab->model, o.from.addr) & ADDRESS_LIVE))
		wrong_set(lab, "LEAK: it left with a source that is not ours");
	if (r.verdict != VERDICT_TRANSLATE)
		return;
	s.saddr = o.from.addr;
	s.sport = o.from.port;
	s.daddr = o.to.addr;
	s.dport = o.to.port;
	s.ttl = (u8)(s.ttl - (p->hook == MODEL_HAIRPIN));
	announced_lower(lab, p, &s);
	bytes_judge(lab, &s, ip, (u32)length);
}

static void class_choose(struct lab *lab, struct model_packet *p)
{
	p->class = (enum class)chance(lab, CLASSES);
	p->protocol = protocols[p->class];
	p->request = p->class == CLASS_ICMP && chance(lab, 8);
}

/* The port of an ICMP query's far end is no port. */
static void icmp_shape(struct model_packet *p, bool near_from)
{
	if (p->class != CLASS_ICMP)
		return;
	if (p->request)
		p->to.port = 0;
	else
		p->from.port = 0;
	if (near_from != p->request) /* the identifier stays with the end that has a port */
		(p->request ? &p->from : &p->to)->port |= 1;
}

static void out_op(struct lab *lab)
{
	struct model_packet p = { .hook = chance(lab, 8) ? MODEL_OUT : MODEL_OWN };

	class_choose(lab, &p);
	p.from = inside_some(lab);
	p.to = remote_some(lab);
	if (p.hook == MODEL_OWN)
		p.from.addr = address(198, 51, 100, 1);
	else if (!chance(lab, 40))
		p.from.addr = address(192, 168, 0, 1);
	icmp_shape(&p, true);
	packet_op(lab, &p);
}

static void in_op(struct lab *lab)
{
	struct model_packet p = { .hook = MODEL_IN };

	class_choose(lab, &p);
	if (p.class == CLASS_ICMP)
		p.request = !chance(lab, 8);
	p.to = outside_some(lab, p.class);
	p.from = remote_some(lab);
	switch (chance(lab, 40)) {
	case 0:
		p.to.addr = address(10, 0, 0, 1);
		break;
	case 1:
		p.to.addr = address(203, 0, 113, 77);
		break;
	case 2:
		p.from = outside_some(lab, p.class);
		break;
	default:
		break;
	}
	icmp_shape(&p, false);
	packet_op(lab, &p);
}

static void hairpin_op(struct lab *lab)
{
	struct model_packet p = { .hook = MODEL_HAIRPIN };

	if (lab->model->settings.limits.on) /* which of the two hosts was refused does not show */
		return;
	class_choose(lab, &p);
	p.from = inside_some(lab);
	p.to = outside_some(lab, p.class);
	if (!(model_address_flags(lab->model, p.to.addr) & ADDRESS_LIVE))
		return; /* the hook leaves it to the kernel */
	icmp_shape(&p, true);
	packet_op(lab, &p);
}

/* An ICMP error about an endpoint that has a mapping, or not. */
static void error_op(struct lab *lab)
{
	static u8 ip[ROOM];
	struct model_packet about = { .hook = MODEL_IN };
	struct packet_spec quote, s = {
		.protocol = 1, .icmp_type = chance(lab, 2) ? 3 : 11, .icmp_code = (u8)chance(lab, 2), .id = 9
	};
	struct model_end far = remote_some(lab), near, new;
	bool in = chance(lab, 2), own = false, known;

	class_choose(lab, &about);
	about.request =
		in && about.class == CLASS_ICMP; /* quoted: a query that went out, or a reply that came in */
	if (about.class == CLASS_ICMP)
		far.port = 0;
	near = in ? outside_some(lab, about.class) : inside_some(lab);
	about.from = in ? near : far;
	about.to = in ? far : near;
	spec_fill(lab, &about, &quote);
	s.quote = &quote;
	s.quote_bytes = (u16)(chance(lab, 2) ? 0 : 20 + quote.options_length + 8u + 4 * chance(lab, 5));
	if (quote.protocol == 6 && s.quote_bytes == 20 + quote.options_length + 17)
		s.quote_bytes++;
	s.saddr = in ? address(203, 0, 113, 200) : near.addr;
	s.daddr = in ? near.addr : far.addr;
	int length = packet_build(&s, ip, sizeof(ip));
	if (in && !(model_address_flags(lab->model, near.addr) & ADDRESS_LIVE))
		return;
	struct native_result r =
		lab_send(lab, in ? NATIVE_IN : NATIVE_OUT, in ? 0 : IN_IFINDEX, ip, (u32)length);
	struct model_outcome o = { .from = about.from, .to = about.to };
	story_tell(lab, &about, &r, &o);
	if (!in && far.addr == lab->model->untranslated) {
		wrong_set(lab, r.reason == REASON_pass_through_out
				       ? NULL
				       : "an error to a destination that is not translated");
		return;
	}
	known = in ? model_inside_of(lab->model, about.class, near, &new, &own)
		   : model_outside_of(lab->model, about.class, near, &new);
	if (!known || own) {
		if (in && (own || model_address_flags(lab->model, near.addr) & ADDRESS_LOCAL))
			wrong_set(lab,
				  r.reason == REASON_own_error ? NULL : "an error that is the router's own");
		else
			wrong_set(lab, r.reason == REASON_error_no_mapping
					       ? NULL
					       : "an error about nobody's packet");
		return;
	}
	if (r.reason != (in ? REASON_in_error : REASON_out_error)) {
		wrong_set(lab, "an error about a known packet was not translated");
		return;
	}
	*(in ? &quote.saddr : &quote.daddr) = new.addr;
	*(in ? &quote.sport : &quote.dport) = new.port;
	*(in ? &s.daddr : &s.saddr) = new.addr;
	bytes_judge(lab, &s, ip, (u32)length);
}

/* One bit of the header's form is broken: it must be dropped as such. */
static void broken_op(struct lab *lab)
{
	static u8 ip[ROOM];
	struct model_packet p = { .hook = MODEL_OUT };
	struct packet_spec s;
	bool in = chance(lab, 2);

	class_choose(lab, &p);
	p.from = inside_some(lab);
	p.to = remote_some(lab);
	spec_fill(lab, &p, &s);
	int length = packet_build(&s, ip, sizeof(ip));
	switch (chance(lab, 4)) {
	case 0:
		ip[0] = (u8)(chance(lab, 4) << 4 | 5);
		break;
	case 1:
		ip[0] = (u8)(0x40 | chance(lab, 5));
		break;
	case 2:
		ip[2] = 0xff;
		break;
	default:
		length = 1 + (int)chance(lab, 20u + s.options_length + 7);
		break;
	}
	struct native_result r =
		lab_send(lab, in ? NATIVE_IN : NATIVE_OUT, in ? 0 : IN_IFINDEX, ip, (u32)length);
	rounds_tell(&lab->rounds, "a broken packet of %d bytes: reason %u", length, r.reason);
	wrong_set(lab, r.reason == REASON_malformed_ip || r.reason == REASON_malformed_transport
			       ? NULL
			       : "not seen as broken");
}

/*
 * Time and changes
 */

static bool flow_there(const struct lab *lab, const struct model_session *s, u8 direction)
{
	struct nat_instance *nat = (struct nat_instance *)&lab->nat;
	const struct model_end *near = direction == DIRECTION_OUT ? &s->inside : &s->outside;
	const struct model_end *from = direction == DIRECTION_OUT ? near : &s->remote;
	const struct model_end *to = direction == DIRECTION_OUT ? &s->remote : near;
	union flow_key key = { .word = { 0, 0 } };
	struct flow_hit hit;

	key.saddr = from->addr;
	key.sport = host_to_be16(from->port);
	key.daddr = to->addr;
	key.dport = host_to_be16(to->port);
	key.protocol = s->protocol;
	key.direction = direction;
	return flow_find(nat, nat->config, key.word, &hit);
}

/* The model's sessions that the core does not have, for the message. */
static void missing_tell(const struct lab *lab)
{
	char ends[3][32];

	for (u32 i = 0; i < lab->model->session_count; i++) {
		const struct model_session *s = &lab->model->sessions[i];
		if (flow_there(lab, s, DIRECTION_OUT))
			continue;
		story_end(ends[0], 32, s->inside);
		story_end(ends[1], 32, s->outside);
		story_end(ends[2], 32, s->remote);
		printf("# no outbound flow: protocol %u %s (%s) > %s; out at %u, flags %u; in at %u, flags "
		       "%u\n",
		       s->protocol, ends[0], ends[1], ends[2], s->out.last, s->out.flags, s->in.last,
		       s->in.flags);
	}
}

/* And the other way round. */
static void surplus_tell(const struct lab *lab)
{
	const struct config *c = lab->nat.config;
	char ends[3][32];

	for (u32 i = 0; i <= c->flow_mask; i++) {
		const struct flow *f = (const struct flow *)lab->nat.tables[TABLE_FLOWS] + i;
		if (word_state(f->word) != LIVE || f->direction == DIRECTION_PERMIT ||
		    !flow_stands(c, f->word, 0, f->own, f->index))
			continue;
		struct model_end from = { f->saddr, be16_to_host(f->sport) },
				 to = { f->daddr, be16_to_host(f->dport) };
		bool known = false;
		for (u32 n = 0; n < lab->model->session_count && !known; n++) {
			const struct model_session *s = &lab->model->sessions[n];
			const struct model_end *near =
				f->direction == DIRECTION_OUT ? &s->inside : &s->outside;
			const struct model_end *a = f->direction == DIRECTION_OUT ? near : &s->remote;
			const struct model_end *b = f->direction == DIRECTION_OUT ? &s->remote : near;
			known = s->protocol == f->protocol && a->addr == from.addr && a->port == from.port &&
				b->addr == to.addr && b->port == to.port;
		}
		if (known)
			continue;
		story_end(ends[0], 32, from);
		story_end(ends[1], 32, to);
		story_end(ends[2], 32, (struct model_end){ f->addr, be16_to_host(f->port) });
		printf("# the core has: direction %u protocol %u %s > %s (%s) flags %u, idle %u ago\n",
		       f->direction, f->protocol, ends[0], ends[1], ends[2], word_flags(f->word),
		       word_age(f->word, lab->nat.now));
	}
}

static void mappings_tell(const struct lab *lab)
{
	const struct config *c = lab->nat.config;
	char ends[2][32];

	for (u32 i = 0; i <= c->mapping_mask; i++) {
		const struct mapping *m =
			(const struct mapping *)env_slot((struct nat_instance *)&lab->nat, TABLE_MAPPINGS, i);
		struct model_end inside = { m->key_addr, be16_to_host(m->key_port) }, outside;
		if (word_state(m->word) != LIVE || m->half & HALF_OUTSIDE ||
		    word_stale(c, TABLE_MAPPINGS, 0, m->word) ||
		    model_outside_of(lab->model, m->class, inside, &outside))
			continue;
		story_end(ends[0], 32, inside);
		story_end(ends[1], 32, (struct model_end){ m->addr, be16_to_host(m->port) });
		printf("# the core has: mapping of class %u %s (%s) used %u ago, created %u ago\n", m->class,
		       ends[0], ends[1], (u32)((lab->nat.now - word_time(m->word)) & TIME),
		       (u32)((lab->nat.now - m->created) & TIME));
	}
}

static bool mapping_there(struct lab *lab, const struct model_binding *b)
{
	struct endpoint inside = { b->inside.addr, host_to_be16(b->inside.port), 0 };
	struct half half;

	return half_find(&lab->nat, lab->nat.config, mapping_key(inside, (u8)b->class, HALF_INSIDE, 0), 0,
			 &half) == HALF_LIVE;
}

/* A session that lost a half while it stood idle on that side is judged by the other half alone: it may be over. */
static void doubts_settle(struct lab *lab)
{
	struct model *m = lab->model;

	for (u32 i = 0; i < m->session_count; i++) {
		struct model_session *s = &m->sessions[i];
		if ((s->out.doubt || s->in.doubt) && !flow_there(lab, s, DIRECTION_OUT) &&
		    !flow_there(lab, s, DIRECTION_IN))
			m->sessions[i--] = m->sessions[--m->session_count];
	}
	model_sweep(m);
	for (u32 i = m->binding_count; i-- > 0;)
		if (m->bindings[i].doubt && !mapping_there(lab, &m->bindings[i])) {
			model_binding_rest(m, &m->bindings[i]);
			m->bindings[i] = m->bindings[--m->binding_count];
		}
}

/* Who has a mapping has a place among the hosts. */
static void hosts_judge(struct lab *lab)
{
	struct nat_instance *nat = &lab->nat;

	for (u32 i = 0; i < lab->model->binding_count; i++) {
		const struct model_binding *b = &lab->model->bindings[i];
		u64 key = host_key(b->inside.addr, 0), word;
		u32 number;
		if (b->live && !table_find(nat, nat->config, TABLE_HOSTS,
					   table_hash(nat->config, TABLE_HOSTS, &key), &key, &word, &number))
			wrong_set(lab, "a host that has a mapping lost its place");
	}
}

static void counts_judge(struct lab *lab)
{
	const struct config *c = lab->nat.config;
	u32 sessions = 0, mappings = 0;

	for (u32 i = 0; i < CLASSES; i++) /* halves that stand alone are sessions, too */
		sessions += (u32)lab->rounds.sweep->last.sessions[i];
	for (u32 i = 0; i <= c->mapping_mask; i++) {
		const struct mapping *m = (const struct mapping *)env_slot(&lab->nat, TABLE_MAPPINGS, i);
		mappings += word_state(m->word) == LIVE && !(m->half & HALF_OUTSIDE) &&
			    !(word_flags(m->word) & RESTING) && !word_stale(c, TABLE_MAPPINGS, 0, m->word);
	}
	rounds_tell(&lab->rounds, "at %u, after the sweep: %u sessions, %u mappings; the model has %u and %u",
		    lab->model->now, sessions, mappings, model_sessions(lab->model),
		    model_bindings(lab->model));
	if (sessions != model_sessions(lab->model) || mappings != model_bindings(lab->model)) {
		wrong_set(lab, "the core and the model do not have the same state");
		missing_tell(lab);
		surplus_tell(lab);
		mappings_tell(lab);
	}
}

static void time_op(struct lab *lab)
{
	u32 step = chance(lab, 4) ? 1 + chance(lab, 5) : 1 + chance(lab, 150),
	    passes = lab->model->limbo_count ? 10 : 3;

	lab->model->now += step;
	lab->nat.now = (lab->clock + lab->model->now) & TIME;
	for (u32 i = 0; i < passes; i++)
		sweep_pass(lab->rounds.sweep, lab->nat.now);
	model_sweep(lab->model);
	doubts_settle(lab);
	if (step > SWEEP_PATIENCE)
		model_limbo_age(lab->model);
	counts_judge(lab);
	hosts_judge(lab);
}

static void reset_op(struct lab *lab)
{
	u32 how = chance(lab, 3);

	native_reset(&lab->nat, 0, TABLE_FLOWS);
	model_reset_flows(lab->model);
	if (how) {
		native_reset(&lab->nat, 0, TABLE_MAPPINGS);
		model_reset_mappings(lab->model);
	}
	if (how > 1) {
		native_reset(&lab->nat, 0, TABLE_HOSTS);
		model_reset_hosts(lab->model);
	}
}

/* An address of the pool leaves, or comes back. */
static void address_op(struct lab *lab)
{
	if (!lab->pool || lab->model->settings.limits.on) /* what waits for an address counts for the core */
		return;
	__be32 addr = address(198, 51, 100, 2 + chance(lab, lab->pool));
	bool live = model_address_flags(lab->model, addr) & ADDRESS_LIVE;

	lab_address(lab, addr, live ? 0 : ADDRESS_LIVE | ADDRESS_POOL);
}

static void operation(struct lab *lab)
{
	u32 n = chance(lab, 1000);

	if (n < 380)
		out_op(lab);
	else if (n < 720)
		in_op(lab);
	else if (n < 880)
		hairpin_op(lab);
	else if (n < 950)
		error_op(lab);
	else if (n < 980)
		broken_op(lab);
	else if (n < 996)
		time_op(lab);
	else if (n < 998)
		reset_op(lab);
	else
		address_op(lab);
}

int main(int argc, char **argv)
{
	static struct model model;
	static struct lab lab = { .model = &model };
	static const struct rounds_steps steps = { OPERATIONS, ROUND, round_begin, operation };

	rounds_run(&lab.rounds, &lab, &steps, argc, argv);
	printf("# %llu operations in %llu rounds: %llu packets, %llu new sessions from inside, %llu "
	       "dropped\n",
	       lab.rounds.operations, lab.rounds.number, lab.packets, lab.created, lab.dropped);
	return rounds_end(&lab.rounds, "random", "the naive model", true);
}
