// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * keepnat-replay - the core on a capture, without privileges, in the capture's own time; `keepnat replay` runs it.
 *
 * A packet whose source is inside goes the way out: the hook of its inside interface, then that of the outside one. Every other one came
 * in: the hook of the outside interface whose address it is for. What is dropped is counted and not written; what is answered is
 * written as its answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/replay_capture.h"
#include "daemon/replay_nat.h"
#include "native/meet.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { PROGRESS_PACKETS = 1 << 14, IPV4 = 0x0800, IPV4_HEADER = 20, SOURCE_PLACE = 12, TARGET_PLACE = 16 };

struct replay {
	struct replay_nat nat;
	struct capture *in, *out;
	u64 packets, written, dropped, answered;
	struct timeval first, last;
};

static void complain(const char *what, const char *why) { fprintf(stderr, "keepnat: %s: %s\n", what, why); }

static struct in_addr address_at(const struct captured *packet, u32 place)
{
	struct in_addr address;

	memcpy(&address, packet->ip + place, sizeof(address));
	return address;
}

/* What the capture cut off is taken for zeros: the NAT reads headers, and changes checksums by what it changes. */
static u32 length_whole(struct captured *packet)
{
	u32 most = CAPTURE_ROOM / 2, whole = packet->whole < most ? packet->whole : most;

	if (whole <= packet->length)
		return packet->length;
	memset(packet->ip + packet->length, 0, whole - packet->length);
	return whole;
}

static struct native_result meet(struct replay *replay, enum native_hook hook, struct captured *packet,
				 u32 length, const struct keepnat_interface *at,
				 const struct keepnat_interface *from)
{
	struct native_frame frame = {
		.data = packet->ip,
		.length = length,
		.ifindex = at->ifindex,
		.ingress_ifindex = from ? from->ifindex : 0,
		.ethertype = packet->ethertype,
		.room = CAPTURE_ROOM,
	};

	return native_meet(&replay->nat.k.nat, hook, &frame);
}

/* The packet on its way through the router. */
static struct native_result route(struct replay *replay, struct captured *packet, u32 length)
{
	bool routed = packet->ethertype == IPV4 && packet->length >= IPV4_HEADER;
	const struct keepnat_interface *inside, *outside;
	struct native_result result;

	inside = routed ? replay_inside(&replay->nat, address_at(packet, SOURCE_PLACE)) : NULL;
	outside =
		replay_outside(&replay->nat, routed ? address_at(packet, inside ? SOURCE_PLACE : TARGET_PLACE)
						    : (struct in_addr){ 0 });
	if (!inside)
		return meet(replay, NATIVE_IN, packet, length, outside, NULL);
	result = meet(replay, NATIVE_HAIRPIN, packet, length, inside, NULL);
	if (result.verdict != VERDICT_PASS || replay_inside(&replay->nat, address_at(packet, TARGET_PLACE)))
		return result;
	return meet(replay, NATIVE_OUT, packet, length, outside, inside);
}

static bool time_is_later(const struct timeval *a, const struct timeval *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_usec > b->tv_usec;
}

static void packet_replay(struct replay *replay, struct captured *packet)
{
	u32 length = length_whole(packet);
	struct native_result result;

	if (!replay->packets++)
		replay->first = packet->time;
	if (time_is_later(&packet->time, &replay->last))
		replay->last = packet->time;
	replay_nat_time(&replay->nat, (u64)packet->time.tv_sec);
	result = route(replay, packet, length);
	if (result.verdict == VERDICT_DROP) {
		replay->dropped++;
		return;
	}
	if (result.verdict == VERDICT_ANSWER) {
		replay->answered++;
		packet->length = result.length;
		captured_turn(packet);
	}
	replay->written++;
	capture_write(replay->out, packet);
}

static void progress(const struct replay *replay, bool end)
{
	int percent = capture_progress(replay->in);

	if (!isatty(STDERR_FILENO) || (!end && replay->packets % PROGRESS_PACKETS))
		return;
	if (end)
		fputs("\r\033[K", stderr);
	else if (percent >= 0)
		fprintf(stderr, "\r%3d %%  %llu packets", percent, (unsigned long long)replay->packets);
	else
		fprintf(stderr, "\r%llu packets", (unsigned long long)replay->packets);
}

/* 0, or -1 and *why. */
static int capture_replay(struct replay *replay, const char **why)
{
	static struct captured packet;
	int status;

	while ((status = capture_read(replay->in, &packet, why)) == 1) {
		packet_replay(replay, &packet);
		progress(replay, false);
	}
	progress(replay, true);
	return status;
}

/*
 * What happened
 */

static const struct {
	const char *name, *verdict, *meaning;
} reasons[REASONS] = {
#define REASON(name, verdict, meaning) { #name, #verdict, meaning },
#include "core/reasons.def"
#undef REASON
};

static struct counter counter_of(const struct replay *replay, u32 reason)
{
	struct counter sum = { 0 };

