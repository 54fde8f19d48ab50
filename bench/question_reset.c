// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does a reset take, and what does it cost those whose sessions it ends? With few and with many sessions, since for
 * keepnat it is one store; beside it `conntrack -F`, which administrators use for the same purpose.
 *
 * After each reset every flow is used once, from outside first and from inside first: packets that do not arrive are lost
 * by the reset (there is no other loss in this lab), flows that the far end then sees at another outside endpoint have
 * moved. Then the largest table is reset while packets of all its flows go through. The other half is reset_busy.c: what
 * packets cost when resets never end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/beside.h"
#include "bench/harm.h"
#include "bench/resets.h"

enum {
	SIZES = 3,
	IN_A_ROW = 8,	 /* of which the fastest counts */
	ORDERS = 32,	 /* by the API, a round */
	STORES = 8,	 /* samples a round */
	BUSY_PASSES = 3, /* over all flows, with a reset in the first of them */
	BUSY_DELAY_NS = 300000000,
};
/* What the fastest calls of some 30 us differ by on a machine that others use, too. */
static const double flat_bound = 1.5;

/* Of one size of the tables. */
struct size_figures {
	__u32 flows;
	struct figure *api, *command, *lost, *moved;
};

struct reset_figures {
	struct size_figures size[SIZES];
	struct figure *flat, *store, *busy, *left;
};

static double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int command_time(struct candidate *candidate, struct figure *figure, int i)
{
	double begin = clock_seconds();
	int err = candidate_reset(candidate);

	figure_put(figure, i, (clock_seconds() - begin) * 1e3);
	return err;
}

/* Resets of one candidate, and what its flows see of them. */
static int size_measure(struct bench *bench, const struct size_figures *size, int i, struct harm *harm)
{
	struct candidate *candidate = bench->candidate[i];
	int err;

	err = command_time(candidate, size->command, i);
	err = err ? err : harm_in(bench, i, size->flows, harm);
	err = err ? err : harm_out(bench, i, size->flows, harm);
	err = err ? err : command_time(candidate, size->command, i);
	return err ? err : harm_out(bench, i, size->flows, harm);
}

/* The fastest of a few orders in a row, in microseconds: what others on the machine hold up is left out. */
static int order_time(int connection, double *best)
{
	int err = 0;

	*best = 1e9;
	for (int n = 0; n < IN_A_ROW && !err; n++) {
		double begin = clock_seconds(), took;

		err = resets_order(connection);
		took = (clock_seconds() - begin) * 1e6;
		*best = took < *best ? took : *best;
	}
	return err;
}

/* keepnat alone: orders by the API, and the store that they come to. */
static int api_measure(struct bench *bench, const struct reset_figures *figures,
		       const struct size_figures *size, int i)
{
	int connection = resets_connect(bench->candidate[i]), err = connection < 0 ? connection : 0;
	double best, ns;

	for (int n = 0; n < ORDERS && !err; n++) {
		err = order_time(connection, &best);
		figure_put(size->api, i, best);
	}
	if (connection >= 0)
		close(connection);
	for (int n = 0; n < STORES && !err && size->flows == bench->flows; n++) {
		ns = resets_store(bench->candidate[i]);
		err = ns < 0 ? (int)ns : 0;
		figure_put(figures->store, i, ns);
	}
	return err;
}

/* What the command found when it came back, and how long that took. */
struct busy_reset {
	struct candidate *candidate;
	double seconds;
	long left;
};

static void busy_work(void *context)
{
	const struct timespec delay = { .tv_nsec = BUSY_DELAY_NS };
	struct busy_reset *busy = context;
	double begin;

	nanosleep(&delay, NULL);
	begin = clock_seconds();
	if (candidate_reset(busy->candidate))
		return;
	busy->left = candidate_uses_conntrack(busy->candidate) ? candidate_connections(busy->candidate) : 0;
	busy->seconds = clock_seconds() - begin;
}

