// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does a packet of a new flow cost when no port is left? The pool is one address and all flows go to one remote
 * endpoint, so that it is full for every candidate at the same point. Packets that find no port do not arrive: the
 * cost is per packet that entered the router.
 */
#include <errno.h>
#include <stdio.h>
#include "bench/bench.h"

enum {
	FIRST_FLOWS = 1 << 13, /* normal new sessions, in a pool that is almost empty */
	FILL_FLOWS = 1 << 16,  /* with those, more than an address has ports */
	REFUSED_FLOWS = 1 << 13,
	FILL_ATTEMPTS = 32,
	BOUND = 10,
};

/* Cost of a packet of each of `flows` new flows; -1 and an error when too many or too few of them arrive. */
static int flows_cost(struct bench *bench, int i, __u32 first, __u32 flows, bool refused, double *cost)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct sample sample;
	int err;

	order.first = first;
	order.mask = flows - 1;
	order.remotes = 1;
	err = bench_pass(bench, i, &order, flows, &sample);
	*cost = sample.entered ? (double)sample.nat_ns / (double)sample.entered : -1;
	if (err || *cost < 0)
		return err ? err : -EIO;
	if (refused ? sample.arrived > flows / 50 : sample.arrived < flows - flows / 50) {
		fprintf(stderr, "bench: %s: %llu of %u new flows got through, with %s\n",
			bench->candidate[i]->name, (unsigned long long)sample.arrived, flows,
			refused ? "a full pool" : "ports left");
		return -EIO;
	}
	return 0;
}

/* Sends new flows until none gets a port any more; returns the number of the next unused flow in `first`. */
static int pool_fill(struct bench *bench, int i, __u32 *first)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	__u32 flows = FILL_FLOWS;
	struct sample sample;
	int err;

	order.remotes = 1;
	for (int attempt = 0; attempt < FILL_ATTEMPTS; attempt++) {
		order.first = *first;
		order.mask = flows - 1;
		err = bench_pass(bench, i, &order, flows, &sample);
		*first += flows;
		if (err || sample.arrived < flows / 100)
			return err;
		flows = REFUSED_FLOWS;
	}
	fprintf(stderr, "bench: %s: the pool does not fill\n", bench->candidate[i]->name);
	return -EIO;
}

static int full_measure(struct bench *bench, struct figure *figures[3], int i)
{
	__u32 next = FIRST_FLOWS;
	double normal, full;
	int err = candidate_empty(bench->candidate[i]);

	err = err ? err : flows_cost(bench, i, 0, FIRST_FLOWS, false, &normal);
	err = err ? err : pool_fill(bench, i, &next);
	err = err ? err : flows_cost(bench, i, next, REFUSED_FLOWS, true, &full);
	if (err)
		return err;
	figure_put(figures[0], i, normal);
	figure_put(figures[1], i, full);
	figure_put(figures[2], i, full / normal);
	return 0;
}

int question_full(struct bench *bench)
{
	struct figure *figures[3] = {
		report_add(&bench->report, "ns/session", "new session, one address, pool nearly empty"),
		report_add(&bench->report, "ns/packet", "packet of a new flow, pool full"),
		report_add(&bench->report, "times", "pool full against a new session"),
	};
	int err;

	if (!figures[2])
		return -ENOSPC;
	figure_at_most(figures[2], bench_column(bench, "tc"), BOUND);
	bench_settle(bench);
	bench->setting.pool_last = bench->setting.pool_first;
	err = bench_start(bench);
	for (int round = 0; round < bench->rounds; round++) {
		for (int n = 0; n < bench->parts && !err; n++) {
			int i = bench->part[(n + round) % bench->parts];

			if (bench->candidate[i]->translates)
				err = full_measure(bench, figures, i);
		}
	}
	return err;
}
