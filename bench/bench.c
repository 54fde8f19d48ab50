// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the questions have in common. */
#include "bench/bench.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* 198.51.100.64, the address of wan0 */
static const __u32 pool_first = 0xc6336440;

enum {
	POOL_ADDRESSES = 64, /* 4 million ports: a session never fails for want of one */
	REMOTES = 250,
	FILL_ATTEMPTS = 4,
};

struct traffic_order bench_order(const struct bench *bench, int i, enum traffic_direction direction)
{
	return (struct traffic_order){
		.direction = direction,
		.mask = bench->flows - 1,
		.stride = 1,
		.odd = 0x9e3779b1,
		.remotes = REMOTES,
		.learned = (__u32)i * bench->flows,
		.pool_first = bench->setting.pool_first,
		.pool_last = bench->setting.pool_last,
	};
}

int bench_column(const struct bench *bench, const char *name) { return report_column(&bench->report, name); }

int bench_turn(const struct bench *bench, int turn, int n)
{
	int count = bench->candidates, first = turn / 2 % count;

	return turn % 2 ? (first + count - n) % count : (first + n) % count;
}

static int bench_judge(const struct candidate *candidate, const struct traffic_order *order,
		       const struct sample *sample)
{
	if (sample->arrived < sample->sent - sample->sent / 200) {
		fprintf(stderr, "bench: %s lost packets: %llu sent, %llu entered the router, %llu arrived\n",
			candidate->name, (unsigned long long)sample->sent,
			(unsigned long long)sample->entered, (unsigned long long)sample->arrived);
		return -EIO;
	}
	if (order->direction == TRAFFIC_OUT && !candidate->translates)
		return 0;
	if (sample->translated < sample->arrived) {
		fprintf(stderr, "bench: %s did not translate %llu of %llu packets\n", candidate->name,
			(unsigned long long)(sample->arrived - sample->translated),
			(unsigned long long)sample->arrived);
		return -EIO;
	}
	return 0;
}

static void sample_show(const struct bench *bench, int i, const struct traffic_order *order,
			const struct sample *sample)
{
	double packets = sample->entered ? (double)sample->entered : 1;

	if (!bench->setting.verbose)
		return;
	fprintf(stderr,
		"%-8s %s flows %-8u sent %llu entered %llu arrived %llu translated %llu other %llu: "
		"router %.0f ns, sink %.0f ns, all %.0f ns a packet\n",
		bench->candidate[i]->name, order->direction == TRAFFIC_OUT ? "out" : "in ", order->mask + 1,
		(unsigned long long)sample->sent, (unsigned long long)sample->entered,
		(unsigned long long)sample->arrived, (unsigned long long)sample->translated,
		(unsigned long long)sample->other, (double)sample->nat_ns / packets,
		(double)sample->sink_ns / packets, sample->seconds * 1e9 / packets);
}

int bench_pass(struct bench *bench, int i, const struct traffic_order *order, __u64 packets,
	       struct sample *sample)
{
	const struct candidate *candidate = bench->candidate[i];
	int err = probe_send(&bench->probe, &bench->lab, candidate->router, order, packets, sample);

	sample_show(bench, i, order, sample);
	return bench_interrupted() ? -EINTR : err;
}

int bench_send(struct bench *bench, int i, const struct traffic_order *order, __u64 packets,
	       struct sample *sample)
{
	int err = bench_pass(bench, i, order, packets, sample);

	return err ? err : bench_judge(bench->candidate[i], order, sample);
}

static __u32 bench_learned(const struct bench *bench, int i, __u32 flows)
{
	const struct traffic_endpoint *rows = bench->probe.learned + (size_t)i * bench->flows;
	__u32 count = 0;

	for (__u32 flow = 0; flow < flows; flow++)
		count += rows[flow].port != 0;
	return count;
}

int bench_fill(struct bench *bench, int i, __u32 flows)
{
	struct traffic_order order = bench_order(bench, i, TRAFFIC_OUT);
	struct sample sample;
	__u32 learned = 0;
	int err = 0;

	order.learn = 1;
	order.mask = flows - 1;
	order.odd = 0x85ebca6b;
	memset(bench->probe.learned + (size_t)i * bench->flows, 0, flows * sizeof(*bench->probe.learned));
	for (int attempt = 0; attempt < FILL_ATTEMPTS && learned < flows && !err; attempt++) {
		err = bench_send(bench, i, &order, flows, &sample);
		learned = bench_learned(bench, i, flows);
	}
	if (!err && learned < flows) {
		fprintf(stderr, "bench: %s has sessions for %u of %u flows only\n", bench->candidate[i]->name,
			learned, flows);
		err = -ENOSPC;
	}
	return err;
}

void bench_settle(struct bench *bench)
{
	bench->setting.pool_first = pool_first;
	bench->setting.pool_last = pool_first + POOL_ADDRESSES - 1;
	bench->setting.sessions = bench->flows;
	bench->setting.hosts = 2 * bench->flows / TRAFFIC_FLOWS_PER_HOST;
	bench->setting.sessions_per_mapping = 1;
}

int bench_start(struct bench *bench)
{
	for (int i = 0; i < bench->candidates; i++) {
		int err = candidate_start(bench->candidate[i], &bench->lab, &bench->lab.routers[i],
					  &bench->setting);

		if (err) {
			fprintf(stderr, "bench: %s does not start: %s\n", bench->candidate[i]->name,
				strerror(-err));
			return err;
		}
	}
	return 0;
}

void bench_stop(struct bench *bench)
{
	for (int i = 0; i < bench->candidates; i++)
		candidate_stop(bench->candidate[i]);
}
