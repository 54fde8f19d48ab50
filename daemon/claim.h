/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * claim.h - what only one keepnatd may have: an instance, its pins, an interface of this network namespace.
 *
 * Claims are flocks, so the kernel ends them with the process, however it dies.
 */
#pragma once

#include "core/types.h"

struct keepnat;
struct claims;

/* The instance, by its run folder. Logs when it refuses: -EBUSY, -errno. */
int claims_open(struct keepnat *k);

/* The folder of the pins, as claims_open() did the run folder's; it must exist. Once more: it is another folder now. */
int claim_pins(struct keepnat *k);

/* An interface: 0, also when we have it already, and without claims: who only looks takes nothing; -EBUSY: another instance has it; -errno. Does not log. */
int claim_interface(struct keepnat *k, u32 ifindex);
void claim_give(struct keepnat *k, u32 ifindex);

/* NULL is allowed. */
void claims_close(struct keepnat *k);
