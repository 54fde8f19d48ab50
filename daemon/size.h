/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * size.h - how large the arrays are: decided at start, from the configuration and the memory of the machine.
 */
#pragma once
#include "core/types.h"

struct settings;

struct sizes {
	u32 sessions, mappings, hosts; /* rated: at most so many, and the tables are half full */
	u32 flow_slots;
	u32 mapping_slots;
	u32 host_slots;
	u32 fragment_slots;
	u32 addresses; /* sets of port bitmaps */
	u32 address_places;
	u32 cpus;
};

/* memory: of the machine, in bytes. */
void sizes_choose(struct sizes *sizes, const struct settings *settings, u64 memory, u32 cpus);

/* LAYOUT_VERSION. Tests build a daemon that has another one. */
u32 sizes_layout(void);

/* What all arrays together take. */
u64 sizes_bytes(const struct sizes *sizes);
