/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pptp.h - the call ids in PPTP's control messages (RFC 2637 section 2), between inside and a server's port 1723 outside.
 *
 * Read are whole messages that begin where a segment's payload begins or where another one ends, by length, magic cookie and type. A
 * message that says how a host calls a call gets what stands for that outside (call.h); one that says the server's name for it makes
 * the call known. One call id may be written anew, two bytes for two. Whatever is not clearly such a message stays as it is: a segment
 * in which one is cut is counted (control_cut), and its call goes by address, as if nobody had looked. Nothing is kept of a connection
 * from one segment to the next, so that repetitions and losses mean nothing.
 *
 * All packets from or to a port 1723 go the long way (packet_ordinary()); known sessions of others pay nothing.
 */
#pragma once
#include "core/miss.h"

enum {
	PPTP_MESSAGES = 8, /* that are read of a segment */
	PPTP_COOKIE_HIGH = 0x1a2b,
	PPTP_COOKIE_LOW = 0x3c4d,
	PPTP_CONTROL = 1,
};
/* Control message types. */
enum {
	PPTP_OUTGOING_REQUEST = 7,
	PPTP_OUTGOING_REPLY = 8,
	PPTP_INCOMING_REQUEST = 9,
	PPTP_INCOMING_REPLY = 10,
	PPTP_INCOMING_CONNECTED = 11,
	PPTP_CLEAR_REQUEST = 12,
	PPTP_DISCONNECT_NOTIFY = 13,
	PPTP_ERROR_NOTIFY = 14,
	PPTP_SET_LINK = 15,
};
/* Words of a message's head. */
enum { PPTP_LENGTH, PPTP_KIND, PPTP_COOKIE, PPTP_TYPE = 4, PPTP_ID = 6, PPTP_SECOND_ID = 7 };

/* May there be control messages in it, on its way in this direction? Where the administrator does without (nat.alg), never. */
static __always_inline int pptp_concerns(const struct config *c, const struct packet *p, u32 direction)
{
	return c->pptp && p->kind == PACKET_PORTS && p->ip.protocol == PROTOCOL_TCP && !p->first &&
	       !p->later &&
	       (direction == DIRECTION_OUT ? p->ip.dport : p->ip.sport) == host_to_be16(PPTP_PORT);
}

/* Bytes of the message whose head was read; 0: it is none. All are of whole 32-bit words. */
static __always_inline u32 pptp_length(const struct control *m)
{
	u32 length = be16_to_host(m->head[PPTP_LENGTH]);

	if (length < sizeof(m->head) || length & 3 || m->head[PPTP_KIND] != host_to_be16(PPTP_CONTROL) ||
	    m->head[PPTP_COOKIE] != host_to_be16(PPTP_COOKIE_HIGH) ||
	    m->head[PPTP_COOKIE + 1] != host_to_be16(PPTP_COOKIE_LOW))
		return 0;
	return length;
}

/* Which word of a message, on its way in this direction, has an id that its inside end chose; 0: none. */
static __always_inline u32 pptp_place(u32 type, u32 direction)
{
	switch (type) {
	case PPTP_OUTGOING_REPLY:
	case PPTP_INCOMING_REPLY:
		return direction == DIRECTION_OUT ? PPTP_ID : PPTP_SECOND_ID;
	case PPTP_OUTGOING_REQUEST:
	case PPTP_INCOMING_REQUEST:
	case PPTP_CLEAR_REQUEST:
	case PPTP_DISCONNECT_NOTIFY:
		return direction == DIRECTION_OUT ? PPTP_ID : 0;
	case PPTP_INCOMING_CONNECTED:
	case PPTP_ERROR_NOTIFY:
	case PPTP_SET_LINK:
		return direction == DIRECTION_OUT ? 0 : PPTP_ID;
	default:
		return 0;
	}
}

/* Begin the request of a call whose control messages this packet has. 0: its host has an outside address to itself. */
SLOW u32 pptp_request(struct nat_instance *nat, struct work *work, u32 direction)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	const struct tuple *t = &work->packet.ip;
	const struct target *n = &work->plan.ip;
	int out = direction == DIRECTION_OUT;
	struct request *r = request_start(work);

	r->inside.addr = out ? t->saddr : n->daddr;
	r->outside.addr = out ? n->saddr : t->daddr;
	r->remote.addr = out ? t->daddr : t->saddr;
	r->remote.port = host_to_be16(GRE_PPP);
	struct outside_address a = address_find(nat, c, r->outside.addr);
	r->interface = a.interface & (MAX_OUTSIDE - 1);
	r->generation = generation_word(c, r->interface);
	r->own = r->inside.addr == r->outside.addr ? OWN_ROUTER : 0;
	r->index = a.index;
	r->protocol = PROTOCOL_GRE;
	r->class = CLASSES;
	r->flags = 0;
	r->mapping = NO_SLOT;
	r->account = NO_SLOT;
	return a.flags & ADDRESS_LIVE && !host_alone(nat, work);
}

/*
 * The message whose head is work->control passes in this direction: work->control.place, where in it control.id is to be written,
 * or 0. Returns 0, or the reason to drop the packet.
 */
static __always_inline u32 pptp_message(struct nat_instance *nat, struct work *work, u32 direction)
{
	struct control *m = &work->control;
	struct request *r = &work->req;
	u32 type = be16_to_host(m->head[PPTP_TYPE]), word = pptp_place(type, direction);
	int out = direction == DIRECTION_OUT,
	    reply = type == PPTP_OUTGOING_REPLY || type == PPTP_INCOMING_REPLY;

	m->place = 0;
	if (!word || !pptp_request(nat, work, direction))
		return 0;
	__be16 named = word == PPTP_ID ? m->head[PPTP_ID] : m->head[PPTP_SECOND_ID];
	if (out) {
		r->inside.port = named;
		u32 reason =
			call_name(nat, work, type != PPTP_CLEAR_REQUEST && type != PPTP_DISCONNECT_NOTIFY);
		if (reason)
			return reason == REASON_no_mapping ? 0 : reason;
	} else {
		r->outside.port = named;
		if (!call_owner(nat, work))
			return 0;
	}
	m->id = out ? r->outside.port : r->inside.port;
	m->place = m->id == named ? 0 : word * 2;
	if (reply) {
		r->remote.port = out ? m->head[PPTP_SECOND_ID] : m->head[PPTP_ID];
		call_close(nat, work, call_open(nat, work));
	}
	return 0;
}
