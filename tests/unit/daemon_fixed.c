// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reservations and port mappings of keepnat.yaml: what is read, what is refused, and how many there may be. */
#include "tests/unit/settings.h"

#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

/* Lines 1 to 3: all outside addresses and all inside networks are known. */
#define POOLS                                                                      \
	"interfaces:\n"                                                            \
	"  - {name: wan0, role: outside, pool: [198.51.100.101-198.51.100.109]}\n" \
	"  - {name: lan0, role: inside, networks: [10.0.0.0/16]}\n"

/* Lines 1 to 4: two uplinks, one of them with its own addresses. */
#define UPLINKS                                                                    \
	"interfaces:\n"                                                            \
	"  - {name: wan0, role: outside, pool: [198.51.100.101-198.51.100.109]}\n" \
	"  - {name: wan1, role: outside}\n"                                        \
	"  - {name: lan0, role: inside}\n"

/* The same, but each host has an address of the pool to itself. */
#define ALONE                                                                                          \
	"interfaces:\n"                                                                                \
	"  - {name: wan0, role: outside, mode: address_only, pool: [198.51.100.101-198.51.100.109]}\n" \
	"  - {name: lan0, role: inside, networks: [10.0.0.0/16]}\n"

/* Lines 1 to 4: two uplinks, both with their own addresses. */
#define OWN                                 \
	"interfaces:\n"                     \
	"  - {name: wan0, role: outside}\n" \
	"  - {name: wan1, role: outside}\n" \
	"  - {name: lan0, role: inside}\n"

/* The items begin on the line after next. */
#define RESERVED(items) "reservations:\n" items
#define MAPPED(items) "port_mappings:\n" items
#define HOST(rest) "  - {" rest "}\n"
#define PORTS(protocol, outside, inside) \
	"  - {protocol: " protocol ", outside: \"" outside "\", inside: \"" inside "\"}\n"
#define ONE(inside, outside) HOST("inside: " inside ", outside: " outside)

/* One reservation, one port mapping, on line 5. */
#define RESERVATION(rest) POOLS RESERVED(HOST(rest))
#define MAPPING(protocol, outside, inside) POOLS MAPPED(PORTS(protocol, outside, inside))

