/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * types.h - the data that the BPF programs, the native core, the daemon and the command line share.
 *
 * Everything here lies in memory that the kernel's programs and the daemon map at the same time: each type is
 * typed once, has no hidden padding, and its size is asserted. LAYOUT_VERSION changes with any of them.
 *
 * Words are those of RFC 2663, 4787, 6888 and 8512; the dictionary is in doc/design.md.
 */
#pragma once
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

enum { LAYOUT_VERSION = 8 };

/* Fixed limits. Sizes of the arrays come from the configuration. */
enum {
	MAX_OUTSIDE = 16, /* outside interfaces; their number is the generation's index */
	MAX_INSIDE = 64,  /* inside interfaces: numbers MAX_OUTSIDE.. */
	MAX_INTERFACES = MAX_OUTSIDE + MAX_INSIDE,
	INTERFACE_BUCKETS = 256, /* ifindex -> number, open addressing */
	INTERFACE_PROBES = 8,
	MAX_NETWORKS = 64,	   /* inside networks that the administrator named */
	MAX_PASS_THROUGH = 32,	   /* networks that are not translated to */
	MAX_POOL_ADDRESSES = 4096, /* outside addresses of all interfaces */
	POOL_BUCKETS = 4096,	   /* per interface: where the hash of a host lands */
	ADDRESS_PROBES = 16,	   /* candidate places of an address in the address table */
	FRAGMENT_SLOTS = 16384, /* half for what first fragments told, half for the order: see fragment.h */
	NEXT_HOPS = 4096,	/* a lease has room for their numbers: see lease.h */
	HELD_SYNS = 1024,	/* a power of two: see held.h */
	IDENTIFICATIONS = 2048, /* counters, a power of two: see identify() */
	PORT_WORDS = 1024,	/* 65536 ports, 64 to a word */
	PORT_SUMMARIES = PORT_WORDS / 64,	 /* one bit for each full word */
	PORT_AREA = PORT_WORDS + PORT_SUMMARIES, /* words of one bitmap */
	ADDRESS_WORDS = MAX_POOL_ADDRESSES / 64, /* a bit for each outside address */
	SERVER_WORDS = 64,
	BLOCK_MIN = 64,			      /* ports of a block that is lent: as many, or more */
	BLOCK_WORDS = PORT_WORDS / BLOCK_MIN, /* a bit for each block of an outside address */
	MAX_BLOCKS = 16,		      /* that one host may have */
	MAX_SPREAD = 16, /* outside addresses over which one host's own ports are spread */
	NO_INTERFACE = 0xff,
	MAX_CPUS = 1024,
};

/* The tables in slots; see table.h. */
enum table { TABLE_FLOWS, TABLE_MAPPINGS, TABLE_HOSTS, TABLE_FRAGMENTS };

/* What has ports of its own: mappings are per class (RFC 7857 section 5). The rare ones share one port bitmap (ports.h). */
enum class { CLASS_UDP, CLASS_TCP, CLASS_ICMP, CLASS_DCCP, CLASS_SCTP, CLASS_UDPLITE, CLASSES };
enum { CLASS_BLOCK = CLASSES + 1 }; /* in the table of mappings alone: a block that is lent, see mapping.h */
enum { PORT_AREAS = CLASS_DCCP + 1 }; /* port bitmaps of an outside address */
enum { ACCOUNTS = CLASS_ICMP + 1 };   /* limits: what connects counts as TCP, all else as UDP */
enum { FILTERINGS = CLASS_ICMP + 1 }; /* the rare ones are filtered as TCP or UDP is */

enum role { ROLE_NONE, ROLE_INSIDE, ROLE_OUTSIDE };
enum direction { DIRECTION_OUT, DIRECTION_IN, DIRECTION_PERMIT };
enum filtering { FILTERING_EIF, FILTERING_ADF, FILTERING_EDF };
enum verdict { VERDICT_PASS, VERDICT_TRANSLATE, VERDICT_DROP, VERDICT_ANSWER, VERDICT_DIVERT };

