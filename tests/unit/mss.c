/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "core/mss.h"
#include "tests/unit/core.h"

enum { L4 = IP_MIN, SYN_ACK = TCP_SYN | TCP_ACK };

/* A TCP header with these options, ports and numbers of no meaning, behind room for an IP header; its checksum adds up. */
static u32 header_make(u8 *ip, u8 flags, const u8 *options, u32 count)
{
	u8 *tcp = ip + L4;
	u64 sum = 0;

	memset(ip, 0x5a, L4 + TCP_MIN);
	memcpy(tcp + TCP_MIN, options, count);
	tcp[TCP_OFFSET] = (u8)((TCP_MIN + count) / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	put16(tcp, TCP_CHECK, 0);
	for (u32 i = 0; i < TCP_MIN + count; i += 2)
		sum += (u16)get16(tcp, i);
	put16(tcp, TCP_CHECK, (__be16)(u16)~checksum_fold(sum));
	return L4 + TCP_MIN + count;
}

static u16 header_sum(const u8 *ip, u32 length)
{
	u64 sum = 0;

	for (u32 i = L4; i < length; i += 2)
		sum += (u16)get16(ip, i);
	return checksum_fold(sum);
}

/* Options, and where the size lies in them that is then 1200; 0: nothing changes. */
static void options_are_read(void **state)
{
	static const struct {
		u8 options[TCP_OPTIONS];
		u32 count, at;
	} rows[] = {
		{ { 2, 4, 5, 180 }, 4, 2 },
		{ { 1, 2, 4, 5, 180, 0, 0, 0 }, 8, 3 }, /* at an odd offset */
		{ { 3, 3, 7, 2, 4, 255, 255, 0 }, 8, 5 },
		{ { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 180 },
		  40,
		  38 },
		{ { 2, 4, 4, 176 }, 4, 0 },		/* 1200: as it may be */
		{ { 2, 4, 2, 24 }, 4, 0 },		/* 536: never raised */
		{ { 2, 3, 5, 180 }, 4, 0 },		/* too short */
		{ { 1, 1, 2, 4 }, 4, 0 },		/* cut */
		{ { 1, 2, 4, 255 }, 4, 0 },		/* cut within */
		{ { 8, 0, 2, 4, 5, 180, 0, 0 }, 8, 0 }, /* no length: nothing behind it is believed */
		{ { 8, 1, 2, 4, 5, 180, 0, 0 }, 8, 0 },
		{ { 8, 30, 2, 4, 5, 180, 0, 0 }, 8, 0 },
		{ { 0, 2, 4, 5, 180, 0, 0, 0 }, 8, 0 }, /* behind the end */
		{ { 0 }, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u16 words[64] = { 0 };
		u8 *ip = (u8 *)words, before[128];
		u32 length = header_make(ip, SYN_ACK, rows[i].options, rows[i].count);
		struct bytes b = { ip, ip + length };
		struct packet p = { .kind = PACKET_PORTS, .tcp_flags = SYN_ACK };
		struct mss_change change = { 0, 0 };

		p.ip.l4 = L4;
		p.ip.protocol = PROTOCOL_TCP;
		memcpy(before, ip, length);
		u32 at = mss_find(&b, &p, mss_end(&b, &p));
		int lowered = at && mss_lower(&b, &p, at, 1200, &change);
		assert_int_equal(lowered, rows[i].at != 0);
		if (!lowered) {
			assert_memory_equal(before, ip, length);
			continue;
		}
		assert_int_equal(at, L4 + TCP_MIN + rows[i].at);
		assert_int_equal(ip[at] << 8 | ip[at + 1], 1200);
		put16(ip + L4, TCP_CHECK,
		      (__be16)checksum_apply((u16)get16(ip + L4, TCP_CHECK),
					     checksum_diff16(change.was, change.is)));
		assert_int_equal(header_sum(ip, length), 0xffff);
	}
}

static void only_whole_syns(void **state)
{
	struct packet p = { .kind = PACKET_PORTS, .tcp_flags = TCP_SYN };

	(void)state;
	p.ip.protocol = PROTOCOL_TCP;
	assert_true(mss_concerns(&p));
	p.first = 1;
	assert_false(mss_concerns(&p));
	p.first = 0;
	p.tcp_flags = TCP_ACK;
	assert_false(mss_concerns(&p));
	p.tcp_flags = TCP_SYN;
	p.ip.protocol = PROTOCOL_SCTP;
	assert_false(mss_concerns(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(only_whole_syns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
