// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the questions have in common. */
#include "bench/bench.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bench/command.h"
#include "bench/conversation.h"

/* 198.51.100.64, the address of wan0 */
static const __u32 pool_first = 0xc6336440;
/* 198.18.0.1, of the addresses that are set apart for benchmarks (RFC 2544): for more sessions than those have ports */
static const __u32 big_pool_first = 0xc6120001;

enum {
	POOL_ADDRESSES = 64, /* 4 million ports: a session never fails for want of one */
	BIG_FLOWS = 1 << 21, /* more than this take the other pool */
	BIG_POOL_ADDRESSES = 250,
	REMOTES = 250,
	FILL_ATTEMPTS = 4,
	REST_SECONDS = 3,
};

struct traffic_order bench_order(const struct bench *bench, int i, enum traffic_direction direction)
{
	struct traffic_order order = {
		.protocol = bench->protocol,
		.mask = bench->flows - 1,
		.stride = 1,
		.odd = 0x9e3779b1,
		.remotes = REMOTES,
		.learned = (__u32)i * bench->rows,
		.pool_first = bench->setting.pool_first,
		.pool_last = bench->setting.pool_last,
	};

	order = conversation_order(order, CONVERSATION_DATA);
	order.direction = direction;
	return order;
}

int bench_column(const struct bench *bench, const char *name) { return report_column(&bench->report, name); }

__u32 bench_connections(const struct bench *bench)
{
	__u32 connections = 0;

	for (int i = 0; i < bench->candidates; i++)
		connections += candidate_uses_conntrack(bench->candidate[i]) ? bench->flows : 0;
	return connections;
}

void bench_conntrack(const struct bench *bench, __u32 connections)
{
	if (netns_enter(bench->lab.original))
		return;
	conntrack_size(connections);
	netns_enter(bench->lab.home);
}

int bench_turn(const struct bench *bench, int turn, int n)
{
	int count = bench->parts, first = turn / 2 % count;

	return bench->part[turn % 2 ? (first + count - n) % count : (first + n) % count];
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
	const struct traffic_endpoint *rows = bench->probe.learned + (size_t)i * bench->rows;
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

	order = conversation_order(order, CONVERSATION_SYN);
	order.learn = 1;
	order.mask = flows - 1;
	order.odd = 0x85ebca6b;
	memset(bench->probe.learned + (size_t)i * bench->rows, 0, flows * sizeof(*bench->probe.learned));
	for (int attempt = 0; attempt < FILL_ATTEMPTS && learned < flows && !err; attempt++) {
		err = bench_send(bench, i, &order, flows, &sample);
		learned = bench_learned(bench, i, flows);
	}
	if (!err && learned < flows) {
		fprintf(stderr, "bench: %s has sessions for %u of %u flows only\n", bench->candidate[i]->name,
			learned, flows);
		err = -ENOSPC;
	}
	order.learn = 0;
	for (int step = 1; step < CONVERSATION_DATA && bench->protocol == IPPROTO_TCP && !err; step++) {
		order = conversation_order(order, step);
		err = bench_send(bench, i, &order, flows, &sample);
	}
	return err;
}

void bench_rest(void) { sleep(REST_SECONDS); }

const char *flows_text(__u32 flows, char text[16])
{
	if (flows >= 1u << 20)
		snprintf(text, 16, "%uM", flows >> 20);
	else if (flows >= 1u << 10)
		snprintf(text, 16, "%uk", flows >> 10);
	else
		snprintf(text, 16, "%u", flows);
	return text;
}

void bench_settle(struct bench *bench)
{
	bool big = bench->flows > BIG_FLOWS;

	bench->protocol = IPPROTO_UDP;
	bench->setting.pool_first = big ? big_pool_first : pool_first;
	bench->setting.pool_last =
		bench->setting.pool_first + (__u32)(big ? BIG_POOL_ADDRESSES : POOL_ADDRESSES) - 1;
	bench->setting.sessions = bench->flows;
	bench->setting.hosts = 2 * bench->flows / TRAFFIC_FLOWS_PER_HOST;
	bench->setting.sessions_per_mapping = 1;
}

int bench_start_one(struct bench *bench, int i)
{
	int err = candidate_start(bench->candidate[i], &bench->lab, &bench->lab.routers[i], &bench->setting);

	if (err)
		fprintf(stderr, "bench: %s does not start: %s\n", bench->candidate[i]->name, strerror(-err));
	return err;
}

int bench_start(struct bench *bench)
{
	int err = 0;

	for (int n = 0; n < bench->parts && !err; n++)
		err = bench_start_one(bench, bench->part[n]);
	return err;
}

void bench_stop(struct bench *bench)
{
	for (int i = 0; i < bench->candidates; i++)
		candidate_stop(bench->candidate[i]);
}
