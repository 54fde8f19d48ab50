// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What lies beside the tables: outside addresses with their port bitmaps, counters, and how large it all is. */
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"
#include "daemon/list.h"

/* Bits that are set from port `first` to `last`. */
static u32 ports_count(const u64 *words, u32 first, u32 last)
{
	u32 count = 0;

	for (u32 i = first >> 6; i <= last >> 6; i++) {
		u64 word = LOAD(&words[i]);
		if (i == first >> 6)
			word &= ~0ull << (first & 63);
		if (i == last >> 6)
			word &= ~0ull >> (63 - (last & 63));
		count += (u32)__builtin_popcountll(word);
	}
	return count;
}

/* An outside address, as it stood at one moment. */
static struct outside_address address_at(struct list_view *view, u32 at)
{
	union {
		u64 word;
		struct outside_address address;
	} found = { .word = LOAD(env_address(&view->nat, at)) };

	return found.address;
}

int list_pool(struct list_view *view, const struct list_filter *filter, u32 at, struct pool_row *row)
{
	const struct config *c = view->nat.config;
	const struct outside_address found = address_at(view, at), *a = &found;

	if (!(a->flags & (ADDRESS_LIVE | ADDRESS_CLIENTS)) || a->index >= c->addresses)
		return 0;
	row->interface = a->flags & ADDRESS_CLIENTS ? (u8)clients_number(a->interface) : a->interface;
	if ((filter->by_outside && filter->outside != a->addr) ||
	    (filter->by_interface && filter->interface != row->interface))
		return 0;
	row->flags = a->flags;
	row->address = a->addr;
	for (u32 class = 0; class < PORT_AREAS; class ++) {
		const u64 *words = env_port_word(&view->nat, port_area(a->index, class));
		u32 taken = ports_count(words, c->port_min, c->port_max);
		row->used[class] = ports_count(words, 0, 65535);
		row->free[class] = (u32)c->port_max - c->port_min + 1 - taken;
	}
	return 1;
}

u32 list_block_capacity(struct list_view *view, u32 interface, u32 *ports)
{
	const struct shares *s = &view->nat.config->shares[interface & (MAX_OUTSIDE - 1)];
	u32 addresses = 0;

	*ports = s->block_size;
	for (u32 i = 0; s->block_count && i < list_slots(view, LIST_POOLS); i++) {
		struct outside_address a = address_at(view, i);
		addresses += a.interface == interface && a.flags & ADDRESS_LIVE &&
			     a.flags & (ADDRESS_POOL | ADDRESS_RESERVED);
	}
	return addresses * s->block_count;
}

struct counter list_reason(const struct list_view *view, u32 interface, enum reason reason)
{
	u32 first = interface == NO_INTERFACE ? 0 : interface,
	    end = interface == NO_INTERFACE ? MAX_INTERFACES : interface + 1;
	struct counter sum = { 0 };

	for (u32 cpu = 0; cpu < view->cpus; cpu++)
		for (u32 i = first; i < end && i < MAX_INTERFACES; i++) {
			struct counter *by = &view->nat.counters[cpu].by[i][reason];
			sum.packets += LOAD(&by->packets);
			sum.bytes += LOAD(&by->bytes);
		}
	return sum;
}

bool list_address_only(const struct list_view *view, u32 interface)
{
	return interface_alone(view->nat.config, interface);
}

u32 list_mss(const struct list_view *view, u32 interface)
{
	return interface < MAX_OUTSIDE ? __atomic_load_n(&view->nat.config->mss[interface], __ATOMIC_RELAXED)
				       : 0;
}

static const struct {
	const char *name;
	u8 number;
} protocols[] = { { "udp", PROTOCOL_UDP },
		  { "tcp", PROTOCOL_TCP },
		  { "icmp", PROTOCOL_ICMP },
		  { "dccp", PROTOCOL_DCCP },
		  { "sctp", PROTOCOL_SCTP },
		  { "udplite", PROTOCOL_UDPLITE },
		  { "ipip", 4 },
		  { "6in4", 41 },
		  { "gre", 47 },
		  { "esp", 50 },
		  { "ah", PROTOCOL_AH } };

const char *protocol_name(u8 protocol)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

bool protocol_has_ports(u8 protocol) { return protocol_class(protocol) >= 0; }

const char *class_name(u8 class) { return protocol_name(protocol_of_class(class)); }

u8 protocol_number(const char *name)
{
	char *end;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!strcmp(protocols[i].name, name))
			return protocols[i].number;
	unsigned long number = strtoul(name, &end, 10);
	return *name >= '1' && *name <= '9' && !*end && number <= 255 ? (u8)number : 0;
}
