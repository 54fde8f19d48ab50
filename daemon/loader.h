/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loader.h - the kernel's side of the instance: arrays, programs, hooks. Only what is behind it knows libbpf.
 *
 * Under the instance's pin folder lies a file for each array, and in links/ one for each TCX link, "NUMBER-egress" or
 * "NUMBER-ingress" by the interface's number. They outlive the daemon: the next one adopts the arrays if layout and sizes
 * fit, and puts its own programs into the links, which is atomic. Kernels without TCX have the programs in clsact, which
 * needs no pin. The parent holds the same by descriptors (hold.h), for when pins are gone.
 *
 * Called by the main thread only, but for loader_tick() and loader_clock().
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct keepnat;
struct keepnat_interface;
struct loader;
struct question;

/*
 * Adopt the pinned arrays or make new ones, map them into k->nat, load the programs that k->interfaces need, and find
 * k->jiffies_hz. k->sizes is what is wanted; adopted arrays for addresses may be larger, and then k->sizes says so.
 * 0 and k->loader; else -errno, after one logged line.
 */
int loader_open(struct keepnat *k);

/* Is there something that an earlier process left running? Before loader_open(), too. */
bool loader_left(const struct keepnat *k);

/* The arrays were there: an earlier process's state is in them, and perhaps its programs run. */
bool loader_adopted(const struct loader *loader);

/* An earlier process's programs may run, by our arrays or by such as did not serve: a start that fails leaves them alone. */
bool loader_found(const struct loader *loader);

/*
 * Could loader_open() adopt the pinned arrays, or carry over what is in them? Will the kernel take the programs? Nothing is changed.
 * 0, or -errno after a line.
 */
int loader_try(struct keepnat *k);

/* The arrays hold all that they shall at a start: from now on another process may adopt them. */
void loader_complete(struct keepnat *k);

/* The start is complete: what it took the place of is let go. 0. */
int loader_settle(struct keepnat *k);

/* Load what these interfaces need and is not loaded yet. 0, or -errno after a logged line. */
int loader_prepare(struct keepnat *k, const struct keepnat_interface *interfaces, unsigned int count);

/*
 * Put the programs on an interface, as its role and its kind want them. Idempotent: what is attached rightly stays, what
 * is missing is made, a link whose device is gone is replaced. 0 and interface->hook; -EBUSY: another instance's programs
 * are there; -errno. Does not log.
 */
int loader_attach(struct keepnat *k, struct keepnat_interface *interface);

/* Put a program on the ingress of a new device of ours, by which fragments come back in order. 0 or -errno. */
int loader_ordered(struct keepnat *k, u32 ifindex);

/* Take the programs off, and forget their pins. */
void loader_detach(struct keepnat *k, struct keepnat_interface *interface);

/* Take our programs off what is no interface of ours any more: a former configuration's, or a device that has another name now. */
void loader_hooks_tidy(struct keepnat *k);

/*
 * Lead the router's own sockets to port mappings, if there are any, and else no more; where that cannot be, a warning says so. 0.
 * Idempotent. And no more: leave as below.
 */
int loader_sockets_start(struct keepnat *k);
void loader_sockets_stop(struct keepnat *k, bool leave);

/* Read back every hook, and run each attached program once on a packet that is not ours. 0, or -errno after a line. */
int loader_check(struct keepnat *k);

/* Pin again what somebody unpinned, if that can be; else a warning says so. Now and then, when the start is complete. */
void loader_pins_look(struct keepnat *k);

/* What the deputy needs of it. */
bool loader_has(const struct loader *loader, int descriptor);

/*
 * Whose is the program of this number: ours, by its arrays; another keepnat's, by its name; somebody else's. Who may not look (no
 * CAP_SYS_ADMIN) is told the last.
 */
enum program_owner { OWNER_OTHER, OWNER_US, OWNER_INSTANCE };
enum program_owner loader_program_owner(const struct loader *loader, u32 id);

/* The data path's clock now. Any thread. */
u32 loader_tick(const struct loader *loader);

/* The same, and how much of the tick is over. Any thread. */
enum { LOADER_CLOCK_PARTS = 1024 };
u32 loader_clock(const struct loader *loader, u32 *parts);

/*
 * Ask the kernel as the programs do, at a hook of this device: the answer, as bpf/keepnat.bpf.c has it, or -errno. Any thread.
 */
int loader_ask(const struct loader *loader, u32 ifindex, const struct question *question);

/* leave: pins stay, and what is attached goes on. Else the arrays' pins go; hooks must have been detached. */
void loader_close(struct keepnat *k, bool leave);
