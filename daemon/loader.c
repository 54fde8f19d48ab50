// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hold.h"
#include "daemon/loader_parts.h"
#include "daemon/log.h"
#include "all.skel.h"
#include "keepnat.skel.h"

const char *const program_names[PROGRAMS] = {
	"out_ethernet", "in_ethernet",	"hairpin_ethernet", "learn_ethernet", "client_ethernet", "out_bare",
	"in_bare",	"hairpin_bare", "client_bare",	    "xdp_out",	      "xdp_in",		 "all_out",
	"all_in",	"ordered",	"connect4",	    "connect6",	      "sendmsg4",	 "sendmsg6",
	"recvmsg4",	"recvmsg6",	"getpeername4",	    "getpeername6",   "clock_read",	 "question",
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

/*
 * Programs. To verify them takes the kernel a second, so the parent holds those that it took: a worker with the same object, over the same
 * arrays, has them at once.
 */

static u64 hash_more(u64 hash, const void *bytes, size_t size) /* FNV-1a */
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ ((const u8 *)bytes)[i]) * 0x100000001b3ull;
	return hash;
}

static u64 hash_map(u64 hash, int map)
{
	struct bpf_map_info info = { 0 };
	u32 size = sizeof(info);

	if (map >= 0)
		(void)bpf_obj_get_info_by_fd(map, &info, &size);
	return hash_more(hash, &info.id, sizeof(info.id));
}

/* The objects that programs come in. */
enum object { OBJECT_KEEPNAT, OBJECT_ALL, OBJECTS };

static enum object object_of(enum program which)
{
	return which == PROGRAM_ALL_OUT || which == PROGRAM_ALL_IN ? OBJECT_ALL : OBJECT_KEEPNAT;
}

static const void *object_bytes(enum object which, size_t *size)
{
	return which == OBJECT_ALL ? all_bpf__elf_bytes(size) : keepnat_bpf__elf_bytes(size);
}

static struct bpf_object *object_open(enum object which)
{
	size_t size = 0;
	const void *bytes = object_bytes(which, &size);

	return bpf_object__open_mem(bytes, size, NULL);
}

/* The folder of names by which programs are held: by the objects, the arrays, and this map of what sockets were led, or -1. */
struct programs_folder {
	char name[32];
};

static struct programs_folder programs_folder(const struct loader *l, int led)
{
	struct programs_folder folder;
	u64 hash = 0xcbf29ce484222325ull;

	for (int i = 0; i < OBJECTS; i++) {
		size_t size = 0;
		const void *object = object_bytes((enum object)i, &size);

		hash = hash_more(hash, object, size);
	}
	hash = hash_map(hash, l->maps[ARRAY_CONFIG]);
	snprintf(folder.name, sizeof(folder.name), HELD_ALONE "%016llx/",
		 (unsigned long long)hash_map(hash, led));
	return folder;
}

static void program_name(const struct programs_folder *folder, enum program which, char name[HOLD_NAME])
{
	snprintf(name, HOLD_NAME, "%s%s", folder->name, program_names[which]);
}

/* The descriptor is ours from now on; -1: there is none. 0 or -errno. */
static int program_take(struct loader *l, enum program which, int fd)
{
	struct bpf_prog_info info = { 0 };
	u32 size = sizeof(info);

	l->programs[which] = fd;
	if (fd < 0)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	l->ids[which] = info.id;
	return 0;
}

/* Those of the missing ones that are held. Is one missing still? */
static bool programs_find(struct keepnat *k, const struct programs_folder *folder, bool missing[PROGRAMS])
{
	char name[HOLD_NAME];
	bool any = false;

	for (int i = 0; i < PROGRAMS; i++) {
		if (!missing[i])
			continue;
		program_name(folder, (enum program)i, name);
		missing[i] = program_take(k->loader, (enum program)i, hold_get(k->holds, name));
		any |= missing[i];
	}
	return any;
}

