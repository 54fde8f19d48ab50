/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kept.h - the configuration in force, in the run folder, for who goes on after us without anybody having asked for an end.
 *
 * A configuration need not be what stands in the daemon's own file: it may have been given by the API, and the file may have been edited
 * since it was read. Sessions live by the one in force; so a worker that follows a crash takes that. One that was given holds also for another
 * version that takes over, and for a start over what runs in the kernel, whose daemon did not end by itself. Who stops the daemon, with
 * or without the data path, has the next start read its own file.
 *
 * It is written when it has been put in force: one that ends the worker on the way is not tried again.
 */
#pragma once
#include <stdbool.h>

#include "daemon/config.h"

struct keepnat;

/*
 * The one to go on by, instead of the own file or the command line; k->given says whether it was given. `crashed`: the worker before
 * this one did. 0; -ENOENT: there is none; else -errno after a line. As settings_load().
 */
int kept_load(struct keepnat *k, bool crashed, struct settings **out, struct settings_report *report);

/* k->settings are in force, given if k->given. If they cannot be kept a warning says so. */
void kept_save(struct keepnat *k);

/* The end was asked for. */
void kept_drop(const struct keepnat *k);
