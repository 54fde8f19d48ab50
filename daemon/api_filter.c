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

/* ADDRESS[:PORT]: 0, and whether there was one, and a port. */
static int filter_endpoint(struct request *request, const char *name, bool *by_address, __be32 *address,
			   bool *by_port, __be16 *port)
{
	const char *text = request_parameter(request, name);
	struct in_addr parsed;
	char mend[96];
	int number;

	if (!text)
		return 0;
	snprintf(mend, sizeof(mend), "give the %s address, with :PORT or without, such as 198.51.100.1:443",
		 name);
	if (address_endpoint_parse(text, &parsed, &number))
		return filter_refuse(request, name, text, mend);
	*by_address = true;
	*address = parsed.s_addr;
	*by_port = number >= 0;
	*port = htons((uint16_t)number);
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
	error = error ? error
		      : filter_endpoint(request, "outside", &filter->by_outside, &filter->outside,
					&filter->by_port, &filter->outside_port);
	error = error ? error
		      : filter_endpoint(request, "remote", &filter->by_remote, &filter->remote,
					&filter->by_remote_port, &filter->remote_port);
	return error ? error : filter_protocol(request, filter);
}
