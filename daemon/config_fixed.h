/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the checks of reservations and port mappings share.
 *
 * An outside port leads to one inside endpoint, and an inside endpoint has one outside endpoint on an interface (RFC 4787
 * REQ-1). There may be a hundred thousand of them, so nothing is compared with everything: lists are sorted, and what
 * shares something stands side by side.
 *
 * A key that was refused is zero in its item, and nothing more is said about it. When something in the list of interfaces
 * was refused, nothing goes by what that list lacks.
 */
#pragma once

#include "daemon/config.h"

struct config_owned;

/* A reservation under one of its addresses. */
struct reserved {
	u32 address;
	const struct settings_reservation *reservation;
};

/* What the checks go by. */
struct fixed {
	const struct settings *settings;
	struct settings_report *report;
	const struct config_owned *pools; /* sorted, apart from each other */
	unsigned int pool_count;
	bool pools_only;    /* every outside interface has a pool: there are no other outside addresses */
	bool networks_only; /* every inside interface names its networks: there are no other inside addresses */
	const struct settings_interface *bare; /* the only outside interface without a pool, or NULL */
	/* All reservations, sorted by address: first by the inside, then by the outside one. */
	struct reserved *reserved;
};

/* The outside interface of that name, or NULL. */
const struct settings_interface *fixed_interface_find(const struct settings *settings, const char *name);

/* The interface that has the address in its pool, or NULL. */
const struct settings_interface *fixed_pool_owner(const struct fixed *fixed, struct in_addr address);

/* Reservations are sorted by their outside address. 0, or -ENOMEM. */
int fixed_mappings_check(const struct fixed *fixed);