/* In the byte `own` of an entry, beside 1: the inside endpoint is the router's own. */
enum {
	OWN_ROUTER = 1,
	FLOW_HAIRPIN = 2, /* inbound: its remote is an outside address of ours */
	FLOW_ENDED = 4,	  /* outbound: what is left of a TCP connection whose inside end does not know yet */
	FLOW_CALL = 64,	  /* of a call: a reset of flows does not end it, see call.h */
	OWN_FIXED = 8,	  /* mapping, host: the configuration made it; no reset and no idle time ends it */
	OWN_SAME_PORTS = 16, /* host: its ports stay as they are, and all protocols are translated */
	OWN_FULL = 32,	     /* mapping: of full NAT; flow: of its session, opened from outside */
};

/* One line of any table: the word that decides, then key, then value (sizes by table, see slot_layout()). */
struct slot {
	u64 word;
	u64 data[];
};

enum { REALM_CLAIM = 1 };
/*
 * A flow: one direction of a session, as its packets look on the wire before translation.
 * direction DIRECTION_OUT:    inside endpoint -> remote; addr and port are the new source
 * direction DIRECTION_IN:     remote -> outside endpoint; addr and port are the new destination
 * direction DIRECTION_PERMIT: (address-dependent filtering) saddr = remote, sport = 0, daddr and dport the outside
 *                             endpoint: the mapping has sent to that address
 * Where there is an SPI, it stands for both ports, and DIRECTION_PERMIT says who sent with it; REALM_CLAIM: see spi.h. Of a call,
 * its id stands for the port of whom a packet is for: see call.h.
 * ICMP queries: the identifier is the port of the inside (outside) endpoint, the remote's port is 0.
 */
struct flow {
	u64 word;
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	u8 protocol;
	u8 direction;
	u16 realm;    /* 0, or REALM_CLAIM */
	u8 interface; /* the outside interface */
	u8 own;	      /* OWN_*, FLOW_* */
	u16 idle_max; /* ticks after which an inserter may take the slot */
	u32 peer;     /* slot of the other direction; a hint, checked by flow_is_peer() */
	__be32 addr;
	__be16 port;
	u16 index;   /* of the outside address: see config.left */
	u32 mapping; /* slot of the mapping's inside half */
	u32 lease;   /* by which way its packets may leave without the kernel, and since when: see lease.h */
	u64 packets;
	u64 bytes; /* of IP packets, from the IP header on */
};
_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");

/*
 * A mapping is two halves that point at each other. The inside half is found by (class, inside endpoint,
 * interface), the outside half by (class, outside endpoint, interface); the outside half is the claim on the port.
 */
enum { HALF_INSIDE = 0, HALF_OUTSIDE = 0x80 };
struct mapping {
	u64 word;
	__be32 key_addr;
	__be16 key_port;
	u8 class;
	u8 half; /* HALF_* | number of the outside interface */
	u8 interface;
	u8 own;	     /* OWN_* */
	__be16 port; /* of the other half: outside port in the inside half, inside port in the outside half */
	__be32 addr;
	u32 host;    /* inside half: slot of the host, a hint; OWN_FULL: the address for its clients */
	u32 created; /* tick */
};
_Static_assert(sizeof(struct mapping) == 32, "two halves to a cache line");

/*
 * An inside address with the outside address that it keeps on one outside interface. Beside it, where the outside address is
 * the host's alone, the reverse: HOST_OUTSIDE in the key, inside and outside changed about.
 */
enum { HOST_OUTSIDE = 0x80 };
struct host {
	u64 word;
	__be32 inside;
	u8 key_interface;
	u8 key_zero[3];
	u8 interface;
	u8 own;	   /* OWN_* */
	u16 index; /* of the outside address: which port bitmaps */
	__be32 outside;
	u32 created; /* tick */
	u32 zero;
	u64 account[4]; /* see account.h */
};
_Static_assert(sizeof(struct host) == 64, "a host is one cache line");

/*
 * What the first fragment of a datagram told: the ports that its later fragments do not carry. With FRAGMENT_ORDER in the
 * direction, what the one that came first told: whether the datagram comes in order.
 */
