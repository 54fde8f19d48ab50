// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/shadow.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/request.h"

enum {
	PLACES = 1 << 14, /* of copies: a packet at its worst looks at some thousand elements */
	ROOM = 1 << 17,	  /* words of copies, all together */
	ELEMENT_MAX = sizeof(struct held),
	COPY_TRIES = 64,
	LINE = 64,
};

struct shadow {
	struct {
		const void *element;
		u64 *copy;
	} places[PLACES];
	u32 taken;
	u32 used; /* words */
	bool full;
	u64 spare[ELEMENT_MAX / sizeof(u64)]; /* for what has no room */
	u64 words[ROOM];
	struct counters counters;
	struct drops drops;
};

/* Whole words as they are at one moment, which the first of them tells: whoever changes others changes that, before and after. */
static void words_copy(u64 *to, const u64 *from, size_t words)
{
	for (int try = 0; try < COPY_TRIES; try++) {
		for (size_t i = 0; i < words; i++)
			to[i] = LOAD(&from[i]);
		if (LOAD(from) == to[0])
			return;
	}
}

void *shadow_at(struct shadow *shadow, void *element, size_t size)
{
	u32 words = (u32)(size / sizeof(u64)), at = (u32)((uintptr_t)element >> 3) * 0x9e3779b1u;

	for (u32 i = 0;; i++) {
		u32 place = (at + i) & (PLACES - 1);
		if (shadow->places[place].element == element)
			return shadow->places[place].copy;
		if (shadow->places[place].element)
			continue;
		if (shadow->taken > PLACES / 2 || shadow->used + words > ROOM) {
			shadow->full = true;
			return memset(shadow->spare, 0, sizeof(shadow->spare));
		}
		u64 *copy = &shadow->words[shadow->used];
		words_copy(copy, element, words);
		shadow->places[place].element = element;
		shadow->places[place].copy = copy;
		shadow->taken++;
		shadow->used += words;
		return copy;
	}
}

int shadow_open(const struct nat_instance *nat, struct nat_instance *shadow)
{
	_Static_assert(!(sizeof(struct config) % sizeof(u64)), "the configuration is whole words");
	struct config *config = aligned_alloc(LINE, (sizeof(*config) + LINE - 1) / LINE * LINE);

	*shadow = *nat;
	shadow->config = config;
	shadow->work = calloc(1, sizeof(*shadow->work));
	shadow->shadow = calloc(1, sizeof(*shadow->shadow));
	if (!config || !shadow->work || !shadow->shadow) {
		shadow_close(shadow);
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(*config) / sizeof(u64); i++)
		((u64 *)config)[i] = LOAD((const u64 *)nat->config + i);
	shadow->counters = &shadow->shadow->counters;
	shadow->drops = &shadow->shadow->drops;
	return 0;
}

void shadow_close(struct nat_instance *shadow)
{
	free(shadow->config);
	free(shadow->work);
	free(shadow->shadow);
	memset(shadow, 0, sizeof(*shadow));
}

bool shadow_holds(const struct nat_instance *shadow) { return !shadow->shadow->full; }
