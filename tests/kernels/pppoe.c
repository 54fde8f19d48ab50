// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * pppoe DEVICE SESSION PEER-MAC - one end of a PPPoE session, as the kernel carries it.
 *
 * Discovery and LCP, which pppd would do, are left out: both ends are told the session number (1 to 65535) and the
 * other's address. The kernel makes the network interface; its name (ppp0 is the first in a network namespace) is
 * printed, and it lives until this program ends. No end tells the other when it goes. What pppd would have learned
 * is for the caller: addresses, and the MTU (1492 on Ethernet).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_pppox.h>
#include <linux/ppp-ioctl.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Returns 0, or -EINVAL for words that are no device, session or address. */
static int address_parse(char **words, struct sockaddr_pppox *address)
{
	struct pppoe_addr pppoe = {};
	const struct ether_addr *mac = ether_aton(words[2]);
	size_t length = strlen(words[0]);
	char *end;
	unsigned long session = strtoul(words[1], &end, 10);

	if (*end || !session || session > 0xffff || length >= sizeof(pppoe.dev) || !mac)
		return -EINVAL;
	address->sa_family = AF_PPPOX;
	address->sa_protocol = PX_PROTO_OE;
	pppoe.sid = htons((unsigned short)session);
	memcpy(pppoe.dev, words[0], length + 1);
	memcpy(pppoe.remote, mac, sizeof(pppoe.remote));
	address->sa_addr.pppoe = pppoe;
	return 0;
}

/*
 * The session socket is a PPP channel; a unit is a network interface; the channel is connected to the unit. One file
 * of /dev/ppp stands for each, and stays open as long as the program runs. Returns the unit's number or -errno.
 */
static int unit_create(const struct sockaddr_pppox *address)
{
	int unit = -1, channel, session, channel_file, unit_file;

	session = socket(AF_PPPOX, SOCK_STREAM, PX_PROTO_OE);
	if (session < 0 || connect(session, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	if (ioctl(session, PPPIOCGCHAN, &channel))
		return -errno;
	channel_file = open("/dev/ppp", O_RDWR | O_CLOEXEC);
	unit_file = open("/dev/ppp", O_RDWR | O_CLOEXEC);
	if (channel_file < 0 || unit_file < 0)
		return -errno;
	if (ioctl(channel_file, PPPIOCATTCHAN, &channel) || ioctl(unit_file, PPPIOCNEWUNIT, &unit) ||
	    ioctl(channel_file, PPPIOCCONNECT, &unit))
		return -errno;
	return unit;
}

int main(int argc, char **argv)
{
	struct sockaddr_pppox address = {};
	int unit;

	if (argc != 4 || address_parse(argv + 1, &address)) {
		fprintf(stderr, "usage: pppoe DEVICE SESSION PEER-MAC\n");
		return 2;
	}
	unit = unit_create(&address);
	if (unit < 0) {
		fprintf(stderr, "pppoe: session %s on %s: %s\n", argv[2], argv[1], strerror(-unit));
		return 1;
	}
	printf("ppp%d\n", unit);
	fflush(stdout);
	for (;;)
		pause();
}
