/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <arpa/inet.h>
#include <string.h>

#include "tests/differential/model.h"

/* For messages only; the model does not decide by the core's reasons, but they must fit. */
enum reason_is {
#define REASON(id, verdict, text) IS_##id,
#include "core/reasons.def"
#undef REASON
};

enum { PATIENCE = 4, LOW = 1024, TCP = 6 };

static bool end_is(struct model_end a, struct model_end b) { return a.addr == b.addr && a.port == b.port; }

/* Once idle so long, in ticks. */
static u32 idle(const struct model *m, u32 last) { return m->now - last; }

/*
 * Addresses
 */

u8 model_address_flags(const struct model *m, __be32 addr)
{
	for (u32 i = 0; i < m->address_count; i++)
		if (m->addresses[i].addr == addr)
			return m->addresses[i].flags;
	return 0;
}

static bool address_ours(const struct model *m, __be32 addr)
{
	return model_address_flags(m, addr) & ADDRESS_LIVE;
}

static bool address_serves(const struct model *m, __be32 addr, bool own)
{
	u8 flags = model_address_flags(m, addr);

	return flags & ADDRESS_LIVE && (flags & ADDRESS_POOL || (own && flags & ADDRESS_LOCAL));
}

static bool any_serves(const struct model *m)
{
	for (u32 i = 0; i < m->address_count; i++)
		if (address_serves(m, m->addresses[i].addr, false))
			return true;
	return false;
}

static bool is_inside(const struct model *m, __be32 addr) { return (addr & m->netmask) == m->network; }

/*
 * Lists
 */

static struct model_session *session_out(struct model *m, u8 protocol, struct model_end inside,
					 struct model_end remote)
{
	for (u32 i = 0; i < m->session_count; i++) {
		struct model_session *s = &m->sessions[i];
		if (s->live && s->protocol == protocol && end_is(s->inside, inside) &&
		    end_is(s->remote, remote))
			return s;
	}
	return NULL;
}

static struct model_session *session_in(struct model *m, u8 protocol, struct model_end remote,
					struct model_end outside)
{
	for (u32 i = 0; i < m->session_count; i++) {
		struct model_session *s = &m->sessions[i];
		if (s->live && s->protocol == protocol && end_is(s->outside, outside) &&
		    end_is(s->remote, remote))
			return s;
	}
	return NULL;
}

static struct model_binding *binding_of_inside(const struct model *m, enum class class,
					       struct model_end inside)
{
	for (u32 i = 0; i < m->binding_count; i++) {
		const struct model_binding *b = &m->bindings[i];
		if (b->live && b->class == class && end_is(b->inside, inside))
			return (struct model_binding *)b;
	}
	return NULL;
}

static struct model_binding *binding_of_outside(const struct model *m, enum class class,
						struct model_end outside)
{
	for (u32 i = 0; i < m->binding_count; i++) {
		const struct model_binding *b = &m->bindings[i];
		if (b->live && b->class == class && end_is(b->outside, outside))
			return (struct model_binding *)b;
	}
	return NULL;
}

bool model_outside_of(const struct model *m, enum class class, struct model_end inside,
		      struct model_end *outside)
{
	struct model_binding *b = binding_of_inside(m, class, inside);

	if (!b || !address_serves(m, b->outside.addr, b->own))
		return false;
	*outside = b->outside;
	return true;
}

bool model_inside_of(const struct model *m, enum class class, struct model_end outside,
		     struct model_end *inside, bool *own)
{
	struct model_binding *b = binding_of_outside(m, class, outside);

	if (!b || !address_serves(m, outside.addr, b->own))
		return false;
	*inside = b->inside;
	*own = b->own;
	return true;
}

static struct model_host *host_of(struct model *m, __be32 inside)
{
	for (u32 i = 0; i < m->host_count; i++)
		if (m->hosts[i].inside == inside)
			return &m->hosts[i];
	return NULL;
}

/*
 * Room for hosts. Where there may be too many, one that has no binding gives way; which one, and whether there was need, is
 * not for the model to know.
 */

static bool host_is_idle(const struct model *m, const struct model_host *h)
{
	for (u32 i = 0; i < m->binding_count; i++)
		if (m->bindings[i].live && m->bindings[i].inside.addr == h->inside)
			return false;
	return true;
}

static bool host_is_sure(const struct model_host *h) { return h && !h->doubt; }

/* A host that may not be in the table wants to be. */
static void host_comes(struct model *m, const struct model_host *who)
{
	if (m->settings.host_mask + 1 >= MODEL_HOSTS)
		return;
	for (u32 i = 0; i < m->host_count; i++)
		if (&m->hosts[i] != who && host_is_idle(m, &m->hosts[i]))
			m->hosts[i].doubt = true;
}

static void hosts_sweep(struct model *m)
{
	for (u32 i = 0; i < m->host_count; i++) {
		struct model_host *h = &m->hosts[i];

		if (!host_is_idle(m, h))
			h->idle = 0;
		else if (!h->idle++)
			h->since = m->now;
	}
}

