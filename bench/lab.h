/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lab.h - the namespaces, links and threads that one run is made of.
 *
 * Everything lives in a mount namespace and in network namespaces of the program's own, and goes with it.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "bench/traffic.h"

enum {
	LAB_ROUTERS = 8,	 /* for generated traffic */
	LAB_PATHS = LAB_ROUTERS, /* with machines at both ends */
	LAB_PATH = 128,
};

/* One router: its namespace with lan0 and wan0, and the far ends of both in the lab's own namespace. */
struct router {
	char name[32]; /* of its namespace */
	int netns;
	__u32 ends[2]; /* interface index, by the direction whose generator sits there */
	__u8 end_mac[2][6];
	__u32 devices[2]; /* lan0 and wan0, in its namespace */
	__u8 mac[2][6];	  /* of lan0 and wan0 */
	pid_t nat[2];	  /* NAPI threads of lan0 and wan0 */
	pid_t sinks[2];	  /* NAPI threads of the ends */
	int hosts[2]; /* of a path: the namespaces of the machines at the ends, inside and outside; else 0 */
};

struct lab {
	char folder[LAB_PATH]; /* a tmpfs: runtime files, pins, sysfs */
	int original;	       /* the network namespace we came from */
	int home;	       /* our own: the ends of all links */
	int cpu;	       /* all work happens here */
	int routers_made;
	struct router routers[LAB_ROUTERS + LAB_PATHS];
};

int lab_open(struct lab *lab, int cpu);
void lab_close(struct lab *lab);

/* Makes a router; addresses, routes and neighbours set, forwarding on, no NAT. Returns it, or NULL. */
struct router *lab_add_router(struct lab *lab);

/*
 * Makes one whose ends are machines, with addresses and routes of their own (198.51.100.1 is the one outside), instead of
 * generator and sink; nothing of it has threads.
 */
struct router *lab_add_path(struct lab *lab);

/* Threads for the ends, once they have their XDP program (which gives them their NAPI). */
int router_sinks(const struct lab *lab, struct router *router);

/* Runs a shell command inside a router's network namespace. */
int router_run(const struct lab *lab, const struct router *router, const char *command);

/* A number from a file below /proc/sys/net as the router sees it, or -errno. */
long router_read(const struct lab *lab, const struct router *router, const char *path);

/* Packets that the router has taken in at lan0 (TRAFFIC_OUT) or wan0 (TRAFFIC_IN), or -errno. */
long router_entered(const struct lab *lab, const struct router *router, enum traffic_direction direction);
