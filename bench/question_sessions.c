// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many new sessions can one CPU make in a second? Every packet comes from another inside endpoint, so each makes a mapping
 * and a session (a new host, too, every 64th). Tables are empty when a round begins.
 *
 * Then the same where ports are scarce: the pool has as many ports as there are flows, all flows have one remote endpoint, so that
 * no candidate may use a port twice, and nine in ten ports are taken before what is counted begins.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include "bench/bench.h"

enum {
	QUICK_SESSIONS = 1 << 17,
	SESSIONS_TURNS = 32,
	HALVES = 2,
	ADDRESS_FLOWS = 1 << 16, /* to an outside address; it has 64512 ports from 1024 on */
	SCARCE_TURNS = 8,
	SCARCE_PART = 512, /* of the flows in a turn: with all turns 1.6 of 100 */
};
/* These parts of the flows are nine tenths of the ports. */
static const __u32 taken[] = { 2, 4, 8, 64 };
enum { TAKEN = sizeof(taken) / sizeof(*taken) };

static double sessions_a_second(const struct sample *sample)
{
	return sample->nat_ns ? 1e9 * (double)sample->arrived / (double)sample->nat_ns : 0;
}

static int sessions_turn(struct bench *bench, struct figure *figure, __u32 flows, int turn, int i)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct sample sample;
	int err;

	order.mask = flows - 1;
	order.counter = (__u64)turn * (flows / SESSIONS_TURNS);
	err = bench_send(bench, i, &order, flows / SESSIONS_TURNS, &sample);
	if (!err)
		figure_put(figure, i, sessions_a_second(&sample));
	return err;
}

static int candidates_empty(struct bench *bench)
{
	int err = 0;

	for (int n = 0; n < bench->parts && !err; n++)
		err = candidate_empty(bench->candidate[bench->part[n]]);
	return err;
}

/* All flows once, for all candidates, which have none of them yet; the tables fill side by side. Without figures nothing is noted. */
static int sessions_round(struct bench *bench, struct figure *const figures[HALVES], __u32 flows)
{
	int err = 0;

	for (int turn = 0; turn < SESSIONS_TURNS; turn++) {
		struct figure *figure = figures ? figures[turn * HALVES / SESSIONS_TURNS] : NULL;

		for (int n = 0; n < bench->parts && !err; n++)
			err = sessions_turn(bench, figure, flows, turn, bench_turn(bench, turn, n));
	}
	return err;
}

/* So many flows from this one on, a power of two, that were not there before; not each of them finds a port. */
static int scarce_pass(struct bench *bench, int i, __u32 first, __u32 flows, struct sample *sample)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	int err;

	order.first = first;
	order.mask = flows - 1;
	order.remotes = 1;
	err = bench_pass(bench, i, &order, flows, sample);
	if (err || sample->arrived >= flows / 2)
		return err;
	fprintf(stderr, "bench: %s: %llu of %u new flows got through, with ports left\n",
		bench->candidate[i]->name, (unsigned long long)sample->arrived, flows);
	return -EIO;
}

/* Takes nine tenths of the ports; how many flows that are, in `next`. */
static int scarce_fill(struct bench *bench, int i, __u32 flows, __u32 *next)
{
	struct sample sample;
	int err = 0;

	*next = 0;
	for (int n = 0; n < TAKEN && !err; n++) {
		err = scarce_pass(bench, i, *next, flows / taken[n], &sample);
		*next += flows / taken[n];
	}
	return err;
}

static int scarce_round(struct bench *bench, struct figure *figure, struct figure *found, __u32 flows)
{
	__u32 next = 0, part = flows / SCARCE_PART;
	int err = 0;

	for (int n = 0; n < bench->parts && !err; n++)
		err = scarce_fill(bench, bench->part[n], flows, &next);
	for (int turn = 0; turn < SCARCE_TURNS; turn++)
		for (int n = 0; n < bench->parts && !err; n++) {
			int i = bench_turn(bench, turn, n);
			struct sample sample;

			err = scarce_pass(bench, i, next + (__u32)turn * part, part, &sample);
			if (err)
				return err;
			figure_put(figure, i, sessions_a_second(&sample));
			figure_put(found, i, (double)sample.arrived / (double)sample.sent);
		}
	return err;
}

static struct figure *sessions_figure(struct bench *bench, const char *where)
{
	struct figure *figure = report_add(&bench->report, "1/s", "new sessions, %s", where);
	int nft = bench_column(bench, "nft");

	figure_ratio_at_least(figure, bench_column(bench, "tc"), nft, 2.0);
	figure_ratio_at_least(figure, bench_column(bench, "all"), nft, 4.0);
	return figure;
}

int question_sessions(struct bench *bench)
{
	__u32 flows = bench->quick && bench->flows > QUICK_SESSIONS ? QUICK_SESSIONS : bench->flows;
	struct figure *figures[HALVES] = {
		sessions_figure(bench,
				flows == bench->flows ? "tables empty to half full" : "tables nearly empty"),
		sessions_figure(bench, flows == bench->flows ? "tables half full to full" : "tables filling"),
	};
	struct figure *scarce = sessions_figure(bench, "90 % of the ports taken");
	struct figure *found = report_add(&bench->report, "share", "of those, found a port");
	int err;

	if (!found)
		return -ENOSPC;
	bench_settle(bench);
	err = bench_start(bench);
	/* Once for nothing: the kernel's caches of objects grow in the first round only. */
	err = err ? err : sessions_round(bench, NULL, flows);
	for (int round = 0; round < bench->rounds && !err; round++) {
		err = candidates_empty(bench);
		err = err ? err : sessions_round(bench, figures, flows);
	}
	bench_stop(bench);
	/* No fewer than one address has ports for. */
	flows = flows > ADDRESS_FLOWS ? flows : ADDRESS_FLOWS;
	bench->setting.pool_last = bench->setting.pool_first + flows / ADDRESS_FLOWS - 1;
	bench->setting.sessions = bench->setting.sessions > flows ? bench->setting.sessions : flows;
	bench->setting.hosts = 2 * bench->setting.sessions / TRAFFIC_FLOWS_PER_HOST;
	err = err ? err : bench_start(bench);
	for (int round = 0; round < bench->rounds && !err; round++) {
		err = round ? candidates_empty(bench) : 0;
		err = err ? err : scarce_round(bench, scarce, found, flows);
	}
	return err;
}
