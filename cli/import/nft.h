/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
#include "cli/import/draft.h"

/* What `nft list ruleset` printed, or a file of nft's own. Names of interfaces may be NULL. */
void nft_read(struct draft *draft, const char *text, const char *inside, const char *outside);
