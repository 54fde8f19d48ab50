// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/keepnat.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench/beside.h"
#include "bench/candidate.h"
#include "bench/command.h"

enum {
	START_SECONDS = 30,
	STOP_SECONDS = 20,
	MAPS = 64,
	WORKERS = 8,
};

bool keepnat_knows(const struct candidate *candidate, const struct setting *setting)
{
	char command[400];

	snprintf(command, sizeof(command),
		 "echo 'nat: {accelerate: %s}' | %s check /dev/stdin 2>&1 | grep -q accelerate",
		 candidate->accelerate, setting->keepnat);
	return system(command) != 0;
}

static int keepnat_configure(const struct candidate *candidate, const char *path)
{
	const struct setting *setting = candidate->setting;
	struct in_addr first = { htonl(setting->pool_first) }, last = { htonl(setting->pool_last) };
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file, "interfaces:\n  - name: wan0\n    role: outside\n    pool: [%s", inet_ntoa(first));
	fprintf(file, "-%s]\n", inet_ntoa(last));
	fprintf(file, "  - name: lan0\n    role: inside\n    networks: [10.0.0.0/8]\n");
	fprintf(file, "nat:\n  accelerate: %s\n  timers: {udp_timeout: 3600}\n", candidate->accelerate);
	fprintf(file, "capacity: {sessions: %u, hosts: %u", setting->sessions, setting->hosts);
	if (setting->sessions_per_mapping > 1)
		fprintf(file, ", mappings: %u", setting->sessions / setting->sessions_per_mapping);
	fprintf(file, "}\n%s", setting->more ? setting->more : "");
	return fclose(file) ? -errno : 0;
}

/*
 * In the child. The daemon works on the CPUs that the lab leaves free, if there are any: where traffic has the one it would
 * come too late to look after the leases of the fast path, as it never does on a machine with a CPU to spare.
 */
static void keepnat_exec(const struct candidate *candidate, int output)
{
	const struct router *router = candidate->router;
	const char *folder = candidate->lab->folder;
	char paths[4][LAB_PATH + 64];

	snprintf(paths[0], sizeof(paths[0]), "%s/%s.yaml", folder, router->name);
	snprintf(paths[1], sizeof(paths[1]), "%s/run-%s", folder, router->name);
	snprintf(paths[2], sizeof(paths[2]), "%s/state-%s", folder, router->name);
	snprintf(paths[3], sizeof(paths[3]), "%s/pins/%s", folder, router->name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (beside_possible(candidate->lab))
		beside_move(candidate->lab, 0);
	if (netns_enter(router->netns) || dup2(output, STDERR_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
		_exit(126);
	execl(candidate->setting->keepnatd, "keepnatd", "--config", paths[0], "--instance", router->name,
	      "--run-dir", paths[1], "--state-dir", paths[2], "--pin-dir", paths[3], NULL);
	_exit(127);
}

/* Waits until the daemon's log has a line that ends with `ready`; shows the log when that does not come. */
static int keepnat_wait_ready(struct candidate *candidate, const char *log)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char text[8192];

	for (int i = 0; i < START_SECONDS * 100; i++) {
		if (command_read(text, sizeof(text), "cat %s", log))
			return -EIO;
		if (strstr(text, "ready\n"))
			return 0;
		if (waitpid(candidate->daemon, NULL, WNOHANG)) {
			candidate->daemon = 0;
			break;
		}
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "bench: keepnatd did not become ready; it said:\n%s", text);
	return -ETIMEDOUT;
}

static int keepnat_launch(struct candidate *candidate)
{
	char path[LAB_PATH + 32];
	int log;

	snprintf(path, sizeof(path), "%s/%s.log", candidate->lab->folder, candidate->router->name);
	log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0)
		return -errno;
	candidate->daemon = fork();
	if (!candidate->daemon)
		keepnat_exec(candidate, log);
	close(log);
	return candidate->daemon < 0 ? -errno : keepnat_wait_ready(candidate, path);
}

int keepnat_start(struct candidate *candidate)
{
	const char *folder = candidate->lab->folder, *name = candidate->router->name;
	char path[LAB_PATH + 32];
	int err;

	snprintf(path, sizeof(path), "%s/run-%s", folder, name);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/state-%s", folder, name);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s.yaml", folder, name);
	err = keepnat_configure(candidate, path);
	err = err ? err : keepnat_launch(candidate);
	if (err)
		keepnat_stop(candidate);
	return err;
}

