/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* crc32c.h - CRC32C (RFC 9260 appendix A) of whole files; of packets core/crc32c.h knows as much as they need. */
#pragma once
#include <stddef.h>

#include "core/types.h"

/* Go on with `crc`, 0 at the beginning, over so many bytes. */
u32 crc32c(u32 crc, const void *bytes, size_t size);
