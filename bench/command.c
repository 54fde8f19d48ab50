// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/command.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int command_failed(const char *command, int status)
{
	if (!status)
		return 0;
	fprintf(stderr, "bench: failed (%d): %s\n", status, command);
	return -EIO;
}

int command_run(const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return command_failed(command, system(command));
}

int command_feed(const char *input, const char *command)
{
	FILE *pipe = popen(command, "w");

	if (!pipe)
		return -errno;
	fputs(input, pipe);
	return command_failed(command, pclose(pipe));
}

int command_read(char *text, size_t size, const char *format, ...)
{
	char command[2048];
	va_list args;
	FILE *pipe;
	size_t n;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	pipe = popen(command, "r");
	if (!pipe)
		return -errno;
	n = fread(text, 1, size - 1, pipe);
	text[n] = 0;
	return command_failed(command, pclose(pipe));
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

long file_read_number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n < 0 ? -EIO : strtol(text, NULL, 10);
}

int netns_enter(int fd) { return setns(fd, CLONE_NEWNET) ? -errno : 0; }
