// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a request to the API:
 *
 *	u GET /v1/sessions?limit=10 		(u: by the Unix socket, t: by TCP)
 *	Header: value
 *
 *	the body
 *
 * libmicrohttpd is not asked: what the daemon calls of it is here, and hands over what stands in these lines, decoded as it would be.
 * Besides what the sanitizers see: there is one answer, it is JSON where it says so, a refusal has error, mend and at, and a list ends.
 *
 * The sources are included, so that they are compiled with the fuzzer's own counters.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "daemon/api.c"
#include "daemon/api_control.c"
#include "daemon/api_door.c"
#include "daemon/api_events.c"
#include "daemon/api_explain.c"
#include "daemon/api_filter.c"
#include "daemon/api_list.c"
#include "daemon/api_request.c"
#include "daemon/api_reset.c"
#include "daemon/asset.c"
/* NOLINTEND(bugprone-suspicious-include) */

#include "tests/unit/fixture/instance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAIRS = 32, PIECE = 1000, TURNS = 10000, ANSWER = 1 << 20 };

#define TOKEN "0123456789abcdef"

struct MHD_Response {
	char *text;
	size_t length;
	enum MHD_ResponseMemoryMode mode;
	MHD_ContentReaderCallback read;
	MHD_ContentReaderFreeCallback free;
	void *context;
	const char *type;
};

/* A request as it was read, and its answer. */
struct MHD_Connection {
	char *names[2][PAIRS], *values[2][PAIRS]; /* headers; parameters, which may have no value */
	unsigned int counts[2];
	struct MHD_Response *response;
	unsigned int status;
	bool suspended, queued;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static int side(enum MHD_ValueKind kind) { return kind == MHD_GET_ARGUMENT_KIND; }

enum MHD_Result MHD_lookup_connection_value_n(struct MHD_Connection *c, enum MHD_ValueKind kind,
					      const char *name, size_t length, const char **value,
					      size_t *value_length)
{
	(void)value_length;
	for (unsigned int i = 0; i < c->counts[side(kind)]; i++)
		if (strlen(c->names[side(kind)][i]) == length &&
		    !strncasecmp(c->names[side(kind)][i], name, length)) {
			*value = c->values[side(kind)][i];
			return MHD_YES;
		}
	return MHD_NO;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *name)
{
	const char *value = NULL;

	MHD_lookup_connection_value_n(c, kind, name, strlen(name), &value, NULL);
	return value;
}

int MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind, MHD_KeyValueIterator look,
			      void *context)
{
	int met = 0;

	for (unsigned int i = 0; i < c->counts[side(kind)]; i++, met++)
		if (look(context, kind, c->names[side(kind)][i], c->values[side(kind)][i]) == MHD_NO)
			break;
	return met;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t length, void *text,
						     enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = calloc(1, sizeof(*r));

	require(r && mode != MHD_RESPMEM_MUST_COPY);
	*r = (struct MHD_Response){ .text = text, .length = length, .mode = mode };
	return r;
}

struct MHD_Response *MHD_create_response_from_callback(uint64_t length, size_t block,
						       MHD_ContentReaderCallback read, void *context,
						       MHD_ContentReaderFreeCallback release)
{
	struct MHD_Response *r = calloc(1, sizeof(*r));

	require(r && length == MHD_SIZE_UNKNOWN && block == REQUEST_BLOCK);
	*r = (struct MHD_Response){ .read = read, .free = release, .context = context };
	return r;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *name, const char *value)
{
	for (const char *at = value; *at; at++)
		require(*at >= ' ' && *at <= '~'); /* nothing of the client's own, and no line of its own */
	if (!strcmp(name, MHD_HTTP_HEADER_CONTENT_TYPE))
		r->type = value;
	return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned int status, struct MHD_Response *r)
{
	require(!c->queued && !c->suspended);
	c->queued = true;
	c->response = r;
	c->status = status;
	return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *r) { (void)r; } /* response_end() does */
void MHD_suspend_connection(struct MHD_Connection *c) { c->suspended = true; }
void MHD_resume_connection(struct MHD_Connection *c) { c->suspended = false; }

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *c,
							enum MHD_ConnectionInfoType type, ...)
{
	(void)c;
	(void)type;
	return NULL;
}

static void response_end(struct MHD_Response *r)
{
	if (r->free)
		r->free(r->context);
	if (r->mode == MHD_RESPMEM_MUST_FREE && r->text)
		free(r->text);
	free(r);
}

/*
 * The request
 */

/* The next line, without its end; NULL: there is none. */
static char *line_next(char **text)
{
	char *line = *text;

	if (!line)
		return NULL;
	*text = strchr(line, '\n');
	if (*text)
		*(*text)++ = 0;
	line[strcspn(line, "\r")] = 0;
	return line;
}

static int hex(char digit)
{
	return digit >= '0' && digit <= '9'   ? digit - '0'
	       : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
	       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
					      : -1;
}

static void decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
			*to++ = (char)(hex(text[1]) << 4 | hex(text[2]));
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

