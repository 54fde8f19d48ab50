/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table.h - one open-addressing table in flat memory, shared by BPF programs and native threads.
 *
 * THEORY OF OPERATION
 *
 * A slot is a word, a key of one or two words and a value: 64 bytes for flows and hosts, 32 for the halves of
 * mappings and for fragments. A key has 64 candidate positions: 0..7 run on from its first hash (the home), 8..63
 * from its second. Nothing is ever moved. Filled to one half, a table needs the second run for one key of two hundred; the
 * first 24 of it would be full for one key of ten million, all 56 never were.
 *
 * The word is the only thing that decides; it changes by compare-and-swap (or a single fetch-and-op):
 *
 *	63..62 state   61..58 reach   57 fresh   56..53 flags   52..41 version   40..20 generation   19..0 last used
 *
 *	          claim              offer              win
 *	  FREE ----------> BUSY ----------> OFFER ----------> LIVE      LIVE -> LIVE: touch
 *	   ^  \____________ ^                 |                 |
 *	   |   dead LIVE ___/                 | strike/withdraw | expire, remove
 *	   +----------------------------------+-----------------+
 *
 *	FREE   anybody may claim it. So may be a LIVE slot that slot_dead() gives up (flows and fragments only:
 *	       a mapping or a host holds a promise, and only the sweep ends it).
 *	BUSY   the claimer alone writes key and value. Nobody else reads them.
 *	OFFER  complete, seen by inserters only. Anybody may strike it (-> FREE): the owner learns of it,
 *	       because its own CAS to LIVE fails. So a thread that died here holds up nobody.
 *	LIVE   readers use it. Key and the identifying part of the value never change until FREE.
 *
 * version   +1 at each claim. (state, version) is the identity: as long as both stand, all that was read
 *	     from the slot between the two looks belongs to one entry. A CAS on the word proves the same.
 * flags     of flows: what TCP has shown in this direction (tcp.h); of mappings: that it rests (mapping.h); of hosts:
 *	     that it is idle (host.h).
 * last used in ticks of a second, in the word, so that "still idle" and "end it" are one CAS: the packet that
 *	     touched first wins. Comparisons hold for idle times of less than six days.
 * reach     belongs to the position, not to the entry; every transition keeps it. Bit z says: some key whose
 *	     home is here may sit at positions 1, 2..3, 4..7, 8..63 (z = 0..3). Set between OFFER and the second
 *	     scan. A miss looks at one or two lines, not at 64. There are no tombstones.
 * fresh     also of the position: a reach bit was wanted since the sweep last looked. The sweep takes
 *	     fresh away, looks which bits the keys of the table need, and clears the others by a CAS that
 *	     fails if fresh is back (tidy_*). Without a daemon reach only grows and misses cost more.
 *
 * ONE KEY, ONE LIVE SLOT. An inserter (1) scans; (2) claims, writes, goes to OFFER, sets reach; (3) scans
 * again; (4) goes to LIVE by CAS. In (3) it withdraws if the key is LIVE elsewhere; of two offers the
 * lower slot stays, and strikes the other. Proof: let A and B become LIVE with one key, A offered
 * first. B's second scan begins after A's offer, so it sees A as OFFER (strikes it, or withdraws: one of
 * the two can no longer win), as LIVE (withdraws), or gone. All of these are atomic operations on A's or
 * B's word, so both cannot be LIVE. tests/model/table.pml has SPIN check it, reach included.
 *
 * A READER loads the word, sees LIVE, compares the key, copies what it needs, then looks at the word again
 * (slot_same) or touches it by CAS (slot_touch). Only then may it act on the copy. Comparing the key again
 * is not enough: the slot may have been freed and taken again by the same key in between.
 *
 * GENERATIONS. Each outside interface has one 64-bit word with three of them: of flows, of mappings, of hosts.
 * A reset stores a new word. An entry whose generation is older than its interface's does not exist any more;
 * a newer one, put there by a CPU that already saw the reset, does. A packet that makes entries reads the word once,
 * before it looks at anything that a reset may change: what it makes after a reset came is stale when it is born. A
 * touch keeps the generation that the entry has.
 *
 * BOUNDS. find: 64 lines. insert: TRIES times 128 lines. Beyond that INSERT_BUSY: drop, count, the next packet
 * tries again. INSERT_FULL: all 64 candidates are live.
 *
 * A DEAD CLAIMER. BPF runs to its end. A daemon killed in BUSY leaks one slot, in OFFER nothing (anybody
 * strikes it). The sweep frees a BUSY or OFFER word that it has seen unchanged for longer
 * than any packet runs (sweep_suspect); only the one daemon does so, and not while one of its own threads inserts.
 */
