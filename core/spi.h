/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spi.h - ESP (RFC 4303): sessions of what has no ports, but a number in their place.
 *
 * The number, the SPI, is chosen by whom the packet is for, and the two directions of a tunnel have two, that nothing in their
 * packets connects. So the outbound flow of a host is known by (host, gateway, SPI), each inbound one by (gateway, outside
 * address, SPI), and whose an inbound SPI is has to be learned from who began to send, and when (RFC 3715 section 2.1). A tunnel
 * in UDP (RFC 3948) needs none of this. In the key of a flow the SPI stands where ports do: packets of a known one are hits.
 *
 * THE CLAIM. Of each (gateway, outside address) there is one, an inbound flow of REALM_CLAIM, where no packet's key leads: it
 * names the host that began last, whose the next unknown SPI is. Its flags are a balance from -8 to 7: outbound SPIs of that host
 * whose inbound one has not come, less inbound ones that came first. Its time is when the last of them began to wait.
 *
 *   out, unknown SPI   The host that the claim names counts one more. Another host's ends the claim and puts its own, with a balance
 *	               of one, but not while the named one waits, and has not waited for SPI_WAIT (spi_waits): so never
 *	               are two hosts waiting that the gateway answers in time. Then comes the outbound flow.
 *   in, unknown SPI    It is the named host's, if that one waits; the balance counts one less. If it does not, it is a new SPI of a
 *	               tunnel that goes on, the inbound one first. It is the named host's if no other had sessions with the gateway by
 *	               that address lately, and the balance goes below zero, so that the outbound one that follows waits for
 *	               nothing. If others had, it is dropped (spi_unknown) until the host that it is for sends with its new SPI, as it
 *	               does soon, and so says that it waits. To guess would lead it to the wrong one for as long as it lasts.
 *
 * An SPI that came first and whose host sent nothing new since is forgotten when another host takes the claim: most likely the
 * gateway spoke first to that one. What the gateway says too late, after another host took the claim, goes to that other one, as
 * may do what it goes on to say after a reset: nothing in it could tell.
 *
 * TWO PROCESSORS. Every change of the claim is a compare-and-swap on its whole word as it was when its owner was read, so it
 * fails if anything happened since, and all is looked at again: one wait is ended by one SPI. Nobody waits for anybody:
 *
 *   - Learning inserts the inbound flow, if absent, then counts; if that fails, it takes its flow back. Meanwhile its packets went
 *     to the host that the claim named, no others. Who finds the flow there obeys it. So an SPI has one owner, and a wait one SPI.
 *     A packet that missed the flow by an instant, and finds the claim another's, is dropped; the next one is a hit.
 *   - Opening counts, then inserts the outbound flow. Two first packets of one SPI count twice; the one that finds the flow there
 *     gives back what it counted. A balance that is one too high by what got lost between costs others one SPI_WAIT.
 *   - Taking the claim is to end its slot, if nobody touched it, and to insert another, if absent: the table lets one win. Between
 *     the two an inbound unknown SPI finds none, and is nobody's.
 *   - That two flows of a pair name each other's slot is a hint, as the claim's `peer` is: the last SPI that waits for its other half.
 *     The sweep judges a pair together, and what has no such hint, as all but the last of several that began at once, by itself.
 *
 * The claim is the sweep's to keep (sweep_claimed() in sweep.h): it counts as used while sessions of its host last, ends when they
 * are over, and is made anew for another host that is left. In `lease` it has when a session of another host was last used: the
 * sweep tells, and who takes the claim. The router's claim, as all it has, is not taken by hosts; it takes any. Where an address is a
 * host's alone, that host does, too.
 *
 * ERRORS quote the outbound SPI behind the outside address. Whose it is says a third flow (DIRECTION_PERMIT) beside the outbound one.
 */
#pragma once
#include "core/session.h"

enum {
	SPI_WAIT = 10, /* ticks */
	SPI_LEAST = -8,
	SPI_MOST = 7,
};
#define SPI_SEEN (1u << 31) /* in `lease` of a claim, beside a tick */

/* Has the request an SPI? near: the endpoint of its own side, as the packet has it. */
static __always_inline int spi_has(const struct request *r, struct endpoint near)
{
	return r->class >= CLASSES && (near.port | r->remote.port);
}

/* What comes from the remote, or in DIRECTION_PERMIT went there, with an SPI of two halves. */
static __always_inline void spi_key(union flow_key *key, const struct request *r, u8 direction, __be16 high,
				    __be16 low)
{
	struct endpoint from = { .addr = r->remote.addr, .port = high, .zero = 0 };
	struct endpoint to = { .addr = r->outside.addr, .port = low, .zero = 0 };

	flow_key_between(key, from, to, r->protocol, direction);
}

