/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cppcheck.h - libbpf's macros, for cppcheck, which does not read the system's headers. */
#pragma once
#define LIBBPF_OPTS(type, name, ...) struct type name = { .sz = sizeof(struct type), __VA_ARGS__ }
#define DECLARE_LIBBPF_OPTS LIBBPF_OPTS
#define bpf_object__for_each_program(pos, object)                       \
	for ((pos) = bpf_object__next_program((object), 0); (pos) != 0; \
	     (pos) = bpf_object__next_program((object), (pos)))
#define bpf_object__for_each_map(pos, object)                       \
	for ((pos) = bpf_object__next_map((object), 0); (pos) != 0; \
	     (pos) = bpf_object__next_map((object), (pos)))
