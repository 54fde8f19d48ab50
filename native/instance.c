/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/host.h"
#include "native/instance.h"
#include "native/vacant.h"

enum { SOCKETS_MAX = 256, LINE = 64 };

void native_sizes_default(struct native_sizes *sizes)
{
	u32 *all[] = { &sizes->flows,	  &sizes->mappings,  &sizes->hosts,
		       &sizes->fragments, &sizes->addresses, &sizes->cpus };
	static const u32 defaults[] = { 4096, 4096, 256, 256, 16, 1 };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!*all[i])
			*all[i] = defaults[i];
}

/* Places of the address table: a quarter full at most. */
static u32 address_places(const struct native_sizes *sizes)
{
	u32 places = ADDRESS_PROBES;

	while (places < 4 * sizes->addresses)
		places *= 2;
	return places;
}

struct native_extent native_extent(const struct native_sizes *sizes, enum native_array array)
{
	struct native_sizes s = *sizes;

	native_sizes_default(&s);
	const struct native_extent all[NATIVE_ARRAYS] = {
		[NATIVE_CONFIG] = { 1, sizeof(struct config) },
		[NATIVE_FLOWS] = { s.flows, sizeof(struct flow) },
		[NATIVE_MAPPINGS] = { s.mappings, sizeof(struct mapping) },
		[NATIVE_HOSTS] = { s.hosts, sizeof(struct host) },
		[NATIVE_FRAGMENTS] = { s.fragments, sizeof(struct fragment) },
		[NATIVE_PORTS] = { (size_t)s.addresses * PORT_AREAS * PORT_AREA, sizeof(u64) },
		[NATIVE_ADDRESSES] = { address_places(&s), sizeof(u64) },
		[NATIVE_POOLS] = { MAX_OUTSIDE * POOL_BUCKETS, sizeof(u64) },
		[NATIVE_NEXT_HOPS] = { NEXT_HOPS, sizeof(struct next_hop) },
		[NATIVE_HELD] = { HELD_SYNS, sizeof(struct held) },
		[NATIVE_COUNTERS] = { s.cpus, sizeof(struct counters) },
		[NATIVE_DROPS] = { s.cpus, sizeof(struct drops) },
	};
	struct native_extent e = all[array];

	e.bytes *= e.elements;
	return e;
}

void *native_array(const struct nat_instance *nat, enum native_array array)
{
	switch (array) {
	case NATIVE_CONFIG:
		return nat->config;
	case NATIVE_PORTS:
		return nat->ports;
	case NATIVE_ADDRESSES:
		return nat->addresses;
	case NATIVE_POOLS:
		return nat->pools;
	case NATIVE_NEXT_HOPS:
		return nat->next_hops;
	case NATIVE_HELD:
		return nat->held;
	case NATIVE_COUNTERS:
		return nat->counters;
	case NATIVE_DROPS:
		return nat->drops;
	default:
		return nat->tables[array - NATIVE_FLOWS];
	}
}

void native_array_set(struct nat_instance *nat, enum native_array array, void *memory)
{
	switch (array) {
	case NATIVE_CONFIG:
		nat->config = memory;
		break;
	case NATIVE_PORTS:
		nat->ports = memory;
		break;
	case NATIVE_ADDRESSES:
		nat->addresses = memory;
		break;
	case NATIVE_POOLS:
		nat->pools = memory;
		break;
	case NATIVE_NEXT_HOPS:
		nat->next_hops = memory;
		break;
	case NATIVE_HELD:
		nat->held = memory;
		break;
	case NATIVE_COUNTERS:
		nat->counters = memory;
		break;
	case NATIVE_DROPS:
		nat->drops = memory;
		break;
	default:
		nat->tables[array - NATIVE_FLOWS] = memory;
		break;
	}
}

