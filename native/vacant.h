/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vacant.h - writes what core/host.h reads where an address is one host's alone: which address has a number, and which of
 * them look vacant.
 */
#pragma once
#include "core/types.h"

struct nat_instance;

/* After addresses of an interface came or left, or its hosts were reset, if it is one of config.alone. Runs beside packets. */
void vacant_fill(struct nat_instance *nat, u32 interface);