/* A reset while packets of all flows go through. */
static int busy_measure(struct bench *bench, const struct reset_figures *figures, int i)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct busy_reset *busy = beside_memory(sizeof(*busy));
	struct sample sample;
	pid_t pid;
	int err;

	if (!busy)
		return -ENOMEM;
	busy->candidate = bench->candidate[i];
	pid = beside_begin(&bench->lab, busy_work, busy);
	err = pid < 0 ? pid : bench_pass(bench, i, &order, (__u64)bench->flows * BUSY_PASSES, &sample);
	beside_end(pid, 0);
	if (!err && !busy->seconds)
		err = -EIO;
	figure_put(figures->busy, i, busy->seconds * 1e3);
	if (candidate_uses_conntrack(busy->candidate))
		figure_put(figures->left, i, (double)busy->left);
	munmap(busy, sizeof(*busy));
	return err;
}

static int candidate_measure(struct bench *bench, const struct reset_figures *figures,
			     const struct size_figures *size, int i)
{
	bool is_keepnat = i == bench_column(bench, "tc");
	struct harm harm = { 0 };
	int err = candidate_empty(bench->candidate[i]);

	err = err ? err : bench_fill(bench, i, size->flows);
	for (int round = 0; round < bench->rounds && !err; round++) {
		if (is_keepnat)
			err = api_measure(bench, figures, size, i);
		err = err ? err : size_measure(bench, size, i, &harm);
	}
	figure_put(size->lost, i, harm.lost);
	figure_put(size->moved, i, harm.moved);
	if (size->flows == bench->flows && beside_possible(&bench->lab))
		for (int round = 0; round < bench->rounds && !err; round++)
			err = busy_measure(bench, figures, i);
	return err;
}

static void figures_add(struct bench *bench, struct reset_figures *figures)
{
	const __u32 sizes[SIZES] = { 16, 1 << 14, bench->flows };
	struct report *report = &bench->report;
	char text[SIZES][16];

	for (int n = 0; n < SIZES; n++) {
		figures->size[n].flows = sizes[n] < bench->flows ? sizes[n] : bench->flows;
		flows_text(figures->size[n].flows, text[n]);
		figures->size[n].api = report_add(report, "us", "reset by the API, %s sessions", text[n]);
	}
	figures->flat = report_add(report, "times", "the same, %s against %s", text[SIZES - 1], text[0]);
	figures->store = report_add(report, "ns", "reset: the store alone, %s sessions", text[SIZES - 1]);
	for (int n = 0; n < SIZES; n++)
		figures->size[n].command =
			report_add(report, "ms", "reset by the command line, %s sessions", text[n]);
	figures->busy = report_add(report, "ms", "the same while packets of %s flows pass", text[SIZES - 1]);
	figures->left = report_add(report, "entries", "there when it returned");
	for (int n = 0; n < SIZES; n++)
		figures->size[n].lost =
			report_add(report, "packets", "lost by one pass after it, %s sessions", text[n]);
	for (int n = 0; n < SIZES; n++)
		figures->size[n].moved =
			report_add(report, "flows", "at another outside endpoint, of %s", text[n]);
}

/* The figures that have a bound, once all of them are known to be there. */
static void figures_bound(const struct reset_figures *figures, int keepnat)
{
	figure_at_most(figures->flat, keepnat, flat_bound);
	for (int n = 0; n < SIZES; n++) {
		figure_at_most(figures->size[n].lost, keepnat, 0);
		figure_at_most(figures->size[n].moved, keepnat, 0);
	}
}

int question_reset(struct bench *bench)
{
	int keepnat = bench_column(bench, "tc"), err;
	struct reset_figures figures;

	figures_add(bench, &figures);
	if (!figures.size[SIZES - 1].moved)
		return -ENOSPC;
	figures_bound(&figures, keepnat);
	bench_settle(bench);
	err = bench_start(bench);
	for (int n = 0; n < SIZES; n++)
		for (int p = 0; p < bench->parts && !err; p++)
			if (bench->candidate[bench->part[p]]->translates)
				err = candidate_measure(bench, &figures, &figures.size[n], bench->part[p]);
	if (err || keepnat < 0)
		return err;
	figure_put(figures.flat, keepnat,
		   figure_median(figures.size[SIZES - 1].api, keepnat) /
			   figure_median(figures.size[0].api, keepnat));
	return reset_busy(bench, keepnat);
}
