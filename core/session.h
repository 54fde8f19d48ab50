/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * session.h - sessions: one mapping talking to one remote endpoint, two flows.
 *
 * LIFE. A session is made by its first packet from either side: the inbound flow is published first, then the
 * outbound one, so that the answer finds its way however fast it comes. Each packet touches its own flow only. The
 * daemon's sweep reads both halves, computes the session's timeout and ends both; without a daemon an inserter takes
 * slots that were idle for the longest time that their protocol allows. A flow without its other half is no error:
 * the next packet of that direction finds the mapping and makes the half again.
 *
 * A flow table that is full refuses the flow, not the packet: that is translated by its mapping (out_from_mapping).
 *
 * WITHOUT PORTS (GRE, IPIP, whatever has no class, but ESP: see spi.h) a session has no mapping, and nothing tells apart two hosts that talk
 * to one remote by one outside address. So one of them may: its inbound flow, whose key is (protocol, remote, outside
 * address), is the claim, inserted if absent before the outbound one. The second host's packets are dropped (remote_taken)
 * until the first's session is over. No inserter takes a claim's slot for being idle; the sweep ends the outbound flow first,
 * then the claim, and ends an outbound flow whose claim is missing or another's. Between a host and the router, which has no
 * other address to go to, the router wins, at any time.
 */
#pragma once
#include "core/mapping.h"
#include "core/packet.h"
#include "core/tcp.h"

/* What a hit needs of a flow, read under its word. */
struct flow_hit {
	struct slot *slot;
	u64 word;
	u32 number;
	union flow_value value;
};

static __always_inline void flow_key(union flow_key *key, const struct tuple *t, u8 direction)
{
	key->word[1] = 0;
	key->saddr = t->saddr;
	key->daddr = t->daddr;
	key->sport = t->sport;
	key->dport = t->dport;
	key->protocol = t->protocol;
	key->direction = direction;
}

/* Has the outside address with these port bitmaps left its interface? */
static __always_inline int address_left(const struct config *c, u32 index)
{
	return (int)(LOAD(&c->left[index / 64 & (ADDRESS_WORDS - 1)]) >> (index & 63) & 1);
}

/*
 * May packets go by a flow of this word and these fields? On an address that is there, of the present generation. In this
 * order: an address that comes back gets a new generation first.
 */
static __always_inline int flow_stands(const struct config *c, u64 w, u32 interface, u32 own, u32 index)
{
	return !address_left(c, index) && !word_stale(c, TABLE_FLOWS, interface, w) && !(own & FLOW_ENDED);
}

/* Read the flow that was found, if one was: 1 if it stands and was read whole; else 0. */
static __always_inline int flow_read(const struct config *c, struct flow_hit *hit)
{
	if (!hit->slot)
		return 0;
	hit->value.word[0] = LOAD(&hit->slot->data[2]);
	hit->value.word[1] = LOAD(&hit->slot->data[3]);
	hit->value.word[2] = LOAD(&hit->slot->data[4]);
	return flow_stands(c, hit->word, hit->value.interface, hit->value.own, hit->value.index) &&
	       slot_same(hit->slot, hit->word);
}

/* The flow with this key, if it stands and was read whole: 1 and *hit; else 0. */
static __always_inline int flow_find(struct nat_instance *nat, const struct config *c, const u64 *key,
				     struct flow_hit *hit)
{
	hit->slot = table_find(nat, c, TABLE_FLOWS, table_hash(c, TABLE_FLOWS, key), key, &hit->word,
			       &hit->number);
	return flow_read(c, hit);
}

/* The same off the hot path. */
static __always_inline int flow_seek(struct nat_instance *nat, const struct config *c, const u64 *key,
				     struct flow_hit *hit)
{
	hit->slot = table_seek(nat, TABLE_FLOWS, key, &hit->word, &hit->number);
	return flow_read(c, hit);
}

/* A packet of the flow passes: last used, TCP flags, counts. 0: the flow ended meanwhile. */
static __always_inline int flow_pass(const struct flow_hit *hit, const struct packet *p, u32 now)
{
	u32 flags = word_flags(hit->word), after = flags;

	if ((p->ip.protocol == PROTOCOL_TCP || p->tcp_flags) && !p->later) /* of a class that connects */
		after = tcp_flags_after(flags, p->tcp_flags);
	if (now != word_time(hit->word) || after != flags)
		if (!slot_touch(hit->slot, hit->word, now, word_gen(hit->word), after))
			return 0;
	COUNT(&hit->slot->data[5], 1);
	COUNT(&hit->slot->data[6], (u64)p->length);
	return 1;
}

