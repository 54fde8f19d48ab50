// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * native/save.h, native/restore.h, daemon/snapshot_file.h: what comes back from a snapshot, and that nothing does from one that is
 * damaged, cut off, foreign, or of a write that power was lost in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/crc32c.h"
#include "daemon/snapshot_tables.h"
#include "tests/state.h"
#include "tests/unit/core.h"

enum { POOL = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL, FILE_MAX = 65536 };

static char folder[] = "/tmp/keepnat-snapshot-XXXXXX";
static struct snapshot_writer writer;
static struct snapshot_reader reader;
static struct snapshot_outcome outcome;
static u8 file[FILE_MAX];
static size_t file_size;

static const char *path(const char *suffix)
{
	static char text[SNAPSHOT_PATH];

	snprintf(text, sizeof(text), "%s/snapshot%s", folder, suffix);
	return text;
}

static struct snapshot_header header(void)
{
	struct snapshot_header h = { .instance = "test", .interface_count = 1 };

	memcpy(h.interfaces[0].name, "wan0", 5);
	return h;
}

static int save_with(const struct file_calls *calls)
{
	struct snapshot_header h = header();

	snapshot_create(&writer, calls, folder, &h);
	assert_false(snapshot_save(&nat, &writer, NULL, NULL));
	return snapshot_commit(&writer);
}

static void save(void) { assert_int_equal(save_with(&file_calls_system), 0); }

/* Open and judge what is there. */
static int judge(void)
{
	int error = snapshot_open_file(&reader, folder, "test");

	if (!error)
		error = snapshot_read(&reader, NULL, NULL);
	snapshot_close_file(&reader);
	return error;
}

/* Bring it back into the NAT that is there now, `off` ticks later. */
static void load(u32 off, bool rebooted)
{
	struct restore restore;

	assert_int_equal(restore_open(&restore, &nat, nat.now, off, rebooted), 0);
	assert_int_equal(snapshot_open_file(&reader, folder, "test"), 0);
	assert_int_equal(snapshot_read(&reader, NULL, NULL), 0);
	for (u32 i = 0; i < reader.header.interface_count; i++)
		restore.numbers[reader.header.interfaces[i].number] = reader.header.interfaces[i].number;
	assert_int_equal(snapshot_load(&reader, &restore, &outcome), 0);
	snapshot_close_file(&reader);
	restore_close(&restore);
}

/* A machine that has booted: other tables, another seed, another time. */
static void boot(struct native_sizes sizes, int addresses)
{
	native_destroy(&nat);
	assert_int_equal(native_create(&nat, &sizes, 77), 0);
	assert_int_equal(native_interface_add(&nat, OUTSIDE_IFINDEX, ROLE_OUTSIDE), 0);
	assert_int_equal(native_interface_add(&nat, INSIDE_IFINDEX, ROLE_INSIDE), MAX_OUTSIDE);
	if (addresses > 1) /* in another order: they have other port bitmaps */
		assert_true(native_address_set(&nat, 0, ADDRESS_B, POOL) >= 0);
	if (addresses > 0)
		assert_true(native_address_set(&nat, 0, ADDRESS_A, POOL) >= 0);
	nat.now = 777777;
}

static void assert_order(void)
{
	struct state_fault fault = { "" };

	if (state_check(&nat, STATE_QUIET, &fault))
		fail_msg("%s", fault.what);
}

static u64 restored(enum saved_kind kind) { return outcome.of[kind][RESTORE_DONE]; }

