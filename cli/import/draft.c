// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/import/draft.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"

void draft_init(struct draft *draft, const char *name)
{
	memset(draft, 0, sizeof(*draft));
	draft->name = name;
}

void draft_free(struct draft *draft)
{
	free(draft->items);
	free(draft->notes);
}

/* An import without memory is over: there is nothing to take down. */
static void *grow(void *list, int count, size_t size)
{
	void *grown = list;

	/* Full at 0 and at each power of two. */
	if (!(count & (count - 1)))
		grown = realloc(list, (count ? 2 * (size_t)count : 1) * size);
	if (grown)
		return grown;
	complain("out of memory");
	exit(STATUS_FAILED);
}

/* A rule that several ways lead to gives the same more than once. */
static struct draft_item *item_of_line(const struct draft *draft, enum draft_kind kind, unsigned int line,
				       int interface, const char *text)
{
	for (int i = 0; line && i < draft->item_count; i++) {
		struct draft_item *item = &draft->items[i];

		if (item->line == line && item->kind == kind && item->interface == interface &&
		    !strcmp(item->text, text))
			return item;
	}
	return NULL;
}

struct draft_item *draft_add(struct draft *draft, enum draft_kind kind, unsigned int line, int interface,
			     const char *format, ...)
{
	struct draft_item *item;
	va_list arguments;
	char text[DRAFT_TEXT_SIZE];
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	item = item_of_line(draft, kind, line, interface, text);
	if (item)
		return item;
	draft->items = grow(draft->items, draft->item_count, sizeof(*draft->items));
	item = &draft->items[draft->item_count++];
	memset(item, 0, sizeof(*item));
	item->kind = kind;
	item->line = line;
	item->interface = interface;
	memcpy(item->text, text, sizeof(text));
	if (length < (int)sizeof(text))
		return item;
	item->gone = true;
	draft_what(draft, line, DRAFT_ERROR, "a value that is too long");
	draft_mend(draft, "write what it stands for into the configuration by hand");
	return item;
}

static struct draft_item *item_find(const struct draft *draft, enum draft_kind kind, int interface,
				    const char *key, const char *text)
{
	for (int i = 0; i < draft->item_count; i++) {
		struct draft_item *item = &draft->items[i];

		if (item->kind == kind && !item->gone && item->interface == interface &&
		    (!key || !strcmp(item->key, key)) && (!text || !strcmp(item->text, text)))
			return item;
	}
	return NULL;
}

struct draft_item *draft_find(const struct draft *draft, enum draft_kind kind, int interface, const char *key)
{
	return item_find(draft, kind, interface, key, NULL);
}

struct draft_item *draft_find_text(const struct draft *draft, enum draft_kind kind, int interface,
				   const char *text)
{
	return item_find(draft, kind, interface, NULL, text);
}

bool draft_has(const struct draft *draft, enum draft_kind kind, int interface)
{
	return item_find(draft, kind, interface, NULL, NULL) != NULL;
}

int draft_number(const struct draft *draft, const struct draft_item *item)
{
	return (int)(item - draft->items);
}

void draft_drop_interface(struct draft *draft, struct draft_item *interface)
{
	int number = draft_number(draft, interface);

	interface->gone = true;
	for (int i = 0; i < draft->item_count; i++)
		if (draft->items[i].interface == number)
			draft->items[i].gone = true;
}