	for (u32 i = 0; i < MAX_INTERFACES; i++) {
		sum.packets += replay->nat.k.nat.counters->by[i][reason].packets;
		sum.bytes += replay->nat.k.nat.counters->by[i][reason].bytes;
	}
	return sum;
}

/* Every packet from inside meets two hooks; the first one has nothing to say of most. */
static bool is_told(u32 reason) { return reason != REASON_inside_other; }

static double seconds_of(const struct replay *replay)
{
	const struct timeval *first = &replay->first, *last = &replay->last;

	return (double)(last->tv_sec - first->tv_sec) + (double)(last->tv_usec - first->tv_usec) / 1e9;
}

static void report_json(const struct replay *replay)
{
	json_t *by = json_object(), *json;

	for (u32 i = 0; i < REASONS; i++) {
		struct counter sum = counter_of(replay, i);

		if (sum.packets && is_told(i))
			json_object_set_new(by, reasons[i].name,
					    json_pack("{s:I, s:I}", "packets", (json_int_t)sum.packets,
						      "bytes", (json_int_t)sum.bytes));
	}
	json = json_pack("{s:I, s:I, s:I, s:I, s:f, s:o}", "packets", (json_int_t)replay->packets, "written",
			 (json_int_t)replay->written, "answered", (json_int_t)replay->answered, "dropped",
			 (json_int_t)replay->dropped, "seconds", seconds_of(replay), "reasons", by);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void report_text(const struct replay *replay)
{
	printf("%llu packets in %.3f s of the capture: %llu written, %llu of them answers; %llu dropped\n",
	       (unsigned long long)replay->packets, seconds_of(replay), (unsigned long long)replay->written,
	       (unsigned long long)replay->answered, (unsigned long long)replay->dropped);
	for (u32 i = 0; i < REASONS; i++) {
		struct counter sum = counter_of(replay, i);

		if (sum.packets && is_told(i))
			printf("%-22s %10llu  %s\n", reasons[i].name, (unsigned long long)sum.packets,
			       reasons[i].meaning);
	}
}

/*
 * Arguments
 */

struct arguments {
	const char *in, *out, *config, *pool;
	bool json;
};

static int arguments_read(struct arguments *arguments, int count, char **words)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "pool", required_argument, NULL, 'p' },
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};

	*arguments = (struct arguments){ .config = "/etc/keepnat/keepnat.yaml" };
	for (int option; (option = getopt_long(count, words, "o:", options, NULL)) != -1;)
		if (option == 'c')
			arguments->config = optarg;
		else if (option == 'p')
			arguments->pool = optarg;
		else if (option == 'o')
			arguments->out = optarg;
		else if (option == 'j')
			arguments->json = true;
		else
			return EXIT_USAGE;
	if (optind + 1 != count || !arguments->out) {
		fputs("usage: keepnat-replay IN.pcap -o OUT.pcap [--config FILE] [--pool RANGE] [--json]\n",
		      stderr);
		return EXIT_USAGE;
	}
	arguments->in = words[optind];
	return EXIT_DONE;
}

static int replay_run(struct replay *replay, const struct arguments *arguments)
{
	const char *why = NULL;
	int status = EXIT_FAILED;

	replay->in = capture_open(arguments->in, &why);
	if (!replay->in) {
		complain(arguments->in, why);
		return EXIT_FAILED;
	}
	replay->out = capture_create(arguments->out, replay->in, &why);
	if (!replay->out) {
		complain(arguments->out, why);
	} else {
		status = EXIT_DONE;
		if (capture_replay(replay, &why)) {
			complain(arguments->in, why);
			status = EXIT_FAILED;
		}
		if (capture_close(replay->out, &why)) {
			complain(arguments->out, why);
			status = EXIT_FAILED;
		}
		(arguments->json ? report_json : report_text)(replay);
	}
	(void)capture_close(replay->in, &why);
	return status;
}

/* Are the two one file? Then writing would destroy what is read. */
static bool same_file(const char *in, const char *out)
{
	char one[4096], two[4096];

	return realpath(in, one) && realpath(out, two) && !strcmp(one, two);
}

int main(int count, char **words)
{
	static struct settings_report report;
	static struct replay replay;
	struct settings *settings = NULL, *pool = NULL;
	struct arguments arguments;
	const char *why = NULL;
	int status = arguments_read(&arguments, count, words);

	if (status)
		return status;
	if (same_file(arguments.in, arguments.out)) {
		complain(arguments.out, "this is what is read; write to another file");
		return EXIT_USAGE;
	}
	status = EXIT_FAILED;
	if (settings_load(arguments.config, &settings, &report) ||
	    (arguments.pool && settings_simple("in0", "out0", arguments.pool, &pool, &report))) {
		settings_report_print(stderr, "error", &report);
		goto out;
	}
	if (replay_nat_open(&replay.nat, settings,
			    pool ? &pool->interfaces[pool->interfaces[0].role == ROLE_OUTSIDE ? 0 : 1] : NULL,
			    &why))
		complain(arguments.config, why);
	else
		status = replay_run(&replay, &arguments);
	replay_nat_close(&replay.nat);
out:
	settings_free(settings);
	settings_free(pool);
	return status;
}
