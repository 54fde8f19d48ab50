/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cli.h - what all of keepnat's commands share.
 *
 * A command is one line of the table in commands.c and one function. It gets options that have been checked against
 * what it takes, and answers with an exit status. What went wrong has been said, on stderr, by who knew it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };
enum { ARGUMENTS_MAX = 4, SOCKET_PATH_SIZE = 256 };

/* Options that were given; NULL: not. */
struct options {
	const char *instance, *run_dir, *state_dir, *pin_dir;
	const char *inside, *outside, *pool;
	const char *host, *remote, *protocol, *interface, *limit, *keep, *config, *severity, *event, *rename,
		*output, *tcp_flags, *reason;
	bool json, detach, all, once, wait, help, version;
	const char *arguments[ARGUMENTS_MAX]; /* after the command's name */
	int argument_count;
};

struct command {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *summary;  /* one line */
	const char *help;     /* more, for `keepnat help NAME`; lines are broken already */
	const char *example;
	const char *options; /* names that it takes, separated by blanks; the common ones are understood */
	int arguments;	     /* so many, exactly */
	int (*run)(const struct options *options);
};

extern const struct command commands[]; /* name NULL ends it */

const struct command *command_find(const char *name);

/* The words of a command line. STATUS_DONE, or STATUS_USAGE after a line that says why. *command may be NULL. */
int options_read(struct options *options, const struct command **command, int count, char **words);

/* Options of every command, separated by blanks; and does the one of this name take a value? */
#define OPTIONS_COMMON "instance run-dir json help version"
bool option_has_value(const char *name);

/* Print, a line each, what the last of these words, the ones after the program's name, may become. STATUS_DONE. */
int complete_print(int count, char **words);

/* The likely meaning of a mistyped word, by way of `next`: NULL until it returns NULL. NULL: there is none. */
const char *suggest(const char *word, const char *const *words);

/* The whole of it, or what one command is for. */
void help_print(void);
void help_print_command(const struct command *command);

/* "keepnat: ..." on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Become the program words[0] that belongs to this keepnat, wherever both were put: installed, or in a build's folders; places are
 * paths from here, NULL ends them. Then any. Returns only if that failed, with errno.
 */
void program_exec(const char *const *places, char **words);

int run_run(const struct options *options);
int upgrade_run(const struct options *options);
int status_run(const struct options *options);
int interfaces_run(const struct options *options);
int hosts_run(const struct options *options);
int mappings_run(const struct options *options);
int sessions_run(const struct options *options);
int blocks_run(const struct options *options);
int lookup_run(const struct options *options);
int pools_run(const struct options *options);
int reasons_run(const struct options *options);
int top_run(const struct options *options);
int drops_run(const struct options *options);
int explain_run(const struct options *options);
int events_run(const struct options *options);
int monitor_run(const struct options *options);
int replay_run(const struct options *options);
int import_run(const struct options *options);
int crash_run(const struct options *options);
int check_run(const struct options *options);
int show_run(const struct options *options);
int reload_run(const struct options *options);
int snapshot_run(const struct options *options);
int stop_run(const struct options *options);
int reset_run(const struct options *options);
int kill_run(const struct options *options);
int help_run(const struct options *options);
