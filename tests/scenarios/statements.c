/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"
#include "native/sweep_memory.h"
#include "tests/scenarios/scenario.h"

struct statement {
	const char *name;
	int (*run)(struct world *world, struct words *words);
};

/* All that a line does to the state is done in each way. */
#define for_each_nat(world, nat)                              \
	for (u32 way_ = 0; way_ < (world)->way_count; way_++) \
		for (struct nat_instance *nat = &(world)->ways[way_]->nat; nat; nat = NULL)

static int world_begin(struct world *w)
{
	if (w->begun)
		return 0;
	for (u32 i = 0; i < w->way_count; i++) {
		if (way_begin(w->ways[i], &w->sizes, w->seed))
			return world_fail(w, "%s: cannot begin", w->ways[i]->name);
		w->sweeps[i] = sweep_memory_new(&w->ways[i]->nat);
		if (!w->sweeps[i])
			return world_fail(w, "out of memory");
		way_clock(w->ways[i], w->clock);
	}
	w->begun = true;
	return 0;
}

static int world_same(struct world *w)
{
	char difference[512];

	if (w->way_count < 2 || !w->begun || way_same(w->ways[0], w->ways[1], difference, sizeof(difference)))
		return 0;
	return world_fail(w, "the ways differ: %s", difference);
}

/*
 * Configuration
 */

static int config_filtering(struct world *w, struct words *words)
{
	static const char *const names[] = { "eif", "adf", "edf" };
	const char *protocol = words_next(words), *kind = words_next(words);
	enum class class = CLASSES;
	u32 n = 0;

	while (n < 3 && (!kind || strcmp(kind, names[n])))
		n++;
	if (n == 3 || (class_parse(protocol, &class) && (!protocol || strcmp(protocol, "all"))))
		return world_fail(w, "config filtering udp|tcp|icmp|all eif|adf|edf");
	for_each_nat(w, nat) for (u32 i = 0; i < CLASSES; i++) if (class == CLASSES || class == i)
		nat->config->filtering[i] = (u8)n;
	return 0;
}

static int config_ports(struct world *w, struct words *words)
{
	const char *text = words_next(words);
	unsigned int from, to;

	if (!text || sscanf(text, "%u-%u", &from, &to) != 2 || from < 1 || from > to || to > 65535)
		return world_fail(w, "config ports FROM-TO");
	for_each_nat(w, nat)
	{
		nat->config->port_min = (u16)from;
		nat->config->port_max = (u16)to;
	}
	return 0;
}

static int config_switch(struct world *w, struct words *words, const char *name)
{
	const char *text = words_next(words);
	int on = text && !strcmp(text, "on");

	if (!on && (!text || strcmp(text, "off")))
		return world_fail(w, "config %s on|off", name);
	for_each_nat(w, nat)
	{
		struct config *c = nat->config;
		*(!strcmp(name, "parity")     ? &c->port_parity
		  : !strcmp(name, "preserve") ? &c->port_preserve
					      : &c->hairpin) = (u8)on;
	}
	return 0;
}

static int config_timer(struct world *w, struct words *words)
{
	static const struct {
		const char *name;
		size_t offset;
	} timers[] = {
#define TIMER(name) { #name, offsetof(struct timers, name) }
		TIMER(udp_timeout),
		TIMER(tcp_idle_timeout),
		TIMER(tcp_trans_open_timeout),
		TIMER(tcp_trans_close_timeout),
		TIMER(tcp_in_syn_timeout),
		TIMER(icmp_timeout),
		TIMER(fragment_min_timeout),
		TIMER(hold_down_timeout),
		TIMER(host_retention),
#undef TIMER
	};
	const char *name = words_next(words);
	u32 value;

	for (size_t i = 0; name && i < sizeof(timers) / sizeof(timers[0]); i++) {
		if (strcmp(name, timers[i].name))
			continue;
		if (time_parse(words_next(words), &value))
			return world_fail(w, "config timer %s TIME", name);
		for_each_nat(w, nat)
			memcpy((char *)&nat->config->timers + timers[i].offset, &value, sizeof(value));
		return 0;
	}
	return world_fail(w, "no such timer: %s", name ? name : "(end)");
}

