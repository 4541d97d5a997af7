//! Whatever happens to bindings of gateways, those of hosts themselves go as if they were alone in the
//! anchor, and the other way about.

use crate::both_kinds::{event, of_kind, registration, AWAY, FARTHER};
use crate::scenario::*;
use proptest::prelude::*;
use roles::event::{RevocationScope, Timer};
use roles::lma::{BindingKind, BindingView, Lma};
use roles::Event;
use wire::mh::Lifetime;

/// One thing that happens to one of three hosts.
#[derive(Clone, Debug)]
enum Step {
    /// A gateway registers it, or with no lifetime de-registers it.
    Gateway(u8, bool, u16),
    /// It registers itself.
    Itself(u8, bool, u16),
    /// The operator revokes what it shares with gateways.
    Revoked(u8),
    /// Time runs out for all sessions of a kind that are due.
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    let lifetime = || prop::sample::select(vec![0, 5, 100]);
    prop_oneof![
        4 => (0..3_u8, any::<bool>(), lifetime()).prop_map(|(host, at, units)| Step::Gateway(host, at, units)),
        4 => (0..3_u8, any::<bool>(), lifetime()).prop_map(|(host, at, units)| Step::Itself(host, at, units)),
        1 => (0..3_u8).prop_map(Step::Revoked),
        1 => Just(Step::Later),
    ]
}

/// What there is of a kind, but for the numbers of sessions.
fn seen(lma: &Lma, now: u64, kind: BindingKind) -> Vec<BindingView> {
    let mut views = of_kind(lma, at(now), kind);
    for view in &mut views {
        view.session = 0;
    }
    views
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens to the one kind, the other goes as if it were alone in the anchor.
    ///
    /// Proves S1-17.
    #[test]
    fn each_kind_goes_as_if_it_were_alone(steps in prop::collection::vec(step(), 1..40)) {
        let (mut both, mut gateways, mut hosts) = (lma(), lma(), lma());
        for (step, ms) in steps.iter().zip((1_u64..).map(|nth| nth * 5_000)) {
            let name = |host: u8| format!("mn{host}");
            let (event, alone) = match *step {
                Step::Gateway(host, first, units) => {
                    let from = if first { MAG1 } else { MAG2 };
                    let update = pbu(&name(host), ms).from(from).lifetime(units);
                    (update.event(), &mut gateways)
                }
                Step::Itself(host, near, units) => {
                    let home = format!("2001:db8:1:ffff::{host}");
                    let care_of = if near { AWAY } else { FARTHER };
                    let mut registration = registration(&name(host), &home, care_of, (ms / 5_000) as u16);
                    registration.lifetime = Lifetime(units);
                    (event(registration), &mut hosts)
                }
                Step::Revoked(host) => {
                    let scope = RevocationScope::host(nai(&name(host)));
                    (Event::Revoke { scope }, &mut gateways)
                }
                Step::Later => {
                    for lma in [&mut both, &mut gateways, &mut hosts] {
                        let sessions: Vec<u64> = lma.bindings(at(ms)).map(|it| it.session).collect();
                        for session in sessions {
                            fire(lma, ms, Timer::BindingExpiry { session });
                        }
                    }
                    continue;
                }
            };
            let (here, there) = (tell(&mut both, ms, event.clone()), tell(alone, ms, event));
            prop_assert_eq!(sent(&here).len(), sent(&there).len());
            for (lma, kind) in [(&gateways, BindingKind::Proxy), (&hosts, BindingKind::Mobile)] {
                prop_assert_eq!(seen(&both, ms, kind), seen(lma, ms, kind));
            }
        }
    }
}
