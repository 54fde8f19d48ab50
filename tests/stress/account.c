/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * account.c - threads make mappings for one host up to its limits, in three classes at once, while the sweep counts and resets come:
 * it never has more of one generation than it may, but for one a thread that a pass may have missed, and in the end all that it may.
 */
#include <string.h>

#include "core/sweep.h"
#include "native/instance.h"
#include "native/sweep_memory.h"
#include "tests/stress/meet.h"
#include "tests/stress/stress.h"

enum { THREADS = 4, MOST = 40, MOST_TCP = 25, PORTS = 400 };

static struct nat_instance nat;
static u64 refused, made, passes, worst;

static __be32 address(u32 a, u32 b, u32 c, u32 d) { return host_to_be32(a << 24 | b << 16 | c << 8 | d); }

/* Some endpoint of the host wants a mapping. */
static u32 ask(struct nat_instance *own, u64 *random)
{
	static const u8 protocols[ACCOUNTS] = { PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP };
	u64 chance = stress_random(random);
	u8 class = (u8)(chance % ACCOUNTS);
	struct tuple ip = { .saddr = address(10, 0, 0, 1),
			    .daddr = address(203, 0, 113, 1),
			    .sport = host_to_be16(2000 + (chance >> 8) % PORTS),
			    .dport = class == CLASS_ICMP ? 0 : host_to_be16(7),
			    .protocol = protocols[class],
			    .class = class };
	struct endpoint source, target;

	return stress_meet(own, NATIVE_OUT, &ip, TCP_SYN, own->now, &source, &target);
}

static void *asker(void *number)
{
	u64 random = (u64)(unsigned long)number + 1;
	struct nat_instance own;

	if (native_thread(&nat, &own, (u32)(unsigned long)number)) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
	own.now = 100;
	while (!stress_over()) {
		u32 reason = ask(&own, &random);
		__atomic_fetch_add(reason == REASON_host_mappings ? &refused : &made, 1, __ATOMIC_RELAXED);
	}
	native_thread_end(&own);
	return NULL;
}

/* What the host has of the present generation. A reset in between makes it less, never more. */
static void count(u32 have[CLASSES])
{
	memset(have, 0, CLASSES * sizeof(*have));
	for (u32 i = 0; i <= nat.config->mapping_mask; i++) {
		struct insert m;
		u64 w = LOAD(&env_slot(&nat, TABLE_MAPPINGS, i)->word);

		if (word_state(w) == LIVE && slot_read(&nat, TABLE_MAPPINGS, i, w, &m) &&
		    !(m.mapping.half & HALF_OUTSIDE) && !(word_flags(w) & RESTING) &&
		    !word_stale(nat.config, TABLE_MAPPINGS, 0, w))
			have[m.mapping.class]++;
	}
}

/* The daemon: passes, now and then a reset; and what the host has in between. */
static void *sweeper(void *memory)
{
	u32 have[CLASSES];

	while (!stress_over()) {
		sweep_pass(memory, 100);
		count(have);
		u64 all = have[CLASS_UDP] + have[CLASS_TCP] + have[CLASS_ICMP];
		if (all > worst)
			worst = all;
		if (have[CLASS_TCP] > MOST_TCP + THREADS)
			worst = MOST + have[CLASS_TCP];
		if (++passes % 8 == 0) {
			native_reset(&nat, 0, TABLE_FLOWS);
			native_reset(&nat, 0, TABLE_MAPPINGS);
		}
	}
	return NULL;
}

int main(void)
{
	const struct native_sizes sizes = { .flows = 1 << 14, .mappings = 1 << 14, .cpus = THREADS + 1 };
	u32 have[CLASSES];
	u64 random = 9;

	if (native_create(&nat, &sizes, 5))
		return 1;
	nat.now = 100;
	native_interface_add(&nat, 3, ROLE_OUTSIDE);
	native_interface_add(&nat, 2, ROLE_INSIDE);
	native_network_add(&nat, address(10, 0, 0, 0), address(255, 0, 0, 0));
	native_address_set(&nat, 0, address(198, 51, 100, 1), ADDRESS_LIVE | ADDRESS_POOL);
	nat.config->limits.on = 1;
	nat.config->limits.all.mappings = MOST;
	nat.config->limits.by[CLASS_TCP].mappings = MOST_TCP;
	struct sweep *sweep = sweep_memory_new(&nat);
	if (!sweep)
		return 1;
	sweep_pass(sweep, 100);
	for (unsigned long i = 0; i < THREADS; i++)
		stress_thread(asker, (void *)i);
	stress_thread(sweeper, sweep);
	stress_run();
	stress_case("never more than the limits, on several processors beside the sweep",
		    worst && worst <= MOST + THREADS,
		    "%llu packets found a mapping, %llu were refused, in %llu passes; at most %llu mappings",
		    made, refused, passes, worst);
	sweep_pass(sweep, 100);
	for (int i = 0; i < 100000; i++)
		ask(&nat, &random);
	count(have);
	stress_case("and all that it may", have[0] + have[1] + have[2] == MOST, "udp %u, tcp %u, icmp %u",
		    have[CLASS_UDP], have[CLASS_TCP], have[CLASS_ICMP]);
	sweep_memory_free(sweep);
	native_destroy(&nat);
	return stress_end();
}
