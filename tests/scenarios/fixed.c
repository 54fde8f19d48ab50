/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "core/clients.h"
#include "tests/scenarios/world.h"

/* Give it to each way; their chance is not asked, so they stay equal. */
static int fixed_give(struct world *w)
{
	struct fixed_want want = { .hosts = w->reserved,
				   .host_count = w->reserved_count,
				   .mappings = w->mapped,
				   .mapping_count = w->mapped_count };
	struct fixed_report report;

	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		if (fixed_apply(nat, &want, &report) || report.refused)
			return world_fail(w, "no room for what is fixed");
	return 0;
}

/* As the daemon does: the address is nobody else's, unless it is the interface's own. */
static int reserved_flags(struct world *w, const struct fixed_host *host)
{
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		u32 flags = address_find(nat, nat->config, host->outside).flags;

		if (!(flags & ADDRESS_LOCAL))
			flags = ADDRESS_LIVE | ADDRESS_RESERVED;
		flags |= host->inbound ? ADDRESS_INBOUND : 0u;
		if (native_address_set(nat, host->interface, host->outside, flags) < 0)
			return world_fail(w, "no room for another outside address");
	}
	return 0;
}

/* reserve INTERFACE INSIDE OUTSIDE [inbound] [address-only] */
int reserve_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_named(w, words_next(words));
	struct fixed_host host = { 0 };

	if (world_begin(w))
		return -1;
	if (!at || w->reserved_count == FIXED_MAX || address_parse(words_next(words), &host.inside) ||
	    address_parse(words_next(words), &host.outside))
		return world_fail(w, "reserve INTERFACE INSIDE OUTSIDE [inbound] [address-only]");
	host.interface = (u8)at->number;
	host.inbound = words_take(words, "inbound");
	host.same_ports = words_take(words, "address-only");
	if ((host.inbound || host.same_ports) && reserved_flags(w, &host))
		return -1;
	w->reserved[w->reserved_count++] = host;
	return fixed_give(w);
}

/* Full NAT in the name of an inside address of the router: as the daemon tells the data path. */
static int full_give(struct world *w, struct fixed_mapping *mapping, const char *text)
{
	struct world_interface *lan = interface_first(w, ROLE_INSIDE);

	if (!lan || address_parse(text, &mapping->client))
		return world_fail(w, "map ... full ADDRESS");
	mapping->full = true;
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		server_add(nat->config->servers, mapping->inside.addr);
		if (native_address_set(nat, clients_number(lan->number), mapping->client,
				       ADDRESS_CLIENTS | ADDRESS_LOCAL) < 0)
			return world_fail(w, "no room for another outside address");
	}
	return 0;
}

/* map INTERFACE udp|tcp OUTSIDE:PORT INSIDE:PORT [full ADDRESS] */
int map_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_named(w, words_next(words));
	struct fixed_mapping mapping = { 0 };
	enum class class;
	u16 outside, inside;

	if (world_begin(w))
		return -1;
	if (!at || w->mapped_count == FIXED_MAX || class_parse(words_next(words), &class) ||
	    endpoint_parse(words_next(words), &mapping.outside.addr, &outside) ||
	    endpoint_parse(words_next(words), &mapping.inside.addr, &inside))
		return world_fail(w, "map INTERFACE udp|tcp OUTSIDE:PORT INSIDE:PORT [full ADDRESS]");
	mapping.interface = (u8)at->number;
	mapping.class = (u8) class;
	mapping.outside.port = host_to_be16(outside);
	mapping.inside.port = host_to_be16(inside);
	if (words_take(words, "full") && full_give(w, &mapping, words_next(words)))
		return -1;
	w->mapped[w->mapped_count++] = mapping;
	return fixed_give(w);
}

int unfix_run(struct world *w, struct words *words)
{
	(void)words;
	w->reserved_count = w->mapped_count = 0;
	return fixed_give(w);
}
