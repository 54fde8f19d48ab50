/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * crc32c.h - what a change of a packet's first bytes does to its CRC32c, without a look at the rest (RFC 9260 appendix A).
 *
 * A CRC is linear: if some bits of a message change, its CRC changes by the CRC, begun with 0, of a message that has only those
 * bits. Of four bytes D at the head of n this is D(x) * x^(8n) mod P(x) over GF(2). The power is a product of x^(8 * 2^k) for
 * the bits k of n, so at most 16 multiplications of 32 steps, however long the packet: a whole CRC has no such bound in BPF. The
 * CRC covers neither addresses nor anything outside of the packet, so only a changed port needs this; what was corrupt
 * stays corrupt.
 *
 * Polynomials lie as in the CRC's register: x^0 is the highest bit, and four bytes are a word in little endian.
 */
#pragma once
#include "core/env.h"

enum { CRC32C_BITS = 16 }; /* of a length */

struct crc32c {
	u32 value;
	u32 bytes;
};

static __always_inline u32 crc32c_times(u32 a, u32 b)
{
	u32 product = 0;

	for (u32 i = 0; i < 32; i++) {
		product ^= b & (0 - (a >> 31));
		a <<= 1;
		b = b >> 1 ^ (0x82f63b78 & (0 - (b & 1)));
	}
	return product;
}

/* x^(8 * 2^k) mod P */
static const u32 crc32c_powers[CRC32C_BITS] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
	0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

static long crc32c_step(u32 k, void *context)
{
	struct crc32c *c = context;

	k &= CRC32C_BITS - 1;
	if (c->bytes >> k & 1)
		c->value = crc32c_times(c->value, crc32c_powers[k]);
	return 0;
}

/* The change of the CRC of `bytes` bytes whose first four change by this; both as little endian words. */
SLOW u32 crc32c_change(u32 change, u32 bytes)
{
	struct crc32c c = { .value = change, .bytes = bytes };

	env_loop(CRC32C_BITS, crc32c_step, &c);
	return c.value;
}
