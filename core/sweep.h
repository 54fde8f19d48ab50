/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweep.h - expire, mend and tidy: what the daemon does to the tables, beside packets and without stopping them.
 *
 * A PASS has one time, taken at its start: what a packet touched since is newer than it, and stays. In order:
 *
 *   accounts   if hosts have limits: their counts as they are now (account.h).
 *   flows      stream through all; each outbound flow with its other half is a session, whose timeout follows from both
 *	        (tcp.h). One that is young whatever the other half says costs no look at it. Expired: both halves end, each by a
 *	        CAS on the word that was judged. Alive: its mapping is marked. Inbound flows that no outbound one names, or
 *	        that are not young, are looked at by themselves.
 *   inside     blocks that are lent (mapping.h) count as used now while a port of theirs is claimed; others end when they were
 *	        not used for hold_down_timeout. Of mappings, inside halves without mark whose own time is over rest, and when
 *	        that is over end, with their outside half and its bit. The others mark their host.
 *   outside    outside halves that no inside half agrees with rest, too, and end, once they are older than any packet's run:
 *	        what resets, lost races and dead processes left. An eighth of them is asked in each pass, and after a reset all.
 *   ports      bits without an outside half in two passes are cleared, missing bits set, summaries compared.
 *   hosts      marked ones count as used now; the others are said to be idle (host.h), and end beyond the retention time.
 *	        Counts are settled.
 *   addresses  where each is one host's alone: those without a reverse entry look vacant. If none is, and a host was refused, the
 *	        longest idle one ends.
 *   fragments  expired ones end.
 *   tidy       reach bits that no key needs any more are given back (table.h): every SWEEP_TIDY passes a turn through the
 *	        tables, then the same streams tell what is needed.
 *
 * What is stale by its generation ends wherever it is met, but its port rests; a flow bequeaths the time that it had left to
 * its mapping, or, of TCP, leaves word for its inside end. A flow whose address left ends once its host has another to go to.
 * Slots that stood in BUSY or OFFER, unchanged, for SWEEP_PATIENCE were left by a dead process, and are freed. Marks live in the
 * sweeper's own memory: a daemon that dies and returns starts its pass anew.
 *
 * MARKS go to the slot that a flow names, unseen: a look at each mapping would cost more than all the rest. A flow's mapping
 * keeps its slot as long as the flow lives, so the name is right; a tag of the endpoint beside the count proves it. One wrong
 * tag, and the pass ends no mapping; the next one looks at each.
 *
 * sweep_step() does a slice, so that its caller can pause; nothing is held between two slices.
 *
 * Native only: it works through the daemon's mapping of the arrays.
 */
#pragma once
#include "core/call.h"

enum {
	SWEEP_BATCH = 32, /* flows whose other lines are fetched ahead together */
	SWEEP_AHEAD = 64, /* slots that a stream is asked for ahead: processors do not, from page to page */
	SWEEP_SUSPECTS = 256, /* half-made slots remembered from one pass to the next */
	SWEEP_PATIENCE = 4,   /* ticks: longer than any packet runs */
	SWEEP_TABLES = 4,
	SWEEP_AUDIT = 8, /* passes in which each outside half is asked once */
	SWEEP_TIDY = 8,	 /* passes from one turn of tidying to the next */
};

enum sweep_stage {
	SWEEP_BEGIN,
	SWEEP_FRESH, /* + table: tidy's first look, and the last pass's outcome */
	SWEEP_ACCOUNTS,
	SWEEP_FLOWS,
	SWEEP_ORPHANS,
	SWEEP_INSIDE,
	SWEEP_OUTSIDE,
	SWEEP_PORTS,
	SWEEP_HOSTS,
	SWEEP_ADDRESSES,
	SWEEP_FRAGMENTS,
};

/* A slot found half-made, and when first. */
struct suspect {
	u64 word;
	u32 slot;
	u32 table;
	u32 since;
	u32 zero;
};

/* A host that is idle, and its outside address; word 0: none. */
struct idle_host {
	u64 word;
	u32 slot;
	u32 zero;
	struct outside_address address;
};

struct sweep_counts {
	struct sweep_place at[MAX_OUTSIDE];
	u64 sessions[CLASSES + 1]; /* the last: of protocols without ports */
	u64 mappings[CLASSES];
	u64 hosts;
	u64 ended_sessions;
	u64 ended_mappings;
	u64 mended;			  /* slots and bits left by a dead process or a lost race */
	u64 lent_blocks, returned_blocks; /* seen to be, by this sweeper */
};

/* Sessions of the mapping whose inside half is in this slot, as far as they say. */
struct mark {
	u16 tag;
	u16 sessions;
};

/* The block with this number, of the outside address in block.addr, is lent to an inside address, or no more. */
typedef void (*block_teller)(void *context, u32 interface, struct endpoint block, __be32 inside, int lent);

/*
 * Who keeps a record (native/trail.h): told of each outside half that was just ended, and until when it was its endpoint's; and of slots of
 * mappings, of flows, and of hosts, of which all is done that a pass does. Each may be NULL: nobody asks.
 */
struct half_watch {
	void *context;
	void (*ended)(void *context, u32 at, const struct insert *o, u32 until);
	void (*passed)(void *context, u32 from, u32 to);
	void (*flows_passed)(void *context, u32 from, u32 to);
	void (*hosts_passed)(void *context, u32 from, u32 to);
};

/* What a host with limits had before the pass, and what the pass saw. */
struct account {
	u64 host; /* the word of the host's line */
	u64 was[ACCOUNTS];
	struct limit seen[ACCOUNTS];
};

/*
 * The sweeper's memory. All arrays are the caller's, zeroed: marks one a mapping slot; host_* a u32 a host slot; accounts one a
 * host slot, touched if there are limits; inbound, aged and paired a bit a flow slot; wanted[t] a byte a slot; claimed and
 * missed as the port words of all addresses; block_used BLOCK_WORDS an address, and block_told an element a block.
 */
struct sweep {
	struct nat_instance *nat;
	enum sweep_stage stage;
	u32 table; /* of SWEEP_FRESH */
	u32 cursor;
	u32 now;    /* of the pass */
	u32 before; /* of the last one */
	u32 clock;  /* of the step: a pass may take long */
	struct mark *marks;
	int distrust; /* a mark was wrong: end no mapping; 2: and this pass looks at each */
	u32 *host_mappings, *host_sessions;	      /* being counted */
	u32 *last_host_mappings, *last_host_sessions; /* of the last whole pass */
	int limited;				      /* hosts have limits in this pass */
	struct account *accounts;
	u64 *inbound, *aged, *paired;
	u8 *wanted[SWEEP_TABLES];
	int tidy;    /* this pass looks what is wanted */
	u32 resting; /* ports, as far as this pass saw */
	u64 *claimed, *missed;
	u64 *block_used,
		*last_block_used; /* being found, and of the last whole pass: a port of it is claimed */
	__be32 *block_told;	  /* to whom it was last said to be lent, or 0 */
	block_teller block_tell;  /* NULL: nobody asks */
	void *block_context;
	struct half_watch watch;
	struct suspect suspects[SWEEP_SUSPECTS], seen[SWEEP_SUSPECTS];
	u32 suspect_count, seen_count;
	struct sweep_counts counts; /* being counted; ended_* and mended only grow */
	struct sweep_counts last;
	u64 passes;
	struct idle_host idle[MAX_OUTSIDE]; /* in this pass */
};

static inline u32 sweep_slots(const struct sweep *s, enum table t)
{
	return table_mask(env_config(s->nat), t) + 1;
}

static inline struct sweep_place *sweep_at(struct sweep *s, u32 interface)
{
	return &s->counts.at[interface & (MAX_OUTSIDE - 1)];
}

static inline int bit_get(const u64 *bits, u32 i) { return (int)(bits[i >> 6] >> (i & 63) & 1); }
static inline void bit_set(u64 *bits, u32 i) { bits[i >> 6] |= 1ull << (i & 63); }

/*
 * Tidy and mend
 */

/*
 * A turn, for each position, before a pass. Nobody wanted a bit since the last turn: what the pass after that did not want
 * goes (before a first one there is nothing to say). Else fresh goes, and the pass that begins looks. A key that is offered
 * after that pass saw its slot looks at its home after this turn, and sets fresh again; so however long ago the last turn
 * was, a position without fresh serves no key that came since.
 */
static inline void tidy_turn(struct sweep *s, enum table t, u32 at)
{
	struct slot *slot = env_slot(s->nat, t, at);
	u64 w = LOAD(&slot->word);

	if (!(w & PLACE))
		return;
	if (!(w & FRESH)) {
		if (!s->passes)
			return;
		u64 n = w & ~(REACH & ~((u64)s->wanted[t][at] << 58));
		if (n != w)
			(void)CAS(&slot->word, w, n);
		return;
	}
	(void)CAS(&slot->word, w, w & ~FRESH);
}

