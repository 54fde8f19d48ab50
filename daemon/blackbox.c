// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/blackbox.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct blackbox *blackbox_new(void)
{
	struct blackbox *box =
		mmap(NULL, sizeof(*box), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (box == MAP_FAILED)
		return NULL;
	box->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->wake >= 0)
		return box;
	munmap(box, sizeof(*box));
	return NULL;
}

void blackbox_clear(struct blackbox *box)
{
	struct blackbox clean = {
		.wake = box->wake,
		.restoring = box->restoring,
		.unpinned = box->unpinned,
		.crashes = box->crashes,
		.parent = box->parent,
		.upgrade = box->upgrade,
	};

	memcpy(clean.former, box->former, sizeof(clean.former));
	*box = clean;
}

void blackbox_state(struct blackbox *box, enum worker_state state)
{
	__atomic_store_n(&box->state, (u32)state, __ATOMIC_RELEASE);
	blackbox_wake(box);
}

void blackbox_wake(const struct blackbox *box) { (void)eventfd_write(box->wake, 1); }

void blackbox_settings(struct blackbox *box, const struct settings_recovery *settings)
{
	box->settings = *settings;
	__atomic_store_n(&box->settings_known, true, __ATOMIC_RELEASE);
}

struct blackbox_thread *blackbox_join(struct blackbox *box, const char *name, bool must)
{
	u32 place = __atomic_fetch_add(&box->thread_count, 1, __ATOMIC_RELAXED);
	struct blackbox_thread *thread = &box->threads[place];

	if (place >= BLACKBOX_THREADS)
		return NULL;
	snprintf(thread->name, sizeof(thread->name), "%s", name);
	thread->must = must;
	__atomic_store_n(&thread->id, (u32)gettid(), __ATOMIC_RELEASE);
	return thread;
}

void blackbox_beat(struct blackbox_thread *thread)
{
	if (thread)
		__atomic_store_n(&thread->beats, thread->beats + 1, __ATOMIC_RELAXED);
}

void blackbox_doing(struct blackbox_thread *thread, const char *format, ...)
{
	va_list arguments;

	if (!thread)
		return;
	va_start(arguments, format);
	vsnprintf(thread->doing, sizeof(thread->doing), format, arguments);
	va_end(arguments);
	blackbox_beat(thread);
}
