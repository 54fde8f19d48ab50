/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * world.h - the statements of the language, by what they are about, and what they share.
 */
#pragma once
#include "tests/scenarios/scenario.h"

/* All that a line does to the state is done to the instance of each way. */
static inline struct nat_instance *nat_first(struct world *w) { return &w->ways[0]->nat; }
static inline struct nat_instance *nat_next(struct world *w, const struct nat_instance *nat)
{
	return w->way_count > 1 && nat == &w->ways[0]->nat ? &w->ways[1]->nat : NULL;
}

/* statements.c: begin the ways if nothing has begun yet; are they equal? 0 or -1. */
int world_begin(struct world *w);
int world_same(struct world *w);

/* setup.c */
struct world_interface *interface_named(struct world *w, const char *name); /* NULL, and the error is set */
struct world_interface *interface_first(struct world *w, enum role role);
int config_run(struct world *w, struct words *words);
int interface_run(struct world *w, struct words *words);
int blocks_run(struct world *w, struct words *words);
int deterministic_run(struct world *w, struct words *words);
int address_run(struct world *w, struct words *words);
int socket_run(struct world *w, struct words *words);

/* fixed.c */
int reserve_run(struct world *w, struct words *words);
int map_run(struct world *w, struct words *words);
int unfix_run(struct world *w, struct words *words);

/* traffic.c */
int out_run(struct world *w, struct words *words);
int own_run(struct world *w, struct words *words);
int in_run(struct world *w, struct words *words);
int hairpin_run(struct world *w, struct words *words);
int learn_run(struct world *w, struct words *words);
int client_run(struct world *w, struct words *words);

/* lose.c */
int lose_run(struct world *w, struct words *words);
int take_run(struct world *w, struct words *words);

/* look.c */
int expect_run(struct world *w, struct words *words);
int check_run(struct world *w, struct words *words);
int unique_run(struct world *w, struct words *words);
int let_run(struct world *w, struct words *words);
