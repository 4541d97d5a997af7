//! A small domain that the tests speak of, and short ways to say what happens in it.

use roles::effect::{Advertisement, Effect, Notice};
use roles::event::{HostLink, Sign, Timer};
use roles::lma::{Lma, LmaConfig};
use roles::mag::{Mag, MagConfig};
use roles::policy::{Allowance, AnchoredHost, LmaPolicy, Profile};
use roles::pool::{Pool, Pools};
use roles::{Event, Now, Role};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ether::MacAddr;
use wire::mh::{
    AccessTechnology, AcknowledgementFlags, BindingAcknowledgement, BindingUpdate,
    HandoffIndicator, HomeNetworkPrefix, Lifetime, Message, MnIdentifier, MobilityOption, NtpTime,
    Status, UpdateFlags,
};

pub const LMA: &str = "2001:db8:ff::1";
pub const MAG1: &str = "2001:db8:ff::11";
pub const MAG2: &str = "2001:db8:ff::12";
pub const STRANGER: &str = "2001:db8:ff::99";
pub const HOST_LINK_LOCAL: &str = "fe80::aa";

/// Wall-clock time when the monotonic clock of a scenario is zero.
const EPOCH: Duration = Duration::from_secs(1_750_000_000);

pub fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub fn prefix(text: &str) -> HomeNetworkPrefix {
    text.parse().unwrap()
}

pub fn nai(name: &str) -> MnIdentifier {
    MnIdentifier::Nai(format!("{name}@example.net"))
}

/// So many milliseconds into the scenario.
pub fn at(ms: u64) -> Now {
    let since = Duration::from_millis(ms);
    Now {
        monotonic: since,
        wall: EPOCH + since,
    }
}

pub fn stamp(ms: u64) -> NtpTime {
    NtpTime::from_unix(at(ms).wall)
}

/// A link of a gateway, with the host whose link-layer address ends in `host`.
pub fn link(interface: u16, host: u8) -> HostLink {
    HostLink {
        interface,
        mac: MacAddr([2, 0, 0, 0, 0, host]),
    }
}

pub fn pools() -> Pools {
    let pool = Pool::new(prefix("2001:db8:1::/48"), 64).unwrap();
    Pools::new([pool]).unwrap()
}

pub fn lma_config() -> LmaConfig {
    LmaConfig::new(ip(LMA), pools(), 100)
}

/// Both gateways; any host, `fixed` with a prefix of its own, `barred` without the service.
pub fn policy() -> LmaPolicy {
    let host = |name, prefixes: &[&str], proxy_registration| AnchoredHost {
        mn_identifier: nai(name),
        home_network_prefixes: prefixes.iter().map(|p| prefix(p)).collect(),
        ipv4_home_address: None,
        ipv4: true,
        ipv6: true,
        domain: None,
        delegation: true,
        allowance: None,
        proxy_registration,
    };
    LmaPolicy {
        mags: vec![ip(MAG1), ip(MAG2)],
        hosts: vec![
            host("fixed", &["2001:db8:2:1::/64"], true),
            host("two", &["2001:db8:2:2::/64", "2001:db8:2:3::/64"], true),
            host("barred", &[], false),
        ],
        serve_unlisted: true,
        allowance: Allowance::default(),
    }
}

pub fn lma_with(config: LmaConfig) -> Lma {
    let mut lma = Lma::new(config);
    let policy = policy();
    assert_eq!(tell(&mut lma, 0, Event::Policy { policy }), []);
    lma
}

pub fn lma() -> Lma {
    lma_with(lma_config())
}

pub fn mag_config() -> MagConfig {
    MagConfig::new(ip(MAG1), 10, 1)
}

pub fn mag() -> Mag {
    Mag::new(mag_config())
}

/// What an event does to a role.
pub fn tell(role: &mut impl Role, ms: u64, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    role.on(at(ms), &event, &mut effects);
    effects
}

pub fn fire(role: &mut impl Role, ms: u64, timer: Timer) -> Vec<Effect> {
    tell(role, ms, Event::Timer { timer })
}

