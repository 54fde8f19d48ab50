// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "native/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/sweep.h"

enum { AGE_MAX = TIME / 2 - 1 }; /* table.h: beyond that times cannot be told apart */

int restore_open(struct restore *r, const struct nat_instance *nat, u32 now, u32 off, bool rebooted)
{
	r->nat = *nat;
	r->nat.now = now & TIME;
	r->nat.work = calloc(1, sizeof(*r->nat.work));
	memset(r->numbers, NO_INTERFACE, sizeof(r->numbers));
	r->off = off;
	r->rebooted = rebooted;
	r->last = NO_SLOT;
	return r->nat.work ? 0 : -ENOMEM;
}

void restore_close(struct restore *r)
{
	free(r->nat.work);
	r->nat.work = NULL;
}

/*
 * Validity
 */

enum { OWN_HALF = OWN_ROUTER | FLOW_HAIRPIN | OWN_FULL };

static bool half_valid(const struct saved_half *h, u32 own)
{
	return h->flags < 16 && !(h->own & ~own) && !h->zero && h->age <= TIME;
}

static bool host_valid(const struct saved_host *h)
{
	return h->interface < MAX_OUTSIDE && !(h->own & ~OWN_ROUTER) && !h->zero && h->age <= TIME;
}

static bool mapping_valid(const struct saved_mapping *m)
{
	return m->interface < MAX_OUTSIDE && (m->class < CLASSES || m->class == CLASS_BLOCK) &&
	       !(m->own & ~OWN_ROUTER) && !(m->bits & ~SAVED_RESTS) && m->age <= TIME &&
	       !(m->class == CLASS_BLOCK && m->bits);
}

/* Both halves are of the same end: the router, or a host. */
static bool session_agrees(const struct saved_session *s)
{
	return s->bits != (SAVED_OUT | SAVED_IN) || !((s->out.own ^ s->in.own) & OWN_ROUTER);
}

static bool session_valid(const struct saved_session *s)
{
	return session_agrees(s) && s->interface < MAX_OUTSIDE && s->bits &&
	       !(s->bits & ~(SAVED_OUT | SAVED_IN)) && !s->zero[0] && !s->zero[1] && !s->zero[2] &&
	       half_valid(&s->out, OWN_HALF) && half_valid(&s->in, OWN_HALF);
}

static bool flow_valid(const struct saved_flow *f)
{
	return f->interface < MAX_OUTSIDE && f->direction <= DIRECTION_PERMIT && f->realm <= REALM_CLAIM &&
	       !(f->bits & ~(SAVED_PAIR | SAVED_SEEN)) && !f->zero && f->idle <= TIME &&
	       half_valid(&f->half, OWN_HALF | FLOW_ENDED | FLOW_CALL);
}

bool saved_valid(const struct saved *saved)
{
	switch (saved->kind) {
	case SAVED_HOST:
		return host_valid(&saved->host);
	case SAVED_MAPPING:
		return mapping_valid(&saved->mapping);
	case SAVED_SESSION:
		return session_valid(&saved->session);
	case SAVED_FLOW:
		return flow_valid(&saved->flow);
	default:
		return false;
	}
}

/*
 * What all ask
 */

static u32 age_now(const struct restore *r, u32 age)
{
	u64 sum = (u64)age + r->off;

	return sum < AGE_MAX ? (u32)sum : (u32)AGE_MAX;
}

/* A request for an entry of this interface, last used so long ago. RESTORE_DONE, or why there is none. */
static enum restored request_begin(struct restore *r, u32 interface, u32 own, u32 age)
{
	struct request *req = &r->nat.work->req;
	u8 number = r->numbers[interface & (MAX_OUTSIDE - 1)];

