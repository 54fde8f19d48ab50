// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* reset: order it, and with --wait poll until the sweep has counted what it did. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

enum { WAIT_SECONDS = 120, POLL_MILLISECONDS = 50 };

static int keep_check(const char *keep)
{
	if (!keep || !strcmp(keep, "mappings") || !strcmp(keep, "hosts") || !strcmp(keep, "none"))
		return STATUS_DONE;
	complain("--keep is mappings, hosts or none, not \"%s\"", keep);
	return STATUS_USAGE;
}

static bool is_complete(const json_t *json) { return json_is_true(json_object_get(json, "complete")); }

/* Until the report in *json is complete; it is replaced by later ones. */
static int report_wait(struct client *client, const struct url *url, json_t **json)
{
	const struct timespec pause = { .tv_nsec = POLL_MILLISECONDS * 1000000L };
	int status = STATUS_DONE;

	for (int i = 0; i < WAIT_SECONDS * 1000 / POLL_MILLISECONDS && !is_complete(*json); i++) {
		nanosleep(&pause, NULL);
		json_decref(*json);
		*json = NULL;
		status = client_get(client, url, json);
		if (status)
			return status;
	}
	if (is_complete(*json))
		return STATUS_DONE;
	complain("the reset is done, but no pass of the sweep has counted it within %d s; see keepnatd's log",
		 WAIT_SECONDS);
	return STATUS_FAILED;
}

static void report_print(const json_t *json)
{
	static const char *const rows[][2] = {
		{ "sessions ended", "sessions_ended" }, { "sessions now", "sessions_now" },
		{ "mappings kept", "mappings_kept" },	{ "mappings ended", "mappings_ended" },
		{ "hosts kept", "hosts_kept" },		{ "hosts ended", "hosts_ended" },
		{ "hosts to move", "hosts_moved" },	{ "skipped", "skipped" },
	};
	unsigned long long coalesced = json_number_at(json, "coalesced");

	printf("%s is reset, keeping %s%s", json_text_at(json, "interface"),
	       !strcmp(json_text_at(json, "keep"), "mappings") ? "hosts and " : "",
	       json_text_at(json, "keep"));
	printf(coalesced > 1 ? " (one report of %llu resets)\n" : "\n", coalesced);
	for (size_t i = 0; is_complete(json) && i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%-16s%llu\n", rows[i][0], json_number_at(json, rows[i][1]));
}

static int interface_reset(const struct options *options, struct client *client)
{
	struct url url;
	char body[64], path[128];
	json_t *json = NULL;
	int status;

	snprintf(path, sizeof(path), "/v1/interfaces/%.64s/reset", options->arguments[0]);
	snprintf(body, sizeof(body), "{\"keep\":\"%s\",\"wait\":%s}",
		 options->keep ? options->keep : "mappings", options->wait ? "true" : "false");
	url_start(&url, path);
	status = client_post(client, &url, body, &json);
	if (!status && options->wait)
		status = report_wait(client, &url, &json);
	if (!status && options->json)
		output_json(json);
	else if (!status)
		report_print(json);
	json_decref(json);
	return status;
}

int reset_run(const struct options *options)
{
	struct client *client;
	int status = keep_check(options->keep);

	if (!status)
		status = client_open(options, &client);
	if (status)
		return status;
	status = interface_reset(options, client);
	client_close(client);
	return status;
}
