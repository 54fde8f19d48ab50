// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/fixed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"

enum { FIXED_TRIES = 16 };

/* One run of fixed_apply(). */
struct fixing {
	struct nat_instance *nat;
	struct fixed_want *want;
	const struct fixed_mapping **by_outside;
	struct fixed_report *report;
};

/*
 * Looking up what is wanted
 */

static int order(u64 a, u64 b) { return a < b ? -1 : a > b; }

static u64 inside_order(const struct fixed_mapping *m)
{
	return mapping_key(m->inside, m->class, HALF_INSIDE, m->interface);
}

static u64 outside_order(const struct fixed_mapping *m)
{
	return mapping_key(m->outside, m->class, HALF_OUTSIDE, m->interface);
}

static int inside_compare(const void *a, const void *b) { return order(inside_order(a), inside_order(b)); }

static int outside_compare(const void *a, const void *b)
{
	return order(outside_order(*(const struct fixed_mapping *const *)a),
		     outside_order(*(const struct fixed_mapping *const *)b));
}

static int host_compare(const void *a, const void *b)
{
	const struct fixed_host *x = a, *y = b;

	return order(host_key(x->inside, x->interface), host_key(y->inside, y->interface));
}

static const struct fixed_mapping *wanted_inside(const struct fixing *f, const struct mapping *half)
{
	struct fixed_mapping key = { .inside = { .addr = half->key_addr, .port = half->key_port },
				     .class = half->class,
				     .interface = half->interface };

	return bsearch(&key, f->want->mappings, f->want->mapping_count, sizeof(key), inside_compare);
}

static const struct fixed_mapping *wanted_outside(const struct fixing *f, const struct mapping *half)
{
	struct fixed_mapping key = { .outside = { .addr = half->addr, .port = half->port },
				     .class = half->class,
				     .interface = half->interface };
	const struct fixed_mapping *at = &key, **found;

	found = bsearch(&at, f->by_outside, f->want->mapping_count, sizeof(void *), outside_compare);
	return found ? *found : NULL;
}

static const struct fixed_host *wanted_host(const struct fixing *f, __be32 inside, u8 interface)
{
	struct fixed_host key = { .inside = inside, .interface = interface };

	return bsearch(&key, f->want->hosts, f->want->host_count, sizeof(key), host_compare);
}

static int fixing_open(struct fixing *f)
{
	struct fixed_want *want = f->want;

	f->by_outside = malloc(((size_t)want->mapping_count + 1) * sizeof(void *));
	if (!f->by_outside)
		return -ENOMEM;
	if (want->host_count)
		qsort(want->hosts, want->host_count, sizeof(*want->hosts), host_compare);
	if (want->mapping_count)
		qsort(want->mappings, want->mapping_count, sizeof(*want->mappings), inside_compare);
	for (unsigned int i = 0; i < want->mapping_count; i++)
		f->by_outside[i] = &want->mappings[i];
	qsort(f->by_outside, want->mapping_count, sizeof(void *), outside_compare);
	return 0;
}

/*
 * Ending what stands in the way
 */

/* End the entry with this key if its value still is what *copy says (address and port); packets may be touching it. */
static bool entry_end(struct nat_instance *nat, enum table t, u64 key, const struct insert *copy)
{
	const struct config *c = nat->config;
	struct insert now;
	u32 at;
	u64 w;

	for (int i = 0; i < FIXED_TRIES; i++) {
		struct slot *slot = table_find(nat, c, t, table_hash(c, t, &key), &key, &w, &at);

		if (!slot)
			return false;
		if (!slot_read(nat, t, at, w, &now))
			continue;
		if (now.words[2] != copy->words[2])
			return false;
		if (slot_end(slot, w))
			return true;
	}
	return false;
}

/* End both halves of a mapping, and give its port back. */
static void mapping_end(struct nat_instance *nat, const struct insert *half)
{
	const struct mapping *i = &half->mapping;
	struct endpoint outside = { .addr = i->addr, .port = i->port };
	struct insert other = { .words = { 0 } };
	struct outside_address a = address_find(nat, nat->config, i->addr);

	other.mapping.interface = i->interface;
	other.mapping.own = i->own;
	other.mapping.port = i->key_port;
	other.mapping.addr = i->key_addr;
	if (!entry_end(nat, TABLE_MAPPINGS, half->words[1], half))
		return;
	FAULT(fixed_half_ended);
	if (!entry_end(nat, TABLE_MAPPINGS, mapping_key(outside, i->class, HALF_OUTSIDE, i->interface),
		       &other))
		return;
	FAULT(fixed_port_due);
	if (a.addr && a.index < nat->config->addresses && i->class < CLASSES)
		port_give(nat, port_area(a.index, i->class), be16_to_host(i->port));
}

