// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/netlink.h"
#include "daemon/watch_neighbours.h"

struct watch {
	int routing, filter; /* sockets; -1: none */
	u32 changed;	     /* the tick of the last change */
	struct neighbours neighbours;
};

static const u32 routing_groups[] = { RTNLGRP_LINK,	  RTNLGRP_NEIGH,     RTNLGRP_IPV4_IFADDR,
				      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV4_NETCONF,
				      RTNLGRP_NEXTHOP };
static const u32 filter_groups[] = { NFNLGRP_NFTABLES };

/* A message of the routing socket: does it say that something changed? */
static bool message_is_change(struct watch *w, const struct nlmsghdr *message)
{
	const struct rtgenmsg *head = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == RTM_NEWNEIGH || message->nlmsg_type == RTM_DELNEIGH)
		return neighbours_take(&w->neighbours, message);
	return head->rtgen_family !=
	       AF_BRIDGE; /* what a bridge tells of its ports is said once more about the ports */
}

/* Read all there is. 1: it is a change, or something was lost; 0. */
static bool routing_drain(struct watch *w)
{
	char buffer[NETLINK_BUFFER];
	bool changed = false;

	for (;;) {
		ssize_t n = recv(w->routing, buffer, sizeof(buffer), MSG_DONTWAIT);
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			(void)neighbours_dump(&w->neighbours);
			changed = true;
			continue;
		}
		if (n < 0)
			return changed;
		for (const struct nlmsghdr *message = (void *)buffer; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			changed |= message_is_change(w, message);
	}
}

/* The tick of now, and of the last change, to all programs at once. */
static void watch_say(struct keepnat *k)
{
	union lease_watch word = { .looked = loader_tick(k->loader), .changed = k->watch->changed };

	STORE(&k->nat.config->watch, word.word);
}

void watch_changed(struct keepnat *k)
{
	if (!k->watch)
		return;
	k->watch->changed = loader_tick(k->loader);
	watch_say(k);
}

/* The kernel may learn of nftables later than we start. */
static void filter_open(struct watch *w)
{
	if (w->filter < 0)
		w->filter = netlink_listen(NETLINK_NETFILTER, filter_groups, 1);
}

int watch_start(struct keepnat *k)
{
	struct watch *w = calloc(1, sizeof(*w));
	int error = 0;

	if (!w)
		return -ENOMEM;
	k->watch = w;
	w->routing = w->filter = -1;
	w->changed = loader_tick(k->loader);
	if (!keepnat_fast(k))
		return 0;
	w->routing = netlink_listen(NETLINK_ROUTE, routing_groups,
				    sizeof(routing_groups) / sizeof(routing_groups[0]));
	filter_open(w);
	if (w->routing < 0)
		error = w->routing;
	if (!error)
		error = neighbours_dump(&w->neighbours);
	if (error)
		log_error("the kernel does not tell its routes and neighbours: %s; set nat.accelerate to off",
			  strerror(-error));
	else
		watch_say(k);
	return error;
}

void watch_stop(struct keepnat *k, bool leave)
{
	struct watch *w = k->watch;

	(void)leave;
	if (!w)
		return;
	if (w->routing >= 0)
		close(w->routing);
	if (w->filter >= 0)
		close(w->filter);
	neighbours_free(&w->neighbours);
	free(w);
	k->watch = NULL;
}

int watch_fd(const struct keepnat *k, unsigned int which)
{
	return which ? k->watch->filter : k->watch->routing;
}

void watch_look(struct keepnat *k)
{
	struct watch *w = k->watch;
	bool changed;

	if (w->routing < 0)
		return;
	filter_open(w);
	changed = routing_drain(w);
	changed |= w->filter >= 0 && netlink_watch_drain(w->filter);
	if (changed)
		watch_changed(k);
	else
		watch_say(k);
}
