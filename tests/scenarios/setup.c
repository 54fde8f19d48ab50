/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "core/clients.h"
#include "core/shares.h"
#include "tests/scenarios/world.h"

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
	if (n == 3 || (class_parse(protocol, &class) && (!protocol || strcmp(protocol, "all"))) ||
	    (class >= FILTERINGS && class != CLASSES))
		return world_fail(w, "config filtering udp|tcp|icmp|all eif|adf|edf");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		for (u32 i = 0; i < FILTERINGS; i++)
			if (class == CLASSES || class == i)
				nat->config->filtering[i] = (u8)n;
	return 0;
}

static int config_ports(struct world *w, struct words *words)
{
	const char *text = words_next(words);
	unsigned int from, to;

	if (!text || sscanf(text, "%u-%u", &from, &to) != 2 || from < 1 || from > to || to > 65535)
		return world_fail(w, "config ports FROM-TO");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		nat->config->port_min = (u16)from;
		nat->config->port_max = (u16)to;
	}
	return 0;
}

/* name: which switch. */
static int config_switch(struct world *w, struct words *words, const char *name)
{
	const char *text = words_next(words);
	int on = text && !strcmp(text, "on");

	if (!on && (!text || strcmp(text, "off")))
		return world_fail(w, "config %s on|off", name);
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		struct config *c = nat->config;
		*(!strcmp(name, "parity")     ? &c->port_parity
		  : !strcmp(name, "preserve") ? &c->port_preserve
		  : !strcmp(name, "tell")     ? &c->tell
		  : !strcmp(name, "hold")     ? &c->hold
		  : !strcmp(name, "pptp")     ? &c->pptp
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
		TIMER(host_retention_timeout),
#undef TIMER
	};
	const char *name = words_next(words);
	u32 value;

	for (size_t i = 0; name && i < sizeof(timers) / sizeof(timers[0]); i++) {
		if (strcmp(name, timers[i].name))
			continue;
		if (time_parse(words_next(words), &value))
			return world_fail(w, "config timer %s TIME", name);
		for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
			memcpy((char *)&nat->config->timers + timers[i].offset, &value, sizeof(value));
		return 0;
	}
	return world_fail(w, "no such timer: %s", name ? name : "(end)");
}

/* A/N, its mask as on the wire. */
static int network_parse(struct world *w, const char *word, __be32 *addr, __be32 *mask)
{
	char text[VALUE_MAX_BYTES];
	u32 bits;

	snprintf(text, sizeof(text), "%.63s", word);
	char *slash = strchr(text, '/');
	if (slash)
		*slash = 0;
	if (!slash || address_parse(text, addr) || number_parse(slash + 1, 32, &bits))
		return world_fail(w, "not a network: %s", text);
	*mask = bits ? host_to_be32(~0u << (32 - bits)) : 0;
	return 0;
}

/* config limit rate N; config limit mappings|sessions N [udp|tcp|icmp] */
static int config_limit(struct world *w, struct words *words)
{
	const char *what = words_next(words);
	enum class class = CLASSES;
	u32 n;

	if (!what || number_parse(words_next(words), 65535, &n) ||
	    (words_peek(words) && class_parse(words_next(words), &class)) ||
	    (class >= ACCOUNTS && class != CLASSES))
		return world_fail(w, "config limit rate|mappings|sessions N [udp|tcp|icmp]");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		struct limits *limits = &nat->config->limits;
		struct limit *l = class == CLASSES ? &limits->all : &limits->by[class];
		*(!strcmp(what, "rate")	      ? &limits->new_mappings
		  : !strcmp(what, "mappings") ? &l->mappings
					      : &l->sessions) = n;
		limits->on = 1;
		nat->config->swept = nat->config->test_now;
	}
	return 0;
}

