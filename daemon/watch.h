/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * watch.h - what the leases of the fast path rest on (core/lease.h): when it changes, they end.
 *
 * Links, addresses, routes, rules, next hop objects, forwarding settings and the rules of nftables: any message about them is a
 * change. Of neighbours it is one when a hardware address that was in use became another, or none: new neighbours, and the many
 * steps between reachable and stale, end nothing. So the watch knows all neighbours by heart.
 *
 * Nothing is done while no interface takes part in the fast path. Called by the main thread only.
 */
#pragma once
#include <stdbool.h>

struct keepnat;
struct watch;

/* From now on leases hold for as long as they can. 0, or -errno after a logged line. */
int watch_start(struct keepnat *k);
void watch_stop(struct keepnat *k, bool leave);

/* Two descriptors, 0 and 1, that become readable when there is something to take, or -1. */
int watch_fd(const struct keepnat *k, unsigned int which);

/* What leases rest on has changed: none that was given so far holds. */
void watch_changed(struct keepnat *k);

/* Take what there is, and say that somebody watches: once a second or more often. */
void watch_look(struct keepnat *k);
