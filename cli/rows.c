// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/rows.h"
#include <errno.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/client.h"

enum {
	PAGE = 2000
}; /* rows that are held at once; a page is answered whole, however slowly its rows are read */

struct walk {
	struct client *client;
	const struct options *options;
	const struct rows *rows;
	struct output output;
	unsigned long long left; /* rows that are still wanted */
	unsigned long long cursor;
	bool more;
};

static void walk_url(const struct walk *walk, struct url *url)
{
	const struct options *o = walk->options;

	url_start(url, walk->rows->path);
	url_add(url, "host", o->host);
	url_add(url, "outside", o->outside);
	url_add(url, "protocol", o->protocol);
	url_add(url, "interface", o->interface);
	if (!walk->rows->paged)
		return;
	url_add_number(url, "limit", walk->left < PAGE ? walk->left : PAGE);
	if (walk->cursor)
		url_add_number(url, "cursor", walk->cursor);
}

static int walk_page(struct walk *walk)
{
	const struct rows *rows = walk->rows;
	json_t *json, *list, *cursor, *row;
	struct url url;
	size_t i;
	int status;

	walk_url(walk, &url);
	status = client_get(walk->client, &url, &json);
	if (status)
		return status;
	list = json_object_get(json, rows->name);
	cursor = json_object_get(json, "cursor");
	if (!json_is_array(list)) {
		complain("%s answers without \"%s\"; is that keepnatd?", client_socket(walk->client),
			 rows->name);
		status = STATUS_FAILED;
	}
	if (!walk->output.name) /* not before it is known that there is an answer */
		output_begin(&walk->output, rows->name, rows->columns, walk->options->json);
	json_array_foreach(list, i, row) if (walk->options->json || !rows->wanted || rows->wanted(row))
		output_row(&walk->output, row);
	walk->left -= json_array_size(list) < walk->left ? json_array_size(list) : walk->left;
	walk->more = walk->left && json_is_integer(cursor);
	walk->cursor = (unsigned long long)json_integer_value(cursor);
	json_decref(json);
	return status;
}

/* --limit; all of them without it. */
static int walk_limit(struct walk *walk)
{
	const char *text = walk->options->limit;
	char *end;

	walk->left = ~0ull;
	if (!text)
		return STATUS_DONE;
	errno = 0;
	walk->left = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && walk->left)
		return STATUS_DONE;
	complain("--limit \"%s\" is no number of rows; give 1 or more", text);
	return STATUS_USAGE;
}

int rows_print(const struct options *options, const struct rows *rows)
{
	struct walk walk = { .options = options, .rows = rows, .more = true };
	int status = walk_limit(&walk);

	if (!status)
		status = client_open(options, &walk.client);
	while (!status && walk.more)
		status = walk_page(&walk);
	if (!status)
		output_end(&walk.output);
	client_close(walk.client);
	return status;
}
