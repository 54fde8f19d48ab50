// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * keepnat-bench - what a packet and a session cost, against the kernel's own NAT.
 *
 * Theory of operation
 *
 * One number is sought: CPU time of the router per packet. Wall-clock rates on a small shared machine say more about
 * its neighbours than about the program, so all work runs on one CPU and the router's share of it is counted.
 *
 *                      the lab's namespace            a router's namespace (one per candidate)
 *     generator --> in0 ------------------ veth ------- lan0 --> kernel routes, NAT --> wan0 --+
 *          sink <-- out0 ----------------- veth -----------------------------------------------+
 *
 * Generator: an XDP program run by BPF_PROG_TEST_RUN with live frames. For each frame it computes the next flow's
 * addresses and ports, writes them with right checksums and redirects the frame into the veth. Flows are taken in the
 * order counter * odd constant, masked: all of them once, and far from each other. For the way back, it sends to the
 * outside endpoints that the sink has learned: each frame carries the number of its flow.
 *
 * Sink: an XDP program on the far end that counts and drops, and judges whether the address is one that only a
 * working NAT can have put there. A candidate that loses or does not translate packets is an error, not a figure.
 *
 * Accounting: each veth has one queue and a NAPI thread of its own. A BPF program on sched_switch adds up the time of
 * those threads; lan0's and wan0's are the router. Everything that a packet costs from the veth's ring to the ring of
 * the next one runs there: allocation of the socket buffer, routing, NAT, transmission. /proc's figures are no
 * substitute: they are sampled, and the threads run for microseconds.
 *
 * Threads: generator, router and sink share one CPU and have rising priorities (the two latter as SCHED_FIFO), so each
 * batch of 64 goes through router and sink before the next is made. No ring overflows, no idle CPU is woken, and
 * caches are as they are on one busy core.
 *
 * Comparison: all candidates are alive at once, with full tables. They take short turns (less than a tenth of a
 * second), and which one begins changes from turn to turn: a machine that slows down for a second slows all of them.
 * A round is 8 turns of each. Ratios are taken turn by turn, and the median over all turns of all rounds is
 * reported, so that what a neighbour on the machine or a hypervisor does to single turns is left out.
 *
 * Life: main() makes a mount namespace and a network namespace of its own and everything lives in there, so that even
 * a killed run leaves nothing behind but the larger sizes of the conntrack table, which a run that ends puts back.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/bench.h"

struct question {
	const char *name;
	const char *asks;
	int (*ask)(struct bench *bench);
	const char *candidates;
};

static const struct question questions[] = {
	{ "forward", "CPU time per packet of a known session, out and in, UDP and TCP, 1 to 8M flows in use",
	  question_forward, "plain,nft,limit,off,tc,xdp" },
	{ "sessions", "CPU time per new session, every packet a new flow", question_sessions, "nft,tc,all" },
	{ "short", "short TCP connections, from SYN to the last ACK", question_short,
	  "plain,nft,tc,xdp,all" },
	{ "bulk", "bulk TCP by iperf3, with offloads", question_bulk, "plain,nft,off,tc" },
	{ "latency", "how long packets take at half load: p50, p99, p99.9", question_latency,
	  "plain,nft,tc,xdp" },
	{ "full", "a packet of a new flow when no port is left, against a normal new session", question_full,
	  "nft,tc" },
	{ "sweep", "CPU time of the daemon for one pass over all sessions", question_sweep, "tc" },
	{ "log", "CPU time per record of the log, and new sessions beside it", question_log, "tc" },
	{ "memory", "kernel memory per session at capacity", question_memory, "nft,tc" },
	{ "capacity", "as many sessions as there is room for, and as many again", question_capacity, "tc" },
	{ "reset", "a reset of the outside interface: time, packets lost, CPU time per packet beside resets",
	  question_reset, "masquerade,tc" },
};
enum { QUESTIONS = sizeof(questions) / sizeof(*questions) };

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	(void)signal;
	interrupted = 1;
}

bool bench_interrupted(void) { return interrupted; }

static void usage(void)
{
	fprintf(stderr, "usage: keepnat-bench [OPTION...] [QUESTION|all]\n\n");
	for (int i = 0; i < QUESTIONS; i++)
		fprintf(stderr, "  %-10s %s\n", questions[i].name, questions[i].asks);
	fprintf(stderr,
		"\n"
		"  --quick             fewer rounds and packets\n"
		"  --rounds N          rounds (5)\n"
		"  --turns N           turns of each candidate in a round (8; some questions have their own "
		"number)\n"
		"  --flows N           sessions in the tables, a power of two (1048576)\n"
		"  --big N             in those of the largest part of forward (8388608; 0: leave it out)\n"
		"  --candidates LIST   of plain, nft, masquerade, limit, and keepnat as off, tc, xdp, all; "
		"each\n"
		"                      question has its own usual ones\n"
		"  --cpu N             the CPU that does all the work (the last one)\n"
		"  --keepnatd PATH     the daemon (the one of the same build); without it keepnat is "
		"left out\n"
		"  --keepnat PATH      the command line (the same)\n"
		"  --more TEXT         more lines for keepnat's configuration\n"
		"  --json FILE         write all rounds there\n"
		"  --check             exit status 1: a target was missed; 3: one was not measured\n"
		"  --verbose           every chunk on standard error\n");
}

