// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/recovery.h"

#include "daemon/config.h"

static u32 delay_before(u32 row, u32 backoff)
{
	u32 most = backoff > RECOVERY_DELAY_MAX ? backoff : RECOVERY_DELAY_MAX;
	u32 delay = row > 1 ? backoff : 0;

	for (u32 i = 2; i < row && delay < most; i++)
		delay *= 2;
	return delay < most ? delay : most;
}

struct recovery_step recovery_next(struct recoveries *recoveries, const struct settings_recovery *settings,
				   u64 signature, u64 lived)
{
	struct recovery_step step = { 0 };

	if (lived >= RECOVERY_STABLE)
		recoveries->row = recoveries->same = 0;
	recoveries->total++;
	recoveries->row++;
	recoveries->same = recoveries->same && recoveries->signature == signature ? recoveries->same + 1 : 1;
	recoveries->signature = signature;
	step.loop = recoveries->same >= RECOVERY_LOOP;
	step.give_up =
		!settings->restart || (settings->give_up_after && recoveries->row >= settings->give_up_after);
	step.delay = delay_before(recoveries->row, settings->backoff);
	return step;
}
