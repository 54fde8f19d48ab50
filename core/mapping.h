/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mapping.h - endpoint-independent mappings (RFC 4787 REQ-1), each two halves that point at each other.
 *
 * THE PROTOCOL (tests/model/mapping.pml; the table's own guarantees are taken from table.h)
 *
 * A mapping lives while its inside half I is LIVE and the outside half O that I names is LIVE and names I's endpoint.
 * Inserting O if absent is the claim on the outside port: one slot per (class, address, port, interface), so two
 * inside endpoints cannot own one port. Inserting I if absent makes it the endpoint's only one. The port bit says
 * where to look, nothing more.
 *
 *   out   I found: touch I, then check and touch O. O absent: put it back (mend). O somebody else's: end I, create.
 *   create take a bit, insert O, insert I. Lost the race for I: end O by its word, give the bit, use the winner's.
 *   in    O found: look at I too. Both must agree; then touch I, then O.
 *   rest  the sweep, after a pass in which no session marked it and no packet touched it: RESTING in I.
 *   wake  I found with RESTING: as out, if the host still has that outside address; else end I, create.
 *   end   the sweep, when the rest is over: I, then O, then the bit.
 *
 * REST (RFC 6888 REQ-8). A mapping that ended keeps its port from others for timers.hold_down_timeout: its time is now when
 * the rest began. It counts no more, packets from outside find none, and the next packet of its own endpoint has it back.
 * The flag comes by a CAS on the word that was judged, so a packet that touched first keeps the mapping. One that read I
 * before the flag came and touches it afterwards takes the flag away, since a touch tries again while the entry is the same:
 * that is right too, from either side, for O, bit and address were the mapping's all the time, and it lives on as if the
 * packet had come before the sweep. Which reads I after the flag came acts on that. The end is a CAS on a word with the flag:
 * who wakes the mapping first keeps it.
 *
 * Whoever dies between two steps leaves an O without I, or a bit without O; the sweep finds both. A mapping of an
 * older generation, or whose outside address left the interface, is absent to packets; its O keeps the port from others.
 * An O that no I names rests, too, from when the sweep finds it, with the flag in its own word; nobody has it back, but the
 * endpoint of a host whose ports stay as they are. Where an address is one host's alone, an O of another is nobody's.
 *
 * BLOCKS (RFC 6888 REQ-14, RFC 7422). A block of ports that is lent is a mapping, too: of the class CLASS_BLOCK, its inside
 * endpoint the host and which of its blocks it is, its outside endpoint the address and the number of the block. So a block
 * has one owner by the same protocol: O inserted if absent is the claim, of I for one host and place the first counts, and
 * who lost ends his O by its word. It is there when packets and daemon come and go as other mappings are. All classes of a
 * host use its blocks.
 *
 * A port is sought in the host's own run (shares.h), if it has one, then in its blocks, each in turn, and when all are full
 * in one more, if it may have that. Who takes a port of a block touches its I before, and the sweep ends by a CAS on the
 * word that it judged only those that nobody touched, and of which no port was claimed or at rest, for hold_down_timeout:
 * the block of a packet that is at work on it stays. A block has no rest of its own, since its ports have rested. What ends
 * otherwise, by a reset of mappings or since its host has another address, leaves its O to rest as others do, and for as
 * long as a port of it is claimed. A mapping that stands needs no look at its block.
 */
#pragma once
#include "core/account.h"
#include "core/ports.h"

enum { CLAIMS = 8, MAPPING_TRIES = 2 };
enum { MAPPING_ABSENT, MAPPING_STANDS, MAPPING_WAITS, MAPPING_RESTS, MAPPING_AGAIN = 0xffff };
enum { RESTING = 1 }; /* a flag of the word; every touch takes it away */

/* The word of a half that rests from now on. */
static __always_inline u64 word_rest(u64 w, u32 now)
{
	return (w & ~(TIME | FLAGS)) | word_make(now, 0, RESTING);
}

union mapping_key {
	u64 word;
	struct {
		__be32 addr;
		__be16 port;
		u8 class;
		u8 half;
	};
};

/* The value: what a packet needs of it, and the rest. */
union mapping_value {
	struct {
		u64 word;
		u64 rest;
	};
	struct {
		u8 interface;
		u8 own;
		__be16 port;
		__be32 addr;
		u32 host;
		u32 created;
	};
};

/* One half, found and read. */
struct half {
	struct slot *slot;
	u64 word;
	u32 number;
	union mapping_value value;
};

static __always_inline u64 mapping_key(struct endpoint e, u8 class, u32 half, u32 interface)
{
	union mapping_key key = { .word = 0 };

	key.addr = e.addr;
	key.port = e.port;
	key.class = class;
	key.half = (u8)(half | interface);
	return key.word;
}

/* Did a reset end a half of this word? Not what the configuration made. */
static __always_inline int mapping_stale(const struct config *c, u32 interface, u32 own, u64 w)
{
	return word_stale(c, TABLE_MAPPINGS, interface, w) && !(own & OWN_FIXED);
}

/* What half_find() saw. */
enum { HALF_LOST = -1, HALF_ABSENT, HALF_STALE, HALF_RESTS, HALF_LIVE };

/*
 * The half that was found, if one was: *h is read if it is HALF_LIVE, HALF_RESTS or, of an older generation, HALF_STALE;
 * HALF_LOST: it ended.
 */
static __always_inline int half_read(const struct config *c, u32 interface, struct half *h)
{
	if (!h->slot)
		return HALF_ABSENT;
	h->value.word = LOAD(&h->slot->data[1]);
	if (!slot_same(h->slot, h->word))
		return HALF_LOST;
	if (mapping_stale(c, interface, h->value.own, h->word))
		return HALF_STALE;
	return word_flags(h->word) & RESTING ? HALF_RESTS : HALF_LIVE;
}

/* The half with this key. */
static __always_inline int half_find(struct nat_instance *nat, const struct config *c, u64 key, u32 interface,
				     struct half *h)
{
	h->slot = table_seek(nat, TABLE_MAPPINGS, &key, &h->word, &h->number);
	return half_read(c, interface, h);
}

/*
 * It counts as used now; a later time that it was promised after a reset (mapping_lease() in sweep.h) stays. Of the
 * generation that it has: a reset that came since it was found holds.
 */
static __always_inline int half_touch(const struct half *h, const struct request *r)
{
	u32 ahead = (u32)((word_time(h->word) - r->now) & TIME);
	u32 time = ahead < TIME / 2 ? word_time(h->word) : r->now;

	return slot_touch(h->slot, h->word, time, word_gen(h->word), 0);
}

/* Insert a half. INSERT_*; work->ins names the slot. */
static __always_inline u32 half_insert(struct nat_instance *nat, const struct config *c, struct work *work,
				       u64 key, struct endpoint other)
{
	struct request *r = &work->req;
	struct insert *ins = &work->ins;
	union mapping_value value;

	value.interface = r->interface;
	value.own = (u8)(r->own | r->fixed);
	value.port = other.port;
	value.addr = other.addr;
	value.host = r->host;
	value.created = r->now;
	ins->words[0] = word_make(r->now, generation_in(r->generation, TABLE_MAPPINGS), 0);
	ins->words[1] = key;
	ins->words[2] = value.word;
	ins->words[3] = value.rest;
	ins->hash = table_hash(c, TABLE_MAPPINGS, &key);
	ins->now = r->now;
	return mappings_insert(nat, ins);
}

/* The candidate of try i: r->port, or 0 and r->outcome if there is none. */
static __always_inline void claim_candidate(struct nat_instance *nat, const struct config *c,
					    struct work *work, u32 i)
{
	struct request *r = &work->req;
	u32 inside = be16_to_host(r->inside.port);

	if (!i && inside &&
	    (r->own || (c->port_preserve && inside >= r->port_min && inside <= r->port_max &&
			!((inside - r->port_min) % r->port_step)))) {
		r->port = inside;
		return;
	}
	/* RFC 7857 section 9, RFC 6056: a port that has to change is not to be guessed. */
	u32 from = i <= 1 ? r->port_min + env_random(nat) % (r->port_max - r->port_min + 1) : r->port + 1;

	if (!port_search(nat, work, from) && r->port_mask != ~0ull) { /* RFC 4787 REQ-4: parity is a wish */
		r->port_mask = ~0ull;
		port_search(nat, work, from);
	}
	if (!r->port)
		r->outcome = REASON_no_port;
}

/*
 * A new session touches lines that are cold where there are many: both halves of its mapping and its inbound flow (the
 * outbound one was looked for already). Asked for together they cost little more than one. Here: those that follow from
 * r->outside.
 */
static __always_inline void mapping_fetch(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u64 outside = mapping_key(r->outside, r->class, HALF_OUTSIDE, r->interface);
	union flow_key key;

	flow_key_of(&key, r, DIRECTION_IN);
	table_fetch(nat, c, TABLE_MAPPINGS, &outside);
	table_fetch(nat, c, TABLE_FLOWS, key.word);
}

/* Of which outside interface translate_ahead() asks for lines: the first, mostly the only one. */
enum { AHEAD_INTERFACE = 0 };

/*
 * The same before the outside endpoint is known: most hosts have their usual address, most endpoints keep their port. unseen: the outbound
 * flow, too, has not been looked for. First where all lines are, then one load after the other: a processor that waits for the first
 * looks some hundred instructions ahead, not more.
 */
SLOW u32 mapping_guess(struct nat_instance *nat, struct work *work, u32 unseen)
{
	const struct config *c = env_config(nat);
	union flow_key in, out;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	struct outside_address a = host_choose(nat, c, r);
	u64 inside_key = mapping_key(r->inside, r->class, HALF_INSIDE, r->interface);
	u64 host_name = host_key(r->inside.addr, r->interface);
	r->outside.addr = a.addr;
	r->outside.port = r->inside.port;
	u64 outside_key = mapping_key(r->outside, r->class, HALF_OUTSIDE, r->interface);
	flow_key_of(&in, r, DIRECTION_IN);
	flow_key_of(&out, r, DIRECTION_OUT);
	struct slot *seen = unseen ? table_home(nat, c, TABLE_FLOWS, out.word) : 0;
	struct slot *flow = table_home(nat, c, TABLE_FLOWS, in.word);
	struct slot *inside = table_home(nat, c, TABLE_MAPPINGS, &inside_key);
	struct slot *outside = table_home(nat, c, TABLE_MAPPINGS, &outside_key);
	struct slot *host = table_home(nat, c, TABLE_HOSTS, &host_name);
	u64 *port = env_port_word(nat, port_area(a.index, r->class) + (be16_to_host(r->inside.port) >> 6));

	if (!flow || !inside || !outside || !host || !port)
		return 0;
	if (seen)
		FETCH_LINE(&seen->word);
	FETCH_LINE(&flow->word);
	FETCH_LINE(&inside->word);
	FETCH_LINE(&outside->word);
	FETCH_LINE(&host->word);
	FETCH_LINE(port);
	return 0;
}

/* Insert the outside half of a port whose bit was just taken. 1: r->outcome says how it went; 0: somebody has it. */
static __always_inline int claim_insert(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;

	switch (half_insert(nat, c, work, mapping_key(r->outside, r->class, HALF_OUTSIDE, r->interface),
			    r->inside)) {
	case INSERT_NEW:
		r->claim = work->ins.found;
		r->claim_slot = work->ins.slot;
		r->outcome = 0;
		return 1;
	case INSERT_FOUND: /* its bit was missing: now it is there */
		return 0;
	case INSERT_FULL:
		r->outcome = REASON_mappings_full;
		break;
	default:
		r->outcome = REASON_table_busy;
		break;
	}
	port_give(nat, port_area(r->index, r->class), be16_to_host(r->outside.port));
	return 1;
}

/* Try the candidate r->port. 1: the search is over, r->outcome says how; 0: somebody has it, go on. */
static __always_inline int claim_try(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u32 port = r->port & 0xffff;
	int taken = port_take(nat, port_area(r->index, r->class), port);

	if (taken < 0)
		r->outcome = REASON_internal;
	if (taken < 0 || (!taken && !(class_shares_ports(r->class) && port == be16_to_host(r->inside.port))))
		return taken;
	if (r->outside.port != host_to_be16(port)) {
		r->outside.port = host_to_be16(port);
		mapping_fetch(nat, c, work);
	}
	if (!r->own && env_local_socket(nat, r->class, r->remote, r->outside)) {
		port_give(nat, port_area(r->index, r->class), port);
		return 0;
	}
	return claim_insert(nat, c, work);
}

/*
 * The outside half that was in the way of r->inside, whose port does not change: its own is what is left of a mapping of it, and
 * serves again; another's is left of a host that had the address before, where it is r->inside's alone now, and ends. w, which
 * is what it ends by, was read before the look at whose the address is: what the next owner made or renewed has another word.
 * 1: r->outcome says how it went; 0: try again.
 */
static __always_inline int claim_found(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	u64 w = work->ins.found;
	struct slot *s = env_slot(nat, TABLE_MAPPINGS, work->ins.slot);
	union mapping_value value;

	if (!s)
		return 0;
	value.word = LOAD(&s->data[1]);
	if (!slot_same(s, w))
		return 0;
	int own = value.addr == r->inside.addr && value.port == r->inside.port;
	if (value.own & OWN_FIXED || !(own || r->alone))
		return 1;
	/* A reset since it was asked: it may be another host's now. */
	if (!own && !host_owns(nat, r, HOST_OUTSIDE)) {
		r->outcome = MAPPING_AGAIN;
		return 1;
	}
	if (!own) {
		slot_end(s, w);
		return 0;
	}
	u32 gen = mapping_stale(c, r->interface, 0, w) ? generation_in(r->generation, TABLE_MAPPINGS)
						       : word_gen(w);
	r->claim = 0; /* not of our making, so it is not ours to undo */
	if (!slot_touch(s, w, r->now, gen, 0))
		return 0;
	r->outcome = 0;
	return 1;
}

/*
 * Claim just r->outside for r->inside; out: with the port of r->inside, for a packet that goes out. 0; REASON_no_port, or in
 * REASON_no_mapping: somebody has it; MAPPING_AGAIN: the address is not the host's any more; or another reason.
 */
SLOW u32 port_claim_this(struct nat_instance *nat, struct work *work, u32 out)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	if (out) {
		r->outside.port = r->inside.port;
		if (!r->alone && env_local_socket(nat, r->class, r->remote, r->outside))
			return REASON_no_port;
	}
	int taken = port_take(nat, port_area(r->index, r->class), be16_to_host(r->outside.port));

	if (taken < 0)
		return REASON_internal;
	for (u32 i = 0; i < MAPPING_TRIES; i++) {
		r->outcome = out ? REASON_no_port : REASON_no_mapping;
		if (claim_insert(nat, c, work) || claim_found(nat, c, work))
			break;
	}
	return r->outcome;
}

