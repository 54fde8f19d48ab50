// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* limit: 120 s. The command line against an instance without a kernel: its words, its exit status, its output. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/api.h"
#include "tests/unit/fixture/http.h"
#include "tests/unit/fixture/instance.h"

enum { FLOWS = 1 << 16, MAPPINGS = 1 << 16, HOSTS = 4096 };

struct run {
	char *text; /* stdout and stderr */
	size_t length;
	int status;
};

static struct instance *shared;

static int group_setup(void **state)
{
	(void)state;
	shared = instance_make(FLOWS, MAPPINGS, HOSTS);
	return api_start(&shared->k);
}

static int group_teardown(void **state)
{
	(void)state;
	api_stop(&shared->k);
	instance_free(shared);
	return 0;
}

static struct run keepnat_in(const char *before, const char *folder, const char *words)
{
	const char *build = getenv("KEEPNAT_BUILD");
	struct run run = { .text = malloc(1 << 23) };
	char command[1024];
	FILE *pipe;

	snprintf(command, sizeof(command), "%s %s/cli/keepnat --run-dir %s %s 2>&1", before,
		 build ? build : "build", folder, words);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	run.length = fread(run.text, 1, (1 << 23) - 1, pipe);
	run.text[run.length] = 0;
	run.status = pclose(pipe);
	assert_true(WIFEXITED(run.status));
	run.status = WEXITSTATUS(run.status);
	return run;
}

static struct run keepnat(const char *words) { return keepnat_in("", shared->folder, words); }

/* It exits so, and says this among other things. */
static void says(const char *words, int status, const char *what)
{
	struct run run = keepnat(words);

	if (run.status != status || !strstr(run.text, what))
		print_error("keepnat %s: %d\n%s\n", words, run.status, run.text);
	assert_int_equal(run.status, status);
	assert_non_null(strstr(run.text, what));
	free(run.text);
}

static json_t *json_of(const char *words)
{
	struct run run = keepnat(words);
	json_t *json = json_loadb(run.text, run.length, JSON_REJECT_DUPLICATES, NULL);

	assert_int_equal(run.status, 0);
	assert_non_null(json);
	free(run.text);
	return json;
}

