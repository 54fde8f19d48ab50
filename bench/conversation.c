// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/conversation.h"

enum {
	FIN = 0x01,
	SYN = 0x02,
	PSH = 0x08,
	ACK = 0x10,
	END = 1 + TRAFFIC_PAYLOAD, /* the number after a side's only data */
};

/* A request and an answer; numbers are right, since conntrack looks at them. */
static const struct {
	enum traffic_direction direction;
	struct traffic_segment segment;
} steps[CONVERSATION_STEPS] = {
	{ TRAFFIC_OUT, { .flags = SYN } },
	{ TRAFFIC_IN, { .flags = SYN | ACK, .ack = 1 } },
	{ TRAFFIC_OUT, { .flags = ACK, .seq = 1, .ack = 1 } },
	{ TRAFFIC_OUT, { .flags = PSH | ACK, .payload = TRAFFIC_PAYLOAD, .seq = 1, .ack = 1 } },
	{ TRAFFIC_IN, { .flags = PSH | ACK, .payload = TRAFFIC_PAYLOAD, .seq = 1, .ack = END } },
	{ TRAFFIC_OUT, { .flags = ACK, .seq = END, .ack = END } },
	{ TRAFFIC_OUT, { .flags = FIN | ACK, .seq = END, .ack = END } },
	{ TRAFFIC_IN, { .flags = FIN | ACK, .seq = END, .ack = END + 1 } },
	{ TRAFFIC_OUT, { .flags = ACK, .seq = END + 1, .ack = END + 1 } },
};

struct traffic_order conversation_order(struct traffic_order order, int step)
{
	order.direction = steps[step].direction;
	order.segment = steps[step].segment;
	return order;
}
