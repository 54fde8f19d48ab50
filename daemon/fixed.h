/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fixed.h - the configuration's reservations and port mappings, brought into the tables (native/fixed.h) each time the outside
 * addresses have changed: some are bound to an interface's own address, and others wait for theirs.
 */
#pragma once
#include "core/types.h"

struct fixed;
struct keepnat;
struct pool_address;
struct settings;

/* NULL: no memory. */
struct fixed *fixed_open(const struct settings *settings);
void fixed_close(struct fixed *fixed);

/*
 * How an outside address serves (ADDRESS_*) in view of its reservations. With inbound it is the reserved host's alone; but the
 * interface's own address without a pool stays everybody's, or the others would have none.
 */
u8 fixed_address_flags(const struct fixed *fixed, __be32 addr, u8 flags);

/*
 * Bring them into the tables; addresses: those that serve now. What was displaced is logged, what found no room warned of.
 * 0 or -ENOMEM.
 */
int fixed_publish(struct keepnat *k, const struct pool_address *addresses, unsigned int count);
