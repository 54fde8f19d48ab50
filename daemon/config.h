/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration: keepnat.yaml read into plain data, checked, and printed so that it can be read again.
 *
 * settings_load() and settings_parse() give a struct settings in which everything holds that can be known from the
 * text alone: every value in its range, at least one outside and one inside interface, no name twice, no outside
 * address twice, no outside port for two inside hosts. What only the machine knows (is there an interface of that
 * name?) is asked by settings_probe().
 *
 * Nothing here touches the machine but the one file that is read, so `keepnat check` needs no privileges.
 * There is no global state: any thread may call anything on its own settings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/types.h"
#include "daemon/address.h"

/* Beside MAX_OUTSIDE, MAX_INSIDE, MAX_NETWORKS, MAX_PASS_THROUGH and MAX_POOL_ADDRESSES, which are for all interfaces together. */
enum {
	SETTINGS_TEXT_MAX = 32 << 20,	    /* bytes of a configuration; what is printed is never longer */
	SETTINGS_HOLD_DOWN_MAX = 100000000, /* ports */
	SETTINGS_TIMER_MAX = 500000,	    /* seconds */
	SETTINGS_NAME_SIZE = 16,	    /* an interface name and its zero: IFNAMSIZ */
	SETTINGS_NOTES_MAX = 32,	    /* errors, or warnings, that are kept; more are only counted */
	SETTINGS_LISTEN_SIZE = 32,
	SETTINGS_PATH_SIZE = 256,
	SETTINGS_SOCKET_SIZE = 108, /* of the path of a Unix socket */
	SETTINGS_RESERVATIONS_MAX = 16384,
	SETTINGS_MAPPED_PORTS_MAX = 131072, /* of all port mappings; one for TCP and UDP counts as two */
	SETTINGS_COMMAND_SIZE = 256,	    /* a command with its arguments, and its zero */
};

/* nat.mss_clamp; other values are the size itself. AUTO: what the interface's MTU has room for. */
enum { SETTINGS_MSS_OFF, SETTINGS_MSS_AUTO };

/* How known flows pass. DEFAULT, of an interface: as nat.accelerate says. */
enum settings_accelerate {
	SETTINGS_ACCELERATE_DEFAULT,
	SETTINGS_ACCELERATE_AUTO,
	SETTINGS_ACCELERATE_OFF,
	SETTINGS_ACCELERATE_TC,
	SETTINGS_ACCELERATE_XDP,
	SETTINGS_ACCELERATE_ALL,
};

/* A run of outside addresses, and the line that it came from (0: the command line). */
struct settings_range {
	struct address_range range;
	unsigned int line;
};

struct settings_network {
	struct address_prefix prefix;
	unsigned int line;
};

/* RFC 7422: each host of an inside network has ports of its own, of an outside interface's pool. */
struct settings_deterministic {
	struct settings_network inside; /* line 0: it is off */
	u32 algorithm;			/* enum algorithm */
	u32 ratio;			/* hosts to an outside address; 0: as few as serve all */
	u32 dynamic;			/* so many parts more, for blocks that are lent */
};

struct settings_interface {
	char name[SETTINGS_NAME_SIZE]; /* printable ASCII, no blank, '/' or ':' */
	enum role role;
	enum settings_accelerate accelerate;
	unsigned int line; /* where it is configured; 0: the command line */

	/* Outside only: each host has an address of the pool to itself, its ports stay, all protocols are translated. */
	bool address_only;
	/* Outside only. None: the interface's own addresses, as they come and go. In the order of the file. */
	struct settings_range *pool;
	unsigned int pool_count;
	struct settings_deterministic deterministic;

	/* Inside only. None: whatever is routed there. */
	struct settings_network *networks;
	unsigned int network_count;
};

/* Outside ports to choose from; 1 <= min <= max. */
struct settings_ports {
	u16 min, max;
};

/* Seconds, 1 to SETTINGS_TIMER_MAX, where nothing else is said; names and defaults are RFC 8512's, but for the last. */
struct settings_timers {
	u32 udp_timeout;
	u32 tcp_idle_timeout;
	u32 tcp_trans_open_timeout;
	u32 tcp_trans_close_timeout;
	u32 tcp_in_syn_timeout;
	u32 icmp_timeout;
	u32 fragment_min_timeout;
	u32 hold_down_timeout;
	u32 hold_down_max; /* ports; 0: any number */
	u32 host_retention_timeout;
};

