/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.h - the BPF programs over arrays that the test has mapped, run by PROG_TEST_RUN.
 *
 * They are loaded with virtual time, in a network namespace of the process's own. Each runner stays on a processor of its
 * own, so that the counters there are its own too: they tell the reason.
 */
#pragma once
#include "core/types.h"
#include "bpf/keepnat.skel.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/request.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"

enum { KERNEL_RUNNERS = 2, KERNEL_FRAME = 256, KERNEL_ETHERNET = 14 };

struct kernel_runner {
	struct kernel *kernel;
	u32 cpu;
	u8 frame[KERNEL_FRAME], after[KERNEL_FRAME];
};

struct kernel {
	struct keepnat_bpf *programs;
	struct counters *counters; /* an element a processor */
	u32 outside, inside;	   /* ifindex */
	int devices[2];
	void *memory[NATIVE_ARRAYS];
	size_t mapped[NATIVE_ARRAYS];
	struct kernel_runner runners[KERNEL_RUNNERS];
};

static inline struct bpf_map *kernel_map(const struct kernel *k, int array)
{
	struct bpf_map *maps[NATIVE_ARRAYS] = {
		k->programs->maps.config,    k->programs->maps.flows,	  k->programs->maps.mappings,
		k->programs->maps.hosts,     k->programs->maps.fragments, k->programs->maps.ports,
		k->programs->maps.addresses, k->programs->maps.pools,	  k->programs->maps.next_hops,
		k->programs->maps.held,	     k->programs->maps.counters,  k->programs->maps.drops,
	};

	return maps[array];
}

/* A device for the packets to be met at; none passes through it. Its ifindex, 0: it cannot be made. */
static inline u32 kernel_device(int *fd, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	*fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(*fd, TUNSETIFF, &ifr) ? 0 : if_nametoindex(name);
}

static inline void kernel_close(struct kernel *k, struct nat_instance *nat)
{
	native_detach(nat);
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		if (k->memory[i])
			munmap(k->memory[i], k->mapped[i]);
	for (int i = 0; i < 2; i++)
		if (k->devices[i] >= 0)
			close(k->devices[i]);
	keepnat_bpf__destroy(k->programs);
	free(k);
}

static inline int kernel_load(struct kernel *k, const struct native_sizes *sizes, struct nat_instance *nat)
{
	long page = sysconf(_SC_PAGESIZE);

	k->programs = keepnat_bpf__open();
	if (!k->programs)
		return -errno;
	k->programs->rodata->virtual_time = k->programs->rodata->test_run = 1;
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		bpf_map__set_max_entries(kernel_map(k, i),
					 (u32)native_extent(sizes, (enum native_array)i).elements);
	if (keepnat_bpf__load(k->programs))
		return -errno;
	for (int i = 0; i < NATIVE_ARRAYS; i++) {
		size_t bytes = native_extent(sizes, (enum native_array)i).bytes;
		k->mapped[i] = (bytes + (size_t)page - 1) & ~((size_t)page - 1);
		void *at = mmap(NULL, k->mapped[i], PROT_READ | PROT_WRITE, MAP_SHARED,
				bpf_map__fd(kernel_map(k, i)), 0);
		if (at == MAP_FAILED)
			return -errno;
		k->memory[i] = at;
		native_array_set(nat, (enum native_array)i, at);
	}
	k->counters = nat->counters;
	return 0;
}

/* Load the programs and begin a NAT over their arrays. NULL: errno, and a line, say why. */
static inline struct kernel *kernel_open(const struct native_sizes *wanted, struct nat_instance *nat,
					 u64 seed)
{
	struct kernel *k = calloc(1, sizeof(*k));
	struct native_sizes sizes = *wanted;
	int rc = -ENOMEM;

	sizes.cpus = (u32)libbpf_num_possible_cpus();
	memset(nat, 0, sizeof(*nat));
	if (!k)
		return NULL;
	k->devices[0] = k->devices[1] = -1;
	rc = unshare(CLONE_NEWNET) ? -errno : kernel_load(k, &sizes, nat);
	if (!rc) {
		k->outside = kernel_device(&k->devices[0], "outside");
		k->inside = kernel_device(&k->devices[1], "inside");
		rc = k->outside && k->inside ? native_attach(nat, &sizes, seed) : -ENODEV;
	}
	if (!rc)
		return k;
	printf("# %s\n", strerror(-rc));
	kernel_close(k, nat);
	errno = -rc;
	return NULL;
}

