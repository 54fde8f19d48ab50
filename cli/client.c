// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/client.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"

enum {
	ANSWER_MAX = 64 << 20, /* bytes of one answer; a page is far smaller */
	QUIET_SECONDS = 30,    /* the daemon is given up when nothing comes for so long */
};

struct client {
	CURL *curl;
	char socket[SOCKET_PATH_SIZE];
	pid_t daemon;
	bool told; /* of recoveries, or it need not be */
	/* the answer that comes in */
	char *text;
	size_t length, room;
};

/*
 * The socket
 */

/* Connect, look who listens, and hang up. */
static int socket_probe(const char *path, pid_t *daemon)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd, error = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		error = -errno;
	else if (daemon && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		*daemon = peer.pid;
	close(fd);
	return error;
}

static int socket_complain(const char *path, int error)
{
	switch (-error) {
	case ENOENT:
	case ECONNREFUSED:
		complain("keepnatd is not running: nothing listens on %s", path);
		complain("start it by 'keepnatd --config FILE' or 'keepnat run', or name another one by "
			 "--instance");
		break;
	case EACCES:
	case EPERM:
		complain("%s: permission denied; be root, or a member of the group keepnat", path);
		break;
	default:
		complain("%s: %s", path, strerror(-error));
		break;
	}
	return STATUS_FAILED;
}

const char *client_socket(const struct client *client) { return client->socket; }
int client_probe(const struct client *client) { return socket_probe(client->socket, NULL); }
pid_t client_daemon(const struct client *client) { return client->daemon; }
void client_told(struct client *client) { client->told = true; }

/* A header of an answer: is it the one that tells of recoveries? Each command says so once. */
static size_t header_take(char *data, size_t size, size_t count, void *context)
{
	static const char name[] = "Keepnat-Recoveries:";
	struct client *client = context;

	if (size * count < sizeof(name) || strncasecmp(data, name, sizeof(name) - 1) != 0 || client->told)
		return size * count;
	client->told = true;
	complain("keepnat has recovered from a serious error. A log of this error has been created.");
	complain("'keepnat crash show' shows it, 'keepnat crash ack' ends this notice; nothing was sent "
		 "anywhere");
	return size * count;
}

static size_t answer_take(char *data, size_t size, size_t count, void *context)
{
	struct client *client = context;
	size_t length = size * count, room = client->room ? client->room : 1 << 16;
	char *text;

	while (room - client->length < length + 1 && room < ANSWER_MAX)
		room *= 2;
	if (room - client->length < length + 1)
		return 0;
	text = room == client->room ? client->text : realloc(client->text, room);
	if (!text)
		return 0;
	memcpy(text + client->length, data, length);
	client->text = text;
	client->room = room;
	client->length += length;
	return length;
}

static bool client_prepare(struct client *client)
{
	CURL *curl = client->curl = curl_easy_init();

	return curl && !curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket) &&
	       !curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer_take) &&
	       !curl_easy_setopt(curl, CURLOPT_WRITEDATA, client) &&
	       !curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, header_take) &&
	       !curl_easy_setopt(curl, CURLOPT_HEADERDATA, client) &&
	       !curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(curl, CURLOPT_PROXY, "") &&
	       !curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) &&
	       !curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)QUIET_SECONDS);
}

int client_open(const struct options *options, struct client **out)
{
	struct client *client = calloc(1, sizeof(*client));
	int error, length;

	if (!client) {
		complain("out of memory");
		return STATUS_FAILED;
	}
	if (options->run_dir)
		length = snprintf(client->socket, sizeof(client->socket), "%s/api.sock", options->run_dir);
	else
		length = snprintf(client->socket, sizeof(client->socket), "/run/keepnat/%s/api.sock",
				  options->instance ? options->instance : "default");
	error = length < (int)sizeof(client->socket) ? socket_probe(client->socket, &client->daemon)
						     : -ENAMETOOLONG;
	if (error) {
		socket_complain(client->socket, error);
		client_close(client);
		return STATUS_FAILED;
	}
	if (!client_prepare(client)) {
		complain("libcurl cannot be used here");
		client_close(client);
		return STATUS_FAILED;
	}
	*out = client;
	return STATUS_DONE;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	free(client->text);
	free(client);
}

