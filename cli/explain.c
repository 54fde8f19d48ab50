// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* explain: what would become of a packet, and why. */
#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

static int explanation_print(const json_t *json)
{
	const json_t *step;
	size_t i;

	json_array_foreach(json_object_get(json, "steps"), i, step)
		printf("%2zu. %s\n", i + 1, json_text_at(step, "text"));
	puts(json_text_at(json, "outcome"));
	return STATUS_DONE;
}

int explain_run(const struct options *options)
{
	static const char *const names[] = { "direction", "protocol", "source", "destination" };
	struct url url;

	url_start(&url, "/v1/explain");
	for (int i = 0; i < options->argument_count; i++)
		url_add(&url, names[i], options->arguments[i]);
	url_add(&url, "tcp_flags", options->tcp_flags);
	url_add(&url, "interface", options->interface);
	return client_show(options, &url, explanation_print);
}
