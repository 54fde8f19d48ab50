/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * env_native.h - the core's home in plain memory: tests, replay and the daemon's sweep. See core/env.h.
 *
 * The daemon's instance points into the mapped arrays of the kernel's programs; a test's into memory of its own
 * (native/env_native.c). Each thread has its own struct nat_instance over shared arrays, since scratch is in it.
 */
#pragma once
#include <stddef.h>
#include "core/env.h"
#include "native/fault.h"

struct shadow;

/*
 * Who answers for the kernel, where a daemon can ask it. remote and local as env_local_socket() has them: SOCKET_*;
 * route_inside: env_route_inside().
 */
struct native_kernel {
	int (*socket)(const struct native_kernel *kernel, u32 class, __be32 remote, __be16 remote_port,
		      __be32 local, __be16 port);
	int (*route_inside)(const struct native_kernel *kernel, __be32 saddr, __be32 daddr);
};

struct nat_instance {
	struct config *config;
	u8 *tables[4]; /* by enum table */
	u64 *ports;
	u64 *addresses;
	u64 *pools;
	struct next_hop *next_hops;
	struct held *held;
	struct counters *counters;
	struct drops *drops;
	struct work *work;
	u32 now; /* the tick; whoever owns the instance sets it */
	/* Sockets of the router, for env_local_socket(). */
	struct native_socket *sockets;
	u32 socket_count;
	const struct native_kernel *kernel; /* NULL: those sockets, and no routes */
	struct shadow *shadow; /* what packets touch is copied before; NULL: they work on the arrays */
};

/* The copy of `size` bytes at an element of the arrays: native/shadow.h. */
void *shadow_at(struct shadow *shadow, void *element, size_t size);

enum { SOCKET_NONE, SOCKET_OPEN, SOCKET_CONNECTED };

struct native_socket {
	u32 class;
	__be32 local; /* 0: any */
	__be16 port;
	__be16 remote_port;
	__be32 remote; /* 0: not connected */
};

#define SLOW static __attribute__((noinline, unused))
#define SLOW_ENTER(nat) ((void)(nat))

#define LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define GET32(p)                                            \
	({                                                  \
		u32 get_;                                   \
		__builtin_memcpy(&get_, (p), sizeof(get_)); \
		get_;                                       \
	})
#define PUT32(p, v)                                         \
	({                                                  \
		u32 put_ = (v);                             \
		__builtin_memcpy((p), &put_, sizeof(put_)); \
	})
#define FETCH_LINE(p) __builtin_prefetch(p)
#define CAS(p, o, n)                                                                                 \
	({                                                                                           \
		u64 old_ = (o);                                                                      \
		__atomic_compare_exchange_n((p), &old_, (n), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	})
#define FETCH_OR(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define FETCH_AND(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define FETCH_ADD(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define COUNT(p, v) __atomic_store_n((p), __atomic_load_n((p), __ATOMIC_RELAXED) + (v), __ATOMIC_RELAXED)
#define FORGET(x, any) (x)
#define BOUNDED(x, max) (x)

static __always_inline void *native_element(struct nat_instance *nat, void *element, size_t size)
{
	return nat->shadow ? shadow_at(nat->shadow, element, size) : element;
}
static __always_inline u64 *native_word(struct nat_instance *nat, u64 *word)
{
	return native_element(nat, word, sizeof(*word));
}
static __always_inline struct config *env_config(struct nat_instance *nat) { return nat->config; }
static __always_inline struct slot *env_slot(struct nat_instance *nat, enum table t, u32 i)
{
	u32 size = t == TABLE_FLOWS || t == TABLE_HOSTS ? 64 : 32;

	return native_element(nat, nat->tables[t] + (size_t)i * size, size);
}
static __always_inline u64 *env_port_word(struct nat_instance *nat, u32 i)
{
	return native_word(nat, &nat->ports[i]);
}
static __always_inline u64 *env_address(struct nat_instance *nat, u32 i)
{
	return native_word(nat, &nat->addresses[i]);
}
static __always_inline u64 *env_pool(struct nat_instance *nat, u32 i)
{
	return native_word(nat, &nat->pools[i]);
}
static __always_inline struct next_hop *env_next_hop(struct nat_instance *nat, u32 i)
{
	return native_element(nat, &nat->next_hops[i], sizeof(nat->next_hops[i]));
}
static __always_inline struct held *env_held(struct nat_instance *nat, u32 i)
{
	return native_element(nat, &nat->held[i], sizeof(nat->held[i]));
}
static __always_inline struct drops_of *env_drops(struct nat_instance *nat, u32 reason)
{
	return reason < REASONS ? &nat->drops->by[reason] : NULL;
}
static __always_inline u64 env_clock(struct nat_instance *nat) { return nat->now * 1000000000ull; }
static __always_inline struct work *env_scratch(struct nat_instance *nat) { return nat->work; }
static __always_inline u32 env_segments(struct nat_instance *nat)
{
	(void)nat;
	return 1;
}
static __always_inline u32 env_now(struct nat_instance *nat) { return nat->now & 0xfffff; }
/* Threads may draw at once, and then perhaps the same number; one alone repeats itself. */
static __always_inline u32 env_random(struct nat_instance *nat)
{
	u64 state = __atomic_load_n(&nat->config->test_random, __ATOMIC_RELAXED);
	u32 drawn = test_random(&state);

	__atomic_store_n(&nat->config->test_random, state, __ATOMIC_RELAXED);
	return drawn;
}
static __always_inline int env_route_inside(struct nat_instance *nat, __be32 saddr, __be32 daddr)
{
	/* Only the kernel knows routes; tests name their networks. */
	return nat->kernel ? nat->kernel->route_inside(nat->kernel, saddr, daddr) : 0;
}
#define env_loop(count, step, context)                        \
	({                                                    \
		for (u32 loop_ = 0; loop_ < (count); loop_++) \
			if ((step)(loop_, (context)))         \
				break;                        \
	})

/* Does a socket of the router want this? SOCKET_*. As the kernel's look-up: a connected one before an open one. */
int native_socket_find(const struct nat_instance *nat, u32 class, __be32 remote, __be16 remote_port,
		       __be32 local, __be16 port);
#define env_local_socket(nat, class, r, l) \
	native_socket_find((nat), (class), (r).addr, (r).port, (l).addr, (l).port)