/* Which reach bit the key in this slot needs. A slot may be a candidate of its key twice: keep both bits. */
static inline void tidy_want(struct sweep *s, enum table t, u32 at, const u64 *key)
{
	if (!s->tidy)
		return;
	u32 mask = table_mask(env_config(s->nat), t);
	u64 h = table_hash(env_config(s->nat), t, key);
	u32 near = (at - (u32)h) & mask, far = (at - (u32)(h >> 32)) & mask;

	if (far < NEAR)
		far += mask + 1; /* in the smallest table the run goes round */
	s->wanted[t][(u32)h & mask] |=
		(u8)((near - 1 < NEAR - 1u) << zone(near) | (far - NEAR < FAR + 0u) << 3);
}

/*
 * A slot in BUSY or OFFER: free it if it has stood so for longer than any packet runs. (A pass over small tables is shorter
 * than a processor may be taken from its packet.) Its key keeps its reach.
 */
static inline void sweep_suspect(struct sweep *s, enum table t, u32 at, u64 w)
{
	struct slot *slot = env_slot(s->nat, t, at);
	u32 since = s->now;

	for (u32 i = 0; i < s->seen_count; i++)
		if (s->seen[i].slot == at && s->seen[i].table == t && s->seen[i].word == w)
			since = s->seen[i].since;
	if (((s->now - since) & TIME) >= SWEEP_PATIENCE && CAS(&slot->word, w, word_free(w))) {
		s->counts.mended++;
		return;
	}
	if (s->suspect_count < SWEEP_SUSPECTS)
		s->suspects[s->suspect_count++] =
			(struct suspect){ .word = w, .slot = at, .table = t, .since = since, .zero = 0 };
	if (word_state(w) == OFFER) {
		u64 key[2] = { LOAD(&slot->data[0]), LOAD(&slot->data[1]) };
		tidy_want(s, t, at, key);
	}
}

/* The word of a slot if it is LIVE, else 0; what is half-made is dealt with. */
static inline u64 sweep_live(struct sweep *s, enum table t, u32 at)
{
	u64 w = LOAD(&env_slot(s->nat, t, at)->word);

	if (word_state(w) == LIVE)
		return w;
	if (word_state(w) != FREE)
		sweep_suspect(s, t, at, w);
	return 0;
}

/*
 * Flows
 */

/* Read an entry under its word. 0: it changed hands. */
static inline int slot_read(struct nat_instance *nat, enum table t, u32 at, u64 w, struct insert *copy)
{
	struct slot *slot = env_slot(nat, t, at);

	copy->words[0] = w;
	for (u32 i = 0; i < data_words(t); i++)
		copy->words[i + 1] = LOAD(&slot->data[i]);
	return slot_same(slot, w);
}

/* CLASSES: a protocol without ports. */
static inline u8 flow_class(const struct flow *f)
{
	int class = protocol_class(f->protocol);

	return class < 0 ? (u8)CLASSES : (u8) class;
}

/* Is it known by an SPI (spi.h), or a call id (call.h)? */
static inline int flow_has_spi(const struct flow *f)
{
	return flow_class(f) == CLASSES && (f->sport | f->dport);
}

/* Is `in` the other half of `out`? Of an SPI it may be, if they name each other. */
static inline int flow_is_peer(const struct flow *out, const struct flow *in)
{
	if (in->direction != DIRECTION_IN || in->protocol != out->protocol || in->saddr != out->daddr ||
	    in->daddr != out->addr || in->addr != out->saddr || flow_has_spi(in) != flow_has_spi(out))
		return 0;
	return flow_has_spi(out) ||
	       (in->sport == out->dport && in->dport == out->port && in->port == out->sport);
}

/*
 * The other half of a flow, by its hint or else by its key, if that says it: its slot, or NO_SLOT. *peer is read under
 * peer->words[0].
 */
static inline u32 flow_peer(struct nat_instance *nat, const struct flow *f, struct insert *peer)
{
	const struct config *c = env_config(nat);
	int out = f->direction == DIRECTION_OUT;
	u64 w;
	u32 at = f->peer;

	if (at <= c->flow_mask) {
		w = LOAD(&env_slot(nat, TABLE_FLOWS, at)->word);
		if (word_state(w) == LIVE && slot_read(nat, TABLE_FLOWS, at, w, peer) &&
		    (out ? flow_is_peer(f, &peer->flow) : flow_is_peer(&peer->flow, f)))
			return at;
	}
	if (flow_has_spi(f) || f->realm)
		return NO_SLOT;
	struct endpoint near = { .addr = f->addr, .port = f->port, .zero = 0 };
	struct endpoint far = { .addr = out ? f->daddr : f->saddr,
				.port = out ? f->dport : f->sport,
				.zero = 0 };
	union flow_key key;
	if (out)
		flow_key_between(&key, far, near, f->protocol, DIRECTION_IN);
	else
		flow_key_between(&key, near, far, f->protocol, DIRECTION_OUT);
	struct slot *slot =
		table_find(nat, c, TABLE_FLOWS, table_hash(c, TABLE_FLOWS, key.word), key.word, &w, &at);
	if (slot && slot_read(nat, TABLE_FLOWS, at, w, peer) &&
	    (out ? flow_is_peer(f, &peer->flow) : flow_is_peer(&peer->flow, f)))
		return at;
	return NO_SLOT;
}

/* Ticks that a session may be idle. in: the word of the inbound flow, 0 if there is none; out likewise. */
static inline u32 session_timeout(const struct config *c, u8 class, u64 out, u64 in, u32 now)
{
	if (!class_connects(class))
		return class_timeout(c, class);
	return tcp_timeout(c, tcp_state(out ? word_flags(out) : 0, in ? word_flags(in) : 0,
					out ? word_age(out, now) : TIME, in ? word_age(in, now) : TIME));
}

/* The slot of the inside half of an inside endpoint: the hint if it is right, else by look-up, else NO_SLOT. */
static inline u32 mapping_slot(struct nat_instance *nat, u32 hint, struct endpoint inside, u8 class,
			       u32 interface)
{
	const struct config *c = env_config(nat);
	u64 key = mapping_key(inside, class, HALF_INSIDE, interface), w;
	u32 at;

	if (hint <= c->mapping_mask) {
		struct slot *slot = env_slot(nat, TABLE_MAPPINGS, hint);
		if (word_state(LOAD(&slot->word)) == LIVE && LOAD(&slot->data[0]) == key)
			return hint;
	}
	return table_find(nat, c, TABLE_MAPPINGS, table_hash(c, TABLE_MAPPINGS, &key), &key, &w, &at)
		       ? at
		       : NO_SLOT;
}

/* The slot of a host: the hint if it is right, else by look-up, else NO_SLOT. */
static inline u32 host_slot(struct nat_instance *nat, u32 hint, __be32 inside, u8 interface)
{
	const struct config *c = env_config(nat);
	u64 key = host_key(inside, interface), w;
	u32 at;

	if (hint <= c->host_mask) {
		struct slot *slot = env_slot(nat, TABLE_HOSTS, hint);
		if (word_state(LOAD(&slot->word)) == LIVE && LOAD(&slot->data[0]) == key)
			return hint;
	}
	return table_find(nat, c, TABLE_HOSTS, table_hash(c, TABLE_HOSTS, &key), &key, &w, &at) ? at
												: NO_SLOT;
}

static inline u16 mark_tag(u64 key) { return (u16)((key * 0x9e3779b97f4a7c15ull) >> 48); }

static inline void sweep_mark(struct sweep *s, const struct flow *f)
{
	int out = f->direction == DIRECTION_OUT;
	struct endpoint inside = { .addr = out ? f->saddr : f->addr,
				   .port = out ? f->sport : f->port,
				   .zero = 0 };
	u8 class = flow_class(f);
	u32 interface = f->interface & (MAX_OUTSIDE - 1), at = f->mapping;

	if (!address_left(env_config(s->nat), f->index)) { /* else it waits, and is none now */
		s->counts.sessions[class]++;
		sweep_at(s, interface)->sessions++;
	}
	if (class == CLASSES) { /* without a mapping it says itself that its host is in use */
		at = host_slot(s->nat, NO_SLOT, inside.addr, (u8)interface);
		if (at == NO_SLOT)
			return;
		s->host_sessions[at]++;
		if (s->limited)
			s->accounts[at].seen[account_class(CLASSES)].sessions++;
		return;
	}
	if (s->distrust > 1)
		at = mapping_slot(s->nat, at, inside, class, interface);
	if (at > env_config(s->nat)->mapping_mask)
		return;
	u16 tag = mark_tag(mapping_key(inside, class, HALF_INSIDE, interface));
	struct mark *mark = &s->marks[at];
	if (mark->sessions && mark->tag != tag)
		s->distrust |= 1;
	mark->tag = tag;
	if (mark->sessions != 0xffff)
		mark->sessions++;
}