/* Is there none that has been idle for so long that it must give way? */
static bool hosts_are_full(const struct model *m)
{
	for (u32 i = 0; i < m->host_count; i++)
		if (m->hosts[i].idle > 1 && m->now - m->hosts[i].since >= PATIENCE && !m->hosts[i].doubt)
			return false;
	return m->settings.host_mask + 1 < MODEL_HOSTS;
}

static struct model_limbo *in_limbo(const struct model *m, enum class class, struct model_end outside)
{
	for (u32 i = 0; i < m->limbo_count; i++)
		if (m->limbo[i].class == class && end_is(m->limbo[i].outside, outside))
			return (struct model_limbo *)&m->limbo[i];
	return NULL;
}

static void limbo_end(struct model *m, struct model_limbo *l)
{
	if (l)
		*l = m->limbo[--m->limbo_count];
}

static struct model_limbo *limbo_add(struct model *m, const struct model_binding *b)
{
	struct model_limbo *l = &m->limbo[m->limbo_count];

	limbo_end(m, in_limbo(m, b->class, b->outside));
	if (m->limbo_count == MODEL_LIMBO)
		return l - 1;
	l = &m->limbo[m->limbo_count++];
	*l = (struct model_limbo){
		.class = b->class, .own = b->own, .inside = b->inside, .outside = b->outside, .lost = m->now
	};
	return l;
}

void model_binding_rest(struct model *m, struct model_binding *b)
{
	struct model_limbo *l = limbo_add(m, b);

	l->waits = l->resting = true;
	l->since = m->now;
	b->live = false;
}

/* The port that waits for an endpoint, or NULL. */
static struct model_limbo *limbo_waits(const struct model *m, enum class class, struct model_end inside)
{
	for (u32 i = 0; i < m->limbo_count; i++)
		if (m->limbo[i].waits && m->limbo[i].class == class && end_is(m->limbo[i].inside, inside))
			return (struct model_limbo *)&m->limbo[i];
	return NULL;
}

/* It waits no more: the sweep finds what is left of it, as of others. */
static void limbo_forsake(struct model_limbo *l)
{
	l->waits = l->resting = false;
	l->sweeps = 0;
}

/* Does a port rest for everybody but its last owner? */
static bool limbo_keeps(const struct model *m, enum class class, struct model_end outside,
			struct model_end inside)
{
	const struct model_limbo *l = in_limbo(m, class, outside);

	return l && !end_is(l->inside, inside) && m->now - l->lost <= m->settings.timers.hold_down_timeout;
}

/* What was promised a time just before or after a sweep's waits for a later one: until no packet can be at work on it. */
enum { LIMBO_MOST = 8 };

void model_limbo_age(struct model *m)
{
	for (u32 i = 0; i < m->limbo_count; i++) {
		struct model_limbo *l = &m->limbo[i];

		if (l->resting)
			continue;
		l->resting = l->sweeps && m->now - l->since >= LIMBO_MOST;
		if (!l->sweeps++ || l->resting)
			l->since = m->now;
	}
}

static void limbo_sweep(struct model *m)
{
	for (u32 i = m->limbo_count; i-- > 0;) {
		struct model_limbo *l = &m->limbo[i];

		if (l->resting && m->now - l->since > m->settings.timers.hold_down_timeout)
			limbo_end(m, l);
	}
}

/*
 * Limits of a host
 */

static struct model_tally *tally_of(struct model *m, __be32 inside) { return &m->tally[ntohl(inside) & 255]; }

/* The rare classes count with those that they are like. */
static enum class counts_as(enum class class) {
	return class < ACCOUNTS		? class
	       : class == CLASS_UDPLITE ? CLASS_UDP
					: CLASS_TCP;
}

static bool limit_met(const u32 have[CLASSES], enum class class, u32 most, u32 most_of_class)
{
	u32 all = have[CLASS_UDP] + have[CLASS_TCP] + have[CLASS_ICMP];

	return (most && all >= most) || (most_of_class && have[counts_as(class)] >= most_of_class);
}

static bool mappings_met(const struct model *m, enum class class, const u32 have[CLASSES])
{
	const struct limits *l = &m->settings.limits;

	return limit_met(have, class, l->all.mappings, l->by[counts_as(class)].mappings);
}

static bool sessions_met(const struct model *m, enum class class, const u32 have[CLASSES])
{
	const struct limits *l = &m->settings.limits;

	return limit_met(have, class, l->all.sessions, l->by[counts_as(class)].sessions);
}

/* What the host surely has. */
static struct model_tally tally_sure(const struct model *m, __be32 inside)
{
	struct model_tally t = { 0 };

	for (u32 i = 0; i < m->binding_count; i++)
		if (m->bindings[i].live && !m->bindings[i].doubt && m->bindings[i].inside.addr == inside)
			t.mappings[counts_as(m->bindings[i].class)]++;
	for (u32 i = 0; i < m->session_count; i++) {
		const struct model_session *s = &m->sessions[i];
		if (s->live && !s->out.doubt && !s->in.doubt && s->inside.addr == inside)
			t.sessions[counts_as(s->class)]++;
	}
	return t;
}