static __always_inline void claim_undo(struct nat_instance *nat, const struct request *r)
{
	struct slot *s = env_slot(nat, TABLE_MAPPINGS, r->claim_slot);

	if (s && slot_move(s, r->claim, FREE))
		port_give(nat, port_area(r->index, r->class), be16_to_host(r->outside.port));
}

/*
 * An outside port for r->inside at r->outside.addr, of those that ports_choose() named: r->outside.port, claimed by its
 * outside half. 0 or a reason.
 */
SLOW u32 port_claim(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	work->req.outcome = REASON_port_contention;
	for (u32 i = 0; i < CLAIMS; i++) {
		claim_candidate(nat, c, work, i);
		if (!work->req.port || claim_try(nat, c, work))
			break;
	}
	return work->req.outcome;
}

/* The other half of what port_claim() claimed. 0; MAPPING_AGAIN: another packet was first; or a reason. */
SLOW u32 mapping_join(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	u64 key = mapping_key(r->inside, r->class, HALF_INSIDE, r->interface);
	switch (half_insert(nat, c, work, key, r->outside)) {
	case INSERT_NEW:
		r->mapping = work->ins.slot;
		return 0;
	case INSERT_FOUND:
		claim_undo(nat, r);
		return MAPPING_AGAIN;
	case INSERT_FULL:
		claim_undo(nat, r);
		return REASON_mappings_full;
	default:
		claim_undo(nat, r);
		return REASON_table_busy;
	}
}

