// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/watch_neighbours.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/netlink.h"

enum {
	NEIGHBOURS_FIRST = 256,
	USABLE = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY
};

/* The entry of a neighbour, or the empty one where it can be. There is room. */
static struct neighbour *neighbour_place(const struct neighbours *n, u32 ifindex, __be32 addr)
{
	u32 at = (ifindex * 0x9e3779b1u ^ (u32)addr) * 0x85ebca6bu >> 8;

	while (n->items[at & (n->size - 1)].ifindex &&
	       (n->items[at & (n->size - 1)].ifindex != ifindex || n->items[at & (n->size - 1)].addr != addr))
		at++;
	return &n->items[at & (n->size - 1)];
}

/* Twice the room, without those that are gone. */
static int neighbours_grow(struct neighbours *n)
{
	struct neighbours grown = { .size = n->size ? 2 * n->size : NEIGHBOURS_FIRST };

	grown.items = calloc(grown.size, sizeof(*grown.items));
	if (!grown.items)
		return -ENOMEM;
	for (u32 i = 0; i < n->size; i++) {
		if (!n->items[i].ifindex || !n->items[i].usable)
			continue;
		*neighbour_place(&grown, n->items[i].ifindex, n->items[i].addr) = n->items[i];
		grown.count++;
	}
	free(n->items);
	*n = grown;
	return 0;
}

bool neighbours_set(struct neighbours *n, u32 ifindex, __be32 addr, const u8 *mac)
{
	struct neighbour *at;
	bool changed;

	if (2 * n->count >= n->size && neighbours_grow(n))
		return true;
	at = neighbour_place(n, ifindex, addr);
	if (!at->ifindex && !mac)
		return false;
	n->count += !at->ifindex;
	changed = at->usable && (!mac || memcmp(at->mac, mac, sizeof(at->mac)) != 0);
	at->ifindex = ifindex;
	at->addr = addr;
	at->usable = mac;
	if (mac)
		memcpy(at->mac, mac, sizeof(at->mac));
	return changed;
}

static int neighbour_attribute(const struct nlattr *attribute, void *context)
{
	const struct nlattr **found = context;
	u16 type = mnl_attr_get_type(attribute);

	if (type == NDA_DST && mnl_attr_get_payload_len(attribute) == sizeof(__be32))
		found[0] = attribute;
	if (type == NDA_LLADDR && mnl_attr_get_payload_len(attribute) == sizeof(((struct neighbour *)0)->mac))
		found[1] = attribute;
	return MNL_CB_OK;
}

bool neighbours_take(struct neighbours *n, const struct nlmsghdr *message)
{
	const struct ndmsg *head = mnl_nlmsg_get_payload(message);
	const struct nlattr *found[2] = { NULL, NULL }; /* address, hardware address */
	__be32 addr;

	if (head->ndm_family != AF_INET || head->ndm_flags & NTF_PROXY)
		return false;
	mnl_attr_parse(message, sizeof(*head), neighbour_attribute, found);
	if (!found[0])
		return false;
	memcpy(&addr, mnl_attr_get_payload(found[0]), sizeof(addr));
	bool usable = message->nlmsg_type == RTM_NEWNEIGH && head->ndm_state & USABLE && found[1];
	return neighbours_set(n, (u32)head->ndm_ifindex, addr,
			      usable ? mnl_attr_get_payload(found[1]) : NULL);
}

static int neighbour_each(const struct nlmsghdr *message, void *context)
{
	if (message->nlmsg_type == RTM_NEWNEIGH)
		(void)neighbours_take(context, message);
	return MNL_CB_OK;
}

int neighbours_dump(struct neighbours *n) { return netlink_neighbours(neighbour_each, n); }

void neighbours_free(struct neighbours *n)
{
	free(n->items);
	memset(n, 0, sizeof(*n));
}
