// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "daemon/blackbox.h"
#include "daemon/crash.h"
#include "daemon/hold.h"
#include "daemon/log.h"
#include "daemon/recovery.h"
#include "daemon/upgrade.h"

enum {
	TICK_MS = 500,
	STEP_SECONDS = 600, /* a step of the start or the stop may take so long */
	LAST_TICKS = 10,    /* from SIGABRT to SIGKILL */
	NOT_BEGUN = -1,	    /* what to exit with: not yet known */
};

struct supervisor {
	struct blackbox *box;
	struct holds *holds;
	int (*work)(void *context);
	void *context;
	int signals;
	pid_t worker;	/* 0: none */
	pid_t reporter; /* of the last crash; 0: none */
	u64 started;	/* ms: when it was */
	u64 due;	/* ms: when the next one is; 0: it is not awaited */
	bool was_ready, told_ready, stopping, stop_crashed;
	char oom[16];		     /* the worker's oom_score_adj */
	u32 beats[BLACKBOX_THREADS]; /* as last seen, */
	u32 quiet[BLACKBOX_THREADS]; /* and for so many ticks */
	u32 dying;		     /* ticks since it was told to abort; 0: it was not */
	u64 ooms; /* processes that the kernel had ended for want of memory when it was started */
	struct recoveries recoveries;
	struct upgrade upgrade;
	struct settings_recovery settings; /* as last known */
};

static u64 milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

/*
 * The worker
 */

/* How much the kernel would rather end this process than others when memory runs out; what it was goes into `before`. */
static void oom_adjust(const char *value, char *before, size_t size)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	ssize_t n = fd >= 0 && before ? read(fd, before, size - 1) : 0;

	if (before)
		before[n > 0 ? n : 0] = 0;
	if (fd < 0)
		return;
	(void)!pwrite(fd, value, strlen(value),
		      0); /* it takes CAP_SYS_RESOURCE to lower it: without, they are equals */
	close(fd);
}

/* How many processes the kernel has ended for want of memory. */
static u64 ooms_read(void)
{
	static char text[32768];
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, "\noom_kill ");
	return at ? strtoull(at + strlen("\noom_kill "), NULL, 10) : 0;
}

