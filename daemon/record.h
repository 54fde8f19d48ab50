/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record.h - by what ports are shared out where that is deterministic: the record with which an outside port and a time lead to a host
 * (RFC 7422 section 4). It is told as an event at the start, at each change, and once a day.
 */
#pragma once
#include <time.h>

struct keepnat;
struct settings_interface;
struct shares;

enum { RECORD_PERIOD = 24 * 3600 }; /* seconds */

/* Tell what holds on this interface: in one event, or in several, where its pool has many ranges. */
void record_tell(struct keepnat *k, const struct settings_interface *interface, const struct shares *shares);

/* Tell of all that are deterministic, if that was a day ago, or the clock was set back. For the main thread; now in seconds. */
void record_look(struct keepnat *k, time_t now);