enum { CLAIM_IDLE_MAX = 0xffff };

static __always_inline u16 flow_idle_max(const struct config *c, u8 class, u8 direction)
{
	if (class >= CLASSES && direction == DIRECTION_IN)
		return CLAIM_IDLE_MAX;
	u32 t = class_connects(class) ? c->timers.tcp_idle_timeout : class_timeout(c, class);

	return (u16)(t < 0xffff ? t : 0xffff);
}

/* What the request's flow of a direction is to be, in work->ins. with_packet: the packet at hand is its first. */
static __always_inline void flow_prepare(const struct config *c, struct work *work, u8 direction, u32 peer,
					 u32 with_packet)
{
	const struct request *r = &work->req;
	int out = direction == DIRECTION_OUT;
	struct endpoint to = out ? r->outside : r->inside;
	struct insert *ins = &work->ins;
	union flow_value value;
	union flow_key key;

	flow_key_of(&key, r, direction);
	value.interface = r->interface;
	value.own = r->own | (direction == DIRECTION_IN ? r->hairpin : 0);
	value.idle_max = flow_idle_max(c, r->class, direction);
	value.peer = peer;
	value.addr = to.addr;
	value.port = to.port;
	value.index = (u16)r->index;
	value.mapping = r->mapping;
	value.lease = 0;
	ins->words[0] =
		word_make(r->now, generation_in(r->generation, TABLE_FLOWS), with_packet ? r->flags : 0);
	ins->words[1] = key.word[0];
	ins->words[2] = key.word[1];
	ins->words[3] = value.word[0];
	ins->words[4] = value.word[1];
	ins->words[5] = value.word[2];
	ins->words[6] = with_packet ? 1 : 0;
	ins->words[7] = with_packet ? r->bytes : 0;
	ins->hash = table_hash(c, TABLE_FLOWS, key.word);
	ins->now = r->now;
}

/*
 * Put the prepared flow into the table, or find that it is there: INSERT_*; work->ins.slot names it. A flow with its key
 * that translates to something else is a leftover, and ends.
 */
static __always_inline u32 flow_put(struct nat_instance *nat, struct insert *ins)
{
	u32 result = flows_insert(nat, ins);

	if (result != INSERT_FOUND)
		return result;
	struct slot *s = env_slot(nat, TABLE_FLOWS, ins->slot);
	if (!s)
		return INSERT_BUSY;
	u64 same = (LOAD(&s->data[3]) ^ ins->words[4]) & WORD_FIRST48; /* address and port */
	if (!same && slot_same(s, ins->found))
		return INSERT_FOUND;
	slot_end(s, ins->found);
	return flows_insert(nat, ins);
}

/* Tell the inbound flow where the outbound one is: a hint, so a lost race is no harm. */
static __always_inline void flow_pair(struct nat_instance *nat, const struct request *r, u32 out)
{
	struct slot *s = env_slot(nat, TABLE_FLOWS, r->in_slot);
	union {
		u64 word;
		struct {
			u32 rest;
			u32 peer;
		};
	} paired = { .word = r->in_head };

	paired.peer = out;
	if (s)
		(void)CAS(&s->data[2], r->in_head, paired.word);
}

/* The outbound flow, after the inbound one, which work->ins names. 0; 1: the table refused it. */
static __always_inline u32 session_join(struct nat_instance *nat, const struct config *c, struct work *work,
					u32 out)
{
	struct request *r = &work->req;

	r->in_slot = work->ins.slot;
	flow_prepare(c, work, DIRECTION_OUT, r->in_slot, out);
	if (flow_put(nat, &work->ins) > INSERT_FOUND)
		return 1;
	flow_pair(nat, r, work->ins.slot);
	return 0;
}

/* Publish the session of the request; out: the packet goes out. 0: both flows stand; 1: the table refused one. */
SLOW u32 session_publish(struct nat_instance *nat, struct work *work, u32 out)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 1;
	struct request *r = &work->req;

	flow_prepare(c, work, DIRECTION_IN, NO_SLOT, !out);
	r->in_head = work->ins.words[3];
	if (flow_put(nat, &work->ins) > INSERT_FOUND)
		return 1;
	return session_join(nat, c, work, out);
}

