// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Snapshots that somebody else wrote. The first byte chooses: the bytes are a file, read as it is; or they are entries, as if their
 * checksums were right, restored into a small NAT, whose state must be in order afterwards: one owner of a port above all.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/snapshot_file.c"
#include "native/instance.h"
#include "native/restore.c"
#include "tests/state.h"

enum { POOL = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL };

static char folder[] = "/tmp/keepnat-fuzz-XXXXXX", path[64];

static void folder_remove(void)
{
	unlink(path);
	rmdir(folder);
}

static void folder_make(void)
{
	if (*path)
		return;
	if (!mkdtemp(folder))
		abort();
	snprintf(path, sizeof(path), "%s/snapshot", folder);
	atexit(folder_remove);
}

static void file_read(const uint8_t *data, size_t size)
{
	static struct snapshot_reader reader;
	int fd;

	folder_make();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (!snapshot_open_file(&reader, folder, "fuzz"))
		(void)snapshot_read(&reader, NULL, NULL);
	snapshot_close_file(&reader);
}

/* A small NAT; bits of `how`: an address for one host, alone, blocks of ports. */
static void nat_make(struct nat_instance *nat, uint8_t how)
{
	struct native_sizes sizes = { .flows = 64, .mappings = 64, .hosts = 32, .addresses = 2 };
	struct shares shares = { 0 };

	if (native_create(nat, &sizes, 1))
		abort();
	(void)native_interface_add(nat, 3, ROLE_OUTSIDE);
	(void)native_interface_add(nat, 2, ROLE_INSIDE);
	if (how & 1)
		native_interface_alone(nat, 0);
	(void)native_address_set(nat, 0, 1, how & 1 ? ADDRESS_LIVE | ADDRESS_POOL : POOL);
	(void)native_address_set(nat, 0, 2, how & 1 ? ADDRESS_LIVE | ADDRESS_POOL : POOL);
	if (how & 2 && !(how & 1)) {
		shares_lend(&shares, 64, 2, 1024, 65535);
		native_interface_shares(nat, 0, &shares);
	}
	nat->now = 1000;
}

static void entries_restore(const uint8_t *data, size_t size, uint8_t how)
{
	struct state_fault fault = { "" };
	struct nat_instance nat;
	struct restore restore;
	struct saved saved;

	nat_make(&nat, how);
	if (restore_open(&restore, &nat, nat.now, how >> 3, how & 4))
		abort();
	restore.numbers[0] = 0;
	while (size) {
		u32 kind = *data++ % SAVED_KINDS, bytes = saved_size(kind);

		if (--size < bytes)
			break;
		memset(&saved, 0, sizeof(saved));
		saved.kind = kind;
		memcpy(&saved.host, data, bytes);
		data += bytes;
		size -= bytes;
		restore_ahead(&restore, &saved);
		if (saved_valid(&saved))
			(void)restore_entry(&restore, &saved);
	}
	restore_close(&restore);
	if (state_check(&nat, 0, &fault)) {
		fprintf(stderr, "%s\n", fault.what);
		abort();
	}
	native_destroy(&nat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] & 1)
		entries_restore(data + 2, size - 2, data[1]);
	else
		file_read(data + 1, size - 1);
	return 0;
}
