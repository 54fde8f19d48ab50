/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * state.h - the seam's functions over the maps and the kernel's helpers.
 */
#pragma once
#include "core/plan.h"
#include "bpf/maps.h"

static __always_inline struct config *env_config(struct nat_instance *nat)
{
	u32 zero = 0;

	(void)nat;
	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct slot *env_slot(struct nat_instance *nat, enum table t, u32 i)
{
	(void)nat;
	switch (t) {
	case TABLE_FLOWS:
		return bpf_map_lookup_elem(&flows, &i);
	case TABLE_MAPPINGS:
		return bpf_map_lookup_elem(&mappings, &i);
	case TABLE_HOSTS:
		return bpf_map_lookup_elem(&hosts, &i);
	default:
		return bpf_map_lookup_elem(&fragments, &i);
	}
}

static __always_inline u64 *env_port_word(struct nat_instance *nat, u32 i)
{
	(void)nat;
	return bpf_map_lookup_elem(&ports, &i);
}

static __always_inline u64 *env_address(struct nat_instance *nat, u32 i)
{
	(void)nat;
	return bpf_map_lookup_elem(&addresses, &i);
}

static __always_inline struct next_hop *env_next_hop(struct nat_instance *nat, u32 i)
{
	(void)nat;
	return bpf_map_lookup_elem(&next_hops, &i);
}

static __always_inline struct held *env_held(struct nat_instance *nat, u32 i)
{
	(void)nat;
	return bpf_map_lookup_elem(&held, &i);
}

static __always_inline struct drops_of *env_drops(struct nat_instance *nat, u32 reason)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct drops *all = bpf_map_lookup_elem(&drops, &cpu);

	(void)nat;
	reason = BOUNDED(reason, REASONS);
	return all && reason < REASONS ? &all->by[reason] : 0;
}

static __always_inline u64 env_clock(struct nat_instance *nat)
{
	(void)nat;
	return bpf_ktime_get_boot_ns();
}

static __always_inline u64 *env_pool(struct nat_instance *nat, u32 i)
{
	(void)nat;
	return bpf_map_lookup_elem(&pools, &i);
}

static __always_inline struct work *env_scratch(struct nat_instance *nat)
{
	u32 zero = 0;

	(void)nat;
	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline u32 env_segments(struct nat_instance *nat)
{
	(void)nat;
	return NAT_SEGMENTS(nat);
}

static __always_inline u32 env_now(struct nat_instance *nat)
{
	const struct config *c = env_config(nat);

	if (!c)
		return 0;
	if (virtual_time)
		return c->test_now & 0xfffff;
	return (u32)(bpf_jiffies64() * c->tick_mul >> 24) & 0xfffff;
}

/* In virtual time the same sequence as natively. */
static __always_inline u32 env_random(struct nat_instance *nat)
{
	struct config *c = env_config(nat);

	if (!virtual_time || !c)
		return bpf_get_prandom_u32();
	return test_random(&c->test_random);
}

static __always_inline int env_local_socket(struct nat_instance *nat, u32 class, struct endpoint remote,
					    struct endpoint local)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	int found;

	t.ipv4.saddr = remote.addr;
	t.ipv4.sport = remote.port;
	t.ipv4.daddr = local.addr;
	t.ipv4.dport = local.port;
	/* The two kinds of pointer must not meet in one load: the asm keeps the compiler from joining the branches. */
	if (class == CLASS_TCP) {
		sk = bpf_skc_lookup_tcp(nat, &t, sizeof(t.ipv4), (u64)BPF_F_CURRENT_NETNS, 0);
		if (!sk)
			return SOCKET_NONE;
		found = sk->dst_ip4 ? SOCKET_CONNECTED : SOCKET_OPEN;
		asm volatile("%0 |= 0" : "+r"(found));
		bpf_sk_release(sk);
		return found;
	}
	if (class != CLASS_UDP)
		return SOCKET_NONE;
	sk = bpf_sk_lookup_udp(nat, &t, sizeof(t.ipv4), (u64)BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return SOCKET_NONE;
	found = sk->dst_ip4 ? SOCKET_CONNECTED : SOCKET_OPEN;
	asm volatile("%0 ^= 0" : "+r"(found));
	bpf_sk_release(sk);
	return found;
}

static __always_inline int env_route_inside(struct nat_instance *nat, __be32 saddr, __be32 daddr)
{
	const struct config *c = env_config(nat);
	struct bpf_fib_lookup fib = {};
	const struct interface *to;

	if (!c || virtual_time) /* tests name their networks */
		return 0;
	fib.family = 2; /* AF_INET */
	fib.ifindex = NAT_DEVICE(nat);
	fib.ipv4_src = saddr;
	fib.ipv4_dst = daddr;
	long rc = bpf_fib_lookup(nat, &fib, sizeof(fib), 0);
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH &&
	    rc != BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return 0;
	if (fib.ifindex == NAT_DEVICE(nat)) /* kernels before 6.5 do not tell where, without a neighbour */
		return rc == BPF_FIB_LKUP_RET_NO_NEIGH;
	to = interface_find(c, fib.ifindex);
	return to && to->role == ROLE_INSIDE;
}
