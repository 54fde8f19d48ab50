// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/hold.h: what a worker tells is what its parent, its successor and another program have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/hold.h"

static struct holds holds;

static int setup(void **state)
{
	(void)state;
	unsetenv("KEEPNAT_HELD");
	return holds_open(&holds);
}

static int teardown(void **state)
{
	(void)state;
	while (holds.count)
		close(holds.list[--holds.count].fd);
	close(holds.hear);
	close(holds.tell);
	return 0;
}

/* A descriptor that says who it is by its size. */
static int thing(int size)
{
	int fd = memfd_create("thing", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

/* What is held by this name; -1: nothing. */
static int held(const char *name)
{
	struct stat status = { .st_size = -1 };
	int fd = hold_get(&holds, name);

	if (fd < 0)
		return -1;
	assert_int_equal(fstat(fd, &status), 0);
	close(fd);
	return (int)status.st_size;
}

static void put(const char *name, int size)
{
	int fd = thing(size);

	hold_put(&holds, name, fd);
	close(fd);
}

/* In a worker that dies at once; then the parent hears. */
#define WORKER(...)                                                 \
	do {                                                        \
		pid_t worker = fork();                              \
		assert_true(worker >= 0);                           \
		if (!worker) {                                      \
			holds_begin(&holds);                        \
			__VA_ARGS__;                                \
			_exit(0);                                   \
		}                                                   \
		assert_int_equal(waitpid(worker, NULL, 0), worker); \
		holds_hear(&holds);                                 \
	} while (0)

static void what_a_dead_worker_told_is_held(void **state)
{
	(void)state;
	WORKER(put("one", 1); put("links/two", 2); put("three", 3));
	assert_int_equal(held("one"), 1);
	assert_int_equal(held("links/two"), 2);
	WORKER(put("one", 11); hold_drop(&holds, "links/two"); hold_rename(&holds, "three", "former/three");
	       hold_drop(&holds, "unknown"); hold_rename(&holds, "unknown", "one"));
	assert_int_equal(held("one"), 11);
	assert_int_equal(held("links/two"), -1);
	assert_int_equal(held("three"), -1);
	assert_int_equal(held("former/three"), 3);
	WORKER(hold_rename(&holds, "former/three", "one"));
	assert_int_equal(held("one"), 3);
	assert_int_equal(holds.count, 1);
}

static void a_worker_begins_with_what_is_held(void **state)
{
	(void)state;
	WORKER(put("one", 1));
	WORKER(put("two", held("one") == 1 ? 2 : 0));
	assert_int_equal(held("two"), 2);
}

static void there_is_room_for_so_many(void **state)
{
	char name[HOLD_NAME];

	(void)state;
	for (int i = 0; i < HOLDS + 10; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		WORKER(put(name, i));
	}
	assert_int_equal(holds.count, HOLDS);
	assert_int_equal(held("name-0"), 0);
	assert_int_equal(held("name-384"), -1);
	WORKER(put("name-7", 1000));
	assert_int_equal(held("name-7"), 1000);
	assert_int_equal(holds.count, HOLDS);
}

/* Bytes of any kind from a worker that has lost its mind. */
static void nonsense_is_not_held(void **state)
{
	char bytes[300];

	(void)state;
	for (int length = 1; length < 300; length += 7)
		for (int fill = 0; fill < 256; fill += 51) {
			memset(bytes, fill, sizeof(bytes));
			memset(bytes, 0, 4);
			assert_int_equal(send(holds.tell, bytes, (size_t)length, 0), length);
			holds_hear(&holds);
		}
	WORKER(put("name=4:x", 1); put("", 1));
	assert_int_equal(holds.count, 0);
}

static void another_program_gets_them(void **state)
{
	int fd;

	(void)state;
	WORKER(put("one", 1); put("programs/0123456789abcdef/getpeername4", 2));
	holds_hand(&holds);
	assert_non_null(getenv("KEEPNAT_HELD"));
	fd = holds.list[0].fd;
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(holds.hear);
	close(holds.tell);
	assert_int_equal(holds_open(&holds), 0); /* as that does */
	assert_null(getenv("KEEPNAT_HELD"));
	assert_int_equal(held("one"), 1);
	assert_int_equal(held("programs/0123456789abcdef/getpeername4"), 2);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void it_could_not_take_over(void **state)
{
	(void)state;
	WORKER(put("one", 1));
	holds_hand(&holds);
	holds_keep(&holds);
	assert_null(getenv("KEEPNAT_HELD"));
	assert_int_equal(fcntl(holds.list[0].fd, F_GETFD), FD_CLOEXEC);
}

static void what_is_handed_is_not_believed(void **state)
{
	(void)state;
	teardown(NULL);
	setenv("KEEPNAT_HELD", "one=100000:=5:two:three=2:a name=1:four=-1:=:::", 1);
	assert_int_equal(holds_open(&holds), 0);
	assert_int_equal(holds.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_dead_worker_told_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(a_worker_begins_with_what_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_room_for_so_many, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_not_held, setup, teardown),
		cmocka_unit_test_setup_teardown(another_program_gets_them, setup, teardown),
		cmocka_unit_test_setup_teardown(it_could_not_take_over, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_handed_is_not_believed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