enum { FRAGMENT_ORDER = 0x80 };
enum { FRAGMENT_PORTS = 1, FRAGMENT_IN_ORDER, FRAGMENT_DIVERTED };
#define DEFRAG_MAC 0x02, 0, 0, 0, 0, 0x01 /* of the device within the namespace, see daemon/defrag.h */
struct fragment {
	u64 word;
	__be32 saddr;
	__be32 daddr;
	__be16 id;
	u8 protocol;
	u8 direction;
	u32 key_zero;
	u8 interface;
	u8 told;       /* FRAGMENT_PORTS, or of the order, FRAGMENT_IN_ORDER or FRAGMENT_DIVERTED */
	__be16 new_id; /* of the datagram as it leaves; inbound: 0 */
	__be16 sport;
	__be16 dport;
};
_Static_assert(sizeof(struct fragment) == 32, "two fragments to a cache line");

/* A way by which the kernel sent a packet; see lease.h. */
struct next_hop {
	u64 word;     /* bit 63: whole; 62..20: version; 19..0: tick of the last lease to it */
	u8 frame[12]; /* the Ethernet header: destination, source */
	u16 mtu;      /* of the device */
	u8 from;      /* number of the interface by which the packets come */
	u8 can;	      /* HOP_* */
	u32 ifindex;
	u32 mark;     /* of the packet, for what looks at it at the egress */
	u32 priority; /* and its priority, or PRIORITY_BY_SERVICE */
	u32 zero2;
	u64 room[3];
};
_Static_assert(sizeof(struct next_hop) == 64, "a next hop is one cache line");
/* HOP_REDIRECT: a frame that XDP redirects there misses nothing, for the device takes it, and it has no mark or class. */
enum { HOP_REDIRECT = 1 };
enum { VIRTUAL_MTU = 1500 };		   /* that all devices have where time is virtual */
enum { PRIORITY_BY_SERVICE = 0x7fffffff }; /* by the packet's type of service, as the kernel has it */

/* A connection from outside that nobody wanted, and where its first packet came in. */
union held_head {
	u64 word[2];
	struct {
		__be32 remote;
		__be32 outside;
		__be16 remote_port;
		__be16 outside_port;
		u8 interface; /* number */
		u8 protocol;
		u16 length; /* bytes of the packet that are kept */
	};
};

/* A SYN that waits for what becomes of it; see held.h. As much of it as a whole number of lines holds. */
enum { HELD_BYTES = 168 };
struct held {
	u64 word; /* bit 63: taken; 62: whole; 19..0: tick when it came */
	union held_head head;
	u8 packet[HELD_BYTES]; /* from its IP header on */
};
_Static_assert(sizeof(struct held) == 192, "a held SYN is three cache lines");

/* What ends leases, in the one word that the daemon stores. */
union lease_watch {
	u64 word;
	struct {
		u32 looked;  /* tick when the daemon last looked */
		u32 changed; /* tick when what leases rest on last changed */
	};
};

/* One outside address, packed into the 64 bits that one store replaces; 0: none. See address_pack(). */
enum {
	ADDRESS_LIVE = 1,     /* it is on the interface */
	ADDRESS_POOL = 2,     /* hosts may have it */
	ADDRESS_LOCAL = 4,    /* it is the interface's own: the router answers there */
	ADDRESS_RESERVED = 8, /* only those have it who have it by reservation */
	ADDRESS_INBOUND = 16, /* and what comes in is theirs */
	ADDRESS_CLIENTS = 32, /* an inside one of the router's, for clients of full NAT */
};

struct outside_address {
	__be32 addr;
	u16 index; /* of its port bitmaps: 0 .. config.addresses - 1 */
	u8 interface;
	u8 flags; /* ADDRESS_*; 0: no entry */
};
_Static_assert(sizeof(struct outside_address) == 8, "an address changes by one store");

/*
 * Whether known flows pass without the kernel's routing (lease.h); if they do, also: whether they are met at XDP first, and
 * whether the device sends what XDP redirects to it, and whether sessions are made there, too (bpf/all.bpf.c).
 */
enum { FAST_OFF = 0, FAST_TC = 1, FAST_XDP = 2, FAST_TARGET = 4, FAST_ALL = 8 };

struct interface {
	u32 ifindex;
	u8 role;
	u8 number; /* its index in config.interfaces; below MAX_OUTSIDE for outside interfaces */
	u8 listed; /* inside: only config.networks are inside here */
	u8 fast;   /* FAST_* */
};