/*
 * Blocks
 */

/*
 * What ports_choose() and block_claim() say beside reasons: there is one more block to lend; or there are no more ports at
 * all.
 */
enum { PORTS_CHOSEN, PORTS_TO_LEND = 0xfffe, PORTS_END = 0xffff };
enum { PORT_RUNS = MAX_SPREAD + MAX_BLOCKS, BLOCK_STEPS = 64 };

/* As mapping_key(): of the nth block of a host, and of a block of an outside address. */
static __always_inline u64 block_key(__be32 addr, u32 number, u32 half, u32 interface)
{
	struct endpoint e = { .addr = addr, .port = host_to_be16(number), .zero = 0 };

	return mapping_key(e, CLASS_BLOCK, half, interface);
}

static __always_inline const struct shares *request_shares(const struct config *c, const struct request *r)
{
	return &c->shares[r->interface & (MAX_OUTSIDE - 1)];
}

static __always_inline void block_choose(const struct config *c, struct request *r, u32 block)
{
	u32 size = request_shares(c, r)->block_size;
	struct port_run run = { .first = block * size, .step = 1, .count = size };

	port_run(r, c, run);
}

/* The host's block n: PORTS_CHOSEN, used just now; or PORTS_TO_LEND: it has none, or not at its address, or any more. */
static __always_inline u32 block_find(struct nat_instance *nat, const struct config *c, struct request *r,
				      u32 n)
{
	struct half i;
	int found =
		half_find(nat, c, block_key(r->inside.addr, n, HALF_INSIDE, r->interface), r->interface, &i);

	if (found == HALF_LIVE && i.value.addr == r->outside.addr) {
		if (!half_touch(&i, r))
			return PORTS_TO_LEND;
		block_choose(c, r, be16_to_host(i.value.port));
		return PORTS_CHOSEN;
	}
	if (found == HALF_LIVE || found == HALF_STALE)
		slot_end(i.slot, i.word);
	return PORTS_TO_LEND;
}

