/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spi.c - random ESP of several hosts to several gateways by one outside address, against a naive table of who has which SPI: out and in,
 * new SPIs from either side, time, sweeps, resets, silence.
 *
 *	spi.test [SEED [OPERATIONS]]
 *
 * The table knows of each gateway who waits since when, how many of it, and whether others were there; nothing of slots. Sessions end
 * by silence alone, and then all of them. Bytes behind the IP header must stay as they are.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"
#include "native/sweep_memory.h"
#include "tests/state.h"

enum { ROUND = 2000, OPERATIONS = 60000, ROOM = 256, OUT_IFINDEX = 3, IN_IFINDEX = 2 };
enum {
	HOSTS = 4,
	GATEWAYS = 2,
	SPIS = 24,
	WAIT = 10,
	NOBODY = -1,
	NONE = -1,
	LEAST = -8,
	MOST = 7,
	SILENCE = 100000
};

struct gateway {
	bool claimed, shared;
	int owner, balance, first; /* first: the inbound SPI that came last before its outbound one */
	u32 since;
	bool sends[HOSTS][SPIS];
	int owns[SPIS];
};

struct lab {
	struct nat_instance nat;
	struct sweep *sweep;
	struct gateway gateways[GATEWAYS];
	u64 random, operations, met[REASONS];
	u32 clock;
	const char *wrong;
	char story[200];
};

static u32 chance(struct lab *lab, u32 n) { return test_random(&lab->random) % n; }

