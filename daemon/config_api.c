// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where the API listens beside its Unix socket, the file of the token that is needed there; and where logs go. */
#include "daemon/config_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"
#include "daemon/config_keys.h"
#include "daemon/config_read.h"
#include "daemon/config_tree.h"
#include "daemon/config_report.h"
#include "daemon/config_value.h"

int settings_listen_parse(const char *text, struct in_addr *address, u16 *port)
{
	int number;

	if (address_endpoint_parse(text, address, &number) || number < 1)
		return -EINVAL;
	*port = (u16)number;
	return 0;
}

/* Text that is kept as it is: where it is too long, says why not. */
static bool text_keep(struct config_reader *reader, const struct config_key *key,
		      const struct config_node *node, void *base, const char *path, const char *text)
{
	if (strlen(text) >= key->size)
		return config_value_refuse(reader, key, node, path, "is too long");
	memcpy((char *)base + key->offset, text, strlen(text) + 1);
	if (key->line)
		*(unsigned int *)((char *)base + key->line) = node->line;
	return true;
}

bool config_listen_read(struct config_reader *reader, const struct config_key *key,
			const struct config_node *node, void *base, const char *path)
{
	const char *text = config_node_is_null(node) ? "" : node->text;
	struct in_addr address;
	u16 port;

	if (*text && settings_listen_parse(text, &address, &port))
		return config_value_refuse(reader, key, node, path, "is not an address and a port");
	return text_keep(reader, key, node, base, path, text);
}

bool config_path_read(struct config_reader *reader, const struct config_key *key,
		      const struct config_node *node, void *base, const char *path)
{
	const char *text = config_node_is_null(node) ? "" : node->text;

	if (*text && *text != '/')
		return config_value_refuse(reader, key, node, path, "is not the whole path of a file");
	return text_keep(reader, key, node, base, path, text);
}

int settings_destination_parse(const char *text, struct settings_destination *out)
{
	*out = (struct settings_destination){ .transport = SETTINGS_TO_NOBODY };
	if (!*text)
		return 0;
	if (*text == '/') {
		out->transport = SETTINGS_TO_FILE;
		out->path = text;
		return 0;
	}
	if (!strncmp(text, "unix:/", 6)) {
		out->transport = SETTINGS_TO_UNIX;
		out->path = text + 5;
		return strlen(out->path) < SETTINGS_SOCKET_SIZE ? 0 : -EINVAL;
	}
	if (strncmp(text, "udp:", 4) && strncmp(text, "tcp:", 4))
		return -EINVAL;
	out->transport = *text == 'u' ? SETTINGS_TO_UDP : SETTINGS_TO_TCP;
	return settings_listen_parse(text + 4, &out->address, &out->port);
}

bool config_destination_read(struct config_reader *reader, const struct config_key *key,
			     const struct config_node *node, void *base, const char *path)
{
	const char *text = config_node_is_null(node) ? "" : node->text;
	struct settings_destination destination;

	if (settings_destination_parse(text, &destination))
		return config_value_refuse(reader, key, node, path, "is no place for a log");
	if (destination.transport & ~key->max)
		return config_value_refuse(reader, key, node, path, "is no place for a log of this kind");
	return text_keep(reader, key, node, base, path, text);
}

void config_api_check(const struct config_reader *reader)
{
	const struct settings_api *api = &reader->settings->api;

	if (!*api->listen || *api->token_file)
		return;
	report_what(reader->report, api->listen_line,
		    "api.listen: there is no api.token_file, and without a token nobody is let in");
	report_mend(reader->report,
		    "write 32 random characters into a file that only root may read, and name it: "
		    "token_file: /etc/keepnat/token");
}
