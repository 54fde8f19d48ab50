// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/claim.h"
#include "daemon/keepnat.h"
#include "daemon/log.h"
#include "daemon/machine.h"
#include "daemon/netlink.h"
#include "keepnat.skel.h"

/* Of linux/bpf.h since 6.6. */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };

enum { CLSACT_HANDLE = 1, CLSACT_PRIORITY = 1 };
enum { PATH_SIZE = sizeof(((struct keepnat *)0)->pin_dir) + 40 };

enum array {
	ARRAY_CONFIG,
	ARRAY_FLOWS,
	ARRAY_MAPPINGS,
	ARRAY_HOSTS,
	ARRAY_FRAGMENTS,
	ARRAY_PORTS,
	ARRAY_ADDRESSES,
	ARRAY_POOLS,
	ARRAY_COUNTERS,
	ARRAYS,
};

static const struct array_kind {
	const char *name; /* of the map in bpf/maps.h, and of the pin */
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
	[ARRAY_COUNTERS] = { "counters", sizeof(struct counters) },
};

enum program {
	PROGRAM_OUT_ETHERNET,
	PROGRAM_IN_ETHERNET,
	PROGRAM_HAIRPIN_ETHERNET,
	PROGRAM_OUT_BARE,
	PROGRAM_IN_BARE,
	PROGRAM_HAIRPIN_BARE,
	PROGRAM_CLOCK,
	PROGRAMS,
	PROGRAM_NONE = PROGRAMS,
};

static const char *const program_names[PROGRAMS] = {
	"out_ethernet", "in_ethernet",	"hairpin_ethernet", "out_bare",
	"in_bare",	"hairpin_bare", "clock_read",
};

/* Egress last: while an interface is taken down, nothing leaves untranslated before the other hook is gone. */
enum place { PLACE_EGRESS, PLACE_INGRESS, PLACES };
static const char *const place_names[PLACES] = { "egress", "ingress" };

struct loader {
	int maps[ARRAYS];
	void *memory[ARRAYS];
	size_t lengths[ARRAYS];
	int programs[PROGRAMS];
	u32 ids[PROGRAMS]; /* the kernel's numbers of the programs */
	int links[MAX_INTERFACES][PLACES];
	bool adopted;
	bool renewed; /* there were arrays, but they did not serve */
};

/* What libbpf complained of last. It has one printer for the whole process, so this cannot hang on the instance. */
static char complaint[256];

static int complaint_keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[sizeof(complaint)];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = 0;
	if (*text)
		memcpy(complaint, text, sizeof(complaint));
	return 0;
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Arrays
 */

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
		return sizes->addresses * CLASSES * PORT_AREA;
	case ARRAY_ADDRESSES:
		return sizes->address_places;
	case ARRAY_POOLS:
		return MAX_OUTSIDE * POOL_BUCKETS;
	case ARRAY_COUNTERS:
		return sizes->cpus;
	default:
		return 1;
	}
}

static void array_path(const struct keepnat *k, enum array array, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%s", k->pin_dir, kinds[array].name);
}

static size_t array_length(enum array array, u32 entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return ((size_t)kinds[array].value_size * entries + page - 1) / page * page;
}

static void arrays_close(struct loader *l)
{
	for (int i = 0; i < ARRAYS; i++) {
		if (l->memory[i])
			munmap(l->memory[i], l->lengths[i]);
		l->memory[i] = NULL;
		fd_close(&l->maps[i]);
	}
}

static void arrays_unpin(const struct keepnat *k)
{
	char path[PATH_SIZE];

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
	char path[PATH_SIZE];

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
	    entries[ARRAY_PORTS] != c->addresses * CLASSES * PORT_AREA)
		return "arrays that do not fit each other";
	if (c->addresses < sizes->addresses)
		return "room for fewer addresses";
	if (entries[ARRAY_POOLS] != MAX_OUTSIDE * POOL_BUCKETS || entries[ARRAY_COUNTERS] != sizes->cpus)
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
	char path[PATH_SIZE];
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
		if (!error && bpf_obj_pin(l->maps[i], path))
			error = -errno;
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
	k->nat.counters = l->memory[ARRAY_COUNTERS];
	k->cpus = k->sizes.cpus;
}

