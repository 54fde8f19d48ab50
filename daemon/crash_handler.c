// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "daemon/blackbox.h"
#include "daemon/crash.h"

enum { STACK_SIZE = 64 * 1024 };

/* Where the handler writes: a signal brings no instance along. */
static struct blackbox *watched;

#if defined(__x86_64__)
const char *const crash_register_names[CRASH_REGISTERS + 1] = {
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14",    "r15", "rdi",  "rsi",     "rbp", "rbx",
	"rdx", "rax", "rcx", "rsp", "rip", "efl", "csgsfs", "err", "trap", "oldmask", "cr2",
};

static void context_read(const ucontext_t *context, struct crash *crash)
{
	const greg_t *registers = context->uc_mcontext.gregs;
	u64 error = (u64)registers[REG_ERR];

	for (u32 i = 0; i < NGREG && i < CRASH_REGISTERS; i++)
		crash->registers[crash->register_count++] = (u64)registers[i];
	crash->counter = (u64)registers[REG_RIP];
	crash->stack = (u64)registers[REG_RSP];
	if (crash->signal == SIGSEGV || crash->signal == SIGBUS)
		crash->access = error & 16  ? CRASH_ACCESS_EXECUTE
				: error & 2 ? CRASH_ACCESS_WRITE
					    : CRASH_ACCESS_READ;
}
#elif defined(__aarch64__)
const char *const crash_register_names[CRASH_REGISTERS + 1] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",	 "x7",	"x8",  "x9",  "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
	"x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",  "pc",
};

static void context_read(const ucontext_t *context, struct crash *crash)
{
	for (u32 i = 0; i < 31; i++)
		crash->registers[crash->register_count++] = context->uc_mcontext.regs[i];
	crash->registers[crash->register_count++] = crash->stack = context->uc_mcontext.sp;
	crash->registers[crash->register_count++] = crash->counter = context->uc_mcontext.pc;
}
#else
const char *const crash_register_names[CRASH_REGISTERS + 1] = { NULL };

static void context_read(const ucontext_t *context, struct crash *crash)
{
	(void)context;
	(void)crash;
}
#endif

static _Unwind_Reason_Code frame_take(struct _Unwind_Context *context, void *argument)
{
	struct crash *crash = argument;
	u64 at = (u64)_Unwind_GetIP(context);

	/* What is above the handler is the handler's own; the interrupted function is the first that counts. */
	if (at == crash->counter)
		crash->frame_count = 0;
	if (crash->frame_count == CRASH_FRAMES)
		return _URC_END_OF_STACK;
	crash->frames[crash->frame_count++] = at;
	return _URC_NO_REASON;
}

static void handle(int number, siginfo_t *info, void *context)
{
	struct crash *crash = &watched->crash;

	if (!__atomic_exchange_n(&crash->begun, 1, __ATOMIC_ACQ_REL)) {
		crash->signal = number;
		crash->code = info->si_code;
		crash->thread = (u32)syscall(SYS_gettid);
		crash->address = info->si_code > 0 ? (u64)(uintptr_t)info->si_addr : 0;
		context_read(context, crash);
		crash->frames[0] = crash->counter;
		crash->frame_count = 1;
		_Unwind_Backtrace(frame_take, crash);
	}
	/* SA_RESETHAND: the same again, once we have returned, and nobody catches it. */
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

void crash_thread(void)
{
	stack_t stack = { .ss_size = STACK_SIZE };

	stack.ss_sp =
		malloc(stack.ss_size); /* for as long as the thread lives, which is as long as the process */
	if (stack.ss_sp)
		(void)sigaltstack(&stack, NULL);
}

void crash_watch(struct blackbox *box, bool core)
{
	static const int signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
	struct sigaction action = { .sa_sigaction = handle,
				    .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };
	struct rlimit limit;

	if (!watched)
		crash_thread();
	watched = box;
	crash_modules(box);
	if (!getrlimit(RLIMIT_CORE, &limit)) {
		limit.rlim_cur = core ? limit.rlim_max : 0;
		(void)setrlimit(RLIMIT_CORE, &limit);
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &action, NULL);
}

/*
 * Modules
 */

/* The identifier of a build: a note in one of its segments. */
static void module_identify(struct crash_module *module, const char *at, size_t size)
{
	ElfW(Nhdr) note;

	while (size >= sizeof(note)) {
		size_t name, whole;

		memcpy(&note, at, sizeof(note));
		name = (note.n_namesz + 3u) & ~3u;
		whole = sizeof(note) + name + ((note.n_descsz + 3u) & ~3u);
		if (whole > size)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(at + sizeof(note), "GNU", 4)) {
			module->id_size = note.n_descsz < CRASH_ID ? (u8)note.n_descsz : CRASH_ID;
			memcpy(module->id, at + sizeof(note) + name, module->id_size);
			return;
		}
		at += whole;
		size -= whole;
	}
}

static int module_take(struct dl_phdr_info *info, size_t size, void *context)
{
	struct blackbox *box = context;
	struct crash_module *module = &box->modules[box->module_count];

	(void)size;
	if (box->module_count == CRASH_MODULES)
		return 1;
	*module = (struct crash_module){ .begin = ~0ull, .bias = info->dlpi_addr };
	snprintf(module->path, sizeof(module->path), "%s", info->dlpi_name);
	for (u32 i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		u64 begin = info->dlpi_addr + segment->p_vaddr, end = begin + segment->p_memsz;

		if (segment->p_type == PT_NOTE)
			module_identify(module, (const char *)(uintptr_t)begin, segment->p_memsz);
		if (segment->p_type != PT_LOAD)
			continue;
		module->begin = begin < module->begin ? begin : module->begin;
		module->end = end > module->end ? end : module->end;
	}
	box->module_count++;
	return 0;
}

void crash_modules(struct blackbox *box)
{
	box->module_count = 0;
	dl_iterate_phdr(module_take, box);
}
