// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bench/lab.h"
#include <dirent.h>
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
#include "bench/command.h"

/* Above every ordinary thread, so that a router takes each batch as it comes, and the sink before the next. */
enum { PRIORITY_NAT = 10, PRIORITY_SINK = 20 };

static const char *const router_devices[2] = { "lan0", "wan0" };

/* pins/ is a bpffs of our own; sys/ is where a namespace's sysfs comes when it is needed. */
static int lab_mount(struct lab *lab)
{
	char path[LAB_PATH + 16];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	if (mkdir("/run/netns", 0755) && errno != EEXIST)
		return -errno;
	if (mount("tmpfs", "/run/netns", "tmpfs", 0, NULL))
		return -errno;
	snprintf(lab->folder, sizeof(lab->folder), "/run/keepnat-bench.%d", getpid());
	if (mkdir(lab->folder, 0700) || mount("tmpfs", lab->folder, "tmpfs", 0, NULL))
		return -errno;
	snprintf(path, sizeof(path), "%s/sys", lab->folder);
	if (mkdir(path, 0755))
		return -errno;
	snprintf(path, sizeof(path), "%s/pins", lab->folder);
	if (mkdir(path, 0755) || mount("bpf", path, "bpf", 0, NULL))
		return -errno;
	return 0;
}

int lab_open(struct lab *lab, int cpu)
{
	int err;

	memset(lab, 0, sizeof(*lab));
	lab->cpu = cpu;
	lab->original = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	err = lab_mount(lab);
	if (err) {
		fprintf(stderr, "bench: cannot make a mount namespace: %s (root is needed)\n",
			strerror(-err));
		return err;
	}
	if (unshare(CLONE_NEWNET))
		return -errno;
	lab->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return command_run(
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 && "
		"ip link set lo up && ip addr add 198.51.100.1/32 dev lo && "
		"ip addr add 192.168.255.2/32 dev lo");
}

static void netns_delete(int fd, const char *name)
{
	if (fd <= 0)
		return;
	command_run("ip netns del %s", name);
	close(fd);
}

void lab_close(struct lab *lab)
{
	for (int i = 0; i < lab->routers_made; i++) {
		const struct router *router = &lab->routers[i];
		char name[40];

		for (int side = 0; side < 2; side++) {
			snprintf(name, sizeof(name), "%s-%d", router->name, side);
			netns_delete(router->hosts[side], name);
		}
		netns_delete(router->netns, router->name);
	}
	netns_enter(lab->original);
	if (*lab->folder) {
		umount2(lab->folder, MNT_DETACH);
		rmdir(lab->folder);
	}
}

/* The newest NAPI thread of a device of this name; names are cut to 15 bytes. */
static pid_t napi_thread_find(const char *device)
{
	char path[300], name[32], want[24];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	pid_t newest = 0;
	FILE *file;

	snprintf(want, sizeof(want), "napi/%s-", device);
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (pid <= newest || !(file = fopen(path, "re")))
			continue;
		if (fgets(name, sizeof(name), file) && !strncmp(name, want, strlen(want)))
			newest = pid;
		fclose(file);
	}
	if (proc)
		closedir(proc);
	return newest;
}

static int thread_place(pid_t pid, int cpu, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set) || sched_setscheduler(pid, SCHED_FIFO, &param))
		return -errno;
	return 0;
}

/*
 * Gives the device, in the current namespace, a NAPI thread and puts that on the lab's CPU. The newest thread
 * of that name is the one just made: one device is served at a time.
 */
static pid_t device_thread(const struct lab *lab, const char *device, int priority)
{
	char sys[LAB_PATH + 8], path[LAB_PATH + 64];
	pid_t before = napi_thread_find(device), pid;
	int err;

	snprintf(sys, sizeof(sys), "%s/sys", lab->folder);
	snprintf(path, sizeof(path), "%s/class/net/%s/threaded", sys, device);
	if (mount("sysfs", sys, "sysfs", 0, NULL))
		return -errno;
	err = file_write(path, "1");
	umount2(sys, MNT_DETACH);
	if (err)
		return err;
	pid = napi_thread_find(device);
	if (pid <= before)
		return -ESRCH;
	err = thread_place(pid, lab->cpu, priority);
	return err ? err : pid;
}

static int router_links(struct router *router, int number)
{
	for (int side = 0; side < 2; side++) {
		__u8 mac[2][6] = { { 2, 0, 0, (__u8)number, (__u8)side, 1 },
				   { 2, 0, 0, (__u8)number, (__u8)side, 2 } };
		char end[16];
		int err;

		snprintf(end, sizeof(end), "%s%d", side ? "out" : "in", number);
		err = command_run(
			"ip link add %s numtxqueues 1 numrxqueues 1 address 02:00:00:%02x:%02x:01 type veth "
			"peer name %s numtxqueues 1 numrxqueues 1 address 02:00:00:%02x:%02x:02 netns %s "
			"&& ip link set %s up",
			end, number, side, router_devices[side], number, side, router->name, end);
		if (err)
			return err;
		memcpy(router->end_mac[side], mac[0], 6);
		memcpy(router->mac[side], mac[1], 6);
		router->ends[side] = if_nametoindex(end);
		if (!router->ends[side] || router->ends[side] >= TRAFFIC_LINKS)
			return -ERANGE;
	}
	return 0;
}

/*
 * Generic receive offload is what gives a veth without XDP its NAPI; nothing of ours is ever merged. It is turned on
 * when the link is up: only then does the far end become a target for redirection.
 */
