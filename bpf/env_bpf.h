/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * env_bpf.h - the core's home in the kernel. See core/env.h for what each name owes.
 *
 * The instance is the program's context: the maps are global, and a global function may take the context.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "core/types.h"

#ifdef NAT_AT_XDP /* there is no socket buffer yet */
#define nat_instance xdp_md
#define NAT_DEVICE(nat) ((nat)->ingress_ifindex)
#define NAT_SEGMENTS(nat) 1
#else
#define nat_instance __sk_buff
#define NAT_DEVICE(nat) ((nat)->ifindex)
#define NAT_SEGMENTS(nat) ((nat)->gso_size ? (nat)->len / (nat)->gso_size + 1 : 1)
#endif

#define SLOW __attribute__((noinline))
/* The compiler passes rubbish for an argument that it saw unused; the verifier insists on the context. */
#define SLOW_ENTER(nat) asm volatile("" : : "r"(nat))

#define LOAD(p)                                         \
	({                                              \
		u64 load_ = *(const volatile u64 *)(p); \
		asm volatile("" ::: "memory");          \
		load_;                                  \
	})
#define STORE(p, v)                            \
	({                                     \
		asm volatile("" ::: "memory"); \
		*(volatile u64 *)(p) = (v);    \
	})
/* The machines that we build for read 32 bits at any even address; where one cannot, the verifier says so. */
#define GET32(p) (*(const volatile u32 *)(p))
#define PUT32(p, v) (*(volatile u32 *)(p) = (v))
/* A load that nothing waits for: the processor goes on, and the line comes meanwhile. */
#define FETCH_LINE(p)                                    \
	({                                               \
		u64 fetch_ = *(const volatile u64 *)(p); \
		asm volatile("" : : "r"(fetch_));        \
	})
#define CAS(p, o, n) (__sync_val_compare_and_swap((p), (o), (n)) == (o))
#define FETCH_OR(p, v) __sync_fetch_and_or((p), (v))
#define FETCH_AND(p, v) __sync_fetch_and_and((p), (v))
#define FETCH_ADD(p, v) __sync_fetch_and_add((p), (v))
/* Not atomic: a locked instruction would wait for the line and let nothing overlap with that. */
#define COUNT(p, v) (*(volatile u64 *)(p) += (v))

/* The verifier follows each value of a loop counter that is kept; make it forget which one it was. */
#define FORGET(x, any)                                                          \
	({                                                                      \
		u64 forget_ = (x), any_ = (any);                                \
		asm volatile("%0 += %1\n%0 -= %1" : "+r"(forget_) : "r"(any_)); \
		(u32) forget_;                                                  \
	})
/* An offset that is compared with its bound in the register that is then used: kept in a struct it loses its bounds. */
#define FAULT(name) ((void)0)
#define BOUNDED(x, max)                            \
	({                                         \
		u64 bounded_ = (x);                \
		asm volatile("" : "+r"(bounded_)); \
		(u32) bounded_;                    \
	})
/* The u64 x becomes a length that helpers take, from 1 to max: its bounds are seen where no copy of it can come between. */
#define LENGTH_WITHIN(x, max) \
	asm volatile("if %0 > 0 goto +1\n%0 = 1\nif %0 <= %1 goto +1\n%0 = %1" : "+r"(x) : "i"(max))

enum { SOCKET_NONE, SOCKET_OPEN, SOCKET_CONNECTED };

struct work;
struct endpoint;
static __always_inline struct config *env_config(struct nat_instance *nat);
static __always_inline struct slot *env_slot(struct nat_instance *nat, enum table t, u32 i);
static __always_inline u64 *env_port_word(struct nat_instance *nat, u32 i);
static __always_inline u64 *env_address(struct nat_instance *nat, u32 i);
static __always_inline struct next_hop *env_next_hop(struct nat_instance *nat, u32 i);
static __always_inline struct held *env_held(struct nat_instance *nat, u32 i);
static __always_inline struct drops_of *env_drops(struct nat_instance *nat, u32 reason);
static __always_inline u64 env_clock(struct nat_instance *nat);
static __always_inline u64 *env_pool(struct nat_instance *nat, u32 i);
static __always_inline struct work *env_scratch(struct nat_instance *nat);
static __always_inline u32 env_segments(struct nat_instance *nat);
static __always_inline u32 env_now(struct nat_instance *nat);
static __always_inline u32 env_random(struct nat_instance *nat);
static __always_inline int env_local_socket(struct nat_instance *nat, u32 class, struct endpoint remote,
					    struct endpoint local);
static __always_inline int env_route_inside(struct nat_instance *nat, __be32 saddr, __be32 daddr);
#define env_loop(count, step, context) bpf_loop((count), (step), (context), 0)