static int arrays_ready(struct keepnat *k, struct loader *l)
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

/*
 * Programs
 */

static enum program program_for(const struct keepnat_interface *interface, enum place place)
{
	if (interface->role == ROLE_INSIDE)
		return place == PLACE_EGRESS ? PROGRAM_NONE
		       : interface->bare     ? PROGRAM_HAIRPIN_BARE
					     : PROGRAM_HAIRPIN_ETHERNET;
	if (place == PLACE_EGRESS)
		return interface->bare ? PROGRAM_OUT_BARE : PROGRAM_OUT_ETHERNET;
	return interface->bare ? PROGRAM_IN_BARE : PROGRAM_IN_ETHERNET;
}

/* Keep the program beyond the object that it came in. */
static int program_keep(struct loader *l, const struct bpf_program *program, enum program which)
{
	struct bpf_prog_info info = { 0 };
	u32 size = sizeof(info);

	l->programs[which] = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);
	if (l->programs[which] < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(l->programs[which], &info, &size))
		return -errno;
	l->ids[which] = info.id;
	return 0;
}

/* The object with our arrays in it, and of its programs only those that are wanted. */
static int object_prepare(const struct loader *l, struct bpf_object *object, const bool wanted[PROGRAMS])
{
	int error = 0;

	for (int i = 0; i < ARRAYS && !error; i++)
		error = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, kinds[i].name), l->maps[i]);
	for (int i = 0; i < PROGRAMS && !error; i++)
		error = bpf_program__set_autoload(bpf_object__find_program_by_name(object, program_names[i]),
						  wanted[i]);
	return error;
}

/* Load those of the wanted programs that are not loaded. 0 or -errno. */
static int programs_load(struct loader *l, const bool wanted[PROGRAMS])
{
	bool missing[PROGRAMS], any = false;
	struct keepnat_bpf *skeleton;
	int error;

	for (int i = 0; i < PROGRAMS; i++)
		any |= missing[i] = wanted[i] && l->programs[i] < 0;
	if (!any)
		return 0;
	skeleton = keepnat_bpf__open();
	if (!skeleton)
		return -errno;
	error = object_prepare(l, skeleton->obj, missing);
	if (!error)
		error = keepnat_bpf__load(skeleton);
	for (int i = 0; i < PROGRAMS && !error; i++)
		if (missing[i])
			error = program_keep(l,
					     bpf_object__find_program_by_name(skeleton->obj,
									      program_names[i]),
					     (enum program)i);
	keepnat_bpf__destroy(skeleton);
	return error;
}

static int programs_load_first(struct keepnat *k, struct loader *l)
{
	bool wanted[PROGRAMS] = { [PROGRAM_CLOCK] = true };
	int error;

	for (unsigned int i = 0; i < k->interface_count; i++)
		for (int place = 0; place < PLACES; place++) {
			enum program program = program_for(&k->interfaces[i], (enum place)place);

			if (program != PROGRAM_NONE)
				wanted[program] = true;
		}
	error = programs_load(l, wanted);
	if (error)
		log_error("the kernel refused the programs: %s%s%s; see the requirements in keepnatd(8)",
			  strerror(-error), *complaint ? ": " : "", complaint);
	return error;
}

/*
 * The clock
 */

static u64 jiffies_read(const struct loader *l)
{
	u64 jiffies = 0;
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &jiffies, .ctx_size_in = sizeof(jiffies));

	return bpf_prog_test_run_opts(l->programs[PROGRAM_CLOCK], &options) ? 0 : jiffies;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The next jiffy and when it came. 0: none came within a second. */
static u64 jiffies_edge(const struct loader *l, double *when)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	u64 first = jiffies_read(l), now = first;

	for (double end = seconds_now() + 1; now == first && seconds_now() < end;) {
		nanosleep(&pause, NULL);
		*when = seconds_now();
		now = jiffies_read(l);
	}
	return now == first ? 0 : now;
}

