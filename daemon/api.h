/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * api.h - the HTTP/JSON API of one instance, on the Unix socket RUN_DIR/api.sock.
 *
 * It has one thread of its own, which serves all connections by turns: whatever is asked, a turn is bounded (so many
 * slots looked at, so many bytes formatted), nothing is waited for, and a listing of any length needs one
 * connection's buffers. Who is slow to read holds up itself only, and not for ever.
 */
#pragma once

struct keepnat;

/*
 * Make the Unix socket; who comes waits until api_start(). k->run_dir must exist. A socket file that nobody listens on is
 * replaced, and the group's members may use the new one. 0 and k->api; -EADDRINUSE: another process serves there; -ENOTSOCK: a
 * file that is not ours to replace; -ENAMETOOLONG; or what the system said.
 */
int api_open(struct keepnat *k);

/* Serve, by what was opened; nothing was: as api_open() first. 0 and k->api, or as that, or -ENOMEM. */
int api_start(struct keepnat *k);

/* Now and then, and when there are events: hand them to who waits for them, and end who has been let in to nothing for long. */
void api_beat(struct keepnat *k);

/* End all connections and take the socket file away. Nothing of the arrays is read after this. k->api may be NULL. */
void api_stop(struct keepnat *k);