#pragma once
#include "core/env.h"

enum { FREE, BUSY, OFFER, LIVE };
enum { INSERT_NEW, INSERT_FOUND, INSERT_FULL, INSERT_BUSY };
enum { NEAR = 8, FAR = 56, WINDOW = NEAR + FAR, TRIES = 8, PATIENCE = 4, RAISES = 8 };

#define STATE(s) ((u64)(s) << 62)
#define REACH (15ull << 58)
#define FRESH (1ull << 57)
#define PLACE (REACH | FRESH)
#define FLAGS (15ull << 53)
#define VER1 (1ull << 41)
#define VER (0xfffull << 41)
#define GEN (0x1fffffull << 20)
#define TIME 0xfffffull
#define IDENT (STATE(3) | VER)

/* An entry to be inserted, and what came of it. Lies in the CPU's scratch memory. */
struct insert {
	union {
		u64 words[8]; /* the word (flags, generation, last used), key, value */
		struct flow flow;
		struct mapping mapping;
		struct host host;
		struct fragment fragment;
	};
	u64 hash;
	u64 found;  /* the word of the slot that has the key now */
	u32 slot;   /* its number */
	u32 result; /* INSERT_* */
	u32 now;
	u32 zero;
};

/* What a step of the insert loop needs. */
struct insert_step {
	struct nat_instance *nat;
	struct insert *ins;
};

static __always_inline u32 key_words(enum table t)
{
	return t == TABLE_FLOWS || t == TABLE_FRAGMENTS ? 2 : 1;
}

static __always_inline u32 data_words(enum table t) { return t == TABLE_FLOWS || t == TABLE_HOSTS ? 7 : 3; }

/* Stale and expired slots of these are free to an inserter. */
static __always_inline int table_recycles(enum table t) { return t == TABLE_FLOWS || t == TABLE_FRAGMENTS; }

static __always_inline u32 table_mask(const struct config *c, enum table t)
{
	switch (t) {
	case TABLE_FLOWS:
		return c->flow_mask;
	case TABLE_MAPPINGS:
		return c->mapping_mask;
	case TABLE_HOSTS:
		return c->host_mask;
	default:
		return c->fragment_mask;
	}
}

static __always_inline u32 word_state(u64 w) { return (u32)(w >> 62); }
static __always_inline u32 word_gen(u64 w) { return (u32)((w & GEN) >> 20); }
static __always_inline u32 word_time(u64 w) { return (u32)(w & TIME); }
static __always_inline u32 word_flags(u64 w) { return (u32)((w & FLAGS) >> 53); }
static __always_inline u64 word_free(u64 w) { return w & (PLACE | VER); }
static __always_inline u32 zone(u32 i) { return (u32)((i >= 2) + (i >= 4) + (i >= 8)); }
static __always_inline int in_reach(u64 home, u32 i) { return !i || (home >> (58 + zone(i)) & 1); }

static __always_inline u64 word_make(u32 now, u32 gen, u32 flags)
{
	return (now & TIME) | ((u64)gen << 20 & GEN) | ((u64)flags << 53 & FLAGS);
}