/* Before all else: sizes of tables, seed, clock. */
static int config_early(struct world *w, struct words *words)
{
	const char *name = words_next(words);
	u32 value;
	u32 *place = !strcmp(name, "flows")	  ? &w->sizes.flows
		     : !strcmp(name, "mappings")  ? &w->sizes.mappings
		     : !strcmp(name, "hosts")	  ? &w->sizes.hosts
		     : !strcmp(name, "fragments") ? &w->sizes.fragments
		     : !strcmp(name, "addresses") ? &w->sizes.addresses
						  : &w->clock;

	if (w->begun)
		return world_fail(w, "config %s must stand before all else", name);
	if (number_parse(words_next(words), 0xffffffff, &value))
		return world_fail(w, "config %s NUMBER", name);
	if (!strcmp(name, "seed"))
		w->seed = value;
	else
		*place = value;
	return 0;
}

static int config_run(struct world *w, struct words *words)
{
	static const char *const early[] = { "flows",	  "mappings", "hosts", "fragments",
					     "addresses", "clock",    "seed" };
	const char *name = words_peek(words);

	for (size_t i = 0; name && i < sizeof(early) / sizeof(early[0]); i++)
		if (!strcmp(name, early[i]))
			return config_early(w, words);
	if (world_begin(w))
		return -1;
	if (words_take(words, "filtering"))
		return config_filtering(w, words);
	if (words_take(words, "ports"))
		return config_ports(w, words);
	if (words_take(words, "timer"))
		return config_timer(w, words);
	if (words_take(words, "parity") || words_take(words, "preserve") || words_take(words, "hairpin"))
		return config_switch(w, words, name);
	return world_fail(w, "config what? %s", name ? name : "(end)");
}

/*
 * Interfaces, addresses, sockets
 */

static struct world_interface *interface_named(struct world *w, const char *name)
{
	for (u32 i = 0; name && i < w->interface_count; i++)
		if (!strcmp(w->interfaces[i].name, name))
			return &w->interfaces[i];
	world_fail(w, "no interface %s", name ? name : "(end)");
	return NULL;
}

static struct world_interface *interface_first(struct world *w, enum role role)
{
	for (u32 i = 0; i < w->interface_count; i++)
		if (w->interfaces[i].role == role)
			return &w->interfaces[i];
	world_fail(w, "no interface of that role yet");
	return NULL;
}

static int address_set(struct world *w, u32 interface, __be32 addr, u32 flags)
{
	for_each_nat(w, nat) if (native_address_set(nat, interface, addr, flags) <
				 0) return world_fail(w, "no room for another outside address");
	return 0;
}

/* A, or A-B: flags are added to each. */
static int range_set(struct world *w, u32 interface, const char *text, u32 flags)
{
	char first[VALUE_MAX_BYTES];
	__be32 from, to;

	snprintf(first, sizeof(first), "%.63s", text);
	char *dash = strchr(first, '-');
	if (dash)
		*dash = 0;
	if (address_parse(first, &from) || address_parse(dash ? dash + 1 : first, &to) ||
	    be32_to_host(to) - be32_to_host(from) > 255)
		return world_fail(w, "not an address or range: %s", text);
	for (u32 a = be32_to_host(from); a <= be32_to_host(to); a++) {
		struct outside_address known =
			address_find(&w->ways[0]->nat, w->ways[0]->nat.config, host_to_be32(a));
		if (address_set(w, interface, host_to_be32(a), known.flags | flags))
			return -1;
	}
	return 0;
}

/* outside OWN... [pool RANGE...] */
static int outside_addresses(struct world *w, struct words *words, u32 interface)
{
	bool pool = false;
	u32 own = ADDRESS_LIVE | ADDRESS_LOCAL;

	for (u32 i = words->at; i < words->count; i++)
		pool |= !strcmp(words->word[i], "pool");
	if (!pool)
		own |= ADDRESS_POOL;
	while (words_peek(words) && strcmp(words_peek(words), "pool"))
		if (range_set(w, interface, words_next(words), own))
			return -1;
	words_take(words, "pool");
	while (words_peek(words))
		if (range_set(w, interface, words_next(words), ADDRESS_LIVE | ADDRESS_POOL))
			return -1;
	return 0;
}

