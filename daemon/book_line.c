// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Records as lines: JSON, an object each. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/env.h"
#include "daemon/address.h"
#include "daemon/book_sink.h"
#include "daemon/list.h"

enum { LINE_MAX_SIZE = 512, TIME_SIZE = 32 };

static const char *const kinds[TRAIL_KINDS] = {
	[TRAIL_MAPPING_BEGIN] = "mapping_begin", [TRAIL_MAPPING_END] = "mapping_end",
	[TRAIL_BLOCK_BEGIN] = "block_begin",	 [TRAIL_BLOCK_END] = "block_end",
	[TRAIL_LOST] = "records_lost",
};

/* RFC 3339, with milliseconds. */
static const char *time_format(char text[TIME_SIZE], u64 when)
{
	time_t seconds = (time_t)(when / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, TIME_SIZE - n, ".%03uZ", (unsigned int)(when % 1000));
	return text;
}

static bool is_block(const struct trail_record *r)
{
	return r->kind == TRAIL_BLOCK_BEGIN || r->kind == TRAIL_BLOCK_END;
}

/* A line that grows. */
struct line {
	char *text;
	size_t size, used;
};

static void line_add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line_add(struct line *line, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line->text + line->used, line->size - line->used, format, arguments);
	va_end(arguments);
	if (n > 0)
		line->used += (size_t)n < line->size - line->used ? (size_t)n : line->size - line->used - 1;
}

/* Names are of ASCII that can be printed (config.h); of that only these two mean something to JSON. */
static void line_add_name(struct line *line, const char *key, const char *name)
{
	line_add(line, ",\"%s\":\"", key);
	for (; *name; name++)
		line_add(line, "%s%c", *name == '"' || *name == '\\' ? "\\" : "", *name);
	line_add(line, "\"");
}

static void json_ports(struct line *line, const struct trail_record *r)
{
	char address[ADDRESS_TEXT_SIZE];

	line_add(line, ",\"inside_address\":\"%s\"", address_format(address, (struct in_addr){ r->inside }));
	if (!is_block(r))
		line_add(line, ",\"inside_port\":%u", r->inside_port);
	line_add(line, ",\"outside_address\":\"%s\"",
		 address_format(address, (struct in_addr){ r->outside }));
	if (is_block(r))
		line_add(line, ",\"first_port\":%u,\"last_port\":%u", r->outside_port, r->last_port);
	else
		line_add(line, ",\"outside_port\":%u", r->outside_port);
}

static void json_line(struct line *line, const struct book_names *names, const struct trail_record *r)
{
	char when[TIME_SIZE];

	line_add(line, "{\"time\":\"%s\",\"event\":\"%s\"", time_format(when, r->when), kinds[r->kind]);
	if (r->kind == TRAIL_LOST) {
		line_add(line, ",\"count\":%llu", (unsigned long long)r->count);
	} else {
		if (r->since)
			line_add(line, ",\"since\":\"%s\"", time_format(when, r->since));
		if (r->protocol)
			line_add(line, ",\"protocol\":\"%s\"", protocol_name(r->protocol));
		json_ports(line, r);
		line_add_name(line, "interface", names->interfaces[r->interface % MAX_INTERFACES]);
	}
	line_add_name(line, "instance", names->instance);
	line_add(line, "}\n");
}

static size_t json_pack(struct sink *sink, const struct book_names *names, const struct trail_record *records,
			unsigned int count, u64 now, unsigned int *taken)
{
	struct line line = { .text = (char *)sink->out, .size = sizeof(sink->out) };
	bool datagrams = sink->to.transport == SETTINGS_TO_UDP || sink->to.transport == SETTINGS_TO_UNIX;

	(void)now;
	for (*taken = 0; *taken < count && line.size - line.used > LINE_MAX_SIZE; ++*taken) {
		if (datagrams && *taken)
			break;
		json_line(&line, names, &records[*taken]);
	}
	return line.used;
}

static void json_begin(struct sink *sink) { (void)sink; }

const struct sink_format book_json = { .name = "json", .pack = json_pack, .begin = json_begin };
