use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn who() -> Neighbour {
    Neighbour {
        interface: InterfaceId(0),
        address: "2001:db8:c::9".parse().unwrap(),
    }
}

fn answer(mac: Option<MacAddr>) -> Advertised {
    Advertised {
        mac,
        solicited: true,
        overriding: true,
    }
}

/// Runs `count` alarms and returns all that they asked for but further alarms.
fn alarms(cache: &mut Neighbours, count: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..count {
        cache.alarm(who(), &mut acts);
    }
    acts.retain(|act| !matches!(act, Act::Alarm { .. }));
    acts
}

#[test]
fn a_wanted_neighbour_is_asked_three_times_and_then_given_up() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    cache.want(who(), &mut acts).unwrap();
    let solicit = Act::Solicit {
        neighbour: who(),
        mac: None,
    };
    assert_eq!(
        acts,
        [
            solicit,
            Act::Alarm {
                neighbour: who(),
                after: RETRANS_TIMER
            }
        ]
    );
    let neighbour = who();
    assert_eq!(
        alarms(&mut cache, 3),
        [solicit, solicit, Act::Down { neighbour }]
    );
    assert_eq!(cache.state(who()), Some(State::Failed { times: 1 }));
    // While it is known to have failed, another packet does not start another round.
    acts.clear();
    cache.want(who(), &mut acts).unwrap();
    assert!(acts.is_empty());
    assert_eq!(alarms(&mut cache, 1), [Act::Forget { neighbour }]);
    assert!(cache.is_empty());
}

#[test]
fn a_kept_neighbour_is_tried_for_ever_and_comes_back() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    cache.keep(who(), &mut acts);
    alarms(&mut cache, 3);
    let again = alarms(&mut cache, 20);
    assert_eq!(again.len(), 20);
    assert!(again.iter().all(|act| matches!(act, Act::Solicit { .. })));
    // A packet for it makes it be tried at once, the packets after that do not.
    acts.clear();
    cache.want(who(), &mut acts).unwrap();
    cache.want(who(), &mut acts).unwrap();
    acts.retain(|act| matches!(act, Act::Solicit { .. }));
    assert_eq!(acts.len(), 1);
    acts.clear();
    cache.advertised(who(), answer(Some(MAC)), &mut acts);
    let neighbour = who();
    assert_eq!(
        acts[0],
        Act::Up {
            neighbour,
            mac: MAC
        }
    );
    assert_eq!(cache.state(who()), Some(State::Reachable));
}

#[test]
fn a_resolved_neighbour_is_probed_by_unicast_and_lost_when_silent() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    cache.want(who(), &mut acts).unwrap();
    cache.advertised(who(), answer(Some(MAC)), &mut acts);
    assert_eq!(alarms(&mut cache, 1), []);
    assert_eq!(cache.state(who()), Some(State::Delay));
    let neighbour = who();
    let probe = Act::Solicit {
        neighbour,
        mac: Some(MAC),
    };
    assert_eq!(alarms(&mut cache, 2), [probe, probe]);
    // An answer without the option confirms too (RFC 4861 section 7.2.4).
    cache.advertised(who(), answer(None), &mut acts);
    assert_eq!(cache.state(who()), Some(State::Reachable));
    assert_eq!(
        alarms(&mut cache, 5),
        [probe, probe, probe, Act::Down { neighbour }]
    );
}

#[test]
fn another_link_layer_address_needs_the_override_flag() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    cache.want(who(), &mut acts).unwrap();
    cache.advertised(who(), answer(Some(MAC)), &mut acts);
    acts.clear();
    let claim = Advertised {
        overriding: false,
        ..answer(Some(OTHER))
    };
    cache.advertised(who(), claim, &mut acts);
    assert!(!acts.iter().any(|act| matches!(act, Act::Up { .. })));
    assert_eq!(cache.state(who()), Some(State::Delay));
    cache.advertised(who(), answer(Some(OTHER)), &mut acts);
    let neighbour = who();
    assert!(acts.contains(&Act::Up {
        neighbour,
        mac: OTHER
    }));
}

#[test]
fn an_advertisement_of_a_stranger_makes_no_entry() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    cache.advertised(who(), answer(Some(MAC)), &mut acts);
    assert!(acts.is_empty() && cache.is_empty());
}

/// RFC 6583: whoever scans a link keeps nobody from being found.
#[test]
fn a_scan_cannot_fill_the_cache() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    for n in 0..100 {
        assert!(cache.want(nth(n), &mut acts).is_ok());
        assert!(cache.len() <= 4);
    }
    // The last four are left; those before made room, in their order.
    let given_up = acts.iter().filter_map(|act| match act {
        Act::Forget { neighbour } => Some(*neighbour),
        _ => None,
    });
    assert!(given_up.eq((0..96).map(nth)));
    // One of them is there.
    cache.advertised(nth(97), answer(Some(MAC)), &mut acts);
    for n in 100..200 {
        cache.want(nth(n), &mut acts).unwrap();
    }
    assert_eq!(cache.state(nth(97)), Some(State::Reachable));
    // One that asks us is still learnt.
    cache.solicited_by(who(), MAC, &mut acts);
    assert_eq!(cache.state(who()), Some(State::Delay));
    assert_eq!(cache.len(), 6);
    // What was noted about those that are gone does not pile up.
    let noted = cache.order.len().max(cache.unanswered.len());
    assert!(noted <= 2 * 16 + 1, "{noted}");
}

/// The `n`th neighbour of a link.
fn nth(n: u16) -> Neighbour {
    Neighbour {
        interface: InterfaceId(0),
        address: IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]),
    }
}

#[test]
fn those_that_only_ask_cannot_fill_the_cache() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    for n in 0..100 {
        cache.solicited_by(nth(n), MAC, &mut acts);
    }
    assert_eq!(cache.len(), 4);
    // One that answers is no longer one of them.
    cache.advertised(nth(0), answer(None), &mut acts);
    cache.solicited_by(nth(200), MAC, &mut acts);
    assert_eq!(cache.len(), 5);
    assert!(cache.want(who(), &mut acts).is_ok());
}

#[test]
fn a_cache_full_of_neighbours_that_answer_still_takes_another_and_keeps_the_kept() {
    let mut cache = Neighbours::new(16, 1);
    let mut acts = Vec::new();
    cache.keep(who(), &mut acts);
    cache.advertised(who(), answer(Some(MAC)), &mut acts);
    for n in 0..200 {
        cache.want(nth(n), &mut acts).unwrap();
        cache.advertised(nth(n), answer(Some(OTHER)), &mut acts);
    }
    assert_eq!(cache.len(), 16);
    assert_eq!(cache.state(who()), Some(State::Reachable));
    assert_eq!(cache.state(nth(199)), Some(State::Reachable));
    let neighbour = nth(0);
    assert!(acts.contains(&Act::Forget { neighbour }));
    // What was noted about those that are gone does not pile up.
    assert!(cache.order.len() <= 2 * 16 + 1, "{}", cache.order.len());
}