/// A host is asked whether it is there, and says so.
pub fn still_here(role: &mut impl Role, ms: u64, asked: &[Effect]) -> Vec<Effect> {
    assert_eq!(sent(asked), []);
    let probed = asked.iter().find_map(|effect| match effect {
        Effect::Probe { link, address } => Some((*link, *address)),
        _ => None,
    });
    let (link, source) = probed.expect("a question");
    let sign = Sign::Packet { source };
    tell(role, ms, Event::HostSeen { link, sign })
}

/// A Proxy Binding Update, as MAG1 sends it for `host` with link-layer address 1 unless told
/// otherwise.
#[derive(Clone)]
pub struct Pbu {
    pub from: &'static str,
    pub sequence: u16,
    pub lifetime: u16,
    pub flags: u16,
    pub options: Vec<MobilityOption>,
}

pub fn pbu(host: &str, ms: u64) -> Pbu {
    Pbu {
        from: MAG1,
        sequence: u16::try_from(ms % 65536).unwrap(),
        lifetime: 100,
        flags: 0xc200,
        options: vec![
            MobilityOption::MnIdentifier(nai(host)),
            MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
            MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
            MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
            MobilityOption::Timestamp(stamp(ms)),
            MobilityOption::MnLinkLayerIdentifier(vec![2, 0, 0, 0, 0, 1]),
        ],
    }
}

impl Pbu {
    pub fn from(mut self, from: &'static str) -> Self {
        self.from = from;
        self
    }

    pub fn lifetime(mut self, units: u16) -> Self {
        self.lifetime = units;
        self
    }

    pub fn sequence(mut self, sequence: u16) -> Self {
        self.sequence = sequence;
        self
    }

    /// Leaves the options of this kind out.
    pub fn without(mut self, kind: u8) -> Self {
        self.options.retain(|option| option.kind() != kind);
        self
    }

    /// Puts the option in the place of those of its kind.
    pub fn with(self, option: MobilityOption) -> Self {
        self.without(option.kind()).and(option)
    }

    /// Adds the option.
    pub fn and(mut self, option: MobilityOption) -> Self {
        self.options.push(option);
        self
    }

    pub fn prefix(self, text: &str) -> Self {
        self.with(MobilityOption::HomeNetworkPrefix(prefix(text)))
    }

    pub fn handoff(self, handoff: HandoffIndicator) -> Self {
        self.with(MobilityOption::HandoffIndicator(handoff))
    }

    pub fn interface(self, host: u8) -> Self {
        let mac = vec![2, 0, 0, 0, 0, host];
        self.with(MobilityOption::MnLinkLayerIdentifier(mac))
    }

    pub fn event(self) -> Event {
        let message = Message::BindingUpdate(BindingUpdate {
            sequence: self.sequence,
            flags: UpdateFlags(self.flags),
            lifetime: Lifetime(self.lifetime),
            options: self.options,
        });
        message_event(self.from, LMA, message)
    }
}

pub fn message_event(from: &str, to: &str, message: Message) -> Event {
    Event::Message {
        from: ip(from),
        to: ip(to),
        message,
    }
}

/// The messages that effects send, with source and destination.
pub fn sent(effects: &[Effect]) -> Vec<(Ipv6Addr, Ipv6Addr, &Message)> {
    let sends = effects.iter().filter_map(|effect| match effect {
        Effect::Send { from, to, message } => Some((*from, *to, message)),
        _ => None,
    });
    sends.collect()
}

/// The one acknowledgement that effects send; a revocation may go out with it.
pub fn pba(effects: &[Effect]) -> &BindingAcknowledgement {
    match sent(effects).as_slice() {
        [(_, _, Message::BindingAcknowledgement(answer))]
        | [(_, _, Message::BindingAcknowledgement(answer)), (_, _, Message::RevocationIndication(_))] => {
            answer
        }
        other => panic!("not one acknowledgement: {other:?}"),
    }
}

