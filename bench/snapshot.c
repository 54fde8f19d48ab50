// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * keepnat-bench-snapshot [SESSIONS [FOLDER]]: what a snapshot costs, and what bringing it back does. TCP connections of many
 * hosts, each of an endpoint of its own, are written to a folder (of a tmpfs, or of the disk in question), judged, and restored
 * into tables that are empty.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/snapshot_tables.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"

enum { OF_HOST = 20, ADDRESSES = 64, ROOM = 128, SYN = 2, ACK = 16, TCP = 6 };
enum { INSIDE = 2, OUTSIDE = 3 };

static double clock_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void packet(struct nat_instance *nat, enum native_hook hook, struct packet_spec *spec)
{
	static union {
		u32 align;
		u8 bytes[ROOM + 2];
	} room;
	struct native_frame frame = { .data = room.bytes + 2, .ifindex = OUTSIDE, .ingress_ifindex = INSIDE };

	spec->protocol = TCP;
	frame.length = (u32)packet_build(spec, room.bytes + 2, ROOM);
	(void)native_meet(nat, hook, &frame);
	memcpy(&spec->saddr, room.bytes + 2 + 12, 4);
	memcpy(&spec->sport, room.bytes + 2 + 20, 2);
}

/* A connection that both sides have spoken on. */
static void session_make(struct nat_instance *nat, u32 i)
{
	__be32 host = htonl(0x0a000000 + i / OF_HOST), remote = htonl(0xcb007100 + i % 200);
	u16 port = (u16)(10000 + i % OF_HOST);
	struct packet_spec spec = {
		.saddr = host, .sport = port, .daddr = remote, .dport = 443, .tcp_flags = SYN
	};
	struct packet_spec answer = { .saddr = remote, .sport = 443, .tcp_flags = SYN | ACK };
	struct packet_spec more = {
		.saddr = host, .sport = port, .daddr = remote, .dport = 443, .tcp_flags = ACK
	};

	packet(nat, NATIVE_OUT, &spec);
	answer.daddr = spec.saddr;
	answer.dport = ntohs(spec.sport);
	packet(nat, NATIVE_IN, &answer);
	packet(nat, NATIVE_OUT, &more);
}

static int tables_make(struct nat_instance *nat, u32 sessions, u64 seed)
{
	struct native_sizes sizes = { .flows = 1024, .hosts = 1024, .addresses = ADDRESSES };
	int error;

	while (sizes.flows < 4 * (u64)sessions)
		sizes.flows *= 2;
	while (sizes.hosts < 2 * sessions / OF_HOST)
		sizes.hosts *= 2;
	sizes.mappings = sizes.flows;
	error = native_create(nat, &sizes, seed);
	if (error)
		return error;
	(void)native_interface_add(nat, OUTSIDE, ROLE_OUTSIDE);
	(void)native_interface_add(nat, INSIDE, ROLE_INSIDE);
	for (u32 i = 0; i < ADDRESSES; i++)
		(void)native_address_set(nat, 0, htonl(0xc6336401 + i), ADDRESS_LIVE | ADDRESS_POOL);
	nat->now = 1000;
	return 0;
}

static int save(struct nat_instance *nat, const char *folder)
{
	static struct snapshot_writer writer;
	struct snapshot_header header = { .instance = "bench" };
	double wall = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);

	snapshot_create(&writer, &file_calls_system, folder, &header);
	(void)snapshot_save(nat, &writer, NULL, NULL);
	int error = snapshot_commit(&writer);
	printf("write    %.3f s, %.3f s of it CPU; %.1f MB, %.1f bytes a session; without the daemon's "
	       "rests\n",
	       clock_seconds(CLOCK_MONOTONIC) - wall, clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       (double)writer.bytes / 1e6, (double)writer.bytes / (double)writer.entries[SAVED_SESSION]);
	return error;
}

static int load(struct nat_instance *nat, const char *folder)
{
	static struct snapshot_reader reader;
	struct snapshot_outcome outcome;
	struct restore restore;
	double begin = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID), judged;
	int error = snapshot_open_file(&reader, folder, "bench");

	if (!error)
		error = snapshot_read(&reader, NULL, NULL);
	judged = clock_seconds(CLOCK_MONOTONIC);
	if (!error)
		error = restore_open(&restore, nat, nat->now, 30, true);
	if (error)
		return error;
	restore.numbers[0] = 0;
	error = snapshot_load(&reader, &restore, &outcome);
	restore_close(&restore);
	snapshot_close_file(&reader);
	printf("restore  %.3f s, %.3f s of it CPU, %.3f s to judge the file; %llu sessions, %llu mappings, "
	       "%llu hosts\n",
	       clock_seconds(CLOCK_MONOTONIC) - begin, clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       judged - begin, (unsigned long long)outcome.of[SAVED_SESSION][RESTORE_DONE],
	       (unsigned long long)outcome.of[SAVED_MAPPING][RESTORE_DONE],
	       (unsigned long long)outcome.of[SAVED_HOST][RESTORE_DONE]);
	return error;
}

int main(int argc, char **argv)
{
	u32 sessions = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : 1000000;
	char made[] = "/tmp/keepnat-bench-XXXXXX", path[SNAPSHOT_PATH];
	const char *folder = argc > 2 ? argv[2] : mkdtemp(made);
	struct nat_instance nat;
	int error = !folder || !sessions || sessions > 1 << 24 ? -EINVAL : tables_make(&nat, sessions, 1);

	for (u32 i = 0; i < sessions && !error; i++)
		session_make(&nat, i);
	if (!error)
		error = save(&nat, folder);
	if (!error) {
		native_destroy(&nat);
		error = tables_make(&nat, sessions, 2);
	}
	if (!error)
		error = load(&nat, folder);
	if (error)
		fprintf(stderr, "keepnat-bench-snapshot: %s\n", strerror(-error));
	snprintf(path, sizeof(path), "%s/snapshot", folder ? folder : "");
	unlink(path);
	if (argc <= 2 && folder)
		rmdir(folder);
	return error != 0;
}