/* An address by its number, where hosts have ports of their own: r->outside.addr; 0: it does not serve. */
static __always_inline void shared_address(struct nat_instance *nat, struct request *r, u32 number)
{
	struct outside_address a = address_in_bucket(nat, r->interface, number);

	r->outside.addr = address_serves(a, r->interface, 0) ? a.addr : 0;
	r->index = a.index;
}

/*
 * The ports that r->inside may have, the nth of several runs and blocks. PORTS_CHOSEN, PORTS_TO_LEND, PORTS_END, or
 * REASON_no_port: none in this one. The router's own packets go by no share.
 */
SLOW u32 ports_choose(struct nat_instance *nat, struct work *work, u32 n)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	const struct shares *s = request_shares(c, r);
	u32 runs = share_runs(s), host = share_host(s, be32_to_host(r->inside.addr));

	if (r->own || (!runs && !s->block_count)) {
		port_range(c, r);
		return n ? PORTS_END : PORTS_CHOSEN;
	}
	if (n < runs) {
		struct port_run run = share_run(s, host, n);
		if (host == NO_SHARE)
			return PORTS_END;
		shared_address(nat, r, run.address);
		port_run(r, c, run);
		return r->outside.addr ? (u32)PORTS_CHOSEN : REASON_no_port;
	}
	if (!s->block_count || n >= runs + s->block_max || !r->outside.addr)
		return PORTS_END;
	return block_find(nat, c, r, n);
}

