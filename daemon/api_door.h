/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api_door.h - the ways to the API: the Unix socket, whose file says who may; and an address and port of TCP, for who has the token.
 *
 * Each is a server of its own, with a thread and a number of connections of its own: whatever comes by TCP, the Unix socket is served.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include <microhttpd.h>

struct api;
struct blackbox_thread;
struct keepnat;

enum { TOKEN_MIN = 16, TOKEN_MAX = 128 };

struct door {
	struct api *api;
	int fd;			      /* listens, and nobody serves it yet; -1: none */
	struct MHD_Daemon *http;      /* the server */
	bool joined;		      /* its thread has made itself known, */
	struct blackbox_thread *life; /* here */
	bool closed;		      /* only for who has the token */
	char token[TOKEN_MAX + 1];    /* the rest is zero */
};

/* The socket of TCP, if the settings want it, after api_open(). 0; or -errno, and a line has said why. */
int door_listen(struct keepnat *k);

/* "Bearer TOKEN", in a time that does not depend on how much of it is right. NULL: there was none. */
bool door_admits(const struct door *door, const char *authorization);