/// The one update that effects send.
pub fn pbu_in(effects: &[Effect]) -> &BindingUpdate {
    match sent(effects).as_slice() {
        [(_, _, Message::BindingUpdate(update))] => update,
        other => panic!("not one update: {other:?}"),
    }
}

pub fn status(effects: &[Effect]) -> Status {
    pba(effects).status
}

pub fn prefixes_of(options: &[MobilityOption]) -> Vec<HomeNetworkPrefix> {
    let prefixes = options.iter().filter_map(|option| match option {
        MobilityOption::HomeNetworkPrefix(prefix) => Some(*prefix),
        _ => None,
    });
    prefixes.collect()
}

pub fn handoff_of(options: &[MobilityOption]) -> Option<HandoffIndicator> {
    options.iter().find_map(|option| match option {
        MobilityOption::HandoffIndicator(handoff) => Some(*handoff),
        _ => None,
    })
}

/// Place of the first effect for which `is` holds.
pub fn position(effects: &[Effect], is: impl Fn(&Effect) -> bool) -> Option<usize> {
    effects.iter().position(is)
}

pub fn advertisements(effects: &[Effect]) -> Vec<(HostLink, Ipv6Addr, &Advertisement)> {
    let all = effects.iter().filter_map(|effect| match effect {
        Effect::Advertise {
            link,
            to,
            advertisement,
        } => Some((*link, *to, advertisement)),
        _ => None,
    });
    all.collect()
}

/// How long until `timer` runs out, if effects start it.
pub fn timer_after(effects: &[Effect], timer: &Timer) -> Option<Duration> {
    effects.iter().find_map(|effect| match effect {
        Effect::SetTimer { timer: t, after } if t == timer => Some(*after),
        _ => None,
    })
}

pub fn refused_because(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify {
            notice: Notice::AttachRefused { why, .. },
        } => Some(why.as_str()),
        _ => None,
    })
}

pub fn ignored_because(effects: &[Effect]) -> Option<&str> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify {
            notice: Notice::MessageIgnored { reason, .. },
        } => Some(reason.as_str()),
        _ => None,
    })
}

pub fn profile(host: &str) -> Profile {
    Profile {
        mn_identifier: nai(host),
        lma: ip(LMA),
        home_network_prefixes: Vec::new(),
        managed: false,
        other: true,
        ipv4_home_address: None,
        ipv6: true,
        service_selection: None,
        domain: None,
        learn_addresses: true,
        simultaneous: false,
        mobility: true,
    }
}

pub fn solicits(link: HostLink) -> Event {
    let source = ip(HOST_LINK_LOCAL);
    let sign = Sign::RouterSolicitation { source };
    Event::HostSeen { link, sign }
}

pub fn admitted(link: HostLink, profile: Profile) -> Event {
    let profile = Some(profile);
    Event::Authenticated { link, profile }
}

/// The answer of an anchor to an update that a gateway sent: the update's options, `prefixes` in
/// the place of its own when it is accepted.
pub fn answer(update: &BindingUpdate, status: Status, prefixes: &[&str]) -> BindingAcknowledgement {
    let mut options = update.options.clone();
    if status.is_accepted() {
        options.retain(|option| !matches!(option, MobilityOption::HomeNetworkPrefix(_)));
        let given = prefixes.iter().map(|p| prefix(p));
        options.extend(given.map(MobilityOption::HomeNetworkPrefix));
    }
    BindingAcknowledgement {
        status,
        flags: AcknowledgementFlags::PROXY,
        sequence: update.sequence,
        lifetime: update.lifetime,
        options,
    }
}

pub fn answered(answer: BindingAcknowledgement) -> Event {
    message_event(LMA, MAG1, Message::BindingAcknowledgement(answer))
}

/// The one prefix that an acknowledgement gives.
pub fn given(effects: &[Effect]) -> HomeNetworkPrefix {
    match prefixes_of(&pba(effects).options).as_slice() {
        [prefix] => *prefix,
        other => panic!("not one prefix: {other:?}"),
    }
}
