// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* daemon/privileges.h: what a process cannot do any more, and what it still can. Each case in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/privileges.h"

/* Each would do no harm if it were let through. */
static const struct attempt {
	const char *name;
	long number, arguments[4];
	bool deputy; /* may */
} attempts[] = {
	{ "execve", SYS_execve, { 0 }, false },
	{ "execveat", SYS_execveat, { -1 }, false },
	{ "clone3", SYS_clone3, { 0 }, false },
	{ "clone, a namespace", SYS_clone, { CLONE_THREAD | CLONE_NEWUSER }, false },
	{ "clone, a process", SYS_clone, { CLONE_NEWUSER | CLONE_FS }, false },
	{ "ptrace", SYS_ptrace, { -1 }, false },
	{ "process_vm_readv", SYS_process_vm_readv, { 0 }, false },
	{ "process_vm_writev", SYS_process_vm_writev, { 0 }, false },
	{ "init_module", SYS_init_module, { 0 }, false },
	{ "finit_module", SYS_finit_module, { -1 }, false },
	{ "kexec_load", SYS_kexec_load, { 0, 17 }, false },
	{ "perf_event_open", SYS_perf_event_open, { 0 }, false },
	{ "io_uring_setup", SYS_io_uring_setup, { 0 }, false },
	{ "userfaultfd", SYS_userfaultfd, { -1 }, false },
	{ "keyctl", SYS_keyctl, { -1 }, false },
	{ "setuid", SYS_setuid, { -1 }, false },
	{ "capset", SYS_capset, { 0 }, false },
	{ "chroot", SYS_chroot, { 0 }, false },
	{ "pivot_root", SYS_pivot_root, { 0 }, false },
	{ "clock_settime", SYS_clock_settime, { -1 }, false },
	{ "swapon", SYS_swapon, { 0 }, false },
	{ "mount", SYS_mount, { 0 }, true },
	{ "umount2", SYS_umount2, { 0 }, true },
	{ "unshare", SYS_unshare, { 1 }, true },
	{ "setns", SYS_setns, { -1 }, true },
	{ "socket, AF_ALG", SYS_socket, { AF_ALG, -1 }, false },
	{ "socket, AF_VSOCK", SYS_socket, { AF_VSOCK, -1 }, false },
	{ "mprotect, to execute", SYS_mprotect, { 0, 0, PROT_EXEC }, false },
	{ "mmap, to write and execute", SYS_mmap, { 0, 0, PROT_WRITE | PROT_EXEC }, false },
	{ "prctl", SYS_prctl, { -1 }, false },
	{ "kill", SYS_kill, { 0x7ffffffe, SIGCONT }, false },
	{ "tgkill, another process", SYS_tgkill, { 0x7ffffffe, 0x7ffffffe, SIGCONT }, false },
};

enum { ATTEMPTS = sizeof(attempts) / sizeof(attempts[0]), NOT_DROPPED = 200 };

static bool attempt_is_refused(const struct attempt *a)
{
	const long *x = a->arguments;

	return syscall(a->number, x[0], x[1], x[2], x[3], 0, 0) == -1 && errno == ENOSYS;
}

/* The status of a child that dropped its privileges, then did this. */
static int child_run(enum privileges which, int (*run)(enum privileges which))
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(privileges_drop(which) ? NOT_DROPPED : run(which));
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* The number of the first attempt that went otherwise than it shall, from 1 on. */
static int attempts_make(enum privileges which)
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (attempt_is_refused(&attempts[i]) == (attempts[i].deputy && which == PRIVILEGES_DEPUTY))
			return i + 1;
	return 0;
}

static void assert_attempts(enum privileges which)
{
	int status = child_run(which, attempts_make);

	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), NOT_DROPPED);
	if (WEXITSTATUS(status))
		fail_msg("%s", attempts[WEXITSTATUS(status) - 1].name);
}

static void the_worker_is_refused_all_of_these(void **state)
{
	int known = 0;

	(void)state;
	for (int i = 0; i < ATTEMPTS; i++)
		known += !attempt_is_refused(&attempts[i]);
	assert_true(known > ATTEMPTS / 2); /* what a kernel lacks is no proof */
	assert_attempts(PRIVILEGES_WORKER);
}

static void the_deputy_may_also_mount_and_change_namespaces(void **state)
{
	(void)state;
	assert_attempts(PRIVILEGES_DEPUTY);
}

static int forks(enum privileges which)
{
	pid_t child = fork();

	(void)which;
	if (!child)
		_exit(0);
	return child < 0 && errno == ENOSYS ? 0 : 1;
}

static void there_are_no_more_processes(void **state)
{
	(void)state;
	assert_int_equal(child_run(PRIVILEGES_WORKER, forks), 0);
	assert_int_equal(child_run(PRIVILEGES_DEPUTY, forks), 0);
}

static void *thread_run(void *context)
{
	int *done = context;

	*done = prctl(PR_SET_NAME, "thread") == 0;
	return NULL;
}

static int usual_things(enum privileges which)
{
	static const int families[] = { AF_UNIX, AF_NETLINK, AF_INET, AF_INET6 };
	pthread_t thread;
	int done = 0, fd;

	(void)which;
	if (pthread_create(&thread, NULL, thread_run, &done) || pthread_join(thread, NULL) || !done)
		return 1;
	for (unsigned int i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		fd = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0 && errno == ENOSYS)
			return 2;
		close(fd);
	}
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || close(fd) || kill(getpid(), 0))
		return 3;
	return 0;
}

static void threads_files_and_sockets_go_on(void **state)
{
	(void)state;
	assert_int_equal(child_run(PRIVILEGES_WORKER, usual_things), 0);
	assert_int_equal(child_run(PRIVILEGES_DEPUTY, usual_things), 0);
}

static int aborts(enum privileges which)
{
	(void)which;
	(void)signal(SIGABRT, SIG_DFL);
	abort();
}

static void an_abort_is_what_it_is(void **state)
{
	int status = child_run(PRIVILEGES_WORKER, aborts);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worker_is_refused_all_of_these),
		cmocka_unit_test(the_deputy_may_also_mount_and_change_namespaces),
		cmocka_unit_test(there_are_no_more_processes),
		cmocka_unit_test(threads_files_and_sockets_go_on),
		cmocka_unit_test(an_abort_is_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
