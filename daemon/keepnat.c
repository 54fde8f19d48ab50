// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/keepnat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/event.h"

const struct keepnat_interface *keepnat_interface_numbered(const struct keepnat *k, unsigned int number)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].number == number)
			return &k->interfaces[i];
	return NULL;
}

const struct keepnat_interface *keepnat_interface_served(const struct keepnat *k, unsigned int number)
{
	const struct keepnat_interface *interface = keepnat_interface_numbered(k, number);

	return interface && interface->ifindex ? interface : NULL;
}

bool keepnat_fast(const struct keepnat *k)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].fast)
			return true;
	return false;
}

static bool warning_known(const struct keepnat *k, const char *text)
{
	for (unsigned int i = 0; i < k->warning_count; i++)
		if (!strcmp(k->warnings[i], text))
			return true;
	return false;
}

static bool warning_add(struct keepnat *k, const char *text)
{
	bool known;

	pthread_mutex_lock(&k->lock);
	known = warning_known(k, text);
	if (!known && k->warning_count < WARNINGS_MAX)
		snprintf(k->warnings[k->warning_count++], sizeof(k->warnings[0]), "%s", text);
	pthread_mutex_unlock(&k->lock);
	return !known;
}

bool keepnat_show(struct keepnat *k, const char *format, ...)
{
	char text[WARNING_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return warning_add(k, text);
}

void keepnat_warn(struct keepnat *k, const char *format, ...)
{
	char text[WARNING_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (warning_add(k, text))
		event_tell(k, EVENT_warning, "", "%s", text);
}

void keepnat_unwarn(struct keepnat *k, const char *format, ...)
{
	char text[WARNING_SIZE];
	va_list arguments;
	unsigned int kept = 0;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	pthread_mutex_lock(&k->lock);
	for (unsigned int i = 0; i < k->warning_count; i++) {
		if (!strncmp(k->warnings[i], text, strlen(text)))
			continue;
		if (kept != i)
			memcpy(k->warnings[kept], k->warnings[i], WARNING_SIZE);
		kept++;
	}
	k->warning_count = kept;
	pthread_mutex_unlock(&k->lock);
}
