// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The arrays: made once, pinned, and adopted by each daemon that follows, if layout and sizes are what it wants. The layout
 * is written into the configuration last (loader_complete), so half a start is not adopted.
 *
 * Arrays that do not serve are not thrown away before others do: programs go on by them. Their pins are put into the folder "former", and
 * forgotten when this start is complete (arrays_settle). If it fails they come back; and if it dies, who comes next takes what serves it,
 * of the two: so a version that is rolled back finds its own.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/loader_parts.h"
#include "daemon/log.h"
#include "daemon/machine.h"
#include "daemon/snapshot_file.h"

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
	[ARRAY_DROPS] = { "drops", sizeof(struct drops) },
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
	case ARRAY_DROPS:
		return sizes->cpus;
	default:
		return 1;
	}
}

/* Where the arrays are that are used, and where those that were. */
static const char present[] = "", former[] = "former/";

/* The name of an array's pin in a folder. */
struct array_pin {
	char name[32];
};

static struct array_pin array_pin(const char *folder, enum array array)
{
	struct array_pin pin;

	snprintf(pin.name, sizeof(pin.name), "%s%s", folder, kinds[array].name);
	return pin;
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

static void pins_remove(const struct keepnat *k, const char *folder)
{
	char path[LOADER_PATH];

	for (int i = 0; i < ARRAYS; i++)
		pin_drop(k, array_pin(folder, (enum array)i).name);
	if (folder != former)
		return;
	snprintf(path, sizeof(path), "%s/%s", k->pin_dir, former);
	rmdir(path);
}

static void pins_move(const struct keepnat *k, const char *from, const char *to)
{
	char path[LOADER_PATH];

	pins_remove(k, to);
	snprintf(path, sizeof(path), "%s/%s", k->pin_dir, former);
	if (mkdir(path, 0700) && errno != EEXIST)
		return;
	for (int i = 0; i < ARRAYS; i++)
		pin_move(k, array_pin(from, (enum array)i).name, array_pin(to, (enum array)i).name);
	pins_remove(k, from);
}

static bool pins_exist(const struct keepnat *k, const char *folder)
{
	int fd = pin_open(k, array_pin(folder, ARRAY_CONFIG).name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool loader_left(const struct keepnat *k) { return pins_exist(k, present) || pins_exist(k, former); }

void arrays_unpin(const struct keepnat *k)
{
	pins_remove(k, present);
	pins_remove(k, former);
}

void arrays_settle(const struct keepnat *k) { pins_remove(k, former); }

void arrays_return(const struct keepnat *k)
{
	if (pins_exist(k, former))
		pins_move(k, former, present);
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
static int array_open(const struct keepnat *k, struct loader *l, const char *folder, enum array array)
{
	struct bpf_map_info info = { 0 };
	u32 size = sizeof(info);

	l->maps[array] = pin_open(k, array_pin(folder, array).name);
	if (l->maps[array] < 0)
		return l->maps[array] == -ENOENT ? 0 : l->maps[array];
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
	if (c->layout != sizes_layout())
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
	    entries[ARRAY_HELD] != HELD_SYNS || entries[ARRAY_COUNTERS] != sizes->cpus ||
	    entries[ARRAY_DROPS] != sizes->cpus)
		return "another number of pools or processors";
	return NULL;
}

/* Open what is pinned there. 1: it serves; 0: there is nothing; -EPROTO: it does not serve, for *why; -errno. */
static int arrays_look(struct keepnat *k, struct loader *l, const char *folder, const char **why)
{
	u32 entries[ARRAYS] = { 0 };
	unsigned int found = 0;

	*why = "arrays of another version";
	for (int i = 0; i < ARRAYS; i++) {
		int n = array_open(k, l, folder, (enum array)i);

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
		*why = sizes_differ(&k->sizes, entries, l->memory[ARRAY_CONFIG]);
	if (*why)
		return -EPROTO;
	k->sizes.addresses = ((struct config *)l->memory[ARRAY_CONFIG])->addresses;
	k->sizes.address_places = entries[ARRAY_ADDRESSES];
	return 1;
}

/* The same, of those that were before, where the present ones do not serve: a start that was to replace them did not end. */
static int arrays_look_back(struct keepnat *k, struct loader *l)
{
	const char *why;
	int found;

	arrays_close(l);
	found = arrays_look(k, l, former, &why);
	if (found > 0)
		return 1;
	arrays_close(l);
	return 0;
}

/* 1: adopted; 0: nothing there that serves; -errno. */
static int arrays_adopt(struct keepnat *k, struct loader *l)
{
	const char *why;
	int found = arrays_look(k, l, present, &why);

	if (found > 0 || (found < 0 && found != -EPROTO))
		return found;
	if (arrays_look_back(k, l)) {
		pins_move(k, former, present);
		return 1;
	}
	if (!found)
		return 0;
	log_notice("%s: %s: not used; %s", k->pin_dir, why,
		   k->settings->snapshot_interval ? "what was saved is restored into new ones"
						  : "sessions start anew");
	l->renewed = true;
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

static int array_create(struct loader *l, enum array array, u32 entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	l->maps[array] = bpf_map_create(BPF_MAP_TYPE_ARRAY, kinds[array].name, sizeof(u32),
					kinds[array].value_size, entries, &options);
	return l->maps[array] < 0 ? -errno : 0;
}

static int arrays_create(struct keepnat *k, struct loader *l)
{
	int error = memory_check(&k->sizes);

	if (error)
		return error;
	if (l->renewed && !pins_exist(k, former))
		pins_move(k, present, former);
	pins_remove(k, present);
	for (int i = 0; i < ARRAYS && !error; i++) {
		u32 entries = array_entries(&k->sizes, (enum array)i);

		error = array_create(l, (enum array)i, entries);
		if (!error)
			error = array_map(l, (enum array)i, entries);
		FAULT(array_made);
		if (!error)
			error = pin_put(k, array_pin(present, (enum array)i).name, l->maps[i]);
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
	k->nat.drops = l->memory[ARRAY_DROPS];
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

void loader_complete(struct keepnat *k)
{
	FAULT(layout_due);
	__atomic_store_n(&k->nat.config->layout, sizes_layout(), __ATOMIC_RELEASE);
}

/*
 * A trial
 */

/* Can what is in other arrays be carried over? 0, or -errno after a line. */
static int arrays_migrate(const struct keepnat *k, const char *why)
{
	struct snapshot_reader *reader;
	int error;

	if (!k->settings->snapshot_interval) {
		log_error("%s: it has %s, and would lose all sessions, for snapshots are off: set "
			  "snapshot.interval, or stop the old one and start this",
			  k->pin_dir, why);
		return -EPROTO;
	}
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	error = snapshot_open_file(reader, k->state_dir, k->instance);
	if (!error)
		snapshot_close_file(reader);
	if (error == -ENOENT)
		log_error("%s: it has %s, and there is no snapshot yet to carry sessions over: run keepnat "
			  "snapshot, and try again",
			  k->pin_dir, why);
	else if (error)
		log_error("%s: it has %s, and its snapshot cannot carry sessions over: %s; stop the old one "
			  "and start this",
			  k->pin_dir, why, reader->why);
	free(reader);
	return error ? error : memory_check(&k->sizes);
}

int arrays_try(struct keepnat *k, struct loader *l)
{
	const char *why;
	int found = arrays_look(k, l, present, &why), error = 0;

	if (found > 0)
		return 0;
	arrays_close(l);
	if (found == -EPROTO)
		error = arrays_migrate(k, why);
	else if (found < 0)
		log_error("cannot read the pins in %s: %s; remove them, or choose another --pin-dir",
			  k->pin_dir, strerror(-found));
	if (error || (found < 0 && found != -EPROTO))
		return error ? error : found;
	for (int i = 0; i < ARRAYS && !error; i++)
		error = array_create(l, (enum array)i, 1);
	if (error)
		log_error("cannot make arrays to try its programs by: %s; free memory", strerror(-error));
	return error;
}
