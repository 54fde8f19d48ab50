// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DUMP_TRIES = 8, WATCH_MEMORY = 1 << 20 };

int netlink_ask(int family, const void *requests, size_t length, netlink_each *each, void *context)
{
	struct mnl_socket *socket = mnl_socket_open2(family, SOCK_CLOEXEC);
	char buffer[NETLINK_BUFFER];
	int more = 1, error = 0;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, requests, length) < 0)
		more = -1;
	while (more > 0) {
		ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		more = n < 0 ? -1
			     : mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(socket), each, context);
	}
	if (more < 0)
		error = errno ? -errno : -EIO;
	mnl_socket_close(socket);
	return error;
}

static int request_ask(int family, struct nlmsghdr *request, netlink_each *each, void *context)
{
	request->nlmsg_seq = 1;
	request->nlmsg_flags |= NLM_F_REQUEST;
	return netlink_ask(family, request, request->nlmsg_len, each, context);
}

static int route_ask(struct nlmsghdr *request, netlink_each *each, void *context)
{
	return request_ask(NETLINK_ROUTE, request, each, context);
}

/* Ask for all there is, anew where changes overtook the answer. `begin`, if any, is called before each time. */
static int netlink_dump(struct nlmsghdr *request, netlink_each *each, void (*begin)(void *context),
			void *context)
{
	int error = -EINTR;

	request->nlmsg_flags = NLM_F_DUMP;
	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++) {
		if (begin)
			begin(context);
		error = route_ask(request, each, context);
	}
	return error;
}

int netlink_generic(struct nlmsghdr *request, netlink_each *each, void *context)
{
	return request_ask(NETLINK_GENERIC, request, each, context);
}

/*
 * Links
 */

static int link_attribute(const struct nlattr *attribute, void *context)
{
	struct link_state *link = context;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		strncpy(link->name, mnl_attr_get_str(attribute), sizeof(link->name) - 1);
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attribute);
		break;
	case IFLA_CARRIER:
		link->carrier = mnl_attr_get_u8(attribute);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attribute) != sizeof(link->mac))
			break;
		memcpy(link->mac, mnl_attr_get_payload(attribute), sizeof(link->mac));
		link->has_mac = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* Room for one more, in steps of powers of two. */
static void *list_grow(void *items, unsigned int count, size_t size)
{
	return count & (count - 1) ? items : reallocarray(items, count ? 2 * (size_t)count : 1, size);
}

static int link_take(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *head = mnl_nlmsg_get_payload(message);
	struct link_list *list = context;
	struct link_state *grown,
		link = { .ifindex = (u32)head->ifi_index, .type = head->ifi_type, .flags = head->ifi_flags };

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*head), link_attribute, &link);
	grown = list_grow(list->items, list->count, sizeof(link));
	if (!grown)
		return MNL_CB_ERROR;
	list->items = grown;
	list->items[list->count++] = link;
	return MNL_CB_OK;
}

static void links_forget(void *context)
{
	struct link_list *list = context;

	free(list->items);
	memset(list, 0, sizeof(*list));
}

int netlink_links(struct link_list *list)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *head;

	request->nlmsg_type = RTM_GETLINK;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->ifi_family = AF_UNSPEC;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	memset(list, 0, sizeof(*list));
	return netlink_dump(request, link_take, links_forget, list);
}

/*
 * Addresses
 */

static int address_attribute(const struct nlattr *attribute, void *context)
{
	struct link_address *address = context;

	switch (mnl_attr_get_type(attribute)) {
	case IFA_LOCAL: /* on point-to-point links IFA_ADDRESS is the other end's */
		memcpy(&address->addr, mnl_attr_get_payload(attribute), sizeof(address->addr));
		break;
	case IFA_PROTO:
		address->ours = mnl_attr_get_u8(attribute) == ADDRESS_PROTOCOL_OURS;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int address_take(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *head = mnl_nlmsg_get_payload(message);
	struct address_list *list = context;
	struct link_address *grown, address = { .ifindex = head->ifa_index,
						.length = head->ifa_prefixlen,
						.scope = head->ifa_scope };

	if (message->nlmsg_type != RTM_NEWADDR || head->ifa_family != AF_INET)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*head), address_attribute, &address);
	if (!address.addr)
		return MNL_CB_OK;
	grown = list_grow(list->items, list->count, sizeof(address));
	if (!grown)
		return MNL_CB_ERROR;
	list->items = grown;
	list->items[list->count++] = address;
	return MNL_CB_OK;
}

static void addresses_forget(void *context)
{
	struct address_list *list = context;

	free(list->items);
	memset(list, 0, sizeof(*list));
}

int netlink_addresses(struct address_list *list)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *head;

	request->nlmsg_type = RTM_GETADDR;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->ifa_family = AF_INET;
	memset(list, 0, sizeof(*list));
	return netlink_dump(request, address_take, addresses_forget, list);
}

static int address_change(u16 type, u16 flags, u32 ifindex, __be32 addr)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *head;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_ACK | flags;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->ifa_family = AF_INET;
	head->ifa_prefixlen = 32;
	head->ifa_index = ifindex;
	mnl_attr_put_u32(request, IFA_LOCAL, addr);
	mnl_attr_put_u32(request, IFA_ADDRESS, addr);
	if (type == RTM_NEWADDR)
		mnl_attr_put_u8(request, IFA_PROTO, ADDRESS_PROTOCOL_OURS);
	return route_ask(request, NULL, NULL);
}

