/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fixed.h - what the configuration fixes: reservations and port mappings, as entries of the tables.
 *
 * A port mapping is a mapping like any other, and a reservation a host, but made here and marked OWN_FIXED: packets find
 * and use them as they do others, no reset makes them stale and the sweep never ends them. So one outside endpoint has one
 * owner still, by the same protocol, whoever comes first; what stands in the way of a fixed one is ended.
 *
 * All functions run beside packets. They insert, so the sweep must not run at the same time.
 */
#pragma once
#include <stdbool.h>
#include "core/request.h"

struct nat_instance;

/* An inside host's outside address. inbound: what comes in to it and no mapping wants is the host's. */
struct fixed_host {
	__be32 inside, outside;
	u8 interface; /* the outside one's number */
	bool inbound;
	bool same_ports; /* its ports stay as they are */
};

struct fixed_mapping {
	struct endpoint inside, outside;
	u8 class; /* CLASS_UDP or CLASS_TCP */
	u8 interface;
	bool full;     /* full NAT (core/clients.h), and */
	__be32 client; /* the router's address for its clients; 0: none is known */
};

/* All that shall be fixed. An inside host, an inside endpoint and an outside one are there once on an interface. */
struct fixed_want {
	struct fixed_host *hosts;
	struct fixed_mapping *mappings;
	unsigned int host_count, mapping_count;
	/* Called for each mapping of others that had to go; may be NULL. */
	void (*displaced)(void *context, u8 class, struct endpoint inside, struct endpoint outside);
	void *context;
	bool all; /* sessions that disagree end, whether or not anything was displaced this time */
};

struct fixed_report {
	unsigned int displaced; /* mappings of others that were ended */
	unsigned int moved;	/* hosts that had another outside address */
	unsigned int sessions;	/* that were ended with either */
	unsigned int refused;	/* wanted, and not there: the table has no room */
};

/*
 * Make it so that just these are fixed; the arrays of *want are sorted. Sessions of what was displaced end, and TCP is told.
 * nat->now is the time. Idempotent. 0, or -ENOMEM and nothing is changed.
 */
int fixed_apply(struct nat_instance *nat, struct fixed_want *want, struct fixed_report *report);
