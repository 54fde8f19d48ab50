// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is checked about port mappings: each by itself, against reservations, and all against each other. */
#include "daemon/config_fixed.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/config_read.h"
#include "daemon/config_report.h"
#include "daemon/config_value.h"

void config_port_mapping_check(struct config_reader *reader, void *item)
{
	const struct settings_port_mapping *mapping = item;
	unsigned int count = mapping->count, last = mapping->inside_port + count - 1;
	bool twice = mapping->protocols == (SETTINGS_TCP | SETTINGS_UDP);
	unsigned int ports = reader->ports + (twice ? 2 * count : count);

	if (!mapping->outside_port || !mapping->inside_port)
		return;
	if (reader->inside_count && reader->inside_count != count) {
		report_what(reader->report, mapping->line, "port_mappings: %u outside, but %u inside ports",
			    count, reader->inside_count);
		report_mend(reader->report,
			    "write as many inside as outside, or the first inside port alone");
	} else if (last > 65535) {
		report_what(reader->report, mapping->line,
			    "port_mappings: %u ports from inside port %u on go beyond port 65535", count,
			    mapping->inside_port);
		report_mend(reader->report, "begin at inside port %u or below", 65536 - count);
	} else if (ports > SETTINGS_MAPPED_PORTS_MAX) {
		report_what(reader->report, mapping->line,
			    "port_mappings: with this one, %u ports are mapped", ports);
		report_mend(reader->report, "all together may map %u; a port of both protocols is two",
			    SETTINGS_MAPPED_PORTS_MAX);
	} else {
		reader->ports = ports;
	}
}

static int address_compare(const void *key, const void *element)
{
	u32 address = *(const u32 *)key;
	const struct reserved *reserved = element;

	return address < reserved->address ? -1 : address > reserved->address;
}

/* Where ports stay as they are, a mapping cannot change them, nor lead them to another host. */
static void address_only_check(const struct fixed *fixed, const struct settings_port_mapping *mapping)
{
	u32 address = ntohl(mapping->outside.s_addr);
	const struct reserved *found = bsearch(&address, fixed->reserved, fixed->settings->reservation_count,
					       sizeof(*fixed->reserved), address_compare);
	const struct settings_reservation *reservation = found ? found->reservation : NULL;
	char one[ADDRESS_TEXT_SIZE], two[ADDRESS_TEXT_SIZE], place[REPORT_PLACE_SIZE];

	if (!reservation || !reservation->address_only || !address || !mapping->inside_port)
		return;
	if (mapping->inside.s_addr == reservation->inside.s_addr &&
	    mapping->inside_port == mapping->outside_port)
		return;
	report_what(fixed->report, mapping->line, "port_mappings: %s is reserved for %s, with address_only%s",
		    address_format(one, mapping->outside), address_format(two, reservation->inside),
		    report_place(place, reservation->line));
	report_mend(fixed->report,
		    "take another address, or lead to that host, with the same ports inside and outside");
}

/* Nor where each host has an address to itself, unless it is to the host that has it by reservation (above). */
static void mode_check(const struct fixed *fixed, const struct settings_port_mapping *mapping)
{
	const struct settings_interface *interface =
		mapping->interface[0] ? fixed_interface_find(fixed->settings, mapping->interface)
				      : fixed_pool_owner(fixed, mapping->outside);
	u32 address = ntohl(mapping->outside.s_addr);

	if (!interface || !interface->address_only ||
	    (!mapping->interface[0] && bsearch(&address, fixed->reserved, fixed->settings->reservation_count,
					       sizeof(*fixed->reserved), address_compare)))
		return;
	report_what(fixed->report, mapping->line,
		    "port_mappings: %s is address_only: its ports lead nowhere else", interface->name);
	report_mend(fixed->report,
		    "reserve an address of it for the host, with inbound: true; or take an address "
		    "of another interface");
}

/* A run of outside ports, or of the inside ports that they lead to. */
struct run {
	u32 protocol; /* one */
	u64 place;    /* an outside interface or address, see below */
	u32 address;  /* the inside one of inside ports; else 0 */
	u32 first, last;
	const struct settings_port_mapping *mapping;
};

/* A place is an address, or this and the number of an interface, or none that is known. */
static const u64 place_interface = 1ULL << 32, place_none = ~0ULL;

/* What a mapping is bound to. */
static u64 place_written(const struct fixed *fixed, const struct settings_port_mapping *mapping)
{
	const struct settings_interface *interface;

	if (!mapping->interface[0])
		return ntohl(mapping->outside.s_addr);
	interface = fixed_interface_find(fixed->settings, mapping->interface);
	return interface ? place_interface + (u64)(interface - fixed->settings->interfaces) : place_none;
}