/* Address-dependent filtering: a live session keeps the permission of its remote address; of an SPI, what says whose it is. */
static inline void sweep_permit(struct sweep *s, const struct flow *out)
{
	const struct config *c = env_config(s->nat);
	int spi = flow_has_spi(out);
	struct endpoint remote = { .addr = out->daddr, .port = spi ? out->sport : 0, .zero = 0 };
	struct endpoint outside = { .addr = out->addr, .port = spi ? out->dport : out->port, .zero = 0 };
	union flow_key key;
	u64 w;
	u32 at;

	if (!spi && class_filtering(c, flow_class(out)) != FILTERING_ADF)
		return;
	flow_key_between(&key, remote, outside, out->protocol, DIRECTION_PERMIT);
	struct slot *slot =
		table_find(s->nat, c, TABLE_FLOWS, table_hash(c, TABLE_FLOWS, key.word), key.word, &w, &at);
	if (slot && !slot_stale(c, TABLE_FLOWS, slot, w))
		slot_touch(slot, w, s->now, word_gen(w), 0);
}

/* Does the flow keep its session alive, whatever the other half says? */
static inline int flow_is_young(const struct sweep *s, const struct flow *f, u64 w)
{
	const struct timers *t = &env_config(s->nat)->timers;
	u32 age = word_age(w, s->now), class = flow_class(f);

	if (!class_connects(class))
		return age <= class_timeout(env_config(s->nat), class);
	return age <= t->tcp_trans_open_timeout && age <= t->tcp_trans_close_timeout &&
	       age <= t->tcp_idle_timeout;
}

/* End a session that was idle too long. out, in: its words; in 0: it has no inbound half. 1: done; 0: it was used. */
static inline int session_end(struct sweep *s, u32 out_slot, u64 out, u32 in_slot, u64 in)
{
	if (in && !slot_end(env_slot(s->nat, TABLE_FLOWS, in_slot), in))
		return 0;
	FAULT(sweep_session);
	return slot_end(env_slot(s->nat, TABLE_FLOWS, out_slot), out);
}

/*
 * A session without ports (session.h): it goes on by its claim alone, which for that counts as used when the outbound flow was.
 * 0: it ended.
 */
static inline int sweep_claim(struct sweep *s, u32 at, const struct insert *out)
{
	const struct config *c = env_config(s->nat);
	u64 ow = out->words[0];
	struct insert in;
	u32 claim = flow_peer(s->nat, &out->flow, &in), idle = word_age(ow, s->now);
	struct slot *slot = env_slot(s->nat, TABLE_FLOWS, claim & c->flow_mask);

	if (claim == NO_SLOT || word_stale(c, TABLE_FLOWS, in.flow.interface, in.words[0]))
		return !slot_end(env_slot(s->nat, TABLE_FLOWS, at), ow);
	u64 iw = in.words[0];
	bit_set(s->paired, claim);
	if (word_age(iw, s->now) <= idle)
		idle = word_age(iw, s->now);
	else
		slot_touch(slot, iw, word_time(ow), word_gen(iw), 0);
	if (idle <= class_timeout(c, CLASSES))
		return 1;
	if (!slot_end(env_slot(s->nat, TABLE_FLOWS, at), ow))
		return 1;
	slot_end(slot, iw); /* last: a packet that found no outbound flow may have touched it */
	return 0;
}

/* The claim on a remote, under this key, is nobody's: the host of this flow has it from now on. As spi_claim_try(). */
static inline void sweep_claim_new(struct sweep *s, const struct flow *f, __be32 inside,
				   const union flow_key *key)
{
	union flow_value value = { .word = { 0 } };
	struct insert ins = { .hash = table_hash(env_config(s->nat), TABLE_FLOWS, key->word), .now = s->now };

	value.interface = f->interface;
	value.own = f->own & OWN_ROUTER;
	value.idle_max = CLAIM_IDLE_MAX;
	value.peer = NO_SLOT;
	value.mapping = NO_SLOT;
	value.addr = inside;
	value.index = f->index;
	ins.words[0] = word_make(s->now, word_gen(f->word), 0);
	ins.words[1] = key->word[0];
	ins.words[2] = key->word[1];
	for (u32 i = 0; i < 3; i++)
		ins.words[i + 3] = value.word[i];
	(void)flows_insert(s->nat, &ins);
}

/* A session with an SPI of ESP's, last used `idle` ticks ago, keeps its host's claim, or says in another's that it is there (spi.h). */
static inline void sweep_claimed(struct sweep *s, const struct flow *f, u32 idle)
{
	const struct config *c = env_config(s->nat);
	int out = f->direction == DIRECTION_OUT;
	struct request r = { .protocol = f->protocol };
	__be32 inside = out ? f->saddr : f->addr;
	u32 used = (s->now - idle) & TIME, at;
	union flow_value value;
	union flow_key key;
	struct insert claim;
	u64 w;

	if (f->protocol != PROTOCOL_ESP)
		return;
	r.remote.addr = out ? f->daddr : f->saddr;
	r.outside.addr = out ? f->addr : f->daddr;
	claim_key(&key, &r);
	struct slot *slot =
		table_find(s->nat, c, TABLE_FLOWS, table_hash(c, TABLE_FLOWS, key.word), key.word, &w, &at);
	if (!slot || slot_stale(c, TABLE_FLOWS, slot, w)) {
		sweep_claim_new(s, f, inside, &key);
		return;
	}
	if (!slot_read(s->nat, TABLE_FLOWS, at, w, &claim))
		return;
	if (claim.flow.addr == inside) {
		bit_set(s->paired, at);
		if (claim_balance(w) <= 0 && word_age(w, s->now) > idle)
			(void)CAS(&slot->word, w, (w & ~TIME) | used);
		return;
	}
	value.word[2] = claim.words[5];
	if (value.lease && word_age(value.lease, s->now) <= idle)
		return;
	value.lease = SPI_SEEN | used;
	(void)CAS(&slot->data[4], claim.words[5], value.word[2]);
}

/* An outbound flow and its other half: a session. */
static inline void sweep_session(struct sweep *s, u32 at, const struct insert *out)
{
	const struct config *c = env_config(s->nat);
	u64 ow = out->words[0];

	if (out->flow.own & FLOW_ENDED) {
		if (word_age(ow, s->now) > out->flow.idle_max)
			slot_end(env_slot(s->nat, TABLE_FLOWS, at), ow);
		return;
	}
	u32 idle = word_age(ow, s->now);
	if (flow_class(&out->flow) == CLASSES && !flow_has_spi(&out->flow)) {
		if (!sweep_claim(s, at, out)) {
			s->counts.ended_sessions++;
			return;
		}
	} else if (flow_is_young(s, &out->flow, ow)) {
		if (out->flow.peer <= c->flow_mask)
			bit_set(s->paired, out->flow.peer);
	} else {
		struct insert in;
		u32 peer = flow_peer(s->nat, &out->flow, &in);
		if (peer != NO_SLOT && flow_has_spi(&out->flow) && in.flow.peer != at)
			peer = NO_SLOT; /* it has a newer one by now */
		u64 iw = peer != NO_SLOT && !word_stale(c, TABLE_FLOWS, in.flow.interface, in.words[0])
				 ? in.words[0]
				 : 0;
		u32 in_idle = iw ? word_age(iw, s->now) : idle;

		if (iw)
			bit_set(s->paired, peer);
		if (in_idle < idle)
			idle = in_idle;
		if (idle > session_timeout(c, flow_class(&out->flow), ow, iw, s->now) &&
		    session_end(s, at, ow, peer, iw)) {
			s->counts.ended_sessions++;
			return;
		}
	}
	if (flow_has_spi(&out->flow))
		sweep_claimed(s, &out->flow, idle);
	sweep_mark(s, &out->flow);
	sweep_permit(s, &out->flow);
}

static inline u32 mapping_timeout(const struct config *c, u8 class)
{
	/* Of a connection: its last session has ended, and with it the reason to keep it longer. */
	return class_connects(class) ? c->timers.tcp_trans_close_timeout : class_timeout(c, class);
}

/* Ticks that a flow by itself says its session may be idle. */
static inline u32 flow_timeout(const struct config *c, const struct flow *f, u64 w)
{
	if (!class_connects(flow_class(f)))
		return mapping_timeout(c, flow_class(f));
	if (word_flags(w) & (FLAG_FIN | FLAG_RST))
		return c->timers.tcp_trans_close_timeout;
	return tcp_timeout(c, word_flags(w) & FLAG_DATA ? TCP_ESTABLISHED : TCP_INIT);
}

