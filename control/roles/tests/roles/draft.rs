//! Updates in the draft's form (S1-03 to S1-05, S1-07, S1-12, S1-13, S1-22).

use crate::scenario::*;
use roles::effect::Effect;
use roles::event::{HostLink, Sign};
use roles::lma::{Lma, LmaCounter};
use roles::mag::{Mag, VisitorState};
use roles::policy::Profile;
use roles::{Event, SignallingProfile};
use std::net::Ipv6Addr;
use wire::mh::*;

const GIVEN: &str = "2001:db8:1:5::/64";
const LOCAL: &str = "2001:db8:1:5::77";

fn confirmation() -> MobilityOption {
    MobilityOption::Experimental(Experimental::BindingCacheConfirmation)
}

fn assigned(address: &str, prefix_length: u8) -> MobilityOption {
    let address = ip(address);
    MobilityOption::Experimental(Experimental::AssignedHomeAddress(AssignedHomeAddress {
        address,
        prefix_length,
    }))
}

fn experiments(options: &[MobilityOption]) -> Vec<MobilityOption> {
    let options = options.iter().filter(|option| option.kind() == 18);
    options.cloned().collect()
}

fn anchor() -> Lma {
    let mut config = lma_config();
    config.profile = SignallingProfile::Draft;
    lma_with(config)
}

/// An update as the draft has it: who, and what is asked.
fn update(host: &str, ms: u64, asked: MobilityOption) -> Pbu {
    let stripped = [22, 23, 24, 25];
    let plain = stripped.into_iter().fold(pbu(host, ms), Pbu::without);
    plain.and(asked)
}

/// Proves S1-05, S1-13.
#[test]
fn a_confirmation_without_a_binding_is_answered_with_141_and_leaves_nothing() {
    let mut lma = anchor();
    let effects = tell(&mut lma, 10, update("mn", 10, confirmation()).event());
    let answer = pba(&effects);
    assert_eq!(answer.status, Status(141));
    assert!(answer.flags.contains(AcknowledgementFlags::PROXY));
    assert_eq!(prefixes_of(&answer.options), []);
    assert!(!effects.iter().any(|it| matches!(
        it,
        Effect::Bind { .. } | Effect::Store { .. } | Effect::SetTimer { .. }
    )));
    assert_eq!(lma.sessions(), 0);
    assert_eq!(lma.counter(LmaCounter::StatusDraftMissing), 1);
    // Nothing is remembered of it: the prefixes are given out as before.
    let given = tell(&mut lma, 20, pbu("mn", 20).event());
    assert_eq!(
        given_first(&given),
        given_first(&tell(&mut self::lma(), 20, pbu("mn", 20).event()))
    );
}

fn given_first(effects: &[Effect]) -> HomeNetworkPrefix {
    prefixes_of(&pba(effects).options)[0]
}

