// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/tcp.h: what flags and ages say about a session (RFC 7857 section 2, RFC 6146 section 3.5.2). */
#include "tests/unit/core.h"

enum { S = TCP_SYN, A = TCP_ACK, F = TCP_FIN, R = TCP_RST, P = 8 };

static void flags_after_segments(void **state)
{
	static const struct {
		u32 flags, segment, after;
	} rows[] = {
		{ 0, S, FLAG_SYN },
		{ FLAG_SYN, S, FLAG_SYN },
		{ FLAG_SYN, A, FLAG_SYN | FLAG_DATA },
		{ 0, A, FLAG_DATA },
		{ 0, 0, FLAG_DATA },
		{ FLAG_SYN | FLAG_DATA, A | P, FLAG_SYN | FLAG_DATA },
		{ FLAG_SYN | FLAG_DATA, F | A, FLAG_SYN | FLAG_DATA | FLAG_FIN },
		{ FLAG_SYN | FLAG_DATA | FLAG_FIN, A, FLAG_SYN | FLAG_DATA | FLAG_FIN },
		{ FLAG_SYN | FLAG_DATA, R, FLAG_SYN | FLAG_DATA | FLAG_RST },
		{ FLAG_SYN | FLAG_DATA, R | A, FLAG_SYN | FLAG_DATA | FLAG_RST },
		{ 0, R | S, FLAG_RST },
		/* RFC 7857 section 2.2: data after a RST, so it was not the end. */
		{ FLAG_SYN | FLAG_DATA | FLAG_RST, A, FLAG_SYN | FLAG_DATA },
		{ FLAG_RST, F | A, FLAG_DATA | FLAG_FIN },
		/* A new connection on the ports of an old one. */
		{ FLAG_SYN | FLAG_DATA | FLAG_FIN, S, FLAG_SYN },
		{ FLAG_SYN | FLAG_DATA | FLAG_RST, S, FLAG_SYN },
		{ FLAG_SYN | FLAG_DATA, S, FLAG_SYN | FLAG_DATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(tcp_flags_after(rows[i].flags, rows[i].segment), rows[i].after);
	for (u32 flags = 0; flags < 16; flags++)
		for (u32 segment = 0; segment < 256; segment++)
			assert_true(tcp_flags_after(flags, segment) < 16);
}

static void states(void **state)
{
	static const struct {
		u32 out, in, out_age, in_age;
		enum tcp_state state;
	} rows[] = {
		{ 0, 0, 0, 0, TCP_INIT },
		{ FLAG_SYN, 0, 0, 9, TCP_INIT },
		{ FLAG_SYN | FLAG_DATA, 0, 0, 9, TCP_INIT },
		{ 0, FLAG_SYN, 9, 0, TCP_INIT },
		{ FLAG_SYN, FLAG_SYN, 0, 0, TCP_ESTABLISHED },
		{ FLAG_DATA, FLAG_DATA, 0, 0, TCP_ESTABLISHED },
		{ FLAG_SYN, FLAG_DATA, 0, 0, TCP_ESTABLISHED },
		{ FLAG_SYN | FLAG_DATA | FLAG_FIN, FLAG_SYN | FLAG_DATA, 0, 0, TCP_ESTABLISHED },
		{ FLAG_SYN | FLAG_DATA, FLAG_SYN | FLAG_DATA | FLAG_FIN, 0, 0, TCP_ESTABLISHED },
		{ FLAG_SYN | FLAG_FIN, FLAG_SYN | FLAG_FIN, 0, 0, TCP_CLOSING },
		/* A RST closes if the other side kept silent since. */
		{ FLAG_SYN | FLAG_RST, FLAG_SYN, 5, 5, TCP_CLOSING },
		{ FLAG_SYN | FLAG_RST, FLAG_SYN, 5, 9, TCP_CLOSING },
		{ FLAG_SYN | FLAG_RST, FLAG_SYN, 5, 4, TCP_ESTABLISHED },
		{ FLAG_SYN, FLAG_SYN | FLAG_RST, 9, 5, TCP_CLOSING },
		{ FLAG_SYN, FLAG_SYN | FLAG_RST, 4, 5, TCP_ESTABLISHED },
		{ FLAG_SYN | FLAG_RST, FLAG_SYN | FLAG_RST, 5, 1, TCP_CLOSING },
		{ FLAG_RST, 0, 0, TIME, TCP_CLOSING },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (tcp_state(rows[i].out, rows[i].in, rows[i].out_age, rows[i].in_age) != rows[i].state)
			fail_msg("row %zu is not in state %d", i, (int)rows[i].state);
}

static void timeouts(void **state)
{
	struct config c = {
		.timers = { .tcp_idle_timeout = 3, .tcp_trans_open_timeout = 1, .tcp_trans_close_timeout = 2 }
	};

	(void)state;
	assert_int_equal(tcp_timeout(&c, TCP_INIT), 1);
	assert_int_equal(tcp_timeout(&c, TCP_CLOSING), 2);
	assert_int_equal(tcp_timeout(&c, TCP_ESTABLISHED), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_after_segments),
		cmocka_unit_test(states),
		cmocka_unit_test(timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
