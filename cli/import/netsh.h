/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * netsh.h - `netsh routing ip nat dump` of Windows, and whatever script of netsh holds such commands.
 *
 * The script is played, as `netsh exec` would: contexts by pushd and popd, or before a command; values by their tags or by their
 * places; commands and tags shortened as far as they are still one's own; later lines change what earlier ones made.
 */
#pragma once
#include "cli/import/draft.h"

/*
 * Names of interfaces differ between the two systems. renames: OLD=NEW[,OLD=NEW...], or NULL; for others a name is made, and that is
 * told. The text is taken apart.
 */
void netsh_read(struct draft *draft, char *text, const char *renames);
