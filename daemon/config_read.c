// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From the tree to the settings, by the tables of config_keys.c.
 *
 * A reader goes on after an error, so that one run shows all of them: a bad value leaves the default in its place.
 * It ends early only when the report is full. What needs more than one value is left to config_check.c.
 */
#include "daemon/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/config_keys.h"
#include "daemon/config_report.h"
#include "daemon/config_tree.h"

enum {
	SHAPE_SIZE = 256,
	KEYS_MAX = 32, /* of one section */
};

static void section_read(struct config_reader *reader, const struct config_key *keys,
			 const struct config_node *node, void *base, const char *path);

/* Add one more to a list of words: "a, b, c". */
static void list_add(char *list, size_t size, const char *word, const char *between)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used ? between : "", word);
}

static void words_list(char list[SHAPE_SIZE], const struct config_word *words)
{
	list[0] = '\0';
	for (; words && words->text; words++)
		list_add(list, SHAPE_SIZE, words->text, ", ");
}

static const char *number_shape(char shape[SHAPE_SIZE], const struct config_key *key)
{
	const char *unit = key->unit ? key->unit : "";
	char words[SHAPE_SIZE];

	words_list(words, key->words);
	snprintf(shape, SHAPE_SIZE, "write %.100s%sa whole number from %u to %u%s", words,
		 words[0] ? ", or " : "", key->min, key->max, unit);
	if (key->unit && key->size) {
		size_t used = strlen(shape);

		snprintf(shape + used, SHAPE_SIZE - used, "; the default is %u", key->initial);
	}
	return shape;
}

/* How a value of this key is written: the mend of most errors. */
static const char *key_shape(char shape[SHAPE_SIZE], const struct config_key *key)
{
	static const char *const shapes[] = {
		[CONFIG_SECTION] = "write its keys below it, indented, each as KEY: VALUE",
		[CONFIG_INTERFACES] =
			"write a list: - {name: eth0, role: outside} on a line of its own, and so on",
		[CONFIG_POOL] = "write a list: [198.51.100.1-198.51.100.4, 198.51.100.8/30]",
		[CONFIG_NETWORKS] = "write a list: [10.0.0.0/16, 192.168.0.0/24]",
		[CONFIG_ANY_LIST] = "write a list, or delete it",
		[CONFIG_NAME] = "write the name of a network interface, such as eth0",
		[CONFIG_BOOLEAN] = "write true or false, without quotes",
		[CONFIG_PORTS] = "write FIRST-LAST, two ports from 1 to 65535, such as 1024-65535",
		[CONFIG_TEXT] = "write a text in quotes",
	};
	char words[SHAPE_SIZE];

	if (key->type == CONFIG_NUMBER)
		return number_shape(shape, key);
	if (key->type != CONFIG_WORD)
		return shapes[key->type];
	words_list(words, key->words);
	snprintf(shape, SHAPE_SIZE, "write one of: %.200s", words);
	return shape;
}

/* Refuse a value for `why`, which is said after the path and the value, if it has one. False, for its callers. */
static bool value_refuse(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, const char *path, const char *why)
{
	char quoted[REPORT_QUOTE_SIZE], shape[SHAPE_SIZE];

	if (node->kind == CONFIG_SCALAR && !config_node_is_null(node))
		report_what(reader->report, node->line, "%s: %s %s", path, report_quote(quoted, node->text),
			    why);
	else
		report_what(reader->report, node->line, "%s: %s", path, why);
	report_mend(reader->report, "%s", key_shape(shape, key));
	return false;
}

static bool scalar_expect(struct config_reader *reader, const struct config_key *key,
			  const struct config_node *node, const char *path)
{
	if (node->kind == CONFIG_LIST)
		return value_refuse(reader, key, node, path, "a list where a single value is expected");
	if (node->kind == CONFIG_MAP)
		return value_refuse(reader, key, node, path, "a section where a single value is expected");
	if (config_node_is_null(node) && key->type != CONFIG_TEXT)
		return value_refuse(reader, key, node, path, "it has no value");
	return true;
}

static void field_store(const struct config_key *key, void *base, u32 value)
{
	if (key->size)
		config_field_set(key, base, value);
}