/* inside [networks A/N...] */
static int inside_networks(struct world *w, struct words *words, u32 interface)
{
	if (words_peek(words) && !words_take(words, "networks"))
		return world_fail(w, "interface NAME inside [networks A/N...]");
	if (words_peek(words))
		for_each_nat(w, nat) native_interface_listed(nat, interface);
	while (words_peek(words)) {
		char text[VALUE_MAX_BYTES];
		__be32 addr;
		u32 bits;
		snprintf(text, sizeof(text), "%.63s", words_next(words));
		char *slash = strchr(text, '/');
		if (slash)
			*slash = 0;
		if (!slash || address_parse(text, &addr) || number_parse(slash + 1, 32, &bits))
			return world_fail(w, "not a network: %s", text);
		for_each_nat(w, nat) if (native_network_add(nat, addr,
							    bits ? host_to_be32(~0u << (32 - bits))
								 : 0)) return world_fail(w,
											 "too many networks");
	}
	return 0;
}

static int interface_run(struct world *w, struct words *words)
{
	const char *name = words_next(words);
	enum role role = words_take(words, "outside")  ? ROLE_OUTSIDE
			 : words_take(words, "inside") ? ROLE_INSIDE
						       : ROLE_NONE;
	int ifindex = -1;

	if (world_begin(w))
		return -1;
	if (!name || role == ROLE_NONE || w->interface_count == MAX_INTERFACES)
		return world_fail(w, "interface NAME outside|inside ...");
	/* The last way's devices are real, if any are: all take their numbers. */
	struct way *last = w->ways[w->way_count - 1];
	ifindex = last->ops->device(last, name, role);
	if (ifindex < 0)
		return world_fail(w, "%s: no device for %s: %s", last->name, name, strerror(-ifindex));
	struct world_interface *at = &w->interfaces[w->interface_count++];
	snprintf(at->name, sizeof(at->name), "%s", name);
	at->ifindex = (u32)ifindex;
	at->role = role;
	for_each_nat(w, nat)
	{
		int number = native_interface_add(nat, at->ifindex, role);
		if (number < 0)
			return world_fail(w, "too many interfaces");
		at->number = (u32)number;
	}
	return role == ROLE_OUTSIDE ? outside_addresses(w, words, at->number)
				    : inside_networks(w, words, at->number);
}

/* address add|remove|pool INTERFACE A: pool takes no local role. A removal bumps the flows, as the daemon does. */
static int address_run(struct world *w, struct words *words)
{
	const char *what = words_next(words);
	struct world_interface *at = interface_named(w, words_next(words));
	__be32 addr;

	if (!at || !what || address_parse(words_next(words), &addr))
		return world_fail(w, "address add|pool|local|remove INTERFACE A");
	u32 flags = !strcmp(what, "add")     ? ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL
		    : !strcmp(what, "pool")  ? ADDRESS_LIVE | ADDRESS_POOL
		    : !strcmp(what, "local") ? ADDRESS_LIVE | ADDRESS_LOCAL
					     : 0;
	if (address_set(w, at->number, addr, flags))
		return -1;
	if (flags)
		return 0;
	for_each_nat(w, nat) native_reset(nat, at->number, TABLE_FLOWS);
	return 0;
}

/* socket udp|tcp A:P [> B:Q] */
static int socket_run(struct world *w, struct words *words)
{
	struct native_socket s = { 0 };
	enum class class;
	u16 port, remote = 0;

	if (world_begin(w))
		return -1;
	if (class_parse(words_next(words), &class) || endpoint_parse(words_next(words), &s.local, &port))
		return world_fail(w, "socket udp|tcp A:P [> B:Q]");
	if (words_take(words, ">") && endpoint_parse(words_next(words), &s.remote, &remote))
		return world_fail(w, "socket: not an endpoint");
	s.class = class;
	s.port = host_to_be16(port);
	s.remote_port = host_to_be16(remote);
	for (u32 i = 0; i < w->way_count; i++) {
		int rc = w->ways[i]->ops->socket(w->ways[i], &s);
		if (rc)
			return world_fail(w, "%s: socket: %s", w->ways[i]->name, strerror(-rc));
	}
	return 0;
}