struct block_search {
	struct nat_instance *nat;
	struct request *req;
	u32 from; /* the place in the pool's blocks where to begin */
};

/* Has nobody the block that is i places on? Then r->port is its number. */
static long block_step(u32 i, void *context)
{
	struct block_search *search = context;
	const struct config *c = env_config(search->nat);
	struct request *r = search->req;
	u32 number;
	u64 w;

	if (!c)
		return 1;
	const struct shares *s = request_shares(c, r);
	u32 block = s->block_first + (search->from + i) % s->block_count;
	u64 key = block_key(r->outside.addr, block, HALF_OUTSIDE, r->interface);
	if (table_find(search->nat, c, TABLE_MAPPINGS, table_hash(c, TABLE_MAPPINGS, &key), &key, &w,
		       &number))
		return 0;
	r->port = block;
	return 1;
}

/* A block that looks free, one of BLOCK_STEPS from where chance begins: r->port, or 0. */
SLOW u32 block_search(struct nat_instance *nat, struct work *work)
{
	SLOW_ENTER(nat);
	const struct config *c = env_config(nat);
	if (!work || !c)
		return 0;
	struct block_search search = { .nat = nat, .req = &work->req, .from = env_random(nat) & 0xffff };
	u32 count = request_shares(c, &work->req)->block_count;

	work->req.port = 0;
	env_loop(count < BLOCK_STEPS ? count : (u32)BLOCK_STEPS, block_step, &search);
	return work->req.port;
}