/// Proves S1-12, S1-14.
#[test]
fn a_confirmation_with_a_binding_moves_it_and_tells_the_address() {
    let mut lma = anchor();
    let known = update("mn", 10, assigned(LOCAL, 64));
    let effects = tell(&mut lma, 10, known.event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(experiments(&pba(&effects).options), [assigned(LOCAL, 64)]);
    let bound = position(&effects, |it| matches!(it, Effect::Bind { .. }));
    let answered = position(&effects, |it| matches!(it, Effect::Send { .. }));
    assert!(bound.is_some() && bound < answered);
    let asks = update("mn", 20, confirmation()).from(MAG2);
    let effects = tell(&mut lma, 20, asks.event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(experiments(&pba(&effects).options), [assigned(LOCAL, 64)]);
    // Options that the draft has not are not in its answers.
    assert!(!pba(&effects)
        .options
        .iter()
        .any(|it| (22..=26).contains(&it.kind())));
    let view = lma.bindings(at(20)).next().expect("a binding");
    assert_eq!(
        (view.care_of, view.prefixes),
        (ip(MAG2), vec![prefix(GIVEN)])
    );
}

#[test]
fn an_address_of_another_host_is_refused() {
    let mut lma = anchor();
    tell(&mut lma, 10, update("mn", 10, assigned(LOCAL, 64)).event());
    let other = update("other", 20, assigned("2001:db8:1:5::78", 64));
    assert_eq!(status(&tell(&mut lma, 20, other.event())), Status(155));
    let foreign = update("other", 30, assigned("2001:db8:77::1", 64));
    assert_eq!(status(&tell(&mut lma, 30, foreign.event())), Status(155));
    assert_eq!(lma.sessions(), 1);
}

/// Either profile has its number.
///
/// Proves S1-04.
#[test]
fn a_host_without_the_service_is_refused_with_140_or_152() {
    let mut lma = anchor();
    let barred = update("barred", 10, confirmation());
    assert_eq!(
        status(&tell(&mut lma, 10, barred.clone().event())),
        Status(140)
    );
    // A gateway of the RFC's form shares the anchor.
    assert_eq!(
        status(&tell(&mut lma, 20, pbu("barred", 20).event())),
        Status(152)
    );
    let mut lma = self::lma();
    assert_eq!(status(&tell(&mut lma, 10, barred.event())), Status(152));
}

/// By default the anchor speaks as the RFC has it.
///
/// Proves S1-03, S1-05.
#[test]
fn the_rfc_profile_answers_confirmations_by_its_own_means() {
    let mut lma = lma();
    let asks = |ms| pbu("mn", ms).without(22).and(confirmation());
    assert_eq!(status(&tell(&mut lma, 10, asks(10).event())), Status(133));
    assert_eq!(lma.sessions(), 0);
    let first = given(&tell(&mut lma, 20, pbu("mn", 20).event()));
    let effects = tell(&mut lma, 30, asks(30).from(MAG2).event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(prefixes_of(&pba(&effects).options), [first]);
    assert_eq!(experiments(&pba(&effects).options), []);
    // An address in the draft's form is nothing that it knows.
    let asks = pbu("mn", 40).without(22).and(assigned(LOCAL, 64));
    assert_eq!(status(&tell(&mut lma, 40, asks.event())), Status(158));
}

#[test]
fn the_address_of_a_binding_outlives_a_restart() {
    let mut lma = anchor();
    let effects = tell(&mut lma, 10, update("mn", 10, assigned(LOCAL, 64)).event());
    let record = effects.into_iter().find_map(|effect| match effect {
        Effect::Store { record } => Some(record),
        _ => None,
    });
    let mut after = anchor();
    let record = record.expect("it is stored");
    tell(&mut after, 20, Event::Restored { record });
    let effects = tell(&mut after, 30, update("mn", 30, confirmation()).event());
    assert_eq!(experiments(&pba(&effects).options), [assigned(LOCAL, 64)]);
}

fn gateway() -> Mag {
    let mut config = mag_config();
    config.profile = SignallingProfile::Draft;
    Mag::new(config)
}

fn attach(mag: &mut Mag, ms: u64, profile: Profile) -> BindingUpdate {
    tell(mag, ms, solicits(here()));
    pbu_in(&tell(mag, ms, admitted(here(), profile))).clone()
}

fn here() -> HostLink {
    link(0, 1)
}

fn sees(address: &str) -> Event {
    let sign = Sign::Packet {
        source: ip(address),
    };
    Event::HostSeen { link: here(), sign }
}

/// The anchor's answer, in the draft's form.
fn draft_answer(update: &BindingUpdate, status: u8, given: &[(&str, u8)]) -> Event {
    let mut answer = answer(update, Status(status), &[]);
    answer.options.retain(|option| option.kind() != 18);
    let given = given
        .iter()
        .map(|(address, length)| assigned(address, *length));
    answer.options.extend(given);
    answered(answer)
}

fn served(mag: &Mag) -> Vec<HomeNetworkPrefix> {
    let views = mag
        .visitors(at(0))
        .filter(|view| view.state == VisitorState::Bound);
    views.flat_map(|view| view.prefixes).collect()
}

/// Proves S1-03, S1-07.
#[test]
fn a_gateway_asks_for_confirmation_when_it_knows_neither_address_nor_prefix() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0, profile("mn"));
    assert_eq!(experiments(&update.options), [confirmation()]);
    assert_eq!(prefixes_of(&update.options), []);
    // There is a binding: it is served with that at once.
    let effects = tell(&mut mag, 10, draft_answer(&update, 0, &[(LOCAL, 64)]));
    assert_eq!(served(&mag), [prefix(GIVEN)]);
    let (_, _, told) = advertisements(&effects)[0];
    assert_eq!(told.prefixes[0].prefix, prefix(GIVEN));
}

/// Proves S1-07, S1-25.
#[test]
fn a_gateway_names_what_it_knows() {
    // The prefix, from policy.
    let mut known = profile("mn");
    known.home_network_prefixes = vec![prefix(GIVEN)];
    let mut mag = gateway();
    let update = attach(&mut mag, 0, known);
    let asked = [assigned("2001:db8:1:5::", 64)];
    assert_eq!(experiments(&update.options), asked);
    tell(
        &mut mag,
        10,
        draft_answer(&update, 0, &[("2001:db8:1:5::", 64)]),
    );
    assert_eq!(served(&mag), [prefix(GIVEN)]);
    // The address, once it is known.
    let effects = tell(&mut mag, 5000, sees(LOCAL));
    assert_eq!(
        experiments(&pbu_in(&effects).options),
        [assigned(LOCAL, 64)]
    );
    // The address alone: it shows itself before the host is known.
    let mut mag = gateway();
    tell(&mut mag, 0, sees(LOCAL));
    let update = pbu_in(&tell(&mut mag, 1, admitted(here(), profile("mn")))).clone();
    assert_eq!(experiments(&update.options), [assigned(LOCAL, 64)]);
    // But not where policy does not let it be learned.
    let mut mag = gateway();
    let mut shut = profile("mn");
    shut.learn_addresses = false;
    tell(&mut mag, 0, sees(LOCAL));
    let update = pbu_in(&tell(&mut mag, 1, admitted(here(), shut))).clone();
    assert_eq!(experiments(&update.options), [confirmation()]);
}

/// Proves S1-05.
#[test]
fn without_a_binding_a_gateway_asks_for_an_address_of_its_anchors_prefix() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0, profile("mn"));
    let effects = tell(&mut mag, 10, draft_answer(&update, 141, &[]));
    let asked = pbu_in(&effects).clone();
    assert_eq!(experiments(&asked.options), [assigned("::", 0)]);
    tell(
        &mut mag,
        20,
        draft_answer(&asked, 0, &[("2001:db8:1:5::", 64)]),
    );
    assert_eq!(served(&mag), [prefix(GIVEN)]);
}

