// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `monitor`: events as they come, in the columns of `events`. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/rows.h"

struct monitor {
	const struct options *options;
	struct output output;
	unsigned long long left;
};

static bool event_print(void *context, const char *event, const char *data)
{
	struct monitor *monitor = context;
	struct row row;

	if (!strcmp(event, "lost")) {
		complain("events were lost, for they came faster than they were read: %s", data);
		return true;
	}
	if (monitor->options->json)
		puts(data);
	else if (row_read(&row, (struct span){ data, data + strlen(data) }))
		output_row(&monitor->output, &row);
	fflush(stdout);
	return --monitor->left && !ferror(stdout);
}

int monitor_run(const struct options *options)
{
	struct monitor monitor = { .options = options };
	struct client *client;
	struct url url;
	int status = limit_read(options->limit, &monitor.left);

	if (!status)
		status = client_open(options, &client);
	if (status)
		return status;
	url_start(&url, "/v1/events");
	url_add(&url, "severity", options->severity);
	url_add(&url, "event", options->event);
	url_add(&url, "cursor", options->all ? "0" : NULL);
	if (!options->json)
		output_begin(&monitor.output, "events", event_columns, false);
	fflush(stdout);
	status = client_follow(client, &url, event_print, &monitor);
	client_close(client);
	return status;
}
