// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does a packet of a known session cost? The tables hold all sessions the whole time; what varies is how many
 * of them are in use, and so how much of the state is in the caches. What many flows add to a packet is put beside what
 * one read of memory costs that no cache holds, measured in the same turns.
 *
 * With all flows in use a flow has a packet every few tens of seconds here, where candidates take turns on one CPU: far less than
 * where so many flows really are active. So each round begins with packets that do not count, one of each flow that it will
 * use: the fast path's leases are then as young as they are in a router that has nothing else to do.
 *
 * The largest tables would not fit into memory side by side: there one candidate follows the other, and the ratios are
 * between figures that were taken minutes apart.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "bench/bench.h"
#include "bench/random_read.h"

enum {
	QUICK_FLOWS = 1 << 17,
	TURN_PACKETS = 1 << 15,
	WARM_PACKETS = TURN_PACKETS / 8,
	PROTOCOLS = 2,
	DIRECTIONS = 2,
	BIG_USUAL = 1 << 23,
	BIG_ENTRY = 420,     /* bytes of memory that the dearest candidate takes for a session */
	BIG_SPARE = 1 << 20, /* kilobytes that are left to others */
};

/* Flows in use, and what this asks for at least: nft against xdp, the limit against xdp, nft against tc. */
static const struct size {
	__u32 flows;
	double xdp, limit, tc;
} sizes[] = {
	{ .flows = 1 },
	{ .flows = 1 << 10, .xdp = 9.0, .limit = 0.82, .tc = 2.0 },
	{ .flows = 1 << 17 },
	{ .flows = 1 << 20, .xdp = 5.0 },
};
enum { SIZES = sizeof(sizes) / sizeof(*sizes), SIZE_HOT = 1 };
static const double added_bound = 1.3; /* reads that a million flows may add to a packet of a thousand */

static const struct {
	const char *name;
	__u32 protocol;
} protocols[PROTOCOLS] = { { "UDP", IPPROTO_UDP }, { "TCP", IPPROTO_TCP } };
static const char *const directions[DIRECTIONS] = { [TRAFFIC_OUT] = "out", [TRAFFIC_IN] = "in" };

/* So many flows of one protocol in use, one way. */
struct use {
	enum traffic_direction direction;
	__u32 flows;
	struct figure *figure;
};

struct forward_figures {
	struct use use[PROTOCOLS][DIRECTIONS][SIZES];
	struct use big[PROTOCOLS][DIRECTIONS];
	struct figure *added[PROTOCOLS][DIRECTIONS];
	struct figure *read;
};

/* One turn of a candidate: a few packets to bring the caches into their state, then those that count. */
static int use_turn(struct bench *bench, const struct use *use, int i)
{
	struct traffic_order order = bench_order(bench, i, use->direction);
	struct sample sample;
	int err;

	order.stride = bench->flows / use->flows;
	order.mask = use->flows - 1;
	/* Goes on where the last turn ended, so that all flows have their packets in the end. */
	order.counter = (__u64)use->figure->rounds[i] * (TURN_PACKETS + WARM_PACKETS);
	err = bench_send(bench, i, &order, WARM_PACKETS, &sample);
	order.counter += WARM_PACKETS;
	err = err ? err : bench_send(bench, i, &order, TURN_PACKETS, &sample);
	if (!err)
		figure_put(use->figure, i, (double)sample.nat_ns / (double)sample.arrived);
	return err;
}

/* One packet of each flow of the round that comes; before the first round one more, since a lease wants a known flow. */
static int use_renew(struct bench *bench, const struct use *use, int i)
{
	struct traffic_order order = bench_order(bench, i, use->direction);
	__u64 packets = (__u64)bench->turns * (TURN_PACKETS + WARM_PACKETS);
	struct sample sample;
	int err = 0;

	order.stride = bench->flows / use->flows;
	order.mask = use->flows - 1;
	order.counter = (__u64)use->figure->rounds[i] * (TURN_PACKETS + WARM_PACKETS);
	packets = packets < use->flows ? packets : use->flows;
	for (int pass = use->figure->rounds[i] ? 1 : 0; pass < 2 && !err; pass++)
		err = bench_send(bench, i, &order, packets, &sample);
	return err;
}

