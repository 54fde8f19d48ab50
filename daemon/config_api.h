/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* config_api.h - the values of the section `api`, and where logs go. */
#pragma once
#include <stdbool.h>

struct config_key;
struct config_node;
struct config_reader;

/* "ADDRESS:PORT", or nothing; the path of a file, or nothing. False: it is refused, with a note. */
bool config_listen_read(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, void *base, const char *path);
bool config_path_read(struct config_reader *reader, const struct config_key *key,
		      const struct config_node *node, void *base, const char *path);

/* What settings_destination_parse() takes, of the kinds that the key's max has. */
bool config_destination_read(struct config_reader *reader, const struct config_key *key,
			     const struct config_node *node, void *base, const char *path);

/* When all is read. */
void config_api_check(const struct config_reader *reader);
