//! A small distributed domain that the tests of a MAAR speak of.

use crate::scenario::{
    admitted, ip, link, message_event, nai, prefix, profile, sent, solicits, stamp, tell,
};
use roles::effect::{Effect, LogicalRouter, Path, TunnelEnds};
use roles::event::{HostLink, NodeTimer, Timer};
use roles::maar::{Maar, MaarConfig, Neighbour};
use roles::pool::{Pool, Pools};
use roles::{BoundPrefix, Event};
use std::net::Ipv6Addr;
use wire::ether::MacAddr;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingUpdate, HandoffIndicator,
    HomeNetworkPrefix, Lifetime, Message, MobilityOption, PreviousMaar, Status, UpdateFlags,
};

pub const CMD: &str = "2001:db8:ff::c";

/// Address of the `n`th gateway.
pub fn maar_address(n: u16) -> String {
    format!("2001:db8:ff::{n:x}1")
}

/// All that the `n`th gateway gives hosts prefixes of.
pub fn pool(n: u16) -> HomeNetworkPrefix {
    prefix(&format!("2001:db8:a{n:02x}::/48"))
}

/// A prefix of the `n`th gateway.
pub fn anchored(n: u16) -> HomeNetworkPrefix {
    prefix(&format!("2001:db8:a{n:02x}:7::/64"))
}

/// How hosts see the `n`th gateway.
pub fn router(n: u8) -> LogicalRouter {
    LogicalRouter {
        link_local: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n.into()),
        mac: MacAddr([2, 0, 0x5e, 0, 0, n]),
    }
}

/// The first gateway of a domain of `most` others; hosts see each anchor as a router of its own.
pub fn config(most: u16) -> MaarConfig {
    let pools = Pools::new([Pool::new(pool(1), 64).unwrap()]).unwrap();
    let others = (2..=most + 1).map(|n| Neighbour {
        address: ip(&maar_address(n)),
        pools: vec![pool(n)],
    });
    let (address, cmd) = (ip(&maar_address(1)), ip(CMD));
    let mut config = MaarConfig::new(address, cmd, pools, others.collect(), 100, 1);
    config.routers = (0..4).map(|interface| (interface, router(1))).collect();
    config
}

pub fn maar() -> Maar {
    Maar::new(config(12))
}

/// The host of these tests on the first link.
pub fn here() -> HostLink {
    link(1, 1)
}

pub fn timer(what: NodeTimer) -> Timer {
    let mn_identifier = nai("mn");
    Timer::Node {
        mn_identifier,
        what,
    }
}

/// The host comes up on a link and may attach; the update that goes to the database.
pub fn arrives(maar: &mut Maar, ms: u64, link: HostLink) -> (BindingUpdate, Vec<Effect>) {
    let seen = tell(maar, ms, solicits(link));
    assert_eq!(seen, [Effect::Authenticate { link }]);
    let effects = tell(maar, ms, admitted(link, profile("mn")));
    (update_to_cmd(&effects), effects)
}

/// The one message that effects send to the database, an update.
pub fn update_to_cmd(effects: &[Effect]) -> BindingUpdate {
    match sent(effects).as_slice() {
        [(from, to, Message::BindingUpdate(update))] => {
            assert_eq!((*from, *to), (ip(&maar_address(1)), ip(CMD)));
            update.clone()
        }
        other => panic!("not one update: {other:?}"),
    }
}

/// The answer of the database to an update, which tells of these anchors besides.
pub fn accepted(update: &BindingUpdate, anchors: &[u16]) -> BindingAcknowledgement {
    let mut options = update.options.clone();
    options.retain(|option| {
        !matches!(
            option,
            MobilityOption::DlifLinkLocalAddress(_) | MobilityOption::DlifLinkLayerAddress(_)
        )
    });
    for &n in anchors {
        options.push(MobilityOption::PreviousMaar(PreviousMaar {
            address: ip(&maar_address(n)),
            prefix: anchored(n),
        }));
        let seen = router(u8::try_from(n).unwrap());
        options.push(MobilityOption::DlifLinkLocalAddress(seen.link_local));
        options.push(MobilityOption::DlifLinkLayerAddress(seen.mac.0.to_vec()));
    }
    BindingAcknowledgement {
        status: Status::ACCEPTED,
        flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
        sequence: update.sequence,
        lifetime: update.lifetime,
        options,
    }
}

