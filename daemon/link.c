// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/link.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/address.h"
#include "daemon/arp.h"
#include "daemon/claim.h"
#include "daemon/clients.h"
#include "daemon/config.h"
#include "daemon/device.h"
#include "daemon/event.h"
#include "daemon/fixed.h"
#include "daemon/forwarding.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/netlink.h"
#include "daemon/pool.h"
#include "daemon/publish.h"
#include "daemon/snapshot.h"
#include "daemon/watch.h"

/* How often addresses that somebody takes away are put back, until it is only said. */
enum { PUT_BACK_MAX = 10, PUT_BACK_SECONDS = 10 };

/* Warnings, which are taken back by the same words. */
#define GONE "the interface is gone; what it served waits until it is back"
#define RENAMED "its device is called "
#define REFUSED "cannot be served: "

struct link_watch {
	int fd;
	struct link_list links; /* the last dumps */
	struct address_list addresses;
	struct pool_address *want; /* being collected */
	unsigned int want_count, want_room;
	bool started;	/* from then on changes are worth a line */
	bool fixed_due; /* reservations and port mappings are not in the tables yet as the settings have them */
	time_t put_back_since;
	unsigned int put_back;
};

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static int address_order(const void *a, const void *b)
{
	const struct link_address *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static const struct link_address *address_on(const struct link_watch *w, u32 ifindex, __be32 addr)
{
	struct link_address key = { .ifindex = ifindex, .addr = addr };

	if (!w->addresses.count)
		return NULL;
	return bsearch(&key, w->addresses.items, w->addresses.count, sizeof(key), address_order);
}

static int addresses_dump(struct link_watch *w)
{
	int error;

	free(w->addresses.items);
	error = netlink_addresses(&w->addresses);
	if (!error && w->addresses.count)
		qsort(w->addresses.items, w->addresses.count, sizeof(*w->addresses.items), address_order);
	return error;
}

static int dump(struct link_watch *w)
{
	int error;

	free(w->links.items);
	error = netlink_links(&w->links);
	return error ? error : addresses_dump(w);
}

static const struct link_state *link_named(const struct link_watch *w, const char *name)
{
	for (unsigned int i = 0; i < w->links.count; i++)
		if (!strcmp(w->links.items[i].name, name))
			return &w->links.items[i];
	return NULL;
}

/* Who has the interface's name; else the device that it had, by whatever name, unless these settings have an interface of that name. */
static const struct link_state *link_of(const struct link_watch *w, const struct settings *settings,
					const struct keepnat_interface *interface)
{
	const struct link_state *link = link_named(w, interface->name);

	for (unsigned int i = 0; i < w->links.count && !link && interface->ifindex; i++)
		if (w->links.items[i].ifindex == interface->ifindex)
			link = &w->links.items[i];
	if (!link || !strcmp(link->name, interface->name))
		return link;
	for (unsigned int i = 0; i < settings->interface_count; i++)
		if (!strcmp(settings->interfaces[i].name, link->name))
			return NULL;
	return link;
}

/* Say it, if the device has another name than the interface. */
static void interface_name(struct keepnat *k, struct keepnat_interface *interface,
			   const struct link_state *link)
{
	if (strcmp(interface->device, link->name) != 0)
		keepnat_unwarn(k, "%s: " RENAMED, interface->name);
	memcpy(interface->device, link->name, sizeof(interface->device));
	if (strcmp(interface->device, interface->name) != 0)
		event_warn(k, EVENT_interface_renamed, interface->name,
			   RENAMED "%s now; it is served as before", interface->device);
}

/* What the device can do at XDP is asked only where that matters: this is done again and again. */
static void interface_accelerate(struct keepnat_interface *interface)
{
	struct device device = { .bare = interface->bare };

	if (!interface->bare && (interface->accelerate == SETTINGS_ACCELERATE_AUTO ||
				 interface->accelerate == SETTINGS_ACCELERATE_XDP ||
				 interface->accelerate == SETTINGS_ACCELERATE_ALL))
		device_ask(interface->ifindex, interface->device, &device);
	interface->fast = device_fast(&device, interface->accelerate, &interface->why);
	if (interface->full) /* clients are translated at TC egress, which XDP passes by */
		interface->fast &= (u8)~FAST_TARGET;
	if (interface->no_xdp && interface->fast & FAST_XDP) {
		interface->fast &= (u8) ~(FAST_XDP | FAST_ALL);
		interface->why = interface->no_xdp;
	}
}

static void interface_fill(struct keepnat_interface *interface, const struct link_state *link)
{
	interface->ifindex = link->ifindex;
	interface->bare = link->type != ARPHRD_ETHER;
	interface->up = link->flags & IFF_UP && link->flags & IFF_RUNNING;
	interface->mtu = link->mtu;
	interface_accelerate(interface);
	memcpy(interface->mac, link->mac, sizeof(interface->mac));
}

static void interface_commit(struct keepnat *k, unsigned int i, const struct keepnat_interface *next)
{
	pthread_mutex_lock(&k->lock);
	k->interfaces[i] = *next;
	pthread_mutex_unlock(&k->lock);
}

/*
 * Start
 */

/* One line names all that are missing. 0 or -ENODEV. */
static int links_missing(const struct keepnat *k)
{
	char names[256] = "";
	size_t length = 0;

	for (unsigned int i = 0; i < k->interface_count; i++) {
		const char *name = k->interfaces[i].name;

		if (!link_named(k->link, name) && length + sizeof(k->interfaces[i].name) + 2 < sizeof(names))
			length += (size_t)sprintf(names + length, "%s%s", length ? ", " : "", name);
	}
	if (!length)
		return 0;
	log_error("interfaces: there is no %s; correct the name (`ip link` shows them), or bring it up first",
		  names);
	return -ENODEV;
}

/* Can it be ours? 0; else -errno and what to say. */
static int link_claim(struct keepnat *k, const struct link_state *link, struct link_refusal *refusal)
{
	int error;

	if (link->flags & IFF_LOOPBACK) {
		*refusal =
			(struct link_refusal){ "it is the loopback device", "name one that leads somewhere" };
		return -EINVAL;
	}
	error = claim_interface(k, link->ifindex);
	if (error == -EBUSY)
		*refusal = (struct link_refusal){
			"another keepnatd serves it",
			"stop that one, or take the interface out of one configuration"
		};
	else if (error)
		*refusal =
			(struct link_refusal){ "it cannot be claimed in /run/keepnat", "make /run writable" };
	return error;
}

void link_describe(struct keepnat_interface *interface, const struct settings *settings, unsigned int i)
{
	const struct settings_interface *from = &settings->interfaces[i];

	memcpy(interface->name, from->name, sizeof(interface->name));
	if (!interface->ifindex)
		memcpy(interface->device, from->name, sizeof(interface->device));
	interface->role = (u8)from->role;
	interface->full = from->role == ROLE_INSIDE && clients_wanted(settings);
	interface->listed = from->network_count != 0;
	interface->accelerate =
		(u8)(from->accelerate == SETTINGS_ACCELERATE_DEFAULT ? settings->nat.accelerate
								     : from->accelerate);
}

int link_find(struct keepnat *k, const struct settings *settings, struct keepnat_interface *interface,
	      struct link_refusal *refusal)
{
	const struct link_state *link = link_of(k->link, settings, interface);
	int error = link ? link_claim(k, link, refusal) : -ENODEV;

	if (!link)
		*refusal = (struct link_refusal){
			"there is no interface of that name",
			"correct the name (`ip link` shows them), or bring the interface up first"
		};
	if (!error) {
		interface_name(k, interface, link);
		interface_fill(interface, link);
	}
	return error;
}

/* All that the settings name must be there. 0, or -errno after a line. */
static int links_find(struct keepnat *k)
{
	int error = links_missing(k);

	for (unsigned int i = 0; i < k->interface_count && !error; i++) {
		struct link_refusal refusal;

		error = link_find(k, k->settings, &k->interfaces[i], &refusal);
		if (error)
			log_error("interface %s: %s: %s; %s", k->interfaces[i].name, refusal.what,
				  strerror(-error), refusal.mend);
	}
	return error;
}

/* Those that are there; the others are waited for. */
static void links_find_some(struct keepnat *k)
{
	for (unsigned int i = 0; i < k->interface_count; i++) {
		struct keepnat_interface *interface = &k->interfaces[i];
		struct link_refusal refusal;

		if (!link_named(k->link, interface->name))
			event_warn(k, EVENT_interface_gone, interface->name, GONE);
		else if (link_find(k, k->settings, interface, &refusal))
			event_warn(k, EVENT_interface_refused, interface->name, REFUSED "%s", refusal.what);
	}
}

void link_find_former(struct keepnat *k)
{
	for (unsigned int i = 0; i < k->interface_count; i++) {
		struct keepnat_interface former = k->interfaces[i];
		struct link_refusal refusal;

		if (former.ifindex)
			continue;
		former.ifindex = k->nat.config->interfaces[former.number].ifindex;
		if (!former.ifindex || link_find(k, k->settings, &former, &refusal))
			continue;
		keepnat_unwarn(k, "%s: " GONE, former.name);
		k->interfaces[i] = former;
	}
}

int link_start(struct keepnat *k)
{
	struct link_watch *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	k->link = w;
	w->fixed_due = true;
	w->fd = netlink_watch_open();
	error = w->fd < 0 ? w->fd : dump(w);
	if (error) {
		log_error("the kernel does not tell its interfaces: %s; see that netlink is allowed",
			  strerror(-error));
		return error;
	}
	k->interface_count = k->settings->interface_count;
	for (unsigned int i = 0; i < k->interface_count; i++)
		link_describe(&k->interfaces[i], k->settings, i);
	if (!loader_left(k))
		return links_find(k);
	links_find_some(k); /* others are served, and must not be left without control */
	return 0;
}

void link_stop(struct keepnat *k)
{
	struct link_watch *w = k->link;

	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->links.items);
	free(w->addresses.items);
	free(w->want);
	free(w);
	k->link = NULL;
}

