// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/event.h: what is told is kept in order, counted, limited, and written with its fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/event.h"
#include "daemon/keepnat.h"

static struct keepnat k;
static char folder[64], path[96];
static int journal;

/* A journal of our own, which has room for few. */
static int setup(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	memset(&k, 0, sizeof(k));
	pthread_mutex_init(&k.lock, NULL);
	k.instance = "test";
	strcpy(folder, "/tmp/keepnat-event-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/journal", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("KEEPNAT_JOURNAL_SOCKET", path, 1);
	events_open(&k);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	events_close(&k);
	close(journal);
	unlink(path);
	rmdir(folder);
	return 0;
}

/* The next datagram; "" if there is none. */
static const char *written(void)
{
	static char text[4096];
	ssize_t length = recv(journal, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = 0;
	return text;
}

static void it_goes_to_the_journal_with_its_fields(void **state)
{
	(void)state;
	event_tell(&k, EVENT_link_lost, "wan0", "the link\nis \x1b[31m%s", "down");
	assert_non_null(strstr(written(), "MESSAGE=wan0: the link is ?[31mdown\n"));
	event_tell(&k, EVENT_stopped, "", "ended");
	const char *text = written();
	assert_ptr_equal(strstr(text, "MESSAGE=ended\n"), text);
	assert_non_null(strstr(text, "\nMESSAGE_ID=2df278629fe84547b30f03da4d2b4a30\n"));
	assert_non_null(strstr(text, "\nPRIORITY=6\n"));
	assert_non_null(strstr(text, "\nSYSLOG_IDENTIFIER=keepnatd\n"));
	assert_non_null(strstr(text, "\nKEEPNAT_INSTANCE=test\nKEEPNAT_EVENT=stopped\nKEEPNAT_SUBJECT=\n"));
}

static void it_is_found_by_number(void **state)
{
	struct event event = { 0 };

	(void)state;
	assert_false(event_after(&k, 0, &event));
	event_tell(&k, EVENT_started, "", "first");
	event_tell(&k, EVENT_link_lost, "wan0", "second");
	assert_true(event_after(&k, 0, &event));
	assert_string_equal(event.text, "first");
	u64 first = event.number;
	assert_true(event_after(&k, first, &event));
	assert_string_equal(event.subject, "wan0");
	assert_true(event.number == first + 1);
	assert_false(event_after(&k, first + 1, &event));
	assert_true(event_after(&k, first + 500, &event)); /* of a clock that went back: all is news */
	assert_true(event.number == first);
}

/* The ring forgets the oldest, and who asks for those gets what is left. */
static void the_oldest_are_forgotten(void **state)
{
	struct event event;
	u64 first = 0, after = 0, seen = 0;

	(void)state;
	for (int round = 0; round < 2 * EVENTS_KEPT / EVENTS + 2; round++)
		for (int id = 0; id < EVENTS; id++)
			event_tell(&k, (enum event_id)id, "", "%d", round);
	while (event_after(&k, after, &event)) {
		first = seen++ ? first : event.number;
		assert_true(!after || event.number == after + 1);
		after = event.number;
	}
	assert_int_equal(seen, EVENTS_KEPT);
	assert_true(event_after(&k, first - 5, &event));
	assert_true(event.number == first);
}

static void a_flood_is_cut_and_counted(void **state)
{
	struct event event = { 0 };
	struct event_count count;
	u64 after = 0;

	(void)state;
	for (int i = 0; i < EVENT_BURST + 100; i++)
		event_tell(&k, EVENT_link_lost, "wan0", "%d", i);
	count = event_count(&k, EVENT_link_lost);
	assert_in_range(count.told, EVENT_BURST, EVENT_BURST + 10); /* it may take seconds */
	assert_true(count.told + count.dropped == EVENT_BURST + 100);
	event_tell(&k, EVENT_link_returned, "wan0", "other kinds are told");
	for (int i = 0; i < 10; i++) {
		usleep(300000);
		event_tell(&k, EVENT_link_lost, "wan0", "later");
	}
	while (event_after(&k, after, &event) && strcmp(event.text, "later") != 0)
		after = event.number;
	assert_string_equal(event.text, "later");
	assert_true(event.dropped >= 90);
}

/* A journal that takes nothing holds up nobody. */
static void what_would_wait_is_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * EVENTS; i++)
		for (int j = 0; j < 30; j++)
			event_tell(&k, (enum event_id)(i % EVENTS), "", "%d", j);
	assert_true(events_unwritten(&k) > 0);
	while (*written())
		;
	u64 unwritten = events_unwritten(&k);
	event_tell(&k, EVENT_stopped, "", "heard again");
	assert_true(events_unwritten(&k) == unwritten);
	assert_non_null(strstr(written(), "heard again"));
}

static void what_lasts_is_told_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		event_warn(&k, EVENT_interface_gone, "wan0", "it is gone");
	assert_int_equal(event_count(&k, EVENT_interface_gone).told, 1);
	assert_int_equal(k.warning_count, 1);
	assert_string_equal(k.warnings[0], "wan0: it is gone");
	keepnat_unwarn(&k, "wan0: ");
	event_warn(&k, EVENT_interface_gone, "wan0", "it is gone");
	assert_int_equal(event_count(&k, EVENT_interface_gone).told, 2);
	keepnat_warn(&k, "something else");
	assert_int_equal(event_count(&k, EVENT_warning).told, 1);
}

enum { TELLERS = 4, TELLS = 5000 };

static void *tell(void *context)
{
	(void)context;
	for (int i = 0; i < TELLS; i++)
		event_tell(&k, (enum event_id)(i % EVENTS), "wan0", "%d", i);
	return NULL;
}

/* Many at once: each number once, none lost but by the limit. */
static void any_thread_may_tell(void **state)
{
	pthread_t threads[TELLERS];
	struct event event;
	u64 after = 0, seen = 0, all = 0;

	(void)state;
	for (int i = 0; i < TELLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, tell, NULL), 0);
	for (int i = 0; i < TELLERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < EVENTS; i++) {
		struct event_count count = event_count(&k, (enum event_id)i);
		all += count.told + count.dropped;
	}
	assert_true(all == (u64)TELLERS * TELLS);
	for (; event_after(&k, after, &event); seen++) {
		assert_true(!after || event.number == after + 1);
		after = event.number;
	}
	assert_int_equal(seen, EVENTS_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_goes_to_the_journal_with_its_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_found_by_number, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_are_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_is_cut_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(what_would_wait_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(what_lasts_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(any_thread_may_tell, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
