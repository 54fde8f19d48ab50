// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * core/table.h, step by step with one thread: what races leave behind is put into the slots by hand. What threads do at
 * once is tests/stress/table.c, and all orders of steps are tests/model/table.pml.
 */
#include "tests/unit/core.h"

static u64 seen_word;
static u32 seen_number;

static void prepare(struct insert *ins, enum table t, u64 key, u32 interface)
{
	memset(ins, 0, sizeof(*ins));
	ins->words[0] = word_make(nat.now, generation_now(config(), t, interface), 0);
	ins->words[1] = key;
	ins->words[key_words(t) + 1] = (u64)interface | 100 << 16; /* idle_max of a flow: 100 */
	ins->hash = table_hash(config(), t, &ins->words[1]);
	ins->now = nat.now;
}

static u32 insert(enum table t, u64 key, struct insert *ins)
{
	prepare(ins, t, key, 0);
	switch (t) {
	case TABLE_FLOWS:
		return flows_insert(&nat, ins);
	case TABLE_MAPPINGS:
		return mappings_insert(&nat, ins);
	case TABLE_HOSTS:
		return hosts_insert(&nat, ins);
	default:
		return fragments_insert(&nat, ins);
	}
}

static struct slot *find(enum table t, u64 key)
{
	u64 words[2] = { key, 0 };

	return table_find(&nat, config(), t, table_hash(config(), t, words), words, &seen_word, &seen_number);
}

static struct slot *slot(enum table t, u32 i) { return env_slot(&nat, t, i); }

static void set_state(struct slot *s, u32 state) { s->word = (s->word & ~STATE(3)) | STATE(state); }

static void insert_find_end(void **state)
{
	struct insert ins;

	(void)state;
	for (enum table t = TABLE_FLOWS; t <= TABLE_FRAGMENTS; t++) {
		assert_null(find(t, 7));
		assert_int_equal(insert(t, 7, &ins), INSERT_NEW);
		struct slot *s = find(t, 7);
		assert_ptr_equal(s, slot(t, ins.slot));
		assert_int_equal(seen_number, ins.slot);
		assert_int_equal(seen_word, ins.found);
		assert_int_equal(s->data[0], 7);
		u32 first = ins.slot;
		assert_int_equal(insert(t, 7, &ins), INSERT_FOUND);
		assert_int_equal(ins.slot, first);
		assert_int_equal(ins.found, seen_word);
		assert_int_equal(slot_end(s, ins.found), 1);
		assert_int_equal(slot_end(s, ins.found), 0);
		assert_null(find(t, 7));
	}
}

/* The word's fields: nothing leaks into a neighbour, whatever the numbers. */
static void word_fields(void **state)
{
	(void)state;
	u64 w = word_make(0xffffffff, 0xffffffff, 0xffffffff);
	assert_int_equal(w, FLAGS | GEN | TIME);
	assert_int_equal(word_time(w), 0xfffff);
	assert_int_equal(word_gen(w), GENERATION_MASK);
	assert_int_equal(word_flags(w), 15);
	assert_int_equal(STATE(3) ^ REACH ^ FRESH ^ FLAGS ^ VER ^ GEN ^ TIME, ~0ull);
	assert_int_equal(word_state(STATE(OFFER)), OFFER);
	assert_int_equal(word_free(~0ull), PLACE | VER);
	assert_int_equal((VER + VER1) & VER, 0); /* the version comes round in itself */
}

static void time_comes_round(void **state)
{
	(void)state;
	assert_int_equal(word_age(word_make(5, 0, 0), 5), 0);
	assert_int_equal(word_age(word_make(TIME - 1, 0, 0), 3), 5);
	assert_int_equal(word_age(word_make(10, 0, 0), 5), 0); /* just ahead of us */
	assert_int_equal(word_age(word_make(3, 0, 0), TIME), 0);
	assert_int_equal(word_age(word_make(0, 0, 0), TIME / 2 - 1), TIME / 2 - 1);
}