/* May it have one more? */
static const char *limits_judge(const struct model *m, enum class class, __be32 inside, bool mapping)
{
	struct model_tally t = tally_sure(m, inside);

	if (mapping && mappings_met(m, class, t.mappings))
		return "a host got more mappings than it may have";
	return sessions_met(m, class, t.sessions) ? "a host got more sessions than it may have" : NULL;
}

static void tally_sweep(struct model *m)
{
	memset(m->tally, 0, sizeof(m->tally));
	for (u32 i = 0; i < m->binding_count; i++)
		tally_of(m, m->bindings[i].inside.addr)->mappings[counts_as(m->bindings[i].class)]++;
	for (u32 i = 0; i < m->session_count; i++)
		tally_of(m, m->sessions[i].inside.addr)->sessions[counts_as(m->sessions[i].class)]++;
}

/* Refused for its limits: right if it may have so many. */
static bool limit_refuses(struct model *m, enum class class, __be32 inside, u32 reason)
{
	struct model_tally *t = tally_of(m, inside);

	return reason == IS_host_mappings ? mappings_met(m, class, t->mappings)
					  : sessions_met(m, class, t->sessions);
}

/*
 * TCP: what each direction has shown, and how long the session may then be idle.
 */

static void side_pass(const struct model *m, struct model_side *side, u8 segment)
{
	side->last = m->now;
	side->doubt = false;
	if (segment & MODEL_RST) {
		side->flags |= MODEL_RST;
	} else if (segment & MODEL_SYN) {
		side->flags = side->flags & (MODEL_FIN | MODEL_RST) ? MODEL_SYN : side->flags | MODEL_SYN;
	} else if (segment) {
		side->flags &= (u8)~MODEL_RST;
		side->flags |= MODEL_DATA | (segment & MODEL_FIN);
	}
}

static bool side_silent_after(const struct model_side *reset, const struct model_side *other)
{
	return reset->flags & MODEL_RST && (other->flags & MODEL_RST || other->last <= reset->last);
}

/* RFC 5597 REQ-5: DCCP's timers are TCP's; SCTP's, too. */
static bool connects(enum class class)
{
	return class == CLASS_TCP || class == CLASS_DCCP || class == CLASS_SCTP;
}

/* DCCP, SCTP and UDP-Lite pass by each other's ports where any will do. */
static bool is_rare(enum class class)
{
	return class != CLASS_UDP && class != CLASS_TCP && class != CLASS_ICMP;
}

/* What lets strangers in: DCCP and SCTP are as TCP, UDP-Lite as UDP. */
static u8 filtering_of(const struct model *m, enum class class)
{
	return m->settings.filtering[connects(class)	   ? CLASS_TCP
				     : class == CLASS_ICMP ? CLASS_ICMP
							   : CLASS_UDP];
}

static u32 session_timeout(const struct model *m, const struct model_session *s)
{
	const struct timers *t = &m->settings.timers;
	const u8 spoke = MODEL_SYN | MODEL_DATA;

	if (!connects(s->class))
		return s->class == CLASS_ICMP ? t->icmp_timeout : t->udp_timeout;
	if (side_silent_after(&s->out, &s->in) || side_silent_after(&s->in, &s->out))
		return t->tcp_trans_close_timeout;
	if (s->out.flags & s->in.flags & MODEL_FIN)
		return t->tcp_trans_close_timeout;
	return s->out.flags & spoke && s->in.flags & spoke ? t->tcp_idle_timeout : t->tcp_trans_open_timeout;
}

/* A packet of a session whose flow had to be made again: what that direction had shown is forgotten. */
static void side_renew(struct model *m, struct model_session *s, struct model_side *side, u32 reason)
{
	if (reason != IS_out_created && reason != IS_in_created)
		return;
	tally_of(m, s->inside.addr)->sessions[counts_as(s->class)]++; /* perhaps: if nothing of it was left */
	side->flags = 0;
	for (u32 i = 0; i < m->binding_count; i++)
		if (m->bindings[i].live && m->bindings[i].class == s->class &&
		    end_is(m->bindings[i].inside, s->inside))
			m->bindings[i].touched = m->now;
}

static bool binding_in_use(const struct model *m, const struct model_binding *b)
{
	for (u32 i = 0; i < m->session_count; i++)
		if (m->sessions[i].live && m->sessions[i].class == b->class &&
		    end_is(m->sessions[i].inside, b->inside))
			return true;
	return false;
}

static u32 binding_timeout(const struct model *m, enum class class)
{
	const struct timers *t = &m->settings.timers;

	return connects(class)	     ? t->tcp_trans_close_timeout
	       : class == CLASS_ICMP ? t->icmp_timeout
				     : t->udp_timeout;
}

static struct model_permit *permit_find(struct model *m, enum class class, struct model_end outside,
					__be32 remote)
{
	for (u32 i = 0; i < m->permit_count; i++) {
		struct model_permit *p = &m->permits[i];
		if (p->class == class && end_is(p->outside, outside) && p->remote == remote)
			return p;
	}
	return NULL;
}

