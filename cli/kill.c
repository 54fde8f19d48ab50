// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* kill: end what a selector names. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

static int usage(const char *text)
{
	complain("%s; try 'keepnat help kill'", text);
	return STATUS_USAGE;
}

/* The path for what is to be killed, with its selector. */
static int kill_url(const struct options *o, struct url *url)
{
	bool selected = o->host || o->outside || o->remote || o->protocol || o->interface;
	const char *what = o->argument_count ? o->arguments[0] : "";
	char path[96];

	if (!strcmp(what, "host")) {
		if (o->argument_count != 2 || o->host || o->outside || o->remote || o->protocol)
			return usage("kill host takes the host's inside address, and at most --interface");
		snprintf(path, sizeof(path), "/v1/hosts/%.64s", o->arguments[1]);
	} else if (!strcmp(what, "session") || !strcmp(what, "mapping")) {
		if (o->argument_count != 1 || !selected)
			return usage("say which by --host, --outside and the like");
		if (o->remote && !strcmp(what, "mapping"))
			return usage("a mapping has no remote endpoint: it is the same for all (kill session "
				     "takes "
				     "--remote)");
		snprintf(path, sizeof(path), "/v1/%ss", what);
	} else {
		return usage("kill takes session, mapping or host");
	}
	url_start(url, path);
	url_add_filter(url, o);
	return STATUS_DONE;
}

static void counts_print(const json_t *json)
{
	static const char *const rows[][2] = {
		{ "sessions ended", "sessions" },
		{ "mappings ended", "mappings" },
		{ "hosts ended", "hosts" },
		{ "kept: of the configuration", "kept" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!i || json_number_at(json, rows[i][1]))
			printf("%-28s%llu\n", rows[i][0], json_number_at(json, rows[i][1]));
}

int kill_run(const struct options *options)
{
	struct client *client;
	json_t *json = NULL;
	struct url url;
	int status = kill_url(options, &url);

	if (!status)
		status = client_open(options, &client);
	if (status)
		return status;
	status = client_delete(client, &url, &json);
	if (!status && options->json)
		output_json(json);
	else if (!status)
		counts_print(json);
	json_decref(json);
	client_close(client);
	return status;
}
