// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/blackbox.h"
#include "daemon/crash.h"
#include "daemon/crash_store.h"
#include "daemon/event.h"
#include "daemon/keepnat.h"
#include "daemon/log.h"
#include "daemon/symbol.h"
#include "version.h"

enum { SIGNED_FRAMES = 5, ALERT_SECONDS = 30, REPORT_SECONDS = 60, WORDS_MAX = 32, LINES_MAX = 200 };

/*
 * Signature
 */

static u32 module_count(const struct blackbox *box)
{
	return box->module_count < CRASH_MODULES ? box->module_count : CRASH_MODULES;
}

static const struct crash_module *module_at(const struct blackbox *box, u64 address)
{
	for (u32 i = 0; i < module_count(box); i++)
		if (address >= box->modules[i].begin && address < box->modules[i].end)
			return &box->modules[i];
	return NULL;
}

static u32 frame_count(const struct blackbox *box)
{
	return box->crash.frame_count < CRASH_FRAMES ? box->crash.frame_count : CRASH_FRAMES;
}

/* FNV-1a. */
static u64 hash_add(u64 hash, const void *data, size_t size)
{
	const u8 *bytes = data;

	while (size--)
		hash = (hash ^ *bytes++) * 0x100000001b3ull;
	return hash;
}

u64 crash_signature(const struct blackbox *box, const struct crash_end *end)
{
	u64 hash = hash_add(0xcbf29ce484222325ull, &end->status, sizeof(end->status));

	hash = hash_add(hash, &end->hung, sizeof(end->hung));
	if (!box->crash.begun)
		return hash;
	for (u32 i = 0; i < frame_count(box) && i < SIGNED_FRAMES; i++) {
		const struct crash_module *module = module_at(box, box->crash.frames[i]);
		u64 at = module ? box->crash.frames[i] - module->bias : 0;

		if (module)
			hash = hash_add(hash, module->id,
					module->id_size < CRASH_ID ? module->id_size : CRASH_ID);
		hash = hash_add(hash, &at, sizeof(at));
	}
	return hash;
}

/*
 * Text
 */

struct text {
	char *at;
	size_t used, size;
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *text, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text->at + text->used, text->size - text->used, format, arguments);
	va_end(arguments);
	if (n > 0)
		text->used += (size_t)n < text->size - text->used ? (size_t)n : text->size - text->used - 1;
}

/* What another process wrote, as printable text. */
static const char *printable(char *out, size_t size, const char *in, size_t in_size)
{
	size_t n = 0;

	for (; n + 1 < size && n < in_size && in[n]; n++)
		out[n] = in[n] < ' ' || in[n] > '~' ? '?' : in[n];
	out[n] = 0;
	return out;
}

static void say_place(struct text *text, const struct blackbox *box, u64 address)
{
	const struct crash_module *module = module_at(box, address);
	char path[CRASH_PATH], name[128];
	const char *slash;
	u64 offset;

	if (!module) {
		say(text, "?");
		return;
	}
	printable(path, sizeof(path), module->path, sizeof(module->path));
	slash = strrchr(path, '/');
	say(text, "%s!", *path ? slash ? slash + 1 : path : "keepnatd");
	if (symbol_find(*path ? path : "/proc/self/exe", address - module->bias, name, sizeof(name), &offset))
		say(text, "%s+0x%llx", name, (unsigned long long)offset);
	else
		say(text, "0x%llx", (unsigned long long)(address - module->bias));
}

static const struct blackbox_thread *thread_of(const struct blackbox *box)
{
	for (u32 i = 0; i < BLACKBOX_THREADS; i++)
		if (box->crash.begun && box->threads[i].id == box->crash.thread)
			return &box->threads[i];
	return &box->threads[0];
}

static bool stack_overflowed(const struct crash *crash)
{
	return crash->begun && crash->signal == SIGSEGV && crash->address + 65536 >= crash->stack &&
	       crash->address < crash->stack + 65536;
}

