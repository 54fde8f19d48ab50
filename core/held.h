/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * held.h - SYNs from outside that nobody wanted (RFC 5382 REQ-4), and what begins a connection of DCCP (RFC 5597 REQ-4).
 *
 * THEORY OF OPERATION
 *
 * Two hosts behind NATs may open one connection from both ends at once. Then the SYN of one is at the other's NAT before the
 * other's own has left; were it answered, its sender would give up. So it is dropped in silence, and a copy held for
 * tcp_in_syn_timeout. If by then the inside has opened the connection, that is all; else the sender is told that the port is
 * unreachable. Packets hold, the daemon looks what has become of it and tells (native/held.h).
 *
 * In what follows a SYN is either. A place is found by the hash of the connection, one of HELD_PLACES in a row; a SYN that is repeated waits with the first.
 * The word decides:
 *
 *	FREE -- take --> TAKEN -- give --> HELD	     the packet of the SYN
 *	HELD -- read --> TAKEN -- free --> FREE	     the daemon
 *	HELD -- forget ------------------> FREE	     a packet out
 *	TAKEN or HELD, but too old: as FREE
 *
 * take    by compare-and-swap from the word that was judged. Of two processors one has the place; the other's SYN is not held.
 * give    a store, after head and bytes. Who has a place TAKEN writes it alone: to be too old it would have to stay so for longer
 *	   than any packet takes.
 * read    the daemon takes a HELD place over, by compare-and-swap, so that nobody writes what it reads, or reads it too, and
 *	   nobody tells twice. Should it die then, the place is free when it is too old; should it only have been stopped,
 *	   it frees by compare-and-swap what is its own still.
 * forget  by compare-and-swap, too: a packet out opened the connection, but the flow table refused the session
 *	   (held_forget()). Of all others the daemon finds the flow.
 *
 * Whether a SYN is held already is seen by comparing heads, perhaps while a place changes hands. Who sees a mixture, or is not
 * seen by his repetition on another processor, is not held, or held twice: told never, or once more, but not too soon.
 *
 * Without a daemon nobody is told, and places are free again when they are too old; nor does a daemon that comes back tell of
 * those. So however many SYNs come, HELD_SYNS are held at most: the others are syns_full, and never answered.
 */
#pragma once
#include "core/request.h"

enum {
	HELD_PLACES = 4,
	HELD_PATIENCE = 6, /* ticks beyond its time until a held SYN is too old */
};

#define HELD_TAKEN (1ull << 63)
#define HELD_WHOLE (1ull << 62)

/* May the address be one host's (RFC 1812 section 4.3.2.7)? */
static __always_inline int address_is_single(__be32 addr)
{
	u32 first = be32_to_host(addr) >> 24;

	return first && first != 127 && first < 224;
}

/* Would this packet begin a connection? */
static __always_inline int held_begins(const struct packet *p)
{
	if (p->ip.protocol == PROTOCOL_DCCP)
		return p->request;
	return p->ip.protocol == PROTOCOL_TCP &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Is the dropped packet of work a SYN to be held? Not what is wrong, only what nobody wanted. */
static __always_inline int held_wanted(const struct config *c, const struct work *work)
{
	const struct packet *p = &work->packet;
	u32 reason = work->plan.reason;

	return c->hold && (reason == REASON_no_mapping || reason == REASON_filtered) &&
	       p->kind == PACKET_PORTS && !p->first && !p->later && held_begins(p) &&
	       address_is_single(p->ip.saddr);
}

static __always_inline int held_too_old(const struct config *c, u64 word, u32 now)
{
	return word_age(word, now) > c->timers.tcp_in_syn_timeout + HELD_PATIENCE;
}

static __always_inline int held_is_free(const struct config *c, u64 word, u32 now)
{
	return !(word & HELD_TAKEN) || held_too_old(c, word, now);
}

/* A head's connection is all of it but where it came in. */
static __always_inline int held_is(struct held *at, const union held_head *head)
{
	union held_head there;

	there.word[0] = LOAD(&at->head.word[0]);
	there.word[1] = LOAD(&at->head.word[1]);
	return there.word[0] == head->word[0] && there.remote_port == head->remote_port &&
	       there.outside_port == head->outside_port && there.protocol == head->protocol;
}

enum { HELD_NOWHERE = HELD_SYNS };

/*
 * Where the SYN of this connection is held, or HELD_NOWHERE. *room: a place that is free, or HELD_NOWHERE. Of the head
 * interface and length are 0 here.
 */
static __always_inline u32 held_seek(struct nat_instance *nat, const struct config *c,
				     const union held_head *head, u32 now, u32 *room)
{
	u32 h = (u32)hash_words(c, head->word[0], head->word[1]);

	*room = HELD_NOWHERE;
	for (u32 i = 0; i < HELD_PLACES; i++) {
		u32 number = (h + i) & (HELD_SYNS - 1);
		struct held *at = env_held(nat, number);
		if (!at)
			continue;
		u64 word = LOAD(&at->word);
		if (held_is_free(c, word, now))
			*room = *room == HELD_NOWHERE ? number : *room;
		else if (word & HELD_WHOLE && held_is(at, head))
			return number;
	}
	return HELD_NOWHERE;
}

/* A place for the SYN of work, taken. NULL: it is held already, or (then the plan says so) there is none. */
static __always_inline struct held *held_take(struct nat_instance *nat, const struct config *c,
					      struct work *work)
{
	const struct packet *p = &work->packet;
	union held_head head = { .remote = p->ip.saddr,
				 .outside = p->ip.daddr,
				 .remote_port = p->ip.sport,
				 .outside_port = p->ip.dport,
				 .protocol = p->ip.protocol };
	u32 now = work->meeting.now, room;

	if (held_seek(nat, c, &head, now, &room) != HELD_NOWHERE)
		return 0;
	struct held *at = room == HELD_NOWHERE ? 0 : env_held(nat, room);
	u64 word = at ? LOAD(&at->word) : 0;
	if (!at || !held_is_free(c, word, now) || !CAS(&at->word, word, HELD_TAKEN | (now & TIME))) {
		plan_because(&work->plan, REASON_syns_full);
		return 0;
	}
	head.interface = (u8)work->meeting.interface;
	head.length = p->length < HELD_BYTES ? p->length : (u16)HELD_BYTES;
	STORE(&at->head.word[0], head.word[0]);
	STORE(&at->head.word[1], head.word[1]);
	return at;
}

/* The bytes of the packet are in the place that was taken for it; whole: all of them, else it is free again. */
static __always_inline void held_give(struct held *at, const struct work *work, int whole)
{
	STORE(&at->word, whole ? HELD_TAKEN | HELD_WHOLE | (work->meeting.now & TIME) : 0);
}

/* A packet went out by its mapping alone, and no flow will tell the daemon: nobody is to be told of a SYN that it answers. */
SLOW u32 held_forget(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c ||
	    (work->packet.ip.protocol != PROTOCOL_TCP && work->packet.ip.protocol != PROTOCOL_DCCP))
		return 0;
	union held_head head = { .remote = work->packet.ip.daddr,
				 .outside = work->plan.ip.saddr,
				 .remote_port = work->packet.ip.dport,
				 .outside_port = work->plan.ip.sport,
				 .protocol = work->packet.ip.protocol };
	u32 room, number = held_seek(nat, c, &head, work->meeting.now, &room);
	struct held *at = number == HELD_NOWHERE ? 0 : env_held(nat, number);
	u64 word = at ? LOAD(&at->word) : 0;

	if (at && word & HELD_WHOLE)
		(void)CAS(&at->word, word, 0);
	return 0;
}
