/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenarios/scenario.h"

int world_fail(struct world *world, const char *format, ...)
{
	va_list args;
	int used;

	if (world->error[0])
		return -1; /* the first one counts */
	used = snprintf(world->error, sizeof(world->error), "%s:%u: ", world->scenario->path,
			world->line + 1);
	va_start(args, format);
	vsnprintf(world->error + used, sizeof(world->error) - (size_t)used, format, args);
	va_end(args);
	return -1;
}

static const struct name_value *name_find(const struct name_value *list, u32 count, const char *name,
					  size_t length)
{
	for (u32 i = count; i-- > 0;)
		if (strlen(list[i].name) == length && !strncmp(list[i].name, name, length))
			return &list[i];
	return NULL;
}

int variable_set(struct world *world, const char *name, const char *value)
{
	if (world->variable_count == VARIABLES_MAX || strlen(name) >= NAME_MAX_BYTES ||
	    strlen(value) >= VALUE_MAX_BYTES)
		return world_fail(world, "too many variables, or too long: %s", name);
	struct name_value *v = &world->variables[world->variable_count++];
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->value, sizeof(v->value), "%s", value);
	return 0;
}

static size_t name_length(const char *at)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) || at[n] == '_')
		n++;
	return n;
}

/* Replace each mark + name that the list knows by its value; others stay. 0, or -1: no room. */
static int substitute(char *to, size_t room, const char *from, char mark, const struct name_value *list,
		      u32 count)
{
	size_t used = 0;

	while (*from) {
		size_t length = *from == mark ? name_length(from + 1) : 0;
		const struct name_value *v = length ? name_find(list, count, from + 1, length) : NULL;
		/* A loop's variable may be followed by letters and digits: the longest name that is known. */
		while (mark == '%' && length > 1 && !v)
			v = name_find(list, count, from + 1, --length);
		const char *piece = v ? v->value : from;
		size_t bytes = v ? strlen(v->value) : 1;
		if (used + bytes + 1 > room)
			return -1;
		memcpy(to + used, piece, bytes);
		used += bytes;
		from += v ? length + 1 : 1;
	}
	to[used] = 0;
	return 0;
}

int words_split(struct world *world, const char *line, struct words *words)
{
	char looped[LINE_MAX_BYTES * 2], *save = NULL;

	memset(words, 0, sizeof(*words));
	if (substitute(looped, sizeof(looped), line, '%', world->loops, world->loop_count) ||
	    substitute(words->text, sizeof(words->text), looped, '$', world->variables,
		       world->variable_count))
		return world_fail(world, "line too long");
	char *comment = strchr(words->text, '#');
	if (comment)
		*comment = 0;
	for (char *w = strtok_r(words->text, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
		if (words->count == WORDS_MAX)
			return world_fail(world, "too many words");
		words->word[words->count++] = w;
	}
	return 0;
}

const char *words_peek(const struct words *words) { return words->word[words->at]; }
const char *words_next(struct words *words)
{
	return words->at < words->count ? words->word[words->at++] : NULL;
}

bool words_take(struct words *words, const char *expected)
{
	const char *w = words_peek(words);

	if (!w || strcmp(w, expected))
		return false;
	words->at++;
	return true;
}

int number_parse(const char *text, u32 most, u32 *value)
{
	char *end;

	if (!text || !isdigit((unsigned char)*text))
		return -1;
	unsigned long n = strtoul(text, &end, 0);
	if (*end || n > most)
		return -1;
	*value = (u32)n;
	return 0;
}

/* 90s, 1h30m, 5 */
int time_parse(const char *text, u32 *seconds)
{
	*seconds = 0;
	if (!text || !*text)
		return -1;
	while (*text) {
		char *end;
		unsigned long n = strtoul(text, &end, 10);
		if (end == text)
			return -1;
		*seconds += (u32)n * (*end == 'h' ? 3600 : *end == 'm' ? 60 : 1);
		if (*end && !strchr("hms", *end))
			return -1;
		text = *end ? end + 1 : end;
	}
	return 0;
}

int address_parse(const char *text, __be32 *addr)
{
	return text && inet_pton(AF_INET, text, addr) == 1 ? 0 : -1;
}

int endpoint_parse(const char *text, __be32 *addr, u16 *port)
{
	char copy[VALUE_MAX_BYTES];
	u32 n = 0;

	if (!text || strlen(text) >= sizeof(copy))
		return -1;
	snprintf(copy, sizeof(copy), "%s", text);
	char *colon = strchr(copy, ':');
	if (colon) {
		*colon = 0;
		if (number_parse(colon + 1, 65535, &n))
			return -1;
	}
	*port = (u16)n;
	return address_parse(copy, addr);
}

int hex_parse(const char *text, u8 *bytes, u32 room)
{
	u32 length = 0;

	for (; text && text[0]; text += 2) {
		char pair[3] = { text[0], text[1], 0 }, *end;
		if (length == room || !text[1])
			return -1;
		bytes[length++] = (u8)strtoul(pair, &end, 16);
		if (*end)
			return -1;
	}
	return (int)length;
}

int class_parse(const char *text, enum class *class)
{
	static const char *const names[CLASSES] = {
		[CLASS_UDP] = "udp",   [CLASS_TCP] = "tcp",   [CLASS_ICMP] = "icmp",
		[CLASS_DCCP] = "dccp", [CLASS_SCTP] = "sctp", [CLASS_UDPLITE] = "udplite"
	};

	for (u32 i = 0; text && i < CLASSES; i++)
		if (!strcmp(text, names[i])) {
			*class = (enum class)i;
			return 0;
		}
	return -1;
}

void address_print(char *text, size_t room, __be32 addr)
{
	if (!inet_ntop(AF_INET, &addr, text, (socklen_t)room))
		snprintf(text, room, "?");
}
