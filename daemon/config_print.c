// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From settings back to the shape of the file: a walk by the tables that reading goes by, and YAML made from it.
 *
 * Only what settings hold is walked over: keys that this version has no field for are not in the output.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/config.h"
#include "daemon/config_keys.h"
#include "daemon/config_value.h"

/* Who walks, over what. */
struct walk {
	const struct settings_visitor *visitor;
	void *context;
	const struct settings *settings;
};

static int keys_walk(const struct walk *walk, const struct config_key *keys, const void *base);

/* There is something to say about a section: a field in it, or below it. */
static bool section_is_held(const struct config_key *keys)
{
	for (; keys->name; keys++)
		if (keys->size || (keys->type == CONFIG_SECTION && section_is_held(keys->keys)))
			return true;
	return false;
}

/* Everything in a section is as if it were not written. */
static bool section_is_default(const struct config_key *keys, const void *base)
{
	const struct settings_network *network;

	for (; keys->name; keys++) {
		network = (const void *)((const char *)base + keys->offset);
		if (keys->type == CONFIG_PREFIX ? network->line != 0
						: config_field_get(keys, base) != keys->initial)
			return false;
	}
	return true;
}

static int section_walk(const struct walk *walk, const struct config_key *key, const void *base)
{
	int error;

	if (!section_is_held(key->keys))
		return 0;
	error = walk->visitor->begin(walk->context, key->name, false);
	if (!error)
		error = keys_walk(walk, key->keys, base);
	if (!error)
		error = walk->visitor->end(walk->context, false);
	return error;
}

/* A list of sections; nothing is said about an empty one: that is the default. */
static int sections_walk(const struct walk *walk, const struct config_key *key)
{
	unsigned int count;
	const char *items = config_list_items(key->list, walk->settings, &count);
	int error;

	if (!count)
		return 0;
	error = walk->visitor->begin(walk->context, key->name, true);
	for (unsigned int i = 0; !error && i < count; i++) {
		error = walk->visitor->begin(walk->context, NULL, false);
		if (!error)
			error = keys_walk(walk, key->keys, items + i * key->list->size);
		if (!error)
			error = walk->visitor->end(walk->context, false);
	}
	return error ? error : walk->visitor->end(walk->context, true);
}

/* A pool; nothing is said about an empty one: that is the default. */
static int pool_walk(const struct walk *walk, const struct config_key *key,
		     const struct settings_interface *interface)
{
	char text[ADDRESS_TEXT_SIZE];
	int error;

	if (!interface->pool_count)
		return 0;
	error = walk->visitor->begin(walk->context, key->name, true);
	for (unsigned int i = 0; !error && i < interface->pool_count; i++)
		error = walk->visitor->text(walk->context, NULL,
					    address_range_format(text, &interface->pool[i].range));
	return error ? error : walk->visitor->end(walk->context, true);
}

/* So networks. */
static int networks_walk(const struct walk *walk, const struct config_key *key,
			 const struct settings_network *networks, unsigned int count)
{
	char text[ADDRESS_TEXT_SIZE];
	int error;

	if (!count)
		return 0;
	error = walk->visitor->begin(walk->context, key->name, true);
	for (unsigned int i = 0; !error && i < count; i++)
		error = walk->visitor->text(walk->context, NULL,
					    address_prefix_format(text, &networks[i].prefix));
	return error ? error : walk->visitor->end(walk->context, true);
}

static int field_walk(const struct walk *walk, const struct config_key *key, const void *base)
{
	const struct settings_visitor *visitor = walk->visitor;
	char ports[sizeof("65535-65535")];
	u32 value = config_field_get(key, base);
	const char *word = config_word_text(key->words, value);

	if (word)
		return visitor->text(walk->context, key->name, word);
	if (key->type == CONFIG_WORD)
		return 0; /* nothing was written, and another key says what holds */
	if (key->type == CONFIG_BOOLEAN)
		return visitor->boolean(walk->context, key->name, value);
	if (key->type != CONFIG_PORTS)
		return visitor->number(walk->context, key->name, value);
	snprintf(ports, sizeof(ports), "%u-%u", value >> 16, value & 0xffff);
	return visitor->text(walk->context, key->name, ports);
}

static int address_walk(const struct walk *walk, const struct config_key *key, const void *base)
{
	char text[ADDRESS_TEXT_SIZE];
	struct in_addr address;

	memcpy(&address, (const char *)base + key->offset, sizeof(address));
	return walk->visitor->text(walk->context, key->name, address_format(text, address));
}

static int prefix_walk(const struct walk *walk, const struct config_key *key, const void *base)
{
	const struct settings_network *network = (const void *)((const char *)base + key->offset);
	char text[ADDRESS_TEXT_SIZE];

	return walk->visitor->text(walk->context, key->name, address_prefix_format(text, &network->prefix));
}

