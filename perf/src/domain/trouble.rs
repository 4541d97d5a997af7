//! The trouble of a run, drawn by its seed: spells of loss, partitions and crashes, with calm between.
//!
//! ```text
//!   ──calm──┤ spell: messages are lost and doubled, ├──── calm ────┤ spell … ├──── calm ────
//!           │ sides cannot hear each other, nodes   │         ▲
//!           │ crash, clocks go astray               │         └ everything is in order again
//! ```
//!
//! Clocks are wrong all the time, by less than half of what an anchor lets pass (TimestampValidityWindow, RFC
//! 5213 section 5.5). One that goes astray in a spell is further off than that: what its node says is refused for
//! that, or what others say is by it, until somebody sets it right before the spell is over. In a spell nothing is
//! promised but that packets do not go round and that nobody takes another's prefix; how long after it
//! everything has to be in order again follows from the lifetimes and the longest back-off.

use super::ground::Place;
use super::lots::{Draw, Lots};

/// How far a clock may be off, in microseconds, either way.
const SKEW_US: u64 = 70_000;
/// How far a clock that goes astray is off at least and at most, in microseconds, either way: so far that
/// whoever compares it with another minds.
const ASTRAY_US: (u64, u64) = (300_000 + 2 * SKEW_US, 5_000_000);
/// The shortest and the longest spell, in seconds.
const SPELL_S: (u64, u64) = (20, 60);

/// A node that crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Which.
    pub place: Place,
    /// When, in microseconds.
    pub at: u64,
    /// When it starts again.
    pub back: u64,
}

/// A clock that goes astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Astray {
    /// Whose.
    pub place: Place,
    /// When, in microseconds.
    pub at: u64,
    /// When it is set right.
    pub back: u64,
    /// How far ahead it goes.
    pub ahead_us: i64,
}

/// Who cannot hear whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partition {
    None,
    /// This node is alone.
    Alone(Place),
    /// Places below this one cannot hear the others, nor the central node.
    Below(Place),
}

/// A spell of trouble.
#[derive(Clone, Debug)]
struct Spell {
    from: u64,
    to: u64,
    lost: f64,
    doubled: f64,
    partition: Partition,
}

/// What becomes of a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes, so often.
    Arrives(u8),
    /// It does not.
    Lost,
}

/// The trouble of a run.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    spells: Vec<Spell>,
    crashes: Vec<Crash>,
    astray: Vec<Astray>,
    /// How long after a spell everything has to be in order.
    mend_us: u64,
}

impl Trouble {
    /// Draws the trouble of a run of so many nodes, the last of them the central one, between two
    /// times.
    pub fn draw(seed: u64, nodes: u32, from: u64, to: u64, mend_us: u64) -> Self {
        let centre = nodes.saturating_sub(1);
        let (mut spells, mut crashes, mut astray) = (Vec::new(), Vec::new(), Vec::new());
        let mut begin = from;
        for number in 0.. {
            let mut lots = Lots::of(seed, Draw::Trouble, 0, number);
            let begins = begin + lots.below(10_000_000);
            let length = (SPELL_S.0 + lots.below(SPELL_S.1 - SPELL_S.0)) * 1_000_000;
            let ends = begins + length;
            if ends + mend_us > to {
                break;
            }
            let partition = match lots.below(4) {
                0 => Partition::None,
                1 => Partition::Alone(centre),
                2 => Partition::Alone(lots.below(centre.into()) as Place),
                _ => Partition::Below(1 + lots.below(centre.into()) as Place),
            };
            spells.push(Spell {
                from: begins,
                to: ends,
                lost: lots.even() * 0.3,
                doubled: lots.even() * 0.1,
                partition,
            });
            for _ in 0..lots.below(4) {
                // The central node as often as all others together.
                let place = match lots.happens(0.5) {
                    true => centre,
                    false => lots.below(centre.into()) as Place,
                };
                let at = begins + lots.below(length / 2);
                let back = at + 100_000 + lots.below(length / 4);
                let crash = Crash { place, at, back };
                // One that is down does not crash.
                let apart = |other: &Crash| {
                    other.place != place || other.back < crash.at || crash.back < other.at
                };
                if crashes.iter().all(apart) {
                    crashes.push(crash);
                }
            }
            // Every second spell has one.
            let mut lots = Lots::of(seed, Draw::Trouble, 2, number);
            if lots.happens(0.5) {
                let at = begins + lots.below(length / 2);
                let (least, most) = ASTRAY_US;
                let off = (least + lots.below(most - least)) as i64;
                astray.push(Astray {
                    place: match lots.happens(0.25) {
                        true => centre,
                        false => lots.below(centre.into()) as Place,
                    },
                    at,
                    back: at + 1 + lots.below(ends - at - 1),
                    ahead_us: if lots.happens(0.5) { off } else { -off },
                });
            }
            begin = ends + mend_us;
        }
        Self {
            spells,
            crashes,
            astray,
            mend_us,
        }
    }

