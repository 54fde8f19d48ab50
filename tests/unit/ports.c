// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/ports.h: bits, summaries, the search and its bound. */
#include "tests/unit/core.h"

enum { ODD = 1, EVEN = 0 };

static u64 *word(enum class class, u32 i) { return &nat.ports[port_area(0, class) + i]; }
static u64 *summary(enum class class, u32 i) { return word(class, PORT_WORDS + i); }

/* Every port of a range taken, as by port_take(). */
static void fill(enum class class, u32 from, u32 to)
{
	for (u32 port = from; port <= to; port++)
		(void)port_take(&nat, port_area(0, class), port);
}

static struct request *search_begin(enum class class, u16 inside)
{
	struct request *r = ask(class, HOST_1, inside);

	r->index = 0;
	port_range(config(), r);
	return r;
}

static u32 search(u32 from)
{
	(void)port_search(&nat, work(), from);
	return request()->port;
}

static void take_and_give(void **state)
{
	u32 area = port_area(0, CLASS_UDP);

	(void)state;
	for (u32 port = 0; port < 65536; port += 63) {
		assert_int_equal(port_take(&nat, area, port), 1);
		assert_int_equal(port_take(&nat, area, port), 0);
		assert_true(port_bit(0, CLASS_UDP, port));
		assert_false(port_bit(0, CLASS_TCP, port));
	}
	for (u32 port = 0; port < 65536; port += 63)
		port_give(&nat, area, port);
	for (u32 i = 0; i < PORT_AREA; i++)
		assert_int_equal(*word(CLASS_UDP, i), 0);
}

static void summaries_follow(void **state)
{
	u32 area = port_area(0, CLASS_TCP);

	(void)state;
	fill(CLASS_TCP, 0, 65534);
	assert_int_equal(*summary(CLASS_TCP, 15), ~(1ull << 63));
	assert_int_equal(port_take(&nat, area, 65535), 1);
	for (u32 i = 0; i < PORT_SUMMARIES; i++)
		assert_int_equal(*summary(CLASS_TCP, i), ~0ull);
	port_give(&nat, area, 4096 + 65);
	assert_int_equal(*summary(CLASS_TCP, 1), ~2ull);
	assert_int_equal(port_take(&nat, area, 4096 + 65), 1);
	assert_int_equal(*summary(CLASS_TCP, 1), ~0ull);
}

/* A summary that a slow port_take() set after others gave a port back would hide it: it is taken back. */
static void a_late_summary_hides_nothing(void **state)
{
	u32 area = port_area(0, CLASS_UDP);

	(void)state;
	fill(CLASS_UDP, 128, 191);
	assert_int_equal(*summary(CLASS_UDP, 0), 4);
	*summary(CLASS_UDP, 0) = 0; /* one that gave cleared it, and then the word filled up again */
	assert_int_equal(port_take(&nat, area, 130), 0);
	assert_int_equal(*summary(CLASS_UDP, 0), 4); /* whoever asks next mends it */
}

