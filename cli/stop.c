// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* stop: order it, and wait for the daemon's end. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

enum { STOP_SECONDS = 60, PROBE_MILLISECONDS = 50 };

/* Without its process (it is in another PID namespace): until nobody listens any more. */
static bool wait_for_silence(const struct client *client)
{
	const struct timespec pause = { .tv_nsec = PROBE_MILLISECONDS * 1000000L };

	for (int i = 0; i < STOP_SECONDS * 1000 / PROBE_MILLISECONDS; i++) {
		if (client_probe(client))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static bool wait_for_end(const struct client *client, int process)
{
	struct pollfd fd = { .fd = process, .events = POLLIN };
	int ready;

	if (process < 0)
		return wait_for_silence(client);
	do
		ready = poll(&fd, 1, STOP_SECONDS * 1000);
	while (ready < 0 && errno == EINTR);
	return ready > 0;
}

/* The name and the parent of a process. */
static bool process_read(pid_t pid, char name[32], int *parent)
{
	char path[32];
	FILE *file;
	bool read;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	read = file && fscanf(file, "%*d (%31[^)]) %*c %d", name, parent) == 2;
	if (file)
		fclose(file);
	return read;
}

/* The one that ends last: the parent of the worker that answers. */
static pid_t daemon_process(const struct client *client)
{
	char name[32], above[32];
	int parent, none;

	if (client_daemon(client) > 0 && process_read(client_daemon(client), name, &parent) &&
	    process_read(parent, above, &none) && !strcmp(name, above))
		return parent;
	return client_daemon(client);
}

/* The process is held by its descriptor from before the order, so that no other can take its number meanwhile. */
static int daemon_stop(const struct options *options, struct client *client)
{
	pid_t pid = daemon_process(client);
	int process = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct url url;
	json_t *json;
	int status;

	url_start(&url, "/v1/stop");
	status = client_post(client, &url, options->detach ? "{\"detach\":true}" : "{\"detach\":false}",
			     &json);
	if (!status) {
		if (!wait_for_end(client, process)) {
			complain("keepnatd has not ended within %d s; see its log", STOP_SECONDS);
			status = STATUS_FAILED;
		} else if (options->json) {
			output_json(json);
		} else {
			puts(options->detach ? "keepnatd has ended; packets go on being translated"
					     : "keepnatd has ended");
		}
		json_decref(json);
	}
	if (process >= 0)
		close(process);
	return status;
}

int stop_run(const struct options *options)
{
	struct client *client;
	int status = client_open(options, &client);

	if (status)
		return status;
	status = daemon_stop(options, client);
	client_close(client);
	return status;
}
