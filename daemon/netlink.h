/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * netlink.h - requests to the kernel's routing socket: what there is of interfaces and addresses, and to change it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

/* What marks addresses as ours (IFA_PROTO): no other program's, and it survives us. */
enum { ADDRESS_PROTOCOL_OURS = 0x4b };

enum { NETLINK_BUFFER = 32768 };

struct link_state {
	u32 ifindex;
	char name[16];
	u16 type; /* ARPHRD_* */
	u32 flags;
	u32 mtu;
	u8 mac[6];
	bool has_mac;
	bool carrier;
};

struct link_address {
	u32 ifindex;
	__be32 addr;
	u8 length; /* of the prefix */
	u8 scope;
	bool ours;
};

/* A growing list of one of the two. */
struct link_list {
	struct link_state *items;
	unsigned int count;
};

struct address_list {
	struct link_address *items;
	unsigned int count;
};

/* What looks at each message of an answer: as libmnl has it. */
struct nlmsghdr;
typedef int netlink_each(const struct nlmsghdr *message, void *context);

/*
 * Send whole requests (sequence number 1) in this network namespace, and hand what comes to `each`, until its end. 0 or
 * -errno; -EINTR: a dump was overtaken by changes.
 */
int netlink_ask(int family, const void *requests, size_t length, netlink_each *each, void *context);

/* All interfaces, or all IPv4 addresses, of this network namespace. The lists are to be freed. 0 or -errno. */
int netlink_links(struct link_list *list);
int netlink_addresses(struct address_list *list);

/* Put an address on an interface as a /32 that is ours, or take it off. 0, also when that is so already; or -errno. */
int netlink_address_add(u32 ifindex, __be32 addr);
int netlink_address_remove(u32 ifindex, __be32 addr);

/* The way of the router's own packets to an address: the device, and their source. 0 or -errno. */
int netlink_route(__be32 to, u32 *ifindex, __be32 *source);

/* A packet's way through the router. */
struct netlink_packet {
	__be32 from, to;
	u32 ifindex; /* by which it came; 0: the router's own */
	u8 protocol;
	__be16 sport, dport; /* 0: none */
};
struct netlink_way {
	u32 ifindex; /* by which it would leave */
	u8 type;     /* RTN_* */
};

/* Ask for it. 0; -errno of the kernel that says why it goes nowhere, -EXDEV or -EINVAL for a source that cannot be there. */
int netlink_forward(const struct netlink_packet *packet, struct netlink_way *way);

/* How many tc filters there are in the clsact of an interface. -errno. */
int netlink_filters(u32 ifindex);

/*
 * A socket that becomes readable when links, IPv4 addresses or tc filters change. The descriptor or -errno.
 * netlink_watch_drain() takes what is there: 1 there was something (or some was lost), 0 nothing.
 */
int netlink_watch_open(void);

/* A socket of a family that hears these groups; it does not block. The descriptor or -errno. */
int netlink_listen(int family, const u32 *groups, unsigned int count);

/* Send a request of generic netlink, and hand the answer to `each`. 0 or -errno. */
int netlink_generic(struct nlmsghdr *request, netlink_each *each, void *context);

/* Hand each IPv4 neighbour of this network namespace to `each`. 0 or -errno. */
int netlink_neighbours(netlink_each *each, void *context);

int netlink_watch_drain(int fd);
