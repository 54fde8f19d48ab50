// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t length_mask(unsigned int length) { return length ? UINT32_MAX << (32 - length) : 0; }

int address_parse(const char *text, struct in_addr *out)
{
	return inet_pton(AF_INET, text, out) == 1 ? 0 : -EINVAL;
}

/* The address in the first `size` bytes of the text. */
static int address_parse_part(const char *text, size_t size, struct in_addr *out)
{
	char part[INET_ADDRSTRLEN];

	if (size >= sizeof(part))
		return -EINVAL;
	memcpy(part, text, size);
	part[size] = '\0';
	return address_parse(part, out);
}

int address_endpoint_parse(const char *text, struct in_addr *address, int *port)
{
	size_t size = strcspn(text, ":"), digits;
	const char *number = text + size + 1;

	*port = -1;
	if (address_parse_part(text, size, address))
		return -EINVAL;
	if (!text[size])
		return 0;
	digits = strspn(number, "0123456789");
	if (!digits || digits > 5 || number[digits] || atoi(number) > UINT16_MAX)
		return -EINVAL;
	*port = atoi(number);
	return 0;
}

/* "0" to "32", no sign and no leading zero. */
static int length_parse(const char *text, unsigned int *out)
{
	unsigned int value = 0;
	size_t size = strspn(text, "0123456789");

	if (size == 0 || size > 2 || text[size] != '\0' || (size == 2 && text[0] == '0'))
		return -EINVAL;
	for (; *text; text++)
		value = value * 10 + (unsigned int)(*text - '0');
	if (value > 32)
		return -EINVAL;
	*out = value;
	return 0;
}

int address_prefix_parse(const char *text, struct address_prefix *out)
{
	const char *slash = strchr(text, '/');
	unsigned int length;
	uint32_t address, network;

	if (!slash || address_parse_part(text, (size_t)(slash - text), &out->address) ||
	    length_parse(slash + 1, &length))
		return -EINVAL;
	address = ntohl(out->address.s_addr);
	network = address & length_mask(length);
	out->address.s_addr = htonl(network);
	out->length = (uint8_t)length;
	return network == address ? 0 : -EDOM;
}

struct address_range address_prefix_range(const struct address_prefix *prefix)
{
	struct address_range range = { .first = prefix->address };

	range.last.s_addr = htonl(ntohl(prefix->address.s_addr) | ~length_mask(prefix->length));
	return range;
}

static int address_pair_parse(const char *text, const char *dash, struct address_range *out)
{
	struct in_addr first, last;

	if (address_parse_part(text, (size_t)(dash - text), &first) || address_parse(dash + 1, &last))
		return -EINVAL;
	if (ntohl(first.s_addr) > ntohl(last.s_addr)) {
		*out = (struct address_range){ .first = last, .last = first };
		return -ERANGE;
	}
	*out = (struct address_range){ .first = first, .last = last };
	return 0;
}

int address_range_parse(const char *text, struct address_range *out)
{
	const char *dash = strchr(text, '-');
	struct address_prefix prefix;
	int error;

	if (dash)
		return address_pair_parse(text, dash, out);
	if (strchr(text, '/')) {
		error = address_prefix_parse(text, &prefix);
		if (error != -EINVAL)
			*out = address_prefix_range(&prefix);
		return error;
	}
	error = address_parse(text, &out->first);
	out->last = out->first;
	return error;
}

uint64_t address_range_count(const struct address_range *range)
{
	return (uint64_t)ntohl(range->last.s_addr) - ntohl(range->first.s_addr) + 1;
}

bool address_range_overlaps(const struct address_range *a, const struct address_range *b)
{
	return ntohl(a->first.s_addr) <= ntohl(b->last.s_addr) &&
	       ntohl(b->first.s_addr) <= ntohl(a->last.s_addr);
}

bool address_range_is_unicast(const struct address_range *range)
{
	/* This network, loopback; multicast, reserved and broadcast (RFC 6890). */
	static const uint32_t bad[][2] = {
		{ 0x00000000, 0x00ffffff },
		{ 0x7f000000, 0x7fffffff },
		{ 0xe0000000, 0xffffffff },
	};
	uint32_t first = ntohl(range->first.s_addr), last = ntohl(range->last.s_addr);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (first <= bad[i][1] && bad[i][0] <= last)
			return false;
	return true;
}

const char *address_format(char text[ADDRESS_TEXT_SIZE], struct in_addr address)
{
	return inet_ntop(AF_INET, &address, text, ADDRESS_TEXT_SIZE);
}

const char *address_range_format(char text[ADDRESS_TEXT_SIZE], const struct address_range *range)
{
	size_t size;

	address_format(text, range->first);
	if (range->first.s_addr == range->last.s_addr)
		return text;
	size = strlen(text);
	text[size++] = '-';
	inet_ntop(AF_INET, &range->last, text + size, (socklen_t)(ADDRESS_TEXT_SIZE - size));
	return text;
}

const char *address_prefix_format(char text[ADDRESS_TEXT_SIZE], const struct address_prefix *prefix)
{
	size_t size;

	address_format(text, prefix->address);
	size = strlen(text);
	snprintf(text + size, ADDRESS_TEXT_SIZE - size, "/%u", prefix->length);
	return text;
}
