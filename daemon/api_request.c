// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/api_request.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/asset.h"
#include "daemon/blackbox.h"
#include "daemon/crash_store.h"
#include "daemon/keepnat.h"
#include "daemon/reload.h"

struct route {
	const char *path; /* "{name}" stands for one step of it */
	const char *method;
	const char *parameters; /* that its query may have, separated by blanks */
	void (*answer)(struct request *request);
};

static const struct route routes[] = {
	{ "/", "GET", "", answer_asset },
	{ "/page/{name}", "GET", "", answer_asset },
	{ "/v1/openapi.json", "GET", "", answer_asset },
	{ "/v1/status", "GET", "", answer_status },
	{ "/v1/interfaces", "GET", "interface", answer_interfaces },
	{ "/v1/hosts", "GET", "host outside interface limit cursor", answer_hosts },
	{ "/v1/hosts/{name}", "DELETE", "interface", answer_kill_host },
	{ "/v1/mappings", "GET", "host outside protocol interface limit cursor", answer_mappings },
	{ "/v1/mappings", "DELETE", "host outside protocol interface", answer_kill_mappings },
	{ "/v1/sessions", "GET", "host outside remote protocol interface limit cursor", answer_sessions },
	{ "/v1/sessions", "DELETE", "host outside remote protocol interface", answer_kill_sessions },
	{ "/v1/blocks", "GET", "host outside interface limit cursor", answer_blocks },
	{ "/v1/pools", "GET", "outside interface limit cursor", answer_pools },
	{ "/v1/reasons", "GET", "interface", answer_reasons },
	{ "/v1/drops", "GET", "reason host protocol interface limit", answer_drops },
	{ "/v1/explain", "GET", "direction protocol source destination tcp_flags interface", answer_explain },
	{ "/v1/events", "GET", "severity event limit cursor", answer_events },
	{ "/v1/config", "GET", "", answer_config },
	{ "/v1/config", "PUT", "name", answer_config_put },
	{ "/v1/reload", "POST", "", answer_reload },
	{ "/metrics", "GET", "", answer_metrics },
	{ "/v1/crashes", "GET", "", answer_crashes },
	{ "/v1/crashes/ack", "POST", "", answer_crash_ack },
	{ "/v1/crashes/{name}", "GET", "", answer_crash },
	{ "/v1/stop", "POST", "", answer_stop },
	{ "/v1/snapshot", "GET", "", answer_snapshot },
	{ "/v1/snapshot", "POST", "", answer_snapshot_order },
	{ "/v1/upgrade", "GET", "", answer_upgrade },
	{ "/v1/upgrade", "POST", "", answer_upgrade_order },
	{ "/v1/interfaces/{name}/reset", "POST", "", answer_reset },
	{ "/v1/interfaces/{name}/reset", "GET", "", answer_reset_report },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]), TEXT_MAX = 1024 };

/* Whoever asks for anything is told that there are recoveries that nobody has read about. */
static void recoveries_add(const struct keepnat *k, struct MHD_Response *response)
{
	u32 unread = *k->state_dir ? crash_store_unread(k->state_dir) : 0;
	char text[16];

	snprintf(text, sizeof(text), "%u", unread);
	if (unread)
		MHD_add_response_header(response, "Keepnat-Recoveries", text);
}

static void request_respond(struct request *request, unsigned int status, struct MHD_Response *response)
{
	if (!response)
		return; /* without memory even for this: the connection is closed */
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				request->type ? request->type : "application/json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
				request->cache ? request->cache : "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	recoveries_add(request->api->k, response);
	request->response = response;
	request->status = status;
}

static void request_body(struct request *request, unsigned int status, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (text)
		request_respond(request, status,
				MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
	json_decref(json);
}

void request_json(struct request *request, json_t *json)
{
	if (json)
		request_body(request, MHD_HTTP_OK, json);
	else
		request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory", "try again", NULL);
}

void request_text(struct request *request, char *text, size_t length)
{
	if (text)
		request_respond(request, MHD_HTTP_OK,
				MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE));
	else
		request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory", "try again", NULL);
}

void request_fixed(struct request *request, unsigned int status, const void *data, size_t length)
{
	request_respond(request, status,
			MHD_create_response_from_buffer(length, (void *)data, MHD_RESPMEM_PERSISTENT));
}

/* Text that may hold what a client sent: JSON takes UTF-8 only. */
static json_t *json_printable(const char *text)
{
	char copy[TEXT_MAX];
	size_t n = 0;

	for (; *text && n < sizeof(copy) - 1; text++)
		copy[n++] = *text < ' ' || *text > '~' ? '?' : *text;
	copy[n] = 0;
	return json_string(copy);
}

static json_t *fail_json(const struct request *request, const char *what, const char *mend, const char *at)
{
	return json_pack("{s:o, s:o, s:o}", "error", json_printable(what), "mend", json_printable(mend), "at",
			 json_printable(at ? at : request->path));
}

void request_fail(struct request *request, unsigned int status, const char *what, const char *mend,
		  const char *at)
{
	request->type = NULL;
	request_body(request, status, fail_json(request, what, mend, at));
}

