// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/api_text.h"
#include <arpa/inet.h>
#include <string.h>

void text_start(struct text *t, char *buffer, size_t size)
{
	*t = (struct text){ .at = buffer, .end = buffer + size };
}

void text_put(struct text *t, const char *bytes, size_t length)
{
	if (length > (size_t)(t->end - t->at)) {
		t->full = true;
		return;
	}
	memcpy(t->at, bytes, length);
	t->at += length;
}

static void text_word(struct text *t, const char *word) { text_put(t, word, strlen(word)); }

static void text_digits(struct text *t, u64 value)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	text_put(t, at, (size_t)(digits + sizeof(digits) - at));
}

static void text_key(struct text *t, const char *key)
{
	if (t->comma)
		text_put(t, ",", 1);
	t->comma = true;
	if (!key)
		return;
	text_put(t, "\"", 1);
	text_word(t, key);
	text_put(t, "\":", 2);
}

void text_object(struct text *t, const char *key)
{
	text_key(t, key);
	text_put(t, "{", 1);
	t->comma = false;
}

void text_end(struct text *t)
{
	text_put(t, "}", 1);
	t->comma = true;
}

/* Names of interfaces may hold any byte but 0, '/' and blanks: what is not printable ASCII is told in \u form. */
void text_string(struct text *t, const char *key, const char *value)
{
	static const char hex[] = "0123456789abcdef";

	text_key(t, key);
	text_put(t, "\"", 1);
	for (; *value; value++) {
		unsigned char byte = (unsigned char)*value;
		char escaped[] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };
		if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
			text_put(t, escaped, sizeof(escaped));
		else
			text_put(t, value, 1);
	}
	text_put(t, "\"", 1);
}

void text_number(struct text *t, const char *key, u64 value)
{
	text_key(t, key);
	text_digits(t, value);
}

void text_boolean(struct text *t, const char *key, bool value)
{
	text_key(t, key);
	text_word(t, value ? "true" : "false");
}

void text_address(struct text *t, const char *key, __be32 address)
{
	u32 a = ntohl(address);

	text_key(t, key);
	text_put(t, "\"", 1);
	for (int shift = 24; shift >= 0; shift -= 8) {
		text_digits(t, a >> shift & 255);
		text_put(t, shift ? "." : "\"", 1);
	}
}
