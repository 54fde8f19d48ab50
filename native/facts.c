// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/facts.h"
#include <string.h>

#include "core/sweep.h"

static struct endpoint endpoint_of(struct fact_endpoint e)
{
	return (struct endpoint){ .addr = e.addr, .port = e.port };
}

static struct endpoint endpoint_bare(__be32 addr) { return (struct endpoint){ .addr = addr }; }

static void session_look(struct nat_instance *nat, u8 protocol, struct endpoint from, struct endpoint to,
			 u8 direction, struct fact_session *fact)
{
	const struct config *c = nat->config;
	union flow_key key;
	struct flow_hit hit;

	flow_key_between(&key, from, to, protocol, direction);
	fact->known = flow_find(nat, c, key.word, &hit);
	fact->ended = hit.slot && !fact->known;
	if (!hit.slot)
		return;
	fact->interface = hit.value.interface;
	fact->to = (struct fact_endpoint){ hit.value.addr, hit.value.port };
	fact->idle = word_age(hit.word, nat->now);
}

/* The mapping whose half this is, if both halves agree. */
static void mapping_look(struct nat_instance *nat, u32 interface, u8 class, struct endpoint at, u32 side,
			 struct fact_mapping *fact)
{
	const struct config *c = nat->config;
	u32 across = side == HALF_INSIDE ? HALF_OUTSIDE : HALF_INSIDE;
	struct half half, other;
	int found = half_find(nat, c, mapping_key(at, class, side, interface), interface, &half);

	if (found != HALF_LIVE && found != HALF_RESTS)
		return;
	struct endpoint there = { .addr = half.value.addr, .port = half.value.port };
	int others = half_find(nat, c, mapping_key(there, class, across, interface), interface, &other);
	if ((others != HALF_LIVE && others != HALF_RESTS) || other.value.addr != at.addr ||
	    other.value.port != at.port)
		return;
	fact->known = true;
	fact->rests = found == HALF_RESTS || others == HALF_RESTS;
	fact->fixed = half.value.own & OWN_FIXED;
	fact->full = half.value.own & OWN_FULL;
	fact->own = half.value.own & OWN_ROUTER;
	fact->idle = word_age(half.word, nat->now);
	fact->inside.addr = side == HALF_INSIDE ? at.addr : there.addr;
	fact->inside.port = side == HALF_INSIDE ? at.port : there.port;
	fact->outside.addr = side == HALF_INSIDE ? there.addr : at.addr;
	fact->outside.port = side == HALF_INSIDE ? there.port : at.port;
}

static void host_look(struct nat_instance *nat, u32 interface, __be32 inside, struct fact_host *fact)
{
	const struct config *c = nat->config;
	union host_value value;
	u32 number;
	u64 w;
	struct slot *s = host_find(nat, host_key(inside, (u8)interface), &w, &number, &value);

	fact->inside = inside;
	if (!s || host_stale(c, interface, value.own, w))
		return;
	fact->known = true;
	fact->fixed = value.own & OWN_FIXED;
	fact->own = value.own & OWN_ROUTER;
	fact->outside = value.outside;
	fact->idle = word_age(w, nat->now);
	for (u32 i = 0; i < ACCOUNTS; i++) {
		u64 has = account_now(c, interface, LOAD(account_at(s, i)));
		fact->mappings += account_mappings(has);
		fact->sessions += account_sessions(has);
	}
}

void facts_out(struct nat_instance *nat, u32 interface, u8 protocol, struct fact_endpoint inside,
	       struct fact_endpoint remote, struct facts *facts)
{
	int class = protocol_class(protocol);

	memset(facts, 0, sizeof(*facts));
	session_look(nat, protocol, endpoint_of(inside), endpoint_of(remote), DIRECTION_OUT, &facts->session);
	if (class >= 0)
		mapping_look(nat, interface, (u8) class, endpoint_of(inside), HALF_INSIDE, &facts->mapping);
	host_look(nat, interface, inside.addr, &facts->host);
}

void facts_in(struct nat_instance *nat, u32 interface, u8 protocol, struct fact_endpoint remote,
	      struct fact_endpoint outside, struct facts *facts)
{
	int class = protocol_class(protocol);
	struct endpoint at = class >= 0 ? endpoint_of(outside) : endpoint_bare(outside.addr);
	__be32 host;

	memset(facts, 0, sizeof(*facts));
	session_look(nat, protocol, endpoint_of(remote), at, DIRECTION_IN, &facts->session);
	if (class >= 0)
		mapping_look(nat, interface, (u8) class, at, HALF_OUTSIDE, &facts->mapping);
	host = facts->mapping.known   ? facts->mapping.inside.addr
	       : facts->session.known ? facts->session.to.addr
				      : host_other(nat, nat->config, outside.addr, HOST_OUTSIDE | interface);
	if (host)
		host_look(nat, interface, host, &facts->host);
}

struct outside_address fact_address(struct nat_instance *nat, __be32 addr)
{
	return address_find(nat, nat->config, addr);
}

int fact_pass_through(const struct nat_instance *nat, __be32 addr, struct prefix *network)
{
	const struct config *c = nat->config;

	for (u32 i = 0; i < c->pass_through_count && i < MAX_PASS_THROUGH; i++) {
		*network = c->pass_through[i];
		if ((addr & network->mask) == network->addr)
			return 1;
	}
	return 0;
}

u8 fact_filtering(const struct nat_instance *nat, u8 protocol)
{
	int class = protocol_class(protocol);

	return class < 0 ? FILTERING_EIF : class_filtering(nat->config, (u32) class);
}
