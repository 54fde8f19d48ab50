// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/crash_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char unread_suffix[] = ".unread", read_suffix[] = ".report";

void crash_store_path(char *path, size_t size, const char *state_dir)
{
	snprintf(path, size, "%s/crashes", state_dir);
}

static void entry_path(char path[PATH_MAX], const char *state_dir, const struct crash_entry *entry)
{
	snprintf(path, PATH_MAX, "%s/crashes/%s%s", state_dir, entry->name,
		 entry->unread ? unread_suffix : read_suffix);
}

static bool entry_parse(const char *file, struct crash_entry *entry)
{
	const char *dot = strchr(file, '.');
	size_t length = dot ? (size_t)(dot - file) : 0;

	if (!length || length >= CRASH_NAME ||
	    (strcmp(dot, unread_suffix) != 0 && strcmp(dot, read_suffix) != 0))
		return false;
	memcpy(entry->name, file, length);
	entry->name[length] = 0;
	entry->unread = !strcmp(dot, unread_suffix);
	return true;
}

static int entry_order(const void *a, const void *b)
{
	return strcmp(((const struct crash_entry *)b)->name, ((const struct crash_entry *)a)->name);
}

u32 crash_store_list(const char *state_dir, struct crash_entry *entries, u32 size)
{
	char path[PATH_MAX];
	struct dirent *file;
	u32 count = 0;
	DIR *folder;

	crash_store_path(path, sizeof(path), state_dir);
	folder = opendir(path);
	while (folder && count < size && (file = readdir(folder)))
		count += entry_parse(file->d_name, &entries[count]);
	if (folder)
		closedir(folder);
	qsort(entries, count, sizeof(entries[0]), entry_order);
	return count;
}

/* What is there, in memory of its own; NULL: nothing, or no memory. */
static struct crash_entry *entries_read(const char *state_dir, u32 *count)
{
	struct crash_entry *entries = calloc(CRASH_LIST + 1, sizeof(*entries));

	*count = entries ? crash_store_list(state_dir, entries, CRASH_LIST + 1) : 0;
	return entries;
}

static void entries_prune(const char *state_dir, u32 keep)
{
	struct crash_entry *entries;
	char path[PATH_MAX];
	u32 count;

	entries = entries_read(state_dir, &count);
	for (u32 i = keep; i < count; i++) {
		entry_path(path, state_dir, &entries[i]);
		unlink(path);
		snprintf(path, sizeof(path), "%s/crashes/%s.core", state_dir, entries[i].name);
		unlink(path);
	}
	free(entries);
}

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), error = 0;
	size_t length = strlen(text);

	if (fd < 0)
		return -errno;
	errno = ENOSPC;
	if (write(fd, text, length) != (ssize_t)length || fsync(fd))
		error = -errno;
	close(fd);
	if (error)
		unlink(path);
	return error;
}

int crash_store_write(const char *state_dir, const char *name, const char *text, u32 keep)
{
	struct crash_entry entry = { .unread = true };
	char path[PATH_MAX];
	int error;

	snprintf(entry.name, sizeof(entry.name), "%s", name);
	crash_store_path(path, sizeof(path), state_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	entry_path(path, state_dir, &entry);
	error = file_write(path, text);
	entries_prune(state_dir, keep);
	return error;
}

int crash_store_read(const char *state_dir, const struct crash_entry *entry, char *text, size_t size)
{
	char path[PATH_MAX];
	FILE *file;

	entry_path(path, state_dir, entry);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
	return 0;
}

u32 crash_store_ack(const char *state_dir)
{
	struct crash_entry *entries;
	char from[PATH_MAX], to[PATH_MAX];
	u32 count, acked = 0;

	entries = entries_read(state_dir, &count);
	for (u32 i = 0; i < count; i++) {
		if (!entries[i].unread)
			continue;
		entry_path(from, state_dir, &entries[i]);
		entries[i].unread = false;
		entry_path(to, state_dir, &entries[i]);
		acked += !rename(from, to);
	}
	free(entries);
	return acked;
}

u32 crash_store_unread(const char *state_dir)
{
	struct crash_entry *entries;
	u32 count, unread = 0;

	entries = entries_read(state_dir, &count);
	for (u32 i = 0; i < count; i++)
		unread += entries[i].unread;
	free(entries);
	return unread;
}
