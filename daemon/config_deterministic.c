// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is checked about ports that are shared out: deterministic NAT (RFC 7422) and blocks, against pools and reservations.
 */
#include "core/shares.h"
#include "daemon/config_read.h"
#include "daemon/config_report.h"
#include "daemon/deterministic.h"

static void shares_refuse(const struct config_reader *reader, const struct settings_interface *interface,
			  int why)
{
	const struct settings_deterministic *d = &interface->deterministic;
	struct address_range hosts = deterministic_hosts(interface);
	unsigned long long count = address_range_count(&hosts);
	u32 addresses = deterministic_addresses(interface);

	switch (why) {
	case SHARES_RATIO:
		report_what(reader->report, d->inside.line,
			    "%s: %llu hosts share %u outside addresses, more than %u each", interface->name,
			    count, addresses, d->ratio);
		report_mend(reader->report, "give a ratio of %llu or more, or auto, or a larger pool",
			    (count + addresses - 1) / addresses);
		break;
	case SHARES_SPREAD:
		report_what(reader->report, d->inside.line,
			    "%s: each host would have ports of %u outside addresses", interface->name,
			    addresses);
		report_mend(reader->report,
			    "%u is the most: choose sequential or staggered, or a smaller pool", MAX_SPREAD);
		break;
	default:
		report_what(reader->report, d->inside.line,
			    "%s: %u outside addresses have not a port for each of %llu hosts",
			    interface->name, addresses, count);
		report_mend(reader->report,
			    "give a larger pool, a smaller inside network, or a smaller ratio or dynamic");
		break;
	}
}

static void interface_shares_check(const struct config_reader *reader,
				   const struct settings_interface *interface)
{
	const struct settings_deterministic *d = &interface->deterministic;
	unsigned int line = d->inside.line;
	struct shares shares;
	int why;

	if (interface->role != ROLE_OUTSIDE || interface->address_only || !interface->pool_count) {
		report_what(reader->report, line, "%s: deterministic needs %s", interface->name,
			    interface->role != ROLE_OUTSIDE ? "an outside interface"
			    : interface->address_only	    ? "a mode that shares addresses"
							    : "a pool");
		report_mend(reader->report, "move it to an outside interface that has a pool and no mode, "
					    "or delete it");
		return;
	}
	why = deterministic_shares(reader->settings, interface, &shares);
	if (why) {
		shares_refuse(reader, interface, why);
	} else if (d->dynamic && !shares.block_count) {
		report_what(reader->report, line, "%s: dynamic leaves ports for blocks, and there are none",
			    interface->name);
		report_mend(reader->report, "set nat.blocks.size, less than %u, or dynamic to 0",
			    (u32)reader->settings->nat.ports.max + 1 - share_end(&shares));
	}
}

/* Where no host has ports of its own, blocks are all that there is. */
static void blocks_check(const struct config_reader *reader, const struct settings_interface *interface)
{
	const struct settings_nat *nat = &reader->settings->nat;
	struct shares shares;

	if (!nat->block_size || interface->role != ROLE_OUTSIDE || interface->address_only ||
	    deterministic_shares(reader->settings, interface, &shares) || shares.block_count)
		return;
	report_what(reader->report, reader->settings->block_line,
		    "nat.blocks.size: no block of %u ports fits into ports %u-%u", nat->block_size,
		    nat->ports.min, nat->ports.max);
	report_mend(reader->report,
		    "make it smaller, or the range larger; each block begins at a multiple of its size");
}

/* Whose ports are worked out has no other address, and an address whose ports are has no other host. */
static void reservation_shares_check(const struct config_reader *reader,
				     const struct settings_reservation *reservation)
{
	const struct settings *settings = reader->settings;
	char text[ADDRESS_TEXT_SIZE];

	for (unsigned int i = 0; i < settings->interface_count; i++) {
		const struct settings_interface *interface = &settings->interfaces[i];

		if (!interface->deterministic.inside.line ||
		    (!settings_pool_contains(interface, reservation->outside) && interface->pool_count))
			continue;
		report_what(reader->report, reservation->line,
			    "reservations: the ports of %s are shared out, %s being deterministic",
			    address_format(text, reservation->outside), interface->name);
		report_mend(reader->report, "delete it, or take an address of another interface");
	}
}

void config_deterministic_check(struct config_reader *reader)
{
	const struct settings *settings = reader->settings;

	for (unsigned int i = 0; i < settings->interface_count; i++)
		if (settings->interfaces[i].deterministic.inside.line)
			interface_shares_check(reader, &settings->interfaces[i]);
		else
			blocks_check(reader, &settings->interfaces[i]);
	for (unsigned int i = 0; i < settings->reservation_count && !report_full(reader->report); i++)
		reservation_shares_check(reader, &settings->reservations[i]);
}
