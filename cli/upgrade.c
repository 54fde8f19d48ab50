// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* upgrade: order it, and follow it to its end, which another process may tell. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

enum { POLL_MILLISECONDS = 100, UPGRADE_SECONDS = 900 };

static bool is_over(const json_t *json, unsigned long long number)
{
	const char *state = json_text_at(json, "state");

	return json_number_at(json, "number") == number && strcmp(state, "trying") != 0 &&
	       strcmp(state, "under_way") != 0;
}

/* Until it is over; meanwhile nobody answers, for some time. NULL: it takes too long. */
static json_t *upgrade_wait(struct client *client, unsigned long long number)
{
	const struct timespec pause = { .tv_nsec = POLL_MILLISECONDS * 1000000L };
	time_t until = time(NULL) + UPGRADE_SECONDS;
	struct url url;

	url_start(&url, "/v1/upgrade");
	while (time(NULL) < until) {
		json_t *json = client_peek(client, &url);

		if (json && is_over(json, number))
			return json;
		json_decref(json);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int upgrade_print(const json_t *json)
{
	const char *state = json_text_at(json, "state"), *version = json_text_at(json, "version");

	if (!strcmp(state, "done")) {
		printf("version %s runs now, in the place of %s\n", version, json_text_at(json, "other"));
		return STATUS_DONE;
	}
	if (!strcmp(state, "rolled_back"))
		complain("version %s did not serve, %s; version %s goes on; see keepnatd's log",
			 json_text_at(json, "other"), json_text_at(json, "said"), version);
	else
		complain("nothing was changed: %s", json_text_at(json, "said"));
	return STATUS_FAILED;
}

int upgrade_run(const struct options *options)
{
	unsigned long long number = 0;
	struct client *client;
	struct url url;
	json_t *json = NULL;
	int status = client_open(options, &client);

	if (status)
		return status;
	url_start(&url, "/v1/upgrade");
	status = client_post(client, &url, "", &json);
	if (!status) {
		number = json_number_at(json, "number");
		json_decref(json);
		json = upgrade_wait(client, number);
	}
	client_close(client);
	if (status)
		return status;
	if (!json) {
		complain("the upgrade has not ended within %d s; see keepnatd's log", UPGRADE_SECONDS);
		return STATUS_FAILED;
	}
	if (options->json)
		output_json(json);
	status = options->json ? strcmp(json_text_at(json, "state"), "done") ? STATUS_FAILED : STATUS_DONE
			       : upgrade_print(json);
	json_decref(json);
	return status;
}