static int router_addresses(const struct lab *lab, const struct router *router, int number)
{
	char command[1500];

	snprintf(command, sizeof(command),
		 "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 "
		 "net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 && "
		 "ip link set lo up && ip link set lan0 up && ip link set wan0 up && "
		 "ethtool -K lan0 gro on && ethtool -K wan0 gro on && "
		 "ip addr add 192.168.255.1/30 dev lan0 && ip addr add 198.51.100.64/24 dev wan0 && "
		 "ip neigh replace 192.168.255.2 lladdr 02:00:00:%02x:00:01 nud permanent dev lan0 && "
		 "ip neigh replace 198.51.100.1 lladdr 02:00:00:%02x:01:01 nud permanent dev wan0 && "
		 "ip route add 10.0.0.0/8 via 192.168.255.2 && ip route add default via 198.51.100.1",
		 number, number);
	return router_run(lab, router, command);
}

static int router_threads(const struct lab *lab, struct router *router)
{
	int err = netns_enter(router->netns);

	for (int side = 0; side < 2 && !err; side++) {
		router->devices[side] = if_nametoindex(router_devices[side]);
		router->nat[side] = device_thread(lab, router_devices[side], PRIORITY_NAT);
		err = router->nat[side] < 0		       ? router->nat[side]
		      : router->devices[side] >= TRAFFIC_LINKS ? -ERANGE
							       : 0;
	}
	netns_enter(lab->home);
	return err;
}

/* A namespace of our own of this name; the descriptor, or -errno. */
static int netns_make(const char *name)
{
	char path[64];
	int fd;

	if (command_run("ip netns add %s", name))
		return -EIO;
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int router_make(const struct lab *lab, struct router *router, int number)
{
	int err;

	snprintf(router->name, sizeof(router->name), "knbench%d-%d", getpid(), number);
	router->netns = netns_make(router->name);
	if (router->netns < 0)
		return router->netns;
	err = router_links(router, number);
	return err ? err : router_addresses(lab, router, number);
}

/* The router after those that were made, or NULL when `limit` of them were. */
static struct router *lab_next(struct lab *lab, int limit)
{
	return lab->routers_made < limit ? &lab->routers[lab->routers_made++] : NULL;
}

struct router *lab_add_router(struct lab *lab)
{
	int number = lab->routers_made, err;
	struct router *router = lab_next(lab, LAB_ROUTERS);

	if (!router)
		return NULL;
	err = router_make(lab, router, number);
	err = err ? err : router_threads(lab, router);
	if (err)
		fprintf(stderr, "bench: cannot make a router: %s\n", strerror(-err));
	return err ? NULL : router;
}

/* The machine at one side takes the end of that number into its namespace. */
static int path_host(const struct lab *lab, struct router *router, int number, int side)
{
	static const char *const addresses[2] = {
		"ip addr add 192.168.255.2/30 dev in%d && ip addr add 10.1.0.1/32 dev lo && "
		"ip route add default via 192.168.255.1 src 10.1.0.1",
		"ip addr add 198.51.100.1/32 dev out%d && ip route add default via 198.51.100.64 dev out%d "
		"onlink",
	};
	char name[40], command[300];
	int err;

	snprintf(name, sizeof(name), "%s-%d", router->name, side);
	router->hosts[side] = netns_make(name);
	if (router->hosts[side] < 0)
		return router->hosts[side];
	err = command_run("ip link set %s%d netns %s", side ? "out" : "in", number, name);
	if (err || netns_enter(router->hosts[side]))
		return -EIO;
	snprintf(command, sizeof(command), addresses[side], number, number);
	err = command_run("ip link set lo up && ip link set %s%d up && %s", side ? "out" : "in", number,
			  command);
	netns_enter(lab->home);
	return err;
}

struct router *lab_add_path(struct lab *lab)
{
	int number = lab->routers_made, err;
	struct router *router = lab_next(lab, LAB_ROUTERS + LAB_PATHS);

	if (!router)
		return NULL;
	err = router_make(lab, router, number);
	for (int side = 0; side < 2 && !err; side++)
		err = path_host(lab, router, number, side);
	if (err)
		fprintf(stderr, "bench: cannot make a path: %s\n", strerror(-err));
	return err ? NULL : router;
}

int router_sinks(const struct lab *lab, struct router *router)
{
	for (int side = 0; side < 2; side++) {
		char name[IF_NAMESIZE];

		if (!if_indextoname(router->ends[side], name))
			return -errno;
		router->sinks[side] = device_thread(lab, name, PRIORITY_SINK);
		if (router->sinks[side] < 0)
			return router->sinks[side];
	}
	return 0;
}

int router_run(const struct lab *lab, const struct router *router, const char *command)
{
	int err = netns_enter(router->netns);

	if (!err)
		err = command_run("%s", command);
	netns_enter(lab->home);
	return err;
}

long router_read(const struct lab *lab, const struct router *router, const char *path)
{
	long number = netns_enter(router->netns);

	if (!number)
		number = file_read_number(path);
	netns_enter(lab->home);
	return number;
}

/* The second number of the device's line: received packets. */
static long device_received(const char *device)
{
	FILE *file = fopen("/proc/self/net/dev", "re");
	long bytes, packets = -ENODEV, n;
	char line[512], name[64];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %63[^:]: %ld %ld", name, &bytes, &n) == 3 && !strcmp(name, device))
			packets = n;
	if (file)
		fclose(file);
	return packets;
}

long router_entered(const struct lab *lab, const struct router *router, enum traffic_direction direction)
{
	long packets = netns_enter(router->netns);

	if (!packets)
		packets = device_received(router_devices[direction]);
	netns_enter(lab->home);
	return packets;
}
