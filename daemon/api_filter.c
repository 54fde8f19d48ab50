// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/api_filter.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"
#include "daemon/api_request.h"
#include "daemon/list.h"

int filter_refuse(struct request *request, const char *name, const char *value, const char *mend)
{
	char what[160];

	snprintf(what, sizeof(what), "\"%.96s\" is no %s", value, name);
	request_fail(request, MHD_HTTP_BAD_REQUEST, what, mend, name);
	return -EINVAL;
}

int filter_number(struct request *request, const char *name, u64 min, u64 max, u64 *number)
{
	const char *text = request_parameter(request, name);
	char mend[96];
	char *end;

	if (!text)
		return -ENOENT;
	errno = 0;
	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *number >= min && *number <= max)
		return 0;
	snprintf(mend, sizeof(mend), "give a number from %llu to %llu", (unsigned long long)min,
		 (unsigned long long)max);
	return filter_refuse(request, name, text, mend);
}

int filter_page(struct request *request, u32 *cursor, u64 *limit)
{
	u64 number;
	int error = filter_number(request, "limit", 1, 0xffffffff, &number);

	*limit = error ? ~0ull : number;
	if (error == -EINVAL)
		return error;
	error = filter_number(request, "cursor", 0, 0xffffffff, &number);
	*cursor = error ? 0 : (u32)number;
	return error == -EINVAL ? error : 0;
}

static int filter_host(struct request *request, struct list_filter *filter)
{
	const char *text = request_parameter(request, "host");
	struct in_addr address;

	if (!text)
		return 0;
	if (address_parse(text, &address))
		return filter_refuse(request, "host", text, "give an inside address, such as 10.0.0.11");
	filter->by_host = true;
	filter->host = address.s_addr;
	return 0;
}

static int filter_outside(struct request *request, struct list_filter *filter)
{
	static const char mend[] = "give an outside address, with :PORT or without, such as 198.51.100.1:443";
	const char *text = request_parameter(request, "outside");
	const char *colon = text ? strchr(text, ':') : NULL;
	char copy[ADDRESS_TEXT_SIZE];
	struct in_addr address;
	char *end = NULL;
	unsigned long port;

	if (!text)
		return 0;
	snprintf(copy, sizeof(copy), "%.*s", colon ? (int)(colon - text) : (int)sizeof(copy) - 1, text);
	if (address_parse(copy, &address))
		return filter_refuse(request, "outside", text, mend);
	filter->by_outside = true;
	filter->outside = address.s_addr;
	if (!colon)
		return 0;
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || port > 65535)
		return filter_refuse(request, "outside", text, mend);
	filter->by_port = true;
	filter->outside_port = htons((uint16_t)port);
	return 0;
}

static int filter_protocol(struct request *request, struct list_filter *filter)
{
	const char *text = request_parameter(request, "protocol");

	if (!text)
		return 0;
	filter->by_protocol = true;
	filter->protocol = protocol_number(text);
	return filter->protocol ? 0
				: filter_refuse(request, "protocol", text,
						"give udp, tcp, icmp, gre or the like, or a number");
}

int filter_interface(struct request *request, const struct list_view *view, u32 *number)
{
	const char *text = request_parameter(request, "interface");
	char mend[512] = "there are:";

	*number = NO_INTERFACE;
	if (!text)
		return 0;
	for (u32 i = 0; i < MAX_INTERFACES; i++) {
		size_t used = strlen(mend);
		if (!*view->names[i])
			continue;
		if (!strcmp(view->names[i], text)) {
			*number = i;
			return 0;
		}
		snprintf(mend + used, sizeof(mend) - used, " %s", view->names[i]);
	}
	return filter_refuse(request, "interface", text, mend);
}

int filter_read(struct request *request, const struct list_view *view, struct list_filter *filter)
{
	u32 number;
	int error = filter_interface(request, view, &number);

	memset(filter, 0, sizeof(*filter));
	filter->by_interface = number != NO_INTERFACE;
	filter->interface = (u8)number;
	error = error ? error : filter_host(request, filter);
	error = error ? error : filter_outside(request, filter);
	return error ? error : filter_protocol(request, filter);
}
