// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/replay_nat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"
#include "daemon/clients.h"
#include "daemon/event.h"
#include "daemon/fixed.h"
#include "daemon/list.h"
#include "daemon/link.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/netlink.h"
#include "daemon/pool.h"
#include "daemon/publish.h"
#include "daemon/record.h"
#include "daemon/sweeper.h"
#include "native/instance.h"
#include "native/sweep_memory.h"

enum {
	SEED = 1,
	SESSIONS = 1 << 16,
	HOSTS = 1 << 14,
	MTU = 1500,
	SWEEPS_AT_ONCE = 16, /* more in a gap between packets find nothing new */
	SWEEP_SECONDS = 5,
	START = 1000, /* before it nothing was: ages may be subtracted */
};

/*
 * What the parts that tell settings ask of the others: of the kernel, of the sweeper's thread, of the log. Here there is an instance,
 * and nobody else.
 */
static u32 virtual_now = START;

bool loader_adopted(const struct loader *loader)
{
	(void)loader;
	return false;
}
void loader_hooks_tidy(struct keepnat *k) { (void)k; }
void link_find_former(struct keepnat *k) { (void)k; }
u32 loader_tick(const struct loader *loader)
{
	(void)loader;
	return virtual_now;
}
void record_tell(struct keepnat *k, const struct settings_interface *interface, const struct shares *shares)
{
	(void)k;
	(void)interface;
	(void)shares; /* nobody is asked later who it was */
}

void sweeper_hold(struct sweeper *sweeper) { (void)sweeper; }
void sweeper_release(struct sweeper *sweeper) { (void)sweeper; }
int netlink_route(__be32 to, u32 *ifindex, __be32 *source)
{
	(void)to;
	(void)ifindex;
	(void)source;
	return -ENETUNREACH;
}
const char *class_name(u8 class)
{
	(void)class; /* only of what was displaced, and nothing was there */
	return "";
}

static void warn(const char *format, va_list arguments)
{
	fputs("keepnat: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void event_tell(struct keepnat *k, enum event_id id, const char *subject, const char *format, ...)
{
	va_list arguments;

	(void)k;
	(void)id;
	(void)subject;
	va_start(arguments, format);
	warn(format, arguments);
	va_end(arguments);
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list arguments;

	if (level > LOG_LEVEL_WARNING)
		return;
	va_start(arguments, format);
	warn(format, arguments);
	va_end(arguments);
}

static void interfaces_make(struct keepnat *k)
{
	u8 next[] = { [ROLE_OUTSIDE] = 0, [ROLE_INSIDE] = MAX_OUTSIDE };

	for (unsigned int i = 0; i < k->settings->interface_count; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];
		struct keepnat_interface *interface = &k->interfaces[k->interface_count++];

		memcpy(interface->name, settings->name, sizeof(settings->name));
		interface->ifindex = i + 1;
		interface->role = (u8)settings->role;
		interface->number = next[settings->role]++;
		interface->bare = true;
		interface->up = true;
		interface->listed = settings->network_count > 0;
		interface->mtu = MTU;
	}
}

/* Twice as many slots as rated. */
static u32 slots(u32 rated)
{
	u32 count = 64;

	while (count < 2 * rated && count < 1u << 30)
		count *= 2;
	return count;
}

static u64 addresses_count(const struct settings *settings, const struct settings_interface *own)
{
	u64 count = 0;

	for (unsigned int i = 0; i < settings->interface_count; i++) {
		const struct settings_interface *from =
			settings->interfaces[i].pool_count ? &settings->interfaces[i] : own;

		for (unsigned int j = 0;
		     settings->interfaces[i].role == ROLE_OUTSIDE && from && j < from->pool_count; j++)
			count += address_range_count(&from->pool[j].range);
	}
	return count;
}

static void range_collect(const struct keepnat *k, const struct settings_range *range, u8 number, u8 flags,
			  struct pool_address *want, unsigned int *count)
{
	u32 first = ntohl(range->range.first.s_addr), last = ntohl(range->range.last.s_addr);

	for (u64 addr = first; addr <= last; addr++) {
		struct pool_address *address = &want[(*count)++];

		address->addr = htonl((u32)addr);
		address->interface = number;
		address->flags = fixed_address_flags(k->fixed, address->addr, flags);
	}
}

/* Pools, and the own addresses of the first interface without one. */
static int addresses_publish(struct keepnat *k, const struct settings_interface *own)
{
	static struct pool_address want[MAX_POOL_ADDRESSES];
	struct pool_change change;
	unsigned int count = 0;
	int error;

	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];
		bool pool = settings->pool_count > 0;
		const struct settings_interface *from = pool ? settings : own;

		for (unsigned int j = 0; settings->role == ROLE_OUTSIDE && from && j < from->pool_count; j++)
			range_collect(k, &from->pool[j], k->interfaces[i].number,
				      ADDRESS_LIVE | ADDRESS_POOL | (pool ? 0 : ADDRESS_LOCAL), want, &count);
		if (!pool && settings->role == ROLE_OUTSIDE)
			own = NULL;
	}
	error = pool_apply(k->pool, want, count, &change);
	return error ? error : fixed_publish(k, want, count);
}

