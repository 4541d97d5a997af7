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
struct rte_ip_frag_tbl;
struct rte_ip_frag_death_row;

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **burst, uint16_t room);
uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **burst, uint16_t count);

struct rte_mbuf *shim_alloc(struct rte_mempool *pool);
void shim_free(struct rte_mbuf *mbuf);
/* Number of mbufs the pool was made with. */
uint32_t shim_pool_size(const struct rte_mempool *pool);

/* Cuts the IPv6 packet that mbuf starts with into at most room fragments, each in one mbuf of pool.
 * Returns how many, or a negative errno with none made. */
int shim_fragment(struct rte_mbuf *mbuf, struct rte_mbuf **fragments, uint16_t room, uint16_t mtu,
		  uint32_t identification, struct rte_mempool *pool);
/* A death row without mbufs on it, or NULL. */
struct rte_ip_frag_death_row *shim_death_row(void);
void shim_death_row_free(struct rte_ip_frag_death_row *row);
/* Takes a fragment whose IPv6 header is at octet at, its fragment header right behind. Returns the
 * packet if it is whole, in one mbuf where the first has room, or NULL, and sets count to how many
 * mbufs it was; mbufs that are of no use any more are on the row. */
struct rte_mbuf *shim_reassemble(struct rte_ip_frag_tbl *table, struct rte_ip_frag_death_row *row,
				 struct rte_mbuf *mbuf, uint16_t at, uint64_t now,
				 uint16_t *count);
/* Puts fragments that came too long before now on the row. */
void shim_expire(struct rte_ip_frag_tbl *table, struct rte_ip_frag_death_row *row, uint64_t now);
/* Takes up to room mbufs off the row. Returns how many. */
uint16_t shim_death_row_take(struct rte_ip_frag_death_row *row, struct rte_mbuf **dead,
			     uint16_t room);

/* rte_errno of the calling thread. */
int shim_errno(void);
/* Time stamp counter. */
uint64_t shim_cycles(void);

/* Receives what DPDK logs: its level (RTE_LOG_*) and text that need not end in a NUL. */
typedef void (*shim_log_sink)(uint32_t level, const char *text, size_t length);
/* Sends DPDK's log to sink instead of syslog and standard output. Returns 0 or -1. Call once. */
int shim_log_to(shim_log_sink sink);

#endif
