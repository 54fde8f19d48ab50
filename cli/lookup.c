// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* lookup: from an inside address to its outside ports, and back; by the configuration, and the daemon for what is lent. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "daemon/deterministic.h"

/*
 * The blocks that the daemon knows of, by one filter: a list for json_decref(); NULL: it was not to be asked, and that was
 * said.
 */
static json_t *blocks_ask(const struct options *options, const char *filter, const char *value)
{
	struct client *client;
	struct url url;
	json_t *answer = NULL, *blocks;

	if (client_open(options, &client))
		return NULL;
	url_start(&url, "/v1/blocks");
	url_add(&url, filter, value);
	if (client_get(client, &url, &answer))
		answer = NULL;
	client_close(client);
	blocks = json_incref(json_object_get(answer, "blocks"));
	json_decref(answer);
	return blocks;
}

static json_t *ports_json(const struct deterministic_ports *ports)
{
	char outside[ADDRESS_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:i, s:i, s:i}", "outside_address",
			 address_format(outside, ports->outside), "interface", ports->interface->name,
			 "first_port", (int)ports->first, "last_port", (int)ports->last, "step",
			 (int)ports->step);
}

static void ports_print(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		unsigned long long step = json_number_at(row, "step");

		printf("%s:%llu-%llu", json_text_at(row, "outside_address"),
		       json_number_at(row, "first_port"), json_number_at(row, "last_port"));
		if (step > 1)
			printf(", 1 in %llu", step);
		printf(" by %s%s\n", json_text_at(row, "interface"), step ? "" : ", lent");
	}
}

static int forward(const struct options *options, const struct settings *settings, struct in_addr inside)
{
	const char *text = options->arguments[0];
	json_t *own = json_array(), *blocks = NULL, *answer;
	struct deterministic_ports ports;
	bool lends = deterministic_forward(settings, inside, true, 0, &ports);

	for (unsigned int n = 0; deterministic_forward(settings, inside, false, n, &ports); n++)
		json_array_append_new(own, ports_json(&ports));
	bool any = json_array_size(own);
	if (lends)
		blocks = blocks_ask(options, "host", text);
	if (!any && !lends)
		complain("%s has no ports of its own: it is in no deterministic network of the configuration",
			 text);
	if (options->json && (any || blocks)) {
		answer =
			json_pack("{s:s, s:O, s:O?}", "inside_address", text, "ports", own, "blocks", blocks);
		output_json(answer);
		json_decref(answer);
	} else {
		ports_print(own);
		ports_print(blocks);
		if (!any && blocks && !json_array_size(blocks))
			complain("no block is lent to %s", text);
	}
	int status = any || json_array_size(blocks) ? STATUS_DONE : STATUS_FAILED;
	json_decref(own);
	json_decref(blocks);
	return status;
}

static int reverse_print(const struct options *options, const char *inside, u32 inside_port, const char *how)
{
	json_t *json;

	if (!options->json) {
		printf("%s", inside);
		if (inside_port)
			printf(":%u", inside_port);
		printf(" (%s)\n", how);
		return STATUS_DONE;
	}
	json = json_pack("{s:s, s:s, s:s}", "outside", options->arguments[0], "inside_address", inside, "how",
			 how);
	if (inside_port)
		json_object_set_new(json, "inside_port", json_integer(inside_port));
	output_json(json);
	json_decref(json);
	return STATUS_DONE;
}

static int reverse_block(const struct options *options)
{
	const char *text = options->arguments[0];
	json_t *blocks = blocks_ask(options, "outside", text);
	int status = STATUS_FAILED;

	if (json_array_size(blocks))
		status = reverse_print(options, json_text_at(json_array_get(blocks, 0), "inside_address"), 0,
				       "block");
	else if (blocks)
		complain("%s is in no block that is lent", text);
	json_decref(blocks);
	return status;
}

static int reverse(const struct options *options, const struct settings *settings, struct in_addr outside,
		   u32 port)
{
	const struct settings_port_mapping *mapping = deterministic_mapping(settings, outside, port);
	char text[ADDRESS_TEXT_SIZE];
	struct in_addr inside;

	if (mapping)
		return reverse_print(options, address_format(text, mapping->inside),
				     mapping->inside_port + port - mapping->outside_port, "port mapping");
	switch (deterministic_reverse(settings, outside, port, &inside)) {
	case DETERMINISTIC_OWN:
		return reverse_print(options, address_format(text, inside), 0, "deterministic");
	case DETERMINISTIC_BLOCK:
		return reverse_block(options);
	default:
		complain("%s is no host's by the configuration", options->arguments[0]);
		return STATUS_FAILED;
	}
}

/* "A" or "A:P"; *port 0: none. 0 or -1. */
static int endpoint_read(const char *text, struct in_addr *address, u32 *port)
{
	const char *colon = strchr(text, ':');
	char copy[ADDRESS_TEXT_SIZE], *end;

	snprintf(copy, sizeof(copy), "%.*s", colon ? (int)(colon - text) : (int)sizeof(copy) - 1, text);
	*port = 0;
	if (address_parse(copy, address))
		return -1;
	if (!colon)
		return 0;
	*port = (u32)strtoul(colon + 1, &end, 10);
	return colon[1] >= '1' && colon[1] <= '9' && !*end && *port < 65536 ? 0 : -1;
}

int lookup_run(const struct options *options)
{
	static struct settings_report report;
	const char *file = options->config ? options->config : "/etc/keepnat/keepnat.yaml";
	struct settings *settings = NULL;
	struct in_addr address;
	u32 port;
	int status;

	if (endpoint_read(options->arguments[0], &address, &port)) {
		complain("\"%s\" is neither an inside address nor an outside one with its port; give "
			 "10.0.0.1 or "
			 "198.51.100.1:5000",
			 options->arguments[0]);
		return STATUS_USAGE;
	}
	if (settings_load(file, &settings, &report)) {
		settings_report_print(stderr, "error", &report);
		return STATUS_FAILED;
	}
	status = port ? reverse(options, settings, address, port) : forward(options, settings, address);
	settings_free(settings);
	return status;
}
