// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * resets PINS NUMBER RATE SECONDS - reset an outside interface of an instance that runs, keeping hosts and mappings, so many
 * times a second, by the store that the daemon makes for it (daemon/pool.h), in the configuration that it has pinned in
 * the folder PINS. What the API takes beside that store is left out: it is for rates that no API gives. Prints how
 * many were made; those that were due while it did not run are made up for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/pool.h"
#include "native/env_native.h"
#include "tests/pinned.h"

enum { SECOND = 1000000000 };

static u64 clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * SECOND + (u64)now.tv_nsec;
}

static u64 resets_make(struct nat_instance *nat, unsigned int number, double rate, double seconds)
{
	u64 begin = clock_ns(), end = begin + (u64)(seconds * SECOND), made = 0;

	for (u64 due = begin; clock_ns() < end; due = begin + (u64)((double)made / rate * SECOND)) {
		struct timespec until = { .tv_sec = (time_t)(due / SECOND), .tv_nsec = (long)(due % SECOND) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		pool_generation_bump(nat, number, 1u << TABLE_FLOWS);
		made++;
	}
	return made;
}

int main(int argc, char **argv)
{
	struct nat_instance nat = { 0 };

	if (argc != 5 || atof(argv[3]) <= 0) {
		fprintf(stderr, "usage: resets PINS NUMBER RATE SECONDS\n");
		return 2;
	}
	nat.config = pinned_config(argv[1]);
	if (!nat.config) {
		fprintf(stderr, "resets: %s/config: %s\n", argv[1], strerror(errno));
		return 1;
	}
	printf("%llu\n", resets_make(&nat, (unsigned int)atoi(argv[2]), atof(argv[3]), atof(argv[4])));
	return 0;
}
