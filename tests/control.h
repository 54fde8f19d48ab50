/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * control.h - a message of PPTP's control connection (RFC 2637 section 2), for tests: nothing of it is shared with core/.
 */
#pragma once
#include <stdint.h>
#include <string.h>

/* length bytes at `at`, 16 at least: its head, with two ids, and then a filling. */
static inline void control_message(uint8_t *at, uint32_t length, uint32_t type, uint32_t first,
				   uint32_t second)
{
	const uint8_t head[16] = { (uint8_t)(length >> 8),
				   (uint8_t)length,
				   0,
				   1,
				   0x1a,
				   0x2b,
				   0x3c,
				   0x4d,
				   (uint8_t)(type >> 8),
				   (uint8_t)type,
				   0,
				   0,
				   (uint8_t)(first >> 8),
				   (uint8_t)first,
				   (uint8_t)(second >> 8),
				   (uint8_t)second };

	memset(at, 0x55, length);
	memcpy(at, head, sizeof(head));
}
