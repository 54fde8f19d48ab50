// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does one pass of the sweep over all sessions cost? Seen twice: as the daemon reports it, and from outside, as
 * the CPU time of all the daemon's threads from one pass to the next, with no packets about.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/keepnat.h"

enum { WAIT_SECONDS = 90 };
static const double bound = 0.3;

static int threads_account(struct bench *bench, pid_t pid, __u64 *ns)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return -errno;
	if (ns)
		*ns = 0;
	while ((entry = readdir(tasks))) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread > 0 && ns)
			*ns += probe_time(&bench->probe, thread);
		else if (thread > 0)
			probe_account(&bench->probe, thread);
	}
	closedir(tasks);
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
	__u64 start = 0, end = 0;
	int err;

	err = passes_wait(candidate, 0, 0, &before);
	err = err ? err
		  : passes_wait(candidate, before, 2, &first); /* one that began after the last packet */
	err = err ? err : keepnat_status(candidate, "sweep.last_cpu_seconds", &seconds);
	if (err)
		return err;
	figure_put(reported, column, seconds);
	err = threads_account(bench, candidate->daemon, NULL);
	err = err ? err : passes_wait(candidate, first, 1, &first);
	err = err ? err : threads_account(bench, candidate->daemon, &start);
	err = err ? err : passes_wait(candidate, first, 2, &last);
	err = err ? err : threads_account(bench, candidate->daemon, &end);
	if (!err)
		figure_put(seen, column, (double)(end - start) * 1e-9 / (last - first));
	return err;
}

static struct figure *sweep_figure(struct bench *bench, const char *how)
{
	struct figure *figure =
		report_add(&bench->report, "CPU s", "sweep of %uk sessions, %s", bench->flows >> 10, how);

	if (figure) {
		figure->target = TARGET_AT_MOST;
		figure->numerator = bench_column(bench, "keepnat");
		figure->bound = bound;
	}
	return figure;
}

int question_sweep(struct bench *bench)
{
	struct figure *reported = sweep_figure(bench, "as reported");
	struct figure *seen = sweep_figure(bench, "seen from outside");
	int column = bench_column(bench, "keepnat"), err;

	if (column < 0)
		return 0;
	bench_settle(bench);
	err = candidate_start(bench->candidate[column], &bench->lab, &bench->lab.routers[column],
			      &bench->setting);
	err = err ? err : bench_fill(bench, column);
	return err ? err : sweep_measure(bench, column, reported, seen);
}
