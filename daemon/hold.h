/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hold.h - the parent holds the data path's descriptors.
 *
 * What there is of us in the kernel lives while somebody refers to it: a pin in the bpffs, or a process by a descriptor. Pins go when their
 * file system is unmounted or somebody removes them. So the worker gives its parent a copy of each descriptor that it pins, by the pin's
 * name, and of some that it does not; the parent does nothing with them but keep them open. A fork is the way back: each worker begins with
 * all of them. A program that takes over by exec (upgrade.h) gets them, too, and is told of them in an environment variable.
 *
 * Both sides have the same table. The worker changes its own one and tells the parent, in order, by a socket that both have from their
 * birth: what a worker said before it died is heard before the next one begins.
 */
#pragma once

enum {
	HOLD_NAME = 56, /* bytes of a name, with the zero at its end; of letters, digits, '_', '-' and '/' */
	HOLDS = 384,	/* more than all interfaces need */
};

struct hold {
	char name[HOLD_NAME];
	int fd;
};

struct holds {
	int hear, tell; /* the parent's end of the socket, and the worker's; -1: none */
	unsigned int count;
	struct hold list[HOLDS];
};

/*
 * The parent's
 */

/* With what the program before this one handed over. 0 or -errno. */
int holds_open(struct holds *holds);

/* Do as the worker said since. holds->hear becomes readable when there is something. */
void holds_hear(struct holds *holds);

/* Another program is about to take our place by exec, and gets them; or it could not. */
void holds_hand(struct holds *holds);
void holds_keep(struct holds *holds);

/*
 * The worker's. `holds` may be NULL: nobody holds anything.
 */

/* It has its own copies from now on. */
void holds_begin(struct holds *holds);

/* A descriptor of the caller's own to what is held by this name; -1: nothing is. */
int hold_get(const struct holds *holds, const char *name);

/* Hold it, in the place of what had this name. The descriptor stays the caller's. What there is no room for is not held. */
void hold_put(struct holds *holds, const char *name, int fd);

/* No longer; or by another name, in the place of what had that. Nothing, if there is none of this name. */
void hold_drop(struct holds *holds, const char *name);
void hold_rename(struct holds *holds, const char *name, const char *to);