static void generations_come_round(void **state)
{
	(void)state;
	for (int table = TABLE_FLOWS; table <= TABLE_HOSTS; table++) {
		enum table t = (enum table)table;
		config()->generation[3] = ~0ull;
		assert_int_equal(generation_now(config(), t, 3), GENERATION_MASK);
		u64 old = word_make(0, GENERATION_MASK, 0);
		assert_false(word_stale(config(), t, 3, old));
		native_reset(&nat, 3, t);
		assert_int_equal(generation_now(config(), t, 3), 0);
		assert_true(word_stale(config(), t, 3, old));
		assert_false(word_stale(config(), t, 3,
					word_make(0, 1, 0))); /* newer: a reset that we have not seen */
		for (int other = TABLE_FLOWS; other <= TABLE_HOSTS; other++)
			if (other != table)
				assert_int_equal(generation_now(config(), (enum table)other, 3),
						 GENERATION_MASK);
	}
}

/* All candidates of one key, in the order in which they are tried. */
static void candidates(enum table t, u64 key, u32 *at)
{
	u64 words[2] = { key, 0 }, h = table_hash(config(), t, words);

	for (u32 i = 0; i < WINDOW; i++)
		at[i] = table_pos(h, i, table_mask(config(), t));
}

/* A slot taken by a key that is nobody's here. */
static void occupy(enum table t, u32 at, u32 entry_state)
{
	struct slot *s = slot(t, at);

	s->data[0] = 0xdead0000 + at;
	s->data[1] = 0;
	s->data[key_words(t)] = 100 << 16;
	s->word = (s->word & PLACE) | STATE(entry_state) |
		  word_make(nat.now, generation_now(config(), t, 0), 0);
}

static void every_candidate_is_found(void **state)
{
	struct insert ins;
	u32 at[WINDOW];

	(void)state;
	for (u32 n = 0; n < WINDOW; n++) {
		for (u32 i = 0; i <= config()->flow_mask; i++)
			memset(slot(TABLE_FLOWS, i), 0, sizeof(struct flow));
		candidates(TABLE_FLOWS, 42, at);
		for (u32 i = 0; i < n; i++)
			occupy(TABLE_FLOWS, at[i], LIVE);
		assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
		assert_int_equal(ins.slot, at[n]);
		assert_non_null(find(TABLE_FLOWS, 42));
		assert_int_equal(in_reach(slot(TABLE_FLOWS, at[0])->word, n), 1);
		assert_int_equal((slot(TABLE_FLOWS, at[0])->word & FRESH) != 0, n > 0);
	}
	occupy(TABLE_FLOWS, at[WINDOW - 1], LIVE);
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_FULL);
}

/* A miss looks no further than the home says. */
static void reach_bounds_a_miss(void **state)
{
	u32 at[WINDOW];

	(void)state;
	candidates(TABLE_FLOWS, 42, at);
	for (u32 i = 1; i < WINDOW; i++) {
		struct slot *home = slot(TABLE_FLOWS, at[0]), *s = slot(TABLE_FLOWS, at[i]);
		home->word = 0;
		occupy(TABLE_FLOWS, at[i], LIVE);
		s->data[0] = 42;
		assert_null(find(TABLE_FLOWS, 42));
		home->word |= 1ull << (58 + zone(i));
		assert_ptr_equal(find(TABLE_FLOWS, 42), s);
		memset(s, 0, sizeof(struct flow));
	}
}

static void half_made_is_not_found(void **state)
{
	u32 at[WINDOW];
	struct insert ins;

	(void)state;
	candidates(TABLE_MAPPINGS, 42, at);
	struct slot *home = slot(TABLE_MAPPINGS, at[0]);
	occupy(TABLE_MAPPINGS, at[0], BUSY);
	home->data[0] = 42;
	assert_null(find(TABLE_MAPPINGS, 42));
	assert_int_equal(insert(TABLE_MAPPINGS, 42, &ins), INSERT_NEW); /* nobody waits for a claimer */
	assert_int_equal(ins.slot, at[1]);
	assert_int_equal(word_state(home->word), BUSY);

	memset(slot(TABLE_MAPPINGS, at[1]), 0, sizeof(struct mapping));
	set_state(home, OFFER);
	assert_null(find(TABLE_MAPPINGS, 42));
}

