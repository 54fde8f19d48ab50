/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * held.c - threads send SYNs that nobody wants, each its own, and two daemons look after them at once, while time flies: what is
 * told is of one packet, whole, once its time was over and before it was too old, and told once.
 */
#include <string.h>

#include "core/held.h"
#include "native/held.h"
#include "native/instance.h"
#include "native/meet.h"
#include "native/packet_build.h"
#include "tests/stress/stress.h"

enum { THREADS = 4, DAEMONS = 2, REMOTES = 4 * HELD_SYNS, BURST = 64 };

static struct nat_instance nat;
static u32 clock_now = 100;
/* Nobody has a place for as long as it takes to be too old: time goes on between packets, and between looks. */
static pthread_rwlock_t instant;
static u64 held, full, told, silent, torn, early, twice;
static u32 last[REMOTES]; /* when the SYN was sent of which each was told last */

static __be32 address(u32 a, u32 b, u32 c, u32 d) { return host_to_be32(a << 24 | b << 16 | c << 8 | d); }

/* From one of many remotes. The packet says in each of its parts from which, and when it was sent. */
static void syn_send(struct nat_instance *own, u32 remote)
{
	u8 room[256 + 2], *ip = room + 2, payload[100];
	struct packet_spec spec = { .protocol = PROTOCOL_TCP,
				    .saddr = address(203, 0, remote >> 8, remote),
				    .daddr = address(198, 51, 100, 1),
				    .sport = (u16)(remote + 1),
				    .dport = 4000,
				    .sequence = own->now,
				    .tcp_flags = TCP_SYN,
				    .payload = payload,
				    .payload_length = sizeof(payload) };

	memset(payload, (int)remote, sizeof(payload));
	int length = packet_build(&spec, ip, sizeof(room) - 2);
	struct native_frame f = { .data = ip, .length = (u32)length, .ifindex = 3 };
	u32 reason = native_meet(own, NATIVE_IN, &f).reason;
	__atomic_fetch_add(reason == REASON_syns_full ? &full : &held, 1, __ATOMIC_RELAXED);
}

static void thread_begin(struct nat_instance *own, u32 number)
{
	if (native_thread(&nat, own, number)) {
		printf("Bail out! out of memory\n");
		exit(1);
	}
}

static void *sender(void *number)
{
	u64 random = (u64)(unsigned long)number + 1;
	struct nat_instance own;

	thread_begin(&own, (u32)(unsigned long)number);
	while (!stress_over()) {
		pthread_rwlock_rdlock(&instant);
		own.now = clock_now;
		for (u32 i = 0; i < BURST; i++)
			syn_send(&own, (u32)(stress_random(&random) % REMOTES / THREADS * THREADS +
					     (u32)(unsigned long)number));
		pthread_rwlock_unlock(&instant);
	}
	native_thread_end(&own);
	return NULL;
}

static void twice_look(u32 remote, u32 sent)
{
	u32 before = __atomic_exchange_n(&last[remote], sent, __ATOMIC_RELAXED);

	__atomic_fetch_add(&twice, before == sent, __ATOMIC_RELAXED);
}

/* Are all parts of it of one SYN, which waited for as long as it must? */
static void answer_look(const struct held_answer *answer, u32 now)
{
	const u8 *ip = answer->ip + ANSWER_ROOM, *tcp = ip + IP_MIN;
	u32 remote = be16_to_host(get16(tcp, 0)) - 1u;
	u32 sent = be32_to_host(get32(tcp, 4)), age = now - sent;
	u64 wrong = remote >= REMOTES || get32(answer->ip, IPV4_TARGET) != get32(ip, IPV4_SOURCE) ||
		    packet_check(answer->ip, answer->length) != 0 ||
		    get32(ip, IPV4_SOURCE) != address(203, 0, remote >> 8 & 255, remote & 255);

	for (u32 i = TCP_MIN; i < TCP_MIN + 100; i++)
		wrong |= tcp[i] != (u8)remote;
	__atomic_fetch_add(&torn, wrong, __ATOMIC_RELAXED);
	twice_look(remote % REMOTES, sent);
	__atomic_fetch_add(&early, age < 7 || age > 6 + HELD_PATIENCE, __ATOMIC_RELAXED);
}

static void *looker(void *number)
{
	struct held_answer answer;
	struct nat_instance own;

	thread_begin(&own, (u32)(unsigned long)number);
	while (!stress_over()) {
		pthread_rwlock_rdlock(&instant);
		own.now = clock_now;
		for (u32 i = 0; i < HELD_SYNS; i++) {
			enum held_end end = held_end(&own, i, &answer);

			if (end == HELD_TOLD)
				answer_look(&answer, own.now);
			__atomic_fetch_add(end == HELD_TOLD ? &told : &silent, end != HELD_WAITS,
					   __ATOMIC_RELAXED);
		}
		pthread_rwlock_unlock(&instant);
	}
	native_thread_end(&own);
	return NULL;
}

/* Now and then so many ticks at once that all that is held gets too old. */
static void *ticker(void *nothing)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	u64 random = 77;

	while (!stress_over()) {
		nanosleep(&pause, NULL);
		pthread_rwlock_wrlock(&instant);
		clock_now += stress_random(&random) % 50 ? 1 : 20;
		pthread_rwlock_unlock(&instant);
	}
	return nothing;
}

/* The ticker shall not wait for ever, however busy the others are. */
static void instant_begin(void)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&instant, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

int main(void)
{
	const struct native_sizes sizes = { .cpus = THREADS + DAEMONS };

	if (native_create(&nat, &sizes, 5))
		return 1;
	native_interface_add(&nat, 3, ROLE_OUTSIDE);
	native_interface_add(&nat, 2, ROLE_INSIDE);
	native_address_set(&nat, 0, address(198, 51, 100, 1), ADDRESS_LIVE | ADDRESS_POOL);
	nat.config->hold = 1;
	instant_begin();
	for (unsigned long i = 0; i < THREADS; i++)
		stress_thread(sender, (void *)i);
	for (unsigned long i = 0; i < DAEMONS; i++)
		stress_thread(looker, (void *)(THREADS + i));
	stress_thread(ticker, NULL);
	stress_run();
	stress_case("what is told is of one packet, and whole", told && !torn,
		    "%llu were held or repeated, %llu found no room; %llu were told, %llu not", held, full,
		    told, silent);
	stress_case("neither too early nor too late", !early, "%llu were", early);
	stress_case("nor twice, though some found no room", full && !twice && told + silent <= held,
		    "%llu were; %llu of %llu were let go", twice, told + silent, held);
	native_destroy(&nat);
	return stress_end();
}
