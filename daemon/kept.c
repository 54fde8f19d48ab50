// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keepnat.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "native/fault.h"

enum { KEPT_PATH = sizeof(((struct keepnat *)0)->run_dir) + 16 };

static const char own_name[] = "config", given_name[] = "config.given";

static void kept_path(const struct keepnat *k, const char *name, char path[KEPT_PATH])
{
	snprintf(path, KEPT_PATH, "%s/%s", k->run_dir, name);
}

static int kept_read(const struct keepnat *k, const char *name, struct settings **out,
		     struct settings_report *report)
{
	char path[KEPT_PATH];
	int error;

	kept_path(k, name, path);
	if (access(path, F_OK))
		return -ENOENT;
	error = settings_load(path, out, report);
	if (error)
		log_warning("%s: the configuration that was in force is not taken: line %u: %s", path,
			    report->notes[0].line, report->notes[0].what);
	return error;
}

int kept_load(struct keepnat *k, bool crashed, struct settings **out, struct settings_report *report)
{
	int error = loader_left(k) ? kept_read(k, given_name, out, report) : -ENOENT;

	k->given = !error;
	if (!error)
		log_notice("the configuration is the one that was given last, by keepnat reload FILE or the "
			   "API; `keepnat reload` takes that of the start");
	else if (crashed)
		error = kept_read(k, own_name, out, report);
	return error;
}

/* 0 or -errno. */
static int kept_write(const struct keepnat *k, const char *path)
{
	char aside[KEPT_PATH];
	FILE *file = NULL;
	int fd, error = 0;

	kept_path(k, "config.new", aside);
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		file = fdopen(fd, "w");
	if (!file) {
		error = -errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	if (settings_print(file, k->settings) || ferror(file))
		error = -EIO;
	if (fclose(file) && !error)
		error = -errno;
	FAULT(config_written);
	return error ? error : rename(aside, path) ? -errno : 0;
}

void kept_save(struct keepnat *k)
{
	char path[KEPT_PATH], other[KEPT_PATH];
	int error = 0;

	kept_path(k, k->given ? given_name : own_name, path);
	kept_path(k, k->given ? own_name : given_name, other);
	if (k->given || k->config)
		error = kept_write(k, path);
	unlink(other);
	if (error)
		keepnat_warn(k,
			     "%s: the configuration in force cannot be kept for a restart: %s; make room "
			     "there, and "
			     "reload it",
			     path, strerror(-error));
	else
		keepnat_unwarn(k, "%s: the configuration in force", path);
}

void kept_drop(const struct keepnat *k)
{
	char path[KEPT_PATH];

	kept_path(k, given_name, path);
	unlink(path);
	kept_path(k, own_name, path);
	unlink(path);
}
