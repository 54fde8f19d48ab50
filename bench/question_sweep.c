// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does one pass of the sweep over all sessions cost? Seen twice: as the daemon reports it, and from outside, as
 * the CPU time of all the daemon's threads from one pass to the next, with no packets about.
 */
#include <errno.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/keepnat.h"

enum { WAIT_SECONDS = 90 };
static const double bound = 0.3;

static int thread_account(pid_t thread, void *context)
{
	struct bench *bench = context;

	return probe_account(&bench->probe, thread);
}

struct threads_time {
	const struct bench *bench;
	__u64 ns;
};

static int thread_time(pid_t thread, void *context)
{
	struct threads_time *time = context;

	time->ns += probe_time(&time->bench->probe, thread);
	return 0;
}

/* Waits until the daemon has begun and ended `more` passes; it is asked once a second. */
static int passes_wait(const struct candidate *candidate, double from, double more, double *now)
{
	for (int i = 0; i < WAIT_SECONDS && !bench_interrupted(); i++) {
		int err = keepnat_status(candidate, "sweep.passes", now);

		if (err || *now >= from + more)
			return err;
		sleep(1);
	}
	return bench_interrupted() ? -EINTR : -ETIMEDOUT;
}

static int sweep_measure(struct bench *bench, int column, struct figure *reported, struct figure *seen)
{
	struct candidate *candidate = bench->candidate[column];
	double before = 0, first = 0, last = 0, seconds;
	struct threads_time start = { .bench = bench }, end = start;
	int err;

	err = passes_wait(candidate, 0, 0, &before);
	err = err ? err
		  : passes_wait(candidate, before, 2, &first); /* one that began after the last packet */
	err = err ? err : keepnat_status(candidate, "sweep.last_cpu_seconds", &seconds);
	if (err)
		return err;
	figure_put(reported, column, seconds);
	err = keepnat_threads(candidate, thread_account, bench);
	err = err ? err : passes_wait(candidate, first, 1, &first);
	err = err ? err : keepnat_threads(candidate, thread_time, &start);
	err = err ? err : passes_wait(candidate, first, 2, &last);
	err = err ? err : keepnat_threads(candidate, thread_time, &end);
	if (!err)
		figure_put(seen, column, (double)(end.ns - start.ns) * 1e-9 / (last - first));
	return err;
}

static struct figure *sweep_figure(struct bench *bench, const char *how)
{
	struct figure *figure =
		report_add(&bench->report, "CPU s", "sweep of %uk sessions, %s", bench->flows >> 10, how);

	if (figure) {
		figure_at_most(figure, bench_column(bench, "tc"), bound);
	}
	return figure;
}

int question_sweep(struct bench *bench)
{
	struct figure *reported = sweep_figure(bench, "as reported");
	struct figure *seen = sweep_figure(bench, "seen from outside");
	int column = bench_column(bench, "tc"), err;

	if (column < 0)
		return 0;
	bench_settle(bench);
	err = candidate_start(bench->candidate[column], &bench->lab, &bench->lab.routers[column],
			      &bench->setting);
	err = err ? err : bench_fill(bench, column, bench->flows);
	return err ? err : sweep_measure(bench, column, reported, seen);
}