struct prefix {
	__be32 addr;
	__be32 mask;
};

/* One aligned word, which programs read while it changes. */
union prefix_word {
	u64 word;
	struct prefix prefix;
};

/* How deterministic NAT shares ports out: RFC 7422's numbers, see shares.h. */
enum algorithm { ALGORITHM_SEQUENTIAL, ALGORITHM_STAGGERED, ALGORITHM_ROUND_ROBIN, ALGORITHM_INTERLACED };

/*
 * Which ports of an outside interface a host may have, where not all of them: its own ones, and blocks that are lent to it.
 * All zero: whichever is free.
 */
struct shares {
	u32 inside;    /* the first inside address that has ports of its own, in host byte order */
	u32 hosts;     /* and how many have; 0: none */
	u32 addresses; /* outside addresses; the pool's buckets have them by their numbers */
	u32 ratio;     /* hosts to each of them */
	u32 each;      /* ports of a host */
	u16 first;     /* the first port that is anybody's */
	u16 algorithm;
	u16 block_size; /* ports; block n begins at n * block_size */
	u16 block_first;
	u16 block_count; /* 0: none is lent */
	u16 block_max;	 /* to one host */
};
_Static_assert(sizeof(struct shares) == 32, "no hidden padding");

/* Timers in ticks; names and defaults of RFC 8512. */
struct timers {
	u32 udp_timeout;
	u32 tcp_idle_timeout;
	u32 tcp_trans_open_timeout;
	u32 tcp_trans_close_timeout;
	u32 tcp_in_syn_timeout;
	u32 icmp_timeout;
	u32 fragment_min_timeout;
	u32 hold_down_timeout;
	u32 host_retention_timeout;
	u32 hold_down_max; /* ports that rest; 0: any number */
};

/* Of mappings and sessions of a host at most so many; 0: any number. */
struct limit {
	u32 mappings;
	u32 sessions;
};

struct limits {
	u32 on;			       /* there are any */
	u32 new_mappings;	       /* of a host in a tick */
	struct limit all;	       /* of all classes together */
	struct limit by[ACCOUNTS + 1]; /* none in the last: it is there for who has two bits as an index */
};

/*
 * The configuration as the data path sees it. The daemon is its only writer, but for the end of it; what changes while
 * packets run is one aligned store each: generations, interfaces, addresses (in their own array), timers.
 */
struct config {
	u32 layout;    /* LAYOUT_VERSION */
	u32 tick_mul;  /* tick = jiffies * tick_mul >> 24: one second */
	u64 seed[4];   /* of the tables' hash; secret */
	u32 flow_mask; /* slots - 1 */
	u32 mapping_mask;
	u32 host_mask;
	u32 fragment_mask;
	u32 address_mask;
	u32 addresses;		     /* port bitmaps there are */
	u64 generation[MAX_OUTSIDE]; /* see generation_*() in table.h */
	u64 watch;		     /* union lease_watch: how long leases hold */
	u32 pass[2];		 /* secret: what a translated packet carries to the next device's egress */
	u64 left[ADDRESS_WORDS]; /* a bit an index: its address has left, and no flow with it exists */
	struct interface interfaces[MAX_INTERFACES];
	struct interface buckets[INTERFACE_BUCKETS];
	u8 stations[MAX_INTERFACES][8]; /* hardware addresses, and two zeros */
	struct prefix networks[MAX_NETWORKS];
	u64 servers[SERVER_WORDS]; /* bits of inside addresses with full NAT: server_maybe() */
	u32 network_count; /* of all listed inside interfaces; others serve whatever is routed there */
	u16 port_min;
	u16 port_max;
	u8 port_preserve;
	u8 port_parity;
	u8 hairpin;
	u8 filtering[FILTERINGS]; /* enum filtering */
	u16 alone; /* a bit an outside interface: each address of its pool is one host's alone, see host.h */
	struct timers timers;
	u64 netns; /* whose sockets are the router's own: the cookie of its network namespace */
	/* Virtual time and chance, for tests: programs built with them read these instead of the machine's. */
	u32 test_now;
	u32 test_ifindex; /* the device of the next packet at XDP */
	u64 test_random;
	/* Of the interfaces in `alone`: which addresses look free, a bit an index; and which address has an index. */
	u64 vacant[MAX_OUTSIDE][ADDRESS_WORDS];
	u64 refused[MAX_OUTSIDE]; /* not 0: since the sweep last looked, a host was refused for want of one */
	u64 indexes[MAX_POOL_ADDRESSES];
	struct prefix pass_through[MAX_PASS_THROUGH];
	u32 pass_through_count;
	u8 tell; /* whom no mapping can be made for is told by ICMP */
	u8 hold; /* SYNs that nobody wanted are held, and told of if nothing comes of them */
	u8 pptp; /* control messages of PPTP are read, see pptp.h */
	u8 zero3;
	u32 defrag;		       /* the device where fragments are put in order; 0: none */
	__be32 router[MAX_INTERFACES]; /* the router's own address on an inside interface, 0: none known */
	u16 mss[MAX_OUTSIDE]; /* TCP may announce at most so much by an outside interface, 0: anything. See mss.h */
	/* A bit an outside interface: the daemon began to change what all that is there went by, and has not ended it. */
	u16 unfinished;
	u8 zero4[2];
	u64 swept; /* when the last pass of the sweep ended that counted what hosts have */
	struct limits limits;
	struct shares shares[MAX_OUTSIDE];
	/* Packets write these, on lines of their own: the next IP identification, by hash of (source, destination, protocol). */
	u64 apart[8];
	u64 identifications[IDENTIFICATIONS];
	u64 told; /* refusals that were told in a tick: the tick, and in the low half how many */
	u64 apart_too[8];
};