/*
 * Requests
 */

void url_start(struct url *url, const char *path) { snprintf(url->text, sizeof(url->text), "%s", path); }

void url_add(struct url *url, const char *name, const char *value)
{
	size_t used = strlen(url->text);
	char *escaped;

	if (!value)
		return;
	escaped = curl_easy_escape(NULL, value, 0);
	snprintf(url->text + used, sizeof(url->text) - used, "%c%s=%s", strchr(url->text, '?') ? '&' : '?',
		 name, escaped ? escaped : "");
	curl_free(escaped);
}

void url_add_filter(struct url *url, const struct options *options)
{
	url_add(url, "host", options->host);
	url_add(url, "outside", options->outside);
	url_add(url, "remote", options->remote);
	url_add(url, "protocol", options->protocol);
	url_add(url, "interface", options->interface);
}

void url_add_number(struct url *url, const char *name, unsigned long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	url_add(url, name, text);
}

void client_problems_print(const json_t *problems, const char *severity)
{
	const json_t *problem;
	size_t i;

	json_array_foreach(problems, i, problem)
	{
		const char *at = json_string_value(json_object_get(problem, "at"));
		const char *what = json_string_value(json_object_get(problem, "error"));
		const char *mend = json_string_value(json_object_get(problem, "mend"));
		json_int_t line = json_integer_value(json_object_get(problem, "line"));

		if (!at || !what || !mend)
			continue;
		fflush(stdout);
		if (line)
			fprintf(stderr, "%s:%lld: %s: %s; %s\n", at, (long long)line, severity, what, mend);
		else
			fprintf(stderr, "%s: %s: %s; %s\n", at, severity, what, mend);
	}
}

/* The daemon refused: say its words. */
static int answer_complain(const struct client *client, long code, const json_t *json)
{
	const char *what = json_string_value(json_object_get(json, "error"));
	const char *mend = json_string_value(json_object_get(json, "mend"));
	const json_t *problems = json_object_get(json, "errors");

	if (json_array_size(problems))
		client_problems_print(problems, "error");
	else if (what && mend)
		complain("%s; %s", what, mend);
	else
		complain("%s answers with status %ld and no reason; is that keepnatd?", client->socket, code);
	return code == 400 ? STATUS_USAGE : STATUS_FAILED;
}

/* Perform what is set up: 200 and the text of the answer, or its error is told. */
static int client_perform(struct client *client, const struct url *url, struct span *text)
{
	char full[URL_SIZE + 32];
	CURLcode result;
	long code = 0;
	json_t *json;
	int status;

	snprintf(full, sizeof(full), "http://keepnat%s", url->text);
	curl_easy_setopt(client->curl, CURLOPT_URL, full);
	client->length = 0;
	result = curl_easy_perform(client->curl);
	if (result) {
		complain("%s: %s", client->socket, curl_easy_strerror(result));
		return STATUS_FAILED;
	}
	text->at = client->text ? client->text : "";
	text->end = text->at + client->length;
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code == 200)
		return STATUS_DONE;
	json = json_loadb(text->at, client->length, 0, NULL);
	status = answer_complain(client, code, json);
	json_decref(json);
	return status;
}

static int client_perform_json(struct client *client, const struct url *url, json_t **json)
{
	json_error_t wrong;
	struct span text;
	int status = client_perform(client, url, &text);

	if (status)
		return status;
	*json = json_loadb(text.at, (size_t)(text.end - text.at), 0, &wrong);
	if (*json)
		return STATUS_DONE;
	complain("%s answers %s with what is not JSON: %s", client->socket, url->text, wrong.text);
	return STATUS_FAILED;
}

int client_get_text(struct client *client, const struct url *url, struct span *text)
{
	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	return client_perform(client, url, text);
}

int client_get(struct client *client, const struct url *url, json_t **json)
{
	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	return client_perform_json(client, url, json);
}

int client_show(const struct options *options, const struct url *url, int (*print)(const json_t *json))
{
	struct client *client;
	json_t *json;
	int status = client_open(options, &client);

	if (status)
		return status;
	status = client_get(client, url, &json);
	client_close(client);
	if (status)
		return status;
	if (options->json)
		output_json(json);
	else
		status = print(json);
	json_decref(json);
	return status;
}

