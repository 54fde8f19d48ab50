// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/trail.h"

#include "core/sweep.h"

enum { TRAIL_HERE = 1, TRAIL_BEGAN = 2, TRAIL_OVER = 4 };

static u16 word_version(u64 w) { return (u16)((w & VER) / VER1); }

static bool life_is(const struct trail_life *life, u64 w)
{
	return life->state && !(life->state & TRAIL_OVER) && life->version == word_version(w);
}

/* Tell what there is to tell. The record is that of the begin, but for its times. */
static void life_tell(struct trail *t, struct trail_life *life, struct trail_record *record)
{
	if (!(life->state & TRAIL_BEGAN)) {
		record->when = life->began;
		if (!t->take(t->context, record))
			return;
		life->state |= TRAIL_BEGAN;
	}
	if (!(life->state & TRAIL_OVER))
		return;
	record->kind++; /* the end of what it was the begin of */
	record->when = life->ended;
	record->since = life->began;
	if (t->take(t->context, record))
		life->state = 0;
}

static void life_end(struct trail_life *life, u32 until)
{
	if (life->state & TRAIL_OVER)
		return;
	life->state |= TRAIL_OVER;
	life->ended = until;
}

/*
 * Mappings and blocks
 */

static bool entry_is(const struct trail_entry *e, const struct insert *o)
{
	return life_is(&e->life, o->words[0]) && e->key == o->words[1];
}

/* Does its port tell whose it is, by a share or by the block that it is in? Not what the configuration or the router has. */
static bool port_is_shared(const struct config *c, const struct mapping *m)
{
	const struct shares *s = &c->shares[m->interface & (MAX_OUTSIDE - 1)];

	return (s->hosts || s->block_count) && !(m->own & (OWN_FIXED | OWN_ROUTER));
}

static bool half_wanted(const struct trail *t, const struct mapping *m)
{
	const struct config *c = env_config(t->nat);

	if (address_find(t->nat, c, m->key_addr).flags & ADDRESS_CLIENTS)
		return false; /* full NAT: this address is an inside one */
	if (m->class == CLASS_BLOCK)
		return t->blocks;
	return t->mappings == TRAIL_MAPPINGS_ALL ||
	       (t->mappings == TRAIL_MAPPINGS_BY_NEED && !port_is_shared(c, m));
}

static void entry_fill(const struct trail *t, struct trail_entry *e, const struct insert *o)
{
	const struct mapping *m = &o->mapping;

	*e = (struct trail_entry){
		.key = o->words[1],
		.value = o->words[2],
		.life = { .began = m->created, .version = word_version(o->words[0]), .state = TRAIL_HERE },
		.block_size = env_config(t->nat)->shares[m->interface & (MAX_OUTSIDE - 1)].block_size,
	};
}

static void entry_tell(struct trail *t, struct trail_entry *e)
{
	const union mapping_key key = { .word = e->key };
	const union mapping_value value = { .word = e->value };
	bool block = key.class == CLASS_BLOCK;
	u32 port = be16_to_host(key.port);
	struct trail_record record = {
		.kind = block ? TRAIL_BLOCK_BEGIN : TRAIL_MAPPING_BEGIN,
		.protocol = protocol_of_class(key.class),
		.interface = value.interface,
		.own = value.own,
		.inside = value.addr,
		.outside = key.addr,
		.inside_port = block ? 0 : be16_to_host(value.port),
		.outside_port = (u16)(block ? port * e->block_size : port),
		.last_port = (u16)(block ? port * e->block_size + e->block_size - 1 : port),
	};

	life_tell(t, &e->life, &record);
}

static void entry_end(struct trail *t, struct trail_entry *e, u32 until)
{
	life_end(&e->life, until);
	entry_tell(t, e);
}

/* The half in this slot has ended just now; it was somebody's until that tick. */
static void trail_ended(void *context, u32 at, const struct insert *o, u32 until)
{
	struct trail *t = context;
	struct trail_entry *e = &t->entries[at];

	if (e->life.state && !entry_is(e, o))
		entry_end(t, e, t->nat->now);
	if (!e->life.state && half_wanted(t, &o->mapping))
		entry_fill(t, e, o);
	if (entry_is(e, o))
		entry_end(t, e, until);
	else if (e->life.state && half_wanted(t, &o->mapping))
		t->lost++;
}

static void slot_passed(struct trail *t, u32 at)
{
	struct trail_entry *e = &t->entries[at];
	u64 w = LOAD(&env_slot(t->nat, TABLE_MAPPINGS, at)->word);
	struct insert o;
	bool stands = word_state(w) == LIVE && slot_read(t->nat, TABLE_MAPPINGS, at, w, &o) &&
		      o.mapping.half & HALF_OUTSIDE;

	if (e->life.state && !(stands && entry_is(e, &o)))
		entry_end(t, e, t->nat->now);
	else if (e->life.state && !(e->life.state & TRAIL_BEGAN))
		entry_tell(t, e);
	if (!stands || e->life.state || !half_wanted(t, &o.mapping))
		return;
	entry_fill(t, e, &o);
	entry_tell(t, e);
}

