/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * link.h - keeps the data path true to the machine's interfaces and addresses.
 *
 * Everything is derived anew from a full dump whenever anything changed, and each step leaves alone what is right
 * already: no event can be missed for good, and none can be acted upon twice.
 *
 * AN INTERFACE IS THE DEVICE that has its name. When that one is renamed it stays the interface, for the kernel goes on routing by it: served
 * no more, it would let packets out as they are. Only if another device gets the name, or its new name is another interface's, it is left.
 */
#pragma once
#include <stdbool.h>

struct keepnat;
struct keepnat_interface;
struct link_watch;
struct settings;

/* Why an interface cannot be served, and how to mend it. */
struct link_refusal {
	const char *what, *mend;
};

/*
 * Find the interfaces of the settings, claim them, and fill k->interfaces; nothing is changed yet. 0, or -errno
 * after a logged line for each that is missing. Over what an earlier process left running none is missed: a warning says so, and it
 * is waited for.
 */
int link_start(struct keepnat *k);

/* Attach the programs and put the pool's addresses on. 0, or -errno after a logged line. */
int link_up(struct keepnat *k);

/* leave: programs and addresses stay. Else: addresses that we put on go, then the programs. */
void link_down(struct keepnat *k, bool leave);

void link_stop(struct keepnat *k);

/*
 * For other settings, by steps (reload.c). The i-th interface of settings, as they want it; find its device and claim it, 0 or
 * -errno and why not; have it served, the i-th of k->interfaces, likewise; serve it no more: the addresses that we put on go, then
 * the programs.
 */
void link_describe(struct keepnat_interface *interface, const struct settings *settings, unsigned int i);
int link_find(struct keepnat *k, const struct settings *settings, struct keepnat_interface *interface,
	      struct link_refusal *refusal);
int link_enter(struct keepnat *k, unsigned int i, struct link_refusal *refusal);
void link_leave(struct keepnat *k, struct keepnat_interface *interface);

/* All anew by k->settings, whose interfaces are served. 0, or -errno after a logged line. */
int link_renew(struct keepnat *k);

/* Interfaces whose device was served by a former process, and has another name now: they are found. Once they have their numbers. */
void link_find_former(struct keepnat *k);

/* Becomes readable when something changed: then call link_event(). */
int link_fd(const struct keepnat *k);
void link_event(struct keepnat *k);

/* The same without an event: what somebody took away without a message is put back. */
void link_refresh(struct keepnat *k);