/* How many jiffies a second has here: no interface tells, so it is measured. 0 or -EIO. */
static int jiffies_measure(struct keepnat *k, const struct loader *l)
{
	static const u32 known[] = { 100, 250, 300, 1000 };
	const struct timespec pause = { .tv_nsec = 60000000 };
	double begin = 0, end = 0, rate, best = 1;
	u64 first = jiffies_edge(l, &begin), last;

	nanosleep(&pause, NULL);
	last = jiffies_edge(l, &end);
	if (!first || !last || end <= begin)
		return -EIO;
	rate = (double)(last - first) / (end - begin);
	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		double ratio = rate / known[i];
		double off = ratio > 1 ? ratio - 1 : 1 / ratio - 1;

		if (off < best) {
			best = off;
			k->jiffies_hz = known[i];
		}
	}
	return k->jiffies_hz ? 0 : -EIO;
}

u32 loader_tick(const struct loader *loader)
{
	const struct config *c = loader->memory[ARRAY_CONFIG];

	return (u32)(jiffies_read(loader) * c->tick_mul >> 24) & 0xfffff;
}

/*
 * Hooks
 */

static void link_path(const struct keepnat *k, unsigned int number, enum place place, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/links/%u-%s", k->pin_dir, number, place_names[place]);
}

/* ifindex of the device that a TCX link is on (0: it is gone) and the program in it. 0 or -errno. */
static int link_read(int link, u32 *ifindex, u32 *program)
{
	struct bpf_link_info info = { 0 };
	u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &size))
		return -errno;
	*ifindex = info.xdp.ifindex; /* info.tcx of newer headers begins with it, too */
	*program = info.prog_id;
	return 0;
}

static void link_drop(const struct keepnat *k, unsigned int number, enum place place)
{
	int *link = &k->loader->links[number][place];
	char path[PATH_SIZE];

	link_path(k, number, place, path);
	if (*link < 0)
		*link = bpf_obj_get(path);
	if (*link >= 0)
		(void)bpf_link_detach(*link); /* now, not when the last descriptor goes */
	unlink(path);
	fd_close(link);
}

/* A TCX link with our program on the device: that which is there, or a new one. -EINVAL: the kernel has no TCX. */
static int link_attach(struct keepnat *k, const struct keepnat_interface *interface, enum place place,
		       enum program program)
{
	struct loader *l = k->loader;
	int *link = &l->links[interface->number][place];
	u32 ifindex, id;
	char path[PATH_SIZE];

	link_path(k, interface->number, place, path);
	if (*link < 0)
		*link = bpf_obj_get(path);
	if (*link >= 0 && !link_read(*link, &ifindex, &id) && ifindex == interface->ifindex) {
		if (id == l->ids[program] || !bpf_link_update(*link, l->programs[program], NULL))
			return 0;
	}
	link_drop(k, interface->number, place);
	*link = bpf_link_create(l->programs[program], (int)interface->ifindex,
				(enum bpf_attach_type)(place == PLACE_EGRESS ? TCX_EGRESS : TCX_INGRESS),
				NULL);
	if (*link < 0)
		return -errno;
	if (!bpf_obj_pin(*link, path))
		return 0;
	int error = -errno;
	link_drop(k, interface->number, place);
	return error;
}

static struct bpf_tc_hook clsact_hook(u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = place == PLACE_EGRESS ? BPF_TC_EGRESS : BPF_TC_INGRESS);

	return hook;
}

/* The program at our place in clsact. Its number; 0: none. */
static u32 clsact_read(u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook = clsact_hook(ifindex, place);

	return bpf_tc_query(&hook, &options) ? 0 : options.prog_id;
}

/* A folder beside the links' pins says that we made the clsact of an interface, and may take it away. */
static void clsact_mark_path(const struct keepnat *k, unsigned int number, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/links/%u-clsact", k->pin_dir, number);
}

static int clsact_attach(struct keepnat *k, const struct keepnat_interface *interface, enum place place,
			 enum program program)
{
	const struct loader *l = k->loader;
	struct bpf_tc_hook hook = clsact_hook(interface->ifindex, place);
	u32 id = clsact_read(interface->ifindex, place);
	char path[PATH_SIZE];
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = l->programs[program], .flags = id ? BPF_TC_F_REPLACE : 0);
	int error;

	if (id == l->ids[program])
		return 0;
	error = bpf_tc_hook_create(&hook);
	if (error && error != -EEXIST)
		return error;
	clsact_mark_path(k, interface->number, path);
	if (!error && mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	return bpf_tc_attach(&hook, &options);
}