static void say_error(struct text *text, const struct blackbox *box, const struct crash_end *end)
{
	char name[BLACKBOX_NAME];
	const struct blackbox_thread *thread = thread_of(box);

	if (WIFSIGNALED(end->status))
		say(text, "SIG%s", sigabbrev_np(WTERMSIG(end->status)));
	else
		say(text, "ended with status %d", WEXITSTATUS(end->status));
	say(text, " in %s", printable(name, sizeof(name), thread->name, sizeof(thread->name)));
	if (box->crash.begun) {
		say(text, " at ");
		say_place(text, box, box->crash.counter);
	}
	if (stack_overflowed(&box->crash))
		say(text, " (stack overflow)");
	if (end->hung)
		say(text, " (no sign of life)");
	if (end->oom)
		say(text, " (the kernel ended a process for want of memory)");
	say(text, "\n");
}

static void say_parameters(struct text *text, const struct blackbox *box)
{
	static const char *const access[] = { "unknown", "read", "write", "execute" };
	const struct crash *crash = &box->crash;
	char name[BLACKBOX_NAME];

	if (!crash->begun)
		return;
	say(text, "P1 memory referenced: 0x%llx\nP2 context: %s\nP3 access: %s\nP4 code: ",
	    (unsigned long long)crash->address,
	    printable(name, sizeof(name), thread_of(box)->name, sizeof(name)), access[crash->access & 3]);
	say_place(text, box, crash->counter);
	say(text, "\n");
}

static void say_threads(struct text *text, const struct blackbox *box)
{
	char name[BLACKBOX_NAME], doing[BLACKBOX_DOING];

	for (u32 i = 0; i < BLACKBOX_THREADS; i++) {
		const struct blackbox_thread *thread = &box->threads[i];

		if (thread->id)
			say(text, "thread: %s: %s%s\n",
			    printable(name, sizeof(name), thread->name, sizeof(thread->name)),
			    printable(doing, sizeof(doing), thread->doing, sizeof(thread->doing)),
			    box->crash.begun && thread->id == box->crash.thread ? " (here)" : "");
	}
}

static void say_registers(struct text *text, const struct crash *crash)
{
	say(text, "registers:\n");
	for (u32 i = 0; i < crash->register_count && i < CRASH_REGISTERS && crash_register_names[i]; i++)
		say(text, "  %-8s 0x%016llx\n", crash_register_names[i],
		    (unsigned long long)crash->registers[i]);
}

static void say_backtrace(struct text *text, const struct blackbox *box)
{
	say(text, "backtrace:\n");
	for (u32 i = 0; i < frame_count(box); i++) {
		say(text, "  %2u 0x%016llx ", i, (unsigned long long)box->crash.frames[i]);
		say_place(text, box, box->crash.frames[i]);
		say(text, "\n");
	}
}

static void say_modules(struct text *text, const struct blackbox *box)
{
	char path[CRASH_PATH];

	say(text, "modules:\n");
	for (u32 i = 0; i < module_count(box); i++) {
		const struct crash_module *module = &box->modules[i];

		say(text, "  0x%llx-0x%llx build ", (unsigned long long)module->begin,
		    (unsigned long long)module->end);
		for (u32 j = 0; j < module->id_size && j < CRASH_ID; j++)
			say(text, "%02x", module->id[j]);
		say(text, " %s\n",
		    *module->path ? printable(path, sizeof(path), module->path, sizeof(module->path))
				  : "keepnatd");
	}
}

static void report_write(struct text *text, const struct blackbox *box, const struct crash_end *end,
			 const char *when)
{
	static const char *const states[] = { "starting", "ready", "stopping" };
	char instance[64];

	say(text, "keepnat: report of a serious error\nsignature: %016llx\nerror: ",
	    (unsigned long long)crash_signature(box, end));
	say_error(text, box, end);
	say(text, "time: %s\nversion: %s\ninstance: %s\nworker: %s, for %llu s\n", when, KEEPNAT_VERSION,
	    printable(instance, sizeof(instance), box->instance, sizeof(box->instance)),
	    states[box->state < 3 ? box->state : 0], (unsigned long long)end->lived);
	say(text, "in a row: %u, with this signature: %u%s\n", end->row, end->same,
	    end->given_up ? "; it is given up" : "");
	say_parameters(text, box);
	say_threads(text, box);
	if (!box->crash.begun)
		return;
	say_registers(text, &box->crash);
	say_backtrace(text, box);
	say_modules(text, box);
}

