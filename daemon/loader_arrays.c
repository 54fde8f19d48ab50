// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The arrays: made once, pinned, and adopted by each daemon that follows, if layout and sizes are what it wants. The layout
 * is written into the configuration last (publish_whole()), so half a start is not adopted.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/loader_parts.h"
#include "daemon/log.h"
#include "daemon/machine.h"

static const struct array_kind {
	const char *name;
	u32 value_size;
} kinds[ARRAYS] = {
	[ARRAY_CONFIG] = { "config", sizeof(struct config) },
	[ARRAY_FLOWS] = { "flows", sizeof(struct flow) },
	[ARRAY_MAPPINGS] = { "mappings", sizeof(struct mapping) },
	[ARRAY_HOSTS] = { "hosts", sizeof(struct host) },
	[ARRAY_FRAGMENTS] = { "fragments", sizeof(struct fragment) },
	[ARRAY_PORTS] = { "ports", sizeof(u64) },
	[ARRAY_ADDRESSES] = { "addresses", sizeof(u64) },
	[ARRAY_POOLS] = { "pools", sizeof(u64) },
	[ARRAY_NEXT_HOPS] = { "next_hops", sizeof(struct next_hop) },
	[ARRAY_HELD] = { "held", sizeof(struct held) },
	[ARRAY_COUNTERS] = { "counters", sizeof(struct counters) },
};

const char *array_name(enum array array) { return kinds[array].name; }

static u32 array_entries(const struct sizes *sizes, enum array array)
{
	switch (array) {
	case ARRAY_FLOWS:
		return sizes->flow_slots;
	case ARRAY_MAPPINGS:
		return sizes->mapping_slots;
	case ARRAY_HOSTS:
		return sizes->host_slots;
	case ARRAY_FRAGMENTS:
		return sizes->fragment_slots;
	case ARRAY_PORTS:
		return sizes->addresses * PORT_AREAS * PORT_AREA;
	case ARRAY_ADDRESSES:
		return sizes->address_places;
	case ARRAY_POOLS:
		return MAX_OUTSIDE * POOL_BUCKETS;
	case ARRAY_NEXT_HOPS:
		return NEXT_HOPS;
	case ARRAY_HELD:
		return HELD_SYNS;
	case ARRAY_COUNTERS:
		return sizes->cpus;
	default:
		return 1;
	}
}

static void array_path(const struct keepnat *k, enum array array, char path[LOADER_PATH])
{
	snprintf(path, LOADER_PATH, "%s/%s", k->pin_dir, kinds[array].name);
}

static size_t array_length(enum array array, u32 entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return ((size_t)kinds[array].value_size * entries + page - 1) / page * page;
}

void arrays_close(struct loader *l)
{
	for (int i = 0; i < ARRAYS; i++) {
		if (l->memory[i])
			munmap(l->memory[i], l->lengths[i]);
		l->memory[i] = NULL;
		fd_close(&l->maps[i]);
	}
}

void arrays_unpin(const struct keepnat *k)
{
	char path[LOADER_PATH];

	for (int i = 0; i < ARRAYS; i++) {
		array_path(k, (enum array)i, path);
		unlink(path);
	}
}

static int array_map(struct loader *l, enum array array, u32 entries)
{
	size_t length = array_length(array, entries);
	void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, l->maps[array], 0);

	if (memory == MAP_FAILED)
		return -errno;
	l->memory[array] = memory;
	l->lengths[array] = length;
	return 0;
}

/* The pinned array, if it is as this program knows it. Its entries; 0: there is none; -EPROTO: it is another kind. */
static int array_open(const struct keepnat *k, struct loader *l, enum array array)
{
	struct bpf_map_info info = { 0 };
	u32 size = sizeof(info);
	char path[LOADER_PATH];

	array_path(k, array, path);
	l->maps[array] = bpf_obj_get(path);
	if (l->maps[array] < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(l->maps[array], &info, &size))
		return -errno;
	if (info.type != BPF_MAP_TYPE_ARRAY || !(info.map_flags & BPF_F_MMAPABLE) ||
	    info.value_size != kinds[array].value_size || info.max_entries > INT32_MAX)
		return -EPROTO;
	return (int)info.max_entries;
}

/* Do the pinned arrays serve what is wanted? Those for addresses may be larger. NULL, or why not. */
static const char *sizes_differ(const struct sizes *sizes, const u32 entries[ARRAYS], const struct config *c)
{
	if (c->layout != LAYOUT_VERSION)
		return "another layout";
	if (entries[ARRAY_FLOWS] != sizes->flow_slots || entries[ARRAY_MAPPINGS] != sizes->mapping_slots ||
	    entries[ARRAY_HOSTS] != sizes->host_slots || entries[ARRAY_FRAGMENTS] != sizes->fragment_slots)
		return "another capacity";
	if (c->flow_mask != entries[ARRAY_FLOWS] - 1 || c->mapping_mask != entries[ARRAY_MAPPINGS] - 1 ||
	    c->host_mask != entries[ARRAY_HOSTS] - 1 || c->fragment_mask != entries[ARRAY_FRAGMENTS] - 1 ||
	    c->address_mask != entries[ARRAY_ADDRESSES] - 1 ||
	    entries[ARRAY_PORTS] != c->addresses * PORT_AREAS * PORT_AREA)
		return "arrays that do not fit each other";
	if (c->addresses < sizes->addresses)
		return "room for fewer addresses";
	if (entries[ARRAY_POOLS] != MAX_OUTSIDE * POOL_BUCKETS || entries[ARRAY_NEXT_HOPS] != NEXT_HOPS ||
	    entries[ARRAY_HELD] != HELD_SYNS || entries[ARRAY_COUNTERS] != sizes->cpus)
		return "another number of pools or processors";
	return NULL;
}

