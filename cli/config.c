// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* check and show: the one file of cli/ that knows the daemon's reader of configurations. */
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "daemon/config.h"

static int interface_probe(void *context, const struct settings_interface *interface)
{
	(void)context;
	return if_nametoindex(interface->name) ? 0 : -ENODEV;
}

static json_t *notes_json(json_t *list, const struct settings_report *report)
{
	for (unsigned int i = 0; i < report->count; i++) {
		const struct settings_note *note = &report->notes[i];
		json_t *row = json_pack("{s:s, s:s, s:s, s:i}", "error", note->what, "mend", note->mend, "at",
					report->name, "line", (int)note->line);
		json_array_append_new(list, row);
	}
	return list;
}

/* missing: what settings_probe() said, or NULL. */
static void check_print_json(const struct settings_report *errors, const struct settings *settings,
			     const struct settings_report *missing)
{
	json_t *warnings = json_array(), *json;

	if (settings)
		notes_json(warnings, &settings->warnings);
	if (missing)
		notes_json(warnings, missing);
	json = json_pack("{s:b, s:o, s:o}", "ok", settings != NULL, "errors",
			 notes_json(json_array(), errors), "warnings", warnings);
	output_json(json);
	json_decref(json);
}

int check_run(const struct options *options)
{
	static struct settings_report errors, missing;
	const char *file = options->arguments[0];
	struct settings *settings = NULL;
	int error = settings_load(file, &settings, &errors);

	if (!error)
		settings_probe(settings, file, interface_probe, NULL, &missing);
	if (options->json) {
		if (!error)
			memset(&errors, 0, sizeof(errors));
		check_print_json(&errors, settings, error ? NULL : &missing);
	} else if (error) {
		settings_report_print(stderr, "error", &errors);
	} else {
		settings_report_print(stderr, "warning", &settings->warnings);
		settings_report_print(stderr, "warning", &missing);
		printf("%s: good\n", file);
	}
	settings_free(settings);
	return error ? STATUS_FAILED : STATUS_DONE;
}

/* JSON is YAML: what the daemon told is read as a file would be, and printed as one. */
static int config_print(const json_t *json)
{
	static struct settings_report report;
	struct settings *settings = NULL;
	char *text = json_dumps(json, JSON_INDENT(1));
	int error =
		text ? settings_parse(text, strlen(text), "the daemon's configuration", &settings, &report)
		     : -ENOMEM;

	if (!error)
		error = settings_print(stdout, settings);
	else if (text)
		settings_report_print(stderr, "error", &report);
	settings_free(settings);
	free(text);
	return error ? STATUS_FAILED : STATUS_DONE;
}

int show_run(const struct options *options)
{
	struct url url;

	if (strcmp(options->arguments[0], "config") != 0) {
		complain("cannot show \"%s\"; there is 'keepnat show config'", options->arguments[0]);
		return STATUS_USAGE;
	}
	url_start(&url, "/v1/config");
	return client_show(options, &url, config_print);
}
