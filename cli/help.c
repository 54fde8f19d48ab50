// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include "cli/cli.h"

void help_print(void)
{
	puts("usage: keepnat [--instance NAME] [--run-dir DIR] [--json] COMMAND\n");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-12s%s\n", command->name, command->summary);
	puts("\n"
	     "  --instance NAME   which keepnatd to ask (default: default)\n"
	     "  --run-dir DIR     where its socket is (default: /run/keepnat/NAME)\n"
	     "  --json            for programs\n"
	     "  --version\n"
	     "\n"
	     "'keepnat help COMMAND' has more, with an example. Exit status: 0 done, 1 failed, 2 wrong "
	     "usage.");
}

void help_print_command(const struct command *command)
{
	printf("usage: keepnat %s%s%s\n\n%s\n", command->name, *command->synopsis ? " " : "",
	       command->synopsis, command->summary);
	if (command->help)
		printf("\n%s", command->help);
	printf("\nexample:\n  %s\n", command->example);
}

int help_run(const struct options *options)
{
	char *words[] = { NULL, (char *)options->arguments[0] };
	const struct command *command = NULL;
	struct options none;
	int error;

	if (!options->argument_count) {
		help_print();
		return STATUS_DONE;
	}
	command = command_find(options->arguments[0]);
	if (command) {
		help_print_command(command);
		return STATUS_DONE;
	}
	error = options_read(&none, &command, 2, words); /* says that there is none, and what was meant */
	return error ? error : STATUS_USAGE;
}
