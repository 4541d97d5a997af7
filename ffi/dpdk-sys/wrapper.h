/* What bindgen reads: the headers of the bound functions, and constants that are macros too
 * complex for it. */
#include <rte_config.h>
#include <rte_alarm.h>
#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_hash.h>
#include <rte_ip_frag.h>
#include <rte_log.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_power_intrinsics.h>
#include <rte_thread.h>
#include <rte_version.h>

#include <stddef.h>

#include "shim.h"

/* Where the fields of struct rte_mbuf lie. Releases wrap them in anonymous unions as they like, so
 * their offsets carry further than their paths. */
static const uint32_t SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const uint32_t SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const uint32_t SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const uint32_t SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags);
static const uint32_t SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const uint32_t SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const uint32_t SHIM_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci);
static const uint32_t SHIM_MBUF_NEXT = offsetof(struct rte_mbuf, next);
static const uint32_t SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len);

/* Fragments that the reassembly library takes for one packet. */
static const uint32_t SHIM_MAX_FRAGMENTS = RTE_LIBRTE_IP_FRAG_MAX_FRAG;

/* The port stripped a VLAN tag and left it in vlan_tci. */
static const uint64_t SHIM_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
/* Flags that say who owns the octets of an mbuf; all others describe the packet. */
static const uint64_t SHIM_MBUF_STORAGE = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
/* What receive side scaling may hash: addresses, ports where there are any, and the flow label of
 * IPv6, which only newer releases know. */
static const uint64_t SHIM_RSS_IPV4 = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
static const uint64_t SHIM_RSS_IPV6 = RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER | RTE_ETH_RSS_IPV6_EX;
static const uint64_t SHIM_RSS_PORTS = RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
#ifdef RTE_ETH_RSS_IPV6_FLOW_LABEL
static const uint64_t SHIM_RSS_FLOW_LABEL = RTE_ETH_RSS_IPV6_FLOW_LABEL;
#else
static const uint64_t SHIM_RSS_FLOW_LABEL = 0;
#endif
/* Receive side scaling. */
static const uint32_t SHIM_MQ_RSS = RTE_ETH_MQ_RX_RSS;
