/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table_kernel.h - the BPF program of the table's stress, over arrays that the test has mapped, by PROG_TEST_RUN.
 */
#pragma once
#include "core/types.h"
#include "tests/stress/table.skel.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "native/instance.h"
#include "tests/stress/stress.h"
#include "tests/stress/table_work.h"

enum { TABLE_RUNNERS = 2, TABLE_REPEAT = 5000, TABLE_CPUS = 64 };

struct table_runner {
	int program;
	u32 cpu;
};

struct table_kernel {
	struct table_bpf *programs;
	struct table_work *works; /* an element a processor */
	struct table_runner runners[TABLE_RUNNERS];
	void *memory[NATIVE_ARRAYS], *works_memory;
	size_t mapped[NATIVE_ARRAYS], works_mapped;
};

static inline struct bpf_map *table_map(const struct table_kernel *k, int array)
{
	struct bpf_map *maps[NATIVE_ARRAYS] = {
		[NATIVE_CONFIG] = k->programs->maps.config,
		[NATIVE_FLOWS] = k->programs->maps.flows,
		[NATIVE_MAPPINGS] = k->programs->maps.mappings,
		[NATIVE_HOSTS] = k->programs->maps.hosts,
		[NATIVE_FRAGMENTS] = k->programs->maps.fragments,
		[NATIVE_PORTS] = k->programs->maps.ports,
		[NATIVE_ADDRESSES] = k->programs->maps.addresses,
		[NATIVE_POOLS] = k->programs->maps.pools,
		[NATIVE_NEXT_HOPS] = k->programs->maps.next_hops,
		[NATIVE_HELD] = k->programs->maps.held, /* of no table */
		[NATIVE_COUNTERS] = k->programs->maps.counters,
		[NATIVE_DROPS] = k->programs->maps.drops,
	};

	return maps[array];
}

static inline void *table_mmap(const struct bpf_map *map, size_t bytes, size_t *mapped)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;

	*mapped = (bytes + page - 1) & ~(page - 1);
	at = mmap(NULL, *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	return at == MAP_FAILED ? NULL : at;
}

static inline void table_kernel_close(struct table_kernel *k, struct nat_instance *nat)
{
	native_detach(nat);
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		if (k->memory[i])
			munmap(k->memory[i], k->mapped[i]);
	if (k->works_memory)
		munmap(k->works_memory, k->works_mapped);
	table_bpf__destroy(k->programs);
	free(k);
}

static inline int table_load(struct table_kernel *k, const struct native_sizes *sizes,
			     struct nat_instance *nat)
{
	k->programs = table_bpf__open();
	if (!k->programs)
		return -errno;
	for (int i = 0; i < NATIVE_ARRAYS; i++)
		bpf_map__set_max_entries(table_map(k, i),
					 (u32)native_extent(sizes, (enum native_array)i).elements);
	if (table_bpf__load(k->programs))
		return -errno;
	for (int i = 0; i < NATIVE_ARRAYS; i++) {
		k->memory[i] = table_mmap(table_map(k, i), native_extent(sizes, (enum native_array)i).bytes,
					  &k->mapped[i]);
		if (!k->memory[i])
			return -errno;
		native_array_set(nat, (enum native_array)i, k->memory[i]);
	}
	k->works_memory =
		table_mmap(k->programs->maps.works, TABLE_CPUS * sizeof(*k->works), &k->works_mapped);
	k->works = k->works_memory;
	return k->works ? 0 : -errno;
}

/* Load the program and begin a NAT over its arrays. NULL: a line says why. */
static inline struct table_kernel *table_kernel_open(const struct native_sizes *sizes,
						     struct nat_instance *nat, u64 seed)
{
	struct table_kernel *k = calloc(1, sizeof(*k));

	memset(nat, 0, sizeof(*nat));
	if (!k)
		return NULL;
	int rc = table_load(k, sizes, nat);
	rc = rc ? rc : native_attach(nat, sizes, seed);
	if (rc) {
		printf("# %s\n", strerror(-rc));
		table_kernel_close(k, nat);
		return NULL;
	}
	for (u32 i = 0; i < TABLE_RUNNERS; i++) {
		k->runners[i].program = bpf_program__fd(k->programs->progs.table_step);
		k->runners[i].cpu = i % (u32)sysconf(_SC_NPROCESSORS_ONLN) % TABLE_CPUS;
	}
	return k;
}

/* A thread that stays on its processor and runs the program there. */
static inline void *table_runner(void *argument)
{
	const struct table_runner *r = argument;
	cpu_set_t set;
	u8 packet[64] = { 0 };

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		exit(1);
	while (!stress_over()) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
			    .repeat = TABLE_REPEAT);
		if (bpf_prog_test_run_opts(r->program, &opts)) {
			printf("Bail out! PROG_TEST_RUN: %s\n", strerror(errno));
			exit(1);
		}
	}
	return NULL;
}
