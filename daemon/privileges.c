// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/types.h"
#include "daemon/log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Capabilities
 */

/* Does it keep this one, of those that it had? */
static bool capability_stays(enum privileges which, unsigned int capability, const bool had[CAP_LAST_CAP + 1])
{
	switch (capability) {
	case CAP_NET_ADMIN:
		return true;
	case CAP_NET_RAW:
	case CAP_BPF:
	case CAP_PERFMON:
		return which == PRIVILEGES_WORKER;
	case CAP_SYS_ADMIN: /* whoever was given it in place of those for BPF lives by it */
		return which == PRIVILEGES_DEPUTY || !had[CAP_BPF] || !had[CAP_PERFMON];
	default:
		return false;
	}
}

static int capabilities_drop(enum privileges which)
{
	bool had[CAP_LAST_CAP + 1], bounded;

	if (capng_get_caps_process())
		return -EIO;
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, i);
	bounded = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(bounded ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++)
		if (had[i] && capability_stays(which, i, had))
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i);
	return capng_apply(bounded ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

/*
 * System calls
 */

static const char *const calls[] = {
	/* memory (and mmap, mprotect: below) */
	"brk", "madvise", "mremap", "munmap",
	/* threads (and clone) and their signals; priorities */
	"exit", "exit_group", "futex", "get_robust_list", "getpriority", "gettid", "membarrier",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn",
	"rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
	"sched_yield", "set_robust_list", "set_tid_address", "setpriority", "sigaltstack",
	/* who we are, and on what */
	"capget", "getcpu", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom", "getrusage",
	"getuid", "sysinfo", "times", "uname",
	/* time */
	"clock_getres", "clock_gettime", "clock_nanosleep", "gettimeofday", "nanosleep", "time",
	/* files */
	"access", "chmod", "close", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fchmod",
	"fchmodat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd",
	"getdents64", "ioctl", "lseek", "lstat", "memfd_create", "mkdir", "mkdirat", "newfstatat", "open",
	"openat", "pipe2", "pread64", "pwrite64", "read", "readlink", "readlinkat", "readv", "rename",
	"renameat", "renameat2", "rmdir", "sendfile", "stat", "statfs", "statx", "umask", "unlink",
	"unlinkat", "write", "writev",
	/* to wait */
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "poll", "ppoll", "pselect6",
	"select", "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime", "wait4",
	/* network (and socket) */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
	"recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
	/* the data path */
	"bpf"
};

static const char *const deputy_calls[] = { "mount", "setns", "umount2", "unshare" };

enum {
	NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
		     CLONE_NEWPID | CLONE_NEWNET
};

/* What an argument must be for a call to pass, in the bits of the mask. */
struct condition {
	const char *call;
	unsigned int argument;
	u64 mask, value;
};

static const struct condition conditions[] = {
	/* never writable and executable at once, and nothing becomes executable afterwards */
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mmap", 2, PROT_WRITE, 0 },
	{ "mprotect", 2, PROT_EXEC, 0 },
	/* threads, no processes, no namespaces; clone3 hides its flags, and the C library does without */
	{ "clone", 0, CLONE_THREAD | NAMESPACES, CLONE_THREAD },
	{ "prctl", 0, ~0ull, PR_SET_NAME },
	{ "prlimit64", 2, ~0ull, 0 }, /* to read */
#ifdef KEEPNAT_FAULTS
	{ "prlimit64", 0, 0, 0 }, /* native/fault.c leaves itself no memory */
#endif
	{ "kill", 1, ~0ull, 0 }, /* is it there? */
	{ "socket", 0, ~0ull, AF_UNIX },
	{ "socket", 0, ~0ull, AF_NETLINK },
	{ "socket", 0, ~0ull, AF_PACKET },
	{ "socket", 0, ~0ull, AF_INET },
	{ "socket", 0, ~0ull, AF_INET6 },
};

/* A name that the library does not know is of another processor, or newer than it. */
static int call_allow(scmp_filter_ctx filter, const char *name, const struct scmp_arg_cmp *argument)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, argument ? 1 : 0, argument);
}

static int condition_allow(scmp_filter_ctx filter, const struct condition *condition)
{
	const struct scmp_arg_cmp argument = { .arg = condition->argument,
					       .op = SCMP_CMP_MASKED_EQ,
					       .datum_a = condition->mask,
					       .datum_b = condition->value };

	return call_allow(filter, condition->call, &argument);
}

static int calls_allow(scmp_filter_ctx filter, enum privileges which)
{
	/* Only to itself: what abort() and the handler of crashes do. */
	const struct condition own = { "tgkill", 0, ~0ull, (u64)getpid() };
	int error = condition_allow(filter, &own);

	for (unsigned int i = 0; i < COUNT(calls) && !error; i++)
		error = call_allow(filter, calls[i], NULL);
	for (unsigned int i = 0; i < COUNT(conditions) && !error; i++)
		error = condition_allow(filter, &conditions[i]);
	for (unsigned int i = 0; i < COUNT(deputy_calls) && which == PRIVILEGES_DEPUTY && !error; i++)
		error = call_allow(filter, deputy_calls[i], NULL);
	return error;
}

static int calls_filter(enum privileges which)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int error = filter ? calls_allow(filter, which) : -ENOMEM;

	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a row */
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

int privileges_drop(enum privileges which)
{
	int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : capabilities_drop(which);

	if (error) {
		log_error("cannot give up privileges: %s; report this", strerror(-error));
		return error;
	}
	error = calls_filter(which);
	if (error == -ENOMEM)
		log_error("cannot filter its system calls: out of memory; free some");
	else if (error)
		log_warning("its system calls are not filtered: %s; the kernel needs CONFIG_SECCOMP_FILTER",
			    strerror(-error));
	return error == -ENOMEM ? error : 0;
}
