//! Without a database, one host that comes is as many updates as it has anchors: they are paced, and no
//! anchor is written to more often about a host than MAX_UPDATE_RATE allows (RFC 8885 sections 3.2 and 3.6).

use crate::alone_messages::{address, answer, comes, config, here, says, told, updates};
use crate::maar_scenario::{anchored, timer};
use crate::scenario::{
    admitted, fire, link, profile, solicits, tell, timer_after, HOST_LINK_LOCAL,
};
use roles::event::{Found, NodeTimer};
use roles::maar::{Backend, Discovery, Maar, MaarCounter};
use roles::Event;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::Status;

fn anchor(n: u16) -> roles::event::Timer {
    timer(NodeTimer::Anchor {
        prefix: anchored(n),
    })
}

#[test]
fn updates_to_many_anchors_leave_one_after_the_other() {
    let mut config = config();
    (config.pacing_rate, config.pacing_burst) = (100, 3);
    let mut maar = Maar::new(config);
    let (query, _) = comes(&mut maar, 1_000);
    let all: Vec<Ipv6Addr> = (2..=12).map(address).collect();
    let reply = told(&query, &all);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    assert_eq!(updates(&effects).len(), 3);
    assert_eq!(maar.counter(MaarCounter::UpdatesPaced), 8);
    for (turn, n) in (1..).zip(5..=12) {
        let wait = timer_after(&effects, &anchor(n));
        assert_eq!(wait, Some(Duration::from_millis(turn * 10)), "{n}");
        // Early, it waits on.
        let early = fire(&mut maar, 1_010 + turn * 10 - 1, anchor(n));
        assert_eq!(updates(&early).len(), 0);
        let wait = timer_after(&early, &anchor(n));
        assert_eq!(wait, Some(Duration::from_millis(1)));
        let due = 1_010 + turn * 10;
        let sent = updates(&fire(&mut maar, due, anchor(n)));
        let [(_, update)] = sent.try_into().unwrap();
        tell(&mut maar, due, answer(n, &update, Status::ACCEPTED));
    }
    assert_eq!(maar.counter(MaarCounter::UpdatesSent), 11);
    assert_eq!(maar.counter(MaarCounter::AnchorsAdded), 8);
}

/// Hosts that come, name anchors and come again ask for more turns than there are: those wait within
/// bounds, and later all goes as ever.
#[test]
fn a_storm_of_arrivals_puts_nothing_off_for_good() {
    let mut config = config();
    (config.pacing_rate, config.pacing_burst) = (10, 1);
    let Discovery::Distributed(distributed) = &mut config.discovery else {
        panic!("there is no database");
    };
    distributed.backend = Backend::Asked;
    let mut maar = Maar::new(config);
    let mut longest = Duration::ZERO;
    for host in 1..=50_u8 {
        let (link, name) = (link(1, host), format!("mn{host}"));
        tell(&mut maar, 1_000, solicits(link));
        tell(&mut maar, 1_000, admitted(link, profile(&name)));
        let prefixes = (2..=12).map(|n| {
            let mut prefix = anchored(n);
            let bits = prefix.prefix.to_bits() + (u128::from(host) << 64);
            prefix.prefix = Ipv6Addr::from_bits(bits);
            prefix
        });
        let found = Found::Prefixes(prefixes.collect());
        let effects = tell(&mut maar, 1_000, Event::AnchorsFound { link, found });
        let waits = effects.iter().filter_map(|effect| match effect {
            roles::Effect::SetTimer {
                timer:
                    roles::event::Timer::Node {
                        what: NodeTimer::Anchor { .. },
                        ..
                    },
                after,
            } => Some(*after),
            _ => None,
        });
        longest = longest.max(waits.max().unwrap_or_default());
    }
    assert_eq!(longest, Duration::from_secs(10));
    assert_eq!(maar.counter(MaarCounter::UpdatesSent), 1);
    assert!(maar.counter(MaarCounter::UpdatesPaced) > 500);
    let link = link(1, 99);
    tell(&mut maar, 20_000, solicits(link));
    tell(&mut maar, 20_000, admitted(link, profile("late")));
    let found = Found::Prefixes(vec![anchored(2)]);
    let effects = tell(&mut maar, 20_000, Event::AnchorsFound { link, found });
    assert_eq!(updates(&effects).len(), 1);
}

#[test]
fn an_anchor_is_written_to_about_a_host_as_often_as_is_configured() {
    for (rate, delayed) in [(1, 1), (5, 0)] {
        let mut config = config();
        config.max_update_rate = rate;
        config.initial_bindack_timeout = Duration::from_millis(100);
        let mut maar = Maar::new(config);
        let (query, _) = comes(&mut maar, 1_000);
        let reply = told(&query, &[address(2)]);
        let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
        assert_eq!(updates(&effects).len(), 1);
        let again = fire(&mut maar, 1_130, anchor(2));
        assert_eq!(maar.counter(MaarCounter::UpdatesDelayed), delayed);
        if delayed > 0 {
            let wait = timer_after(&again, &anchor(2));
            assert_eq!(wait, Some(Duration::from_millis(880)));
        }
        // What is led here since has been written to just as often.
        let [(_, update)] = updates(&effects).try_into().unwrap();
        tell(&mut maar, 1_140, answer(2, &update, Status::ACCEPTED));
        let prefix = anchored(2).into();
        let release = tell(&mut maar, 1_150, Event::Unused { prefix });
        assert_eq!(updates(&release).len(), usize::from(delayed == 0));
        assert_eq!(maar.counter(MaarCounter::UpdatesDelayed), 2 * delayed);
    }
}