/*
 * Where it goes
 */

static void report_log(char *text)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);

	for (int i = 0; line && i < LINES_MAX; i++, line = strtok_r(NULL, "\n", &save))
		log_error("%s", line);
}

/* The alert's program with its arguments, and no shell; its standard input is the report. */
static void alert_exec(char *command, int input)
{
	char *words[WORDS_MAX + 1], *save = NULL;
	int count = 0, none = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sigset_t set;

	for (char *word = strtok_r(command, " ", &save); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	words[count] = NULL;
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setpgid(0, 0);
	if (!count || dup2(input, STDIN_FILENO) < 0 || dup2(none, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	execv(words[0], words);
	_exit(EXIT_FAILURE);
}

/* Hand over what it takes before its time is over. */
static void alert_feed(int fd, const char *text, u64 until)
{
	size_t length = strlen(text);
	struct pollfd out = { .fd = fd, .events = POLLOUT };

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	while (length && (u64)time(NULL) < until && poll(&out, 1, 1000) >= 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno != EAGAIN)
			break;
		text += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	close(fd);
}

/* Did it succeed, in time? */
static bool alert_run(char *command, const char *text)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	u64 until = (u64)time(NULL) + ALERT_SECONDS;
	int ends[2], status = -1;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return false;
	child = fork();
	if (!child)
		alert_exec(command, ends[0]);
	close(ends[0]);
	if (child < 0) {
		close(ends[1]);
		return false;
	}
	alert_feed(ends[1], text, until);
	while (!waitpid(child, &status, WNOHANG)) {
		if ((u64)time(NULL) >= until) {
			kill(-child, SIGKILL);
			(void)waitpid(child, &status, 0);
			break;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A core that the kernel left in the folder of the worker, under the report's name. */
static void core_keep(const struct blackbox *box, const char *name)
{
	char from[300], to[300];
	const char *const names[] = { "core", "" };
	char numbered[32];

	snprintf(numbered, sizeof(numbered), "core.%d", (int)box->threads[0].id);
	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s/crashes/%s", box->state_dir,
			 *names[i] ? names[i] : numbered);
		snprintf(to, sizeof(to), "%s/crashes/%s.core", box->state_dir, name);
		if (!rename(from, to))
			return;
	}
}

static void report_keep(const struct blackbox *box, const char *name, const char *text)
{
	static char copy[CRASH_TEXT];
	int error;

	if (box->settings.dump == SETTINGS_DUMP_NONE)
		return;
	error = crash_store_write(box->state_dir, name, text, box->settings.keep);
	if (!error && box->settings.dump == SETTINGS_DUMP_CORE)
		core_keep(box, name);
	if (!error)
		return;
	log_error("the report of this error cannot be written in %s/crashes: %s; it follows", box->state_dir,
		  strerror(-error));
	memcpy(copy, text, strlen(text) + 1);
	report_log(copy);
}

void crash_report(const struct blackbox *box, const struct crash_end *end)
{
	static char memory[CRASH_TEXT];
	struct text text = { .at = memory, .size = sizeof(memory) };
	char when[32], name[CRASH_NAME], command[SETTINGS_COMMAND_SIZE];
	struct keepnat k = { .instance = box->instance };
	time_t now = time(NULL);
	struct tm tm;

	alarm(REPORT_SECONDS);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(name, sizeof(name), "%.4s%.2s%.2sT%.2s%.2s%.2sZ-%d", when, when + 5, when + 8, when + 11,
		 when + 14, when + 17, (int)getpid());
	report_write(&text, box, end, when);
	report_keep(box, name, memory);
	pthread_mutex_init(&k.lock, NULL);
	events_open(&k);
	if (end->given_up)
		event_tell(&k, EVENT_recovery_given_up, "", "given up after %u errors in a row", end->row);
	memcpy(command, box->settings.alert, sizeof(command));
	command[sizeof(command) - 1] = 0;
	if (*command && !alert_run(command, memory))
		event_tell(&k, EVENT_recovery_alert_failed, "", "%s", box->settings.alert);
	events_close(&k);
}
