/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * facts.h - what the tables have about a packet's endpoints: for people, beside what the core decides by them.
 *
 * Nothing here decides anything. Asked of a shadow (native/shadow.h) before its packet, these are the entries that it meets, and
 * afterwards those that it leaves.
 */
#pragma once
#include <stdbool.h>
#include "core/types.h"

struct nat_instance;

struct fact_endpoint {
	__be32 addr;
	__be16 port;
};

/* Half a session in the packet's direction. ended: there is one, but a reset or a departed address has ended it. */
struct fact_session {
	bool known, ended;
	u8 interface;
	struct fact_endpoint to; /* what the packet's own end becomes */
	u32 idle;		 /* seconds */
};

struct fact_mapping {
	bool known, rests;
	bool fixed, full, own; /* by the configuration; with full NAT; the router's */
	struct fact_endpoint inside, outside;
	u32 idle;
};

struct fact_host {
	bool known, fixed, own;
	__be32 inside, outside;
	u32 idle;
	u32 mappings, sessions; /* as its limits count them */
};

struct facts {
	struct fact_session session;
	struct fact_mapping mapping;
	struct fact_host host;
};

/*
 * A packet from an inside endpoint, by an outside interface's number; or to an outside endpoint, where a host may have it without
 * a mapping, by reservation. protocol without ports: no mapping, and ports are 0.
 */
void facts_out(struct nat_instance *nat, u32 interface, u8 protocol, struct fact_endpoint inside,
	       struct fact_endpoint remote, struct facts *facts);
void facts_in(struct nat_instance *nat, u32 interface, u8 protocol, struct fact_endpoint remote,
	      struct fact_endpoint outside, struct facts *facts);

/* An address's place in the address table; flags 0: it is none of ours. */
struct outside_address fact_address(struct nat_instance *nat, __be32 addr);

/* The pass_through network that has it: 1 and *network; or 0. */
int fact_pass_through(const struct nat_instance *nat, __be32 addr, struct prefix *network);

/* Whom mappings of a protocol let in: enum filtering. */
u8 fact_filtering(const struct nat_instance *nat, u8 protocol);
