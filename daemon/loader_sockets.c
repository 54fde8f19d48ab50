// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs that lead the router's own sockets to port mappings (bpf/sockets.h). They are attached to the root of the
 * cgroups, beside what others attach there; links and the map are pinned like the rest, and only while there is something
 * to lead to.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/loader_parts.h"

static const enum bpf_attach_type attach_types[SOCKET_PROGRAMS] = {
	BPF_CGROUP_INET4_CONNECT,     BPF_CGROUP_INET6_CONNECT,	    BPF_CGROUP_UDP4_SENDMSG,
	BPF_CGROUP_UDP6_SENDMSG,      BPF_CGROUP_UDP4_RECVMSG,	    BPF_CGROUP_UDP6_RECVMSG,
	BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME,
};

static bool sockets_wanted(const struct settings *settings)
{
	for (unsigned int i = 0; i < settings->reservation_count; i++)
		if (settings->reservations[i].inbound)
			return true;
	return settings->port_mapping_count;
}

static const char led_pin[] = "links/led";

/* The name of a link's pin. */
struct socket_pin {
	char name[32];
};

static struct socket_pin socket_pin(unsigned int which)
{
	struct socket_pin pin;

	snprintf(pin.name, sizeof(pin.name), "links/%s", program_names[PROGRAM_CONNECT4 + which]);
	return pin;
}

/* The root of the cgroups, of version 2. Its descriptor or -errno. */
static int cgroup_open(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *mount;
	int fd = -ENOENT;

	while (mounts && fd == -ENOENT && (mount = getmntent(mounts)))
		if (!strcmp(mount->mnt_type, "cgroup2"))
			fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mounts)
		endmntent(mounts);
	return fd == -1 ? -errno : fd;
}

/* The map of what was led, ours, as an earlier daemon pinned it, or a new one. 0 or -errno. */
static int led_ready(const struct keepnat *k, struct loader *l)
{
	if (l->led < 0)
		l->led = pin_open(k, led_pin);
	if (l->led >= 0)
		return 0;
	l->led = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "led", sizeof(struct led_key), sizeof(struct led),
				SOCKETS_LED, NULL);
	return l->led < 0 ? -errno : pin_put(k, led_pin, l->led);
}

/* A link with our program: that which is pinned, or a new one. 0 or -errno. */
static int socket_attach(const struct keepnat *k, int cgroup, unsigned int which)
{
	const struct loader *l = k->loader;
	const struct socket_pin pin = socket_pin(which);
	int program = l->programs[PROGRAM_CONNECT4 + which], link = pin_open(k, pin.name), error = 0;

	if (link >= 0 && bpf_link_update(link, program, NULL)) {
		pin_drop(k, pin.name); /* of a cgroup that is gone */
		fd_close(&link);
	}
	if (link < 0) {
		link = bpf_link_create(program, cgroup, attach_types[which], NULL);
		error = link < 0 ? -errno : pin_put(k, pin.name, link);
	}
	fd_close(&link);
	FAULT(sockets_attached);
	return error;
}

static void sockets_drop(const struct keepnat *k)
{
	for (unsigned int i = 0; i < SOCKET_PROGRAMS; i++) {
		const struct socket_pin pin = socket_pin(i);
		int link = pin_open(k, pin.name);

		if (link >= 0)
			(void)bpf_link_detach(link); /* others may hold it, too */
		fd_close(&link);
		pin_drop(k, pin.name);
	}
	pin_drop(k, led_pin);
}

static int sockets_attach(struct keepnat *k)
{
	bool wanted[PROGRAMS] = { false };
	int cgroup = cgroup_open(), error = cgroup < 0 ? cgroup : led_ready(k, k->loader);

	for (int i = 0; i < SOCKET_PROGRAMS; i++)
		wanted[PROGRAM_CONNECT4 + i] = true;
	if (!error)
		error = programs_load(k, wanted);
	for (unsigned int i = 0; i < SOCKET_PROGRAMS && !error; i++)
		error = socket_attach(k, cgroup, i);
	fd_close(&cgroup);
	return error;
}

int loader_sockets_start(struct keepnat *k)
{
	int error = sockets_wanted(k->settings) ? sockets_attach(k) : -ENODATA;

	if (error)
		sockets_drop(k);
	if (!error || error == -ENODATA)
		keepnat_unwarn(k, "port mappings: the router's own");
	else
		keepnat_warn(k, "port mappings: the router's own processes do not reach them: %s%s",
			     strerror(-error), error == -ENOENT ? " (no cgroup2 is mounted)" : "");
	return 0;
}

void loader_sockets_stop(struct keepnat *k, bool leave)
{
	if (!leave && k->loader)
		sockets_drop(k);
}