static u32 lines(const char *text)
{
	u32 count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void usage(void **state)
{
	(void)state;
	says("", 2, "which command?");
	says("help", 0, "sessions");
	says("--help", 0, "--instance NAME");
	says("-h", 0, "--instance NAME");
	says("--version", 0, "keepnat ");
	says("sesions", 2, "did you mean \"sessions\"?");
	says("hosst", 2, "did you mean \"hosts\"?");
	says("frobnicate", 2, "there is no command \"frobnicate\"; 'keepnat help' lists them");
	says("sessions --portocol tcp", 2, "did you mean --protocol?");
	says("sessions -protocol tcp", 2, "there is no option -protocol");
	says("hosts --protocol tcp", 2, "hosts takes no --protocol");
	says("sessions --host", 2, "--host needs a value");
	says("sessions --host=", 2, "--host needs a value");
	says("sessions --host=10.0.0.1 --host 10.0.0.2", 2, "--host stands twice");
	says("--json=yes status", 2, "--json takes no value");
	says("sessions tcp", 2, "usage: keepnat sessions");
	says("show", 2, "usage: keepnat show config");
	says("show sessions", 2, "keepnat show config");
	says("run --inside lan0", 2, "run needs an inside and an outside interface");
	says("help nothing", 2, "no command \"nothing\"");
}

/* Each command has a help page with an example, and the example is one that its own options allow. */
static void help_has_examples(void **state)
{
	static const char *const names[] = { "run",	 "status",   "interfaces", "hosts",
					     "mappings", "sessions", "pools",	   "reasons",
					     "check",	 "show",     "stop",	   "help" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char words[64];
		snprintf(words, sizeof(words), "help %s", names[i]);
		says(words, 0, "example:\n  keepnat ");
		snprintf(words, sizeof(words), "%s --help", names[i]);
		says(words, 0, "example:\n  keepnat ");
	}
	says("help", 0, "run ");
}

static void refused_filters(void **state)
{
	(void)state;
	says("sessions --host 10.0.0", 2, "\"10.0.0\" is no host; give an inside address");
	says("sessions --interface eth9", 2, "there are: wan0 lan0");
	says("sessions --limit 0", 2, "--limit \"0\" is no number of rows");
	says("sessions --limit x", 2, "--limit \"x\" is no number of rows");
	says("mappings --outside 198.51.100.1:http", 2, "is no outside");
	says("mappings --protocol sctpp", 2, "give udp, tcp, icmp, gre or the like, or a number");
}

static void status(void **state)
{
	json_t *json;

	(void)state;
	says("status", 0, "instance test: ready");
	says("status", 0, "wan0 (outside): tcx");
	json = json_of("--json status");
	assert_string_equal(json_string_value(json_object_get(json, "instance")), "test");
	json_decref(json);
}

static void lists(void **state)
{
	json_t *json;

	(void)state;
	instance_out(shared, PROTOCOL_TCP, "10.0.0.5", 5000, "192.0.2.9", 80, TCP_SYN);
	instance_out(shared, PROTOCOL_UDP, "10.0.0.6", 6000, "192.0.2.9", 53, 0);
	says("sessions", 0, "PROTO   INSIDE ");
	says("sessions --protocol tcp", 0, "tcp     10.0.0.5:5000 ");
	says("sessions --protocol udp", 0, "udp     10.0.0.6:6000 ");
	says("mappings --host 10.0.0.5", 0, "10.0.0.5:5000 ");
	says("hosts", 0, "10.0.0.6 ");
	says("pools", 0, "198.51.100.2 ");
	says("interfaces", 0, "wan0 ");
	says("reasons", 0, "out_created");
	says("reasons --all", 0, "mapping_lost");
	says("show config", 0, "udp_timeout: 300");
	json = json_of("--json sessions --protocol tcp");
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 1);
	json_decref(json);
	json = json_of("sessions --json --host 10.9.9.9");
	assert_int_equal(json_array_size(json_object_get(json, "sessions")), 0);
	json_decref(json);
	json = json_of("--json reasons");
	assert_int_equal(json_array_size(json_object_get(json, "reasons")), REASONS);
	json_decref(json);
}

/* More rows than a page has: each once, in text and in JSON, and no more than --limit says. */
static void many(void **state)
{
	struct run run;
	json_t *json;

	(void)state;
	for (u32 n = 0; n < 7000; n++)
		instance_packet(shared, 1, PROTOCOL_UDP, host_to_be32(0x0a010001 + n % 100),
				(u16)(3000 + n / 100), address("203.0.113.7"), 53, 0);
	run = keepnat("sessions --protocol udp");
	assert_int_equal(run.status, 0);
	assert_int_equal(lines(run.text), 1 + 7001);
	free(run.text);
	json = json_of("--json mappings --limit 4500");
	assert_int_equal(json_array_size(json_object_get(json, "mappings")), 4500);
	json_decref(json);
	run = keepnat("sessions | head -n 1");
	assert_int_equal(lines(run.text), 1);
	free(run.text);
}

/* In a terminal, unless NO_COLOR is set; never in a pipe. */
static void colour(void **state)
{
	struct run run = keepnat("sessions --protocol tcp");

	(void)state;
	assert_null(strchr(run.text, '\033'));
	free(run.text);
	run = keepnat_in("TERM=xterm script -qec \"", shared->folder, "sessions --protocol tcp\" /dev/null");
	assert_non_null(strstr(run.text, "\033[1mPROTO"));
	free(run.text);
	run = keepnat_in("NO_COLOR=1 TERM=xterm script -qec \"", shared->folder,
			 "sessions --protocol tcp\" /dev/null");
	assert_non_null(strstr(run.text, "PROTO"));
	assert_null(strchr(run.text, '\033'));
	free(run.text);
}

