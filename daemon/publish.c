// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/env.h"
#include "daemon/clients.h"
#include "daemon/config.h"
#include "daemon/deterministic.h"
#include "daemon/fixed.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/pool.h"

enum { NO_DEVICE = 0xffffffff };

/* The record of a device is one aligned word, which programs read while it changes. */
union record {
	u64 word;
	struct interface interface;
};

static u64 *record_at(struct interface *interface) { return (u64 *)(void *)interface; }

static union record record_read(struct interface *interface)
{
	union record r = { .word = LOAD(record_at(interface)) };

	return r;
}

/*
 * Numbers
 */

static bool number_is_free(const struct keepnat *k, unsigned int number)
{
	return !keepnat_interface_numbered(k, number);
}

/* Does an interface of this role have numbers like this one? */
static bool number_fits(u8 role, unsigned int number)
{
	return role == ROLE_OUTSIDE ? number < MAX_OUTSIDE : number >= MAX_OUTSIDE && number < MAX_INTERFACES;
}

/* A free number, rather one that nobody ever had: what others left behind in the state of a number must not be found. */
static u8 number_new(struct keepnat *k, u8 role)
{
	u8 found = NO_INTERFACE;

	for (unsigned int number = 0; number < MAX_INTERFACES; number++) {
		if (!number_fits(role, number) || !number_is_free(k, number))
			continue;
		if (!k->nat.config->interfaces[number].role)
			return (u8)number;
		if (found == NO_INTERFACE)
			found = (u8)number;
	}
	if (found < MAX_OUTSIDE)
		pool_generation_bump(&k->nat, found,
				     1u << TABLE_FLOWS | 1u << TABLE_MAPPINGS | 1u << TABLE_HOSTS);
	return found;
}

static void numbers_path(const struct keepnat *k, char path[128])
{
	snprintf(path, 128, "%s/interfaces", k->run_dir);
}

/* "NUMBER NAME" a line, as numbers_write() wrote it. */
static void numbers_read(struct keepnat *k)
{
	char path[128], line[64], name[IF_NAMESIZE];
	unsigned int number;
	FILE *file;

	numbers_path(k, path);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%u %15s", &number, name) != 2)
			continue;
		for (unsigned int i = 0; i < k->interface_count; i++) {
			struct keepnat_interface *interface = &k->interfaces[i];

			if (!strcmp(interface->name, name) && number_fits(interface->role, number) &&
			    number_is_free(k, number))
				interface->number = (u8)number;
		}
	}
	if (file)
		fclose(file);
}

static int numbers_write(const struct keepnat *k)
{
	char path[128], aside[136];
	FILE *file;
	int error;

	numbers_path(k, path);
	snprintf(aside, sizeof(aside), "%s.new", path);
	file = fopen(aside, "we");
	if (!file)
		return -errno;
	for (unsigned int i = 0; i < k->interface_count; i++)
		fprintf(file, "%u %s\n", k->interfaces[i].number, k->interfaces[i].name);
	error = ferror(file) ? -EIO : 0;
	if (fclose(file))
		error = -errno;
	return error ? error : rename(aside, path) ? -errno : 0;
}

static int numbers_assign(struct keepnat *k)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		k->interfaces[i].number = NO_INTERFACE;
	if (loader_adopted(k->loader))
		numbers_read(k);
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].number == NO_INTERFACE)
			k->interfaces[i].number = number_new(k, k->interfaces[i].role);
	return numbers_write(k);
}

/*
 * Settings
 */

static void timers_publish(struct timers *to, const struct settings_timers *from)
{
	to->udp_timeout = from->udp_timeout;
	to->tcp_idle_timeout = from->tcp_idle_timeout;
	to->tcp_trans_open_timeout = from->tcp_trans_open_timeout;
	to->tcp_trans_close_timeout = from->tcp_trans_close_timeout;
	to->tcp_in_syn_timeout = from->tcp_in_syn_timeout;
	to->icmp_timeout = from->icmp_timeout;
	to->fragment_min_timeout = from->fragment_min_timeout;
	to->hold_down_timeout = from->hold_down_timeout;
	to->host_retention_timeout = from->host_retention_timeout;
}

