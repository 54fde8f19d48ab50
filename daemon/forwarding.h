/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * forwarding.h - the kernel's settings that the NAT needs: forwarding, of the machine and of our interfaces.
 *
 * It is turned on last, when all programs are in place, and given back first: nothing is forwarded that nobody translates.
 */
#pragma once
#include <stdbool.h>

struct keepnat;

/* 0, or -errno after a logged line. */
int forwarding_start(struct keepnat *k);
void forwarding_stop(struct keepnat *k, bool leave);

/* An interface came (back): before forwarding_start() it does nothing. */
void forwarding_interface(struct keepnat *k, const char *name);

/* It is none of ours any more: what was changed of it is given back. */
void forwarding_forget(struct keepnat *k, const char *name);

/* Several ways out and strict reverse path filtering do not go together: warn, or take the warning back. */
void forwarding_check(struct keepnat *k);
