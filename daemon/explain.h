/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * explain.h - what would become of a packet, step by step, and why; nothing is changed by it.
 *
 * One is made as it was asked for, and sent the way that it would go: by the ingress of its interface, the kernel's routing, the egress.
 * At each hook the core itself decides (native/meet.h), on a shadow of the tables (native/shadow.h); routes are the kernel's answer
 * (netlink_forward()), and what the core asks the kernel is asked by the programs' own functions (loader_ask()). So there is no second
 * opinion that could differ; the steps only name what there is in the tables before the core decides.
 *
 * What others do to packets on the router (a firewall, a mark that routes look at) is not known here. Where an outside port is drawn by
 * lot, the packet that comes draws its own.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "core/types.h"

struct keepnat;

struct explain_query {
	bool in; /* it comes from outside */
	u8 protocol;
	u8 tcp_flags;	/* TCP_*, of TCP */
	bool has_ports; /* there are some: of ICMP, the identifier */
	__be32 source, destination;
	__be16 source_port, destination_port;
	u32 interface; /* by which it comes, its number; NO_INTERFACE: as routes say */
};

/* Why there is no answer: what is wrong, how to mend it, and of which word of the query. */
struct explain_fault {
	char what[160], mend[200];
	const char *at;
};

/*
 * The explanation, as GET /v1/explain gives it: see keepnat(8). NULL, and *fault; or, what[0] being 0, no memory. Any thread; takes
 * k->lock for a moment.
 */
json_t *explain(struct keepnat *k, const struct explain_query *query, struct explain_fault *fault);
