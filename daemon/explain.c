// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/explain.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/address.h"
#include "daemon/explain_parts.h"
#include "daemon/list.h"
#include "daemon/loader.h"
#include "daemon/netlink.h"
#include "daemon/reason.h"
#include "native/packet_build.h"
#include "native/shadow.h"

enum { HEADER = 14, IP_AT = 16, ECHO_REPLY = 0, ECHO = 8 };

json_t *explain_step(struct explanation *x, const char *step, const char *format, ...)
{
	char text[320];
	va_list arguments;
	json_t *json;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json = json_pack("{s:s, s:s}", "step", step, "text", text);
	if (json && json_array_append_new(x->steps, json))
		return NULL;
	return json;
}

const char *explain_endpoint(const struct explanation *x, struct fact_endpoint e, char text[ENDPOINT_TEXT])
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(address, (struct in_addr){ .s_addr = e.addr });
	if (x->query->has_ports && e.port)
		snprintf(text, ENDPOINT_TEXT, "%.15s:%u", address, ntohs(e.port));
	else
		snprintf(text, ENDPOINT_TEXT, "%.15s", address);
	return text;
}

const struct keepnat_interface *explain_interface(const struct explanation *x, u32 ifindex)
{
	for (unsigned int i = 0; i < x->interface_count; i++)
		if (ifindex && x->interfaces[i].ifindex == ifindex)
			return &x->interfaces[i];
	return NULL;
}

static const struct keepnat_interface *interface_numbered(const struct explanation *x, u32 number)
{
	for (unsigned int i = 0; i < x->interface_count; i++)
		if (x->interfaces[i].number == number)
			return &x->interfaces[i];
	return NULL;
}

const char *explain_interface_name(const struct explanation *x, u32 number)
{
	const struct keepnat_interface *found = interface_numbered(x, number);

	return found ? found->name : "?";
}

/* The name of any device of this network namespace. */
static const char *device_name(const struct explanation *x, u32 ifindex, char name[IF_NAMESIZE])
{
	const struct keepnat_interface *found = explain_interface(x, ifindex);

	if (found)
		return found->name;
	return if_indextoname(ifindex, name) ? name : "?";
}

static json_t *fail(struct explain_fault *fault, const char *at, const char *mend, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static json_t *fail(struct explain_fault *fault, const char *at, const char *mend, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fault->what, sizeof(fault->what), format, arguments);
	va_end(arguments);
	snprintf(fault->mend, sizeof(fault->mend), "%s", mend);
	fault->at = at;
	return NULL;
}

/*
 * What the core asks the kernel
 */

static int kernel_socket(const struct native_kernel *kernel, u32 class, __be32 remote, __be16 remote_port,
			 __be32 local, __be16 port)
{
	struct explanation *x = (struct explanation *)(uintptr_t)kernel;
	const struct question question = { .remote = remote,
					   .local = local,
					   .remote_port = remote_port,
					   .local_port = port,
					   .kind = QUESTION_SOCKET,
					   .class = (u16) class };
	int found = x->loader ? loader_ask(x->loader, x->ifindex, &question) : SOCKET_NONE;

	if (found <= SOCKET_NONE)
		return SOCKET_NONE;
	x->socket |= local == x->destination.addr && port == x->destination.port;
	return found;
}

static int kernel_route_inside(const struct native_kernel *kernel, __be32 saddr, __be32 daddr)
{
	const struct explanation *x = (const struct explanation *)kernel;
	const struct question question = { .remote = saddr, .local = daddr, .kind = QUESTION_ROUTE };

	return x->loader && loader_ask(x->loader, x->ifindex, &question) > 0;
}

/* The device by which a hairpinned packet goes on inside; 0: there is none. */
static u32 hairpin_device(const struct explanation *x)
{
	const struct question question = { .remote = x->new_source.addr,
					   .local = x->new_destination.addr,
					   .kind = QUESTION_HAIRPIN };
	int found = x->loader ? loader_ask(x->loader, x->ifindex, &question) : 0;

	return found > 0 ? (u32)found : 0;
}

