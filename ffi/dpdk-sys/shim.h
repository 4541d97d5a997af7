/* DPDK's static inlines as functions that can be linked, and the log stream.
 *
 * A call costs about four cycles, so only what is called once per burst (or per control action)
 * is here; per-packet work is plain field arithmetic on struct rte_mbuf in Rust. */
#ifndef ANCHORAGE_DPDK_SHIM_H
#define ANCHORAGE_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **burst, uint16_t room);
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **burst, uint16_t count);

struct rte_mbuf *shim_alloc(struct rte_mempool *pool);
void shim_free(struct rte_mbuf *mbuf);
/* Number of mbufs the pool was made with. */
uint32_t shim_pool_size(const struct rte_mempool *pool);

/* rte_errno of the calling thread. */
int shim_errno(void);
/* Time stamp counter. */
uint64_t shim_cycles(void);

/* Receives what DPDK logs: its level (RTE_LOG_*) and text that need not end in a NUL. */
typedef void (*shim_log_sink)(uint32_t level, const char *text, size_t length);
/* Sends DPDK's log to sink instead of syslog and standard output. Returns 0 or -1. Call once. */
int shim_log_to(shim_log_sink sink);

#endif