static const struct refusal shapes[] = {
	/* Lists and their items. */
	{ BASE "reservations: 10.0.0.11\n", 4, "reservations: \"10.0.0.11\" is not a list",
	  "- {inside: 10.0.0.11, outside: 198.51.100.101}" },
	{ BASE "reservations: {inside: 10.0.0.11}\n", 4, "reservations: a section where a list is expected",
	  "write a list" },
	{ BASE "reservations: [10.0.0.11]\n", 4, "reservations: a single value where keys", "KEY: VALUE" },
	{ BASE "reservations: [[10.0.0.11]]\n", 4, "reservations: a list where keys", "KEY: VALUE" },
	{ BASE "port_mappings: 80\n", 4, "port_mappings: \"80\" is not a list",
	  "- {protocol: tcp, outside: " },
	{ BASE "port_mappings: [80]\n", 4, "port_mappings: a single value where keys", "KEY: VALUE" },

	/* Keys. */
	{ RESERVATION("outside: 198.51.100.101"), 5, "reservations: \"inside\" is missing",
	  "add \"inside\": write an IPv4 address" },
	{ RESERVATION("inside: 10.0.0.11"), 5, "reservations: \"outside\" is missing", "an IPv4 address" },
	{ RESERVATION("inside: 10.0.0.11, outside: 198.51.100.101, inbuond: true"), 5,
	  "reservations: unknown key \"inbuond\"", "did you mean \"inbound\"?" },
	{ RESERVATION("inside: 10.0.0.11, outside: 198.51.100.101, protocol: tcp"), 5,
	  "reservations: unknown key \"protocol\"", "an item of the list under port_mappings" },
	{ RESERVATION("inside: 10.0.0.11, inside: 10.0.0.12, outside: 198.51.100.101"), 5,
	  "reservations: \"inside\" a second time", "keep one" },
	{ POOLS "outside: wan0\n", 4, "unknown key \"outside\"",
	  "the list under reservations or port_mappings" },
	{ RESERVATION("inside: 10.0.0.11, outside: 198.51.100.101, inbound: 1"), 5,
	  "reservations.inbound: \"1\" is neither true nor false", "true or false" },
	{ RESERVATION("inside: 10.0.0.11, outside: 198.51.100.101, address_only: []"), 5,
	  "reservations.address_only: a list where a single value", "true or false" },
	{ POOLS MAPPED(HOST("outside: \"198.51.100.101:80\", inside: \"10.0.0.50:80\"")), 5,
	  "port_mappings: \"protocol\" is missing", "one of: tcp, udp, both" },
	{ POOLS MAPPED(HOST("protocol: tcp, inside: \"10.0.0.50:80\"")), 5,
	  "port_mappings: \"outside\" is missing", "198.51.100.101:8080" },
	{ POOLS MAPPED(HOST("protocol: tcp, outside: \"198.51.100.101:80\"")), 5,
	  "port_mappings: \"inside\" is missing", "10.0.0.50:80" },
	{ POOLS MAPPED(HOST(
		  "protocol: tcp, outside: \"198.51.100.101:80\", inside: \"10.0.0.50:80\", full_nat: 1")),
	  5, "port_mappings.full_nat: \"1\" is neither true nor false", "true or false" },
	{ POOLS MAPPED(HOST(
		  "protocol: tcp, outside: \"198.51.100.101:80\", inside: \"10.0.0.50:80\", fullnat: true")),
	  5, "port_mappings: unknown key \"fullnat\"", "did you mean \"full_nat\"?" },
	{ MAPPING("tpc", "198.51.100.101:80", "10.0.0.50:80"), 5, "port_mappings.protocol: \"tpc\"",
	  "did you mean \"tcp\"?" },
	{ MAPPING("icmp", "198.51.100.101:80", "10.0.0.50:80"), 5,
	  "port_mappings.protocol: \"icmp\" is not known here", "one of: tcp, udp, both" },
	{ MAPPING("sctp", "198.51.100.101:80", "10.0.0.50:80"), 5,
	  "port_mappings.protocol: \"sctp\" is not known here", "one of: tcp, udp, both" },

	/* Addresses. */
	{ RESERVATION("inside: lan0, outside: 198.51.100.101"), 5, "reservations.inside: \"lan0\" is not an",
	  "IPv4 address" },
	{ RESERVATION("inside: 10.0.0.0/24, outside: 198.51.100.101"), 5,
	  "reservations.inside: \"10.0.0.0/24\" is not an address", "IPv4 address" },
	{ RESERVATION("inside: 10.0.0.011, outside: 198.51.100.101"), 5, "\"10.0.0.011\" is not an address",
	  "IPv4 address" },
	{ RESERVATION("inside: 10.0.0.11, outside: "), 5, "reservations.outside: it has no value",
	  "IPv4 address" },
	{ RESERVATION("inside: 10.0.0.11, outside: 0.0.0.0"), 5,
	  "reservations.outside: \"0.0.0.0\" names an address that no host can have", "198.51.100.101" },
	{ RESERVATION("inside: 127.0.0.1, outside: 198.51.100.101"), 5,
	  "reservations.inside: \"127.0.0.1\" names an address that no host can have", "IPv4 address" },

	/* Addresses and ports. */
	{ MAPPING("tcp", "198.51.100.101", "10.0.0.50:80"), 5,
	  "port_mappings.outside: \"198.51.100.101\" is not an address and ports",
	  "write \"198.51.100.101:8080\", or \"wan0:5000-5009\" with an outside interface" },
	{ MAPPING("tcp", "8080", "10.0.0.50:80"), 5, "\"8080\" is not an address and ports", "8080" },
	{ MAPPING("tcp", ":8080", "10.0.0.50:80"), 5, "\":8080\" is not an address and ports", "8080" },
	{ MAPPING("tcp", "198.51.100.101:", "10.0.0.50:80"), 5, "is not an address and ports", "8080" },
	{ MAPPING("tcp", "198.51.100.101:http", "10.0.0.50:80"), 5, "is not an address and ports", "8080" },
	{ MAPPING("tcp", "198.51.100.101:080", "10.0.0.50:80"), 5, "is not an address and ports", "8080" },
	{ MAPPING("tcp", "198.51.100.101:80-", "10.0.0.50:80"), 5, "is not an address and ports", "8080" },
	{ MAPPING("tcp", "198.51.100.101:80:81", "10.0.0.50:80"), 5, "is not an address and ports", "8080" },
	{ MAPPING("tcp", "sixteen_letters_:80", "10.0.0.50:80"), 5, "is not an address and ports", "8080" },
	{ MAPPING("tcp", "198.51.100.101:0", "10.0.0.50:80"), 5, "has port 0 in it", "8080" },
	{ MAPPING("tcp", "198.51.100.101:80", "10.0.0.50:0-5"), 5,
	  "port_mappings.inside: \"10.0.0.50:0-5\" has port 0 in it", "10.0.0.50:5000-5009" },
	{ MAPPING("tcp", "198.51.100.101:65536", "10.0.0.50:80"), 5, "goes beyond port 65535", "8080" },
	{ MAPPING("tcp", "198.51.100.101:90-80", "10.0.0.50:80"), 5, "ends before it begins", "5000-5009" },
	{ MAPPING("tcp", "0.0.0.0:8080", "10.0.0.50:80"), 5,
	  "port_mappings.outside: \"0.0.0.0:8080\" names no address",
	  "an interface's own addresses write its name, such as \"eth0:8080\"" },
	{ MAPPING("tcp", "255.255.255.255:80", "10.0.0.50:80"), 5, "that no host can have", "8080" },
	{ MAPPING("tcp", "198.51.100.101:80", "0.0.0.0:80"), 5, "does not begin with a host's address",
	  "10.0.0.50:80" },
	{ MAPPING("tcp", "198.51.100.101:80", "lan0:80"), 5,
	  "port_mappings.inside: \"lan0:80\" does not begin with a host's address", "10.0.0.50:80" },
	{ MAPPING("udp", "198.51.100.101:5000-5009", "10.0.0.50:6000-6008"), 5,
	  "port_mappings: 10 outside, but 9 inside ports", "the first inside port alone" },
	{ MAPPING("udp", "198.51.100.101:5000-5009", "10.0.0.50:6000-6000"), 5,
	  "port_mappings: 10 outside, but 1 inside ports", "as many inside as outside" },
	{ MAPPING("udp", "198.51.100.101:5000", "10.0.0.50:6000-6001"), 5,
	  "port_mappings: 1 outside, but 2 inside ports", "as many inside as outside" },
	{ MAPPING("udp", "198.51.100.101:5000-5009", "10.0.0.50:65527"), 5,
	  "port_mappings: 10 ports from inside port 65527 on go beyond port 65535", "65526 or below" },
};