/* An insert that did not insert. */
static __always_inline u32 block_refusal(u32 put)
{
	return put == INSERT_FOUND  ? (u32)PORTS_TO_LEND
	       : put == INSERT_FULL ? REASON_mappings_full
				    : REASON_table_busy;
}

/*
 * Lend a block to r->inside.addr, at r->outside.addr: its nth. PORTS_CHOSEN; PORTS_TO_LEND: another packet was first, look
 * again; or a reason.
 */
SLOW u32 block_claim(struct nat_instance *nat, struct work *work, u32 n)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	if (!block_search(nat, work))
		return REASON_no_port;
	u32 block = r->port;
	struct endpoint inside = { .addr = r->inside.addr, .port = host_to_be16(n), .zero = 0 };
	struct endpoint outside = { .addr = r->outside.addr, .port = host_to_be16(block), .zero = 0 };
	u32 put =
		half_insert(nat, c, work, block_key(outside.addr, block, HALF_OUTSIDE, r->interface), inside);
	if (put != INSERT_NEW)
		return block_refusal(put);
	u64 claim = work->ins.found;
	struct slot *s = env_slot(nat, TABLE_MAPPINGS, work->ins.slot);
	put = half_insert(nat, c, work, block_key(inside.addr, n, HALF_INSIDE, r->interface), outside);
	if (put == INSERT_NEW) {
		block_choose(c, r, block);
		return PORTS_CHOSEN;
	}
	if (s)
		slot_move(s, claim, FREE);
	return block_refusal(put);
}

/* An outside port for r->inside of the nth of its runs and blocks: 0, PORTS_END, or a reason. */
static __always_inline u32 port_out(struct nat_instance *nat, struct work *work, u32 n)
{
	u32 chosen = ports_choose(nat, work, n);

	if (chosen == PORTS_TO_LEND) {
		chosen = block_claim(nat, work, n);
		if (chosen == PORTS_TO_LEND)
			chosen = ports_choose(nat, work, n);
		if (chosen == PORTS_TO_LEND)
			return REASON_table_busy;
	}
	return chosen == PORTS_CHOSEN ? port_claim(nat, work) : chosen;
}

/*
 * Of all the ports that the host may have, one of the first run in which one is free. 0 or a reason. Inlined: a chain of
 * calls has no stack left for one more.
 */
static __always_inline u32 ports_out(struct nat_instance *nat, struct work *work)
{
	u32 reason = REASON_no_port;

	for (u32 n = 0; n < PORT_RUNS && reason == REASON_no_port; n++)
		reason = port_out(nat, work, n);
	return reason == PORTS_END ? (u32)REASON_no_port : reason;
}

/*
 * The outside half of a mapping whose inside half was found and touched. 1: it stands (again); 0: it is another's;
 * -1: it changed while we looked.
 */
static __always_inline int mapping_confirm(struct nat_instance *nat, const struct config *c,
					   struct work *work, const struct half *i)
{
	struct request *r = &work->req;
	struct half o;
	u64 key = mapping_key(r->outside, r->class, HALF_OUTSIDE, r->interface);
	int found = half_find(nat, c, key, r->interface, &o);

	if (found == HALF_LOST)
		return -1;
	if (found != HALF_ABSENT) {
		if (o.value.addr != r->inside.addr || o.value.port != r->inside.port)
			return 0;
		/* Of one generation with the inside half, which decides; or that of one made since. */
		u32 gen = generation_later(word_gen(i->word), word_gen(o.word));
		return slot_touch(o.slot, o.word, r->now, gen, 0) ? 1 : -1;
	}
	if (half_insert(nat, c, work, key, r->inside) != INSERT_NEW)
		return -1;
	port_take(nat, port_area(r->index, r->class), be16_to_host(r->outside.port));
	return 1;
}

