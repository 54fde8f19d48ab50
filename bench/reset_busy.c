// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What do resets cost the packets? 1k flows are in use; nobody resets, or somebody does each second, or a thousand
 * times a second, from another CPU by the API. A reset makes each flow's next packet make its session again, so what it
 * may cost follows from what a new session costs in the same turn: of the packets, the share that made one.
 */
#include <errno.h>
#include <stdio.h>
#include "bench/bench.h"
#include "bench/beside.h"
#include "bench/keepnat.h"
#include "bench/resets.h"

enum {
	BUSY_FLOWS = 1 << 10,
	NEW_FLOWS = 1 << 13, /* a turn */
	PACKETS = 1 << 19,   /* of a chunk: about a second, and the first reset comes at its start */
	RATES = 3,
};
static const struct {
	unsigned int rate; /* resets a second */
	const char *name;
} rates[RATES] = {
	{ 0, "packet, 1k flows, no reset" },
	{ 1, "packet, 1k flows, a reset a second" },
	{ 1000, "packet, 1k flows, 1000 resets a second" },
};
static const double rare_bound = 1.1; /* of a packet without resets, at one a second */

struct busy_figures {
	struct figure *packet[RATES], *new_session, *rare, *share, *made, *often, *order, *lost;
};

/* What a turn saw. */
struct busy_turn {
	double packet[RATES]; /* ns */
	double share[RATES];  /* of the packets, those that made a session */
	double new_session;   /* ns */
	double lost;	      /* in all turns */
};

/* A chunk of packets beside so many resets a second. */
static int chunk_measure(struct bench *bench, const struct busy_figures *figures, int i, int r,
			 struct busy_turn *turn)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	const struct candidate *candidate = bench->candidate[i];
	double before = 0, after = 0;
	struct resets_made made = { 0 };
	struct resets resets;
	struct sample sample;
	int err, end;

	order.mask = BUSY_FLOWS - 1;
	err = keepnat_reason(candidate, "out_created", &before);
	err = err ? err : resets_begin(&resets, candidate, rates[r].rate);
	if (err)
		return err;
	err = bench_pass(bench, i, &order, PACKETS, &sample);
	end = resets_end(&resets, &made);
	err = err ? err : end ? end : keepnat_reason(candidate, "out_created", &after);
	if (err || !sample.arrived)
		return err ? err : -EIO;
	turn->packet[r] = (double)sample.nat_ns / (double)sample.arrived;
	turn->share[r] = (after - before) / (double)sample.arrived;
	figure_put(figures->packet[r], i, turn->packet[r]);
	if (!rates[r].rate)
		return 0;
	turn->lost += (double)(sample.sent - sample.translated);
	if (r != RATES - 1)
		return 0;
	figure_put(figures->share, i, turn->share[r]);
	figure_put(figures->made, i, (double)made.count / sample.seconds);
	figure_put(figures->order, i, made.count ? (double)made.ns / (double)made.count * 1e-3 : -1);
	return 0;
}

/* Flows that were never used; next: the first of them. */
static int new_measure(struct bench *bench, const struct busy_figures *figures, int i, __u32 *next,
		       struct busy_turn *turn)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct sample sample;
	int err;

	if (*next + NEW_FLOWS > bench->flows)
		return -ENOSPC;
	order.first = *next;
	order.mask = NEW_FLOWS - 1;
	*next += NEW_FLOWS;
	err = bench_send(bench, i, &order, NEW_FLOWS, &sample);
	if (err)
		return err;
	turn->new_session = (double)sample.nat_ns / (double)sample.arrived;
	figure_put(figures->new_session, i, turn->new_session);
	return 0;
}

static int turn_measure(struct bench *bench, const struct busy_figures *figures, int i, int number,
			__u32 *next, struct busy_turn *turn)
{
	double quiet, share, bound;
	int err = 0;

	for (int n = 0; n < RATES && !err; n++)
		err = chunk_measure(bench, figures, i, (number + n) % RATES, turn);
	err = err ? err : new_measure(bench, figures, i, next, turn);
	if (err)
		return err;
	quiet = turn->packet[0];
	share = turn->share[RATES - 1];
	bound = quiet * (1 - share) + turn->new_session * share;
	figure_put(figures->rare, i, turn->packet[1] / quiet);
	figure_put(figures->often, i, turn->packet[RATES - 1] / bound);
	return 0;
}

static int figures_add(struct report *report, struct busy_figures *figures, int column)
{
	for (int r = 0; r < RATES; r++)
		figures->packet[r] = report_add(report, "ns/packet", "%s", rates[r].name);
	figures->new_session = report_add(report, "ns/session", "new session in the same turns");
	figures->rare = report_add(report, "times", "a reset a second against none");
	figures->made = report_add(report, "1/s", "resets made, of 1000 a second");
	figures->order = report_add(report, "us", "each of them, by the API");
	figures->share = report_add(report, "share", "packets that made their session anew then");
	figures->often = report_add(report, "times", "cost then, against as many new sessions");
	figures->lost = report_add(report, "packets", "lost by resets while they passed");
	if (!figures->lost)
		return -ENOSPC;
	figure_at_most(figures->rare, column, rare_bound);
	figure_at_most(figures->often, column, 1);
	figure_at_most(figures->lost, column, 0);
	return 0;
}

int reset_busy(struct bench *bench, int column)
{
	struct busy_turn measured = { 0 };
	struct busy_figures figures;
	__u32 next = BUSY_FLOWS;
	int err = figures_add(&bench->report, &figures, column);

	if (err)
		return err;
	if (!beside_possible(&bench->lab)) {
		fprintf(stderr, "bench: reset: no second CPU for those who reset\n");
		return 0;
	}
	err = candidate_empty(bench->candidate[column]);
	err = err ? err : bench_fill(bench, column, BUSY_FLOWS);
	for (int turn = 0; turn < bench->rounds * bench->turns && !err; turn++)
		err = turn_measure(bench, &figures, column, turn, &next, &measured);
	figure_put(figures.lost, column, measured.lost);
	return err;
}