static int setup(void **state)
{
	strcpy(folder, "/tmp/keepnat-snapshot-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return nat_setup_two(state);
}

static int end(void **state)
{
	static const char *const suffixes[] = { "",	      ".new",	    ".refused-1",
						".refused-2", ".refused-3", ".refused-4" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		unlink(path(suffixes[i]));
	rmdir(folder);
	return nat_end(state);
}

/*
 * Entries
 */

/* Some of everything; *address, *port: where the TCP connection of HOST_1 is outside. */
static void populate(__be32 *address, u16 *port)
{
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_2, 5000, REMOTE_1, 53), REASON_out_created);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_2, 53), REASON_out_created);
	assert_int_equal(meet_tcp(NATIVE_OUT, TCP_SYN, HOST_1, 6000, REMOTE_1, 80), REASON_out_created);
	*address = frame_source();
	*port = frame_sport();
	assert_int_equal(meet_tcp(NATIVE_IN, TCP_SYN | TCP_ACK, REMOTE_1, 80, *address, *port),
			 REASON_in_session);
	assert_int_equal(meet_tcp(NATIVE_OUT, TCP_ACK, HOST_1, 6000, REMOTE_1, 80), REASON_out_session);
}

static void endpoints_are_kept(void **state)
{
	__be32 address, udp;
	u16 port, udp_port;

	(void)state;
	populate(&address, &port);
	meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53);
	udp = frame_source();
	udp_port = frame_sport();
	save();
	assert_int_equal(judge(), 0);
	boot((struct native_sizes){ 0 }, 2);
	load(20, true);
	assert_order();
	assert_int_equal(restored(SAVED_HOST), 2);
	assert_int_equal(restored(SAVED_MAPPING), 3);
	assert_int_equal(restored(SAVED_SESSION), 4);
	/* Either side goes on, by what stands: nothing is created. */
	assert_int_equal(meet_tcp(NATIVE_IN, TCP_ACK, REMOTE_1, 80, address, port), REASON_in_session);
	assert_int_equal(frame_target(), HOST_1);
	assert_int_equal(frame_dport(), 6000);
	assert_int_equal(meet_tcp(NATIVE_OUT, TCP_ACK, HOST_1, 6000, REMOTE_1, 80), REASON_out_session);
	assert_int_equal(frame_source(), address);
	assert_int_equal(frame_sport(), port);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_2, 53), REASON_out_session);
	assert_int_equal(frame_source(), udp);
	assert_int_equal(frame_sport(), udp_port);
	/* A new session of the endpoint has the same outside endpoint, too (RFC 4787 REQ-1). */
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_2, 54), REASON_out_created);
	assert_int_equal(frame_source(), udp);
	assert_int_equal(frame_sport(), udp_port);
	assert_true(port_bit(address_find(&nat, config(), address).index, CLASS_TCP, port));
}

static const struct flow *flow_of(u8 protocol, struct endpoint from, struct endpoint to, u8 direction)
{
	return (const struct flow *)(const void *)flow_at(protocol, from, to, direction);
}

static void counts_flags_and_times_are_kept(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	nat.now += 7;
	save();
	boot((struct native_sizes){ 0 }, 2);
	load(13, true);
	const struct flow *f =
		flow_of(PROTOCOL_TCP, endpoint(HOST_1, 6000), endpoint(REMOTE_1, 80), DIRECTION_OUT);
	assert_non_null(f);
	assert_int_equal(f->packets, 2);
	assert_int_equal(f->bytes, 80);
	assert_int_equal(word_age(f->word, nat.now), 20);
	assert_int_equal(word_flags(f->word), FLAG_SYN | FLAG_DATA);
	assert_int_equal(env_slot(&nat, TABLE_FLOWS, f->peer)->word >> 62, LIVE);
	f = flow_of(PROTOCOL_TCP, endpoint(REMOTE_1, 80), endpoint(address, port), DIRECTION_IN);
	assert_non_null(f);
	assert_int_equal(f->packets, 1);
	assert_int_equal(word_flags(f->word), FLAG_SYN);
}