struct settings_nat {
	enum filtering filtering_udp, filtering_tcp;
	enum settings_accelerate accelerate;
	struct settings_ports ports;
	bool ports_preserve; /* keep the inside port when it is free */
	bool ports_parity;   /* else take one of the same parity (RFC 4787 REQ-4) */
	u32 block_size;	     /* ports; 0: no blocks are lent */
	u32 block_max;	     /* to a host */
	bool hairpin;
	bool tell;	      /* on_exhaustion: icmp */
	u32 mss_clamp;	      /* SETTINGS_MSS_*, or 536 to 65495 */
	bool hold;	      /* unsolicited_syn: hold */
	bool alg_pptp;	      /* PPTP's control messages are read */
	struct limits limits; /* of a host; `on` is not used here */
	struct settings_timers timers;
};

/*
 * An inside host whose outside address the administrator fixed. With one of the two switches, nobody else may have that
 * address.
 */
struct settings_reservation {
	struct in_addr inside, outside;
	bool inbound;	   /* what comes in to the outside address and no mapping wants is the host's */
	bool address_only; /* ports stay as they are, and all protocols are translated */
	unsigned int line;
};

enum { SETTINGS_TCP = 1, SETTINGS_UDP = 2 }; /* bits */

/* Outside ports that lead to an inside host: a run of them. */
struct settings_port_mapping {
	u32 protocols; /* SETTINGS_TCP, SETTINGS_UDP, or both */
	/* The outside interface whose own addresses, as they come and go, it is bound to; "": `outside`. */
	char interface[SETTINGS_NAME_SIZE];
	struct in_addr outside, inside;
	u16 outside_port, inside_port; /* the first of each */
	u16 count;		       /* of ports: 1 to 65535 */
	bool full_nat;		       /* the inside host sees an address of the router, not its clients' */
	unsigned int line;
};

/* Entries; 0 is auto: by the memory of the machine. */
struct settings_capacity {
	u32 sessions; /* 0, or 1024 to 67108864 */
	u32 mappings; /* 0 (as many as sessions), or 1024 to 67108864 */
	u32 hosts;    /* 0, or 16 to 16777216 */
};

/* What is kept of a crash; each is more than the one before. */
enum settings_dump { SETTINGS_DUMP_NONE, SETTINGS_DUMP_SMALL, SETTINGS_DUMP_STATE, SETTINGS_DUMP_CORE };

/* What follows a crash of the daemon. */
struct settings_recovery {
	bool log; /* an event in the journal */
	bool restart;
	u32 backoff;	   /* seconds before the second restart in a row, doubled before each that follows */
	u32 give_up_after; /* crashes in a row; 0: never */
	u32 watchdog;	   /* seconds without a sign of life; 0: any number */
	u32 dump;	   /* enum settings_dump */
	u32 keep;	   /* reports */
	char alert[SETTINGS_COMMAND_SIZE]; /* a program and its arguments, separated by blanks; "": none */
};

/* Beside the Unix socket. */
struct settings_api {
	char listen[SETTINGS_LISTEN_SIZE]; /* "ADDRESS:PORT", or "" */
	unsigned int listen_line;
	char token_file[SETTINGS_PATH_SIZE]; /* not "" if there is `listen` */
};

/* Where a log goes. */
enum settings_transport {
	SETTINGS_TO_NOBODY,
	SETTINGS_TO_FILE = 1, /* bits */
	SETTINGS_TO_UNIX = 2,
	SETTINGS_TO_UDP = 4,
	SETTINGS_TO_TCP = 8,
};

struct settings_destination {
	enum settings_transport transport;
	const char *path; /* of a file or a Unix socket; within the text that was parsed */
	struct in_addr address;
	u16 port;
};

/* Records of who had which outside port. Each destination is "" or a text that settings_destination_parse() takes. */
struct settings_log {
	u32 mappings; /* enum trail_mappings */
	bool blocks, sessions, bindings, limits;
	u32 rate;  /* records a second to each destination; 0: any number */
	u32 queue; /* records that wait for each */
	char json[SETTINGS_PATH_SIZE], syslog[SETTINGS_PATH_SIZE], ipfix[SETTINGS_PATH_SIZE];
	unsigned int line; /* where the first of them stands; 0: nowhere */
};

