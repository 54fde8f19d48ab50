// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <stdio.h>

#include "daemon/address.h"
#include "daemon/explain_parts.h"
#include "daemon/list.h"
#include "daemon/reason.h"

static const char *address_text(__be32 addr, char text[ADDRESS_TEXT_SIZE])
{
	return address_format(text, (struct in_addr){ .s_addr = addr });
}

static void member(json_t *object, const char *key, json_t *value)
{
	if (object)
		json_object_set_new(object, key, value);
	else
		json_decref(value);
}

static void member_address(json_t *object, const char *key, __be32 addr)
{
	char text[ADDRESS_TEXT_SIZE];

	member(object, key, json_string(address_text(addr, text)));
}

static void member_number(json_t *object, const char *key, u64 number)
{
	member(object, key, json_integer((json_int_t)number));
}

/* Two members: what begins so, with "_address" and "_port". */
static void member_endpoint(json_t *object, const char *address, const char *port, struct fact_endpoint e)
{
	member_address(object, address, e.addr);
	member_number(object, port, ntohs(e.port));
}

static const char *protocol_text(const struct explanation *x, char text[8])
{
	const char *name = protocol_name(x->query->protocol);

	snprintf(text, 8, "%u", x->query->protocol);
	return name ? name : text;
}

static bool has_class(const struct explanation *x) { return x->query->has_ports; }

/*
 * Steps
 */

static void step_session(struct explanation *x, const struct fact_session *s, bool out)
{
	char from[ENDPOINT_TEXT], to[ENDPOINT_TEXT], now[ENDPOINT_TEXT], name[8];
	json_t *step;

	explain_endpoint(x, x->source, from);
	explain_endpoint(x, x->destination, to);
	if (!s->known) {
		explain_step(x, "session", "session: %s %s -> %s %s", protocol_text(x, name), from, to,
			     s->ended ? "had one, which a reset or a departed address ended" : "has none");
		return;
	}
	step = explain_step(x, "session", "session: known, idle for %u s: %s %s %s", s->idle, out ? from : to,
			    out ? "is" : "is for", explain_endpoint(x, s->to, now));
	member_endpoint(step, out ? "outside_address" : "inside_address",
			out ? "outside_port" : "inside_port", s->to);
	member_number(step, "idle", s->idle);
}

static const char *mapping_kind(const struct fact_mapping *m)
{
	if (m->fixed)
		return m->full ? ", by a port mapping with full NAT" : ", by a port mapping";
	if (m->rests)
		return ", which rests: nobody else can have it";
	return m->own ? ", the router's own" : "";
}

static void step_mapping(struct explanation *x, const struct fact_mapping *m, struct fact_endpoint asked,
			 const char *interface)
{
	char inside[ENDPOINT_TEXT], outside[ENDPOINT_TEXT], name[8];
	json_t *step;

	if (!m->known) {
		explain_step(x, "mapping", "mapping: %s %s has none on %s", protocol_text(x, name),
			     explain_endpoint(x, asked, inside), interface);
		return;
	}
	step = explain_step(x, "mapping", "mapping: %s %s has %s on %s%s", protocol_text(x, name),
			    explain_endpoint(x, m->inside, inside), explain_endpoint(x, m->outside, outside),
			    interface, mapping_kind(m));
	member_endpoint(step, "inside_address", "inside_port", m->inside);
	member_endpoint(step, "outside_address", "outside_port", m->outside);
	member(step, "static", json_boolean(m->fixed));
	member(step, "full_nat", json_boolean(m->full));
	member(step, "resting", json_boolean(m->rests));
	member_number(step, "idle", m->idle);
}

static void step_host(struct explanation *x, const struct fact_host *before, const struct fact_host *after,
		      const char *interface)
{
	char inside[ADDRESS_TEXT_SIZE], outside[ADDRESS_TEXT_SIZE];
	json_t *step;

	address_text(before->inside, inside);
	if (!before->known && after->known)
		step = explain_step(x, "host", "host: %s is new on %s, and would keep %s", inside, interface,
				    address_text(after->outside, outside));
	else if (!before->known)
		step = explain_step(x, "host", "host: %s has no outside address on %s", inside, interface);
	else
		step = explain_step(x, "host", "host: %s keeps %s on %s%s", inside,
				    address_text(before->outside, outside), interface,
				    before->fixed ? ", by a reservation" : "");
	member_address(step, "inside_address", before->inside);
	if (before->known || after->known)
		member_address(step, "outside_address", before->known ? before->outside : after->outside);
	member(step, "reserved", json_boolean(before->fixed));
}

