// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From a file, a text or a command line to settings; see config.h.
 *
 *   text -> config_tree.c (YAML, lines) -> config_read.c (sections and lists, by the tables of config_keys.c) and
 *        config_value.c (one value each) -> config_check.c (across interfaces) -> config_fixed.c and config_mappings.c
 *        (across reservations and port mappings) -> settings -> config_print.c
 */
#include "daemon/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_keys.h"
#include "daemon/config_read.h"
#include "daemon/config_report.h"
#include "daemon/config_tree.h"

static struct settings *settings_new(const char *name)
{
	struct settings *settings = calloc(1, sizeof(*settings));

	if (!settings)
		return NULL;
	config_keys_default(config_keys, settings);
	report_init(&settings->warnings, name);
	return settings;
}

bool settings_pool_contains(const struct settings_interface *interface, struct in_addr addr)
{
	struct address_range one = { .first = addr, .last = addr };

	for (unsigned int i = 0; i < interface->pool_count; i++)
		if (address_range_overlaps(&interface->pool[i].range, &one))
			return true;
	return false;
}

void settings_free(struct settings *settings)
{
	if (!settings)
		return;
	for (unsigned int i = 0; i < settings->interface_count; i++) {
		free(settings->interfaces[i].pool);
		free(settings->interfaces[i].networks);
	}
	free(settings->interfaces);
	free(settings->reservations);
	free(settings->port_mappings);
	free(settings->pass_through);
	free(settings);
}

static int memory_refuse(struct settings_report *report)
{
	report->count = report->more = 0;
	report_what(report, 0, "out of memory");
	report_mend(report, "free some and try again");
	return -ENOMEM;
}

/* The end of all reading: check across values, and hand out the settings if nothing was refused. */
static int reader_finish(struct config_reader *reader, struct settings **out)
{
	struct settings_report *report = reader->report;

	if (!reader->no_memory && !report_full(report))
		config_check(reader);
	if (!reader->no_memory && !report->count) {
		report_sort(&reader->settings->warnings);
		*out = reader->settings;
		return 0;
	}
	settings_free(reader->settings);
	if (reader->no_memory)
		return memory_refuse(report);
	report_sort(report);
	return -EINVAL;
}

static int size_refuse(struct settings_report *report)
{
	report_what(report, 0, "more than %u bytes", SETTINGS_TEXT_MAX);
	report_mend(report, "give a configuration, no other file");
	return -EFBIG;
}

int settings_parse(const char *text, size_t size, const char *name, struct settings **out,
		   struct settings_report *report)
{
	struct config_reader reader = { .report = report };
	struct config_node *root;
	int error;

	*out = NULL;
	report_init(report, name);
	if (size > SETTINGS_TEXT_MAX)
		return size_refuse(report);
	error = config_tree_parse(text, size, &root, report);
	if (error)
		return error == -ENOMEM ? memory_refuse(report) : error;
	reader.settings = settings_new(name);
	if (reader.settings)
		config_read(&reader, root);
	else
		reader.no_memory = true;
	config_tree_free(root);
	return reader_finish(&reader, out);
}

static const char *file_mend(int error)
{
	switch (error) {
	case ENOENT:
		return "check the path, or write the file: see keepnat.yaml(5)";
	case EACCES:
		return "run it as root, or let its user read the file";
	case EISDIR:
		return "give the path of a file";
	default:
		return "check the file and its disk";
	}
}

static int file_refuse(struct settings_report *report, int error)
{
	report_what(report, 0, "cannot read it: %s", strerror(error));
	report_mend(report, "%s", file_mend(error));
	return -error;
}

int settings_load(const char *path, struct settings **out, struct settings_report *report)
{
	char *text = NULL;
	size_t size;
	FILE *file;
	int error;

	*out = NULL;
	report_init(report, path);
	file = fopen(path, "re");
	if (!file)
		return file_refuse(report, errno);
	text = malloc(SETTINGS_TEXT_MAX + 1);
	if (!text) {
		error = memory_refuse(report);
		goto out;
	}
	errno = 0;
	size = fread(text, 1, SETTINGS_TEXT_MAX + 1, file);
	if (ferror(file))
		error = file_refuse(report, errno ? errno : EIO);
	else
		error = settings_parse(text, size, path, out, report);
out:
	free(text);
	fclose(file);
	return error;
}

/* RANGE[,RANGE...]. An empty one is refused like any other that is no range. */
static void pool_take(struct config_reader *reader, const char *pool, struct settings_interface *interface)
{
	while (pool && !report_full(reader->report) && !reader->no_memory) {
		const char *comma = strchrnul(pool, ',');
		char *text = strndup(pool, (size_t)(comma - pool));

		if (!text)
			reader->no_memory = true;
		else
			config_range_take(reader, "--pool", 0, text, interface);
		free(text);
		pool = *comma ? comma + 1 : NULL;
	}
}

int settings_simple(const char *inside, const char *outside, const char *pool, struct settings **out,
		    struct settings_report *report)
{
	struct config_reader reader = { .report = report };
	struct settings *settings = settings_new("command line");
	struct settings_interface *interfaces;

	*out = NULL;
	report_init(report, "command line");
	reader.settings = settings;
	interfaces = calloc(2, sizeof(*interfaces));
	if (!settings || !interfaces) {
		free(interfaces);
		settings_free(settings);
		return memory_refuse(report);
	}
	settings->interfaces = interfaces;
	settings->interface_count = 2;
	interfaces[0].role = ROLE_OUTSIDE;
	interfaces[1].role = ROLE_INSIDE;
	config_name_take(&reader, "--outside", 0, outside, interfaces[0].name);
	config_name_take(&reader, "--inside", 0, inside, interfaces[1].name);
	pool_take(&reader, pool, &interfaces[0]);
	return reader_finish(&reader, out);
}

int settings_probe(const struct settings *settings, const char *name,
		   int (*probe)(void *context, const struct settings_interface *interface), void *context,
		   struct settings_report *report)
{
	report_init(report, name);
	for (unsigned int i = 0; i < settings->interface_count; i++) {
		const struct settings_interface *interface = &settings->interfaces[i];
		int error = probe(context, interface);

		if (!error)
			continue;
		if (error == -ENODEV)
			report_what(report, interface->line, "interfaces: there is no interface \"%s\"",
				    interface->name);
		else
			report_what(report, interface->line, "interfaces: \"%s\" cannot be used: %s",
				    interface->name, strerror(-error));
		report_mend(report,
			    "correct the name (`ip link` shows them), or bring the interface up first");
	}
	report_sort(report);
	return report->count ? -ENODEV : 0;
}
