/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keepnat.h - one running instance of the daemon, on which everything hangs: there are no globals.
 *
 * Who writes what: main.c fills names and settings, reload.c other settings; loader.c the mapped arrays in `nat` and the hooks of the interfaces;
 * link.c the interfaces and, through pool.c, their addresses; sweeper.c `sweep`. The API's thread reads: the arrays by the
 * table's protocol, everything else under `lock`.
 */
#pragma once
#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "core/types.h"
#include "daemon/reset.h"
#include "daemon/size.h"
#include "native/env_native.h"

struct settings;
struct loader;
struct link_watch;
struct api;
struct arp;
struct blackbox;
struct blackbox_thread;
struct book;
struct claims;
struct clients;
struct deputy;
struct events;
struct fixed;
struct holds;
struct pool;
struct reloads;
struct snapshots;
struct sweeper;
struct sysctls;
struct unsolicited;
struct watch;

enum { WARNINGS_MAX = 32, WARNING_SIZE = 256 };

/* What the last whole pass of the sweep counted, and what it cost. */
struct sweep_report {
	u64 passes;
	bool running;	     /* one has begun and not ended */
	double last_seconds; /* wall clock of the last pass, pauses left out */
	double last_cpu_seconds;
	u64 sessions[CLASSES + 1]; /* live after the pass, by class; the last: of protocols without ports */
	u64 mappings[CLASSES];
	u64 hosts;
	u64 ended_sessions; /* since the start */
	u64 ended_mappings;
	u64 mended; /* slots and bits that a dead process or a lost race left */
	struct sweep_place at[MAX_OUTSIDE];
};

/* SYNs from outside that nobody wanted. */
struct unsolicited_report {
	u64 held;   /* now */
	u64 told;   /* of how many the sender was told, since the start */
	u64 silent; /* and of how many not: the inside had opened the connection, or there were too many */
};

struct keepnat_interface {
	char name[IF_NAMESIZE];	  /* in the configuration */
	char device[IF_NAMESIZE]; /* what its device is called now */
	u32 ifindex;		  /* of the device; 0: it is gone */
	u8 role;		  /* enum role */
	u8 number;		  /* in the data path's configuration: counters and generations */
	bool bare;		  /* no Ethernet header */
	bool up;		  /* running */
	bool full;		  /* inside: there is full NAT */
	bool listed;		  /* inside: only its networks, of the configuration, are inside there */
	u32 mtu;
	u8 mac[6];	    /* not bare */
	u8 accelerate;	    /* enum settings_accelerate, as configured */
	u8 fast;	    /* FAST_*: how it takes part in the fast path */
	const char *why;    /* it does so, or does not */
	const char *no_xdp; /* why the device did not take our program, or NULL */
	const char *hook;   /* "tcx", "clsact", or NULL: not attached */
};

struct keepnat {
	const char *instance;
	char run_dir[108], state_dir[108], pin_dir[108]; /* of this instance */
	const char *config;				 /* the file of the start; NULL: the command line */
	bool given;		   /* the settings came by the API since (kept.h); the main thread's */
	struct settings *settings; /* the main thread writes it, under `lock`; others read it under that */
	struct sizes sizes;
	struct nat_instance nat; /* the mapped arrays; see core/types.h for their shapes */
	u32 cpus;		 /* elements of nat.counters */
	u32 jiffies_hz;
	time_t started;
	time_t recorded;      /* when it was last told by what ports are shared out; the main thread's */
	struct blackbox *box; /* what the parent sees of us, */
	struct blackbox_thread *life; /* and of the main thread; NULL in tests */
	struct holds *holds;	      /* what it holds for us; NULL: nothing */
	bool unpinned; /* nothing else does: the pins' file system is gone; any thread reads it */

	pthread_mutex_t lock; /* over all below */
	struct keepnat_interface interfaces[MAX_INTERFACES];
	unsigned int interface_count;
	struct sweep_report sweep;
	struct resets resets;
	struct unsolicited_report unsolicited;
	char warnings[WARNINGS_MAX][WARNING_SIZE];
	unsigned int warning_count;

	struct events *events; /* with a lock of its own */
	struct claims *claims;
	struct sysctls *sysctls;
	struct loader *loader;
	struct deputy *deputy;
	bool liberal; /* conntrack takes TCP segments that it did not expect: we told it to */

	struct watch *watch;
	struct unsolicited *unsolicited_syns;
	struct pool *pool;
	struct fixed *fixed;
	struct clients *clients;
	struct arp *arp;
	struct link_watch *link;
	struct book *book;
	struct sweeper *sweeper;
	struct reloads *reloads;
	struct snapshots *snapshots;
	struct api *api;
	int stop_fd; /* eventfd: 1 stop and take the data path down, 2 stop and leave it (detach) */
};

/* The interface that has this number, or NULL. Under the lock, or by who alone writes the interfaces. */
const struct keepnat_interface *keepnat_interface_numbered(const struct keepnat *k, unsigned int number);

/* The same, if its device is there. */
const struct keepnat_interface *keepnat_interface_served(const struct keepnat *k, unsigned int number);

/* Does any interface take part in the fast path? */
bool keepnat_fast(const struct keepnat *k);

/* Let `status` show it until it no longer holds. True: it did not do so before. Takes the lock. */
bool keepnat_show(struct keepnat *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, and tell it; what has an event of its own by event_warn(). */
void keepnat_warn(struct keepnat *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Take back what begins so. Takes the lock. */
void keepnat_unwarn(struct keepnat *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
