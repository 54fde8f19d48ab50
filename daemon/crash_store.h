/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * crash_store.h - reports of crashes as files in the state folder, one a crash: crashes/NAME.unread, and NAME.report once somebody
 * has acknowledged it. NAME is the time of the crash, so that their order is that of names. Nothing is sent anywhere.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

enum { CRASH_NAME = 40, CRASH_TEXT = 32 * 1024, CRASH_LIST = 1000 };

struct crash_entry {
	char name[CRASH_NAME];
	bool unread;
};

/* The folder's path. */
void crash_store_path(char *path, size_t size, const char *state_dir);

/* Write a report under this name, and remove the oldest beyond `keep`. 0 or -errno. */
int crash_store_write(const char *state_dir, const char *name, const char *text, u32 keep);

/* The reports, the newest first, at most `size`: how many. */
u32 crash_store_list(const char *state_dir, struct crash_entry *entries, u32 size);

/* The text of one, cut to the buffer's size: 0 or -errno. */
int crash_store_read(const char *state_dir, const struct crash_entry *entry, char *text, size_t size);

/* All of them have been read: how many had not. */
u32 crash_store_ack(const char *state_dir);

/* How many have not been read. */
u32 crash_store_unread(const char *state_dir);
