// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does a new session cost? Every packet comes from another inside endpoint, so each makes a mapping and a
 * session (a new host, too, every 64th). Tables are empty when a round begins. Sessions per second of one CPU are
 * the inverse: twice as many a second is half the time.
 */
#include <errno.h>
#include <stddef.h>
#include "bench/bench.h"

enum {
	QUICK_SESSIONS = 1 << 17,
	SESSIONS_TURNS = 32,
	HALVES = 2,
};

static int sessions_turn(struct bench *bench, struct figure *figure, __u32 flows, int turn, int i)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct sample sample;
	int err;

	order.mask = flows - 1;
	order.counter = (__u64)turn * (flows / SESSIONS_TURNS);
	err = bench_send(bench, i, &order, flows / SESSIONS_TURNS, &sample);
	if (!err)
		figure_put(figure, i, (double)sample.nat_ns / (double)sample.arrived);
	return err;
}

/* All flows once, for all candidates; the tables fill side by side. Without figures nothing is noted. */
static int sessions_round(struct bench *bench, struct figure *const figures[HALVES], __u32 flows)
{
	int err = 0;

	for (int i = 0; i < bench->candidates && !err; i++)
		err = candidate_empty(bench->candidate[i]);
	for (int turn = 0; turn < SESSIONS_TURNS; turn++) {
		struct figure *figure = figures ? figures[turn * HALVES / SESSIONS_TURNS] : NULL;

		for (int n = 0; n < bench->candidates && !err; n++)
			err = sessions_turn(bench, figure, flows, turn, bench_turn(bench, turn, n));
	}
	return err;
}

static struct figure *half_figure(struct bench *bench, const char *range)
{
	struct figure *figure = report_add(&bench->report, "ns/session", "new session, tables %s", range);

	if (figure) {
		figure->target = TARGET_RATIO_AT_LEAST;
		figure->numerator = bench_column(bench, "nft");
		figure->denominator = bench_column(bench, "keepnat");
		figure->bound = 2.0;
	}
	return figure;
}

int question_sessions(struct bench *bench)
{
	__u32 flows = bench->quick && bench->flows > QUICK_SESSIONS ? QUICK_SESSIONS : bench->flows;
	struct figure *figures[HALVES] = {
		half_figure(bench, flows == bench->flows ? "empty to half full" : "nearly empty"),
		half_figure(bench, flows == bench->flows ? "half full to full" : "filling"),
	};
	int err;

	if (!figures[1])
		return -ENOSPC;
	bench_settle(bench);
	err = bench_start(bench);
	/* Once for nothing: the kernel's caches of objects grow in the first round only. */
	err = err ? err : sessions_round(bench, NULL, flows);
	for (int round = 0; round < bench->rounds && !err; round++)
		err = sessions_round(bench, figures, flows);
	return err;
}