static void what_timed_out_meanwhile_is_left_out(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	save();
	boot((struct native_sizes){ 0 }, 2);
	load(config()->timers.udp_timeout + 1, true);
	assert_order();
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_int_equal(outcome.of[SAVED_SESSION][RESTORE_TIME], 3);
	assert_int_equal(meet_tcp(NATIVE_IN, TCP_ACK, REMOTE_1, 80, address, port), REASON_in_session);
	/* Its endpoint would rest now: nobody else has its port, and it has it again. */
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	boot((struct native_sizes){ 0 }, 2);
	load(config()->timers.tcp_idle_timeout + 1, true);
	assert_int_equal(restored(SAVED_SESSION), 0);
	assert_int_equal(restored(SAVED_MAPPING), 0);
	assert_int_equal(restored(SAVED_HOST), 2); /* IP preservation */
	boot((struct native_sizes){ 0 }, 2);
	load(UINT32_MAX, true);
	assert_int_equal(restored(SAVED_HOST), 0);
	assert_int_equal(live(TABLE_FLOWS) + live(TABLE_MAPPINGS) + live(TABLE_HOSTS), 0);
}

/* A mapping that its TCP session keeps alive comes back with that, however long ago it was used itself. */
static void a_session_brings_its_mapping(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	nat.now += 2000;
	meet_tcp(NATIVE_OUT, TCP_ACK, HOST_1, 6000, REMOTE_1, 80);
	save();
	boot((struct native_sizes){ 0 }, 2);
	load(0, true);
	assert_int_equal(restored(SAVED_MAPPING), 0);
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_order();
	assert_int_equal(meet_tcp(NATIVE_IN, TCP_ACK, REMOTE_1, 80, address, port), REASON_in_session);
}

static void a_port_rests_on(void **state)
{
	struct sweep *sweep = sweep_memory_new(&nat);

	(void)state;
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	nat.now += 301;
	sweep_pass(sweep, nat.now);
	sweep_pass(sweep, nat.now);
	sweep_memory_free(sweep);
	save();
	boot((struct native_sizes){ 0 }, 2);
	load(100, true);
	assert_int_equal(restored(SAVED_MAPPING), 1);
	struct slot *inside = half_at(endpoint(HOST_1, 5000), CLASS_UDP, HALF_INSIDE);
	assert_non_null(inside);
	assert_true(word_flags(inside->word) & RESTING);
	assert_int_equal(word_age(inside->word, nat.now), 100);
	boot((struct native_sizes){ 0 }, 2);
	load(121, true);
	assert_int_equal(outcome.of[SAVED_MAPPING][RESTORE_TIME], 1);
}

/* What the configuration of today does not allow. */
static void changed_configuration(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	save();
	boot((struct native_sizes){ 0 }, 0);
	load(0, true);
	assert_int_equal(outcome.of[SAVED_HOST][RESTORE_ADDRESS], 2);
	assert_int_equal(outcome.of[SAVED_MAPPING][RESTORE_ADDRESS], 3);
	assert_int_equal(outcome.of[SAVED_SESSION][RESTORE_ADDRESS], 4);
	boot((struct native_sizes){ 0 }, 2);
	config()->port_min = 20000;
	config()->port_max = 30000;
	load(0, true);
	assert_int_equal(restored(SAVED_HOST), 2);
	assert_int_equal(outcome.of[SAVED_MAPPING][RESTORE_PORT], 3);
	assert_int_equal(outcome.of[SAVED_SESSION][RESTORE_PORT], 4);
	boot((struct native_sizes){ 0 }, 2);
	struct restore restore;
	assert_int_equal(restore_open(&restore, &nat, nat.now, 0, true), 0); /* no interface has its number */
	assert_int_equal(snapshot_open_file(&reader, folder, "test"), 0);
	assert_int_equal(snapshot_load(&reader, &restore, &outcome), 0);
	snapshot_close_file(&reader);
	restore_close(&restore);
	assert_int_equal(outcome.of[SAVED_SESSION][RESTORE_INTERFACE], 4);
	assert_int_equal(live(TABLE_FLOWS) + live(TABLE_MAPPINGS) + live(TABLE_HOSTS), 0);
}

