//! Orders of dynamic authorization clients (RFC 5176), before they are carried out: who may give one, that
//! it is authentic and not a replay, and that one that comes again gets the answer that it got.
//!
//! ```text
//!   datagram ─► a client's? ─► authentic? ─► seen within the window? ─► current? ─► makes sense? ─► act
//!                  │no            │no             │yes: the same answer    │no           │no
//!                dropped        dropped                                  dropped      NAK, Error-Cause
//! ```
//!
//! An order is told apart by its client and its authenticator, which covers all of it: a copy from
//! another port is the same order. It is remembered for as long as its Event-Timestamp counts as
//! current, so that no order is carried out twice (section 6.3).

use super::codec::{order, order_answer, Nas, Order};
use super::counters::{AaaCounter, AaaCounters};
use crate::secret::Secret;
use hashbrown::HashMap;
use radius::core::{rfc3576, rfc5176};
use roles::Now;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Orders of one client that are remembered.
const REMEMBERED: usize = 4_096;

/// Error-Cause: why an order is not followed (RFC 5176 section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCause(pub u32);

impl ErrorCause {
    /// It has an attribute that is not known here.
    pub const UNSUPPORTED_ATTRIBUTE: Self = Self(rfc3576::ERROR_CAUSE_UNSUPPORTED_ATTRIBUTE);
    /// It names no session.
    pub const MISSING_ATTRIBUTE: Self = Self(rfc3576::ERROR_CAUSE_MISSING_ATTRIBUTE);
    /// It is for another gateway.
    pub const NAS_IDENTIFICATION_MISMATCH: Self =
        Self(rfc3576::ERROR_CAUSE_NAS_IDENTIFICATION_MISMATCH);
    /// Its service is not offered here.
    pub const UNSUPPORTED_SERVICE: Self = Self(rfc3576::ERROR_CAUSE_UNSUPPORTED_SERVICE);
    /// An attribute of it makes no sense.
    pub const INVALID_ATTRIBUTE_VALUE: Self = Self(rfc5176::ERROR_CAUSE_INVALID_ATTRIBUTE_VALUE);
    /// No session is like that.
    pub const SESSION_CONTEXT_NOT_FOUND: Self =
        Self(rfc3576::ERROR_CAUSE_SESSION_CONTEXT_NOT_FOUND);
    /// The gateway has no room, or goes down.
    pub const RESOURCES_UNAVAILABLE: Self = Self(rfc3576::ERROR_CAUSE_RESOURCES_UNAVAILABLE);
    /// The server is being asked.
    pub const REQUEST_INITIATED: Self = Self(rfc3576::ERROR_CAUSE_REQUEST_INITIATED);
    /// Several sessions are like that.
    pub const MULTIPLE_SESSIONS: Self =
        Self(rfc5176::ERROR_CAUSE_MULTIPLE_SESSION_SELECTION_UNSUPPORTED);
}

/// What an order is told apart by.
type Mark = (IpAddr, [u8; 16]);

/// An order that is being carried out.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    mark: Mark,
    from: SocketAddr,
    datagram: Arc<[u8]>,
    disconnect: bool,
}

/// What is to be done about a datagram.
#[derive(Debug)]
pub(super) enum Received {
    /// Nothing.
    Drop,
    /// Send this back.
    Reply(Vec<u8>),
    /// Carry this out, then say what came of it.
    Act(Ticket, Box<Order>),
}

/// A client that may give orders.
struct Client {
    secret: Secret,
    /// Orders of it that are remembered.
    orders: usize,
}

/// Orders.
pub(super) struct Orders {
    clients: HashMap<IpAddr, Client>,
    nas: Arc<Nas>,
    window: Duration,
    require_timestamp: bool,
    /// Answers by order; none while it is being carried out.
    seen: HashMap<Mark, Option<Vec<u8>>>,
    /// When orders are to be forgotten, on the monotonic clock.
    forget: VecDeque<(Duration, Mark)>,
    counters: AaaCounters,
}

impl Orders {
    /// Orders of these clients, current for `window` both ways.
    pub(super) fn new(
        clients: impl IntoIterator<Item = (IpAddr, Secret)>,
        nas: Arc<Nas>,
        window: Duration,
        require_timestamp: bool,
        counters: AaaCounters,
    ) -> Self {
        let client = |(address, secret)| (address, Client { secret, orders: 0 });
        Self {
            clients: clients.into_iter().map(client).collect(),
            nas,
            window,
            require_timestamp,
            seen: HashMap::new(),
            forget: VecDeque::new(),
            counters,
        }
    }

    /// Takes a datagram.
    pub(super) fn received(&mut self, now: Now, from: SocketAddr, datagram: &[u8]) -> Received {
        self.clean(now.monotonic);
        let address = from.ip().to_canonical();
        let Some(client) = self.clients.get_mut(&address) else {
            return self.drop(AaaCounter::OrderStranger);
        };
        let trusted = match order(datagram, &self.nas, &client.secret) {
            Ok(trusted) => trusted,
            Err(why) => return self.drop(why),
        };
        let Some(authenticator) = datagram.get(4..20).and_then(|it| it.try_into().ok()) else {
            return self.drop(AaaCounter::OrderMalformed);
        };
        let mark = (address, authenticator);
        if let Some(answer) = self.seen.get(&mark) {
            self.counters.count(AaaCounter::OrderRepeated);
            return answer.clone().map_or(Received::Drop, Received::Reply);
        }
        let current = match trusted.at {
            Some(at) => now.wall.abs_diff(at) <= self.window,
            None => !self.require_timestamp,
        };
        if !current {
            return self.drop(AaaCounter::OrderStale);
        }
        if client.orders >= REMEMBERED {
            return self.drop(AaaCounter::OrderTooMany);
        }
        client.orders += 1;
        self.seen.insert(mark, None);
        // Its time may be ahead of ours by a whole window.
        self.forget
            .push_back((now.monotonic + 2 * self.window, mark));
        let ticket = Ticket {
            mark,
            from,
            datagram: datagram.into(),
            disconnect: datagram.first() == Some(&40),
        };
        match trusted.order {
            Ok(order) => Received::Act(ticket, Box::new(order)),
            Err(cause) => match self.answered(&ticket, Err(cause)) {
                Some((_, answer)) => Received::Reply(answer),
                None => Received::Drop,
            },
        }
    }

    /// What came of an order; returns where to send what.
    pub(super) fn answered(
        &mut self,
        ticket: &Ticket,
        outcome: Result<(), ErrorCause>,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        self.counters.count(match (ticket.disconnect, &outcome) {
            (true, Ok(())) => AaaCounter::DisconnectTaken,
            (true, Err(_)) => AaaCounter::DisconnectRefused,
            (false, Ok(())) => AaaCounter::ChangeTaken,
            (false, Err(_)) => AaaCounter::ChangeRefused,
        });
        let client = self.clients.get(&ticket.mark.0)?;
        let answer = order_answer(&ticket.datagram, &client.secret, outcome)?;
        if let Some(seen) = self.seen.get_mut(&ticket.mark) {
            *seen = Some(answer.clone());
        }
        Some((ticket.from, answer))
    }

    fn drop(&self, why: AaaCounter) -> Received {
        self.counters.count(why);
        Received::Drop
    }

    /// Forgets orders that are too old to be taken again.
    fn clean(&mut self, now: Duration) {
        while let Some((due, mark)) = self.forget.front().copied() {
            if due > now {
                return;
            }
            self.forget.pop_front();
            self.seen.remove(&mark);
            if let Some(client) = self.clients.get_mut(&mark.0) {
                client.orders = client.orders.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
