// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/config_value.h"

#include <string.h>
#include <strings.h>

#include "daemon/config_api.h"
#include "daemon/config_keys.h"
#include "daemon/config_read.h"
#include "daemon/config_report.h"
#include "daemon/config_tree.h"

static void words_list(char list[CONFIG_SHAPE_SIZE], const struct config_word *words)
{
	list[0] = '\0';
	for (; words && words->text; words++)
		report_list_add(list, CONFIG_SHAPE_SIZE, words->text, ", ");
}

static const char *number_shape(char shape[CONFIG_SHAPE_SIZE], const struct config_key *key)
{
	const char *unit = key->unit ? key->unit : "";
	char words[CONFIG_SHAPE_SIZE];

	words_list(words, key->words);
	if (key->least)
		report_list_add(words, sizeof(words), "0", ", ");
	snprintf(shape, CONFIG_SHAPE_SIZE, "write %.100s%sa whole number from %u to %u%s", words,
		 words[0] ? ", or " : "", key->least ? key->least : key->min, key->max, unit);
	if (key->unit && key->size) {
		size_t used = strlen(shape);

		snprintf(shape + used, CONFIG_SHAPE_SIZE - used, "; the default is %u", key->initial);
	}
	return shape;
}

const char *config_value_shape(char shape[CONFIG_SHAPE_SIZE], const struct config_key *key)
{
	static const char *const shapes[] = {
		[CONFIG_SECTION] = "write its keys below it, indented, each as KEY: VALUE",
		[CONFIG_POOL] = "write a list: [198.51.100.1-198.51.100.4, 198.51.100.8/30]",
		[CONFIG_NETWORKS] = "write a list: [10.0.0.0/16, 192.168.0.0/24]",
		[CONFIG_PASS_THROUGH] = "write a list: [192.0.2.0/24, 203.0.113.7/32]",
		[CONFIG_NAME] = "write the name of a network interface, such as eth0",
		[CONFIG_BOOLEAN] = "write true or false, without quotes",
		[CONFIG_PORTS] = "write FIRST-LAST, two ports from 1 to 65535, such as 1024-65535",
		[CONFIG_ADDRESS] = "write an IPv4 address, such as 198.51.100.101",
		[CONFIG_PREFIX] = "write ADDRESS/LENGTH, such as 10.0.0.0/16",
		[CONFIG_OUTSIDE_PORTS] =
			"write \"198.51.100.101:8080\", or \"wan0:5000-5009\" with an outside interface",
		[CONFIG_INSIDE_PORTS] = "write \"10.0.0.50:80\" or \"10.0.0.50:5000-5009\"",
		[CONFIG_TEXT] = "write a text in quotes",
		[CONFIG_LISTEN] = "write ADDRESS:PORT in quotes, such as \"127.0.0.1:9109\"",
		[CONFIG_PATH] = "write a path that begins with /, such as /etc/keepnat/token",
		[CONFIG_DESTINATION] = ("write \"/var/log/keepnat/nat.log\", \"unix:/run/collector\", "
					"\"udp:192.0.2.9:4739\" or \"tcp:192.0.2.9:4739\""),
		[CONFIG_COMMAND] = ("write a program by its whole path and its arguments, such as "
				    "\"/usr/local/sbin/page-me nat\"; no shell reads it"),
	};
	char words[CONFIG_SHAPE_SIZE];

	if (key->type == CONFIG_NUMBER)
		return number_shape(shape, key);
	if (key->type == CONFIG_SECTIONS) {
		snprintf(shape, CONFIG_SHAPE_SIZE, "write a list: - %.150s on a line of its own, and so on",
			 key->list->shape);
		return shape;
	}
	if (key->type != CONFIG_WORD)
		return shapes[key->type];
	words_list(words, key->words);
	snprintf(shape, CONFIG_SHAPE_SIZE, "write one of: %.200s", words);
	return shape;
}

bool config_value_refuse(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, const char *path, const char *why)
{
	char quoted[REPORT_QUOTE_SIZE], shape[CONFIG_SHAPE_SIZE];

	if (node->kind == CONFIG_SCALAR && !config_node_is_null(node))
		report_what(reader->report, node->line, "%s: %s %s", path, report_quote(quoted, node->text),
			    why);
	else
		report_what(reader->report, node->line, "%s: %s", path, why);
	report_mend(reader->report, "%s", config_value_shape(shape, key));
	return false;
}

