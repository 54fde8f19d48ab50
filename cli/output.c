// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/output.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* Room for the widest value of each format: "255.255.255.255:65535", "999.9k", "999d23h", "established". */
static const int widths[] = {
	[FORMAT_TEXT] = 15,	[FORMAT_WORD] = 7,   [FORMAT_SHORT] = 3,   [FORMAT_NAME] = 20,
	[FORMAT_ENDPOINT] = 21, [FORMAT_COUNT] = 6,  [FORMAT_SECONDS] = 7, [FORMAT_TIME] = 24,
	[FORMAT_STATE] = 11,	[FORMAT_FLAGS] = 10,
};

static bool format_is_right(enum format format) { return format == FORMAT_COUNT || format == FORMAT_SECONDS; }

bool output_has_colour(void)
{
	const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(off && *off) && terminal && strcmp(terminal, "dumb") != 0;
}

static const char *state_colour(const char *state)
{
	static const char *const colours[][2] = {
		{ "established", "\033[32m" }, { "translate", "\033[32m" }, { "init", "\033[36m" },
		{ "closing", "\033[33m" },     { "drop", "\033[31m" },	    { "error", "\033[31m" },
		{ "warning", "\033[33m" },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (!strcmp(colours[i][0], state))
			return colours[i][1];
	return NULL;
}

/*
 * Cells
 */

static const json_t *json_at(const json_t *json, const char *key)
{
	const char *dot = strchr(key, '.');
	char outer[32];

	if (!dot)
		return json_object_get(json, key);
	snprintf(outer, sizeof(outer), "%.*s", (int)(dot - key), key);
	return json_object_get(json_object_get(json, outer), dot + 1);
}

unsigned long long json_number_at(const json_t *json, const char *key)
{
	return (unsigned long long)json_integer_value(json_at(json, key));
}

const char *json_text_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_at(json, key));

	return text ? text : "";
}

const char *count_text(char text[CELL_SIZE], unsigned long long count)
{
	static const char units[] = "kMGTPE";
	double scaled = (double)count;
	size_t unit = 0;

	if (count < 100000) {
		snprintf(text, CELL_SIZE, "%llu", count);
		return text;
	}
	scaled /= 1000;
	while (scaled >= 999.95) {
		scaled /= 1000;
		unit++;
	}
	snprintf(text, CELL_SIZE, "%.1f%c", scaled, units[unit]);
	return text;
}

const char *seconds_text(char text[CELL_SIZE], unsigned long long s)
{
	if (s < 60)
		snprintf(text, CELL_SIZE, "%llus", s);
	else if (s < 3600)
		snprintf(text, CELL_SIZE, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, CELL_SIZE, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(text, CELL_SIZE, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return text;
}

/* The names of the members that are true. */
static void flags_text(char text[CELL_SIZE], const struct row *row, const char *names)
{
	size_t used = 0;

	*text = 0;
	while (*names) {
		char name[CELL_SIZE];
		size_t length = strcspn(names, " ");

		snprintf(name, sizeof(name), "%.*s", (int)length, names);
		if (span_is(row_value(row, name), "true"))
			used += (size_t)snprintf(text + used, CELL_SIZE - used, "%s%s", used ? "," : "",
						 name);
		names += length + (names[length] == ' ');
	}
	if (!used)
		snprintf(text, CELL_SIZE, "-");
}

static void value_text(char text[CELL_SIZE], struct span value)
{
	if (span_is(value, "true") || span_is(value, "false"))
		snprintf(text, CELL_SIZE, "%s", span_is(value, "true") ? "yes" : "no");
	else if (value.at == value.end || span_is(value, "null"))
		snprintf(text, CELL_SIZE, "-");
	else
		span_text(value, text, CELL_SIZE);
}

static void cell_text(char text[CELL_SIZE], const struct column *column, const struct row *row)
{
	struct span value = row_value(row, column->key);
	bool number = value.at < value.end && *value.at >= '0' && *value.at <= '9';
	size_t used;

	if (column->format == FORMAT_FLAGS) {
		flags_text(text, row, column->key);
	} else if (column->format == FORMAT_COUNT && number) {
		count_text(text, span_number(value));
	} else if (column->format == FORMAT_SECONDS && number) {
		seconds_text(text, span_number(value));
	} else {
		value_text(text, value);
		used = strlen(text);
		if (column->port && value.at < value.end)
			snprintf(text + used, CELL_SIZE - used, ":%llu",
				 span_number(row_value(row, column->port)));
	}
}

static void cell_print(const struct column *column, const char *text, const char *colour)
{
	bool last = !column[1].title;
	int width = widths[column->format], title = (int)strlen(column->title);

	if (title > width)
		width = title;
	if (colour)
		fputs(colour, stdout);
	if (last && !format_is_right(column->format))
		fputs(text, stdout);
	else
		printf("%*s", format_is_right(column->format) ? width : -width, text);
	if (colour)
		fputs(PLAIN, stdout);
	fputs(last ? "\n" : " ", stdout);
}

/*
 * Lists
 */

void output_begin(struct output *output, const char *name, const struct column *columns, bool json)
{
	*output = (struct output){
		.name = name, .columns = columns, .json = json, .colour = !json && output_has_colour()
	};
	if (json) {
		printf("{\"%s\":[", name);
		return;
	}
	for (const struct column *column = columns; column->title; column++)
		cell_print(column, column->title, output->colour ? BOLD : NULL);
}

void output_row(struct output *output, const struct row *row)
{
	char text[CELL_SIZE];

	output->rows++;
	if (output->json) {
		fputs(output->rows > 1 ? ",\n" : "\n", stdout);
		fwrite(row->text.at, 1, (size_t)(row->text.end - row->text.at), stdout);
		return;
	}
	for (const struct column *column = output->columns; column->title; column++) {
		cell_text(text, column, row);
		cell_print(column, text,
			   output->colour && column->format == FORMAT_STATE ? state_colour(text) : NULL);
	}
}

void output_end(struct output *output)
{
	if (output->json)
		puts("\n]}");
}

void output_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
}