static void permit_give(struct model *m, enum class class, struct model_end outside, __be32 remote)
{
	struct model_permit *p = permit_find(m, class, outside, remote);

	if (!p && m->permit_count < MODEL_SESSIONS) {
		p = &m->permits[m->permit_count++];
		*p = (struct model_permit){ class, outside, remote, 0 };
	}
	if (p)
		p->last = m->now;
}

/* After that time without packets the slot of a flow may be taken (doc/design.md, life without the daemon). */
static u32 flow_idle_most(const struct model *m, enum class class)
{
	return connects(class) ? m->settings.timers.tcp_idle_timeout : binding_timeout(m, class);
}

void model_sweep(struct model *m)
{
	u32 sessions = 0, bindings = 0;

	for (u32 i = 0; i < m->session_count; i++) {
		struct model_session *s = &m->sessions[i];
		u32 out = idle(m, s->out.last), in = idle(m, s->in.last);
		if (!s->live || (out < in ? out : in) > session_timeout(m, s))
			continue;
		if (permit_find(m, s->class, s->outside, s->remote.addr) &&
		    filtering_of(m, s->class) == FILTERING_ADF) {
			struct model_permit *p = permit_find(m, s->class, s->outside, s->remote.addr);
			if (idle(m, p->last) <= flow_idle_most(m, s->class)) /* else it may be gone already */
				p->last = m->now;
		}
		s->out.doubt |= out > flow_idle_most(m, s->class);
		s->in.doubt |= in > flow_idle_most(m, s->class);
		m->sessions[sessions++] = *s;
	}
	m->session_count = sessions;
	for (u32 i = 0; i < m->binding_count; i++) {
		struct model_binding *b = &m->bindings[i];
		bool due = !binding_in_use(m, b) && idle(m, b->touched) > binding_timeout(m, b->class);
		b->doubt = due && b->lease >= m->now;
		if (b->live && due && !b->doubt)
			model_binding_rest(m, b);
		if (b->live)
			m->bindings[bindings++] = *b;
	}
	m->binding_count = bindings;
	limbo_sweep(m);
	hosts_sweep(m);
	tally_sweep(m);
}

/* A session ends before its time: its endpoint keeps its port for as long as it might have lived. */
static void lease_give(struct model *m, const struct model_session *s)
{
	struct model_binding *b = s->live ? binding_of_inside(m, s->class, s->inside) : NULL;
	const struct timers *t = &m->settings.timers;
	u32 most = connects(s->class) ? t->tcp_idle_timeout : binding_timeout(m, s->class);

	if (b && b->lease < m->now + most)
		b->lease = m->now + most;
	if (s->live && s->class == CLASS_TCP && m->former_count < MODEL_FORMER)
		m->former[m->former_count++] = (struct model_former){ s->inside, s->remote, s->outside };
}

void model_reset_flows(struct model *m)
{
	for (u32 i = 0; i < m->session_count; i++)
		lease_give(m, &m->sessions[i]);
	m->session_count = 0;
	m->permit_count = 0;
	tally_sweep(m);
}

/* Sessions of an address that left are gone; when it is back, none of before are. */
static void address_moved(struct model *m, __be32 addr, bool returns)
{
	u32 sessions = 0, permits = 0;

	if (returns) {
		model_reset_flows(m);
		return;
	}
	for (u32 i = 0; i < m->session_count; i++) {
		if (m->sessions[i].outside.addr == addr)
			lease_give(m, &m->sessions[i]);
		else
			m->sessions[sessions++] = m->sessions[i];
	}
	m->session_count = sessions;
	for (u32 i = 0; i < m->permit_count; i++)
		if (m->permits[i].outside.addr != addr)
			m->permits[permits++] = m->permits[i];
	m->permit_count = permits;
}

void model_address_set(struct model *m, __be32 addr, u8 flags)
{
	for (u32 i = 0; i < m->address_count; i++)
		if (m->addresses[i].addr == addr) {
			m->addresses[i].flags = flags;
			address_moved(m, addr, flags != 0);
			return;
		}
	m->addresses[m->address_count++] = (struct model_address){ addr, flags };
}

void model_reset_mappings(struct model *m)
{
	for (u32 i = 0; i < m->limbo_count; i++)
		if (m->limbo[i].waits)
			limbo_forsake(&m->limbo[i]);
	for (u32 i = 0; i < m->binding_count; i++)
		if (m->bindings[i].live)
			limbo_add(m, &m->bindings[i]);
	m->binding_count = 0;
	tally_sweep(m);
}

void model_reset_hosts(struct model *m) { m->host_count = 0; }

u32 model_sessions(const struct model *m) { return m->session_count; }

u32 model_bindings(const struct model *m)
{
	u32 n = 0;

	for (u32 i = 0; i < m->binding_count; i++)
		n += m->bindings[i].live;
	return n;
}

/*
 * A new binding: was the choice right?
 */

struct range {
	u32 min;
	u32 max;
};