/*
 * What a pass of the sweep counts of one outside interface. Older: of an older generation than the interface has, so that no
 * packet finds it.
 */
struct sweep_place {
	u64 sessions, mappings, hosts;		   /* live */
	u64 old_sessions, old_mappings, old_hosts; /* older, and not ended yet */
	u64 old_moved;				   /* of old_hosts, those that will have another address */
	u64 blocks,
		blocks_taken; /* of ports: lent; these, and those of which ports rest from before a reset */
	u64 ended_sessions, ended_mappings, ended_hosts, ended_moved; /* older, and ended; these only grow */
};

/* The router's own sockets that were led to an inside endpoint: which, and to where. The value is the outside endpoint. */
enum { SOCKETS_LED = 16384 };
struct led_key {
	u64 socket;
	__be32 addr;
	__be16 port;
	u16 zero;
};

struct led {
	__be32 addr;
	__be16 port;
	u16 zero;
};

/* What the daemon asks the program `question`: see bpf/keepnat.bpf.c. */
enum question_kind { QUESTION_SOCKET, QUESTION_ROUTE, QUESTION_HAIRPIN };
struct question {
	__be32 remote, local; /* of a route: from where, and to where */
	__be16 remote_port, local_port;
	u16 kind, class;
};

/* Counters: one record a CPU; packets and bytes by interface and reason. */
struct counter {
	u64 packets;
	u64 bytes;
};

enum reason {
#define REASON(id, verdict, text) REASON_##id,
#include "core/reasons.def"
#undef REASON
	REASONS
};

struct counters {
	struct counter by[MAX_INTERFACES][REASONS];
};

/* The last packets that ended badly, by reason: one record a CPU; see drop.h. */
enum {
	DROP_PLACES = 4, /* a power of two */
	DROPS_A_TICK = 2,
	DROP_BYTES = 64,
};
struct drop {
	u64 word;
	u64 when;	       /* nanoseconds since the machine's start */
	u8 interface;	       /* number, of the hook */
	u8 direction;	       /* DIRECTION_OUT: towards the outside, DIRECTION_IN */
	u16 kept;	       /* bytes that are here */
	u32 length;	       /* bytes that it had */
	u8 packet[DROP_BYTES]; /* from its IP header on */
};
_Static_assert(sizeof(struct drop) == 88, "no hidden padding");

struct drops_of {
	u64 kept;   /* in the last tick that had any: the tick, and in the low half how many */
	u64 number; /* of the last one */
	struct drop last[DROP_PLACES];
};

struct drops {
	struct drops_of by[REASONS];
};
