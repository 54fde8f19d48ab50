/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * maps.h - the state: flat arrays that the programs and the daemon share (doc/design.md section 5).
 *
 * Sizes of 1 are placeholders: the daemon sets the real ones before it loads, pins what it made, and adopts what it
 * finds pinned. All but scratch are mapped by the daemon.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "core/request.h"

#define SHARED_ARRAY(name, type_of_value)          \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, u32);                  \
		__type(value, type_of_value);      \
	} name SEC(".maps")

SHARED_ARRAY(config, struct config);
SHARED_ARRAY(flows, struct flow);
SHARED_ARRAY(mappings, struct mapping);
SHARED_ARRAY(hosts, struct host);
SHARED_ARRAY(fragments, struct fragment);
SHARED_ARRAY(ports, u64);
SHARED_ARRAY(addresses, u64);
SHARED_ARRAY(pools, u64);
SHARED_ARRAY(next_hops, struct next_hop);
SHARED_ARRAY(held, struct held);
SHARED_ARRAY(counters, struct counters); /* an element a CPU */
SHARED_ARRAY(drops, struct drops);	 /* likewise */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct work);
} scratch SEC(".maps");

/* Tests load the programs with virtual time: then time and chance come from the configuration. */
const volatile u32 virtual_time = 0;

/* Tests that run one program by itself: it sends nothing anywhere, and packets may be for whom they like. */
const volatile u32 test_run = 0;
