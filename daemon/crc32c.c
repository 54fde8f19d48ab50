// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/crc32c.h"

#include <string.h>

/* By half bytes, for processors without the instruction. */
static const u32 nibbles[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static u32 crc_plain(u32 crc, const u8 *at, size_t size)
{
	while (size--) {
		crc ^= *at++;
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static u32 crc_fast(u32 crc, const u8 *at, size_t size)
{
	u64 wide = crc, word;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	return crc_plain((u32)wide, at, size);
}
#endif

u32 crc32c(u32 crc, const void *bytes, size_t size)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_fast(~crc, bytes, size);
#endif
	return ~crc_plain(~crc, bytes, size);
}