static __always_inline void claim_key(union flow_key *key, const struct request *r)
{
	spi_key(key, r, DIRECTION_IN, 0, 0);
	key->realm = REALM_CLAIM;
}

static __always_inline int claim_balance(u64 w) { return (int)(word_flags(w) ^ 8) - 8; }

/* Did another host have sessions with this remote lately? */
static __always_inline int claim_shared(const struct config *c, const struct request *r)
{
	return !r->alone && !(r->flow.own & OWN_ROUTER) && r->flow.lease &&
	       word_age(r->flow.lease, r->now) <= class_timeout(c, CLASSES);
}

/* The claim on the request's remote, if it stands: 1 and r->claim, r->claim_slot, r->flow. */
static __always_inline int claim_seek(struct nat_instance *nat, const struct config *c, struct request *r)
{
	union flow_key key;
	struct flow_hit hit;

	claim_key(&key, r);
	if (!flow_seek(nat, c, key.word, &hit))
		return 0;
	r->claim = hit.word;
	r->claim_slot = hit.number;
	r->flow = hit.value;
	return 1;
}

/* So many more wait of the host that the claim names. 0: it is not as it was read. */
static __always_inline int claim_count(struct nat_instance *nat, const struct request *r, int more)
{
	struct slot *s = env_slot(nat, TABLE_FLOWS, r->claim_slot);
	int balance = claim_balance(r->claim) + more;
	u64 n = r->claim;

	if (balance >= SPI_LEAST && balance <= SPI_MOST)
		n = (n & ~FLAGS) | (((u64)balance << 53) & FLAGS);
	if (more > 0)
		n = (n & ~TIME) | (r->now & TIME);
	return s && (n == r->claim || CAS(&s->word, r->claim, n));
}

/* The claim counted one that does not wait, if it is the host's yet. */
static __always_inline void claim_return(struct nat_instance *nat, const struct config *c, struct request *r)
{
	for (int i = 0; i < RAISES; i++)
		if (!claim_seek(nat, c, r) || r->flow.addr != r->inside.addr || claim_count(nat, r, -1))
			return;
}

/* Let the flow, or the claim, in a slot name another as its other half: a hint. */
static __always_inline void flow_point(struct nat_instance *nat, const struct config *c, u32 at, u32 to)
{
	struct slot *s = at <= c->flow_mask ? env_slot(nat, TABLE_FLOWS, at) : 0;
	union flow_value value;

	if (!s)
		return;
	u64 was = value.word[0] = LOAD(&s->data[2]);
	value.peer = to;
	(void)CAS(&s->data[2], was, value.word[0]);
}

/* A new flow at `at`: `waited` for by the other half, which the claim named; or the claim is to name it. */
static __always_inline void spi_pair(struct nat_instance *nat, const struct config *c,
				     const struct request *r, int waited, u32 other, u32 at)
{
	flow_point(nat, c, waited ? other : r->claim_slot, at);
	if (waited)
		flow_point(nat, c, r->claim_slot, NO_SLOT);
}

/* Prepare a flow as flow_prepare(), but with this key. */
static __always_inline void spi_prepare(const struct config *c, struct work *work, const union flow_key *key)
{
	struct insert *ins = &work->ins;

	flow_prepare(c, work, key->direction, NO_SLOT, 0);
	ins->words[1] = key->word[0];
	ins->words[2] = key->word[1];
	ins->hash = table_hash(c, TABLE_FLOWS, key->word);
}

/* The claim was another's and is ours now: an SPI that came first to that one is to be learned again. */
static __always_inline void spi_forget(struct nat_instance *nat, const struct config *c,
				       const struct request *r)
{
	struct slot *s = r->flow.peer <= c->flow_mask ? env_slot(nat, TABLE_FLOWS, r->flow.peer) : 0;
	union flow_value value;
	union flow_key key, is;

	if (!s)
		return;
	u64 w = LOAD(&s->word);
	claim_key(&key, r);
	is.word[0] = LOAD(&s->data[0]);
	is.word[1] = LOAD(&s->data[1]);
	value.word[1] = LOAD(&s->data[3]);
	if (word_state(w) == LIVE && is.word[0] == key.word[0] && is.protocol == r->protocol &&
	    is.direction == DIRECTION_IN && !is.realm && value.addr == r->flow.addr && slot_same(s, w))
		slot_move(s, w, FREE);
}

