// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/resets.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "bench/beside.h"
#include "bench/candidate.h"
#include "daemon/pool.h"
#include "native/env_native.h"
#include "tests/pinned.h"

enum {
	STORES = 64, /* timed together: the clock costs more than one of them */
	SECOND = 1000000000,
	ANSWER = 4096,
};

int resets_connect(const struct candidate *candidate)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.70s/run-%.16s/api.sock",
		 candidate->lab->folder, candidate->router->name);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

/* Is the answer there to its last byte? Its status, 0 if not yet, or -EPROTO. */
static int answer_status(const char *text, size_t length)
{
	const char *body = strstr(text, "\r\n\r\n"), *bytes = strcasestr(text, "\r\nContent-Length:");
	int status;

	if (!body)
		return 0;
	if (!bytes || bytes > body || sscanf(text, "HTTP/1.1 %d", &status) != 1)
		return -EPROTO;
	size_t whole = (size_t)(body + 4 - text) + strtoul(strchr(bytes + 2, ':') + 1, NULL, 10);
	return length < whole ? 0 : status;
}

int resets_order(int connection)
{
	static const char order[] =
		"POST /v1/interfaces/wan0/reset HTTP/1.1\r\nHost: keepnat\r\nContent-Length: 0\r\n\r\n";
	char text[ANSWER];
	size_t length = 0;
	int status = 0;

	if (send(connection, order, sizeof(order) - 1, MSG_NOSIGNAL) != sizeof(order) - 1)
		return -EIO;
	while (!status && length < sizeof(text) - 1) {
		ssize_t n = recv(connection, text + length, sizeof(text) - 1 - length, 0);

		if (n <= 0)
			return -EIO;
		length += (size_t)n;
		text[length] = 0;
		status = answer_status(text, length);
	}
	return status == 200 ? 0 : status < 0 ? status : -EPROTO;
}

static __u64 clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * SECOND + (__u64)now.tv_nsec;
}

double resets_store(const struct candidate *candidate)
{
	char pins[LAB_PATH + 64];
	struct nat_instance nat = { 0 };
	__u64 begin;

	snprintf(pins, sizeof(pins), "%s/pins/%s", candidate->lab->folder, candidate->router->name);
	nat.config = pinned_config(pins);
	if (!nat.config)
		return -ENOENT;
	begin = clock_ns();
	for (int i = 0; i < STORES; i++)
		pool_generation_bump(&nat, 0, 1u << TABLE_FLOWS);
	double ns = (double)(clock_ns() - begin) / STORES;
	munmap(nat.config, sizeof(*nat.config));
	return ns;
}

struct resetter {
	const struct candidate *candidate;
	unsigned int rate;
	struct resets_made *made;
};

/* In a process of its own, until it is ended. */
static void resets_make(void *context)
{
	const struct resetter *resetter = context;
	int connection = resets_connect(resetter->candidate);
	__u64 next = clock_ns(), begin;

	for (; connection >= 0; next += SECOND / resetter->rate) {
		struct timespec until = { .tv_sec = (time_t)(next / SECOND),
					  .tv_nsec = (long)(next % SECOND) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		begin = clock_ns();
		resetter->made->failed = resets_order(connection);
		if (resetter->made->failed)
			return;
		resetter->made->ns += clock_ns() - begin;
		resetter->made->count++;
	}
	resetter->made->failed = connection;
}

int resets_begin(struct resets *resets, const struct candidate *candidate, unsigned int rate)
{
	struct resetter resetter = { .candidate = candidate, .rate = rate };

	resets->pid = 0;
	resets->made = resetter.made = beside_memory(sizeof(*resetter.made));
	if (!resetter.made)
		return -ENOMEM;
	if (rate)
		resets->pid = beside_begin(candidate->lab, resets_make, &resetter);
	return resets->pid < 0 ? resets->pid : 0;
}

int resets_end(struct resets *resets, struct resets_made *made)
{
	beside_end(resets->pid, 1);
	*made = *resets->made;
	munmap((void *)resets->made, sizeof(*resets->made));
	return made->failed;
}
