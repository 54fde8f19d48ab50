// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/crc32c.h"
#include "native/fault.h"
#include "native/restore.h"

static const char magic[8] = { 'k', 'e', 'e', 'p', 'n', 'a', 't', 0x1a };

struct block_head {
	u32 kind;
	u32 count;
	u32 bytes;
	u32 crc;
};

struct trailer {
	u64 entries[SAVED_KINDS];
	u32 crc;
	u32 zero;
};

static void snapshot_path(char path[SNAPSHOT_PATH], const char *folder, const char *suffix)
{
	snprintf(path, SNAPSHOT_PATH, "%s/snapshot%s", folder, suffix);
}

/*
 * The system's own calls
 */

static int system_open(void *context, const char *path)
{
	(void)context;
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static ssize_t system_write(void *context, int fd, const void *bytes, size_t size)
{
	(void)context;
	return write(fd, bytes, size);
}

static int system_sync(void *context, int fd)
{
	(void)context;
	return fdatasync(fd);
}

static int system_close(void *context, int fd)
{
	(void)context;
	return close(fd);
}

static int system_rename(void *context, const char *from, const char *to)
{
	(void)context;
	return rename(from, to);
}

static int system_remove(void *context, const char *path)
{
	(void)context;
	return unlink(path);
}

static int system_sync_folder(void *context, const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), failed;

	(void)context;
	if (fd < 0)
		return -1;
	failed = fsync(fd);
	close(fd);
	return failed;
}

const struct file_calls file_calls_system = {
	.open = system_open,
	.write = system_write,
	.sync = system_sync,
	.close = system_close,
	.rename = system_rename,
	.remove = system_remove,
	.sync_folder = system_sync_folder,
};

/*
 * Writing
 */

static void bytes_write(struct snapshot_writer *w, const void *bytes, size_t size)
{
	const u8 *at = bytes;

	w->crc = crc32c(w->crc, bytes, size);
	while (size && !w->error) {
		ssize_t n = w->calls->write(w->calls->context, w->fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			w->error = n < 0 ? -errno : -EIO;
			return;
		}
		at += n;
		size -= (size_t)n;
		w->bytes += (u64)n;
	}
}

static void block_write(struct snapshot_writer *w, u32 kind, u32 count, const void *bytes, u32 size)
{
	struct block_head head = { .kind = kind, .count = count, .bytes = size };

	head.crc = crc32c(crc32c(0, &head, offsetof(struct block_head, crc)), bytes, size);
	bytes_write(w, &head, sizeof(head));
	bytes_write(w, bytes, size);
}

static void block_end(struct snapshot_writer *w)
{
	if (w->count)
		block_write(w, w->kind, w->count, w->block, w->used);
	w->count = w->used = 0;
}

void snapshot_create(struct snapshot_writer *w, const struct file_calls *calls, const char *folder,
		     const struct snapshot_header *header)
{
	struct snapshot_header h = *header;
	char path[SNAPSHOT_PATH];

	memset(w, 0, offsetof(struct snapshot_writer, block));
	w->calls = calls;
	w->folder = folder;
	snapshot_path(path, folder, ".new");
	w->fd = calls->open(calls->context, path);
	if (w->fd < 0)
		w->error = -errno;
	memcpy(h.magic, magic, sizeof(magic));
	h.order = SNAPSHOT_ORDER;
	h.version = SNAPSHOT_VERSION;
	h.size = sizeof(h);
	h.layout = LAYOUT_VERSION;
	h.crc = crc32c(0, &h, offsetof(struct snapshot_header, crc));
	bytes_write(w, &h, sizeof(h));
}

void snapshot_add(struct snapshot_writer *w, const struct saved *saved)
{
	u32 size = saved_size(saved->kind);

	if (saved->kind != w->kind || w->used + size > SNAPSHOT_BLOCK)
		block_end(w);
	w->kind = saved->kind;
	memcpy(w->block + w->used, &saved->host, size);
	w->used += size;
	w->count++;
	w->entries[saved->kind]++;
}

static void writer_close(struct snapshot_writer *w)
{
	if (w->fd >= 0 && w->calls->close(w->calls->context, w->fd) && !w->error)
		w->error = -errno;
	w->fd = -1;
}

