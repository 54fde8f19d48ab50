// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many short TCP connections can one CPU translate in a second? Each is nine segments: a handshake, a request, an answer, and an
 * end from both sides. Some thousand connections go through each step together, so that between two segments of one there
 * are those of all others. What the ends would do is not in it: the generator writes the segments, and the sink drops them.
 */
#include <errno.h>
#include <netinet/in.h>
#include "bench/bench.h"
#include "bench/conversation.h"

enum { CONNECTIONS = 1 << 12 };	 /* a turn */
static const double bound = 2.0; /* against nft */

/* New connections of a candidate, from the first segment to the last; each turn's are others than those before. */
static int short_turn(struct bench *bench, struct figure *figure, int i)
{
	__u32 connections = bench->flows < CONNECTIONS ? bench->flows : CONNECTIONS;
	__u32 first = (__u32)figure->rounds[i] * connections % bench->flows;
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct sample sum = { 0 }, sample;
	int err = 0;

	order.first = first;
	order.mask = connections - 1;
	for (int step = 0; step < CONVERSATION_STEPS && !err; step++) {
		struct traffic_order next = conversation_order(order, step);

		next.learn = step == CONVERSATION_SYN;
		err = bench_send(bench, i, &next, connections, &sample);
		sample_add(&sum, &sample);
	}
	if (!err)
		figure_put(figure, i, 1e9 * connections / (double)sum.nat_ns);
	return err;
}

int question_short(struct bench *bench)
{
	struct figure *figure = report_add(&bench->report, "1/s", "short TCP connections, one CPU");
	int nft = bench_column(bench, "nft"), err;

	if (!figure)
		return -ENOSPC;
	figure_ratio_at_least(figure, bench_column(bench, "tc"), nft, bound);
	figure_ratio_at_least(figure, bench_column(bench, "xdp"), nft, bound);
	bench_settle(bench);
	bench->protocol = IPPROTO_TCP;
	err = bench_start(bench);
	for (int turn = 0; turn < bench->rounds * bench->turns; turn++)
		for (int n = 0; n < bench->parts && !err; n++)
			err = short_turn(bench, figure, bench_turn(bench, turn, n));
	return err;
}
