/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"
#include "native/sweep_memory.h"
#include "tests/scenarios/world.h"

enum { PASS = 0x6b656570 };

struct statement {
	const char *name;
	int (*run)(struct world *world, struct words *words);
};

int world_begin(struct world *w)
{
	if (w->begun)
		return 0;
	for (u32 i = 0; i < w->way_count; i++) {
		if (way_begin(w->ways[i], &w->sizes, w->seed))
			return world_fail(w, "%s: cannot begin", w->ways[i]->name);
		w->sweeps[i] = sweep_memory_new(&w->ways[i]->nat);
		if (!w->sweeps[i])
			return world_fail(w, "out of memory");
		way_clock(w->ways[i], w->clock);
		if (w->roads) /* what says at the egress of a device that a packet was translated before */
			w->ways[i]->nat.config->pass[0] = w->ways[i]->nat.config->pass[1] = PASS;
	}
	w->begun = true;
	return 0;
}

int world_same(struct world *w)
{
	char difference[512];

	if (w->way_count < 2 || !w->begun || way_same(w->ways[0], w->ways[1], difference, sizeof(difference)))
		return 0;
	return world_fail(w, "the ways differ: %s", difference);
}

/*
 * Time, sweep, reset
 */

static void world_sweep(struct world *w, u32 passes)
{
	for (u32 i = 0; i < w->way_count; i++)
		for (u32 n = 0; n < passes; n++)
			sweep_pass(w->sweeps[i], w->ways[i]->nat.now & TIME);
}

static int sweep_run(struct world *w, struct words *words)
{
	u32 passes = 1;

	if (words_take(words, "off")) {
		w->sweeping = false;
		return 0;
	}
	if (words_take(words, "on")) {
		w->sweeping = true;
		return 0;
	}
	if (words_peek(words) && number_parse(words_next(words), 100, &passes))
		return world_fail(w, "sweep [PASSES]|on|off");
	world_sweep(w, passes);
	return world_same(w);
}

static int time_advance(struct world *w, struct words *words)
{
	u32 to;

	if (time_parse(words_next(words), &to) || to < w->now)
		return world_fail(w, "at TIME, not before the last one");
	if (world_begin(w))
		return -1;
	if (to == w->now)
		return 0;
	w->now = to;
	for (u32 i = 0; i < w->way_count; i++)
		way_clock(w->ways[i], (w->clock + to) & TIME);
	if (w->sweeping)
		world_sweep(w, SWEEPS_PER_STEP);
	return world_same(w);
}

static int reset_run(struct world *w, struct words *words)
{
	struct world_interface *at = interface_named(w, words_next(words));
	const char *what = words_next(words);

	if (!at || !what)
		return world_fail(w, "reset INTERFACE flows|mappings|hosts");
	enum table t = !strcmp(what, "flows")	   ? TABLE_FLOWS
		       : !strcmp(what, "mappings") ? TABLE_MAPPINGS
						   : TABLE_HOSTS;
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		native_reset(nat, at->number, t);
	return 0;
}

/* only WAY..., except WAY...: the runner has seen to it. */
static int only_run(struct world *w, struct words *words)
{
	if (!words_peek(words))
		return world_fail(w, "only WAY... or except WAY...");
	while (words_next(words))
		;
	return 0;
}

/* The daemon looks; watch changed: and finds something that leases rest on changed. */
static int watch_run(struct world *w, struct words *words)
{
	bool changed = words_take(words, "changed");

	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		union lease_watch watch = { .word = nat->config->watch };
		u32 now = nat->now & TIME;
		watch.looked = now;
		if (changed)
			watch.changed = now;
		nat->config->watch = watch.word;
	}
	return 0;
}

