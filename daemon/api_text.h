/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api_text.h - JSON written straight into a buffer, for rows of which there may be millions.
 *
 * What does not fit is left out and remembered in `full`; the buffer's owner has sized it so that this cannot be.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

struct text {
	char *at, *end;
	bool full;
	bool comma; /* the next member needs one before it */
};

void text_start(struct text *t, char *buffer, size_t size);
void text_put(struct text *t, const char *bytes, size_t length);

/* "{" and "}", with key if it is not NULL. */
void text_object(struct text *t, const char *key);
void text_end(struct text *t);

/* Members of an object. Keys are plain words; values are escaped as JSON wants. */
void text_string(struct text *t, const char *key, const char *value);
void text_number(struct text *t, const char *key, u64 value);
void text_boolean(struct text *t, const char *key, bool value);
void text_address(struct text *t, const char *key, __be32 address);