/* The inbound flow that was there already: whose is it? 0: ours, and used just now; CLAIM_AGAIN: it has ended; or a reason. */
static __always_inline u32 session_claimed(struct nat_instance *nat, const struct config *c,
					   struct work *work)
{
	struct insert *ins = &work->ins;
	struct slot *s = env_slot(nat, TABLE_FLOWS, ins->slot);
	union flow_value value;

	if (!s)
		return REASON_internal;
	value.word[0] = LOAD(&s->data[2]);
	value.word[1] = LOAD(&s->data[3]);
	if (!slot_same(s, ins->found))
		return CLAIM_AGAIN;
	if (value.addr == work->req.inside.addr)
		return slot_touch(s, ins->found, ins->now, word_gen(ins->found), 0) ? 0 : CLAIM_AGAIN;
	if (!work->req.own && flow_stands(c, ins->found, value.interface, value.own, value.index))
		return REASON_remote_taken;
	slot_end(s, ins->found);
	return CLAIM_AGAIN;
}

/* The first packet out of a session without ports, from r->inside by r->outside to r->remote. The reason. */
SLOW u32 session_claim(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	u32 claimed = CLAIM_AGAIN;

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	work->req.mapping = NO_SLOT;
	for (int try = 0; try < MAPPING_TRIES && claimed == CLAIM_AGAIN; try++) {
		flow_prepare(c, work, DIRECTION_IN, NO_SLOT, 0);
		work->req.in_head = work->ins.words[3];
		u32 put = flows_insert(nat, &work->ins);
		claimed = put == INSERT_NEW    ? 0
			  : put == INSERT_FULL ? REASON_flows_full
			  : put == INSERT_BUSY ? REASON_table_busy
					       : session_claimed(nat, c, work);
	}
	if (claimed)
		return claimed == CLAIM_AGAIN ? REASON_table_busy : claimed;
	return session_join(nat, c, work, 1) ? REASON_out_from_mapping : REASON_out_created;
}

/* Is there the request's flow of a direction? 1 and r->flow. Nothing is touched. */
SLOW u32 flow_peek(struct nat_instance *nat, struct work *work, u32 direction)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	union flow_key key;
	struct flow_hit hit;

	flow_key_of(&key, r, (u8)direction);
	if (!flow_seek(nat, c, key.word, &hit))
		return 0;
	r->flow = hit.value;
	return 1;
}

/* The other address of a session without ports, for an ICMP error: r->outside by r->inside, or the reverse. Nothing is touched. */
static __always_inline u32 session_peek(struct nat_instance *nat, struct work *work, u32 out)
{
	struct request *r = &work->req;
	struct endpoint *found = out ? &r->outside : &r->inside;

	if (!flow_peek(nat, work, out ? DIRECTION_OUT : DIRECTION_IN))
		return 0;
	found->addr = r->flow.addr;
	found->port = 0;
	r->own = r->flow.own & OWN_ROUTER;
	return 1;
}

/* Whom the mappings of a class let in: enum filtering. No index: kernel 6.1 loses track of its bound. */
static __always_inline u8 class_filtering(const struct config *c, u32 class)
{
	return class_connects(class) ? c->filtering[CLASS_TCP]
	       : class == CLASS_ICMP ? c->filtering[CLASS_ICMP]
				     : c->filtering[CLASS_UDP];
}

/* May r->remote send to this mapping? Called after a miss in the flow table. RFC 4787 REQ-8, RFC 5382 REQ-3. */
SLOW u32 filter_passes(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	u8 filtering = class_filtering(c, work->req.class);

	if (filtering == FILTERING_EIF)
		return 1;
	/* A session lets its remote in, also when only its outbound half is left: the inbound one is made again. */
	if (flow_peek(nat, work, DIRECTION_OUT))
		return 1;
	/* With address and port, what a session says; one may be there when both ends are ours (hairpin). */
	return flow_peek(nat, work, filtering == FILTERING_ADF ? DIRECTION_PERMIT : DIRECTION_IN);
}

/* Address-dependent filtering: the mapping has sent to r->remote.addr. */
SLOW u32 filter_permit(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct insert *ins = &work->ins;

	if (class_filtering(c, work->req.class) != FILTERING_ADF)
		return 0;
	flow_prepare(c, work, DIRECTION_PERMIT, NO_SLOT, 0);
	if (flow_put(nat, ins) != INSERT_FOUND)
		return 0;
	struct slot *s = env_slot(nat, TABLE_FLOWS, ins->slot);
	if (s)
		slot_touch(s, ins->found, ins->now, word_gen(ins->found), 0);
	return 0;
}