static void pair_add(struct MHD_Connection *c, int of, char *name, char *value)
{
	if (c->counts[of] == PAIRS)
		return;
	c->names[of][c->counts[of]] = name;
	c->values[of][c->counts[of]++] = value;
}

static void query_read(struct MHD_Connection *c, char *query)
{
	char *part;

	while ((part = strsep(&query, "&"))) {
		char *value = strchr(part, '=');

		if (value)
			*value++ = 0;
		for (char *at = value; at && *at; at++)
			if (*at == '+')
				*at = ' ';
		decode(part);
		if (value)
			decode(value);
		pair_add(c, 1, part, value);
	}
}

static void headers_read(struct MHD_Connection *c, char **text)
{
	char *line, *value;

	while ((line = line_next(text)) && *line) {
		value = strchr(line, ':');
		if (!value)
			continue;
		*value++ = 0;
		pair_add(c, 0, line, value + strspn(value, " \t"));
	}
}

/*
 * The answer
 */

/* All of what a stream says, or of what it says until it waits. */
static char *stream_read(const struct MHD_Response *r, size_t *length)
{
	char *text = calloc(1, ANSWER + REQUEST_BLOCK);
	ssize_t n = 1;

	require(text);
	*length = 0;
	for (int turn = 0; n > 0; turn++) {
		require(turn < TURNS && *length < ANSWER);
		n = r->read(r->context, *length, text + *length, REQUEST_BLOCK);
		require(n <= REQUEST_BLOCK && n != MHD_CONTENT_READER_END_WITH_ERROR);
		*length += n > 0 ? (size_t)n : 0;
	}
	return text;
}

static bool has_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text && *text;
}

static void response_check(const struct MHD_Connection *c)
{
	const struct MHD_Response *r = c->response;
	size_t length = r->length;
	char *text = r->read ? stream_read(r, &length) : r->text;
	json_t *json = NULL;

	require(r->type && c->status >= 200 && c->status < 600);
	if (!strcmp(r->type, "application/json") && c->status != MHD_HTTP_NOT_MODIFIED) {
		json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
		require(json_is_object(json));
	}
	if (c->status >= 400)
		require(has_text(json, "error") && has_text(json, "mend") && has_text(json, "at"));
	json_decref(json);
	if (r->read)
		free(text);
}

static void serve(struct door *door, struct MHD_Connection *c, const char *method, const char *path,
		  const char *body, size_t length)
{
	enum MHD_Result result;
	void *state = NULL;
	size_t size = 0;

	result = http_handle(door, c, path, method, "HTTP/1.1", NULL, &size, &state);
	for (size_t at = 0; at < length && result == MHD_YES && !c->queued; at += PIECE) {
		size = length - at < PIECE ? length - at : PIECE;
		result = http_handle(door, c, path, method, "HTTP/1.1", body + at, &size, &state);
		require(!size);
	}
	if (result == MHD_YES && !c->queued) {
		size = 0;
		result = http_handle(door, c, path, method, "HTTP/1.1", NULL, &size, &state);
	}
	require(result == MHD_YES && c->queued);
	response_check(c);
	http_done(door, c, &state, MHD_REQUEST_TERMINATED_COMPLETED_OK);
	response_end(c->response);
}

/*
 * The instance: made anew after what may have changed it
 */

static struct instance *instance;
static struct api api;
static struct blackbox *box;

static void instance_open(void)
{
	instance = instance_make(64, 64, 64);
	instance_out(instance, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 80, 2);
	instance_out(instance, PROTOCOL_UDP, "10.0.0.6", 5000, "192.0.2.9", 53, 0);
	events_open(&instance->k);
	event_tell(&instance->k, EVENT_started, "", "it begins");
	if (!box)
		box = blackbox_new();
	require(box);
	box->upgrade.asked = 0;
	instance->k.box = box;
	api = (struct api){ .k = &instance->k, .streams = streams_open() };
	require(api.streams);
	for (int i = 0; i < 2; i++)
		api.doors[i] = (struct door){ .api = &api, .fd = -1, .joined = true, .closed = i };
	strcpy(api.doors[1].token, TOKEN);
	instance->k.api = &api;
}

static void instance_end(void)
{
	streams_close(api.streams);
	events_close(&instance->k);
	instance_free(instance);
	instance = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct MHD_Connection connection = { 0 };
	char *text = calloc(1, size + 1), *rest = text, *line, *door, *method, *path;
	size_t length;

	require(text);
	memcpy(text, data, size);
	if (!instance)
		instance_open();
	line = line_next(&rest);
	door = strsep(&line, " ");
	method = strsep(&line, " ");
	path = strsep(&line, " ");
	if (path && *path == '/') {
		char *query = path;

		strsep(&query, "?");
		query_read(&connection, query);
		decode(path);
		headers_read(&connection, &rest);
		length = rest ? size - (size_t)(rest - text) : 0;
		serve(&api.doors[*door == 't'], &connection, method, path, rest, length);
		if (strcmp(method, "GET") != 0)
			instance_end();
	}
	free(text);
	return 0;
}