/*
 * A reset ended this flow, not its mapping: the endpoint keeps its outside port for as long as the session would have lived.
 * No session is left to mark the mapping, so it is told by its own time: last used when it has to have been, which may be
 * ahead of ours. 0: it keeps nothing, for its time is over or the mapping is not this one any more.
 */
static inline int mapping_lease(struct sweep *s, const struct flow *f, u64 w)
{
	const struct config *c = env_config(s->nat);
	int out = f->direction == DIRECTION_OUT;
	struct endpoint inside = { .addr = out ? f->saddr : f->addr,
				   .port = out ? f->sport : f->port,
				   .zero = 0 };
	struct endpoint outside = { .addr = out ? f->addr : f->daddr,
				    .port = out ? f->port : f->dport,
				    .zero = 0 };
	u8 class = flow_class(f);
	u32 timeout = flow_timeout(c, f, w), at;
	u32 used = (word_time(w) + timeout - mapping_timeout(c, class)) & TIME;

	if (word_age(w, s->now) > timeout)
		return 0;
	at = mapping_slot(s->nat, f->mapping, inside, class, f->interface & (MAX_OUTSIDE - 1));
	if (at == NO_SLOT)
		return 0;
	struct slot *slot = env_slot(s->nat, TABLE_MAPPINGS, at);
	for (int i = 0; i < RAISES; i++) {
		struct insert half;
		u64 now = LOAD(&slot->word);
		if (word_state(now) != LIVE || !slot_read(s->nat, TABLE_MAPPINGS, at, now, &half) ||
		    half.mapping.addr != outside.addr || half.mapping.port != outside.port ||
		    mapping_stale(c, half.mapping.interface, half.mapping.own, now))
			return 0;
		if (!word_age(now, used) || CAS(&slot->word, now, (now & ~TIME) | used))
			return 1;
	}
	return 1;
}

/*
 * An outbound flow of TCP has ended, and its endpoint could not be kept: remember the connection for as long as it could have
 * been idle, so that the next segment from inside is answered (session_lost()). Whoever needs the slot may have it.
 */
static inline void flow_bury(struct nat_instance *nat, const struct flow *f, u64 w, u32 now)
{
	const struct config *c = env_config(nat);
	u32 timeout = flow_timeout(c, f, w);
	struct insert ins = { .hash = 0 };
	union flow_key key;
	union flow_value value = { .word = { 0 } };

	if (f->direction != DIRECTION_OUT || f->own & OWN_ROUTER || flow_class(f) != CLASS_TCP ||
	    word_flags(w) & (FLAG_FIN | FLAG_RST) || word_age(w, now) > timeout)
		return;
	flow_key_between(&key, (struct endpoint){ .addr = f->saddr, .port = f->sport },
			 (struct endpoint){ .addr = f->daddr, .port = f->dport }, f->protocol, DIRECTION_OUT);
	value.interface = f->interface;
	value.own = FLOW_ENDED;
	value.idle_max = (u16)(timeout < 0xffff ? timeout : 0xffff);
	value.peer = NO_SLOT;
	value.mapping = NO_SLOT;
	value.addr = f->addr;
	value.port = f->port;
	ins.words[0] = word_make(word_time(w), generation_now(c, TABLE_FLOWS, f->interface), word_flags(w));
	ins.words[1] = key.word[0];
	ins.words[2] = key.word[1];
	for (u32 i = 0; i < 3; i++)
		ins.words[i + 3] = value.word[i];
	ins.hash = table_hash(c, TABLE_FLOWS, key.word);
	ins.now = now;
	(void)flows_insert(nat, &ins);
}

/* Have the flow's outside address left, and its host another one to go to? Then the flow is over; else it waits. */
static inline int flow_left(struct nat_instance *nat, const struct flow *f)
{
	const struct config *c = env_config(nat);
	struct request r = { .own = f->own & OWN_ROUTER, .interface = f->interface };

	if (!address_left(c, f->index) || f->own & FLOW_ENDED)
		return 0;
	r.inside.addr = f->direction == DIRECTION_OUT ? f->saddr : f->addr;
	return f->direction == DIRECTION_PERMIT ||
	       host_can_move(nat, &r, f->direction == DIRECTION_OUT ? f->addr : f->daddr);
}

/*
 * End a flow that does not exist any more. stale: by a reset, of which its mapping perhaps knows nothing; else its address has
 * left. A packet that the end overtook may have touched it: then another pass ends it.
 */
static inline void flow_retire(struct sweep *s, u32 at, const struct insert *f, int stale)
{
	int served = !(f->flow.own & FLOW_ENDED) && f->flow.direction != DIRECTION_PERMIT;
	int out = served && f->flow.direction == DIRECTION_OUT;

	if (!slot_end(env_slot(s->nat, TABLE_FLOWS, at), f->words[0])) {
		sweep_at(s, f->flow.interface)->old_sessions += (u64)(out && stale);
		if (served)
			sweep_mark(s, &f->flow); /* its mapping was used just now */
		return;
	}
	FAULT(sweep_retired);
	s->counts.ended_sessions += (u64)out;
	sweep_at(s, f->flow.interface)->ended_sessions += (u64)(out && stale);
	if (!(served && stale && mapping_lease(s, &f->flow, f->words[0])))
		flow_bury(s->nat, &f->flow, f->words[0], s->now);
}

/* A flow of a call is older than the last reset. 1: it counts again (call.h). */
static inline int sweep_call(struct sweep *s, u32 at, struct insert *f)
{
	int out = f->flow.direction == DIRECTION_OUT;
	struct slot *slot = env_slot(s->nat, TABLE_FLOWS, at);

	if (!call_renew(s->nat, slot, f->words[0], word_time(f->words[0]), out ? f->flow.saddr : f->flow.addr,
			out ? f->flow.addr : f->flow.daddr, f->flow.interface, f->flow.own))
		return 0;
	u64 w = LOAD(&slot->word);
	if ((w ^ f->words[0]) & IDENT)
		return 0;
	f->words[0] = w;
	return 1;
}

/* Read a flow, and end it if it does not exist any more. 0: nothing more to do. */
static inline int sweep_flow_read(struct sweep *s, u32 at, struct insert *f)
{
	u64 w = LOAD(&env_slot(s->nat, TABLE_FLOWS, at)->word);

	if (word_state(w) != LIVE || !slot_read(s->nat, TABLE_FLOWS, at, w, f))
		return 0;
	int stale = word_stale(env_config(s->nat), TABLE_FLOWS, f->flow.interface, w);
	if (stale && f->flow.own & FLOW_CALL && sweep_call(s, at, f))
		stale = 0;
	if (stale || flow_left(s->nat, &f->flow)) {
		flow_retire(s, at, f, stale);
		return 0;
	}
	tidy_want(s, TABLE_FLOWS, at, &f->words[1]);
	return 1;
}

static inline void sweep_other(struct sweep *s, u32 at)
{
	struct insert f;

	if (!sweep_flow_read(s, at, &f))
		return;
	if (f.flow.direction == DIRECTION_PERMIT) {
		if (word_age(f.words[0], s->now) > f.flow.idle_max)
			slot_end(env_slot(s->nat, TABLE_FLOWS, at), f.words[0]);
		return;
	}
	bit_set(s->inbound, at);
	if (!flow_is_young(s, &f.flow, f.words[0]))
		bit_set(s->aged, at);
}

/*
 * A batch. Its slots are sorted first, free, outbound and other, without a branch: which a slot is nobody can predict, and
 * a wrong guess for each costs more than the memory does. Then the lines that outbound flows will ask for are fetched ahead.
 */
static inline void sweep_flows(struct sweep *s, u32 from, u32 to)
{
	const struct config *c = env_config(s->nat);
	u32 outs[SWEEP_BATCH + 1], others[SWEEP_BATCH + 1], out_count = 0, other_count = 0;

	for (u32 i = from; i < to; i++) {
		__builtin_prefetch(env_slot(s->nat, TABLE_FLOWS, (i + SWEEP_AHEAD) & c->flow_mask));
		u32 live = sweep_live(s, TABLE_FLOWS, i) != 0;
		u32 out = live & (WORD_FIELD(LOAD(&env_slot(s->nat, TABLE_FLOWS, i)->data[1]), 40, 8) ==
				  DIRECTION_OUT);

		outs[out_count] = others[other_count] = i;
		out_count += out;
		other_count += live & !out;
	}
	for (u32 i = 0; i < out_count; i++) {
		struct slot *slot = env_slot(s->nat, TABLE_FLOWS, outs[i]);
		u32 mapping = WORD_FIELD(LOAD(&slot->data[4]), 0, 31) & c->mapping_mask;
		u32 peer = WORD_FIELD(LOAD(&slot->data[2]), 32, 31) & c->flow_mask;
		__builtin_prefetch(&s->marks[mapping], 1);
		__builtin_prefetch(&s->paired[peer >> 6], 1);
	}
	for (u32 i = 0; i < other_count; i++)
		sweep_other(s, others[i]);
	for (u32 i = 0; i < out_count; i++) {
		struct insert f;
		if (sweep_flow_read(s, outs[i], &f))
			sweep_session(s, outs[i], &f);
	}
	if (s->watch.flows_passed)
		s->watch.flows_passed(s->watch.context, from, to);
}