/* Keep the program beyond the object that it came in. */
static int program_keep(struct keepnat *k, const struct programs_folder *folder,
			const struct bpf_program *program, enum program which)
{
	int error = program_take(k->loader, which, fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3));
	char name[HOLD_NAME];

	program_name(folder, which, name);
	if (!error)
		hold_put(k->holds, name, k->loader->programs[which]);
	return error;
}

/* Programs of other arrays or objects are of no use to the next worker. */
static void programs_settle(struct keepnat *k)
{
	const struct programs_folder folder = programs_folder(k->loader, -1),
				     sockets = programs_folder(k->loader, k->loader->led);
	struct holds *holds = k->holds;

	for (unsigned int i = holds ? holds->count : 0; i-- > 0;) {
		const char *name = holds->list[i].name;

		if (!strncmp(name, HELD_ALONE, strlen(HELD_ALONE)) &&
		    strncmp(name, folder.name, strlen(folder.name)) &&
		    strncmp(name, sockets.name, strlen(sockets.name)))
			hold_drop(holds, name);
	}
}

/* The object with our arrays in it, as far as it has them, and of its programs only those that are wanted. */
static int object_prepare(const struct loader *l, struct bpf_object *object, enum object which,
			  const bool wanted[PROGRAMS])
{
	struct bpf_map *led = bpf_object__find_map_by_name(object, "led");
	int error = !led	 ? 0
		    : l->led < 0 ? bpf_map__set_autocreate(led, false)
				 : bpf_map__reuse_fd(led, l->led);

	for (int i = 0; i < ARRAYS && !error; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, array_name((enum array)i));

		error = map ? bpf_map__reuse_fd(map, l->maps[i]) : 0;
	}
	for (int i = 0; i < PROGRAMS && !error; i++)
		if (object_of((enum program)i) == which)
			error = bpf_program__set_autoload(bpf_object__find_program_by_name(object,
											   program_names[i]),
							  wanted[i]);
	return error;
}

/* Those programs of an object that are wanted, if any are. 0 or -errno. */
static int object_load(struct keepnat *k, const struct programs_folder *folder, enum object which,
		       const bool wanted[PROGRAMS])
{
	struct bpf_object *object;
	bool any = false;
	int error;

	for (int i = 0; i < PROGRAMS; i++)
		any |= wanted[i] && object_of((enum program)i) == which;
	if (!any)
		return 0;
	object = object_open(which);
	if (!object)
		return -errno;
	error = object_prepare(k->loader, object, which, wanted);
	if (!error)
		error = bpf_object__load(object);
	for (int i = 0; i < PROGRAMS && !error; i++)
		if (wanted[i] && object_of((enum program)i) == which)
			error = program_keep(k, folder,
					     bpf_object__find_program_by_name(object, program_names[i]),
					     (enum program)i);
	bpf_object__close(object);
	return error;
}

int programs_load(struct keepnat *k, const bool wanted[PROGRAMS])
{
	struct programs_folder folder;
	struct loader *l = k->loader;
	bool missing[PROGRAMS], any = false;
	int error = 0;

	for (int i = 0; i < PROGRAMS; i++)
		any |= missing[i] = wanted[i] && l->programs[i] < 0;
	if (!any)
		return 0;
	folder = programs_folder(l, l->led);
	if (!programs_find(k, &folder, missing))
		return 0;
	for (int i = 0; i < OBJECTS && !error; i++)
		error = object_load(k, &folder, (enum object)i, missing);
	return error;
}

static void programs_want(bool wanted[PROGRAMS], const struct keepnat_interface *interfaces,
			  unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		for (int place = 0; place < PLACES; place++) {
			enum program program = program_for(&interfaces[i], (enum place)place);

			if (program != PROGRAM_NONE)
				wanted[program] = true;
		}
}

