/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * frame.h - what every program does with its packet, whether that has a socket buffer or not.
 */
#pragma once
#include "core/packet.h"
#include "bpf/maps.h"

enum { ETHERNET = 14 };

static __always_inline void count(u32 interface, u32 reason, u32 bytes)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct counters *all = bpf_map_lookup_elem(&counters, &cpu);
	u64 row = interface;

	if (!all || interface >= MAX_INTERFACES || reason >= REASONS)
		return;
	/* Once more where no copy of it can come between: kernel 6.1 does not carry the bound from one copy to another. */
	asm volatile("if %0 <= %1 goto +1\n%0 = 0" : "+r"(row) : "i"(MAX_INTERFACES - 1));
	struct counter *counter = &all->by[row][reason];
	counter->packets++;
	counter->bytes += bytes;
}
