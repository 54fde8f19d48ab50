// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * verifier-stats [-b BUDGET] OBJECT - what each BPF program of an object costs the verifier of
 * the running kernel, one row a program:
 *
 *	program  kernel  insns  processed  states  peak  stack
 *
 * insns: instructions of the program, with all that it calls. processed: instructions that the verifier walked over
 * all paths; it refuses a program at a million. states: verifier states made; peak: kept at once (their memory);
 * stack: bytes used, by each function of the program.
 *
 * -b fails for a program above so many processed instructions. Exit 1: a program does not
 * load, with the end of the verifier's log, or is above the budget.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	LOG_STATS = 4, /* BPF_LOG_STATS of the kernel, not in its UAPI: only the counts */
	LOG_BYTES = 1 << 20,
	MESSAGE_LINES = 12,
};

struct stats {
	size_t insns;
	long processed, states, peak;
	char stack[64];
};

static char verifier_log[LOG_BYTES];

/* Debug output of libbpf is of no interest, and that of a failed load comes with the log. */
static int message_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN && !*verifier_log ? vfprintf(stderr, format, arguments) : 0;
}

static struct bpf_object *object_open(const char *path)
{
	struct bpf_object *object;
	char message[80];

	*verifier_log = 0;
	object = bpf_object__open_file(path, NULL);
	if (object)
		return object;
	libbpf_strerror(errno, message, sizeof(message));
	fprintf(stderr, "verifier-stats: cannot open %s: %s\n", path, message);
	return NULL;
}

/* The number that follows a word of the verifier's log, or -1. */
static long log_number(const char *word)
{
	const char *place = strstr(verifier_log, word);

	return place ? strtol(place + strlen(word), NULL, 10) : -1;
}

/* Reads the lines that the verifier ends its log with. Returns 0 or -EPROTO. */
static int stats_parse(struct stats *stats)
{
	const char *stack = strstr(verifier_log, "stack depth ");

	stats->processed = log_number("processed ");
	stats->states = log_number("total_states ");
	stats->peak = log_number("peak_states ");
	if (!stack || sscanf(stack, "stack depth %63s", stats->stack) != 1)
		memcpy(stats->stack, "-", sizeof("-"));
	return stats->processed < 0 || stats->states < 0 || stats->peak < 0 ? -EPROTO : 0;
}

static void log_tail_print(void)
{
	const char *from = verifier_log + strlen(verifier_log);

	for (int lines = 0; from > verifier_log; from--)
		if (from[-1] == '\n' && lines++ == MESSAGE_LINES)
			break;
	fputs(from, stderr);
}

/* Loads this one program of a fresh copy of the object, so that each is judged alone. Returns 0 or -errno. */
static int program_measure(const char *path, const char *name, struct stats *stats)
{
	struct bpf_object *object = object_open(path);
	struct bpf_program *program = NULL;
	int err;

	if (!object)
		return -EINVAL;
	while ((program = bpf_object__next_program(object, program)))
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), name));
	program = bpf_object__find_program_by_name(object, name);
	bpf_program__set_log_buf(program, verifier_log, sizeof(verifier_log));
	bpf_program__set_log_level(program, LOG_STATS);
	err = bpf_object__load(object);
	if (!err) {
		stats->insns = bpf_program__insn_cnt(program);
		err = stats_parse(stats);
	}
	bpf_object__close(object);
	return err;
}

static int program_report(const char *path, long budget, const char *name)
{
	struct stats stats = {};
	struct utsname kernel;
	int err = program_measure(path, name, &stats);

	if (err) {
		fprintf(stderr, "verifier-stats: %s does not load: %s\n", name, strerror(-err));
		log_tail_print();
		return err;
	}
	uname(&kernel);
	printf("%-17s %-17.17s %6zu %9ld %6ld %5ld  %s\n", name, kernel.release, stats.insns, stats.processed,
	       stats.states, stats.peak, stats.stack);
	fflush(stdout);
	if (!budget || stats.processed <= budget)
		return 0;
	fprintf(stderr, "verifier-stats: %s: %ld instructions processed, above the budget of %ld\n", name,
		stats.processed, budget);
	return -E2BIG;
}

static int object_report(const char *path, long budget)
{
	struct bpf_object *object = object_open(path);
	struct bpf_program *program = NULL;
	int failed = 0, count = 0;

	if (!object)
		return -EINVAL;
	while ((program = bpf_object__next_program(object, program))) {
		failed |= program_report(path, budget, bpf_program__name(program));
		count++;
	}
	bpf_object__close(object);
	if (!count)
		fprintf(stderr, "verifier-stats: no program in %s\n", path);
	return count ? failed : -ENOENT;
}

int main(int argc, char **argv)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	long budget = 0; /* none */
	int option;

	while ((option = getopt(argc, argv, "b:")) != -1) {
		if (option == 'b')
			budget = atol(optarg);
		else
			argc = 0;
	}
	if (argc != optind + 1) {
		fprintf(stderr, "usage: verifier-stats [-b BUDGET] OBJECT\n");
		return 2;
	}
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	libbpf_set_print(message_print);
	return object_report(argv[optind], budget) ? 1 : 0;
}