static const struct refusal places[] = {
	{ RESERVATION("inside: 10.0.0.11, outside: 198.51.100.110"), 5,
	  "reservations: the outside address 198.51.100.110 lies in no pool", "add it to the pool" },
	{ MAPPING("tcp", "198.51.100.100:80", "10.0.0.50:80"), 5,
	  "port_mappings: the outside address 198.51.100.100 lies in no pool", "add it to the pool" },
	{ RESERVATION("inside: 198.51.100.109, outside: 198.51.100.101"), 5,
	  "reservations: the inside address 198.51.100.109 lies in the pool of wan0", "inside or outside" },
	{ UPLINKS MAPPED(PORTS("tcp", "wan1:80", "198.51.100.101:80")), 6,
	  "port_mappings: the inside address 198.51.100.101 lies in the pool of wan0", "inside or outside" },
	{ RESERVATION("inside: 10.1.0.11, outside: 198.51.100.101"), 5,
	  "reservations: the inside address 10.1.0.11 lies in no inside network", "add its network" },
	{ MAPPING("tcp", "198.51.100.101:80", "10.1.0.50:80"), 5,
	  "port_mappings: the inside address 10.1.0.50 lies in no inside network", "add its network" },
	{ RESERVATION("inside: 10.0.0.11, outside: 10.0.0.12"), 5,
	  "reservations: the outside address 10.0.0.12 lies in the inside network 10.0.0.0/16 of lan0 on "
	  "line 3",
	  "inside or outside" },
	{ MAPPING("tcp", "wan2:80", "10.0.0.50:80"), 5,
	  "port_mappings: \"wan2\" is neither an address nor an outside interface",
	  "the outside interfaces are: wan0" },
	{ OWN MAPPED(PORTS("tcp", "lan0:80", "10.0.0.50:80")), 6,
	  "port_mappings: \"lan0\" is neither an address nor an outside interface",
	  "the outside interfaces are: wan0, wan1" },
	{ MAPPING("tcp", "198.51.100.256:80", "10.0.0.50:80"), 5,
	  "\"198.51.100.256\" is neither an address nor an outside interface", "are: wan0" },
	{ MAPPING("tcp", "w\\e[1m:80", "10.0.0.50:80"), 5, "\"w?[1m\" is neither an address nor",
	  "are: wan0" },

	/* What the list of interfaces lacks does not count while something in it is refused. */
	{ "interfaces:\n  - {name: wan0, role: outside, pool: [192.0.2.1/30]}\n  - {name: lan0, role: "
	  "inside}\n"
	  "reservations: [{inside: 10.0.0.11, outside: 192.0.2.1}]\n",
	  2, "bits set beyond the length", "192.0.2.0/30" },
	{ "interfaces:\n  - {name: wan0, role: outside, pool: [192.0.2.1, 192.0.2.1]}\n"
	  "  - {name: lan0, role: inside}\nreservations: [{inside: 10.0.0.11, outside: 192.0.2.9}]\n",
	  2, "overlaps", "one pool, once" },
};