/* splitmix64 */
static u64 seed_next(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/*
 * The defaults of the configuration file, but that nobody is told of refusals, for which frames would need room, and that no
 * SYN is held, which only a daemon lets go.
 */
static void config_begin(struct config *c, const struct native_sizes *s, u64 seed)
{
	static const struct timers timers = {
		.udp_timeout = 300,
		.tcp_idle_timeout = 7440,
		.tcp_trans_open_timeout = 240,
		.tcp_trans_close_timeout = 240,
		.tcp_in_syn_timeout = 6,
		.icmp_timeout = 60,
		.fragment_min_timeout = 2,
		.hold_down_timeout = 120,
		.host_retention_timeout = 86400,
	};

	c->layout = LAYOUT_VERSION;
	for (int i = 0; i < 4; i++)
		c->seed[i] = seed_next(&seed);
	c->test_random = seed_next(&seed) | 1;
	c->flow_mask = s->flows - 1;
	c->mapping_mask = s->mappings - 1;
	c->host_mask = s->hosts - 1;
	c->fragment_mask = s->fragments - 1;
	c->address_mask = address_places(s) - 1;
	c->addresses = s->addresses;
	c->port_min = 1024;
	c->port_max = 65535;
	c->port_preserve = 1;
	c->port_parity = 1;
	c->hairpin = 1;
	c->pptp = 1;
	c->timers = timers;
}

static int sizes_fit(const struct native_sizes *s)
{
	const u32 slots[] = { s->flows, s->mappings, s->hosts, s->fragments };

	for (int i = 0; i < 4; i++)
		if (slots[i] < WINDOW / 2 || slots[i] & (slots[i] - 1))
			return 0;
	return s->addresses <= MAX_POOL_ADDRESSES && s->cpus <= MAX_CPUS;
}

static void *zeroed(size_t bytes)
{
	void *memory = NULL;

	if (posix_memalign(&memory, LINE, bytes))
		return NULL;
	return memset(memory, 0, bytes);
}

int native_attach(struct nat_instance *nat, const struct native_sizes *sizes, u64 seed)
{
	struct native_sizes s = *sizes;

	native_sizes_default(&s);
	if (!sizes_fit(&s))
		return -EINVAL;
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		memset(native_array(nat, i), 0, native_extent(&s, i).bytes);
	config_begin(nat->config, &s, seed);
	nat->now = 0;
	nat->socket_count = 0;
	nat->kernel = NULL;
	nat->shadow = NULL;
	nat->work = zeroed(sizeof(struct work));
	nat->sockets = calloc(SOCKETS_MAX, sizeof(*nat->sockets));
	if (nat->work && nat->sockets)
		return 0;
	native_detach(nat);
	return -ENOMEM;
}

void native_detach(struct nat_instance *nat)
{
	free(nat->work);
	free(nat->sockets);
	nat->work = NULL;
	nat->sockets = NULL;
}

int native_create(struct nat_instance *nat, const struct native_sizes *sizes, u64 seed)
{
	int rc = -ENOMEM;

	memset(nat, 0, sizeof(*nat));
	for (int i = 0; i < NATIVE_ARRAYS; i++) {
		void *memory = zeroed(native_extent(sizes, i).bytes);
		if (!memory)
			goto out;
		native_array_set(nat, i, memory);
	}
	rc = native_attach(nat, sizes, seed);
out:
	if (rc)
		native_destroy(nat);
	return rc;
}

void native_destroy(struct nat_instance *nat)
{
	native_detach(nat);
	for (int i = 0; i < NATIVE_ARRAYS; i++) {
		free(native_array(nat, i));
		native_array_set(nat, i, NULL);
	}
}

int native_thread(const struct nat_instance *nat, struct nat_instance *thread, u32 cpu)
{
	*thread = *nat;
	thread->counters = nat->counters + cpu;
	thread->drops = nat->drops + cpu;
	thread->work = zeroed(sizeof(struct work));
	return thread->work ? 0 : -ENOMEM;
}

void native_thread_end(struct nat_instance *thread)
{
	free(thread->work);
	thread->work = NULL;
}

/* The place in config.buckets where an interface is or may go. */
static int bucket_place(struct config *c, const struct interface *interface)
{
	u32 h = interface->ifindex * 0x9e3779b1u >> 24;

	for (u32 i = 0; i < INTERFACE_PROBES; i++) {
		struct interface *at = &c->buckets[(h + i) & (INTERFACE_BUCKETS - 1)];
		if (at->ifindex && at->ifindex != interface->ifindex)
			continue;
		*at = *interface;
		return 0;
	}
	return -ENOSPC;
}

int native_interface_add(struct nat_instance *nat, u32 ifindex, enum role role)
{
	u32 first = role == ROLE_OUTSIDE ? 0 : MAX_OUTSIDE,
	    end = role == ROLE_OUTSIDE ? MAX_OUTSIDE : MAX_INTERFACES;

	for (u32 i = first; i < end; i++) {
		struct interface *at = &nat->config->interfaces[i];
		if (at->ifindex)
			continue;
		at->ifindex = ifindex;
		at->role = (u8)role;
		at->number = (u8)i;
		return bucket_place(nat->config, at) ? -ENOSPC : (int)i;
	}
	return -ENOSPC;
}

int native_network_add(struct nat_instance *nat, __be32 addr, __be32 mask)
{
	struct config *c = nat->config;

	if (c->network_count == MAX_NETWORKS)
		return -ENOSPC;
	c->networks[c->network_count].addr = addr & mask;
	c->networks[c->network_count].mask = mask;
	c->network_count++;
	return 0;
}

int native_pass_through_add(struct nat_instance *nat, __be32 addr, __be32 mask)
{
	struct config *c = nat->config;

	if (c->pass_through_count == MAX_PASS_THROUGH)
		return -ENOSPC;
	c->pass_through[c->pass_through_count].addr = addr & mask;
	c->pass_through[c->pass_through_count].mask = mask;
	c->pass_through_count++;
	return 0;
}

void native_interface_listed(struct nat_instance *nat, u32 number)
{
	nat->config->interfaces[number].listed = 1;
	(void)bucket_place(nat->config, &nat->config->interfaces[number]);
}

void native_interface_fast(struct nat_instance *nat, u32 number, u32 fast)
{
	nat->config->interfaces[number].fast = (u8)fast;
	(void)bucket_place(nat->config, &nat->config->interfaces[number]);
}

union packed_address {
	u64 word;
	struct outside_address address;
};

/* Rendezvous: the one of these addresses whose hash with the bucket is highest; 0: there are none. */
static u64 pool_winner(const u64 *words, u32 count, u32 bucket)
{
	u64 best = 0, winner = 0;

	for (u32 i = 0; i < count; i++) {
		union packed_address at = { .word = words[i] };
		u64 state = (u64)at.address.addr << 32 | bucket, hash = seed_next(&state) | 1;
		if (hash > best) {
			best = hash;
			winner = at.word;
		}
	}
	return winner;
}

/* The address with this number of those that hosts had or have; 0: it serves no more, or there is none. */
static u64 pool_numbered(const struct nat_instance *nat, u32 interface, u32 number)
{
	for (u32 index = 0; index < nat->config->addresses; index++)
		for (u32 i = 0; i <= nat->config->address_mask; i++) {
			union packed_address at = { .word = nat->addresses[i] };
			int left = !at.address.flags, pool = at.address.flags & ADDRESS_POOL;
			if (!at.word || at.address.index != index || at.address.interface != interface ||
			    !(left || pool) || number--)
				continue;
			return pool ? at.word : 0;
		}
	return 0;
}

static void pool_fill(struct nat_instance *nat, u32 interface)
{
	u32 numbered = nat->config->shares[interface].hosts ? nat->config->shares[interface].addresses : 0;
	u64 serve[MAX_POOL_ADDRESSES];
	u32 count = 0;

	for (u32 i = 0; i <= nat->config->address_mask && count < MAX_POOL_ADDRESSES; i++) {
		union packed_address at = { .word = nat->addresses[i] };
		if (at.address.flags & ADDRESS_LIVE && at.address.flags & ADDRESS_POOL &&
		    at.address.interface == interface)
			serve[count++] = at.word;
	}
	vacant_fill(nat, interface);
	for (u32 i = 0; i < numbered; i++)
		STORE(&nat->pools[interface * POOL_BUCKETS + i], pool_numbered(nat, interface, i));
	if (numbered)
		return;
	for (u32 i = 0; i < POOL_BUCKETS; i++)
		STORE(&nat->pools[interface * POOL_BUCKETS + i], pool_winner(serve, count, i));
}

/* As daemon/pool.h says: flows of an address that leaves do not exist; when it is back, all are renewed. */
static void address_moves(struct nat_instance *nat, struct outside_address a, int returns, u32 former)
{
	u64 *left = &nat->config->left[a.index / 64], bit = 1ull << (a.index & 63);

	if (returns && a.flags)
		native_reset(nat, former, TABLE_FLOWS);
	STORE(left, a.flags ? LOAD(left) & ~bit : LOAD(left) | bit);
}

int native_address_set(struct nat_instance *nat, u32 interface, __be32 addr, u32 flags)
{
	struct config *c = nat->config;
	u32 known = 0, h = (u32)hash_words(c, addr, 0);
	union packed_address new = { .word = 0 };

	for (u32 i = 0; i <= c->address_mask; i++)
		known += nat->addresses[i] != 0;
	for (u32 i = 0; i < ADDRESS_PROBES; i++) {
		u64 *at = &nat->addresses[(h + i) & c->address_mask];
		union packed_address old = { .word = *at };
		if (old.word && old.address.addr != addr)
			continue;
		if (!old.word && known == c->addresses)
			return -ENOSPC;
		new.address.addr = addr;
		new.address.index = old.word ? old.address.index : (u16)known;
		new.address.interface = (u8)interface;
		new.address.flags = (u8)flags;
		address_moves(nat, new.address, old.word && !old.address.flags, old.address.interface);
		STORE(at, new.word);
		pool_fill(nat, interface);
		return new.address.index;
	}
	return -ENOSPC;
}

void native_interface_alone(struct nat_instance *nat, u32 interface)
{
	nat->config->alone |= (u16)(1u << interface);
	pool_fill(nat, interface);
}

void native_interface_shares(struct nat_instance *nat, u32 interface, const struct shares *shares)
{
	nat->config->shares[interface] = *shares;
	pool_fill(nat, interface);
}

int native_socket_add(struct nat_instance *nat, enum class class, __be32 local, __be16 port, __be32 remote,
		      __be16 remote_port)
{
	if (nat->socket_count == SOCKETS_MAX)
		return -ENOSPC;
	nat->sockets[nat->socket_count++] = (struct native_socket){
		.class = class, .local = local, .port = port, .remote = remote, .remote_port = remote_port
	};
	return 0;
}

void native_sockets_clear(struct nat_instance *nat) { nat->socket_count = 0; }

void native_reset(struct nat_instance *nat, u32 interface, enum table what)
{
	u64 *word = &nat->config->generation[interface & (MAX_OUTSIDE - 1)], was = LOAD(word);
	u32 shift = generation_shift(what);
	u64 field = (u64)GENERATION_MASK << shift;

	STORE(word, (was & ~field) | ((was + (1ull << shift)) & field));
	if (what == TABLE_HOSTS)
		vacant_fill(nat, interface);
}