static bool question_is(const struct question *question, const char *name)
{
	return !strcmp(name, "all") || !strcmp(name, question->name);
}

static bool list_has(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (; list; list = strchr(list, ','), list += list ? 1 : 0)
		if (!strncmp(list, name, length) && (!list[length] || list[length] == ','))
			return true;
	return false;
}

/* A column of the report for it, unless it cannot run here. */
static void candidate_take(struct bench *bench, struct candidate *candidate)
{
	struct report *report = &bench->report;

	if (!candidate_is_present(candidate, &bench->setting)) {
		fprintf(stderr, "bench: %s is not there: left out\n", candidate->name);
		return;
	}
	bench->candidate[report->columns] = candidate;
	report->column[report->columns] = candidate->name;
	report->title[report->columns++] = candidate->title;
	bench->candidates = report->columns;
}

/* Those that the list names, in its order. */
static int candidates_listed(struct bench *bench, char *list)
{
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		struct candidate *candidate = candidate_find(name);

		if (!candidate) {
			fprintf(stderr, "bench: no candidate %s\n", name);
			return -EINVAL;
		}
		if (bench_column(bench, name) >= 0) {
			fprintf(stderr, "bench: %s twice: name each candidate once\n", name);
			return -EINVAL;
		}
		candidate_take(bench, candidate);
	}
	return bench->candidates ? 0 : -ENOENT;
}

/* Those that a question which is asked takes usually. */
static int candidates_usual(struct bench *bench, const char *question)
{
	struct candidate *candidate;

	for (int n = 0; (candidate = candidate_nth(n)); n++) {
		bool wanted = false;

		for (int i = 0; i < QUESTIONS; i++)
			wanted |= question_is(&questions[i], question) &&
				  list_has(questions[i].candidates, candidate->name);
		if (wanted)
			candidate_take(bench, candidate);
	}
	return bench->candidates ? 0 : -ENOENT;
}

/* Who takes part in this question: its usual ones, or all that were asked for by name. */
static void bench_take_part(struct bench *bench, const struct question *question)
{
	bench->parts = 0;
	for (int i = 0; i < bench->candidates; i++)
		if (bench->listed || list_has(question->candidates, bench->candidate[i]->name))
			bench->part[bench->parts++] = i;
}

/* Time that the CPU was busy, and that it wanted to be but was not let, in ticks. */
static int stolen_read(int cpu, double *busy, double *stolen)
{
	double user, nice, system, idle, wait, irq, softirq, steal;
	FILE *file = fopen("/proc/stat", "re");
	int err = -ENOENT, number;
	char line[256];

	while (file && err && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "cpu%d %lf %lf %lf %lf %lf %lf %lf %lf", &number, &user, &nice, &system,
			   &idle, &wait, &irq, &softirq, &steal) != 9 ||
		    number != cpu || line[3] == ' ')
			continue;
		*busy = user + nice + system + irq + softirq + steal;
		*stolen = steal;
		err = 0;
	}
	if (file)
		fclose(file);
	return err;
}

static int bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* The mirror is bench_close(). */
static int bench_open(struct bench *bench, int cpu)
{
	__u32 rows;
	int err;

	bench->rows = bench->flows;
	rows = bench->rows * (__u32)bench->candidates;
	bench->setting.probe = &bench->probe;
	conntrack_size(bench_connections(bench));
	err = lab_open(&bench->lab, cpu);
	err = err ? err : bench_pin(cpu);
	err = err ? err : probe_open(&bench->probe, rows > bench->big ? rows : bench->big);
	for (int i = 0; i < bench->candidates && !err; i++) {
		struct router *router = lab_add_router(&bench->lab);

		err = router ? probe_add_router(&bench->probe, &bench->lab, router) : -EIO;
	}
	return err;
}

static void bench_close(struct bench *bench)
{
	bench_stop(bench);
	probe_close(&bench->probe);
	lab_close(&bench->lab);
	conntrack_restore();
}

/* A question that fails does not keep the others from being asked. */
static int bench_ask(struct bench *bench, const char *name)
{
	bool asked = false;
	int worst = 0;

	for (int i = 0; i < QUESTIONS && !interrupted; i++) {
		int err;

		if (!question_is(&questions[i], name))
			continue;
		asked = true;
		bench_take_part(bench, &questions[i]);
		fprintf(stderr, "bench: %s: %s\n", questions[i].name, questions[i].asks);
		err = bench->parts ? questions[i].ask(bench) : -ENOENT;
		bench_stop(bench);
		if (err)
			fprintf(stderr, "bench: %s: %s\n", questions[i].name, strerror(-err));
		worst = err ? err : worst;
	}
	return interrupted ? -EINTR : asked ? worst : -EINVAL;
}

