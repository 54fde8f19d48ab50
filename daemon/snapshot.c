// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/sweep.h"
#include "daemon/blackbox.h"
#include "daemon/config.h"
#include "daemon/crash.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "version.h"

enum { REST = 4, NICE = 10, SECOND = 1000000000 }; /* it rests for so many times as long as it works */
enum { RESTORES = 3 };				   /* so many workers in a row may die of one file */

struct snapshots {
	struct keepnat *k;
	struct nat_instance nat;       /* the arrays, with a time of its own */
	struct snapshot_reader *found; /* to be restored, or NULL */
	struct snapshot_writer *writer;
	pthread_t thread;
	struct blackbox_thread *life; /* of the thread; NULL: it has none */
	bool running;		      /* the thread is there */
	pthread_mutex_t lock;	      /* over all below */
	pthread_cond_t wake;
	bool stop;
	double slice; /* CPU time when the slice began */
	struct snapshot_report report;
};

static u64 clock_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (u64)now.tv_sec * SECOND + (u64)now.tv_nsec;
}

static double clock_seconds(clockid_t clock) { return (double)clock_now(clock) / SECOND; }

/* The kernel's name of this boot; "": unknown. */
static void boot_id(char id[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, id, 39);

	id[n > 0 ? n : 0] = 0;
	id[strcspn(id, "\n")] = 0;
	if (fd >= 0)
		close(fd);
}

/*
 * Writing
 */

/* Who has this number below MAX_OUTSIDE, or whose clients have. NULL: nobody. */
static const struct keepnat_interface *number_owner(const struct keepnat *k, u32 number, u8 *clients)
{
	const struct keepnat_interface *owner = keepnat_interface_numbered(k, number);

	*clients = !owner;
	return owner ? owner : keepnat_interface_numbered(k, clients_number(number));
}

static void header_fill(struct keepnat *k, struct snapshot_header *h)
{
	memset(h, 0, sizeof(*h));
	h->wall = clock_now(CLOCK_REALTIME);
	h->since_boot = clock_now(CLOCK_BOOTTIME);
	boot_id(h->boot);
	snprintf(h->instance, sizeof(h->instance), "%s", k->instance);
	snprintf(h->program, sizeof(h->program), "%s", KEEPNAT_VERSION);
	pthread_mutex_lock(&k->lock);
	for (u32 i = 0; i < MAX_OUTSIDE; i++) {
		struct snapshot_interface *at = &h->interfaces[h->interface_count];
		const struct keepnat_interface *owner = number_owner(k, i, &at->clients);

		if (!owner)
			continue;
		memcpy(at->name, owner->name, sizeof(at->name));
		at->number = (u8)i;
		h->interface_count++;
	}
	pthread_mutex_unlock(&k->lock);
}

/* Under the lock: wait so long, or until something is asked for. True: the end is. */
static bool rest(struct snapshots *s, double seconds)
{
	double until = clock_seconds(CLOCK_MONOTONIC) + (seconds > 0 ? seconds : 0);
	struct timespec when = { .tv_sec = (time_t)until };

	when.tv_nsec = (long)((until - (double)when.tv_sec) * SECOND);
	while (!s->stop && s->report.asked == s->report.taken)
		if (pthread_cond_timedwait(&s->wake, &s->lock, &when))
			break;
	return s->stop;
}

/* Between two slices. Whom somebody waits for, and the last one, have no rest. */
static int slice_ends(void *context, u64 done, u64 of)
{
	struct snapshots *s = context;
	double worked = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - s->slice;
	bool stop;

	FAULT(save_slice);
	s->nat.now = loader_tick(s->k->loader);
	pthread_mutex_lock(&s->lock);
	s->report.done = done;
	s->report.of = of;
	stop = s->running && rest(s, REST * worked);
	pthread_mutex_unlock(&s->lock);
	s->slice = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
	return stop;
}

