// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/harm.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench/bench.h"

enum { PACKETS_MIN = 1 << 12 }; /* of a pass: few sessions have several packets each */

static int harm_pass(struct bench *bench, int i, __u32 flows, struct traffic_order order, struct harm *harm)
{
	struct sample sample;
	int err;

	order.mask = flows - 1;
	err = bench_pass(bench, i, &order, flows > PACKETS_MIN ? flows : PACKETS_MIN, &sample);

	double lost = (double)(sample.sent - sample.translated);

	harm->lost = lost > harm->lost ? lost : harm->lost;
	return err;
}

int harm_in(struct bench *bench, int i, __u32 flows, struct harm *harm)
{
	return harm_pass(bench, i, flows, bench_order(bench, i, TRAFFIC_IN), harm);
}

int harm_out(struct bench *bench, int i, __u32 flows, struct harm *harm)
{
	const struct traffic_endpoint *now = bench->probe.learned + (size_t)i * bench->rows;
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	size_t size = flows * sizeof(*now);
	struct traffic_endpoint *before = malloc(size);
	double moved = 0;
	int err;

	if (!before)
		return -ENOMEM;
	memcpy(before, now, size);
	order.learn = 1;
	err = harm_pass(bench, i, flows, order, harm);
	for (__u32 flow = 0; flow < flows; flow++)
		moved += memcmp(&before[flow], &now[flow], sizeof(*now)) != 0;
	free(before);
	harm->moved = moved > harm->moved ? moved : harm->moved;
	return err;
}
