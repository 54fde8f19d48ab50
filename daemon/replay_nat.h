/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * replay_nat.h - a NAT as a configuration wants it, in plain memory and in a time of its own.
 *
 * Settings are told to it by the same code as to the kernel's programs. Chance begins the same each time, so that the same packets
 * give the same.
 */
#pragma once
#include "daemon/config.h"
#include "daemon/keepnat.h"

struct sweep;

struct replay_nat {
	struct keepnat k;
	struct sweep *sweep;
	bool begun;
	u64 start; /* the time of the first packet, seconds */
	u32 swept; /* the tick up to which was swept */
};

/* own: addresses of outside interfaces that have no pool, or NULL. 0, or -errno and *why. */
int replay_nat_open(struct replay_nat *nat, struct settings *settings, const struct settings_interface *own,
		    const char **why);
void replay_nat_close(struct replay_nat *nat);

/* It is so late now, in seconds; time never goes back. What has ended by then is swept. */
void replay_nat_time(struct replay_nat *nat, u64 seconds);

/* The inside interface that an address is behind, or NULL; the outside one whose address it is. */
const struct keepnat_interface *replay_inside(const struct replay_nat *nat, struct in_addr address);
const struct keepnat_interface *replay_outside(const struct replay_nat *nat, struct in_addr address);
