// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/import/text.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"

enum { REPLACEMENT = 0xfffd };

static char *utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = c ? (char)c : '?';
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 63));
		*out++ = (char)(0x80 | (c >> 6 & 63));
		*out++ = (char)(0x80 | (c & 63));
	}
	return out;
}

static uint32_t utf16_unit(const unsigned char *bytes, bool big)
{
	return big ? (uint32_t)bytes[0] << 8 | bytes[1] : (uint32_t)bytes[1] << 8 | bytes[0];
}

/* Half a pair, and half a unit at the end, become the sign for what cannot be shown. */
static char *utf16_decode(char *out, const unsigned char *bytes, size_t size, bool big)
{
	size_t at = 0;

	for (; at + 2 <= size; at += 2) {
		uint32_t c = utf16_unit(bytes + at, big);
		uint32_t low = at + 4 <= size ? utf16_unit(bytes + at + 2, big) : 0;

		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			at += 2;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = REPLACEMENT;
		}
		out = utf8_put(out, c);
	}
	return at < size ? utf8_put(out, REPLACEMENT) : out;
}

static void line_ends_join(char *text)
{
	char *out = text;

	for (; *text; text++)
		if (*text != '\r')
			*out++ = *text;
		else if (text[1] != '\n')
			*out++ = '\n';
	*out = 0;
}

char *text_decode(const char *bytes, size_t size)
{
	const unsigned char *raw = (const unsigned char *)bytes;
	char *text = malloc(size * 2 + 4), *end = text;
	/* Without a mark, a zero in the first letter tells the order. */
	bool little = size >= 2 && ((raw[0] == 0xff && raw[1] == 0xfe) || (raw[0] && !raw[1]));
	bool big = size >= 2 && ((raw[0] == 0xfe && raw[1] == 0xff) || (!raw[0] && raw[1]));
	bool marked = size >= 2 && raw[0] >= 0xfe && raw[1] >= 0xfe;

	if (!text)
		return NULL;
	if (little || big) {
		end = utf16_decode(text, raw + (marked ? 2 : 0), size - (marked ? 2 : 0), big);
	} else {
		size_t at = size >= 3 && !memcmp(raw, "\xef\xbb\xbf", 3) ? 3 : 0;

		for (; at < size; at++)
			*end++ = bytes[at] ? bytes[at] : '?';
	}
	*end = 0;
	line_ends_join(text);
	return text;
}

char *text_line(char **rest)
{
	char *line = *rest, *end;

	if (!*line)
		return NULL;
	end = line + strcspn(line, "\n");
	*rest = end + (*end == '\n');
	*end = 0;
	return line;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f' || c == '\v'; }

/* One word from *at on, shortened in place by its quotes. NULL: a quote is not closed. */
static char *word_take(struct word *word, char *at, bool escapes)
{
	char *out = at;
	bool quoted = false;

	word->text = at;
	word->equals = NULL;
	for (; *at && (quoted || !is_blank(*at)); at++) {
		if (*at == '"') {
			quoted = !quoted;
			continue;
		}
		if (escapes && quoted && *at == '\\' && at[1])
			at++;
		else if (*at == '=' && !quoted && !word->equals)
			word->equals = out;
		*out++ = *at;
	}
	if (quoted)
		return NULL;
	at += *at != 0;
	*out = 0;
	return at;
}

const char *words_split(struct words *words, char *line, bool escapes)
{
	words->count = 0;
	for (;;) {
		while (is_blank(*line))
			line++;
		if (!*line)
			return NULL;
		if (words->count == WORDS_MAX)
			return "more words than any such command has";
		line = word_take(&words->word[words->count++], line, escapes);
		if (!line)
			return "a quote is not closed";
	}
}

int text_mask(const char *text)
{
	struct in_addr address;
	uint32_t mask;

	if (address_parse(text, &address))
		return -1;
	mask = ntohl(address.s_addr);
	/* Ones, then zeros: its complement is one less than a power of two. */
	return ~mask & (~mask + 1) ? -1 : __builtin_popcount(mask);
}

bool text_number(const char *text, unsigned int most, unsigned int *number)
{
	unsigned long long value = 0;

	if (!*text || strspn(text, "0123456789") != strlen(text))
		return false;
	for (; *text && value <= most; text++)
		value = value * 10 + (unsigned int)(*text - '0');
	*number = (unsigned int)value;
	return value <= most;
}
