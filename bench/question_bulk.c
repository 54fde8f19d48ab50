// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does a router leave of bulk TCP, with the offloads on that links have by default? iperf3 between two machines, one stream each way,
 * through each candidate in turn: segments of up to 64 KB cross the router as one packet. Both machines and the router share one
 * CPU, so what comes out depends on what all of them cost together, and a router that breaks the large packets up shows.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/command.h"

enum {
	TURNS_MAX = 2, /* a round */
	SECONDS = 2,
	QUICK_SECONDS = 1,
	ATTEMPTS = 50, /* to reach the server, which has just been started */
	PRIORITY = -20,
	DIRECTIONS = 2,
	SESSIONS = 1 << 16, /* tables need not be large */
};
static const double bound = 0.95; /* of plain */

static pid_t server_start(const struct router *router)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, PRIORITY);
	if (netns_enter(router->hosts[1]) || !freopen("/dev/null", "w", stdout))
		_exit(126);
	execlp("iperf3", "iperf3", "-s", "-1", NULL);
	_exit(127);
}

/* What one stream came to. */
struct stream {
	double rate;  /* Gbit/s; 0: it did not get through */
	double bytes; /* that arrived */
};

/* By iperf3's own account. */
static struct stream answer_read(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	json_t *sum = json_object_get(json_object_get(json, "end"), "sum_received");
	struct stream stream = {
		.rate = json_number_value(json_object_get(sum, "bits_per_second")) / 1e9,
		.bytes = json_number_value(json_object_get(sum, "bytes")),
	};

	json_decref(json);
	return stream;
}

/* From the machine inside, or to it. */
static struct stream client_run(const struct bench *bench, const struct router *router,
				enum traffic_direction direction)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct stream stream = { 0 };
	static char text[1 << 18];

	for (int attempt = 0; attempt < ATTEMPTS && stream.rate <= 0 && !bench_interrupted(); attempt++) {
		if (attempt)
			nanosleep(&pause, NULL);
		if (command_read(text, sizeof(text),
				 "nsenter --net=/run/netns/%s-0 nice -n %d iperf3 -c 198.51.100.1 -J -t %d "
				 "%s || true",
				 router->name, PRIORITY, bench->quick ? QUICK_SECONDS : SECONDS,
				 direction == TRAFFIC_OUT ? "" : "-R"))
			break;
		stream = answer_read(text);
	}
	return stream;
}

struct bulk_figures {
	struct figure *rate, *size;
};

static int bulk_turn(struct bench *bench, const struct bulk_figures *figures, int i,
		     enum traffic_direction direction)
{
	const struct router *router = bench->candidate[i]->router;
	long before = router_entered(&bench->lab, router, direction), packets;
	pid_t server = server_start(router);
	struct stream stream;

	if (server < 0)
		return server;
	stream = client_run(bench, router, direction);
	packets = router_entered(&bench->lab, router, direction) - before;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	if (stream.rate <= 0) {
		fprintf(stderr, "bench: %s: iperf3 does not get through\n", bench->candidate[i]->name);
		return bench_interrupted() ? -EINTR : -EIO;
	}
	figure_put(figures->rate, i, stream.rate);
	figure_put(figures->size, i, stream.bytes / (double)packets);
	return 0;
}

/* A router with a machine at each end for each candidate. */
static int paths_start(struct bench *bench)
{
	int err = 0;

	for (int n = 0; n < bench->parts && !err; n++) {
		struct router *router = lab_add_path(&bench->lab);

		err = router ? candidate_start(bench->candidate[bench->part[n]], &bench->lab, router,
					       &bench->setting)
			     : -EIO;
	}
	return err;
}

int question_bulk(struct bench *bench)
{
	int turns = bench->rounds * (bench->turns < TURNS_MAX ? bench->turns : TURNS_MAX), err;
	int tc = bench_column(bench, "tc"), plain = bench_column(bench, "plain");
	static const char *const ways[DIRECTIONS] = { "out", "in" };
	struct bulk_figures figures[DIRECTIONS];

	for (int d = 0; d < DIRECTIONS; d++) {
		figures[d].rate =
			report_add(&bench->report, "Gbit/s", "bulk TCP %s, with offloads, one CPU", ways[d]);
		figures[d].size =
			report_add(&bench->report, "bytes", "a packet of it, as it meets the router");
		if (!figures[d].size)
			return -ENOSPC;
		figure_ratio(figures[d].rate, bench_column(bench, "nft"), plain);
		figure_ratio_at_least(figures[d].rate, tc, plain, bound);
	}
	bench_settle(bench);
	bench->setting.sessions = SESSIONS;
	err = paths_start(bench);
	for (int turn = 0; turn < turns; turn++)
		for (int d = 0; d < DIRECTIONS; d++)
			for (int n = 0; n < bench->parts && !err; n++)
				err = bulk_turn(bench, &figures[d], bench_turn(bench, turn, n),
						(enum traffic_direction)d);
	return err;
}
