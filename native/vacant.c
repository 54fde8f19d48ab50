// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/vacant.h"

#include "core/host.h"

union packed {
	u64 word;
	struct outside_address address;
};

/* May hosts of the interface have it? */
static int serves(const struct outside_address *a, u32 interface)
{
	return a->interface == interface && a->flags & ADDRESS_LIVE && a->flags & ADDRESS_POOL;
}

/* Numbers whose address left, or is the interface's no more. */
static void numbers_clear(struct nat_instance *nat, u32 interface)
{
	for (u32 i = 0; i < nat->config->addresses; i++) {
		union packed at = { .word = LOAD(&nat->config->indexes[i]) };
		struct outside_address now = address_find(nat, nat->config, at.address.addr);

		if (!at.word || at.address.interface != interface ||
		    (serves(&now, interface) && now.index == i))
			continue;
		STORE(&nat->config->indexes[i], 0);
		vacant_set(nat, interface, i, 0);
	}
}

void vacant_fill(struct nat_instance *nat, u32 interface)
{
	if (!interface_alone(nat->config, interface))
		return;
	numbers_clear(nat, interface);
	for (u32 place = 0; place <= nat->config->address_mask; place++) {
		union packed at = { .word = LOAD(&nat->addresses[place]) };

		if (!serves(&at.address, interface) || at.address.index >= nat->config->addresses)
			continue;
		STORE(&nat->config->indexes[at.address.index], at.word);
		vacant_set(nat, interface, at.address.index, !address_taken(nat, nat->config, at.address));
	}
}