/* RFC 4787 REQ-3a: well-known ports stay well-known, if the range has both. Identifiers of ICMP know no such thing. */
static struct range range_of(const struct model *m, enum class class, u16 port)
{
	struct range r = { m->settings.port_min, m->settings.port_max };

	if (class == CLASS_ICMP) {
		if (r.min <= LOW)
			r.min = 1;
	} else if (r.min <= LOW && port && port < LOW) {
		r.min = r.min < LOW ? r.min : 1;
		r.max = LOW - 1;
	} else if (r.min <= LOW && r.max >= LOW) {
		r.min = LOW;
	}
	return r;
}

static bool port_free(const struct model *m, enum class class, struct model_end e)
{
	if (class == CLASS_UDP && end_is(e, m->socket))
		return false;
	return !binding_of_outside(m, class, e);
}

/* Nothing keeps it, and no other class that is rare, too. */
static bool port_looks_free(const struct model *m, enum class class, struct model_end e)
{
	for (enum class i = 0; i < CLASSES; i++)
		if ((i == class || (is_rare(i) && is_rare(class))) &&
		    (!port_free(m, i, e) || in_limbo(m, i, e)))
			return false;
	return true;
}

/* Is there any free port, of a parity if it matters (-1: none), that nothing keeps? */
static bool range_has_free(const struct model *m, enum class class, __be32 addr, struct range r, int parity)
{
	for (u32 port = r.min; port <= r.max; port++) {
		struct model_end e = { addr, (u16)port };
		if ((parity < 0 || (int)(port & 1) == parity) && port_looks_free(m, class, e))
			return true;
	}
	return false;
}

static const char *choice_judge(const struct model *m, const struct model_packet *p, struct model_end inside,
				struct model_end chosen, bool own)
{
	enum class class = p->class;
	struct range r = range_of(m, class, inside.port);
	struct model_end same = { chosen.addr, inside.port };
	bool preferred = inside.port &&
			 (own || (m->settings.port_preserve && inside.port >= r.min && inside.port <= r.max));

	if (limbo_keeps(m, class, chosen, inside))
		return "a port that rests was given to another (RFC 6888 REQ-8)";
	if (!binding_of_outside(m, class, chosen) && chosen.port == inside.port && preferred)
		return NULL;
	if (!(class == CLASS_UDP && own) && !port_free(m, class, chosen))
		return "a port that has an owner was given to another";
	if (own && binding_of_outside(m, class, chosen))
		return "a port that has an owner was given to the router";
	if (preferred && chosen.port != inside.port && port_free(m, class, same) && !in_limbo(m, class, same))
		return "the port was free, and not kept";
	if (chosen.port != inside.port || !preferred) {
		if (chosen.port < r.min || chosen.port > r.max)
			return "the port is out of its range";
		if (class != CLASS_ICMP && m->settings.port_parity &&
		    (chosen.port & 1) != (inside.port & 1) &&
		    range_has_free(m, class, chosen.addr, r, inside.port & 1))
			return "the parity was not kept, though it could be";
	}
	return NULL;
}

/* May the NAT refuse for want of a port? */
static bool ports_are_out(struct model *m, const struct model_packet *p, struct model_end inside)
{
	struct range r = range_of(m, p->class, inside.port);
	struct model_host *h = host_of(m, inside.addr);

	if (p->hook == MODEL_OWN)
		return !range_has_free(m, p->class, inside.addr, r, -1);
	if (host_is_sure(h) && address_serves(m, h->outside, false))
		return !range_has_free(m, p->class, h->outside, r, -1);
	for (u32 i = 0; i < m->address_count; i++) /* a new host: at least one address must be full */
		if (address_serves(m, m->addresses[i].addr, false) &&
		    !range_has_free(m, p->class, m->addresses[i].addr, r, -1))
			return true;
	return false;
}

static const char *binding_make(struct model *m, const struct model_packet *p, struct model_end inside,
				struct model_end chosen, bool own)
{
	struct model_host *h = host_of(m, inside.addr);
	bool known = host_is_sure(h) && address_serves(m, h->outside, own);
	const char *wrong;

	if (own && chosen.addr != inside.addr)
		return "the router's own packet got another address";
	if (known && h->outside != chosen.addr)
		return "the host left with another address than before";
	if (!address_serves(m, chosen.addr, own))
		return "the address is not in the pool";
	wrong = choice_judge(m, p, inside, chosen, own);
	if (wrong)
		return wrong;
	if (!h) {
		if (m->host_count == MODEL_HOSTS)
			return "the model has no room for hosts";
		h = &m->hosts[m->host_count++];
	}
	*h = (struct model_host){ .inside = inside.addr, .outside = chosen.addr };
	if (m->binding_count == MODEL_BINDINGS)
		return "the model has no room for bindings";
	limbo_end(m, in_limbo(m, p->class, chosen));
	tally_of(m, inside.addr)->mappings[counts_as(p->class)]++;
	m->bindings[m->binding_count++] = (struct model_binding){ .live = true,
								  .own = own,
								  .class = p->class,
								  .inside = inside,
								  .outside = chosen,
								  .touched = m->now };
	return NULL;
}