/* The router's own address on the first inside interface. */
static int config_router(struct world *w, struct words *words)
{
	__be32 addr;

	if (address_parse(words_next(words), &addr))
		return world_fail(w, "config router A");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		nat->config->router[MAX_OUTSIDE] = addr;
	return 0;
}

/* What TCP may announce, by any outside interface. */
static int config_mss(struct world *w, struct words *words)
{
	u32 most;

	if (number_parse(words_next(words), 65535, &most))
		return world_fail(w, "config mss N");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		for (u32 i = 0; i < MAX_OUTSIDE; i++)
			nat->config->mss[i] = (u16)most;
	return 0;
}

static int config_pass_through(struct world *w, struct words *words)
{
	__be32 addr, mask;

	while (words_peek(words)) {
		if (network_parse(w, words_next(words), &addr, &mask))
			return -1;
		for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
			if (native_pass_through_add(nat, addr, mask))
				return world_fail(w, "too many networks");
	}
	return 0;
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

int config_run(struct world *w, struct words *words)
{
	static const char *const early[] = { "flows",	  "mappings", "hosts", "fragments",
					     "addresses", "clock",    "seed" };
	static const char *const switches[] = { "parity", "preserve", "hairpin", "tell", "hold", "pptp" };
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
	if (words_take(words, "accelerate")) {
		w->fast = true;
		return 0;
	}
	if (words_take(words, "defrag")) {
		for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
			nat->config->defrag = nat->config->pass[0] =
				1; /* in virtual time nothing is sent there */
		return 0;
	}
	if (words_take(words, "timer"))
		return config_timer(w, words);
	if (words_take(words, "router"))
		return config_router(w, words);
	if (words_take(words, "mss"))
		return config_mss(w, words);
	if (words_take(words, "limit"))
		return config_limit(w, words);
	if (words_take(words, "pass-through"))
		return config_pass_through(w, words);
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (words_take(words, switches[i]))
			return config_switch(w, words, switches[i]);
	return world_fail(w, "config what? %s", name ? name : "(end)");
}

/*
 * Interfaces, addresses, sockets
 */

struct world_interface *interface_named(struct world *w, const char *name)
{
	for (u32 i = 0; name && i < w->interface_count; i++)
		if (!strcmp(w->interfaces[i].name, name))
			return &w->interfaces[i];
	world_fail(w, "no interface %s", name ? name : "(end)");
	return NULL;
}

struct world_interface *interface_first(struct world *w, enum role role)
{
	for (u32 i = 0; i < w->interface_count; i++)
		if (w->interfaces[i].role == role)
			return &w->interfaces[i];
	world_fail(w, "no interface of that role yet");
	return NULL;
}

static int address_set(struct world *w, u32 interface, __be32 addr, u32 flags)
{
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		if (native_address_set(nat, interface, addr, flags) < 0)
			return world_fail(w, "no room for another outside address");
	return 0;
}

/* A, or A-B: flags are added to each. */
static int range_set(struct world *w, u32 interface, const char *text, u32 flags)
{
	struct nat_instance *nat = nat_first(w);
	char first[VALUE_MAX_BYTES];
	__be32 from, to;

	snprintf(first, sizeof(first), "%.63s", text);
	char *dash = strchr(first, '-');
	if (dash)
		*dash = 0;
	if (!nat->config || address_parse(first, &from) || address_parse(dash ? dash + 1 : first, &to) ||
	    be32_to_host(to) - be32_to_host(from) > 255)
		return world_fail(w, "not an address or range: %s", text);
	for (u32 a = be32_to_host(from); a <= be32_to_host(to); a++) {
		struct outside_address known = address_find(nat, nat->config, host_to_be32(a));
		if (address_set(w, interface, host_to_be32(a), known.flags | flags))
			return -1;
	}
	return 0;
}

/* The addresses of an interface's pool. */
static u32 pool_size(const struct nat_instance *nat, u32 interface)
{
	u32 size = 0;

	for (u32 i = 0; i <= nat->config->address_mask; i++) {
		union {
			u64 word;
			struct outside_address address;
		} at = { .word = nat->addresses[i] };
		size += at.address.flags & ADDRESS_POOL && at.address.interface == interface;
	}
	return size;
}

/* blocks INTERFACE SIZE MAX: of ports of the range that was configured */
int blocks_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_named(w, words_next(words));
	u32 size, max;

	if (!at || number_parse(words_next(words), 32768, &size) ||
	    number_parse(words_next(words), MAX_BLOCKS, &max) || size < BLOCK_MIN)
		return world_fail(w, "blocks INTERFACE SIZE MAX");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		struct shares shares = nat->config->shares[at->number];
		shares_lend(&shares, size, max, nat->config->port_min, nat->config->port_max);
		native_interface_shares(nat, at->number, &shares);
	}
	return 0;
}

