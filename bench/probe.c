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
#include "traffic.skel.h"

enum {
	BATCH = 64,   /* frames between two turns of the router: its NAPI takes as many */
	QUIET_MS = 8, /* nothing moved for so long: all packets have arrived */
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

static struct sample probe_read(const struct probe *probe, const struct lab *lab, const struct router *router,
				enum traffic_direction direction)
{
	const volatile struct traffic_count *near = &probe->bpf->bss->seen[router->ends[direction]];
	const volatile struct traffic_count *far = &probe->bpf->bss->seen[router->ends[!direction]];
	struct timespec now;
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
	clock_gettime(CLOCK_MONOTONIC, &now);
	sample.seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
	return sample;
}

/* The last batch may still be on its way when the generator returns. */
static void probe_wait_quiet(const struct probe *probe, const struct router *router)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	__u64 last = 0, time;

	for (int waited = 0, quiet = 0; waited < QUIET_LIMIT_MS && quiet < QUIET_MS; waited++) {
		time = 0;
		for (int side = 0; side < 2; side++)
			time += probe_time(probe, router->nat[side]) + probe_time(probe, router->sinks[side]);
		quiet = time == last ? quiet + 1 : 0;
		last = time;
		nanosleep(&pause, NULL);
	}
}

/*
 * The generator must be a real-time thread while it runs, if the lowest: the kernel lends an ordinary thread the CPU
 * for 50 ms when real-time threads have had it for a second, and for so long nobody would empty the rings.
 */
static void generator_priority(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	sched_setscheduler(0, policy, &param);
}

static int generator_run(const struct probe *probe, __u64 packets)
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
		.batch_size = BATCH,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
	};

	int err;

	generator_priority(SCHED_FIFO, 1);
	err = bpf_prog_test_run_opts(bpf_program__fd(probe->bpf->progs.generator), &opts);
	generator_priority(SCHED_OTHER, 0);
	return err;
}

int probe_send(struct probe *probe, const struct lab *lab, const struct router *router,
	       const struct traffic_order *order, __u64 packets, struct sample *sample)
{
	enum traffic_direction direction = order->direction;
	struct traffic_order *shared = &probe->bpf->bss->order;
	struct sample before, after;
	int err;

	*shared = *order;
	shared->ifindex = router->ends[direction];
	memcpy(shared->end, router->end_mac[direction], 6);
	memcpy(shared->router, router->mac[direction], 6);
	probe_wait_quiet(probe, router);
	before = probe_read(probe, lab, router, direction);
	err = generator_run(probe, packets);
	probe_wait_quiet(probe, router);
	after = probe_read(probe, lab, router, direction);
	*sample = (struct sample){
		.sent = shared->counter - order->counter,
		.entered = after.entered - before.entered,
		.arrived = after.arrived - before.arrived,
		.translated = after.translated - before.translated,
		.other = after.other - before.other,
		.nat_ns = after.nat_ns - before.nat_ns,
		.sink_ns = after.sink_ns - before.sink_ns,
		.seconds = after.seconds - before.seconds,
	};
	return err;
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
}