/* These slots were passed. */
static void trail_passed(void *context, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++)
		slot_passed(context, i);
}

/*
 * Sessions
 */

static bool flow_entry_is(const struct trail_flow *e, const struct insert *f)
{
	return life_is(&e->life, f->words[0]) && e->key[0] == f->words[1] && e->key[1] == f->words[2];
}

/* The outbound half of a session, not what is left of one; no client's of full NAT. */
static bool flow_wanted(const struct trail *t, const struct flow *f)
{
	return f->direction == DIRECTION_OUT && !(f->own & FLOW_ENDED) &&
	       !(address_find(t->nat, env_config(t->nat), f->addr).flags & ADDRESS_CLIENTS);
}

static void flow_fill(const struct trail *t, struct trail_flow *e, const struct insert *f)
{
	u32 used = word_time(f->words[0]), before = t->sweep->before & TIME;
	bool one = f->flow.packets <= 1 || !t->sweep->passes;

	*e = (struct trail_flow){
		.key = { f->words[1], f->words[2] },
		.to = f->words[4],
		.life = { .began = one || ((used - before) & TIME) > TIME / 2 ? used : before,
			  .version = word_version(f->words[0]),
			  .state = TRAIL_HERE },
		.interface = f->flow.interface,
		.own = f->flow.own,
	};
}

static void flow_tell(struct trail *t, struct trail_flow *e)
{
	const struct insert f = { .words = { [1] = e->key[0], [2] = e->key[1], [4] = e->to } };
	bool ports = protocol_class(f.flow.protocol) >= 0;
	struct trail_record record = {
		.kind = TRAIL_SESSION_BEGIN,
		.protocol = f.flow.protocol,
		.interface = e->interface,
		.own = e->own,
		.inside = f.flow.saddr,
		.outside = f.flow.addr,
		.remote = f.flow.daddr,
		.inside_port = ports ? be16_to_host(f.flow.sport) : 0,
		.outside_port = ports ? be16_to_host(f.flow.port) : 0,
		.remote_port = ports ? be16_to_host(f.flow.dport) : 0,
	};

	life_tell(t, &e->life, &record);
}

static void flow_passed(struct trail *t, u32 at)
{
	struct trail_flow *e = &t->flows[at];
	u64 w = LOAD(&env_slot(t->nat, TABLE_FLOWS, at)->word);
	struct insert f;
	bool stands =
		word_state(w) == LIVE && slot_read(t->nat, TABLE_FLOWS, at, w, &f) && flow_wanted(t, &f.flow);

	if (e->life.state && !(stands && flow_entry_is(e, &f))) {
		life_end(&e->life, t->nat->now & TIME);
		flow_tell(t, e);
	} else if (e->life.state && !(e->life.state & TRAIL_BEGAN)) {
		flow_tell(t, e);
	}
	if (!stands || e->life.state)
		return;
	flow_fill(t, e, &f);
	flow_tell(t, e);
}

static void trail_flows_passed(void *context, u32 from, u32 to)
{
	struct trail *t = context;

	for (u32 i = from; i < to; i++)
		flow_passed(t, i);
}

/*
 * Bindings
 */

/* Clients of full NAT are no hosts. What is claimed by an address is told of by the host's own entry. */
static bool host_wanted(const struct host *h) { return !(h->key_interface & HOST_OUTSIDE); }

static void host_tell(struct trail *t, struct trail_entry *e)
{
	const struct insert h = { .words = { [1] = e->key, [2] = e->value } };
	struct trail_record record = {
		.kind = TRAIL_BINDING_BEGIN,
		.interface = h.host.interface,
		.own = h.host.own,
		.inside = h.host.inside,
		.outside = h.host.outside,
	};

	life_tell(t, &e->life, &record);
}

static void host_passed(struct trail *t, u32 at)
{
	struct trail_entry *e = &t->hosts[at];
	u64 w = LOAD(&env_slot(t->nat, TABLE_HOSTS, at)->word);
	struct insert h;
	bool stands =
		word_state(w) == LIVE && slot_read(t->nat, TABLE_HOSTS, at, w, &h) && host_wanted(&h.host);

	if (e->life.state && !(stands && entry_is(e, &h))) {
		life_end(&e->life, t->nat->now & TIME);
		host_tell(t, e);
	} else if (e->life.state && !(e->life.state & TRAIL_BEGAN)) {
		host_tell(t, e);
	}
	if (!stands || e->life.state)
		return;
	*e = (struct trail_entry){
		.key = h.words[1],
		.value = h.words[2],
		.life = { .began = h.host.created, .version = word_version(w), .state = TRAIL_HERE },
	};
	host_tell(t, e);
}

static void trail_hosts_passed(void *context, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++)
		host_passed(context, i);
}

void trail_follow(struct trail *trail, struct sweep *sweep)
{
	trail->sweep = sweep;
	sweep->watch = (struct half_watch){ .context = trail,
					    .ended = trail_ended,
					    .passed = trail_passed,
					    .flows_passed = trail->flows ? trail_flows_passed : NULL,
					    .hosts_passed = trail->hosts ? trail_hosts_passed : NULL };
}