	if (number >= MAX_OUTSIDE)
		return RESTORE_INTERFACE;
	if (own & OWN_ROUTER && (r->rebooted || interface_alone(r->nat.config, number)))
		return RESTORE_ROUTER; /* where a host has its address alone, what is the router's must not stand beside it */
	memset(req, 0, sizeof(*req));
	req->interface = number;
	req->own = own & OWN_ROUTER;
	req->generation = generation_word(r->nat.config, number);
	req->now = (r->nat.now - age_now(r, age)) & TIME;
	req->mapping = req->host = req->account = NO_SLOT;
	return RESTORE_DONE;
}

/* The outside address of the request: r->outside, r->index; *flags: of the address. */
static enum restored request_address(struct restore *r, __be32 outside, u8 *flags)
{
	struct request *req = &r->nat.work->req;
	struct outside_address a = address_find(&r->nat, r->nat.config, outside);

	if (!address_serves(a, req->interface, req->own))
		return RESTORE_ADDRESS;
	req->outside.addr = outside;
	req->index = a.index;
	*flags = a.flags;
	return RESTORE_DONE;
}

static enum restored insert_outcome(u32 put)
{
	return put == INSERT_NEW ? RESTORE_DONE : put == INSERT_FOUND ? RESTORE_TAKEN : RESTORE_FULL;
}

/*
 * Hosts
 */

/* The host of the request takes the address in it, which nobody else may have. */
static enum restored host_alone_take(struct restore *r)
{
	const struct config *c = r->nat.config;
	struct work *work = r->nat.work;
	struct outside_address a = address_find(&r->nat, c, work->req.outside.addr);
	u32 claimed = address_claim(&r->nat, c, work, a);

	if (claimed != CLAIM_DONE)
		return claimed == CLAIM_TAKEN || claimed == CLAIM_AGAIN ? RESTORE_TAKEN : RESTORE_FULL;
	return host_settle(&r->nat, c, work) ? RESTORE_FULL : RESTORE_DONE;
}

/* The host req->inside.addr, with req->outside.addr, whose flags these are. */
static enum restored host_make(struct restore *r, u8 flags)
{
	const struct config *c = r->nat.config;
	struct work *work = r->nat.work;
	struct request *req = &work->req;

	if (flags & ADDRESS_RESERVED)
		return RESTORE_ADDRESS; /* of whom it is for there is an entry */
	if (request_shares(c, req)->hosts && host_choose(&r->nat, c, req).addr != req->outside.addr)
		return RESTORE_ADDRESS;
	if (request_alone(c, req))
		return host_alone_take(r);
	host_prepare(c, work, host_key(req->inside.addr, req->interface), req->outside.addr, req->own);
	work->ins.now = r->nat.now;
	return insert_outcome(host_put(&r->nat, work));
}

/* The host of the request, found or made, if it has, or may have, req->outside.addr; and what that says of its ports. */
static enum restored host_ensure(struct restore *r, u8 flags)
{
	struct request *req = &r->nat.work->req;
	union host_value value;
	u32 number;
	u64 w;

	if (flags & ADDRESS_CLIENTS)
		return RESTORE_DONE;
	if (!host_find(&r->nat, host_key(req->inside.addr, req->interface), &w, &number, &value)) {
		enum restored made = host_make(r, flags);

		if (made ||
		    !host_find(&r->nat, host_key(req->inside.addr, req->interface), &w, &number, &value))
			return made ? made : RESTORE_FULL;
	}
	req->host = number;
	req->same_port = value.own & OWN_SAME_PORTS;
	/* A host's own ports may be spread over several addresses: those are asked for by the port. */
	if (value.outside == req->outside.addr || share_runs(request_shares(r->nat.config, req)) > 1)
		return RESTORE_DONE;
	return RESTORE_ADDRESS;
}

static enum restored host_restore(struct restore *r, const struct saved_host *h)
{
	enum restored outcome = request_begin(r, h->interface, h->own, h->age);
	u8 flags;

