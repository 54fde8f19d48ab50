// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	size_t length;
	int begin;
	va_list arguments;

	if (getenv("JOURNAL_STREAM"))
		begin = snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		begin = snprintf(line, sizeof(line), "keepnatd: ");
	va_start(arguments, format);
	vsnprintf(line + begin, sizeof(line) - (size_t)begin - 1, format, arguments);
	va_end(arguments);
	for (char *c = line; *c; c++)
		if (*c == '\n')
			*c = ' ';
	length = strlen(line);
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0)
		return; /* nobody is left to be told */
}
