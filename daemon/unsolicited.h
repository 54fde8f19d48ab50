/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unsolicited.h - SYNs from outside that nobody wanted: once a tick those whose time is over are let go, and if the inside has
 * not opened their connection, their senders are told by ICMP (core/held.h; RFC 5382 REQ-4).
 *
 * Called by the main thread.
 */
#pragma once
#include <stdbool.h>

struct keepnat;

/* 0, or -errno after a line. */
int unsolicited_start(struct keepnat *k);

/* No SYN of before is answered afterwards: what is held ends by time. */
void unsolicited_stop(struct keepnat *k, bool leave);

/* To be called about twice a second: what comes of it is seen by k->unsolicited. */
void unsolicited_run(struct keepnat *k);
