/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * defrag.h - where the kernel puts fragments in order: a network namespace of this instance's own.
 *
 *	ingress of an interface ─ divert ─> knfNUMBER ═══ defrag ─> the namespace: reassembles, routes back, cuts as it was
 *	ingress of that interface <─ ordered ─ knfNUMBER ═══ defrag <─┘
 *
 * A pair of veth devices leads there; within there is one route, back by where it came. That a datagram is reassembled before it is
 * routed, and cut again to the sizes that it had, is what the kernel does for its tproxy: a rule that never matches turns it on,
 * for this namespace alone. There is no connection tracking, and nothing to do for a process. A file in the run folder holds the namespace,
 * so that it outlives the daemon. What it keeps is bounded by the kernel (4 MB), and by fragment_min_timeout.
 *
 * Where it cannot be made (CAP_SYS_ADMIN, a kernel without nft_tproxy), a warning says so, and fragments that
 * overtake their first one are dropped.
 */
#pragma once
#include <stdbool.h>

struct keepnat;

/* Make it anew, by the deputy. 0, also without it: then a warning says why. */
int defrag_start(struct keepnat *k);

/* What the deputy does: make it anew, 0 or -errno; take it away. */
int defrag_make(struct keepnat *k);
void defrag_drop(const struct keepnat *k);

/* Make it anew if somebody took its device away; and up if it is down. */
void defrag_check(struct keepnat *k);

/* leave: it goes on. */
void defrag_stop(struct keepnat *k, bool leave);