static void clsact_detach(u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook = clsact_hook(ifindex, place);

	(void)bpf_tc_detach(&hook, &options);
}

/* Give back the clsact that we made, unless somebody else has a filter in it by now. */
static void clsact_drop(const struct keepnat *k, const struct keepnat_interface *interface)
{
	struct bpf_tc_hook hook = clsact_hook(interface->ifindex, PLACE_INGRESS);
	char path[PATH_SIZE];

	clsact_mark_path(k, interface->number, path);
	if (rmdir(path) || !interface->ifindex || netlink_filters(interface->ifindex) != 0)
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	(void)bpf_tc_hook_destroy(&hook);
}

/* Is this program of a keepnat, and not on our arrays? Who may not look (no CAP_SYS_ADMIN) is told no. */
static bool program_is_foreign(const struct loader *l, u32 id)
{
	u32 used[32] = { 0 }, size = sizeof(struct bpf_prog_info), map_size = sizeof(struct bpf_map_info);
	struct bpf_prog_info info = { .map_ids = (u64)(unsigned long)used, .nr_map_ids = 32 };
	struct bpf_map_info own = { 0 };
	bool ours = false, named = false;
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return false;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    bpf_obj_get_info_by_fd(l->maps[ARRAY_CONFIG], &own, &map_size)) {
		close(fd);
		return false;
	}
	close(fd);
	for (int i = 0; i < PROGRAMS; i++)
		named |= !strncmp(info.name, program_names[i], BPF_OBJ_NAME_LEN - 1);
	for (u32 i = 0; i < info.nr_map_ids && i < 32; i++)
		ours |= used[i] == own.id;
	return named && !ours;
}

/* Does another instance's program sit at this place, though that instance may not run? */
static bool place_is_taken(const struct keepnat *k, const struct keepnat_interface *interface,
			   enum place place)
{
	u32 ids[64], count = 64, ifindex, own = 0, id;
	const struct loader *l = k->loader;
	char path[PATH_SIZE];
	int fd;

	link_path(k, interface->number, place, path);
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		(void)link_read(fd, &ifindex, &own); /* ours, if of arrays that we gave up */
		close(fd);
	}
	id = clsact_read(interface->ifindex, place);
	if (id && !l->renewed && program_is_foreign(l, id))
		return true;
	if (bpf_prog_query((int)interface->ifindex,
			   (enum bpf_attach_type)(place == PLACE_EGRESS ? TCX_EGRESS : TCX_INGRESS), 0, NULL,
			   ids, &count))
		return false;
	for (u32 i = 0; i < count; i++)
		if (ids[i] != own && program_is_foreign(l, ids[i]))
			return true;
	return false;
}

static int place_attach(struct keepnat *k, struct keepnat_interface *interface, enum place place)
{
	enum program program = program_for(interface, place);
	bool wanted[PROGRAMS] = { false };
	int error;

	if (program == PROGRAM_NONE)
		return 0;
	wanted[program] = true;
	error = programs_load(k->loader, wanted);
	if (error)
		return error;
	error = link_attach(k, interface, place, program);
	interface->hook = "tcx";
	if (error != -EINVAL)
		return error;
	interface->hook = "clsact";
	return clsact_attach(k, interface, place, program);
}

int loader_attach(struct keepnat *k, struct keepnat_interface *interface)
{
	int error = 0;

	for (int place = 0; place < PLACES && !error; place++)
		if (!interface->hook && place_is_taken(k, interface, (enum place)place))
			error = -EBUSY;
	for (int place = 0; place < PLACES && !error; place++)
		error = place_attach(k, interface, (enum place)place);
	if (error)
		interface->hook = NULL;
	return error;
}

void loader_detach(struct keepnat *k, struct keepnat_interface *interface)
{
	for (int place = PLACES; place--;) {
		link_drop(k, interface->number, (enum place)place);
		if (interface->ifindex && interface->hook && !strcmp(interface->hook, "clsact"))
			clsact_detach(interface->ifindex, (enum place)place);
	}
	clsact_drop(k, interface);
	interface->hook = NULL;
}

static bool number_is_used(const struct keepnat *k, unsigned int number)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].number == number)
			return true;
	return false;
}

