// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From the tree to the settings, by the tables of config_keys.c.
 *
 * A reader goes on after an error, so that one run shows all of them: a bad value leaves the default in its place.
 * It ends early only when the report is full. What needs more than one value is left to config_check.c.
 */
#include "daemon/config_read.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config_keys.h"
#include "daemon/config_report.h"
#include "daemon/config_tree.h"
#include "daemon/config_value.h"

enum {
	KEYS_MAX = 32, /* of one section */
};

static void section_read(struct config_reader *reader, const struct config_key *keys,
			 const struct config_node *node, void *base, const char *path);

/* A list of addresses or networks: what takes each of its items. */
static void items_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *list, void *base, const char *path)
{
	for (const struct config_node *node = list->child; node; node = node->next) {
		if (report_full(reader->report) || reader->no_memory)
			return;
		if (node->kind != CONFIG_SCALAR || config_node_is_null(node))
			config_value_refuse(reader, key, node, path,
					    "an item that is not one address or range");
		else if (key->type == CONFIG_POOL)
			config_range_take(reader, path, node->line, node->text, base);
		else if (key->type == CONFIG_PASS_THROUGH)
			config_pass_through_take(reader, path, node->line, node->text);
		else
			config_network_take(reader, path, node->line, node->text, base);
	}
}

/* One more item, at the defaults of its keys. NULL, and noted in the reader, if there is no memory. */
static void *section_add(struct config_reader *reader, const struct config_key *key, unsigned int line)
{
	const struct config_list *list = key->list;
	char *base = (char *)reader->settings, *item;
	unsigned int count;
	void *items = config_list_items(list, reader->settings, &count);

	items = config_list_grow(reader, items, count, list->size);
	if (!items)
		return NULL;
	item = (char *)items + count++ * list->size;
	memset(item, 0, list->size);
	memcpy(item + list->line, &line, sizeof(line));
	config_keys_default(key->keys, item);
	memcpy(base + list->items, &items, sizeof(items));
	memcpy(base + list->count, &count, sizeof(count));
	return item;
}

static void sections_read(struct config_reader *reader, const struct config_key *key,
			  const struct config_node *list)
{
	unsigned int count = 0;

	for (const struct config_node *node = list->child; node; node = node->next) {
		void *item;

		if (report_full(reader->report) || reader->no_memory)
			return;
		if (count++ == key->list->max) {
			report_what(reader->report, node->line, "%s: more than %u", key->name,
				    key->list->max);
			report_mend(reader->report, "%u is the most that one instance serves",
				    key->list->max);
			return;
		}
		item = section_add(reader, key, node->line);
		if (!item)
			return;
		section_read(reader, key->keys, node, item, key->name);
		if (key->list->check)
			key->list->check(reader, item);
	}
}

/* True if this version takes it. The words of `now` are separated by blanks. */
static bool later_allows(const char *now, const struct config_node *node)
{
	size_t size;

	if (config_node_is_null(node))
		return true;
	if (node->kind != CONFIG_SCALAR)
		return !node->child;
	size = strlen(node->text);
	if (!size)
		return !*now;
	for (; *now; now += strspn(now, " ")) {
		size_t word = strcspn(now, " ");

		if (word == size && !strncmp(now, node->text, size))
			return true;
		now += word;
	}
	return false;
}

enum { LATER_SIZE = 64 };

/* "auto tc off" to "auto, tc or off". */
static const char *words_join(char text[LATER_SIZE], const char *words)
{
	size_t used = 0;

	text[0] = '\0';
	for (const char *next; *words; words = next) {
		size_t size = strcspn(words, " ");

		next = words + size + strspn(words + size, " ");
		used += (size_t)snprintf(text + used, LATER_SIZE - used, "%s%.*s",
					 !used		      ? ""
					 : strchr(words, ' ') ? ", "
							      : " or ",
					 (int)size, words);
	}
	return text;
}

static bool later_check(struct config_reader *reader, const struct config_node *node, const char *path)
{
	const char *now = config_later_find(path);
	char quoted[REPORT_QUOTE_SIZE], words[LATER_SIZE];

	if (!now || later_allows(now, node))
		return true;
	if (node->kind == CONFIG_SCALAR)
		report_what(reader->report, node->line, "%s: %s is not yet in this version", path,
			    report_quote(quoted, node->text));
	else
		report_what(reader->report, node->line, "%s: not yet in this version", path);
	if (!*now)
		report_mend(reader->report, "delete it");
	else
		report_mend(reader->report, "delete the line, or write %s", words_join(words, now));
	return false;
}

static bool list_expect(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, const char *path)
{
	if (node->kind == CONFIG_LIST || config_node_is_null(node))
		return true;
	return config_value_refuse(reader, key, node, path,
				   node->kind == CONFIG_MAP ? "a section where a list is expected"
							    : "is not a list");
}