    /// The crashes.
    pub fn crashes(&self) -> &[Crash] {
        &self.crashes
    }

    /// The clocks that go astray.
    pub fn astray(&self) -> &[Astray] {
        &self.astray
    }

    /// The times just before each spell: all that came before it is to be in order.
    pub fn inspections(&self) -> impl Iterator<Item = u64> + '_ {
        self.spells.iter().map(|spell| spell.from.saturating_sub(1))
    }

    /// Whether what went wrong has had its time to be put right.
    pub fn is_calm(&self, now: u64) -> bool {
        let troubled = |spell: &Spell| spell.from <= now && now < spell.to + self.mend_us;
        !self.spells.iter().any(troubled)
    }

    /// Whether a frame on an access link is lost.
    pub fn loses(&self, now: u64, lots: &mut Lots) -> bool {
        let spell = self.spell(now);
        spell.is_some_and(|spell| lots.happens(spell.lost))
    }

    fn spell(&self, now: u64) -> Option<&Spell> {
        let mut spells = self.spells.iter();
        spells.find(|spell| spell.from <= now && now < spell.to)
    }

    /// What becomes of a message.
    pub fn fate(&self, now: u64, from: Place, to: Place, lots: &mut Lots) -> Fate {
        let Some(spell) = self.spell(now) else {
            return Fate::Arrives(1);
        };
        let apart = match spell.partition {
            Partition::None => false,
            Partition::Alone(place) => from == place || to == place,
            Partition::Below(place) => (from < place) != (to < place),
        };
        if apart || lots.happens(spell.lost) {
            Fate::Lost
        } else {
            Fate::Arrives(1 + u8::from(lots.happens(spell.doubled)))
        }
    }
}

/// How far the clock of a node is ahead of the one that is furthest behind, in microseconds.
pub fn skew(seed: u64, place: Place) -> u64 {
    Lots::of(seed, Draw::Trouble, 1, place.into()).below(2 * SKEW_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calm_comes_after_every_spell() {
        let second = 1_000_000;
        let trouble = Trouble::draw(5, 101, 60 * second, 3600 * second, 200 * second);
        assert!(trouble.spells.len() > 5, "{trouble:?}");
        assert!(!trouble.crashes().is_empty());
        for spell in &trouble.spells {
            assert!(trouble.is_calm(spell.from - 1));
            assert!(!trouble.is_calm(spell.from));
            assert!(!trouble.is_calm(spell.to + 199 * second));
            assert!(trouble.is_calm(spell.to + 200 * second));
        }
        for crash in trouble.crashes() {
            let within = |spell: &&Spell| spell.from <= crash.at && crash.back <= spell.to;
            assert!(
                trouble.spells.iter().any(|spell| within(&spell)),
                "{crash:?}"
            );
        }
        assert!(!trouble.astray().is_empty());
        for clock in trouble.astray() {
            let within = |spell: &&Spell| spell.from <= clock.at && clock.back <= spell.to;
            assert!(trouble.spells.iter().any(|it| within(&it)), "{clock:?}");
            assert!(clock.at < clock.back);
            assert!(clock.ahead_us.unsigned_abs() >= 300_000 + 2 * SKEW_US);
        }
        assert!(trouble.spells.last().expect("spells").to + 200 * second <= 3600 * second);
    }

    #[test]
    fn messages_are_lost_in_spells_alone() {
        let trouble = Trouble {
            spells: vec![Spell {
                from: 100,
                to: 200,
                lost: 0.5,
                doubled: 0.0,
                partition: Partition::Below(4),
            }],
            ..Trouble::default()
        };
        let mut lots = Lots::of(1, Draw::Message, 0, 0);
        let mut lost = |now, from, to| {
            let fates = (0..1000).map(|_| trouble.fate(now, from, to, &mut lots));
            fates.filter(|fate| *fate == Fate::Lost).count()
        };
        assert_eq!(lost(99, 0, 1), 0);
        assert!((400..600).contains(&lost(100, 0, 1)));
        assert_eq!(lost(199, 3, 4), 1000, "they cannot hear each other");
        assert_eq!(lost(200, 3, 4), 0);
    }

    #[test]
    fn clocks_differ_by_less_than_an_anchor_lets_pass() {
        let all: Vec<u64> = (0..100).map(|place| skew(1, place)).collect();
        assert!(all.iter().all(|ahead| *ahead < 150_000));
        assert!(all.iter().any(|ahead| *ahead > 100_000));
    }
}