int link_fd(const struct keepnat *k) { return k->link->fd; }

/*
 * Interfaces
 */

/* The device is gone, or is no interface of ours, or another one, now: it must not be served any more. */
static void interface_leave(struct keepnat *k, struct keepnat_interface *interface)
{
	loader_detach(k, interface);
	FAULT(interface_detached);
	publish_gone(k, interface);
	claim_give(k, interface->ifindex);
	arp_forget(k->arp, interface->ifindex);
	keepnat_unwarn(k, "%s: " RENAMED, interface->name);
	memcpy(interface->device, interface->name, sizeof(interface->device));
	interface->ifindex = 0;
	interface->no_xdp = NULL;
	interface->up = false;
}

/* This is its device now. */
static int interface_enter(struct keepnat *k, struct keepnat_interface *interface,
			   const struct link_state *link)
{
	int error = link->flags & IFF_LOOPBACK ? -EINVAL : claim_interface(k, link->ifindex);

	if (!error) {
		interface_name(k, interface, link);
		interface_fill(interface, link);
		error = publish_interface(k, interface);
	}
	if (error) {
		interface->ifindex = 0;
		event_warn(k, EVENT_interface_refused, interface->name, REFUSED "%s", strerror(-error));
		return error;
	}
	keepnat_unwarn(k, "%s: " REFUSED, interface->name);
	keepnat_unwarn(k, "%s: " GONE, interface->name);
	return 0;
}