/* What cannot be finished would only fill the disk. */
void snapshot_abandon(struct snapshot_writer *w)
{
	char path[SNAPSHOT_PATH];

	writer_close(w);
	snapshot_path(path, w->folder, ".new");
	(void)w->calls->remove(w->calls->context, path);
}

int snapshot_commit(struct snapshot_writer *w)
{
	char from[SNAPSHOT_PATH], to[SNAPSHOT_PATH];
	struct trailer trailer = { .zero = 0 };

	block_end(w);
	memcpy(trailer.entries, w->entries, sizeof(trailer.entries));
	trailer.crc = w->crc;
	block_write(w, SNAPSHOT_END, 1, &trailer, sizeof(trailer));
	FAULT(save_written);
	if (!w->error && w->calls->sync(w->calls->context, w->fd))
		w->error = -errno;
	writer_close(w);
	FAULT(save_synced);
	snapshot_path(from, w->folder, ".new");
	snapshot_path(to, w->folder, "");
	if (!w->error && w->calls->rename(w->calls->context, from, to))
		w->error = -errno;
	FAULT(save_renamed);
	if (w->error)
		snapshot_abandon(w);
	else if (w->calls->sync_folder(w->calls->context, w->folder))
		w->error = -errno;
	return w->error;
}

/*
 * Reading
 */

static int refuse(struct snapshot_reader *r, int error, const char *why)
{
	snprintf(r->why, sizeof(r->why), "%s%s%s", why, error == -EBADMSG ? "" : ": ",
		 error == -EBADMSG ? "" : strerror(-error));
	return error;
}