/* 1: adopted; 0: nothing there that serves; -errno. */
static int arrays_adopt(struct keepnat *k, struct loader *l)
{
	u32 entries[ARRAYS] = { 0 };
	unsigned int found = 0;
	const char *why = "arrays of another version";

	for (int i = 0; i < ARRAYS; i++) {
		int n = array_open(k, l, (enum array)i);

		if (n < 0 && n != -EPROTO)
			return n;
		found += n != 0;
		entries[i] = n > 0 ? (u32)n : 0;
		if (n > 0 && array_map(l, (enum array)i, entries[i]))
			return -errno;
	}
	if (!found)
		return 0;
	if (found == ARRAYS && l->memory[ARRAY_CONFIG])
		why = sizes_differ(&k->sizes, entries, l->memory[ARRAY_CONFIG]);
	if (!why) {
		k->sizes.addresses = ((struct config *)l->memory[ARRAY_CONFIG])->addresses;
		k->sizes.address_places = entries[ARRAY_ADDRESSES];
		return 1;
	}
	log_notice("%s: %s: not used; sessions start anew", k->pin_dir, why);
	l->renewed = true;
	arrays_close(l);
	return 0;
}

static int memory_check(const struct sizes *sizes)
{
	u64 need = sizes_bytes(sizes), have = machine_memory(MACHINE_MEMORY_AVAILABLE);

	if (!have || need <= have)
		return 0;
	log_error("capacity: %u sessions and %u hosts need %llu MB, and %llu MB are free; lower "
		  "capacity.sessions "
		  "and capacity.hosts, or free memory",
		  sizes->sessions, sizes->hosts, (unsigned long long)need >> 20,
		  (unsigned long long)have >> 20);
	return -ENOMEM;
}

static int arrays_create(struct keepnat *k, struct loader *l)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	char path[LOADER_PATH];
	int error = memory_check(&k->sizes);

	if (error)
		return error;
	arrays_unpin(k);
	for (int i = 0; i < ARRAYS && !error; i++) {
		u32 entries = array_entries(&k->sizes, (enum array)i);

		l->maps[i] = bpf_map_create(BPF_MAP_TYPE_ARRAY, kinds[i].name, sizeof(u32),
					    kinds[i].value_size, entries, &options);
		error = l->maps[i] < 0 ? -errno : array_map(l, (enum array)i, entries);
		array_path(k, (enum array)i, path);
		FAULT(array_made);
		if (!error && bpf_obj_pin(l->maps[i], path))
			error = -errno;
		FAULT(array_pinned);
		if (error)
			log_error("cannot make the array %s of %u entries: %s; lower the capacity, or give "
				  "the daemon "
				  "more memory and rights",
				  kinds[i].name, entries, strerror(-error));
	}
	return error;
}

static void arrays_publish(struct keepnat *k, const struct loader *l)
{
	static const enum array tables[] = {
		[TABLE_FLOWS] = ARRAY_FLOWS,
		[TABLE_MAPPINGS] = ARRAY_MAPPINGS,
		[TABLE_HOSTS] = ARRAY_HOSTS,
		[TABLE_FRAGMENTS] = ARRAY_FRAGMENTS,
	};

	k->nat.config = l->memory[ARRAY_CONFIG];
	for (unsigned int i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		k->nat.tables[i] = l->memory[tables[i]];
	k->nat.ports = l->memory[ARRAY_PORTS];
	k->nat.addresses = l->memory[ARRAY_ADDRESSES];
	k->nat.pools = l->memory[ARRAY_POOLS];
	k->nat.next_hops = l->memory[ARRAY_NEXT_HOPS];
	k->nat.held = l->memory[ARRAY_HELD];
	k->nat.counters = l->memory[ARRAY_COUNTERS];
	k->cpus = k->sizes.cpus;
}

int arrays_ready(struct keepnat *k, struct loader *l)
{
	int adopted = arrays_adopt(k, l), error = adopted < 0 ? adopted : 0;

	if (error)
		log_error("cannot read the pins in %s: %s; remove them, or choose another --pin-dir",
			  k->pin_dir, strerror(-error));
	else if (!adopted)
		error = arrays_create(k, l);
	l->adopted = adopted > 0;
	if (!error)
		arrays_publish(k, l);
	return error;
}
