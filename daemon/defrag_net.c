// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/defrag_net.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "daemon/netlink.h"

enum { DEFRAG_MTU = 65535, MESSAGE_ROOM = 2048, CHAIN_PRIORITY = -450 };
enum { GATEWAY = 0xc0000201u }; /* 192.0.2.1: nobody, one neighbour for all */

/*
 * Devices and routes
 */

static struct ifinfomsg *link_request(struct nlmsghdr *request, u16 type, u16 flags)
{
	request->nlmsg_type = type;
	request->nlmsg_seq = 1;
	request->nlmsg_flags = (u16)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
}

int defrag_link_add(const char *inner, const char *outer, int outer_ns)
{
	static const u8 mac[6] = { DEFRAG_MAC };
	char buffer[MESSAGE_ROOM];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	(void)link_request(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(request, IFLA_IFNAME, inner);
	mnl_attr_put_u32(request, IFLA_MTU, DEFRAG_MTU);
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(mac), mac);
	struct nlattr *info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(request, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, outer);
	mnl_attr_put_u32(request, IFLA_MTU, DEFRAG_MTU);
	mnl_attr_put_u32(request, IFLA_NET_NS_FD, (u32)outer_ns);
	mnl_attr_nest_end(request, peer);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
	return netlink_ask(NETLINK_ROUTE, request, request->nlmsg_len, NULL, NULL);
}

int defrag_link_remove(u32 ifindex)
{
	char buffer[MESSAGE_ROOM];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	link_request(request, RTM_DELLINK, 0)->ifi_index = (int)ifindex;
	return netlink_ask(NETLINK_ROUTE, request, request->nlmsg_len, NULL, NULL);
}

int defrag_link_up(u32 ifindex)
{
	char buffer[MESSAGE_ROOM];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *head = link_request(request, RTM_NEWLINK, 0);

	head->ifi_index = (int)ifindex;
	head->ifi_flags = head->ifi_change = IFF_UP | IFF_NOARP;
	return netlink_ask(NETLINK_ROUTE, request, request->nlmsg_len, NULL, NULL);
}

int defrag_route_add(u32 ifindex)
{
	char buffer[MESSAGE_ROOM];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = RTM_NEWROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	request->nlmsg_seq = 1;
	struct rtmsg *head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	head->rtm_family = AF_INET;
	head->rtm_table = RT_TABLE_MAIN;
	head->rtm_protocol = RTPROT_STATIC;
	head->rtm_scope = RT_SCOPE_UNIVERSE;
	head->rtm_type = RTN_UNICAST;
	head->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put_u32(request, RTA_OIF, ifindex);
	mnl_attr_put_u32(request, RTA_GATEWAY, htonl(GATEWAY));
	return netlink_ask(NETLINK_ROUTE, request, request->nlmsg_len, NULL, NULL);
}

/*
 * The rule: table ip keepnat { chain defrag { type filter hook prerouting priority -450;
 *	ip daddr 255.255.255.255 tproxy to :1; }; }, in one batch.
 */

static const char table_name[] = "keepnat", chain_name[] = "defrag";

/* The next message of a batch. */
static struct nlmsghdr *batch_add(char *buffer, size_t *used, u16 type, u16 flags, u8 family, u16 resource)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer + *used);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = 1;
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	head->res_id = htons(resource);
	return message;
}

static struct nlmsghdr *batch_table(char *buffer, size_t *used, u16 type, u16 flags)
{
	return batch_add(buffer, used, (u16)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_CREATE | flags,
			 NFPROTO_IPV4, 0);
}

static void batch_done(size_t *used, const struct nlmsghdr *message)
{
	*used += MNL_ALIGN(message->nlmsg_len);
}

/* An expression that takes numbers: pairs of attribute and value, up to attribute 0; and perhaps bytes in its last attribute. */
static void rule_expression(struct nlmsghdr *message, const char *name, const u32 (*numbers)[2],
			    u16 data_attribute, const void *data, size_t length)
{
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
	struct nlattr *body = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	for (; (*numbers)[0]; numbers++)
		mnl_attr_put_u32(message, (u16)(*numbers)[0], htonl((*numbers)[1]));
	if (data) {
		struct nlattr *value = mnl_attr_nest_start(message, data_attribute);
		mnl_attr_put(message, NFTA_DATA_VALUE, length, data);
		mnl_attr_nest_end(message, value);
	}
	mnl_attr_nest_end(message, body);
	mnl_attr_nest_end(message, element);
}

static void rule_expressions(struct nlmsghdr *message)
{
	static const u32 payload[][2] = { { NFTA_PAYLOAD_DREG, NFT_REG_1 },
					  { NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER },
					  { NFTA_PAYLOAD_OFFSET, 16 /* the destination */ },
					  { NFTA_PAYLOAD_LEN, 4 },
					  { 0, 0 } };
	static const u32 compare[][2] = { { NFTA_CMP_SREG, NFT_REG_1 },
					  { NFTA_CMP_OP, NFT_CMP_EQ },
					  { 0, 0 } };
	static const u32 immediate[][2] = { { NFTA_IMMEDIATE_DREG, NFT_REG_1 }, { 0, 0 } };
	static const u32 tproxy[][2] = { { NFTA_TPROXY_FAMILY, NFPROTO_IPV4 },
					 { NFTA_TPROXY_REG_PORT, NFT_REG_1 },
					 { 0, 0 } };
	const __be32 never = 0xffffffff;
	const __be16 port = htons(1);
	struct nlattr *list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);

	rule_expression(message, "payload", payload, 0, NULL, 0);
	rule_expression(message, "cmp", compare, NFTA_CMP_DATA, &never, sizeof(never));
	rule_expression(message, "immediate", immediate, NFTA_IMMEDIATE_DATA, &port, sizeof(port));
	rule_expression(message, "tproxy", tproxy, 0, NULL, 0);
	mnl_attr_nest_end(message, list);
}

int defrag_rule_add(void)
{
	char buffer[MESSAGE_ROOM];
	size_t used = 0;
	struct nlmsghdr *message;

	batch_done(&used, batch_add(buffer, &used, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	message = batch_table(buffer, &used, NFT_MSG_NEWTABLE, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table_name);
	batch_done(&used, message);
	message = batch_table(buffer, &used, NFT_MSG_NEWCHAIN, 0);
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table_name);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain_name);
	struct nlattr *hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(NF_INET_PRE_ROUTING));
	mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((u32)CHAIN_PRIORITY));
	mnl_attr_nest_end(message, hook);
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
	batch_done(&used, message);
	message = batch_table(buffer, &used, NFT_MSG_NEWRULE, NLM_F_APPEND | NLM_F_ACK);
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, table_name);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain_name);
	rule_expressions(message);
	batch_done(&used, message);
	batch_done(&used, batch_add(buffer, &used, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
	return netlink_ask(NETLINK_NETFILTER, buffer, used, NULL, NULL);
}