static struct prefix prefix_of(const struct settings_network *network)
{
	const struct address_prefix *prefix = &network->prefix;
	u32 mask = prefix->length ? ~0u << (32 - prefix->length) : 0;

	return (struct prefix){ .addr = prefix->address.s_addr, .mask = htonl(mask) };
}

static void networks_publish(struct config *c, const struct settings *settings)
{
	u32 count = 0;

	for (unsigned int i = 0; i < settings->interface_count; i++)
		for (unsigned int j = 0; j < settings->interfaces[i].network_count && count < MAX_NETWORKS;
		     j++)
			c->networks[count++] = prefix_of(&settings->interfaces[i].networks[j]);
	c->network_count = count;
}

/* While the list changes there is none: no packet may be passed by half of an entry. */
static void pass_through_publish(struct config *c, const struct settings *settings)
{
	struct prefix list[MAX_PASS_THROUGH] = { 0 };

	for (unsigned int i = 0; i < settings->pass_through_count; i++)
		list[i] = prefix_of(&settings->pass_through[i]);
	if (c->pass_through_count == settings->pass_through_count &&
	    !memcmp(c->pass_through, list, sizeof(list)))
		return;
	__atomic_store_n(&c->pass_through_count, 0, __ATOMIC_SEQ_CST);
	memcpy(c->pass_through, list, sizeof(list));
	__atomic_store_n(&c->pass_through_count, settings->pass_through_count, __ATOMIC_SEQ_CST);
}

static void limits_publish(struct config *c, const struct limits *from, u32 now)
{
	struct limits limits = *from;

	limits.on = limits.new_mappings || limits.all.mappings || limits.all.sessions;
	for (unsigned int i = 0; i < ACCOUNTS; i++)
		limits.on |= limits.by[i].mappings || limits.by[i].sessions;
	STORE(&c->swept, now); /* the sweep will begin at once */
	c->limits = limits;
}

static void settings_publish(struct config *c, const struct settings *settings)
{
	const struct settings_nat *nat = &settings->nat;

	networks_publish(c, settings);
	pass_through_publish(c, settings);
	c->port_min = nat->ports.min;
	c->port_max = nat->ports.max;
	c->port_preserve = nat->ports_preserve;
	c->port_parity = nat->ports_parity;
	c->hairpin = nat->hairpin;
	c->tell = nat->tell;
	c->filtering[CLASS_UDP] = c->filtering[CLASS_ICMP] = nat->filtering_udp;
	c->filtering[CLASS_TCP] = nat->filtering_tcp;
	timers_publish(&c->timers, &nat->timers);
}

/* The router's own sockets are those of our network namespace. 0 or -errno. */
static int namespace_publish(struct config *c)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(c->netns);
	int error = fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &c->netns, &size) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* All that is there on these interfaces (a bit each) is older from now on. */
static void interfaces_renew(struct keepnat *k, u32 interfaces)
{
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		if (interfaces >> i & 1)
			pool_generation_bump(&k->nat, i,
					     1u << TABLE_FLOWS | 1u << TABLE_MAPPINGS | 1u << TABLE_HOSTS);
}

/*
 * Which interfaces are address-only. Where that changes, nothing of before may stay, for it went by other rules. Once more
 * afterwards, for what packets made meanwhile; and before, since a daemon may die between the two.
 */
static void modes_publish(struct keepnat *k)
{
	u16 *at = &k->nat.config->alone, changed = *at;

	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->settings->interfaces[i].address_only)
			changed ^= (u16)(1u << k->interfaces[i].number);
	if (!changed)
		return;
	interfaces_renew(k, changed);
	__atomic_store_n(at, (u16)(*at ^ changed), __ATOMIC_RELEASE);
	interfaces_renew(k, changed);
	if (loader_adopted(k->loader))
		log_notice("the mode of an interface changed: sessions, mappings and hosts begin anew there");
}