/* Names of other systems hold anything; what is told holds what a terminal and YAML take. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void draft_what(struct draft *draft, unsigned int line, enum draft_severity severity, const char *format, ...)
{
	struct draft_note *note;
	va_list arguments;

	draft->notes = grow(draft->notes, draft->note_count, sizeof(*draft->notes));
	note = &draft->notes[draft->note_count++];
	note->line = line;
	note->severity = severity;
	note->mend[0] = 0;
	va_start(arguments, format);
	vsnprintf(note->what, sizeof(note->what), format, arguments);
	va_end(arguments);
	make_plain(note->what);
}

void draft_mend(struct draft *draft, const char *format, ...)
{
	struct draft_note *note = &draft->notes[draft->note_count - 1];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(note->mend, sizeof(note->mend), format, arguments);
	va_end(arguments);
	make_plain(note->mend);
}

bool draft_has_side(const struct draft *draft, bool inside)
{
	for (int i = 0; i < draft->item_count; i++)
		if (draft->items[i].kind == DRAFT_INTERFACE && !draft->items[i].gone &&
		    draft->items[i].inside == inside)
			return true;
	return false;
}

static void side_complete(struct draft *draft, const char *name, const char *fallback, bool inside)
{
	const char *side = inside ? "inside" : "outside";

	if (draft_has_side(draft, inside))
		return;
	draft_add(draft, DRAFT_INTERFACE, 0, DRAFT_NOBODY, "%s", name ? name : fallback)->inside = inside;
	if (name)
		return;
	draft_what(draft, 0, DRAFT_ERROR, "no line tells which interface is %s; it is called %s here", side,
		   fallback);
	draft_mend(draft, "give --%s IF, or write its name in place of %s", side, fallback);
}

void draft_complete(struct draft *draft, const char *inside, const char *outside)
{
	side_complete(draft, outside, "outside0", false);
	side_complete(draft, inside, "inside0", true);
}

struct writer {
	struct draft *draft;
	FILE *file;
	unsigned int line;
};

static void write_line(struct writer *writer, const char *text)
{
	fprintf(writer->file, "%s\n", text);
	writer->line++;
}

/* A name that YAML takes for a word, whatever the word. */
static bool name_is_plain(const char *name)
{
	static const char *const others[] = { "true", "false", "yes", "no", "on", "off", "null", "y", "n" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcasecmp(name, others[i]))
			return false;
	return isalpha((unsigned char)*name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
		       strlen(name);
}

static void write_name(struct writer *writer, const char *name)
{
	bool plain = name_is_plain(name);

	fputs(plain ? "  - name: " : "  - name: \"", writer->file);
	for (; *name; name++)
		fprintf(writer->file, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
	write_line(writer, plain ? "" : "\"");
}

/* All items of one kind and owner, with a line above them unless it is NULL. */
static void write_items(struct writer *writer, enum draft_kind kind, int interface, const char *title,
			const char *before)
{
	for (int i = 0; i < writer->draft->item_count; i++) {
		struct draft_item *item = &writer->draft->items[i];

		if (item->kind != kind || item->gone || item->interface != interface)
			continue;
		if (title)
			write_line(writer, title);
		title = NULL;
		item->place = writer->line;
		fputs(before, writer->file);
		write_line(writer, item->text);
	}
}

static void write_interface(struct writer *writer, struct draft_item *item)
{
	int number = draft_number(writer->draft, item);

	item->place = writer->line;
	write_name(writer, item->text);
	write_line(writer, item->inside ? "    role: inside" : "    role: outside");
	write_items(writer, DRAFT_MODE, number, NULL, "    ");
	write_items(writer, DRAFT_POOL, number, "    pool:", "      - ");
	write_items(writer, DRAFT_NETWORK, number, "    networks:", "      - ");
}

static void items_print(struct draft *draft, FILE *file)
{
	struct writer writer = { draft, file, 1 };

	for (int i = 0; i < draft->item_count; i++)
		draft->items[i].place = 0;
	write_line(&writer, "interfaces:");
	for (int i = 0; i < draft->item_count; i++)
		if (draft->items[i].kind == DRAFT_INTERFACE && !draft->items[i].gone)
			write_interface(&writer, &draft->items[i]);
	if (draft_has(draft, DRAFT_FILTERING, DRAFT_NOBODY) || draft_has(draft, DRAFT_PORTS, DRAFT_NOBODY) ||
	    draft_has(draft, DRAFT_TIMER, DRAFT_NOBODY))
		write_line(&writer, "nat:");
	write_items(&writer, DRAFT_FILTERING, DRAFT_NOBODY, "  filtering_type:", "    ");
	write_items(&writer, DRAFT_PORTS, DRAFT_NOBODY, "  ports:", "    ");
	write_items(&writer, DRAFT_TIMER, DRAFT_NOBODY, "  timers:", "    ");
	write_items(&writer, DRAFT_RESERVATION, DRAFT_NOBODY, "reservations:", "  - ");
	write_items(&writer, DRAFT_PORT_MAPPING, DRAFT_NOBODY, "port_mappings:", "  - ");
	write_items(&writer, DRAFT_PASS_THROUGH, DRAFT_NOBODY, "pass_through:", "  - ");
}

/* The item that stands on a line of what was written last, or begins above it; gone since, perhaps. */
static struct draft_item *item_at(const struct draft *draft, unsigned int line)
{
	struct draft_item *found = NULL;

	for (int i = 0; i < draft->item_count; i++) {
		struct draft_item *item = &draft->items[i];

		if (item->place && item->place <= line && (!found || item->place > found->place))
			found = item;
	}
	return found;
}

/* What the reader said, with lines of the source in place of those of the draft. */
static void note_translate(struct draft *draft, const struct draft_item *item, enum draft_severity severity,
			   const struct settings_note *note)
{
	static const char mark[] = " on line ";
	const char *place = strstr(note->what, mark);
	const struct draft_item *other = NULL;
	const char *rest = "";

	if (place) {
		char *end;

		other = item_at(draft, (unsigned int)strtoul(place + sizeof(mark) - 1, &end, 10));
		rest = end;
	}
	if (other && other->line)
		draft_what(draft, item->line, severity, "%.*s%s%u%s", (int)(place - note->what), note->what,
			   mark, other->line, rest);
	else
		draft_what(draft, item->line, severity, "%s", note->what);
	draft_mend(draft, "%s", note->mend);
}

/* What is an interface's own goes with it, and each line of it is told. */
static void item_drop(struct draft *draft, struct draft_item *item)
{
	int number = draft_number(draft, item);

	item->gone = true;
	for (int i = 0; item->kind == DRAFT_INTERFACE && i < draft->item_count; i++) {
		struct draft_item *owned = &draft->items[i];

		if (owned->interface != number || owned->gone)
			continue;
		owned->gone = true;
		draft_what(draft, owned->line, DRAFT_LEFT_OUT, "%s: its interface was left out", owned->text);
		draft_mend(draft, "see to the interface first");
	}
}

/* Take out what the errors are about. False: they are about no item. */
static bool errors_take(struct draft *draft, const struct settings_report *errors)
{
	bool taken = false;

	for (unsigned int i = 0; i < errors->count; i++) {
		struct draft_item *item = item_at(draft, errors->notes[i].line);

		if (!item && !taken) {
			draft_what(draft, 0, DRAFT_ERROR, "no configuration comes of it: %s",
				   errors->notes[i].what);
			draft_mend(draft, "%s", errors->notes[i].mend);
			return false;
		}
		if (!item || item->gone)
			continue;
		note_translate(draft, item, DRAFT_LEFT_OUT, &errors->notes[i]);
		item_drop(draft, item);
		taken = true;
	}
	return taken;
}

static char *draft_text(struct draft *draft)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	items_print(draft, file);
	fclose(file);
	return text;
}

static int note_compare(const void *a, const void *b)
{
	const struct draft_note *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->number - y->number;
}

static int note_compare_words(const void *a, const void *b)
{
	const struct draft_note *x = a, *y = b;
	int order = x->line == y->line ? strcmp(x->what, y->what) : x->line < y->line ? -1 : 1;

	order = order ? order : strcmp(x->mend, y->mend);
	return order ? order : x->number - y->number;
}

/* By line, and each once. */
static void notes_settle(struct draft *draft)
{
	int kept = 0;

	for (int i = 0; i < draft->note_count; i++)
		draft->notes[i].number = i;
	if (draft->note_count)
		qsort(draft->notes, (size_t)draft->note_count, sizeof(*draft->notes), note_compare_words);
	for (int i = 0; i < draft->note_count; i++) {
		const struct draft_note *note = &draft->notes[i];

		if (kept && note->line == draft->notes[kept - 1].line &&
		    !strcmp(note->what, draft->notes[kept - 1].what) &&
		    !strcmp(note->mend, draft->notes[kept - 1].mend))
			continue;
		draft->notes[kept++] = *note;
	}
	draft->note_count = kept;
	if (kept)
		qsort(draft->notes, (size_t)kept, sizeof(*draft->notes), note_compare);
}

bool draft_settle(struct draft *draft)
{
	static struct settings_report errors;
	struct settings *settings = NULL;
	bool going_on = true;

	while (!settings && going_on) {
		char *text = draft_text(draft);

		if (settings_parse(text, strlen(text), draft->name, &settings, &errors))
			going_on = errors_take(draft, &errors);
		free(text);
	}
	for (unsigned int i = 0; settings && i < settings->warnings.count; i++) {
		const struct settings_note *note = &settings->warnings.notes[i];
		const struct draft_item *item = item_at(draft, note->line);

		if (item)
			note_translate(draft, item, DRAFT_TOLD, note);
	}
	settings_free(settings);
	notes_settle(draft);
	return going_on;
}

const char *draft_severity_name(enum draft_severity severity)
{
	static const char *const names[] = {
		[DRAFT_TOLD] = "note",
		[DRAFT_LEFT_OUT] = "left out",
		[DRAFT_ERROR] = "error",
	};

	return names[severity];
}

void draft_notes_print(const struct draft *draft, FILE *file, const char *before)
{
	char name[DRAFT_KEY_SIZE];

	snprintf(name, sizeof(name), "%s", draft->name);
	make_plain(name);
	for (int i = 0; i < draft->note_count; i++) {
		const struct draft_note *note = &draft->notes[i];

		fprintf(file, "%s%s:", before, name);
		if (note->line)
			fprintf(file, "%u:", note->line);
		fprintf(file, " %s: %s; %s\n", draft_severity_name(note->severity), note->what, note->mend);
	}
}

void draft_print(struct draft *draft, FILE *file)
{
	fputs("# keepnat: /etc/keepnat/keepnat.yaml, see keepnat.yaml(5); `keepnat check` checks it.\n",
	      file);
	if (draft->note_count)
		fputs("# What the import could not carry over, or tells:\n#\n", file);
	draft_notes_print(draft, file, "#   ");
	if (draft->note_count)
		fputs("#\n", file);
	items_print(draft, file);
}
