/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loader_parts.h - what the files behind loader.h share: loader.c (programs, clock, start and stop),
 * loader_pins.c (what outlives the daemon), loader_arrays.c (the state), loader_hooks.c and loader_sockets.c (where the programs
 * are attached).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "daemon/keepnat.h"
#include "daemon/loader.h"

enum { LOADER_PATH = sizeof(((struct keepnat *)0)->pin_dir) + 40 };

enum array {
	ARRAY_CONFIG,
	ARRAY_FLOWS,
	ARRAY_MAPPINGS,
	ARRAY_HOSTS,
	ARRAY_FRAGMENTS,
	ARRAY_PORTS,
	ARRAY_ADDRESSES,
	ARRAY_POOLS,
	ARRAY_NEXT_HOPS,
	ARRAY_HELD,
	ARRAY_COUNTERS,
	ARRAY_DROPS,
	ARRAYS,
};

enum { SOCKET_PROGRAMS = 8 };

enum program {
	PROGRAM_OUT_ETHERNET,
	PROGRAM_IN_ETHERNET,
	PROGRAM_HAIRPIN_ETHERNET,
	PROGRAM_LEARN_ETHERNET,
	PROGRAM_CLIENT_ETHERNET,
	PROGRAM_OUT_BARE,
	PROGRAM_IN_BARE,
	PROGRAM_HAIRPIN_BARE,
	PROGRAM_CLIENT_BARE,
	PROGRAM_XDP_OUT,
	PROGRAM_XDP_IN,
	PROGRAM_ALL_OUT,
	PROGRAM_ALL_IN,
	PROGRAM_ORDERED,
	PROGRAM_CONNECT4, /* and seven more, in the order of program_names[] */
	PROGRAM_CLOCK = PROGRAM_CONNECT4 + SOCKET_PROGRAMS,
	PROGRAM_QUESTION,
	PROGRAMS,
	PROGRAM_NONE = PROGRAMS,
};

/* The programs' names, as bpf/keepnat.bpf.c has them, and bpf/all.bpf.c those that begin with "all". */
extern const char *const program_names[PROGRAMS];

/* Taken down from behind: egress last, so that nothing leaves untranslated before the other hooks are gone. */
enum place { PLACE_EGRESS, PLACE_INGRESS, PLACE_XDP, PLACES };

struct loader {
	int maps[ARRAYS]; /* descriptors here and below; -1: none */
	void *memory[ARRAYS];
	size_t lengths[ARRAYS];
	int programs[PROGRAMS];
	u32 ids[PROGRAMS]; /* the kernel's numbers of the programs */
	int links[MAX_INTERFACES][PLACES];
	int led;       /* the map of the socket programs */
	time_t looked; /* when the pins were looked at last */
	bool adopted;
	bool settled; /* the start is complete */
	bool renewed; /* there were arrays, but they did not serve; they are in "former" until this start is complete */
};

static inline void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * loader_pins.c: names are those of files below the pin folder
 */

/* What the parent holds and the bpffs has not: programs, for the next worker. */
#define HELD_ALONE "programs/"

/* The pin folder is there and ours; or, if the parent holds the data path, a warning says that it is not. 0, or -errno after a line. */
int pins_ready(struct keepnat *k);

/* What has this name, by the pin or, where that is gone, by the parent: a descriptor, or -errno. */
int pin_open(const struct keepnat *k, const char *name);

/* It outlives us by this name, from now on. 0; -errno: it is not pinned. The descriptor stays the caller's. */
int pin_put(const struct keepnat *k, const char *name, int fd);

/* No more; or by another name. What is attached by a link stays so: see bpf_link_detach(). */
void pin_drop(const struct keepnat *k, const char *name);
void pin_move(const struct keepnat *k, const char *name, const char *to);

/*
 * loader_arrays.c
 */

/* The name of the map in bpf/maps.h, and of the pin. */
const char *array_name(enum array array);

/* Adopt the pinned arrays or make new ones, map them and put them into k->nat. 0, or -errno after a line. */
int arrays_ready(struct keepnat *k, struct loader *l);
void arrays_close(struct loader *l);
void arrays_unpin(const struct keepnat *k);

/* Those that did not serve are forgotten; or are the present ones again. */
void arrays_settle(const struct keepnat *k);
void arrays_return(const struct keepnat *k);

/*
 * For a trial: the pinned arrays, which nothing is changed in; or, if those have to be replaced and can be, small ones to load programs by. 0,
 * or -errno after a line.
 */
int arrays_try(struct keepnat *k, struct loader *l);

/*
 * loader.c
 */

/* Load those of the wanted programs that are neither loaded nor held. 0 or -errno. */
int programs_load(struct keepnat *k, const bool wanted[PROGRAMS]);

/*
 * loader_hooks.c
 */

/* Run each program that the interfaces need once, on a packet that is not ours. 0, or -errno after a line. */
int programs_try(const struct keepnat *k);

/* The program for a hook of an interface; PROGRAM_NONE: it has none there. */
enum program program_for(const struct keepnat_interface *interface, enum place place);
