/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * client.h - requests to the daemon's API, and its answers as JSON.
 *
 * All of it says what went wrong, on stderr, and how to mend it; the caller only hands on the status.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cli/scan.h"

struct client;
struct options;

enum { URL_SIZE = 1024 };

/* A path with its query. */
struct url {
	char text[URL_SIZE];
};

/* Make sure that somebody listens. STATUS_DONE and *client, for client_close(); or STATUS_FAILED. */
int client_open(const struct options *options, struct client **client);
void client_close(struct client *client);

/* The daemon's process, or 0 if it cannot be told. */
pid_t client_daemon(const struct client *client);

/* Nothing need be said of recoveries that nobody has read about. */
void client_told(struct client *client);

/* Where the daemon listens, and whether it (still) does: 0, or -errno. */
const char *client_socket(const struct client *client);
int client_probe(const struct client *client);

/* "/v1/sessions", then "?name=value" or "&name=value"; NULL values are left out. */
void url_start(struct url *url, const char *path);
void url_add(struct url *url, const char *name, const char *value);
void url_add_filter(struct url *url,
		    const struct options *options); /* host, outside, remote, protocol, interface */
void url_add_number(struct url *url, const char *name, unsigned long long value);

/*
 * GET, or POST with a body. STATUS_DONE and *json, for json_decref(); STATUS_USAGE if the daemon does not take
 * what was asked; STATUS_FAILED.
 */
int client_get(struct client *client, const struct url *url, json_t **json);

/* The same, as text: *text is the client's, until its next request. */
int client_get_text(struct client *client, const struct url *url, struct span *text);

/* GET of a daemon that may be away for a while: nothing is said. NULL: no answer, or no good one. */
json_t *client_peek(struct client *client, const struct url *url);
int client_post(struct client *client, const struct url *url, const char *body, json_t **json);

/* DELETE; else as client_get(). */
int client_delete(struct client *client, const struct url *url, json_t **json);

/*
 * PUT a configuration (text NULL: POST nothing) and say line by line what the daemon did not like of it, as `check` does; it has
 * RELOAD_SECONDS to answer.
 */
enum { RELOAD_SECONDS = 300 };
int client_reload(struct client *client, const struct url *url, const char *text, size_t size, json_t **json);

/* Print "AT:LINE: SEVERITY: what; mend" for each problem of a list. */
void client_problems_print(const json_t *problems, const char *severity);

/*
 * GET what never ends, as server-sent events; each one is taken as it comes, by its kind and its data, until `take` says false.
 * When the daemon goes away, this waits until one is there again and goes on behind the last event that was taken.
 */
int client_follow(struct client *client, const struct url *url,
		  bool (*take)(void *context, const char *event, const char *data), void *context);

/*
 * For commands that ask one question: GET, and print the answer, as it came with --json, else by `print`, which says how that went.
 * The status of all of it.
 */
int client_show(const struct options *options, const struct url *url, int (*print)(const json_t *json));