/* The claim that was read is another's than r->inside.addr's: may it be taken? 0 or a reason. */
static __always_inline u32 claim_refuses(const struct request *r)
{
	if (r->own || r->alone)
		return 0;
	if (r->flow.own & OWN_ROUTER)
		return REASON_remote_taken;
	return claim_balance(r->claim) > 0 && word_age(r->claim, r->now) <= SPI_WAIT ? REASON_spi_waits : 0;
}

/* Once: the claim becomes that of r->inside.addr, `begins` more of whom wait. 0, CLAIM_AGAIN or a reason. */
static __always_inline u32 spi_claim_try(struct nat_instance *nat, const struct config *c, struct work *work,
					 u32 begins)
{
	struct request *r = &work->req;
	union flow_value value;
	union flow_key key;
	u32 others = 0;

	r->in_slot = NO_SLOT;
	if (claim_seek(nat, c, r)) {
		int ahead = claim_balance(r->claim) < 0;
		struct slot *s = env_slot(nat, TABLE_FLOWS, r->claim_slot);
		if (ahead)
			r->in_slot = r->flow.peer;
		if (r->flow.addr == r->inside.addr)
			return claim_count(nat, r, (int)begins) ? 0 : CLAIM_AGAIN;
		u32 reason = claim_refuses(r);
		if (reason)
			return reason;
		if (!s || !slot_end(s, r->claim))
			return CLAIM_AGAIN;
		if (ahead)
			spi_forget(nat, c, r);
		r->in_slot = NO_SLOT;
		others = r->alone ? 0 : SPI_SEEN | (r->now & TIME);
	}
	claim_key(&key, r);
	spi_prepare(c, work, &key);
	value.word[2] = work->ins.words[5];
	value.lease = others;
	work->ins.words[5] = value.word[2];
	work->ins.words[0] |= (u64)begins << 53;
	u32 put = flows_insert(nat, &work->ins);
	r->claim_slot = work->ins.slot;
	r->claim = work->ins.found;
	if (put == INSERT_FOUND && !claim_seek(nat, c, r)) { /* of an address that left */
		struct slot *s = env_slot(nat, TABLE_FLOWS, r->claim_slot);
		if (s)
			slot_end(s, r->claim);
	}
	return put == INSERT_NEW    ? 0
	       : put == INSERT_FULL ? REASON_flows_full
	       : put == INSERT_BUSY ? REASON_table_busy
				    : CLAIM_AGAIN;
}

/* The claim on the remote for r->inside.addr, and r->in_slot, the inbound flow that came first, if one did. 0 or a reason. */
SLOW u32 spi_claim(struct nat_instance *nat, struct work *work, u32 begins)
{
	const struct config *c = env_config(nat);
	u32 claimed = CLAIM_AGAIN;

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	work->req.mapping = NO_SLOT;
	for (int try = 0; try < MAPPING_TRIES && claimed == CLAIM_AGAIN; try++)
		claimed = spi_claim_try(nat, c, work, begins & 1);
	return claimed == CLAIM_AGAIN ? REASON_table_busy : claimed;
}

/* After the claim the outbound flow, and who may be told of errors about it. The reason. */
SLOW u32 spi_open(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	union flow_value value;
	union flow_key key;

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	struct request *r = &work->req;
	flow_prepare(c, work, DIRECTION_OUT, r->in_slot, 1);
	value.word[0] = work->ins.words[3];
	value.idle_max = CLAIM_IDLE_MAX; /* its inbound half may be in use */
	work->ins.words[3] = value.word[0];
	u32 put = flow_put(nat, &work->ins), at = work->ins.slot;
	if (put != INSERT_NEW) {
		claim_return(nat, c, r);
		return put == INSERT_FOUND ? REASON_out_created : REASON_out_from_mapping;
	}
	spi_pair(nat, c, r, claim_balance(r->claim) < 0, r->in_slot, at);
	spi_key(&key, r, DIRECTION_PERMIT, r->inside.port, r->remote.port);
	spi_prepare(c, work, &key);
	(void)flow_put(nat, &work->ins);
	return REASON_out_created;
}

/* The first packet of an SPI, out, by the outside address r->outside.addr. As session_open_claim(). */
static __always_inline u32 spi_out(struct nat_instance *nat, struct work *work)
{
	struct request *r = &work->req;

	r->outside.port = r->inside.port; /* as hits shall leave it */
	u32 reason = session_admit(nat, work);
	if (reason)
		return reason;
	reason = spi_claim(nat, work, 1);
	if (!reason)
		reason = spi_open(nat, work);
	if (reason != REASON_out_created)
		account_return(nat, r);
	return reason;
}