/* Its pool addresses are announced when the link comes up, and when its hardware address changes. */
static bool interface_is_news(const struct keepnat_interface *was, const struct keepnat_interface *is)
{
	return is->up && !is->bare &&
	       (!was->up || was->ifindex != is->ifindex || memcmp(was->mac, is->mac, sizeof(is->mac)) != 0);
}

static void pool_announce(struct keepnat *k, const struct keepnat_interface *interface)
{
	const struct link_watch *w = k->link;

	for (unsigned int i = 0; i < w->addresses.count; i++)
		if (w->addresses.items[i].ours && w->addresses.items[i].ifindex == interface->ifindex)
			arp_announce(k->arp, interface->ifindex, interface->mac, w->addresses.items[i].addr);
}

static void interface_tell(struct keepnat *k, const struct keepnat_interface *was,
			   const struct keepnat_interface *is)
{
	if (!was->ifindex && is->ifindex)
		event_tell(k, EVENT_interface_back, is->name, "the interface is back");
	else if (is->ifindex && was->up && !is->up)
		event_tell(k, EVENT_link_lost, is->name, "the link is down");
	else if (is->ifindex && !was->up && is->up)
		event_tell(k, EVENT_link_returned, is->name, "the link is up");
}

static int interface_refresh(struct keepnat *k, unsigned int i)
{
	const struct link_state *link = link_of(k->link, k->settings, &k->interfaces[i]);
	struct keepnat_interface next = k->interfaces[i];
	int error = 0;

	if (next.ifindex && (!link || link->ifindex != next.ifindex)) {
		interface_leave(k, &next);
		event_warn(k, EVENT_interface_gone, next.name, GONE);
	}
	if (link)
		error = interface_enter(k, &next, link);
	if (next.fast != k->interfaces[i].fast)
		watch_changed(k);
	if (interface_is_news(&k->interfaces[i], &next))
		pool_announce(k, &next);
	interface_tell(k, &k->interfaces[i], &next);
	interface_commit(k, i, &next);
	return error;
}

