/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
#include "cli/import/draft.h"

/* What iptables-save printed, or a script of iptables' own commands. The text is taken apart. Names may be NULL. */
void iptables_read(struct draft *draft, char *text, const char *inside, const char *outside);
