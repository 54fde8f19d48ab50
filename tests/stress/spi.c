// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Threads that open tunnels of ESP (core/spi.h): several hosts, two gateways, one outside address, the sweep beside them. Each begins a
 * tunnel as its host, or sends the first packet of one that another thread has just begun, and then, as the gateway, answers with
 * its SPI. Time stands still, so that no wait is over before its answer. In rounds, each with a NAT of its own.
 *
 *   answers   the answer gets to the host that began, and so does all that comes with its SPI from then on
 *   even      at the end of a round nobody waits: each wait was ended by one SPI, and each SPI ended one
 */
#include <string.h>

#include "native/instance.h"
#include "native/sweep_memory.h"
#include "tests/state.h"
#include "tests/stress/meet.h"
#include "tests/stress/stress.h"

enum { WORKERS = 3, HOSTS = 3, GATEWAYS = 2, TUNNELS = 1500, TRIES_MOST = 100000 };

struct test {
	struct nat_instance nat;
	u64 began[HOSTS][GATEWAYS]; /* atomic: tunnels */
	u64 over;		    /* atomic: workers that are done */
};

struct worker {
	struct test *test;
	struct nat_instance nat;
	u64 chance, answers, old, wrong, starved, reasons[REASONS];
	u64 known[HOSTS][GATEWAYS]; /* a tunnel that this one answered, + 1 */
};

static __be32 host_address(u32 i) { return host_to_be32(0x0a000001 + i); }
static __be32 gateway_address(u32 i) { return host_to_be32(0xcb007101 + i); }
static __be32 outside_address(void) { return host_to_be32(0xc6336401); }

static u32 dice(struct worker *w, u32 sides) { return (u32)(stress_random(&w->chance) % sides); }

/* A packet with an SPI. Its reason; *to is where it went. */
static u32 meet(struct worker *w, int way, __be32 from, __be32 target, u32 spi, struct endpoint *to)
{
	struct tuple ip = { .saddr = from,
			    .daddr = target,
			    .sport = host_to_be16(spi >> 16),
			    .dport = host_to_be16(spi & 0xffff),
			    .protocol = PROTOCOL_ESP,
			    .class = CLASSES };
	struct endpoint source;
	u32 reason = stress_meet(&w->nat, way, &ip, 0, 1000, &source, to);

	w->reasons[reason]++;
	return reason;
}

/* The SPIs of the host's n-th tunnel: the gateway's choice, and the host's. */
static u32 spi_of(u32 host, u64 n) { return (host + 1) << 24 | (u32)(n + 1); }

static void answer(struct worker *w, u32 host, u32 gateway, u64 n)
{
	__be32 from = gateway_address(gateway);
	struct endpoint to = { .addr = 0 };
	u32 reason = REASON_table_busy;
	int tries = 0;

	/* Overtaken by another thread's answer, and that by another host's new tunnel, it is dropped: the next one is a hit. */
	while ((reason_verdict(reason) != VERDICT_TRANSLATE || reason == REASON_in_from_mapping) &&
	       ++tries < TRIES_MOST)
		reason = meet(w, NATIVE_IN, from, outside_address(), spi_of(host, n), &to);
	w->answers++;
	w->wrong += reason_verdict(reason) != VERDICT_TRANSLATE || to.addr != host_address(host);
}

/* Begin a tunnel, or be the second that does, and answer it. */
static void tunnel(struct worker *w)
{
	u32 host = dice(w, HOSTS), gateway = dice(w, GATEWAYS), reason;
	u64 *began = &w->test->began[host][gateway];
	u64 n = dice(w, 3) && LOAD(began) ? LOAD(began) - 1 : FETCH_ADD(began, 1);
	struct endpoint to;
	int tries = 0;

	do
		reason = meet(w, NATIVE_OUT, host_address(host), gateway_address(gateway), spi_of(host, n),
			      &to);
	while ((reason == REASON_spi_waits || reason == REASON_table_busy ||
		reason == REASON_out_from_mapping) &&
	       ++tries < TRIES_MOST);
	if (reason_verdict(reason) != VERDICT_TRANSLATE) {
		w->starved++;
		return;
	}
	answer(w, host, gateway, n);
	u64 known = w->known[host][gateway];
	if (known) {
		u32 was = meet(w, NATIVE_IN, gateway_address(gateway), outside_address(),
			       spi_of(host, known - 1), &to);
		w->old++;
		w->wrong += was != REASON_in_session || to.addr != host_address(host);
	}
	if (!known || !dice(w, 4))
		w->known[host][gateway] = n + 1;
}