static const struct statement statements[] = {
	{ "config", config_run },
	{ "interface", interface_run },
	{ "address", address_run },
	{ "socket", socket_run },
	{ "out", out_run },
	{ "own", own_run },
	{ "in", in_run },
	{ "hairpin", hairpin_run },
	{ "sweep", sweep_run },
	{ "reset", reset_run },
	{ "lose", lose_run },
	{ "take", take_run },
	{ "expect", expect_run },
	{ "check", check_run },
	{ "unique", unique_run },
	{ "let", let_run },
	{ "only", only_run },
	{ "except", only_run },
	{ "reserve", reserve_run },
	{ "map", map_run },
	{ "unfix", unfix_run },
	{ "learn", learn_run },
	{ "watch", watch_run },
	{ "daemon", daemon_run }, /* with SYNs that are held */
	{ "client", client_run },
	{ "blocks", blocks_run },
	{ "deterministic", deterministic_run },
};

static int line_run(struct world *w, struct words *words)
{
	if (words_take(words, "at") && time_advance(w, words))
		return -1;
	const char *name = words_next(words);
	for (size_t i = 0; name && i < sizeof(statements) / sizeof(statements[0]); i++)
		if (!strcmp(name, statements[i].name)) {
			if (statements[i].run(w, words))
				return -1;
			return words_peek(words) ? world_fail(w, "left over: %s", words_peek(words)) : 0;
		}
	return name ? world_fail(w, "unknown statement: %s", name) : 0;
}

static bool line_is(const struct scenario *s, u32 line, const char *word)
{
	const char *at = s->lines[line] + strspn(s->lines[line], " \t");

	return !strncmp(at, word, strlen(word)) &&
	       strspn(at + strlen(word), " \t\n") + (at[strlen(word)] == 0) > 0;
}

/* The line of the `end` that closes the `for` before `from`, or `to` if there is none. */
static u32 loop_end(const struct scenario *s, u32 from, u32 to)
{
	for (u32 depth = 1; from < to; from++) {
		if (line_is(s, from, "for"))
			depth++;
		else if (line_is(s, from, "end") && !--depth)
			return from;
	}
	return to;
}

static int block_run(struct world *w, u32 from, u32 to);

/* for NAME FROM TO ... end: the lines between, with %NAME replaced. */
static int loop_run(struct world *w, struct words *words, u32 body, u32 end)
{
	const char *name = words_next(words);
	u32 first, last;
	int rc = 0;

	if (!name || number_parse(words_next(words), 65535, &first) ||
	    number_parse(words_next(words), 65535, &last) || w->loop_count == LOOPS_MAX)
		return world_fail(w, "for NAME FROM TO");
	struct name_value *v = &w->loops[w->loop_count++];
	snprintf(v->name, sizeof(v->name), "%s", name);
	for (u32 i = first; i <= last && !rc; i++) {
		snprintf(v->value, sizeof(v->value), "%u", i);
		rc = block_run(w, body, end);
	}
	w->loop_count--;
	return rc;
}

static int block_run(struct world *w, u32 from, u32 to)
{
	struct words words;

	for (u32 i = from; i < to; i++) {
		w->line = i;
		if (words_split(w, w->scenario->lines[i], &words))
			return -1;
		if (!words_take(&words, "for")) {
			if (line_run(w, &words))
				return -1;
			continue;
		}
		u32 end = loop_end(w->scenario, i + 1, to);
		if (end == to)
			return world_fail(w, "for without end");
		if (loop_run(w, &words, i + 1, end))
			return -1;
		i = end;
	}
	return 0;
}

int scenario_run(struct world *w, const struct scenario *scenario)
{
	w->scenario = scenario;
	memset(&w->sizes, 0, sizeof(w->sizes));
	w->sizes.flows = w->sizes.mappings = 1024;
	w->seed = 1;
	w->begun = false;
	w->clock = 1000;
	w->now = 0;
	w->sweeping = true;
	w->fast = w->roads;
	w->interface_count = w->variable_count = w->loop_count = w->unique_count = 0;
	w->reserved_count = w->mapped_count = 0;
	w->error[0] = 0;
	int rc = block_run(w, 0, scenario->count);
	if (!rc && w->begun) { /* at the end nothing half-done may be left that a few passes do not mend */
		world_sweep(w, SWEEPS_PER_STEP);
		rc = world_same(w);
	}
	for (u32 i = 0; i < w->way_count; i++) {
		sweep_memory_free(w->sweeps[i]);
		w->sweeps[i] = NULL;
	}
	return rc;
}
