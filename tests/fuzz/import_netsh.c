// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tests/fuzz/import.h"

#include "cli/import/netsh.c" /* NOLINT(bugprone-suspicious-include) */

static void read_it(struct draft *draft, char *text) { netsh_read(draft, text, "WAN=eth0,a b=eth1"); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	import_one(data, size, read_it);
	return 0;
}
