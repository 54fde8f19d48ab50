/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Single values of a configuration, by the tables of config_keys.c: from text to fields, and how each is written. */
#pragma once

#include <stdbool.h>

#include "daemon/config.h"

struct config_key;
struct config_node;
struct config_reader;

enum {
	CONFIG_SHAPE_SIZE = 256,
	CONFIG_ENDPOINT_SIZE =
		32, /* room for "255.255.255.255:65535-65535", or an interface's name, and its zero */
};

/* How a value of this key is written: the mend of most errors. */
const char *config_value_shape(char shape[CONFIG_SHAPE_SIZE], const struct config_key *key);

/* Refuse a value for `why`, which is said after the path and the value, if it has one. False, for its callers. */
bool config_value_refuse(struct config_reader *reader, const struct config_key *key,
			 const struct config_node *node, const char *path, const char *why);

/* Read a single value into its field of `base`, if it has one. True if it was taken. */
bool config_value_read(struct config_reader *reader, const struct config_key *key,
		       const struct config_node *node, void *base, const char *path);

/* "198.51.100.101:8080", "wan0:27000-27015": what reading takes for the same ports. Each returns its buffer. */
const char *config_outside_format(char text[CONFIG_ENDPOINT_SIZE],
				  const struct settings_port_mapping *mapping);
const char *config_inside_format(char text[CONFIG_ENDPOINT_SIZE],
				 const struct settings_port_mapping *mapping);
