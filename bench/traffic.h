/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * traffic.h - what the benchmark's BPF programs and its user-space side say to each other.
 */
#pragma once
#include <linux/types.h>

enum {
	TRAFFIC_FRAME = 60,	    /* bytes; the smallest Ethernet frame without its checksum */
	TRAFFIC_MAGIC = 0x6b6e6174, /* of UDP the first payload word; the second is the number of the flow */
	TRAFFIC_WINDOW = 0x6b6e,    /* of TCP: every segment announces this one */
	TRAFFIC_PAYLOAD = 6,	    /* of a TCP segment that has any */
	TRAFFIC_FLOWS_MAX = 1 << 24,
	TRAFFIC_FLOW_SHIFT = 8, /* sequence numbers of a flow begin at its number, shifted by so much */
	TRAFFIC_FLOWS_PER_HOST = 64,
	TRAFFIC_DELAYS = 1 << 14,    /* how long packets took is counted in so many steps */
	TRAFFIC_DELAY_NS = 64,	     /* of so many nanoseconds; the last one has all that took longer */
	TRAFFIC_LINKS = 64,	     /* interface indexes in the namespace of the ends */
	TRAFFIC_INSIDE = 0x0a000000, /* 10.0.0.0/8, hosts counted from 10.1.0.1 on */
	TRAFFIC_INSIDE_MASK = 0xff000000u,
	TRAFFIC_FIRST_HOST = 0x0a010001,
	TRAFFIC_FIRST_REMOTE = 0xc0000201, /* 192.0.2.1 */
};

/* Which way the packets cross the router. */
enum traffic_direction { TRAFFIC_OUT, TRAFFIC_IN };

/* A TCP segment; numbers count from the first one of its flow, which both sides begin with. */
struct traffic_segment {
	__u8 flags; /* as in the header's byte */
	__u8 payload;
	__u8 seq;
	__u8 ack;
};

/*
 * What the generator sends next. User space writes it between chunks only; addresses are in host byte order.
 * Packet n belongs to flow first + (n * odd & mask) * stride. Sessions are made in one such order and used in another:
 * state does not lie in memory in the order in which it is asked for.
 *
 * With gaps, each packet (of UDP) carries the time at which it was due, and the sink counts how long after that it came: a
 * packet that the generator could not send in time, because the router had the CPU, has waited as it would have in a queue.
 */
struct traffic_order {
	__u64 counter;	 /* n of the next packet */
	__u32 direction; /* enum traffic_direction */
	__u32 protocol;	 /* IPPROTO_UDP or IPPROTO_TCP */
	struct traffic_segment segment;
	__u32 ifindex; /* the end that the frames leave from */
	__u32 burst; /* with a gap: packets that are due together, a power of two; else of a turn of the router; 0: the usual */
	__u32 gap; /* nanoseconds from burst to burst on average, at random from half to one and a half; 0: none */
	__u32 noise;
	__u64 due; /* when the next burst is, by the kernel's monotonic clock; 0: now */
	__u32 first;
	__u32 mask; /* flows in use, a power of two, less one */
	__u32 stride;
	__u32 odd;
	__u32 remotes;	  /* remote addresses to spread flows over, at most 250 */
	__u32 learned;	  /* this router's first row in the learned endpoints */
	__u32 learn;	  /* the sink writes such rows */
	__u32 pool_first; /* the outside addresses that a translated packet may carry */
	__u32 pool_last;
	__u8 router[6]; /* MAC address of the router's side */
	__u8 end[6];	/* MAC address of the end */
};

/* What the sink saw on one interface. */
struct traffic_count {
	__u64 packets;	  /* ours */
	__u64 translated; /* ours, and from the pool (out) or to an inside host (in) */
	__u64 other;
};

/* Translated source of a flow, as the remote end sees it; network byte order; port 0: not learned. */
struct traffic_endpoint {
	__be32 addr;
	__be16 port;
	__u16 zero;
};

/* Where the limit, a redirect and nothing else, sends what came in at an interface of its router. */
struct traffic_way {
	__u32 ifindex; /* 0: it takes nothing there */
	__u8 dest[6];
	__u8 source[6];
};

/* CPU time of one thread. */
struct traffic_time {
	__u64 ns;
	__u64 since; /* running since; 0: not running */
};
