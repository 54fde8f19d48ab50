/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * machine.h - what the machine has: kernel, capabilities, memory. Each check logs one line when it refuses.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

/* Is this release ("6.1.0-18-amd64") the needed kernel or newer? 1, 0, or -EINVAL. */
int machine_release_serves(const char *release);

/* The kernel and this process's capabilities. 0 or -errno. */
int machine_check(void);

enum machine_memory { MACHINE_MEMORY_TOTAL, MACHINE_MEMORY_AVAILABLE };

/* Bytes; 0: unknown. */
u64 machine_memory(enum machine_memory which);

/* A folder and those above it, each 0755 if it has to be made. 0 or -errno. */
int machine_folder(const char *path);

/* Is there a bpffs at this path, or at the nearest folder above it that exists? */
bool machine_is_bpffs(const char *path);

/* The same: 0, or -errno after a line. Mounts /sys/fs/bpf. */
int machine_bpffs(const char *path);
