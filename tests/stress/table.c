// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Threads on one table (core/table.h): insert, find, touch, end; time that goes on, resets, the sweep's expiry and tidying.
 *
 * While they run:
 *   wrong    a reader never acts on a value that does not belong to its key
 *   twice    a key is never LIVE twice: a look at all its candidates, taken if no word changed meanwhile
 *   missing  an entry that nobody ends, expires or resets is found, whatever happens around it (reach)
 *   full     with fewer keys than half the slots an insert never says FULL
 *   value    a touch that brings back an old entry keeps its value
 * and at rest: no key LIVE twice, nothing left half-made, every LIVE entry found.
 *
 * Each run has a table and a load of its own: one where slots are free, one where most keys fight for few, one where a BPF
 * program does the same on two processors.
 */
#include <string.h>

#include "core/sweep.h"
#include "native/instance.h"
#include "native/sweep_memory.h"
#include "tests/stress/stress.h"
#include "tests/stress/table_kernel.h"
#include "tests/stress/table_work.h"

enum { WORKERS = 3, PRIVATE_KEYS = 8, PRIVATE_BASE = 1 << 20 };

struct run {
	const char *name;
	enum table table;
	u32 slots;
	u32 keys;
	int kernel; /* beside the threads, a BPF program on two processors */
};

struct test {
	struct nat_instance nat;
	struct table_kernel *kernel;
	struct sweep *sweep;
	enum table table;
	u32 mask, keys;
	u32 now; /* atomic */
	u64 expired, tidied, looked, twice;
};

struct worker {
	struct test *test;
	struct nat_instance nat;
	u64 chance;
	u32 number;
	struct table_work work;
};

static u32 insert_into(struct nat_instance *nat, enum table t, struct insert *ins)
{
	switch (t) {
	case TABLE_FLOWS:
		return flows_insert(nat, ins);
	case TABLE_MAPPINGS:
		return mappings_insert(nat, ins);
	case TABLE_HOSTS:
		return hosts_insert(nat, ins);
	default:
		return fragments_insert(nat, ins);
	}
}

static u32 time_now(const struct test *test) { return __atomic_load_n(&test->now, __ATOMIC_ACQUIRE) & TIME; }

static void work_insert(struct worker *w, u64 key, u32 interface)
{
	struct test *test = w->test;
	struct insert ins;
	u64 head;

	work_prepare(test->nat.config, test->table, &ins, key, (u32)stress_random(&w->chance), interface,
		     time_now(test));
	switch (insert_into(&w->nat, test->table, &ins)) {
	case INSERT_NEW:
		w->work.made++;
		break;
	case INSERT_FOUND:
		w->work.found++;
		break;
	case INSERT_FULL:
		w->work.full++;
		return;
	default:
		w->work.busy++;
		return;
	}
	(void)work_read(test->table, env_slot(&w->nat, test->table, ins.slot), ins.found, key, interface,
			&w->work, &head);
}

/* Use an entry that was found: end it, or touch it, also if it is stale. */
static void work_use(struct worker *w, struct slot *s, u64 word, u64 key, u32 interface, int end)
{
	const struct test *test = w->test;
	const struct config *c = test->nat.config;
	u64 head, after;

	if (!work_read(test->table, s, word, key, interface, &w->work, &head))
		return;
	w->work.hits++;
	if (end) {
		w->work.ended += (u64)slot_end(s, word);
		return;
	}
	int stale = word_stale(c, test->table, interface, word);
	if (!slot_touch(s, word, time_now(test), generation_now(c, test->table, interface), 0))
		return;
	w->work.touched++;
	if (!stale)
		return;
	w->work.revived++;
	if (work_read(test->table, s, word, key, interface, &w->work, &after) && after != head)
		w->work.wrong++;
}

/* A key of this thread alone on an interface that is never reset: whatever the others do, it stays until we end it. */
static void work_private(struct worker *w)
{
	struct test *test = w->test;
	u64 key[2] = { PRIVATE_BASE + w->number * PRIVATE_KEYS + stress_random(&w->chance) % PRIVATE_KEYS },
	    word;
	const struct config *c = test->nat.config;
	u32 number;

	key[1] = key[0] ^ 0x5555;
	u64 h = table_hash(c, test->table, key);
	u64 full = w->work.full + w->work.busy;
	work_insert(w, key[0], WORK_PRIVATE);
	if (w->work.full + w->work.busy != full)
		return;
	struct slot *s = table_find(&w->nat, c, test->table, h, key, &word, &number);
	if (!s)
		w->work.missing++;
	else
		work_use(w, s, word, key[0], WORK_PRIVATE, stress_random(&w->chance) % 4 == 0);
}