/* Smaller tables: what has no room is counted, and what is there is in order. */
static void no_room(void **state)
{
	(void)state;
	for (u16 i = 0; i < 200; i++)
		assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, (u16)(5000 + i), REMOTE_1, 53),
				 REASON_out_created);
	save();
	boot((struct native_sizes){ .flows = 64, .mappings = 64 }, 2);
	load(0, true);
	assert_true(outcome.of[SAVED_SESSION][RESTORE_FULL] > 0);
	assert_true(outcome.of[SAVED_MAPPING][RESTORE_FULL] > 0);
	assert_order();
}

/* Basic NAT: the host has its address to itself again, ports as they are. */
static void an_address_is_its_hosts_again(void **state)
{
	__be32 address;

	(void)state;
	native_destroy(&nat);
	nat_begin((struct native_sizes){ 0 }, 0);
	native_interface_alone(&nat, 0);
	native_address_set(&nat, 0, ADDRESS_A, ADDRESS_LIVE | ADDRESS_POOL);
	native_address_set(&nat, 0, ADDRESS_B, ADDRESS_LIVE | ADDRESS_POOL);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	address = frame_source();
	save();
	boot((struct native_sizes){ 0 }, 0);
	native_interface_alone(&nat, 0);
	native_address_set(&nat, 0, ADDRESS_B, ADDRESS_LIVE | ADDRESS_POOL);
	native_address_set(&nat, 0, ADDRESS_A, ADDRESS_LIVE | ADDRESS_POOL);
	load(5, true);
	assert_int_equal(restored(SAVED_HOST), 1);
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_order();
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, address, 5000), REASON_in_session);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_2, 5000, REMOTE_1, 53), REASON_out_created);
	assert_int_not_equal(frame_source(), address);
	/* Here addresses are for all: a host's own port may not be what the range has. */
	boot((struct native_sizes){ 0 }, 2);
	load(5, true);
	assert_order();
}

/* Blocks of ports are lent as before; a port of none is left out. */
static void blocks_are_lent_again(void **state)
{
	struct shares shares = { 0 };
	__be32 address;
	u16 port;

	(void)state;
	shares_lend(&shares, 64, 2, 1024, 65535);
	native_interface_shares(&nat, 0, &shares);
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	address = frame_source();
	port = frame_sport();
	save();
	boot((struct native_sizes){ 0 }, 2);
	native_interface_shares(&nat, 0, &shares);
	load(5, true);
	assert_int_equal(restored(SAVED_MAPPING), 2);
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_order();
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 53, address, port), REASON_in_session);
	boot((struct native_sizes){ 0 }, 2);
	shares_lend(&shares, 128, 2, 32768, 40000);
	native_interface_shares(&nat, 0, &shares);
	load(5, true);
	assert_order();
}

static u32 esp(enum native_hook hook, __be32 from, __be32 to, u32 spi)
{
	u8 payload[12] = { (u8)(spi >> 24), (u8)(spi >> 16), (u8)(spi >> 8), (u8)spi };
	struct packet_spec s = { .protocol = PROTOCOL_ESP,
				 .saddr = from,
				 .daddr = to,
				 .payload = payload,
				 .payload_length = sizeof(payload) };

	return meet(hook, &s);
}