static void sections_value_read(struct config_reader *reader, const struct config_key *key,
				const struct config_node *node, const char *path)
{
	unsigned int notes = reader->report->count;
	bool is_list = list_expect(reader, key, node, path);

	if (is_list)
		sections_read(reader, key, node);
	if (key->keys != config_interface_keys)
		return;
	reader->line = node->key_line;
	reader->interfaces_bad = !is_list;
	reader->interfaces_refused = reader->report->count > notes;
}

static void value_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, void *base, const char *path)
{
	switch (key->type) {
	case CONFIG_SECTION:
		if (later_check(reader, node, path))
			section_read(reader, key->keys, node, base, path);
		break;
	case CONFIG_SECTIONS:
		sections_value_read(reader, key, node, path);
		break;
	case CONFIG_POOL:
	case CONFIG_NETWORKS:
	case CONFIG_PASS_THROUGH:
		if (list_expect(reader, key, node, path))
			items_read(reader, key, node, base, path);
		break;
	default:
		if (config_value_read(reader, key, node, base, path) && later_check(reader, node, path) &&
		    key->line)
			memcpy((char *)base + key->line, &node->line, sizeof(node->line));
	}
}

static void key_refuse(struct config_reader *reader, const struct config_key *keys,
		       const struct config_node *node, const char *path)
{
	const char *meant = config_key_suggest(keys, node->key);
	char quoted[REPORT_QUOTE_SIZE], section[CONFIG_PATH_SIZE], list[CONFIG_SHAPE_SIZE] = "";
	char lists[CONFIG_SHAPE_SIZE] = "";

	report_what(reader->report, node->key_line, "%s%sunknown key %s", path, *path ? ": " : "",
		    report_quote(quoted, node->key));
	config_key_lists(lists, sizeof(lists), node->key);
	if (*config_key_section(section, node->key)) {
		report_mend(reader->report, "it belongs under %s", section);
	} else if (*lists) {
		report_mend(reader->report, "it belongs to an item of the list under %.200s", lists);
	} else if (meant) {
		report_mend(reader->report, "did you mean \"%s\"?", meant);
	} else {
		for (; keys->name; keys++)
			report_list_add(list, sizeof(list), keys->name, ", ");
		report_mend(reader->report, "the keys here are: %.230s", list);
	}
}

static void missing_refuse(struct config_reader *reader, const struct config_key *key, unsigned int line,
			   const char *path)
{
	char shape[CONFIG_SHAPE_SIZE];

	report_what(reader->report, line, "%s: \"%s\" is missing", path, key->name);
	report_mend(reader->report, "add \"%s\": %.200s", key->name, config_value_shape(shape, key));
}

static bool section_expect(struct config_reader *reader, const struct config_node *node, const char *path)
{
	if (node->kind == CONFIG_MAP || config_node_is_null(node))
		return true;
	report_what(reader->report, node->line, "%s%s%s where keys are expected", path, *path ? ": " : "",
		    node->kind == CONFIG_LIST ? "a list" : "a single value");
	report_mend(reader->report, "write KEY: VALUE, each on a line of its own, see keepnat.yaml(5)");
	return false;
}

static void key_read(struct config_reader *reader, const struct config_key *key,
		     const struct config_node *node, void *base, const char *path, unsigned int *seen)
{
	char below[CONFIG_PATH_SIZE];

	if (*seen) {
		report_what(reader->report, node->key_line,
			    "%s%s\"%s\" a second time; the first is on line %u", path, *path ? ": " : "",
			    key->name, *seen);
		report_mend(reader->report, "keep one of them");
		return;
	}
	*seen = node->key_line;
	snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", key->name);
	value_read(reader, key, node, base, below);
}

/* Read a map by a table of keys into fields of `base`. The path of the root is "". */
static void section_read(struct config_reader *reader, const struct config_key *keys,
			 const struct config_node *node, void *base, const char *path)
{
	unsigned int seen[KEYS_MAX] = { 0 };
	const struct config_node *child;

	if (!section_expect(reader, node, path))
		return;
	for (child = node->child; child; child = child->next) {
		const struct config_key *key = config_key_find(keys, child->key);

		if (report_full(reader->report) || reader->no_memory)
			return;
		if (key)
			key_read(reader, key, child, base, path, &seen[key - keys]);
		else
			key_refuse(reader, keys, child, path);
	}
	for (const struct config_key *key = keys; key->name; key++)
		if (key->required && !seen[key - keys])
			missing_refuse(reader, key, node->line, path);
}

void config_read(struct config_reader *reader, const struct config_node *root)
{
	reader->line = 1;
	reader->interfaces_bad = root->kind != CONFIG_MAP;
	section_read(reader, config_keys, root, reader->settings, "");
}
