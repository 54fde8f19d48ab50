// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Every option there is; with a value it goes into `value`, else it sets `flag`. */
struct option {
	const char *name;
	bool common; /* any command takes it */
	const char **value;
	bool *flag;
};

enum { OPTIONS = 28 };

static void option_table(struct option table[OPTIONS + 1], struct options *o)
{
	const struct option all[OPTIONS + 1] = {
		{ "instance", true, &o->instance, NULL },
		{ "run-dir", true, &o->run_dir, NULL },
		{ "json", true, NULL, &o->json },
		{ "help", true, NULL, &o->help },
		{ "version", true, NULL, &o->version },
		{ "state-dir", false, &o->state_dir, NULL },
		{ "pin-dir", false, &o->pin_dir, NULL },
		{ "inside", false, &o->inside, NULL },
		{ "outside", false, &o->outside, NULL },
		{ "pool", false, &o->pool, NULL },
		{ "host", false, &o->host, NULL },
		{ "remote", false, &o->remote, NULL },
		{ "protocol", false, &o->protocol, NULL },
		{ "interface", false, &o->interface, NULL },
		{ "limit", false, &o->limit, NULL },
		{ "severity", false, &o->severity, NULL },
		{ "event", false, &o->event, NULL },
		{ "reason", false, &o->reason, NULL },
		{ "tcp-flags", false, &o->tcp_flags, NULL },
		{ "keep", false, &o->keep, NULL },
		{ "config", false, &o->config, NULL },
		{ "rename", false, &o->rename, NULL },
		{ "o", false, &o->output, NULL },
		{ "wait", false, NULL, &o->wait },
		{ "detach", false, NULL, &o->detach },
		{ "all", false, NULL, &o->all },
		{ "once", false, NULL, &o->once },
		{ "h", true, NULL, &o->help },
		{ NULL, false, NULL, NULL },
	};

	memcpy(table, all, sizeof(all));
}

bool option_has_value(const char *name)
{
	struct option table[OPTIONS + 1];
	struct options none;

	option_table(table, &none);
	for (const struct option *option = table; option->name; option++)
		if (!strcmp(option->name, name))
			return option->value;
	return false;
}

static bool words_have(const char *words, const char *name, size_t length)
{
	while (*words) {
		size_t word = strcspn(words, " ");
		if (word == length && !memcmp(words, name, length))
			return true;
		words += word + (words[word] == ' ');
	}
	return false;
}

/* Options that are only right with some commands wait here until the command is known. */
struct parse {
	struct options *options;
	const struct command *command;
	struct option table[OPTIONS + 1];
	const struct option *given[32]; /* those that are not common */
	int given_count;
};

static int option_unknown(const struct parse *parse, const char *word)
{
	const char *names[OPTIONS + 1], *meant;
	size_t n = 0;
	char bare[64];

	for (int i = 0; i < OPTIONS; i++)
		names[n++] = parse->table[i].name;
	names[n] = NULL;
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(word, "="), word + strspn(word, "-"));
	bare[strcspn(bare, "=")] = 0;
	meant = suggest(bare, names);
	if (meant)
		complain("there is no option %s; did you mean --%s?", word, meant);
	else
		complain("there is no option %s; 'keepnat help' lists them", word);
	return STATUS_USAGE;
}

/* One option at words[*at], its value perhaps in the next word. */
static int option_read(struct parse *parse, int count, char **words, int *at)
{
	const char *word = words[*at], *name = word + strspn(word, "-"), *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct option *option = parse->table;

	while (option->name && (strlen(option->name) != length || memcmp(option->name, name, length) != 0))
		option++;
	if (!option->name || (length == 1) != (name == word + 1))
		return option_unknown(parse, word);
	if (!option->common && parse->given_count < (int)(sizeof(parse->given) / sizeof(parse->given[0])))
		parse->given[parse->given_count++] = option;
	if (option->flag) {
		*option->flag = true;
		if (equals)
			complain("--%s takes no value", option->name);
		return equals ? STATUS_USAGE : STATUS_DONE;
	}
	if (*option->value) {
		complain("--%s stands twice; leave one out", option->name);
		return STATUS_USAGE;
	}
	*option->value = equals ? equals + 1 : *at + 1 < count ? words[++*at] : NULL;
	if (*option->value && **option->value)
		return STATUS_DONE;
	complain("--%s needs a value", option->name);
	return STATUS_USAGE;
}

static int command_unknown(const char *word)
{
	const char *names[32], *meant;
	size_t n = 0;

	for (const struct command *command = commands; command->name; command++)
		names[n++] = command->name;
	names[n] = NULL;
	meant = suggest(word, names);
	if (meant)
		complain("there is no command \"%s\"; did you mean \"%s\"?", word, meant);
	else
		complain("there is no command \"%s\"; 'keepnat help' lists them", word);
	return STATUS_USAGE;
}

static int word_read(struct parse *parse, const char *word)
{
	struct options *o = parse->options;

	if (!parse->command) {
		parse->command = command_find(word);
		return parse->command ? STATUS_DONE : command_unknown(word);
	}
	if (o->argument_count < ARGUMENTS_MAX) {
		o->arguments[o->argument_count++] = word;
		return STATUS_DONE;
	}
	complain("\"%s\" is one word too many; try 'keepnat help %s'", word, parse->command->name);
	return STATUS_USAGE;
}

/* Does the command take what was given? */
static int parse_check(const struct parse *parse)
{
	const struct command *command = parse->command;
	const struct options *o = parse->options;

	for (int i = 0; i < parse->given_count; i++) {
		const char *name = parse->given[i]->name;
		if (words_have(command->options, name, strlen(name)))
			continue;
		complain("%s takes no --%s; try 'keepnat help %s'", command->name, name, command->name);
		return STATUS_USAGE;
	}
	if (o->help || (command->arguments < 0 ? o->argument_count <= -command->arguments
					       : o->argument_count == command->arguments))
		return STATUS_DONE;
	complain("usage: keepnat %s %s", command->name, command->synopsis);
	return STATUS_USAGE;
}

int options_read(struct options *options, const struct command **command, int count, char **words)
{
	struct parse parse = { .options = options };
	bool only_words = false;
	int error = STATUS_DONE;

	memset(options, 0, sizeof(*options));
	option_table(parse.table, options);
	for (int at = 1; at < count && !error; at++) {
		if (!only_words && !strcmp(words[at], "--"))
			only_words = true;
		else if (!only_words && words[at][0] == '-' && words[at][1])
			error = option_read(&parse, count, words, &at);
		else
			error = word_read(&parse, words[at]);
	}
	*command = parse.command;
	if (!error && parse.command)
		error = parse_check(&parse);
	return error;
}
