// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From text to tree, on libyaml's events.
 *
 * Why libyaml alone. A schema library on top of it (libcyaml) ends at the first error, gives lines only inside the text
 * of its log, and drops the lines of values that it accepted, which the checks across values need (two pools overlap:
 * on which lines?). libyaml's own document loader keeps the lines, but takes 17 s for 64 KB of '[': it
 * reads all before anybody can object. Events let us object at once.
 *
 * Limits: DEPTH_MAX levels, NODES_MAX values. No aliases: one line must not stand for a thousand, and a line number
 * must point at what is wrong. No tags: types come from our own list of keys. One document. No zero bytes in scalars.
 */
#include "daemon/config_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "daemon/config_report.h"

enum {
	/* The deepest that the list of keys goes is 5: root, interfaces, one interface, its pool, a range. */
	DEPTH_MAX = 8,
	/* More than the limits in config.h ask for, every port written by itself. All of it takes 160 MB. */
	NODES_MAX = 1 << 20,
};

struct builder {
	struct settings_report *report;
	const char *text;
	size_t size;
	unsigned int last_line;

	struct config_node document; /* holds the root, so that every node has a parent */
	struct config_node *open;    /* the innermost list or map not yet ended; never NULL */
	unsigned int depth;
	unsigned int nodes; /* so far */

	char *key; /* read, waiting for its value */
	unsigned int key_line;
	bool done;
};

bool config_node_is_null(const struct config_node *node)
{
	return node->kind == CONFIG_SCALAR && node->plain &&
	       (!*node->text || !strcmp(node->text, "~") || !strcasecmp(node->text, "null"));
}

void config_tree_free(struct config_node *root)
{
	while (root) {
		struct config_node *next = root->next;

		/* Recursion is as deep as the tree: DEPTH_MAX. */
		config_tree_free(root->child);
		free(root->text);
		free(root->key);
		free(root);
		root = next;
	}
}

/* The line that the byte at `offset` is on, by YAML 1.1's line ends: CR LF, LF, CR, NEL, LS, PS. */
static unsigned int offset_line(const struct builder *builder, size_t offset)
{
	const char *text = builder->text;
	unsigned int line = 1;

	for (size_t i = 0; i < offset && i < builder->size; i++) {
		bool after_cr = i > 0 && text[i - 1] == '\r';

		line += text[i] == '\r' || (text[i] == '\n' && !after_cr);
		if (!(text[i] & 0x80))
			continue;
		line += i > 0 && !memcmp(text + i - 1, "\xc2\x85", 2);
		line += i > 1 && (!memcmp(text + i - 2, "\xe2\x80\xa8", 3) ||
				  !memcmp(text + i - 2, "\xe2\x80\xa9", 3));
	}
	return line;
}

/* libyaml ends a text that lacks its last line end with one of its own, and then points behind it. */
static unsigned int mark_line(const struct builder *builder, const yaml_mark_t *mark)
{
	return mark->line < builder->last_line ? (unsigned int)mark->line + 1 : builder->last_line;
}

static int refuse(struct builder *builder, unsigned int line, const char *what, const char *mend)
{
	report_what(builder->report, line, "%s", what);
	report_mend(builder->report, "%s", mend);
	return -EINVAL;
}

/* Hang a new node where the next one belongs. 0, -EINVAL, -ENOMEM. */
static int node_add(struct builder *builder, enum config_kind kind, unsigned int line,
		    struct config_node **out)
{
	struct config_node *parent = builder->open, *node;

	if (builder->nodes++ == NODES_MAX)
		return refuse(builder, line, "too many values", "give a configuration, no other file");
	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->kind = kind;
	node->line = line;
	node->parent = parent;
	node->key = builder->key;
	node->key_line = builder->key_line;
	builder->key = NULL;
	if (parent->last)
		parent->last->next = node;
	else
		parent->child = node;
	parent->last = node;
	*out = node;
	return 0;
}

/* The next scalar is a key: we are in a map and have none yet. */
static bool key_wanted(const struct builder *builder)
{
	return !builder->key && builder->open->kind == CONFIG_MAP;
}

static int scalar_add(struct builder *builder, const yaml_event_t *event, unsigned int line)
{
	const char *value = (const char *)event->data.scalar.value;
	struct config_node *node;
	char *text;
	int error;

	if (event->data.scalar.tag && strcmp((const char *)event->data.scalar.tag, "!"))
		return refuse(builder, line, "a tag (\"!...\") is not used here", "delete the tag");
	if (strlen(value) != event->data.scalar.length)
		return refuse(builder, line, "a zero byte in a value", "delete the \\0");
	text = strdup(value);
	if (!text)
		return -ENOMEM;
	if (key_wanted(builder)) {
		builder->key = text;
		builder->key_line = line;
		return 0;
	}
	error = node_add(builder, CONFIG_SCALAR, line, &node);
	if (error) {
		free(text);
		return error;
	}
	node->text = text;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int collection_open(struct builder *builder, enum config_kind kind, const yaml_char_t *tag,
			   unsigned int line)
{
	struct config_node *node;
	int error;

	if (tag && strcmp((const char *)tag, "!"))
		return refuse(builder, line, "a tag (\"!...\") is not used here", "delete the tag");
	if (key_wanted(builder))
		return refuse(builder, line, "a list or a section where the name of a key is expected",
			      "write KEY: VALUE, with a word as KEY");
	if (builder->depth == DEPTH_MAX)
		return refuse(builder, line, "too many levels, one inside the other",
			      "no key needs that many: check brackets and indentation");
	error = node_add(builder, kind, line, &node);
	if (error)
		return error;
	builder->open = node;
	builder->depth++;
	return 0;
}

static int event_take(struct builder *builder, const yaml_event_t *event)
{
	unsigned int line = mark_line(builder, &event->start_mark);

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return scalar_add(builder, event, line);
	case YAML_SEQUENCE_START_EVENT:
		return collection_open(builder, CONFIG_LIST, event->data.sequence_start.tag, line);
	case YAML_MAPPING_START_EVENT:
		return collection_open(builder, CONFIG_MAP, event->data.mapping_start.tag, line);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		if (builder->open->parent)
			builder->open = builder->open->parent;
		builder->depth--;
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(builder, line, "an alias (\"*name\") is not used here", "write the value out");
	case YAML_DOCUMENT_START_EVENT:
		if (builder->document.child)
			return refuse(builder, line, "a second document begins", "delete the \"---\" line");
		return 0;
	case YAML_STREAM_END_EVENT:
		builder->done = true;
		return 0;
	default:
		return 0;
	}
}

static int syntax_refuse(struct builder *builder, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "unknown problem";
	const char *mend = "check indentation, quotes and brackets there and just above";
	unsigned int line = mark_line(builder, &parser->problem_mark);

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		line = offset_line(builder, parser->problem_offset);
		mend = "write plain UTF-8 text, without control characters";
	} else if (strstr(problem, "cannot start any token")) {
		mend = "indent with spaces, not tabs; quote a value that begins with one of % @ `";
	}
	report_what(builder->report, line, "not YAML: %s%s%s", parser->context ? parser->context : "",
		    parser->context ? ", " : "", problem);
	report_mend(builder->report, "%s", mend);
	return -EINVAL;
}

static int events_take(struct builder *builder, yaml_parser_t *parser)
{
	yaml_event_t event;
	int error = 0;

	while (!error && !builder->done) {
		if (!yaml_parser_parse(parser, &event))
			return syntax_refuse(builder, parser);
		error = event_take(builder, &event);
		yaml_event_delete(&event);
	}
	return error;
}

int config_tree_parse(const char *text, size_t size, struct config_node **root,
		      struct settings_report *report)
{
	struct builder builder = { .report = report, .text = text, .size = size };
	yaml_parser_t parser;
	int error;

	*root = NULL;
	builder.document.kind = CONFIG_LIST;
	builder.open = &builder.document;
	builder.last_line = offset_line(&builder, size);
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	error = events_take(&builder, &parser);
	yaml_parser_delete(&parser);
	if (!error && (!builder.document.child || config_node_is_null(builder.document.child)))
		error = refuse(&builder, 1, "the file is empty",
			       "name an outside and an inside interface, see keepnat.yaml(5)");
	free(builder.key);
	if (error) {
		config_tree_free(builder.document.child);
		return error;
	}
	*root = builder.document.child;
	(*root)->parent = NULL;
	return 0;
}
