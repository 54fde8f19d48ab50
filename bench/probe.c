// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/probe.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "bench/command.h"
#include "traffic.skel.h"

enum {
	BATCH = 64,   /* frames between two turns of the router: its NAPI takes as many */
	QUIET_MS = 4, /* nothing moved for so long: all packets have arrived */
	STILL_MS = 1, /* the same before the first is sent */
	QUIET_LIMIT_MS = 2000,
};

int probe_open(struct probe *probe, __u32 rows)
{
	int err;

	memset(probe, 0, sizeof(*probe));
	probe->rows = rows;
	probe->bpf = traffic_bpf__open();
	if (!probe->bpf)
		return -errno;
	err = bpf_map__set_max_entries(probe->bpf->maps.learned, rows);
	err = err ? err : traffic_bpf__load(probe->bpf);
	if (err)
		return err;
	probe->learned = mmap(NULL, rows * sizeof(*probe->learned), PROT_READ | PROT_WRITE, MAP_SHARED,
			      bpf_map__fd(probe->bpf->maps.learned), 0);
	if (probe->learned == MAP_FAILED)
		return -errno;
	probe->bpf->links.account = bpf_program__attach_trace(probe->bpf->progs.account);
	return probe->bpf->links.account ? 0 : -errno;
}

void probe_close(struct probe *probe)
{
	for (int i = 0; i < probe->links_made; i++)
		bpf_link__destroy(probe->links[i]);
	if (probe->learned && probe->learned != MAP_FAILED)
		munmap(probe->learned, probe->rows * sizeof(*probe->learned));
	traffic_bpf__destroy(probe->bpf);
}

int probe_account(struct probe *probe, pid_t pid)
{
	__u32 key = (__u32)pid;
	struct traffic_time none = { 0 };

	return bpf_map__update_elem(probe->bpf->maps.cpu_times, &key, sizeof(key), &none, sizeof(none), 0);
}

__u64 probe_time(const struct probe *probe, pid_t pid)
{
	struct traffic_time time = { 0 };
	__u32 key = (__u32)pid;

	bpf_map__lookup_elem(probe->bpf->maps.cpu_times, &key, sizeof(key), &time, sizeof(time), 0);
	return time.ns;
}

int probe_add_router(struct probe *probe, const struct lab *lab, struct router *router)
{
	int err;

	for (int side = 0; side < 2; side++) {
		struct bpf_link *link =
			bpf_program__attach_xdp(probe->bpf->progs.sink, (int)router->ends[side]);

		if (!link)
			return -errno;
		probe->links[probe->links_made++] = link;
	}
	err = router_sinks(lab, router);
	for (int side = 0; side < 2 && !err; side++) {
		err = probe_account(probe, router->nat[side]);
		err = err ? err : probe_account(probe, router->sinks[side]);
	}
	return err;
}

int probe_limit_begin(struct probe *probe, const struct lab *lab, const struct router *router)
{
	int err = netns_enter(router->netns);

	for (int side = 0; side < 2 && !err; side++) {
		struct traffic_way *way = &probe->bpf->bss->ways[router->devices[side]];

		way->ifindex = router->devices[!side];
		memcpy(way->source, router->mac[!side], 6);
		memcpy(way->dest, router->end_mac[!side], 6);
		probe->limits[side] =
			bpf_program__attach_xdp(probe->bpf->progs.limit, (int)router->devices[side]);
		err = probe->limits[side] ? 0 : -errno;
	}
	netns_enter(lab->home);
	if (err)
		probe_limit_end(probe);
	return err;
}

void probe_limit_end(struct probe *probe)
{
	for (int side = 0; side < 2; side++) {
		bpf_link__destroy(probe->limits[side]);
		probe->limits[side] = NULL;
	}
}

static double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static struct sample probe_read(const struct probe *probe, const struct lab *lab, const struct router *router,
				enum traffic_direction direction)
{
	const volatile struct traffic_count *near = &probe->bpf->bss->seen[router->ends[direction]];
	const volatile struct traffic_count *far = &probe->bpf->bss->seen[router->ends[!direction]];
	struct sample sample = {
		.entered = (__u64)router_entered(lab, router, direction),
		.arrived = far->packets,
		.translated = far->translated,
		.other = near->other,
	};