static bool word_read(struct config_reader *reader, const struct config_key *key,
		      const struct config_node *node, void *base, const char *path)
{
	const struct config_word *word = config_word_find(key->words, node->text);
	const char *meant = config_word_suggest(key->words, node->text);
	char quoted[REPORT_QUOTE_SIZE], words[SHAPE_SIZE];

	if (word) {
		field_store(key, base, word->value);
		return true;
	}
	if (!meant)
		return value_refuse(reader, key, node, path, "is not known here");
	words_list(words, key->words);
	report_what(reader->report, node->line, "%s: %s is not known here", path,
		    report_quote(quoted, node->text));
	report_mend(reader->report, "did you mean \"%s\"? It takes: %.200s", meant, words);
	return false;
}

/* Decimal digits without a leading zero (010 is eight to some readers of YAML). False if it is anything else. */
static bool digits_parse(const char *text, size_t size, u64 *out)
{
	u64 value = 0;

	if (!size || size > 18 || (size > 1 && text[0] == '0') || strspn(text, "0123456789") < size)
		return false;
	for (size_t i = 0; i < size; i++)
		value = value * 10 + (u64)(text[i] - '0');
	*out = value;
	return true;
}

static void number_advise(struct config_reader *reader, const struct config_key *key,
			  const struct config_node *node, const char *path, u64 value)
{
	struct settings_report *warnings = &reader->settings->warnings;

	if (value >= key->advice)
		return;
	report_what(warnings, node->line, "%s: %u%s is less than %s asks for", path, (u32)value, key->unit,
		    key->source);
	report_mend(warnings, "give %u or more, unless you know that no peer needs it", key->advice);
}

static bool number_read(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, void *base, const char *path)
{
	const struct config_word *word = config_word_find(key->words, node->text);
	u64 value;

	if (word) {
		field_store(key, base, word->value);
		return true;
	}
	if (!node->plain)
		return value_refuse(reader, key, node, path, "is text in quotes, not a number");
	if (!digits_parse(node->text, strlen(node->text), &value))
		return value_refuse(reader, key, node, path,
				    strspn(node->text, "0123456789") == strlen(node->text) &&
						    node->text[0] == '0'
					    ? "is a number with a leading zero"
					    : "is not a whole number");
	if (value < key->min || value > key->max)
		return value_refuse(reader, key, node, path, "is out of range");
	number_advise(reader, key, node, path, value);
	field_store(key, base, (u32)value);
	return true;
}

static bool boolean_read(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, void *base, const char *path)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" } };

	if (!node->plain)
		return value_refuse(reader, key, node, path, "is text in quotes, not true or false");
	for (size_t i = 0; i < 3; i++) {
		for (u32 value = 0; value < 2; value++) {
			if (!strcasecmp(node->text, words[i][value])) {
				field_store(key, base, value);
				return true;
			}
		}
	}
	return value_refuse(reader, key, node, path, "is neither true nor false");
}

static bool ports_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, void *base, const char *path)
{
	const char *dash = strchr(node->text, '-');
	char quoted[REPORT_QUOTE_SIZE];
	u64 min, max;

	if (!dash || !digits_parse(node->text, (size_t)(dash - node->text), &min) ||
	    !digits_parse(dash + 1, strlen(dash + 1), &max))
		return value_refuse(reader, key, node, path, "is not a range of ports");
	if (!min || !max)
		return value_refuse(reader, key, node, path, "has port 0 in it");
	if (min > 65535 || max > 65535)
		return value_refuse(reader, key, node, path, "goes beyond port 65535");
	if (min > max) {
		report_what(reader->report, node->line, "%s: %s ends before it begins", path,
			    report_quote(quoted, node->text));
		report_mend(reader->report, "write %u-%u", (u32)max, (u32)min);
		return false;
	}
	field_store(key, base, (u32)min << 16 | (u32)max);
	return true;
}

/* A list of an interface: what takes each of its items. */
static void items_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *list, void *base, const char *path)
{
	for (const struct config_node *node = list->child; node; node = node->next) {
		if (report_full(reader->report) || reader->no_memory)
			return;
		if (node->kind != CONFIG_SCALAR || config_node_is_null(node))
			value_refuse(reader, key, node, path, "an item that is not one address or range");
		else if (key->type == CONFIG_POOL)
			config_range_take(reader, path, node->line, node->text, base);
		else
			config_network_take(reader, path, node->line, node->text, base);
	}
}