static bool scalar_expect(struct config_reader *reader, const struct config_key *key,
			  const struct config_node *node, const char *path)
{
	if (node->kind == CONFIG_LIST)
		return config_value_refuse(reader, key, node, path,
					   "a list where a single value is expected");
	if (node->kind == CONFIG_MAP)
		return config_value_refuse(reader, key, node, path,
					   "a section where a single value is expected");
	if (config_node_is_null(node) && key->type != CONFIG_TEXT && key->type != CONFIG_COMMAND &&
	    key->type != CONFIG_LISTEN && key->type != CONFIG_PATH && key->type != CONFIG_DESTINATION)
		return config_value_refuse(reader, key, node, path, "it has no value");
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
	char quoted[REPORT_QUOTE_SIZE], words[CONFIG_SHAPE_SIZE];

	if (word) {
		field_store(key, base, word->value);
		return true;
	}
	if (!meant)
		return config_value_refuse(reader, key, node, path, "is not known here");
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
		return config_value_refuse(reader, key, node, path, "is text in quotes, not a number");
	if (!digits_parse(node->text, strlen(node->text), &value))
		return config_value_refuse(reader, key, node, path,
					   strspn(node->text, "0123456789") == strlen(node->text) &&
							   node->text[0] == '0'
						   ? "is a number with a leading zero"
						   : "is not a whole number");
	if (value < key->min || (value && value < key->least) || value > key->max)
		return config_value_refuse(reader, key, node, path, "is out of range");
	number_advise(reader, key, node, path, value);
	field_store(key, base, (u32)value);
	return true;
}

static bool boolean_read(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, void *base, const char *path)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" } };

	if (!node->plain)
		return config_value_refuse(reader, key, node, path, "is text in quotes, not true or false");
	for (size_t i = 0; i < 3; i++) {
		for (u32 value = 0; value < 2; value++) {
			if (!strcasecmp(node->text, words[i][value])) {
				field_store(key, base, value);
				return true;
			}
		}
	}
	return config_value_refuse(reader, key, node, path, "is neither true nor false");
}

/* "FIRST-LAST", or one port, which is first and last. False if it is neither. */
static bool ports_parse(const char *text, u64 *first, u64 *last)
{
	const char *dash = strchr(text, '-');
	const char *second = dash ? dash + 1 : text;

	return digits_parse(text, dash ? (size_t)(dash - text) : strlen(text), first) &&
	       digits_parse(second, strlen(second), last);
}

static const char ports_swapped[] = "ends before it begins";

/* Why these cannot be ports, or NULL. */
static const char *ports_refusal(u64 first, u64 last)
{
	if (!first || !last)
		return "has port 0 in it";
	if (first > 65535 || last > 65535)
		return "goes beyond port 65535";
	return first > last ? ports_swapped : NULL;
}

static bool ports_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, void *base, const char *path)
{
	char quoted[REPORT_QUOTE_SIZE];
	u64 first, last;
	const char *why;

	if (!strchr(node->text, '-') || !ports_parse(node->text, &first, &last))
		return config_value_refuse(reader, key, node, path, "is not a range of ports");
	why = ports_refusal(first, last);
	if (why == ports_swapped) {
		report_what(reader->report, node->line, "%s: %s %s", path, report_quote(quoted, node->text),
			    why);
		report_mend(reader->report, "write %u-%u", (u32)last, (u32)first);
		return false;
	}
	if (why)
		return config_value_refuse(reader, key, node, path, why);
	field_store(key, base, (u32)first << 16 | (u32)last);
	return true;
}

static bool host_check(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, const char *path, struct in_addr address)
{
	struct address_range range = { .first = address, .last = address };

	return address_range_is_unicast(&range) ||
	       config_value_refuse(reader, key, node, path, "names an address that no host can have");
}

static bool address_read(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, void *base, const char *path)
{
	struct in_addr address;

	if (address_parse(node->text, &address))
		return config_value_refuse(reader, key, node, path, "is not an address");
	if (!host_check(reader, key, node, path, address))
		return false;
	memcpy((char *)base + key->offset, &address, sizeof(address));
	return true;
}

/* What stands before and behind the colon. */
struct endpoint {
	char host[SETTINGS_NAME_SIZE];
	bool is_address; /* the host is one, and... */
	struct in_addr address;
	u32 first, last;
	bool is_run; /* written with its last port */
};

