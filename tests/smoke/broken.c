// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* In the place of loader_check(): the self-check of a start, which fails. A trial does not come that far. */
#include <errno.h>

#include "daemon/loader.h"
#include "daemon/log.h"

int __wrap_loader_check(struct keepnat *k);

int __wrap_loader_check(struct keepnat *k)
{
	(void)k;
	log_error("self-check: this is a broken version");
	return -EPROTO;
}
