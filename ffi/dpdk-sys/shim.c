#define _GNU_SOURCE
/* Fragments are given up when they are old, and not only when another takes their place. */
#define ALLOW_EXPERIMENTAL_API
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip_frag.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "shim.h"

uint16_t shim_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **burst, uint16_t room)
{
	return rte_eth_rx_burst(port, queue, burst, room);
}

uint16_t shim_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **burst, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, burst, count);
}

struct rte_mbuf *shim_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

void shim_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

uint32_t shim_pool_size(const struct rte_mempool *pool)
{
	return pool->size;
}

int shim_fragment(struct rte_mbuf *mbuf, struct rte_mbuf **fragments, uint16_t room, uint16_t mtu,
		  uint32_t identification, struct rte_mempool *pool)
{
	const size_t id = sizeof(struct rte_ipv6_hdr) + offsetof(struct rte_ipv6_fragment_ext, id);
	rte_be32_t wire = rte_cpu_to_be_32(identification);
	int failed = 0;
	int count, n;

	count = rte_ipv6_fragment_packet(mbuf, fragments, room, mtu, pool, pool);
	/* Each refers to a part of the packet: copied, it goes out by any port. */
	for (n = 0; n < count; n++) {
		failed |= rte_pktmbuf_linearize(fragments[n]);
		memcpy(rte_pktmbuf_mtod_offset(fragments[n], void *, id), &wire, sizeof(wire));
	}
	if (!failed)
		return count;
	rte_pktmbuf_free_bulk(fragments, count);
	return -ENOSPC;
}

struct rte_ip_frag_death_row *shim_death_row(void)
{
	return calloc(1, sizeof(struct rte_ip_frag_death_row));
}

void shim_death_row_free(struct rte_ip_frag_death_row *row)
{
	rte_ip_frag_free_death_row(row, 0);
	free(row);
}

struct rte_mbuf *shim_reassemble(struct rte_ip_frag_tbl *table, struct rte_ip_frag_death_row *row,
				 struct rte_mbuf *mbuf, uint16_t at, uint64_t now,
				 uint16_t *count)
{
	struct rte_ipv6_hdr *header = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, at);
	struct rte_mbuf *whole;

	mbuf->l2_len = at;
	mbuf->l3_len = sizeof(*header) + sizeof(struct rte_ipv6_fragment_ext);
	whole = rte_ipv6_frag_reassemble_packet(table, row, mbuf, now, header,
						(struct rte_ipv6_fragment_ext *)(header + 1));
	/* What does not fit into one mbuf stays as it is, for the caller to see. */
	if (whole != NULL) {
		*count = whole->nb_segs;
		(void)rte_pktmbuf_linearize(whole);
	}
	return whole;
}

void shim_expire(struct rte_ip_frag_tbl *table, struct rte_ip_frag_death_row *row, uint64_t now)
{
	rte_ip_frag_table_del_expired_entries(table, row, now);
}

uint16_t shim_death_row_take(struct rte_ip_frag_death_row *row, struct rte_mbuf **dead,
			     uint16_t room)
{
	uint16_t count = 0;

	while (count < room && row->cnt > 0)
		dead[count++] = row->row[--row->cnt];
	return count;
}

int shim_errno(void)
{
	return rte_errno;
}

uint64_t shim_cycles(void)
{
	return rte_rdtsc();
}

static shim_log_sink log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	log_sink((uint32_t)rte_log_cur_msg_loglevel(), text, length);
	return (ssize_t)length;
}

int shim_log_to(shim_log_sink sink)
{
	cookie_io_functions_t functions = { .write = log_write };
	FILE *stream;

	log_sink = sink;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -1;
	/* One write per message: rte_log flushes the stream after each. */
	if (rte_openlog_stream(stream) != 0) {
		fclose(stream);
		return -1;
	}
	return 0;
}
