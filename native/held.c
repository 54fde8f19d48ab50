/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "native/held.h"

#include <string.h>

#include "core/classify.h"
#include "core/held.h"
#include "core/session.h"

enum { ICMP_PORT_UNREACHABLE = 3 };

static u64 bytes_sum(const u8 *at, u32 length)
{
	u8 last[2] = { length & 1 ? at[length - 1] : 0, 0 };

	return answer_words_sum(at, length / 2) + answer_words_sum(last, 1);
}

/* Has the inside opened the connection meanwhile? */
static int connection_stands(struct nat_instance *nat, const union held_head *head)
{
	struct endpoint remote = { .addr = head->remote, .port = head->remote_port },
			outside = { .addr = head->outside, .port = head->outside_port };
	union flow_key key;
	struct flow_hit hit;

	flow_key_between(&key, remote, outside, head->protocol, DIRECTION_IN);
	return flow_find(nat, nat->config, key.word, &hit);
}

/* Is this the beginning of such a packet? What is read here others wrote. */
static int head_fits(const union held_head *head, const u8 *ip)
{
	u32 least = head->protocol == PROTOCOL_DCCP ? (u32)DCCP_MIN : (u32)TCP_MIN;

	return head->interface < MAX_INTERFACES && head->length <= HELD_BYTES &&
	       head->length >= (ip[0] & 15u) * 4 + least;
}

/* The checksum of a segment that came with a partial one, from a device that is none: as it would be on a wire. DCCP's never is. */
static void segment_complete(u8 *ip, const union held_head *head)
{
	u32 header = (ip[0] & 15u) * 4, segment = head->length - header;
	struct tuple t = { .saddr = head->remote, .daddr = head->outside, .protocol = PROTOCOL_TCP };
	u8 *tcp = ip + header;

	if (head->protocol == PROTOCOL_TCP && head->length == be16_to_host(get16(ip, IPV4_LENGTH)) &&
	    (u16)get16(tcp, TCP_CHECK) == checksum_fold(pseudo_sum(&t, segment)))
		put16(tcp, TCP_CHECK, (__be16)(u16)~checksum_fold(bytes_sum(tcp, segment)));
}

/* The quoted packet is in its place. */
static void answer_fill(struct held_answer *answer, const union held_head *head)
{
	u8 *icmp = answer->ip + IP_MIN, *quoted = answer->ip + ANSWER_ROOM;

	segment_complete(quoted, head);
	answer->length = ANSWER_ROOM + head->length;
	answer_outer(answer->ip, quoted[1], answer->length, head->outside, head->remote);
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = ICMP_PORT_UNREACHABLE;
	put16(icmp, ICMP_CHECK, 0);
	put32(icmp, ICMP_ID, 0);
	put16(icmp, ICMP_CHECK, (__be16)(u16)~checksum_fold(bytes_sum(icmp, ICMP_HEADER + head->length)));
}

enum held_end held_end(struct nat_instance *nat, u32 number, struct held_answer *answer)
{
	const struct config *c = nat->config;
	struct held *at = env_held(nat, number);
	u32 now = nat->now & TIME;
	u64 word = LOAD(&at->word), mine = HELD_TAKEN | now;

	if (!(word & HELD_WHOLE) || word_age(word, now) <= c->timers.tcp_in_syn_timeout ||
	    !CAS(&at->word, word, mine))
		return HELD_WAITS;
	union held_head head = at->head;
	memcpy(answer->ip + ANSWER_ROOM, at->packet, HELD_BYTES);
	if (!CAS(&at->word, mine, 0) || !head_fits(&head, answer->ip + ANSWER_ROOM))
		return HELD_SILENT;
	answer->ifindex = c->interfaces[head.interface].ifindex;
	if (!c->hold || held_too_old(c, word, now) || !answer->ifindex ||
	    !address_is_ours(nat, c, head.outside) || connection_stands(nat, &head))
		return HELD_SILENT;
	answer_fill(answer, &head);
	return HELD_TOLD;
}

u32 held_count(const struct nat_instance *nat)
{
	u32 count = 0;

	for (u32 i = 0; i < HELD_SYNS; i++)
		count += (LOAD(&nat->held[i].word) & HELD_WHOLE) != 0;
	return count;
}