static void mapping_displace(struct fixing *f, const struct insert *half)
{
	const struct mapping *i = &half->mapping;
	struct endpoint inside = { .addr = i->key_addr, .port = i->key_port },
			outside = { .addr = i->addr, .port = i->port };

	mapping_end(f->nat, half);
	f->report->displaced++;
	if (f->want->displaced)
		f->want->displaced(f->want->context, i->class, inside, outside);
}

/* A LIVE entry, read. */
static bool entry_read(struct nat_instance *nat, enum table t, u32 at, struct insert *copy)
{
	u64 w = LOAD(&env_slot(nat, t, at)->word);

	return word_state(w) == LIVE && slot_read(nat, t, at, w, copy);
}

/*
 * Has the host another address reserved, or has it one that is reserved for another? Where each has its own it may keep only what
 * it claimed itself: a former reservation is nobody's.
 */
static bool misplaced(const struct fixing *f, __be32 inside, u8 interface, __be32 outside)
{
	const struct fixed_host *host = wanted_host(f, inside, interface);
	union host_value value;
	u32 number;
	u64 w;

	if (host)
		return host->outside != outside;
	if (interface_alone(f->nat->config, interface) &&
	    host_find(f->nat, host_key(outside, HOST_OUTSIDE | interface), &w, &number, &value) &&
	    value.own & OWN_FIXED)
		return true;
	return address_find(f->nat, f->nat->config, outside).flags & ADDRESS_RESERVED;
}

static void mapping_judge(struct fixing *f, const struct insert *half)
{
	const struct mapping *i = &half->mapping;
	const struct fixed_mapping *own = wanted_inside(f, i);
	bool same = own && own->outside.addr == i->addr && own->outside.port == i->port &&
		    own->full == !!(i->own & OWN_FULL);

	if (i->own & OWN_FIXED ? !same : same)
		mapping_end(f->nat, half); /* no longer wanted; or to be made anew, fixed */
	else if (!same && (own || wanted_outside(f, i) || misplaced(f, i->key_addr, i->interface, i->addr)))
		mapping_displace(f, half);
}

static void mappings_judge(struct fixing *f)
{
	struct insert half;

	for (u32 at = 0; at <= f->nat->config->mapping_mask; at++)
		if (entry_read(f->nat, TABLE_MAPPINGS, at, &half) && !(half.mapping.half & HALF_OUTSIDE) &&
		    half.mapping.class < CLASSES)
			mapping_judge(f, &half);
}

/* The value of a host entry: outside is the address that the entry tells. */
static u64 host_value(const struct fixing *f, const struct fixed_host *h, __be32 outside)
{
	union host_value value = { .word = 0 };
	struct outside_address a = address_find(f->nat, f->nat->config, h->outside);

	value.interface = h->interface;
	value.own = h->same_ports ? OWN_FIXED | OWN_SAME_PORTS : OWN_FIXED;
	value.index = a.addr ? a.index : 0xffff;
	value.outside = outside;
	return value.word;
}

/* Is its outside address the host's alone, so that an entry tells whose it is? */
static bool has_reverse(const struct fixed_host *h) { return h->inbound || h->same_ports; }

/* Is this entry one of a wanted host's, as it shall be? */
static bool host_stands(const struct fixing *f, const struct insert *copy)
{
	const struct host *h = &copy->host;
	bool reverse = h->key_interface & HOST_OUTSIDE;
	const struct fixed_host *wanted = wanted_host(f, reverse ? h->outside : h->inside, h->interface);

	if (!wanted || (reverse && (!has_reverse(wanted) || wanted->outside != h->inside)))
		return false;
	return copy->words[2] == host_value(f, wanted, reverse ? wanted->inside : wanted->outside);
}

