//! The ground: where the gateways stand, how far apart, and where a host may go from each.
//!
//! ```text
//!    0 ── 1 ── 2 ── 3        a cell has one gateway; a host walks to one of its neighbours, or now
//!    │    │    │    │        and then to any cell (a train, a switched-off phone)
//!    4 ── 5 ── 6 ── 7
//!    │    │  C │    │        C, the central node (LMA or CMD), stands in the middle, and further
//!    8 ── 9 ──10 ──11        away from all of them
//! ```
//!
//! The delay between two of them grows with the distance on the grid, and with a factor that the seed
//! draws for the pair: paths are not straight.

use super::lots::{Draw, Lots};

/// A gateway by its number; the central node comes after the last of them.
pub type Place = u32;

/// How the ground is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measures {
    /// Gateways.
    pub gateways: u32,
    /// One-way delay between any two nodes at least, in microseconds.
    pub base_us: u64,
    /// What a cell of distance adds.
    pub cell_us: u64,
    /// What the central node adds.
    pub centre_us: u64,
    /// Share of moves that lead anywhere.
    pub jumps: f64,
    /// Seed of the delays.
    pub seed: u64,
}

/// The ground.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    measures: Measures,
    columns: u32,
}

/// A path may be longer than the straight one by up to this part of it.
const DETOUR: f64 = 0.4;

impl Ground {
    /// A ground that is as square as the number of gateways allows.
    pub fn new(measures: Measures) -> Self {
        let columns = f64::from(measures.gateways).sqrt().ceil() as u32;
        Self { measures, columns }
    }

    /// The central node.
    pub const fn centre(&self) -> Place {
        self.measures.gateways
    }

    fn position(&self, place: Place) -> (f64, f64) {
        if place >= self.measures.gateways {
            let rows = f64::from(self.measures.gateways.div_ceil(self.columns));
            return ((f64::from(self.columns) - 1.0) / 2.0, (rows - 1.0) / 2.0);
        }
        (
            f64::from(place % self.columns),
            f64::from(place / self.columns),
        )
    }

    /// One-way delay between two nodes in microseconds, the same both ways.
    pub fn delay(&self, one: Place, other: Place) -> u64 {
        if one == other {
            return 0;
        }
        let (least, most) = (one.min(other), one.max(other));
        let ((x, y), (u, v)) = (self.position(least), self.position(most));
        let cells = (x - u).hypot(y - v);
        let mut pair = Lots::of(
            self.measures.seed,
            Draw::Distance,
            least.into(),
            most.into(),
        );
        let way = cells * self.measures.cell_us as f64 * (1.0 + DETOUR * pair.even());
        let further = if most == self.centre() {
            self.measures.centre_us
        } else {
            0
        };
        (self.measures.base_us + further + way as u64).max(1)
    }

    /// No two nodes are nearer to each other than this, in microseconds.
    pub fn least_delay(&self) -> u64 {
        let further = self.measures.cell_us.min(self.measures.centre_us);
        (self.measures.base_us + further).max(1)
    }

    /// Where a host starts.
    pub fn anywhere(&self, lots: &mut Lots) -> Place {
        lots.below(self.measures.gateways.into()) as Place
    }

    /// Where a host goes from a cell: somewhere else, if there is anywhere else.
    pub fn next(&self, from: Place, lots: &mut Lots) -> Place {
        let (columns, gateways) = (self.columns, self.measures.gateways);
        let jumps = lots.happens(self.measures.jumps);
        let column = from % columns;
        let around = [
            (column > 0).then(|| from.wrapping_sub(1)),
            (column + 1 < columns).then_some(from + 1),
            from.checked_sub(columns),
            Some(from + columns),
        ];
        let around = || around.iter().flatten().filter(|to| **to < gateways);
        let ways = around().count() as u64;
        if jumps || ways == 0 {
            let other = lots.below(u64::from(gateways).saturating_sub(1)) as Place;
            return (other + Place::from(other >= from)).min(gateways - 1);
        }
        let chosen = lots.below(ways) as usize;
        around().nth(chosen).copied().unwrap_or(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURES: Measures = Measures {
        gateways: 11,
        base_us: 1000,
        cell_us: 100,
        centre_us: 2000,
        jumps: 0.0,
        seed: 3,
    };

    #[test]
    fn delays_are_symmetric_and_grow_with_the_distance() {
        let ground = Ground::new(MEASURES);
        for one in 0..=11 {
            for other in 0..=11 {
                assert_eq!(ground.delay(one, other), ground.delay(other, one));
                assert!(one == other || ground.delay(one, other) >= ground.least_delay());
            }
        }
        let far = ground.delay(0, 10);
        assert!(far > ground.delay(0, 1), "{far}");
        assert!((1100..=1140).contains(&ground.delay(0, 1)));
        assert!(ground.delay(5, ground.centre()) >= 3000);
        let other = Ground::new(Measures {
            seed: 4,
            ..MEASURES
        });
        assert_ne!(other.delay(0, 10), far);
    }

    #[test]
    fn a_host_walks_to_neighbours_and_everywhere() {
        let ground = Ground::new(MEASURES);
        let mut visited = [0_u32; 11];
        let mut at = 0;
        for step in 0..10_000 {
            let to = ground.next(at, &mut Lots::of(1, Draw::Stay, 0, step));
            let (x, y) = ((at % 4).abs_diff(to % 4), (at / 4).abs_diff(to / 4));
            assert_eq!(x + y, 1, "{at} to {to}");
            at = to;
            visited[at as usize] += 1;
        }
        assert!(visited.iter().all(|count| *count > 200), "{visited:?}");
    }

    #[test]
    fn a_jump_leads_anywhere_else_and_one_cell_leads_nowhere() {
        let jumpy = Ground::new(Measures {
            jumps: 1.0,
            ..MEASURES
        });
        let mut lots = Lots::of(1, Draw::Stay, 0, 0);
        let reached: std::collections::BTreeSet<Place> =
            (0..1000).map(|_| jumpy.next(4, &mut lots)).collect();
        assert_eq!(reached.len(), 10);
        assert!(!reached.contains(&4));
        let alone = Ground::new(Measures {
            gateways: 1,
            ..MEASURES
        });
        assert_eq!(alone.next(0, &mut lots), 0);
    }
}