/* So many bytes, or the file is shorter than it says. */
static int bytes_read(struct snapshot_reader *r, void *bytes, size_t size)
{
	u8 *at = bytes;

	while (size) {
		ssize_t n = read(r->fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(r, -errno, "it cannot be read");
		if (!n)
			return refuse(r, -EBADMSG, "it ends too early: it was cut off");
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The 16 bytes that are the same in all versions. */
static int kind_judge(struct snapshot_reader *r)
{
	const struct snapshot_header *h = &r->header;

	if (memcmp(h->magic, magic, sizeof(magic)))
		return refuse(r, -EBADMSG, "it is no snapshot of keepnat");
	if (h->order == __builtin_bswap32(SNAPSHOT_ORDER))
		return refuse(r, -EBADMSG, "it was written on a machine of another byte order");
	if (h->order != SNAPSHOT_ORDER)
		return refuse(r, -EBADMSG, "its head is damaged");
	if (h->version == SNAPSHOT_VERSION)
		return 0;
	snprintf(r->why, sizeof(r->why), "it is of version %u, %s than version %u, which this keepnatd reads",
		 h->version, h->version > SNAPSHOT_VERSION ? "newer" : "older", (u32)SNAPSHOT_VERSION);
	return -EBADMSG;
}

static bool text_ends(const char *text, size_t size) { return memchr(text, 0, size) != NULL; }

static bool interfaces_valid(const struct snapshot_header *h)
{
	for (u32 i = 0; i < h->interface_count; i++)
		if (!text_ends(h->interfaces[i].name, sizeof(h->interfaces[i].name)) ||
		    h->interfaces[i].number >= MAX_OUTSIDE || h->interfaces[i].clients > 1)
			return false;
	return true;
}

static int header_judge(struct snapshot_reader *r, const char *instance)
{
	const struct snapshot_header *h = &r->header;

	if (h->crc != crc32c(0, h, offsetof(struct snapshot_header, crc)) || h->size != sizeof(*h) ||
	    h->interface_count > MAX_OUTSIDE || !interfaces_valid(h) ||
	    !text_ends(h->boot, sizeof(h->boot)) || !text_ends(h->instance, sizeof(h->instance)) ||
	    !text_ends(h->program, sizeof(h->program)))
		return refuse(r, -EBADMSG, "its head is damaged");
	if (!strcmp(h->instance, instance))
		return 0;
	snprintf(r->why, sizeof(r->why), "it is of the instance %s, not of %s", h->instance, instance);
	return -EBADMSG;
}

int snapshot_open_file(struct snapshot_reader *r, const char *folder, const char *instance)
{
	char path[SNAPSHOT_PATH];
	struct stat stat;
	int error;

	memset(r, 0, offsetof(struct snapshot_reader, block));
	snapshot_path(path, folder, "");
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (r->fd < 0)
		return refuse(r, -errno, "it cannot be opened");
	if (fstat(r->fd, &stat) || !S_ISREG(stat.st_mode))
		return refuse(r, -EBADMSG, "it is no file");
	r->size = (u64)stat.st_size;
	error = bytes_read(r, &r->header, 16);
	if (!error)
		error = kind_judge(r);
	if (!error)
		error = bytes_read(r, (u8 *)&r->header + 16, sizeof(r->header) - 16);
	return error ? error : header_judge(r, instance);
}

/* One block: its head is read; the rest goes to r->block. */
static int block_read(struct snapshot_reader *r, struct block_head *head)
{
	u32 size = saved_size(head->kind);
	int error;

	if (head->kind == SNAPSHOT_END)
		size = sizeof(struct trailer);
	if (!size || !head->count || head->bytes > SNAPSHOT_BLOCK || head->bytes % size ||
	    head->bytes / size != head->count || (head->kind == SNAPSHOT_END && head->count != 1))
		return refuse(r, -EBADMSG, "a block of it is damaged");
	error = bytes_read(r, r->block, head->bytes);
	if (!error &&
	    head->crc != crc32c(crc32c(0, head, offsetof(struct block_head, crc)), r->block, head->bytes))
		return refuse(r, -EBADMSG, "a block of it is damaged: its checksum is another");
	return error;
}

static int entries_take(struct snapshot_reader *r, const struct block_head *head,
			void (*take)(void *context, const struct saved *saved), void *context)
{
	struct saved saved = { .kind = head->kind };
	u32 size = saved_size(head->kind);

	for (u32 i = 0; i < head->count; i++) {
		memcpy(&saved.host, r->block + (size_t)i * size, size);
		if (!saved_valid(&saved))
			return refuse(r, -EBADMSG, "an entry of it cannot be one");
		r->entries[head->kind]++;
		if (take)
			take(context, &saved);
	}
	return 0;
}

static int trailer_judge(struct snapshot_reader *r, u32 crc)
{
	struct trailer trailer;
	u8 more;

	memcpy(&trailer, r->block, sizeof(trailer));
	if (trailer.crc != crc || memcmp(trailer.entries, r->entries, sizeof(r->entries)) || trailer.zero)
		return refuse(r, -EBADMSG, "it is not whole: entries are missing, or others");
	if (read(r->fd, &more, 1) != 0)
		return refuse(r, -EBADMSG, "something follows its end");
	return 0;
}

int snapshot_read(struct snapshot_reader *r, void (*take)(void *context, const struct saved *saved),
		  void *context)
{
	u32 crc = crc32c(0, &r->header, sizeof(r->header));
	struct block_head head;

	if (lseek(r->fd, sizeof(r->header), SEEK_SET) < 0)
		return refuse(r, -errno, "it cannot be read");
	memset(r->entries, 0, sizeof(r->entries));
	for (;;) {
		int error = bytes_read(r, &head, sizeof(head));

		if (!error)
			error = block_read(r, &head);
		if (!error && head.kind == SNAPSHOT_END)
			return trailer_judge(r, crc);
		if (!error)
			error = entries_take(r, &head, take, context);
		if (error)
			return error;
		crc = crc32c(crc32c(crc, &head, sizeof(head)), r->block, head.bytes);
	}
}

void snapshot_close_file(struct snapshot_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

int snapshot_set_aside(const char *folder, char name[SNAPSHOT_PATH])
{
	char from[SNAPSHOT_PATH], suffix[16];

	for (int i = SNAPSHOT_KEPT - 1; i > 0; i--) {
		snprintf(suffix, sizeof(suffix), ".refused-%d", i);
		snapshot_path(from, folder, suffix);
		snprintf(suffix, sizeof(suffix), ".refused-%d", i + 1);
		snapshot_path(name, folder, suffix);
		(void)rename(from, name);
	}
	snapshot_path(from, folder, "");
	snapshot_path(name, folder, ".refused-1");
	return rename(from, name) ? -errno : 0;
}
