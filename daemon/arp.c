// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/arp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TIMES = 3, BURST = 256, PERIOD_MS = 50, GAP = 1000 / PERIOD_MS };

struct announcement {
	u32 ifindex;
	__be32 addr;
	u8 mac[6];
	u8 left;  /* how often yet */
	u8 pause; /* periods until the next */
};

struct arp {
	int socket, timer;
	struct announcement *items;
	unsigned int count, room;
};

/* An ARP packet for Ethernet and IPv4. */
struct arp_packet {
	struct arphdr head;
	u8 sender_mac[6];
	u8 sender_ip[4];
	u8 target_mac[6];
	u8 target_ip[4];
} __attribute__((packed));

struct arp *arp_open(void)
{
	struct arp *arp = calloc(1, sizeof(*arp));
	int error;

	if (!arp)
		return NULL;
	arp->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	arp->socket =
		socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* 0: receives nothing */
	if (arp->timer >= 0 && arp->socket >= 0)
		return arp;
	error = errno;
	arp_close(arp);
	errno = error;
	return NULL;
}

void arp_close(struct arp *arp)
{
	if (!arp)
		return;
	if (arp->timer >= 0)
		close(arp->timer);
	if (arp->socket >= 0)
		close(arp->socket);
	free(arp->items);
	free(arp);
}

int arp_fd(const struct arp *arp) { return arp->timer; }

static void timer_set(const struct arp *arp, long milliseconds)
{
	struct itimerspec when = {
		.it_value = { .tv_nsec = milliseconds * 1000000 },
		.it_interval = { .tv_nsec = milliseconds * 1000000 },
	};

	(void)timerfd_settime(arp->timer, 0, &when, NULL);
}

static struct announcement *announcement_for(struct arp *arp, u32 ifindex, __be32 addr)
{
	struct announcement *grown;

	for (unsigned int i = 0; i < arp->count; i++)
		if (arp->items[i].ifindex == ifindex && arp->items[i].addr == addr)
			return &arp->items[i];
	if (arp->count == arp->room) {
		grown = reallocarray(arp->items, arp->room + BURST, sizeof(*grown));
		if (!grown)
			return NULL;
		arp->items = grown;
		arp->room += BURST;
	}
	return &arp->items[arp->count++];
}

void arp_announce(struct arp *arp, u32 ifindex, const u8 mac[6], __be32 addr)
{
	struct announcement *item = announcement_for(arp, ifindex, addr);

	if (!item)
		return;
	item->ifindex = ifindex;
	item->addr = addr;
	memcpy(item->mac, mac, sizeof(item->mac));
	item->left = TIMES;
	item->pause = 0;
	timer_set(arp, PERIOD_MS);
}

void arp_forget(struct arp *arp, u32 ifindex)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < arp->count; i++)
		if (arp->items[i].ifindex != ifindex)
			arp->items[kept++] = arp->items[i];
	arp->count = kept;
}

/* Sender and target are the announced address. An error is the link's; the next time may do. */
static void announcement_send(const struct arp *arp, const struct announcement *item)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE_ARP),
				  .sll_halen = 6 };
	struct arp_packet packet = {
		.head = { .ar_hrd = htons(ARPHRD_ETHER),
			  .ar_pro = htons(ETHERTYPE_IP),
			  .ar_hln = 6,
			  .ar_pln = 4 },
	};

	to.sll_ifindex = (int)item->ifindex;
	memset(to.sll_addr, 0xff, 6);
	packet.head.ar_op = htons(ARPOP_REQUEST);
	memcpy(packet.sender_mac, item->mac, sizeof(packet.sender_mac));
	memcpy(packet.sender_ip, &item->addr, sizeof(packet.sender_ip));
	memcpy(packet.target_ip, &item->addr, sizeof(packet.target_ip));
	(void)sendto(arp->socket, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
}

void arp_run(struct arp *arp)
{
	unsigned int kept = 0, sent = 0;
	u64 expired;

	if (read(arp->timer, &expired, sizeof(expired)) < 0)
		return;
	for (unsigned int i = 0; i < arp->count; i++) {
		struct announcement item = arp->items[i];

		if (item.pause) {
			item.pause--;
		} else if (sent < BURST) {
			announcement_send(arp, &item);
			sent++;
			item.left--;
			item.pause = GAP;
		}
		if (item.left)
			arp->items[kept++] = item;
	}
	arp->count = kept;
	if (!kept)
		timer_set(arp, 0);
}
