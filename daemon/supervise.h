/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * supervise.h - the small parent. It starts the worker, which is the whole daemon, passes signals on to it, tells systemd how it is,
 * and starts another one when it died. It parses nothing and allocates nothing, so that it has little to crash by. It holds descriptors of the data path (hold.h),
 * so that this outlives a worker also when pins are gone.
 *
 * The worker shares a black box with it, from which it knows what the worker cannot say any more. A worker that was ended by a signal,
 * that ended itself without having been asked, or that showed no sign of life for so long, has crashed; its successor adopts what is
 * pinned in the kernel, where packets went on all the while. A worker that says 0 was asked to end, and so does the parent. One that
 * fails at the first start has said why, and the parent ends with its status.
 *
 * When the parent dies the kernel ends the worker: nobody is left who holds locks and is not looked after.
 */
#pragma once

struct blackbox;
struct holds;

enum { EXIT_GIVEN_UP = 3 }; /* too many crashes; packets go on in the kernel */

/*
 * Until the worker was asked to end, could not begin, or is given up. What to exit with. `work` runs in the worker, which finds
 * there what is held; `arguments` are those of main(), for a program that takes over (upgrade.h).
 */
int supervise(struct blackbox *box, struct holds *holds, int (*work)(void *context), void *context,
	      char **arguments);
