// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Records as lines: JSON, an object each; and syslog messages. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"
#include "daemon/address.h"
#include "daemon/book_sink.h"
#include "daemon/list.h"

enum { LINE_MAX_SIZE = 512, TIME_SIZE = 32 };

static const char *const kinds[TRAIL_KINDS] = {
	[TRAIL_MAPPING_BEGIN] = "mapping_begin",
	[TRAIL_MAPPING_END] = "mapping_end",
	[TRAIL_BLOCK_BEGIN] = "block_begin",
	[TRAIL_BLOCK_END] = "block_end",
	[TRAIL_SESSION_BEGIN] = "session_begin",
	[TRAIL_SESSION_END] = "session_end",
	[TRAIL_BINDING_BEGIN] = "binding_begin",
	[TRAIL_BINDING_END] = "binding_end",
	[TRAIL_LOST] = "records_lost",
	[TRAIL_ADDRESSES_EXHAUSTED] = "addresses_exhausted",
	[TRAIL_PORTS_EXHAUSTED] = "ports_exhausted",
	[TRAIL_QUOTA_EXCEEDED] = "quota_exceeded",
	[TRAIL_POOL_HIGH] = "pool_high",
	[TRAIL_POOL_LOW] = "pool_low",
	[TRAIL_MAPPINGS_HIGH] = "mappings_high",
	[TRAIL_BINDINGS_HIGH] = "bindings_high",
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

static bool is_binding(const struct trail_record *r)
{
	return r->kind == TRAIL_BINDING_BEGIN || r->kind == TRAIL_BINDING_END;
}

/* Is it of all of the NAT, not of one outside interface? */
static bool is_of_all(const struct trail_record *r)
{
	return r->kind == TRAIL_LOST || r->kind == TRAIL_MAPPINGS_HIGH || r->kind == TRAIL_BINDINGS_HIGH;
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

/* Behind what was added: "key":"value" in JSON, key=value in a syslog message. Names and words are of ASCII that can be printed. */
struct style {
	const char *before, *between, *after; /* of what is text; numbers have no quotes */
	const char *number_before;
	bool escapes;
};

static const struct style json_style = { ",\"", "\":\"", "\"", "\":", true };
static const struct style words_style = { " ", "=", "", "=", false };

static void text_add(struct line *line, const struct style *style, const char *key, const char *text)
{
	line_add(line, "%s%s%s", style->before, key, style->between);
	for (; *text; text++)
		line_add(line, "%s%c", style->escapes && (*text == '"' || *text == '\\') ? "\\" : "", *text);
	line_add(line, "%s", style->after);
}

static void number_add(struct line *line, const struct style *style, const char *key, u64 number)
{
	line_add(line, "%s%s%s%llu", style->before, key, style->number_before, (unsigned long long)number);
}

static void address_add(struct line *line, const struct style *style, const char *key, __be32 address)
{
	char text[ADDRESS_TEXT_SIZE];

	text_add(line, style, key, address_format(text, (struct in_addr){ address }));
}

/* What has run out, or is about to, and where. */
static void shortage_add(struct line *line, const struct style *style, const struct trail_record *r)
{
	static const char *const quotas[TRAIL_QUOTAS] = {
		[TRAIL_SESSIONS] = "sessions",
		[TRAIL_MAPPINGS] = "mappings",
		[TRAIL_OF_HOST] = "host",
		[TRAIL_HOSTS] = "hosts",
	};

	if (r->quota)
		text_add(line, style, "quota", quotas[r->quota]);
	if (r->count)
		number_add(line, style, "limit", r->count);
	if (r->inside)
		address_add(line, style, "inside_address", r->inside);
	if (r->outside)
		address_add(line, style, "outside_address", r->outside);
}

static void ports_add(struct line *line, const struct style *style, const struct trail_record *r)
{
	address_add(line, style, "inside_address", r->inside);
	if (is_binding(r)) {
		address_add(line, style, "outside_address", r->outside);
		return;
	}
	if (!is_block(r))
		number_add(line, style, "inside_port", r->inside_port);
	address_add(line, style, "outside_address", r->outside);
	number_add(line, style, is_block(r) ? "first_port" : "outside_port", r->outside_port);
	if (is_block(r))
		number_add(line, style, "last_port", r->last_port);
	if (!r->remote)
		return;
	address_add(line, style, "remote_address", r->remote);
	number_add(line, style, "remote_port", r->remote_port);
}

/* All but what kind of record it is, and its time. */
static void fields_add(struct line *line, const struct style *style, const struct book_names *names,
		       const struct trail_record *r)
{
	char when[TIME_SIZE];

	if (r->kind == TRAIL_LOST) {
		number_add(line, style, "count", r->count);
	} else {
		if (r->since)
			text_add(line, style, "since", time_format(when, r->since));
		if (r->protocol)
			text_add(line, style, "protocol", protocol_name(r->protocol));
		if (r->kind < TRAIL_LOST)
			ports_add(line, style, r);
		else
			shortage_add(line, style, r);
		if (!is_of_all(r))
			text_add(line, style, "interface", names->interfaces[r->interface % MAX_INTERFACES]);
	}
	text_add(line, style, "instance", names->instance);
}

static bool is_datagram(const struct sink *sink)
{
	return sink->to.transport == SETTINGS_TO_UDP || sink->to.transport == SETTINGS_TO_UNIX;
}

/* As many lines as fit; a datagram has one. */
static size_t lines_pack(struct sink *sink, const struct book_names *names,
			 const struct trail_record *records, unsigned int count, unsigned int *taken,
			 void (*add)(struct line *line, struct sink *sink, const struct book_names *names,
				     const struct trail_record *r))
{
	struct line line = { .text = (char *)sink->out, .size = sizeof(sink->out) };

	for (*taken = 0; *taken < count && line.size - line.used > LINE_MAX_SIZE; ++*taken) {
		if (is_datagram(sink) && *taken)
			break;
		add(&line, sink, names, &records[*taken]);
	}
	return line.used;
}

static void lines_begin(struct sink *sink) { (void)sink; }

/*
 * JSON
 */

static void json_add(struct line *line, struct sink *sink, const struct book_names *names,
		     const struct trail_record *r)
{
	char when[TIME_SIZE];

	(void)sink;
	line_add(line, "{\"time\":\"%s\",\"event\":\"%s\"", time_format(when, r->when), kinds[r->kind]);
	fields_add(line, &json_style, names, r);
	line_add(line, "}\n");
}

static size_t json_pack(struct sink *sink, const struct book_names *names, const struct trail_record *records,
			unsigned int count, u64 now, unsigned int *taken)
{
	(void)now;
	return lines_pack(sink, names, records, count, taken, json_add);
}

const struct sink_format book_json = { .name = "json", .pack = json_pack, .begin = lines_begin };

/*
 * Syslog (RFC 5424). In a stream each message has its length before it (RFC 6587 section 3.4.1); a file has lines.
 */

enum { SYSLOG_PRIORITY = 16 * 8 + 6 }; /* local0, informational */

static void syslog_add(struct line *line, struct sink *sink, const struct book_names *names,
		       const struct trail_record *r)
{
	char text[LINE_MAX_SIZE], when[TIME_SIZE];
	struct line message = { .text = text, .size = sizeof(text) };

	line_add(&message, "<%d>1 %s %s keepnatd %d %s -", SYSLOG_PRIORITY, time_format(when, r->when),
		 names->host, (int)getpid(), kinds[r->kind]);
	fields_add(&message, &words_style, names, r);
	if (sink->to.transport == SETTINGS_TO_TCP)
		line_add(line, "%zu %s", message.used, text);
	else
		line_add(line, "%s%s", text, sink->to.transport == SETTINGS_TO_FILE ? "\n" : "");
}

static size_t syslog_pack(struct sink *sink, const struct book_names *names,
			  const struct trail_record *records, unsigned int count, u64 now,
			  unsigned int *taken)
{
	(void)now;
	return lines_pack(sink, names, records, count, taken, syslog_add);
}

const struct sink_format book_syslog = { .name = "syslog", .pack = syslog_pack, .begin = lines_begin };