/* Whose the unknown SPI of the request is, by the claim, which is read: 0 and r->inside; or a reason. */
static __always_inline u32 claim_adopt(struct nat_instance *nat, const struct config *c, struct request *r)
{
	r->generation = generation_word(c, r->interface);
	if (!claim_seek(nat, c, r))
		return REASON_no_mapping;
	if (claim_balance(r->claim) <= 0 && claim_shared(c, r))
		return REASON_spi_unknown;
	r->inside.addr = r->flow.addr;
	r->inside.port = r->outside.port;
	r->own = r->flow.own & OWN_ROUTER;
	r->index = r->flow.index;
	r->mapping = NO_SLOT;
	return 0;
}

SLOW u32 spi_owner(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	return work && c ? claim_adopt(nat, c, &work->req) : REASON_internal;
}

/* The inbound flow was there already: it says whose the SPI is. */
static __always_inline u32 spi_found(struct nat_instance *nat, const struct config *c, struct work *work)
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
	if (!flow_stands(c, ins->found, value.interface, value.own, value.index)) {
		slot_end(s, ins->found);
		return CLAIM_AGAIN;
	}
	work->req.inside.addr = value.addr;
	work->req.own = value.own & OWN_ROUTER;
	return REASON_in_created;
}

/* Once: learn the SPI. CLAIM_AGAIN or a reason. */
static __always_inline u32 spi_learn_try(struct nat_instance *nat, const struct config *c, struct work *work)
{
	struct request *r = &work->req;
	struct insert *ins = &work->ins;
	u32 reason = claim_adopt(nat, c, r);

	if (reason)
		return reason;
	int asked = claim_balance(r->claim) > 0;
	u32 peer = asked ? r->flow.peer : NO_SLOT;
	flow_prepare(c, work, DIRECTION_IN, peer, 1);
	u32 put = flows_insert(nat, ins);
	if (put == INSERT_FOUND)
		return spi_found(nat, c, work);
	if (put != INSERT_NEW)
		return REASON_in_from_mapping;
	if (!claim_count(nat, r, -1)) {
		struct slot *s = env_slot(nat, TABLE_FLOWS, ins->slot);
		if (s)
			slot_move(s, ins->found, FREE);
		return CLAIM_AGAIN;
	}
	spi_pair(nat, c, r, asked, peer, ins->slot);
	return REASON_in_created;
}

SLOW u32 spi_learn(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);
	u32 learned = CLAIM_AGAIN;

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	for (int try = 0; try < MAPPING_TRIES && learned == CLAIM_AGAIN; try++)
		learned = spi_learn_try(nat, c, work);
	return learned == CLAIM_AGAIN ? REASON_table_busy : learned;
}

/*
 * A packet of an unknown SPI came in to an address with these flags. The reason; on a TRANSLATE one r->inside is whose it is;
 * REASON_no_mapping: nobody's.
 */
static __always_inline u32 spi_in(struct nat_instance *nat, const struct config *c, struct work *work,
				  u8 flags)
{
	struct request *r = &work->req;
	u32 inbound = (flags & (ADDRESS_INBOUND | ADDRESS_LOCAL)) == ADDRESS_INBOUND;

	r->account = NO_SLOT;
	r->alone = inbound || interface_alone(c, r->interface);
	u32 reason = spi_owner(nat, work);
	if (reason == REASON_no_mapping && inbound && host_inbound(nat, work))
		reason = spi_claim(nat, work, 0);
	if (!reason && claim_balance(r->claim) <= 0) /* else its outbound half was counted */
		reason = session_admit(nat, work);
	if (reason)
		return reason;
	reason = spi_learn(nat, work);
	if (reason != REASON_in_created)
		account_return(nat, r);
	return reason;
}

/*
 * An ICMP error about a packet with an SPI: r->outside by r->inside, to whom the packet came, or the reverse, of a packet that
 * left. Nothing is touched.
 */
SLOW u32 spi_peek(struct nat_instance *nat, struct work *work, u32 out)
{
	const struct config *c = env_config(nat);
	union flow_key key;
	struct flow_hit hit;

	SLOW_ENTER(nat);
	if (!work || !c)
		return 0;
	struct request *r = &work->req;
	if (out) {
		r->outside.addr = host_other(nat, c, r->inside.addr, r->interface);
		if (!r->outside.addr)
			return 0;
		spi_key(&key, r, DIRECTION_IN, r->remote.port, r->inside.port);
	} else {
		spi_key(&key, r, DIRECTION_PERMIT, r->outside.port, r->remote.port);
	}
	if (!flow_seek(nat, c, key.word, &hit) || (out && hit.value.addr != r->inside.addr))
		return 0;
	if (!out)
		r->inside.addr = hit.value.addr;
	r->own = hit.value.own & OWN_ROUTER;
	return 1;
}