/* Tunnels by their SPIs, which nobody says twice, and a protocol without ports. */
static void spis_and_others_are_kept(void **state)
{
	struct packet_spec ipip = { .protocol = 4, .saddr = HOST_2, .daddr = REMOTE_2, .payload_length = 20 };
	__be32 address;

	(void)state;
	assert_int_equal(esp(NATIVE_OUT, HOST_1, REMOTE_1, 0x11000001), REASON_out_created);
	address = frame_source();
	assert_int_equal(esp(NATIVE_IN, REMOTE_1, address, 0x21000001), REASON_in_created);
	assert_int_equal(meet(NATIVE_OUT, &ipip), REASON_out_created);
	save();
	boot((struct native_sizes){ 0 }, 2);
	load(30, true);
	assert_int_equal(restored(SAVED_FLOW), 4);
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_int_equal(esp(NATIVE_IN, REMOTE_1, address, 0x21000001), REASON_in_session);
	assert_int_equal(frame_target(), HOST_1);
	assert_int_equal(esp(NATIVE_OUT, HOST_1, REMOTE_1, 0x11000001), REASON_out_session);
	assert_int_equal(meet(NATIVE_OUT, &ipip), REASON_out_session);
	/* The sweep judges the halves together again. */
	struct sweep *sweep = sweep_memory_new(&nat);
	sweep_pass(sweep, nat.now);
	assert_int_equal(sweep->last.sessions[CLASSES], 2);
	sweep_memory_free(sweep);
}

static void permissions_are_kept(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	config()->filtering[CLASS_UDP] = FILTERING_ADF;
	assert_int_equal(meet_udp(NATIVE_OUT, HOST_1, 5000, REMOTE_1, 53), REASON_out_created);
	address = frame_source();
	port = frame_sport();
	save();
	boot((struct native_sizes){ 0 }, 2);
	config()->filtering[CLASS_UDP] = FILTERING_ADF;
	load(5, true);
	assert_int_equal(meet_udp(NATIVE_IN, REMOTE_1, 99, address, port), REASON_in_created);
	assert_int_not_equal(meet_udp(NATIVE_IN, REMOTE_2, 53, address, port), REASON_in_created);
}

/* The router's own sockets do not outlive a reboot. A stop and a start they do. */
static void the_routers_own(void **state)
{
	struct native_frame f = { .data = frame(), .ifindex = OUTSIDE_IFINDEX };
	struct packet_spec s = { .protocol = PROTOCOL_UDP,
				 .saddr = ADDRESS_A,
				 .sport = 5000,
				 .daddr = REMOTE_1,
				 .dport = 53,
				 .payload_length = 5 };

	(void)state;
	f.length = (u32)packet_build(&s, frame(), ROOM);
	assert_int_equal(native_meet(&nat, NATIVE_OUT, &f).reason, REASON_out_created);
	save();
	boot((struct native_sizes){ 0 }, 2);
	load(5, true);
	assert_int_equal(outcome.of[SAVED_SESSION][RESTORE_ROUTER], 1);
	assert_int_equal(live(TABLE_MAPPINGS), 0);
	boot((struct native_sizes){ 0 }, 2);
	load(5, false);
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_order();
}

static void what_a_reset_ended_is_not_saved(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	nat_reset(1, 0, 0);
	save();
	assert_int_equal(writer.entries[SAVED_SESSION], 0);
	assert_int_equal(writer.entries[SAVED_MAPPING], 3);
	nat_reset(0, 1, 1);
	save();
	assert_int_equal(writer.entries[SAVED_MAPPING] + writer.entries[SAVED_HOST], 0);
}

/*
 * Files
 */

static void file_read(void)
{
	int fd = open(path(""), O_RDONLY);
	ssize_t n = read(fd, file, sizeof(file));

	assert_true(n > 0 && n < FILE_MAX);
	file_size = (size_t)n;
	close(fd);
}

static void file_write(size_t size)
{
	int fd = open(path(""), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, file, size), size);
	close(fd);
}

static void every_damaged_byte_is_noticed(void **state)
{
	static const u8 damages[] = { 0x01, 0x80, 0xff };
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	save();
	file_read();
	for (size_t i = 0; i < file_size; i++)
		for (size_t j = 0; j < sizeof(damages); j++) {
			file[i] ^= damages[j];
			file_write(file_size);
			if (judge() != -EBADMSG || !*reader.why)
				fail_msg("byte %zu, changed by %x, is not noticed", i, damages[j]);
			file[i] ^= damages[j];
		}
	file_write(file_size);
	assert_int_equal(judge(), 0);
}

