/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sysctl.h - settings of the kernel that we change, and give back.
 *
 * What a setting was is written to a file before it is changed, so that a crash does not lose it: the next start reads
 * the file, and a clean stop gives back from it. A setting that somebody else changed meanwhile is left as it is.
 *
 * Names are paths below the root, "net/ipv4/ip_forward": names of interfaces may have dots in them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { SYSCTL_MAX = 256, SYSCTL_NAME = 96, SYSCTL_VALUE = 64 };

struct sysctl_change {
	char name[SYSCTL_NAME];
	char old[SYSCTL_VALUE];
	char new[SYSCTL_VALUE];
};

struct sysctls {
	char root[128]; /* "/proc/sys"; a test's own folder */
	char file[128]; /* where changes are remembered */
	struct sysctl_change changes[SYSCTL_MAX];
	unsigned int count;
};

/* Begin with what an earlier process remembered, if it did. 0 or -errno. */
int sysctls_open(struct sysctls *s, const char *root, const char *file);

/* The value without its line end. 0; -ENOENT; -errno. */
int sysctl_read(const struct sysctls *s, const char *name, char *value, size_t size);

/* Make it so, and remember nothing: for what goes with its owner. As below. */
int sysctl_write(const struct sysctls *s, const char *name, const char *value);

/* Make it so and remember what it was. 0, also when it is so already; -ENOENT; -EROFS, -EACCES; -errno. */
int sysctl_set(struct sysctls *s, const char *name, const char *value);

/*
 * Give back what begins with this name, last first, and forget it: what still has our value. "" is everything. The
 * file goes when nothing is left to remember.
 */
void sysctls_undo(struct sysctls *s, const char *begin);
