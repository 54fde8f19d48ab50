/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv4 addresses, ranges and prefixes as people write them.
 *
 * Addresses are struct in_addr, in network order as everywhere on the wire. Text is strict dotted decimal
 * ("10.0.0.1": four numbers, no leading zeros), so that no reader takes 010 for eight.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	/* Room for "255.255.255.255-255.255.255.255" and its zero. */
	ADDRESS_TEXT_SIZE = 32,
};

/* All addresses from first to last, both included; first <= last in host order. */
struct address_range {
	struct in_addr first, last;
};

/* A network: the bits below the length are zero. */
struct address_prefix {
	struct in_addr address;
	uint8_t length; /* 0..32 */
};

/* Strict dotted decimal. 0, or -EINVAL. */
int address_parse(const char *text, struct in_addr *out);

/* "10.0.0.1" or "10.0.0.1:80", 0 to 65535 in decimal digits. 0, and *port is -1 where none is named; or -EINVAL. */
int address_endpoint_parse(const char *text, struct in_addr *address, int *port);

/*
 * "10.0.0.0/16". 0; -EINVAL for anything else; -EDOM when bits below the length are set: then *out is the network
 * that was probably meant.
 */
int address_prefix_parse(const char *text, struct address_prefix *out);

/*
 * One address, "first-last", or a prefix (all its addresses). 0; -EINVAL for anything else; -EDOM as for a prefix;
 * -ERANGE when last is before first: then *out has the two in order.
 */
int address_range_parse(const char *text, struct address_range *out);

/* Number of addresses, 1 to 2^32. */
uint64_t address_range_count(const struct address_range *range);

bool address_range_overlaps(const struct address_range *a, const struct address_range *b);

/* False when it touches 0/8, loopback, multicast or what is above: addresses that no host can have. */
bool address_range_is_unicast(const struct address_range *range);

struct address_range address_prefix_range(const struct address_prefix *prefix);

/* Text that the parsers read back to the same value. Each returns its buffer. */
const char *address_format(char text[ADDRESS_TEXT_SIZE], struct in_addr address);
const char *address_range_format(char text[ADDRESS_TEXT_SIZE], const struct address_range *range);
const char *address_prefix_format(char text[ADDRESS_TEXT_SIZE], const struct address_prefix *prefix);