static const char *limit_text(u32 limit, char text[16])
{
	snprintf(text, 16, "%u", limit);
	return limit ? text : "any";
}

static void step_limits(struct explanation *x, const struct fact_host *host)
{
	const struct limits *limits = &x->nat.config->limits;
	char mappings[16], sessions[16];
	json_t *step;

	if (!limits->on || !host->known || host->fixed || host->own)
		return;
	step = explain_step(x, "limits", "limits: it has %u of %s mappings and %u of %s sessions",
			    host->mappings, limit_text(limits->all.mappings, mappings), host->sessions,
			    limit_text(limits->all.sessions, sessions));
	member_number(step, "mappings", host->mappings);
	member_number(step, "sessions", host->sessions);
}

/* A mapping that the packet made. */
static void step_port(struct explanation *x, const struct fact_mapping *before,
		      const struct fact_mapping *after)
{
	bool kept = after->outside.port == after->inside.port;

	if (!after->known || (before->known && before->outside.addr == after->outside.addr &&
			      before->outside.port == after->outside.port))
		return;
	x->drawn = !kept && !after->fixed;
	if (kept)
		explain_step(x, "port", "port: %u is free there, and kept", ntohs(after->outside.port));
	else
		explain_step(x, "port",
			     "port: %u cannot be kept; one that is free is drawn by lot, this time %u",
			     ntohs(after->inside.port), ntohs(after->outside.port));
}

static void step_decision(struct explanation *x)
{
	u32 reason = x->result.reason;
	json_t *step =
		explain_step(x, "decision", "decision: %s, %s: %s", verdict_name(reason_verdict(reason)),
			     reason_name(reason), reason_text(reason));

	member(step, "reason", json_string(reason_name(reason)));
}

/* The destination of a packet that comes in, or of one from inside that goes to one of ours. */
static void step_destination(struct explanation *x, struct outside_address a)
{
	char text[ADDRESS_TEXT_SIZE];

	address_text(x->destination.addr, text);
	if (!a.flags)
		explain_step(x, "destination", "destination: %s is no outside address", text);
	else
		explain_step(x, "destination", "destination: %s is an outside address of %s%s%s%s%s", text,
			     explain_interface_name(x, a.interface),
			     a.flags & ADDRESS_LIVE ? "" : ", that has left",
			     a.flags & ADDRESS_LOCAL ? ", the router's own" : "",
			     a.flags & ADDRESS_POOL ? ", in its pool" : "",
			     a.flags & ADDRESS_INBOUND	  ? ", reserved, inbound too"
			     : a.flags & ADDRESS_RESERVED ? ", reserved"
							  : "");
}

/* What comes in to a mapping and is of no session. */
static void step_filter(struct explanation *x, const struct fact_mapping *m)
{
	static const char *const names[] = { "eif", "adf", "edf" };
	static const char *const rules[] = { "whoever is outside may send to it",
					     "whoever it has sent to may, from any port",
					     "just the endpoints that it has sent to may" };
	u8 filtering = fact_filtering(&x->nat, x->query->protocol);
	char name[8];
	json_t *step;

	if (m->fixed) {
		explain_step(x, "filter", "filter: whoever is outside may send to a port mapping");
		return;
	}
	if (filtering >= sizeof(names) / sizeof(names[0]))
		return;
	step = explain_step(x, "filter", "filter: %s is %s: %s%s", protocol_text(x, name), names[filtering],
			    rules[filtering], x->result.reason == REASON_filtered ? "; this one not" : "");
	member(step, "filtering_type", json_string(names[filtering]));
}

static void step_socket(struct explanation *x)
{
	char text[ENDPOINT_TEXT];

	if (x->socket)
		explain_step(x, "socket", "socket: one of the router wants what comes to %s",
			     explain_endpoint(x, x->destination, text));
}