static void shares_log(const struct settings_interface *interface, const struct shares *s)
{
	const struct settings_deterministic *d = &interface->deterministic;
	char inside[ADDRESS_TEXT_SIZE], pool[256] = "";

	if (s->block_count)
		log_info("%s lends blocks of %u ports, %u to a host at most, from %u to %u", interface->name,
			 s->block_size, s->block_max, s->block_first * s->block_size,
			 (s->block_first + s->block_count) * s->block_size - 1);
	if (!s->hosts)
		return;
	for (unsigned int i = 0; i < interface->pool_count; i++) {
		char range[ADDRESS_TEXT_SIZE];
		size_t used = strlen(pool);

		snprintf(pool + used, sizeof(pool) - used, " %s",
			 address_range_format(range, &interface->pool[i].range));
	}
	log_notice("%s is deterministic: algorithm %u, inside %s, outside%s, ratio %u, dynamic %u, %u ports "
		   "each from "
		   "%u on, %u blocks at most",
		   interface->name, s->algorithm, address_prefix_format(inside, &d->inside.prefix), pool,
		   s->ratio, d->dynamic, s->each, s->first, s->block_count ? s->block_max : 0u);
}

/* The addresses of a pool by their numbers, where ports go by those. 0 or -ENOMEM. */
static int addresses_number(struct keepnat *k, u8 number, const struct settings_interface *settings,
			    const struct shares *shares)
{
	static __be32 addresses[MAX_POOL_ADDRESSES];

	for (u32 i = 0; i < shares->addresses && i < MAX_POOL_ADDRESSES; i++)
		addresses[i] = deterministic_address(settings, i).s_addr;
	return pool_number(k->pool, number, addresses, shares->addresses);
}

/*
 * Which ports hosts may have: as with modes. Buckets go by it, too. 0 or -ENOMEM. The daemon logs what ports are shared out
 * by, at each change, since only with that a record of an outside port leads to a host (RFC 7422 section 4).
 */
static int shares_publish(struct keepnat *k)
{
	int error = 0;

	for (unsigned int i = 0; i < k->interface_count && !error; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];
		u8 number = k->interfaces[i].number;
		struct shares wanted, *at;

		if (settings->role != ROLE_OUTSIDE)
			continue;
		at = &k->nat.config->shares[number];
		(void)deterministic_shares(k->settings, settings, &wanted);
		bool changed = memcmp(at, &wanted, sizeof(wanted));
		if (changed) /* before and after: what is made in between by the old shares ends as well */
			interfaces_renew(k, 1u << number);
		*at = wanted;
		if (changed || wanted.hosts)
			error = addresses_number(k, number, settings, &wanted);
		if (changed)
			interfaces_renew(k, 1u << number);
		if (changed || wanted.hosts)
			shares_log(settings, &wanted);
	}
	return error;
}

/* What never changes while the arrays live. */
static int arrays_found(struct keepnat *k)
{
	struct config *c = k->nat.config;

	if (getrandom(c->seed, sizeof(c->seed), 0) != sizeof(c->seed) ||
	    getrandom(c->pass, sizeof(c->pass), 0) != sizeof(c->pass))
		return -EIO;
	c->tick_mul = (1u << 24) / k->jiffies_hz;
	c->flow_mask = k->sizes.flow_slots - 1;
	c->mapping_mask = k->sizes.mapping_slots - 1;
	c->host_mask = k->sizes.host_slots - 1;
	c->fragment_mask = k->sizes.fragment_slots - 1;
	c->address_mask = k->sizes.address_places - 1;
	c->addresses = k->sizes.addresses;
	return 0;
}