static const struct refusal conflicts[] = {
	/* Reservations among themselves. */
	{ POOLS RESERVED(ONE("10.0.0.11", "198.51.100.101") ONE("10.0.0.12", "198.51.100.101")
				 ONE("10.0.0.11", "198.51.100.102")),
	  7, "reservations: 10.0.0.11 has one already on line 5", "one reservation" },
	{ POOLS RESERVED(HOST("inside: 10.0.0.12, outside: 198.51.100.101, inbound: true")
				 ONE("10.0.0.11", "198.51.100.101")),
	  6, "reservations: 198.51.100.101 is reserved for 10.0.0.12 already on line 5", "take another" },
	{ POOLS RESERVED(ONE("10.0.0.11", "198.51.100.101") ONE("10.0.0.12", "198.51.100.102")
				 HOST("inside: 10.0.0.13, outside: 198.51.100.101, address_only: true")),
	  7, "reservations: 198.51.100.101 is reserved for 10.0.0.11 already on line 5",
	  "with inbound or address_only" },

	/* A port mapping on an address whose ports stay as they are. */
	{ POOLS RESERVED(HOST("inside: 10.0.0.11, outside: 198.51.100.101, address_only: true"))
		  MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.12:80")),
	  7, "port_mappings: 198.51.100.101 is reserved for 10.0.0.11, with address_only on line 5",
	  "take another address" },
	{ POOLS RESERVED(HOST("inside: 10.0.0.11, outside: 198.51.100.101, address_only: true"))
		  MAPPED(PORTS("tcp", "198.51.100.101:80-89", "10.0.0.11:81")),
	  7, "port_mappings: 198.51.100.101 is reserved for 10.0.0.11, with address_only on line 5",
	  "the same ports inside and outside" },

	/* An interface on which each host has an address to itself: so has each that is reserved. */
	{ ALONE RESERVED(ONE("10.0.0.11", "198.51.100.101") ONE("10.0.0.12", "198.51.100.101")), 6,
	  "reservations: 198.51.100.101 is reserved for 10.0.0.11 already on line 5", "take another" },
	{ ALONE MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")), 5,
	  "port_mappings: wan0 is address_only",
	  "reserve an address of it for the host, with inbound: true" },
	{ ALONE MAPPED(HOST("protocol: tcp, outside: \"198.51.100.101:80\", inside: \"10.0.0.50:80\", "
			    "full_nat: true")),
	  5, "port_mappings: wan0 is address_only", "reserve an address of it for the host" },
	{ ALONE MAPPED(PORTS("tcp", "wan0:80", "10.0.0.50:80")), 5, "port_mappings: wan0 is address_only",
	  "an address of another interface" },
	{ ALONE RESERVED(ONE("10.0.0.11", "198.51.100.101"))
		  MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.12:80")),
	  7, "port_mappings: 198.51.100.101 is reserved for 10.0.0.11, with address_only on line 5",
	  "lead to that host" },

	/* Outside ports. */
	{ POOLS MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")
			       PORTS("tcp", "198.51.100.101:80", "10.0.0.51:80")),
	  6, "port_mappings: tcp 198.51.100.101:80 overlaps 198.51.100.101:80 on line 5", "one inside host" },
	{ POOLS MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")
			       PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")),
	  6, "port_mappings: tcp 198.51.100.101:80 overlaps 198.51.100.101:80 on line 5", "once" },
	{ POOLS MAPPED(PORTS("both", "198.51.100.101:90-99", "10.0.0.50:90")
			       PORTS("udp", "198.51.100.101:85-90", "10.0.0.51:1")),
	  6, "port_mappings: udp 198.51.100.101:85-90 overlaps 198.51.100.101:90-99 on line 5", "once" },
	{ POOLS MAPPED(PORTS("both", "198.51.100.101:80", "10.0.0.50:80")
			       PORTS("both", "198.51.100.101:80", "10.0.0.51:80")),
	  6, "port_mappings: tcp 198.51.100.101:80 overlaps", "once" },
	{ OWN MAPPED(PORTS("tcp", "wan1:80", "10.0.0.50:80") PORTS("tcp", "wan1:70-80", "10.0.0.51:70")), 7,
	  "port_mappings: tcp wan1:70-80 overlaps wan1:80 on line 6", "once" },

	/* An inside endpoint has one outside endpoint on an interface. */
	{ POOLS MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")
			       PORTS("tcp", "198.51.100.101:81", "10.0.0.50:80")),
	  6,
	  "port_mappings: tcp 10.0.0.50:80 has an outside endpoint already, by 198.51.100.101:80 on line 5",
	  "RFC 4787 REQ-1" },
	{ POOLS MAPPED(PORTS("both", "198.51.100.101:80-89", "10.0.0.50:1080")
			       PORTS("udp", "198.51.100.102:1", "10.0.0.50:1089")),
	  6, "udp 10.0.0.50:1089 has an outside endpoint already, by 198.51.100.101:80-89 on line 5",
	  "a second inside port" },
	{ UPLINKS MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")
				 PORTS("tcp", "wan0:80", "10.0.0.50:80")),
	  7, "10.0.0.50:80 has an outside endpoint already, by 198.51.100.101:80 on line 6", "REQ-1" },
	{ UPLINKS MAPPED(PORTS("tcp", "192.0.2.1:80", "10.0.0.50:80")
				 PORTS("tcp", "wan1:80", "10.0.0.50:80")),
	  7, "10.0.0.50:80 has an outside endpoint already, by 192.0.2.1:80 on line 6", "REQ-1" },
	{ OWN MAPPED(PORTS("tcp", "192.0.2.1:80", "10.0.0.50:80")
			     PORTS("tcp", "192.0.2.1:81", "10.0.0.50:80")),
	  7, "10.0.0.50:80 has an outside endpoint already, by 192.0.2.1:80 on line 6", "REQ-1" },
};

