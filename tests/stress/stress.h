/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * stress.h - what the stress tests share: how long, threads, chance, TAP.
 *
 * STRESS_SECONDS says how long each run lasts (default 6); `STRESS_SECONDS=600 ./run test stress` is a soak.
 * STRESS_CASE=WORDS runs only the cases that have these words in their names, where a test has several.
 */
#pragma once
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/types.h"

enum { STRESS_SECONDS = 6, STRESS_THREADS = 16 };

static int stress_stopped;
static pthread_t stress_threads[STRESS_THREADS];
static int stress_running;
static int stress_cases, stress_failures;

static inline int stress_over(void) { return __atomic_load_n(&stress_stopped, __ATOMIC_RELAXED); }

/* A thread's own chance: splitmix64. */
static inline u64 stress_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* A case of the test; what it saw is a comment. */
__attribute__((format(printf, 3, 4))) static inline void stress_case(const char *name, int good,
								     const char *format, ...)
{
	va_list arguments;

	stress_failures += !good;
	printf("%s %d - %s\n# ", good ? "ok" : "not ok", ++stress_cases, name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

static inline void stress_skip(const char *name, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++stress_cases, name, why);
}

static inline int stress_end(void)
{
	printf("1..%d\n", stress_cases);
	return stress_failures != 0;
}

static inline void stress_thread(void *(*run)(void *), void *argument)
{
	if (stress_running == STRESS_THREADS ||
	    pthread_create(&stress_threads[stress_running++], NULL, run, argument)) {
		printf("Bail out! no thread\n");
		exit(1);
	}
}

static inline double stress_seconds(void)
{
	const char *asked = getenv("STRESS_SECONDS");
	double seconds = asked ? atof(asked) : 0;

	return seconds > 0 ? seconds : STRESS_SECONDS;
}

static inline int stress_asked(const char *name)
{
	const char *words = getenv("STRESS_CASE");

	return !words || strstr(name, words);
}

/* Let the threads run, stop them, wait for them. */
static inline void stress_run(void)
{
	double seconds = stress_seconds();
	struct timespec pause = { .tv_sec = (time_t)seconds,
				  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&pause, NULL);
	__atomic_store_n(&stress_stopped, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < stress_running; i++)
		pthread_join(stress_threads[i], NULL);
	stress_running = 0;
	stress_stopped = 0;
}