/*
 * Use the mapping whose inside half is *i: MAPPING_STANDS, and r->outside and r->mapping tell it; MAPPING_ABSENT: it does
 * not, and i->word is what to end it by; MAPPING_WAITS for an address; MAPPING_AGAIN: it changed while we looked.
 */
static __always_inline u32 mapping_use(struct nat_instance *nat, const struct config *c, struct work *work,
				       struct half *i)
{
	struct request *r = &work->req;
	struct outside_address a = address_find(nat, c, i->value.addr);

	r->fixed = i->value.own & OWN_FIXED;
	if (!address_serves(a, r->interface, r->own | r->fixed))
		return !r->fixed && host_can_move(nat, r, i->value.addr) ? MAPPING_ABSENT : MAPPING_WAITS;
	r->outside.addr = i->value.addr;
	r->outside.port = i->value.port;
	r->mapping = i->number;
	r->index = a.index;
	if (!r->fixed && request_alone(c, r) && !host_owns(nat, r, 0))
		return MAPPING_ABSENT; /* another's meanwhile */
	if (!half_touch(i, r))
		return MAPPING_AGAIN;
	int stands = mapping_confirm(nat, c, work, i);
	if (stands)
		return stands > 0 ? MAPPING_STANDS : MAPPING_AGAIN;
	u64 w = LOAD(&i->slot->word);
	if ((w ^ i->word) & IDENT)
		return MAPPING_AGAIN;
	i->word = w;
	return MAPPING_ABSENT;
}

/*
 * The mapping of r->inside towards r->interface, if there is one: used just now, r->outside and r->mapping tell it.
 * MAPPING_STANDS, MAPPING_ABSENT (what was stale, overruled, or has to move to another address is ended), MAPPING_WAITS
 * (its address is gone and there is no other), MAPPING_RESTS, MAPPING_AGAIN. wake: one that rests is used, too, if its
 * address is the one in r->outside, else ended.
 */
SLOW u32 mapping_known(struct nat_instance *nat, struct work *work, u32 wake)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return MAPPING_AGAIN;
	struct request *r = &work->req;
	r->generation = generation_word(c, r->interface);
	u64 key = mapping_key(r->inside, r->class, HALF_INSIDE, r->interface);
	struct half i;
	int found = half_find(nat, c, key, r->interface, &i);

	r->fixed = r->full = 0;
	if (found == HALF_ABSENT)
		return MAPPING_ABSENT;
	if (found == HALF_LOST)
		return MAPPING_AGAIN;
	if (found == HALF_RESTS && !wake)
		return MAPPING_RESTS;
	if (found == HALF_LIVE || (found == HALF_RESTS && i.value.addr == r->outside.addr)) {
		u32 use = mapping_use(nat, c, work, &i);
		if (use != MAPPING_ABSENT)
			return use;
	}
	r->fixed = 0;
	return slot_end(i.slot, i.word) ? MAPPING_ABSENT : MAPPING_AGAIN;
}

/* A mapping for r->inside: one that rests is woken, else one is made. 0; MAPPING_AGAIN: it changed while we looked; or a reason. */
static __always_inline u32 mapping_make(struct nat_instance *nat, struct work *work, u32 rests)
{
	const struct config *c = env_config(nat);
	struct request *r = &work->req;
	u32 limited = c && !r->own && !r->client && account_limited(c, r->now), reason = 0;

	if (limited)
		reason = account_take(nat, work, ACCOUNT_MAPPING);
	if (reason)
		return reason;
	if (rests)
		reason = mapping_known(nat, work, 1) == MAPPING_STANDS ? 0 : MAPPING_AGAIN;
	else
		reason = r->same_port ? port_claim_this(nat, work, 1) : ports_out(nat, work);
	if (!reason && !rests)
		reason = mapping_join(nat, work);
	if (reason && limited)
		account_return(nat, r);
	return reason;
}

/*
 * The mapping of r->inside towards r->interface, found or made, and used just now: r->outside, r->mapping. One that rests
 * asks for its host first, which may have been idle, forgotten, and come back with another address.
 * 0 or a reason.
 */