static int key_walk(const struct walk *walk, const struct config_key *key, const void *base)
{
	const struct settings_interface *interface = base;
	char endpoint[CONFIG_ENDPOINT_SIZE];

	if (key->quiet && (key->type == CONFIG_SECTION ? section_is_default(key->keys, base)
						       : config_field_get(key, base) == key->initial))
		return 0;
	switch (key->type) {
	case CONFIG_SECTION:
		return section_walk(walk, key, base);
	case CONFIG_SECTIONS:
		return sections_walk(walk, key);
	case CONFIG_POOL:
		return pool_walk(walk, key, interface);
	case CONFIG_NETWORKS:
		return networks_walk(walk, key, interface->networks, interface->network_count);
	case CONFIG_PASS_THROUGH:
		return networks_walk(walk, key, walk->settings->pass_through,
				     walk->settings->pass_through_count);
	case CONFIG_NAME:
	case CONFIG_LISTEN:
	case CONFIG_PATH:
	case CONFIG_DESTINATION:
	case CONFIG_COMMAND:
		return walk->visitor->text(walk->context, key->name, (const char *)base + key->offset);
	case CONFIG_ADDRESS:
		return address_walk(walk, key, base);
	case CONFIG_PREFIX:
		return prefix_walk(walk, key, base);
	case CONFIG_OUTSIDE_PORTS:
		return walk->visitor->text(walk->context, key->name, config_outside_format(endpoint, base));
	case CONFIG_INSIDE_PORTS:
		return walk->visitor->text(walk->context, key->name, config_inside_format(endpoint, base));
	default:
		return key->size ? field_walk(walk, key, base) : 0;
	}
}

static int keys_walk(const struct walk *walk, const struct config_key *keys, const void *base)
{
	int error = 0;

	for (; !error && keys->name; keys++)
		error = key_walk(walk, keys, base);
	return error;
}

int settings_walk(const struct settings *settings, const struct settings_visitor *visitor, void *context)
{
	struct walk walk = { .visitor = visitor, .context = context, .settings = settings };

	return keys_walk(&walk, config_keys, settings);
}

/* YAML in block style, two blanks a level. */
struct yaml_printer {
	FILE *file;
	unsigned int depth;
	bool item; /* the next key is the first of a list's item: its indent is written already */
};

static int yaml_begin_line(struct yaml_printer *printer, const char *key)
{
	if (!printer->item)
		fprintf(printer->file, "%*s", (int)(2 * printer->depth), "");
	printer->item = false;
	if (key)
		fprintf(printer->file, "%s:", key);
	else
		fputs("-", printer->file);
	return ferror(printer->file) ? -EIO : 0;
}

static int yaml_begin(void *context, const char *key, bool list)
{
	struct yaml_printer *printer = context;
	int error = yaml_begin_line(printer, key);

	(void)list;
	if (key)
		fputs("\n", printer->file);
	else
		fputs(" ", printer->file);
	printer->item = !key;
	printer->depth++;
	return error;
}

static int yaml_end(void *context, bool list)
{
	struct yaml_printer *printer = context;

	(void)list;
	printer->depth--;
	return 0;
}

/* Text that any reader of YAML takes for text without quotes: not null, a number, true or the like. */
static bool yaml_text_is_plain(const char *text)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y", "n" };
	const char *at;
	char *end;

	for (at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && (at == text || !strchr("./-", *at)))
			return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i]))
			return false;
	strtod(text, &end);
	return at != text && *end;
}

static int yaml_text(void *context, const char *key, const char *value)
{
	struct yaml_printer *printer = context;
	int error = yaml_begin_line(printer, key);

	if (yaml_text_is_plain(value)) {
		fprintf(printer->file, " %s\n", value);
		return error;
	}
	fputs(" \"", printer->file);
	for (; *value; value++)
		fprintf(printer->file, "%s%c", strchr("\"\\", *value) ? "\\" : "", *value);
	fputs("\"\n", printer->file);
	return error;
}

static int yaml_number(void *context, const char *key, u64 value)
{
	struct yaml_printer *printer = context;
	int error = yaml_begin_line(printer, key);

	fprintf(printer->file, " %llu\n", (unsigned long long)value);
	return error;
}

static int yaml_boolean(void *context, const char *key, bool value)
{
	struct yaml_printer *printer = context;
	int error = yaml_begin_line(printer, key);

	fprintf(printer->file, " %s\n", value ? "true" : "false");
	return error;
}

int settings_print(FILE *file, const struct settings *settings)
{
	static const struct settings_visitor visitor = {
		.begin = yaml_begin,
		.end = yaml_end,
		.text = yaml_text,
		.number = yaml_number,
		.boolean = yaml_boolean,
	};
	struct yaml_printer printer = { .file = file };
	int error = settings_walk(settings, &visitor, &printer);

	if (!error && (fflush(file) || ferror(file)))
		error = -EIO;
	return error;
}
