// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is checked about reservations and port mappings against the interfaces, and about reservations. */
#include "daemon/config_fixed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_read.h"
#include "daemon/config_report.h"

const struct settings_interface *fixed_interface_find(const struct settings *settings, const char *name)
{
	for (unsigned int i = 0; i < settings->interface_count; i++)
		if (settings->interfaces[i].role == ROLE_OUTSIDE &&
		    !strcmp(settings->interfaces[i].name, name))
			return &settings->interfaces[i];
	return NULL;
}

static int pool_compare(const void *key, const void *element)
{
	u32 address = ntohl(((const struct in_addr *)key)->s_addr);
	const struct address_range *range = &((const struct config_owned *)element)->range->range;

	if (address < ntohl(range->first.s_addr))
		return -1;
	return address > ntohl(range->last.s_addr);
}

const struct settings_interface *fixed_pool_owner(const struct fixed *fixed, struct in_addr address)
{
	const struct config_owned *owned =
		bsearch(&address, fixed->pools, fixed->pool_count, sizeof(*fixed->pools), pool_compare);

	return owned ? owned->owner : NULL;
}

/* A network that the address is in, and its interface; or NULL. */
static const struct settings_network *network_find(const struct fixed *fixed, struct in_addr address,
						   const struct settings_interface **owner)
{
	struct address_range one = { .first = address, .last = address };

	for (unsigned int i = 0; i < fixed->settings->interface_count; i++) {
		*owner = &fixed->settings->interfaces[i];
		for (unsigned int j = 0; j < (*owner)->network_count; j++) {
			struct address_range range = address_prefix_range(&(*owner)->networks[j].prefix);

			if (address_range_overlaps(&range, &one))
				return &(*owner)->networks[j];
		}
	}
	return NULL;
}

/* Is it an inside address, by what the interfaces say? `list` is what messages begin with. */
static void inside_check(const struct fixed *fixed, const char *list, unsigned int line,
			 struct in_addr address)
{
	const struct settings_interface *owner = fixed_pool_owner(fixed, address);
	char text[ADDRESS_TEXT_SIZE];

	if (!address.s_addr)
		return;
	if (owner) {
		report_what(fixed->report, line, "%s: the inside address %s lies in the pool of %s", list,
			    address_format(text, address), owner->name);
		report_mend(fixed->report, "an address is inside or outside: correct it or the pool");
	} else if (fixed->networks_only && !network_find(fixed, address, &owner)) {
		report_what(fixed->report, line, "%s: the inside address %s lies in no inside network", list,
			    address_format(text, address));
		report_mend(fixed->report, "correct it, or add its network to an inside interface");
	}
}

static void outside_check(const struct fixed *fixed, const char *list, unsigned int line,
			  struct in_addr address)
{
	char text[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];
	const struct settings_network *network;
	const struct settings_interface *owner;

	if (!address.s_addr || fixed_pool_owner(fixed, address))
		return;
	network = network_find(fixed, address, &owner);
	if (network) {
		report_what(fixed->report, line,
			    "%s: the outside address %s lies in the inside network %s of %s%s", list,
			    address_format(text, address), address_prefix_format(other, &network->prefix),
			    owner->name, report_place(place, network->line));
		report_mend(fixed->report, "an address is inside or outside: correct it or the network");
	} else if (fixed->pools_only) {
		report_what(fixed->report, line, "%s: the outside address %s lies in no pool", list,
			    address_format(text, address));
		report_mend(fixed->report, "correct it, or add it to the pool of an outside interface");
	}
}

static void interface_check(const struct fixed *fixed, const struct settings_port_mapping *mapping)
{
	char quoted[REPORT_QUOTE_SIZE], names[256] = "";

	if (!mapping->interface[0] || fixed_interface_find(fixed->settings, mapping->interface))
		return;
	report_what(fixed->report, mapping->line,
		    "port_mappings: %s is neither an address nor an outside interface",
		    report_quote(quoted, mapping->interface));
	for (unsigned int i = 0; i < fixed->settings->interface_count; i++)
		if (fixed->settings->interfaces[i].role == ROLE_OUTSIDE)
			report_list_add(names, sizeof(names), fixed->settings->interfaces[i].name, ", ");
	report_mend(fixed->report, "the outside interfaces are: %.200s", names);
}

/* Each item against the interfaces. */
static void places_check(const struct fixed *fixed)
{
	const struct settings *settings = fixed->settings;

	for (unsigned int i = 0; i < settings->reservation_count && !report_full(fixed->report); i++) {
		const struct settings_reservation *reservation = &settings->reservations[i];

		inside_check(fixed, "reservations", reservation->line, reservation->inside);
		outside_check(fixed, "reservations", reservation->line, reservation->outside);
	}
	for (unsigned int i = 0; i < settings->port_mapping_count && !report_full(fixed->report); i++) {
		const struct settings_port_mapping *mapping = &settings->port_mappings[i];

		inside_check(fixed, "port_mappings", mapping->line, mapping->inside);
		outside_check(fixed, "port_mappings", mapping->line, mapping->outside);
		interface_check(fixed, mapping);
	}
}

