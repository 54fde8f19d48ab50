// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/config_report.h"

#include <stdarg.h>
#include <string.h>

void report_init(struct settings_report *report, const char *name)
{
	memset(report, 0, sizeof(*report));
	snprintf(report->name, sizeof(report->name), "%s", name);
}

void report_what(struct settings_report *report, unsigned int line, const char *format, ...)
{
	struct settings_note *note;
	va_list args;

	if (report->count == SETTINGS_NOTES_MAX) {
		report->more++;
		return;
	}
	note = &report->notes[report->count++];
	note->line = line;
	va_start(args, format);
	vsnprintf(note->what, sizeof(note->what), format, args);
	va_end(args);
}

void report_mend(struct settings_report *report, const char *format, ...)
{
	struct settings_note *note = &report->notes[report->count - 1];
	va_list args;

	if (report->more > 0)
		return;
	va_start(args, format);
	vsnprintf(note->mend, sizeof(note->mend), format, args);
	va_end(args);
}

bool report_full(const struct settings_report *report) { return report->more > 0; }

void report_sort(struct settings_report *report)
{
	/* Insertion: at most SETTINGS_NOTES_MAX, nearly in order, and stable. */
	for (unsigned int i = 1; i < report->count; i++) {
		struct settings_note note = report->notes[i];
		unsigned int at = i;

		for (; at > 0 && report->notes[at - 1].line > note.line; at--)
			report->notes[at] = report->notes[at - 1];
		report->notes[at] = note;
	}
}

const char *report_quote(char quoted[REPORT_QUOTE_SIZE], const char *text)
{
	static const char cut[] = "...";
	size_t room = REPORT_QUOTE_SIZE - sizeof(cut) - 1;
	size_t size = 0;

	quoted[size++] = '"';
	for (; *text && size < room; text++)
		quoted[size++] = *text >= ' ' && *text <= '~' ? *text : '?';
	if (*text) {
		memcpy(quoted + size, cut, sizeof(cut) - 1);
		size += sizeof(cut) - 1;
	}
	quoted[size++] = '"';
	quoted[size] = '\0';
	return quoted;
}

const char *report_place(char place[REPORT_PLACE_SIZE], unsigned int line)
{
	place[0] = '\0';
	if (line > 0)
		snprintf(place, REPORT_PLACE_SIZE, " on line %u", line);
	return place;
}

void report_list_add(char *list, size_t size, const char *word, const char *between)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used ? between : "", word);
}

void settings_report_print(FILE *file, const char *severity, const struct settings_report *report)
{
	for (unsigned int i = 0; i < report->count; i++) {
		const struct settings_note *note = &report->notes[i];

		if (note->line > 0)
			fprintf(file, "%s:%u: %s: %s; %s\n", report->name, note->line, severity, note->what,
				note->mend);
		else
			fprintf(file, "%s: %s: %s; %s\n", report->name, severity, note->what, note->mend);
	}
	if (report->more > 0)
		fprintf(file, "%s: %s: more of them, not listed\n", report->name, severity);
}
