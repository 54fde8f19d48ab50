// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* reload: a file, or the daemon's own once more, becomes the configuration. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

enum { FILE_MAX = 64 << 20 }; /* bytes; the daemon takes fewer, and says how many */

/* The text of a file, for free(); NULL: it cannot be had, and that was said. */
static char *file_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(FILE_MAX + 1) : NULL;
	int error = errno;

	*size = text ? fread(text, 1, FILE_MAX + 1, file) : 0;
	if (file && ferror(file))
		error = errno;
	if (text && !ferror(file) && *size <= FILE_MAX) {
		fclose(file);
		return text;
	}
	if (*size > FILE_MAX)
		complain("%s: more than %d bytes; give a configuration, no other file", path, FILE_MAX);
	else
		complain("%s: cannot read it: %s; check the path", path, strerror(error));
	free(text);
	if (file)
		fclose(file);
	return NULL;
}

static void counted_print(const json_t *json, const char *key, const char *what)
{
	unsigned long long count = json_number_at(json, key);

	if (count)
		printf(", %llu interface%s %s", count, count == 1 ? "" : "s", what);
}

static void reload_print(const json_t *json)
{
	client_problems_print(json_object_get(json, "warnings"), "warning");
	printf(json_is_true(json_object_get(json, "changed")) ? "it holds now" : "nothing changed");
	counted_print(json, "interfaces_added", "added");
	counted_print(json, "interfaces_removed", "removed");
	putchar('\n');
}

int reload_run(const struct options *options)
{
	const char *path = options->argument_count ? options->arguments[0] : NULL;
	struct client *client;
	size_t size = 0;
	char *text = NULL;
	struct url url;
	json_t *json;
	int status;

	if (path && !(text = file_read(path, &size)))
		return STATUS_FAILED;
	status = client_open(options, &client);
	if (!status) {
		url_start(&url, path ? "/v1/config" : "/v1/reload");
		url_add(&url, "name", path);
		status = client_reload(client, &url, text, size, &json);
		client_close(client);
	}
	free(text);
	if (status)
		return status;
	if (options->json)
		output_json(json);
	else
		reload_print(json);
	json_decref(json);
	return STATUS_DONE;
}