/*
 * The binding that an endpoint had until it was idle for too long stands again, if its host is still where it was, or again;
 * where the packet went tells if that is in doubt.
 */
static bool binding_wake(struct model *m, enum class class, struct model_end inside,
			 const struct model_end *chosen, u32 reason)
{
	struct model_limbo *l = limbo_waits(m, class, inside);
	struct model_host *h = host_of(m, inside.addr);

	if (!l)
		return false;
	bool sure = h && !h->doubt && address_serves(m, h->outside, l->own);
	__be32 at = sure ? h->outside : chosen ? chosen->addr : 0;
	if (at != l->outside.addr || !address_serves(m, at, l->own)) {
		if (chosen || reason == IS_no_port)
			limbo_forsake(l);
		return false;
	}
	tally_of(m, inside.addr)->mappings[counts_as(class)]++;
	m->bindings[m->binding_count++] = (struct model_binding){ .live = true,
								  .own = l->own,
								  .class = class,
								  .inside = inside,
								  .outside = l->outside,
								  .touched = m->now };
	if (!h && m->host_count < MODEL_HOSTS)
		h = &m->hosts[m->host_count++];
	if (h)
		*h = (struct model_host){ .inside = inside.addr, .outside = at };
	limbo_end(m, l);
	return true;
}

static struct model_session *session_make(struct model *m, const struct model_packet *p,
					  struct model_end inside, struct model_end outside,
					  struct model_end remote)
{
	struct model_session *s = &m->sessions[m->session_count];

	if (m->session_count == MODEL_SESSIONS)
		return s - 1;
	m->session_count++;
	tally_of(m, inside.addr)->sessions[counts_as(p->class)]++;
	*s = (struct model_session){ .live = true,
				     .protocol = p->protocol,
				     .class = p->class,
				     .inside = inside,
				     .outside = outside,
				     .remote = remote };
	s->out.last = s->in.last = m->now;
	return s;
}

/*
 * One judge for each way
 */

static const char *unless(bool right, const char *wrong) { return right ? NULL : wrong; }

static bool dropped(const struct model_outcome *o, u32 reason)
{
	return o->verdict == VERDICT_DROP && o->reason == reason;
}
static bool passed(const struct model_outcome *o, u32 reason)
{
	return o->verdict == VERDICT_PASS && o->reason == reason;
}

/* A packet from inside wants a session to remote; o->from: the outside endpoint that it got, if any. What is wrong, or NULL. */
static const char *open_judge(struct model *m, const struct model_packet *p, struct model_end remote,
			      const struct model_outcome *o, bool own, struct model_session **session)
{
	struct model_binding *b = binding_of_inside(m, p->class, p->from);
	struct model_host *h = host_of(m, p->from.addr);
	bool got = o->verdict == VERDICT_TRANSLATE || o->reason == IS_filtered;
	const char *wrong, *over = limits_judge(m, p->class, p->from.addr, !b);

	/* While there is no other address to go to, all that belongs to one which has left waits for it. */
	if (!got && !(own ? address_serves(m, p->from.addr, true) : any_serves(m)))
		return unless(!b || !address_serves(m, b->outside.addr, b->own),
			      "an endpoint whose address serves was refused");
	if (b && !address_serves(m, b->outside.addr, b->own)) {
		limbo_add(m, b);
		b->live = false;
		b = NULL;
	}
	if (!b && !host_is_sure(h) && o->reason != IS_hosts_full)
		host_comes(m, h);
	if (h)
		h->idle = 0;
	if (!b && binding_wake(m, p->class, p->from, got ? &o->from : NULL, o->reason))
		b = binding_of_inside(m, p->class, p->from);
	if (!got) { /* a host whose address has left is forgotten when it asks for another */
		if (h && !b && !address_serves(m, h->outside, own))
			*h = m->hosts[--m->host_count];
		return b ? "an endpoint with a mapping was refused" : NULL;
	}
	if (b && !end_is(b->outside, o->from))
		return "the endpoint has another mapping (RFC 4787 REQ-1)";
	if (!own && over)
		return over;
	if (!b) {
		wrong = binding_make(m, p, p->from, o->from, own);
		if (wrong)
			return wrong;
		b = binding_of_inside(m, p->class, p->from);
	}
	b->touched = m->now;
	*session = session_out(m, p->protocol, p->from, remote);
	if (!*session) { /* (a flow that is there is not told of a packet that did not go by it) */
		*session = session_make(m, p, p->from, b->outside, remote);
		side_pass(m, &(*session)->out, p->segment);
	}
	permit_give(m, p->class, b->outside, remote.addr);
	return NULL;
}

/* A RST for a segment from inside: right if its connection was ended and its endpoint is another now, or none. */
static const char *answer_judge(struct model *m, const struct model_packet *p)
{
	struct model_binding *b = binding_of_inside(m, p->class, p->from);

	if (b && !address_serves(m, b->outside.addr, b->own)) {
		limbo_add(m, b);
		b->live = false;
		b = NULL;
	}
	if (b)
		b->touched = m->now;
	for (u32 i = 0; i < m->former_count; i++) {
		const struct model_former *f = &m->former[i];
		if (end_is(f->inside, p->from) && end_is(f->remote, p->to) &&
		    !(b && end_is(b->outside, f->outside)))
			return unless(!(p->segment & (MODEL_SYN | MODEL_RST)), "a SYN or RST was answered");
	}
	return "a RST for a connection that goes on";
}