static void interfaces_read(struct config_reader *reader, const struct config_key *key,
			    const struct config_node *list)
{
	struct settings *settings = reader->settings;
	const struct config_node *node;

	reader->line = list->key_line;
	settings->interfaces = calloc(MAX_INTERFACES, sizeof(*settings->interfaces));
	if (!settings->interfaces) {
		reader->no_memory = true;
		return;
	}
	for (node = list->child; node; node = node->next) {
		struct settings_interface *interface = &settings->interfaces[settings->interface_count];

		if (report_full(reader->report) || reader->no_memory)
			return;
		if (settings->interface_count == MAX_INTERFACES) {
			report_what(reader->report, node->line, "interfaces: more than %u", MAX_INTERFACES);
			report_mend(reader->report, "at most %u outside and %u inside interfaces",
				    MAX_OUTSIDE, MAX_INSIDE);
			return;
		}
		settings->interface_count++;
		interface->line = node->line;
		section_read(reader, key->keys, node, interface, key->name);
		config_interface_check(reader, interface);
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

static bool later_check(struct config_reader *reader, const struct config_node *node, const char *path)
{
	const char *now = config_later_find(path);
	char quoted[REPORT_QUOTE_SIZE];
	const char *blank;

	if (!now || later_allows(now, node))
		return true;
	if (node->kind == CONFIG_SCALAR)
		report_what(reader->report, node->line, "%s: %s is not yet in this version", path,
			    report_quote(quoted, node->text));
	else
		report_what(reader->report, node->line, "%s: not yet in this version", path);
	blank = strchr(now, ' ');
	if (!*now)
		report_mend(reader->report, "delete it");
	else if (blank)
		report_mend(reader->report, "delete the line, or write %.*s or %s", (int)(blank - now), now,
			    blank + 1);
	else
		report_mend(reader->report, "delete the line, or write %s", now);
	return false;
}

static bool scalar_read(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, void *base, const char *path)
{
	if (!scalar_expect(reader, key, node, path))
		return false;
	switch (key->type) {
	case CONFIG_NAME:
		return config_name_take(reader, path, node->line, node->text, (char *)base + key->offset);
	case CONFIG_WORD:
		return word_read(reader, key, node, base, path);
	case CONFIG_NUMBER:
		return number_read(reader, key, node, base, path);
	case CONFIG_BOOLEAN:
		return boolean_read(reader, key, node, base, path);
	case CONFIG_PORTS:
		return ports_read(reader, key, node, base, path);
	default:
		return true;
	}
}

static bool list_expect(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, const char *path)
{
	if (node->kind == CONFIG_LIST || config_node_is_null(node))
		return true;
	return value_refuse(reader, key, node, path,
			    node->kind == CONFIG_MAP ? "a section where a list is expected"
						     : "is not a list");
}

static void value_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, void *base, const char *path)
{
	switch (key->type) {
	case CONFIG_SECTION:
		if (later_check(reader, node, path))
			section_read(reader, key->keys, node, base, path);
		break;
	case CONFIG_INTERFACES:
		reader->interfaces_bad = !list_expect(reader, key, node, path);
		if (!reader->interfaces_bad)
			interfaces_read(reader, key, node);
		break;
	case CONFIG_POOL:
	case CONFIG_NETWORKS:
		if (list_expect(reader, key, node, path))
			items_read(reader, key, node, base, path);
		break;
	case CONFIG_ANY_LIST:
		if (list_expect(reader, key, node, path))
			later_check(reader, node, path);
		break;
	default:
		if (scalar_read(reader, key, node, base, path))
			later_check(reader, node, path);
	}
}

static void key_refuse(struct config_reader *reader, const struct config_key *keys,
		       const struct config_node *node, const char *path)
{
	const char *meant = config_key_suggest(keys, node->key);
	char quoted[REPORT_QUOTE_SIZE], section[CONFIG_PATH_SIZE], list[SHAPE_SIZE] = "";

	report_what(reader->report, node->key_line, "%s%sunknown key %s", path, *path ? ": " : "",
		    report_quote(quoted, node->key));
	if (*config_key_section(section, node->key)) {
		report_mend(reader->report, "it belongs under %s", section);
	} else if (config_key_find(config_interface_keys, node->key)) {
		report_mend(reader->report, "it belongs to an interface, in the list under interfaces");
	} else if (meant) {
		report_mend(reader->report, "did you mean \"%s\"?", meant);
	} else {
		for (; keys->name; keys++)
			list_add(list, sizeof(list), keys->name, ", ");
		report_mend(reader->report, "the keys here are: %.230s", list);
	}
}

static void missing_refuse(struct config_reader *reader, const struct config_key *key, unsigned int line,
			   const char *path)
{
	char shape[SHAPE_SIZE];

	report_what(reader->report, line, "%s: \"%s\" is missing", path, key->name);
	report_mend(reader->report, "add \"%s\": %.200s", key->name, key_shape(shape, key));
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
