// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What memory does a session take at capacity? keepnat takes all its memory at start: every map that the daemon
 * holds, by the kernel's own account, over the sessions it is configured for. nftables: growth of the kernel's slabs
 * by that many connections, and conntrack's buckets.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include "bench/bench.h"
#include "bench/command.h"
#include "bench/keepnat.h"

static const struct {
	__u32 sessions_per_mapping;
	double bound;
} shapes[] = { { 1, 400 }, { 4, 300 } };
enum {
	SHAPES = sizeof(shapes) / sizeof(*shapes),
	SETTLE_SECONDS = 15,
	SETTLED_BYTES = 1 << 20,
};

static int keepnat_measure(struct bench *bench, struct figure *figure, int column)
{
	struct candidate *candidate = bench->candidate[column];
	__u64 bytes;
	int err;

	err = candidate_start(candidate, &bench->lab, &bench->lab.routers[column], &bench->setting);
	err = err ? err : keepnat_memory(candidate, &bytes);
	if (!err)
		figure_put(figure, column, (double)bytes / bench->setting.sessions);
	candidate_stop(candidate);
	return err;
}

static long slab_bytes(void)
{
	char line[128];
	long kilobytes = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Slab: %ld", &kilobytes);
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

/* Objects of earlier questions are freed late: waits until the slabs shrink no more. */
static long slab_settled(void)
{
	const struct timespec pause = { .tv_nsec = 500000000 };
	long before, now = slab_bytes();

	for (int i = 0; i < SETTLE_SECONDS * 2; i++) {
		before = now;
		nanosleep(&pause, NULL);
		now = slab_bytes();
		if (now > before - SETTLED_BYTES)
			break;
	}
	return now;
}

static int nft_measure(struct bench *bench, struct figure *figure, int column)
{
	struct candidate *candidate = bench->candidate[column];
	long before = slab_settled(), buckets;
	int err;

	err = candidate_start(candidate, &bench->lab, &bench->lab.routers[column], &bench->setting);
	err = err ? err : bench_fill(bench, column, bench->flows);
	buckets = router_read(&bench->lab, candidate->router, "/proc/sys/net/netfilter/nf_conntrack_buckets");
	if (!err)
		figure_put(figure, column,
			   ((double)(slab_bytes() - before) + 8.0 * (double)buckets) / bench->flows);
	return err;
}

int question_memory(struct bench *bench)
{
	int keepnat = bench_column(bench, "tc"), nft = bench_column(bench, "nft"), err = 0;

	for (int i = 0; i < SHAPES; i++) {
		struct figure *figure =
			report_add(&bench->report, "bytes", "memory per session, %u session%s a mapping",
				   shapes[i].sessions_per_mapping, i ? "s" : "");

		if (!figure)
			return -ENOSPC;
		figure_at_most(figure, keepnat, shapes[i].bound);
		bench_settle(bench);
		bench->setting.sessions_per_mapping = shapes[i].sessions_per_mapping;
		if (nft >= 0 && !i && !err)
			err = nft_measure(bench, figure, nft);
		if (keepnat >= 0 && !err)
			err = keepnat_measure(bench, figure, keepnat);
	}
	return err;
}
