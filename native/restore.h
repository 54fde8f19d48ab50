/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * restore.h - put back what was saved (save.h), as today's configuration allows.
 *
 * ORDER. Addresses, shares and what the configuration fixes are there; packets are not yet. Hosts come first, then mappings, then
 * sessions and other flows. A session whose mapping or host is not there, since it came while they were saved, brings them
 * along.
 *
 * EVERY ENTRY IS ASKED FOR ANEW, by the code that packets ask by: a host claims its outside address (host.h), a mapping its port
 * by its outside half (mapping.h), a session is inserted if absent. So nothing that was saved, or that somebody wrote into
 * the file, can give a port to two, an address to whom it is not, or come by the way of what the configuration fixed. Whose
 * time was over meanwhile, whose interface or address is gone, whose port the range or the shares no longer have, is left out.
 *
 * TIME. An entry was last used so long ago as it says, and as long as the time off took. Its generation is the present one.
 *
 * What the router itself has is left out after a reboot: its sockets are gone.
 */
#pragma once
#include <stdbool.h>

#include "native/env_native.h"
#include "native/saved.h"

enum restored {
	RESTORE_DONE,
	RESTORE_TIME,	   /* it timed out meanwhile */
	RESTORE_INTERFACE, /* its interface is gone, or has another role */
	RESTORE_ADDRESS,   /* its outside address is not there, or not for this host */
	RESTORE_PORT,	   /* the configuration does not allow this port any more */
	RESTORE_TAKEN,	   /* somebody has it: the configuration, or an entry that was restored before */
	RESTORE_FULL,	   /* there is no room */
	RESTORE_ROUTER,	   /* the router's own, of before a reboot */
	RESTORE_OUTCOMES,
};

struct restore {
	struct nat_instance nat; /* with its time, now, and scratch of its own */
	u8 numbers[MAX_OUTSIDE]; /* of a saved interface: its number today, or NO_INTERFACE */
	u32 off;		 /* ticks since it was saved */
	bool rebooted;
	u32 last; /* slot of the flow that was restored last, or NO_SLOT */
};

/* 0 or -ENOMEM; all interfaces are gone until numbers[] says otherwise. */
int restore_open(struct restore *r, const struct nat_instance *nat, u32 now, u32 off, bool rebooted);
void restore_close(struct restore *r);

/* Can this be an entry at all? It is asked of all before the first is restored. */
bool saved_valid(const struct saved *saved);

/* Ask for the lines that restoring it will need: they are cold, and several asked for together cost little more than one. */
void restore_ahead(struct restore *r, const struct saved *saved);

/* Restore one that is valid. */
enum restored restore_entry(struct restore *r, const struct saved *saved);