/*
 * Packets
 */

/* Through one way; *result, and the bytes rewritten. */
static int way_meet(struct world *w, struct way *way, const struct event *e, const struct packet_text *p,
		    u8 *after, struct native_result *result)
{
	static u8 frame[FRAME_ROOM + 4];
	u8 *data = frame + 2; /* the IP header at a multiple of four, as in the kernel */
	struct native_frame f = { data,	      way->l3 + e->length, way->l3,
				  e->ifindex, e->ingress_ifindex,  p->ethertype };

	memset(data, 0x02, 12);
	data[12] = (u8)(p->ethertype >> 8);
	data[13] = (u8)p->ethertype;
	memcpy(data + way->l3, e->before, e->length);
	int rc = way->ops->meet(way, e->hook, &f, result);
	if (rc)
		return world_fail(w,
				  "%s: the packet could not be sent, or counted otherwise than it fared: %s",
				  way->name, strerror(-rc));
	memcpy(after, data + way->l3, e->length);
	return 0;
}

/* The same must have come of it in both. */
static int results_same(struct world *w, const struct native_result *a, const struct native_result *b,
			const u8 *x, const u8 *y, u32 length)
{
	if (a->verdict != b->verdict || a->reason != b->reason || a->interface != b->interface)
		return world_fail(w, "%s: %s at %u; %s: %s at %u", w->ways[0]->name, reason_name(a->reason),
				  a->interface, w->ways[1]->name, reason_name(b->reason), b->interface);
	/* A dropped packet's bytes are nobody's business. */
	if (a->verdict != VERDICT_DROP && memcmp(x, y, length))
		return world_fail(w, "the ways give different bytes (%s)", reason_name(a->reason));
	return 0;
}

/* Never may a packet from inside leave with an inside source. */
static int source_ours(struct world *w, const struct event *e)
{
	struct nat_instance *nat = &w->ways[0]->nat;
	__be32 source;

	if (e->hook != NATIVE_OUT || !e->from_inside || e->result.verdict == VERDICT_DROP ||
	    e->packet->ethertype != 0x0800)
		return 0;
	memcpy(&source, e->after + 12, 4);
	struct outside_address a = address_find(nat, nat->config, source);
	return a.flags & ADDRESS_LIVE ? 0 : world_fail(w, "LEAK: it left with a source that is not ours");
}

static int packet_run(struct world *w, struct words *words, struct event *e)
{
	static struct packet_text packet;
	static u8 before[FRAME_ROOM], after[2][FRAME_ROOM];
	struct native_result result[2];

	if (packet_read(w, words, &packet))
		return -1;
	int length = packet_make(w, &packet, before, sizeof(before));
	if (length < 0)
		return -1;
	if (!words_take(words, "expect"))
		return world_fail(w, "each packet wants an expect");
	e->packet = &packet;
	e->before = before;
	e->after = after[0];
	e->length = (u32)length;
	for (u32 i = 0; i < w->way_count; i++)
		if (way_meet(w, w->ways[i], e, &packet, after[i], &result[i]))
			return -1;
	e->result = result[0];
	w->packets++;
	if (result[0].reason < REASONS)
		w->reasons[result[0].reason]++;
	if (expect_event(w, words, e) || source_ours(w, e))
		return -1;
	if (w->way_count > 1 && results_same(w, &result[0], &result[1], after[0], after[1], e->length))
		return -1;
	return world_same(w);
}

/* [via IF] [from IF|router] before the packet. */
static int packet_at(struct world *w, struct words *words, enum native_hook hook, struct world_interface *at,
		     struct world_interface *from)
{
	bool router = false;

	for (;;) {
		if (words_take(words, "via")) {
			at = interface_named(w, words_next(words));
		} else if (words_take(words, "from")) {
			router = words_take(words, "router");
			from = router ? NULL : interface_named(w, words_next(words));
		} else {
			break;
		}
	}
	if (w->error[0])
		return -1;
	struct event e = { .hook = hook,
			   .ifindex = at->ifindex,
			   .ingress_ifindex = from && !router ? from->ifindex : 0,
			   .from_inside = from && !router && from->role == ROLE_INSIDE };
	return packet_run(w, words, &e);
}

