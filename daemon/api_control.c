// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The configuration as JSON, in the shape of the file; and the one thing that a client may order: stop. */
#include <errno.h>
#include <string.h>

#include "daemon/api_request.h"
#include "daemon/config.h"
#include "daemon/keepnat.h"

enum { CONFIG_DEPTH = 16 };

/* The objects and lists that are open, the outermost first. */
struct config_json {
	json_t *open[CONFIG_DEPTH];
	unsigned int depth;
};

static int config_add(struct config_json *config, const char *key, json_t *value)
{
	json_t *into = config->open[config->depth];

	return (key ? json_object_set_new(into, key, value) : json_array_append_new(into, value)) ? -ENOMEM
												  : 0;
}

static int config_begin(void *context, const char *key, bool list)
{
	struct config_json *config = context;
	json_t *value = list ? json_array() : json_object();
	int error = config->depth + 1 < CONFIG_DEPTH ? config_add(config, key, value) : -E2BIG;

	if (!error)
		config->open[++config->depth] = value; /* the one around it owns it */
	return error;
}

static int config_end(void *context, bool list)
{
	struct config_json *config = context;

	(void)list;
	config->depth--;
	return 0;
}

static int config_text(void *context, const char *key, const char *value)
{
	return config_add(context, key, json_string(value));
}

static int config_number(void *context, const char *key, u64 value)
{
	return config_add(context, key, json_integer((json_int_t)value));
}

static int config_boolean(void *context, const char *key, bool value)
{
	return config_add(context, key, json_boolean(value));
}

void answer_config(struct request *request)
{
	static const struct settings_visitor visitor = {
		.begin = config_begin,
		.end = config_end,
		.text = config_text,
		.number = config_number,
		.boolean = config_boolean,
	};
	struct config_json config = { .open = { json_object() } };
	struct keepnat *k = request->api->k;
	int error;

	pthread_mutex_lock(&k->lock);
	error = config.open[0] ? settings_walk(k->settings, &visitor, &config) : -ENOMEM;
	pthread_mutex_unlock(&k->lock);
	if (error) {
		json_decref(config.open[0]);
		request_json(request, NULL);
		return;
	}
	request_json(request, config.open[0]);
}

/* The body of a stop: nothing, or {"detach": true or false}. 0 and *detach, or -EINVAL. */
static int stop_read(const struct request *request, bool *detach)
{
	json_t *json, *value;
	int error = 0;

	*detach = false;
	if (!request->body_length)
		return 0;
	json = json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, NULL);
	value = json_object_get(json, "detach");
	if (!json_is_object(json) || json_object_size(json) != (value ? 1 : 0) ||
	    (value && !json_is_boolean(value)))
		error = -EINVAL;
	*detach = json_is_true(value);
	json_decref(json);
	return error;
}

/*
 * The main thread is told by stop_fd, once: what it reads there is 1, or 2 to leave the data path. Only when the answer
 * has gone out: the main thread's next step is to end this API.
 */
void answer_stop(struct request *request)
{
	struct api *api = request->api;
	bool detach;

	if (stop_read(request, &detach)) {
		request_fail(request, MHD_HTTP_BAD_REQUEST, "the body is not what a stop takes",
			     "send {\"detach\": true} to leave the data path running, {\"detach\": false} or "
			     "nothing else",
			     "detach");
		return;
	}
	if (detach && __atomic_load_n(&api->k->unpinned, __ATOMIC_ACQUIRE)) {
		request_fail(request, MHD_HTTP_CONFLICT,
			     "the pins are gone: what translates packets would end with the daemon",
			     "mount a bpffs at the folder of the pins again; `keepnat status` names it",
			     NULL);
		return;
	}
	if (__atomic_exchange_n(&api->stopping, true, __ATOMIC_RELAXED)) {
		request_fail(request, MHD_HTTP_CONFLICT, "the daemon is stopping already", "wait for its end",
			     NULL);
		return;
	}
	request->order = detach ? 2 : 1;
	request_json(request, json_pack("{s:b, s:b}", "stopping", 1, "detach", (int)detach));
}