static inline struct kernel_runner *kernel_runner(struct kernel *k, u32 i)
{
	k->runners[i].kernel = k;
	k->runners[i].cpu = i % (u32)sysconf(_SC_NPROCESSORS_ONLN);
	return &k->runners[i];
}

/* In the runner's own thread. */
static inline void kernel_runner_begin(struct kernel_runner *r)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		printf("Bail out! no processor %u\n", r->cpu);
		exit(1);
	}
}

/* The reason that was counted since before[]: REASONS if none, or more than one. */
static inline u32 kernel_reason(const struct counters *c, u64 (*before)[REASONS], int look)
{
	static const u32 interfaces[2] = { 0, MAX_OUTSIDE };
	u32 reason = REASONS, moved = 0;

	for (u32 i = 0; i < 2; i++)
		for (u32 n = 0; n < REASONS; n++) {
			u64 packets = __atomic_load_n(&c->by[interfaces[i]][n].packets, __ATOMIC_RELAXED);
			if (look && packets != before[i][n]) {
				moved++;
				reason = n;
			}
			before[i][n] = packets;
		}
	return moved == 1 ? reason : (u32)REASONS;
}

/* One packet through a program. The reason; REASONS: something is wrong. */
static inline u32 kernel_meet(struct kernel_runner *r, enum native_hook hook, const struct tuple *ip,
			      u8 tcp_flags, struct endpoint *source, struct endpoint *target)
{
	struct keepnat_bpf *p = r->kernel->programs;
	const struct bpf_program *program = hook == NATIVE_OUT	? p->progs.out_ethernet
					    : hook == NATIVE_IN ? p->progs.in_ethernet
								: p->progs.hairpin_ethernet;
	struct packet_spec spec = { .protocol = ip->protocol,
				    .saddr = ip->saddr,
				    .daddr = ip->daddr,
				    .sport = be16_to_host(ip->sport),
				    .dport = be16_to_host(ip->dport),
				    .tcp_flags = tcp_flags,
				    .payload_length = 8 };
	int length = packet_build(&spec, r->frame + KERNEL_ETHERNET, KERNEL_FRAME - KERNEL_ETHERNET);
	struct __sk_buff ctx = { .ifindex = hook == NATIVE_HAIRPIN ? r->kernel->inside : r->kernel->outside,
				 .ingress_ifindex = hook == NATIVE_OUT ? r->kernel->inside : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = r->frame,
		    .data_size_in = (u32)length + KERNEL_ETHERNET, .data_out = r->after,
		    .data_size_out = KERNEL_FRAME, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	u64 before[2][REASONS];
	struct counters *counters = &r->kernel->counters[r->cpu];

	r->frame[12] = 8; /* IPv4 */
	(void)kernel_reason(counters, before, 0);
	if (length < 0 || bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
		return REASONS;
	u32 reason = kernel_reason(counters, before, 1);
	const u8 *at = r->after + KERNEL_ETHERNET;
	memcpy(&source->addr, at + 12, 4);
	memcpy(&target->addr, at + 16, 4);
	memcpy(&source->port, at + 20, 2);
	memcpy(&target->port, at + 22, 2);
	if (reason < REASONS && (reason_verdict(reason) == VERDICT_DROP) != (opts.retval == TC_ACT_SHOT))
		return REASONS;
	/* The oracle of all checksums: what was right must be right. */
	if (opts.retval != TC_ACT_SHOT && packet_check(at, (size_t)length))
		return REASONS;
	return reason;
}
