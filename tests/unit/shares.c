// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/shares.h: RFC 7422's worked example, and every way to share ports out there and back. */
#include "tests/unit/core.h"

#include "core/shares.h"

static u32 address(const char *text) { return ntohl(inet_addr(text)); }

/* I = 198.51.100.0/28, O = 192.0.2.1, D = 2, the first 1024 ports reserved, sequential. */
static struct shares example(void)
{
	struct shares s = { .inside = 0 };

	assert_int_equal(shares_own(&s, ALGORITHM_SEQUENTIAL, address("198.51.100.1"), 14, 1, 0, 2, 1024,
				    65535),
			 SHARES_MADE);
	shares_lend(&s, 100, 10, 1024, 65535);
	return s;
}

static void the_worked_example(void **state)
{
	static const struct {
		const char *inside;
		u32 first, last;
	} rows[] = { { "198.51.100.1", 1024, 5055 },	{ "198.51.100.2", 5056, 9087 },
		     { "198.51.100.3", 9088, 13119 },	{ "198.51.100.4", 13120, 17151 },
		     { "198.51.100.5", 17152, 21183 },	{ "198.51.100.6", 21184, 25215 },
		     { "198.51.100.7", 25216, 29247 },	{ "198.51.100.8", 29248, 33279 },
		     { "198.51.100.9", 33280, 37311 },	{ "198.51.100.10", 37312, 41343 },
		     { "198.51.100.11", 41344, 45375 }, { "198.51.100.12", 45376, 49407 },
		     { "198.51.100.13", 49408, 53439 }, { "198.51.100.14", 53440, 57471 } };
	struct shares s = example();

	(void)state;
	assert_int_equal(s.each, 4032);
	assert_int_equal(s.ratio, 14);
	assert_int_equal(share_end(&s), 57472);
	for (u32 i = 0; i < 14; i++) {
		u32 host = share_host(&s, address(rows[i].inside));
		struct port_run run = share_run(&s, host, 0);

		assert_int_equal(host, i);
		assert_int_equal(run.first, rows[i].first);
		assert_int_equal(run.first + run.count - 1, rows[i].last);
		assert_int_equal(run.step, 1);
		assert_int_equal(share_owner(&s, 0, rows[i].first), i);
		assert_int_equal(share_owner(&s, 0, rows[i].last), i);
	}
	assert_int_equal(share_host(&s, address("198.51.100.0")), NO_SHARE);
	assert_int_equal(share_host(&s, address("198.51.100.15")), NO_SHARE);
	assert_int_equal(share_owner(&s, 0, 1023), NO_SHARE);
	assert_int_equal(share_owner(&s, 0, 57472), NO_SHARE);
	assert_int_equal(share_owner(&s, 0, 65535), NO_SHARE);
	assert_int_equal(share_owner(&s, 1, 1024), NO_SHARE);
	/* The example's blocks of 100 ports, 58000-58099 among them; none reaches into a host's own ports or beyond the last. */
	assert_int_equal(s.block_first, 575);
	assert_in_range(580, s.block_first, s.block_first + s.block_count - 1);
	assert_int_equal((s.block_first + s.block_count) * 100, 65500);
}

/* Every port of every run leads back to its host, no port is in two runs, and each host has as many as all others. */
static void there_and_back(const struct shares *s)
{
	static u8 taken[64][65536];

	assert_in_range(s->addresses, 1, 64);
	memset(taken, 0, sizeof(taken));
	for (u32 host = 0; host < s->hosts; host++) {
		u32 ports = 0;

		for (u32 i = 0; i < share_runs(s); i++) {
			struct port_run run = share_run(s, host, i);

			assert_in_range(run.address, 0, s->addresses - 1);
			for (u32 n = 0; n < run.count; n++, ports++) {
				u32 port = run.first + n * run.step;

				assert_in_range(port, s->first, share_end(s) - 1);
				assert_int_equal(taken[run.address][port]++, 0);
				assert_int_equal(share_owner(s, run.address, port), host);
			}
		}
		assert_int_equal(ports, s->each);
	}
	for (u32 a = 0; a < s->addresses; a++)
		for (u32 port = 0; port < 65536; port++)
			if (!taken[a][port])
				assert_int_equal(share_owner(s, a, port), NO_SHARE);
}

