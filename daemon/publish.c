// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"
#include "daemon/clients.h"
#include "daemon/config.h"
#include "daemon/deterministic.h"
#include "daemon/fixed.h"
#include "daemon/keepnat.h"
#include "daemon/link.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/pool.h"
#include "daemon/record.h"
#include "daemon/sweeper.h"

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

/* Interfaces whose numbers are taken. */
struct numbered {
	const struct keepnat_interface *list;
	unsigned int count;
};

static struct numbered numbered_now(const struct keepnat *k)
{
	return (struct numbered){ k->interfaces, k->interface_count };
}

static bool number_is_free(struct numbered taken, unsigned int number)
{
	for (unsigned int i = 0; i < taken.count; i++)
		if (taken.list[i].number == number)
			return false;
	return true;
}

/* Does an interface of this role have numbers like this one? */
static bool number_fits(u8 role, unsigned int number)
{
	return role == ROLE_OUTSIDE ? number < MAX_OUTSIDE : number >= MAX_OUTSIDE && number < MAX_INTERFACES;
}

/*
 * A number that is free now and was free before, rather one that nobody ever had: what others left behind in the state of a
 * number must not be found. NO_INTERFACE: there is none.
 */
static u8 number_new(struct keepnat *k, u8 role, struct numbered before)
{
	u8 found = NO_INTERFACE;

	for (unsigned int number = 0; number < MAX_INTERFACES; number++) {
		if (!number_fits(role, number) || !number_is_free(numbered_now(k), number) ||
		    !number_is_free(before, number))
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

/* "NUMBER NAME" a line, as publish_numbers_keep() wrote it. */
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
			    number_is_free(numbered_now(k), number))
				interface->number = (u8)number;
		}
	}
	if (file)
		fclose(file);
}

int publish_numbers_keep(const struct keepnat *k)
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
	FAULT(numbers_written);
	return error ? error : rename(aside, path) ? -errno : 0;
}

static int numbers_assign(struct keepnat *k)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		k->interfaces[i].number = NO_INTERFACE;
	if (loader_adopted(k->loader))
		numbers_read(k);
	(void)publish_numbers(k, NULL, 0); /* the configuration names no more than there is room for */
	return publish_numbers_keep(k);
}

int publish_numbers(struct keepnat *k, const struct keepnat_interface *before, unsigned int count)
{
	for (unsigned int i = 0; i < k->interface_count; i++) {
		struct keepnat_interface *interface = &k->interfaces[i];

		if (interface->number == NO_INTERFACE)
			interface->number =
				number_new(k, interface->role, (struct numbered){ before, count });
		if (interface->number == NO_INTERFACE)
			return -ENOSPC;
	}
	return 0;
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
	to->hold_down_max = from->hold_down_max;
}

static struct prefix prefix_of(const struct settings_network *network)
{
	const struct address_prefix *prefix = &network->prefix;
	u32 mask = prefix->length ? ~0u << (32 - prefix->length) : 0;

	return (struct prefix){ .addr = prefix->address.s_addr, .mask = htonl(mask) };
}

/* A list of the configuration, and what shall be in it. Their order tells nothing. */
struct prefixes {
	struct prefix *at;
	u32 *count;
	u32 room;
};

struct prefix_set {
	struct prefix prefix[MAX_NETWORKS];
	u32 count;
};
_Static_assert(MAX_PASS_THROUGH <= MAX_NETWORKS, "a set has room for either");

static bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->addr == b->addr && a->mask == b->mask;
}

static bool prefix_in(const struct prefix *list, u32 count, const struct prefix *prefix)
{
	for (u32 i = 0; i < count; i++)
		if (prefix_equal(&list[i], prefix))
			return true;
	return false;
}

static void prefix_store(struct prefix *at, const struct prefix *prefix)
{
	union prefix_word to = { .prefix = *prefix };

	STORE((u64 *)(void *)at, to.word);
}

/* Those of *want that are not in the list, as far as there is room for them. */
static void prefixes_add(struct prefixes list, const struct prefix_set *want)
{
	for (u32 i = 0; i < want->count && *list.count < list.room; i++) {
		if (prefix_in(list.at, *list.count, &want->prefix[i]))
			continue;
		prefix_store(&list.at[*list.count], &want->prefix[i]);
		__atomic_store_n(list.count, *list.count + 1, __ATOMIC_SEQ_CST);
	}
}

/* The place of one that is not wanted, or that stands further ahead, too, is free. */
static bool prefix_is_free(struct prefixes list, const struct prefix_set *want, u32 i)
{
	return prefix_in(list.at, i, &list.at[i]) || !prefix_in(want->prefix, want->count, &list.at[i]);
}

/* The next of *want that is not in the list; if all are there, the first. */
static const struct prefix *prefix_missing(struct prefixes list, const struct prefix_set *want, u32 *next)
{
	while (*next < want->count && prefix_in(list.at, *list.count, &want->prefix[*next]))
		++*next;
	return &want->prefix[*next < want->count ? *next : 0];
}

