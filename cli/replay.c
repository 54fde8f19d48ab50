// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* replay: the core is not the command line's to know; the program beside the daemon does it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int replay_run(const struct options *options)
{
	static const char *const places[] = { "../libexec/keepnat/keepnat-replay", "../daemon/keepnat-replay",
					      NULL };
	const char *words[12] = { "keepnat-replay", "-o", options->output };
	int count = 3;

	if (!options->output) {
		complain("replay writes to a file: keepnat replay %s -o OUT.pcap", options->arguments[0]);
		return STATUS_USAGE;
	}
	if (options->config) {
		words[count++] = "--config";
		words[count++] = options->config;
	}
	if (options->pool) {
		words[count++] = "--pool";
		words[count++] = options->pool;
	}
	if (options->json)
		words[count++] = "--json";
	words[count++] = "--";
	words[count++] = options->arguments[0];
	program_exec(places, (char **)words);
	complain("cannot run keepnat-replay: %s; is keepnat installed as a whole?", strerror(errno));
	return STATUS_FAILED;
}