static void every_cut_is_noticed(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	populate(&address, &port);
	save();
	file_read();
	for (size_t size = 0; size < file_size; size++) {
		file_write(size);
		if (judge() != -EBADMSG)
			fail_msg("%zu bytes of %zu are taken for a whole file", size, file_size);
	}
	file[file_size] = 0;
	file_write(file_size + 1);
	assert_int_equal(judge(), -EBADMSG);
}

/* Write the header anew, its checksum right. */
static void header_change(void (*change)(struct snapshot_header *h))
{
	struct snapshot_header h;

	memcpy(&h, file, sizeof(h));
	change(&h);
	h.crc = crc32c(0, &h, offsetof(struct snapshot_header, crc));
	memcpy(file, &h, sizeof(h));
	file_write(file_size);
}

static void header_newer(struct snapshot_header *h) { h->version = SNAPSHOT_VERSION + 1; }
static void header_older(struct snapshot_header *h) { h->version = SNAPSHOT_VERSION - 1; }
static void header_swapped(struct snapshot_header *h) { h->order = __builtin_bswap32(h->order); }
static void header_magic(struct snapshot_header *h) { h->magic[0] = 'x'; }
static void header_instance(struct snapshot_header *h) { h->instance[0] = 'x'; }
static void header_number(struct snapshot_header *h) { h->interfaces[0].number = MAX_OUTSIDE; }