/*
 * Just those of *want. Whoever reads meanwhile finds what is wanted and was there before: it stays where it is. So a free place
 * that nothing new takes holds the first of *want once more, until it is the last.
 */
static void prefixes_fit(struct prefixes list, const struct prefix_set *want)
{
	u32 next = 0;

	for (u32 i = 0; want->count && i < *list.count; i++)
		if (prefix_is_free(list, want, i))
			prefix_store(&list.at[i], prefix_missing(list, want, &next));
	prefixes_add(list, want);
	while (*list.count && (!want->count || prefix_is_free(list, want, *list.count - 1)))
		__atomic_store_n(list.count, *list.count - 1, __ATOMIC_SEQ_CST);
}

static struct prefixes networks_of(struct config *c)
{
	return (struct prefixes){ c->networks, &c->network_count, MAX_NETWORKS };
}

static void networks_collect(struct prefix_set *set, const struct settings *settings)
{
	set->count = 0;
	for (unsigned int i = 0; i < settings->interface_count; i++)
		for (unsigned int j = 0;
		     j < settings->interfaces[i].network_count && set->count < MAX_NETWORKS; j++)
			set->prefix[set->count++] = prefix_of(&settings->interfaces[i].networks[j]);
}

/* Before an interface serves only those, and after the last that did so does so no more. */
static void networks_publish(struct config *c, const struct settings *settings, bool all)
{
	struct prefix_set want;

	networks_collect(&want, settings);
	if (all)
		prefixes_fit(networks_of(c), &want);
	else
		prefixes_add(networks_of(c), &want);
}

static void pass_through_publish(struct config *c, const struct settings *settings)
{
	struct prefixes list = { c->pass_through, &c->pass_through_count, MAX_PASS_THROUGH };
	struct prefix_set want = { .count = settings->pass_through_count };

	for (unsigned int i = 0; i < settings->pass_through_count; i++)
		want.prefix[i] = prefix_of(&settings->pass_through[i]);
	prefixes_fit(list, &want);
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

/* Both ends by one store. */
static void ports_publish(struct config *c, const struct settings_ports *ports)
{
	union {
		u32 word;
		u16 ends[2];
	} range = { .ends = { ports->min, ports->max } };

	__atomic_store_n((u32 *)(void *)&c->port_min, range.word, __ATOMIC_RELAXED);
}

static void settings_publish(struct config *c, const struct settings *settings)
{
	const struct settings_nat *nat = &settings->nat;

	networks_publish(c, settings, false);
	pass_through_publish(c, settings);
	ports_publish(c, &nat->ports);
	c->port_preserve = nat->ports_preserve;
	c->port_parity = nat->ports_parity;
	c->hairpin = nat->hairpin;
	c->tell = nat->tell;
	c->hold = nat->hold;
	c->pptp = nat->alg_pptp;
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

/* These begin to change, or have changed, with all that belongs to it: who comes after us if we die in between has to know. */
static void change_begins(struct keepnat *k, u32 interfaces)
{
	interfaces_renew(k, interfaces);
	__atomic_fetch_or(&k->nat.config->unfinished, (u16)interfaces, __ATOMIC_SEQ_CST);
}

static void change_ends(struct keepnat *k, u32 interfaces)
{
	interfaces_renew(k, interfaces);
	__atomic_fetch_and(&k->nat.config->unfinished, (u16)~interfaces, __ATOMIC_SEQ_CST);
}

/* Something was there before us, or before the present settings, and is no more. */
static void anew_log(const struct keepnat *k, const char *interface, const char *what)
{
	if (k->nat.config->layout)
		log_notice("%s: another %s: sessions, mappings and hosts begin anew there", interface, what);
}

/*
 * Which interfaces are address-only. Where that changes, nothing of before may stay, for it went by other rules. Once more
 * afterwards, for what packets made meanwhile.
 */
static void modes_publish(struct keepnat *k)
{
	u16 *at = &k->nat.config->alone, changed = *at;

	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->settings->interfaces[i].address_only)
			changed ^= (u16)(1u << k->interfaces[i].number);
	if (!changed)
		return;
	change_begins(k, changed);
	FAULT(modes_due);
	__atomic_store_n(at, (u16)(*at ^ changed), __ATOMIC_RELEASE);
	FAULT(modes_changed);
	change_ends(k, changed);
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].role == ROLE_OUTSIDE && changed >> k->interfaces[i].number & 1)
			anew_log(k, k->interfaces[i].name, "mode");
}

