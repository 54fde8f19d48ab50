/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "native/env_native.h"
#include "core/env.h"

int native_socket_find(const struct nat_instance *nat, u32 class, __be32 remote, __be16 remote_port,
		       __be32 local, __be16 port)
{
	int found = SOCKET_NONE;

	if (nat->kernel)
		return nat->kernel->socket(nat->kernel, class, remote, remote_port, local, port);
	for (u32 i = 0; i < nat->socket_count; i++) {
		const struct native_socket *s = &nat->sockets[i];
		if (s->class != class || s->port != port || (s->local && s->local != local))
			continue;
		if (s->remote && s->remote == remote && s->remote_port == remote_port)
			return SOCKET_CONNECTED;
		if (!s->remote)
			found = SOCKET_OPEN;
	}
	return found;
}
