/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sockets.h - port mappings for the router's own processes.
 *
 * What a process of the router sends to an outside address of ours never leaves the machine: no interface and none of the
 * programs there sees it. So its socket is led to the inside endpoint when it connects or sends, and the kernel routes, cuts
 * and answers as for any other socket: nothing is translated, and there is no session. The inside host sees the address that
 * the router has towards it. When the process asks who its peer is, or who sent a datagram, it is told what it asked for: that
 * is kept by socket, since the same endpoint may be talked to by its own name.
 *
 * Cgroups know no network namespaces: the programs run for each process of the machine, and leave those of others alone.
 */
#pragma once
#include "core/mapping.h"
#include "bpf/state.h"

enum { SOCKET_INTERNET = 4, SOCKET_INTERNET6 = 6 };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SOCKETS_LED);
	__type(key, struct led_key);
	__type(value, struct led);
} led SEC(".maps");

/* The IPv4 endpoint that the socket names, also in IPv6 clothes. 0: it names none. */
static __always_inline int named_get(const struct bpf_sock_addr *ctx, int family, struct endpoint *e)
{
	e->port = (__be16)ctx->user_port;
	e->zero = 0;
	if (family == SOCKET_INTERNET) {
		e->addr = ctx->user_ip4;
		return 1;
	}
	e->addr = ctx->user_ip6[3];
	return !ctx->user_ip6[0] && !ctx->user_ip6[1] && ctx->user_ip6[2] == (u32)host_to_be32(0xffff);
}

static __always_inline void named_set(struct bpf_sock_addr *ctx, int family, struct endpoint e)
{
	ctx->user_port = (u16)e.port;
	if (family == SOCKET_INTERNET)
		ctx->user_ip4 = e.addr;
	else
		ctx->user_ip6[3] = e.addr;
}

/* Whose an outside endpoint is by the configuration: 1 and *inside. Reservations with inbound are as in open_in(). */
static __always_inline int led_find(struct nat_instance *nat, const struct config *c, u8 class,
				    struct endpoint outside, struct endpoint *inside)
{
	struct outside_address a = address_find(nat, c, outside.addr);
	u32 number, interface = a.interface,
		    inbound = a.flags & ADDRESS_INBOUND && !(a.flags & ADDRESS_LOCAL);
	u64 half_key = mapping_key(outside, class, HALF_OUTSIDE, interface),
	    key = host_key(outside.addr, (u8)(HOST_OUTSIDE | interface)), w;
	union host_value value;
	struct half half;

	if (!(a.flags & ADDRESS_LIVE))
		return 0;
	half.slot = table_find(nat, c, TABLE_MAPPINGS, table_hash(c, TABLE_MAPPINGS, &half_key), &half_key,
			       &half.word, &half.number);
	if (half_read(c, interface, &half) == HALF_LIVE && (inbound || half.value.own & OWN_FIXED)) {
		inside->addr = half.value.addr;
		inside->port = half.value.port;
		return 1;
	}
	if (!inbound)
		return 0;
	struct slot *s = table_find(nat, c, TABLE_HOSTS, table_hash(c, TABLE_HOSTS, &key), &key, &w, &number);
	if (!s || !host_read(s, w, &value))
		return 0;
	inside->addr = value.outside;
	inside->port = outside.port;
	return 1;
}

/* A socket is about to connect or to send. */
static __always_inline void socket_lead(struct bpf_sock_addr *ctx, int family)
{
	struct nat_instance *nat = (void *)ctx; /* of which state.h needs nothing */
	const struct config *c = env_config(nat);
	int class = protocol_class((u8)ctx->protocol);
	struct endpoint outside, inside;

	if (!c || bpf_get_netns_cookie(ctx) != c->netns || (class != CLASS_TCP && class != CLASS_UDP))
		return;
	if (!named_get(ctx, family, &outside) || !led_find(nat, c, (u8) class, outside, &inside))
		return;
	struct led_key key = { .socket = bpf_get_socket_cookie(ctx),
			       .addr = inside.addr,
			       .port = inside.port };
	struct led value = { .addr = outside.addr, .port = outside.port };
	if (!bpf_map_update_elem(&led, &key, &value, BPF_ANY))
		named_set(ctx, family, inside);
}

/* A socket is told its peer, or who sent a datagram. */
static __always_inline void socket_tell(struct bpf_sock_addr *ctx, int family)
{
	struct endpoint named;

	if (!named_get(ctx, family, &named))
		return;
	struct led_key key = { .socket = bpf_get_socket_cookie(ctx), .addr = named.addr, .port = named.port };
	const struct led *value = bpf_map_lookup_elem(&led, &key);
	if (!value)
		return;
	named.addr = value->addr;
	named.port = value->port;
	named_set(ctx, family, named);
}

#define LEADS(name, family)                  \
	SEC("cgroup/" #name)                 \
	int name(struct bpf_sock_addr *ctx)  \
	{                                    \
		socket_lead(ctx, (family));  \
		return 1; /* let it go on */ \
	}
#define TELLS(name, family)                 \
	SEC("cgroup/" #name)                \
	int name(struct bpf_sock_addr *ctx) \
	{                                   \
		socket_tell(ctx, (family)); \
		return 1;                   \
	}

LEADS(connect4, SOCKET_INTERNET)
LEADS(connect6, SOCKET_INTERNET6)
LEADS(sendmsg4, SOCKET_INTERNET)
LEADS(sendmsg6, SOCKET_INTERNET6)
TELLS(recvmsg4, SOCKET_INTERNET)
TELLS(recvmsg6, SOCKET_INTERNET6)
TELLS(getpeername4, SOCKET_INTERNET)
TELLS(getpeername6, SOCKET_INTERNET6)