#[test]
fn a_gateway_that_is_refused_with_140_leaves_the_host_alone() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0, profile("mn"));
    let effects = tell(&mut mag, 10, draft_answer(&update, 140, &[]));
    assert!(refused_because(&effects).is_some());
    // Until the operator acts: the service is off.
    assert_eq!(tell(&mut mag, 1_000_000, solicits(here())), []);
}

/// A gateway and its anchor, both of the draft: what one sends, the other gets.
///
/// Proves S1-12, S1-13.
#[test]
fn a_host_boots_and_moves_in_a_domain_of_the_draft() {
    let (mut lma, mut mag) = (anchor(), gateway());
    let mut later = mag_config();
    later.address = ip(MAG2);
    later.profile = SignallingProfile::Draft;
    let mut next = Mag::new(later);
    let mut statuses = Vec::new();
    let mut talk = |mag: &mut Mag, lma: &mut Lma, ms: u64, mut effects: Vec<Effect>| loop {
        let message = sent(&effects).into_iter().find(|(_, to, _)| *to == ip(LMA));
        let Some((from, to, message)) = message else {
            return;
        };
        let message = message.clone();
        let effects_there = tell(lma, ms, Event::Message { from, to, message });
        let answer = pba(&effects_there).clone();
        statuses.push(answer.status.0);
        let (from, to): (Ipv6Addr, Ipv6Addr) = (to, from);
        let message = Message::BindingAcknowledgement(answer);
        effects = tell(mag, ms, Event::Message { from, to, message });
    };
    tell(&mut mag, 0, solicits(here()));
    let effects = tell(&mut mag, 0, admitted(here(), profile("mn")));
    talk(&mut mag, &mut lma, 0, effects);
    let [given] = served(&mag)[..] else {
        panic!("the host is not served");
    };
    let address = Ipv6Addr::from_bits(given.prefix.to_bits() | 0x77);
    let effects = tell(&mut mag, 5000, sees(&address.to_string()));
    talk(&mut mag, &mut lma, 5000, effects);
    tell(&mut next, 9000, solicits(here()));
    let effects = tell(&mut next, 9000, admitted(here(), profile("mn")));
    assert_eq!(experiments(&pbu_in(&effects).options), [confirmation()]);
    talk(&mut next, &mut lma, 9000, effects);
    assert_eq!(served(&next), [given]);
    assert_eq!(statuses, [141, 0, 0, 0]);
    assert_eq!(lma.sessions(), 1);
    assert_eq!(
        lma.bindings(at(9000)).next().expect("a binding").care_of,
        ip(MAG2)
    );
}