static int settings_tell(struct keepnat *k, const struct settings_interface *own)
{
	int error;

	k->pool = pool_open(&k->nat);
	k->fixed = fixed_open(k->settings);
	k->clients = clients_open(k->settings);
	error = k->pool && k->fixed && k->clients ? publish_settings(k) : -ENOMEM;
	for (unsigned int i = 0; !error && i < k->interface_count; i++)
		error = publish_interface(k, &k->interfaces[i]);
	return error ? error : addresses_publish(k, own);
}

/* What asks the router for addresses that the file does not tell: the rest of the port mapping is as ever. */
static void full_nat_leave(struct settings *settings)
{
	for (unsigned int i = 0; i < settings->port_mapping_count; i++) {
		struct settings_port_mapping *mapping = &settings->port_mappings[i];

		if (mapping->full_nat)
			log_warning("line %u: replayed without full_nat: only the router knows its inside "
				    "addresses",
				    mapping->line);
		mapping->full_nat = false;
	}
}

int replay_nat_open(struct replay_nat *nat, struct settings *settings, const struct settings_interface *own,
		    const char **why)
{
	const struct settings_capacity *capacity = &settings->capacity;
	u64 addresses = addresses_count(settings, own);
	u32 sessions = capacity->sessions ? capacity->sessions : SESSIONS;
	struct native_sizes sizes = {
		.flows = slots(2 * sessions),
		.mappings = slots(2 * (capacity->mappings ? capacity->mappings : sessions)),
		.hosts = slots(capacity->hosts ? capacity->hosts : HOSTS),
		.fragments = 1 << 12,
		.addresses = (u32)addresses,
		.cpus = 1,
	};
	int error;

	memset(nat, 0, sizeof(*nat));
	nat->k.settings = settings;
	pthread_mutex_init(&nat->k.lock, NULL);
	if (!addresses || addresses > MAX_POOL_ADDRESSES) {
		*why = addresses ? "more outside addresses than a configuration may have"
				 : "no outside interface has a pool, and its own addresses are not in the "
				   "file; give "
				   "--pool ADDRESS";
		return -EINVAL;
	}
	full_nat_leave(settings);
	interfaces_make(&nat->k);
	error = native_create(&nat->k.nat, &sizes, SEED);
	nat->k.nat.now = START;
	if (!error)
		error = settings_tell(&nat->k, own);
	if (!error)
		nat->sweep = sweep_memory_new(&nat->k.nat);
	if (!error && !nat->sweep)
		error = -ENOMEM;
	nat->swept = START;
	*why = error ? strerror(-error) : NULL;
	return error;
}

void replay_nat_close(struct replay_nat *nat)
{
	sweep_memory_free(nat->sweep);
	if (nat->k.clients)
		clients_close(nat->k.clients);
	if (nat->k.fixed)
		fixed_close(nat->k.fixed);
	if (nat->k.pool)
		pool_close(nat->k.pool);
	if (nat->k.nat.config)
		native_destroy(&nat->k.nat);
	pthread_mutex_destroy(&nat->k.lock);
}

void replay_nat_time(struct replay_nat *nat, u64 seconds)
{
	struct nat_instance *native = &nat->k.nat;
	u32 now, step;

	if (!nat->begun)
		nat->start = seconds;
	nat->begun = true;
	/* A pause of years is as one of months: all has ended. */
	now = seconds < nat->start		? 0
	      : seconds - nat->start < 1u << 30 ? (u32)(seconds - nat->start)
						: 1u << 30;
	now += START;
	if (now <= virtual_now)
		return;
	step = (now - nat->swept) / SWEEPS_AT_ONCE + 1;
	step = step < SWEEP_SECONDS ? SWEEP_SECONDS : step;
	for (; now - nat->swept >= step; sweep_pass(nat->sweep, nat->swept & TIME)) {
		nat->swept += step;
		native->now = virtual_now = nat->swept;
	}
	native->now = virtual_now = now;
}

/* Of a network within another, the smaller one knows. */
const struct keepnat_interface *replay_inside(const struct replay_nat *nat, struct in_addr address)
{
	static const char *const private[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
					       "100.64.0.0/10" };
	const struct keepnat *k = &nat->k;
	const struct keepnat_interface *found = NULL, *unlisted = NULL;
	int longest = -1;

	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];

		if (settings->role == ROLE_INSIDE && !settings->network_count && !unlisted)
			unlisted = &k->interfaces[i];
		for (unsigned int j = 0; j < settings->network_count; j++) {
			const struct address_prefix *prefix = &settings->networks[j].prefix;
			struct address_range range = address_prefix_range(prefix), one = { address, address };

			if (prefix->length > longest && address_range_overlaps(&range, &one)) {
				longest = prefix->length;
				found = &k->interfaces[i];
			}
		}
	}
	for (size_t i = 0; !found && unlisted && i < sizeof(private) / sizeof(private[0]); i++) {
		struct address_range range, one = { address, address };

		(void)address_range_parse(private[i], &range);
		if (address_range_overlaps(&range, &one))
			found = unlisted;
	}
	return found;
}

const struct keepnat_interface *replay_outside(const struct replay_nat *nat, struct in_addr address)
{
	const struct keepnat *k = &nat->k;
	const struct keepnat_interface *first = NULL;

	for (unsigned int i = 0; i < k->interface_count; i++) {
		if (k->interfaces[i].role != ROLE_OUTSIDE)
			continue;
		if (settings_pool_contains(&k->settings->interfaces[i], address))
			return &k->interfaces[i];
		if (!first)
			first = &k->interfaces[i];
	}
	return first;
}