/* An offer of the same key by one who died: left in peace at first, then struck. */
static void dead_offer_is_struck(void **state)
{
	u32 at[WINDOW];
	struct insert ins;

	(void)state;
	candidates(TABLE_MAPPINGS, 42, at);
	struct slot *home = slot(TABLE_MAPPINGS, at[0]);
	occupy(TABLE_MAPPINGS, at[0], OFFER);
	home->data[0] = 42;
	assert_int_equal(insert(TABLE_MAPPINGS, 42, &ins), INSERT_NEW);
	assert_int_equal(ins.slot, at[0]);
	assert_int_equal(live(TABLE_MAPPINGS), 1);
}

/* Two offers of one key: the lower slot stays, whoever looks. */
static void of_two_offers_the_lower_stays(void **state)
{
	u32 at[WINDOW];
	struct insert ins;

	(void)state;
	candidates(TABLE_MAPPINGS, 42, at);
	u32 low = at[0] < at[1] ? at[0] : at[1], high = at[0] + at[1] - low;
	slot(TABLE_MAPPINGS, at[0])->word |= 1ull << 58;
	prepare(&ins, TABLE_MAPPINGS, 42, 0);
	for (int mine_is_low = 0; mine_is_low < 2; mine_is_low++) {
		ins.slot = mine_is_low ? low : high;
		u32 other = mine_is_low ? high : low;
		for (u32 i = 0; i < 2; i++) {
			occupy(TABLE_MAPPINGS, at[i], OFFER);
			slot(TABLE_MAPPINGS, at[i])->data[0] = 42;
		}
		assert_int_equal(insert_alone(&nat, config(), TABLE_MAPPINGS, &ins, 1), mine_is_low);
		assert_int_equal(word_state(slot(TABLE_MAPPINGS, other)->word), mine_is_low ? FREE : OFFER);
		/* Without patience the other is struck in any case. */
		set_state(slot(TABLE_MAPPINGS, other), OFFER);
		assert_int_equal(insert_alone(&nat, config(), TABLE_MAPPINGS, &ins, 0), 1);
		assert_int_equal(word_state(slot(TABLE_MAPPINGS, other)->word), FREE);
	}
	/* LIVE elsewhere: ours withdraws. */
	occupy(TABLE_MAPPINGS, high, LIVE);
	slot(TABLE_MAPPINGS, high)->data[0] = 42;
	ins.slot = low;
	assert_int_equal(insert_alone(&nat, config(), TABLE_MAPPINGS, &ins, 0), 0);
	assert_int_equal(word_state(slot(TABLE_MAPPINGS, high)->word), LIVE);
}

/* Flows and fragments may take dead slots; mappings and hosts hold a promise. */
static void who_recycles(void **state)
{
	struct insert ins;
	u32 at[WINDOW];

	(void)state;
	for (int table = TABLE_FLOWS; table <= TABLE_FRAGMENTS; table++) {
		enum table t = (enum table)table;
		int recycles = t == TABLE_FLOWS || t == TABLE_FRAGMENTS;
		nat.now = START;
		candidates(t, 42, at);
		for (u32 i = 0; i < WINDOW; i++)
			occupy(t, at[i], LIVE);
		assert_int_equal(insert(t, 42, &ins), INSERT_FULL);
		nat.now = START + 101; /* idle for longer than idle_max, and than fragment_min_timeout */
		assert_int_equal(insert(t, 42, &ins), recycles ? INSERT_NEW : INSERT_FULL);
		assert_int_equal(find(t, 42) != NULL, recycles);
	}
}

static void stale_slots_recycle(void **state)
{
	struct insert ins;
	u32 at[WINDOW];

	(void)state;
	candidates(TABLE_FLOWS, 42, at);
	for (u32 i = 0; i < WINDOW; i++)
		occupy(TABLE_FLOWS, at[i], LIVE);
	nat_reset(1, 0, 0);
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
	assert_int_equal(ins.slot, at[0]);
	/* The key's own stale entry ends; the new one is of the present generation. */
	nat_reset(1, 0, 0);
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
	assert_false(word_stale(config(), TABLE_FLOWS, 0, ins.found));
	assert_int_equal(live(TABLE_FLOWS), WINDOW);
}

