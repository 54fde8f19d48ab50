// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* snapshot: have one written now, and say how it goes. */
#include <jansson.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

enum { POLL_MILLISECONDS = 100, QUIET_POLLS = 600 }; /* a minute without any progress */

static void progress_print(const json_t *json)
{
	unsigned long long of = json_number_at(json, "of");

	if (isatty(STDERR_FILENO) && of)
		fprintf(stderr, "\r%3llu %%", json_number_at(json, "done") * 100 / of);
}

static void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r     \r", stderr);
}

/* Until number `number` is there; *json is replaced by later reports. */
static int snapshot_wait(struct client *client, const struct url *url, unsigned long long number,
			 json_t **json)
{
	const struct timespec pause = { .tv_nsec = POLL_MILLISECONDS * 1000000L };
	unsigned long long done = 0;
	int status = STATUS_DONE;

	for (int quiet = 0; json_number_at(*json, "taken") < number; quiet++) {
		progress_print(*json);
		if (quiet == QUIET_POLLS) {
			complain("the snapshot does not go on; see keepnatd's log");
			return STATUS_FAILED;
		}
		nanosleep(&pause, NULL);
		json_decref(*json);
		*json = NULL;
		status = client_get(client, url, json);
		if (status)
			return status;
		if (json_number_at(*json, "done") != done)
			quiet = 0;
		done = json_number_at(*json, "done");
	}
	return STATUS_DONE;
}

static int snapshot_print(const json_t *json)
{
	if (*json_text_at(json, "error")) {
		complain("the snapshot could not be written: %s; see `keepnat status`",
			 json_text_at(json, "error"));
		return STATUS_FAILED;
	}
	printf("%llu sessions, %llu mappings and %llu hosts are saved: %.1f MB in %.1f s\n",
	       json_number_at(json, "entries.sessions"), json_number_at(json, "entries.mappings"),
	       json_number_at(json, "entries.hosts"), (double)json_number_at(json, "bytes") / 1e6,
	       json_number_value(json_object_get(json, "seconds")));
	return STATUS_DONE;
}

int snapshot_run(const struct options *options)
{
	struct client *client;
	struct url url;
	json_t *json = NULL;
	int status = client_open(options, &client);

	if (status)
		return status;
	url_start(&url, "/v1/snapshot");
	status = client_post(client, &url, "", &json);
	if (!status) {
		status = snapshot_wait(client, &url, json_number_at(json, "number"), &json);
		progress_end();
	}
	client_close(client);
	if (!status && options->json)
		output_json(json);
	if (!status)
		status = options->json ? *json_text_at(json, "error") ? STATUS_FAILED : STATUS_DONE
				       : snapshot_print(json);
	json_decref(json);
	return status;
}