static int use_round(struct bench *bench, const struct use *use)
{
	int err = 0;

	for (int n = 0; n < bench->parts && !err; n++)
		err = use_renew(bench, use, bench->part[n]);
	for (int turn = 0; turn < bench->turns; turn++)
		for (int n = 0; n < bench->parts && !err; n++)
			err = use_turn(bench, use, bench_turn(bench, turn, n));
	return err;
}

/* All sizes of one protocol that the tables have the flows for. */
static int protocol_round(struct bench *bench, const struct forward_figures *figures, int protocol)
{
	int err = 0;

	for (int d = 0; d < DIRECTIONS; d++)
		for (int s = 0; s < SIZES && !err; s++)
			if (sizes[s].flows <= bench->flows)
				err = use_round(bench, &figures->use[protocol][d][s]);
	probe_alone(true);
	for (int n = 0; n < bench->parts && !err; n++)
		figure_put(figures->read, bench->part[n], random_read_ns());
	probe_alone(false);
	return err;
}

static int protocol_measure(struct bench *bench, const struct forward_figures *figures, int protocol)
{
	int err = 0;

	bench->protocol = protocols[protocol].protocol;
	for (int n = 0; n < bench->parts && !err; n++) {
		int i = bench->part[n];

		err = protocol ? candidate_empty(bench->candidate[i]) : bench_start_one(bench, i);
		err = err ? err : bench_fill(bench, i, bench->flows);
	}
	bench_rest();
	for (int round = 0; round < bench->rounds && !err; round++)
		err = protocol_round(bench, figures, protocol);
	return err;
}

/* What most flows add to a packet of a thousand, in reads: of the medians, since those come from different turns. */
static void added_put(const struct bench *bench, const struct forward_figures *figures, int protocol,
		      int direction, int most)
{
	const struct use *use = figures->use[protocol][direction];
	const struct figure *hot = use[SIZE_HOT].figure, *cold = use[most].figure;

	for (int n = 0; n < bench->parts; n++) {
		int i = bench->part[n];
		double added = figure_median(cold, i) - figure_median(hot, i);

		figure_put(figures->added[protocol][direction], i,
			   added > 0 ? added / figure_median(figures->read, i) : 0);
	}
}

/* The tables of one candidate at a time, with room for so many; 0 or what went wrong. */
static int big_candidate(struct bench *bench, const struct forward_figures *figures, int i)
{
	int err = 0;

	for (int p = 0; p < PROTOCOLS && !err; p++) {
		bench->protocol = protocols[p].protocol;
		err = p ? candidate_empty(bench->candidate[i]) : bench_start_one(bench, i);
		err = err ? err : bench_fill(bench, i, bench->flows);
		bench_rest();
		for (int round = 0; round < bench->rounds && !err; round++)
			for (int d = 0; d < DIRECTIONS && !err; d++)
				err = use_round(bench, &figures->big[p][d]);
	}
	candidate_stop(bench->candidate[i]);
	return err;
}

/* Kilobytes that programs could have now. */
static long memory_available(void)
{
	long kilobytes = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %ld", &kilobytes);
	if (file)
		fclose(file);
	return kilobytes;
}

/* Is there memory for the largest tables? The row says so when there is not. */
static bool big_possible(const struct bench *bench, const struct forward_figures *figures)
{
	long needed = (long)(((__u64)bench->big * BIG_ENTRY) >> 10) + BIG_SPARE, free = memory_available();
	bool possible = bench->big && needed <= free;

	for (int p = 0; p < PROTOCOLS && !possible; p++)
		for (int d = 0; d < DIRECTIONS; d++)
			if (bench->big)
				figure_note(figures->big[p][d].figure,
					    "takes %ld MB of memory, %ld MB are free", needed >> 10,
					    free >> 10);
			else
				figure_note(figures->big[p][d].figure, "not asked for");
	return possible;
}

static int big_measure(struct bench *bench, const struct forward_figures *figures)
{
	int parts = bench->parts, part[CANDIDATES], err = 0;
	__u32 flows = bench->flows, rows = bench->rows;

	memcpy(part, bench->part, sizeof(part));
	bench->flows = bench->big;
	bench->rows = 0;
	bench->parts = 1;
	bench_settle(bench);
	bench_conntrack(bench, bench->flows);
	for (int n = 0; n < parts && !err; n++) {
		bench->part[0] = part[n];
		err = big_candidate(bench, figures, part[n]);
	}
	memcpy(bench->part, part, sizeof(part));
	bench->parts = parts;
	bench->flows = flows;
	bench->rows = rows;
	bench_conntrack(bench, bench_connections(bench));
	return err;
}

