/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* reason.h - what a reason of core/reasons.def is called, and which way the packets went that ended by it. */
#pragma once
#include "core/types.h"

/* Which way packets went that were translated. */
enum way { WAY_OUT, WAY_IN, WAY_HAIRPIN, WAY_FULL, WAYS };

/* As reasons.def has them; `reason` is below REASONS. */
const char *reason_name(u32 reason);
const char *reason_text(u32 reason);
const char *reason_mend(
	u32 reason); /* what to do about it, where packets are dropped or answered; else NULL */
enum verdict reason_verdict(u32 reason);

/* "pass", "translate", "drop", "answer" or "divert". */
const char *verdict_name(enum verdict verdict);

/* Of a reason whose verdict is to translate: by its name. */
enum way reason_way(u32 reason);

/* The reason of this name, or REASONS. */
u32 reason_named(const char *name);