static __always_inline u32 mapping_out(struct nat_instance *nat, struct work *work)
{
	for (int try = 0; try < MAPPING_TRIES; try++) {
		u32 known = mapping_known(nat, work, 0);
		if (known == MAPPING_STANDS)
			return 0;
		if (known == MAPPING_WAITS)
			return REASON_no_address;
		if (known == MAPPING_AGAIN)
			continue;
		u32 reason = host_out(nat, work);
		if (!reason)
			reason = mapping_make(nat, work, known == MAPPING_RESTS);
		if (reason != MAPPING_AGAIN)
			return reason;
	}
	return REASON_mapping_lost;
}

/*
 * The mapping that owns r->outside: r->inside, r->own, r->fixed, r->mapping. use: it counts as used now.
 * 0, REASON_no_mapping, or REASON_mapping_lost.
 */
SLOW u32 mapping_in(struct nat_instance *nat, struct work *work, u32 use)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	r->generation = generation_word(c, r->interface);
	struct half o, i;
	r->fixed = 0;
	u64 key = mapping_key(r->outside, r->class, HALF_OUTSIDE, r->interface);
	int found = half_find(nat, c, key, r->interface, &o);

	if (found != HALF_LIVE)
		return found == HALF_LOST ? REASON_mapping_lost : REASON_no_mapping;
	r->inside.addr = o.value.addr;
	r->inside.port = o.value.port;
	r->own = o.value.own & OWN_ROUTER;
	key = mapping_key(r->inside, r->class, HALF_INSIDE, r->interface);
	found = half_find(nat, c, key, r->interface, &i);
	if (found == HALF_LOST)
		return REASON_mapping_lost;
	if (found != HALF_LIVE || i.value.addr != r->outside.addr || i.value.port != r->outside.port)
		return REASON_no_mapping;
	struct outside_address a = address_find(nat, c, r->outside.addr);
	r->fixed = o.value.own & OWN_FIXED;
	r->full = i.value.own & OWN_FULL;
	if (!address_serves(a, r->interface, r->own | r->fixed))
		return REASON_no_mapping;
	r->index = a.index;
	r->mapping = i.number;
	if (!use && !r->fixed && request_alone(c, r) && !host_owns(nat, r, 0))
		return REASON_no_mapping;
	if (use && !(half_touch(&i, r) && half_touch(&o, r)))
		return REASON_mapping_lost;
	return 0;
}

/*
 * The mapping of a reserved host's endpoint whose outside endpoint is r->outside, which nobody has yet: r->mapping.
 * 0, REASON_no_mapping (the endpoint has another outside port), or another reason.
 */
SLOW u32 mapping_inbound(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	struct endpoint wanted = r->outside;
	u32 known = mapping_known(nat, work, 1);

	if (known == MAPPING_STANDS)
		return r->outside.addr == wanted.addr && r->outside.port == wanted.port ? 0
											: REASON_no_mapping;
	if (known != MAPPING_ABSENT)
		return REASON_mapping_lost;
	r->outside = wanted;
	r->host = NO_SLOT;
	u32 reason = port_claim_this(nat, work, 0);
	if (!reason)
		reason = mapping_join(nat, work);
	return reason == MAPPING_AGAIN ? REASON_mapping_lost : reason;
}

/*
 * The outside endpoint of an inside one, if it has a mapping; nothing is touched (ICMP errors refresh nothing,
 * RFC 5508 REQ-6). r->outside, r->own. 0 or REASON_no_mapping.
 */
SLOW u32 mapping_peek_out(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	struct half i;
	u64 key = mapping_key(r->inside, r->class, HALF_INSIDE, r->interface);

	if (half_find(nat, c, key, r->interface, &i) != HALF_LIVE ||
	    !address_serves(address_find(nat, c, i.value.addr), r->interface, i.value.own))
		return REASON_no_mapping;
	r->outside.addr = i.value.addr;
	r->outside.port = i.value.port;
	r->own = i.value.own & OWN_ROUTER;
	if (!(i.value.own & OWN_FIXED) && request_alone(c, r) && !host_owns(nat, r, 0))
		return REASON_no_mapping;
	return 0;
}