static bool endpoint_read(struct config_reader *reader, const struct config_key *key,
			  const struct config_node *node, const char *path, struct endpoint *out)
{
	const char *colon = strchr(node->text, ':'), *why;
	size_t size = colon ? (size_t)(colon - node->text) : 0;
	u64 first, last;

	*out = (struct endpoint){ .is_address = false };
	if (!size || size >= sizeof(out->host) || !ports_parse(colon + 1, &first, &last))
		return config_value_refuse(reader, key, node, path,
					   "is not an address and ports, with a colon between them");
	why = ports_refusal(first, last);
	if (why)
		return config_value_refuse(reader, key, node, path, why);
	memcpy(out->host, node->text, size);
	out->is_address = !address_parse(out->host, &out->address);
	out->first = (u32)first;
	out->last = (u32)last;
	out->is_run = strchr(colon, '-');
	return !out->address.s_addr || host_check(reader, key, node, path, out->address);
}

static bool outside_read(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, struct settings_port_mapping *mapping,
			 const char *path)
{
	char quoted[REPORT_QUOTE_SIZE];
	struct endpoint endpoint;

	if (!endpoint_read(reader, key, node, path, &endpoint))
		return false;
	if (endpoint.is_address && !endpoint.address.s_addr) {
		report_what(reader->report, node->line, "%s: %s names no address", path,
			    report_quote(quoted, node->text));
		report_mend(reader->report,
			    "for an interface's own addresses write its name, such as \"eth0:%u\"",
			    endpoint.first);
		return false;
	}
	/* Whether there is such an interface is asked when all of them are known. */
	if (!endpoint.is_address)
		memcpy(mapping->interface, endpoint.host, sizeof(mapping->interface));
	mapping->outside = endpoint.address;
	mapping->outside_port = (u16)endpoint.first;
	mapping->count = (u16)(endpoint.last - endpoint.first + 1);
	return true;
}

static bool inside_read(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, struct settings_port_mapping *mapping,
			const char *path)
{
	struct endpoint endpoint;

	if (!endpoint_read(reader, key, node, path, &endpoint))
		return false;
	if (!endpoint.address.s_addr)
		return config_value_refuse(reader, key, node, path, "does not begin with a host's address");
	mapping->inside = endpoint.address;
	mapping->inside_port = (u16)endpoint.first;
	reader->inside_count = endpoint.is_run ? endpoint.last - endpoint.first + 1 : 0;
	return true;
}

static void ports_format(char text[CONFIG_ENDPOINT_SIZE], u32 first, u32 count)
{
	size_t used = strlen(text), room = CONFIG_ENDPOINT_SIZE - used;

	if (count > 1)
		snprintf(text + used, room, ":%u-%u", first, first + count - 1);
	else
		snprintf(text + used, room, ":%u", first);
}

const char *config_outside_format(char text[CONFIG_ENDPOINT_SIZE],
				  const struct settings_port_mapping *mapping)
{
	if (mapping->interface[0])
		snprintf(text, CONFIG_ENDPOINT_SIZE, "%s", mapping->interface);
	else
		address_format(text, mapping->outside);
	ports_format(text, mapping->outside_port, mapping->count);
	return text;
}

const char *config_inside_format(char text[CONFIG_ENDPOINT_SIZE], const struct settings_port_mapping *mapping)
{
	address_format(text, mapping->inside);
	ports_format(text, mapping->inside_port, mapping->count);
	return text;
}

/* Nothing, or a program by its whole path, with arguments; printable. */
static bool command_read(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, void *base, const char *path)
{
	const char *text = config_node_is_null(node) ? "" : node->text;

	if (strlen(text) >= key->size)
		return config_value_refuse(reader, key, node, path, "is too long");
	if (*text && *text != '/')
		return config_value_refuse(reader, key, node, path, "does not begin with a whole path");
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return config_value_refuse(reader, key, node, path,
						   "has a character that cannot be printed");
	memcpy((char *)base + key->offset, text, strlen(text) + 1);
	return true;
}

bool config_value_read(struct config_reader *reader, const struct config_key *key,
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
	case CONFIG_ADDRESS:
		return address_read(reader, key, node, base, path);
	case CONFIG_PREFIX:
		return config_prefix_take(reader, path, node->line, node->text,
					  (struct settings_network *)((char *)base + key->offset));
	case CONFIG_LISTEN:
		return config_listen_read(reader, key, node, base, path);
	case CONFIG_PATH:
		return config_path_read(reader, key, node, base, path);
	case CONFIG_DESTINATION:
		return config_destination_read(reader, key, node, base, path);
	case CONFIG_COMMAND:
		return command_read(reader, key, node, base, path);
	case CONFIG_OUTSIDE_PORTS:
		return outside_read(reader, key, node, base, path);
	case CONFIG_INSIDE_PORTS:
		return inside_read(reader, key, node, base, path);
	default:
		return true;
	}
}
