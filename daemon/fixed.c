// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/fixed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clients.h"
#include "daemon/config.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/pool.h"
#include "daemon/sweeper.h"
#include "native/fixed.h"

enum { TOLD_MAX = 16 }; /* displaced mappings that get a line of their own */

struct fixed {
	const struct settings *settings;
	struct fixed_want want; /* room for all */
	__be32 *inbound,
		*alone; /* outside addresses of reservations: with inbound, with address_only; sorted */
	unsigned int inbound_count, alone_count;
	unsigned int told;
	bool judged; /* sessions that disagree with it were ended */
	bool clean;  /* nothing is fixed in the tables, and nothing was wanted */
};

static int address_order(const void *a, const void *b)
{
	__be32 x = *(const __be32 *)a, y = *(const __be32 *)b;

	return x < y ? -1 : x > y;
}

/* Mappings that the configuration asks for: one a port and protocol. */
static size_t mapped_count(const struct settings *settings)
{
	size_t count = 0;

	for (unsigned int i = 0; i < settings->port_mapping_count; i++) {
		u32 both = SETTINGS_TCP | SETTINGS_UDP, protocols = settings->port_mappings[i].protocols;

		count += (size_t)settings->port_mappings[i].count * (protocols == both ? 2 : 1);
	}
	return count;
}

struct fixed *fixed_open(const struct settings *settings)
{
	struct fixed *f = calloc(1, sizeof(*f));
	size_t hosts = settings->reservation_count;

	if (!f)
		return NULL;
	f->settings = settings;
	f->want.hosts = calloc(hosts + 1, sizeof(*f->want.hosts));
	f->want.mappings = calloc(mapped_count(settings) + 1, sizeof(*f->want.mappings));
	f->inbound = calloc(hosts + 1, sizeof(*f->inbound));
	f->alone = calloc(hosts + 1, sizeof(*f->alone));
	if (!f->want.hosts || !f->want.mappings || !f->inbound || !f->alone) {
		fixed_close(f);
		return NULL;
	}
	for (size_t i = 0; i < hosts; i++) {
		const struct settings_reservation *r = &settings->reservations[i];

		if (r->inbound)
			f->inbound[f->inbound_count++] = r->outside.s_addr;
		if (r->address_only)
			f->alone[f->alone_count++] = r->outside.s_addr;
	}
	qsort(f->alone, f->alone_count, sizeof(*f->alone), address_order);
	qsort(f->inbound, f->inbound_count, sizeof(*f->inbound), address_order);
	return f;
}

void fixed_close(struct fixed *f)
{
	if (!f)
		return;
	free(f->want.hosts);
	free(f->want.mappings);
	free(f->inbound);
	free(f->alone);
	free(f);
}

u8 fixed_address_flags(const struct fixed *f, __be32 addr, u8 flags)
{
	bool inbound = bsearch(&addr, f->inbound, f->inbound_count, sizeof(addr), address_order);
	bool alone = bsearch(&addr, f->alone, f->alone_count, sizeof(addr), address_order);

	if (inbound)
		flags |= ADDRESS_INBOUND;
	if ((inbound || alone) && !(flags & ADDRESS_LOCAL))
		flags = (u8)((flags & ~ADDRESS_POOL) | ADDRESS_RESERVED);
	return flags;
}

/*
 * Which interface, and which address
 */

static const struct pool_address *address_there(const struct pool_address *addresses, unsigned int count,
						__be32 addr)
{
	for (unsigned int i = 0; i < count; i++)
		if (addresses[i].addr == addr)
			return &addresses[i];
	return NULL;
}

/* The number of the interface that an outside address belongs to, be it there or not; NO_INTERFACE: none. */
static u8 interface_of(const struct keepnat *k, const struct pool_address *addresses, unsigned int count,
		       struct in_addr addr)
{
	const struct pool_address *there = address_there(addresses, count, addr.s_addr);
	u8 open = NO_INTERFACE;

	if (there)
		return there->interface;
	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];

		if (settings->role == ROLE_OUTSIDE && !settings->pool_count && open == NO_INTERFACE)
			open = k->interfaces[i].number;
		if (settings_pool_contains(settings, addr))
			return k->interfaces[i].number;
	}
	return open;
}

/* The lowest of the interface's own addresses: 1, or 0: it has none now. */
static int own_address(const struct pool_address *addresses, unsigned int count, u8 interface, __be32 *addr)
{
	int found = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (addresses[i].interface != interface || !(addresses[i].flags & ADDRESS_LOCAL))
			continue;
		if (!found || ntohl(addresses[i].addr) < ntohl(*addr))
			*addr = addresses[i].addr;
		found = 1;
	}
	return found;
}