static void report_take(struct snapshots *s, const struct snapshot_header *h, int error, double wall,
			double cpu)
{
	struct snapshot_report *r = &s->report;

	pthread_mutex_lock(&s->lock);
	r->running = false;
	*r->error = 0;
	if (error) {
		snprintf(r->error, sizeof(r->error), "%s", strerror(-error));
	} else {
		r->last = (time_t)(h->wall / SECOND);
		r->seconds = wall;
		r->cpu_seconds = cpu;
		r->bytes = s->writer->bytes;
		memcpy(r->entries, s->writer->entries, sizeof(r->entries));
	}
	pthread_mutex_unlock(&s->lock);
	if (error)
		event_warn(s->k, EVENT_snapshot_failed, "snapshot",
			   "cannot be written in %s: %s; sessions would not outlive a reboot",
			   s->k->state_dir, strerror(-error));
	else
		keepnat_unwarn(s->k, "snapshot: cannot be written");
}

static int snapshot_take(struct snapshots *s)
{
	double wall = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
	struct snapshot_header header;
	int error;

	pthread_mutex_lock(&s->lock);
	s->report.running = true;
	s->report.done = 0;
	pthread_mutex_unlock(&s->lock);
	header_fill(s->k, &header);
	s->nat.now = loader_tick(s->k->loader);
	s->slice = cpu;
	snapshot_create(s->writer, &file_calls_system, s->k->state_dir, &header);
	if (snapshot_save(&s->nat, s->writer, slice_ends, s)) {
		snapshot_abandon(s->writer);
		return -EINTR; /* the last one comes soon */
	}
	error = snapshot_commit(s->writer);
	report_take(s, &header, error, clock_seconds(CLOCK_MONOTONIC) - wall,
		    clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
	return error;
}

/* One that was asked for, or the last. Those that come by the minute are in the status only. */
static void snapshot_take_told(struct snapshots *s)
{
	if (snapshot_take(s))
		return;
	event_tell(s->k, EVENT_snapshot_written, "snapshot", "%llu sessions are saved in %s",
		   (unsigned long long)s->writer->entries[SAVED_SESSION], s->k->state_dir);
}

static void *snapshots_run(void *context)
{
	struct snapshots *s = context;
	bool stop = false;

	crash_thread();
	s->life = s->k->box ? blackbox_join(s->k->box, "save", false) : NULL;
	(void)setpriority(PRIO_PROCESS, 0, NICE); /* of the thread alone, on Linux */
	while (!stop) {
		pthread_mutex_lock(&s->lock);
		stop = rest(s, s->report.interval);
		u64 asked = s->report.asked, taken = s->report.taken;
		pthread_mutex_unlock(&s->lock);
		if (stop)
			break;
		blackbox_doing(s->life, "snapshot");
		if (asked > taken)
			snapshot_take_told(s);
		else
			(void)snapshot_take(s);
		blackbox_doing(s->life, "waits");
		pthread_mutex_lock(&s->lock);
		s->report.taken = asked;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

int snapshot_run(struct keepnat *k)
{
	struct snapshots *s = k->snapshots;
	int error;

	if (!s->report.interval)
		return 0;
	s->writer = malloc(sizeof(*s->writer));
	error = s->writer ? -pthread_create(&s->thread, NULL, snapshots_run, s) : -ENOMEM;
	if (error) {
		log_error("cannot start the snapshots: %s; free memory, or switch them off "
			  "(snapshot.interval: 0)",
			  strerror(-error));
		return error;
	}
	pthread_setname_np(s->thread, "keepnat-save");
	s->running = true;
	return 0;
}

static void thread_end(struct snapshots *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->running = false;
}

static void found_forget(struct snapshots *s)
{
	if (s->found)
		snapshot_close_file(s->found);
	free(s->found);
	s->found = NULL;
}

void snapshot_stop(struct keepnat *k, bool leave)
{
	struct snapshots *s = k->snapshots;

	(void)leave; /* the next one may not be able to adopt the arrays: another layout, another capacity */
	if (!s)
		return;
	if (s->running) {
		thread_end(s);
		snapshot_take_told(s);
	}
	found_forget(s);
	free(s->writer);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
	k->snapshots = NULL;
}

u64 snapshot_ask(struct keepnat *k)
{
	struct snapshots *s = k->snapshots;
	u64 number = 0;

	if (!s || !s->report.interval)
		return 0;
	pthread_mutex_lock(&s->lock);
	number = ++s->report.asked;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return number;
}

void snapshot_report_of(struct keepnat *k, struct snapshot_report *report)
{
	memset(report, 0, sizeof(*report));
	if (!k->snapshots)
		return;
	pthread_mutex_lock(&k->snapshots->lock);
	*report = k->snapshots->report;
	pthread_mutex_unlock(&k->snapshots->lock);
}

/*
 * Restoring
 */

/* It is not what it should be: it goes aside, and is spoken of. */
static void found_refuse(struct snapshots *s)
{
	char name[SNAPSHOT_PATH];
	int error = snapshot_set_aside(s->k->state_dir, name);

	s->report.state = SNAPSHOT_REFUSED;
	memcpy(s->report.refused, s->found->why, sizeof(s->report.refused));
	if (error)
		event_warn(s->k, EVENT_snapshot_refused, "snapshot",
			   "%s/snapshot is not restored, %s; and it cannot be set aside: %s", s->k->state_dir,
			   s->found->why, strerror(-error));
	else
		event_warn(s->k, EVENT_snapshot_refused, "snapshot",
			   "not restored, %s; sessions start anew; it is kept as %s", s->found->why, name);
	found_forget(s);
}

/* Has it ended so many workers in a row that another one shall not try it? Then -EBADMSG. */
static int found_harms(struct snapshots *s)
{
	const struct blackbox *box = s->k->box;

	if (!box || box->restoring < RESTORES)
		return 0;
	snprintf(s->found->why, sizeof(s->found->why), "%u workers died while they restored it",
		 box->restoring);
	return -EBADMSG;
}

/* Look for a file, and judge all of it. What cannot be read at all stays where it is. */
static void found_judge(struct snapshots *s)
{
	int error = snapshot_open_file(s->found, s->k->state_dir, s->k->instance);

	if (!error)
		error = found_harms(s);
	if (!error)
		error = snapshot_read(s->found, NULL, NULL);
	if (error == -EBADMSG) {
		found_refuse(s);
		return;
	}
	if (error && error != -ENOENT)
		event_warn(s->k, EVENT_snapshot_refused, "snapshot",
			   "%s/snapshot is not restored, %s; sessions start anew", s->k->state_dir,
			   s->found->why);
	if (error)
		found_forget(s);
}

int snapshot_start(struct keepnat *k)
{
	struct snapshots *s = calloc(1, sizeof(*s));
	pthread_condattr_t attributes;

	if (!s)
		return -ENOMEM;
	s->k = k;
	s->nat = k->nat;
	s->report.interval = k->settings->snapshot_interval;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	k->snapshots = s;
	if (!s->report.interval || loader_adopted(k->loader))
		return 0;
	s->found = calloc(1, sizeof(*s->found));
	if (!s->found)
		return -ENOMEM;
	found_judge(s);
	return 0;
}

/* Which number an interface of the file has today, or NO_INTERFACE. */
static u8 number_today(const struct keepnat *k, const struct snapshot_interface *saved)
{
	for (unsigned int i = 0; i < k->interface_count; i++) {
		const struct keepnat_interface *at = &k->interfaces[i];

		if (strncmp(at->name, saved->name, sizeof(at->name)))
			continue;
		if (!saved->clients)
			return at->role == ROLE_OUTSIDE ? at->number : (u8)NO_INTERFACE;
		if (at->role == ROLE_INSIDE && at->number < 2 * MAX_OUTSIDE &&
		    !keepnat_interface_numbered(k, clients_number(at->number)))
			return (u8)clients_number(at->number);
	}
	return NO_INTERFACE;
}

/* Nanoseconds since the file was written. A clock that was set back tells nothing. */
static u64 time_off(const struct snapshot_header *h, bool rebooted)
{
	u64 now = clock_now(rebooted ? CLOCK_REALTIME : CLOCK_BOOTTIME),
	    then = rebooted ? h->wall : h->since_boot;

	if (now >= then)
		return now - then;
	log_notice("snapshot: the clock is behind the time when it was written: the time off counts as none");
	return 0;
}

/* Reasons that did not occur are not named. */
static void left_log(const char *kind, const u64 of[RESTORE_OUTCOMES])
{
	static const char *const reasons[RESTORE_OUTCOMES] = {
		[RESTORE_TIME] = "had timed out",
		[RESTORE_INTERFACE] = "are of no interface now",
		[RESTORE_ADDRESS] = "have no address",
		[RESTORE_PORT] = "have ports that are not allowed now",
		[RESTORE_TAKEN] = "are taken already",
		[RESTORE_FULL] = "have no room",
		[RESTORE_ROUTER] = "were the router's own",
	};

	for (u32 i = RESTORE_DONE + 1; i < RESTORE_OUTCOMES; i++)
		if (of[i])
			log_info("snapshot: %llu %s left out: they %s", (unsigned long long)of[i], kind,
				 reasons[i]);
}

static void restored_tell(struct keepnat *k, const struct snapshot_report *r)
{
	static const char *const kinds[SAVED_KINDS] = { "hosts", "mappings", "sessions", "other flows" };

	for (u32 i = 0; i < SAVED_KINDS; i++)
		left_log(kinds[i], r->outcome.of[i]);
	event_tell(k, EVENT_snapshot_restored, "snapshot",
		   "%llu sessions, %llu mappings and %llu hosts are restored, of %llu seconds ago, in %.3f s",
		   (unsigned long long)r->outcome.of[SAVED_SESSION][RESTORE_DONE],
		   (unsigned long long)r->outcome.of[SAVED_MAPPING][RESTORE_DONE],
		   (unsigned long long)r->outcome.of[SAVED_HOST][RESTORE_DONE], (unsigned long long)r->off,
		   r->restore_seconds);
}

static int found_restore(struct snapshots *s)
{
	const struct snapshot_header *h = &s->found->header;
	struct snapshot_report *r = &s->report;
	struct restore restore;
	char boot[40];
	int error;

	FAULT(restore_begun);
	boot_id(boot);
	bool rebooted = !*boot || strcmp(boot, h->boot) != 0;
	r->off = (time_off(h, rebooted) + SECOND / 2) / SECOND;
	error = restore_open(&restore, &s->k->nat, loader_tick(s->k->loader),
			     r->off < UINT32_MAX ? (u32)r->off : UINT32_MAX, rebooted);
	if (error)
		return error;
	for (u32 i = 0; i < h->interface_count; i++)
		restore.numbers[h->interfaces[i].number] = number_today(s->k, &h->interfaces[i]);
	error = snapshot_load(s->found, &restore, &r->outcome);
	restore_close(&restore);
	return error;
}

void snapshot_restore(struct keepnat *k)
{
	struct snapshots *s = k->snapshots;
	double begin = clock_seconds(CLOCK_MONOTONIC);
	int error;

	if (!s || !s->found)
		return;
	if (k->box)
		k->box->restoring++;
	error = found_restore(s);
	if (k->box)
		k->box->restoring = 0;
	if (error == -EBADMSG) {
		found_refuse(s);
		return;
	}
	if (error) {
		event_warn(k, EVENT_snapshot_refused, "snapshot",
			   "cannot be restored: %s; sessions start anew", strerror(-error));
	} else {
		s->report.state = SNAPSHOT_RESTORED;
		s->report.restored_from = (time_t)(s->found->header.wall / SECOND);
		s->report.restore_seconds = clock_seconds(CLOCK_MONOTONIC) - begin;
		restored_tell(k, &s->report);
	}
	found_forget(s);
}