/* RFC 4787 REQ-3a, REQ-4: which ports an endpoint may have. */
static void ranges(void **state)
{
	static const struct {
		enum class class;
		u16 inside, min, max;
		int parity;
		u32 want_min, want_max, odd; /* odd 2: any */
	} rows[] = {
		{ CLASS_UDP, 5000, 1024, 65535, 1, 1024, 65535, EVEN },
		{ CLASS_UDP, 5001, 1024, 65535, 1, 1024, 65535, ODD },
		{ CLASS_UDP, 5001, 1024, 65535, 0, 1024, 65535, 2 },
		{ CLASS_UDP, 500, 1024, 65535, 1, 1, 1023, EVEN },
		{ CLASS_TCP, 1023, 1024, 65535, 0, 1, 1023, 2 },
		{ CLASS_TCP, 1024, 1, 65535, 0, 1024, 65535, 2 },
		{ CLASS_TCP, 80, 512, 65535, 0, 512, 1023, 2 },
		{ CLASS_TCP, 80, 1, 1000, 0, 1, 1023, 2 },
		{ CLASS_UDP, 500, 20000, 30000, 1, 20000, 30000,
		  EVEN }, /* the administrator left no room below 1024 */
		{ CLASS_UDP, 0, 1024, 65535, 1, 1024, 65535, EVEN },
		{ CLASS_ICMP, 500, 1024, 65535, 1, 1, 65535, 2 },
		{ CLASS_ICMP, 501, 20000, 30000, 1, 20000, 30000, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		config()->port_min = rows[i].min;
		config()->port_max = rows[i].max;
		config()->port_parity = (u8)rows[i].parity;
		struct request *r = search_begin(rows[i].class, rows[i].inside);
		u64 mask = rows[i].odd == 2 ? ~0ull : rows[i].odd ? 0xaaaaaaaaaaaaaaaa : 0x5555555555555555;
		if (r->port_min != rows[i].want_min || r->port_max != rows[i].want_max ||
		    r->port_mask != mask)
			fail_msg("row %zu: %u-%u mask %llx", i, r->port_min, r->port_max, r->port_mask);
	}
}

static void search_takes_the_next_that_fits(void **state)
{
	(void)state;
	search_begin(CLASS_UDP, 5000);
	assert_int_equal(search(2000), 2000);
	assert_int_equal(search(2001), 2002);
	search_begin(CLASS_UDP, 5001);
	assert_int_equal(search(2000), 2001);
	assert_int_equal(search(65535), 65535);
	search_begin(CLASS_UDP, 5000);
	assert_int_equal(search(65535), 1024); /* around */
	assert_int_equal(search(3), 1024);     /* out of the range */
	assert_int_equal(search(0xffffffff), 1024);
	fill(CLASS_UDP, 2000, 2999);
	assert_int_equal(search(2000), 3000);
	assert_int_equal(search(2999), 3000);
	assert_int_equal(search(1999), 3000);
	assert_int_equal(search(1998), 1998);
}

/* However full the address is, and wherever the search begins, the one free port is found within the bound. */
static void the_last_free_port_is_found(void **state)
{
	static const u32 starts[] = { 1024, 1025, 1087, 1088, 4095, 4096, 30000, 40959, 61440, 65472, 65535 };

	(void)state;
	fill(CLASS_TCP, 0, 65535);
	for (u32 port = 1024; port < 65536; port += port < 1300 || port > 65300 ? 1 : 97) {
		port_give(&nat, port_area(0, CLASS_TCP), port);
		search_begin(CLASS_TCP, port & 1 ? 5001 : 5000);
		for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
			if (search(starts[i]) != port)
				fail_msg("%u is free and not found from %u", port, starts[i]);
		assert_int_equal(search(port + 1), port);
		assert_int_equal(port_take(&nat, port_area(0, CLASS_TCP), port), 1);
	}
	search_begin(CLASS_TCP, 5000);
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		assert_int_equal(search(starts[i]), 0);
}

/* A free port outside the range, or below it in a word that the range shares, is not ours. */
static void range_ends_are_kept(void **state)
{
	(void)state;
	config()->port_parity = 0;
	config()->port_min = 5010;
	config()->port_max = 5020;
	search_begin(CLASS_UDP, 9);
	fill(CLASS_UDP, 5010, 5020);
	assert_int_equal(search(5010), 0);
	for (u32 port = 5010; port <= 5020; port++) {
		port_give(&nat, port_area(0, CLASS_UDP), port);
		assert_int_equal(search(5015), port);
		(void)port_take(&nat, port_area(0, CLASS_UDP), port);
	}
	config()->port_min = config()->port_max = 6000;
	search_begin(CLASS_UDP, 9);
	assert_int_equal(search(6000), 6000);
	fill(CLASS_UDP, 6000, 6000);
	assert_int_equal(search(6000), 0);
}

/* Summaries that lie cost steps, and may hide a port; the sweep puts them right. */
static void wrong_summaries_are_mended(void **state)
{
	struct sweep *s = sweep_memory_new(&nat);

	(void)state;
	assert_non_null(s);
	config()->port_min = 1;
	fill(CLASS_UDP, 0, 65535);
	port_give(&nat, port_area(0, CLASS_UDP), 40000);
	for (u32 i = 0; i < PORT_SUMMARIES; i++)
		*summary(CLASS_UDP, i) = 0; /* nothing is full, they say */
	/* Mark all as claimed, so that the sweep leaves the bits alone. */
	for (u32 i = 0; i < PORT_WORDS; i++)
		s->claimed[port_area(0, CLASS_UDP) + i] = *word(CLASS_UDP, i);
	for (u32 i = 0; i < PORT_WORDS; i++)
		sweep_port_word(s, port_area(0, CLASS_UDP), i);
	search_begin(CLASS_UDP, 5000);
	request()->port_mask = ~0ull;
	assert_int_equal(search(41000), 40000);
	assert_int_equal(search(1024), 40000);

	for (u32 i = 0; i < PORT_SUMMARIES; i++)
		*summary(CLASS_UDP, i) = ~0ull; /* everything is full, they say */
	for (u32 i = 0; i < PORT_WORDS; i++)
		s->claimed[port_area(0, CLASS_UDP) + i] = *word(CLASS_UDP, i);
	for (u32 i = 0; i < PORT_WORDS; i++)
		sweep_port_word(s, port_area(0, CLASS_UDP), i);
	assert_int_equal(search(1024), 40000);
	sweep_memory_free(s);
}

static void lowest_bit(void **state)
{
	(void)state;
	for (u32 i = 0; i < 64; i++) {
		assert_int_equal(bit_lowest(1ull << i), i);
		assert_int_equal(bit_lowest(~0ull << i), i);
		assert_int_equal(bit_lowest(1ull << 63 | 1ull << i), i);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, nat_setup, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(take_and_give),
		CASE(summaries_follow),
		CASE(a_late_summary_hides_nothing),
		CASE(ranges),
		CASE(search_takes_the_next_that_fits),
		CASE(the_last_free_port_is_found),
		CASE(range_ends_are_kept),
		CASE(wrong_summaries_are_mended),
		CASE(lowest_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
