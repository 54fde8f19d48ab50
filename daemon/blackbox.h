/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * blackbox.h - memory that the worker shares with its parent: what must be known of a worker that can no longer be asked.
 *
 * The worker writes, plain stores without locks, also from a signal handler. The parent reads, and believes nothing: whatever
 * it takes from here it bounds. Each worker begins with a clean one.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "core/types.h"
#include "daemon/config.h"
#include "daemon/crash.h"
#include "daemon/upgrade.h"

enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_STOPPING };

enum { BLACKBOX_THREADS = 8, BLACKBOX_NAME = 16, BLACKBOX_DOING = 96 };

/* What a thread of the worker is about. */
struct blackbox_thread {
	u32 id;	   /* the kernel's; 0: nobody has this place */
	u32 beats; /* signs of life */
	bool must; /* whoever must beat is ended when it does not */
	char name[BLACKBOX_NAME];
	char doing[BLACKBOX_DOING];
};

struct blackbox {
	int wake;	  /* eventfd: the parent looks at once */
	u32 state;	  /* enum worker_state */
	u32 restoring;	  /* workers in a row that began to restore a snapshot and did not end it */
	bool unpinned;	  /* the data path lives by what the parent holds, and with it; as last known */
	u32 crashes;	  /* written by the parent: of workers before this one, */
	char former[128]; /* what the last of them died of; */
	pid_t parent;	  /* and who that is */
	struct blackbox_upgrade upgrade;
	char instance[40], state_dir[108];
	bool settings_known; /* the worker has read them */
	struct settings_recovery settings;
	u32 thread_count;
	struct blackbox_thread threads[BLACKBOX_THREADS];
	struct crash crash;
	u32 module_count;
	struct crash_module modules[CRASH_MODULES];
};

/* NULL, with errno, if there is no memory or no descriptor for it. */
struct blackbox *blackbox_new(void);

/* As for a worker that has not begun. */
void blackbox_clear(struct blackbox *box);

/* The worker has come to another state. */
void blackbox_state(struct blackbox *box, enum worker_state state);

/* The parent looks at once. */
void blackbox_wake(const struct blackbox *box);

/* The settings that the parent goes by from now on. */
void blackbox_settings(struct blackbox *box, const struct settings_recovery *settings);

/*
 * The calling thread gets a place of its own. With `must` it has to beat from then on, as long as the worker is ready. NULL if all
 * are taken; the two below allow it.
 */
struct blackbox_thread *blackbox_join(struct blackbox *box, const char *name, bool must);

void blackbox_beat(struct blackbox_thread *thread);

/* It does something else from now on. */
void blackbox_doing(struct blackbox_thread *thread, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
