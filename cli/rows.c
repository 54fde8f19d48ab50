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
	url_add_filter(url, o);
	url_add(url, "severity", o->severity);
	url_add(url, "event", o->event);
	url_add(url, "reason", o->reason);
	if (walk->rows->limited)
		url_add(url, "limit", o->limit);
	if (!walk->rows->paged)
		return;
	url_add_number(url, "limit", walk->left < PAGE ? walk->left : PAGE);
	if (walk->cursor)
		url_add_number(url, "cursor", walk->cursor);
}

/* Print the rows of a page. Its number of rows, or -1: that is no list. */
static long walk_rows(struct walk *walk, struct span list)
{
	const struct rows *rows = walk->rows;
	struct span items, item;
	struct row row;
	enum scan scan;
	long count = 0;

	if (!scan_enter(&items, list))
		return -1;
	while ((scan = scan_item(&items, &item)) == SCAN_NEXT) {
		if (!row_read(&row, item))
			return -1;
		if (walk->options->json || !rows->wanted || rows->wanted(&row))
			output_row(&walk->output, &row);
		count++;
	}
	return scan == SCAN_END ? count : -1;
}

static int walk_page(struct walk *walk)
{
	const struct rows *rows = walk->rows;
	struct span text, cursor;
	struct row page; /* the whole answer: a list and a cursor */
	struct url url;
	long count = -1;
	int status;

	walk_url(walk, &url);
	status = client_get_text(walk->client, &url, &text);
	if (status)
		return status;
	while (text.at < text.end && text.end[-1] == '\n')
		text.end--;
	if (!walk->output.name) /* not before it is known that there is an answer */
		output_begin(&walk->output, rows->name, rows->columns, walk->options->json);
	if (row_read(&page, text))
		count = walk_rows(walk, row_value(&page, rows->name));
	if (count < 0) {
		complain("%s does not answer with a list of %s; is that keepnatd?",
			 client_socket(walk->client), rows->name);
		return STATUS_FAILED;
	}
	cursor = row_value(&page, "cursor");
	walk->left -= (unsigned long long)count < walk->left ? (unsigned long long)count : walk->left;
	walk->cursor = span_number(cursor);
	walk->more = walk->left && walk->cursor;
	return STATUS_DONE;
}

int limit_read(const char *text, unsigned long long *limit)
{
	char *end;

	*limit = ~0ull;
	if (!text)
		return STATUS_DONE;
	errno = 0;
	*limit = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *limit)
		return STATUS_DONE;
	complain("--limit \"%s\" is no number of rows; give 1 or more", text);
	return STATUS_USAGE;
}

int rows_print(const struct options *options, const struct rows *rows)
{
	struct walk walk = { .options = options, .rows = rows, .more = true };
	int status = limit_read(options->limit, &walk.left);

	if (!status)
		status = client_open(options, &walk.client);
	while (!status && walk.more)
		status = walk_page(&walk);
	if (!status)
		output_end(&walk.output);
	client_close(walk.client);
	return status;
}
