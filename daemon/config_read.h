/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two steps between a tree of YAML and settings that hold: read the values, then check across them. */
#pragma once

#include <stdbool.h>

#include "daemon/config.h"

struct config_key;
struct config_node;

/* A range of a pool, and whose it is. */
struct config_owned {
	const struct settings_range *range;
	const struct settings_interface *owner;
};

struct config_reader {
	struct settings *settings;
	struct settings_report *report;
	u64 addresses;		 /* in pools, so far */
	unsigned int networks;	 /* so far */
	unsigned int ports;	 /* mapped, so far */
	u32 inside_count;	 /* ports in the inside run just read; 0: its first alone was written */
	unsigned int line;	 /* of the list of interfaces; 1 before it is seen */
	bool interfaces_bad;	 /* that list could not be read: do not complain that some are missing */
	bool interfaces_refused; /* or something in it, or across it, was refused */
	bool no_memory;
};

/* Read a whole tree over the defaults. What is wrong goes to the report. */
void config_read(struct config_reader *reader, const struct config_node *root);

/* One value each, as text; `path` is what messages call it. True if it was taken. */
bool config_name_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
		      char name[SETTINGS_NAME_SIZE]);
bool config_range_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
		       struct settings_interface *interface);
bool config_network_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
			 struct settings_interface *interface);
bool config_prefix_take(struct config_reader *reader, const char *path, unsigned int line, const char *text,
			struct settings_network *taken);
bool config_pass_through_take(struct config_reader *reader, const char *path, unsigned int line,
			      const char *text);

/* Room for one more item of a list that holds `count`. NULL, and noted in the reader, if there is no memory. */
void *config_list_grow(struct config_reader *reader, void *list, unsigned int count, size_t size);

/* One item of the list of interfaces, a struct settings_interface. */
void config_interface_check(struct config_reader *reader, void *item);

/* One item of the list of port mappings, a struct settings_port_mapping: do its two runs fit? */
void config_port_mapping_check(struct config_reader *reader, void *item);

/* Across interfaces, blocks and reservations: can the ports be shared out as they shall? */
void config_deterministic_check(struct config_reader *reader);

/* Across interfaces: their number, names, pools and networks; then config_fixed_check(). */
void config_check(struct config_reader *reader);

/* Across reservations and port mappings, and against the interfaces. All pools, sorted by address. 0, or -ENOMEM. */
int config_fixed_check(struct config_reader *reader, const struct config_owned *pools,
		       unsigned int pool_count);
