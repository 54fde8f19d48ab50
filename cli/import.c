// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* import: from another system's NAT to the YAML that does the same, and line by line what could not come along. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/import/draft.h"
#include "cli/import/iptables.h"
#include "cli/import/netsh.h"
#include "cli/import/nft.h"
#include "cli/import/text.h"
#include "cli/output.h"

/* All of a file, decoded; NULL: why was said. */
static char *source_load(const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	char *bytes = malloc(SETTINGS_TEXT_MAX + 1), *text = NULL;
	size_t size = 0;

	if (file && bytes)
		size = fread(bytes, 1, SETTINGS_TEXT_MAX + 1, file);
	if (!file || !bytes || ferror(file))
		complain("cannot read %s: %s", path, strerror(errno));
	else if (size > SETTINGS_TEXT_MAX)
		complain("%s has more than %d MiB: that is no NAT; name the file that has it", path,
			 SETTINGS_TEXT_MAX >> 20);
	else if (!(text = text_decode(bytes, size)))
		complain("out of memory");
	if (file && file != stdin)
		fclose(file);
	free(bytes);
	return text;
}

static json_t *notes_json(const struct draft *draft)
{
	json_t *list = json_array();

	for (int i = 0; i < draft->note_count; i++) {
		const struct draft_note *note = &draft->notes[i];

		json_array_append_new(list,
				      json_pack("{s:s, s:i, s:s, s:s}", "severity",
						draft_severity_name(note->severity), "line", (int)note->line,
						"what", note->what, "mend", note->mend));
	}
	return list;
}

static void print_json(struct draft *draft, bool good)
{
	char *text = NULL;
	size_t size;
	FILE *file = good ? open_memstream(&text, &size) : NULL;
	json_t *json;

	if (file) {
		draft_print(draft, file);
		fclose(file);
	}
	json = json_pack("{s:s?, s:o}", "configuration", text, "notes", notes_json(draft));
	output_json(json);
	json_decref(json);
	free(text);
}

static int lines_left(const struct draft *draft)
{
	int count = 0;

	for (int i = 0; i < draft->note_count; i++)
		count += draft->notes[i].severity != DRAFT_TOLD;
	return count;
}

int import_run(const struct options *options)
{
	const char *from = options->arguments[0], *path = options->arguments[1];
	struct draft draft;
	char *text;
	bool good;

	if (strcmp(from, "netsh") != 0 && strcmp(from, "nft") != 0 && strcmp(from, "iptables") != 0) {
		complain("cannot import from \"%s\"; there are netsh, nft and iptables", from);
		return STATUS_USAGE;
	}
	text = source_load(path);
	if (!text)
		return STATUS_FAILED;
	draft_init(&draft, strcmp(path, "-") ? path : "stdin");
	if (!strcmp(from, "netsh"))
		netsh_read(&draft, text, options->rename);
	else if (!strcmp(from, "nft"))
		nft_read(&draft, text, options->inside, options->outside);
	else
		iptables_read(&draft, text, options->inside, options->outside);
	draft_complete(&draft, options->inside, options->outside);
	good = draft_settle(&draft);
	if (options->json) {
		print_json(&draft, good);
	} else {
		draft_notes_print(&draft, stderr, "");
		if (good)
			draft_print(&draft, stdout);
	}
	good = good && !lines_left(&draft);
	draft_free(&draft);
	free(text);
	return good ? STATUS_DONE : STATUS_FAILED;
}
