// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/trail.h"

#include "core/sweep.h"

enum { TRAIL_HERE = 1, TRAIL_BEGAN = 2, TRAIL_OVER = 4 };

static u16 word_version(u64 w) { return (u16)((w & VER) / VER1); }

static bool entry_is(const struct trail_entry *e, const struct insert *o)
{
	return e->state && !(e->state & TRAIL_OVER) && e->version == word_version(o->words[0]) &&
	       e->key == o->words[1];
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
		.created = m->created,
		.block_size = env_config(t->nat)->shares[m->interface & (MAX_OUTSIDE - 1)].block_size,
		.version = word_version(o->words[0]),
		.state = TRAIL_HERE,
	};
}

static void record_make(struct trail_record *r, const struct trail_entry *e, bool end)
{
	const union mapping_key key = { .word = e->key };
	const union mapping_value value = { .word = e->value };
	bool block = key.class == CLASS_BLOCK;
	u32 port = be16_to_host(key.port);

	*r = (struct trail_record){
		.kind = block ? (end ? TRAIL_BLOCK_END : TRAIL_BLOCK_BEGIN)
			      : (end ? TRAIL_MAPPING_END : TRAIL_MAPPING_BEGIN),
		.protocol = protocol_of_class(key.class),
		.interface = value.interface,
		.own = value.own,
		.inside = value.addr,
		.outside = key.addr,
		.inside_port = block ? 0 : be16_to_host(value.port),
		.outside_port = (u16)(block ? port * e->block_size : port),
		.last_port = (u16)(block ? port * e->block_size + e->block_size - 1 : port),
		.when = end ? e->ended : e->created,
		.since = end ? e->created : 0,
	};
}

/* Tell what there is to tell. */
static void entry_tell(struct trail *t, struct trail_entry *e)
{
	struct trail_record record;

	if (!(e->state & TRAIL_BEGAN)) {
		record_make(&record, e, false);
		if (!t->take(t->context, &record))
			return;
		e->state |= TRAIL_BEGAN;
	}
	if (!(e->state & TRAIL_OVER))
		return;
	record_make(&record, e, true);
	if (t->take(t->context, &record))
		*e = (struct trail_entry){ .state = 0 };
}

static void entry_end(struct trail *t, struct trail_entry *e, u32 until)
{
	if (!(e->state & TRAIL_OVER)) {
		e->state |= TRAIL_OVER;
		e->ended = until;
	}
	entry_tell(t, e);
}

/* The half in this slot has ended just now; it was somebody's until that tick. */
static void trail_ended(void *context, u32 at, const struct insert *o, u32 until)
{
	struct trail *t = context;
	struct trail_entry *e = &t->entries[at];

	if (e->state && !entry_is(e, o))
		entry_end(t, e, t->nat->now);
	if (!e->state && half_wanted(t, &o->mapping))
		entry_fill(t, e, o);
	if (entry_is(e, o))
		entry_end(t, e, until);
	else if (e->state && half_wanted(t, &o->mapping))
		t->lost++;
}

static void slot_passed(struct trail *t, u32 at)
{
	struct trail_entry *e = &t->entries[at];
	u64 w = LOAD(&env_slot(t->nat, TABLE_MAPPINGS, at)->word);
	struct insert o;
	bool stands = word_state(w) == LIVE && slot_read(t->nat, TABLE_MAPPINGS, at, w, &o) &&
		      o.mapping.half & HALF_OUTSIDE;

	if (e->state && !(stands && entry_is(e, &o)))
		entry_end(t, e, t->nat->now);
	else if (e->state && !(e->state & TRAIL_BEGAN))
		entry_tell(t, e);
	if (!stands || e->state || !half_wanted(t, &o.mapping))
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

void trail_follow(struct trail *trail, struct sweep *sweep)
{
	sweep->watch = (struct half_watch){ .context = trail, .ended = trail_ended, .passed = trail_passed };
}
