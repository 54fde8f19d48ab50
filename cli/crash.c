// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* crash: recoveries from serious errors, listed, shown and acknowledged. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

static void crash_list_print(const json_t *crashes)
{
	for (size_t i = 0; i < json_array_size(crashes); i++) {
		const json_t *crash = json_array_get(crashes, i);

		printf("%s %s %s %s%s\n", json_text_at(crash, "crash"), json_text_at(crash, "time"),
		       json_text_at(crash, "signature"), json_text_at(crash, "error"),
		       json_is_true(json_object_get(crash, "unread")) ? " (unread)" : "");
	}
}

static int crash_ask(struct client *client, const char *path, bool post, json_t **json)
{
	struct url url;

	url_start(&url, path);
	return post ? client_post(client, &url, "", json) : client_get(client, &url, json);
}

/* The one that is named, or the newest. */
static int crash_show(struct client *client, const char *name, bool as_json)
{
	char path[128];
	json_t *list, *json;
	int status = crash_ask(client, "/v1/crashes", false, &list);

	if (status)
		return status;
	if (!name)
		name = json_text_at(json_array_get(json_object_get(list, "crashes"), 0), "crash");
	if (!*name)
		puts("there were none");
	snprintf(path, sizeof(path), "/v1/crashes/%.64s", name);
	if (*name && !(status = crash_ask(client, path, false, &json))) {
		if (as_json)
			output_json(json);
		else
			fputs(json_text_at(json, "report"), stdout);
		json_decref(json);
	}
	json_decref(list);
	return status;
}

static int crash_print(struct client *client, bool ack, bool as_json)
{
	json_t *json;
	int status = crash_ask(client, ack ? "/v1/crashes/ack" : "/v1/crashes", ack, &json);

	if (status)
		return status;
	if (as_json)
		output_json(json);
	else if (ack)
		printf("%llu acknowledged\n", json_number_at(json, "acknowledged"));
	else
		crash_list_print(json_object_get(json, "crashes"));
	json_decref(json);
	return STATUS_DONE;
}

int crash_run(const struct options *options)
{
	const char *what = options->argument_count ? options->arguments[0] : "list";
	bool list = !strcmp(what, "list"), ack = !strcmp(what, "ack");
	struct client *client;
	int status;

	if ((!list && !ack && strcmp(what, "show") != 0) || (options->argument_count > 1 && (list || ack))) {
		complain("usage: keepnat crash list | show [CRASH] | ack");
		return STATUS_USAGE;
	}
	status = client_open(options, &client);
	if (status)
		return status;
	client_told(client); /* this is where one is sent by the notice */
	status = list || ack ? crash_print(client, ack, options->json)
			     : crash_show(client, options->argument_count > 1 ? options->arguments[1] : NULL,
					  options->json);
	client_close(client);
	return status;
}
