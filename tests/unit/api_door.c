// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who is let in to the API: by TCP, with the token; by the Unix socket, but for a browser with the page of another site. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/api.h"
#include "daemon/api_request.h"
#include "tests/unit/fixture/http.h"
#include "tests/unit/fixture/instance.h"

static int setup(void **state)
{
	*state = instance_make(64, 64, 64);
	return 0;
}

static int teardown(void **state)
{
	struct instance *i = *state;

	api_stop(&i->k);
	instance_free(i);
	return 0;
}

/* Only all of it, and nothing else. */
static void tokens(void **state)
{
	struct door door = { .closed = true, .token = "0123456789abcdef" };
	static const char too_long[] =
		"Bearer 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
		"abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char *const wrong[] = {
		NULL,
		"",
		"Bearer",
		"Bearer ",
		"0123456789abcdef",
		"Basic 0123456789abcdef",
		"Bearer 0123456789abcde",
		"Bearer 0123456789abcdeg",
		"Bearer 0123456789abcdef0",
		"Bearer  0123456789abcdef",
		too_long,
	};

	(void)state;
	assert_true(door_admits(&door, "Bearer 0123456789abcdef"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(door_admits(&door, wrong[i]));
}

/* What a browser sends for a page of another site is refused; everything else is not. */
static void foreign_pages(void **state)
{
	static const struct {
		const char *origin, *host, *wrong;
	} cases[] = {
		{ NULL, NULL, NULL },
		{ NULL, "keepnat", NULL },
		{ NULL, "localhost:8080", NULL },
		{ NULL, "127.0.0.1:8080", NULL },
		{ NULL, "[::1]:8080", NULL },
		{ NULL, "rebound.example.net", "Host" },
		{ NULL, "rebound.example.net:8080", "Host" },
		{ NULL, "127.0.0.1.example.net", "Host" },
		{ "http://localhost:8080", "localhost:8080", NULL },
		{ "https://localhost:8080", "localhost:8080", NULL },
		{ "http://localhost:8081", "localhost:8080", "Origin" },
		{ "http://example.net", "localhost:8080", "Origin" },
		{ "http://rebound.example.net", "rebound.example.net", "Host" },
		{ "null", "localhost:8080", "Origin" },
		{ "http://localhost", NULL, "Origin" },
		{ "", "", "Origin" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *wrong = door_foreign(cases[i].origin, cases[i].host);

		if (cases[i].wrong)
			assert_string_equal(wrong, cases[i].wrong);
		else
			assert_null(wrong);
	}
}

/* The API by TCP, on a port of the loopback: its address. */
static struct sockaddr_in tcp_open(struct instance *i)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = address("127.0.0.1") };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(at);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	api_stop(&i->k);
	assert_int_equal(api_open(&i->k), 0);
	i->k.api->doors[1].fd = fd;
	strcpy(i->k.api->doors[1].token, "0123456789abcdef");
	assert_int_equal(api_start(&i->k), 0);
	return at;
}

static int tcp_connect(const struct sockaddr_in *at, const char *text)
{
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(http_send(fd, text), 0);
	return fd;
}

static void says(int fd, const char *text)
{
	char answer[4096];
	ssize_t length = recv(fd, answer, sizeof(answer) - 1, 0);

	assert_true(length > 0);
	answer[length] = 0;
	if (!strstr(answer, text))
		print_error("no \"%s\" in: %s\n", text, answer);
	assert_non_null(strstr(answer, text));
}

/* Who talks on and never shows the token is ended in time; who has shown it stays; and so does who has just come. */
static void guests_go(void **state)
{
	static const char ask[] = "GET /v1/status HTTP/1.1\r\nHost: x\r\n";
	struct instance *i = *state;
	struct sockaddr_in at = tcp_open(i);
	int talks = tcp_connect(&at, ask), wrong, member, late;
	struct timespec now;
	char byte;

	wrong = tcp_connect(&at, "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0\r\n\r\n");
	says(wrong, "HTTP/1.1 401 ");
	member = tcp_connect(&at, "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
				  "0123456789abcdef\r\n\r\n");
	says(member, "HTTP/1.1 200 ");
	clock_gettime(CLOCK_MONOTONIC, &now);
	door_sweep(&i->k.api->doors[1], now.tv_sec + GUEST_SECONDS);
	assert_int_equal(http_send(talks, "X: y\r\n"), 0);
	door_sweep(&i->k.api->doors[1], now.tv_sec + GUEST_SECONDS + 2);
	assert_int_equal(recv(talks, &byte, 1, 0), 0);
	assert_int_equal(recv(wrong, &byte, 1, 0), 0);
	assert_int_equal(http_send(member, "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
					   "0123456789abcdef\r\n\r\n"),
			 0);
	says(member, "HTTP/1.1 200 ");
	late = tcp_connect(&at, ask); /* in the place of one that went */
	assert_int_equal(http_send(late, "\r\n"), 0);
	says(late, "HTTP/1.1 401 ");
	close(talks);
	close(wrong);
	close(member);
	close(late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens),
		cmocka_unit_test(foreign_pages),
		cmocka_unit_test_setup_teardown(guests_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
