/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * journal.h - an event on its way to systemd's journal, with its fields; or to stderr, as a line, where that is not the journal.
 *
 * The journal's own protocol, a datagram of KEY=VALUE lines: sd_journal_send() would wait for a journal that hangs.
 */
#pragma once
#include <stdbool.h>

struct event;
struct journal;

/* Who writes to the journal if stderr is it, by what systemd says of stderr. NULL: it is not, or there is no memory. */
struct journal *journal_open(void);
void journal_close(struct journal *journal);

/* To the journal, or without one to stderr. `untold` stands behind the text. False: it would have had to wait. */
bool journal_write(struct journal *journal, int severity, const char *instance, const struct event *event,
		   const char *untold);
