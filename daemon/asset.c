// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/asset.h"

#include <string.h>

#include "daemon/api_request.h"

/* The page runs what comes from here, and nothing else; and is in nobody's frame. */
#define POLICY                                                                                          \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const struct asset *asset_find(const char *path)
{
	const struct asset *asset = assets;

	while (asset->path && strcmp(asset->path, path) != 0)
		asset++;
	return asset->path ? asset : NULL;
}

/* Is what the client has still what there is? */
static bool asset_is_known(const struct request *request, const struct asset *asset)
{
	const char *known = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
							MHD_HTTP_HEADER_IF_NONE_MATCH);

	return known && strstr(known, asset->etag);
}

void answer_asset(struct request *request)
{
	const struct asset *asset = asset_find(request->path);
	bool known = asset && asset_is_known(request, asset);

	if (!asset) {
		request_fail(request, MHD_HTTP_NOT_FOUND, "the page has no such part", "GET / is the page",
			     NULL);
		return;
	}
	request->type = asset->type;
	request->cache = "no-cache";
	request_fixed(request, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, asset->data,
		      known ? 0 : asset->size);
	if (!request->response)
		return;
	MHD_add_response_header(request->response, MHD_HTTP_HEADER_ETAG, asset->etag);
	MHD_add_response_header(request->response, "Content-Security-Policy", POLICY);
	MHD_add_response_header(request->response, "Referrer-Policy", "no-referrer");
}
