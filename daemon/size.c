// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/size.h"

#include <string.h>

#include "daemon/clients.h"
#include "daemon/config.h"
#include "daemon/pool.h"

enum {
	SESSIONS_AUTO = 1 << 20,
	SESSIONS_AUTO_MIN = 1 << 14,
	HOSTS_AUTO_MIN = 4096,
	SESSIONS_PER_HOST = 16,
	ADDRESSES_MIN = 64, /* room for interfaces' own addresses to come and go; 25 kB each */
	ADDRESSES_OWN = 16,
};
/* A machine of eight gigabytes has somewhat less to give. */
#define MEMORY_FOR_AUTO 7500000000ull

static u32 power_of_two(u32 at_least)
{
	u32 n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

static u32 sessions_auto(u64 memory)
{
	u32 sessions = SESSIONS_AUTO;

	for (u64 need = MEMORY_FOR_AUTO; need > memory && sessions > SESSIONS_AUTO_MIN; need /= 2)
		sessions /= 2;
	return sessions;
}

/* Of more than MAX_POOL_ADDRESSES, which the largest pools have already, the interfaces' own are refused with a warning. */
static u32 addresses_wanted(const struct settings *settings)
{
	bool clients = clients_wanted(settings);
	u64 addresses = 0;

	for (unsigned int i = 0; i < settings->interface_count; i++) {
		const struct settings_interface *interface = &settings->interfaces[i];

		if (interface->role != ROLE_OUTSIDE && !clients)
			continue;
		addresses += ADDRESSES_OWN;
		for (unsigned int j = 0; j < interface->pool_count; j++)
			addresses += address_range_count(&interface->pool[j].range);
	}
	if (addresses > MAX_POOL_ADDRESSES)
		return MAX_POOL_ADDRESSES;
	return addresses < ADDRESSES_MIN ? ADDRESSES_MIN : (u32)addresses;
}

void sizes_choose(struct sizes *sizes, const struct settings *settings, u64 memory, u32 cpus)
{
	memset(sizes, 0, sizeof(*sizes));
	sizes->sessions = settings->capacity.sessions ? settings->capacity.sessions : sessions_auto(memory);
	sizes->hosts =
		settings->capacity.hosts ? settings->capacity.hosts : sizes->sessions / SESSIONS_PER_HOST;
	if (!settings->capacity.hosts && sizes->hosts < HOSTS_AUTO_MIN)
		sizes->hosts = HOSTS_AUTO_MIN;
	sizes->mappings = settings->capacity.mappings ? settings->capacity.mappings : sizes->sessions;
	/* Two flows a session, two halves a mapping; half of the slots in use. */
	sizes->flow_slots = power_of_two(4 * sizes->sessions);
	sizes->mapping_slots = power_of_two(4 * sizes->mappings);
	sizes->host_slots = power_of_two(2 * sizes->hosts);
	sizes->fragment_slots = FRAGMENT_SLOTS;
	sizes->addresses = addresses_wanted(settings);
	sizes->address_places = pool_places(sizes->addresses);
	sizes->cpus = cpus;
}

u32 sizes_layout(void) { return LAYOUT_VERSION; }

u64 sizes_bytes(const struct sizes *sizes)
{
	return (u64)sizes->flow_slots * sizeof(struct flow) +
	       (u64)sizes->mapping_slots * sizeof(struct mapping) +
	       (u64)sizes->host_slots * sizeof(struct host) +
	       (u64)sizes->fragment_slots * sizeof(struct fragment) +
	       (u64)sizes->addresses * PORT_AREAS * PORT_AREA * sizeof(u64) +
	       (u64)sizes->address_places * sizeof(u64) + (u64)MAX_OUTSIDE * POOL_BUCKETS * sizeof(u64) +
	       (u64)sizes->cpus * (sizeof(struct counters) + sizeof(struct drops)) +
	       NEXT_HOPS * sizeof(struct next_hop) + HELD_SYNS * sizeof(struct held) + sizeof(struct config);
}
