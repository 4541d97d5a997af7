//! Plain-memory buffers and queues.