/*
 * The packet
 */

static u16 port_at(const struct explanation *x, u32 offset)
{
	u16 word;

	memcpy(&word, x->frame + IP_AT + 20 + offset, sizeof(word));
	return word;
}

/* Its endpoints, as flows have them: of ICMP queries, the identifier is the inside end's port. */
static void endpoints_read(const struct explanation *x, struct fact_endpoint *source,
			   struct fact_endpoint *destination)
{
	const struct explain_query *q = x->query;

	memcpy(&source->addr, x->frame + IP_AT + 12, 4);
	memcpy(&destination->addr, x->frame + IP_AT + 16, 4);
	source->port = destination->port = 0;
	if (q->protocol == IPPROTO_ICMP) {
		(q->in ? destination : source)->port = port_at(x, 4);
	} else if (q->has_ports) {
		source->port = port_at(x, 0);
		destination->port = port_at(x, 2);
	}
}

/* As it was asked for. Of ICMP an echo, or from outside with an identifier, the answer to one. 0 or -1. */
static int packet_make(struct explanation *x)
{
	/* To what has no ports, as little as can be: GRE that carries IPv4, an SPI. */
	static const uint8_t payload[16] = { [2] = 8, [7] = 1 };
	const struct explain_query *q = x->query;
	const struct packet_spec spec = { .protocol = q->protocol,
					  .saddr = q->source,
					  .daddr = q->destination,
					  .sport = ntohs(q->source_port),
					  .dport = ntohs(q->destination_port),
					  .tcp_flags = q->tcp_flags,
					  .icmp_type = q->in && q->destination_port ? ECHO_REPLY : ECHO,
					  .type = q->protocol == IPPROTO_SCTP,
					  .payload = payload,
					  .payload_length = sizeof(payload) };
	int length = packet_build(&spec, x->frame + IP_AT, sizeof(x->frame) - IP_AT);

	if (length < 0)
		return -1;
	x->length = (u32)length;
	x->frame[IP_AT - 2] = 8; /* what an Ethernet header says of IPv4 */
	x->frame[IP_AT - 1] = 0;
	endpoints_read(x, &x->source, &x->destination);
	x->new_source = x->source;
	x->new_destination = x->destination;
	return 0;
}

void explain_meet(struct explanation *x, enum native_hook hook, const struct keepnat_interface *at,
		  u32 came_by)
{
	u32 l3 = at->bare ? 0 : HEADER;
	const struct native_frame frame = { .data = x->frame + IP_AT - l3,
					    .length = l3 + x->length,
					    .l3 = l3,
					    .ifindex = at->ifindex,
					    .ingress_ifindex = came_by,
					    .room = sizeof(x->frame) - IP_AT + l3 };

	x->ifindex = at->ifindex;
	x->socket = false;
	x->result = native_meet(&x->nat, hook, &frame);
	if (x->result.verdict == VERDICT_TRANSLATE)
		endpoints_read(x, &x->new_source, &x->new_destination);
}

static void packet_goes_on(struct explanation *x)
{
	x->source = x->new_source;
	x->destination = x->new_destination;
}

/*
 * The end
 */

static json_t *finish(struct explanation *x, const char *verdict, u32 reason, u32 ifindex,
		      const char *outcome)
{
	bool known = reason < REASONS;
	char source[ADDRESS_TEXT_SIZE], destination[ADDRESS_TEXT_SIZE], name[IF_NAMESIZE];

	address_format(source, (struct in_addr){ .s_addr = x->source.addr });
	address_format(destination, (struct in_addr){ .s_addr = x->destination.addr });
	return json_pack("{s:O, s:s, s:s?, s:s?, s:s?, s:s, s:s, s:i, s:s, s:i, s:b, s:s?}", "steps",
			 x->steps, "verdict", verdict, "reason", known ? reason_name(reason) : NULL, "text",
			 known ? reason_text(reason) : NULL, "mend", known ? reason_mend(reason) : NULL,
			 "outcome", outcome, "source_address", source, "source_port", ntohs(x->source.port),
			 "destination_address", destination, "destination_port", ntohs(x->destination.port),
			 "drawn", x->drawn, "interface", ifindex ? device_name(x, ifindex, name) : NULL);
}