static int interface_attach(struct keepnat *k, unsigned int i)
{
	struct keepnat_interface next = k->interfaces[i];
	int error;

	if (!next.ifindex)
		return 0;
	error = loader_attach(k, &next);
	interface_commit(k, i, &next);
	if (!error)
		forwarding_interface(k, next.device);
	return error;
}

/*
 * Addresses
 */

static int want_add(struct link_watch *w, __be32 addr, u8 interface, unsigned int flags)
{
	struct pool_address *grown;

	if (w->want_count == w->want_room) {
		grown = reallocarray(w->want, 2 * (size_t)w->want_room + 64, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		w->want = grown;
		w->want_room = 2 * w->want_room + 64;
	}
	w->want[w->want_count++] =
		(struct pool_address){ .addr = addr, .interface = interface, .flags = (u8)flags };
	return 0;
}

/* How an address that is on an outside interface serves. 0: not at all. */
static unsigned int address_flags(const struct settings_interface *settings,
				  const struct link_address *address)
{
	if (address->scope == RT_SCOPE_HOST)
		return 0;
	if (!settings->pool_count) {
		if (address->ours)
			return 0; /* of a former pool */
		return ADDRESS_LIVE | ADDRESS_LOCAL | (address->scope < RT_SCOPE_LINK ? ADDRESS_POOL : 0u);
	}
	if (settings_pool_contains(settings, (struct in_addr){ address->addr }) &&
	    (address->ours || !settings->address_only)) /* else the router itself could not share it */
		return ADDRESS_LIVE | ADDRESS_POOL | (address->ours ? 0u : ADDRESS_LOCAL);
	return address->ours ? 0 : ADDRESS_LIVE | ADDRESS_LOCAL;
}

static bool want_has(const struct link_watch *w, __be32 addr)
{
	for (unsigned int i = 0; i < w->want_count; i++)
		if (w->want[i].addr == addr)
			return true;
	return false;
}

/* The addresses for clients of full NAT; an outside address cannot be one. */
static int want_clients(struct keepnat *k)
{
	struct pool_address address;
	int error = 0;

	for (unsigned int i = 0; clients_get(k->clients, i, &address) && !error; i++)
		if (address.addr && !want_has(k->link, address.addr))
			error = want_add(k->link, address.addr, address.interface, address.flags);
	return error;
}

/* Whence the router speaks on an inside interface: its first address there. */
static void router_publish(struct keepnat *k, const struct keepnat_interface *interface)
{
	const struct link_watch *w = k->link;
	__be32 found = 0;

	for (unsigned int i = 0; i < w->addresses.count && interface->ifindex && !found; i++)
		if (w->addresses.items[i].ifindex == interface->ifindex &&
		    w->addresses.items[i].scope < RT_SCOPE_LINK)
			found = w->addresses.items[i].addr;
	__atomic_store_n(&k->nat.config->router[interface->number], found, __ATOMIC_RELEASE);
}

/*
 * At the start, before programs are attached: the addresses of the pool will be there when programs are, so they are told of
 * already. Then what was restored finds them.
 */
static int want_coming(struct keepnat *k, unsigned int i)
{
	const struct settings_interface *settings = &k->settings->interfaces[i];
	const struct keepnat_interface *interface = &k->interfaces[i];
	struct link_address coming = { .ifindex = interface->ifindex, .ours = true };
	int error = 0;

	for (unsigned int j = 0; j < settings->pool_count && interface->ifindex; j++) {
		const struct address_range *range = &settings->pool[j].range;
		u64 count = address_range_count(range);

		for (u64 n = 0; n < count && !error; n++) {
			coming.addr = htonl(ntohl(range->first.s_addr) + (u32)n);
			if (!address_on(k->link, interface->ifindex, coming.addr))
				error = want_add(k->link, coming.addr, interface->number,
						 fixed_address_flags(k->fixed, coming.addr,
								     (u8)address_flags(settings, &coming)));
		}
	}
	return error;
}

/* Addresses of hosts, or of their clients, came or left: so many, this one among them. */
static void addresses_tell(struct keepnat *k, enum event_id id, const struct pool_address *first,
			   unsigned int count)
{
	const struct keepnat_interface *interface = keepnat_interface_numbered(k, first->interface);
	struct in_addr address = { first->addr };
	char text[ADDRESS_TEXT_SIZE];

	if (!count)
		return;
	event_tell(k, id, address_format(text, address), "%s: %u outside %s %s",
		   interface ? interface->name : "full NAT", count, count == 1 ? "address" : "addresses",
		   id == EVENT_address_lost ? "left, and their sessions are over" : "came");
}

/* Tell the data path the addresses of the last dump. */
static int addresses_publish(struct keepnat *k)
{
	struct link_watch *w = k->link;
	bool moved = clients_look(k);
	struct pool_change change;
	int error = 0;

	w->want_count = 0;
	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct keepnat_interface *interface = &k->interfaces[i];

		if (interface->role == ROLE_INSIDE)
			router_publish(k, interface);
		for (unsigned int j = 0; j < w->addresses.count && interface->role == ROLE_OUTSIDE && !error;
		     j++) {
			const struct link_address *address = &w->addresses.items[j];
			u8 flags =
				fixed_address_flags(k->fixed, address->addr,
						    (u8)address_flags(&k->settings->interfaces[i], address));

			if (interface->ifindex && address->ifindex == interface->ifindex && flags)
				error = want_add(w, address->addr, interface->number, flags);
		}
		if (interface->role == ROLE_OUTSIDE && !w->started && !error)
			error = want_coming(k, i);
	}
	if (!error)
		error = want_clients(k);
	if (!error)
		error = pool_apply(k->pool, w->want, w->want_count, &change);
	if (!error && (w->fixed_due || moved || change.came || change.left || change.renewed)) {
		w->fixed_due = true; /* until it succeeds */
		error = fixed_publish(k, w->want, w->want_count);
	}
	if (error)
		return error;
	w->fixed_due = false;
	snapshot_restore(k);
	if (!w->started)
		loader_complete(k);
	if (w->started) {
		addresses_tell(k, EVENT_address_lost, &change.first_left, change.left);
		addresses_tell(k, EVENT_address_returned, &change.first_came, change.came);
	}
	if (change.refused)
		event_warn(k, EVENT_address_refused, "addresses",
			   "no room for %u more; restart with a larger pool in the configuration",
			   change.refused);
	else
		keepnat_unwarn(k, "addresses: no room");
	return 0;
}

