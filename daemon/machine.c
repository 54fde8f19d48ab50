// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/machine.h"

#include <cap-ng.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "daemon/log.h"

enum { KERNEL_MAJOR = 6, KERNEL_MINOR = 1 };
static const char bpffs_place[] = "/sys/fs/bpf";

int machine_release_serves(const char *release)
{
	unsigned int major, minor;

	if (sscanf(release, "%u.%u", &major, &minor) != 2)
		return -EINVAL;
	return major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
}

static int capabilities_check(void)
{
	/* To the kernel's BPF, CAP_SYS_ADMIN is both of the first two. */
	static const struct {
		unsigned int capability, instead;
		const char *name, *purpose;
	} needed[] = {
		{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", "load programs" },
		{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON", "load programs of this size" },
		{ CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN", "attach programs and set addresses" },
		{ CAP_NET_RAW, CAP_NET_RAW, "CAP_NET_RAW", "announce pool addresses, and answer SYNs" },
	};

	if (capng_get_caps_process())
		return -EIO;
	for (unsigned int i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, needed[i].capability) ||
		    capng_have_capability(CAPNG_EFFECTIVE, needed[i].instead))
			continue;
		log_error("cannot %s: %s is lacking; run it as root, or give it this capability",
			  needed[i].purpose, needed[i].name);
		return -EPERM;
	}
	return 0;
}

int machine_check(void)
{
	struct utsname name;

	if (uname(&name))
		return -errno;
	if (!machine_release_serves(name.release)) {
		log_error("kernel %s is too old: %d.%d is needed; boot a newer one (Debian 12 has it)",
			  name.release, KERNEL_MAJOR, KERNEL_MINOR);
		return -ENOSYS;
	}
	return capabilities_check();
}

u64 machine_memory(enum machine_memory which)
{
	const char *key = which == MACHINE_MEMORY_TOTAL ? "MemTotal:" : "MemAvailable:";
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kilobytes = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kilobytes = strtoull(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

int machine_folder(const char *path)
{
	char part[PATH_MAX];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(part, 0755) && errno != EEXIST ? -errno : 0;
}

/* Of the path, or of the nearest folder above it that exists. */
static int folder_magic(const char *path, unsigned long *magic)
{
	char part[PATH_MAX];
	struct statfs fs;

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return -ENAMETOOLONG;
	while (statfs(part, &fs)) {
		char *slash = strrchr(part, '/');

		if (errno != ENOENT || !slash || slash == part)
			return -errno;
		*slash = 0;
	}
	*magic = (unsigned long)fs.f_type;
	return 0;
}

bool machine_is_bpffs(const char *path)
{
	unsigned long magic = 0;

	return !folder_magic(path, &magic) && magic == BPF_FS_MAGIC;
}

int machine_bpffs(const char *path)
{
	unsigned long magic = 0;
	int error = folder_magic(path, &magic);

	if (!error && magic != BPF_FS_MAGIC && !strncmp(path, bpffs_place, strlen(bpffs_place))) {
		if (mount("bpf", bpffs_place, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
			error = -errno;
			log_error("%s is no bpffs and cannot be made one: %s; run: mount -t bpf bpf %s",
				  bpffs_place, strerror(-error), bpffs_place);
			return error;
		}
		error = folder_magic(path, &magic);
	}
	if (!error && magic == BPF_FS_MAGIC)
		return 0;
	log_error("%s is not on a bpffs: %s; run: mount -t bpf bpf FOLDER, and give a folder below it as "
		  "--pin-dir",
		  path, error ? strerror(-error) : "another file system");
	return error ? error : -EINVAL;
}
