// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/deterministic.h"

#include "core/shares.h"
#include "daemon/config.h"

struct address_range deterministic_hosts(const struct settings_interface *interface)
{
	const struct address_prefix *prefix = &interface->deterministic.inside.prefix;
	struct address_range range = address_prefix_range(prefix);

	if (prefix->length < 31) { /* the network's own address and its broadcast address are no host's */
		range.first.s_addr = htonl(ntohl(range.first.s_addr) + 1);
		range.last.s_addr = htonl(ntohl(range.last.s_addr) - 1);
	}
	return range;
}

u32 deterministic_addresses(const struct settings_interface *interface)
{
	u32 count = 0;

	for (unsigned int i = 0; i < interface->pool_count; i++)
		count += (u32)address_range_count(&interface->pool[i].range);
	return count;
}

struct in_addr deterministic_address(const struct settings_interface *interface, u32 number)
{
	struct in_addr address = { 0 };

	for (unsigned int i = 0; i < interface->pool_count; i++) {
		const struct address_range *range = &interface->pool[i].range;
		u32 count = (u32)address_range_count(range);

		if (number < count) {
			address.s_addr = htonl(ntohl(range->first.s_addr) + number);
			break;
		}
		number -= count;
	}
	return address;
}

u32 deterministic_number(const struct settings_interface *interface, struct in_addr address)
{
	u32 before = 0;

	for (unsigned int i = 0; i < interface->pool_count; i++) {
		const struct address_range *range = &interface->pool[i].range;
		u32 at = ntohl(address.s_addr) - ntohl(range->first.s_addr);

		if (at < address_range_count(range))
			return before + at;
		before += (u32)address_range_count(range);
	}
	return NO_SHARE;
}

int deterministic_shares(const struct settings *settings, const struct settings_interface *interface,
			 struct shares *shares)
{
	const struct settings_deterministic *d = &interface->deterministic;
	const struct settings_nat *nat = &settings->nat;
	int result = SHARES_MADE;

	*shares = (struct shares){ .inside = 0 };
	if (interface->role != ROLE_OUTSIDE || interface->address_only)
		return result;
	if (d->inside.line) {
		struct address_range hosts = deterministic_hosts(interface);

		result = shares_own(shares, (enum algorithm)d->algorithm, ntohl(hosts.first.s_addr),
				    (u32)address_range_count(&hosts), deterministic_addresses(interface),
				    d->ratio, d->dynamic, nat->ports.min, nat->ports.max);
	}
	/* RFC 7422 section 2.1: a factor of 0 means that there is no dynamic pool. */
	if (!result && nat->block_size && (d->dynamic || !d->inside.line))
		shares_lend(shares, nat->block_size, nat->block_max, nat->ports.min, nat->ports.max);
	return result;
}

/* The nth run of the host's own on this interface, as above. */
static int own_ports(const struct settings_interface *interface, const struct shares *s,
		     struct in_addr inside, unsigned int n, struct deterministic_ports *ports)
{
	u32 host = share_host(s, ntohl(inside.s_addr));

	if (host == NO_SHARE || n >= share_runs(s))
		return 0;
	struct port_run run = share_run(s, host, n);
	*ports = (struct deterministic_ports){ .interface = interface,
					       .outside = deterministic_address(interface, run.address),
					       .first = run.first,
					       .last = run.first + (run.count - 1) * run.step,
					       .step = run.step };
	return 1;
}

static int block_ports(const struct settings_interface *interface, const struct shares *s,
		       struct in_addr inside, unsigned int n, struct deterministic_ports *ports)
{
	if (n || !s->block_count)
		return 0;
	*ports = (struct deterministic_ports){ .interface = interface };
	if (s->hosts && !own_ports(interface, s, inside, 0, ports))
		return 0; /* none of the hosts that this interface serves */
	ports->first = (u32)s->block_first * s->block_size;
	ports->last = ports->first + (u32)s->block_count * s->block_size - 1;
	ports->step = 1;
	return 1;
}

int deterministic_forward(const struct settings *settings, struct in_addr inside, bool blocks, unsigned int n,
			  struct deterministic_ports *ports)
{
	for (unsigned int i = 0; i < settings->interface_count; i++) {
		const struct settings_interface *interface = &settings->interfaces[i];
		struct shares s;

		if (deterministic_shares(settings, interface, &s))
			continue;
		for (unsigned int at = 0;; at++) {
			int found = blocks ? block_ports(interface, &s, inside, at, ports)
					   : own_ports(interface, &s, inside, at, ports);
			if (!found)
				break;
			if (!n--)
				return 1;
		}
	}
	return 0;
}

enum deterministic_kind deterministic_reverse(const struct settings *settings, struct in_addr outside,
					      u32 port, struct in_addr *inside)
{
	enum deterministic_kind kind = DETERMINISTIC_NOBODY;

	for (unsigned int i = 0; i < settings->interface_count; i++) {
		const struct settings_interface *interface = &settings->interfaces[i];
		u32 number = deterministic_number(interface, outside), host;
		struct shares s;

		if (interface->role != ROLE_OUTSIDE || (interface->pool_count && number == NO_SHARE) ||
		    deterministic_shares(settings, interface, &s))
			continue;
		if (!s.hosts) {
			kind = DETERMINISTIC_BLOCK;
			continue;
		}
		host = share_owner(&s, number, port);
		if (host != NO_SHARE) {
			inside->s_addr = htonl(s.inside + host);
			return DETERMINISTIC_OWN;
		}
		if (s.block_count && port >= share_end(&s))
			kind = DETERMINISTIC_BLOCK;
	}
	return kind;
}

const struct settings_port_mapping *deterministic_mapping(const struct settings *settings,
							  struct in_addr outside, u32 port)
{
	for (unsigned int i = 0; i < settings->port_mapping_count; i++) {
		const struct settings_port_mapping *m = &settings->port_mappings[i];

		if (m->outside.s_addr == outside.s_addr && port - m->outside_port < m->count)
			return m;
	}
	return NULL;
}