/// Each anchor serves its hosts with prefixes of its own; a host that comes to another domain gets
/// another anchor there, and a prefix of that.
///
/// Proves S1-22.
#[test]
fn another_domain_has_another_anchor_with_a_prefix_of_its_own() {
    let mut here = lma();
    let first = given(&tell(&mut here, 10, pbu("mn", 10).event()));
    assert!(prefix("2001:db8:1::/48").contains(first.prefix));
    let mut config = lma_config();
    let pool = roles::pool::Pool::new(prefix("2001:db8:9::/48"), 64).unwrap();
    config.pools = roles::pool::Pools::new([pool]).unwrap();
    let mut there = lma_with(config);
    // The gateway of that domain asks for no prefix of the other, and would not get one.
    let foreign = pbu("mn", 20).prefix(&first.to_string());
    assert_eq!(status(&tell(&mut there, 20, foreign.event())), Status(155));
    let second = given(&tell(&mut there, 30, pbu("mn", 30).event()));
    assert!(prefix("2001:db8:9::/48").contains(second.prefix));
    // A gateway takes the anchor that it is told, and leaves the one before.
    let mut mag = mag();
    let mut profile = profile("mn");
    let update = attach(&mut mag, 0, profile.clone());
    tell(&mut mag, 5, answered(answer(&update, Status(0), &[GIVEN])));
    profile.lma = ip("2001:db8:ff::2");
    tell(&mut mag, 5000, Event::AccessPolicyChanged);
    let effects = tell(&mut mag, 5001, admitted(self::here(), profile));
    let told: Vec<_> = sent(&effects)
        .into_iter()
        .map(|(_, to, message)| match message {
            Message::BindingUpdate(update) => (to, update.lifetime == Lifetime::ZERO),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(ip(LMA), true), (ip("2001:db8:ff::2"), false)]);
}

/// The draft's own form of a confirmation, Length 0, at both ends, for those who have chosen a number for it.
///
/// Proves S1-03, S1-12, S1-13.
#[test]
fn a_confirmation_may_be_an_option_without_data() {
    let own = |kind| MobilityOption::Unknown {
        kind,
        data: Vec::new(),
    };
    let mut config = mag_config();
    config.profile = SignallingProfile::Draft;
    config.confirmation_option = Some(250);
    let mut mag = Mag::new(config);
    tell(&mut mag, 10, solicits(link(1, 1)));
    let effects = tell(&mut mag, 10, admitted(link(1, 1), profile("mn")));
    let options = &pbu_in(&effects).options;
    assert!(options.contains(&own(250)), "{options:?}");
    assert_eq!(experiments(options), []);

    let mut config = lma_config();
    config.profile = SignallingProfile::Draft;
    config.confirmation_option = Some(250);
    let mut lma = lma_with(config);
    let asks = |ms, option| update("mn", ms, option).event();
    assert_eq!(status(&tell(&mut lma, 10, asks(10, own(250)))), Status(141));
    tell(&mut lma, 20, asks(20, assigned(LOCAL, 64)));
    for (ms, option) in [(30, own(250)), (40, confirmation())] {
        let effects = tell(&mut lma, ms, asks(ms, option));
        assert_eq!(status(&effects), Status(0));
        assert_eq!(experiments(&pba(&effects).options), [assigned(LOCAL, 64)]);
    }
    // Another number says nothing, nor does one with data, nor this one to whom it is not configured.
    let longer = MobilityOption::Unknown {
        kind: 250,
        data: vec![0],
    };
    for (ms, option) in [(50, own(251)), (60, longer)] {
        assert_eq!(status(&tell(&mut lma, ms, asks(ms, option))), Status(158));
    }
    assert_eq!(
        status(&tell(&mut anchor(), 10, asks(10, own(250)))),
        Status(158)
    );
}

/// A table that refuses what a confirmation moved: the answer has the form of the update all the same.
#[test]
fn a_refused_move_by_an_own_confirmation_is_answered_in_the_drafts_form() {
    let mut config = lma_config();
    config.profile = SignallingProfile::Draft;
    config.confirmation_option = Some(250);
    let mut lma = lma_with(config);
    tell(&mut lma, 10, update("mn", 10, assigned(LOCAL, 64)).event());
    let own = MobilityOption::Unknown {
        kind: 250,
        data: Vec::new(),
    };
    let moves = update("mn", 20, own).from(MAG2);
    assert_eq!(status(&tell(&mut lma, 20, moves.event())), Status(0));
    let refused = Event::Refused {
        prefix: prefix(GIVEN).into(),
    };
    let effects = tell(&mut lma, 20, refused);
    let answer = pba(&effects);
    assert_eq!(answer.status, Status(130));
    let drafted = |it: &MobilityOption| !(22..=26).contains(&it.kind());
    assert!(answer.options.iter().all(drafted), "{answer:?}");
}