/* Interfaces of a former configuration: their programs first, then what the programs know of them. */
static void former_forget(struct keepnat *k)
{
	loader_hooks_tidy(k);
	for (unsigned int number = 0; number < MAX_INTERFACES; number++) {
		struct keepnat_interface former = { .number = (u8)number };

		former.ifindex = k->nat.config->interfaces[number].ifindex;
		if (former.ifindex && number_is_free(k, number))
			publish_gone(k, &former);
	}
}

int publish_start(struct keepnat *k)
{
	bool adopted = loader_adopted(k->loader);
	int error = adopted ? 0 : arrays_found(k);

	if (!error)
		error = namespace_publish(k->nat.config);
	if (!error)
		error = numbers_assign(k);
	if (error) {
		log_error("cannot number the interfaces in %s: %s; choose another --run-dir", k->run_dir,
			  strerror(-error));
		return error;
	}
	settings_publish(k->nat.config, k->settings);
	limits_publish(k->nat.config, &k->settings->nat.limits, loader_tick(k->loader));
	modes_publish(k);
	former_forget(k);
	__atomic_store_n(&k->nat.config->layout, LAYOUT_VERSION,
			 __ATOMIC_RELEASE); /* last: now others may adopt it */
	k->pool = pool_open(&k->nat);
	k->fixed = fixed_open(k->settings);
	k->clients = clients_open(k);
	return k->pool && k->fixed && k->clients ? shares_publish(k) : -ENOMEM;
}

void publish_stop(struct keepnat *k, bool leave)
{
	char path[128];

	clients_close(k->clients);
	fixed_close(k->fixed);
	pool_close(k->pool);
	k->clients = NULL;
	k->fixed = NULL;
	k->pool = NULL;
	numbers_path(k, path);
	if (!leave)
		unlink(path);
}

/*
 * Devices
 */

/* The record of a device: where it is, or (make) where it can be. NULL: nowhere. */
static struct interface *bucket_find(struct config *c, u32 ifindex, bool make)
{
	u32 h = ifindex * 0x9e3779b1u >> 24;
	struct interface *room = NULL;

	for (u32 i = 0; i < INTERFACE_PROBES; i++) {
		struct interface *at = &c->buckets[(h + i) & (INTERFACE_BUCKETS - 1)];
		u32 there = record_read(at).interface.ifindex;

		if (there == ifindex)
			return at;
		if (!room && (!there || there == NO_DEVICE))
			room = at;
		if (!there)
			break;
	}
	return make ? room : NULL;
}

/* Its hardware address, as config.stations has it. */
static u64 station_word(const struct keepnat_interface *interface)
{
	u64 word = 0;

	memcpy(&word, interface->mac, sizeof(interface->mac));
	return word;
}

int publish_interface(struct keepnat *k, const struct keepnat_interface *interface)
{
	struct config *c = k->nat.config;
	struct interface *bucket = bucket_find(c, interface->ifindex, true);
	union record r = { .word = 0 };

	if (!bucket)
		return -ENOSPC;
	r.interface.ifindex = interface->ifindex;
	r.interface.role = interface->role;
	r.interface.number = interface->number;
	r.interface.listed = interface->listed;
	r.interface.fast = interface->fast;
	STORE((u64 *)(void *)c->stations[interface->number], station_word(interface));
	STORE(record_at(bucket), r.word);
	STORE(record_at(&c->interfaces[interface->number]), r.word);
	return 0;
}

/* The bucket becomes a device that cannot be, not an empty one, at which other searches would end. */
void publish_gone(struct keepnat *k, const struct keepnat_interface *interface)
{
	struct config *c = k->nat.config;
	struct interface *bucket = bucket_find(c, interface->ifindex, false);
	union record r;

	if (bucket) {
		r = record_read(bucket);
		r.interface.ifindex = NO_DEVICE;
		STORE(record_at(bucket), r.word);
	}
	r = record_read(&c->interfaces[interface->number]);
	r.interface.ifindex = 0;
	STORE(record_at(&c->interfaces[interface->number]), r.word);
}