/*
 * A TCP segment that opens nothing goes out, and no flow stands for it. 1: there was one, and its outside endpoint cannot be
 * kept, so that its peer would not know what comes from another. Nothing is made for it.
 */
SLOW u32 session_lost(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	union flow_value value;
	union flow_key key;
	u32 number;
	u64 w;

	flow_key_of(&key, r, DIRECTION_OUT);
	struct slot *s = table_seek(nat, TABLE_FLOWS, key.word, &w, &number);
	if (!s)
		return 0;
	value.word[0] = LOAD(&s->data[2]);
	value.word[1] = LOAD(&s->data[3]);
	if (!slot_same(s, w) || flow_stands(c, w, value.interface, value.own, value.index))
		return 0;
	u32 known = mapping_known(nat, work, 0);
	return known == MAPPING_ABSENT ||
	       (known == MAPPING_STANDS && (r->outside.addr != value.addr || r->outside.port != value.port));
}

/* Does one half of the request's session stand? Then it is counted already. */
SLOW u32 session_stands(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union flow_key key;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	flow_key_of(&key, &work->req, DIRECTION_OUT);
	if (flow_seek(nat, c, key.word, &hit))
		return 1;
	flow_key_of(&key, &work->req, DIRECTION_IN);
	return (u32)flow_seek(nat, c, key.word, &hit);
}

/* Is the session within its host's limits? 0, and what was taken for it may be given back; or a reason. */
SLOW u32 session_admit(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;

	r->account = NO_SLOT;
	if (r->own || r->fixed || r->client || !account_limited(c, r->now) || session_stands(nat, work))
		return 0;
	return account_take(nat, work, ACCOUNT_SESSION);
}

/* Publish a session that its host may have. REASON_out_created, REASON_out_from_mapping, the same of in, or a reason against it. */
static __always_inline u32 session_open(struct nat_instance *nat, struct work *work, u32 out)
{
	u32 reason = session_admit(nat, work);

	if (reason)
		return reason;
	if (!session_publish(nat, work, out))
		return out ? REASON_out_created : REASON_in_created;
	account_return(nat, &work->req);
	return out ? REASON_out_from_mapping : REASON_in_from_mapping;
}

/* The same out, of a protocol without ports: by its claim. */
static __always_inline u32 session_open_claim(struct nat_instance *nat, struct work *work)
{
	u32 reason = session_admit(nat, work);

	if (reason)
		return reason;
	reason = session_claim(nat, work);
	if (reason != REASON_out_created)
		account_return(nat, &work->req);
	return reason;
}

/* A session of a protocol without ports, whose host has its outside address to itself: it needs no mapping. As session_open(). */
static __always_inline u32 session_alone(struct nat_instance *nat, struct work *work, u32 out)
{
	struct request *r = &work->req;

	r->class = CLASS_UDP; /* its timers */
	r->outside.port = 0;
	r->mapping = NO_SLOT;
	return session_open(nat, work, out);
}

/*
 * The first packet of a session, out: work->req has inside, remote, protocol, class, interface, own, flags, bytes, now.
 * Returns the reason; on a TRANSLATE one r->outside is the new source.
 */
static __always_inline u32 session_out(struct nat_instance *nat, struct work *work)
{
	u32 reason;

	if (work->meeting.local || work->req.interface != AHEAD_INTERFACE)
		mapping_guess(nat, work, 0);
	reason = mapping_out(nat, work);
	if (reason)
		return reason;
	reason = session_open(nat, work, 1);
	if (reason == REASON_out_created || reason == REASON_out_from_mapping)
		filter_permit(nat, work);
	return reason;
}

/*
 * The first packet of a session, in: as above, but with outside instead of inside. On a TRANSLATE reason r->inside is the
 * new destination. REASON_no_mapping: the outside endpoint is nobody's.
 */
static __always_inline u32 session_in(struct nat_instance *nat, struct work *work)
{
	struct request *r = &work->req;
	u32 reason = mapping_in(nat, work, 0);

	if (reason == REASON_no_mapping && r->inbound && host_inbound(nat, work))
		reason = mapping_inbound(nat, work);
	if (reason)
		return reason;
	if (!r->fixed && !r->inbound &&
	    !filter_passes(nat, work)) /* and refreshes nothing: RFC 7857 section 7 */
		return REASON_filtered;
	reason = mapping_in(nat, work, 1);
	if (reason)
		return reason;
	r->own |= (u8)r->full; /* as flows shall say */
	return session_open(nat, work, 0);
}
