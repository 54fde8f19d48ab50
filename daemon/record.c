// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/record.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"

/* One line of it, to which ranges may be added as long as there is room. */
struct record {
	char text[EVENT_TEXT];
	size_t used;
};

static void record_begin(struct record *r, const struct settings_interface *interface, const struct shares *s,
			 const struct settings_ports *ports)
{
	const struct settings_deterministic *d = &interface->deterministic;
	char inside[ADDRESS_TEXT_SIZE];
	int n = snprintf(r->text, sizeof(r->text),
			 "deterministic: algorithm %u, inside %s, ratio %u, dynamic %u, ports %u-%u, %u each "
			 "from %u on, %u blocks of %u more at most, outside",
			 s->algorithm, address_prefix_format(inside, &d->inside.prefix), s->ratio, d->dynamic,
			 ports->min, ports->max, s->each, s->first, s->block_count ? s->block_max : 0u,
			 s->block_count ? s->block_size : 0u);

	r->used = (size_t)n;
}

static void range_add(struct keepnat *k, const struct settings_interface *interface, struct record *r,
		      const struct address_range *range)
{
	char text[ADDRESS_TEXT_SIZE];
	size_t length = strlen(address_range_format(text, range));

	if (r->used + 1 + length >= sizeof(r->text)) {
		event_tell(k, EVENT_ports_shared, interface->name, "%s", r->text);
		r->used = (size_t)snprintf(r->text, sizeof(r->text), "deterministic: outside, too,");
	}
	r->used += (size_t)snprintf(r->text + r->used, sizeof(r->text) - r->used, " %s", text);
}

void record_tell(struct keepnat *k, const struct settings_interface *interface, const struct shares *shares)
{
	struct record r;

	record_begin(&r, interface, shares, &k->settings->nat.ports);
	for (unsigned int i = 0; i < interface->pool_count; i++)
		range_add(k, interface, &r, &interface->pool[i].range);
	event_tell(k, EVENT_ports_shared, interface->name, "%s", r.text);
}

void record_look(struct keepnat *k, time_t now)
{
	if (now >= k->recorded && now - k->recorded < RECORD_PERIOD)
		return;
	k->recorded = now;
	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct settings_interface *settings = &k->settings->interfaces[i];
		const struct shares *shares =
			&k->nat.config->shares[k->interfaces[i].number & (MAX_OUTSIDE - 1)];

		if (settings->role == ROLE_OUTSIDE && shares->hosts)
			record_tell(k, settings, shares);
	}
}
