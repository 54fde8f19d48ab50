/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as what another system wrote. Besides what the sanitizers see: each note says what is wrong and how to mend it, on a line
 * that exists; and what is printed is taken as a configuration.
 *
 * Included by the fuzzer of each importer, with the sources, so that they have the fuzzer's own counters.
 */
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "cli/import/draft.c"
#include "cli/import/text.c"
/* NOLINTEND(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void complain(const char *format, ...) { (void)format; }

static inline void require(bool holds)
{
	if (!holds)
		abort();
}

static inline void printed_require(struct draft *draft)
{
	static struct settings_report report;
	struct settings *settings = NULL;
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	require(file != NULL);
	draft_print(draft, file);
	fclose(file);
	require(!settings_parse(text, size, "printed", &settings, &report));
	settings_free(settings);
	free(text);
}

/* The rest of one run: `read` has an importer read the text. */
static inline void import_one(const uint8_t *data, size_t size, void (*read)(struct draft *draft, char *text))
{
	struct draft draft;
	unsigned int lines = 1;
	char *text = text_decode((const char *)data, size);

	require(text != NULL);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	draft_init(&draft, "fuzz");
	read(&draft, text);
	draft_complete(&draft, "in0", NULL);
	if (draft_settle(&draft))
		printed_require(&draft);
	else
		require(draft.note_count > 0);
	for (int i = 0; i < draft.note_count; i++)
		require(draft.notes[i].what[0] && draft.notes[i].mend[0] && draft.notes[i].line <= lines);
	draft_free(&draft);
	free(text);
}
