/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "core/session.h"
#include "tests/scenarios/world.h"

/* Entries that are live and of the present generation; resting: ports that rest, whoever had them. */
static void state_count(struct nat_instance *nat, u32 *sessions, u32 *mappings, u32 *hosts, u32 *resting)
{
	const struct config *c = nat->config;

	*sessions = *mappings = *hosts = *resting = 0;
	for (u32 i = 0; i <= c->flow_mask; i++) {
		const struct flow *f = (const struct flow *)env_slot(nat, TABLE_FLOWS, i);
		*sessions += word_state(f->word) == LIVE && f->direction == DIRECTION_OUT &&
			     flow_stands(c, f->word, f->interface, f->own, f->index);
	}
	for (u32 i = 0; i <= c->mapping_mask; i++) {
		const struct mapping *m = (const struct mapping *)env_slot(nat, TABLE_MAPPINGS, i);
		bool rests = word_flags(m->word) & RESTING;
		*resting += word_state(m->word) == LIVE && rests;
		*mappings += word_state(m->word) == LIVE && !rests && !(m->half & HALF_OUTSIDE) &&
			     m->class < CLASSES && !mapping_stale(c, m->interface, m->own, m->word);
	}
	for (u32 i = 0; i <= c->host_mask; i++) {
		const struct host *h = (const struct host *)env_slot(nat, TABLE_HOSTS, i);
		*hosts += word_state(h->word) == LIVE && !(h->key_interface & HOST_OUTSIDE) &&
			  (h->own & OWN_FIXED || !word_stale(c, TABLE_HOSTS, h->interface, h->word));
	}
}

/* Bits taken at an outside address. */
static u32 ports_taken(struct nat_instance *nat, enum class class, __be32 addr)
{
	u32 area = port_area(address_find(nat, nat->config, addr).index, class), taken = 0;

	for (u32 i = 0; i < PORT_WORDS; i++)
		taken += (u32)__builtin_popcountll(nat->ports[area + i]);
	return taken;
}

/* Blocks that are lent at an outside address. */
static u32 blocks_lent(struct nat_instance *nat, __be32 addr)
{
	u32 lent = 0;

	for (u32 i = 0; i <= nat->config->mapping_mask; i++) {
		const struct mapping *m = (const struct mapping *)env_slot(nat, TABLE_MAPPINGS, i);
		lent += word_state(m->word) == LIVE && m->class == CLASS_BLOCK && !(m->half & HALF_OUTSIDE) &&
			m->addr == addr && !mapping_stale(nat->config, m->interface, m->own, m->word);
	}
	return lent;
}

static int number_wanted(struct world *w, struct words *words, const char *what, u32 met)
{
	u32 wanted;

	if (number_parse(words_next(words), 0xffffffff, &wanted))
		return world_fail(w, "expect %s NUMBER", what);
	return wanted == met ? 0 : world_fail(w, "%u %s, wanted %u", met, what, wanted);
}

/* expect [sessions N] [mappings N] [hosts N] [resting N] [ports udp A N] [blocks A N] */
int expect_run(struct world *w, struct words *words)
{
	u32 sessions, mappings, hosts, resting;
	int rc = 0;

	state_count(&w->ways[0]->nat, &sessions, &mappings, &hosts, &resting);
	while (!rc && words_peek(words)) {
		if (words_take(words, "sessions")) {
			rc = number_wanted(w, words, "sessions", sessions);
		} else if (words_take(words, "mappings")) {
			rc = number_wanted(w, words, "mappings", mappings);
		} else if (words_take(words, "hosts")) {
			rc = number_wanted(w, words, "hosts", hosts);
		} else if (words_take(words, "resting")) {
			rc = number_wanted(w, words, "resting", resting);
		} else if (words_take(words, "blocks")) {
			__be32 addr;
			if (address_parse(words_next(words), &addr))
				return world_fail(w, "expect blocks A N");
			rc = number_wanted(w, words, "blocks", blocks_lent(&w->ways[0]->nat, addr));
		} else if (words_take(words, "ports")) {
			enum class class;
			__be32 addr;
			if (class_parse(words_next(words), &class) || address_parse(words_next(words), &addr))
				return world_fail(w, "expect ports udp|tcp|icmp A N");
			rc = number_wanted(w, words, "ports", ports_taken(&w->ways[0]->nat, class, addr));
		} else {
			rc = world_fail(w, "expect what? %s", words_peek(words));
		}
	}
	return rc;
}

/* check X == Y, X != Y, X even, X odd, X in FROM-TO */
int check_run(struct world *w, struct words *words)
{
	const char *x = words_next(words), *how = words_next(words), *y;
	u32 n;
	unsigned int from, to;

	if (!x || !how)
		return world_fail(w, "check X ==|!=|even|odd|in ...");
	if (!strcmp(how, "==") || !strcmp(how, "!=")) {
		y = words_next(words);
		if (!y || !strcmp(x, y) != !strcmp(how, "=="))
			return world_fail(w, "%s %s %s does not hold", x, how, y ? y : "(end)");
		return 0;
	}
	if (number_parse(x, 65535, &n))
		return world_fail(w, "not a number: %s", x);
	if (!strcmp(how, "even") || !strcmp(how, "odd"))
		return n % 2 == !strcmp(how, "odd") ? 0 : world_fail(w, "%u is not %s", n, how);
	y = words_next(words);
	if (strcmp(how, "in") || !y || sscanf(y, "%u-%u", &from, &to) != 2)
		return world_fail(w, "check X ==|!=|even|odd|in ...");
	return n >= from && n <= to ? 0 : world_fail(w, "%u is not in %s", n, y);
}

/* unique SET VALUE: nobody in the set had this value before. */
int unique_run(struct world *w, struct words *words)
{
	const char *set = words_next(words), *value = words_next(words);

	if (!set || !value || strlen(set) >= NAME_MAX_BYTES || strlen(value) >= VALUE_MAX_BYTES ||
	    w->unique_count == UNIQUE_MAX)
		return world_fail(w, "unique SET VALUE");
	for (u32 i = 0; i < w->unique_count; i++)
		if (!strcmp(w->unique[i].name, set) && !strcmp(w->unique[i].value, value))
			return world_fail(w, "%s is not unique in %s", value, set);
	struct name_value *at = &w->unique[w->unique_count++];
	snprintf(at->name, sizeof(at->name), "%s", set);
	snprintf(at->value, sizeof(at->value), "%s", value);
	return 0;
}

/* let NAME VALUE */
int let_run(struct world *w, struct words *words)
{
	const char *name = words_next(words), *value = words_next(words);

	return name && value ? variable_set(w, name, value) : world_fail(w, "let NAME VALUE");
}
