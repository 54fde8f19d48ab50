// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cpus PINS - what each CPU has translated so far, of an instance that runs, whose arrays are pinned in the folder PINS: a
 * line each, "CPU OUT IN", in packets.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/plan.h"
#include "tests/pinned.h"

#define REASON(name, verdict, text) [REASON_##name] = #name,
static const char *const names[REASONS] = {
#include "core/reasons.def"
};
#undef REASON

/* Packets translated for this reason if it is one of those of which the names begin so. */
static u64 reason_packets(const struct counters *of, u32 reason, const char *begin)
{
	u64 packets = 0;

	if (reason_verdict(reason) == VERDICT_TRANSLATE && !strncmp(names[reason], begin, strlen(begin)))
		for (unsigned int i = 0; i < MAX_INTERFACES; i++)
			packets += LOAD(&of->by[i][reason].packets);
	return packets;
}

static u64 direction_packets(const struct counters *of, const char *begin)
{
	u64 packets = 0;

	for (u32 reason = 0; reason < REASONS; reason++)
		packets += reason_packets(of, reason, begin);
	return packets;
}

int main(int argc, char **argv)
{
	int cpus = libbpf_num_possible_cpus();
	const struct counters *counters;

	if (argc != 2 || cpus < 1) {
		fprintf(stderr, "usage: cpus PINS\n");
		return 2;
	}
	counters = pinned_config(argv[1])
			   ? pinned_array(argv[1], "counters", (size_t)cpus * sizeof(*counters))
			   : NULL;
	if (!counters) {
		fprintf(stderr, "cpus: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (int i = 0; i < cpus; i++)
		printf("%d %llu %llu\n", i, direction_packets(&counters[i], "out_"),
		       direction_packets(&counters[i], "in_"));
	return 0;
}
