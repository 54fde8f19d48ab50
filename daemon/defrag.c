// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/defrag.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/defrag_net.h"
#include "daemon/deputy.h"
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

/* The number may have become another's. */
static bool device_is_ours(u32 ifindex)
{
	char name[IF_NAMESIZE];

	return ifindex && if_indextoname(ifindex, name) && !strncmp(name, outer_prefix, strlen(outer_prefix));
}

void defrag_drop(const struct keepnat *k)
{
	u32 ifindex = k->nat.config->defrag;
	char path[DEFRAG_PATH];

	device_store(k, 0);
	if (device_is_ours(ifindex))
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
		error = defrag_link_up(if_nametoindex("lo")); /* else no table of routes works */
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
	FAULT(defrag_inside);
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

/*
 * Back to our own. If the kernel refuses, no step could be undone where we are: packets go on without the daemon, and its
 * successor finds all as it was.
 */
static void namespace_leave(int home)
{
	if (!setns(home, CLONE_NEWNET))
		return;
	log_error("cannot return to its network namespace: %s; start it anew", strerror(errno));
	_exit(EXIT_FAILURE);
}

/* A namespace and its device. 0 or -errno, and what there is of it stays. */
static int defrag_build(struct keepnat *k)
{
	int home = open(ns_self, O_RDONLY | O_CLOEXEC), error;
	char outer[IF_NAMESIZE] = "";

	if (home < 0)
		return -errno;
	error = unshare(CLONE_NEWNET) ? -errno : 0;
	if (!error) {
		error = namespace_make(k, home, outer);
		namespace_leave(home);
	}
	close(home);
	return error ? error : device_ready(k, outer);
}

int defrag_make(struct keepnat *k)
{
	int error;

	defrag_drop(k);
	FAULT(defrag_dropped);
	error = defrag_build(k);
	if (error)
		defrag_drop(k);
	return error;
}

/*
 * The worker's side
 */

static const char *cure(int error)
{
	if (error == -EPERM)
		return "give it CAP_SYS_ADMIN";
	if (error == -EROFS || error == -EACCES)
		return "make /proc/sys writable";
	return "it needs veth, nf_tables and nft_tproxy of the kernel";
}

int defrag_start(struct keepnat *k)
{
	int error = deputy_ask(k, DEPUTY_DEFRAG, 0);

	if (!error) {
		keepnat_unwarn(k, "fragments: ");
		return 0;
	}
	keepnat_warn(k,
		     "fragments: those that overtake the first one are dropped, for a network namespace "
		     "cannot be set up: %s; %s",
		     strerror(-error), cure(error));
	return 0;
}

void defrag_check(struct keepnat *k)
{
	u32 ifindex = k->nat.config->defrag;

	if (!ifindex || (device_is_ours(ifindex) && !defrag_link_up(ifindex)))
		return;
	log_notice("fragments: the device is gone by which they are put in order; it is made anew");
	(void)defrag_start(k);
}

void defrag_stop(struct keepnat *k, bool leave)
{
	if (!leave && k->deputy)
		(void)deputy_ask(k, DEPUTY_DEFRAG_DROP, 0);
}