/* The hosts, or (reverse) the entries that tell whose an outside address is; these last, since hosts are judged by them. */
static void hosts_judge(struct fixing *f, bool reverse)
{
	struct insert copy;

	for (u32 at = 0; at <= f->nat->config->host_mask; at++) {
		if (!entry_read(f->nat, TABLE_HOSTS, at, &copy) ||
		    reverse != !!(copy.host.key_interface & HOST_OUTSIDE) || host_stands(f, &copy))
			continue;
		bool moves = misplaced(f, copy.host.inside, copy.host.interface, copy.host.outside);

		if (!moves && !(copy.host.own & OWN_FIXED) &&
		    !wanted_host(f, copy.host.inside, copy.host.interface))
			continue; /* anybody's, and nobody minds */
		f->report->moved += moves;
		(void)entry_end(f->nat, TABLE_HOSTS, copy.words[1], &copy);
	}
}

/*
 * Making what is wanted
 */

static u32 entry_put(struct nat_instance *nat, enum table t, u64 key, const u64 *value, struct insert *ins)
{
	memset(ins, 0, sizeof(*ins));
	ins->words[0] = word_make(nat->now, 0, 0);
	ins->words[1] = key;
	ins->words[2] = value[0];
	ins->words[3] = value[1];
	ins->hash = table_hash(nat->config, t, &key);
	ins->now = nat->now;
	return t == TABLE_HOSTS ? hosts_insert(nat, ins) : mappings_insert(nat, ins);
}

/* The address for clients of full NAT is one that packets read in one load. Nobody else writes that word. */
static void client_fix(const struct fixing *f, u32 at, const struct insert *found, const u64 *value)
{
	union mapping_value is = { .word = found->words[2], .rest = found->words[3] },
			    wanted = { .word = value[0], .rest = value[1] };

	if (is.host == wanted.host)
		return;
	is.host = wanted.host;
	STORE(&env_slot(f->nat, TABLE_MAPPINGS, at)->data[2], is.rest);
}

/* Put an entry there, in place of whatever has the key. end: ends what is found, of that slot. */
static void entry_fix(struct fixing *f, enum table t, u64 key, const u64 *value,
		      void (*end)(struct fixing *f, const struct insert *found))
{
	struct insert ins, found;

	for (int i = 0; i < FIXED_TRIES; i++) {
		u32 result = entry_put(f->nat, t, key, value, &ins);

		if (result == INSERT_NEW)
			return;
		if (result == INSERT_FULL)
			break;
		if (result != INSERT_FOUND || !entry_read(f->nat, t, ins.slot, &found) ||
		    found.words[1] != key)
			continue;
		if (found.words[2] == value[0]) {
			if (t == TABLE_MAPPINGS)
				client_fix(f, ins.slot, &found, value);
			return;
		}
		end(f, &found);
	}
	f->report->refused++;
}

static void host_found_end(struct fixing *f, const struct insert *found)
{
	(void)entry_end(f->nat, TABLE_HOSTS, found->words[1], found);
}

/* A half of another mapping: an inside one tells its mapping, an outside one names the inside half that does. */
static void half_found_end(struct fixing *f, const struct insert *found)
{
	const struct mapping *m = &found->mapping;
	struct endpoint inside = { .addr = m->addr, .port = m->port };
	u64 key = mapping_key(inside, m->class, HALF_INSIDE, m->interface), w;
	struct insert half;
	u32 at;

	if (!(m->half & HALF_OUTSIDE)) {
		mapping_displace(f, found);
		return;
	}
	if (table_find(f->nat, f->nat->config, TABLE_MAPPINGS,
		       table_hash(f->nat->config, TABLE_MAPPINGS, &key), &key, &w, &at) &&
	    slot_read(f->nat, TABLE_MAPPINGS, at, w, &half) && half.mapping.addr == m->key_addr &&
	    half.mapping.port == m->key_port)
		mapping_displace(f, &half);
	else
		(void)entry_end(f->nat, TABLE_MAPPINGS, found->words[1], found); /* one that stands alone */
}

static void hosts_fix(struct fixing *f)
{
	for (unsigned int i = 0; i < f->want->host_count; i++) {
		const struct fixed_host *h = &f->want->hosts[i];
		u64 value[2] = { host_value(f, h, h->outside), f->nat->now };

		entry_fix(f, TABLE_HOSTS, host_key(h->inside, h->interface), value, host_found_end);
		FAULT(fixed_host_half);
		value[0] = host_value(f, h, h->inside);
		if (has_reverse(h))
			entry_fix(f, TABLE_HOSTS, host_key(h->outside, h->interface | HOST_OUTSIDE), value,
				  host_found_end);
	}
}

