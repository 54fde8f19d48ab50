/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * save.h - what of the tables is worth keeping, slot by slot, while packets go on.
 *
 * A walk over the slots of a table finds what lives throughout; what comes or goes meanwhile may be missed. So hosts are walked
 * first, then mappings, then flows, and a session says all that its mapping and its host have to be (restore.h).
 */
#pragma once
#include "native/env_native.h"
#include "native/saved.h"

enum { SAVE_MOST = 2 };

/* What slot `at` of hosts, mappings or flows has to say at nat->now: so many records, SAVE_MOST or fewer. */
u32 save_slot(struct nat_instance *nat, enum table t, u32 at, struct saved out[SAVE_MOST]);
