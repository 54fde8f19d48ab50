// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The command line's look at JSON that it does not build: right values, and nothing read that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/scan.h"

static const char page[] =
	"{\"sessions\" : [\n"
	"{\"a\":\"x\",\"n\":12,\"deep\":{\"u\":3,\"t\":[1,{\"]\":\"}\"}]},\"ok\":true,\"no\":null},\n"
	"{ \"a\" : \"q\\\"\\u0041\\\\\" , \"n\" : 0 }, {}\n"
	"],\"cursor\":77}";

static struct span span_of(const char *text)
{
	struct span s = { text, text + strlen(text) };

	return s;
}

static void value_is(const struct row *row, const char *key, const char *wanted)
{
	char text[64];

	span_text(row_value(row, key), text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void values(void **state)
{
	struct span items, item;
	struct row all, row;

	(void)state;
	assert_true(row_read(&all, span_of(page)));
	assert_int_equal(span_number(row_value(&all, "cursor")), 77);
	assert_true(scan_enter(&items, row_value(&all, "sessions")));
	assert_int_equal(scan_item(&items, &item), SCAN_NEXT);
	assert_true(row_read(&row, item));
	assert_int_equal(row.count, 5);
	value_is(&row, "a", "x");
	value_is(&row, "n", "12");
	value_is(&row, "deep.u", "3");
	value_is(&row, "deep.t", "[1,{\"]\":\"}\"}]");
	value_is(&row, "deep.absent", "");
	value_is(&row, "a.b", "");
	value_is(&row, "absent", "");
	assert_true(span_is(row_value(&row, "ok"), "true"));
	assert_true(span_is(row_value(&row, "no"), "null"));
	assert_int_equal(span_number(row_value(&row, "a")), 0);
	assert_int_equal(scan_item(&items, &item), SCAN_NEXT);
	assert_true(row_read(&row, item));
	value_is(&row, "a", "q\"A\\");
	assert_int_equal(scan_item(&items, &item), SCAN_NEXT);
	assert_true(row_read(&row, item));
	assert_int_equal(row.count, 0);
	assert_int_equal(scan_item(&items, &item), SCAN_END);
}

static void text_is_cut(void **state)
{
	char text[4];

	(void)state;
	span_text(span_of("\"abcdef\""), text, sizeof(text));
	assert_string_equal(text, "abc");
	span_text(span_of("\"\\u0041bcdef\""), text, sizeof(text));
	assert_string_equal(text, "Abc");
	span_text(span_of("\"\\u00\""), text, sizeof(text));
	assert_string_equal(text, "");
}

static void wrong(void **state)
{
	static const char *const texts[] = { "",      "[",	     "[]",	   "{",
					     "x",     "{\"a\"}",     "{\"a\":}",   "{\"a\":1,",
					     "{a:1}", "{\"a\":1 2}", "{\"a\":\"}", "{\"a\":{}" };
	struct row row;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(row_read(&row, span_of(texts[i])));
}

/* Look at all of it, as a list is looked at. */
static bool walk(struct span text)
{
	struct span items, item;
	struct row all, row;
	enum scan scan;
	char copy[32];

	if (!row_read(&all, text) || !scan_enter(&items, row_value(&all, "sessions")))
		return false;
	while ((scan = scan_item(&items, &item)) == SCAN_NEXT) {
		if (!row_read(&row, item))
			return false;
		for (int i = 0; i < row.count; i++)
			span_text(row.members[i].value, copy, sizeof(copy));
		row_value(&row, "deep.u");
	}
	return scan == SCAN_END;
}

/* Cut anywhere, it is wrong; and with any byte changed, nothing beyond its end is touched (the copy has its exact size). */
static void cut_and_changed(void **state)
{
	size_t length = sizeof(page) - 1;
	unsigned int chance = 1;

	(void)state;
	assert_true(walk(span_of(page)));
	for (size_t n = 1; n < length; n++) {
		char *copy = malloc(n);
		memcpy(copy, page, n);
		struct span text = { copy, copy + n };
		assert_false(walk(text));
		free(copy);
	}
	for (int round = 0; round < 20000; round++) {
		char *copy = malloc(length);
		memcpy(copy, page, length);
		for (int i = 0; i < 3; i++) {
			chance = chance * 1103515245 + 12345;
			copy[(chance >> 8) % length] = "{}[]\",:\\ 1au"[(chance >> 20) % 12];
		}
		struct span text = { copy, copy + length };
		walk(text);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(text_is_cut),
		cmocka_unit_test(wrong),
		cmocka_unit_test(cut_and_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
