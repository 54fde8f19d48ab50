// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/clients.h"

#include <stdlib.h>

#include "core/clients.h"
#include "daemon/config.h"
#include "daemon/keepnat.h"
#include "daemon/netlink.h"
#include "daemon/pool.h"

struct server {
	__be32 inside, router; /* router 0: there is no way to it that serves */
	u8 number;	       /* clients_number() of the interface there */
};

struct clients {
	struct server *servers; /* by inside address */
	unsigned int count;
};

bool clients_wanted(const struct settings *settings)
{
	for (unsigned int i = 0; i < settings->port_mapping_count; i++)
		if (settings->port_mappings[i].full_nat)
			return true;
	return false;
}

static int server_order(const void *a, const void *b)
{
	const struct server *x = a, *y = b;

	return x->inside < y->inside ? -1 : x->inside > y->inside;
}

static struct server *server_find(const struct clients *clients, __be32 inside)
{
	struct server key = { .inside = inside };

	return bsearch(&key, clients->servers, clients->count, sizeof(key), server_order);
}

struct clients *clients_open(const struct settings *settings)
{
	struct clients *clients = calloc(1, sizeof(*clients));

	if (clients)
		clients->servers =
			calloc((size_t)settings->port_mapping_count + 1, sizeof(*clients->servers));
	if (!clients || !clients->servers) {
		clients_close(clients);
		return NULL;
	}
	for (unsigned int i = 0; i < settings->port_mapping_count; i++) {
		__be32 inside = settings->port_mappings[i].inside.s_addr;

		if (!settings->port_mappings[i].full_nat)
			continue;
		clients->servers[clients->count++] = (struct server){ .inside = inside };
	}
	qsort(clients->servers, clients->count, sizeof(*clients->servers), server_order);
	return clients;
}

void clients_close(struct clients *clients)
{
	if (clients)
		free(clients->servers);
	free(clients);
}

void clients_publish(struct keepnat *k)
{
	u64 words[SERVER_WORDS] = { 0 };

	for (unsigned int i = 0; i < k->clients->count; i++)
		server_add(words, k->clients->servers[i].inside);
	for (unsigned int i = 0; i < SERVER_WORDS; i++)
		STORE(&k->nat.config->servers[i], words[i]);
}

/* The number for clients behind a device. NO_INTERFACE: it is no inside interface, or there are too many. */
static u8 number_there(const struct keepnat *k, u32 ifindex)
{
	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct keepnat_interface *at = &k->interfaces[i];

		if (at->ifindex != ifindex || at->role != ROLE_INSIDE || at->number >= 2 * MAX_OUTSIDE ||
		    keepnat_interface_numbered(k, clients_number(at->number)))
			continue;
		/* Whoever has the number later must know that it was used. */
		k->nat.config->interfaces[clients_number(at->number)].role = ROLE_OUTSIDE;
		return (u8)clients_number(at->number);
	}
	return NO_INTERFACE;
}

static struct server server_look(struct keepnat *k, const struct server *was)
{
	struct server is = { .inside = was->inside, .number = NO_INTERFACE };
	char text[ADDRESS_TEXT_SIZE];
	u32 ifindex = 0;

	if (!netlink_route(was->inside, &ifindex, &is.router))
		is.number = number_there(k, ifindex);
	if (is.number == NO_INTERFACE)
		is.router = 0;
	address_format(text, (struct in_addr){ was->inside });
	if (is.router)
		keepnat_unwarn(k, "full NAT: %s is", text);
	else
		keepnat_warn(k,
			     "full NAT: %s is not reached by any of the first %d inside interfaces; see `ip "
			     "route get %s`",
			     text, MAX_OUTSIDE, text);
	return is;
}

bool clients_look(struct keepnat *k)
{
	struct clients *clients = k->clients;
	bool changed = false;

	for (unsigned int i = 0; i < clients->count; i++) {
		struct server is = server_look(k, &clients->servers[i]);

		changed |= is.router != clients->servers[i].router || is.number != clients->servers[i].number;
		clients->servers[i] = is;
	}
	return changed;
}

__be32 clients_address(const struct clients *clients, __be32 inside)
{
	const struct server *server = server_find(clients, inside);

	return server ? server->router : 0;
}

bool clients_get(const struct clients *clients, unsigned int i, struct pool_address *address)
{
	if (i >= clients->count)
		return false;
	*address = (struct pool_address){ .addr = clients->servers[i].router,
					  .interface = clients->servers[i].number,
					  .flags = ADDRESS_CLIENTS | ADDRESS_LOCAL };
	return true;
}
