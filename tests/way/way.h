/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * way.h - the ways by which a test packet can go through the NAT: natively, or through the real BPF programs.
 *
 * Each way has an instance over its own arrays, all of the same sizes. Begun with one seed and given the same interfaces,
 * addresses, time and packets, two ways must do the same: verdict, reason, bytes, and every slot of the state.
 *
 * The BPF ways load the programs once, with virtual time, into a network namespace that the process enters: from then on
 * the process is alone on its network. way_bpf_ethernet() goes through PROG_TEST_RUN; way_bpf_bare() sends real packets through
 * tun devices, since PROG_TEST_RUN knows only frames with an Ethernet header; way_wire() sends frames through a whole router.
 * One of the three at a time: free the one before the other is made.
 */
#pragma once
#include <stdbool.h>

#include "native/instance.h"
#include "native/meet.h"

enum { WAY_FLOWS = 4096, WAY_MAPPINGS = 4096, WAY_HOSTS = 256, WAY_FRAGMENTS = 256, WAY_ADDRESSES = 16 };
enum { FRAME_ROOM = 66000, ETHERNET_HEADER = 14 };

struct way;
struct way_ops {
	/* A device of the way's own with this name: its ifindex or -errno. */
	int (*device)(struct way *way, const char *name, enum role role);
	/* A socket of the router, really open where the kernel looks for it. 0 or -errno. */
	int (*socket)(struct way *way, const struct native_socket *socket);
	/* One packet: rewritten in place. 0 or -errno. */
	int (*meet)(struct way *way, enum native_hook hook, const struct native_frame *frame,
		    struct native_result *result);
	/* Forget devices and sockets: a new test begins. */
	void (*clear)(struct way *way);
	void (*free)(struct way *way);
};

struct way {
	const char *name;
	const struct way_ops *ops;
	struct nat_instance nat;
	u32 l3;		/* bytes before the IP header in its frames */
	u32 redirected; /* packets that XDP sent away */
	bool whole;	/* a packet meets all hooks on its way by itself */
	void *own;	/* of the way's implementation */
};

struct way *way_native(u32 l3);
struct way *way_bpf_ethernet(void); /* NULL: errno says why */
struct way *way_bpf_bare(void);
/* fast: FAST_XDP, the programs at XDP, too; and FAST_ALL: those that make sessions. */
struct way *way_wire(u8 fast);

/* A new state. sizes: at most WAY_*; what is 0 is just that. 0 or -errno. */
int way_begin(struct way *way, const struct native_sizes *sizes, u64 seed);
void way_free(struct way *way);

/* The time of a way. */
void way_clock(struct way *way, u32 now);

/* Is all state of the two equal? 1; 0, and the first difference in words. */
int way_same(const struct way *a, const struct way *b, char *difference, size_t room);
