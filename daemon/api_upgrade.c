// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An upgrade: it is the parent's to do, and the worker ends in it. So the answer says no more than its number, by which whoever asked
 * finds it again, also with the version that comes.
 */
#include <string.h>

#include "daemon/api_request.h"
#include "daemon/blackbox.h"
#include "daemon/keepnat.h"
#include "version.h"

static json_t *upgrade_json(const struct blackbox_upgrade *u)
{
	u32 number = __atomic_load_n(&u->number, __ATOMIC_ACQUIRE);
	u32 state = __atomic_load_n(&u->state, __ATOMIC_ACQUIRE);

	return json_pack("{s:I, s:s, s:s, s:s#, s:s#}", "number", (json_int_t)number, "state",
			 upgrade_state_names[state <= UPGRADE_ROLLED_BACK ? state : UPGRADE_NONE], "version",
			 KEEPNAT_VERSION, "other", u->other, (int)strnlen(u->other, sizeof(u->other)), "said",
			 u->said, (int)strnlen(u->said, sizeof(u->said)));
}

void answer_upgrade(struct request *request)
{
	request_json(request, upgrade_json(&request->api->k->box->upgrade));
}

void answer_upgrade_order(struct request *request)
{
	struct blackbox_upgrade *u = &request->api->k->box->upgrade;
	u32 number = __atomic_load_n(&u->number, __ATOMIC_ACQUIRE);
	u32 state = __atomic_load_n(&u->state, __ATOMIC_ACQUIRE);
	json_t *json;

	if (u->asked != number || state == UPGRADE_TRYING || state == UPGRADE_UNDER_WAY) {
		request_fail(request, MHD_HTTP_CONFLICT, "an upgrade is under way", "wait for its end", NULL);
		return;
	}
	__atomic_store_n(&u->asked, number + 1, __ATOMIC_RELEASE);
	blackbox_wake(request->api->k->box);
	json = upgrade_json(u);
	json_object_set_new(json, "number", json_integer(number + 1));
	json_object_set_new(json, "state", json_string(upgrade_state_names[UPGRADE_TRYING]));
	request_json(request, json);
}
