/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * command.h - run other programs, and be in another network namespace for a moment.
 */
#pragma once
#include <stdio.h>

/* Runs a shell command; 0, or -EIO and a line on standard error when it fails. */
int command_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell command with `input` on its standard input. */
int command_feed(const char *input, const char *command);

/* Reads a command's standard output, at most size - 1 bytes, into text. */
int command_read(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

int file_write(const char *path, const char *text);

/* The first number in a file, or -errno. */
long file_read_number(const char *path);

/* Enters the namespace `fd` (the whole program; it has one thread). The way back is netns_enter() of the old one. */
int netns_enter(int fd);