/* deterministic INTERFACE sequential|staggered|round_robin|interlaced A/N RATIO DYNAMIC: all addresses of the network */
int deterministic_run(struct world *w, struct words *words)
{
	static const char *const names[] = { "sequential", "staggered", "round_robin", "interlaced" };
	struct world_interface *at = interface_named(w, words_next(words));
	const char *name = words_next(words), *network = words_next(words);
	u32 algorithm = 0, ratio, dynamic;
	__be32 addr, mask;

	while (name && algorithm < 4 && strcmp(name, names[algorithm]))
		algorithm++;
	if (!at || !network || algorithm == 4 || network_parse(w, network, &addr, &mask) ||
	    number_parse(words_next(words), 65535, &ratio) ||
	    number_parse(words_next(words), 65535, &dynamic))
		return world_fail(w, "deterministic INTERFACE ALGORITHM A/N RATIO DYNAMIC");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		const struct config *c = nat->config;
		struct shares shares = { .inside = 0 };
		if (shares_own(&shares, (enum algorithm)algorithm, be32_to_host(addr),
			       ~be32_to_host(mask) + 1, pool_size(nat, at->number), ratio, dynamic,
			       c->port_min, c->port_max))
			return world_fail(w, "the ports cannot be shared out so");
		native_interface_shares(nat, at->number, &shares);
	}
	return 0;
}

/* outside [alone] OWN... [pool RANGE...] */
static int outside_addresses(struct world *w, struct words *words, u32 interface)
{
	bool pool = false;
	u32 own = ADDRESS_LIVE | ADDRESS_LOCAL;

	if (words_take(words, "alone"))
		for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
			native_interface_alone(nat, interface);
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
		for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
			native_interface_listed(nat, interface);
	while (words_peek(words)) {
		__be32 addr, mask;
		if (network_parse(w, words_next(words), &addr, &mask))
			return -1;
		for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
			if (native_network_add(nat, addr, mask))
				return world_fail(w, "too many networks");
	}
	return 0;
}

int interface_run(struct world *w, struct words *words)
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
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		int number = native_interface_add(nat, at->ifindex, role);
		if (number < 0)
			return world_fail(w, "too many interfaces");
		at->number = (u32)number;
		memset(nat->config->stations[number], STATION, 6);
		if (w->fast)
			native_interface_fast(nat, at->number,
					      (u8)(FAST_TC | (w->xdp ? FAST_XDP | FAST_TARGET : 0) |
						   (w->all ? FAST_ALL : 0)));
	}
	return role == ROLE_OUTSIDE ? outside_addresses(w, words, at->number)
				    : inside_networks(w, words, at->number);
}

/* address add|pool|local|remove INTERFACE A */
int address_run(struct world *w, struct words *words)
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
	/* Of an inside interface: the address for clients of full NAT. */
	return address_set(w, at->role == ROLE_INSIDE ? clients_number(at->number) : at->number, addr, flags);
}

/* socket udp|tcp A:P [> B:Q] */
int socket_run(struct world *w, struct words *words)
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