static void *worker(void *argument)
{
	struct worker *w = argument;

	for (u32 i = 0; i < TUNNELS; i++)
		tunnel(w);
	FETCH_ADD(&w->test->over, 1);
	return NULL;
}

static void *sweeper(void *argument)
{
	struct test *test = argument;
	struct sweep *s = sweep_memory_new(&test->nat);

	while (s && LOAD(&test->over) < WORKERS)
		sweep_pass(s, 1000);
	sweep_memory_free(s);
	return NULL;
}

/* The claims of a gateway whose balance is not even. */
static u64 uneven(const struct nat_instance *nat)
{
	u64 found = 0;

	for (u32 i = 0; i <= nat->config->flow_mask; i++) {
		const struct flow *f =
			(const struct flow *)env_slot((struct nat_instance *)nat, TABLE_FLOWS, i);
		found += word_state(f->word) == LIVE && f->realm == REALM_CLAIM && claim_balance(f->word);
	}
	return found;
}

static int round_begin(struct test *test, struct worker *workers, u64 chance)
{
	struct native_sizes sizes = {
		.flows = 65536, .mappings = 64, .hosts = 64, .fragments = 32, .addresses = 1
	};

	memset(test, 0, sizeof(*test));
	if (native_create(&test->nat, &sizes, chance) ||
	    native_interface_add(&test->nat, 3, ROLE_OUTSIDE) != 0 ||
	    native_interface_add(&test->nat, 2, ROLE_INSIDE) < 0 ||
	    native_address_set(&test->nat, 0, outside_address(), ADDRESS_LIVE | ADDRESS_POOL) < 0)
		return -1;
	for (u32 i = 0; i < WORKERS; i++) {
		memset(&workers[i], 0, sizeof(workers[i]));
		workers[i].test = test;
		workers[i].chance = chance + i;
		if (native_thread(&test->nat, &workers[i].nat, 0))
			return -1;
	}
	return 0;
}

int main(void)
{
	static struct test test;
	static struct worker workers[WORKERS], sum;
	double until = (double)time(NULL) + stress_seconds();
	u64 rounds = 0, uneven_claims = 0, faults = 0;
	struct state_fault fault;

	do {
		if (round_begin(&test, workers, (u64)getpid() * 1000 + rounds++))
			return 1;
		stress_thread(sweeper, &test);
		for (u32 i = 0; i < WORKERS; i++)
			stress_thread(worker, &workers[i]);
		for (int i = 0; i < stress_running; i++)
			pthread_join(stress_threads[i], NULL);
		stress_running = 0;
		for (u32 i = 0; i < WORKERS; i++) {
			sum.answers += workers[i].answers;
			sum.old += workers[i].old;
			sum.wrong += workers[i].wrong;
			sum.starved += workers[i].starved;
			for (u32 r = 0; r < REASONS; r++)
				sum.reasons[r] += workers[i].reasons[r];
			native_thread_end(&workers[i].nat);
		}
		uneven_claims += uneven(&test.nat);
		faults += state_check(&test.nat, 0, &fault) != 0;
		native_destroy(&test.nat);
	} while ((double)time(NULL) < until);
	stress_case("answers", !sum.wrong && sum.answers && sum.old && sum.reasons[REASON_in_created],
		    "rounds %llu, answers %llu, old ones %llu, wrong %llu", rounds, sum.answers, sum.old,
		    sum.wrong);
	stress_case("even", !uneven_claims && !sum.starved && !faults && sum.reasons[REASON_spi_waits],
		    "claims that wait for nothing %llu, tunnels that never began %llu, faults %llu",
		    uneven_claims, sum.starved, faults);
	stress_reasons(sum.reasons);
	return stress_end();
}
