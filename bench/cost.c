// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a packet of a known session costs, apart from all that the kernel does for it: bench/cost.sh builds this against two versions of the
 * tree and compares them. So it uses of the tree only what has been there for long.
 *
 *	cost native PACKETS	natively, for who counts its instructions
 *	cost tc PACKETS		by the programs at TC, PROG_TEST_RUN: nanoseconds of CPU time for a packet out, and one in, the
 *				least of many runs of so many packets
 *
 * The session is one of the router's own, whose packets leave as they came: so one packet may be met again and again.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/types.h"

#include "bpf/keepnat.skel.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"

enum {
	ETHERNET = 14,
	PAYLOAD = 18,
	FRAME = ETHERNET + 20 + 8 + PAYLOAD,
	LOOPBACK = 1,
	INSIDE = 2,
	PORT = 5000,
	RUNS = 40
};

static const char *const maps[] = { "config",	 "flows", "mappings",  "hosts", "fragments", "ports",
				    "addresses", "pools", "next_hops", "held",	"counters",  "drops" };

static void die(const char *what)
{
	fprintf(stderr, "cost: %s\n", what);
	exit(1);
}

static void configure(struct nat_instance *nat)
{
	if (native_interface_add(nat, LOOPBACK, ROLE_OUTSIDE) != 0 ||
	    native_interface_add(nat, INSIDE, ROLE_INSIDE) < 0 ||
	    native_address_set(nat, 0, host_to_be32(0xc6336401),
			       ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL) < 0)
		die("the NAT cannot be set up");
	nat->now = 100;
	nat->config->test_now = 100;
}

static void frame_make(u8 *frame, int out)
{
	__be32 own = host_to_be32(0xc6336401), remote = host_to_be32(0xcb007101);
	struct packet_spec s = { .protocol = 17,
				 .dont_fragment = true,
				 .saddr = out ? own : remote,
				 .daddr = out ? remote : own,
				 .sport = out ? PORT : 53,
				 .dport = out ? 53 : PORT,
				 .payload_length = PAYLOAD };

	memset(frame, 2, ETHERNET);
	frame[12] = 8;
	frame[13] = 0;
	if (packet_build(&s, frame + ETHERNET, FRAME - ETHERNET) < 0)
		die("no packet");
}

static void native(u32 packets)
{
	static _Alignas(8) u8 room[2][80]; /* IP headers at a multiple of four */
	struct native_sizes sizes = { .flows = 4096 };
	struct native_frame f = { .length = FRAME, .l3 = ETHERNET, .ifindex = LOOPBACK };
	struct nat_instance nat;
	u32 known = 0;

	if (native_create(&nat, &sizes, 1))
		die("no memory");
	configure(&nat);
	frame_make(room[0] + 2, 1);
	frame_make(room[1] + 2, 0);
	for (u32 i = 0; i <= packets; i++) {
		int out = !(i & 1);
		f.data = room[i & 1] + 2;
		u32 reason = native_meet(&nat, out ? NATIVE_OUT : NATIVE_IN, &f).reason;
		known += reason == REASON_out_session || reason == REASON_in_session;
	}
	if (known != packets)
		die("natively not all packets were of a known session");
	native_destroy(&nat);
}

/* The programs, over arrays that nat has, too. */
static struct keepnat_bpf *programs_load(struct nat_instance *nat)
{
	struct native_sizes sizes = { .flows = 4096, .cpus = (u32)libbpf_num_possible_cpus() };
	struct keepnat_bpf *programs = keepnat_bpf__open();

	if (!programs)
		die("no programs");
	struct bpf_program *program;
	bpf_object__for_each_program(program, programs->obj)
		bpf_program__set_autoload(program, program == programs->progs.out_ethernet ||
							   program == programs->progs.in_ethernet);
	native_sizes_default(&sizes);
	programs->rodata->virtual_time = 1;
#ifdef COST_TEST_RUN /* older ones need not be told */
	programs->rodata->test_run = 1;
#endif
	for (u32 i = 0; i < NATIVE_ARRAYS; i++)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(programs->obj, maps[i]),
					 (u32)native_extent(&sizes, (enum native_array)i).elements);
	if (keepnat_bpf__load(programs))
		die("the programs cannot be loaded: this needs root");
	for (u32 i = 0; i < NATIVE_ARRAYS; i++) {
		void *memory =
			mmap(NULL, native_extent(&sizes, (enum native_array)i).bytes, PROT_READ | PROT_WRITE,
			     MAP_SHARED, bpf_object__find_map_fd_by_name(programs->obj, maps[i]), 0);
		if (memory == MAP_FAILED)
			die("an array cannot be mapped");
		native_array_set(nat, (enum native_array)i, memory);
	}
	if (native_attach(nat, &sizes, 1))
		die("no memory");
	return programs;
}

static u64 counted(const struct nat_instance *nat, u32 reason)
{
	u64 sum = 0;

	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += nat->counters[i].by[0][reason].packets;
	return sum;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Nanoseconds of a packet. */
static double run(const struct bpf_program *program, int out, u32 packets)
{
	u8 frame[FRAME], after[FRAME];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME, .data_out = after,
		    .data_size_out = FRAME, .repeat = (int)packets);

	frame_make(frame, out);
	double begun = seconds();
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts) || memcmp(frame, after, FRAME))
		die("a packet changed, or did not pass");
	return (seconds() - begun) * 1e9 / packets;
}

static void tc(u32 packets)
{
	struct nat_instance nat = { 0 };
	struct keepnat_bpf *programs = programs_load(&nat);

	configure(&nat);
	(void)run(programs->progs.out_ethernet, 1, 1);
	double least[2] = { 1e9, 1e9 };
	for (u32 i = 0; i < RUNS; i++)
		for (int out = 0; out < 2; out++) {
			double one = run(out ? programs->progs.out_ethernet : programs->progs.in_ethernet,
					 out, packets);
			least[out] = one < least[out] ? one : least[out];
		}
	if (counted(&nat, REASON_out_session) != (u64)RUNS * packets ||
	    counted(&nat, REASON_in_session) != (u64)RUNS * packets)
		die("at TC not all packets were of a known session");
	printf("%.2f %.2f\n", least[1], least[0]);
	keepnat_bpf__destroy(programs);
}

int main(int argc, char **argv)
{
	u32 packets = argc == 3 ? (u32)strtoul(argv[2], NULL, 10) : 0;

	if (!packets || (strcmp(argv[1], "native") && strcmp(argv[1], "tc"))) {
		fprintf(stderr, "usage: cost native|tc PACKETS\n");
		return 2;
	}
	if (strcmp(argv[1], "tc"))
		native(packets);
	else
		tc(packets);
	return 0;
}
