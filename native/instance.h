/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * instance.h - a NAT of one's own: an instance over plain memory, or over arrays that the caller mapped.
 *
 * For tests, fuzzing and replay; the daemon fills its arrays itself. An instance is made in this order:
 *
 *	struct nat_instance nat;
 *	struct native_sizes sizes = { .flows = 1024 };		what is 0 gets a small default
 *	native_create(&nat, &sizes, seed);			0 or -errno; the configuration has the defaults
 *	int wan = native_interface_add(&nat, 3, ROLE_OUTSIDE);	the interface's number
 *	native_interface_add(&nat, 2, ROLE_INSIDE);
 *	native_address_set(&nat, wan, addr, ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL);
 *	nat.config->parity = 0; nat.now = 100; ...		all else is set directly
 *	native_meet(...)					native/meet.h: a packet
 *	native_destroy(&nat);
 *
 * Threads: native_thread() gives each its own instance (scratch, counters, time) over the same arrays. config.test_random
 * is common to all: chance repeats only with one thread. Functions here are for one thread at a time, as the
 * daemon is the only writer of the configuration; native_reset() and native_address_set() may run beside packets.
 */
#pragma once
#include "core/types.h"
#include "native/env_native.h"

struct native_sizes {
	u32 flows; /* slots of each table: powers of two, at least 32 */
	u32 mappings;
	u32 hosts;
	u32 fragments;
	u32 addresses; /* outside addresses that can have port bitmaps */
	u32 cpus;      /* elements of counters and drops */
};

/* Elements and bytes of the arrays that go with these sizes, defaults filled in. */
struct native_extent {
	size_t elements;
	size_t bytes; /* of all of them */
};
enum native_array {
	NATIVE_CONFIG,
	NATIVE_FLOWS,
	NATIVE_MAPPINGS,
	NATIVE_HOSTS,
	NATIVE_FRAGMENTS,
	NATIVE_PORTS,
	NATIVE_ADDRESSES,
	NATIVE_POOLS,
	NATIVE_NEXT_HOPS,
	NATIVE_HELD,
	NATIVE_COUNTERS,
	NATIVE_DROPS,
	NATIVE_ARRAYS,
};

void native_sizes_default(struct native_sizes *sizes);
struct native_extent native_extent(const struct native_sizes *sizes, enum native_array array);

/* Where an array lies, and where it shall lie. */
void *native_array(const struct nat_instance *nat, enum native_array array);
void native_array_set(struct nat_instance *nat, enum native_array array, void *memory);

/* Allocate all arrays and begin. 0 or -errno. */
int native_create(struct nat_instance *nat, const struct native_sizes *sizes, u64 seed);
void native_destroy(struct nat_instance *nat);

/* Begin over arrays that the caller set (native_array_set): cleared here; scratch and sockets are allocated. 0 or -errno. */
int native_attach(struct nat_instance *nat, const struct native_sizes *sizes, u64 seed);
void native_detach(struct nat_instance *nat);

/*
 * *thread: the same arrays, own scratch, counters and drops of element `cpu`. 0 or -errno. native_thread_end() frees the scratch;
 * sockets stay the first one's.
 */
int native_thread(const struct nat_instance *nat, struct nat_instance *thread, u32 cpu);
void native_thread_end(struct nat_instance *thread);

/* The interface's number, from 0 for outside and from MAX_OUTSIDE for inside ones; or -ENOSPC. */
int native_interface_add(struct nat_instance *nat, u32 ifindex, enum role role);

/*
 * An inside network; addr and mask as on the wire. 0 or -ENOSPC. Networks are of all inside interfaces together;
 * native_interface_listed() says of one that only they are inside there (else: whatever is routed there).
 */
int native_network_add(struct nat_instance *nat, __be32 addr, __be32 mask);
void native_interface_listed(struct nat_instance *nat, u32 number);

/* A destination that is not translated: as native_network_add(). */
int native_pass_through_add(struct nat_instance *nat, __be32 addr, __be32 mask);

/* Known flows may take the fast path from and to this interface: FAST_*. */
void native_interface_fast(struct nat_instance *nat, u32 number, u32 fast);

/*
 * An outside address of an interface, ADDRESS_* flags; flags 0: it leaves, and its index waits for it. The pool's buckets
 * follow, and flows are treated as daemon/pool.h says. Its index, or -ENOSPC.
 */
int native_address_set(struct nat_instance *nat, u32 interface, __be32 addr, u32 flags);

/* Each address of the interface's pool shall be one host's alone. Before packets. */
void native_interface_alone(struct nat_instance *nat, u32 interface);

/*
 * Which ports hosts of the interface may have, see core/shares.h. The addresses of its pool are numbered as they were added.
 * Before packets.
 */
void native_interface_shares(struct nat_instance *nat, u32 interface, const struct shares *shares);

/* A socket of the router; addresses and ports as on the wire, remote 0: not connected. 0 or -ENOSPC. */
int native_socket_add(struct nat_instance *nat, enum class class, __be32 local, __be16 port, __be32 remote,
		      __be16 remote_port);
void native_sockets_clear(struct nat_instance *nat);

/* A new generation of flows, mappings or hosts on an outside interface: one store. */
void native_reset(struct nat_instance *nat, u32 interface, enum table what);
