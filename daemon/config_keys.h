/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables that say which keys a configuration has. Reading, defaults and printing all go by them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/types.h"

struct config_reader;
struct settings;

enum config_type {
	CONFIG_SECTION,	     /* keys of its own */
	CONFIG_SECTIONS,     /* list of sections, each a struct of its own */
	CONFIG_POOL,	     /* list of ranges, of an interface */
	CONFIG_NETWORKS,     /* list of prefixes, of an interface */
	CONFIG_PASS_THROUGH, /* list of prefixes, of the settings */
	CONFIG_NAME,	     /* of an interface */
	CONFIG_WORD,	     /* one of some words */
	CONFIG_NUMBER,	     /* from min to max, or one of some words */
	CONFIG_BOOLEAN,
	CONFIG_PORTS,	      /* FIRST-LAST */
	CONFIG_ADDRESS,	      /* of a host */
	CONFIG_PREFIX,	      /* one network, a struct settings_network */
	CONFIG_OUTSIDE_PORTS, /* ADDRESS:PORTS or INTERFACE:PORTS, of a port mapping */
	CONFIG_INSIDE_PORTS,  /* ADDRESS:PORTS, of a port mapping */
	CONFIG_TEXT,
	CONFIG_LISTEN,	    /* ADDRESS:PORT, or nothing */
	CONFIG_PATH,	    /* of a file, or nothing */
	CONFIG_DESTINATION, /* of a log, or nothing; max: which kinds, SETTINGS_TO_* */
	CONFIG_COMMAND,	    /* nothing, or a program by its whole path, with its arguments */
};

struct config_word {
	const char *text; /* NULL ends the list */
	u32 value;
};

/* A list of sections: where struct settings keeps them, and what one is. */
struct config_list {
	size_t items; /* offset in struct settings of the pointer to them, */
	size_t count; /* and of their number, an unsigned int */
	size_t size;  /* bytes of one */
	size_t line;  /* offset in one of the line where it begins, an unsigned int */
	unsigned int max;
	const char *shape; /* how one is written */

	/* For what takes several of its keys, when they are read. NULL: nothing. */
	void (*check)(struct config_reader *reader, void *item);
};

struct config_key {
	const char *name; /* NULL ends the list */
	enum config_type type;
	bool required;
	bool quiet; /* nothing is said of it when it holds what is not written; of a section: of all of it */
	u16 size;   /* bytes of the field that holds it; 0: it is checked and kept nowhere */
	size_t offset;	    /* of that field in its struct */
	size_t line;	    /* offset there of an unsigned int for the line where it stands; 0: nobody asks */
	u32 initial;	    /* what holds when it is not written; ports: min << 16 | max */
	u32 min, max;	    /* numbers */
	u32 least;	    /* numbers: 0, or as many or more */
	u32 advice;	    /* numbers: below this is allowed, with a warning that names... */
	const char *source; /* ...where it stands, */
	const char *unit;   /* and for people: "seconds" */
	const struct config_word *words;
	const struct config_key *keys;	/* of a section, or of each section of a list */
	const struct config_list *list; /* lists of sections */
};

/* Fields are in struct settings, but those of keys in a list of sections: in the struct of its items. */
extern const struct config_key config_keys[];
extern const struct config_key config_interface_keys[];

const struct config_key *config_key_find(const struct config_key *keys, const char *name);
const struct config_word *config_word_find(const struct config_word *words, const char *text);
const char *config_word_text(const struct config_word *words, u32 value);

/* The field of a key whose size is not 0, as a number. `base`: the struct that holds it. */
u32 config_field_get(const struct config_key *key, const void *base);
void config_field_set(const struct config_key *key, void *base, u32 value);

/* Set every field of a table, and of the sections in it, to what holds when nothing is written. */
void config_keys_default(const struct config_key *keys, void *base);

/* The items of a list, in the order of the file, and their number. */
void *config_list_items(const struct config_list *list, const struct settings *settings, unsigned int *count);

/* The likely meaning of a mistyped word, or NULL. */
const char *config_key_suggest(const struct config_key *keys, const char *name);
const char *config_word_suggest(const struct config_word *words, const char *text);

/* The section ("nat.timers") that has a key of that name, "" for none. Returns the buffer. */
enum { CONFIG_PATH_SIZE = 96 };
const char *config_key_section(char path[CONFIG_PATH_SIZE], const char *name);

/* Add to `names` the lists whose sections have a key of that name: "interfaces"; unchanged for none. */
void config_key_lists(char *names, size_t size, const char *name);

/*
 * What a later version brings: the values of `path` that this version already takes, separated by blanks; "": nothing
 * may be written there but nothing. NULL: this version takes all that is right.
 */
const char *config_later_find(const char *path);