static void all_algorithms(void **state)
{
	static const struct {
		u32 hosts, addresses, ratio, dynamic, min, max;
	} rows[] = { { 14, 1, 0, 2, 1024, 65535 }, { 254, 10, 0, 0, 1024, 65535 },
		     { 30, 4, 8, 1, 1024, 65535 }, { 30, 4, 20, 0, 2000, 2999 },
		     { 1, 1, 0, 0, 1024, 65535 },  { 7, 16, 0, 3, 40000, 50000 },
		     { 1022, 3, 0, 5, 1, 65535 } };

	(void)state;
	for (u32 algorithm = 0; algorithm < 4; algorithm++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct shares s = { .inside = 0 };

			assert_int_equal(shares_own(&s, (enum algorithm)algorithm, address("10.0.0.1"),
						    rows[i].hosts, rows[i].addresses, rows[i].ratio,
						    rows[i].dynamic, rows[i].min, rows[i].max),
					 SHARES_MADE);
			there_and_back(&s);
		}
}

/* The RFC's words for each: every Cth port; the same ports of all addresses; every Cth port, spread over the addresses. */
static void as_the_rfc_tells_them(void **state)
{
	struct shares s = { .inside = 0 };
	struct port_run run;

	(void)state;
	assert_int_equal(shares_own(&s, ALGORITHM_STAGGERED, 0, 14, 1, 0, 2, 1024, 65535), SHARES_MADE);
	run = share_run(&s, 1, 0);
	assert_int_equal(run.first, 1025);
	assert_int_equal(run.step, 14);
	assert_int_equal(run.count, 4032);

	/* "if there are 10 IP addresses in a pool and a subscriber is assigned 1000 ports [...] ports 2000-2099 across all 10" */
	assert_int_equal(shares_own(&s, ALGORITHM_ROUND_ROBIN, 0, 100, 10, 0, 0, 2000, 11999), SHARES_MADE);
	assert_int_equal(s.each, 1000);
	for (u32 i = 0; i < 10; i++) {
		run = share_run(&s, 0, i);
		assert_int_equal(run.address, i);
		assert_int_equal(run.first, 2000);
		assert_int_equal(run.count, 100);
	}

	assert_int_equal(shares_own(&s, ALGORITHM_INTERLACED, 0, 8, 2, 0, 0, 1024, 65535), SHARES_MADE);
	run = share_run(
		&s, 3,
		0); /* the host's ports: 1025 of the second address, 1029 of the first, 1033 of the second, ... */
	assert_int_equal(run.address, 1);
	assert_int_equal(run.first, 1025);
	assert_int_equal(run.step, 8);
	run = share_run(&s, 3, 1);
	assert_int_equal(run.address, 0);
	assert_int_equal(run.first, 1029);
}

static void what_cannot_be(void **state)
{
	struct shares s = { .inside = 0 };

	(void)state;
	assert_int_equal(shares_own(&s, ALGORITHM_SEQUENTIAL, 0, 14, 1, 13, 0, 1024, 65535), SHARES_RATIO);
	assert_int_equal(shares_own(&s, ALGORITHM_SEQUENTIAL, 0, 14, 0, 0, 0, 1024, 65535), SHARES_RATIO);
	assert_int_equal(shares_own(&s, ALGORITHM_SEQUENTIAL, 0, 14, 1, 0, 0, 1024, 1036), SHARES_PORTS);
	assert_int_equal(shares_own(&s, ALGORITHM_INTERLACED, 0, 14, 17, 0, 0, 1024, 65535), SHARES_SPREAD);
	assert_int_equal(shares_own(&s, ALGORITHM_STAGGERED, 0, 1 << 24, 1, 0, 0, 1, 65535), SHARES_PORTS);
	assert_int_equal(s.hosts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worked_example),
		cmocka_unit_test(all_algorithms),
		cmocka_unit_test(as_the_rfc_tells_them),
		cmocka_unit_test(what_cannot_be),
	};

	return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
