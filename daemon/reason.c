// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/reason.h"

#include <string.h>

static const struct {
	const char *name, *text;
	enum verdict verdict;
} reasons[REASONS] = {
#define REASON(id, verdict_, text_) { #id, text_, VERDICT_##verdict_ },
#include "core/reasons.def"
#undef REASON
};

const char *reason_name(u32 reason) { return reasons[reason].name; }
const char *reason_text(u32 reason) { return reasons[reason].text; }
enum verdict reason_verdict(u32 reason) { return reasons[reason].verdict; }

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_PASS] = "pass",     [VERDICT_TRANSLATE] = "translate", [VERDICT_DROP] = "drop",
		[VERDICT_ANSWER] = "answer", [VERDICT_DIVERT] = "divert",
	};

	return names[verdict];
}

enum way reason_way(u32 reason)
{
	const char *name = reasons[reason].name;

	if (!strncmp(name, "out_", 4) || !strcmp(name, "control_cut"))
		return WAY_OUT;
	if (!strncmp(name, "in_", 3))
		return WAY_IN;
	return strncmp(name, "hairpin", 7) ? WAY_FULL : WAY_HAIRPIN;
}