/* Each of these is near to something that is refused. */
static const char *const accepted[] = {
	BASE "reservations:\nport_mappings: []\n",
	POOLS RESERVED(ONE("10.0.0.11", "198.51.100.101") ONE("10.0.0.12", "198.51.100.101")),
	POOLS RESERVED(HOST("inside: 10.0.0.11, outside: 198.51.100.101, inbound: yes, address_only: yes")
			       HOST("inside: 10.0.0.12, outside: 198.51.100.102, inbound: no")),
	BASE RESERVED(ONE("10.0.0.11", "192.0.2.1")),
	UPLINKS RESERVED(ONE("10.0.0.11", "192.0.2.1") ONE("10.9.0.11", "198.51.100.101")),
	/* A mapping comes before what is inbound; where ports stay, it may say so. */
	POOLS RESERVED(HOST("inside: 10.0.0.11, outside: 198.51.100.101, inbound: true"))
		MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.12:8080")),
	POOLS RESERVED(HOST("inside: 10.0.0.11, outside: 198.51.100.101, address_only: true"))
		MAPPED(PORTS("both", "198.51.100.101:80-89", "10.0.0.11:80")),
	/* Neighbours; the other protocol; the other place. */
	POOLS MAPPED(PORTS("tcp", "198.51.100.101:80-89", "10.0.0.50:80")
			     PORTS("tcp", "198.51.100.101:90", "10.0.0.51:90")
				     PORTS("udp", "198.51.100.101:80-89", "10.0.0.52:80")
					     PORTS("tcp", "198.51.100.102:80-89", "10.0.0.53:80")
						     PORTS("tcp", "wan0:80-89", "10.0.0.54:80")),
	POOLS MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")
			     PORTS("udp", "198.51.100.102:90", "10.0.0.50:80")),
	/* One endpoint on two interfaces, or on own addresses that may be of two. */
	UPLINKS MAPPED(PORTS("tcp", "198.51.100.101:80", "10.0.0.50:80")
			       PORTS("tcp", "wan1:80", "10.0.0.50:80")),
	OWN MAPPED(PORTS("tcp", "wan0:80", "10.0.0.50:80") PORTS("tcp", "wan1:80", "10.0.0.50:80")),
	OWN MAPPED(PORTS("tcp", "192.0.2.1:80", "10.0.0.50:80") PORTS("tcp", "192.0.2.2:80", "10.0.0.50:80")),
	MAPPING("udp", "198.51.100.101:5000-5009", "10.0.0.50:65526"),
	MAPPING("udp", "198.51.100.101:5000-5009", "10.0.0.50:6000-6009"),
	MAPPING("udp", "198.51.100.101:1-65535", "10.0.0.50:1-65535"),
	MAPPING("udp", "198.51.100.101:80-80", "10.0.0.50:80-80"),
	POOLS "port_mappings: [{inside: 10.0.0.50:80, outside: 198.51.100.101:80, protocol: tcp}]\n",
};