	for (int side = 0; side < 2; side++) {
		sample.nat_ns += probe_time(probe, router->nat[side]);
		sample.sink_ns += probe_time(probe, router->sinks[side]);
	}
	sample.seconds = clock_seconds();
	return sample;
}

/* The last batch may still be on its way when the generator returns. */
static void probe_wait_quiet(const struct probe *probe, const struct router *router, int quiet_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	__u64 last = 0, time;

	for (int waited = 0, quiet = 0; waited < QUIET_LIMIT_MS && quiet < quiet_ms; waited++) {
		time = 0;
		for (int side = 0; side < 2; side++)
			time += probe_time(probe, router->nat[side]) + probe_time(probe, router->sinks[side]);
		quiet = time == last ? quiet + 1 : 0;
		last = time;
		nanosleep(&pause, NULL);
	}
}

void probe_alone(bool alone)
{
	struct sched_param param = { .sched_priority = alone ? 1 : 0 };

	sched_setscheduler(0, alone ? SCHED_FIFO : SCHED_OTHER, &param);
}

static int generator_run(const struct probe *probe, __u64 packets, __u32 batch)
{
	__u8 frame[TRAFFIC_FRAME] = { 0 };
	struct xdp_md ctx = { .data_end = sizeof(frame) };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = frame,
		.data_size_in = sizeof(frame),
		.ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx),
		.repeat = (int)packets,
		.batch_size = batch,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
	};

	return bpf_prog_test_run_opts(bpf_program__fd(probe->bpf->progs.generator), &opts);
}

int probe_send(struct probe *probe, const struct lab *lab, const struct router *router,
	       const struct traffic_order *order, __u64 packets, struct sample *sample)
{
	enum traffic_direction direction = order->direction;
	struct traffic_order *shared = &probe->bpf->bss->order;
	struct sample before, after;
	double sent;
	int err;

	*shared = *order;
	memset(probe->bpf->bss->delays, 0, sizeof(probe->bpf->bss->delays));
	shared->ifindex = router->ends[direction];
	memcpy(shared->end, router->end_mac[direction], 6);
	memcpy(shared->router, router->mac[direction], 6);
	probe_alone(true);
	probe_wait_quiet(probe, router, STILL_MS);
	before = probe_read(probe, lab, router, direction);
	err = generator_run(probe, packets, order->burst ? order->burst : BATCH);
	sent = clock_seconds();
	probe_wait_quiet(probe, router, QUIET_MS);
	after = probe_read(probe, lab, router, direction);
	probe_alone(false);
	*sample = (struct sample){
		.sent = shared->counter - order->counter,
		.entered = after.entered - before.entered,
		.arrived = after.arrived - before.arrived,
		.translated = after.translated - before.translated,
		.other = after.other - before.other,
		.nat_ns = after.nat_ns - before.nat_ns,
		.sink_ns = after.sink_ns - before.sink_ns,
		.seconds = after.seconds - before.seconds,
		.sending = sent - before.seconds,
	};
	return err;
}

double probe_delay(const struct probe *probe, double share)
{
	const __u32 *delays = probe->bpf->bss->delays;
	__u64 all = 0, below = 0;
	int step = 0;

	for (int i = 0; i < TRAFFIC_DELAYS; i++)
		all += delays[i];
	while (step < TRAFFIC_DELAYS - 1 && (double)(below += delays[step]) < share * (double)all)
		step++;
	return (step + 0.5) * TRAFFIC_DELAY_NS;
}

void sample_add(struct sample *sum, const struct sample *sample)
{
	sum->sent += sample->sent;
	sum->entered += sample->entered;
	sum->arrived += sample->arrived;
	sum->translated += sample->translated;
	sum->other += sample->other;
	sum->nat_ns += sample->nat_ns;
	sum->sink_ns += sample->sink_ns;
	sum->seconds += sample->seconds;
	sum->sending += sample->sending;
}
