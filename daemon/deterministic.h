/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * deterministic.h - RFC 7422, and who has which ports: from the configuration alone, without state, daemon or machine.
 *
 * The arithmetic is core/shares.h's, which the programs of the kernel use as well.
 */
#pragma once
#include "core/types.h"
#include "daemon/config.h"

struct settings;
struct settings_interface;

/* Which ports of an outside interface hosts may have. 0, or SHARES_* of core/shares.h: it cannot be done so. */
int deterministic_shares(const struct settings *settings, const struct settings_interface *interface,
			 struct shares *shares);

/* Ports of an inside address: one run of them, a step apart. Of blocks: where they are lent from, not to whom. */
struct deterministic_ports {
	const struct settings_interface *interface;
	struct in_addr outside;
	u32 first, last, step;
};

/*
 * The nth run of ports that are the inside address's own: 1; 0: there are no more. With `blocks`: of ports from which it may
 * be lent blocks; an outside address of 0 there: one that the configuration does not tell.
 */
int deterministic_forward(const struct settings *settings, struct in_addr inside, bool blocks, unsigned int n,
			  struct deterministic_ports *ports);

/* Whose an outside port is. */
enum deterministic_kind {
	DETERMINISTIC_NOBODY, /* no host has it by the configuration, and none may have it */
	DETERMINISTIC_OWN,    /* *inside has it */
	DETERMINISTIC_BLOCK,  /* who has it now by a block, or by chance, only the daemon knows */
};
enum deterministic_kind deterministic_reverse(const struct settings *settings, struct in_addr outside,
					      u32 port, struct in_addr *inside);

/* The first port mapping that leads this outside port to a host; or NULL. */
const struct settings_port_mapping *deterministic_mapping(const struct settings *settings,
							  struct in_addr outside, u32 port);

/* The inside addresses that have ports of their own: those of the network that hosts can have. */
struct address_range deterministic_hosts(const struct settings_interface *interface);

/*
 * The pool's addresses are numbered in the order of the file. The one with a number below their count; or the number, or
 * NO_SHARE.
 */
u32 deterministic_addresses(const struct settings_interface *interface);
struct in_addr deterministic_address(const struct settings_interface *interface, u32 number);
u32 deterministic_number(const struct settings_interface *interface, struct in_addr address);