/* An inbound flow that no outbound one named, or that was idle for long. */
static inline void sweep_orphan(struct sweep *s, u32 at)
{
	struct nat_instance *nat = s->nat;
	struct insert in, out;
	u64 w = LOAD(&env_slot(nat, TABLE_FLOWS, at)->word);

	if (word_state(w) != LIVE || !slot_read(nat, TABLE_FLOWS, at, w, &in) ||
	    in.flow.direction != DIRECTION_IN)
		return;
	if (in.flow.realm) { /* a claim, no session */
		if (!bit_get(s->paired, at) &&
		    word_age(w, s->now) > session_timeout(env_config(nat), CLASSES, 0, w, s->now))
			slot_end(env_slot(nat, TABLE_FLOWS, at), w);
		return;
	}
	if (flow_peer(nat, &in.flow, &out) != NO_SLOT)
		return; /* the session was judged with its outbound half, or will be in the next pass */
	if (word_age(w, s->now) > session_timeout(env_config(nat), flow_class(&in.flow), 0, w, s->now) &&
	    slot_end(env_slot(nat, TABLE_FLOWS, at), w)) {
		s->counts.ended_sessions++;
		return;
	}
	if (flow_has_spi(&in.flow))
		sweep_claimed(s, &in.flow, word_age(w, s->now));
	sweep_mark(s, &in.flow);
}

/*
 * Mappings
 */

/* An inside half has ended, of which nothing was heard since `until`: end the outside half that it named, and give the port back. */
static inline void sweep_release(struct sweep *s, const struct mapping *i, u32 until)
{
	struct nat_instance *nat = s->nat;
	const struct config *c = env_config(nat);
	struct endpoint outside = { .addr = i->addr, .port = i->port, .zero = 0 };
	u64 key = mapping_key(outside, i->class, HALF_OUTSIDE, i->interface), w;
	struct insert o;
	u32 at;
	struct slot *slot =
		table_find(nat, c, TABLE_MAPPINGS, table_hash(c, TABLE_MAPPINGS, &key), &key, &w, &at);

	/* Young: its endpoint has just come back, and is about to join it. */
	if (!slot || word_age(w, s->now) < SWEEP_PATIENCE || !slot_read(nat, TABLE_MAPPINGS, at, w, &o) ||
	    o.mapping.addr != i->key_addr || o.mapping.port != i->key_port || !slot_end(slot, w))
		return;
	FAULT(sweep_outside);
	if (s->watch.ended)
		s->watch.ended(s->watch.context, at, &o, until);
	struct outside_address a = address_find(nat, c, i->addr);
	if (a.addr && a.index < c->addresses && i->class < CLASSES)
		port_give(nat, port_area(a.index, i->class), be16_to_host(i->port));
}

/* The sessions that marked this inside half. A wrong tag makes this pass, and the next, distrust all marks. */
static inline u32 sweep_marked(struct sweep *s, u32 at, u64 key)
{
	const struct mark *mark = &s->marks[at];

	if (mark->sessions && mark->tag != mark_tag(key))
		s->distrust |= 1;
	return mark->sessions;
}

/*
 * A half rests from now on, if nobody touched it since w was read. From now on, not from its last use: packets of a session do
 * not touch its mapping, and while there is no daemon no time is over.
 */
static inline int half_rest(struct sweep *s, u32 at, u64 w)
{
	return CAS(&env_slot(s->nat, TABLE_MAPPINGS, at)->word, w, word_rest(w, s->clock));
}

/* Is the time of this inside half over, or that of its rest? */
static inline int inside_over(const struct sweep *s, const struct insert *i, u32 sessions)
{
	const struct config *c = env_config(s->nat);
	u64 w = i->words[0];
	u32 age = word_age(w, s->now);

	if (s->distrust & 1 || i->mapping.own & OWN_FIXED)
		return 0;
	/* Touched at least so long ago, or by mapping_lease(): then no packet is at work on it. */
	if (word_stale(c, TABLE_MAPPINGS, i->mapping.interface, w))
		return age >= SWEEP_PATIENCE ||
		       word_age(word_make(s->now, 0, 0), word_time(w)) >= SWEEP_PATIENCE;
	return !sessions && age > (word_flags(w) & RESTING ? c->timers.hold_down_timeout
							   : mapping_timeout(c, i->mapping.class));
}

/* This half rests: is it one more than may? */
static inline int rest_too_many(struct sweep *s, u64 w)
{
	u32 max = env_config(s->nat)->timers.hold_down_max;

	return s->resting++ >= max && max && word_age(w, s->now) >= SWEEP_PATIENCE && !(s->distrust & 1);
}

/*
 * Blocks that are lent
 */

/* The bit of a block of an outside address, or NO_SLOT. */
static inline u32 block_bit(const struct config *c, struct nat_instance *nat, __be32 addr, u32 block)
{
	struct outside_address a = address_find(nat, c, addr);

	if (!a.addr || a.index >= c->addresses || block >= BLOCK_WORDS * 64)
		return NO_SLOT;
	return a.index * BLOCK_WORDS * 64 + block;
}

/* A port of the address with this number is claimed. */
static inline void block_use(struct sweep *s, u32 interface, u32 index, u32 port)
{
	u32 size = env_config(s->nat)->shares[interface & (MAX_OUTSIDE - 1)].block_size;

	if (size)
		bit_set(s->block_used, index * BLOCK_WORDS * 64 + port / size);
}

/* It is told once to whom a block is lent (inside 0: to nobody), and once that it is so no more. at: its bit. */
static inline void block_tell(struct sweep *s, u32 interface, struct endpoint block, u32 at, __be32 inside)
{
	__be32 before;

	if (at == NO_SLOT || s->block_told[at] == inside)
		return;
	before = s->block_told[at];
	s->block_told[at] = inside;
	s->counts.returned_blocks += before != 0;
	s->counts.lent_blocks += inside != 0;
	if (s->block_tell && before)
		s->block_tell(s->block_context, interface, block, before, 0);
	if (s->block_tell && inside)
		s->block_tell(s->block_context, interface, block, inside, 1);
}

/*
 * May a port of a block be claimed? What was touched, or came to rest, before the last pass began, had by then all the
 * claims that it would have.
 */
static inline int block_in_use(const struct sweep *s, u64 w, u32 at)
{
	return !s->passes || word_age(w, s->before) < SWEEP_PATIENCE ||
	       (at != NO_SLOT && bit_get(s->last_block_used, at));
}

/* The outside half of a block whose inside half has ended: does a port of it still keep it from others? */
static inline int block_kept(const struct sweep *s, u64 w, const struct mapping *o)
{
	return o->class == CLASS_BLOCK &&
	       block_in_use(s, w,
			    block_bit(env_config(s->nat), s->nat, o->key_addr, be16_to_host(o->key_port)));
}

/* It ended. */
static inline void block_gone(struct sweep *s, const struct mapping *o)
{
	struct endpoint block = { .addr = o->key_addr, .port = o->key_port, .zero = 0 };

	block_tell(s, o->interface, block,
		   block_bit(env_config(s->nat), s->nat, block.addr, be16_to_host(block.port)), 0);
}

/* The inside half of a block, of this word: is it to be returned? Then 1. */
static inline int block_over(const struct sweep *s, u64 w, u32 at, int stale)
{
	u32 age = word_age(w, s->now);

	if (stale)
		return age >= SWEEP_PATIENCE;
	return !block_in_use(s, w, at) && age > env_config(s->nat)->timers.hold_down_timeout;
}