int loader_prepare(struct keepnat *k, const struct keepnat_interface *interfaces, unsigned int count)
{
	bool wanted[PROGRAMS] = {
		[PROGRAM_CLOCK] = true, [PROGRAM_ORDERED] = true, [PROGRAM_QUESTION] = true
	};
	int error;

	programs_want(wanted, interfaces, count);
	error = programs_load(k, wanted);
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

u32 loader_clock(const struct loader *loader, u32 *parts)
{
	const struct config *c = loader->memory[ARRAY_CONFIG];
	u64 now = jiffies_read(loader) * c->tick_mul;

	*parts = (u32)(now >> 14) % LOADER_CLOCK_PARTS;
	return (u32)(now >> 24) & 0xfffff;
}

u32 loader_tick(const struct loader *loader)
{
	u32 parts;

	return loader_clock(loader, &parts);
}

int loader_ask(const struct loader *loader, u32 ifindex, const struct question *question)
{
	struct {
		u8 frame[14];
		u8 question[sizeof(*question)];
		u8 rest[64];
	} packet = { .frame = { [12] = 8 } };
	struct __sk_buff context = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &packet, .data_size_in = sizeof(packet),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	memcpy(packet.question, question, sizeof(*question));
	if (bpf_prog_test_run_opts(loader->programs[PROGRAM_QUESTION], &options))
		return -errno;
	return (int)options.retval;
}

/*
 * Start and stop
 */

static struct loader *loader_new(void)
{
	struct loader *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	memset(l->maps, -1, sizeof(l->maps));
	memset(l->programs, -1, sizeof(l->programs));
	memset(l->links, -1, sizeof(l->links));
	l->led = -1;
	libbpf_set_print(complaint_keep);
	return l;
}

int loader_try(struct keepnat *k)
{
	int error;

	k->loader = loader_new();
	if (!k->loader)
		return -ENOMEM;
	error = arrays_try(k, k->loader);
	if (!error)
		error = loader_prepare(k, k->interfaces, k->interface_count);
	if (!error)
		error = programs_try(k);
	loader_close(k, true);
	return error;
}

int loader_open(struct keepnat *k)
{
	struct loader *l = loader_new();
	int error;

	if (!l)
		return -ENOMEM;
	k->loader = l;
	error = pins_ready(k);
	if (!error)
		error = arrays_ready(k, l);
	if (!error)
		error = loader_prepare(k, k->interfaces, k->interface_count);
	if (error)
		return error;
	error = jiffies_measure(k, l);
	if (error)
		log_error("the kernel's clock cannot be read; report this");
	return error;
}

bool loader_adopted(const struct loader *loader) { return loader->adopted; }

bool loader_found(const struct loader *loader) { return loader->adopted || loader->renewed; }

int loader_settle(struct keepnat *k)
{
	arrays_settle(k);
	programs_settle(k);
	k->loader->settled = true;
	return 0;
}

bool loader_has(const struct loader *loader, int descriptor)
{
	for (int i = 0; i < ARRAYS; i++)
		if (loader->maps[i] == descriptor)
			return true;
	for (int i = 0; i < PROGRAMS; i++)
		if (loader->programs[i] == descriptor)
			return true;
	return false;
}

void loader_close(struct keepnat *k, bool leave)
{
	struct loader *l = k->loader;
	char path[LOADER_PATH];

	if (!l)
		return;
	for (int i = 0; i < MAX_INTERFACES; i++)
		for (int place = 0; place < PLACES; place++)
			fd_close(&l->links[i][place]);
	for (int i = 0; i < PROGRAMS; i++)
		fd_close(&l->programs[i]);
	fd_close(&l->led);
	arrays_close(l);
	memset(&k->nat, 0, sizeof(k->nat));
	if (leave && l->renewed && !l->settled)
		arrays_return(k);
	if (!leave) {
		arrays_unpin(k);
		snprintf(path, sizeof(path), "%s/links", k->pin_dir);
		rmdir(path);
		rmdir(k->pin_dir);
	}
	free(l);
	k->loader = NULL;
}