	if (!outcome && age_now(r, h->age) > r->nat.config->timers.host_retention_timeout)
		outcome = RESTORE_TIME;
	if (!outcome)
		outcome = request_address(r, h->outside, &flags);
	if (outcome)
		return outcome;
	r->nat.work->req.inside.addr = h->inside;
	return host_ensure(r, flags);
}

/*
 * Mappings
 */

/* Is this port one of those that the request's inside endpoint may have today? */
static bool port_allowed(struct restore *r, u8 flags)
{
	struct request *req = &r->nat.work->req;
	const struct endpoint wanted = req->outside;
	u32 port = be16_to_host(wanted.port), index = req->index, chosen = PORTS_CHOSEN;
	bool allowed = req->own;

	if (req->same_port || (flags & ADDRESS_INBOUND && req->inside.port == wanted.port))
		return req->inside.port == wanted.port;
	for (u32 n = 0; n < PORT_RUNS && !allowed && chosen != PORTS_END; n++) {
		chosen = ports_choose(&r->nat, r->nat.work, n);
		allowed = chosen == PORTS_CHOSEN && req->outside.addr == wanted.addr &&
			  port >= req->port_min && port <= req->port_max &&
			  !((port - req->port_min) % req->port_step);
	}
	req->outside = wanted;
	req->index = index;
	return allowed;
}

/* A block is lent again to the host of the request, if it is one that is lent today. As block_claim(). */
static enum restored block_restore(struct restore *r, u32 n, u32 block)
{
	struct nat_instance *nat = &r->nat;
	struct work *work = nat->work;
	const struct request *req = &work->req;
	const struct shares *s = request_shares(nat->config, req);
	u32 runs = share_runs(s);

	if (n < runs || n >= runs + s->block_max || block < s->block_first ||
	    block >= (u32)s->block_first + s->block_count)
		return RESTORE_PORT;
	u32 put = half_insert(nat, nat->config, work,
			      block_key(req->outside.addr, block, HALF_OUTSIDE, req->interface), req->inside);
	if (put != INSERT_NEW)
		return insert_outcome(put);
	u64 claim = work->ins.found;
	struct slot *slot = env_slot(nat, TABLE_MAPPINGS, work->ins.slot);
	put = half_insert(nat, nat->config, work, block_key(req->inside.addr, n, HALF_INSIDE, req->interface),
			  req->outside);
	if (put != INSERT_NEW)
		slot_move(slot, claim, FREE);
	return insert_outcome(put);
}

/* Both halves of the mapping of the request. */
static enum restored mapping_make_this(struct restore *r)
{
	struct nat_instance *nat = &r->nat;
	u32 reason = port_claim_this(nat, nat->work, 0);

	if (!reason)
		reason = mapping_join(nat, nat->work);
	switch (reason) {
	case 0:
		return RESTORE_DONE;
	case REASON_mappings_full:
	case REASON_table_busy:
		return RESTORE_FULL;
	default:
		return RESTORE_TAKEN;
	}
}

/* The time of a mapping without sessions is over, and that of its rest, too. One with sessions comes back with those. */
static bool mapping_over(const struct restore *r, const struct saved_mapping *m)
{
	const struct config *c = r->nat.config;
	u32 rest = c->timers.hold_down_timeout;

	return age_now(r, m->age) > (m->bits & SAVED_RESTS ? rest : mapping_timeout(c, m->class) + rest);
}

/* The mapping is there already, or is made. */
static enum restored mapping_ensure(struct restore *r, const struct saved_mapping *m)
{
	enum restored outcome = request_begin(r, m->interface, m->own, m->age);
	struct request *req = &r->nat.work->req;
	struct endpoint outside = { .addr = m->outside, .port = m->outside_port };
	u8 flags;

