//! Mobility Headers among riders: there may be a flood of them, so those that end at the gate are as good as
//! not there.
//!
//! ```text
//!   place    0   1   2   3   4   5   6         2, 3 and 5 end
//!   rider    0   1           2       3         in one run
//!
//!   afterwards          0   1   4   6 │ 2  3  5
//!                    places 0 to 3    │ given back in one go
//! ```
//!
//! A run goes on past what ends, which takes no seat and no place: places are counted as they are when it is
//! gone. Only what the gate lets stay, for control to hear of, breaks a run.

use super::board::{ipv6_behind, look_ahead, Look, IPV6_END};
use super::dock::Before;
use super::gate::Gate;
use super::seats::Seats;
use super::{Desk, Kind};
use packet::{Buf, MAX_BURST};
use wire::ether;

impl Desk {
    /// IPv6 packets from a core link, and the Mobility Headers for us among them. Returns the place of the
    /// first that is neither.
    #[inline(never)]
    pub(super) fn run_core<B: Buf>(
        &mut self,
        burst: &[B],
        from: usize,
        before: &Before,
        gate: &mut Gate<'_>,
        seats: &mut Seats,
    ) -> usize {
        let domain = before.dock.domain;
        let mut place = from;
        loop {
            let (first, mut count) = (seats.place(place), 0);
            let look = loop {
                let (more, mobility) =
                    self.ask_plain::<0, B>(burst, place, count, before, gate.view, seats);
                count += more;
                place += more;
                match mobility.and_then(|ip| gate.judge(domain, ip)) {
                    Some(Look::Ends) => seats.end(place),
                    other => break other,
                }
                place += 1;
            };
            if count > 0 {
                let kind = const { Kind::of(0) };
                self.seat(kind, (first, count), ether::HEADER_LEN, domain, seats);
            }
            if look.is_none() {
                return place;
            }
            place += 1;
        }
    }

    /// Mobility Headers for us where a run of what may be tunnels stopped, and more such packets behind them.
    /// Returns the place of the first that is neither.
    #[inline(never)]
    pub(super) fn run_tunnels<B: Buf>(
        &mut self,
        burst: &[B],
        from: usize,
        before: &Before,
        gate: &mut Gate<'_>,
        seats: &mut Seats,
    ) -> usize {
        let mut stopped = from;
        loop {
            let place = past(burst, stopped, before, gate, seats);
            if place == stopped {
                return place;
            }
            stopped = self.run_tunnel(burst, place, before, gate.view, seats);
        }
    }
}

/// Has the gate judge the Mobility Headers for us from a place on; returns the place of the first packet that
/// is none.
#[inline(always)]
fn past<B: Buf>(
    burst: &[B],
    from: usize,
    before: &Before,
    gate: &mut Gate<'_>,
    seats: &mut Seats,
) -> usize {
    let domain = before.dock.domain;
    let mut place = from;
    for buf in burst.get(from..).unwrap_or_default() {
        let packet = ipv6_behind::<IPV6_END, B>(buf, before.link);
        match packet.and_then(|(ip, octets)| gate.look(domain, ip, octets)) {
            Some(Look::Ends) => seats.end(place),
            Some(_) => {}
            None => break,
        }
        look_ahead(burst, place);
        place += 1;
    }
    place
}

/// So few that ended are moved one by one; more are, together, in a pass over all.
const FEW: u32 = 4;

/// Moves what ended at the gate behind all others, which keep their order; returns how many these are.
#[inline(never)]
pub(super) fn set_apart<B>(burst: &mut [B], ended: u64) -> usize {
    if ended.count_ones() <= FEW {
        let (mut left, mut rest) = (burst.len(), ended);
        while rest != 0 {
            let last = rest.ilog2() as usize;
            rest ^= 1 << last;
            if let Some(behind) = burst.get_mut(last..left) {
                behind.rotate_left(1);
                left -= 1;
            }
        }
        return left;
    }
    let mut left = burst.len().min(ended.trailing_zeros() as usize);
    // All from `left` up to the place that is looked at have ended.
    for place in left + 1..burst.len() {
        burst.swap(left, place);
        left += usize::from(ended >> (place % MAX_BURST) & 1 == 0);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::set_apart;

    #[test]
    fn what_ended_is_set_apart_and_the_others_keep_their_order() {
        for length in 1..=9usize {
            for ended in 1..1u64 << length {
                let mut burst: Vec<usize> = (0..length).collect();
                let count = set_apart(&mut burst, ended);
                let (left, gone) = burst.split_at(count);
                let has_ended = |place: &usize| ended >> place & 1 == 1;
                let others: Vec<usize> = (0..length).filter(|place| !has_ended(place)).collect();
                assert_eq!(left, others, "{ended:b}");
                assert!(gone.iter().all(has_ended), "{ended:b}: {gone:?}");
            }
        }
        let mut burst: Vec<usize> = (0..64).collect();
        assert_eq!(set_apart(&mut burst, 1 << 63 | 1), 62);
        assert_eq!(burst[..62], (1..63).collect::<Vec<_>>());
    }
}
