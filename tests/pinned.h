/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pinned.h - the arrays of an instance that runs, mapped as its daemon maps them.
 */
#pragma once
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/types.h"

/* So many bytes of an array, by the instance's pin folder and the array's name. NULL: errno says why. It stays mapped. */
static inline void *pinned_array(const char *pin_dir, const char *name, size_t size)
{
	char path[512];
	void *array;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return NULL;
	array = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return array == MAP_FAILED ? NULL : array;
}

/* The configuration. NULL also where the layout is not this build's: errno is EPROTO. */
static inline struct config *pinned_config(const char *pin_dir)
{
	struct config *config = pinned_array(pin_dir, "config", sizeof(*config));

	if (!config || config->layout == LAYOUT_VERSION)
		return config;
	errno = EPROTO;
	return NULL;
}
