/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* symbol.h - the name of the function at an address of a program's file. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

/* `at` as in the file's own addresses. True: `name` and how far it is from the function's begin. */
bool symbol_find(const char *path, u64 at, char *name, size_t size, u64 *offset);
