// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/unsolicited.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "native/held.h"

/* Senders that are told in one tick; as many as packets from inside are told of refusals. */
enum { TOLD_MAX = 100 };

struct unsolicited {
	struct nat_instance nat; /* the arrays, and when it last looked */
	int socket;		 /* sends whole IP packets */
};

int unsolicited_start(struct keepnat *k)
{
	struct unsolicited *u = calloc(1, sizeof(*u));
	int error;

	if (!u)
		return -ENOMEM;
	k->unsolicited_syns = u;
	u->nat = k->nat;
	u->nat.now = loader_tick(k->loader);
	u->socket = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (u->socket >= 0)
		return 0;
	error = -errno;
	log_error("cannot open a raw socket: %s; CAP_NET_RAW is needed", strerror(-error));
	return error;
}

void unsolicited_stop(struct keepnat *k, bool leave)
{
	struct unsolicited *u = k->unsolicited_syns;

	(void)leave;
	if (!u)
		return;
	if (u->socket >= 0)
		close(u->socket);
	free(u);
	k->unsolicited_syns = NULL;
}

/* By the device where the SYN came in, whatever way the kernel would take. An error is the link's, and the SYN comes again. */
static void answer_send(const struct unsolicited *u, struct held_answer *answer)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = { .room = { 0 } };
	struct in_pktinfo by = { .ipi_ifindex = (int)answer->ifindex };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct iovec bytes = { .iov_base = answer->ip, .iov_len = answer->length };
	struct msghdr message = { .msg_name = &to,
				  .msg_namelen = sizeof(to),
				  .msg_iov = &bytes,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	to.sin_addr.s_addr = get32(answer->ip, IPV4_TARGET);
	control.head.cmsg_level = IPPROTO_IP;
	control.head.cmsg_type = IP_PKTINFO;
	control.head.cmsg_len = CMSG_LEN(sizeof(by));
	memcpy(CMSG_DATA(&control.head), &by, sizeof(by));
	(void)sendmsg(u->socket, &message, 0);
}

void unsolicited_run(struct keepnat *k)
{
	struct unsolicited *u = k->unsolicited_syns;
	u32 now = loader_tick(k->loader);
	struct held_answer answer;
	u64 ended = 0, told = 0;

	if (now == u->nat.now)
		return;
	u->nat.now = now;
	for (u32 i = 0; i < HELD_SYNS; i++) {
		enum held_end end = held_end(&u->nat, i, &answer);

		ended += end != HELD_WAITS;
		if (end != HELD_TOLD || told == TOLD_MAX)
			continue;
		answer_send(u, &answer);
		told++;
	}
	pthread_mutex_lock(&k->lock);
	k->unsolicited.held = held_count(&u->nat);
	k->unsolicited.told += told;
	k->unsolicited.silent += ended - told;
	pthread_mutex_unlock(&k->lock);
}