static void check(void **state)
{
	char path[128], words[256];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/keepnat.yaml", shared->folder);
	file = fopen(path, "w");
	fputs("interfaces:\n  - {name: nosuch0, role: outside}\n  - {name: lo, role: inside}\n", file);
	fclose(file);
	snprintf(words, sizeof(words), "check %s", path);
	says(words, 0, "keepnat.yaml: good");
	says(words, 0, ":2: warning: interfaces: there is no interface \"nosuch0\"");
	file = fopen(path, "a");
	fputs("nat: {hairpim: true}\n", file);
	fclose(file);
	says(words, 1, ":4: error: ");
	snprintf(words, sizeof(words), "--json check %s 2>/dev/null || true", path);
	json_t *json = json_of(words);
	assert_true(json_is_false(json_object_get(json, "ok")));
	assert_int_equal(json_integer_value(
				 json_object_get(json_array_get(json_object_get(json, "errors"), 0), "line")),
			 4);
	json_decref(json);
	unlink(path);
	says(words, 0, "cannot read it");
	snprintf(words, sizeof(words), "check %s", path);
	says(words, 1, "cannot read it");
	says("check", 2, "usage: keepnat check FILE");
}

/* What is shown is read again without an error. */
static void shown_config_is_good(void **state)
{
	char words[256];

	(void)state;
	snprintf(words, sizeof(words), "show config >%s/shown", shared->folder);
	says(words, 0, "");
	snprintf(words, sizeof(words), "check %s/shown", shared->folder);
	says(words, 0, "shown: good");
	snprintf(words, sizeof(words), "%s/shown", shared->folder);
	unlink(words);
}

static void daemon_is_not_there(void **state)
{
	(void)state;
	api_stop(&shared->k);
	says("status", 1, "keepnatd is not running: nothing listens on ");
	says("status", 1, "start it by 'keepnatd --config FILE' or 'keepnat run'");
	says("stop", 1, "keepnatd is not running");
	assert_int_equal(api_start(&shared->k), 0);
}

/* A process of its own that serves in this folder until it is told to stop, and exits with what it was told. */
static pid_t serve(const char *folder)
{
	pid_t pid = fork();
	struct instance *i;
	u64 order = 0;

	if (pid)
		return pid;
	i = instance_make(64, 64, 64);
	rmdir(i->folder);
	snprintf(i->k.run_dir, sizeof(i->k.run_dir), "%s", folder);
	/* A daemon's parent of the same name is taken for its supervisor; ours is not. */
	prctl(PR_SET_NAME, "daemon");
	if (api_start(&i->k))
		_exit(99);
	struct pollfd fd = { .fd = i->k.stop_fd, .events = POLLIN };
	if (poll(&fd, 1, 20000) != 1 || read(fd.fd, &order, sizeof(order)) != sizeof(order))
		_exit(98);
	api_stop(&i->k);
	_exit((int)order);
}

static void stop_waits_for_the_end(void **state)
{
	static const char *const words[] = { "stop", "--json stop --detach" };
	char folder[] = "/tmp/keepnat-test-XXXXXX";
	int status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int n = 0; n < 2; n++) {
		pid_t pid = serve(folder);
		int fd;

		while ((fd = http_connect(folder)) < 0 && !waitpid(pid, &status, WNOHANG))
			usleep(10000);
		assert_true(fd >= 0);
		close(fd);
		struct run run = keepnat_in("", folder, words[n]);
		assert_int_equal(run.status, 0);
		assert_non_null(strstr(run.text, n ? "\"detach\": true" : "keepnatd has ended\n"));
		free(run.text);
		/* It has ended already. */
		assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
		assert_int_equal(WEXITSTATUS(status), n + 1);
	}
	assert_int_equal(rmdir(folder), 0);
}

static void output_must_arrive(void **state)
{
	(void)state;
	says("reasons --all 2>&1 >/dev/full #", 1, "cannot write the output");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage),
		cmocka_unit_test(help_has_examples),
		cmocka_unit_test(refused_filters),
		cmocka_unit_test(status),
		cmocka_unit_test(lists),
		cmocka_unit_test(many),
		cmocka_unit_test(colour),
		cmocka_unit_test(check),
		cmocka_unit_test(shown_config_is_good),
		cmocka_unit_test(daemon_is_not_there),
		cmocka_unit_test(output_must_arrive),
		cmocka_unit_test(stop_waits_for_the_end),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