static const char *out_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o);

/* A refusal that its sender was told of: it must be right as one that he was not. */
static const char *told_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o)
{
	struct model_outcome silent = *o;

	if (!m->settings.tell)
		return "a sender was told, though nobody shall be";
	silent.verdict = VERDICT_DROP;
	silent.reason = o->reason == IS_told_no_port ? IS_no_port
			: o->reason != IS_told_full  ? IS_host_sessions
			: any_serves(m)		     ? IS_hosts_full
						     : IS_no_address;
	if (o->reason == IS_told_limit && !limit_refuses(m, p->class, p->from.addr, IS_host_sessions))
		silent.reason = IS_host_mappings;
	return out_judge(m, p, &silent);
}

/* Was it right to refuse a packet from inside that wanted a session? */
static const char *refusal_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o)
{
	switch (o->reason) {
	case IS_no_address:
		return unless(!any_serves(m), "no address, though there is one");
	case IS_no_port:
		return unless(ports_are_out(m, p, p->from), "no port, though there is one");
	case IS_hosts_full:
		return unless(hosts_are_full(m), "no room for a host, though one is idle");
	default:
		return "dropped for no reason that the model knows";
	}
}

static const char *out_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o)
{
	bool own = p->hook == MODEL_OWN;
	struct model_session *s = session_out(m, p->protocol, p->from, p->to);

	if (s) {
		side_renew(m, s, &s->out, o->reason);
		side_pass(m, &s->out, p->segment);
		if (o->verdict != VERDICT_TRANSLATE)
			return "a packet of a session did not leave";
		return unless(end_is(o->from, s->outside) && end_is(o->to, p->to),
			      "a packet of a session left otherwise than before");
	}
	if (!own && (!is_inside(m, p->from.addr) || address_ours(m, p->from.addr)))
		return unless(dropped(o, IS_source_not_inside),
			      "a source that is not inside was not refused");
	if (!own && p->to.addr == m->untranslated)
		return unless(passed(o, IS_pass_through_out), "a destination that is not translated");
	if (o->verdict == VERDICT_ANSWER && o->reason != IS_session_lost)
		return own ? "the router was told of its own refusal" : told_judge(m, p, o);
	if (o->verdict == VERDICT_ANSWER)
		return unless(!own && p->class == CLASS_TCP, "an answer to what is no TCP from inside")
			       ?: answer_judge(m, p);
	if (p->class == CLASS_ICMP && !p->request)
		return unless(own ? passed(o, IS_own_error) : dropped(o, IS_reply_no_session),
			      "an ICMP reply that nobody asked for");
	if (!own && (dropped(o, IS_host_mappings) || dropped(o, IS_host_sessions))) {
		struct model_binding *b = binding_of_inside(m, p->class, p->from);
		if (b)
			b->touched = m->now;
		return unless(!(b && o->reason == IS_host_mappings) &&
				      limit_refuses(m, p->class, p->from.addr, o->reason),
			      "refused for a limit that is not reached");
	}
	if (o->verdict == VERDICT_DROP) {
		const char *wrong = open_judge(m, p, p->to, o, own, &s);
		return wrong ? wrong : refusal_judge(m, p, o);
	}
	if (o->verdict != VERDICT_TRANSLATE)
		return "a packet from inside passed untranslated";
	if (!end_is(o->to, p->to))
		return "the destination was changed";
	return open_judge(m, p, p->to, o, own, &s);
}

/* May the remote send to this binding, no session being there? 1, 0, or -1: both are right. */
static int filter_lets(struct model *m, const struct model_binding *b, struct model_end remote)
{
	struct model_permit *permit;
	u32 most = flow_idle_most(m, b->class);

	switch (filtering_of(m, b->class)) {
	case FILTERING_EIF:
		return 1;
	case FILTERING_ADF:
		permit = permit_find(m, b->class, b->outside, remote.addr);
		return !permit ? 0 : idle(m, permit->last) <= most ? 1 : -1;
	default:
		return 0;
	}
}

