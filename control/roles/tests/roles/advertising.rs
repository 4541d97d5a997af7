//! How often hosts hear what they are served with: a frame that is lost must not leave one with yesterday's
//! prefixes.

use crate::maar_scenario::{accepted, arrives, from, here, maar, timer as of_node, CMD};
use crate::mag::serve;
use crate::scenario::{advertisements, fire, link, mag, solicits, tell, timer_after};
use roles::event::{NodeTimer, Timer};
use roles::{Effect, Role};

/// Fires the timer of the next advertisement so many times, from `ms` on. Returns the pauses, in milliseconds, as
/// they were set, and requires that each ends in as many advertisements as were sent before.
fn pauses<R: Role>(
    role: &mut R,
    mut ms: u64,
    timer: &Timer,
    first: Vec<Effect>,
    times: usize,
) -> Vec<u64> {
    let mut effects = first;
    let mut pauses = Vec::new();
    for _ in 0..times {
        let told = advertisements(&effects).len();
        let pause = timer_after(&effects, timer).expect("another advertisement is due");
        let pause = u64::try_from(pause.as_millis()).expect("milliseconds");
        pauses.push(pause);
        ms += pause + 1;
        effects = fire(role, ms, timer.clone());
        assert_eq!(advertisements(&effects).len(), told);
    }
    pauses
}

#[test]
fn a_host_of_a_mag_hears_three_times_that_it_is_served() {
    let mut mag = mag();
    let link = link(0, 1);
    let timer = Timer::Advertise { link };
    let first = serve(&mut mag, 0, link);
    let [once, twice, long] = pauses(&mut mag, 5, &timer, first, 3)[..] else {
        panic!("three pauses");
    };
    assert_eq!((once, twice), (1_000, 4_000));
    assert!((450_000..=600_000).contains(&long), "{long}");
    // A solicitation is a reason to tell it all again.
    let answer = tell(&mut mag, 700_000, solicits(link));
    assert_eq!(pauses(&mut mag, 700_000, &timer, answer, 1), [1_000]);
}

#[test]
fn a_host_hears_three_times_of_every_anchor() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let first = tell(&mut maar, 1_010, from(CMD, accepted(&update, &[2, 3])));
    assert_eq!(advertisements(&first).len(), 3);
    let timer = of_node(NodeTimer::Advertise);
    let [once, twice, long] = pauses(&mut maar, 1_010, &timer, first, 3)[..] else {
        panic!("three pauses");
    };
    assert_eq!((once, twice), (1_000, 4_000));
    assert!(long > 16_000, "{long}");
}
