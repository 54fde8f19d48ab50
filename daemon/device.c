// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/device.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/netlink.h"

/* Of linux/netdev.h, since 6.3. */
#define NETDEV_FAMILY "netdev"
enum { NETDEV_CMD_DEV_GET = 1 };
enum { NETDEV_A_DEV_IFINDEX = 1, NETDEV_A_DEV_XDP_FEATURES = 3 };
enum { NETDEV_XDP_BASIC = 1, NETDEV_XDP_REDIRECT = 2, NETDEV_XDP_NDO_XMIT = 4 };

/*
 * Generic netlink
 */

struct attribute_wanted {
	unsigned int type;
	size_t size; /* at least */
	u64 value;
	bool found;
};

static int attribute_take(const struct nlattr *attribute, void *context)
{
	struct attribute_wanted *wanted = context;
	size_t size = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) != wanted->type || size < wanted->size ||
	    size > sizeof(wanted->value))
		return MNL_CB_OK;
	memcpy(&wanted->value, mnl_attr_get_payload(attribute), size);
	wanted->found = true;
	return MNL_CB_OK;
}

static int answer_take(const struct nlmsghdr *message, void *context)
{
	return mnl_attr_parse(message, sizeof(struct genlmsghdr), attribute_take, context);
}

static struct nlmsghdr *request_begin(char *buffer, u16 family, u8 command)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *head;

	request->nlmsg_type = family;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->cmd = command;
	head->version = 1;
	return request;
}

/* The number of the family that tells of devices; 0: this kernel has none. */
static u16 netdev_family(void)
{
	struct attribute_wanted wanted = { .type = CTRL_ATTR_FAMILY_ID, .size = sizeof(u16) };
	char buffer[256];
	struct nlmsghdr *request = request_begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	return netlink_generic(request, answer_take, &wanted) || !wanted.found ? 0 : (u16)wanted.value;
}

static void xdp_ask(u32 ifindex, struct device *device)
{
	struct attribute_wanted wanted = { .type = NETDEV_A_DEV_XDP_FEATURES, .size = sizeof(u64) };
	char buffer[256];
	u16 family = netdev_family();

	if (!family)
		return;
	struct nlmsghdr *request = request_begin(buffer, family, NETDEV_CMD_DEV_GET);
	mnl_attr_put_u32(request, NETDEV_A_DEV_IFINDEX, ifindex);
	if (netlink_generic(request, answer_take, &wanted) || !wanted.found)
		return;
	device->told = true;
	device->native = wanted.value & NETDEV_XDP_BASIC && wanted.value & NETDEV_XDP_REDIRECT;
	device->target = (wanted.value & NETDEV_XDP_NDO_XMIT) != 0;
}

/*
 * Ethtool
 */

static void driver_ask(const char *name, struct device *device)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_value checks = { .cmd = ETHTOOL_GRXCSUM };
	struct ifreq request = { .ifr_data = (void *)&info };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (!ioctl(fd, SIOCETHTOOL, &request))
		snprintf(device->driver, sizeof(device->driver), "%.*s", (int)sizeof(device->driver) - 1,
			 info.driver);
	/* What comes from this machine's memory, not from a wire. A virtio device without its offload says that it checks nothing. */
	device->unchecked = !strcmp(device->driver, "veth") || !strcmp(device->driver, "tun");
	if (!strcmp(device->driver, "virtio_net")) {
		request.ifr_data = (void *)&checks;
		device->unchecked = ioctl(fd, SIOCETHTOOL, &request) != 0 || checks.data;
	}
	close(fd);
}

void device_ask(u32 ifindex, const char *name, struct device *device)
{
	bool bare = device->bare;

	*device = (struct device){ .bare = bare };
	xdp_ask(ifindex, device);
	driver_ask(name, device);
}

/*
 * The choice
 */

/* XDP, if need be only as the one that receives. A kernel that does not tell is taken at the administrator's word. */
static u8 device_xdp(const struct device *device)
{
	return (u8)(FAST_TC | FAST_XDP | (device->target || !device->told ? FAST_TARGET : 0));
}

u8 device_fast(const struct device *device, unsigned int asked, const char **why)
{
	*why = "it is configured so";
	if (asked == SETTINGS_ACCELERATE_OFF)
		return FAST_OFF;
	if (device->bare) {
		*why = "the device has no Ethernet header";
		return FAST_OFF;
	}
	if (asked == SETTINGS_ACCELERATE_TC)
		return FAST_TC;
	if (device->told && !device->native) {
		*why = "its driver has no XDP of its own";
		return FAST_TC;
	}
	if (asked == SETTINGS_ACCELERATE_XDP || asked == SETTINGS_ACCELERATE_ALL) {
		if (device->unchecked)
			*why = "it is configured so, though packets may come whose checksums are not "
			       "computed yet";
		return (u8)(device_xdp(device) | (asked == SETTINGS_ACCELERATE_ALL ? FAST_ALL : 0));
	}
	if (!device->told)
		*why = "this kernel does not tell what the device can do with XDP";
	else if (device->unchecked)
		*why = "XDP would send packets on whose checksums are not computed yet";
	else if (!device->target)
		*why = "the device does not send what XDP redirects";
	else {
		*why = "the driver has XDP";
		return device_xdp(device);
	}
	return FAST_TC;
}

const char *device_fast_name(u8 fast)
{
	return fast & FAST_ALL ? "all" : fast & FAST_XDP ? "xdp" : fast ? "tc" : "off";
}
