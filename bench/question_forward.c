// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does a packet of a known session cost? The tables hold all sessions the whole time; what varies is how many
 * of them are in use, and so how much of the state is in the caches.
 *
 * With all flows in use a flow has a packet every few tens of seconds here, where candidates take turns on one CPU: far less than
 * where a million flows really are active. So each round begins with packets that do not count, one of each flow that it will
 * use: the fast path's leases are then as young as they are in a router that has nothing else to do.
 */
#include <errno.h>
#include "bench/bench.h"

struct use {
	enum traffic_direction direction;
	__u32 flows; /* 0: all */
	double bound;
};

static const struct use uses[] = {
	{ TRAFFIC_OUT, 1024, 0.50 },
	{ TRAFFIC_OUT, 0, 0.70 },
	{ TRAFFIC_IN, 1024, 0.50 },
	{ TRAFFIC_IN, 0, 0.70 },
};
enum {
	USES = sizeof(uses) / sizeof(*uses),
	TURN_PACKETS = 1 << 15,
	WARM_PACKETS = TURN_PACKETS / 8,
};

/* One turn of a candidate: a few packets to bring the caches into their state, then those that count. */
static int use_turn(struct bench *bench, const struct use *use, struct figure *figure, int i)
{
	struct traffic_order order = bench_order(bench, i, use->direction);
	struct sample sample;
	int err;

	if (use->flows) {
		order.stride = bench->flows / use->flows;
		order.mask = use->flows - 1;
	}
	/* Goes on where the last turn ended, so that all flows have their packets in the end. */
	order.counter = (__u64)figure->rounds[i] * (TURN_PACKETS + WARM_PACKETS);
	err = bench_send(bench, i, &order, WARM_PACKETS, &sample);
	order.counter += WARM_PACKETS;
	err = err ? err : bench_send(bench, i, &order, TURN_PACKETS, &sample);
	if (!err)
		figure_put(figure, i, (double)sample.nat_ns / (double)sample.arrived);
	return err;
}

/* One packet of each flow of the round that comes; before the first round one more, since a lease wants a known flow. */
static int use_renew(struct bench *bench, const struct use *use, const struct figure *figure, int turns)
{
	int err = 0;

	for (int i = 0; i < bench->candidates && !use->flows; i++) {
		struct traffic_order order = bench_order(bench, i, use->direction);
		struct sample sample;

		order.counter = (__u64)figure->rounds[i] * (TURN_PACKETS + WARM_PACKETS);
		for (int pass = figure->rounds[i] ? 1 : 0; pass < 2 && !err; pass++)
			err = bench_send(bench, i, &order, (__u64)turns * (TURN_PACKETS + WARM_PACKETS),
					 &sample);
	}
	return err;
}

static int use_round(struct bench *bench, const struct use *use, struct figure *figure)
{
	int turns = (int)(bench->packets / TURN_PACKETS), err = use_renew(bench, use, figure, turns);

	for (int turn = 0; turn < turns; turn++)
		for (int n = 0; n < bench->candidates && !err; n++)
			err = use_turn(bench, use, figure, bench_turn(bench, turn, n));
	return err;
}

static struct figure *use_figure(struct bench *bench, const struct use *use)
{
	__u32 flows = use->flows ? use->flows : bench->flows;
	struct figure *figure =
		report_add(&bench->report, "ns/packet", "packet %s, %u%s flows in use",
			   use->direction == TRAFFIC_OUT ? "out" : "in",
			   flows >= 1u << 20 ? flows >> 20 : flows >> 10, flows >= 1u << 20 ? "M" : "k");

	if (figure) {
		figure->target = TARGET_RATIO_AT_MOST;
		figure->numerator = bench_column(bench, "keepnat");
		figure->denominator = bench_column(bench, "nft");
		figure->bound = use->bound;
	}
	return figure;
}

int question_forward(struct bench *bench)
{
	struct figure *figures[USES];
	int err;

	for (int u = 0; u < USES; u++)
		if (!(figures[u] = use_figure(bench, &uses[u])))
			return -ENOSPC;
	bench_settle(bench);
	err = bench_start(bench);
	for (int i = 0; i < bench->candidates && !err; i++)
		err = bench_fill(bench, i, bench->flows);
	for (int round = 0; round < bench->rounds; round++)
		for (int u = 0; u < USES && !err; u++)
			err = use_round(bench, &uses[u], figures[u]);
	return err;
}
