// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How does it behave with as many sessions as it is configured for, and beyond? First all of them are made: each packet
 * must be translated, and what the flow table refuses, which is then translated by its mapping, must be counted. Then as many
 * again want to be made. Each packet that is not translated must have a reason of its own in the counters, and the flows that were
 * there before must neither lose a packet nor move.
 */
#include <errno.h>
#include <stdio.h>
#include "bench/bench.h"
#include "bench/harm.h"
#include "bench/keepnat.h"

struct capacity_figures {
	struct figure *lost, *refused, *more, *beyond, *reasons, *silent, *known_lost, *known_moved;
};

/* Counters of packets that the NAT met and did not let go on, and of those that it translated without a session. */
struct capacity_counters {
	double stopped, unstored;
};

static int counters_read(const struct candidate *candidate, struct capacity_counters *counters)
{
	double dropped, answered;
	int err = keepnat_verdict(candidate, "drop", &dropped);

	err = err ? err : keepnat_verdict(candidate, "answer", &answered);
	err = err ? err : keepnat_reason(candidate, "out_from_mapping", &counters->unstored);
	counters->stopped = err ? 0 : dropped + answered;
	return err;
}

/* A packet of each of bench->flows flows from this one on, and what the counters then say of them. */
static int flows_make(struct bench *bench, int i, __u32 first, struct sample *sample,
		      struct capacity_counters *counted)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	const struct candidate *candidate = bench->candidate[i];
	struct capacity_counters before;
	int err = counters_read(candidate, &before);

	order.first = first;
	order.learn = !first;
	order.odd = 0x85ebca6b;
	err = err ? err : bench_pass(bench, i, &order, bench->flows, sample);
	err = err ? err : counters_read(candidate, counted);
	counted->stopped -= before.stopped;
	counted->unstored -= before.unstored;
	return err;
}

static int rated_measure(struct bench *bench, const struct capacity_figures *figures, int i)
{
	struct capacity_counters counted;
	struct sample sample;
	int err = flows_make(bench, i, 0, &sample, &counted);

	if (err)
		return err;
	figure_put(figures->lost, i, (double)(sample.sent - sample.translated));
	figure_put(figures->refused, i, counted.unstored);
	return 0;
}

static int beyond_measure(struct bench *bench, const struct capacity_figures *figures, int i)
{
	struct capacity_counters counted;
	struct harm harm = { 0 };
	struct sample sample;
	int err = flows_make(bench, i, bench->flows, &sample, &counted);
	double silent;

	if (err)
		return err;
	silent = (double)sample.entered - (double)sample.translated - counted.stopped;
	figure_put(figures->more, i, (double)sample.translated / (double)sample.sent);
	figure_put(figures->beyond, i, counted.unstored);
	figure_put(figures->reasons, i, counted.stopped);
	figure_put(figures->silent, i, silent > 0 ? silent : 0);
	err = harm_in(bench, i, bench->flows, &harm);
	err = err ? err : harm_out(bench, i, bench->flows, &harm);
	figure_put(figures->known_lost, i, harm.lost);
	figure_put(figures->known_moved, i, harm.moved);
	return err;
}

static int figures_add(struct bench *bench, struct capacity_figures *figures)
{
	struct report *report = &bench->report;
	char text[16];

	flows_text(bench->flows, text);
	figures->lost =
		report_add(report, "packets", "%s sessions in tables for %s: not translated", text, text);
	figures->refused = report_add(report, "packets", "by their mapping alone: no session stored");
	figures->more = report_add(report, "share", "%s more: translated", text);
	figures->beyond = report_add(report, "packets", "of these by their mapping alone");
	figures->reasons = report_add(report, "packets", "stopped with a counted reason");
	figures->silent = report_add(report, "packets", "neither translated nor counted");
	figures->known_lost = report_add(report, "packets", "the first %s then: lost", text);
	figures->known_moved = report_add(report, "flows", "at another outside endpoint");
	if (!figures->known_moved)
		return -ENOSPC;
	for (int n = 0; n < bench->parts; n++) {
		figure_at_most(figures->lost, bench->part[n], 0);
		figure_at_most(figures->silent, bench->part[n], 0);
		figure_at_most(figures->known_lost, bench->part[n], 0);
		figure_at_most(figures->known_moved, bench->part[n], 0);
	}
	return 0;
}

int question_capacity(struct bench *bench)
{
	struct capacity_figures figures;
	int err = figures_add(bench, &figures);

	bench_settle(bench);
	for (int n = 0; n < bench->parts && !err; n++) {
		int i = bench->part[n];

		if (!bench->candidate[i]->accelerate)
			continue;
		err = bench_start_one(bench, i);
		err = err ? err : rated_measure(bench, &figures, i);
		err = err ? err : beyond_measure(bench, &figures, i);
	}
	return err;
}
