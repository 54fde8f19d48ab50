/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/table.h"
#include "tests/way/way.h"

static const char *const array_names[NATIVE_ARRAYS] = { "config",    "flows", "mappings",  "hosts",
							"fragments", "ports", "addresses", "pools",
							"next_hops", "held",  "counters",  "drops" };
static const u32 element_bytes[NATIVE_ARRAYS] = { sizeof(struct config),
						  sizeof(struct flow),
						  sizeof(struct mapping),
						  sizeof(struct host),
						  sizeof(struct fragment),
						  sizeof(u64),
						  sizeof(u64),
						  sizeof(u64),
						  sizeof(struct next_hop),
						  sizeof(struct held),
						  sizeof(struct counters),
						  sizeof(struct drops) };
static const struct native_sizes largest = { WAY_FLOWS,	    WAY_MAPPINGS,  WAY_HOSTS,
					     WAY_FRAGMENTS, WAY_ADDRESSES, 0 };

static u32 smaller(u32 asked, u32 most) { return asked && asked < most ? asked : most; }

int way_begin(struct way *way, const struct native_sizes *asked, u64 seed)
{
	struct native_sizes sizes = {
		.flows = smaller(asked->flows, WAY_FLOWS),
		.mappings = smaller(asked->mappings, WAY_MAPPINGS),
		.hosts = smaller(asked->hosts, WAY_HOSTS),
		.fragments = smaller(asked->fragments, WAY_FRAGMENTS),
		.addresses = smaller(asked->addresses, WAY_ADDRESSES),
		.cpus = asked->cpus,
	};

	way->ops->clear(way);
	native_detach(&way->nat);
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		memset(native_array(&way->nat, i), 0, native_extent(&largest, i).bytes);
	return native_attach(&way->nat, &sizes, seed);
}

void way_free(struct way *way)
{
	if (way)
		way->ops->free(way);
}

void way_clock(struct way *way, u32 now) { way->nat.now = way->nat.config->test_now = now; }

/*
 * The way through native_meet().
 */

static int native_device(struct way *way, const char *name, enum role role)
{
	int *next = way->own;

	(void)name;
	(void)role;
	return (*next)++;
}

static int native_socket(struct way *way, const struct native_socket *s)
{
	return native_socket_add(&way->nat, s->class, s->local, s->port, s->remote, s->remote_port);
}

static int meet(struct way *way, enum native_hook hook, const struct native_frame *frame,
		struct native_result *result)
{
	*result = native_meet(&way->nat, hook, frame);
	return 0;
}

static void native_clear(struct way *way)
{
	int *next = way->own;

	*next = 1000;
	native_sockets_clear(&way->nat);
}

static void native_free(struct way *way)
{
	native_destroy(&way->nat);
	free(way->own);
	free(way);
}

struct way *way_native(u32 l3)
{
	static const struct way_ops ops = { native_device, native_socket, meet, native_clear, native_free };
	struct way *way = calloc(1, sizeof(*way));

	if (!way)
		return NULL;
	way->name = "native";
	way->ops = &ops;
	way->l3 = l3;
	way->own = calloc(1, sizeof(int));
	if (way->own && !native_create(&way->nat, &largest, 0)) {
		native_clear(way);
		return way;
	}
	free(way->own);
	free(way);
	return NULL;
}

/*
 * Comparing
 */

static int counters_same(const struct way *a, const struct way *b, char *difference, size_t room)
{
	for (u32 i = 0; i < MAX_INTERFACES; i++)
		for (u32 r = 0; r < REASONS; r++) {
			const struct counter *x = &a->nat.counters->by[i][r], *y = &b->nat.counters->by[i][r];
			if (x->packets == y->packets && x->bytes == y->bytes)
				continue;
			snprintf(
				difference, room,
				"counters of interface %u, reason %u: %llu packets %llu bytes, %llu and %llu",
				i, r, x->packets, x->bytes, y->packets, y->bytes);
			return 0;
		}
	return 1;
}

/*
 * The last packets that ended badly, but for the time, which is the machine's; and for the bytes of a packet that met the kernel, too,
 * which has counted its TTL down and left its checksum to the device.
 */
static int drops_same(const struct way *a, const struct way *b, char *difference, size_t room)
{
	for (u32 r = 0; r < REASONS; r++) {
		struct drops_of x = a->nat.drops->by[r], y = b->nat.drops->by[r];

		for (u32 i = 0; i < DROP_PLACES; i++) {
			x.last[i].when = y.last[i].when = 0;
			if (a->whole || b->whole)
				memcpy(x.last[i].packet, y.last[i].packet, DROP_BYTES);
		}
		if (!memcmp(&x, &y, sizeof(x)))
			continue;
		snprintf(difference, room, "drops of reason %u: %llu, the other %llu, or other bytes", r,
			 x.number, y.number);
		return 0;
	}
	return 1;
}

static void element_print(char *text, size_t room, const u8 *at, u32 bytes)
{
	size_t used = 0;

	for (u32 i = 0; i < bytes && used + 3 < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%s%02x", i && i % 8 == 0 ? " " : "",
					 at[i]);
}

static int array_same(const struct way *a, const struct way *b, enum native_array array, char *difference,
		      size_t room)
{
	const u8 *x = native_array(&a->nat, array), *y = native_array(&b->nat, array);
	size_t bytes = native_extent(&largest, array).bytes;
	u32 size = element_bytes[array] <= 64 ? element_bytes[array] : 8;
	char one[160], other[160];

	if (!memcmp(x, y, bytes))
		return 1;
	for (size_t i = 0; i < bytes; i += size) {
		if (!memcmp(x + i, y + i, size))
			continue;
		element_print(one, sizeof(one), x + i, size);
		element_print(other, sizeof(other), y + i, size);
		snprintf(difference, room, "%s %zu: %s: %s; %s: %s", array_names[array], i / size, a->name,
			 one, b->name, other);
		return 0;
	}
	return 1;
}

int way_same(const struct way *a, const struct way *b, char *difference, size_t room)
{
	for (int i = 0; i < NATIVE_COUNTERS; i++)
		if (!array_same(a, b, i, difference, room))
			return 0;
	return counters_same(a, b, difference, room) && drops_same(a, b, difference, room);
}
