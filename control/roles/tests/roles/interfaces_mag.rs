//! The gateway: hosts with several interfaces, and sessions that come from one to another.