/* A clean stop takes the state away; the pins, if it could not, would be adopted by the next start. */
void keepnat_stop(struct candidate *candidate)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int status = 0;

	if (candidate->daemon <= 0)
		return;
	kill(candidate->daemon, SIGTERM);
	for (int i = 0; i < STOP_SECONDS * 50; i++) {
		if (waitpid(candidate->daemon, &status, WNOHANG)) {
			candidate->daemon = 0;
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (candidate->daemon) {
		fprintf(stderr, "bench: keepnatd did not stop within %d s; killed\n", STOP_SECONDS);
		kill(candidate->daemon, SIGKILL);
		waitpid(candidate->daemon, &status, 0);
		candidate->daemon = 0;
	}
	command_run("cd %s && rm -rf pins/%s state-%s/* run-%s/*", candidate->lab->folder,
		    candidate->router->name, candidate->router->name, candidate->router->name);
}

int keepnat_empty(struct candidate *candidate)
{
	keepnat_stop(candidate);
	return keepnat_start(candidate);
}

static json_t *json_at(json_t *json, const char *path)
{
	char name[64];

	while (json && *path) {
		size_t n = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
					   : json_object_get(json, name);
		path += n + (path[n] == '.');
	}
	return json;
}

/* The answer to a command of the command line, or NULL. */
static json_t *keepnat_ask(const struct candidate *candidate, const char *command)
{
	static char text[1 << 20];

	if (command_read(text, sizeof(text), "%s --instance %s --run-dir %s/run-%s --json %s",
			 candidate->setting->keepnat, candidate->router->name, candidate->lab->folder,
			 candidate->router->name, command))
		return NULL;
	return json_loads(text, 0, NULL);
}

static int json_take(const json_t *value, double *number)
{
	if (!json_is_number(value))
		return -ENOENT;
	*number = json_number_value(value);
	return 0;
}

int keepnat_reset(struct candidate *candidate)
{
	return command_run("%s --instance %s --run-dir %s/run-%s reset wan0 >/dev/null",
			   candidate->setting->keepnat, candidate->router->name, candidate->lab->folder,
			   candidate->router->name);
}

int keepnat_status(const struct candidate *candidate, const char *path, double *number)
{
	json_t *status = keepnat_ask(candidate, "status");
	int err = json_take(json_at(status, path), number);

	json_decref(status);
	return err;
}

/* The sum of the packets of all reasons that have this text under this key; -ENOENT when there is none. */
static int reasons_sum(const struct candidate *candidate, const char *key, const char *text, double *packets)
{
	json_t *answer = keepnat_ask(candidate, "reasons"), *list = json_object_get(answer, "reasons");
	int err = -ENOENT;

	*packets = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *row = json_array_get(list, i);
		const char *is = json_string_value(json_object_get(row, key));

		if (!is || strcmp(is, text))
			continue;
		*packets += json_number_value(json_object_get(row, "packets"));
		err = 0;
	}
	json_decref(answer);
	return err;
}

int keepnat_reason(const struct candidate *candidate, const char *name, double *packets)
{
	return reasons_sum(candidate, "reason", name, packets);
}

int keepnat_verdict(const struct candidate *candidate, const char *verdict, double *packets)
{
	return reasons_sum(candidate, "verdict", verdict, packets);
}

static int threads_of(pid_t process, int (*each)(pid_t thread, void *context), void *context)
{
	struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", process);
	tasks = opendir(path);
	if (!tasks)
		return -errno;
	while (!err && (entry = readdir(tasks))) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		if (thread > 0)
			err = each(thread, context);
	}
	closedir(tasks);
	return err;
}

/* The workers below a small parent. How many; they may be none. */
static int workers_of(pid_t parent, pid_t workers[WORKERS])
{
	char text[4096], *at = text;
	int count = 0;
	long child;

	if (command_read(text, sizeof(text), "cat /proc/%d/task/%d/children 2>/dev/null || true", parent,
			 parent))
		return 0;
	while (count < WORKERS && (child = strtol(at, &at, 10)) > 0)
		workers[count++] = (pid_t)child;
	return count;
}

int keepnat_threads(const struct candidate *candidate, int (*each)(pid_t thread, void *context),
		    void *context)
{
	pid_t workers[WORKERS];
	int count = workers_of(candidate->daemon, workers);
	int err = threads_of(candidate->daemon, each, context);

	for (int i = 0; i < count && !err; i++)
		err = threads_of(workers[i], each, context);
	return err;
}

/* The kernel's own account of a map, from the descriptor's fdinfo. */
static bool map_read(const char *path, unsigned int *id, __u64 *bytes, unsigned int *entries,
		     unsigned int *value)
{
	FILE *file = fopen(path, "re");
	unsigned long long memlock = 0;
	char line[128];

	*id = *entries = *value = 0;
	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "map_id: %u", id);
		sscanf(line, "memlock: %llu", &memlock);
		sscanf(line, "max_entries: %u", entries);
		sscanf(line, "value_size: %u", value);
	}
	if (file)
		fclose(file);
	*bytes = memlock;
	return *id;
}

/* Of one process; a map that it holds twice counts once. */
static int maps_sum(pid_t pid, bool verbose, unsigned int *ids, int *count, __u64 *bytes)
{
	unsigned int id, entries, value;
	char path[300];
	struct dirent *entry;
	__u64 size;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	fds = opendir(path);
	if (!fds)
		return -errno;
	while ((entry = readdir(fds))) {
		bool known = false;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, entry->d_name);
		if (!map_read(path, &id, &size, &entries, &value))
			continue;
		for (int i = 0; i < *count; i++)
			known |= ids[i] == id;
		if (known || *count == MAPS)
			continue;
		ids[(*count)++] = id;
		*bytes += size;
		if (verbose)
			fprintf(stderr, "map %u: %u entries of %u bytes: %llu bytes\n", id, entries, value,
				(unsigned long long)size);
	}
	closedir(fds);
	return 0;
}

int keepnat_memory(const struct candidate *candidate, __u64 *bytes)
{
	pid_t workers[WORKERS];
	int worker_count = workers_of(candidate->daemon, workers), count = 0, err;
	unsigned int ids[MAPS];

	*bytes = 0;
	err = maps_sum(candidate->daemon, candidate->setting->verbose, ids, &count, bytes);
	for (int i = 0; i < worker_count && !err; i++)
		err = maps_sum(workers[i], candidate->setting->verbose, ids, &count, bytes);
	return err ? err : count ? 0 : -ENOENT;
}