static inline void sweep_block(struct sweep *s, u32 at, const struct insert *i)
{
	const struct config *c = env_config(s->nat);
	struct slot *slot = env_slot(s->nat, TABLE_MAPPINGS, at);
	u64 w = i->words[0];
	int stale = mapping_stale(c, i->mapping.interface, i->mapping.own, w);
	struct endpoint block = { .addr = i->mapping.addr, .port = i->mapping.port, .zero = 0 };
	u32 bit = block_bit(c, s->nat, block.addr, be16_to_host(block.port));

	if (block_over(s, w, bit, stale) && slot_end(slot, w)) {
		if (!stale)
			sweep_release(s, &i->mapping, word_time(w));
		block_tell(s, i->mapping.interface, block, bit, 0);
		return;
	}
	tidy_want(s, TABLE_MAPPINGS, at, &i->words[1]);
	if (stale)
		return;
	if (bit != NO_SLOT && bit_get(s->last_block_used, bit) && word_age(w, s->now))
		slot_touch(slot, w, s->now, word_gen(w), 0);
	sweep_at(s, i->mapping.interface)->blocks++;
	block_tell(s, i->mapping.interface, block, bit, i->mapping.key_addr);
}

static inline void sweep_inside(struct sweep *s, u32 at)
{
	const struct config *c = env_config(s->nat);
	struct insert i;
	u64 w = LOAD(&env_slot(s->nat, TABLE_MAPPINGS, at)->word);

	if (word_state(w) != LIVE || !slot_read(s->nat, TABLE_MAPPINGS, at, w, &i) ||
	    i.mapping.half & HALF_OUTSIDE)
		return;
	if (i.mapping.class == CLASS_BLOCK) {
		sweep_block(s, at, &i);
		return;
	}
	u32 sessions = sweep_marked(s, at, i.words[1]);
	int stale = mapping_stale(c, i.mapping.interface, i.mapping.own, w),
	    resting = word_flags(w) & RESTING;
	int over = inside_over(s, &i, sessions);
	if (resting && !over && !sessions)
		over = rest_too_many(s, w);
	if (over && (stale || resting) && slot_end(env_slot(s->nat, TABLE_MAPPINGS, at), w)) {
		FAULT(sweep_inside);
		s->counts.ended_mappings += !resting; /* else it was counted when it began to rest */
		sweep_at(s, i.mapping.interface)->ended_mappings += (u64)(stale && !resting);
		if (!stale)
			sweep_release(s, &i.mapping, word_time(w));
		return;
	}
	tidy_want(s, TABLE_MAPPINGS, at, &i.words[1]);
	if (over && !stale && !resting && half_rest(s, at, w)) {
		FAULT(sweep_rests);
		s->counts.ended_mappings++;
		return;
	}
	if (resting)
		return;
	if (stale) {
		sweep_at(s, i.mapping.interface)->old_mappings++;
		return;
	}
	sweep_at(s, i.mapping.interface)->mappings++;
	s->counts.mappings[i.mapping.class < CLASSES ? i.mapping.class : 0]++;
	u32 host = host_slot(s->nat, i.mapping.host, i.mapping.key_addr, i.mapping.interface);
	if (host == NO_SLOT)
		return;
	s->host_mappings[host]++;
	s->host_sessions[host] += sessions;
	if (s->limited && !(i.mapping.own & OWN_FIXED)) {
		struct limit *seen = &s->accounts[host].seen[account_class(i.mapping.class)];
		seen->mappings++;
		seen->sessions += sessions;
	}
}

/* A batch: sorted first, as flows are; then the hosts that the inside halves will ask for are fetched ahead. */
static inline void sweep_insides(struct sweep *s, u32 from, u32 to)
{
	const struct config *c = env_config(s->nat);
	u32 insides[SWEEP_BATCH + 1], count = 0;

	for (u32 i = from; i < to; i++) {
		__builtin_prefetch(env_slot(s->nat, TABLE_MAPPINGS, (i + SWEEP_AHEAD) & c->mapping_mask));
		u32 live = sweep_live(s, TABLE_MAPPINGS, i) != 0;
		struct slot *slot = env_slot(s->nat, TABLE_MAPPINGS, i);
		u32 inside = live & !(WORD_FIELD(LOAD(&slot->data[0]), 56, 8) & HALF_OUTSIDE);

		insides[count] = i;
		count += inside;
		s->distrust |= !inside & (s->marks[i].sessions != 0);
		__builtin_prefetch(env_slot(s->nat, TABLE_HOSTS,
					    WORD_FIELD(LOAD(&slot->data[2]), 0, 31) & c->host_mask));
	}
	for (u32 i = 0; i < count; i++)
		sweep_inside(s, insides[i]);
}

/* The key of the inside half that an outside half names. */
static inline u64 half_other(const struct mapping *o)
{
	struct endpoint inside = { .addr = o->addr, .port = o->port, .zero = 0 };

	return mapping_key(inside, o->class, HALF_INSIDE, o->interface);
}

/* Does that inside half name it? */
static inline int half_agrees(struct nat_instance *nat, const struct mapping *o)
{
	const struct config *c = env_config(nat);
	u64 key = half_other(o), w;
	u32 at;
	struct slot *slot =
		table_find(nat, c, TABLE_MAPPINGS, table_hash(c, TABLE_MAPPINGS, &key), &key, &w, &at);
	struct insert i;

	return slot && slot_read(nat, TABLE_MAPPINGS, at, w, &i) && i.mapping.addr == o->key_addr &&
	       i.mapping.port == o->key_port;
}

/* Is it time to ask whose this outside half is? */
static inline int outside_asked(const struct sweep *s, u32 at, const struct insert *o)
{
	const struct config *c = env_config(s->nat);
	u64 w = o->words[0];
	u32 age = word_age(w, s->now);

	if (word_flags(w) & RESTING)
		return age > c->timers.hold_down_timeout;
	return age >= SWEEP_PATIENCE && (!((at ^ (u32)s->passes) & (SWEEP_AUDIT - 1)) ||
					 word_stale(c, TABLE_MAPPINGS, o->mapping.interface, w));
}

/* An outside half, as it was when its batch was read. */
struct sweep_half {
	u32 at, area; /* its slot; of its port, NO_AREA: its address is none of ours */
	int asked;
	struct insert o;
};
enum { NO_AREA = 0xffffffff };

/* Read a slot, and ask for the lines that judging it will need. 1: it is an outside half. */
static inline u32 sweep_outside_read(struct sweep *s, u32 at, struct sweep_half *half)
{
	const struct config *c = env_config(s->nat);
	u64 w = LOAD(&env_slot(s->nat, TABLE_MAPPINGS, at)->word);
	const struct mapping *m = &half->o.mapping;

	if (word_state(w) != LIVE || !slot_read(s->nat, TABLE_MAPPINGS, at, w, &half->o) ||
	    !(m->half & HALF_OUTSIDE))
		return 0;
	struct outside_address a = address_find(s->nat, c, m->key_addr);
	half->at = at;
	half->area = NO_AREA;
	half->asked = outside_asked(s, at, &half->o);
	if (a.addr && a.index < c->addresses && m->class < CLASSES) {
		half->area = port_area(a.index, m->class);
		__builtin_prefetch(&s->claimed[half->area + (be16_to_host(m->key_port) >> 6)], 1);
	}
	if (half->asked) {
		u64 key = half_other(m);
		table_fetch(s->nat, c, TABLE_MAPPINGS, &key);
	}
	return 1;
}

static inline void sweep_outside(struct sweep *s, const struct sweep_half *half)
{
	u64 w = half->o.words[0];
	u32 port = be16_to_host(half->o.mapping.key_port);
	int resting = word_flags(w) & RESTING, asked = half->asked && !half_agrees(s->nat, &half->o.mapping);

	tidy_want(s, TABLE_MAPPINGS, half->at, &half->o.words[1]);
	if (asked && resting && !block_kept(s, w, &half->o.mapping) &&
	    slot_end(env_slot(s->nat, TABLE_MAPPINGS, half->at), w)) {
		if (s->watch.ended)
			s->watch.ended(s->watch.context, half->at, &half->o, word_time(w));
		if (half->area != NO_AREA)
			port_give(s->nat, half->area, port);
		else if (half->o.mapping.class == CLASS_BLOCK)
			block_gone(s, &half->o.mapping);
		return;
	}
	if (asked && !resting)
		(void)half_rest(s, half->at, w);
	if (half->area == NO_AREA) {
		if (half->o.mapping.class == CLASS_BLOCK)
			sweep_at(s, half->o.mapping.interface)->blocks_taken++;
		return;
	}
	bit_set(s->claimed + half->area, port);
	block_use(s, half->o.mapping.interface, half->area / (PORT_AREAS * PORT_AREA), port);
}

