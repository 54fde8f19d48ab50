/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api_request.h - one HTTP request on its way: what was asked, and the three ways to answer.
 *
 * A request is answered exactly once, by request_json(), request_fail() or, for lists, request_stream(); each consumes
 * what it is given and leaves the answer in `response` and `status`.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <microhttpd.h>

#include "daemon/api_door.h"

struct blackbox_thread;
struct keepnat;
struct reload_order;
struct streams;

enum {
	REQUEST_BODY = 4096,	   /* bytes; more is refused, but where a route takes more */
	REQUEST_LONG = 4,	   /* requests whose bodies may be longer than that, at a time */
	REQUEST_BLOCK = 48 * 1024, /* bytes that a stream hands over at once, at most */
};

struct api {
	struct keepnat *k;
	struct door doors[2];	  /* the Unix socket; TCP */
	struct timespec started;  /* CLOCK_BOOTTIME */
	struct streams *streams;  /* of events */
	bool stopping;		  /* POST /v1/stop was taken */
	unsigned int long_bodies; /* of both doors */
	char path[256];		  /* of the socket */
	dev_t device;		  /* and whether the file there is still ours */
	ino_t inode;
};

struct request {
	struct api *api;
	struct MHD_Connection *connection;
	const char *path;
	char name[64];		      /* what the path has in place of "{name}" */
	struct blackbox_thread *life; /* of the thread that serves it */
	char *body;
	size_t body_length, body_room, body_max;
	size_t body_cut;   /* bytes that there were more */
	bool body_long;	   /* it is one of api->long_bodies */
	bool body_late;	   /* there were too many of those */
	const char *type;  /* of the answer; NULL: JSON */
	const char *cache; /* who may keep it; NULL: nobody */
	unsigned int status;
	struct MHD_Response *response;
	uint64_t order; /* for stop_fd once the answer is out; 0: none */
	struct reload_order
		*reload; /* with the main thread, while the connection is suspended; or back from there */
};

/* Text that a stream makes: as MHD_ContentReaderCallback and MHD_ContentReaderFreeCallback. */
struct stream {
	ssize_t (*read)(void *context, uint64_t position, char *buffer, size_t size);
	void (*free)(void *context);
};

/* Answer 200 with `json`. */
void request_json(struct request *request, json_t *json);

/* Answer 200 with text of request->type, made by malloc(); NULL: there was no memory for it. */
void request_text(struct request *request, char *text, size_t length);

/* Answer with bytes of request->type that stay where they are. */
void request_fixed(struct request *request, unsigned int status, const void *data, size_t length);

/* Answer with an error: what is wrong, how to mend it, and where (NULL: the path). */
void request_fail(struct request *request, unsigned int status, const char *what, const char *mend,
		  const char *at);

/* The same where there is more than one, in a list "errors". */
void request_fail_all(struct request *request, unsigned int status, const char *what, const char *mend,
		      const char *at, json_t *errors);

/* Answer 200 with what stream->read() gives, until it says MHD_CONTENT_READER_END_OF_STREAM. */
void request_stream(struct request *request, const struct stream *stream, void *context);

/* The value of a parameter of the query, "" if it has none, or NULL. */
const char *request_parameter(const struct request *request, const char *name);

/* How long a body may be there. */
size_t request_body_max(struct request *request, const char *method);

/* Find who answers a request, and have it answered; or suspended, and then again when it goes on. */
void request_answer(struct request *request, const char *method);

/* Who answers what. Parameters have been checked by name. */
void answer_status(struct request *request);
void answer_interfaces(struct request *request);
void answer_reasons(struct request *request);
void answer_explain(struct request *request);
void answer_drops(struct request *request);
void answer_metrics(struct request *request);
void answer_events(struct request *request);
void answer_config(struct request *request);
void answer_crashes(struct request *request);
void answer_crash(struct request *request);
void answer_crash_ack(struct request *request);
void answer_config_put(struct request *request);
void answer_reload(struct request *request);
void answer_stop(struct request *request);
void answer_snapshot(struct request *request);
void answer_snapshot_order(struct request *request);
void answer_upgrade(struct request *request);
void answer_upgrade_order(struct request *request);
void answer_reset(struct request *request);
void answer_reset_report(struct request *request);
void answer_sessions(struct request *request);
void answer_mappings(struct request *request);
void answer_hosts(struct request *request);
void answer_blocks(struct request *request);
void answer_pools(struct request *request);
void answer_kill_sessions(struct request *request);
void answer_kill_mappings(struct request *request);
void answer_kill_host(struct request *request);
