// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What may stand next on a command line, for the completion of bash and zsh (packaging/completion): from the tables that read it, so that
 * there is no second list.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void candidate(const char *word, const char *begun)
{
	if (!strncmp(word, begun, strlen(begun)))
		puts(word);
}

/* Words between blanks. */
static void candidates(const char *words, const char *begun)
{
	char word[32];

	while (*words) {
		size_t length = strcspn(words, " ");

		snprintf(word, sizeof(word), "%.*s", (int)length, words);
		candidate(word, begun);
		words += length + (words[length] == ' ');
	}
}

static void interfaces(const char *begun)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *at = list; at && at->if_index; at++)
		candidate(at->if_name, begun);
	if (list)
		if_freenameindex(list);
}

static void command_names(const char *begun)
{
	for (const struct command *command = commands; command->name; command++)
		candidate(command->name, begun);
}

#define PROTOCOLS "udp tcp icmp dccp sctp udplite gre esp ipip"

/* Values of an option that are known ahead. */
static void values(const struct command *command, const char *option, const char *begun)
{
	static const struct {
		const char *option, *words;
	} known[] = {
		{ "keep", "mappings hosts none" },
		{ "severity", "error warning notice info" },
		{ "protocol", PROTOCOLS },
		{ "tcp-flags", "syn ack fin rst syn+ack" },
		{
			"reason",
#define REASON(name, verdict, meaning) #name " "
#include "core/reasons.def"
#undef REASON
		},
		{
			"event",
#define EVENT(name, severity, message_id, windows, meaning, mend) #name " "
#include "daemon/events.def"
#undef EVENT
		},
	};
	bool names_sides = command && (command->run == run_run || command->run == import_run);

	if (!strcmp(option, "interface") ||
	    (names_sides && (!strcmp(option, "inside") || !strcmp(option, "outside"))))
		interfaces(begun);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(option, known[i].option))
			candidates(known[i].words, begun);
}

/* The first argument, from the synopsis: what is in small letters stands for itself; in brackets are options, or what comes later. */
static void first_argument(const struct command *command, const char *begun)
{
	bool option = false;
	int depth = 0;

	if (command->run == help_run)
		command_names(begun);
	for (const char *at = command->synopsis; *at;) {
		size_t length = strcspn(at, " |[]");
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)length, at);
		if (*word == '-')
			option = true;
		else if (*word && option)
			option = false; /* its value */
		else if (*word && !depth && !strcmp(word, "IF"))
			interfaces(begun);
		else if (*word && !depth && strspn(word, "abcdefghijklmnopqrstuvwxyz") == strlen(word))
			candidate(word, begun);
		at += length;
		depth += (*at == '[') - (*at == ']');
		at += *at != 0;
	}
}

/* "instance" becomes "--instance". */
static void option_names(const char *names, const char *begun)
{
	const char *bare = begun + strspn(begun, "-");
	char word[32], dashed[40];

	while (*names) {
		size_t length = strcspn(names, " ");

		snprintf(word, sizeof(word), "%.*s", (int)length, names);
		snprintf(dashed, sizeof(dashed), "%s%s", length == 1 ? "-" : "--", word);
		if (!strncmp(word, bare, strlen(bare)))
			puts(dashed);
		names += length + (names[length] == ' ');
	}
}

int complete_print(int count, char **words)
{
	const char *begun = count ? words[count - 1] : "", *option = NULL;
	const struct command *command = NULL;
	int arguments = 0;

	for (int i = 0; i < count - 1; i++) {
		const char *name = words[i] + strspn(words[i], "-");

		if (option)
			option = NULL;
		else if (name != words[i])
			option = option_has_value(name) ? name : NULL;
		else if (command)
			arguments++;
		else
			command = command_find(words[i]);
	}
	if (option) {
		values(command, option, begun);
	} else if (*begun == '-') {
		option_names(OPTIONS_COMMON, begun);
		option_names(command ? command->options : "", begun);
	} else if (!command) {
		command_names(begun);
	} else if (!arguments) {
		first_argument(command, begun);
	} else if (arguments == 1 && command->run == explain_run) {
		candidates(PROTOCOLS, begun);
	}
	return STATUS_DONE;
}