static struct figure *size_figure(struct bench *bench, int protocol, int direction, __u32 flows)
{
	char text[16];

	return report_add(&bench->report, "ns/packet", "%s %s, %s flow%s in use", protocols[protocol].name,
			  directions[direction], flows_text(flows, text), flows == 1 ? "" : "s");
}

/* Ratios first, then those that have a bound. */
static void size_aims(const struct bench *bench, struct figure *figure, const struct size *size)
{
	const struct {
		int numerator, denominator;
		double bound;
	} aims[] = {
		{ bench_column(bench, "nft"), bench_column(bench, "xdp"), size->xdp },
		{ bench_column(bench, "limit"), bench_column(bench, "xdp"), size->limit },
		{ bench_column(bench, "nft"), bench_column(bench, "tc"), size->tc },
	};
	enum { AIMS = sizeof(aims) / sizeof(*aims) };

	for (int n = 0; n < AIMS; n++)
		if (aims[n].bound <= 0)
			figure_ratio(figure, aims[n].numerator, aims[n].denominator);
	for (int n = 0; n < AIMS; n++)
		if (aims[n].bound > 0)
			figure_ratio_at_least(figure, aims[n].numerator, aims[n].denominator, aims[n].bound);
}

/* The rows of one protocol and direction, those that will stay empty too. */
static void way_figures(struct bench *bench, struct forward_figures *figures, int p, int d)
{
	__u32 big = bench->big ? bench->big : BIG_USUAL;
	char text[16];

	for (int s = 0; s < SIZES; s++) {
		struct figure *figure = size_figure(bench, p, d, sizes[s].flows);

		figures->use[p][d][s] = (struct use){ (enum traffic_direction)d, sizes[s].flows, figure };
		size_aims(bench, figure, &sizes[s]);
		if (sizes[s].flows > bench->flows)
			figure_note(figure, "not in tables of %s", flows_text(bench->flows, text));
	}
	figures->big[p][d] = (struct use){ (enum traffic_direction)d, big, size_figure(bench, p, d, big) };
	size_aims(bench, figures->big[p][d].figure, &(struct size){ .flows = big });
}

/* The largest size that the tables have the flows for. */
static int size_most(const struct bench *bench)
{
	int most = 0;

	for (int s = 0; s < SIZES; s++)
		most = sizes[s].flows <= bench->flows ? s : most;
	return most;
}

static int figures_add(struct bench *bench, struct forward_figures *figures)
{
	int most = size_most(bench);
	char text[16], hot[16];

	for (int p = 0; p < PROTOCOLS; p++)
		for (int d = 0; d < DIRECTIONS; d++)
			way_figures(bench, figures, p, d);
	figures->read = report_add(&bench->report, "ns", "random read of 256 MB, in the same turns");
	for (int p = 0; p < PROTOCOLS; p++)
		for (int d = 0; d < DIRECTIONS; d++) {
			struct figure *figure =
				report_add(&bench->report, "reads", "%s %s, %s against %s flows adds",
					   protocols[p].name, directions[d],
					   flows_text(sizes[most].flows, text),
					   flows_text(sizes[SIZE_HOT].flows, hot));

			figure_at_most(figure, bench_column(bench, "tc"), added_bound);
			figure_at_most(figure, bench_column(bench, "xdp"), added_bound);
			figures->added[p][d] = figure;
		}
	return figures->added[PROTOCOLS - 1][DIRECTIONS - 1] ? 0 : -ENOSPC;
}

static int forward_ask(struct bench *bench)
{
	struct forward_figures figures;
	int err = figures_add(bench, &figures);

	bench_settle(bench);
	for (int p = 0; p < PROTOCOLS && !err; p++)
		err = protocol_measure(bench, &figures, p);
	for (int p = 0; p < PROTOCOLS && !err; p++)
		for (int d = 0; d < DIRECTIONS; d++)
			added_put(bench, &figures, p, d, size_most(bench));
	bench_stop(bench);
	if (!err && big_possible(bench, &figures))
		err = big_measure(bench, &figures);
	return err;
}

int question_forward(struct bench *bench)
{
	__u32 flows = bench->flows;
	int err;

	bench->flows = bench->quick && flows > QUICK_FLOWS ? QUICK_FLOWS : flows;
	err = forward_ask(bench);
	bench->flows = flows;
	return err;
}