/*
 * Hooks
 */

/* Was it decided before a table was looked at? Then what they have is beside the point. */
static bool is_settled(const struct explanation *x)
{
	switch (x->result.reason) {
	case REASON_source_not_inside:
	case REASON_transit:
	case REASON_own_other:
	case REASON_malformed_ip:
	case REASON_malformed_transport:
	case REASON_multicast:
	case REASON_spoofed_own:
	case REASON_to_inside:
	case REASON_pass_through_in:
		return true;
	default:
		return false;
	}
}

static void step_pass_through(struct explanation *x, __be32 addr)
{
	char text[ADDRESS_TEXT_SIZE], network[ADDRESS_TEXT_SIZE];
	struct prefix found;

	if (!fact_pass_through(&x->nat, addr, &found))
		return;
	explain_step(x, "pass_through", "pass_through: %s is in %s/%d, which is not translated",
		     address_text(addr, text), address_text(found.addr, network),
		     __builtin_popcount(found.mask));
}

void explain_out(struct explanation *x, const struct keepnat_interface *at, u32 came_by)
{
	struct fact_endpoint inside = x->source, remote = x->destination;
	struct facts was, is;

	facts_out(&x->nat, at->number, x->query->protocol, inside, remote, &was);
	explain_meet(x, NATIVE_OUT, at, came_by);
	facts_out(&x->nat, at->number, x->query->protocol, inside, remote, &is);
	if (x->result.reason == REASON_pass_through_out) {
		step_pass_through(x, remote.addr);
	} else if (!is_settled(x)) {
		step_session(x, &was.session, true);
		if (!was.session.known && has_class(x))
			step_mapping(x, &was.mapping, inside, at->name);
		if (!was.session.known && !was.mapping.known)
			step_host(x, &was.host, &is.host, at->name);
		if (!was.session.known)
			step_limits(x, &was.host);
		step_port(x, &was.mapping, &is.mapping);
	}
	step_decision(x);
}

void explain_in(struct explanation *x, const struct keepnat_interface *at)
{
	struct fact_endpoint remote = x->source, outside = x->destination;
	struct outside_address a = fact_address(&x->nat, outside.addr);
	struct facts was;

	facts_in(&x->nat, a.interface, x->query->protocol, remote, outside, &was);
	explain_meet(x, NATIVE_IN, at, 0);
	step_destination(x, a);
	if (x->result.reason == REASON_pass_through_in)
		step_pass_through(x, remote.addr);
	if (a.flags && !is_settled(x)) {
		step_session(x, &was.session, false);
		if (!was.session.known && has_class(x))
			step_mapping(x, &was.mapping, outside, explain_interface_name(x, a.interface));
		if (!was.session.known && was.host.inside && !was.mapping.known)
			step_host(x, &was.host, &was.host, explain_interface_name(x, a.interface));
		step_socket(x);
		if (!was.session.known && was.mapping.known && !was.mapping.rests)
			step_filter(x, &was.mapping);
	}
	step_decision(x);
}

void explain_inside(struct explanation *x, const struct keepnat_interface *at)
{
	struct fact_endpoint inside = x->source, outside = x->destination;
	struct outside_address a = fact_address(&x->nat, outside.addr);
	struct facts out, in, is;

	facts_out(&x->nat, a.interface, x->query->protocol, inside, outside, &out);
	facts_in(&x->nat, a.interface, x->query->protocol, inside, outside, &in);
	explain_meet(x, NATIVE_HAIRPIN, at, 0);
	step_destination(x, a);
	if (a.flags && !is_settled(x)) {
		const char *name = explain_interface_name(x, a.interface);

		facts_out(&x->nat, a.interface, x->query->protocol, inside, outside, &is);
		step_session(x, &out.session, true);
		if (has_class(x))
			step_mapping(x, &in.mapping, outside, name);
		step_socket(x);
		if (x->result.verdict == VERDICT_TRANSLATE && !out.session.known && has_class(x)) {
			step_mapping(x, &out.mapping, inside, name);
			step_port(x, &out.mapping, &is.mapping);
		}
	}
	if (a.flags || x->result.reason != REASON_inside_other)
		step_decision(x);
}
