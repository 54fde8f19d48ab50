/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * meet.h - one packet through the core itself, without bytes: its endpoints before and after.
 */
#pragma once
#include <stdio.h>
#include <string.h>

#include "core/translate.h"
#include "native/meet.h"

/* The reason; *source and *target are what the packet got. nat is the thread's own. */
static inline u32 stress_meet(struct nat_instance *nat, int way, const struct tuple *ip, u8 tcp_flags,
			      u32 now, struct endpoint *source, struct endpoint *target)
{
	struct work *work = nat->work;
	const struct config *c = nat->config;

	memset(&work->packet, 0, sizeof(work->packet));
	memset(&work->plan, 0, sizeof(work->plan));
	memset(&work->meeting, 0, sizeof(work->meeting));
	work->packet.kind = PACKET_PORTS;
	work->packet.length = 100;
	work->packet.tcp_flags = tcp_flags;
	work->packet.request = way == NATIVE_OUT;
	work->packet.ip = *ip;
	work->meeting.now = now & TIME;
	work->meeting.from = way == NATIVE_IN ? ROLE_OUTSIDE : ROLE_INSIDE;
	work->meeting.ours = ADDRESS_LIVE;
	switch (way) {
	case NATIVE_OUT:
		translate_out(nat, c, work);
		break;
	case NATIVE_IN:
		translate_in(nat, c, work);
		break;
	default:
		work->meeting.interface = MAX_OUTSIDE;
		translate_hairpin(nat, c, work);
		break;
	}
	*source = (struct endpoint){ .addr = work->plan.ip.saddr, .port = work->plan.ip.sport, .zero = 0 };
	*target = (struct endpoint){ .addr = work->plan.ip.daddr, .port = work->plan.ip.dport, .zero = 0 };
	return work->plan.reason;
}

/* How often each reason was met, as a comment of the test's. */
static inline void stress_reasons(const u64 counts[REASONS])
{
	static const char *const names[] = {
#define REASON(id, verdict, text) #id,
#include "core/reasons.def"
#undef REASON
	};

	printf("#");
	for (u32 i = 0; i < REASONS; i++)
		if (counts[i])
			printf(" %s %llu", names[i], counts[i]);
	printf("\n");
}