/* A packet that touched first wins over one who would end or take the entry. */
static void a_touch_wins(void **state)
{
	struct insert ins;

	(void)state;
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
	struct slot *s = slot(TABLE_FLOWS, ins.slot);
	u64 judged = s->word;
	assert_int_equal(slot_touch(s, judged, START + 50, 0, FLAG_SYN), 1);
	assert_int_equal(slot_end(s, judged), 0);
	assert_int_equal(word_time(s->word), START + 50);
	assert_int_equal(word_flags(s->word), FLAG_SYN);
	/* By an old word of the same entry: still ours. */
	assert_int_equal(slot_touch(s, judged, START + 60, 0, 0), 1);
	assert_int_equal(word_time(s->word), START + 60);
	assert_int_equal(slot_end(s, s->word), 1);
	assert_int_equal(slot_touch(s, judged, START + 70, 0, 0), 0);
	/* Taken again, by the same key: another entry. */
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
	assert_ptr_equal(slot(TABLE_FLOWS, ins.slot), s);
	assert_int_equal(slot_touch(s, judged, START + 70, 0, 0), 0);
	assert_int_equal(slot_same(s, judged), 0);
	assert_int_equal(slot_same(s, ins.found), 1);
}

/* A packet that read the entry before a reset, and touches it after another renewed it, does not make it old again. */
static void a_touch_never_lowers_the_generation(void **state)
{
	static const u32 generations[] = { 5, GENERATION_MASK };
	struct insert ins;

	(void)state;
	for (u32 i = 0; i < 2; i++) {
		u32 old = generations[i], new = (old + 1) & GENERATION_MASK;
		assert_int_equal(insert(TABLE_MAPPINGS, 42 + i, &ins), INSERT_NEW);
		struct slot *s = slot(TABLE_MAPPINGS, ins.slot);
		assert_int_equal(slot_touch(s, s->word, START, old, 0), 1);
		u64 read = s->word;
		assert_int_equal(slot_touch(s, read, START + 1, new, 0), 1);
		assert_int_equal(slot_touch(s, read, START + 2, old, 0), 1);
		assert_int_equal(word_gen(s->word), new);
		assert_int_equal(word_time(s->word), START + 2);
	}
}

/* Reach and fresh belong to the place: they survive every change of its entry, and do not count as one. */
static void places_keep_reach(void **state)
{
	struct insert ins;

	(void)state;
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
	struct slot *s = slot(TABLE_FLOWS, ins.slot);
	s->word |= REACH | FRESH;
	assert_int_equal(slot_same(s, ins.found), 1);
	assert_int_equal(slot_touch(s, ins.found, START + 1, 0, 0), 1);
	assert_int_equal(slot_end(s, s->word), 1);
	assert_int_equal(s->word & (REACH | FRESH), REACH | FRESH);
	assert_int_equal(insert(TABLE_FLOWS, 42, &ins), INSERT_NEW);
	assert_int_equal(s->word & (REACH | FRESH), REACH | FRESH);
	u64 mine = ins.found;
	assert_int_equal(slot_move(s, mine, FREE), 1);
	assert_int_equal(s->word & (REACH | FRESH), REACH | FRESH);
	assert_int_equal(slot_move(s, mine, LIVE), 0);
}

/* Half full with random keys: each is found, none is refused. */
static void half_full(void **state)
{
	u32 slots = config()->flow_mask + 1;
	struct insert ins;

	(void)state;
	for (u64 key = 1; key <= slots / 2; key++)
		assert_int_equal(insert(TABLE_FLOWS, key * 0x9e3779b97f4a7c15ull, &ins), INSERT_NEW);
	for (u64 key = 1; key <= slots / 2; key++)
		assert_non_null(find(TABLE_FLOWS, key * 0x9e3779b97f4a7c15ull));
	assert_int_equal(live(TABLE_FLOWS), slots / 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, nat_setup, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(insert_find_end),
		CASE(word_fields),
		CASE(time_comes_round),
		CASE(generations_come_round),
		CASE(every_candidate_is_found),
		CASE(reach_bounds_a_miss),
		CASE(half_made_is_not_found),
		CASE(dead_offer_is_struck),
		CASE(of_two_offers_the_lower_stays),
		CASE(who_recycles),
		CASE(stale_slots_recycle),
		CASE(a_touch_wins),
		CASE(a_touch_never_lowers_the_generation),
		CASE(places_keep_reach),
		CASE(half_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
