// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What does the log of mappings cost? Every packet makes a session and with it a mapping, each of which is a record, in each format: lines of
 * JSON into a file, syslog and IPFIX by UDP to a collector in the router that reads nothing. Seen twice: the CPU time of the thread that
 * writes, by record, and how many new sessions packets make in a second while it does, against no log.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/command.h"
#include "bench/keepnat.h"

enum { QUICK_RECORDS = 1 << 16, RECORDS = 1 << 18, WAIT_SECONDS = 120, PORT = 4739 };

static const struct log_kind {
	const char *name, *key, *target;
} kinds[] = {
	{ "off", NULL, NULL },
	{ "JSON lines to a file", "json", NULL }, /* in the lab's folder */
	{ "syslog by UDP", "syslog", "udp:127.0.0.1:4739" },
	{ "IPFIX by UDP", "ipfix", "udp:127.0.0.1:4739" },
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* A socket of the router that takes datagrams until it is full, and then drops them; or -errno. */
static int collector_open(const struct bench *bench, int column)
{
	const struct sockaddr_in here = { .sin_family = AF_INET,
					  .sin_port = htons(PORT),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int err = netns_enter(bench->lab.routers[column].netns), fd;

	if (err)
		return err;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = fd < 0 || bind(fd, (const struct sockaddr *)&here, sizeof(here)) ? -errno : 0;
	netns_enter(bench->lab.home);
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

static int writer_is(pid_t thread, void *context)
{
	pid_t *writer = context;
	char name[32];

	if (!command_read(name, sizeof(name), "cat /proc/%d/comm", thread) &&
	    !strncmp(name, "keepnat-log", strlen("keepnat-log")))
		*writer = thread;
	return 0;
}

/* The thread that writes, *writer, 0 at first; its time counts from now on. */
static int writer_find(struct bench *bench, int column, pid_t *writer)
{
	int err = keepnat_threads(bench->candidate[column], writer_is, writer);

	if (!err && !*writer)
		err = -ESRCH;
	return err ? err : probe_account(&bench->probe, *writer);
}

/* Until so many records were written, which may be after some passes of the sweep. */
static int records_wait(const struct candidate *candidate, double records, double *written)
{
	for (int i = 0; i < WAIT_SECONDS * 4 && !bench_interrupted(); i++) {
		int err = keepnat_status(candidate, "log.0.written", written);

		if (err || *written >= records)
			return err;
		usleep(250000);
	}
	return bench_interrupted() ? -EINTR : -ETIMEDOUT;
}

/* All flows, new, once; and what was written of them. */
static int log_turn(struct bench *bench, int column, __u32 flows, bool logged, struct figure *sessions,
		    struct figure *cost)
{
	struct traffic_order order = bench_order(bench, column, TRAFFIC_OUT);
	pid_t writer = 0;
	double written = 0;
	struct sample sample;
	__u64 begin = 0;
	int err = logged ? writer_find(bench, column, &writer) : 0;

	if (err)
		return err;
	if (logged)
		begin = probe_time(&bench->probe, writer);
	order.mask = flows - 1;
	err = bench_send(bench, column, &order, flows, &sample);
	if (err)
		return err;
	figure_put(sessions, column,
		   sample.nat_ns ? 1e9 * (double)sample.arrived / (double)sample.nat_ns : 0);
	err = logged ? records_wait(bench->candidate[column], (double)sample.arrived, &written) : 0;
	if (!err && logged)
		figure_put(cost, column, (double)(probe_time(&bench->probe, writer) - begin) / written);
	return err;
}

static int log_round(struct bench *bench, int column, __u32 flows, const struct log_kind *kind,
		     struct figure *sessions, struct figure *cost)
{
	char lines[LAB_PATH + 100], file[LAB_PATH + 16];
	int collector = -1, err;

	snprintf(file, sizeof(file), "%s/nat.log", bench->lab.folder);
	snprintf(lines, sizeof(lines), "log: {mappings: all, %s: \"%s\"}\n", kind->key ? kind->key : "",
		 kind->target ? kind->target : file);
	bench->setting.more = kind->key ? lines : NULL;
	if (kind->target)
		collector = collector_open(bench, column);
	err = kind->target && collector < 0 ? collector : bench_start_one(bench, column);
	if (!err) {
		bench_rest();
		err = log_turn(bench, column, flows, kind->key, sessions, cost);
	}
	bench_stop(bench);
	bench->setting.more = NULL;
	if (collector >= 0)
		close(collector);
	unlink(file);
	return err;
}

int question_log(struct bench *bench)
{
	__u32 most = bench->quick ? QUICK_RECORDS : RECORDS;
	__u32 flows = bench->flows < most ? bench->flows : most;
	struct figure *sessions[KINDS], *cost[KINDS] = { 0 };
	int column = bench_column(bench, "tc"), err = 0;

	if (column < 0)
		return 0;
	bench_settle(bench);
	for (unsigned int i = 0; i < KINDS; i++) {
		sessions[i] = report_add(&bench->report, "1/s", "new sessions, log: %s", kinds[i].name);
		if (kinds[i].key)
			cost[i] = report_add(&bench->report, "CPU ns", "record, %s", kinds[i].name);
		if (!sessions[i] || (kinds[i].key && !cost[i]))
			return -ENOSPC;
	}
	for (int round = 0; round < bench->rounds && !err; round++)
		for (unsigned int i = 0; i < KINDS && !err; i++)
			err = log_round(bench, column, flows, &kinds[i], sessions[i], cost[i]);
	return err;
}
