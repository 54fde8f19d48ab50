// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/explain: what would become of a packet. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"
#include "daemon/api_filter.h"
#include "daemon/api_request.h"
#include "daemon/explain.h"
#include "daemon/list.h"

enum { TCP_FLAG_FIN = 1, TCP_FLAG_SYN = 2, TCP_FLAG_RST = 4, TCP_FLAG_ACK = 16 };

/* A parameter that must be there: its value; or NULL, and the request is answered. */
static const char *wanted(struct request *request, const char *name, const char *mend)
{
	const char *text = request_parameter(request, name);
	char what[64];

	if (text)
		return text;
	snprintf(what, sizeof(what), "\"%s\" is missing", name);
	request_fail(request, MHD_HTTP_BAD_REQUEST, what, mend, name);
	return NULL;
}

static int read_direction(struct request *request, struct explain_query *query)
{
	static const char mend[] = "give out, for a packet from inside or of the router, or in";
	const char *text = wanted(request, "direction", mend);

	if (!text)
		return -1;
	query->in = !strcmp(text, "in");
	return query->in || !strcmp(text, "out") ? 0 : filter_refuse(request, "direction", text, mend);
}

static int read_protocol(struct request *request, struct explain_query *query)
{
	static const char mend[] = "give udp, tcp, icmp, gre or the like, or a number";
	const char *text = wanted(request, "protocol", mend);

	if (!text)
		return -1;
	query->protocol = protocol_number(text);
	query->has_ports = protocol_has_ports(query->protocol);
	return query->protocol ? 0 : filter_refuse(request, "protocol", text, mend);
}

/* ADDRESS:PORT, where the protocol has ports; else ADDRESS. Of ICMP the identifier, which may be left out. */
static int read_endpoint(struct request *request, const char *name, const struct explain_query *query,
			 __be32 *address, __be16 *port)
{
	bool icmp = query->protocol == IPPROTO_ICMP, needs = query->has_ports && !icmp;
	const char *mend =
		needs  ? "give ADDRESS:PORT, such as 203.0.113.9:53"
		: icmp ? "give an address, with :IDENTIFIER or without, such as 203.0.113.9"
		       : "give an address without a port, such as 203.0.113.9: the protocol has none";
	const char *text = wanted(request, name, mend);
	struct in_addr parsed;
	int number;

	if (!text)
		return -1;
	if (address_endpoint_parse(text, &parsed, &number) || (number < 0 ? needs : !query->has_ports))
		return filter_refuse(request, name, text, mend);
	*address = parsed.s_addr;
	*port = htons((uint16_t)(number < 0 ? 0 : number));
	return 0;
}

/* "syn", the first segment of a connection, without it; or some of these with + between them. */
static int read_tcp_flags(struct request *request, struct explain_query *query)
{
	static const struct {
		const char *name;
		u8 flag;
	} known[] = { { "syn", TCP_FLAG_SYN },
		      { "ack", TCP_FLAG_ACK },
		      { "fin", TCP_FLAG_FIN },
		      { "rst", TCP_FLAG_RST } };
	static const char mend[] = "give syn, ack, fin, rst, or some of these with + between them: syn+ack";
	const char *text = request_parameter(request, "tcp_flags"), *at = text ? text : "syn";

	if (text && query->protocol != IPPROTO_TCP)
		return filter_refuse(request, "protocol", "tcp_flags",
				     "leave tcp_flags out: only TCP has some");
	while (*at) {
		size_t length = strcspn(at, "+ "), i = 0; /* "+" may have been read as a blank */

		while (i < 4 && (strlen(known[i].name) != length || strncmp(at, known[i].name, length) != 0))
			i++;
		if (i == 4)
			return filter_refuse(request, "set of TCP flags", text, mend);
		query->tcp_flags |= known[i].flag;
		at += length;
		at += *at && at[1];
	}
	return query->tcp_flags ? 0 : filter_refuse(request, "set of TCP flags", text, mend);
}

/* The inside end's identifier is the one that counts. */
static void settle_icmp(struct explain_query *query)
{
	__be16 given = query->source_port ? query->source_port : query->destination_port;

	if (query->protocol != IPPROTO_ICMP)
		return;
	query->source_port = query->in ? 0 : given ? given : htons(1);
	query->destination_port = query->in ? given : 0;
}

void answer_explain(struct request *request)
{
	struct explain_query query = { 0 };
	struct explain_fault fault;
	struct list_view view;
	json_t *json;

	list_open(&view, request->api->k);
	if (read_direction(request, &query) || read_protocol(request, &query) ||
	    read_endpoint(request, "source", &query, &query.source, &query.source_port) ||
	    read_endpoint(request, "destination", &query, &query.destination, &query.destination_port) ||
	    read_tcp_flags(request, &query) || filter_interface(request, &view, &query.interface))
		return;
	settle_icmp(&query);
	json = explain(request->api->k, &query, &fault);
	if (!json && *fault.what)
		request_fail(request, MHD_HTTP_BAD_REQUEST, fault.what, fault.mend, fault.at);
	else
		request_json(request, json);
}