static int out_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_OUTSIDE);

	return at ? packet_at(w, words, NATIVE_OUT, at, interface_first(w, ROLE_INSIDE)) : -1;
}

/* The router's own. */
static int own_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_OUTSIDE);

	return at ? packet_at(w, words, NATIVE_OUT, at, NULL) : -1;
}

static int in_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_OUTSIDE);

	return at ? packet_at(w, words, NATIVE_IN, at, NULL) : -1;
}

static int hairpin_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_first(w, ROLE_INSIDE);

	return at ? packet_at(w, words, NATIVE_HAIRPIN, at, NULL) : -1;
}

/*
 * Time, sweep, reset
 */

static void world_sweep(struct world *w, u32 passes)
{
	for (u32 i = 0; i < w->way_count; i++)
		for (u32 n = 0; n < passes; n++)
			sweep_pass(w->sweeps[i], w->ways[i]->nat.now & TIME);
}

static int sweep_run(struct world *w, struct words *words)
{
	u32 passes = 1;

	if (words_take(words, "off")) {
		w->sweeping = false;
		return 0;
	}
	if (words_take(words, "on")) {
		w->sweeping = true;
		return 0;
	}
	if (words_peek(words) && number_parse(words_next(words), 100, &passes))
		return world_fail(w, "sweep [PASSES]|on|off");
	world_sweep(w, passes);
	return world_same(w);
}

static int time_advance(struct world *w, struct words *words)
{
	u32 to;

	if (time_parse(words_next(words), &to) || to < w->now)
		return world_fail(w, "at TIME, not before the last one");
	if (world_begin(w))
		return -1;
	if (to == w->now)
		return 0;
	w->now = to;
	for (u32 i = 0; i < w->way_count; i++)
		way_clock(w->ways[i], (w->clock + to) & TIME);
	if (w->sweeping)
		world_sweep(w, SWEEPS_PER_STEP);
	return world_same(w);
}

static int reset_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_named(w, words_next(words));
	const char *what = words_next(words);

	if (!at || !what)
		return world_fail(w, "reset INTERFACE flows|mappings|hosts");
	enum table t = !strcmp(what, "flows")	   ? TABLE_FLOWS
		       : !strcmp(what, "mappings") ? TABLE_MAPPINGS
						   : TABLE_HOSTS;
	for_each_nat(w, nat) native_reset(nat, at->number, t);
	return 0;
}

/*
 * Losing things: what a crash or a race may leave behind
 */

static int slot_lose(struct world *w, struct nat_instance *nat, enum table t, const u64 *key)
{
	u64 word;
	u32 number;
	struct slot *s =
		table_find(nat, nat->config, t, table_hash(nat->config, t, key), key, &word, &number);

	if (!s || !slot_end(s, word))
		return world_fail(w, "there is no such entry to lose");
	return 0;
}

/* flow out|in|permit udp|tcp|icmp A:P > B:Q */
static int lose_flow(struct world *w, struct words *words)
{
	static const u8 protocols[CLASSES] = {
		[CLASS_UDP] = PROTOCOL_UDP, [CLASS_TCP] = PROTOCOL_TCP, [CLASS_ICMP] = PROTOCOL_ICMP
	};
	u8 direction = words_take(words, "out")	 ? DIRECTION_OUT
		       : words_take(words, "in") ? DIRECTION_IN
						 : DIRECTION_PERMIT;
	union flow_key key = { .word = { 0, 0 } };
	enum class class;
	u16 sport, dport;

	if (direction == DIRECTION_PERMIT && !words_take(words, "permit"))
		return world_fail(w, "lose flow out|in|permit ...");
	if (class_parse(words_next(words), &class) || endpoint_parse(words_next(words), &key.saddr, &sport) ||
	    !words_take(words, ">") || endpoint_parse(words_next(words), &key.daddr, &dport))
		return world_fail(w, "lose flow out|in|permit udp|tcp|icmp A:P > B:Q");
	key.sport = host_to_be16(sport);
	key.dport = host_to_be16(dport);
	key.protocol = protocols[class];
	key.direction = direction;
	for_each_nat(w, nat) if (slot_lose(w, nat, TABLE_FLOWS, key.word)) return -1;
	return 0;
}

