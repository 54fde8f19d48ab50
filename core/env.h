/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * env.h - the seam: all that the core asks of its home, once for BPF and once for plain memory.
 *
 * Each home (bpf/env_bpf.h, native/env_native.h) supplies
 *
 *   struct nat_instance		 the instance; in BPF the program's context, since its maps are the instance
 *   env_config(nat)			 the configuration; NULL cannot happen, but the verifier wants to see the check
 *   env_slot(nat, table, i)		 slot i of a table, or NULL
 *   env_port_word(nat, i)		 word i of the port bitmaps, or NULL
 *   env_address(nat, i)		 place i of the address table, or NULL
 *   env_next_hop(nat, i)		 next hop i, or NULL
 *   env_held(nat, i)			 place i for a held SYN, or NULL
 *   env_drops(nat, reason)		 the last packets that ended for a reason here, or NULL
 *   env_clock(nat)			 nanoseconds, for people: nothing is decided by them
 *   env_scratch(nat)			 a struct work of this CPU (thread), or NULL
 *   env_segments(nat)		 packets that offload will make of the one at hand: their identifications count up
 *   env_now(nat), env_random(nat)	 the tick; 32 random bits
 *   env_local_socket(nat, ...)	 does a socket of the router want packets to this endpoint?
 *   env_route_inside(nat, ...)	 would the kernel send this packet out of an inside interface?
 *   env_loop(count, step, context)	 step(i, context) until it returns 1; a call the verifier follows once
 *   LOAD STORE CAS FETCH_OR FETCH_AND FETCH_ADD	on 64-bit words
 *   COUNT(p, v)			 add to a counter; of two CPUs that do so at the same instant one may be missed
 *   GET32(p), PUT32(p, v)	 32 bits at an even address
 *   FETCH_LINE(p)		 begin to load the cache line of p
 *   FORGET(x, any)			 x, but the verifier no longer knows its value
 *   BOUNDED(x, max)		 x, in the register that is compared and then used
 *   env_pool(nat, i)		 bucket i of the pools, or NULL
 *   SLOW				 a function off the hot path: its own function to the verifier, too
 *   SLOW_ENTER(nat)		 its first statement
 *   FAULT(name)			 here a test may end the process (native/fault.h); nothing in BPF and in what is shipped
 *
 * All loads of shared words are acquire, all stores release, all read-modify-writes sequentially consistent:
 * what the protocol above table.h asks for. In BPF on x86 a volatile access is exactly that; on arm64 BPF needs
 * load-acquire instructions (kernel 6.15), which today's compilers for Debian 12 cannot emit.
 */
#pragma once
#include "core/types.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Field of a 64-bit word by its place in memory: offset and width in bits from the first byte on. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORD_FIELD(word, offset, width) ((u32)((word) >> (offset)) & ((1u << (width)) - 1))
#define be16_to_host(x) ((u16)__builtin_bswap16((u16)(x)))
#define be32_to_host(x) ((u32)__builtin_bswap32((u32)(x)))
#else
#define WORD_FIELD(word, offset, width) ((u32)((word) >> (64 - (offset) - (width))) & ((1u << (width)) - 1))
#define be16_to_host(x) ((u16)(x))
#define be32_to_host(x) ((u32)(x))
#endif
/* The first six bytes of a word in memory: an address and a port. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORD_FIRST48 0x0000ffffffffffffull
#else
#define WORD_FIRST48 0xffffffffffff0000ull
#endif
#define host_to_be16(x) ((__be16)be16_to_host(x))
#define host_to_be32(x) ((__be32)be32_to_host(x))

/* Chance that tests can repeat: xorshift64*, its state in the configuration. */
static __always_inline u32 test_random(u64 *state)
{
	u64 x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (u32)(x * 0x2545f4914f6cdd1dull >> 32);
}

#ifdef __bpf__
#include "bpf/env_bpf.h"
#else
#include "native/env_native.h"
#endif