static u8 interface_named(const struct keepnat *k, const char *name)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (!strcmp(k->interfaces[i].name, name))
			return k->interfaces[i].number;
	return NO_INTERFACE;
}

/*
 * What is wanted now
 */

static void hosts_collect(struct keepnat *k, const struct pool_address *addresses, unsigned int count)
{
	const struct settings *settings = k->settings;
	struct fixed_want *want = &k->fixed->want;

	want->host_count = 0;
	for (unsigned int i = 0; i < settings->reservation_count; i++) {
		const struct settings_reservation *r = &settings->reservations[i];
		u8 interface = interface_of(k, addresses, count, r->outside);

		if (interface != NO_INTERFACE)
			want->hosts[want->host_count++] =
				(struct fixed_host){ .inside = r->inside.s_addr,
						     .outside = r->outside.s_addr,
						     .interface = interface,
						     .inbound = r->inbound,
						     .same_ports = r->address_only };
	}
}

static void run_collect(struct fixed_want *want, const struct settings_port_mapping *m, u8 class,
			u8 interface, __be32 outside, __be32 client)
{
	for (u32 i = 0; i < m->count; i++)
		want->mappings[want->mapping_count++] = (struct fixed_mapping){
			.inside = { .addr = m->inside.s_addr, .port = htons((u16)(m->inside_port + i)) },
			.outside = { .addr = outside, .port = htons((u16)(m->outside_port + i)) },
			.class = class,
			.interface = interface,
			.full = m->full_nat,
			.client = client,
		};
}

static void mappings_collect(struct keepnat *k, const struct pool_address *addresses, unsigned int count)
{
	const struct settings *settings = k->settings;
	struct fixed_want *want = &k->fixed->want;

	want->mapping_count = 0;
	for (unsigned int i = 0; i < settings->port_mapping_count; i++) {
		const struct settings_port_mapping *m = &settings->port_mappings[i];
		__be32 outside = m->outside.s_addr;
		u8 interface = m->interface[0] ? interface_named(k, m->interface)
					       : interface_of(k, addresses, count, m->outside);

		if (interface == NO_INTERFACE ||
		    (m->interface[0] && !own_address(addresses, count, interface, &outside)))
			continue; /* until it is there */
		__be32 client = clients_address(k->clients, m->inside.s_addr);
		if (m->protocols & SETTINGS_TCP)
			run_collect(want, m, CLASS_TCP, interface, outside, client);
		if (m->protocols & SETTINGS_UDP)
			run_collect(want, m, CLASS_UDP, interface, outside, client);
	}
}

/*
 * Telling
 */

static void displaced_tell(void *context, u8 class, struct endpoint inside, struct endpoint outside)
{
	struct fixed *f = context;
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];

	if (f->told++ >= TOLD_MAX)
		return;
	log_info("a reservation or port mapping ended the mapping of %s %s:%u to %s:%u", class_name(class),
		 address_format(from, (struct in_addr){ inside.addr }), ntohs(inside.port),
		 address_format(to, (struct in_addr){ outside.addr }), ntohs(outside.port));
}

static void report_tell(struct keepnat *k, const struct fixed_report *report)
{
	if (report->displaced || report->moved)
		log_info("reservations and port mappings: %u mappings of others ended, %u hosts moved, %u "
			 "sessions "
			 "ended with them",
			 report->displaced, report->moved, report->sessions);
	if (report->refused)
		keepnat_warn(k,
			     "reservations and port mappings: no room for %u; raise capacity.mappings or "
			     "capacity.hosts",
			     report->refused);
	else
		keepnat_unwarn(k, "reservations and port mappings: no room");
}

int fixed_publish(struct keepnat *k, const struct pool_address *addresses, unsigned int count)
{
	struct nat_instance nat = k->nat;
	struct fixed *f = k->fixed;
	struct fixed_report report;
	int error;

	hosts_collect(k, addresses, count);
	mappings_collect(k, addresses, count);
	bool nothing = !f->want.host_count && !f->want.mapping_count;
	if (nothing && f->clean)
		return 0;
	f->want.displaced = displaced_tell;
	f->want.context = f;
	f->want.all = !f->judged; /* a daemon before us may have died before it did so */
	f->told = 0;
	nat.now = loader_tick(k->loader);
	sweeper_hold(k->sweeper);
	error = fixed_apply(&nat, &f->want, &report);
	sweeper_release(k->sweeper);
	f->judged |= !error;
	f->clean = !error && nothing;
	if (!error)
		report_tell(k, &report);
	return error;
}
