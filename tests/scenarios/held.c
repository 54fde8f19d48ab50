/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <string.h>

#include "native/held.h"
#include "tests/scenarios/world.h"

/* The daemon looks after the SYNs that one way holds: what came of those that had waited long enough, at most one. */
static int syns_end(struct world *w, struct way *way, enum held_end *end, struct held_answer *answer)
{
	struct held_answer some;

	*end = HELD_WAITS;
	memset(answer, 0, sizeof(*answer));
	for (u32 i = 0; i < HELD_SYNS; i++) {
		memset(&some, 0, sizeof(some));
		enum held_end this = held_end(&way->nat, i, &some);
		if (this == HELD_WAITS)
			continue;
		if (*end != HELD_WAITS)
			return world_fail(w, "%s: more than one SYN had waited long enough", way->name);
		*end = this;
		*answer = some;
	}
	return 0;
}

static int answer_wanted(struct world *w, struct words *words, const struct held_answer *answer)
{
	static struct packet_text packet;
	static u8 ip[FRAME_ROOM];

	if (packet_read(w, words, &packet))
		return -1;
	int length = packet_make(w, &packet, ip, sizeof(ip));
	if (length < 0)
		return -1;
	if (answer->ifindex != interface_first(w, ROLE_OUTSIDE)->ifindex)
		return world_fail(w, "told by another interface: %u", answer->ifindex);
	for (u32 i = 0; i < answer->length && i < (u32)length; i++)
		if (answer->ip[i] != ip[i])
			return world_fail(w, "byte %u of what is told is 0x%02x, wanted 0x%02x", i,
					  answer->ip[i], ip[i]);
	return answer->length == (u32)length
		       ? 0
		       : world_fail(w, "%u bytes are told, wanted %d", answer->length, length);
}

/* daemon expect nothing|silent|PACKET */
int daemon_run(struct world *w, struct words *words)
{
	static const char *const names[] = {
		[HELD_WAITS] = "nothing", [HELD_SILENT] = "silent", [HELD_TOLD] = "a packet"
	};
	enum held_end end[2];
	struct held_answer answers[2];

	for (u32 i = 0; i < w->way_count; i++)
		if (syns_end(w, w->ways[i], &end[i], &answers[i]))
			return -1;
	if (w->way_count > 1 && (end[0] != end[1] || (end[0] == HELD_TOLD &&
						      memcmp(&answers[0], &answers[1], sizeof(answers[0])))))
		return world_fail(w, "the ways differ in what they do with a SYN that was held");
	if (!words_take(words, "expect"))
		return world_fail(w, "daemon expect nothing|silent|PACKET");
	enum held_end wanted = words_take(words, "nothing")  ? HELD_WAITS
			       : words_take(words, "silent") ? HELD_SILENT
							     : HELD_TOLD;
	if (end[0] != wanted)
		return world_fail(w, "%s was wanted; met: %s", names[wanted], names[end[0]]);
	if (wanted == HELD_TOLD && answer_wanted(w, words, &answers[0]))
		return -1;
	return world_same(w);
}