void request_fail_all(struct request *request, unsigned int status, const char *what, const char *mend,
		      const char *at, json_t *errors)
{
	json_t *json = fail_json(request, what, mend, at);

	request->type = NULL;
	json_object_set_new(json, "errors", errors);
	request_body(request, status, json);
}

void request_stream(struct request *request, const struct stream *stream, void *context)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, REQUEST_BLOCK, stream->read, context,
						  stream->free);

	if (!response)
		stream->free(context);
	request_respond(request, MHD_HTTP_OK, response);
}

const char *request_parameter(const struct request *request, const char *name)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
					  &value, NULL) != MHD_YES)
		return NULL;
	return value ? value : "";
}

/* Is `name` one of the words? */
static bool words_have(const char *words, const char *name)
{
	size_t length = strlen(name);

	while (*words) {
		size_t word = strcspn(words, " ");
		if (word == length && !memcmp(words, name, length))
			return true;
		words += word + (words[word] == ' ');
	}
	return false;
}

/* A query that is looked through for what its route does not know, or has twice. */
struct query {
	const struct route *route;
	const struct request *request;
	const char *unknown, *twice;
	char seen[128];
};

static enum MHD_Result query_look(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query *query = context;
	size_t used = strlen(query->seen);

	(void)kind;
	(void)value;
	if (!words_have(query->route->parameters, name))
		query->unknown = name;
	else if (words_have(query->seen, name))
		query->twice = name;
	else
		snprintf(query->seen + used, sizeof(query->seen) - used, "%s%s", used ? " " : "", name);
	return query->unknown || query->twice ? MHD_NO : MHD_YES;
}

/* Does the route know the query? Else the request is answered. */
static bool query_check(const struct route *route, struct request *request)
{
	struct query query = { .route = route, .request = request };
	char what[256], mend[256];

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, query_look, &query);
	if (!query.unknown && !query.twice)
		return true;
	if (query.twice)
		snprintf(what, sizeof(what), "the parameter \"%s\" stands twice", query.twice);
	else
		snprintf(what, sizeof(what), "%s has no parameter \"%.64s\"", route->path, query.unknown);
	snprintf(mend, sizeof(mend), "%s%s", *route->parameters ? "it takes: " : "it takes none",
		 route->parameters);
	request_fail(request, MHD_HTTP_BAD_REQUEST, what, query.twice ? "leave one out" : mend, NULL);
	return false;
}

static void answer_unknown(struct request *request)
{
	char mend[TEXT_MAX] = "there are:";

	for (int i = 0; i < ROUTES; i++) {
		size_t used = strlen(mend);
		if (!i || strcmp(routes[i].path, routes[i - 1].path) != 0)
			snprintf(mend + used, sizeof(mend) - used, " %s", routes[i].path);
	}
	request_fail(request, MHD_HTTP_NOT_FOUND, "there is nothing at this path", mend, NULL);
}

static void answer_method(struct request *request, const char *methods)
{
	char mend[64];

	snprintf(mend, sizeof(mend), "use %s", methods);
	request_fail(request, MHD_HTTP_METHOD_NOT_ALLOWED, "this path does not take that method", mend, NULL);
	if (request->response)
		MHD_add_response_header(request->response, MHD_HTTP_HEADER_ALLOW, methods);
}

/* Is this the route's path? Then request->name is what stands for "{name}". */
static bool route_fits(const struct route *route, struct request *request)
{
	const char *hole = strstr(route->path, "{name}"), *path = request->path;
	size_t before, length;

	if (!hole)
		return !strcmp(route->path, path);
	before = (size_t)(hole - route->path);
	if (strncmp(route->path, path, before) != 0)
		return false;
	length = strcspn(path + before, "/");
	if (!length || length >= sizeof(request->name) ||
	    strcmp(path + before + length, hole + strlen("{name}")) != 0)
		return false;
	memcpy(request->name, path + before, length);
	request->name[length] = 0;
	return true;
}

size_t request_body_max(struct request *request, const char *method)
{
	for (int i = 0; i < ROUTES; i++)
		if (routes[i].answer == answer_config_put && !strcmp(method, routes[i].method) &&
		    route_fits(&routes[i], request))
			return RELOAD_TEXT_MAX;
	return REQUEST_BODY;
}

void request_answer(struct request *request, const char *method)
{
	const struct route *route = NULL;
	const char *path = NULL;
	char methods[32] = "";

	blackbox_doing(request->life, "%s %s", method, request->path);
	if (!strcmp(method, "HEAD")) /* libmicrohttpd leaves out the body */
		method = "GET";
	for (int i = 0; i < ROUTES && !route; i++) {
		size_t used = strlen(methods);

		/* What stands there word for word comes before what has a "{name}", and hides it. */
		if (!route_fits(&routes[i], request) || (path && strcmp(path, routes[i].path) != 0))
			continue;
		path = routes[i].path;
		if (!strcmp(method, routes[i].method))
			route = &routes[i];
		snprintf(methods + used, sizeof(methods) - used, "%s%s", used ? ", " : "", routes[i].method);
	}
	if (!*methods)
		answer_unknown(request);
	else if (!route)
		answer_method(request, methods);
	else if (request->body_late)
		request_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE, "other long bodies are on their way",
			     "try again when they are through", NULL);
	else if (request->body_cut)
		request_fail(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long", "send less", NULL);
	else if (query_check(route, request))
		route->answer(request);
}