/* Addresses of ours that are in no pool any more: a former configuration's. How many were removed, or -errno. */
static int leftovers_remove(struct keepnat *k, const struct keepnat_interface *interface,
			    const struct settings_interface *settings)
{
	const struct link_watch *w = k->link;
	int removed = 0;

	for (unsigned int i = 0; i < w->addresses.count; i++) {
		const struct link_address *address = &w->addresses.items[i];
		int error;

		if (address->ifindex != interface->ifindex || !address->ours ||
		    settings_pool_contains(settings, (struct in_addr){ address->addr }))
			continue;
		error = netlink_address_remove(interface->ifindex, address->addr);
		if (error)
			return error;
		FAULT(address_removed);
		removed++;
	}
	return removed;
}

/* Pool addresses that are not on the interface. How many were put there, or -errno. */
static int missing_add(struct keepnat *k, const struct keepnat_interface *interface,
		       const struct settings_interface *settings)
{
	int added = 0;

	for (unsigned int i = 0; i < settings->pool_count; i++) {
		const struct address_range *range = &settings->pool[i].range;
		u64 count = address_range_count(range);

		for (u64 j = 0; j < count; j++) {
			__be32 addr = htonl(ntohl(range->first.s_addr) + (u32)j);
			int error;

			if (address_on(k->link, interface->ifindex, addr))
				continue;
			error = netlink_address_add(interface->ifindex, addr);
			if (error)
				return error;
			FAULT(address_added);
			if (interface->up && !interface->bare)
				arp_announce(k->arp, interface->ifindex, interface->mac, addr);
			added++;
		}
	}
	return added;
}

