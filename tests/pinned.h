/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pinned.h - the configuration of an instance that runs, mapped as its daemon maps it.
 */
#pragma once
#include <bpf/bpf.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/types.h"

/* By the instance's pin folder. NULL: errno says why; or the layout is not this build's. It stays mapped. */
static inline struct config *pinned_config(const char *pin_dir)
{
	char path[512];
	struct config *config;
	int fd;

	snprintf(path, sizeof(path), "%s/config", pin_dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return NULL;
	config = mmap(NULL, sizeof(*config), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (config == MAP_FAILED)
		return NULL;
	return config->layout == LAYOUT_VERSION ? config : NULL;
}