/* One error or warning: where, what is wrong, and how to mend it. Both texts are one line of printable ASCII. */
struct settings_note {
	unsigned int line; /* 1 for the first; 0: none */
	char what[256];
	char mend[256];
};

/* All that was found, in the order of the lines. */
struct settings_report {
	char name[128]; /* the file */
	unsigned int count;
	unsigned int more; /* found beyond SETTINGS_NOTES_MAX and not kept */
	struct settings_note notes[SETTINGS_NOTES_MAX];
};

struct settings {
	/* Lists are in the order of the file. */
	struct settings_interface *interfaces;
	unsigned int interface_count;
	struct settings_nat nat;
	unsigned int block_line; /* where nat.blocks.size stands; 0: nowhere */
	struct settings_reservation *reservations;
	unsigned int reservation_count;
	struct settings_port_mapping *port_mappings;
	unsigned int port_mapping_count;
	struct settings_network *pass_through; /* destinations that are not translated */
	unsigned int pass_through_count;
	struct settings_capacity capacity;
	struct settings_api api;
	struct settings_log log;
	unsigned int sessions_line, mappings_line, hosts_line; /* where those stand; 0: nowhere */
	u32 snapshot_interval;				       /* seconds; 0: there are none */
	struct settings_recovery recovery;
	struct settings_report warnings; /* allowed, but against an RFC's advice */
};

/*
 * Read a file, or a text of `size` bytes that errors shall call `name`.
 * 0: *out is to be given to settings_free(). Else *out is NULL and the report says why, in one note at least:
 * -EINVAL what it says is refused, -EFBIG more than SETTINGS_TEXT_MAX, -ENOMEM, or what opening and reading gave.
 */
int settings_load(const char *path, struct settings **out, struct settings_report *report);
int settings_parse(const char *text, size_t size, const char *name, struct settings **out,
		   struct settings_report *report);

/*
 * The same from the words of a command line: one inside and one outside interface; pool is NULL or
 * RANGE[,RANGE...]. Everything else is at its default. Results as above.
 */
int settings_simple(const char *inside, const char *outside, const char *pool, struct settings **out,
		    struct settings_report *report);

/* "ADDRESS:PORT". 0 or -EINVAL. */
int settings_listen_parse(const char *text, struct in_addr *address, u16 *port);

/* "/PATH", "unix:/PATH", "udp:ADDRESS:PORT" or "tcp:ADDRESS:PORT"; "": to nobody. 0 or -EINVAL. */
int settings_destination_parse(const char *text, struct settings_destination *out);

/* Does the pool of an outside interface hold this address? */
bool settings_pool_contains(const struct settings_interface *interface, struct in_addr addr);

/* NULL is allowed. */
void settings_free(struct settings *settings);

/*
 * Ask `probe` about each interface: 0, or -errno (-ENODEV: there is none of that name). Each refusal becomes a note
 * of the report, under `name`. 0 when there was none, else -ENODEV.
 */
int settings_probe(const struct settings *settings, const char *name,
		   int (*probe)(void *context, const struct settings_interface *interface), void *context,
		   struct settings_report *report);

/* "FILE:LINE: SEVERITY: what; mend", a line for each note. */
void settings_report_print(FILE *file, const char *severity, const struct settings_report *report);

/*
 * Walk over the settings in the shape of the file, so that YAML, JSON and tables are made from one description.
 * key is NULL for the items of a list. Each returns 0 or -errno, which ends the walk and is its result. The root
 * itself is not announced: the first call is begin(context, "interfaces", true).
 */
struct settings_visitor {
	int (*begin)(void *context, const char *key, bool list);
	int (*end)(void *context, bool list);
	int (*text)(void *context, const char *key, const char *value);
	int (*number)(void *context, const char *key, u64 value);
	int (*boolean)(void *context, const char *key, bool value);
};

int settings_walk(const struct settings *settings, const struct settings_visitor *visitor, void *context);

/* YAML that settings_parse() reads back to the same settings. 0, or -EIO. */
int settings_print(FILE *file, const struct settings *settings);
