/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A YAML text as a tree of nodes that know their lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct settings_report;

enum config_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };

struct config_node {
	enum config_kind kind;
	unsigned int line;
	bool plain; /* a scalar without quotes */
	char *text; /* of a scalar, never NULL there; holds no zero byte */

	/* In a map only: the key, which is never NULL there, and its line. */
	char *key;
	unsigned int key_line;

	struct config_node *parent;
	struct config_node *child, *last; /* of a list or map, in order */
	struct config_node *next;
};

/* 0 and *root for config_tree_free(); -EINVAL with a note in the report; -ENOMEM. */
int config_tree_parse(const char *text, size_t size, struct config_node **root,
		      struct settings_report *report);
void config_tree_free(struct config_node *root);

/* Nothing was written, or `null`, or `~`. */
bool config_node_is_null(const struct config_node *node);
