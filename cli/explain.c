// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* explain: what would become of a packet, and why. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

static void explanation_print(const json_t *json)
{
	const json_t *step;
	size_t i;

	json_array_foreach(json_object_get(json, "steps"), i, step)
		printf("%2zu. %s\n", i + 1, json_text_at(step, "text"));
	puts(json_text_at(json, "outcome"));
}

int explain_run(const struct options *options)
{
	static const char *const names[] = { "direction", "protocol", "source", "destination" };
	struct client *client;
	struct url url;
	json_t *json;
	int status = client_open(options, &client);

	if (status)
		return status;
	url_start(&url, "/v1/explain");
	for (int i = 0; i < options->argument_count; i++)
		url_add(&url, names[i], options->arguments[i]);
	url_add(&url, "tcp_flags", options->tcp_flags);
	url_add(&url, "interface", options->interface);
	status = client_get(client, &url, &json);
	client_close(client);
	if (status)
		return status;
	if (options->json)
		output_json(json);
	else
		explanation_print(json);
	json_decref(json);
	return STATUS_DONE;
}
