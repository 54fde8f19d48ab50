/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rounds.h - what the random tests of this folder share.
 *
 *	NAME.test [SEED [OPERATIONS]]
 *
 * A test is rounds, each with a configuration and a seed of its own, until there were enough operations or something is wrong. A
 * round repeats by itself: NAME.test SEED+ROUND 1, which the message says. With STORY set in the environment, each operation is told.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/table.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"
#include "native/sweep_memory.h"

enum { ETHERNET = 14, ROOM = 4096, OUT_IFINDEX = 3, IN_IFINDEX = 2 };

struct rounds {
	u64 seed, number; /* of the first round; how many have begun */
	u64 operations, wanted;
	u64 random;
	struct nat_instance *nat; /* the round's, if it has but one */
	struct sweep *sweep;
	char wrong[1024]; /* the first thing that was */
	char story[512];  /* the operation at hand */
};

static inline u64 rounds_seed(int argc, char **argv)
{
	return argc > 1 ? strtoull(argv[1], NULL, 0) : (u64)time(NULL);
}

static inline u64 rounds_wanted(int argc, char **argv, u64 operations)
{
	return argc > 2 ? strtoull(argv[2], NULL, 0) : operations;
}

static inline u32 rounds_chance(struct rounds *r, u32 n) { return test_random(&r->random) % n; }

/* what NULL: all is well. */
static inline void rounds_wrong(struct rounds *r, const char *what)
{
	if (what && !r->wrong[0])
		snprintf(r->wrong, sizeof(r->wrong), "%s", what);
}

__attribute__((format(printf, 2, 3))) static inline void rounds_tell(struct rounds *r, const char *format,
								     ...)
{
	va_list values;

	va_start(values, format);
	vsnprintf(r->story, sizeof(r->story), format, values);
	va_end(values);
	if (getenv("STORY"))
		printf("# %s\n", r->story);
}

/* Begin another round; false: it is over. */
static inline bool rounds_next(struct rounds *r)
{
	if (r->operations >= r->wanted || r->wrong[0])
		return false;
	r->random = (r->seed + r->number++) * 0x9e3779b97f4a7c15ull | 1;
	r->story[0] = 0;
	return true;
}

/* What was wrong, and how it repeats. */
static inline void rounds_explain(const struct rounds *r, const char *name)
{
	if (!r->wrong[0])
		return;
	printf("# %s\n", r->wrong);
	if (r->story[0])
		printf("# %s\n", r->story);
	printf("# repeat with: %s.test %llu 1\n", name, r->seed + r->number - 1);
}

/*
 * Of those with one instance
 */

struct lab; /* what a test keeps; each has its own */

struct rounds_steps {
	u64 wanted; /* operations, unless the command line says how many */
	u32 length; /* of them in a round */
	int (*begin)(struct lab *lab);
	void (*operation)(struct lab *lab);
};

/* The round's NAT, in *nat: one interface outside, one inside, and its sweep. 0, or there is no memory. */
static inline int rounds_nat(struct rounds *r, struct nat_instance *nat, const struct native_sizes *sizes)
{
	u64 seed = (u64)rounds_chance(r, 0xffffffff) << 32 | rounds_chance(r, 0xffffffff);

	if (native_create(nat, sizes, seed))
		return -1;
	r->nat = nat;
	native_interface_add(nat, OUT_IFINDEX, ROLE_OUTSIDE);
	native_interface_add(nat, IN_IFINDEX, ROLE_INSIDE);
	r->sweep = sweep_memory_new(nat);
	return r->sweep ? 0 : -1;
}

/* One outside address, and all that is silent for long is gone: for tests that are about flows alone. */
static inline void rounds_short(struct nat_instance *nat, __be32 outside, u32 silence)
{
	native_address_set(nat, 0, outside, ADDRESS_LIVE | ADDRESS_POOL);
	nat->config->timers.udp_timeout = silence;
	nat->config->timers.host_retention_timeout = 4 * silence;
}

/* After more silence than that. */
static inline void rounds_flows_gone(struct rounds *r)
{
	for (u32 i = 0; i <= r->nat->config->flow_mask; i++)
		if (word_state(env_slot(r->nat, TABLE_FLOWS, i)->word) != FREE)
			rounds_wrong(r, "a flow is left after all was silent");
}

static inline void round_run(struct rounds *r, struct lab *lab, const struct rounds_steps *steps)
{
	if (steps->begin(lab))
		rounds_wrong(r, "out of memory");
	for (u32 i = 0; i < steps->length && !r->wrong[0]; i++) {
		r->story[0] = 0;
		steps->operation(lab);
		r->operations++;
	}
	sweep_memory_free(r->sweep);
	r->sweep = NULL;
	if (r->nat)
		native_destroy(r->nat);
	r->nat = NULL;
}

static inline void rounds_run(struct rounds *r, struct lab *lab, const struct rounds_steps *steps, int argc,
			      char **argv)
{
	r->seed = rounds_seed(argc, argv);
	r->wanted = rounds_wanted(argc, argv, steps->wanted);
	printf("1..1\n# seed %llu\n", r->seed);
	while (rounds_next(r))
		round_run(r, lab, steps);
}

/* The verdict; tried: it met what it is about. The exit status. */
static inline int rounds_end(const struct rounds *r, const char *name, const char *against, bool tried)
{
	bool good = tried && !r->wrong[0];

	rounds_explain(r, name);
	printf("%s 1 - %s: against %s\n", good ? "ok" : "not ok", name, against);
	return !good;
}

/* An IP packet at the outside interface, or from inside at the inside one; what came of it replaces it. */
static inline struct native_result rounds_meet(struct nat_instance *nat, enum native_hook hook, u32 from,
					       u8 *ip, u32 length)
{
	static u8 frame[ROOM + ETHERNET + 4];
	u8 *data = frame + 2;
	struct native_frame f = { .data = data,
				  .length = length + ETHERNET,
				  .l3 = ETHERNET,
				  .ifindex = hook == NATIVE_HAIRPIN ? IN_IFINDEX : OUT_IFINDEX,
				  .ingress_ifindex = from,
				  .room = ROOM };

	memset(data, 2, ETHERNET);
	data[12] = 8;
	data[13] = 0;
	memcpy(data + ETHERNET, ip, length);
	struct native_result r = native_meet(nat, hook, &f);
	memcpy(ip, data + ETHERNET, r.length - ETHERNET);
	return r;
}

static inline __be32 address(u32 a, u32 b, u32 c, u32 d)
{
	return host_to_be32(a << 24 | b << 16 | c << 8 | d);
}
