/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shadow.h - what would become of a packet: the core on a running NAT's arrays, and nothing of it reaches them.
 *
 * A shadow is an instance of its own over the same arrays. Whatever the core asks the seam for (core/env.h) is copied the first
 * time and handed out as the copy: slots, words of bitmaps, next hops. So the same functions decide, by the same state, and what
 * they store, count or take is in the copies, where a second packet finds it. Configuration, counters and scratch are the
 * shadow's from the beginning.
 *
 * Packets go on meanwhile. A copy is of one element at one moment, as a packet reads it (core/table.h); two elements may be of
 * two moments, as they may for a packet.
 */
#pragma once
#include <stdbool.h>
#include "native/env_native.h"

/* Begin: *shadow, which has the sockets and the time of `nat`. 0 or -ENOMEM. The arrays must stay until its end. */
int shadow_open(const struct nat_instance *nat, struct nat_instance *shadow);
void shadow_close(struct nat_instance *shadow);

/* False: what was touched was more than there is room for, and what came of it means nothing. */
bool shadow_holds(const struct nat_instance *shadow);