static void half_fix(struct fixing *f, const struct fixed_mapping *m, u32 half)
{
	struct endpoint key = half ? m->outside : m->inside, other = half ? m->inside : m->outside;
	union mapping_value value = { .word = 0, .rest = 0 };

	value.interface = m->interface;
	value.own = m->full ? OWN_FIXED | OWN_FULL : OWN_FIXED;
	value.port = other.port;
	value.addr = other.addr;
	value.host = m->full ? (u32)m->client : NO_SLOT;
	value.created = f->nat->now;
	entry_fix(f, TABLE_MAPPINGS, mapping_key(key, m->class, half, m->interface),
		  (u64[]){ value.word, value.rest }, half_found_end);
}

static void mappings_fix(struct fixing *f)
{
	for (unsigned int i = 0; i < f->want->mapping_count; i++) {
		const struct fixed_mapping *m = &f->want->mappings[i];
		struct outside_address a = address_find(f->nat, f->nat->config, m->outside.addr);

		if (a.addr && a.index < f->nat->config->addresses)
			port_take(f->nat, port_area(a.index, m->class), be16_to_host(m->outside.port));
		FAULT(fixed_port_taken);
		half_fix(f, m, HALF_OUTSIDE);
		FAULT(fixed_outside_half);
		half_fix(f, m, HALF_INSIDE);
	}
}

/*
 * Sessions of what was displaced
 */

/* Does the flow say what the mapping of its inside endpoint says, or, where it needs none, its host? */
static bool flow_agrees(struct nat_instance *nat, const struct flow *f)
{
	bool out = f->direction == DIRECTION_OUT;
	struct endpoint inside = { .addr = out ? f->saddr : f->addr, .port = out ? f->sport : f->port };
	u64 key = mapping_key(inside, flow_class(f), HALF_INSIDE, f->interface), w;
	union host_value host;
	struct insert half;
	u32 at;

	if (protocol_class(f->protocol) < 0)
		return host_find(nat, host_key(inside.addr, f->interface), &w, &at, &host) &&
		       host.outside == (out ? f->addr : f->daddr);
	return table_find(nat, nat->config, TABLE_MAPPINGS, table_hash(nat->config, TABLE_MAPPINGS, &key),
			  &key, &w, &at) &&
	       slot_read(nat, TABLE_MAPPINGS, at, w, &half) &&
	       half.mapping.addr == (out ? f->addr : f->daddr) &&
	       half.mapping.port == (out ? f->port : f->dport);
}

static void flows_judge(struct fixing *f)
{
	struct nat_instance *nat = f->nat;
	struct insert copy;

	for (u32 at = 0; at <= nat->config->flow_mask; at++) {
		const struct flow *flow = &copy.flow;

		for (int i = 0; i < FIXED_TRIES; i++) {
			if (!entry_read(nat, TABLE_FLOWS, at, &copy) || flow->direction == DIRECTION_PERMIT ||
			    !flow_stands(nat->config, flow->word, flow->interface, flow->own, flow->index) ||
			    flow_agrees(nat, flow))
				break;
			if (!slot_end(env_slot(nat, TABLE_FLOWS, at), flow->word))
				continue;
			FAULT(fixed_flow_ended);
			f->report->sessions += flow->direction == DIRECTION_OUT;
			flow_bury(nat, flow, flow->word, nat->now);
			break;
		}
	}
}

int fixed_apply(struct nat_instance *nat, struct fixed_want *want, struct fixed_report *report)
{
	struct fixing f = { .nat = nat, .want = want, .report = report };
	int error = fixing_open(&f);

	memset(report, 0, sizeof(*report));
	if (error)
		return error;
	mappings_judge(&f);
	hosts_judge(&f, false);
	hosts_judge(&f, true);
	FAULT(fixed_displaced);
	hosts_fix(&f);
	mappings_fix(&f);
	FAULT(fixed_made);
	if (want->all || report->displaced || report->moved)
		flows_judge(&f);
	free(f.by_outside);
	return 0;
}
