/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * snapshot_file.h - a snapshot on disk: written so that there is always a whole one, read so that none is believed that is not
 * whole.
 *
 *	header   what it is, of whom, when; then blocks
 *	block    kind, entries, bytes, CRC32C of these and of what follows: entries of one kind (native/saved.h)
 *	trailer  a block of kind SNAPSHOT_END: entries of each kind, and the CRC32C of the whole file before it
 *
 * WRITTEN ASIDE, synced, renamed, and the folder synced. So after a crash or a loss of power at any instant the name leads to
 * the former snapshot or to the new one, both whole; what was left aside is overwritten by the next.
 *
 * READ TWICE. First all of it is judged: lengths, checksums, counts, and each entry by itself. Only then is it opened again for
 * use, and the same is asked of each block as it comes. Memory is one block, however long the file.
 *
 * VERSIONS. The first 16 bytes are the same in all: magic, byte order, version. A reader takes SNAPSHOT_VERSION, and says of any
 * other which it is. The version changes with anything here or in saved.h, never with the layout of the tables in memory: so
 * a new layout is reached by a snapshot, too.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "native/saved.h"

enum {
	SNAPSHOT_VERSION = SAVED_VERSION,
	SNAPSHOT_ORDER = 0x01020304,
	SNAPSHOT_BLOCK = 65536, /* bytes of a block's entries, at most */
	SNAPSHOT_END = 0x444e45,
	SNAPSHOT_WHY = 192,
	SNAPSHOT_KEPT = 3, /* refused ones that are set aside */
	SNAPSHOT_PATH = 160,
};

/* An outside interface by its number in the file. */
struct snapshot_interface {
	char name[16];
	u8 number;
	u8 clients; /* these are clients' behind this inside interface (core/clients.h) */
	u8 zero[6];
};

struct snapshot_header {
	char magic[8];
	u32 order;
	u32 version;
	u32 size;	/* of this header */
	u32 layout;	/* LAYOUT_VERSION of who wrote it: for people */
	u64 wall;	/* CLOCK_REALTIME, nanoseconds */
	u64 since_boot; /* CLOCK_BOOTTIME */
	char boot[40];	/* the kernel's id of this boot */
	char instance[40];
	char program[24]; /* version of who wrote it */
	struct snapshot_interface interfaces[MAX_OUTSIDE];
	u32 interface_count;
	u32 crc; /* of all before */
};
_Static_assert(sizeof(struct snapshot_header) == 152 + 24 * MAX_OUTSIDE, "no hidden padding");

/* What writing asks of the system; a test has its own. Each as the call of that name, -1 and errno. */
struct file_calls {
	int (*open)(void *context, const char *path);
	ssize_t (*write)(void *context, int fd, const void *bytes, size_t size);
	int (*sync)(void *context, int fd);
	int (*close)(void *context, int fd);
	int (*rename)(void *context, const char *from, const char *to);
	int (*remove)(void *context, const char *path);
	int (*sync_folder)(void *context, const char *folder);
	void *context;
};
extern const struct file_calls file_calls_system;

struct snapshot_writer {
	const struct file_calls *calls;
	const char *folder;
	int fd;
	int error;	       /* the first one; all that follows does nothing */
	u32 crc;	       /* of all that was written */
	u32 kind, count, used; /* of the block at hand */
	u64 bytes;
	u64 entries[SAVED_KINDS];
	u8 block[SNAPSHOT_BLOCK];
};

/* Begin one aside in this folder. Magic, order, version, sizes and CRC of the header are filled in here. */
void snapshot_create(struct snapshot_writer *w, const struct file_calls *calls, const char *folder,
		     const struct snapshot_header *header);
void snapshot_add(struct snapshot_writer *w, const struct saved *saved);

/* It takes the place of the former one. 0, or the first -errno of all, and the former one stays. */
int snapshot_commit(struct snapshot_writer *w);

/* Leave it, and take away what was written. */
void snapshot_abandon(struct snapshot_writer *w);

struct snapshot_reader {
	int fd;
	u64 size;
	struct snapshot_header header;
	u64 entries[SAVED_KINDS];
	char why[SNAPSHOT_WHY]; /* it is refused, in words */
	u8 block[SNAPSHOT_BLOCK];
};

/*
 * Open the snapshot of a folder and judge its header. 0; -ENOENT: there is none; -EBADMSG: it is refused; else -errno; with
 * reader->why.
 */
int snapshot_open_file(struct snapshot_reader *r, const char *folder, const char *instance);

/*
 * Read all of it, from the beginning: each entry that is valid by itself goes to take(), NULL: to nobody. 0; -EBADMSG or -errno
 * with reader->why, also when some were taken.
 */
int snapshot_read(struct snapshot_reader *r, void (*take)(void *context, const struct saved *saved),
		  void *context);
void snapshot_close_file(struct snapshot_reader *r);

/* A refused one gets another name, beside the last ones; *name: which. 0 or -errno. */
int snapshot_set_aside(const char *folder, char name[SNAPSHOT_PATH]);