/* A hook has ended it: it is dropped, answered, or put in order first. */
static json_t *finish_ended(struct explanation *x)
{
	u32 reason = x->result.reason;
	const char *mend = reason_mend(reason);
	char outcome[640];

	snprintf(outcome, sizeof(outcome), "would be %s: %s (%s); %s",
		 reason_verdict(reason) == VERDICT_ANSWER ? "answered in place of its destination"
							  : "dropped",
		 reason_name(reason), reason_text(reason), mend ? mend : "nothing is wrong");
	return finish(x, verdict_name(reason_verdict(reason)), reason, 0, outcome);
}

/* It goes on. translated: why, or REASONS; passed: why it was not. ifindex 0: to the router itself. */
static json_t *finish_goes(struct explanation *x, u32 translated, u32 passed, u32 ifindex)
{
	char from[ENDPOINT_TEXT], to[ENDPOINT_TEXT], name[IF_NAMESIZE], outcome[400], where[64];
	u32 reason = translated < REASONS ? translated : passed;

	if (ifindex)
		snprintf(where, sizeof(where), "leaves by %s", device_name(x, ifindex, name));
	else
		snprintf(where, sizeof(where), "goes to the router itself");
	explain_endpoint(x, x->source, from);
	explain_endpoint(x, x->destination, to);
	if (translated < REASONS)
		snprintf(outcome, sizeof(outcome), "would be translated to %s -> %s%s, %s", from, to,
			 x->drawn ? " (the port by lot)" : "", where);
	else if (passed < REASONS)
		snprintf(outcome, sizeof(outcome), "would stay as it is: %s (%s); %s", reason_name(passed),
			 reason_text(passed), where);
	else
		snprintf(outcome, sizeof(outcome),
			 "would stay as it is: no hook of the NAT is on its way; %s", where);
	return finish(x, translated < REASONS ? "translate" : "pass", reason, ifindex, outcome);
}

/*
 * The way
 */

static const char *route_fault(int error)
{
	switch (-error) {
	case ENETUNREACH:
		return "has no route there";
	case EHOSTUNREACH:
		return "does not forward it there: see net.ipv4.ip_forward, or a route of the kind "
		       "\"unreachable\"";
	case EACCES:
		return "has a route of the kind \"prohibit\" there";
	case EXDEV:
		return "expects this source by another interface (net.ipv4.conf.*.rp_filter)";
	case EINVAL:
		return "takes it for a martian, or has a route of the kind \"blackhole\" there";
	default:
		return strerror(-error);
	}
}

/* The kernel's part: 0 and *way, or -errno; told in either case. */
static int route(struct explanation *x, u32 came_by, struct netlink_way *way)
{
	const struct netlink_packet packet = { .from = x->source.addr,
					       .to = x->destination.addr,
					       .ifindex = came_by,
					       .protocol = x->query->protocol,
					       .sport = x->source.port,
					       .dport = x->destination.port };
	char to[ADDRESS_TEXT_SIZE], name[IF_NAMESIZE];
	int error = netlink_forward(&packet, way);
	json_t *step;

	address_format(to, (struct in_addr){ .s_addr = x->destination.addr });
	if (error) {
		explain_step(x, "route", "route: to %s the kernel %s", to, route_fault(error));
	} else if (way->type == RTN_LOCAL) {
		explain_step(x, "route", "route: %s is an address of the router itself", to);
	} else {
		step = explain_step(x, "route", "route: the kernel sends it to %s by %s", to,
				    device_name(x, way->ifindex, name));
		if (step)
			json_object_set_new(step, "interface", json_string(name[0] ? name : "?"));
	}
	return error;
}

