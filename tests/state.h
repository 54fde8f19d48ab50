/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * state.h - is the state of a NAT in order? Asked when nothing runs.
 *
 * It follows from the promises (doc/design.md section 1): every flow of the present generation leads where its mapping
 * does, so that an outside endpoint has one owner and an inside endpoint one outside endpoint; its address is on the
 * interface; every key is in its table once, and found there.
 */
#pragma once
#include <stdio.h>

#include "core/sweep.h"

enum {
	STATE_QUIET = 1, /* only one thread was ever at work: hints are exact too */
};

struct state_fault {
	char what[200];
};

static inline int state_wrong(struct state_fault *fault, const char *what, enum table t, u32 slot)
{
	snprintf(fault->what, sizeof(fault->what), "%s (table %d, slot %u)", what, (int)t, slot);
	return -1;
}

/* A half that must be there: LIVE, of the present generation, and leading to an endpoint. */
static inline int state_half_is(struct nat_instance *nat, struct endpoint key_end, struct endpoint other,
				u8 class, u32 half, u32 interface)
{
	u64 key = mapping_key(key_end, class, half, interface);
	struct half h;

	return half_find(nat, nat->config, key, interface, &h) == HALF_LIVE && h.value.addr == other.addr &&
	       h.value.port == other.port && h.value.interface == interface;
}

/* Where an address is one host's alone: is it this one's? */
static inline int state_owned(struct nat_instance *nat, u32 interface, u32 own, __be32 inside, __be32 outside)
{
	struct request r = { .interface = (u8)interface };

	r.inside.addr = inside;
	r.outside.addr = outside;
	return own & (OWN_ROUTER | OWN_FIXED) || !interface_alone(nat->config, interface) ||
	       (host_owns(nat, &r, 0) && host_owns(nat, &r, HOST_OUTSIDE));
}

static inline int state_flow(struct nat_instance *nat, u32 at, struct state_fault *fault)
{
	const struct flow *f = (const struct flow *)env_slot(nat, TABLE_FLOWS, at);
	int out = f->direction == DIRECTION_OUT;
	struct endpoint inside = { .addr = out ? f->saddr : f->addr,
				   .port = out ? f->sport : f->port,
				   .zero = 0 };
	struct endpoint outside = { .addr = out ? f->addr : f->daddr,
				    .port = out ? f->port : f->dport,
				    .zero = 0 };
	int class = protocol_class(f->protocol);

	if (f->interface >= MAX_OUTSIDE)
		return state_wrong(fault, "a flow of no interface", TABLE_FLOWS, at);
	if (!flow_stands(nat->config, f->word, f->interface, f->own, f->index) ||
	    f->direction == DIRECTION_PERMIT)
		return 0;
	if (!state_owned(nat, f->interface, f->own, inside.addr, outside.addr))
		return state_wrong(fault, "a flow uses an address that is not its host's alone", TABLE_FLOWS,
				   at);
	if (class < 0) /* of a host that has its address to itself: it needs no mapping */
		return 0;
	if (!address_serves(address_find(nat, nat->config, outside.addr), f->interface, f->own & 1))
		return state_wrong(fault, "a flow of an address that is not on the interface", TABLE_FLOWS,
				   at);
	if (!state_half_is(nat, inside, outside, (u8) class, HALF_INSIDE, f->interface))
		return state_wrong(fault, "a flow leads elsewhere than its inside half", TABLE_FLOWS, at);
	if (!state_half_is(nat, outside, inside, (u8) class, HALF_OUTSIDE, f->interface))
		return state_wrong(fault, "a flow uses an outside endpoint that is not its own", TABLE_FLOWS,
				   at);
	return 0;
}

static inline int state_port_bit(struct nat_instance *nat, u32 at, struct state_fault *fault)
{
	const struct mapping *m = (const struct mapping *)env_slot(nat, TABLE_MAPPINGS, at);
	struct outside_address a = address_find(nat, nat->config, m->key_addr);
	u32 port = be16_to_host(m->key_port);

	if (!(m->half & HALF_OUTSIDE) || !a.addr || m->class >= CLASSES)
		return 0;
	if (!(*env_port_word(nat, port_area(a.index, m->class) + (port >> 6)) >> (port & 63) & 1))
		return state_wrong(fault, "a claimed port looks free", TABLE_MAPPINGS, at);
	return 0;
}

/* Where all ports are lent in blocks: a claimed port, at rest or not, is of a block that is its host's. */
static inline int state_block(struct nat_instance *nat, u32 at, struct state_fault *fault)
{
	const struct mapping *m = (const struct mapping *)env_slot(nat, TABLE_MAPPINGS, at);
	const struct shares *s = &nat->config->shares[m->interface & (MAX_OUTSIDE - 1)];
	struct insert block;
	u32 number;
	u64 w;

	if (!(m->half & HALF_OUTSIDE) || m->class >= CLASSES || m->own || !s->block_count || s->hosts)
		return 0;
	u64 key =
		block_key(m->key_addr, be16_to_host(m->key_port) / s->block_size, HALF_OUTSIDE, m->interface);
	if (!table_find(nat, nat->config, TABLE_MAPPINGS, table_hash(nat->config, TABLE_MAPPINGS, &key), &key,
			&w, &number) ||
	    !slot_read(nat, TABLE_MAPPINGS, number, w, &block))
		return state_wrong(fault, "a port in a block that nobody has", TABLE_MAPPINGS, at);
	if (block.mapping.addr != m->addr)
		return state_wrong(fault, "a port in another host's block", TABLE_MAPPINGS, at);
	return 0;
}

static inline int state_summaries(struct nat_instance *nat, struct state_fault *fault)
{
	for (u32 area = 0; area < nat->config->addresses * PORT_AREAS * PORT_AREA; area += PORT_AREA)
		for (u32 i = 0; i < PORT_WORDS; i++) {
			int full = *env_port_word(nat, area + i) == ~0ull;
			u64 summary = *env_port_word(nat, area + PORT_WORDS + (i >> 6));
			if (full != (int)(summary >> (i & 63) & 1))
				return state_wrong(fault, "a summary of ports lies", TABLE_MAPPINGS,
						   area + i);
		}
	return 0;
}

static inline int state_slot(struct nat_instance *nat, enum table t, u32 at, int quiet,
			     struct state_fault *fault)
{
	struct slot *s = env_slot(nat, t, at);
	u64 key[2] = { s->data[0], s->data[1] }, word;
	u32 number;

	if (word_state(s->word) == FREE)
		return 0;
	if (word_state(s->word) != LIVE)
		return state_wrong(fault, "a slot is half-made", t, at);
	if (table_find(nat, nat->config, t, table_hash(nat->config, t, key), key, &word, &number) != s)
		return state_wrong(fault, "an entry is not found, or twice in its table", t, at);
	if (t == TABLE_FLOWS)
		return state_flow(nat, at, fault);
	if (t == TABLE_MAPPINGS && state_block(nat, at, fault))
		return -1;
	return quiet && t == TABLE_MAPPINGS ? state_port_bit(nat, at, fault) : 0;
}

/* 0, or -1 and the first fault. Summaries, many and seldom wrong, have a check of their own. */
static inline int state_check(struct nat_instance *nat, int quiet, struct state_fault *fault)
{
	for (int table = TABLE_FLOWS; table <= TABLE_FRAGMENTS; table++)
		for (u32 i = 0; i <= table_mask(nat->config, (enum table)table); i++)
			if (state_slot(nat, (enum table)table, i, quiet, fault))
				return -1;
	return 0;
}
