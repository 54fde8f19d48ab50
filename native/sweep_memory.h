/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweep_memory.h - the memory that a sweep works with (core/sweep.h), sized after an instance's configuration.
 */
#pragma once
#include "core/types.h"
#include "native/env_native.h"

struct sweep;

/* A sweep of its own over the instance's arrays: NULL if memory is short. sweep_memory_free() takes NULL. */
struct sweep *sweep_memory_new(struct nat_instance *nat);
void sweep_memory_free(struct sweep *sweep);