/* By address; those of one address in the order of the file, which is that of their array. */
static int reserved_compare(const void *a, const void *b)
{
	const struct reserved *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->reservation < y->reservation ? -1 : x->reservation > y->reservation;
}

static void reservations_sort(const struct fixed *fixed, bool outside)
{
	unsigned int count = fixed->settings->reservation_count;

	for (unsigned int i = 0; i < count; i++) {
		const struct settings_reservation *reservation = &fixed->settings->reservations[i];
		struct in_addr address = outside ? reservation->outside : reservation->inside;

		fixed->reserved[i] = (struct reserved){ ntohl(address.s_addr), reservation };
	}
	qsort(fixed->reserved, count, sizeof(*fixed->reserved), reserved_compare);
}

/* Sorted by inside address: each has one reservation. */
static void inside_repeats_check(const struct fixed *fixed)
{
	char text[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	for (unsigned int i = 1; i < fixed->settings->reservation_count && !report_full(fixed->report); i++) {
		const struct reserved *first = &fixed->reserved[i - 1], *again = &fixed->reserved[i];

		if (!again->address || again->address != first->address)
			continue;
		report_what(fixed->report, again->reservation->line, "reservations: %s has one already%s",
			    address_format(text, again->reservation->inside),
			    report_place(place, first->reservation->line));
		report_mend(fixed->report, "give each inside host one reservation");
	}
}

/* Nobody else may have its outside address. */
static bool reservation_is_exclusive(const struct settings_reservation *reservation)
{
	return reservation->inbound || reservation->address_only;
}

static void shared_report(const struct fixed *fixed, const struct settings_reservation *exclusive,
			  const struct settings_reservation *other)
{
	const struct settings_reservation *later = exclusive > other ? exclusive : other;
	const struct settings_reservation *earlier = later == exclusive ? other : exclusive;
	char one[ADDRESS_TEXT_SIZE], two[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	report_what(fixed->report, later->line, "reservations: %s is reserved for %s already%s",
		    address_format(one, later->outside), address_format(two, earlier->inside),
		    report_place(place, earlier->line));
	report_mend(fixed->report,
		    "with inbound or address_only an outside address is one host's: take another");
}

/* Sorted by outside address: one that is exclusive is alone. */
static void outside_shares_check(const struct fixed *fixed)
{
	const struct reserved *reserved = fixed->reserved;
	unsigned int count = fixed->settings->reservation_count;

	for (unsigned int start = 0, end; start < count; start = end) {
		const struct settings_reservation *exclusive = NULL;

		for (end = start; end < count && reserved[end].address == reserved[start].address; end++)
			if (!exclusive && reservation_is_exclusive(reserved[end].reservation))
				exclusive = reserved[end].reservation;
		for (unsigned int i = start; i < end && exclusive && reserved[i].address; i++)
			if (reserved[i].reservation != exclusive && !report_full(fixed->report))
				shared_report(fixed, exclusive, reserved[i].reservation);
	}
}

/* On an interface that is address_only so is each reservation. */
static void modes_imply(const struct fixed *fixed)
{
	for (unsigned int i = 0; i < fixed->settings->reservation_count; i++) {
		struct settings_reservation *reservation = &fixed->settings->reservations[i];
		const struct settings_interface *owner = fixed_pool_owner(fixed, reservation->outside);

		reservation->address_only |= owner && owner->address_only;
	}
}

/* What the interfaces leave to the machine: their own addresses, and what is routed there. */
static void interfaces_look(struct fixed *fixed)
{
	unsigned int bare = 0, open = 0;

	for (unsigned int i = 0; i < fixed->settings->interface_count; i++) {
		const struct settings_interface *interface = &fixed->settings->interfaces[i];

		if (interface->role == ROLE_INSIDE && !interface->network_count)
			open++;
		if (interface->role == ROLE_OUTSIDE && !interface->pool_count && !bare++)
			fixed->bare = interface;
	}
	fixed->pools_only = !bare;
	fixed->networks_only = !open;
	if (bare > 1)
		fixed->bare = NULL;
}

int config_fixed_check(struct config_reader *reader, const struct config_owned *pools,
		       unsigned int pool_count)
{
	struct fixed fixed = { .settings = reader->settings,
			       .report = reader->report,
			       .pools = pools,
			       .pool_count = pool_count };
	int error;

	fixed.reserved = calloc((size_t)reader->settings->reservation_count + 1, sizeof(*fixed.reserved));
	if (!fixed.reserved)
		return -ENOMEM;
	interfaces_look(&fixed);
	modes_imply(&fixed);
	if (!reader->interfaces_refused)
		places_check(&fixed);
	reservations_sort(&fixed, false);
	inside_repeats_check(&fixed);
	reservations_sort(&fixed, true);
	outside_shares_check(&fixed);
	error = fixed_mappings_check(&fixed);
	free(fixed.reserved);
	return error;
}
