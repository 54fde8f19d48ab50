// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a configuration. Besides what the sanitizers see: a refusal says at least one thing and how to mend it,
 * on a line that exists; what is taken prints to what reads back and prints the same.
 *
 * The sources are included, so that they are compiled with the fuzzer's own counters.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "daemon/address.c"
#include "daemon/config_report.c"
#include "daemon/config_tree.c"
#include "daemon/config_keys.c"
#include "daemon/config_check.c"
#include "daemon/config_fixed.c"
#include "daemon/config_mappings.c"
#include "daemon/config_value.c"
#include "daemon/config_read.c"
#include "daemon/config_print.c"
#include "daemon/config.c"
/* NOLINTEND(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void report_require(const struct settings_report *report, const char *text, size_t size)
{
	unsigned int lines = 1;

	/* YAML has more kinds of line ends than this counts: each byte may be one. */
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] >= 0x80;
	require(report->count >= 1 && report->count <= SETTINGS_NOTES_MAX);
	for (unsigned int i = 0; i < report->count; i++) {
		const struct settings_note *note = &report->notes[i];

		require(note->what[0] && note->mend[0]);
		require(note->line >= 1 && note->line <= lines);
		require(!i || report->notes[i - 1].line <= note->line);
	}
}

static char *print(const struct settings *settings)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	require(file && !settings_print(file, settings));
	fclose(file);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings_report report;
	struct settings *first, *second;
	char *once, *twice;

	if (settings_parse((const char *)data, size, "fuzz", &first, &report)) {
		require(!first);
		report_require(&report, (const char *)data, size);
		return 0;
	}
	require(!report.count);
	once = print(first);
	require(!settings_parse(once, strlen(once), "again", &second, &report));
	twice = print(second);
	require(!strcmp(once, twice));
	free(once);
	free(twice);
	settings_free(first);
	settings_free(second);
	return 0;
}