static void *worker(void *argument)
{
	struct worker *w = argument;
	const struct test *test = w->test;
	const struct config *c = test->nat.config;

	while (!stress_over()) {
		u64 key[2] = { stress_random(&w->chance) % test->keys }, word;
		u64 dice = stress_random(&w->chance) % 100;
		u32 interface = work_interface(key[0]), number;

		key[1] = key[0] ^ 0x5555;
		if (dice < 5) {
			work_private(w);
		} else if (dice < 40) {
			work_insert(w, key[0], interface);
		} else {
			struct slot *s = table_find(&w->nat, c, test->table, table_hash(c, test->table, key),
						    key, &word, &number);
			if (s)
				work_use(w, s, word, key[0], interface, dice >= 75);
		}
	}
	return NULL;
}

/* What the sweep does to one table, and half of the time ending what is dead. */
static void sweep_table(struct test *test, u64 *chance)
{
	struct sweep *s = test->sweep;
	const struct config *c = test->nat.config;

	s->tidy = 1;
	for (u32 i = 0; i <= test->mask; i++) {
		tidy_turn(s, test->table, i);
		s->wanted[test->table][i] = 0;
	}
	for (u32 i = 0; i <= test->mask; i++) {
		struct slot *slot = env_slot(&test->nat, test->table, i);
		u64 word = sweep_live(s, test->table, i), key[2];
		if (!word)
			continue;
		key[0] = LOAD(&slot->data[0]);
		key[1] = LOAD(&slot->data[1]);
		u64 head = slot_head(test->table, slot);
		if (!slot_same(slot, word))
			continue;
		tidy_want(s, test->table, i, key);
		u32 interface = (u32)head & 0xff;
		if (interface == WORK_PRIVATE)
			continue;
		int dead = word_stale(c, test->table, interface, word) || word_age(word, time_now(test)) > 20;
		if (dead && stress_random(chance) & 1)
			test->expired += (u64)slot_end(slot, word);
	}
	s->suspect_count = 0; /* a pass here is shorter than an insert may be: nobody is dead */
	s->passes++;
}

static void *keeper(void *argument)
{
	struct test *test = argument;
	u64 chance = 99;

	while (!stress_over()) {
		u32 now = __atomic_add_fetch(&test->now, 1, __ATOMIC_ACQ_REL);
		if (test->kernel)
			__atomic_store_n(&test->kernel->programs->bss->now, now & TIME, __ATOMIC_RELEASE);
		if (stress_random(&chance) % 8 == 0)
			native_reset(&test->nat, (u32)stress_random(&chance) % WORK_INTERFACES, test->table);
		sweep_table(test, &chance);
		usleep(200);
	}
	return NULL;
}

/* How often is the key LIVE? -1: a word changed while we looked. */
static int key_count(struct test *test, const u64 *key)
{
	u64 h = table_hash(test->nat.config, test->table, key), words[WINDOW];
	const struct slot *slots[WINDOW];
	int live = 0;

	for (u32 i = 0; i < WINDOW; i++) {
		slots[i] = env_slot(&test->nat, test->table, table_pos(h, i, test->mask));
		words[i] = LOAD(&slots[i]->word);
		int again = 0;
		for (u32 j = 0; j < i; j++)
			again |= slots[j] == slots[i];
		live += !again && word_state(words[i]) == LIVE && slot_key_is(test->table, slots[i], key);
	}
	for (u32 i = 0; i < WINDOW; i++)
		if (LOAD(&slots[i]->word) != words[i])
			return -1;
	return live;
}

static void *auditor(void *argument)
{
	struct test *test = argument;
	u64 chance = 5;

	while (!stress_over()) {
		u64 key[2] = { stress_random(&chance) % test->keys };
		key[1] = key[0] ^ 0x5555;
		int live = key_count(test, key);
		test->looked += live >= 0;
		test->twice += live > 1;
	}
	return NULL;
}

struct rest {
	u64 live, half, twice, lost, wrong;
};

static struct rest look_at_rest(struct test *test)
{
	struct rest rest = { 0 };
	struct table_work work = { 0 };

	for (u32 i = 0; i <= test->mask; i++) {
		struct slot *s = env_slot(&test->nat, test->table, i);
		u64 word = s->word, found, head, key[2] = { s->data[0], s->data[0] ^ 0x5555 };
		u32 number;
		if (word_state(word) != LIVE) {
			rest.half += word_state(word) != FREE;
			continue;
		}
		rest.live++;
		struct slot *at =
			table_find(&test->nat, test->nat.config, test->table,
				   table_hash(test->nat.config, test->table, key), key, &found, &number);
		rest.lost += !at;
		rest.twice += key_count(test, key) != 1;
		u32 interface = key[0] >= PRIVATE_BASE ? (u32)WORK_PRIVATE : work_interface(key[0]);
		(void)work_read(test->table, s, word, key[0], interface, &work, &head);
	}
	rest.wrong = work.wrong;
	return rest;
}