static void values_are_checked(void **state)
{
	(void)state;
	assert_refusals(shapes, ARRAY_SIZE(shapes));
}

static void places_are_checked(void **state)
{
	(void)state;
	assert_refusals(places, ARRAY_SIZE(places));
}

static void conflicts_are_refused(void **state)
{
	(void)state;
	assert_refusals(conflicts, ARRAY_SIZE(conflicts));
}

/* The one that ends furthest is not the one just before. */
static void each_overlap_is_told(void **state)
{
	static const char text[] = POOLS MAPPED(
		PORTS("tcp", "198.51.100.101:1000-2000", "10.0.0.50:1000")
			PORTS("tcp", "198.51.100.101:1500", "10.0.0.51:1")
				PORTS("udp", "198.51.100.101:1600", "10.0.0.51:2")
					PORTS("tcp", "198.51.100.102:1700", "10.0.0.51:3")
						PORTS("tcp", "198.51.100.101:2000-2001", "10.0.0.51:4")
							PORTS("tcp", "198.51.100.101:2002", "10.0.0.51:6"));
	struct settings_report report;
	struct settings *settings;

	(void)state;
	assert_int_equal(parse(text, &settings, &report), -EINVAL);
	assert_int_equal(report.count, 2);
	assert_int_equal(report.notes[0].line, 6);
	assert_int_equal(report.notes[1].line, 9);
	assert_non_null(strstr(report.notes[1].what, "overlaps 198.51.100.101:1000-2000 on line 5"));
}

static void what_is_right_is_taken_and_printed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
		assert_round_trip(accepted[i]);
}

static void every_field_is_read(void **state)
{
	static const char text[] =
		"interfaces:\n"
		"  - {name: '\"wan', role: outside}\n"
		"  - {name: lan0, role: inside}\n" RESERVED(
			ONE("10.0.0.11", "198.51.100.101")
				HOST("inside: 10.0.0.12, outside: 198.51.100.102, inbound: true") HOST(
					"inside: 10.0.0.13, outside: 198.51.100.103, address_only: true"))
			MAPPED(PORTS("tcp", "198.51.100.101:8080", "10.0.0.50:80")
				       PORTS("both", "\\\"wan:27000-27015", "10.0.0.60:27000-27015")
					       HOST("protocol: udp, outside: \"198.51.100.101:5000-5009\", "
						    "inside: \"10.0.0.50:6000\", full_nat: true"));
	struct settings *settings = parsed(text);
	const struct settings_reservation *r = settings->reservations;
	const struct settings_port_mapping *m = settings->port_mappings;

	(void)state;
	assert_round_trip(text);
	assert_int_equal(settings->reservation_count, 3);
	assert_int_equal(r[0].inside.s_addr, inet_addr("10.0.0.11"));
	assert_int_equal(r[0].outside.s_addr, inet_addr("198.51.100.101"));
	assert_false(r[0].inbound || r[0].address_only || r[1].address_only || r[2].inbound);
	assert_true(r[1].inbound && r[2].address_only);
	assert_int_equal(r[2].line, 7);
	assert_int_equal(settings->port_mapping_count, 3);
	assert_int_equal(m[0].protocols, SETTINGS_TCP);
	assert_string_equal(m[0].interface, "");
	assert_int_equal(m[0].outside.s_addr, inet_addr("198.51.100.101"));
	assert_int_equal(m[0].inside.s_addr, inet_addr("10.0.0.50"));
	assert_int_equal(m[0].outside_port, 8080);
	assert_int_equal(m[0].inside_port, 80);
	assert_int_equal(m[0].count, 1);
	assert_int_equal(m[0].line, 9);
	assert_int_equal(m[1].protocols, SETTINGS_TCP | SETTINGS_UDP);
	assert_string_equal(m[1].interface, "\"wan");
	assert_int_equal(m[1].outside.s_addr, 0);
	assert_int_equal(m[1].count, 16);
	assert_int_equal(m[2].protocols, SETTINGS_UDP);
	assert_int_equal(m[2].outside_port, 5000);
	assert_int_equal(m[2].inside_port, 6000);
	assert_int_equal(m[2].count, 10);
	assert_true(m[2].full_nat && !m[0].full_nat);
	settings_free(settings);
}