/* The interface that a mapping is on, as far as the text tells; else what it is bound to. */
static u64 place_meant(const struct fixed *fixed, const struct settings_port_mapping *mapping)
{
	const struct settings_interface *interface = fixed_pool_owner(fixed, mapping->outside);

	if (!interface)
		interface = fixed->bare;
	if (mapping->interface[0] || !interface)
		return place_written(fixed, mapping);
	return place_interface + (u64)(interface - fixed->settings->interfaces);
}

/* All runs, a protocol at a time; their number. */
static unsigned int runs_make(const struct fixed *fixed, struct run *runs, bool inside)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < fixed->settings->port_mapping_count; i++) {
		const struct settings_port_mapping *mapping = &fixed->settings->port_mappings[i];
		struct run run = {
			.place = inside ? place_meant(fixed, mapping) : place_written(fixed, mapping),
			.address = inside ? ntohl(mapping->inside.s_addr) : 0,
			.first = inside ? mapping->inside_port : mapping->outside_port,
			.mapping = mapping,
		};

		run.last = run.first + mapping->count - 1;
		if (run.place == place_none || !mapping->outside_port || !mapping->inside_port)
			continue;
		for (run.protocol = SETTINGS_TCP; run.protocol <= SETTINGS_UDP; run.protocol <<= 1)
			if (mapping->protocols & run.protocol)
				runs[count++] = run;
	}
	return count;
}

/* By whose ports they are; 0: the same. */
static int owner_compare(const struct run *a, const struct run *b)
{
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

/* Then by ports, then in the order of the file. */
static int run_compare(const void *a, const void *b)
{
	const struct run *x = a, *y = b;
	int owner = owner_compare(x, y);

	if (owner)
		return owner;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->mapping < y->mapping ? -1 : x->mapping > y->mapping;
}

static const char *protocol_name(const struct run *run)
{
	return run->protocol == SETTINGS_TCP ? "tcp" : "udp";
}

static void outside_report(const struct fixed *fixed, const struct run *later, const struct run *earlier)
{
	char one[CONFIG_ENDPOINT_SIZE], two[CONFIG_ENDPOINT_SIZE], place[REPORT_PLACE_SIZE];

	report_what(fixed->report, later->mapping->line, "port_mappings: %s %s overlaps %s%s",
		    protocol_name(later), config_outside_format(one, later->mapping),
		    config_outside_format(two, earlier->mapping),
		    report_place(place, earlier->mapping->line));
	report_mend(fixed->report, "lead each outside port to one inside host, once");
}

static void inside_report(const struct fixed *fixed, const struct run *later, const struct run *earlier)
{
	char one[CONFIG_ENDPOINT_SIZE], two[CONFIG_ENDPOINT_SIZE], place[REPORT_PLACE_SIZE];
	const struct settings_port_mapping *a = later->mapping, *b = earlier->mapping;

	/* The same endpoints twice: that was told about the outside ports. */
	if (place_written(fixed, a) == place_written(fixed, b) &&
	    a->outside_port - a->inside_port == b->outside_port - b->inside_port)
		return;
	report_what(fixed->report, a->line, "port_mappings: %s %s has an outside endpoint already, by %s%s",
		    protocol_name(later), config_inside_format(one, a), config_outside_format(two, b),
		    report_place(place, b->line));
	report_mend(
		fixed->report,
		"an inside endpoint has one on an interface (RFC 4787 REQ-1): drop one, or serve a second "
		"inside port");
}

/* Sorted, a run overlaps an earlier one of the same owner if and only if it begins before the furthest end. */
static void runs_check(const struct fixed *fixed, struct run *runs, unsigned int count,
		       void (*report)(const struct fixed *, const struct run *, const struct run *))
{
	const struct run *furthest = runs;

	qsort(runs, count, sizeof(*runs), run_compare);
	for (const struct run *run = runs + 1; run < runs + count && !report_full(fixed->report); run++) {
		bool same = !owner_compare(run, furthest);
		bool later = run->mapping > furthest->mapping;

		/* Those that meet in both protocols have met in the first. */
		if (same && run->first <= furthest->last &&
		    (run->protocol == SETTINGS_TCP ||
		     !(run->mapping->protocols & furthest->mapping->protocols & SETTINGS_TCP)))
			report(fixed, later ? run : furthest, later ? furthest : run);
		if (!same || run->last > furthest->last)
			furthest = run;
	}
}

int fixed_mappings_check(const struct fixed *fixed)
{
	unsigned int mappings = fixed->settings->port_mapping_count;
	struct run *runs = calloc(2 * (size_t)mappings + 1, sizeof(*runs));

	if (!runs)
		return -ENOMEM;
	for (unsigned int i = 0; i < mappings && !report_full(fixed->report); i++) {
		address_only_check(fixed, &fixed->settings->port_mappings[i]);
		mode_check(fixed, &fixed->settings->port_mappings[i]);
	}
	runs_check(fixed, runs, runs_make(fixed, runs, false), outside_report);
	runs_check(fixed, runs, runs_make(fixed, runs, true), inside_report);
	free(runs);
	return 0;
}
