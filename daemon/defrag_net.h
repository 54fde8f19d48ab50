/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * defrag_net.h - what defrag.c asks of the kernel by netlink, in the network namespace of the calling thread. Each: 0 or -errno.
 */
#pragma once
#include "core/types.h"

/* A pair of veth devices: `inner` here, with the address that the programs send to, and `outer` in that namespace. */
int defrag_link_add(const char *inner, const char *outer, int outer_ns);
int defrag_link_remove(u32 ifindex);

/* Up, and without ARP. */
int defrag_link_up(u32 ifindex);

/* All goes back by this device. */
int defrag_route_add(u32 ifindex);

/* A rule that never matches, whose tproxy makes the kernel reassemble what comes in. */
int defrag_rule_add(void);
