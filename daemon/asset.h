/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* asset.h - files that are part of the program, and are served as they are: web/meson.build lists them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct request;

struct asset {
	const char *path; /* that it is served at; NULL ends the list */
	const char *type;
	const char *etag; /* with its quotes: by what is in it */
	const unsigned char *data;
	size_t size;
};

extern const struct asset assets[]; /* tools/embed.py makes it */

/* The one that is served there, or NULL. */
const struct asset *asset_find(const char *path);

/* Answer with what is served at the request's path; what the client has already is not sent again. */
void answer_asset(struct request *request);
