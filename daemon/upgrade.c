// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/blackbox.h"
#include "daemon/log.h"
#include "version.h"

/*
 * What goes over: "NUMBER DESCRIPTOR VERSION TEXT". Number of the upgrade; descriptor of the former program, or -1 in who comes
 * back; the other's version; and then why it did not serve.
 */
#define HANDED "KEEPNAT_UPGRADE"

enum { TRIAL_SECONDS = 300, PROVEN_SECONDS = 60, ARGUMENTS = 32 };

const char *const upgrade_state_names[] = { "none", "trying", "refused", "under_way", "done", "rolled_back" };

static void state_set(struct upgrade *u, enum upgrade_state state)
{
	__atomic_store_n(&u->box->state, (u32)state, __ATOMIC_RELEASE);
}

static void former_drop(struct upgrade *u)
{
	if (u->former >= 0)
		close(u->former);
	u->former = -1;
}

/*
 * Between two programs
 */

static void handed_read(struct upgrade *u)
{
	struct blackbox_upgrade *box = u->box;
	const char *handed = getenv(HANDED);
	int said = 0;

	if (!handed)
		return;
	if (sscanf(handed, "%u %d %31s %n", &box->number, &u->former, box->other, &said) < 3 || !said) {
		u->former = -1;
		box->number = 0;
	} else {
		box->asked = box->number;
		snprintf(box->said, sizeof(box->said), "%s", handed + said);
		state_set(u, u->former < 0 ? UPGRADE_ROLLED_BACK : UPGRADE_UNDER_WAY);
	}
	if (u->former >= 0 && fcntl(u->former, F_SETFD, FD_CLOEXEC))
		u->former = -1;
	unsetenv(HANDED);
}

static int handed_write(const struct upgrade *u, int former, const char *why)
{
	char text[sizeof(u->box->said) + 64];

	snprintf(text, sizeof(text), "%u %d %s %s", u->box->number, former, KEEPNAT_VERSION, why);
	return setenv(HANDED, text, 1) ? -errno : 0;
}

/* A path is taken as it was given: what it leads to may be another file by then. */
static void program_find(struct upgrade *u)
{
	static const char gone[] = " (deleted)";
	ssize_t n;

	if (strchr(u->arguments[0], '/')) {
		snprintf(u->program, sizeof(u->program), "%s", u->arguments[0]);
		return;
	}
	n = readlink("/proc/self/exe", u->program, sizeof(u->program) - 1);
	u->program[n > 0 ? n : 0] = 0;
	if (n > (ssize_t)strlen(gone) && !strcmp(u->program + n - strlen(gone), gone))
		u->program[n - (ssize_t)strlen(gone)] = 0;
}

void upgrade_open(struct upgrade *u, struct blackbox *box, char **arguments)
{
	*u = (struct upgrade){ .box = &box->upgrade, .arguments = arguments, .said = -1, .former = -1 };
	program_find(u);
	handed_read(u);
}

void upgrade_go(struct upgrade *u)
{
	int self = open("/proc/self/exe", O_RDONLY); /* it stays open, for the way back */
	int error = self < 0 ? -errno : handed_write(u, self, "-");

	former_drop(u);
	u->go = false;
	u->box->leave = 0;
	if (!error) {
		execv(u->program, u->arguments);
		error = -errno;
	}
	log_error("%s cannot be executed: %s; this version goes on", u->program, strerror(-error));
	snprintf(u->box->said, sizeof(u->box->said), "%s cannot be executed: %s", u->program,
		 strerror(-error));
	if (self >= 0)
		close(self);
	unsetenv(HANDED);
	state_set(u, UPGRADE_REFUSED);
}