pub fn refused(update: &BindingUpdate, status: Status) -> BindingAcknowledgement {
    BindingAcknowledgement {
        status,
        lifetime: Lifetime::ZERO,
        ..accepted(update, &[])
    }
}

/// An acknowledgement that comes from there.
pub fn from(sender: &str, answer: BindingAcknowledgement) -> Event {
    let message = Message::BindingAcknowledgement(answer);
    message_event(sender, &maar_address(1), message)
}

/// What the `n`th gateway says straight when it leads its prefix here.
pub fn direct(n: u16, sequence: u16) -> BindingAcknowledgement {
    let seen = router(u8::try_from(n).unwrap());
    BindingAcknowledgement {
        status: Status::ACCEPTED,
        flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
        sequence,
        lifetime: Lifetime(75),
        options: vec![
            MobilityOption::MnIdentifier(nai("mn")),
            MobilityOption::HomeNetworkPrefix(anchored(n)),
            MobilityOption::DlifLinkLocalAddress(seen.link_local),
            MobilityOption::DlifLinkLayerAddress(seen.mac.0.to_vec()),
        ],
    }
}

/// The host comes, and is served with these anchors besides.
pub fn served(anchors: &[u16]) -> Maar {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    tell(&mut maar, 1_010, from(CMD, accepted(&update, anchors)));
    maar
}

/// An update of the database: the `n`th gateway serves the host now; none: the host is gone.
pub fn told(ms: u64, serving: Option<u16>) -> BindingUpdate {
    let mut options = vec![
        MobilityOption::MnIdentifier(nai("mn")),
        MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
        MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
        MobilityOption::Timestamp(stamp(ms)),
    ];
    let address = serving.map(|n| ip(&maar_address(n)));
    options.extend(address.map(MobilityOption::ServingMaar));
    BindingUpdate {
        sequence: u16::try_from(ms % 65_536).unwrap(),
        flags: UpdateFlags::PROXY
            .with(UpdateFlags::ACKNOWLEDGE)
            .with(UpdateFlags::DISTRIBUTED),
        lifetime: Lifetime(if serving.is_some() { 75 } else { 0 }),
        options,
    }
}

pub fn update_from(sender: &str, update: BindingUpdate) -> Event {
    message_event(sender, &maar_address(1), Message::BindingUpdate(update))
}

/// The bindings that effects install, and those that they remove.
pub fn bindings(effects: &[Effect]) -> (Vec<(BoundPrefix, Path)>, Vec<BoundPrefix>) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for effect in effects {
        match effect {
            Effect::Bind { prefix, path } => up.push((*prefix, *path)),
            Effect::Unbind { prefix } => down.push(*prefix),
            _ => {}
        }
    }
    (up, down)
}

/// Our tunnel to the `n`th gateway.
pub fn tunnel(n: u16) -> TunnelEnds {
    TunnelEnds::plain(ip(&maar_address(1)), ip(&maar_address(n)))
}

/// The way of a prefix that the `n`th gateway anchors, while its host is here.
pub fn led_here(n: u16) -> (BoundPrefix, Path) {
    let tunnel = tunnel(n);
    let link = here();
    (
        anchored(n).into(),
        Path::Access {
            tunnel,
            link,
            delegated: false,
        },
    )
}

/// The prefix of ours that the host has.
pub fn own_prefix(maar: &Maar) -> HomeNetworkPrefix {
    let mut nodes = maar.nodes(crate::scenario::at(0));
    nodes.next().expect("the host").prefix
}
