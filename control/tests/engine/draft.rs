//! A domain whose gateways speak the draft's form of updates, from the host's first frame to its move.

use crate::bytes::Seen;
use crate::host::Host;
use crate::story::{
    attach, bindings, domain_with_policies, meet, visitors, ACCESS2, CN, CORE, MAG2, MN,
};
use crate::world::World;
use roles::mag::VisitorState;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{AssignedHomeAddress, Experimental, Message, MobilityOption};

/// The pool of the story, and a host that may have addresses of it.
const LMA_POLICY: &str = r#"
mags = ["2001:db8:c::11", "2001:db8:c::12"]
serve_unlisted = true
"#;

const MAG_POLICY: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
lma = "2001:db8:c::1"
"#;

fn domain() -> World {
    let lma = |config: String| config.replace("[lma]\n", "[lma]\nprofile = \"draft\"\n");
    let mag = |config: String| config.replace("[mag]\n", "[mag]\nprofile = \"draft\"\n");
    domain_with_policies(lma, LMA_POLICY, mag, MAG_POLICY)
}

/// What went over the core of the draft's form: the status of an answer, and what option 18 said.
fn said(world: &mut World) -> Vec<(Option<u8>, Experimental)> {
    let heard = world.hear(CORE);
    let messages = heard.iter().filter_map(Seen::mh);
    let said = messages.flat_map(|message| {
        let (status, options) = match message {
            Message::BindingUpdate(update) => (None, update.options),
            Message::BindingAcknowledgement(answer) => (Some(answer.status.0), answer.options),
            _ => return Vec::new(),
        };
        assert!(
            !options.iter().any(|option| option.kind() == 22),
            "{options:?}"
        );
        let said: Vec<_> = options
            .into_iter()
            .filter_map(|option| match option {
                MobilityOption::Experimental(it) => Some((status, it)),
                _ => None,
            })
            .collect();
        match (status, said.is_empty()) {
            (Some(_), true) => vec![(status, Experimental::Other(Vec::new()))],
            _ => said,
        }
    });
    said.collect()
}

fn home(address: Ipv6Addr, prefix_length: u8) -> Experimental {
    Experimental::AssignedHomeAddress(AssignedHomeAddress {
        address,
        prefix_length,
    })
}

/// Nobody knows the host: there is no binding that could be confirmed, and its anchor gives it a prefix,
/// of which the anchor hears the address once the host has it. At the next gateway the binding is
/// confirmed, with that address, and the host is reached there.
///
/// Proves S1-03, S1-05, S1-07, S1-12, S1-13.
#[test]
fn a_host_attaches_and_moves_by_confirmations() {
    let mut world = domain();
    let mut cn = Host::correspondent(CN);
    let mut mn = Host::new(MN, 1);
    meet(&mut world, &mut cn);
    world.hear(CORE);
    attach(&mut world, &mut mn);
    for _ in 0..4 {
        mn.live(&mut world);
        world.pass(Duration::from_millis(400));
    }
    let prefix = bindings(&world)[0].prefixes[0];
    let said_first = said(&mut world);
    let expected = [
        (None, Experimental::BindingCacheConfirmation),
        (Some(141), Experimental::Other(Vec::new())),
        (None, home(Ipv6Addr::UNSPECIFIED, 0)),
        (Some(0), home(prefix.prefix, prefix.length)),
    ];
    assert_eq!(said_first[..4], expected);
    // The host speaks from its address.
    mn.ping(&mut world, cn.address(), 1);
    world.pass(Duration::from_millis(200));
    mn.live(&mut world);
    world.replug(MN, ACCESS2);
    world.hear(CORE);
    mn.ping(&mut world, cn.address(), 2);
    world.pass(Duration::from_millis(200));
    mn.live(&mut world);
    assert_eq!(visitors(&world, MAG2), [VisitorState::Bound]);
    let bound = bindings(&world);
    assert_eq!(bound.len(), 1);
    assert_eq!(
        (bound[0].care_of, bound[0].prefixes[0]),
        ("2001:db8:c::12".parse().unwrap(), prefix)
    );
    let said_then = said(&mut world);
    assert!(
        !said_then.iter().any(|(status, _)| *status == Some(141)),
        "{said_then:?}"
    );
    let answers = said_then.iter().filter(|(status, _)| *status == Some(0));
    for (_, answer) in answers {
        let Experimental::AssignedHomeAddress(it) = answer else {
            panic!("{answer:?}");
        };
        assert!(prefix.contains(it.address), "{it:?}");
    }
    mn.ping(&mut world, cn.address(), 3);
    cn.live(&mut world);
    world.pass(Duration::from_millis(200));
    for node in &world.nodes {
        node.check();
    }
}