static const char *in_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o)
{
	struct model_session *s = session_in(m, p->protocol, p->from, p->to);
	u8 flags = model_address_flags(m, p->to.addr);

	if (s && s->hairpin)
		return unless(dropped(o, IS_spoofed_own), "somebody outside posed as one of us");
	if (s && s->in.doubt && dropped(o, IS_filtered))
		return unless(filtering_of(m, s->class) != FILTERING_EIF,
			      "filtered, though nothing is to be filtered");
	if (s) {
		side_renew(m, s, &s->in, o->reason);
		side_pass(m, &s->in, p->segment);
		return unless(o->verdict == VERDICT_TRANSLATE && end_is(o->to, s->inside) &&
				      end_is(o->from, p->from),
			      "a packet of a session did not reach its owner");
	}
	if (is_inside(m, p->to.addr) && p->from.addr == m->untranslated)
		return unless(passed(o, IS_pass_through_in), "from whom is not translated to");
	if (!(flags & ADDRESS_LIVE))
		return unless(is_inside(m, p->to.addr) ? dropped(o, IS_to_inside) : passed(o, IS_transit),
			      "not to us");
	if (address_ours(m, p->from.addr))
		return unless(dropped(o, IS_spoofed_own), "a packet from outside with our source");
	if (p->class == CLASS_ICMP && p->request)
		return unless(flags & ADDRESS_LOCAL ? passed(o, IS_local_address) : dropped(o, IS_no_mapping),
			      "a ping from outside");
	struct model_binding *b = binding_of_outside(m, p->class, p->to);
	if (!b || !address_serves(m, b->outside.addr, b->own)) {
		if (p->class == CLASS_UDP && end_is(p->to, m->socket))
			return unless(passed(o, IS_local_socket),
				      "the router's socket did not get its packet");
		return unless(flags & ADDRESS_POOL && !(flags & ADDRESS_LOCAL && is_rare(p->class))
				      ? dropped(o, IS_no_mapping)
				      : passed(o, IS_local_address),
			      "a packet to nobody was let in");
	}
	int lets = filter_lets(m, b, p->from);
	if (lets < 0)
		lets = o->reason != IS_filtered;
	if (!lets)
		return unless(dropped(o, IS_filtered), "not filtered");
	b->touched = m->now;
	if (!b->own && dropped(o, IS_host_sessions))
		return unless(limit_refuses(m, p->class, b->inside.addr, o->reason),
			      "a session from outside was refused for a limit that is not reached");
	const char *over = b->own ? NULL : limits_judge(m, p->class, b->inside.addr, false);
	if (over)
		return over;
	s = session_make(m, p, b->inside, b->outside, p->from);
	side_pass(m, &s->in, p->segment);
	return unless(o->verdict == VERDICT_TRANSLATE && end_is(o->to, b->inside) && end_is(o->from, p->from),
		      "an allowed packet did not reach the mapping's owner");
}

/* Both sessions stand, or will: the sender's towards the target, the target's with the sender's outside endpoint. */
static const char *hairpin_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o)
{
	struct model_session *s = session_out(m, p->protocol, p->from, p->to);
	struct model_session *t = s ? session_in(m, p->protocol, s->outside, p->to) : NULL;
	struct model_binding *target = binding_of_outside(m, p->class, p->to);
	const char *wrong;

	if (s && t) {
		side_pass(m, &s->out, p->segment);
		side_pass(m, &t->in, p->segment);
		return unless(o->verdict == VERDICT_TRANSLATE && end_is(o->from, s->outside) &&
				      end_is(o->to, t->inside),
			      "a hairpinned packet of two sessions");
	}
	if (p->class == CLASS_ICMP || !target || target->own || !address_serves(m, p->to.addr, false)) {
		u8 flags = model_address_flags(m, p->to.addr);
		return unless(flags & ADDRESS_LOCAL ? passed(o, IS_local_address) : dropped(o, IS_no_mapping),
			      "a hairpinned packet to nobody");
	}
	if (!m->settings.hairpin)
		return unless(dropped(o, IS_hairpin_off), "hairpin is off");
	if (!is_inside(m, p->from.addr))
		return unless(dropped(o, IS_source_not_inside), "a hairpin from a stranger");
	if (o->verdict == VERDICT_DROP && o->reason != IS_filtered) {
		wrong = open_judge(m, p, p->to, o, false, &s);
		return wrong ? wrong : refusal_judge(m, p, o);
	}
	if (o->verdict == VERDICT_PASS)
		return "a hairpinned packet neither passed nor was filtered";
	/* Filtered or not, the sender's session stands. */
	wrong = open_judge(m, p, p->to, o, false, &s);
	if (wrong)
		return wrong;
	s->hairpin = true;
	t = session_in(m, p->protocol, o->from, p->to);
	int lets = t ? 1 : filter_lets(m, target, o->from);
	if (lets < 0)
		lets = o->verdict == VERDICT_TRANSLATE;
	if (!lets)
		return unless(dropped(o, IS_filtered), "a hairpinned packet passed the filter");
	if (o->verdict != VERDICT_TRANSLATE)
		return "a hairpinned packet that might come in was filtered";
	target->touched = m->now;
	if (!t) {
		t = session_make(m, p, target->inside, target->outside, o->from);
		t->hairpin = true;
		side_pass(m, &t->in, p->segment);
	}
	return unless(end_is(o->to, target->inside), "a hairpinned packet did not reach its owner");
}

const char *model_judge(struct model *m, const struct model_packet *p, const struct model_outcome *o)
{
	switch (p->hook) {
	case MODEL_OUT:
	case MODEL_OWN:
		return out_judge(m, p, o);
	case MODEL_IN:
		return in_judge(m, p, o);
	default:
		return hairpin_judge(m, p, o);
	}
}
