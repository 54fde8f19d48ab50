// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/forwarding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keepnat.h"
#include "daemon/log.h"
#include "daemon/sysctl.h"

static int setting_on(struct keepnat *k, const char *name)
{
	int error = sysctl_set(k->sysctls, name, "1");

	if (!error)
		return 0;
	log_error("forwarding cannot be turned on: /proc/sys/%s: %s; %s", name, strerror(-error),
		  error == -EROFS || error == -EACCES ? "make /proc/sys writable, or set it to 1 from outside"
						      : "set it to 1 by hand and see what the kernel says");
	return error;
}

static void interface_setting(const char *name, const char *setting, char path[SYSCTL_NAME])
{
	snprintf(path, SYSCTL_NAME, "net/ipv4/conf/%s/%s", name, setting);
}

/*
 * Connection tracking sees one segment of a lease. By its window it would take that for an invalid one, and rules for `ct state`
 * would drop it; so it is told to be liberal where, and as long as, it is there and an interface takes part in the fast path.
 */
static void conntrack_check(struct keepnat *k)
{
	static const char name[] = "net/netfilter/nf_conntrack_tcp_be_liberal";
	int error = -ENOENT;

	if (keepnat_fast(k))
		error = sysctl_set(k->sysctls, name, "1");
	else
		sysctls_undo(k->sysctls, name);
	pthread_mutex_lock(&k->lock);
	k->liberal = !error;
	pthread_mutex_unlock(&k->lock);
	if (error && error != -ENOENT)
		keepnat_warn(k,
			     "net.netfilter.nf_conntrack_tcp_be_liberal cannot be set to 1: %s; set it, or "
			     "rules for "
			     "ct state drop TCP on the fast path",
			     strerror(-error));
	else
		keepnat_unwarn(k, "net.netfilter.nf_conntrack_tcp_be_liberal");
}

int forwarding_start(struct keepnat *k)
{
	char file[128], path[SYSCTL_NAME];
	int error;

	k->sysctls = calloc(1, sizeof(*k->sysctls));
	if (!k->sysctls)
		return -ENOMEM;
	snprintf(file, sizeof(file), "%s/sysctls", k->run_dir);
	error = sysctls_open(k->sysctls, "/proc/sys", file);
	if (error)
		log_error("cannot read %s: %s; remove it", file, strerror(-error));
	if (!error)
		error = setting_on(k, "net/ipv4/ip_forward");
	for (unsigned int i = 0; i < k->interface_count && !error; i++) {
		interface_setting(k->interfaces[i].device, "forwarding", path);
		if (k->interfaces[i].ifindex)
			error = setting_on(k, path);
	}
	if (!error)
		conntrack_check(k);
	return error;
}

void forwarding_interface(struct keepnat *k, const char *name)
{
	char path[SYSCTL_NAME];
	int error;

	if (!k->sysctls)
		return;
	interface_setting(name, "forwarding", path);
	error = sysctl_set(k->sysctls, path, "1");
	if (error && error != -ENOENT)
		keepnat_warn(k, "%s: forwarding cannot be turned on: %s; set net.ipv4.conf.%s.forwarding=1",
			     name, strerror(-error), name);
	else
		keepnat_unwarn(k, "%s: forwarding cannot", name);
}

void forwarding_forget(struct keepnat *k, const char *name)
{
	char path[SYSCTL_NAME];

	interface_setting(name, "", path);
	sysctls_undo(k->sysctls, path);
}

void forwarding_stop(struct keepnat *k, bool leave)
{
	if (k->sysctls && !leave)
		sysctls_undo(k->sysctls, "");
	free(k->sysctls);
	k->sysctls = NULL;
}

static int rp_filter(const struct keepnat *k, const char *name)
{
	char path[SYSCTL_NAME], value[SYSCTL_VALUE] = "0";

	interface_setting(name, "rp_filter", path);
	return sysctl_read(k->sysctls, path, value, sizeof(value)) ? 0 : atoi(value);
}

void forwarding_check(struct keepnat *k)
{
	unsigned int outside = 0;

	if (k->sysctls)
		conntrack_check(k);
	for (unsigned int i = 0; i < k->interface_count; i++)
		outside += k->interfaces[i].role == ROLE_OUTSIDE;
	for (unsigned int i = 0; i < k->interface_count && k->sysctls; i++) {
		const struct keepnat_interface *interface = &k->interfaces[i];
		int all = rp_filter(k, "all"), own = rp_filter(k, interface->device);

		if (interface->role != ROLE_OUTSIDE || outside < 2)
			continue;
		if ((all > own ? all : own) == 1)
			keepnat_warn(k,
				     "%s: strict rp_filter drops what comes in here while its way back leads "
				     "elsewhere; set "
				     "net.ipv4.conf.%s.rp_filter=2",
				     interface->name, interface->device);
		else
			keepnat_unwarn(k, "%s: strict rp_filter", interface->name);
	}
}