static void shares_tell(struct keepnat *k, const struct settings_interface *interface, const struct shares *s)
{
	if (s->block_count)
		log_info("%s lends blocks of %u ports, %u to a host at most, from %u to %u", interface->name,
			 s->block_size, s->block_max, s->block_first * s->block_size,
			 (s->block_first + s->block_count) * s->block_size - 1);
	if (s->hosts)
		record_tell(k, interface, s);
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

/* Do the ports of some hosts become others'? Not if it is only how many blocks one may have. */
static bool shares_differ(const struct shares *at, const struct shares *wanted)
{
	struct shares same = *wanted;

	same.block_max = at->block_max;
	return memcmp(at, &same, sizeof(same));
}

/*
 * Which ports hosts may have: as with modes. Buckets go by it, too. 0 or -ENOMEM. What ports are shared out by is
 * told at each change (record.h).
 */
static int shares_publish(struct keepnat *k)
{
	int error = 0;

	k->recorded = time(NULL);
	for (unsigned int i = 0; i < k->interface_count && !error; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];
		u8 number = k->interfaces[i].number;
		struct shares wanted, *at;

		if (settings->role != ROLE_OUTSIDE)
			continue;
		at = &k->nat.config->shares[number];
		(void)deterministic_shares(k->settings, settings, &wanted);
		bool changed = shares_differ(at, &wanted);
		if (changed) /* before and after: what is made in between by the old shares ends as well */
			change_begins(k, 1u << number);
		*at = wanted;
		if (changed)
			FAULT(shares_changed);
		if (changed || wanted.hosts)
			error = addresses_number(k, number, settings, &wanted);
		if (changed) {
			change_ends(k, 1u << number);
			anew_log(k, settings->name, "sharing of ports");
		}
		if (changed || wanted.hosts)
			shares_tell(k, settings, &wanted);
	}
	return error;
}

/*
 * What packets carry from one device's program to another's outlives the arrays: while those of one layout take the place of others,
 * device by device, packets go from a program of before to one of now.
 */
static void pass_path(const struct keepnat *k, char path[128]) { snprintf(path, 128, "%s/pass", k->run_dir); }

/* 0 or -EIO. */
static int pass_find(struct keepnat *k)
{
	struct config *c = k->nat.config;
	ssize_t n = -1;
	char path[128];
	int fd;

	pass_path(k, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, c->pass, sizeof(c->pass));
		close(fd);
	}
	if (n == sizeof(c->pass) && c->pass[0])
		return 0;
	return getrandom(c->pass, sizeof(c->pass), 0) == sizeof(c->pass) ? 0 : -EIO;
}

/* Without it a few packets are lost at such a change, no more. */
static void pass_keep(const struct keepnat *k)
{
	char path[128];
	int fd;

	pass_path(k, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	(void)!write(fd, k->nat.config->pass, sizeof(k->nat.config->pass));
	close(fd);
}

/* What never changes while the arrays live. */
static int arrays_found(struct keepnat *k)
{
	struct config *c = k->nat.config;

	if (getrandom(c->seed, sizeof(c->seed), 0) != sizeof(c->seed) || pass_find(k))
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

/* Interfaces of a former configuration, or whose device has left meanwhile: their programs first, then what the programs know of them. */
static void former_forget(struct keepnat *k)
{
	loader_hooks_tidy(k);
	for (unsigned int number = 0; number < MAX_INTERFACES; number++) {
		struct keepnat_interface former = { .number = (u8)number };

		former.ifindex = k->nat.config->interfaces[number].ifindex;
		if (former.ifindex && !keepnat_interface_served(k, number))
			publish_gone(k, &former);
	}
}

int publish_settings(struct keepnat *k)
{
	struct config *c = k->nat.config;
	int error;

	sweeper_hold(k->sweeper); /* it reckons with some of these */
	settings_publish(c, k->settings);
	limits_publish(c, &k->settings->nat.limits, loader_tick(k->loader));
	clients_publish(k);
	FAULT(settings_told);
	modes_publish(k);
	error = shares_publish(k);
	sweeper_release(k->sweeper);
	return error;
}

void publish_former(struct keepnat *k) { networks_publish(k->nat.config, k->settings, true); }

int publish_start(struct keepnat *k)
{
	bool adopted = loader_adopted(k->loader);
	u32 unfinished = k->nat.config->unfinished;
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
	k->pool = pool_open(&k->nat);
	k->fixed = fixed_open(k->settings);
	k->clients = clients_open(k->settings);
	error = k->pool && k->fixed && k->clients ? publish_settings(k) : -ENOMEM;
	if (error)
		return error;
	pass_keep(k);
	interfaces_renew(k, unfinished); /* what a former daemon did not come to */
	__atomic_store_n(&k->nat.config->unfinished, 0, __ATOMIC_RELEASE);
	link_find_former(k);
	former_forget(k);
	return 0;
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
	if (leave)
		return;
	numbers_path(k, path);
	unlink(path);
	pass_path(k, path);
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

/* What TCP may announce by an outside interface, as config.mss has it: IP and TCP have headers of 20 bytes each, options aside. */
static u16 mss_most(const struct settings *settings, const struct keepnat_interface *interface)
{
	u32 clamp = settings->nat.mss_clamp, headers = 40;

	if (clamp == SETTINGS_MSS_OFF)
		return 0;
	if (clamp == SETTINGS_MSS_AUTO)
		clamp = interface->mtu > headers ? interface->mtu - headers : 0;
	return (u16)(clamp < 0xffff ? clamp : 0xffff);
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
	if (interface->role == ROLE_OUTSIDE)
		__atomic_store_n(&c->mss[interface->number], mss_most(k->settings, interface),
				 __ATOMIC_RELAXED);
	STORE(record_at(bucket), r.word);
	FAULT(interface_told);
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