int client_delete(struct client *client, const struct url *url, json_t **json)
{
	int status;

	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	status = client_perform_json(client, url, json);
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, NULL);
	return status;
}

json_t *client_peek(struct client *client, const struct url *url)
{
	char full[URL_SIZE + 32];
	long code = 0;

	snprintf(full, sizeof(full), "http://keepnat%s", url->text);
	curl_easy_setopt(client->curl, CURLOPT_URL, full);
	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	client->length = 0;
	if (curl_easy_perform(client->curl))
		return NULL;
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
	return code == 200 ? json_loadb(client->text ? client->text : "", client->length, 0, NULL) : NULL;
}

int client_post(struct client *client, const struct url *url, const char *body, json_t **json)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	int status;

	curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	status = client_perform_json(client, url, json);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return status;
}

int client_reload(struct client *client, const struct url *url, const char *text, size_t size, json_t **json)
{
	CURL *curl = client->curl;
	int status;

	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text ? text : "");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, text ? "PUT" : "POST");
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)RELOAD_SECONDS);
	status = client_perform_json(client, url, json);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
	return status;
}

/*
 * Events
 */

/* A stream that comes in, and who takes what is whole. */
struct follow {
	struct client *client;
	bool (*take)(void *context, const char *event, const char *data);
	void *context;
	char last[24]; /* the number of the last one */
	bool ended;    /* by who takes */
	bool refused;
};

/* One block of lines, "event: KIND", "data: JSON" and "id: NUMBER"; others are for keeping the connection. */
static void follow_block(struct follow *follow, char *block)
{
	const char *event = NULL, *data = NULL;
	char *rest = NULL;

	for (char *line = strtok_r(block, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!strncmp(line, "event: ", 7))
			event = line + 7;
		else if (!strncmp(line, "data: ", 6))
			data = line + 6;
		else if (!strncmp(line, "id: ", 4))
			snprintf(follow->last, sizeof(follow->last), "%s", line + 4);
	}
	if (event && data)
		follow->ended = !follow->take(follow->context, event, data);
}

static size_t follow_take(char *data, size_t size, size_t count, void *context)
{
	struct follow *follow = context;
	struct client *client = follow->client;
	size_t taken = answer_take(data, size, count, client), length;
	long code = 0;
	char *end;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
	follow->refused = code != 200;
	if (follow->refused || !taken)
		return taken;
	client->text[client->length] = 0;
	while (!follow->ended && (end = strstr(client->text, "\n\n"))) {
		*end = 0;
		length = (size_t)(end + 2 - client->text);
		follow_block(follow, client->text);
		client->length -= length;
		memmove(client->text, client->text + length, client->length + 1);
	}
	return follow->ended ? 0 : taken;
}

/* One connection, to its end. */
static void follow_once(struct follow *follow, const char *url)
{
	struct client *client = follow->client;
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream");
	char id[48];

	snprintf(id, sizeof(id), "Last-Event-ID: %s", follow->last);
	if (*follow->last)
		headers = curl_slist_append(headers, id);
	client->length = 0;
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_perform(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
}

/* What the daemon said instead of events. */
static int follow_complain(const struct client *client)
{
	json_t *json = json_loadb(client->text, client->length, 0, NULL);
	long code = 0;
	int status;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
	status = answer_complain(client, code, json);
	json_decref(json);
	return status;
}

int client_follow(struct client *client, const struct url *url,
		  bool (*take)(void *context, const char *event, const char *data), void *context)
{
	const struct timespec second = { .tv_sec = 1 };
	struct follow follow = { .client = client, .take = take, .context = context };
	char full[URL_SIZE + 32];

	snprintf(full, sizeof(full), "http://keepnat%s", url->text);
	curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 0L);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, follow_take);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &follow);
	while (!follow.ended) {
		follow_once(&follow, full);
		if (follow.refused)
			return follow_complain(client);
		if (follow.ended)
			break;
		complain("keepnatd has ended; waiting until it is there again");
		do
			nanosleep(&second, NULL);
		while (client_probe(client));
	}
	return STATUS_DONE;
}
