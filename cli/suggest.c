// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "cli/cli.h"

enum { LENGTH_MAX = 31, DISTANCE_MAX = 2 };

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/* How many letters to add, leave out or change (Levenshtein). Both words are short. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[LENGTH_MAX + 2];
	size_t n = strlen(b);

	for (unsigned int j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned int i = 1; a[i - 1]; i++) {
		unsigned int diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned int above = row[j];
			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

const char *suggest(const char *word, const char *const *words)
{
	unsigned int nearest = DISTANCE_MAX + 1;
	const char *meant = NULL;
	size_t length = strlen(word);

	if (length < 2 || length > LENGTH_MAX)
		return NULL;
	for (; *words; words++) {
		unsigned int d =
			strncmp(*words, word, length) ? distance(word, *words) : 1; /* begun rightly */
		if (d >= nearest || d >= length)
			continue;
		nearest = d;
		meant = *words;
	}
	return meant;
}
