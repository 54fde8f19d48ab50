// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* run: hand over to keepnatd, in this process. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { WORDS_MAX = 20, PATH_SIZE = 512 };

struct words {
	char *list[WORDS_MAX + 1];
	int count;
};

/* "--name value", unless there is none. */
static void words_add(struct words *words, const char *name, const char *value)
{
	if (!value)
		return;
	words->list[words->count++] = (char *)name;
	words->list[words->count++] = (char *)value;
}

void program_exec(const char *const *places, char **words)
{
	char self[PATH_SIZE], path[PATH_SIZE + 48];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[length > 0 ? length : 0] = 0;
	slash = strrchr(self, '/');
	for (; slash && *places; places++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self), self, *places);
		execv(path, words);
		if (errno != ENOENT && errno != ENOTDIR)
			return;
	}
	execvp(words[0], words);
}

int run_run(const struct options *options)
{
	static const char *const places[] = { "keepnatd", "../sbin/keepnatd", "../daemon/keepnatd", NULL };
	struct words words = { .list = { "keepnatd" }, .count = 1 };

	if (!options->inside || !options->outside) {
		complain("run needs an inside and an outside interface: keepnat run --inside eth1 --outside "
			 "eth0");
		return STATUS_USAGE;
	}
	if (options->json) {
		complain("run has no output for --json");
		return STATUS_USAGE;
	}
	words_add(&words, "--inside", options->inside);
	words_add(&words, "--outside", options->outside);
	words_add(&words, "--pool", options->pool);
	words_add(&words, "--instance", options->instance);
	words_add(&words, "--run-dir", options->run_dir);
	words_add(&words, "--state-dir", options->state_dir);
	words_add(&words, "--pin-dir", options->pin_dir);
	program_exec(places, words.list);
	complain("cannot run keepnatd: %s", strerror(errno));
	return STATUS_FAILED;
}