	if (!outcome)
		outcome = request_address(r, m->outside, &flags);
	if (outcome)
		return outcome;
	req->class = m->class;
	req->inside = (struct endpoint){ .addr = m->inside, .port = m->inside_port };
	req->outside = outside;
	if (!mapping_peek_out(&r->nat, r->nat.work))
		return req->outside.addr == m->outside && req->outside.port == m->outside_port
			       ? RESTORE_DONE
			       : RESTORE_TAKEN;
	outcome = host_ensure(r, flags);
	if (outcome)
		return outcome;
	if (m->class == CLASS_BLOCK)
		return block_restore(r, be16_to_host(m->inside_port), be16_to_host(m->outside_port));
	if (!port_allowed(r, flags))
		return RESTORE_PORT;
	outcome = mapping_make_this(r);
	if (!outcome && m->bits & SAVED_RESTS) {
		struct slot *slot = env_slot(&r->nat, TABLE_MAPPINGS, req->mapping);
		u64 w = LOAD(&slot->word);

		slot_touch(slot, w, word_time(w), word_gen(w), RESTING);
	}
	return outcome;
}

static enum restored mapping_restore(struct restore *r, const struct saved_mapping *m)
{
	return mapping_over(r, m) ? RESTORE_TIME : mapping_ensure(r, m);
}

/*
 * Sessions
 */

/* The word that a half would have now. */
static u64 half_word(const struct restore *r, const struct saved_half *h)
{
	return word_make(r->nat.now - age_now(r, h->age), 0, h->flags);
}

static bool session_over(const struct restore *r, const struct saved_session *s, u8 class)
{
	u64 out = s->bits & SAVED_OUT ? half_word(r, &s->out) | STATE(LIVE) : 0;
	u64 in = s->bits & SAVED_IN ? half_word(r, &s->in) | STATE(LIVE) : 0;
	u32 now = r->nat.now, idle = out ? word_age(out, now) : TIME;

	if (in && word_age(in, now) < idle)
		idle = word_age(in, now);
	return idle > session_timeout(r->nat.config, class, out, in, now);
}

static u32 session_age(const struct saved_session *s)
{
	if (s->bits == (SAVED_OUT | SAVED_IN))
		return s->out.age < s->in.age ? s->out.age : s->in.age;
	return s->bits & SAVED_OUT ? s->out.age : s->in.age;
}

/* The mapping of the session, which is used with it: found, woken or made. */
static enum restored session_mapping(struct restore *r, const struct saved_session *s, u8 class, u8 own)
{
	const struct saved_mapping m = {
		.inside = s->inside,
		.outside = s->outside,
		.inside_port = s->inside_port,
		.outside_port = s->outside_port,
		.class = class,
		.interface = s->interface,
		.own = own,
		.age = session_age(s),
	};
	enum restored outcome = mapping_ensure(r, &m);
	struct request *req = &r->nat.work->req;

	if (outcome)
		return outcome;
	req->outside = (struct endpoint){ .addr = s->outside, .port = s->outside_port };
	return mapping_known(&r->nat, r->nat.work, 1) == MAPPING_STANDS ? RESTORE_DONE : RESTORE_TAKEN;
}

/* A session without ports goes by its host alone (session.h). */
static enum restored session_host(struct restore *r, const struct saved_session *s, u8 own)
{
	enum restored outcome = request_begin(r, s->interface, own, session_age(s));
	u8 flags;

	if (!outcome)
		outcome = request_address(r, s->outside, &flags);
	if (outcome)
		return outcome;
	r->nat.work->req.inside.addr = s->inside;
	return host_ensure(r, flags);
}

/* Insert the request's flow of a direction as this half was. */
static enum restored half_restore(struct restore *r, const struct saved_half *h, u8 direction, u32 peer)
{
	struct work *work = r->nat.work;
	struct insert *ins = &work->ins;

	flow_prepare(r->nat.config, work, direction, peer, 0);
	ins->flow.word =
		half_word(r, h) | ((u64)generation_in(work->req.generation, TABLE_FLOWS) << 20 & GEN);
	ins->flow.own = h->own;
	ins->flow.packets = h->packets;
	ins->flow.bytes = h->bytes;
	ins->now = r->nat.now;
	return insert_outcome(flows_insert(&r->nat, ins));
}

