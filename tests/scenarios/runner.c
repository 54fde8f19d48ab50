/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * runner.c - run scenarios and print TAP: one test for each scenario and way (native, ethernet, bare; native-fast,
 * ethernet-fast and ethernet-xdp: with the fast path on, and what takes it must come to the same; wire, wire-xdp and wire-all: a whole router).
 *
 *	runner.test [--way WAY] [FILE.scn ...]		all of tests/scenarios/ if none is named
 *
 * limit: 600 s
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scenarios/scenario.h"

struct tap {
	u32 count;
	u32 failed;
};

static void scenario_free(struct scenario *s)
{
	for (u32 i = 0; i < s->count; i++)
		free(s->lines[i]);
	free(s->lines);
	s->lines = NULL;
	s->count = 0;
}

/* A line that ends in a backslash goes on in the next; its own line is then empty, so that numbers stay true. */
static int scenario_load(struct scenario *s, const char *path)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool goes_on = false;
	ssize_t length;

	memset(s, 0, sizeof(*s));
	s->path = path;
	if (!in)
		return -errno;
	while ((length = getline(&line, &room, in)) >= 0) {
		bool next = length >= 2 && line[length - 2] == '\\';
		if (next)
			line[length - 2] = 0;
		char **lines = realloc(s->lines, (s->count + 1) * sizeof(*lines));
		if (!lines)
			abort();
		s->lines = lines;
		if (goes_on) {
			char *joined;
			if (asprintf(&joined, "%s %s", s->lines[s->count - 1], line) < 0)
				abort();
			free(s->lines[s->count - 1]);
			s->lines[s->count - 1] = strdup("");
			s->lines[s->count++] = joined;
		} else {
			s->lines[s->count++] = strdup(line);
		}
		goes_on = next;
	}
	free(line);
	fclose(in);
	return s->count ? 0 : -EINVAL;
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Is the way one of those that the line names? */
static bool line_names(const char *line, const char *way)
{
	size_t length = strlen(way);

	while ((line = strchr(line, ' ')))
		if (!strncmp(++line, way, length) && (!line[length] || strchr(" \n", line[length])))
			return true;
	return false;
}

/* Some packets only some ways can carry: "only WAY...", "except WAY...". What the wire cannot carry, it cannot with XDP, either. */
static bool scenario_is_for(const struct scenario *s, const char *way)
{
	for (u32 i = 0; i < s->count; i++) {
		bool only = !strncmp(s->lines[i], "only ", 5), except = !strncmp(s->lines[i], "except ", 7);
		bool named = line_names(s->lines[i], way) ||
			     (!strncmp(way, "wire-", 5) && line_names(s->lines[i], "wire"));
		if ((only || except) && named != only)
			return false;
	}
	return true;
}

static void scenario_test(struct tap *tap, struct world *world, const char *path, const char *way)
{
	struct scenario s;
	int rc = scenario_load(&s, path);

	if (!rc && !scenario_is_for(&s, way)) {
		scenario_free(&s);
		return;
	}
	tap->count++;
	if (!rc)
		rc = scenario_run(world, &s);
	else
		snprintf(world->error, sizeof(world->error), "%s: %s", path, strerror(-rc));
	tap->failed += rc != 0;
	printf("%s %u - %s %s\n", rc ? "not ok" : "ok", tap->count, base(path), way);
	if (rc)
		printf("# %s\n", world->error);
	fflush(stdout);
	scenario_free(&s);
}

static void all_skip(struct tap *tap, const glob_t *paths, const char *way, const char *why)
{
	for (size_t i = 0; i < paths->gl_pathc; i++)
		printf("ok %u - %s %s # SKIP %s\n", ++tap->count, base(paths->gl_pathv[i]), way, why);
}

/* All scenarios through one way; BPF beside a native one that must agree. */
static void way_test(struct tap *tap, const glob_t *paths, const char *name, u64 *reasons)
{
	static struct world world;
	bool native = !strncmp(name, "native", 6), all = strstr(name, "-all") != NULL,
	     xdp = all || strstr(name, "-xdp") != NULL, wire = !strncmp(name, "wire", 4),
	     roads = wire || xdp || strstr(name, "-fast");
	struct way *other = native ? NULL
			    : wire ? way_wire((u8)((xdp ? FAST_XDP : 0) | (all ? FAST_ALL : 0)))
			    : !strcmp(name, "bare") ? way_bpf_bare()
						    : way_bpf_ethernet();

	if (!native && !other) {
		bool may_not = errno == EPERM || geteuid();
		if (may_not) {
			all_skip(tap, paths, name, "needs root, for BPF and network namespaces");
		} else {
			tap->failed++;
			printf("not ok %u - %s: %s\n", ++tap->count, name, strerror(errno));
		}
		return;
	}
	memset(&world, 0, sizeof(world));
	world.roads = roads;
	world.xdp = xdp;
	world.all = all;
	world.ways[world.way_count++] = way_native(other ? other->l3 : ETHERNET_HEADER);
	if (!world.ways[0]) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
	if (other)
		world.ways[world.way_count++] = other;
	for (size_t i = 0; i < paths->gl_pathc; i++)
		scenario_test(tap, &world, paths->gl_pathv[i], name);
	printf("# %s: %u packets, %u of them by the fast path, %u at XDP\n", name, world.packets,
	       world.fast_packets, other ? other->redirected : 0);
	if (roads && paths->gl_pathc > 1) {
		u32 sent = other ? other->redirected * world.way_count : 0;
		/* By `all` more than those of known flows are sent at XDP. */
		bool took = world.fast_packets &&
			    (all ? sent > world.fast_packets : !xdp || sent == world.fast_packets);
		tap->failed += !took;
		printf("%s %u - %s: packets took the fast path\n", took ? "ok" : "not ok", ++tap->count,
		       name);
	}
	for (u32 r = 0; r < REASONS; r++)
		reasons[r] += world.reasons[r];
	for (u32 i = 0; i < world.way_count; i++)
		way_free(world.ways[i]);
}

int main(int argc, char **argv)
{
	static const char *const ways[] = { "native",	   "ethernet",	    "bare",
					    "native-fast", "ethernet-fast", "ethernet-xdp",
					    "wire",	   "wire-xdp",	    "wire-all" };
	const char *source = getenv("KEEPNAT_SOURCE"), *only = NULL;
	u64 reasons[REASONS] = { 0 };
	char pattern[4096];
	struct tap tap = { 0, 0 };
	glob_t paths = { 0 };
	int first = 1;

	if (argc > 2 && !strcmp(argv[1], "--way")) {
		only = argv[2];
		first = 3;
	}
	for (int i = first; i < argc; i++)
		glob(argv[i], (i > first ? GLOB_APPEND : 0) | GLOB_NOCHECK, NULL, &paths);
	if (first == argc) {
		snprintf(pattern, sizeof(pattern), "%s/tests/scenarios/*.scn", source ? source : ".");
		if (glob(pattern, 0, NULL, &paths)) {
			printf("Bail out! no scenarios: %s\n", pattern);
			return 1;
		}
	}
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!only || !strcmp(only, ways[i]))
			way_test(&tap, &paths, ways[i], reasons);
	printf("1..%u\n", tap.count);
	for (u32 r = 0; r < REASONS; r++)
		if (!reasons[r])
			printf("# no scenario met %s\n", reason_name(r));
	globfree(&paths);
	return tap.failed != 0;
}