void upgrade_back(struct upgrade *u, const char *why)
{
	int former = u->former;

	if (former < 0)
		return;
	log_error("version " KEEPNAT_VERSION " does not serve: %s; version %s is started again", why,
		  u->box->other);
	if (!handed_write(u, -1, why))
		syscall(SYS_execveat, former, "", u->arguments, environ, AT_EMPTY_PATH);
	log_error("version %s cannot be started again: %s", u->box->other, strerror(errno));
	unsetenv(HANDED);
	former_drop(u);
}

/*
 * The trial
 */

static _Noreturn void trial_exec(const struct upgrade *u)
{
	char *arguments[ARGUMENTS + 2] = { NULL };
	sigset_t none;
	int count = 0;

	while (u->arguments[count] && count < ARGUMENTS) {
		arguments[count] = u->arguments[count];
		count++;
	}
	arguments[count] = (char *)"--try";
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("JOURNAL_STREAM"); /* what it says is told by us */
	if (dup2(u->said, STDERR_FILENO) >= 0)
		execv(u->program, arguments);
	dprintf(u->said, "%s cannot be executed: %s\n", u->program, strerror(errno));
	_exit(EXIT_FAILURE);
}

static void trial_begin(struct upgrade *u, u64 now)
{
	state_set(u, UPGRADE_TRYING); /* before its number: who finds that finds no former state beside it */
	u->box->said[0] = u->box->other[0] = 0;
	__atomic_store_n(&u->box->number, u->box->asked, __ATOMIC_RELEASE);
	u->said = memfd_create("keepnat-trial", MFD_CLOEXEC);
	u->trial = u->said < 0 ? -1 : fork();
	if (!u->trial)
		trial_exec(u);
	u->until = now + TRIAL_SECONDS * 1000;
	if (u->trial > 0)
		return;
	snprintf(u->box->said, sizeof(u->box->said), "it cannot be tried: %s", strerror(errno));
	u->trial = 0;
	state_set(u, UPGRADE_REFUSED);
}

/* The last line that it wrote, without its name. */
static void trial_read(struct upgrade *u)
{
	char text[2048], *line = text, *save = NULL;
	ssize_t n = pread(u->said, text, sizeof(text) - 1, 0);

	close(u->said);
	u->said = -1;
	text[n > 0 ? n : 0] = 0;
	for (char *next = strtok_r(text, "\n", &save); next; next = strtok_r(NULL, "\n", &save)) {
		line = next;
		log_info("of %s: %s", u->program, line);
	}
	if (!strncmp(line, "keepnatd: ", 10))
		line += 10;
	snprintf(u->box->said, sizeof(u->box->said), "%s", *line ? line : "it said nothing");
}

bool upgrade_reap(struct upgrade *u, pid_t child, int status)
{
	if (!u->trial || child != u->trial)
		return false;
	u->trial = 0;
	trial_read(u);
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		snprintf(u->box->other, sizeof(u->box->other), KEEPNAT_VERSION);
		state_set(u, UPGRADE_UNDER_WAY);
		u->go = true;
		u->box->leave = 1;
		return true;
	}
	if (WIFSIGNALED(status))
		snprintf(u->box->said, sizeof(u->box->said), "it was ended by SIG%s when it was tried",
			 sigabbrev_np(WTERMSIG(status)));
	state_set(u, UPGRADE_REFUSED);
	return true;
}

void upgrade_look(struct upgrade *u, u64 now)
{
	u32 asked = __atomic_load_n(&u->box->asked, __ATOMIC_ACQUIRE);

	if (u->trial && now > u->until)
		kill(u->trial, SIGKILL);
	if (u->proven && now > u->proven)
		former_drop(u);
	if (!u->trial && asked != u->box->number && u->box->state != UPGRADE_UNDER_WAY)
		trial_begin(u, now);
}

void upgrade_ready(struct upgrade *u, u64 now)
{
	if (u->former < 0 || u->proven)
		return;
	u->proven = now + PROVEN_SECONDS * 1000;
	state_set(u, UPGRADE_DONE);
}

bool upgrade_due(const struct upgrade *u) { return u->go; }
