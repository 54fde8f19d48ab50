// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* keepnat - the command line. It speaks the daemon's API and knows nothing else of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "version.h"

void complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("keepnat: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* What was printed must have arrived: on a full disk, half a list is no list. */
static int output_flush(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	complain("cannot write the output: %s", strerror(errno));
	return STATUS_FAILED;
}

int main(int count, char **words)
{
	const struct command *command;
	struct options options;
	int status;

	if (count > 1 && !strcmp(words[1], "--complete"))
		return output_flush(complete_print(count - 2, words + 2));
	status = options_read(&options, &command, count, words);
	if (status)
		return status;
	if (options.version) {
		puts("keepnat " KEEPNAT_VERSION);
	} else if (options.help && command) {
		help_print_command(command);
	} else if (options.help) {
		help_print();
	} else if (command) {
		status = command->run(&options);
	} else {
		complain("which command? 'keepnat help' lists them");
		return STATUS_USAGE;
	}
	return output_flush(status);
}
