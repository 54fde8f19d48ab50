// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = sizeof(((struct sysctls *)0)->root) + 1 + SYSCTL_NAME };

static int sysctl_open(const struct sysctls *s, const char *name, int flags)
{
	char path[PATH_SIZE];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", s->root, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const struct sysctls *s, const char *name, char *value, size_t size)
{
	int fd = sysctl_open(s, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	while (n && (value[n - 1] == '\n' || value[n - 1] == ' '))
		n--;
	value[n] = 0;
	return 0;
}

int sysctl_write(const struct sysctls *s, const char *name, const char *value)
{
	int fd = sysctl_open(s, name, O_WRONLY | O_TRUNC);
	int error = 0;

	if (fd < 0)
		return fd;
	if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		error = errno ? -errno : -EIO;
	close(fd);
	return error;
}

/* Written aside and renamed: a crash leaves the old file or the new one. */
static int sysctls_save(const struct sysctls *s)
{
	char aside[sizeof(s->file) + 4];
	FILE *file;
	int error = 0;

	if (!s->count)
		return unlink(s->file) && errno != ENOENT ? -errno : 0;
	snprintf(aside, sizeof(aside), "%s.new", s->file);
	file = fopen(aside, "we");
	if (!file)
		return -errno;
	for (unsigned int i = 0; i < s->count; i++)
		fprintf(file, "%s\t%s\t%s\n", s->changes[i].name, s->changes[i].old, s->changes[i].new);
	if (ferror(file))
		error = -EIO;
	if (fclose(file))
		error = -errno;
	if (!error && rename(aside, s->file))
		error = -errno;
	return error;
}

static struct sysctl_change *change_find(struct sysctls *s, const char *name)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (!strcmp(s->changes[i].name, name))
			return &s->changes[i];
	return NULL;
}

static void change_fill(struct sysctl_change *change, const char *name, const char *old, const char *new)
{
	snprintf(change->name, sizeof(change->name), "%s", name);
	snprintf(change->old, sizeof(change->old), "%s", old);
	snprintf(change->new, sizeof(change->new), "%s", new);
}

/* "name\told\tnew\n". A line that is none is left out: it never was acted upon. */
static void change_parse(struct sysctls *s, char *line)
{
	char *old = strchr(line, '\t'), *new = old ? strchr(old + 1, '\t') : NULL, *end = strchr(line, '\n');

	if (!new || !end || s->count == SYSCTL_MAX)
		return;
	*end = *old = *new = 0;
	old += 1;
	new += 1;
	if (strlen(line) >= SYSCTL_NAME || strlen(old) >= SYSCTL_VALUE || strlen(new) >= SYSCTL_VALUE)
		return;
	change_fill(&s->changes[s->count++], line, old, new);
}

int sysctls_open(struct sysctls *s, const char *root, const char *path)
{
	char line[sizeof(struct sysctl_change) + 8];
	FILE *file;

	memset(s, 0, sizeof(*s));
	if (snprintf(s->root, sizeof(s->root), "%s", root) >= (int)sizeof(s->root) ||
	    snprintf(s->file, sizeof(s->file), "%s", path) >= (int)sizeof(s->file))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), file))
		change_parse(s, line);
	fclose(file);
	return 0;
}

int sysctl_set(struct sysctls *s, const char *name, const char *value)
{
	struct sysctl_change *change = change_find(s, name);
	char now[SYSCTL_VALUE];
	bool fresh = !change;
	int error;

	if (strlen(name) >= SYSCTL_NAME || strlen(value) >= SYSCTL_VALUE)
		return -ENAMETOOLONG;
	error = sysctl_read(s, name, now, sizeof(now));
	if (error || !strcmp(now, value))
		return error;
	if (fresh) {
		if (s->count == SYSCTL_MAX)
			return -ENOSPC;
		change = &s->changes[s->count++];
	}
	change_fill(change, name, now, value);
	error = sysctls_save(s);
	if (!error)
		error = sysctl_write(s, name, value);
	if (error && fresh) {
		s->count--;
		(void)sysctls_save(s);
	}
	return error;
}

void sysctls_undo(struct sysctls *s, const char *begin)
{
	char now[SYSCTL_VALUE];

	for (unsigned int i = s->count; i--;) {
		struct sysctl_change *change = &s->changes[i];

		if (strncmp(change->name, begin, strlen(begin)) != 0)
			continue;
		if (!sysctl_read(s, change->name, now, sizeof(now)) && !strcmp(now, change->new))
			(void)sysctl_write(s, change->name, change->old);
		memmove(change, change + 1, (s->count - i - 1) * sizeof(*change));
		s->count--;
	}
	(void)sysctls_save(s);
}