static enum restored session_insert(struct restore *r, const struct saved_session *s)
{
	struct work *work = r->nat.work;
	struct request *req = &work->req;
	enum restored outcome = RESTORE_DONE;
	u32 peer = NO_SLOT;

	if (s->bits & SAVED_IN) {
		outcome = half_restore(r, &s->in, DIRECTION_IN, NO_SLOT);
		peer = req->in_slot = work->ins.slot;
		req->in_head = work->ins.words[3];
		FAULT(restore_half);
	}
	if (outcome || !(s->bits & SAVED_OUT))
		return outcome;
	outcome = half_restore(r, &s->out, DIRECTION_OUT, peer);
	if (!outcome && peer != NO_SLOT)
		flow_pair(&r->nat, req, work->ins.slot);
	if (!outcome && req->class < CLASSES)
		filter_permit(&r->nat, work);
	return outcome;
}

static enum restored session_restore(struct restore *r, const struct saved_session *s)
{
	int known = protocol_class(s->protocol);
	u8 class = known < 0 ? (u8)CLASSES : (u8)known;
	u8 own = (s->bits & SAVED_OUT ? s->out.own : s->in.own) & OWN_ROUTER;
	struct request *req = &r->nat.work->req;
	enum restored outcome;

	if (session_over(r, s, class))
		return RESTORE_TIME;
	outcome = class < CLASSES ? session_mapping(r, s, class, own) : session_host(r, s, own);
	if (outcome)
		return outcome;
	req->class = class;
	req->protocol = s->protocol;
	req->inside = (struct endpoint){ .addr = s->inside, .port = s->inside_port };
	req->remote = (struct endpoint){ .addr = s->remote, .port = s->remote_port };
	return session_insert(r, s);
}

/*
 * Other flows
 */

/* Whose the flow is, by which outside address: is that so today? What is left of a connection carries nothing. */
static enum restored flow_host(struct restore *r, const struct saved_flow *f, u8 class)
{
	struct request *req = &r->nat.work->req;
	bool outbound = f->direction == DIRECTION_OUT;
	__be32 outside = outbound ? f->addr : f->daddr;
	enum restored outcome;
	u8 flags;

	if (f->half.own & FLOW_ENDED)
		return outbound ? RESTORE_DONE : RESTORE_TAKEN;
	outcome = request_address(r, outside, &flags);
	if (outcome)
		return outcome;
	req->inside.addr = outbound ? f->saddr : f->addr;
	if (class == CLASSES)
		return host_ensure(r, flags);
	/* Who was sent to, of a mapping. */
	req->class = class;
	req->inside.port = f->port;
	if (f->direction != DIRECTION_PERMIT || mapping_peek_out(&r->nat, r->nat.work))
		return RESTORE_TAKEN;
	return req->outside.addr == outside && req->outside.port == f->dport ? RESTORE_DONE : RESTORE_TAKEN;
}

/* Of SPIs and calls a session lasts while one half is in use. */
static bool flow_over(const struct restore *r, const struct saved_flow *f, u8 class)
{
	bool alone = class < CLASSES || f->half.own & FLOW_ENDED;
	u32 age = f->realm || alone ? f->half.age : f->idle;

	return age_now(r, age) > (alone ? f->idle_max : class_timeout(r->nat.config, CLASSES));
}

static enum restored flow_insert(struct restore *r, const struct saved_flow *f)
{
	struct work *work = r->nat.work;
	struct insert *ins = &work->ins;
	const struct request *req = &work->req;
	union flow_key key = { .saddr = f->saddr,
			       .daddr = f->daddr,
			       .sport = f->sport,
			       .dport = f->dport,
			       .protocol = f->protocol,
			       .direction = f->direction,
			       .realm = f->realm };
	u32 others = f->bits & SAVED_SEEN ? SPI_SEEN | ((r->nat.now - age_now(r, f->idle)) & TIME) : 0;

