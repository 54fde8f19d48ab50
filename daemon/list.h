/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * list.h - what is in the tables, one row at a time.
 *
 * A list is a walk over the slots of a table, 0 .. list_slots() - 1, each asked for its row. Nothing is locked or
 * copied ahead, packets go on meanwhile: a row is read by the table's protocol (core/table.h), so it is one entry,
 * whole, as it stood at one moment. Between two calls anything may happen. The number of the slot is therefore a
 * cursor that nobody's death can spoil: what lives throughout a walk is met exactly once; what comes or
 * goes meanwhile may or may not be.
 *
 * What packets would not find is not there: entries of an older generation, sessions idle for longer than their
 * timeout, halves that do not agree.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>

#include "core/types.h"
#include "native/env_native.h"

struct keepnat;
struct sweep;

/* The state as one reader sees it: made by list_open(), then private to that reader. */
struct list_view {
	struct nat_instance nat; /* nat.now: the time of the list */
	u32 cpus;
	char names[MAX_INTERFACES][IF_NAMESIZE]; /* by number; "": unknown */
	bool full[MAX_OUTSIDE];			 /* it is clients' behind an inside interface */
	const struct sweep *sweep;		 /* whose last pass counted per host; NULL: nobody did */
};

/* Rows that are wanted; all zero: every row. Each list looks at what its rows have. */
struct list_filter {
	bool by_host, by_outside, by_port, by_remote, by_remote_port, by_protocol, by_interface;
	u8 protocol;
	u8 interface; /* its number */
	__be16 outside_port, remote_port;
	__be32 host, outside, remote;
};

enum session_state { SESSION_ACTIVE, SESSION_INIT, SESSION_ESTABLISHED, SESSION_CLOSING };

/* Ports as in struct flow: of ICMP queries, the identifier; the remote's is 0. Times in seconds. */
struct session_row {
	u8 protocol;
	u8 interface;
	bool own;     /* the inside endpoint is the router's own */
	bool hairpin; /* the remote is itself an outside endpoint of ours */
	bool full;    /* full NAT: inside is a client, outside the router in its place, remote the server */
	enum session_state state;
	__be32 inside_address, outside_address, remote_address;
	__be16 inside_port, outside_port, remote_port;
	u32 idle;     /* since the last packet, of either direction */
	u32 lifetime; /* until it ends if no packet comes */
	u32 generation;
	u64 packets_out, bytes_out, packets_in, bytes_in;
};

struct mapping_row {
	u8 protocol;
	u8 interface;
	bool own;
	bool fixed; /* by the configuration: a port mapping */
	bool full;  /* with full NAT; or a client's, as above */
	__be32 inside_address, outside_address;
	__be16 inside_port, outside_port;
	u32 idle; /* since a session was made by it */
	u32 generation;
};

/* A block of outside ports that is lent to a host. */
struct block_row {
	u8 interface;
	__be32 inside_address, outside_address;
	u16 first, last; /* ports */
	u32 idle;	 /* since a mapping was made in it, or the sweep found one */
	u32 generation;
};

struct host_row {
	u8 interface;
	bool own;
	bool reserved; /* by the configuration */
	bool counted;  /* mappings and sessions hold, as of the last sweep */
	__be32 inside_address, outside_address;
	u32 idle; /* since a mapping was made for it, or the sweep found it in use */
	u32 generation;
	u32 mappings, sessions;
};

/* An outside address: pool, or the interface's own, or both. */
struct pool_row {
	u8 interface;
	u8 flags; /* ADDRESS_* */
	__be32 address;
	u32 used[PORT_AREAS]; /* ports taken, in or out of the range; the last: of all rare classes */
	u32 free[PORT_AREAS]; /* ports of the configured range that are not */
};

/* Look at the state of now; takes k->lock for a moment. */
void list_open(struct list_view *view, struct keepnat *k);

enum list_kind { LIST_SESSIONS, LIST_MAPPINGS, LIST_BLOCKS, LIST_HOSTS, LIST_POOLS };
u32 list_slots(const struct list_view *view, enum list_kind kind);

/* The row of slot `at`, below list_slots(): 1 and *row; 0: there is none that the filter wants. */
int list_session(struct list_view *view, const struct list_filter *filter, u32 at, struct session_row *row);
int list_mapping(struct list_view *view, const struct list_filter *filter, u32 at, struct mapping_row *row);
int list_block(struct list_view *view, const struct list_filter *filter, u32 at, struct block_row *row);
int list_host(struct list_view *view, const struct list_filter *filter, u32 at, struct host_row *row);
int list_pool(struct list_view *view, const struct list_filter *filter, u32 at, struct pool_row *row);

/* Packets and bytes that ended for a reason, over all CPUs; interface: its number, or NO_INTERFACE for all. */
struct counter list_reason(const struct list_view *view, u32 interface, enum reason reason);

/* Has each host of this outside interface an address of its pool to itself? */
bool list_address_only(const struct list_view *view, u32 interface);

/* How many blocks of ports this outside interface has to lend; *ports: of each. */
u32 list_block_capacity(struct list_view *view, u32 interface, u32 *ports);

/* The largest segment that TCP may announce by this outside interface; 0: any. */
u32 list_mss(const struct list_view *view, u32 interface);

/* "udp", "gre", ...; NULL for a number that has no name here. And back, also from digits: 0 for any other word. */
const char *protocol_name(u8 protocol);
u8 protocol_number(const char *name);
const char *class_name(u8 class);
bool protocol_has_ports(u8 protocol); /* or an identifier in their place */