/* Is somebody taking the addresses away as fast as we put them back? */
static bool put_back_is_vain(struct keepnat *k)
{
	struct link_watch *w = k->link;
	time_t now = seconds();

	if (now - w->put_back_since > PUT_BACK_SECONDS) {
		w->put_back_since = now;
		w->put_back = 0;
	}
	return w->put_back > PUT_BACK_MAX;
}

/* The pools' addresses on their interfaces. 0 or -errno. */
static int addresses_place(struct keepnat *k)
{
	int changed = 0;

	for (unsigned int i = 0; i < k->interface_count && !put_back_is_vain(k); i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];
		const struct keepnat_interface *interface = &k->interfaces[i];
		int removed, added;

		if (interface->role != ROLE_OUTSIDE || !interface->ifindex)
			continue;
		removed = leftovers_remove(k, interface, settings);
		added = removed < 0 ? removed : missing_add(k, interface, settings);
		if (added < 0) {
			keepnat_warn(k, "%s: the pool's addresses cannot be put on it: %s", interface->name,
				     strerror(-added));
			return added;
		}
		keepnat_unwarn(k, "%s: the pool's addresses cannot", interface->name);
		changed += removed + added;
	}
	if (!changed) {
		keepnat_unwarn(k, "pool addresses are taken away");
		return 0;
	}
	k->link->put_back++;
	if (put_back_is_vain(k))
		keepnat_warn(
			k, "pool addresses are taken away again and again by another program; see which one "
			   "manages the outside interfaces (`ip monitor address`)");
	int error = addresses_dump(k->link);
	return error ? error : addresses_publish(k);
}

/*
 * All of it
 */