/* A batch: the outside halves first, without a branch. */
static inline void sweep_outsides(struct sweep *s, u32 from, u32 to)
{
	const struct config *c = env_config(s->nat);
	u32 outsides[SWEEP_BATCH + 1], count = 0, read = 0;
	struct sweep_half halves[SWEEP_BATCH];

	for (u32 i = from; i < to; i++) {
		struct slot *slot = env_slot(s->nat, TABLE_MAPPINGS, i);
		__builtin_prefetch(env_slot(s->nat, TABLE_MAPPINGS, (i + SWEEP_AHEAD) & c->mapping_mask));
		outsides[count] = i;
		count += (word_state(LOAD(&slot->word)) == LIVE) &
			 (WORD_FIELD(LOAD(&slot->data[0]), 56, 8) >> 7);
	}
	for (u32 i = 0; i < count; i++)
		read += sweep_outside_read(s, outsides[i], &halves[read]);
	for (u32 i = 0; i < read; i++)
		sweep_outside(s, &halves[i]);
	if (s->watch.passed)
		s->watch.passed(s->watch.context, from, to);
}

/*
 * Ports
 */

static inline void sweep_port_word(struct sweep *s, u32 area, u32 i)
{
	u64 *word = env_port_word(s->nat, area + i), was = LOAD(word);
	u64 claimed = s->claimed[area + i], missing = claimed & ~was, idle = was & ~claimed;
	u64 left = idle & s->missed[area + i];

	s->missed[area + i] = idle & ~left;
	s->claimed[area + i] = 0;
	if (missing)
		FETCH_OR(word, missing);
	if (left) {
		FETCH_AND(word, ~left);
		FAULT(sweep_port);
		s->counts.mended += (u64)__builtin_popcountll(left);
	}
	u64 *summary = env_port_word(s->nat, area + PORT_WORDS + (i >> 6)), full = 1ull << (i & 63);
	if (LOAD(word) != ~0ull && LOAD(summary) & full) {
		FETCH_AND(summary, ~full);
		if (LOAD(word) == ~0ull) /* filled up meanwhile, by one who still saw the summary set */
			FETCH_OR(summary, full);
	} else if (LOAD(word) == ~0ull &&
		   !(LOAD(summary) & full)) { /* one gave back late: a step more for each search */
		FETCH_OR(summary, full);
		if (LOAD(word) != ~0ull)
			FETCH_AND(summary, ~full);
	}
}

/*
 * Hosts and fragments
 */

/* Will this host of an older generation have another address when it is back? */
static inline int host_moves(struct nat_instance *nat, const struct host *h)
{
	struct request r = { .own = h->own & OWN_ROUTER, .interface = h->interface };

	r.inside.addr = h->inside;
	return host_choose(nat, env_config(nat), &r).addr != h->outside;
}

/* A host of an older generation. It is ended once no packet can be at work on it. */
static inline void sweep_host_old(struct sweep *s, struct slot *slot, u64 w, const struct host *h)
{
	struct sweep_place *place = sweep_at(s, h->interface);
	u64 moved = (u64)host_moves(s->nat, h);

	if (word_age(w, s->now) >= SWEEP_PATIENCE && slot_end(slot, w)) {
		place->ended_hosts++;
		place->ended_moved += moved;
		return;
	}
	place->old_hosts++;
	place->old_moved += moved;
}

/* Before the pass. */
static inline void sweep_account(struct sweep *s, u32 at)
{
	struct slot *slot = env_slot(s->nat, TABLE_HOSTS, at);
	struct account *a = &s->accounts[at];

	a->host = LOAD(&slot->word);
	for (u32 i = 0; i < ACCOUNTS; i++) {
		a->was[i] = LOAD(account_at(slot, i));
		a->seen[i] = (struct limit){ 0, 0 };
	}
}

/* After it. Where a packet comes in between, or the host came in this pass, the next pass does it. */
static inline void account_settle(struct sweep *s, u32 at, struct slot *slot, u32 interface)
{
	if (!slot_same(slot, s->accounts[at].host))
		return;
	for (u32 i = 0; i < ACCOUNTS; i++) {
		const struct limit *seen = &s->accounts[at].seen[i];
		u64 is = LOAD(account_at(slot, i)), now = account_now(env_config(s->nat), interface, is),
		    was = account_under(s->accounts[at].was[i], now);
		u32 mappings = account_settled(account_mappings(was), account_mappings(now), seen->mappings),
		    sessions = account_settled(account_sessions(was), account_sessions(now), seen->sessions);
		(void)CAS(account_at(slot, i), is, account_make(now, mappings, sessions));
	}
}

/*
 * A reverse entry: inside and outside are changed about. The claim on an address ends when its host has another, or none, and
 * no packet can be at work on it. Seldom its time is set, which must not come round.
 */
static inline void sweep_reverse(struct sweep *s, struct slot *slot, u64 w, const struct host *h)
{
	const struct config *c = env_config(s->nat);
	u32 age = word_age(w, s->now);

	if (h->own & OWN_FIXED)
		return;
	if (word_stale(c, TABLE_HOSTS, h->interface, w))
		slot_end(slot, w);
	else if (host_other(s->nat, c, h->outside, h->interface) != h->inside)
		(void)(age >= SWEEP_PATIENCE && slot_end(slot, w));
	else if (age > TIME / 8)
		slot_touch(slot, w, s->now, word_gen(w), 0);
}

/* Is the address with this number vacant, where it is to be one host's alone? */
static inline void sweep_address(struct sweep *s, u32 index)
{
	const struct config *c = env_config(s->nat);
	union {
		u64 word;
		struct outside_address address;
	} a = { .word = LOAD(&c->indexes[index]) };

	if (a.word && interface_alone(c, a.address.interface))
		vacant_set(s->nat, a.address.interface, index, !address_taken(s->nat, c, a.address));
}

/* Is the host in use: has it mappings, or sessions without? */
static inline int host_is_used(const struct sweep *s, u32 at)
{
	return s->host_mappings[at] || s->host_sessions[at];
}

/*
 * No mapping of its, in this pass and the last, and no packet lately: a packet from outside that has found a mapping, which came
 * to rest then, might still have it back.
 */
static inline int host_is_idle(const struct sweep *s, u32 at, u32 age)
{
	return s->passes && !host_is_used(s, at) && !s->last_host_mappings[at] &&
	       !s->last_host_sessions[at] && age >= SWEEP_PATIENCE;
}

/* The host that has been idle for longest, of an interface on which each has its own address. */
static inline void idle_remember(struct sweep *s, u32 at, u64 w, const struct host *h)
{
	struct idle_host *idle = &s->idle[h->interface & (MAX_OUTSIDE - 1)];

	if (!address_serves(address_find(s->nat, env_config(s->nat), h->outside), h->interface, 0))
		return; /* it would be of no use to others */
	if (idle->word && word_age(idle->word, s->now) >= word_age(w, s->now))
		return;
	idle->word = w;
	idle->slot = at;
	idle->address =
		(struct outside_address){ .addr = h->outside, .index = h->index, .interface = h->interface };
}

/* A host was refused, and no address is vacant: the one that has been idle for longest gives way, if it still is idle. */
static inline void sweep_give_way(struct sweep *s, u32 interface)
{
	struct config *c = env_config(s->nat);
	const struct idle_host *idle = &s->idle[interface];
	struct slot *slot = env_slot(s->nat, TABLE_HOSTS, idle->slot);
	u64 key = host_key(idle->address.addr, (u8)(HOST_OUTSIDE | interface)), w;
	struct insert reverse;
	u32 at;

	if (!LOAD(&c->refused[interface]))
		return;
	STORE(&c->refused[interface], 0);
	if (!idle->word || vacant_find(s->nat, interface, 0) != NO_INDEX || !slot_end(slot, idle->word))
		return;
	slot = table_find(s->nat, c, TABLE_HOSTS, table_hash(c, TABLE_HOSTS, &key), &key, &w, &at);
	if (slot && slot_read(s->nat, TABLE_HOSTS, at, w, &reverse))
		sweep_reverse(s, slot, w, &reverse.host);
	vacant_set(s->nat, interface, idle->address.index, !address_taken(s->nat, c, idle->address));
}

static inline void sweep_host(struct sweep *s, u32 at)
{
	const struct config *c = env_config(s->nat);
	struct slot *slot = env_slot(s->nat, TABLE_HOSTS, at);
	u64 w = sweep_live(s, TABLE_HOSTS, at);
	struct insert copy;

	if (!w || !slot_read(s->nat, TABLE_HOSTS, at, w, &copy))
		return;
	tidy_want(s, TABLE_HOSTS, at, &copy.words[1]);
	if (copy.host.key_interface & HOST_OUTSIDE) {
		sweep_reverse(s, slot, w, &copy.host);
		return;
	}
	int fixed = copy.host.own & OWN_FIXED;
	if (!fixed && slot_stale(c, TABLE_HOSTS, slot, w)) {
		sweep_host_old(s, slot, w, &copy.host);
		return;
	}
	u32 age = word_age(w, s->now);
	if (!fixed && !host_is_used(s, at) && age > c->timers.host_retention_timeout) {
		if (slot_end(slot, w)) {
			FAULT(sweep_host);
			return;
		}
	} else if (host_is_used(s, at) && (age || word_flags(w))) {
		slot_touch(slot, w, s->now, word_gen(w), 0);
	} else if (!fixed && !word_flags(w) && host_is_idle(s, at, age)) {
		(void)CAS(&slot->word, w, w | word_make(0, 0, HOST_IDLE));
	} else if (word_flags(w) & HOST_IDLE && interface_alone(c, copy.host.interface) &&
		   age > c->timers.hold_down_timeout) { /* so its ports have rested */
		idle_remember(s, at, w, &copy.host);
	}
	s->counts.hosts++;
	sweep_at(s, copy.host.interface)->hosts++;
	if (s->limited)
		account_settle(s, at, slot, copy.host.interface);
}

