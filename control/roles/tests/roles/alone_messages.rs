//! What a host and other gateways say to a MAAR without a database.

use crate::alone_scenario::{alone, Known, ASKS};
use crate::maar_scenario::{anchored, maar_address, own_prefix, router};
use crate::scenario::{
    admitted, advertisements, ip, link, message_event, nai, profile, sent, solicits, stamp, tell,
    HOST_LINK_LOCAL,
};
use roles::effect::Effect;
use roles::event::HostLink;
use roles::maar::{Maar, MaarConfig};
use roles::Event;
use std::net::Ipv6Addr;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingUpdate, HandoffIndicator,
    HomeNetworkPrefix, Lifetime, Message, MobilityOption, Status, UpdateFlags,
};
use wire::niq::{Answer, NiQuery, NiReply};

pub fn config() -> MaarConfig {
    let mut config = alone(1, 12, ASKS, Known::ByPools);
    config.routers.insert(1, router(1));
    config
}

pub fn here() -> HostLink {
    link(1, 1)
}

/// The host comes and may attach; what it is asked.
pub fn comes(maar: &mut Maar, ms: u64) -> (NiQuery, Vec<Effect>) {
    tell(maar, ms, solicits(here()));
    let effects = tell(maar, ms, admitted(here(), profile("mn")));
    (query(&effects).expect("a question"), effects)
}

pub fn query(effects: &[Effect]) -> Option<NiQuery> {
    effects.iter().find_map(|effect| match effect {
        Effect::QueryNode { query, .. } => Some(query.clone()),
        _ => None,
    })
}

pub fn says(link: HostLink, from: &str, reply: NiReply) -> Event {
    let from = ip(from);
    Event::NodeInformation { link, from, reply }
}

/// An address of the host in the prefix of the `n`th gateway.
pub fn address(n: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(anchored(n).prefix.to_bits() | 0x99)
}

pub fn told(query: &NiQuery, addresses: &[Ipv6Addr]) -> NiReply {
    query.reply(Answer::Addresses(addresses.to_vec()))
}

/// Updates that effects send, with where they go.
pub fn updates(effects: &[Effect]) -> Vec<(Ipv6Addr, BindingUpdate)> {
    let updates = sent(effects)
        .into_iter()
        .filter_map(|(_, to, message)| match message {
            Message::BindingUpdate(update) => Some((to, update.clone())),
            _ => None,
        });
    updates.collect()
}

/// What the `n`th gateway answers.
pub fn answer(n: u16, update: &BindingUpdate, status: Status) -> Event {
    let mut options = update.options.clone();
    let seen = router(u8::try_from(n).unwrap());
    options.push(MobilityOption::DlifLinkLocalAddress(seen.link_local));
    options.push(MobilityOption::DlifLinkLayerAddress(seen.mac.0.to_vec()));
    let message = Message::BindingAcknowledgement(BindingAcknowledgement {
        status,
        flags: AcknowledgementFlags::PROXY.with(AcknowledgementFlags::DISTRIBUTED),
        sequence: update.sequence,
        lifetime: match status.is_accepted() {
            true => update.lifetime,
            false => Lifetime::ZERO,
        },
        options,
    });
    message_event(&maar_address(n), &maar_address(1), message)
}

/// The host came with a prefix of the second gateway, which answers in time.
pub fn served() -> Maar {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let effects = tell(
        &mut maar,
        1_010,
        says(here(), HOST_LINK_LOCAL, told(&query, &[address(2)])),
    );
    let [(_, update)] = updates(&effects).try_into().unwrap();
    tell(&mut maar, 1_020, answer(2, &update, Status::ACCEPTED));
    maar
}

/// Prefixes that effects advertise, each with whether it is valid, and preferred.
pub fn advertised(effects: &[Effect]) -> Vec<(HomeNetworkPrefix, bool, bool)> {
    let told = advertisements(effects);
    let prefixes = told.iter().flat_map(|(_, _, it)| &it.prefixes);
    let prefixes = prefixes.map(|it| (it.prefix, it.valid > 0, it.preferred > 0));
    prefixes.collect()
}

/// An update that the `n`th gateway sends straight.
pub fn straight(maar: &Maar, came: u64, change: impl FnOnce(&mut BindingUpdate)) -> BindingUpdate {
    let mut update = BindingUpdate {
        sequence: u16::try_from(came % 65_536).unwrap(),
        flags: UpdateFlags::PROXY
            .with(UpdateFlags::ACKNOWLEDGE)
            .with(UpdateFlags::DISTRIBUTED),
        lifetime: Lifetime(75),
        options: vec![
            MobilityOption::MnIdentifier(nai("mn")),
            MobilityOption::HomeNetworkPrefix(own_prefix(maar)),
            MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
            MobilityOption::Timestamp(stamp(came)),
        ],
    };
    change(&mut update);
    update
}

/// The `n`th gateway sends it.
pub fn from_gateway(n: u16, update: BindingUpdate) -> Event {
    let message = Message::BindingUpdate(update);
    message_event(&maar_address(n), &maar_address(1), message)
}
