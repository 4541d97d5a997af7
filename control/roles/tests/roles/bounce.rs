//! Hosts that go to and fro between two MAARs every second, with their database: what is kept and said of them
//! is bounded, and what is too fast is refused and counted. Ten thousand of them, which no MAAR answers for, are
//! at the database in `cmd_anchors`.

use crate::cmd_scenario::{cmd_config, CMD};
use crate::maar_scenario::{maar_address, pool};
use crate::scenario::*;
use roles::cmd::{Cmd, CmdCounter, CmdMode, MaarPeer};
use roles::effect::Effect;
use roles::event::HostLink;
use roles::maar::{Maar, MaarConfig, MaarCounter, Neighbour, NodeState};
use roles::pool::{Pool, Pools};
use roles::{Event, Role};
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use wire::ether::MacAddr;

const HOSTS: u16 = 1_000;

struct Domain {
    maars: [Maar; 2],
    cmd: Cmd,
    /// Messages that were sent.
    sent: u64,
}

fn domain() -> Domain {
    let maar = |n: u16| {
        let pools = Pools::new([Pool::new(pool(n), 64).unwrap()]).unwrap();
        let other = 3 - n;
        let others = vec![Neighbour {
            address: ip(&maar_address(other)),
            pools: vec![pool(other)],
        }];
        let capacity = 2 * usize::from(HOSTS);
        let address = ip(&maar_address(n));
        Maar::new(MaarConfig::new(
            address,
            ip(CMD),
            pools,
            others,
            capacity,
            n.into(),
        ))
    };
    let mut config = cmd_config(CmdMode::Proxy);
    config.capacity = 2 * usize::from(HOSTS);
    config.pacing_rate = 1_000_000;
    config.pacing_burst = 1_000;
    let mut cmd = Cmd::new(config);
    let maars = [1, 2].map(|n| MaarPeer {
        address: ip(&maar_address(n)),
        pools: vec![pool(n)],
    });
    let maars = maars.to_vec();
    tell(&mut cmd, 0, Event::Maars { maars });
    Domain {
        maars: [maar(1), maar(2)],
        cmd,
        sent: 0,
    }
}

fn name(link: HostLink) -> String {
    format!("mn{:02x}{:02x}", link.mac.0[4], link.mac.0[5])
}

impl Domain {
    /// A host comes up at a MAAR, and all that is said of it is heard at once.
    fn comes(&mut self, ms: u64, maar: usize, host: u16) {
        let [high, low] = host.to_be_bytes();
        let mac = MacAddr([2, 0, 0, 0, high, low]);
        let link = HostLink { interface: 1, mac };
        let here = ip(&maar_address(maar as u16 + 1));
        let mut way: VecDeque<(Ipv6Addr, Event)> = VecDeque::from([(here, solicits(link))]);
        while let Some((to, event)) = way.pop_front() {
            let mut effects = Vec::new();
            let [first, second] = &mut self.maars;
            let role: &mut dyn Role = match to {
                to if to == ip(CMD) => &mut self.cmd,
                to if to == first.config().address => first,
                _ => second,
            };
            role.on(at(ms), &event, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Send { from, to, message } => {
                        self.sent += 1;
                        way.push_back((to, Event::Message { from, to, message }));
                    }
                    Effect::Authenticate { link } => {
                        way.push_back((to, admitted(link, profile(&name(link)))));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Proves S2-05, S2-13.
#[test]
fn hosts_that_bounce_every_second_leave_nothing_behind() {
    let mut domain = domain();
    let mut before = 0;
    for round in 0..4_u64 {
        for host in 0..HOSTS {
            let ms = 1_000 + round * 1_000 + u64::from(host) / 20;
            domain.comes(ms, (round % 2) as usize, host);
        }
        let sent = domain.sent - std::mem::replace(&mut before, domain.sent);
        // An update and its answer; where the host is, and that answer, once here and once straight.
        assert!(sent <= 5 * u64::from(HOSTS), "{sent} in a second");
    }
    let all = usize::from(HOSTS);
    assert_eq!(
        (domain.cmd.sessions(), domain.cmd.prefixes()),
        (all, 2 * all)
    );
    for (maar, state) in domain
        .maars
        .iter()
        .zip([NodeState::Previous, NodeState::Served])
    {
        assert_eq!(maar.sessions(), all);
        assert_eq!(
            maar.counter(MaarCounter::PrefixesReserved),
            u64::from(HOSTS)
        );
        assert!(maar.nodes(at(5_000)).all(|node| node.state == state));
    }
    // Ten times as fast: no more is said of a host than of one that is followed.
    for step in 0..20_u64 {
        domain.comes(6_000 + step * 50, (step % 2) as usize, 0);
    }
    let refused = domain.cmd.counter(CmdCounter::MovesTooOften);
    assert!(refused > 0);
    assert!(
        domain.sent - before <= 50,
        "{} in a second",
        domain.sent - before
    );
    assert_eq!(
        (domain.cmd.sessions(), domain.cmd.prefixes()),
        (all, 2 * all)
    );
}
