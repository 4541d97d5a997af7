#define _GNU_SOURCE
#include <stdio.h>
#include <sys/types.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
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