/* inside|outside udp A:P [INTERFACE] */
static int lose_mapping(struct world *w, struct words *words, u32 half)
{
	struct endpoint e = { 0 };
	enum class class;
	u16 port;

	if (class_parse(words_next(words), &class) || endpoint_parse(words_next(words), &e.addr, &port))
		return world_fail(w, "lose inside|outside udp|tcp|icmp A:P [INTERFACE]");
	struct world_interface *at =
		words_peek(words) ? interface_named(w, words_next(words)) : interface_first(w, ROLE_OUTSIDE);
	if (!at)
		return -1;
	e.port = host_to_be16(port);
	u64 key = mapping_key(e, (u8) class, half, at->number);
	for_each_nat(w, nat) if (slot_lose(w, nat, TABLE_MAPPINGS, &key)) return -1;
	return 0;
}

static int lose_host(struct world *w, struct words *words)
{
	union host_key key = { .word = 0 };

	if (address_parse(words_next(words), &key.inside))
		return world_fail(w, "lose host A [INTERFACE]");
	struct world_interface *at =
		words_peek(words) ? interface_named(w, words_next(words)) : interface_first(w, ROLE_OUTSIDE);
	if (!at)
		return -1;
	key.interface = (u8)at->number;
	for_each_nat(w, nat) if (slot_lose(w, nat, TABLE_HOSTS, &key.word)) return -1;
	return 0;
}

/* The bit of an outside port, cleared or set: udp A:P */
static int bit_change(struct world *w, struct words *words, bool set)
{
	enum class class;
	__be32 addr;
	u16 port;

	if (class_parse(words_next(words), &class) || endpoint_parse(words_next(words), &addr, &port))
		return world_fail(w, "lose bit|take bit udp|tcp|icmp A:P");
	for_each_nat(w, nat)
	{
		u32 area = port_area(address_find(nat, nat->config, addr).index, class);
		if (set)
			port_take(nat, area, port);
		else
			port_give(nat, area, port);
	}
	return 0;
}

static int lose_run(struct world *w, struct words *words)
{
	if (words_take(words, "flow"))
		return lose_flow(w, words);
	if (words_take(words, "inside"))
		return lose_mapping(w, words, HALF_INSIDE);
	if (words_take(words, "outside"))
		return lose_mapping(w, words, HALF_OUTSIDE);
	if (words_take(words, "host"))
		return lose_host(w, words);
	if (words_take(words, "bit"))
		return bit_change(w, words, false);
	return world_fail(w, "lose flow|inside|outside|host|bit ...");
}

static int take_run(struct world *w, struct words *words)
{
	return words_take(words, "bit") ? bit_change(w, words, true) : world_fail(w, "take bit udp A:P");
}

/*
 * Looking
 */

/* Entries that are live and of the present generation. permit: how many flows only say who may send. */
static void state_count(struct nat_instance *nat, u32 *sessions, u32 *mappings, u32 *hosts)
{
	const struct config *c = nat->config;

	*sessions = *mappings = *hosts = 0;
	for (u32 i = 0; i <= c->flow_mask; i++) {
		const struct flow *f = (const struct flow *)env_slot(nat, TABLE_FLOWS, i);
		*sessions += word_state(f->word) == LIVE && f->direction == DIRECTION_OUT &&
			     !word_stale(c, TABLE_FLOWS, f->interface, f->word);
	}
	for (u32 i = 0; i <= c->mapping_mask; i++) {
		const struct mapping *m = (const struct mapping *)env_slot(nat, TABLE_MAPPINGS, i);
		*mappings += word_state(m->word) == LIVE && !(m->half & HALF_OUTSIDE) &&
			     !word_stale(c, TABLE_MAPPINGS, m->interface, m->word);
	}
	for (u32 i = 0; i <= c->host_mask; i++) {
		const struct host *h = (const struct host *)env_slot(nat, TABLE_HOSTS, i);
		*hosts += word_state(h->word) == LIVE && !word_stale(c, TABLE_HOSTS, h->interface, h->word);
	}
}

