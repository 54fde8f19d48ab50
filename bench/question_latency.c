// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long does a packet take through a router that is half busy? Packets of 1k known flows come in small bursts at random times.
 * Each is due at a time that was fixed before; how long after it the sink has it is what counts, so that a packet that comes
 * while the router is at others is seen to wait. Every candidate gets the same packets a second: half of what the slowest
 * of them can take here, where generator and sink use the same CPU.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include "bench/bench.h"

enum {
	FLOWS = 1 << 10,
	BURST = 8,
	PACKETS = 1 << 16, /* a turn, a quarter of a second or so */
	TRY = 1 << 15,	   /* to find out what the slowest can take */
	TRIES = 3,
	SHARES = 3,
	REST_NS = 60000000,
};
static const struct {
	double share;
	const char *name;
} shares[SHARES] = { { 0.5, "p50" }, { 0.99, "p99" }, { 0.999, "p99.9" } };

static struct traffic_order latency_order(const struct bench *bench, int i)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);

	order.mask = FLOWS - 1;
	order.burst = BURST;
	return order;
}

/* Nanoseconds of a packet, from the generator to the sink, when one follows the other: the fastest of a few tries. */
static int packet_time(struct bench *bench, int i, double *least)
{
	int err = 0;

	*least = 1e9;
	for (int n = 0; n < TRIES && !err; n++) {
		struct traffic_order order = latency_order(bench, i);
		struct sample sample;
		double ns;

		err = bench_send(bench, i, &order, TRY, &sample);
		ns = sample.sending * 1e9 / TRY;
		*least = ns < *least ? ns : *least;
	}
	return err;
}

/* The time between two bursts at which the slowest candidate is busy half of the time. */
static int gap_find(struct bench *bench, __u32 *gap)
{
	double most = 0, ns;
	int err = 0;

	for (int n = 0; n < bench->parts && !err; n++) {
		err = packet_time(bench, bench->part[n], &ns);
		most = ns > most ? ns : most;
	}
	*gap = (__u32)(2 * most * BURST);
	return err;
}

/* Then real-time threads rest for a while: the kernel lets them have 95 % of a second. */
static int latency_turn(struct bench *bench, struct figure *const figures[SHARES], int i, __u32 gap)
{
	const struct timespec rest = { .tv_nsec = REST_NS };
	struct traffic_order order = latency_order(bench, i);
	struct sample sample;
	int err;

	order.gap = gap;
	err = bench_send(bench, i, &order, PACKETS, &sample);
	for (int s = 0; s < SHARES && !err; s++)
		figure_put(figures[s], i, probe_delay(&bench->probe, shares[s].share) * 1e-3);
	nanosleep(&rest, NULL);
	return err;
}

int question_latency(struct bench *bench)
{
	struct figure *rate = report_add(&bench->report, "1/s", "packets offered: half load of the slowest");
	struct figure *figures[SHARES];
	__u32 gap = 0;
	int err;

	for (int s = 0; s < SHARES; s++) {
		figures[s] = report_add(&bench->report, "us", "latency at that load, %s", shares[s].name);
		figure_ratio(figures[s], bench_column(bench, "nft"), bench_column(bench, "tc"));
		figure_ratio(figures[s], bench_column(bench, "nft"), bench_column(bench, "xdp"));
	}
	if (!figures[SHARES - 1])
		return -ENOSPC;
	bench_settle(bench);
	err = bench_start(bench);
	for (int n = 0; n < bench->parts && !err; n++)
		err = bench_fill(bench, bench->part[n], FLOWS);
	bench_rest();
	err = err ? err : gap_find(bench, &gap);
	for (int n = 0; n < bench->parts && !err; n++)
		figure_put(rate, bench->part[n], 1e9 * BURST / gap);
	for (int turn = 0; turn < bench->rounds * bench->turns; turn++)
		for (int n = 0; n < bench->parts && !err; n++)
			err = latency_turn(bench, figures, bench_turn(bench, turn, n), gap);
	return err;
}