/* Ticks since the entry was used; 0 for a time just ahead of ours. */
static __always_inline u32 word_age(u64 w, u32 now)
{
	u32 age = (u32)((now - word_time(w)) & TIME);

	return age < TIME / 2 ? age : 0;
}

/* The generation that entries of a table have on an outside interface now. */
enum { GENERATION_BITS = 21, GENERATION_MASK = 0x1fffff };

/* Fragments have that of mappings: a datagram that a reset of flows finds half sent goes on as its flow does. */
static __always_inline u32 generation_shift(enum table t)
{
	if (t == TABLE_FLOWS)
		return 0;
	return t == TABLE_HOSTS ? 2 * GENERATION_BITS : GENERATION_BITS;
}

static __always_inline u64 generation_word(const struct config *c, u32 interface)
{
	return LOAD(&c->generation[interface & (MAX_OUTSIDE - 1)]);
}

static __always_inline u32 generation_in(u64 word, enum table t)
{
	return (u32)(word >> generation_shift(t)) & GENERATION_MASK;
}

static __always_inline u32 generation_now(const struct config *c, enum table t, u32 interface)
{
	return generation_in(generation_word(c, interface), t);
}

/* Pair-multiply-shift (2-universal with a secret seed), then a finaliser. Two 32-bit hashes in one word. */
static __always_inline u64 hash_words(const struct config *c, u64 a, u64 b)
{
	u64 h = (c->seed[0] + (u32)a) * (c->seed[1] + (a >> 32)) +
		(c->seed[2] + (u32)b) * (c->seed[3] + (b >> 32));

	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* What is known of the order of fragments has its home in the other half of their table: neither crowds out the other. */
static __always_inline u64 fragment_half(const struct config *c, u64 h, u64 key1)
{
	u64 half = (c->fragment_mask >> 1) + 1ull;

	half |= half << 32;
	return WORD_FIELD(key1, 24, 8) & FRAGMENT_ORDER ? h | half : h & ~half;
}

static __always_inline u64 table_hash(const struct config *c, enum table t, const u64 *key)
{
	u64 h = hash_words(c, key[0], key_words(t) == 2 ? key[1] : 0);

	return t == TABLE_FRAGMENTS ? fragment_half(c, h, key[1]) : h;
}

static __always_inline u32 table_pos(u64 h, u32 i, u32 mask)
{
	return ((i < NEAR ? (u32)h + i : (u32)(h >> 32) + i) & mask);
}

/* The first word of the value: interface, own, and in flows the longest idle time. */
static __always_inline u64 slot_head(enum table t, const struct slot *s)
{
	return LOAD(&s->data[key_words(t)]);
}

static __always_inline u32 slot_interface(enum table t, const struct slot *s)
{
	return WORD_FIELD(slot_head(t, s), 0, 8);
}

/* Older than now. */
static __always_inline int word_stale(const struct config *c, enum table t, u32 interface, u64 w)
{
	u32 age = (generation_now(c, t, interface) - word_gen(w)) & GENERATION_MASK;

	return age && age < GENERATION_MASK / 2;
}

static __always_inline int slot_stale(const struct config *c, enum table t, const struct slot *s, u64 w)
{
	return word_stale(c, t, slot_interface(t, s), w);
}

/* May an inserter have this LIVE slot? */
static __always_inline int slot_dead(const struct config *c, enum table t, const struct slot *s, u64 w,
				     u32 now)
{
	if (!table_recycles(t))
		return 0;
	u64 head = slot_head(t, s);
	u32 idle_max = t == TABLE_FLOWS ? WORD_FIELD(head, 16, 16) : c->timers.fragment_min_timeout;

	u32 own = t == TABLE_FLOWS ? WORD_FIELD(head, 8, 8) : 0;

	return (word_stale(c, t, WORD_FIELD(head, 0, 8), w) && !(own & FLOW_CALL)) ||
	       word_age(w, now) > idle_max || own & FLOW_ENDED;
}

static __always_inline int slot_key_is(enum table t, const struct slot *s, const u64 *key)
{
	return LOAD(&s->data[0]) == key[0] && (key_words(t) == 1 || LOAD(&s->data[1]) == key[1]);
}

static __always_inline int slot_same(const struct slot *s, u64 w) { return !((LOAD(&s->word) ^ w) & IDENT); }

/*
 * To another state, unless the entry changed hands. Only reach and fresh can make the CAS fail:
 * four bits that come, seldom one that the sweep takes away.
 */
static __always_inline int slot_move(struct slot *s, u64 mine, u32 state)
{
	for (int i = 0; i < RAISES; i++) {
		u64 w = LOAD(&s->word);
		u64 n = (w & ~STATE(3)) | STATE(state);
		if ((w ^ mine) & IDENT)
			return 0;
		if (CAS(&s->word, w, state == FREE ? word_free(w) : n))
			return 1;
	}
	return 0;
}

/* The later of two generations: they come round. Without a branch, of which the verifier would follow both ways. */
static __always_inline u32 generation_later(u32 a, u32 b)
{
	u32 b_is_later = (a - b) >> (GENERATION_BITS - 1) & 1;

	return a ^ ((a ^ b) & -b_is_later);
}

/*
 * Keep a LIVE entry: last used becomes now, its flags those given, its generation gen; but if others changed that since w was
 * read, the later one: who read the entry before a reset does not make it old again. 0: it is gone, look again.
 */
static __always_inline int slot_touch(struct slot *s, u64 w, u32 now, u32 gen, u32 flags)
{
	for (int i = 0; i < RAISES; i++) {
		u64 n = (w & ~(TIME | GEN | FLAGS)) | word_make(now, gen, flags);
		if (n == w || CAS(&s->word, w, n))
			return 1;
		u64 was = w;
		w = LOAD(&s->word);
		if ((w ^ was) & IDENT)
			return 0;
		gen = generation_later(gen, word_gen(w));
	}
	return slot_same(s, w); /* others keep it alive faster than we can */
}

/* End an entry if nobody touched it since w was read. */
static __always_inline int slot_end(struct slot *s, u64 w) { return CAS(&s->word, w, word_free(w)); }

/* The LIVE slot of a key with its word and number, or NULL. Dead ones too: the caller knows what that means. */
static __always_inline struct slot *table_find(struct nat_instance *nat, const struct config *c, enum table t,
					       u64 h, const u64 *key, u64 *word, u32 *number)
{
	u32 mask = table_mask(c, t);
	u64 home = 0;

	for (u32 i = 0; i < WINDOW; i++) {
		if (!in_reach(home, i))
			continue;
		u32 pos = table_pos(h, i, mask);
		struct slot *s = env_slot(nat, t, pos);
		if (!s)
			return 0;
		u64 w = LOAD(&s->word);
		if (!i)
			home = w;
		if (word_state(w) == LIVE && slot_key_is(t, s, key)) {
			*word = w;
			*number = pos;
			return s;
		}
		if (!(home & REACH))
			return 0;
	}
	return 0;
}

/*
 * The same off the hot path: there the look is one function per table for the verifier, and each caller looks at the slot
 * once more. NULL also when the entry ended meanwhile.
 */
#define TABLE_SEEK(name, t)                                                                   \
	SLOW u64 name##_seek(struct nat_instance *nat, u64 key0, u64 key1)                    \
	{                                                                                     \
		const struct config *c = env_config(nat);                                     \
		u64 key[2] = { key0, key1 }, word;                                            \
		u32 number;                                                                   \
                                                                                              \
		SLOW_ENTER(nat);                                                              \
		return c && table_find(nat, c, t, table_hash(c, t, key), key, &word, &number) \
			       ? number + 1ull                                                \
			       : 0;                                                           \
	}

TABLE_SEEK(flows, TABLE_FLOWS)
TABLE_SEEK(mappings, TABLE_MAPPINGS)
TABLE_SEEK(hosts, TABLE_HOSTS)

static __always_inline struct slot *table_seek(struct nat_instance *nat, enum table t, const u64 *key,
					       u64 *word, u32 *number)
{
	u64 found = t == TABLE_FLOWS	  ? flows_seek(nat, key[0], key[1])
		    : t == TABLE_MAPPINGS ? mappings_seek(nat, key[0], 0)
					  : hosts_seek(nat, key[0], 0);
	struct slot *s = found ? env_slot(nat, t, (u32)(found - 1)) : 0;

	if (!s)
		return 0;
	*number = (u32)(found - 1);
	*word = LOAD(&s->word);
	return word_state(*word) == LIVE && slot_key_is(t, s, key) ? s : 0;
}

/* The home of a key, to be asked for: nothing is read. */
static __always_inline struct slot *table_home(struct nat_instance *nat, const struct config *c, enum table t,
					       const u64 *key)
{
	return env_slot(nat, t, table_pos(table_hash(c, t, key), 0, table_mask(c, t)));
}

/* Ask for the home of a key, without waiting: several of these overlap, where looks one after the other would add up. */
static __always_inline void table_fetch(struct nat_instance *nat, const struct config *c, enum table t,
					const u64 *key)
{
	struct slot *s = table_home(nat, c, t, key);

	if (s)
		FETCH_LINE(&s->word);
}

/*
 * The rest is the insert: off the hot path, one function per table for the verifier.
 */
enum { SCAN_NONE = WINDOW, SCAN_AGAIN, SCAN_FOUND };

/* First scan: the key's LIVE slot (SCAN_FOUND), else the first slot to claim, else SCAN_NONE. */
static __always_inline u32 insert_scan(struct nat_instance *nat, const struct config *c, enum table t,
				       struct insert *ins, int patient, struct slot **slot, u64 *word)
{
	u32 mask = table_mask(c, t), best = SCAN_NONE;
	u64 home = 0, h = ins->hash;

	for (u32 i = 0; i < WINDOW; i++) {
		if (best != SCAN_NONE && !in_reach(home, i))
			continue;
		u32 pos = table_pos(h, i, mask);
		struct slot *s = env_slot(nat, t, pos);
		if (!s)
			return SCAN_NONE;
		u64 w = LOAD(&s->word);
		if (!i)
			home = w;
		if (word_state(w) == BUSY)
			continue;
		if (word_state(w) != FREE && in_reach(home, i) && slot_key_is(t, s, &ins->words[1])) {
			if (word_state(w) == LIVE && !slot_dead(c, t, s, w, ins->now)) {
				*slot = s;
				*word = w;
				ins->slot = pos;
				return slot_same(s, w) ? SCAN_FOUND : SCAN_AGAIN;
			}
			if (word_state(w) == LIVE || !patient)
				slot_end(s, w); /* a dead entry of ours, or an offer that does not end */
			return SCAN_AGAIN;
		}
		if (best == SCAN_NONE &&
		    (word_state(w) == FREE || (word_state(w) == LIVE && slot_dead(c, t, s, w, ins->now)))) {
			best = FORGET(i, h) & (WINDOW - 1);
			*slot = s;
			*word = w;
			ins->slot = pos;
		}
		if (best != SCAN_NONE && !(home & REACH))
			break;
	}
	return best;
}

/*
 * Second scan, ours being offered in slot ins->slot: 1 if the key is ours alone. The windows may overlap, so slots
 * are told apart by their number, not by their position.
 */
static __always_inline int insert_alone(struct nat_instance *nat, const struct config *c, enum table t,
					const struct insert *ins, int patient)
{
	u32 mask = table_mask(c, t), mine = ins->slot;
	u64 home = 0, h = ins->hash;

	for (u32 i = 0; i < WINDOW; i++) {
		if (!in_reach(home, i))
			continue;
		u32 pos = table_pos(h, i, mask);
		struct slot *s = env_slot(nat, t, pos);
		if (!s)
			return 0;
		u64 w = LOAD(&s->word);
		u32 st = word_state(w);
		if (!i)
			home = w;
		if (pos != mine && st != FREE && st != BUSY && slot_key_is(t, s, &ins->words[1])) {
			if (st == LIVE && !slot_dead(c, t, s, w, ins->now))
				return 0;
			if (st == OFFER && pos < mine && patient)
				return 0;
			if (!slot_end(s, w))
				return 0;
		}
		if (!(home & REACH))
			break;
	}
	return 1;
}

/* One try of an insert: 1 when ins->result is decided. */
static __always_inline long insert_try(struct nat_instance *nat, enum table t, struct insert *ins, u32 try)
{
	const struct config *c = env_config(nat);
	int patient = try < PATIENCE;
	struct slot *s = 0;
	u64 w = 0;

	if (!c)
		return 1;
	u32 at = FORGET(insert_scan(nat, c, t, ins, patient, &s, &w), ins->hash) & (2 * WINDOW - 1);

	if (at == SCAN_AGAIN)
		return 0;
	if (at == SCAN_NONE || !s) {
		ins->result = INSERT_FULL;
		return 1;
	}
	ins->found = w;
	if (at == SCAN_FOUND) {
		ins->result = INSERT_FOUND;
		return 1;
	}

	u64 mine = (w & PLACE) | STATE(BUSY) | ((w + VER1) & VER) | (ins->words[0] & (FLAGS | GEN | TIME));
	if (!CAS(&s->word, w, mine))
		return 0;
	FAULT(insert_claimed);
	for (u32 i = 0; i < data_words(t); i++)
		STORE(&s->data[i], ins->words[i + 1]);
	FETCH_ADD(&s->word, STATE(OFFER - BUSY));
	mine += STATE(OFFER - BUSY);
	FAULT(insert_offered);

	struct slot *home = env_slot(nat, t, table_pos(ins->hash, 0, table_mask(c, t)));
	u64 want = FRESH | 1ull << (58 + zone(at));
	if (!home)
		return 1;
	if (at && (~LOAD(&home->word) & want))
		FETCH_OR(&home->word, want);
	if (!insert_alone(nat, c, t, ins, patient)) {
		slot_move(s, mine, FREE);
		return 0;
	}
	if (!slot_move(s, mine, LIVE))
		return 0;
	ins->found = mine + STATE(LIVE - OFFER);
	ins->result = INSERT_NEW;
	return 1;
}

/* The insert of one table as a function of its own: INSERT_*; ins->slot and ins->found name the key's one LIVE slot. */
#define TABLE_INSERT(name, t)                                                \
	static long name##_try(u32 i, void *context)                         \
	{                                                                    \
		struct insert_step *step = context;                          \
                                                                             \
		return insert_try(step->nat, t, step->ins, i);               \
	}                                                                    \
	SLOW u32 name##_insert(struct nat_instance *nat, struct insert *ins) \
	{                                                                    \
		if (!ins)                                                    \
			return INSERT_BUSY;                                  \
		struct insert_step step = { .nat = nat, .ins = ins };        \
                                                                             \
		SLOW_ENTER(nat);                                             \
		ins->result = INSERT_BUSY;                                   \
		env_loop(TRIES, name##_try, &step);                          \
		return ins->result;                                          \
	}

TABLE_INSERT(flows, TABLE_FLOWS)
TABLE_INSERT(mappings, TABLE_MAPPINGS)
TABLE_INSERT(hosts, TABLE_HOSTS)
TABLE_INSERT(fragments, TABLE_FRAGMENTS)