/* Bits taken at an outside address. */
static u32 ports_taken(struct nat_instance *nat, enum class class, __be32 addr)
{
	u32 area = port_area(address_find(nat, nat->config, addr).index, class), taken = 0;

	for (u32 i = 0; i < PORT_WORDS; i++)
		taken += (u32)__builtin_popcountll(nat->ports[area + i]);
	return taken;
}

static int number_wanted(struct world *w, struct words *words, const char *what, u32 met)
{
	u32 wanted;

	if (number_parse(words_next(words), 0xffffffff, &wanted))
		return world_fail(w, "expect %s NUMBER", what);
	return wanted == met ? 0 : world_fail(w, "%u %s, wanted %u", met, what, wanted);
}

/* expect [sessions N] [mappings N] [hosts N] [ports udp A N] */
static int expect_run(struct world *w, struct words *words)
{
	u32 sessions, mappings, hosts;
	int rc = 0;

	state_count(&w->ways[0]->nat, &sessions, &mappings, &hosts);
	while (!rc && words_peek(words)) {
		if (words_take(words, "sessions")) {
			rc = number_wanted(w, words, "sessions", sessions);
		} else if (words_take(words, "mappings")) {
			rc = number_wanted(w, words, "mappings", mappings);
		} else if (words_take(words, "hosts")) {
			rc = number_wanted(w, words, "hosts", hosts);
		} else if (words_take(words, "ports")) {
			enum class class;
			__be32 addr;
			if (class_parse(words_next(words), &class) || address_parse(words_next(words), &addr))
				return world_fail(w, "expect ports udp|tcp|icmp A N");
			rc = number_wanted(w, words, "ports", ports_taken(&w->ways[0]->nat, class, addr));
		} else {
			rc = world_fail(w, "expect what? %s", words_peek(words));
		}
	}
	return rc;
}

/* check X == Y, X != Y, X even, X odd, X in FROM-TO */
static int check_run(struct world *w, struct words *words)
{
	const char *x = words_next(words), *how = words_next(words), *y;
	u32 n;
	unsigned int from, to;

	if (!x || !how)
		return world_fail(w, "check X ==|!=|even|odd|in ...");
	if (!strcmp(how, "==") || !strcmp(how, "!=")) {
		y = words_next(words);
		if (!y || !strcmp(x, y) != !strcmp(how, "=="))
			return world_fail(w, "%s %s %s does not hold", x, how, y ? y : "(end)");
		return 0;
	}
	if (number_parse(x, 65535, &n))
		return world_fail(w, "not a number: %s", x);
	if (!strcmp(how, "even") || !strcmp(how, "odd"))
		return n % 2 == !strcmp(how, "odd") ? 0 : world_fail(w, "%u is not %s", n, how);
	y = words_next(words);
	if (strcmp(how, "in") || !y || sscanf(y, "%u-%u", &from, &to) != 2)
		return world_fail(w, "check X ==|!=|even|odd|in ...");
	return n >= from && n <= to ? 0 : world_fail(w, "%u is not in %s", n, y);
}

/* unique SET VALUE: nobody in the set had this value before. */
static int unique_run(struct world *w, struct words *words)
{
	const char *set = words_next(words), *value = words_next(words);

	if (!set || !value || strlen(set) >= NAME_MAX_BYTES || strlen(value) >= VALUE_MAX_BYTES ||
	    w->unique_count == UNIQUE_MAX)
		return world_fail(w, "unique SET VALUE");
	for (u32 i = 0; i < w->unique_count; i++)
		if (!strcmp(w->unique[i].name, set) && !strcmp(w->unique[i].value, value))
			return world_fail(w, "%s is not unique in %s", value, set);
	strcpy(w->unique[w->unique_count].name, set);
	strcpy(w->unique[w->unique_count].value, value);
	w->unique_count++;
	return 0;
}

/* only WAY: the runner has seen to it. */
static int only_run(struct world *w, struct words *words)
{
	return words_next(words) ? 0 : world_fail(w, "only WAY");
}

/* let NAME VALUE */
static int let_run(struct world *w, struct words *words)
{
	const char *name = words_next(words), *value = words_next(words);

	return name && value ? variable_set(w, name, value) : world_fail(w, "let NAME VALUE");
}