/* `count` items behind two interfaces; row() writes one. Freed by the caller. */
static char *many(const char *list, unsigned int count, void (*row)(FILE *file, unsigned int i))
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	fprintf(file, BASE "%s:\n", list);
	for (unsigned int i = 0; i < count; i++)
		row(file, i);
	fclose(file);
	return text;
}

static void reservation_row(FILE *file, unsigned int i)
{
	fprintf(file, HOST("inside: 10.1.%u.%u, outside: 198.51.%u.%u, inbound: true"), i / 256, i % 256,
		i / 256, i % 256);
}

static void port_row(FILE *file, unsigned int i)
{
	fprintf(file, PORTS("tcp", "198.51.100.%u:%u", "10.%u.%u.%u:65535"), 101 + i / 65535,
		65535 - i % 65535, i / 65536, i / 256 % 256, i % 256);
}

/* Of both protocols, 32768 ports each. */
static void half_row(FILE *file, unsigned int i)
{
	fprintf(file, PORTS("both", "198.51.100.%u:32768-65535", "10.1.0.%u:32768"), i + 1, i + 1);
}

static void same_row(FILE *file, unsigned int i)
{
	(void)i;
	fputs(PORTS("both", "wan0:80", "10.0.0.50:80"), file);
}

static void same_host_row(FILE *file, unsigned int i)
{
	fprintf(file, HOST("inside: 10.1.%u.%u, outside: 198.51.100.101, inbound: true"), i / 256, i % 256);
}

static void numbers_are_bounded(void **state)
{
	static const struct {
		const char *list;
		void (*row)(FILE *file, unsigned int i);
		unsigned int most;
		const char *what, *mend;
	} rows[] = {
		{ "reservations", reservation_row, SETTINGS_RESERVATIONS_MAX, "reservations: more than 16384",
		  "16384 is the most" },
		{ "port_mappings", half_row, 2, "with this one, 196608 ports are mapped", "may map 131072" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *most = many(rows[i].list, rows[i].most, rows[i].row);
		char *more = many(rows[i].list, rows[i].most + 1, rows[i].row);
		struct settings_report report;
		struct settings *settings;

		assert_round_trip(most);
		assert_int_equal(parse(more, &settings, &report), -EINVAL);
		if (!note_is(&report, 5 + rows[i].most, rows[i].what, rows[i].mend)) {
			settings_report_print(stdout, "error", &report);
			fail_msg("%s", rows[i].list);
		}
		free(most);
		free(more);
	}
}

/* Neither right ones nor wrong ones take quadratic time, which would be minutes. */
static void many_are_checked_soon(void **state)
{
	struct settings_report report;
	struct settings *settings;
	char *text = many("port_mappings", 60000, port_row);

	(void)state;
	alarm(40);
	settings_free(parsed(text));
	free(text);
	text = many("port_mappings", 10000, same_row);
	assert_int_equal(parse(text, &settings, &report), -EINVAL);
	assert_int_equal(report.count, SETTINGS_NOTES_MAX);
	free(text);
	text = many("reservations", SETTINGS_RESERVATIONS_MAX, same_host_row);
	assert_int_equal(parse(text, &settings, &report), -EINVAL);
	assert_int_equal(report.count, SETTINGS_NOTES_MAX);
	free(text);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(places_are_checked),
		cmocka_unit_test(conflicts_are_refused),
		cmocka_unit_test(each_overlap_is_told),
		cmocka_unit_test(what_is_right_is_taken_and_printed),
		cmocka_unit_test(every_field_is_read),
		cmocka_unit_test(numbers_are_bounded),
		cmocka_unit_test(many_are_checked_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