static inline void sweep_fragment(struct sweep *s, u32 at)
{
	struct slot *slot = env_slot(s->nat, TABLE_FRAGMENTS, at);
	u64 w = sweep_live(s, TABLE_FRAGMENTS, at);
	u64 key[2];

	if (!w)
		return;
	key[0] = LOAD(&slot->data[0]);
	key[1] = LOAD(&slot->data[1]);
	if (slot_dead(env_config(s->nat), TABLE_FRAGMENTS, slot, w, s->now) && slot_end(slot, w))
		return;
	tidy_want(s, TABLE_FRAGMENTS, at, key);
}

/*
 * The pass
 */

static inline void sweep_clear(void *memory, unsigned long bytes) { __builtin_memset(memory, 0, bytes); }

static inline void sweep_begin(struct sweep *s, u32 now)
{
	struct sweep_counts *counts = &s->counts;

	s->before = s->now;
	s->now = now;
	for (u32 i = 0; i < MAX_OUTSIDE; i++) {
		struct sweep_place *at = &counts->at[i];
		at->sessions = at->mappings = at->hosts = 0;
		at->old_sessions = at->old_mappings = at->old_hosts = at->old_moved = 0;
		at->blocks = at->blocks_taken = 0;
	}
	__builtin_memset(counts->sessions, 0, sizeof(counts->sessions));
	__builtin_memset(counts->mappings, 0, sizeof(counts->mappings));
	counts->hosts = 0;
	sweep_clear(s->block_used, env_config(s->nat)->addresses * BLOCK_WORDS * sizeof(u64));
	sweep_clear(s->idle, sizeof(s->idle));
	s->distrust = s->distrust & 1 ? 2 : 0;
	s->tidy = s->passes % SWEEP_TIDY == 0;
	s->resting = 0;
	s->limited = env_config(s->nat)->limits.on != 0;
	sweep_clear(s->marks, sweep_slots(s, TABLE_MAPPINGS) * sizeof(*s->marks));
	sweep_clear(s->host_mappings, sweep_slots(s, TABLE_HOSTS) * sizeof(u32));
	sweep_clear(s->host_sessions, sweep_slots(s, TABLE_HOSTS) * sizeof(u32));
	sweep_clear(s->inbound, (sweep_slots(s, TABLE_FLOWS) + 63) / 64 * sizeof(u64));
	sweep_clear(s->aged, (sweep_slots(s, TABLE_FLOWS) + 63) / 64 * sizeof(u64));
	sweep_clear(s->paired, (sweep_slots(s, TABLE_FLOWS) + 63) / 64 * sizeof(u64));
	__builtin_memcpy(s->seen, s->suspects, sizeof(s->seen));
	s->seen_count = s->suspect_count;
	s->suspect_count = 0;
}

static inline void sweep_end(struct sweep *s)
{
	u32 *mappings = s->last_host_mappings, *sessions = s->last_host_sessions;
	u64 *used = s->last_block_used;

	s->last_host_mappings = s->host_mappings;
	s->last_host_sessions = s->host_sessions;
	s->host_mappings = mappings;
	s->host_sessions = sessions;
	s->last_block_used = s->block_used;
	s->block_used = used;
	s->last = s->counts;
	if (s->limited)
		STORE(&env_config(s->nat)->swept, s->clock & TIME);
	s->passes++;
}

/* How many steps a stage has. */
static inline u32 sweep_length(const struct sweep *s)
{
	switch (s->stage) {
	case SWEEP_BEGIN:
		return 0;
	case SWEEP_FRESH:
		return sweep_slots(s, (enum table)s->table);
	case SWEEP_ACCOUNTS:
		return sweep_slots(s, TABLE_HOSTS);
	case SWEEP_FLOWS:
	case SWEEP_ORPHANS:
		return sweep_slots(s, TABLE_FLOWS);
	case SWEEP_INSIDE:
	case SWEEP_OUTSIDE:
		return sweep_slots(s, TABLE_MAPPINGS);
	case SWEEP_PORTS:
		return env_config(s->nat)->addresses * PORT_AREAS * PORT_WORDS;
	case SWEEP_HOSTS:
		return sweep_slots(s, TABLE_HOSTS);
	case SWEEP_ADDRESSES:
		return env_config(s->nat)->alone ? env_config(s->nat)->addresses : 0;
	default:
		return sweep_slots(s, TABLE_FRAGMENTS);
	}
}

static inline void sweep_orphans(struct sweep *s, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++) {
		u64 alone = s->aged[i >> 6] | (s->inbound[i >> 6] & ~s->paired[i >> 6]);
		if (!(i & 63) && !alone) {
			i += 63; /* none in these 64 */
			continue;
		}
		if (alone >> (i & 63) & 1)
			sweep_orphan(s, i);
	}
}

static inline void sweep_range(struct sweep *s, u32 from, u32 to)
{
	switch (s->stage) {
	case SWEEP_FLOWS:
		for (u32 i = from; i < to; i += SWEEP_BATCH)
			sweep_flows(s, i, to - i < SWEEP_BATCH ? to : i + SWEEP_BATCH);
		return;
	case SWEEP_ORPHANS:
		sweep_orphans(s, from, to);
		return;
	case SWEEP_INSIDE:
		for (u32 i = from; i < to; i += SWEEP_BATCH)
			sweep_insides(s, i, to - i < SWEEP_BATCH ? to : i + SWEEP_BATCH);
		return;
	case SWEEP_OUTSIDE:
		for (u32 i = from; i < to; i += SWEEP_BATCH)
			sweep_outsides(s, i, to - i < SWEEP_BATCH ? to : i + SWEEP_BATCH);
		return;
	default:
		break;
	}
	for (u32 i = from; i < to; i++)
		switch (s->stage) {
		case SWEEP_FRESH:
			tidy_turn(s, (enum table)s->table, i);
			s->wanted[s->table][i] = 0;
			break;
		case SWEEP_ACCOUNTS:
			sweep_account(s, i);
			break;
		case SWEEP_PORTS:
			sweep_port_word(s, i / PORT_WORDS * PORT_AREA, i % PORT_WORDS);
			break;
		case SWEEP_HOSTS:
			sweep_host(s, i);
			break;
		case SWEEP_ADDRESSES:
			sweep_address(s, i);
			break;
		default:
			sweep_fragment(s, i);
			break;
		}
	if (s->stage == SWEEP_HOSTS && s->watch.hosts_passed)
		s->watch.hosts_passed(s->watch.context, from, to);
}

/* To the next stage. 1: that was the pass. */
static inline int sweep_advance(struct sweep *s)
{
	s->cursor = 0;
	if (s->stage == SWEEP_FRESH && ++s->table < SWEEP_TABLES)
		return 0;
	if (s->stage == SWEEP_FRAGMENTS) {
		s->stage = SWEEP_BEGIN;
		sweep_end(s);
		return 1;
	}
	for (u32 i = 0; i < MAX_OUTSIDE && s->stage == SWEEP_ADDRESSES; i++)
		sweep_give_way(s, i);
	s->stage++;
	s->table = 0;
	if (s->stage == SWEEP_FRESH && !s->tidy)
		s->stage++;
	if (s->stage == SWEEP_ACCOUNTS && !s->limited)
		s->stage++;
	return 0;
}

/* Go on by about `slots` slots; a pass that begins takes `now` for its time. 1: a pass has just ended. */
static inline int sweep_step(struct sweep *s, u32 now, u32 slots)
{
	s->clock = now;
	if (s->stage == SWEEP_BEGIN) {
		sweep_begin(s, now);
		sweep_advance(s);
	}
	u32 length = sweep_length(s),
	    to = length - s->cursor > slots ? (s->cursor + slots + 63) & ~63u : length;

	if (to > length)
		to = length;
	sweep_range(s, s->cursor, to);
	s->cursor = to;
	return to == length ? sweep_advance(s) : 0;
}

/* A whole pass. */
static inline void sweep_pass(struct sweep *s, u32 now)
{
	while (!sweep_step(s, now, 1u << 30))
		;
}