static const struct statement statements[] = {
	{ "config", config_run },   { "interface", interface_run },
	{ "address", address_run }, { "socket", socket_run },
	{ "out", out_run },	    { "own", own_run },
	{ "in", in_run },	    { "hairpin", hairpin_run },
	{ "sweep", sweep_run },	    { "reset", reset_run },
	{ "lose", lose_run },	    { "take", take_run },
	{ "expect", expect_run },   { "check", check_run },
	{ "unique", unique_run },   { "let", let_run },
	{ "only", only_run },
};

static int line_run(struct world *w, struct words *words)
{
	if (words_take(words, "at") && time_advance(w, words))
		return -1;
	const char *name = words_next(words);
	for (size_t i = 0; name && i < sizeof(statements) / sizeof(statements[0]); i++)
		if (!strcmp(name, statements[i].name)) {
			if (statements[i].run(w, words))
				return -1;
			return words_peek(words) ? world_fail(w, "left over: %s", words_peek(words)) : 0;
		}
	return name ? world_fail(w, "unknown statement: %s", name) : 0;
}

static bool line_is(const struct scenario *s, u32 line, const char *word)
{
	const char *at = s->lines[line] + strspn(s->lines[line], " \t");

	return !strncmp(at, word, strlen(word)) &&
	       strspn(at + strlen(word), " \t\n") + (at[strlen(word)] == 0) > 0;
}

/* The line of the `end` that closes the `for` before `from`, or `to` if there is none. */
static u32 loop_end(const struct scenario *s, u32 from, u32 to)
{
	for (u32 depth = 1; from < to; from++) {
		if (line_is(s, from, "for"))
			depth++;
		else if (line_is(s, from, "end") && !--depth)
			return from;
	}
	return to;
}

static int block_run(struct world *w, u32 from, u32 to);

/* for NAME FROM TO ... end: the lines between, with %NAME replaced. */
static int loop_run(struct world *w, struct words *words, u32 body, u32 end)
{
	const char *name = words_next(words);
	u32 first, last;
	int rc = 0;

	if (!name || number_parse(words_next(words), 65535, &first) ||
	    number_parse(words_next(words), 65535, &last) || w->loop_count == LOOPS_MAX)
		return world_fail(w, "for NAME FROM TO");
	struct name_value *v = &w->loops[w->loop_count++];
	snprintf(v->name, sizeof(v->name), "%s", name);
	for (u32 i = first; i <= last && !rc; i++) {
		snprintf(v->value, sizeof(v->value), "%u", i);
		rc = block_run(w, body, end);
	}
	w->loop_count--;
	return rc;
}

static int block_run(struct world *w, u32 from, u32 to)
{
	struct words words;

	for (u32 i = from; i < to; i++) {
		w->line = i;
		if (words_split(w, w->scenario->lines[i], &words))
			return -1;
		if (!words_take(&words, "for")) {
			if (line_run(w, &words))
				return -1;
			continue;
		}
		u32 end = loop_end(w->scenario, i + 1, to);
		if (end == to)
			return world_fail(w, "for without end");
		if (loop_run(w, &words, i + 1, end))
			return -1;
		i = end;
	}
	return 0;
}

int scenario_run(struct world *w, const struct scenario *scenario)
{
	w->scenario = scenario;
	memset(&w->sizes, 0, sizeof(w->sizes));
	w->sizes.flows = w->sizes.mappings = 1024;
	w->seed = 1;
	w->begun = false;
	w->clock = 1000;
	w->now = 0;
	w->sweeping = true;
	w->interface_count = w->variable_count = w->loop_count = w->unique_count = 0;
	w->error[0] = 0;
	int rc = block_run(w, 0, scenario->count);
	if (!rc && w->begun) { /* at the end nothing half-done may be left that a few passes do not mend */
		world_sweep(w, SWEEPS_PER_STEP);
		rc = world_same(w);
	}
	for (u32 i = 0; i < w->way_count; i++) {
		sweep_memory_free(w->sweeps[i]);
		w->sweeps[i] = NULL;
	}
	return rc;
}