int netlink_address_add(u32 ifindex, __be32 addr)
{
	int error = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, addr);

	return error == -EEXIST ? 0 : error;
}

int netlink_address_remove(u32 ifindex, __be32 addr)
{
	int error = address_change(RTM_DELADDR, 0, ifindex, addr);

	return error == -EADDRNOTAVAIL || error == -ENODEV ? 0 : error;
}

/*
 * Routes
 */

/* A way by one device, and what it begins with. */
struct way {
	u32 ifindex;
	__be32 source;
};

static int way_attribute(const struct nlattr *attribute, void *context)
{
	struct way *way = context;

	if (mnl_attr_get_type(attribute) == RTA_OIF)
		way->ifindex = mnl_attr_get_u32(attribute);
	if (mnl_attr_get_type(attribute) == RTA_PREFSRC)
		memcpy(&way->source, mnl_attr_get_payload(attribute), sizeof(way->source));
	return MNL_CB_OK;
}

static int way_take(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *head = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == RTM_NEWROUTE && head->rtm_type == RTN_UNICAST)
		mnl_attr_parse(message, sizeof(*head), way_attribute, context);
	return MNL_CB_OK;
}

int netlink_route(__be32 to, u32 *ifindex, __be32 *source)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct way way = { 0 };
	struct rtmsg *head;
	int error;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_ACK;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->rtm_family = AF_INET;
	head->rtm_dst_len = 32;
	mnl_attr_put_u32(request, RTA_DST, to);
	error = route_ask(request, way_take, &way);
	*ifindex = way.ifindex;
	*source = way.source;
	return error ? error : way.source ? 0 : -ENETUNREACH;
}

static int forward_attribute(const struct nlattr *attribute, void *context)
{
	struct netlink_way *way = context;

	if (mnl_attr_get_type(attribute) == RTA_OIF)
		way->ifindex = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int forward_take(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *head = mnl_nlmsg_get_payload(message);
	struct netlink_way *way = context;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	way->type = head->rtm_type;
	mnl_attr_parse(message, sizeof(*head), forward_attribute, way);
	return MNL_CB_OK;
}

int netlink_forward(const struct netlink_packet *packet, struct netlink_way *way)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *head;

	memset(way, 0, sizeof(*way));
	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_ACK;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->rtm_family = AF_INET;
	head->rtm_dst_len = 32;
	head->rtm_src_len = packet->from ? 32 : 0;
	mnl_attr_put_u32(request, RTA_DST, packet->to);
	if (packet->from)
		mnl_attr_put_u32(request, RTA_SRC, packet->from);
	if (packet->ifindex)
		mnl_attr_put_u32(request, RTA_IIF, packet->ifindex);
	if (packet->protocol == IPPROTO_UDP || packet->protocol == IPPROTO_TCP) {
		mnl_attr_put_u8(request, RTA_IP_PROTO, packet->protocol);
		mnl_attr_put_u16(request, RTA_SPORT, packet->sport);
		mnl_attr_put_u16(request, RTA_DPORT, packet->dport);
	}
	return route_ask(request, forward_take, way);
}

/*
 * Neighbours
 */

int netlink_neighbours(netlink_each *each, void *context)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *head;

	request->nlmsg_type = RTM_GETNEIGH;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->ndm_family = AF_INET;
	return netlink_dump(request, each, NULL, context);
}

/*
 * Filters
 */

static int filter_take(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *head = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == RTM_NEWTFILTER && head->tcm_handle)
		++*(int *)context;
	return MNL_CB_OK;
}

int netlink_filters(u32 ifindex)
{
	static const u32 parents[] = { TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				       TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	int count = 0, error = 0;
	char buffer[256];

	for (unsigned int i = 0; i < 2 && !error; i++) {
		struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
		struct tcmsg *head;

		request->nlmsg_type = RTM_GETTFILTER;
		request->nlmsg_flags = NLM_F_DUMP;
		head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
		head->tcm_family = AF_UNSPEC;
		head->tcm_ifindex = (int)ifindex;
		head->tcm_parent = parents[i];
		error = route_ask(request, filter_take, &count);
	}
	return error ? error : count;
}

/*
 * The watch
 */

int netlink_listen(int family, const u32 *groups, unsigned int count)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, family), size = WATCH_MEMORY,
	    error;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	error = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	for (unsigned int i = 0; i < count && !error; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])))
			error = -errno;
	if (!error)
		return fd;
	close(fd);
	return error;
}

int netlink_watch_open(void)
{
	static const u32 groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_TC };

	return netlink_listen(NETLINK_ROUTE, groups, sizeof(groups) / sizeof(groups[0]));
}

/* What the messages say does not matter: everything is asked anew. So lost ones (ENOBUFS) are as good as read ones. */
int netlink_watch_drain(int fd)
{
	char buffer[NETLINK_BUFFER];
	int any = 0;

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			return any;
		any = 1;
	}
}
