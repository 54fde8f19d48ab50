/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe.h - send a chunk of packets through a router and say what they cost: generator, sink and accounting.
 */
#pragma once
#include "bench/lab.h"

struct traffic_bpf;

struct probe {
	struct traffic_bpf *bpf;
	struct traffic_endpoint *learned; /* rows of all routers */
	__u32 rows;
	int links_made;
	struct bpf_link *links[2 * LAB_ROUTERS];
	struct bpf_link *limits[2];
};

/* What a chunk came to. Times are CPU nanoseconds. */
struct sample {
	__u64 sent;
	__u64 entered;	  /* taken in by the router */
	__u64 arrived;	  /* at the far end */
	__u64 translated; /* of those, with an address as it must be after the NAT */
	__u64 other;	  /* at the near end: answers of the router */
	__u64 nat_ns;	  /* NAPI threads of the router */
	__u64 sink_ns;
	double seconds; /* of the clock on the wall */
	double sending; /* of these, until the last packet had left the generator */
};

/* Loads the programs, with room for `rows` learned endpoints, and starts to account. */
int probe_open(struct probe *probe, __u32 rows);
void probe_close(struct probe *probe);

/* Puts sinks on a router's ends and accounts its threads. */
int probe_add_router(struct probe *probe, const struct lab *lab, struct router *router);

/* Makes a router pass everything on by XDP, whatever it is: the limit. The mirror is probe_limit_end(). */
int probe_limit_begin(struct probe *probe, const struct lab *lab, const struct router *router);
void probe_limit_end(struct probe *probe);

/*
 * Sends `packets` packets by `order` (its addresses and MAC fields are filled in here) from the right end of the
 * router, waits until all is quiet, and fills in the sample. -EINTR when a signal came.
 */
int probe_send(struct probe *probe, const struct lab *lab, const struct router *router,
	       const struct traffic_order *order, __u64 packets, struct sample *sample);

/* Nanoseconds that this share of the last chunk's packets took at most; an order with gaps. */
double probe_delay(const struct probe *probe, double share);

/*
 * Makes the caller a real-time thread, if the lowest, and an ordinary one again. The generator must be one while it runs:
 * the kernel lends an ordinary thread the CPU for 50 ms when real-time threads have had it for a second, and for so long
 * nobody would empty the rings. And nobody else on the machine then prolongs a wait, or a read, of a millisecond.
 */
void probe_alone(bool alone);

void sample_add(struct sample *sum, const struct sample *sample);

/* Accounts the CPU time of one more thread; then the time so far. */
int probe_account(struct probe *probe, pid_t pid);
__u64 probe_time(const struct probe *probe, pid_t pid);
