// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/fuzz/import.h"

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "cli/import/rules.c"
#include "cli/import/nft.c"
/* NOLINTEND(bugprone-suspicious-include) */

static void read_it(struct draft *draft, char *text) { nft_read(draft, text, NULL, NULL); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	import_one(data, size, read_it);
	return 0;
}
