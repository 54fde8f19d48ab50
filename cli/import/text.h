/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * text.h - what other systems wrote, as lines and words.
 *
 * Everything here works in place on one text that ends in a zero: lines are cut out of it, and words out of lines.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/*
 * Any bytes as text without zeros, with "\n" between lines: UTF-16 of either order, as Windows writes it, becomes UTF-8, and marks
 * of byte order go. To be freed; NULL: no memory.
 */
char *text_decode(const char *bytes, size_t size);

/* The next line, without its end, or NULL. *rest goes on behind it. */
char *text_line(char **rest);

struct word {
	char *text;   /* quotes are gone */
	char *equals; /* where the first '=' outside of quotes stands, or NULL */
};

enum { WORDS_MAX = 128 };

struct words {
	struct word word[WORDS_MAX];
	int count;
};

/*
 * The words of a line, separated by blanks; what is within double quotes is of one word. escapes: a backslash there makes the next
 * character an ordinary one. NULL, or what is wrong with the line.
 */
const char *words_split(struct words *words, char *line, bool escapes);

/* A mask such as 255.255.0.0 as the length of a prefix, or -1. */
int text_mask(const char *text);

/* Decimal digits alone, at most `most`; false: something else. */
bool text_number(const char *text, unsigned int most, unsigned int *number);
