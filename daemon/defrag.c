// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/defrag.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/defrag_net.h"
#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/sysctl.h"

static const char ns_self[] = "/proc/thread-self/ns/net";
static const char inner_name[] = "defrag"; /* of the device within */
static const char outer_prefix[] = "knf";  /* and of its other end, before the number of the namespace */

enum { DEFRAG_PATH = sizeof(((struct keepnat *)0)->run_dir) + 8 };

static void defrag_path(const struct keepnat *k, char path[DEFRAG_PATH])
{
	snprintf(path, DEFRAG_PATH, "%s/defrag", k->run_dir);
}

static void device_store(const struct keepnat *k, u32 ifindex)
{
	__atomic_store_n(&k->nat.config->defrag, ifindex, __ATOMIC_RELEASE);
}

/* Settings of the namespace that we are in. A kernel without IPv6 has not all of them. 0 or -errno. */
static int settings_write(u32 seconds)
{
	static const char *const settings[][2] = {
		{ "net/ipv6/conf/all/disable_ipv6", "1" },
		{ "net/ipv6/conf/default/disable_ipv6", "1" },
		{ "net/ipv4/conf/all/rp_filter", "0" },
		{ "net/ipv4/conf/default/rp_filter", "0" },
		{ "net/ipv4/conf/all/send_redirects", "0" },
		{ "net/ipv4/conf/default/send_redirects", "0" },
		{ "net/ipv4/ipfrag_max_dist", "0" }, /* datagrams of one host may come mixed */
		{ "net/ipv4/ip_forward", "1" },
	};
	const struct sysctls s = { .root = "/proc/sys" };
	char value[SYSCTL_VALUE];
	int error = 0;

	for (unsigned int i = 0; i < sizeof(settings) / sizeof(settings[0]) && !error; i++) {
		error = sysctl_write(&s, settings[i][0], settings[i][1]);
		if (error == -ENOENT && i < 2)
			error = 0;
	}
	snprintf(value, sizeof(value), "%u", seconds);
	return error ? error : sysctl_write(&s, "net/ipv4/ipfrag_time", value);
}

/* The file that holds the namespace that we are in. 0 or -errno. */
static int namespace_hold(const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return mount(ns_self, path, "none", MS_BIND, NULL) ? -errno : 0;
}

static void namespace_drop(const struct keepnat *k)
{
	u32 ifindex = k->nat.config->defrag;
	char path[DEFRAG_PATH], name[IF_NAMESIZE];

	device_store(k, 0);
	if (ifindex && if_indextoname(ifindex, name) && !strncmp(name, outer_prefix, strlen(outer_prefix)))
		(void)defrag_link_remove(ifindex);
	defrag_path(k, path);
	(void)umount2(path, MNT_DETACH);
	unlink(path);
}

/* In the new namespace: all that is in it, and the device `outer` in the one that we came from. 0 or -errno. */
static int namespace_fill(const struct keepnat *k, int home, const char *outer)
{
	int error = settings_write(k->nat.config->timers.fragment_min_timeout);

	if (!error)
		error = defrag_link_add(inner_name, outer, home);
	if (!error)
		error = defrag_link_up(if_nametoindex("lo")); /* without it there is no table of local routes, and no other */
	if (!error)
		error = defrag_link_up(if_nametoindex(inner_name));
	if (!error)
		error = defrag_route_add(if_nametoindex(inner_name));
	return error ? error : defrag_rule_add();
}

/* In a new namespace that the file holds. Its device in ours is called *outer. 0 or -errno. */
static int namespace_make(const struct keepnat *k, int home, char outer[IF_NAMESIZE])
{
	char path[DEFRAG_PATH];
	struct stat ns;
	int error;

	defrag_path(k, path);
	if (stat(ns_self, &ns))
		return -errno;
	snprintf(outer, IF_NAMESIZE, "%s%u", outer_prefix, (unsigned int)ns.st_ino);
	error = namespace_fill(k, home, outer);
	return error ? error : namespace_hold(path);
}

/* This side: its program first, then up. 0 or -errno. */
static int device_ready(struct keepnat *k, const char *outer)
{
	const struct sysctls s = { .root = "/proc/sys" };
	u32 ifindex = if_nametoindex(outer);
	char name[SYSCTL_NAME];
	int error = ifindex ? loader_ordered(k, ifindex) : -ENODEV;

	snprintf(name, sizeof(name), "net/ipv6/conf/%s/disable_ipv6", outer);
	if (!error)
		error = sysctl_write(&s, name, "1");
	if (!error || error == -ENOENT)
		error = defrag_link_up(ifindex);
	if (!error)
		device_store(k, ifindex);
	return error;
}

/* *lost: we could not come back. 0 or -errno. */
static int defrag_make(struct keepnat *k, bool *lost)
{
	int home = open(ns_self, O_RDONLY | O_CLOEXEC), error;
	char outer[IF_NAMESIZE] = "";

	if (home < 0)
		return -errno;
	error = unshare(CLONE_NEWNET) ? -errno : namespace_make(k, home, outer);
	if (setns(home, CLONE_NEWNET) && *outer) {
		*lost = true;
		error = -errno;
	}
	close(home);
	return error ? error : device_ready(k, outer);
}

int defrag_start(struct keepnat *k)
{
	bool lost = false;
	int error;

	namespace_drop(k);
	error = defrag_make(k, &lost);
	if (lost) {
		log_error("cannot return to its network namespace: %s; start it anew", strerror(-error));
		return error;
	}
	if (!error) {
		keepnat_unwarn(k, "fragments: ");
		return 0;
	}
	namespace_drop(k);
	keepnat_warn(k,
		     "fragments: those that overtake the first one of their datagram are dropped, for a network "
		     "namespace cannot be set up: %s%s",
		     strerror(-error),
		     error == -EPERM ? "; give it CAP_SYS_ADMIN"
		     : error == -EROFS || error == -EACCES
			     ? "; make /proc/sys writable"
			     : "; it needs veth, nf_tables and nft_tproxy of the kernel");
	return 0;
}

void defrag_check(struct keepnat *k)
{
	u32 ifindex = k->nat.config->defrag;
	char name[IF_NAMESIZE];

	if (ifindex && !if_indextoname(ifindex, name))
		(void)defrag_start(k);
}

void defrag_stop(struct keepnat *k, bool leave)
{
	if (!leave && k->nat.config)
		namespace_drop(k);
}