static int test_begin(struct test *test, const struct run *run)
{
	struct native_sizes sizes = { .flows = 32, .mappings = 32, .hosts = 32, .fragments = 32 };
	u32 *all[] = { &sizes.flows, &sizes.mappings, &sizes.hosts, &sizes.fragments };

	memset(test, 0, sizeof(*test));
	*all[run->table] = run->slots;
	if (run->kernel) {
		test->kernel = table_kernel_open(&sizes, &test->nat, (u64)getpid());
		if (!test->kernel)
			return -1;
		test->kernel->programs->bss->keys = run->keys;
	} else if (native_create(&test->nat, &sizes, (u64)getpid())) {
		return -1;
	}
	test->sweep = sweep_memory_new(&test->nat);
	test->table = run->table;
	test->mask = run->slots - 1;
	test->keys = run->keys;
	test->now = TIME - 500; /* comes round soon, and so do the generations */
	test->nat.config->timers.fragment_min_timeout = 20;
	for (int i = 0; i < WORK_INTERFACES; i++)
		test->nat.config->generation[i] = ~0ull - 0x40000100010ull;
	return test->sweep ? 0 : -1;
}

static void work_add(struct table_work *sum, const struct table_work *more)
{
	const u64 *from = (const u64 *)more;
	u64 *to = (u64 *)sum;

	for (size_t n = 0; n < sizeof(*sum) / sizeof(u64); n++)
		to[n] += from[n];
}

/* What the BPF program saw; it must have done something. */
static int kernel_add(struct table_work *sum, const struct table_kernel *kernel)
{
	struct table_work all = { 0 };

	for (u32 i = 0; i < TABLE_RUNNERS; i++)
		work_add(&all, &kernel->works[kernel->runners[i].cpu]);
	printf("# BPF: new %llu found %llu hits %llu retries %llu touched %llu ended %llu wrong %llu\n",
	       all.made, all.found, all.hits, all.retries, all.touched, all.ended, all.wrong);
	work_add(sum, &all);
	return all.made && all.found && all.hits && all.ended;
}

static void run_one(const struct run *run)
{
	static struct test test;
	static struct worker workers[WORKERS];
	struct table_work sum = { 0 };

	if (run->kernel && geteuid()) {
		stress_skip(run->name, "BPF needs root");
		return;
	}
	if (test_begin(&test, run)) {
		stress_case(run->name, 0, "the table cannot be set up");
		return;
	}
	for (u32 i = 0; test.kernel && i < TABLE_RUNNERS; i++)
		stress_thread(table_runner, &test.kernel->runners[i]);
	stress_thread(keeper, &test);
	stress_thread(auditor, &test);
	for (u32 i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .test = &test, .chance = (u64)getpid() + i, .number = i };
		if (native_thread(&test.nat, &workers[i].nat, 0))
			exit(1);
		stress_thread(worker, &workers[i]);
	}
	stress_run();
	for (u32 i = 0; i < WORKERS; i++) {
		work_add(&sum, &workers[i].work);
		native_thread_end(&workers[i].nat);
	}
	int kernel_met = !test.kernel || kernel_add(&sum, test.kernel);
	struct rest rest = look_at_rest(&test);
	int crowded = run->keys * 2 > run->slots;
	int good = !sum.wrong && !sum.missing && (crowded || !sum.full) && !test.twice && !rest.half &&
		   !rest.twice && !rest.lost && !rest.wrong;
	/* A run in which nothing met has shown nothing. */
	int met = kernel_met && sum.made && sum.found && sum.ended && sum.revived && test.expired &&
		  test.looked;
	stress_case(run->name, good && met,
		    "new %llu found %llu full %llu busy %llu hits %llu retries %llu touched %llu revived "
		    "%llu ended %llu "
		    "expired %llu looks %llu; wrong %llu missing %llu twice %llu; at rest live %llu "
		    "half-made %llu twice %llu "
		    "lost %llu wrong %llu",
		    sum.made, sum.found, sum.full, sum.busy, sum.hits, sum.retries, sum.touched, sum.revived,
		    sum.ended, test.expired, test.looked, sum.wrong, sum.missing, test.twice, rest.live,
		    rest.half, rest.twice, rest.lost, rest.wrong);
	sweep_memory_free(test.sweep);
	if (test.kernel)
		table_kernel_close(test.kernel, &test.nat);
	else
		native_destroy(&test.nat);
}

int main(void)
{
	static const struct run runs[] = {
		{ .name = "flows: few keys, room enough", .table = TABLE_FLOWS, .slots = 64, .keys = 8 },
		{ .name = "flows: more keys than slots", .table = TABLE_FLOWS, .slots = 64, .keys = 96 },
		{ .name = "mappings: no slot is taken from an entry",
		  .table = TABLE_MAPPINGS,
		  .slots = 128,
		  .keys = 32 },
		{ .name = "flows: a BPF program on two processors beside the threads",
		  .table = TABLE_FLOWS,
		  .slots = 128,
		  .keys = 16,
		  .kernel = 1 },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		run_one(&runs[i]);
	return stress_end();
}
