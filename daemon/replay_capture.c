// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/replay_capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <pcap/sll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ETHERNET = 14, ETHERTYPE_PLACE = 12, VLAN_TAG = 4, VLAN = 0x8100, VLAN_OUTER = 0x88a8, IPV4 = 0x0800 };
enum { MAC = 6 };

struct capture {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	long long size; /* of the file; 0: not a file */
	u8 room[CAPTURE_ROOM] __attribute__((aligned(8)));
};

static char error_text[PCAP_ERRBUF_SIZE + 128];

static const char *explain(const char *format, const char *detail)
{
	snprintf(error_text, sizeof(error_text), format, detail);
	return error_text;
}

static bool link_known(int link)
{
	return link == DLT_EN10MB || link == DLT_RAW || link == DLT_IPV4 || link == DLT_LINUX_SLL ||
	       link == DLT_LINUX_SLL2;
}

struct capture *capture_open(const char *path, const char **why)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	struct stat stat;

	if (!capture) {
		*why = "out of memory";
		return NULL;
	}
	capture->pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error_text);
	if (!capture->pcap) {
		*why = error_text;
		free(capture);
		return NULL;
	}
	if (!link_known(pcap_datalink(capture->pcap))) {
		*why = explain("its link type %s is none of Ethernet, raw IP and Linux cooked",
			       pcap_datalink_val_to_name(pcap_datalink(capture->pcap)) ?: "(unknown)");
		capture_close(capture, &(const char *){ NULL });
		return NULL;
	}
	if (!fstat(fileno(pcap_file(capture->pcap)), &stat) && S_ISREG(stat.st_mode))
		capture->size = stat.st_size;
	return capture;
}

struct capture *capture_create(const char *path, const struct capture *like, const char **why)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (capture)
		capture->pcap = pcap_open_dead_with_tstamp_precision(pcap_datalink(like->pcap), CAPTURE_ROOM,
								     PCAP_TSTAMP_PRECISION_NANO);
	if (!capture || !capture->pcap) {
		*why = "out of memory";
		free(capture);
		return NULL;
	}
	capture->dumper = pcap_dump_open(capture->pcap, path);
	if (capture->dumper)
		return capture;
	*why = explain("%s", pcap_geterr(capture->pcap));
	pcap_close(capture->pcap);
	free(capture);
	return NULL;
}

static u16 word_at(const u8 *bytes, u32 at) { return (u16)(bytes[at] << 8 | bytes[at + 1]); }

/* Bytes before the IP header, and what follows them. More than there are: none. */
static u32 header_length(int link, const u8 *bytes, u32 length, u16 *ethertype)
{
	u32 at = ETHERNET;

	*ethertype = IPV4;
	switch (link) {
	case DLT_LINUX_SLL:
		if (length >= SLL_HDR_LEN)
			*ethertype = word_at(bytes, SLL_HDR_LEN - 2);
		return SLL_HDR_LEN;
	case DLT_LINUX_SLL2:
		if (length >= SLL2_HDR_LEN)
			*ethertype = word_at(bytes, 0);
		return SLL2_HDR_LEN;
	case DLT_EN10MB:
		if (length < ETHERNET)
			return ETHERNET;
		*ethertype = word_at(bytes, ETHERTYPE_PLACE);
		while ((*ethertype == VLAN || *ethertype == VLAN_OUTER) && at + VLAN_TAG <= length &&
		       at + VLAN_TAG <= CAPTURE_HEADER_MAX) {
			*ethertype = word_at(bytes, at + 2);
			at += VLAN_TAG;
		}
		return at;
	default:
		return 0;
	}
}

int capture_read(struct capture *capture, struct captured *packet, const char **why)
{
	struct pcap_pkthdr *header;
	const u8 *bytes;
	int status = pcap_next_ex(capture->pcap, &header, &bytes);
	u32 length, before;

	if (status == PCAP_ERROR_BREAK)
		return 0;
	if (status != 1) {
		*why = explain("%s", pcap_geterr(capture->pcap));
		return -1;
	}
	length = header->caplen < CAPTURE_ROOM / 2 ? header->caplen : CAPTURE_ROOM / 2;
	before = header_length(pcap_datalink(capture->pcap), bytes, length, &packet->ethertype);
	if (before > length) {
		before = 0;
		packet->ethertype = 0;
	}
	packet->time = header->ts;
	packet->header_length = before;
	memcpy(packet->header, bytes, before);
	packet->length = length - before;
	packet->whole = header->len > before ? header->len - before : 0;
	packet->ip = capture->room;
	memcpy(packet->ip, bytes + before, packet->length);
	return 1;
}

void capture_write(struct capture *capture, const struct captured *packet)
{
	static u8 frame[CAPTURE_ROOM + CAPTURE_HEADER_MAX];
	struct pcap_pkthdr header = { .ts = packet->time, .caplen = packet->header_length + packet->length };

	memcpy(frame, packet->header, packet->header_length);
	memcpy(frame + packet->header_length, packet->ip, packet->length);
	header.len =
		packet->header_length + (packet->whole > packet->length ? packet->whole : packet->length);
	pcap_dump((u8 *)capture->dumper, &header, frame);
}

void captured_turn(struct captured *packet)
{
	u8 mac[MAC];

	packet->whole = packet->length;
	if (packet->header_length < ETHERNET || packet->header_length == SLL_HDR_LEN ||
	    packet->header_length == SLL2_HDR_LEN)
		return;
	memcpy(mac, packet->header, MAC);
	memmove(packet->header, packet->header + MAC, MAC);
	memcpy(packet->header + MAC, mac, MAC);
}

int capture_progress(const struct capture *capture)
{
	long at = ftell(pcap_file(capture->pcap));

	return capture->size && at >= 0 ? (int)(100 * (long long)at / capture->size) : -1;
}

int capture_close(struct capture *capture, const char **why)
{
	int status = 0;

	if (capture->dumper) {
		if (pcap_dump_flush(capture->dumper) || ferror(pcap_dump_file(capture->dumper))) {
			*why = explain("%s", strerror(errno));
			status = -1;
		}
		pcap_dump_close(capture->dumper);
	}
	pcap_close(capture->pcap);
	free(capture);
	return status;
}
