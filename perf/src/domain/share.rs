//! How the domain is shared out on parts.
//!
//! ```text
//!   part 0    the central node
//!   part 1    gateways 0, 8, 16 …      hosts 0, 8, 16 …
//!   part 2    gateways 1, 9, 17 …      hosts 1, 9, 17 …
//!   ...
//! ```
//!
//! There are as many parts on every machine: how the domain is shared out decides in which order things of
//! the same microsecond happen, and a report must not depend on the number of threads.

use super::ground::Place;
use super::routes::HostNumber;
use std::ops::{Index, IndexMut};

/// Parts with gateways and hosts.
const WITH_HOSTS: u32 = 8;
/// All parts.
pub const PARTS: usize = WITH_HOSTS as usize + 1;

/// The part that a node is in, given how many gateways there are.
pub const fn part_of_place(place: Place, gateways: u32) -> usize {
    if place >= gateways {
        0
    } else {
        1 + (place % WITH_HOSTS) as usize
    }
}

/// The part that a host is in.
pub const fn part_of_host(host: HostNumber) -> usize {
    1 + (host % WITH_HOSTS) as usize
}

/// The parts that have hosts.
pub fn parts_with_hosts() -> impl Iterator<Item = usize> {
    1..PARTS
}

/// The nodes of a part, in order.
pub fn places(part: usize, gateways: u32) -> Box<dyn Iterator<Item = Place>> {
    if part == 0 {
        Box::new(std::iter::once(gateways))
    } else {
        Box::new(every(part, gateways))
    }
}

/// The hosts of a part, in order.
pub fn hosts(part: usize, hosts: u32) -> impl Iterator<Item = HostNumber> {
    let hosts = if part == 0 { 0 } else { hosts };
    every(part.max(1), hosts)
}

fn every(part: usize, most: u32) -> impl Iterator<Item = u32> {
    (part as u32 - 1..most).step_by(WITH_HOSTS as usize)
}

/// The nodes of a part, or its hosts, by their number in the domain.
pub struct Share<T> {
    items: Vec<T>,
    first: u32,
    /// How far apart the numbers are.
    stride: u32,
}

impl<T> Share<T> {
    /// Of the nodes of a part.
    pub const fn of_places(part: usize, gateways: u32, items: Vec<T>) -> Self {
        if part > 0 {
            return Self::of_hosts(part, items);
        }
        // There is one, whatever its number.
        Self {
            items,
            first: gateways,
            stride: u32::MAX,
        }
    }

    /// Of the hosts of a part.
    pub const fn of_hosts(part: usize, items: Vec<T>) -> Self {
        Self {
            items,
            first: (part as u32).saturating_sub(1),
            stride: WITH_HOSTS,
        }
    }

    /// All, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let (first, stride) = (self.first, self.stride);
        let all = self.items.iter().enumerate();
        all.map(move |(index, item)| (first + index as u32 * stride, item))
    }

    /// All, with their numbers, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let (first, stride) = (self.first, self.stride);
        let all = self.items.iter_mut().enumerate();
        all.map(move |(index, item)| (first + index as u32 * stride, item))
    }
}

impl<T> Index<u32> for Share<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.items[(number / self.stride) as usize]
    }
}

impl<T> IndexMut<u32> for Share<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.items[(number / self.stride) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_one_part_and_is_found_there() {
        for gateways in [1, 7, 8, 21] {
            let mut found = vec![0; gateways as usize + 1];
            for part in 0..PARTS {
                let mine: Vec<Place> = places(part, gateways).collect();
                let share = Share::of_places(part, gateways, mine.clone());
                assert!(share.iter().all(|(number, place)| number == *place));
                for place in mine {
                    assert_eq!(part_of_place(place, gateways), part);
                    assert_eq!(share[place], place);
                    found[place as usize] += 1;
                }
                let mine: Vec<HostNumber> = hosts(part, 100).collect();
                let share = Share::of_hosts(part, mine.clone());
                assert!(share.iter().all(|(number, host)| number == *host));
                assert!(mine.iter().all(|host| part_of_host(*host) == part));
                assert!(mine.iter().all(|host| share[*host] == *host));
            }
            assert!(found.iter().all(|times| *times == 1), "{found:?}");
        }
    }
}
