// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /metrics: OpenMetrics, or the older text format for who asks for that alone. */
#include <string.h>

#include "daemon/api_request.h"
#include "daemon/metrics.h"

void answer_metrics(struct request *request)
{
	const char *accept =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool open = !accept || !strstr(accept, "text/plain") || strstr(accept, "openmetrics");
	size_t length;
	char *text = metrics_text(request->api->k, open, &length);

	request->type = open ? METRICS_TYPE_OPEN : METRICS_TYPE_TEXT;
	request_text(request, text, length);
}
