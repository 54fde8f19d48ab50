// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/api.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api_request.h"
#include "daemon/asset.h"
#include "daemon/blackbox.h"
#include "daemon/crash.h"
#include "daemon/api_stream.h"
#include "daemon/keepnat.h"
#include "daemon/log.h"

enum {
	CONNECTIONS = 128,	       /* more wait in the backlog until one of these ends */
	TCP_CONNECTIONS_EACH = 32,     /* of one address */
	CONNECTION_SECONDS = 30,       /* without a byte either way, then it is closed */
	CONNECTION_MEMORY = 64 * 1024, /* of each: headers, and one block of a stream */
	BODY_ENDLESS = 1 << 20,	       /* bytes beyond what may be sent: then the connection is closed */
	BACKLOG = 128,
	SOCKET_MODE = 0660,
};

#define SOCKET_GROUP "keepnat"

/*
 * The socket
 */

/* Nobody listens on the socket file at this address: 0; else why it must stay. */
static int socket_is_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int fd, error;

	if (lstat(address->sun_path, &status))
		return -errno;
	if (!S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	return error == ECONNREFUSED ? 0 : -EADDRINUSE;
}

static int socket_bind(int fd, const struct sockaddr_un *address)
{
	int error;

	if (!bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	error = socket_is_stale(address);
	if (!error && unlink(address->sun_path))
		error = -errno;
	if (!error && bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		error = -errno;
	return error;
}

/* Members of the group may use the API, if there is such a group. */
static void socket_share(const char *path)
{
	struct group group, *found = NULL;
	char buffer[4096];

	if (getgrnam_r(SOCKET_GROUP, &group, buffer, sizeof(buffer), &found) || !found)
		log_info("there is no group \"" SOCKET_GROUP "\": the API is root's alone");
	else if (chown(path, (uid_t)-1, found->gr_gid))
		log_warning("%s: cannot be given to the group \"" SOCKET_GROUP "\": %s; give it CAP_CHOWN",
			    path, strerror(errno));
}

/* Bind and listen; two daemons that start at once are kept apart by a lock on the folder. */
static int socket_listen(struct api *api, int fd, const struct sockaddr_un *address)
{
	int folder = open(api->k->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status = { 0 };
	int error = folder < 0 || flock(folder, LOCK_EX) ? -errno : 0;

	/* The file is made with the mode of the socket: never wider than this. */
	if (!error && fchmod(fd, SOCKET_MODE))
		error = -errno;
	error = error ? error : socket_bind(fd, address);
	if (!error && (listen(fd, BACKLOG) || chmod(address->sun_path, SOCKET_MODE) ||
		       lstat(address->sun_path, &status)))
		error = -errno;
	if (folder >= 0)
		close(folder);
	if (error)
		return error;
	api->device = status.st_dev;
	api->inode = status.st_ino;
	socket_share(address->sun_path);
	return 0;
}

/* The listening socket, or -errno. */
static int socket_open(struct api *api)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	snprintf(api->path, sizeof(api->path), "%s/api.sock", api->k->run_dir);
	if (strlen(api->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, api->path, strlen(api->path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	error = socket_listen(api, fd, &address);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

/* Only the file that we made. */
static void socket_remove(const struct api *api)
{
	struct stat status;

	if (!lstat(api->path, &status) && status.st_dev == api->device && status.st_ino == api->inode)
		unlink(api->path);
}

/*
 * Requests
 */

/* Room for so many bytes of the body, and a zero. False: it has none. Both doors' threads come here. */
static bool body_grow(struct request *request, size_t wanted)
{
	size_t room = request->body_room ? request->body_room : REQUEST_BODY;
	unsigned int *others = &request->api->long_bodies;
	char *grown;

	while (room < wanted)
		room *= 2;
	if (room > REQUEST_BODY && !request->body_long) {
		request->body_late = __atomic_fetch_add(others, 1, __ATOMIC_RELAXED) >= REQUEST_LONG;
		if (request->body_late) {
			__atomic_fetch_sub(others, 1, __ATOMIC_RELAXED);
			return false;
		}
		request->body_long = true;
	}
	grown = room > request->body_room ? realloc(request->body, room + 1) : request->body;
	if (!grown)
		return false;
	request->body = grown;
	request->body_room = room;
	return true;
}

static void request_take(struct request *request, const char *data, size_t *size)
{
	size_t room = request->body_max - request->body_length, take = *size < room ? *size : room;

	if (!request->body_cut && body_grow(request, request->body_length + take)) {
		memcpy(request->body + request->body_length, data, take);
		request->body_length += take;
	} else {
		take = 0;
	}
	request->body_cut += *size - take;
	*size = 0;
}

/* A door's one thread, when it is first asked. */
static void thread_join(struct door *door)
{
	struct keepnat *k = door->api->k;

	door->joined = true;
	if (!k->box)
		return;
	crash_thread();
	door->life = blackbox_join(k->box, door->closed ? "api tcp" : "api", false);
}

static const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* Is there more to come than may be sent there? What says its length need not come at all. */
static bool request_is_large(const struct request *request)
{
	const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > request->body_max;
}

/* All but what is part of the program is for who has the token. True: it is answered. */
static bool request_lacks_token(struct door *door, struct request *request)
{
	if (door_admits(door, request_header(request, MHD_HTTP_HEADER_AUTHORIZATION))) {
		door_admit(door, request->connection);
		return false;
	}
	if (asset_find(request->path))
		return false;
	request_fail(request, MHD_HTTP_UNAUTHORIZED, "this needs the token of api.token_file",
		     "send the header Authorization: Bearer TOKEN", NULL);
	if (request->response)
		MHD_add_response_header(request->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	return true;
}

/* A browser that asks on behalf of some other site. True: it is answered. */
static bool request_is_foreign(struct request *request)
{
	const char *header = door_foreign(request_header(request, MHD_HTTP_HEADER_ORIGIN),
					  request_header(request, MHD_HTTP_HEADER_HOST));

	if (!header)
		return false;
	request_fail(request, MHD_HTTP_FORBIDDEN, "the page of another site asks for this",
		     "open the page by an address or as localhost; for other names there is api.listen",
		     header);
	return true;
}

/* With the headers alone: true, and the answer is that there will be none. */
static bool request_refuse(struct door *door, struct request *request)
{
	if (door->closed ? request_lacks_token(door, request) : request_is_foreign(request))
		return true;
	if (!request_is_large(request))
		return false;
	request_fail(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long", "send less", NULL);
	return true;
}

/* The answer, if there is one yet. */
static enum MHD_Result request_send(struct request *request)
{
	enum MHD_Result result;

	if (!request->response)
		return request->reload ? MHD_YES : MHD_NO;
	result = MHD_queue_response(request->connection, request->status, request->response);
	MHD_destroy_response(request->response);
	return result;
}

/* Called with the headers, with each part of the body, and when all is there: then it answers. */
static enum MHD_Result http_handle(void *context, struct MHD_Connection *connection, const char *path,
				   const char *method, const char *version, const char *data, size_t *size,
				   void **state)
{
	struct door *door = context;
	struct request *request = *state;

	(void)version;
	if (!door->joined)
		thread_join(door);
	if (!request) {
		request = calloc(1, sizeof(*request));
		*state = request;
		if (!request)
			return MHD_NO;
		request->api = door->api;
		request->life = door->life;
		request->connection = connection;
		request->path = path;
		request->body_max = request_body_max(request, method);
		return request_refuse(door, request) ? request_send(request) : MHD_YES;
	}
	if (*size) {
		request_take(request, data, size);
		return request->body_cut > BODY_ENDLESS ? MHD_NO : MHD_YES;
	}
	request->path = path;
	request_answer(request, method);
	return request_send(request);
}

/* A request has ended, one way or another. */
static void http_done(void *context, struct MHD_Connection *connection, void **state,
		      enum MHD_RequestTerminationCode how)
{
	const struct door *door = context;
	struct request *request = *state;

	(void)connection;
	(void)how;
	*state = NULL;
	if (!request)
		return;
	if (request->order)
		(void)!write(door->api->k->stop_fd, &request->order, sizeof(request->order));
	if (request->body_long)
		__atomic_fetch_sub(&door->api->long_bodies, 1, __ATOMIC_RELAXED);
	free(request->body);
	free(request);
}

/*
 * Start and stop
 */

/* Its thread takes no signals: they are the main thread's. */
static int door_serve(struct door *door)
{
	bool tcp = door->closed;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	door->http = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, http_handle, door,
		MHD_OPTION_LISTEN_SOCKET, door->fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)(tcp ? GUESTS_MAX : CONNECTIONS), MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned int)(tcp ? TCP_CONNECTIONS_EACH : 0), MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)CONNECTION_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, http_done, door,
		tcp ? MHD_OPTION_NOTIFY_CONNECTION : MHD_OPTION_END, door_notice, door, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!door->http)
		return -ENOMEM;
	door->fd = -1; /* it is the server's */
	return 0;
}

static void door_close(struct door *door)
{
	if (door->http)
		MHD_stop_daemon(door->http);
	if (door->fd >= 0)
		close(door->fd);
}

int api_open(struct keepnat *k)
{
	struct api *api = calloc(1, sizeof(*api));
	int fd;

	if (!api)
		return -ENOMEM;
	api->k = k;
	clock_gettime(CLOCK_BOOTTIME, &api->started);
	api->streams = streams_open();
	if (!api->streams) {
		free(api);
		return -ENOMEM;
	}
	fd = socket_open(api);
	if (fd < 0) {
		streams_close(api->streams);
		free(api);
		return fd;
	}
	api->doors[0] = (struct door){ .api = api, .fd = fd };
	api->doors[1] = (struct door){ .api = api, .fd = -1, .closed = true };
	for (unsigned int i = 0; i < GUESTS_MAX; i++)
		api->doors[1].guests[i].fd = -1;
	pthread_mutex_init(&api->doors[1].lock, NULL);
	k->api = api;
	return 0;
}

int api_start(struct keepnat *k)
{
	int error = k->api ? 0 : api_open(k);

	for (int i = 0; i < 2 && !error; i++)
		error = k->api->doors[i].fd >= 0 ? door_serve(&k->api->doors[i]) : 0;
	if (error)
		api_stop(k);
	return error;
}

void api_beat(struct keepnat *k)
{
	struct timespec now;

	if (!k->api)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	door_sweep(&k->api->doors[1], now.tv_sec);
	streams_wake(k->api->streams, k);
}

void api_stop(struct keepnat *k)
{
	struct api *api = k->api;

	if (!api)
		return;
	k->api = NULL;
	socket_remove(api); /* before the last connection ends: who sees that may start anew */
	streams_end(api->streams);
	door_close(&api->doors[1]);
	door_close(&api->doors[0]);
	streams_close(api->streams);
	pthread_mutex_destroy(&api->doors[1].lock);
	free(api);
}