static json_t *finish_unrouted(struct explanation *x, int error)
{
	char outcome[240], to[ENDPOINT_TEXT];

	explain_endpoint(x, x->destination, to);
	snprintf(outcome, sizeof(outcome), "would not be forwarded: towards %s the kernel %s", to,
		 route_fault(error));
	return finish(x, "drop", REASONS, 0, outcome);
}

/* For whom a packet that passed the ingress is, as far as the NAT knows. */
static bool is_routers(u32 reason)
{
	return reason == REASON_local_socket || reason == REASON_local_address ||
	       reason == REASON_own_error || reason == REASON_multicast;
}

/* Behind the ingress, or from the router itself. reason: of the ingress, or REASONS. */
static json_t *go_on(struct explanation *x, u32 came_by, u32 reason)
{
	u32 translated = x->result.verdict == VERDICT_TRANSLATE && reason < REASONS ? reason : REASONS;
	u32 passed = translated == REASONS ? reason : REASONS;
	const struct keepnat_interface *at;
	struct netlink_way way;
	int error;

	if (passed < REASONS && is_routers(passed))
		return finish_goes(x, translated, passed, 0);
	packet_goes_on(x);
	error = route(x, came_by, &way);
	if (error)
		return finish_unrouted(x, error);
	if (way.type == RTN_LOCAL)
		return finish_goes(x, translated, passed, 0);
	at = explain_interface(x, way.ifindex);
	if (at && at->role == ROLE_OUTSIDE && reason != REASON_out_fast && reason != REASON_in_fast) {
		explain_out(x, at, came_by);
	} else if (at && at->full) {
		explain_meet(x, NATIVE_CLIENT, at, came_by);
		if (x->result.reason < REASONS)
			explain_step(x, "full_nat", "full NAT: %s", reason_text(x->result.reason));
	} else {
		return finish_goes(x, translated, passed, way.ifindex);
	}
	if (x->result.verdict != VERDICT_PASS && x->result.verdict != VERDICT_TRANSLATE)
		return finish_ended(x);
	if (x->result.verdict == VERDICT_TRANSLATE)
		translated = x->result.reason;
	else if (x->result.reason < REASONS)
		passed = x->result.reason;
	packet_goes_on(x);
	return finish_goes(x, translated, passed, way.ifindex);
}

/* It stays inside: by which interface? */
static json_t *go_back(struct explanation *x)
{
	u32 to = hairpin_device(x);

	packet_goes_on(x);
	if (to)
		return finish_goes(x, x->result.reason, REASONS, to);
	explain_step(x, "route", "route: the kernel knows no way by an inside interface");
	x->result.reason = REASON_no_mapping;
	return finish_ended(x);
}

static json_t *way_ingress(struct explanation *x, const struct keepnat_interface *at)
{
	if (at->role == ROLE_OUTSIDE)
		explain_in(x, at);
	else
		explain_inside(x, at);
	if (x->result.verdict != VERDICT_PASS && x->result.verdict != VERDICT_TRANSLATE)
		return finish_ended(x);
	if (x->result.verdict == VERDICT_TRANSLATE && x->result.hairpin)
		return go_back(x);
	return go_on(x, at->ifindex, x->result.reason);
}

/* The router's own: no hook before the kernel's routing. */
static json_t *way_own(struct explanation *x)
{
	explain_step(x, "arrives", "arrives: the router itself sends it");
	return go_on(x, 0, REASONS);
}