void loader_links_tidy(struct keepnat *k)
{
	for (unsigned int number = 0; number < MAX_INTERFACES; number++)
		for (int place = PLACES; place-- && !number_is_used(k, number);)
			link_drop(k, number, (enum place)place);
}

/*
 * Self-check
 */

/* Run a program on a packet of loopback, which has no role: out drops it, the others pass it on. */
static int program_try(const struct loader *l, enum program program)
{
	u8 packet[64] = { [12] = 8, [14] = 0x45 };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = 1);
	bool out = program == PROGRAM_OUT_ETHERNET || program == PROGRAM_OUT_BARE;

	if (bpf_prog_test_run_opts(l->programs[program], &options))
		return -errno;
	return options.retval == (out ? 2 /* TC_ACT_SHOT */ : (u32)-1 /* TC_ACT_UNSPEC */) ? 0 : -EPROTO;
}

static int place_check(const struct keepnat *k, const struct keepnat_interface *interface, enum place place)
{
	const struct loader *l = k->loader;
	enum program program = program_for(interface, place);
	u32 ifindex = 0, id = 0;
	int error;

	if (program == PROGRAM_NONE)
		return 0;
	if (!strcmp(interface->hook, "clsact")) {
		ifindex = interface->ifindex;
		id = clsact_read(ifindex, place);
	} else {
		error = link_read(l->links[interface->number][place], &ifindex, &id);
		if (error)
			return error;
	}
	if (ifindex != interface->ifindex || id != l->ids[program])
		return -ENOLINK;
	return program_try(l, program);
}

int loader_check(struct keepnat *k)
{
	u32 tick = loader_tick(k->loader);

	if (k->nat.config->layout != LAYOUT_VERSION || !tick) {
		log_error("self-check: the arrays or the clock do not answer; report this");
		return -EPROTO;
	}
	for (unsigned int i = 0; i < k->interface_count; i++)
		for (int place = 0; place < PLACES; place++) {
			const struct keepnat_interface *interface = &k->interfaces[i];
			int error = interface->ifindex ? place_check(k, interface, (enum place)place) : 0;

			if (!error)
				continue;
			log_error("self-check: the program at %s of %s is not in order: %s; report this",
				  place_names[place], interface->name, strerror(-error));
			return error;
		}
	return 0;
}

/*
 * Start and stop
 */

static int folders_ready(struct keepnat *k)
{
	char path[PATH_SIZE];
	int error = machine_bpffs(k->pin_dir);

	if (error)
		return error;
	snprintf(path, sizeof(path), "%s/links", k->pin_dir);
	error = machine_folder(path);
	if (error)
		log_error("cannot make %s: %s; choose another --pin-dir", path, strerror(-error));
	return error ? error : claim_pins(k);
}

int loader_open(struct keepnat *k)
{
	struct loader *l = calloc(1, sizeof(*l));
	int error;

	if (!l)
		return -ENOMEM;
	memset(l->maps, -1, sizeof(l->maps));
	memset(l->programs, -1, sizeof(l->programs));
	memset(l->links, -1, sizeof(l->links));
	k->loader = l;
	libbpf_set_print(complaint_keep);
	error = folders_ready(k);
	if (!error)
		error = arrays_ready(k, l);
	if (!error)
		error = programs_load_first(k, l);
	if (error)
		return error;
	error = jiffies_measure(k, l);
	if (error)
		log_error("the kernel's clock cannot be read; report this");
	return error;
}

bool loader_adopted(const struct loader *loader) { return loader->adopted; }

void loader_close(struct keepnat *k, bool leave)
{
	struct loader *l = k->loader;
	char path[PATH_SIZE];

	if (!l)
		return;
	for (int i = 0; i < MAX_INTERFACES; i++)
		for (int place = 0; place < PLACES; place++)
			fd_close(&l->links[i][place]);
	for (int i = 0; i < PROGRAMS; i++)
		fd_close(&l->programs[i]);
	arrays_close(l);
	memset(&k->nat, 0, sizeof(k->nat));
	if (!leave) {
		arrays_unpin(k);
		snprintf(path, sizeof(path), "%s/links", k->pin_dir);
		rmdir(path);
		rmdir(k->pin_dir);
	}
	free(l);
	k->loader = NULL;
}