static const char *attach_mend(int error)
{
	return error == -EBUSY
		       ? "programs of another keepnat are there: start that instance again and stop it, or "
			 "remove its pins"
		       : "see whether another program holds its tc hooks";
}

/*
 * Order: who the devices are and what their addresses are, so that programs which are attached find them; programs;
 * then the pool's addresses, so that no packet to them meets a device without programs.
 */
static int derive(struct keepnat *k, bool strict)
{
	int error = dump(k->link), one;

	for (unsigned int i = 0; i < k->interface_count && !error; i++) {
		one = interface_refresh(k, i);
		error = strict ? one : 0;
	}
	if (!error)
		error = addresses_publish(k);
	for (unsigned int i = 0; i < k->interface_count && !error; i++) {
		const char *name = k->interfaces[i].name;

		one = interface_attach(k, i);
		if (one && strict)
			log_error("interface %s: the programs cannot be attached: %s; %s", name,
				  strerror(-one), attach_mend(one));
		else if (one && one != -ENODEV)
			keepnat_warn(k, "%s: the programs cannot be attached: %s", name, strerror(-one));
		else
			keepnat_unwarn(k, "%s: the programs cannot", name);
		error = strict ? one : 0;
	}
	return error ? error : addresses_place(k);
}

int link_up(struct keepnat *k)
{
	k->arp = arp_open();
	if (!k->arp) {
		int error = -errno;

		log_error("cannot open a packet socket for ARP: %s; CAP_NET_RAW is needed", strerror(-error));
		return error;
	}
	int error = derive(k, !loader_found(k->loader));
	k->link->started = true;
	return error;
}

void link_refresh(struct keepnat *k)
{
	int error = derive(k, false);

	if (error)
		keepnat_warn(k, "interfaces: the kernel's answer is incomplete: %s", strerror(-error));
	else
		keepnat_unwarn(k, "interfaces: the kernel's answer");
	forwarding_check(k);
}

void link_event(struct keepnat *k)
{
	if (netlink_watch_drain(k->link->fd))
		link_refresh(k);
}

int link_enter(struct keepnat *k, unsigned int i, struct link_refusal *refusal)
{
	int error = interface_refresh(k, i);

	*refusal = (struct link_refusal){ "the data path has no room for it",
					  "take other interfaces out first" };
	if (error)
		return error;
	error = interface_attach(k, i);
	if (error)
		*refusal = (struct link_refusal){ "the programs cannot be attached", attach_mend(error) };
	return error;
}

int link_renew(struct keepnat *k)
{
	k->link->fixed_due = true;
	k->link->put_back = 0; /* whoever took the former addresses away took no others */
	return derive(k, true);
}

static void addresses_remove(struct keepnat *k, const struct keepnat_interface *interface)
{
	const struct settings_interface nothing = { .role = ROLE_OUTSIDE };

	if (interface->role == ROLE_OUTSIDE && interface->ifindex)
		(void)leftovers_remove(k, interface, &nothing);
}

void link_leave(struct keepnat *k, struct keepnat_interface *interface)
{
	addresses_remove(k, interface);
	if (interface->ifindex)
		interface_leave(k, interface);
	else
		loader_detach(k, interface); /* its pins */
	keepnat_unwarn(k, "%s: ", interface->name);
	forwarding_forget(k, interface->device);
}

void link_down(struct keepnat *k, bool leave)
{
	arp_close(k->arp);
	k->arp = NULL;
	if (leave || !k->link || !k->loader)
		return;
	(void)dump(k->link);
	for (unsigned int i = 0; i < k->interface_count; i++)
		addresses_remove(k, &k->interfaces[i]);
	/* Outside last: as long as an inside interface is served, nothing leaves untranslated. */
	for (unsigned int role = ROLE_INSIDE; role <= ROLE_OUTSIDE; role++)
		for (unsigned int i = 0; i < k->interface_count; i++)
			if (k->interfaces[i].role == role)
				loader_detach(k, &k->interfaces[i]);
}
