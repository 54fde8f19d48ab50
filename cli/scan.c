// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/scan.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void skip_blanks(struct span *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* Off the front, if it is there. */
static bool take(struct span *s, char c)
{
	skip_blanks(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* A string from its first quote to its last. */
static bool take_string(struct span *s)
{
	if (!take(s, '"'))
		return false;
	for (; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\' && ++s->at == s->end)
			return false;
	return take(s, '"');
}

/* An object or an array, whatever is in it. */
static bool take_nested(struct span *s)
{
	unsigned int depth = 0;

	while (s->at < s->end) {
		char c = *s->at;

		if (c == '"') {
			if (!take_string(s))
				return false;
			continue;
		}
		s->at++;
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && !--depth)
			return true;
	}
	return false;
}

static bool take_value(struct span *s, struct span *value)
{
	bool whole = true;

	skip_blanks(s);
	value->at = s->at;
	if (s->at == s->end)
		return false;
	if (*s->at == '{' || *s->at == '[')
		whole = take_nested(s);
	else if (*s->at == '"')
		whole = take_string(s);
	else
		while (s->at < s->end && !strchr(",]} \t\r\n:\"", *s->at))
			s->at++;
	value->end = s->at;
	return whole && value->at < value->end;
}

bool scan_enter(struct span *inside, struct span value)
{
	if (value.end - value.at < 2 ||
	    !((*value.at == '{' && value.end[-1] == '}') || (*value.at == '[' && value.end[-1] == ']')))
		return false;
	inside->at = value.at + 1;
	inside->end = value.end - 1;
	return true;
}

/* What follows a member or item: a comma and another one, or the end. */
static enum scan scan_after(struct span *inside)
{
	skip_blanks(inside);
	if (inside->at == inside->end)
		return SCAN_NEXT;
	return take(inside, ',') ? SCAN_NEXT : SCAN_WRONG;
}

enum scan scan_member(struct span *inside, struct member *member)
{
	skip_blanks(inside);
	if (inside->at == inside->end)
		return SCAN_END;
	member->key.at = inside->at + 1;
	if (!take_string(inside))
		return SCAN_WRONG;
	member->key.end = inside->at - 1;
	if (!take(inside, ':') || !take_value(inside, &member->value))
		return SCAN_WRONG;
	return scan_after(inside);
}

enum scan scan_item(struct span *inside, struct span *item)
{
	skip_blanks(inside);
	if (inside->at == inside->end)
		return SCAN_END;
	return take_value(inside, item) ? scan_after(inside) : SCAN_WRONG;
}

bool row_read(struct row *row, struct span object)
{
	struct member more;
	struct span inside;
	enum scan scan;

	row->text = object;
	row->count = 0;
	if (!scan_enter(&inside, object) || *object.at != '{')
		return false;
	do {
		bool room = row->count < ROW_MEMBERS;
		scan = scan_member(&inside, room ? &row->members[row->count] : &more);
		row->count += scan == SCAN_NEXT && room;
	} while (scan == SCAN_NEXT);
	return scan == SCAN_END;
}

bool span_is(struct span span, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(span.end - span.at) == length && !memcmp(span.at, text, length);
}

static struct span value_in(struct span object, const char *key)
{
	struct span inside, none = { NULL, NULL };
	struct member member;

	if (!scan_enter(&inside, object))
		return none;
	while (scan_member(&inside, &member) == SCAN_NEXT)
		if (span_is(member.key, key))
			return member.value;
	return none;
}

struct span row_value(const struct row *row, const char *key)
{
	size_t length = strcspn(key, ".");
	struct span none = { NULL, NULL };

	for (int i = 0; i < row->count; i++) {
		struct span name = row->members[i].key;

		if ((size_t)(name.end - name.at) != length || memcmp(name.at, key, length) != 0)
			continue;
		return key[length] ? value_in(row->members[i].value, key + length + 1)
				   : row->members[i].value;
	}
	return none;
}

unsigned long long span_number(struct span span)
{
	unsigned long long number = 0;

	for (; span.at < span.end; span.at++) {
		if (*span.at < '0' || *span.at > '9')
			return 0;
		number = number * 10 + (unsigned long long)(*span.at - '0');
	}
	return number;
}

void span_text(struct span span, char *buffer, size_t size)
{
	size_t length = (size_t)(span.end - span.at);
	json_t *json;

	*buffer = 0;
	if (!length)
		return;
	if (length >= 2 && *span.at == '"' && !memchr(span.at, '\\', length)) {
		span.at++;
		length -= 2;
	} else if (*span.at == '"') {
		json = json_loadb(span.at, length, JSON_DECODE_ANY, NULL);
		snprintf(buffer, size, "%s", json_is_string(json) ? json_string_value(json) : "");
		json_decref(json);
		return;
	}
	length = length < size ? length : size - 1;
	memcpy(buffer, span.at, length);
	buffer[length] = 0;
}
