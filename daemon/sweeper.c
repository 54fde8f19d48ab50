// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/sweeper.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"
#include "daemon/address.h"
#include "daemon/blackbox.h"
#include "daemon/book.h"
#include "daemon/crash.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "native/sweep_memory.h"

enum {
	SLICE = 1 << 16,
	PERIOD_MIN = 1,
	PERIOD_MAX = 60,
	SHARE = 40, /* a pass takes at most so small a part of one processor's time, up to PERIOD_MAX; */
	SHARE_SESSIONS = 4, /* where sessions are logged, which begin when they are first met */
};

struct sweeper {
	struct keepnat *k;
	struct nat_instance nat; /* the arrays, with a time of its own */
	struct sweep *sweep;
	struct blackbox_thread *life;
	pthread_t thread;
	bool running;
	pthread_mutex_t slice; /* held while one runs */
	pthread_mutex_t lock;  /* over stop and hurry */
	pthread_cond_t wake;
	bool stop;
	bool hurry; /* somebody waits for the next pass */
};

static double clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Wait so long, or until somebody cannot wait, or until the end is asked for: then true. */
static bool sweeper_wait(struct sweeper *s, double seconds)
{
	double until = clock_seconds(CLOCK_MONOTONIC) + seconds;
	struct timespec when = { .tv_sec = (time_t)until };
	bool stop;

	when.tv_nsec = (long)((until - (double)when.tv_sec) * 1e9);
	pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->hurry && seconds > 0)
		if (pthread_cond_timedwait(&s->wake, &s->lock, &when))
			break;
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/* Everybody's time of the lists, and ours. */
static void time_take(struct sweeper *s)
{
	blackbox_beat(s->life);
	s->nat.now = loader_tick(s->k->loader);
	__atomic_store_n(&s->k->nat.now, s->nat.now, __ATOMIC_RELAXED);
}

/*
 * Seconds from one pass to the next. What ended is absent at once, whoever looks; a pass gives its room to others, and counts what
 * `status` tells.
 */
static unsigned int period_of(const struct sweeper *s, double last_pass)
{
	double period = last_pass * (s->sweep->watch.flows_passed ? SHARE_SESSIONS : SHARE);

	return period < PERIOD_MIN ? PERIOD_MIN : period < PERIOD_MAX ? (unsigned int)period : PERIOD_MAX;
}

/* RFC 7422 section 2.1 step 4, RFC 6888 REQ-14: of what is lent, a line for each block. */
static void block_log(void *context, u32 interface, struct endpoint block, __be32 inside, int lent)
{
	const struct sweeper *s = context;
	u32 size = s->nat.config->shares[interface & (MAX_OUTSIDE - 1)].block_size;
	u32 first = be16_to_host(block.port) * size;
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];

	log_info("block %s:%u-%u %s %s", address_format(from, (struct in_addr){ block.addr }), first,
		 first + size - 1, lent ? "is lent to" : "is returned by",
		 address_format(to, (struct in_addr){ inside }));
}

static void pass_begin(struct sweeper *s)
{
	blackbox_doing(s->life, "sweep, pass %llu", (unsigned long long)s->sweep->passes + 1);
	pthread_mutex_lock(&s->k->lock);
	s->k->sweep.running = true;
	reset_pass_begins(s->k);
	pthread_mutex_unlock(&s->k->lock);
}

static void pass_report(struct sweeper *s, double wall, double cpu)
{
	struct sweep_report *report = &s->k->sweep;
	const struct sweep_counts *counts = &s->sweep->last;

	pthread_mutex_lock(&s->k->lock);
	report->passes = s->sweep->passes;
	report->last_seconds = wall;
	report->last_cpu_seconds = cpu;
	memcpy(report->sessions, counts->sessions, sizeof(report->sessions));
	memcpy(report->mappings, counts->mappings, sizeof(report->mappings));
	report->hosts = counts->hosts;
	report->ended_sessions = counts->ended_sessions;
	report->ended_mappings = counts->ended_mappings;
	report->mended = counts->mended;
	report->running = false;
	memcpy(report->at, counts->at, sizeof(report->at));
	reset_pass_ends(s->k, counts);
	pthread_mutex_unlock(&s->k->lock);
}

/*
 * A whole pass: *seconds of CPU time it took. It yields between slices, so that it holds up nobody on a machine of one
 * processor. True: stop.
 */
static bool pass_run(struct sweeper *s, double *seconds)
{
	double wall = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID);

	pass_begin(s);
	for (;;) {
		time_take(s);
		pthread_mutex_lock(&s->slice);
		int ended = sweep_step(s->sweep, s->nat.now, SLICE);
		pthread_mutex_unlock(&s->slice);
		FAULT(sweep_slice);
		if (ended)
			break;
		if (sweeper_wait(s, 0))
			return true;
		sched_yield();
	}
	*seconds = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	FAULT(sweep_pass);
	pass_report(s, clock_seconds(CLOCK_MONOTONIC) - wall, *seconds);
	return false;
}

static bool hurry_taken(struct sweeper *s)
{
	bool hurry;

	pthread_mutex_lock(&s->lock);
	hurry = s->hurry;
	s->hurry = false;
	pthread_mutex_unlock(&s->lock);
	return hurry;
}

static void *sweeper_run(void *context)
{
	struct sweeper *s = context;
	double pass;

	crash_thread();
	s->life = s->k->box ? blackbox_join(s->k->box, "sweep", true) : NULL;
	while (!pass_run(s, &pass)) {
		unsigned int period = period_of(s, pass);

		for (unsigned int slept = 0; slept < period && !hurry_taken(s); slept++) {
			if (sweeper_wait(s, 1))
				return NULL;
			time_take(s); /* it is kept fresh meanwhile */
		}
	}
	return NULL;
}

static void sweeper_free(struct sweeper *s)
{
	sweep_memory_free(s->sweep);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->slice);
	free(s);
}

static struct sweeper *sweeper_new(struct keepnat *k)
{
	struct sweeper *s = calloc(1, sizeof(*s));
	pthread_condattr_t attributes;

	if (!s)
		return NULL;
	s->k = k;
	s->nat = k->nat;
	s->sweep = sweep_memory_new(&s->nat);
	if (s->sweep) {
		s->sweep->block_tell = block_log;
		s->sweep->block_context = s;
		book_follow(k, s->sweep);
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->slice, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (s->sweep)
		return s;
	sweeper_free(s);
	return NULL;
}

int sweeper_start(struct keepnat *k)
{
	struct sweeper *s = sweeper_new(k);
	int error = s ? 0 : -ENOMEM;

	if (!error) {
		time_take(s);
		error = -pthread_create(&s->thread, NULL, sweeper_run, s);
	}
	if (error) {
		log_error("cannot start the sweep: %s; lower the capacity, or free memory", strerror(-error));
		if (s)
			sweeper_free(s);
		return error;
	}
	pthread_setname_np(s->thread, "keepnat-sweep");
	k->sweeper = s;
	return 0;
}

void sweeper_stop(struct keepnat *k)
{
	struct sweeper *s = k->sweeper;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	sweeper_free(s);
	k->sweeper = NULL;
}

void sweeper_hurry(struct sweeper *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->hurry = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void sweeper_hold(struct sweeper *s)
{
	if (s)
		pthread_mutex_lock(&s->slice);
}

void sweeper_release(struct sweeper *s)
{
	if (s)
		pthread_mutex_unlock(&s->slice);
}

const struct sweep *sweeper_sweep(const struct sweeper *sweeper) { return sweeper ? sweeper->sweep : NULL; }