	spi_prepare(r->nat.config, work, &key);
	ins->flow.word =
		half_word(r, &f->half) | ((u64)generation_in(req->generation, TABLE_FLOWS) << 20 & GEN);
	ins->flow.own = f->half.own;
	ins->flow.idle_max = f->idle_max;
	ins->flow.peer = f->bits & SAVED_PAIR ? r->last : NO_SLOT;
	ins->flow.addr = f->addr;
	ins->flow.port = f->port;
	ins->flow.lease = f->realm ? others : 0;
	ins->flow.packets = f->half.packets;
	ins->flow.bytes = f->half.bytes;
	ins->now = r->nat.now;
	return insert_outcome(flows_insert(&r->nat, ins));
}

static enum restored flow_restore(struct restore *r, const struct saved_flow *f)
{
	enum restored outcome = request_begin(r, f->interface, f->half.own, f->half.age);
	int known = protocol_class(f->protocol);
	u8 class = known < 0 ? (u8)CLASSES : (u8)known;
	u32 other = f->bits & SAVED_PAIR ? r->last : NO_SLOT;

	if (!outcome && flow_over(r, f, class))
		outcome = RESTORE_TIME;
	if (!outcome)
		outcome = flow_host(r, f, class);
	r->nat.work->req.class = class;
	if (!outcome)
		outcome = flow_insert(r, f);
	r->last = outcome ? NO_SLOT : r->nat.work->ins.slot;
	if (other != NO_SLOT)
		flow_point(&r->nat, r->nat.config, other, r->last);
	return outcome;
}

static void mapping_ahead(struct restore *r, u32 interface, u8 class, struct endpoint inside,
			  struct endpoint outside)
{
	const struct config *c = r->nat.config;
	u32 number = r->numbers[interface & (MAX_OUTSIDE - 1)];
	u64 in = mapping_key(inside, class, HALF_INSIDE, number),
	    out = mapping_key(outside, class, HALF_OUTSIDE, number);

	table_fetch(&r->nat, c, TABLE_MAPPINGS, &in);
	table_fetch(&r->nat, c, TABLE_MAPPINGS, &out);
}

static void session_ahead(struct restore *r, const struct saved_session *s)
{
	struct endpoint inside = { .addr = s->inside, .port = s->inside_port };
	struct endpoint outside = { .addr = s->outside, .port = s->outside_port };
	struct endpoint remote = { .addr = s->remote, .port = s->remote_port };
	int class = protocol_class(s->protocol);
	union flow_key key;

	if (class >= 0)
		mapping_ahead(r, s->interface, (u8) class, inside, outside);
	flow_key_between(&key, inside, remote, s->protocol, DIRECTION_OUT);
	table_fetch(&r->nat, r->nat.config, TABLE_FLOWS, key.word);
	flow_key_between(&key, remote, outside, s->protocol, DIRECTION_IN);
	table_fetch(&r->nat, r->nat.config, TABLE_FLOWS, key.word);
}

void restore_ahead(struct restore *r, const struct saved *saved)
{
	const struct saved_mapping *m = &saved->mapping;

	if (saved->kind == SAVED_MAPPING)
		mapping_ahead(r, m->interface, m->class,
			      (struct endpoint){ .addr = m->inside, .port = m->inside_port },
			      (struct endpoint){ .addr = m->outside, .port = m->outside_port });
	if (saved->kind == SAVED_SESSION)
		session_ahead(r, &saved->session);
}

enum restored restore_entry(struct restore *r, const struct saved *saved)
{
	FAULT(restore_entry);
	switch (saved->kind) {
	case SAVED_HOST:
		return host_restore(r, &saved->host);
	case SAVED_MAPPING:
		return mapping_restore(r, &saved->mapping);
	case SAVED_SESSION:
		return session_restore(r, &saved->session);
	default:
		return flow_restore(r, &saved->flow);
	}
}