/* By which interface it comes, where that is not said. NULL: none of ours, or of the other role. */
static const struct keepnat_interface *arrival_find(struct explanation *x, struct netlink_way *way)
{
	const struct netlink_packet back = { .to = x->source.addr };
	struct outside_address a = fact_address(&x->nat, x->destination.addr);
	const struct keepnat_interface *found;
	int error = netlink_forward(&back, way);

	if (x->query->in && a.flags) {
		found = interface_numbered(x, a.interface);
		if (found)
			return found;
	}
	found = error ? NULL : explain_interface(x, way->ifindex);
	return found && found->role == (x->query->in ? ROLE_OUTSIDE : ROLE_INSIDE) ? found : NULL;
}

static json_t *way_found(struct explanation *x, struct explain_fault *fault)
{
	struct netlink_way way = { 0 };
	const struct keepnat_interface *at;
	bool in = x->query->in;
	char from[ADDRESS_TEXT_SIZE], name[IF_NAMESIZE];

	address_format(from, (struct in_addr){ .s_addr = x->source.addr });
	if (x->query->interface != NO_INTERFACE) {
		at = interface_numbered(x, x->query->interface);
		if (!at || !at->ifindex || at->role != (in ? ROLE_OUTSIDE : ROLE_INSIDE))
			return fail(fault, "interface",
				    in ? "name an outside interface" : "name an inside interface",
				    "a packet does not come %s by %s", in ? "in" : "from inside",
				    at ? at->name : "it");
		explain_step(x, "arrives", "arrives: by %s", at->name);
		return way_ingress(x, at);
	}
	at = arrival_find(x, &way);
	if (at) {
		explain_step(x, "arrives", "arrives: by %s, where %s", at->name,
			     way.ifindex == at->ifindex ? "the route to its source is"
							: "its destination is an address");
		return way_ingress(x, at);
	}
	if (!in && way.type == RTN_LOCAL)
		return way_own(x);
	return fail(
		fault, "source",
		in ? "say by which outside interface it comes: interface"
		   : "give an inside host's address, or say by which inside interface it comes: interface",
		way.ifindex ? "%s is behind %s, which is no %s interface" : "nobody knows a way to %s%s%s",
		from, way.ifindex ? device_name(x, way.ifindex, name) : "",
		way.ifindex ? in ? "outside" : "inside" : "");
}

/* Chance as it is for packets: theirs is the kernel's. */
static void chance_begin(struct config *c)
{
	u64 seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (u64)(uintptr_t)c;
	c->test_random = seed | 1;
}

static int explanation_open(struct explanation *x, struct keepnat *k, const struct explain_query *query)
{
	x->query = query;
	x->loader = k->loader;
	x->kernel = (struct native_kernel){ kernel_socket, kernel_route_inside };
	x->steps = json_array();
	if (!x->steps || shadow_open(&k->nat, &x->nat))
		return -ENOMEM;
	x->nat.kernel = &x->kernel;
	x->nat.now = k->loader ? loader_tick(k->loader) : __atomic_load_n(&k->nat.now, __ATOMIC_RELAXED);
	chance_begin(x->nat.config);
	pthread_mutex_lock(&k->lock);
	x->interface_count = k->interface_count;
	memcpy(x->interfaces, k->interfaces, x->interface_count * sizeof(x->interfaces[0]));
	pthread_mutex_unlock(&k->lock);
	return packet_make(x) ? -EINVAL : 0;
}

json_t *explain(struct keepnat *k, const struct explain_query *query, struct explain_fault *fault)
{
	struct explanation *x = calloc(1, sizeof(*x));
	json_t *json = NULL;
	int error = x ? explanation_open(x, k, query) : -ENOMEM;

	memset(fault, 0, sizeof(*fault));
	if (error == -EINVAL)
		fail(fault, "protocol", "give udp, tcp, icmp, gre or the like",
		     "such a packet cannot be made");
	else if (!error)
		json = way_found(x, fault);
	if (json && !shadow_holds(&x->nat)) {
		json_decref(json);
		json = NULL;
	}
	if (x) {
		json_decref(x->steps);
		shadow_close(&x->nat);
	}
	free(x);
	return json;
}
