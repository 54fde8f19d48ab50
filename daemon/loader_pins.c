// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names for what outlives the daemon: a pin in the bpffs, and a descriptor that the parent holds by the same name (hold.h). Where the pin
 * is gone the descriptor serves, and is pinned again as soon as that can be.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/blackbox.h"
#include "daemon/claim.h"
#include "daemon/hold.h"
#include "daemon/loader_parts.h"
#include "daemon/log.h"
#include "daemon/machine.h"

enum { LOOK_SECONDS = 5 };

static void pin_path(const struct keepnat *k, const char *name, char path[LOADER_PATH])
{
	snprintf(path, LOADER_PATH, "%s/%s", k->pin_dir, name);
}

int pin_open(const struct keepnat *k, const char *name)
{
	char path[LOADER_PATH];
	int fd, error;

	pin_path(k, name, path);
	fd = bpf_obj_get(path);
	error = fd < 0 ? -errno : 0;
	if (error)
		fd = hold_get(k->holds, name);
	return fd < 0 ? error : fd;
}

int pin_put(const struct keepnat *k, const char *name, int fd)
{
	char path[LOADER_PATH];

	hold_put(k->holds, name, fd);
	pin_path(k, name, path);
	return !k->unpinned && bpf_obj_pin(fd, path) ? -errno : 0;
}

void pin_drop(const struct keepnat *k, const char *name)
{
	char path[LOADER_PATH];

	pin_path(k, name, path);
	unlink(path);
	hold_drop(k->holds, name);
}

void pin_move(const struct keepnat *k, const char *name, const char *to)
{
	char path[LOADER_PATH], there[LOADER_PATH];

	pin_path(k, name, path);
	pin_path(k, to, there);
	(void)rename(path, there);
	hold_rename(k->holds, name, to);
}

/*
 * The folder
 */

static int folders_make(const struct keepnat *k)
{
	char path[LOADER_PATH];

	pin_path(k, "links", path);
	return machine_folder(path);
}

/* The parent has to know, too: it must not end by itself. */
static void unpinned_set(struct keepnat *k, bool unpinned)
{
	__atomic_store_n(&k->unpinned, unpinned, __ATOMIC_RELEASE);
	__atomic_store_n(&k->box->unpinned, unpinned, __ATOMIC_RELEASE);
}

static void unpinned_tell(struct keepnat *k, const char *why)
{
	unpinned_set(k, true);
	keepnat_warn(k,
		     "pins: %s: %s: packets are translated only while keepnatd's parent lives; mount a bpffs "
		     "there (mount -t bpf bpf FOLDER)",
		     k->pin_dir, why);
}

/* Is there something that the parent holds, and that has to go on whatever becomes of the pins? */
static bool data_path_is_held(const struct keepnat *k)
{
	int fd = hold_get(k->holds, array_name(ARRAY_CONFIG));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int pins_ready(struct keepnat *k)
{
	int error = machine_bpffs(k->pin_dir);

	if (!error) {
		error = folders_make(k);
		if (error)
			log_error("cannot make %s/links: %s; choose another --pin-dir", k->pin_dir,
				  strerror(-error));
	}
	if (error && data_path_is_held(k)) {
		unpinned_tell(k, strerror(-error));
		return 0;
	}
	unpinned_set(k, false);
	return error ? error : claim_pins(k);
}

/* How many were pinned again, or -errno. */
static int pins_mend(struct keepnat *k)
{
	const struct holds *holds = k->holds;
	char path[LOADER_PATH];
	int mended = 0, error;

	for (unsigned int i = 0; i < holds->count; i++) {
		const struct hold *hold = &holds->list[i];

		pin_path(k, hold->name, path);
		if (!strncmp(hold->name, HELD_ALONE, strlen(HELD_ALONE)) || !access(path, F_OK))
			continue;
		error = mended ? 0 : folders_make(k);
		if (!error && bpf_obj_pin(hold->fd, path))
			error = -errno;
		if (error)
			return error;
		mended++;
	}
	return mended;
}

void loader_pins_look(struct keepnat *k)
{
	time_t now = time(NULL);
	int mended;

	if (now - k->loader->looked >= 0 && now - k->loader->looked < LOOK_SECONDS)
		return;
	k->loader->looked = now;
	mended = machine_is_bpffs(k->pin_dir) ? pins_mend(k) : -ENOENT;
	if (mended < 0) {
		unpinned_tell(k, strerror(-mended));
		return;
	}
	if (k->unpinned || mended) {
		log_notice("%s: %d pins were gone, and are there again", k->pin_dir, mended);
		(void)claim_pins(k);
	}
	unpinned_set(k, false);
	keepnat_unwarn(k, "pins: ");
}