static const struct option options[] = {
	{ "quick", no_argument, NULL, 'q' },	     { "rounds", required_argument, NULL, 'r' },
	{ "flows", required_argument, NULL, 'f' },   { "candidates", required_argument, NULL, 'c' },
	{ "big", required_argument, NULL, 'b' },     { "turns", required_argument, NULL, 't' },
	{ "cpu", required_argument, NULL, 'p' },     { "keepnatd", required_argument, NULL, 'd' },
	{ "keepnat", required_argument, NULL, 'k' }, { "more", required_argument, NULL, 'm' },
	{ "json", required_argument, NULL, 'j' },    { "check", no_argument, NULL, 'x' },
	{ "verbose", no_argument, NULL, 'v' },	     { NULL, 0, NULL, 0 },
};

enum {
	ROUNDS_MAX = 15,
	BIG = 1 << 23,
};

struct request {
	char candidates[64];
	long big; /* negative: not given */
	const char *json;
	bool check;
	int cpu;
};

static int option_take(struct bench *bench, struct request *request, int option)
{
	switch (option) {
	case 'q':
		bench->quick = true;
		break;
	case 'r':
		bench->rounds = atoi(optarg);
		break;
	case 'f':
		bench->flows = (__u32)strtoul(optarg, NULL, 10);
		break;
	case 'b':
		request->big = strtol(optarg, NULL, 10);
		break;
	case 't':
		bench->turns = atoi(optarg);
		break;
	case 'c':
		snprintf(request->candidates, sizeof(request->candidates), "%s", optarg);
		break;
	case 'p':
		request->cpu = atoi(optarg);
		break;
	case 'd':
		bench->setting.keepnatd = optarg;
		break;
	case 'k':
		bench->setting.keepnat = optarg;
		break;
	case 'm':
		bench->setting.more = optarg;
		break;
	case 'j':
		request->json = optarg;
		break;
	case 'x':
		request->check = true;
		break;
	case 'v':
		bench->setting.verbose = true;
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

/* The path of another program of the build that this one is from: BUILD/bench/keepnat-bench. */
static const char *program_path(const char *name)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *path = NULL;

	if (n < 0)
		return NULL;
	self[n] = 0;
	return asprintf(&path, "%s/../%s", dirname(self), name) < 0 ? NULL : path;
}

/* Zero values have not been given. */
static int bench_defaults(struct bench *bench, struct request *request)
{
	if (!bench->setting.keepnatd)
		bench->setting.keepnatd = program_path("daemon/keepnatd");
	if (!bench->setting.keepnat)
		bench->setting.keepnat = program_path("cli/keepnat");
	bench->report.stolen = -1;
	bench->rounds = bench->rounds ? bench->rounds : bench->quick ? 1 : 5;
	bench->flows = bench->flows ? bench->flows : 1u << 20;
	bench->big = (__u32)(request->big >= 0 ? request->big : bench->quick ? 0 : BIG);
	bench->turns = bench->turns ? bench->turns : bench->quick ? 4 : 8;
	request->cpu = request->cpu < 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : request->cpu;
	if (bench->turns < 1 || bench->rounds < 1 || bench->rounds > ROUNDS_MAX || bench->flows < 1024 ||
	    bench->flows > TRAFFIC_FLOWS_MAX || bench->flows & (bench->flows - 1) ||
	    bench->big & (bench->big - 1) || bench->big > TRAFFIC_FLOWS_MAX)
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	struct request request = { .cpu = -1, .big = -1 };
	struct sigaction action = { .sa_handler = on_signal };
	static struct bench bench;
	double busy[2] = { 0 }, stolen[2] = { 0 };
	const char *question;
	int option, err = 0;

	while (!err && (option = getopt_long(argc, argv, "qv", options, NULL)) != -1)
		err = option_take(&bench, &request, option);
	question = optind < argc ? argv[optind] : "all";
	if (err || optind < argc - 1 || bench_defaults(&bench, &request)) {
		usage();
		return 2;
	}
	bench.listed = *request.candidates;
	if (bench.listed ? candidates_listed(&bench, request.candidates) : candidates_usual(&bench, question))
		return 2;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	err = bench_open(&bench, request.cpu);
	if (err)
		fprintf(stderr, "bench: cannot be set up: %s\n", strerror(-err));
	stolen_read(request.cpu, &busy[0], &stolen[0]);
	err = err ? err : bench_ask(&bench, question);
	if (!stolen_read(request.cpu, &busy[1], &stolen[1]) && busy[1] > busy[0])
		bench.report.stolen = (stolen[1] - stolen[0]) / (busy[1] - busy[0]);
	bench_close(&bench);
	if (err == -EINVAL)
		usage();
	report_print(&bench.report);
	if (request.json && report_write_json(&bench.report, request.json))
		return 2;
	if (err)
		return 2;
	return request.check ? (int)report_outcome(&bench.report) : 0;
}
