/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * conversation.h - the segments of a short TCP connection, from SYN to the last ACK, each in its turn.
 */
#pragma once
#include "bench/traffic.h"

enum {
	CONVERSATION_SYN,
	CONVERSATION_DATA = 3, /* the steps before it establish the connection */
	CONVERSATION_STEPS = 9,
};

/* The order for one step, in its direction. */
struct traffic_order conversation_order(struct traffic_order order, int step);