static void foreign_ones_are_refused_with_their_message(void **state)
{
	static const struct {
		void (*change)(struct snapshot_header *h);
		const char *why;
	} rows[] = {
		{ header_newer, "newer than" },	  { header_older, "older than" },
		{ header_swapped, "byte order" }, { header_magic, "no snapshot of keepnat" },
		{ header_instance, "instance " }, { header_number, "damaged" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		save();
		file_read();
		header_change(rows[i].change);
		assert_int_equal(judge(), -EBADMSG);
		assert_non_null(strstr(reader.why, rows[i].why));
	}
	unlink(path(""));
	assert_int_equal(judge(), -ENOENT);
	assert_int_equal(symlink("/dev/zero", path("")), 0);
	assert_int_not_equal(judge(), 0);
}

static void write_entries(const struct saved *saved, size_t count)
{
	struct snapshot_header h = header();

	snapshot_create(&writer, &file_calls_system, folder, &h);
	for (size_t i = 0; i < count; i++)
		snapshot_add(&writer, &saved[i]);
	assert_int_equal(snapshot_commit(&writer), 0);
}

/* Checksums say nothing of who wrote it. */
static void entries_that_cannot_be_are_refused(void **state)
{
	const struct saved rows[] = {
		{ .kind = SAVED_HOST, .host = { .interface = MAX_OUTSIDE } },
		{ .kind = SAVED_HOST, .host = { .own = OWN_FIXED } },
		{ .kind = SAVED_HOST, .host = { .age = TIME + 1 } },
		{ .kind = SAVED_MAPPING, .mapping = { .class = CLASSES } },
		{ .kind = SAVED_MAPPING, .mapping = { .own = OWN_FIXED } },
		{ .kind = SAVED_MAPPING, .mapping = { .bits = SAVED_OUT } },
		{ .kind = SAVED_SESSION, .session = { .bits = 0 } },
		{ .kind = SAVED_SESSION, .session = { .bits = SAVED_OUT, .out = { .flags = 16 } } },
		{ .kind = SAVED_SESSION, .session = { .bits = SAVED_OUT, .out = { .own = OWN_FIXED } } },
		{ .kind = SAVED_FLOW, .flow = { .direction = 3 } },
		{ .kind = SAVED_FLOW, .flow = { .realm = 2 } },
		{ .kind = SAVED_FLOW, .flow = { .bits = SAVED_IN } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_entries(&rows[i], 1);
		assert_int_equal(judge(), -EBADMSG);
		assert_non_null(strstr(reader.why, "cannot be"));
	}
}

/* Promise 4: never two owners, whatever a file says. */
static void two_that_want_one_port(void **state)
{
	struct saved rows[4] = {
		{ .kind = SAVED_MAPPING,
		  .mapping = { .inside = HOST_1,
			       .outside = ADDRESS_A,
			       .inside_port = htons(5000),
			       .outside_port = htons(5000) } },
		{ .kind = SAVED_SESSION,
		  .session = { .inside = HOST_1,
			       .outside = ADDRESS_A,
			       .remote = REMOTE_1,
			       .inside_port = htons(5000),
			       .outside_port = htons(5000),
			       .remote_port = htons(53),
			       .protocol = PROTOCOL_UDP,
			       .bits = SAVED_OUT | SAVED_IN } },
	};

	(void)state;
	rows[2] = rows[0];
	rows[2].mapping.inside = HOST_2;
	rows[3] = rows[1];
	rows[3].session.inside = HOST_2;
	write_entries((struct saved[]){ rows[0], rows[2], rows[1], rows[3], rows[1] }, 5);
	load(0, true);
	assert_int_equal(restored(SAVED_MAPPING), 1);
	assert_int_equal(outcome.of[SAVED_MAPPING][RESTORE_TAKEN], 1);
	assert_int_equal(restored(SAVED_SESSION), 1);
	assert_int_equal(outcome.of[SAVED_SESSION][RESTORE_TAKEN], 2);
	assert_order();
}

/* What the configuration fixed is there first, and stays. */
static void reservations_and_port_mappings_stand(void **state)
{
	struct saved rows[] = {
		{ .kind = SAVED_HOST, .host = { .inside = HOST_1, .outside = ADDRESS_A } },
		{ .kind = SAVED_HOST, .host = { .inside = HOST_2, .outside = ADDRESS_B } },
		{ .kind = SAVED_MAPPING,
		  .mapping = { .inside = HOST_1,
			       .outside = ADDRESS_A,
			       .inside_port = htons(5000),
			       .outside_port = htons(5000) } },
	};

	(void)state;
	native_address_set(&nat, 0, ADDRESS_A, ADDRESS_LIVE | ADDRESS_RESERVED);
	write_entries(rows, 3);
	load(0, true);
	assert_int_equal(outcome.of[SAVED_HOST][RESTORE_ADDRESS], 1);
	assert_int_equal(outcome.of[SAVED_MAPPING][RESTORE_ADDRESS], 1);
	assert_int_equal(restored(SAVED_HOST), 1);
}

static void refused_ones_are_set_aside_and_few_are_kept(void **state)
{
	char name[SNAPSHOT_PATH];

	(void)state;
	for (int i = 0; i < 5; i++) {
		file[0] = (u8)i;
		file_write(1);
		assert_int_equal(snapshot_set_aside(folder, name), 0);
		assert_string_equal(name, path(".refused-1"));
	}
	assert_int_equal(access(path(".refused-3"), F_OK), 0);
	assert_int_not_equal(access(path(".refused-4"), F_OK), 0);
	assert_int_equal(judge(), -ENOENT);
	assert_int_equal(snapshot_set_aside(folder, name), -ENOENT);
}

/*
 * Loss of power
 */

/* From call number `at` on nothing happens any more; of a write, so many bytes still do. */
static struct {
	int at, calls;
	size_t bytes; /* that are written before power is lost; SIZE_MAX: any number */
	bool dirty;   /* something is written and not synced */
	bool renamed;
} power;

static bool power_lost(void)
{
	if (power.calls++ < power.at)
		return false;
	errno = EIO;
	return true;
}

static int lossy_open(void *context, const char *name)
{
	return power_lost() ? -1 : file_calls_system.open(context, name);
}

static ssize_t lossy_write(void *context, int fd, const void *bytes, size_t size)
{
	if (power_lost())
		return -1;
	if (power.bytes != SIZE_MAX && size > power.bytes)
		size = power.bytes;
	if (power.bytes != SIZE_MAX)
		power.bytes -= size;
	power.dirty = true;
	if (!size) {
		errno = ENOSPC;
		return -1;
	}
	return file_calls_system.write(context, fd, bytes, size);
}

static int lossy_sync(void *context, int fd)
{
	if (power_lost())
		return -1;
	power.dirty = false;
	return file_calls_system.sync(context, fd);
}

static int lossy_close(void *context, int fd)
{
	int failed = file_calls_system.close(context, fd);

	return power_lost() ? -1 : failed;
}

static int lossy_rename(void *context, const char *from, const char *to)
{
	assert_false(power.dirty); /* else the name could lead to what is not there */
	if (power_lost())
		return -1;
	power.renamed = true;
	return file_calls_system.rename(context, from, to);
}

static int lossy_remove(void *context, const char *name)
{
	return power_lost() ? -1 : file_calls_system.remove(context, name);
}

static int lossy_sync_folder(void *context, const char *name)
{
	return power_lost() ? -1 : file_calls_system.sync_folder(context, name);
}

static const struct file_calls lossy = {
	.open = lossy_open,
	.write = lossy_write,
	.sync = lossy_sync,
	.close = lossy_close,
	.rename = lossy_rename,
	.remove = lossy_remove,
	.sync_folder = lossy_sync_folder,
};

/* An older snapshot is there, of nothing; then one with sessions is written, and power is lost. */
static int lose_power(int at, size_t bytes)
{
	power.at = at;
	power.calls = 0;
	power.bytes = bytes;
	power.dirty = power.renamed = false;
	return save_with(&lossy);
}

static void assert_whole(bool newer)
{
	assert_int_equal(judge(), 0);
	assert_int_equal(reader.entries[SAVED_SESSION], newer ? 4 : 0);
}

static void power_is_lost_at_each_step(void **state)
{
	__be32 address;
	u16 port;
	int at = 0;

	(void)state;
	save();
	file_read();
	populate(&address, &port);
	for (; lose_power(at, SIZE_MAX); at++) {
		assert_whole(power.renamed);
		file_write(file_size);
	}
	assert_true(at > 6);
	assert_whole(true);
}

static void power_is_lost_at_each_byte(void **state)
{
	__be32 address;
	u16 port;

	(void)state;
	save();
	file_read();
	populate(&address, &port);
	save();
	u64 bytes = writer.bytes;
	file_write(file_size);
	for (u64 i = 0; i < bytes; i++) {
		assert_int_equal(lose_power(INT32_MAX, i), -ENOSPC); /* a full disk is the same */
		assert_whole(false);
		assert_int_not_equal(access(path(".new"), F_OK), 0);
	}
	assert_int_equal(lose_power(INT32_MAX, bytes), 0);
	assert_whole(true);
}

static void checksum(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, end)
	const struct CMUnitTest tests[] = {
		CASE(endpoints_are_kept),
		CASE(counts_flags_and_times_are_kept),
		CASE(what_timed_out_meanwhile_is_left_out),
		CASE(a_session_brings_its_mapping),
		CASE(a_port_rests_on),
		CASE(changed_configuration),
		CASE(no_room),
		CASE(an_address_is_its_hosts_again),
		CASE(blocks_are_lent_again),
		CASE(spis_and_others_are_kept),
		CASE(permissions_are_kept),
		CASE(the_routers_own),
		CASE(what_a_reset_ended_is_not_saved),
		CASE(every_damaged_byte_is_noticed),
		CASE(every_cut_is_noticed),
		CASE(foreign_ones_are_refused_with_their_message),
		CASE(entries_that_cannot_be_are_refused),
		CASE(two_that_want_one_port),
		CASE(reservations_and_port_mappings_stand),
		CASE(refused_ones_are_set_aside_and_few_are_kept),
		CASE(power_is_lost_at_each_step),
		CASE(power_is_lost_at_each_byte),
		CASE(checksum),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