/* In the worker: what is the parent's alone is undone. */
static void worker_begin(const struct supervisor *s, pid_t parent)
{
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	close(s->signals);
	holds_begin(s->holds);
	if (*s->oom)
		oom_adjust(s->oom, NULL, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	unsetenv("NOTIFY_SOCKET"); /* the parent tells */
	unsetenv("WATCHDOG_USEC");
}

static int worker_start(struct supervisor *s)
{
	pid_t parent = getpid(), worker;

	holds_hear(s->holds); /* what its predecessor said last */
	s->box->crashes = s->recoveries.total;
	s->box->parent = parent;
	blackbox_clear(s->box);
	memset(s->quiet, 0, sizeof(s->quiet));
	s->dying = 0;
	s->due = 0;
	s->ooms = ooms_read();
	worker = fork();
	if (worker < 0) {
		log_error("cannot start its worker: %s; raise the limit of processes, or free memory",
			  strerror(errno));
		s->due = milliseconds() + 1000;
		return -EAGAIN;
	}
	if (!worker) {
		worker_begin(s, parent);
		exit(s->work(s->context));
	}
	s->worker = worker;
	s->started = milliseconds();
	return 0;
}

/* What it was about: the thread at this place, or its main thread. Into `text`, printable. */
static void worker_doing(const struct supervisor *s, u32 thread, char *text, size_t size)
{
	const struct blackbox_thread *t = &s->box->threads[thread < BLACKBOX_THREADS ? thread : 0];

	snprintf(text, size, "%.*s: %.*s", BLACKBOX_NAME - 1, t->name, BLACKBOX_DOING - 1, t->doing);
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/*
 * Signs of life
 */

/* The worker shall write down where it hangs, and end; a stopped one cannot, and is ended all the same. */
static void worker_abort(struct supervisor *s, u32 thread)
{
	char doing[BLACKBOX_NAME + BLACKBOX_DOING + 2];

	worker_doing(s, thread, doing, sizeof(doing));
	log_error("the worker (process %d) shows no sign of life in %s; it is ended", (int)s->worker, doing);
	syscall(SYS_tgkill, s->worker, (pid_t)s->box->threads[thread].id, SIGABRT);
	kill(s->worker, SIGCONT);
	s->dying = 1;
}

/* Counted in ticks of the parent's own: when the whole machine stood still, nobody is to blame. */
static void worker_look(struct supervisor *s)
{
	bool ready = __atomic_load_n(&s->box->state, __ATOMIC_ACQUIRE) == WORKER_READY;
	u32 seconds = s->settings.watchdog;

	if (s->dying && ++s->dying > LAST_TICKS)
		kill(s->worker, SIGKILL);
	if (!seconds || s->dying)
		return;
	if (!ready && seconds < STEP_SECONDS)
		seconds = STEP_SECONDS;
	for (u32 i = 0; i < BLACKBOX_THREADS && !s->dying; i++) {
		const struct blackbox_thread *thread = &s->box->threads[i];
		u32 beats = __atomic_load_n(&thread->beats, __ATOMIC_RELAXED);

		s->quiet[i] = beats == s->beats[i] && thread->must ? s->quiet[i] + 1 : 0;
		s->beats[i] = beats;
		if (s->quiet[i] > seconds * (1000 / TICK_MS))
			worker_abort(s, i);
	}
}

static void stop_begins(struct supervisor *s)
{
	if (!s->stopping)
		(void)sd_notify(0, "STOPPING=1");
	s->stopping = true;
}

/* What the worker said since. */
static void worker_hear(struct supervisor *s)
{
	u32 state = __atomic_load_n(&s->box->state, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&s->box->settings_known, __ATOMIC_ACQUIRE))
		s->settings = s->box->settings;
	s->settings.alert[sizeof(s->settings.alert) - 1] = 0;
	if (state == WORKER_READY && !s->was_ready) {
		s->was_ready = true;
		(void)sd_notifyf(0, "%sSTATUS=packets are translated; %u recoveries",
				 s->told_ready ? "" : "READY=1\n", s->recoveries.total);
		s->told_ready = true;
		upgrade_ready(&s->upgrade, milliseconds());
	}
	if (state == WORKER_STOPPING && !upgrade_due(&s->upgrade))
		stop_begins(s);
}

/*
 * Its end
 */

static void end_describe(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "was ended by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

/* Another process makes the report, from its own copy of the black box; the next worker does not wait for it. */
static void report_start(struct supervisor *s, const struct crash_end *end)
{
	static struct blackbox copy;
	sigset_t set;

	copy = *s->box;
	copy.settings = s->settings;
	copy.instance[sizeof(copy.instance) - 1] = copy.state_dir[sizeof(copy.state_dir) - 1] = 0;
	s->reporter = fork();
	if (s->reporter)
		return;
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	crash_report(&copy, end);
	_exit(EXIT_SUCCESS);
}

/* What is said of a crash. */
static void crash_tell(struct supervisor *s, int status, const struct recovery_step *step, u64 signature)
{
	char how[64], doing[BLACKBOX_NAME + BLACKBOX_DOING + 2];

	end_describe(status, how, sizeof(how));
	worker_doing(s, 0, doing, sizeof(doing));
	log_error("the worker (process %d) %s in %s; packets go on in the kernel", (int)s->worker, how,
		  doing);
	snprintf(s->box->former, sizeof(s->box->former), "%s in %.64s, signature %016llx", how, doing,
		 (unsigned long long)signature);
	if (step->loop)
		log_error("the same error came %u times in a row", s->recoveries.same);
	if (s->stopping || step->give_up)
		return;
	log_notice("the worker is started again in %u s", step->delay);
	(void)sd_notifyf(0, "STATUS=the worker %s; it is started again in %u s; packets go on in the kernel",
			 how, step->delay);
}

/*
 * A stop that crashed is tried once more: what it left is adopted, and taken down. NOT_BEGUN, or what to exit with.
 */
static int stop_again(struct supervisor *s)
{
	if (!s->stop_crashed && s->settings.restart && !worker_start(s)) {
		s->stop_crashed = true;
		kill(s->worker, SIGTERM);
		return NOT_BEGUN;
	}
	log_error(
		"the stop was not finished, and packets may still be translated; start it and stop it again");
	return EXIT_GIVEN_UP;
}

/*
 * Another program in our place
 */

/* The worker has ended for it, or there is none. If the program cannot be executed, all goes on as before. */
static void upgrade_take(struct supervisor *s)
{
	s->worker = 0;
	(void)sd_notify(0, "STATUS=another version takes over; packets go on in the kernel");
	oom_adjust(s->oom, NULL, 0);
	holds_hand(s->holds);
	upgrade_go(&s->upgrade);
	holds_keep(s->holds);
	oom_adjust("-900", NULL, 0);
	s->was_ready = false;
	(void)worker_start(s);
}

/* The worker failed. If this program is on trial still, the former one is back. */
static void upgrade_revoke(struct supervisor *s, int status)
{
	char how[64], doing[BLACKBOX_NAME + BLACKBOX_DOING + 2], why[256];

	if (s->stopping)
		return;
	end_describe(status, how, sizeof(how));
	worker_doing(s, 0, doing, sizeof(doing));
	snprintf(why, sizeof(why), "its worker %s in %s", how, doing);
	oom_adjust(s->oom, NULL, 0);
	holds_hand(s->holds);
	upgrade_back(&s->upgrade, why);
	holds_keep(s->holds);
	oom_adjust("-900", NULL, 0);
}

/* NOT_BEGUN: go on; else what to exit with. */
static int worker_crashed(struct supervisor *s, int status)
{
	u64 now = milliseconds();
	struct crash_end end = { .status = status, .hung = s->dying, .lived = (now - s->started) / 1000 };
	u64 signature = crash_signature(s->box, &end);
	struct recovery_step step = recovery_next(&s->recoveries, &s->settings, signature, end.lived);

	if (s->box->unpinned && step.give_up) {
		step.give_up = false; /* what we hold would end with us */
		step.delay = RECOVERY_DELAY_MAX;
	}
	end.oom = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && ooms_read() != s->ooms;
	end.row = s->recoveries.row;
	end.same = s->recoveries.same;
	end.given_up = step.give_up && !s->stopping;
	crash_tell(s, status, &step, signature);
	report_start(s, &end);
	upgrade_revoke(s, status);
	s->was_ready = false;
	s->worker = 0;
	if (s->stopping)
		return stop_again(s);
	if (step.give_up) {
		if (s->reporter > 0)
			(void)waitpid(s->reporter, NULL, 0); /* it ends itself in time */
		log_error("%s; packets go on in the kernel, without control: start it by hand",
			  s->settings.restart ? "it is given up after so many errors in a row"
					      : "it is not started again (recovery.restart)");
		return EXIT_GIVEN_UP;
	}
	s->due = now + step.delay * 1000 + 1;
	return NOT_BEGUN;
}

/* NOT_BEGUN: go on; else what to exit with. */
static int worker_ended(struct supervisor *s, int status)
{
	bool asked;

	worker_hear(s);
	if (upgrade_due(&s->upgrade) && !s->stopping) {
		upgrade_take(s);
		return NOT_BEGUN;
	}
	asked = WIFEXITED(status) && (!WEXITSTATUS(status) || s->stopping);
	if (!asked && WIFEXITED(status) && !s->told_ready && !s->recoveries.total) {
		upgrade_revoke(s, status);
		return WEXITSTATUS(status);
	}
	if (asked)
		return WEXITSTATUS(status);
	return worker_crashed(s, status);
}

static int children_reap(struct supervisor *s)
{
	int status, result = NOT_BEGUN;
	pid_t child;

	while (result == NOT_BEGUN && (child = waitpid(-1, &status, WNOHANG)) > 0) {
		if (child == s->worker)
			result = worker_ended(s, status);
		else if (upgrade_reap(&s->upgrade, child, status) && upgrade_due(&s->upgrade) && !s->worker)
			upgrade_take(s);
	}
	return result;
}

/*
 * The loop
 */

/* What came for the parent goes to the worker. A stop while there is none: one is started, to take down what goes on without it. */
static void signal_pass(struct supervisor *s, int number)
{
	if (number != SIGHUP) {
		stop_begins(s);
		if (s->due && worker_start(s))
			return;
	}
	if (s->worker)
		kill(s->worker, number);
}

static int signals_take(struct supervisor *s)
{
	struct signalfd_siginfo info;
	int result = NOT_BEGUN;

	while (result == NOT_BEGUN && read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			result = children_reap(s);
		else
			signal_pass(s, (int)info.ssi_signo);
	}
	return result;
}

static int loop_run(struct supervisor *s)
{
	struct pollfd fds[] = { { .fd = s->signals, .events = POLLIN },
				{ .fd = s->box->wake, .events = POLLIN },
				{ .fd = s->holds->hear, .events = POLLIN } };
	u64 looked = milliseconds(), now;
	int result = NOT_BEGUN;
	eventfd_t value;

	while (result == NOT_BEGUN) {
		now = milliseconds();
		if (s->due && now >= s->due)
			(void)worker_start(s);
		(void)poll(fds, 3, s->due && s->due - now < TICK_MS ? (int)(s->due - now) + 1 : TICK_MS);
		(void)eventfd_read(s->box->wake, &value);
		holds_hear(s->holds);
		worker_hear(s);
		upgrade_look(&s->upgrade, milliseconds());
		if (milliseconds() - looked >= TICK_MS) {
			looked = milliseconds();
			(void)sd_notify(0, "WATCHDOG=1");
			if (s->worker)
				worker_look(s);
		}
		result = signals_take(s);
	}
	return result;
}

static int signals_open(void)
{
	static const int all[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sigaddset(&set, all[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int supervise(struct blackbox *box, struct holds *holds, int (*work)(void *context), void *context,
	      char **arguments)
{
	struct supervisor s = { .box = box, .holds = holds, .work = work, .context = context };
	int result;

	s.signals = signals_open();
	if (s.signals < 0 || holds_open(holds)) {
		log_error("cannot open its descriptors: %s; raise the limit (ulimit -n)", strerror(errno));
		return EXIT_FAILURE;
	}
	upgrade_open(&s.upgrade, box, arguments);
	oom_adjust("-900", s.oom, sizeof(s.oom));
	result = worker_start(&s) ? EXIT_FAILURE : loop_run(&s);
	close(s.signals);
	return result;
}