static __be32 inside(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 remote(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside(void) { return host_to_be32(0xc6336402); }

static void forget(struct gateway *g)
{
	memset(g, 0, sizeof(*g));
	g->first = NONE;
	for (u32 i = 0; i < SPIS; i++)
		g->owns[i] = NOBODY;
}

/* What becomes of a packet with an SPI out. */
static u32 out_model(struct lab *lab, struct gateway *g, int host, u32 spi)
{
	if (g->sends[host][spi])
		return REASON_out_session;
	if (!g->claimed || g->owner != host) {
		if (g->claimed && g->balance > 0 && lab->clock - g->since <= WAIT)
			return REASON_spi_waits;
		if (g->claimed && g->balance < 0 && g->first != NONE && g->owns[g->first] == g->owner)
			g->owns[g->first] = NOBODY;
		g->shared = g->claimed;
		g->claimed = true;
		g->owner = host;
		g->balance = 0;
	}
	g->balance += g->balance < MOST;
	g->first = NONE;
	g->since = lab->clock;
	g->sends[host][spi] = true;
	return REASON_out_created;
}

/* The same in; *host: to whom. */
static u32 in_model(struct gateway *g, u32 spi, int *host)
{
	*host = g->owns[spi];
	if (*host != NOBODY)
		return REASON_in_session;
	if (!g->claimed)
		return REASON_no_mapping;
	if (g->balance <= 0 && g->shared)
		return REASON_spi_unknown;
	g->first = g->balance > 0 ? NONE : (int)spi;
	g->balance -= g->balance > LEAST;
	*host = g->owns[spi] = g->owner;
	return REASON_in_created;
}

/* A packet through the core; its endpoints become what it left with. */
static u32 meet(struct lab *lab, enum native_hook hook, __be32 *from, __be32 *to, u32 spi)
{
	static u8 frame[ROOM + 4];
	u8 payload[16], *data = frame + 2;
	struct packet_spec s = { .protocol = PROTOCOL_ESP,
				 .saddr = *from,
				 .daddr = *to,
				 .payload = payload,
				 .payload_length = sizeof(payload) };

	for (u32 i = 0; i < sizeof(payload); i++)
		payload[i] = (u8)chance(lab, 256);
	payload[0] = hook == NATIVE_OUT ? 0x10 : 0x20;
	payload[1] = (u8)spi;
	payload[2] = payload[3] = (u8)(spi * 7);
	int length = packet_build(&s, data, ROOM);
	struct native_frame f = { .data = data,
				  .length = (u32)length,
				  .ifindex = OUT_IFINDEX,
				  .ingress_ifindex = hook == NATIVE_OUT ? IN_IFINDEX : 0 };
	u32 reason = native_meet(&lab->nat, hook, &f).reason;
	memcpy(from, data + 12, 4);
	memcpy(to, data + 16, 4);
	if (packet_check(data, (size_t)length) || memcmp(data + 20, payload, sizeof(payload)))
		lab->wrong = "its bytes are wrong";
	lab->met[reason]++;
	return reason;
}

static void judge(struct lab *lab, const char *what, u32 host, u32 gateway, u32 spi, u32 is, u32 wanted)
{
	snprintf(lab->story, sizeof(lab->story),
		 "at %u: %s, host %d, gateway %u, SPI %u: reason %u, wanted %u", lab->clock, what, (int)host,
		 gateway, spi, is, wanted);
	if (getenv("STORY"))
		printf("# %s\n", lab->story);
	if (is != wanted)
		lab->wrong = "another reason than the table's";
}

static void out_op(struct lab *lab)
{
	u32 host = chance(lab, HOSTS), gateway = chance(lab, GATEWAYS), spi = chance(lab, SPIS);
	__be32 from = inside(host), to = remote(gateway);
	u32 wanted = out_model(lab, &lab->gateways[gateway], (int)host, spi);
	u32 is = meet(lab, NATIVE_OUT, &from, &to, spi);

	judge(lab, "out", host, gateway, spi, is, wanted);
	if (reason_verdict(is) == VERDICT_TRANSLATE && (from != outside() || to != remote(gateway)))
		lab->wrong = "it left with a wrong address";
}

static void in_op(struct lab *lab)
{
	u32 gateway = chance(lab, GATEWAYS), spi = chance(lab, SPIS);
	__be32 from = remote(gateway), to = outside();
	int host;
	u32 wanted = in_model(&lab->gateways[gateway], spi, &host);
	u32 is = meet(lab, NATIVE_IN, &from, &to, spi);

	judge(lab, "in", (u32)host, gateway, spi, is, wanted);
	if (reason_verdict(is) == VERDICT_TRANSLATE && (from != remote(gateway) || to != inside((u32)host)))
		lab->wrong = "it came to somebody else";
}

static void pass(struct lab *lab, u32 ticks)
{
	lab->clock += ticks;
	lab->nat.now = (lab->nat.now + ticks) & TIME;
	sweep_pass(lab->sweep, lab->nat.now);
}

/* Others than who has the claim are seen by the sweep. */
static void time_op(struct lab *lab)
{
	pass(lab, chance(lab, 8));
	for (u32 i = 0; i < GATEWAYS; i++) {
		struct gateway *g = &lab->gateways[i];
		for (u32 spi = 0; spi < SPIS; spi++) {
			g->shared |= g->owns[spi] != NOBODY && g->owns[spi] != g->owner;
			for (int host = 0; host < HOSTS; host++)
				g->shared |= g->sends[host][spi] && host != g->owner;
		}
	}
}

static void end_op(struct lab *lab)
{
	if (chance(lab, 2)) {
		native_reset(&lab->nat, 0, TABLE_FLOWS);
	} else {
		for (u32 i = 0; i < 6; i++)
			pass(lab, SILENCE / 2 + 1);
		for (u32 i = 0; i <= lab->nat.config->flow_mask; i++)
			if (word_state(env_slot(&lab->nat, TABLE_FLOWS, i)->word) != FREE)
				lab->wrong = "a flow is left after all was silent";
	}
	for (u32 i = 0; i < GATEWAYS; i++)
		forget(&lab->gateways[i]);
}

static void operation(struct lab *lab)
{
	u32 n = chance(lab, 1000);
	struct state_fault fault;

	if (n < 450)
		out_op(lab);
	else if (n < 900)
		in_op(lab);
	else if (n < 985)
		time_op(lab);
	else
		end_op(lab);
	if (n >= 900 && state_check(&lab->nat, 0, &fault))
		lab->wrong = "the state is not in order";
	lab->operations++;
}

static int round_begin(struct lab *lab)
{
	struct native_sizes sizes = { .flows = 4096, .mappings = 1024, .hosts = 128, .addresses = 4 };

	if (native_create(&lab->nat, &sizes, (u64)chance(lab, 0xffffffff) << 32 | chance(lab, 0xffffffff)))
		return -1;
	native_interface_add(&lab->nat, OUT_IFINDEX, ROLE_OUTSIDE);
	native_interface_add(&lab->nat, IN_IFINDEX, ROLE_INSIDE);
	native_address_set(&lab->nat, 0, outside(), ADDRESS_LIVE | ADDRESS_POOL);
	lab->nat.config->timers.udp_timeout = SILENCE;
	lab->nat.config->timers.host_retention_timeout = 4 * SILENCE;
	lab->clock = 0;
	lab->nat.now = chance(lab, 0x100000);
	for (u32 i = 0; i < GATEWAYS; i++)
		forget(&lab->gateways[i]);
	lab->sweep = sweep_memory_new(&lab->nat);
	return lab->sweep ? 0 : -1;
}

int main(int argc, char **argv)
{
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (u64)time(NULL), round = 0,
	    operations = argc > 2 ? strtoull(argv[2], NULL, 0) : OPERATIONS;
	static struct lab lab;

	printf("1..1\n# seed %llu\n", seed);
	for (; lab.operations < operations && !lab.wrong; round++) {
		lab.random =
			(seed + round) * 0x9e3779b97f4a7c15ull | 1; /* it repeats by itself: SEED+ROUND 1 */
		if (round_begin(&lab))
			lab.wrong = "out of memory";
		for (u32 i = 0; i < ROUND && !lab.wrong; i++)
			operation(&lab);
		sweep_memory_free(lab.sweep);
		native_destroy(&lab.nat);
	}
	printf("# %llu operations: %llu learned, %llu waited, %llu unknown\n", lab.operations,
	       lab.met[REASON_in_created], lab.met[REASON_spi_waits], lab.met[REASON_spi_unknown]);
	if (lab.wrong)
		printf("# round with seed %llu: %s\n# %s\n", seed + round - 1, lab.wrong, lab.story);
	bool tried = lab.met[REASON_in_created] && lab.met[REASON_spi_waits] && lab.met[REASON_spi_unknown];
	printf("%s 1 - spi: against a naive table\n", lab.wrong || !tried ? "not ok" : "ok");
	return lab.wrong != NULL;
}
