//! What a node answers to Node Information Queries (RFC 4620 sections 5 and 6), as a matter of its own
//! addresses and policy alone; [`information`](crate::information) asks and answers for it.
//!
//! | question | answer |
//! |---|---|
//! | from farther than is allowed, or not about us | none |
//! | NOOP | no data |
//! | name | ours, unless that is not told |
//! | IPv6 addresses | those that are asked for, preferred ones first, as many as fit |
//! | anything else | the question is not known |

use std::net::Ipv6Addr;
use wire::niq::{Answer, Flags, NiQuery, NiReply, Qtype, Subject};

/// Addresses that fit into an answer that every link carries whole: 1280 octets without the header and the
/// sixteen octets in front.
const MOST_ADDRESSES: usize = (1280 - 40 - 16) / 20;

/// Octets of one label of a name (RFC 1035 section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// An address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The address.
    pub address: Ipv6Addr,
    /// Index of its interface.
    pub interface: u32,
    /// Whether it is not to be used for what is new (RFC 4862 section 5.5.4).
    pub deprecated: bool,
}

/// From where questions are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// From the link alone.
    Link,
    /// From anywhere.
    Global,
}

/// What is told to whom.
#[derive(Clone, Debug)]
pub struct Policy {
    /// From where questions are answered.
    pub scope: Scope,
    /// Our name; none: it is not told.
    pub name: Option<String>,
    /// Whether our addresses are told.
    pub addresses: bool,
}

/// The answer to a question that came from there to an address of ours on `interface`; none: it is to
/// be left without one.
pub fn answer(
    query: &NiQuery,
    (from, to): (Ipv6Addr, Ipv6Addr),
    interface: u32,
    own: &[Own],
    policy: &Policy,
) -> Option<NiReply> {
    let near = from.is_unicast_link_local();
    let asker = !from.is_multicast() && !from.is_unspecified() && !from.is_loopback();
    if !asker || (policy.scope == Scope::Link && !near) {
        return None;
    }
    if !own.iter().any(|it| it.address == to) || !is_about_us(query, own, policy) {
        return None;
    }
    Some(match query.qtype {
        Qtype::NOOP => NiReply {
            flags: Flags::default(),
            ..query.reply(Answer::Other(Vec::new()))
        },
        Qtype::NODE_NAME => match policy.name.as_deref().and_then(dns) {
            Some(name) => query.reply(Answer::Other([&[0; 4][..], &name].concat())),
            None => query.reply(Answer::Refused),
        },
        Qtype::NODE_ADDRESSES if policy.addresses => addresses(query, interface, own),
        Qtype::NODE_ADDRESSES => query.reply(Answer::Refused),
        _ => query.reply(Answer::UnknownQtype),
    })
}

/// Whether a question is about this host (RFC 4620 section 5).
fn is_about_us(query: &NiQuery, own: &[Own], policy: &Policy) -> bool {
    match &query.subject {
        _ if query.qtype == Qtype::NOOP => true,
        Subject::Ipv6(address) => own.iter().any(|it| it.address == *address),
        Subject::Name(name) => {
            let ours = policy.name.as_deref().and_then(dns);
            ours.is_some_and(|ours| ours.eq_ignore_ascii_case(name))
        }
        Subject::Ipv4(_) => false,
    }
}

/// Our addresses, as far as they are asked for.
fn addresses(query: &NiQuery, interface: u32, own: &[Own]) -> NiReply {
    // Of all interfaces, or of the one that the subject is on.
    let all = query.flags.contains(Flags::ALL);
    let about = match query.subject {
        Subject::Ipv6(subject) if !subject.is_unicast_link_local() => {
            let found = own.iter().find(|it| it.address == subject);
            found.map_or(interface, |it| it.interface)
        }
        _ => interface,
    };
    let wanted = |it: &&Own| {
        let kind = kind(it.address);
        kind.is_some_and(|kind| query.flags.contains(kind)) && (all || it.interface == about)
    };
    let mut told: Vec<&Own> = own.iter().filter(wanted).collect();
    told.sort_by_key(|it| it.deprecated);
    let truncated = told.len() > MOST_ADDRESSES;
    let told = told.iter().take(MOST_ADDRESSES).map(|it| it.address);
    let mut reply = query.reply(Answer::Addresses(told.collect()));
    if truncated {
        reply.flags = reply.flags.with(Flags::TRUNCATED);
    }
    reply
}

/// By which flag an address is asked for; none: by no flag.
fn kind(address: Ipv6Addr) -> Option<Flags> {
    let [first, second, ..] = address.octets();
    let site_local = first == 0xfe && second & 0xc0 == 0xc0;
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        None
    } else if address.is_unicast_link_local() {
        Some(Flags::LINK_LOCAL)
    } else if site_local {
        Some(Flags::SITE_LOCAL)
    } else if address.to_ipv4().is_some() {
        Some(Flags::COMPATIBLE)
    } else {
        Some(Flags::GLOBAL)
    }
}

/// A name in DNS wire form; one of a single label is not complete and ends in two empty labels
/// (RFC 4620 section 6.2). None if it is no name.
pub fn dns(name: &str) -> Option<Vec<u8>> {
    let whole = name.strip_suffix('.').unwrap_or(name);
    let mut octets = Vec::with_capacity(whole.len() + 3);
    let mut labels = 0;
    for label in whole.split('.') {
        if label.is_empty() || label.len() > LONGEST_LABEL {
            return None;
        }
        octets.push(u8::try_from(label.len()).ok()?);
        octets.extend(label.as_bytes());
        labels += 1;
    }
    octets.push(0);
    if labels == 1 && whole.len() == name.len() {
        octets.push(0);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn own() -> Vec<Own> {
        let of = |address: &str, interface, deprecated| Own {
            address: ip(address),
            interface,
            deprecated,
        };
        vec![
            of("::1", 1, false),
            of("2001:db8:1::5", 2, true),
            of("2001:db8:2::5", 2, false),
            of("fe80::5", 2, false),
            of("2001:db8:9::5", 3, false),
        ]
    }

    fn policy() -> Policy {
        Policy {
            scope: Scope::Link,
            name: Some("mn".to_owned()),
            addresses: true,
        }
    }

    fn query(qtype: Qtype, flags: Flags) -> NiQuery {
        NiQuery {
            qtype,
            flags,
            nonce: [7; 8],
            subject: Subject::Ipv6(ip("fe80::5")),
        }
    }

    fn asked(query: &NiQuery, policy: &Policy) -> Option<NiReply> {
        answer(query, (ip("fe80::1"), ip("fe80::5")), 2, &own(), policy)
    }

    #[test]
    fn addresses_are_told_by_flag_and_preferred_ones_first() {
        let told = |flags| match asked(&query(Qtype::NODE_ADDRESSES, flags), &policy()) {
            Some(NiReply {
                answer: Answer::Addresses(addresses),
                ..
            }) => addresses,
            other => panic!("{other:?}"),
        };
        let global = [ip("2001:db8:2::5"), ip("2001:db8:1::5")];
        assert_eq!(told(Flags::GLOBAL), global);
        assert_eq!(told(Flags::LINK_LOCAL), [ip("fe80::5")]);
        assert_eq!(told(Flags::SITE_LOCAL), [] as [Ipv6Addr; 0]);
        let all = [
            ip("2001:db8:2::5"),
            ip("2001:db8:9::5"),
            ip("2001:db8:1::5"),
        ];
        assert_eq!(told(Flags::GLOBAL.with(Flags::ALL)), all);
    }

    #[test]
    fn an_answer_that_does_not_fit_says_so() {
        let many: Vec<Own> = (0..100)
            .map(|n| Own {
                address: Ipv6Addr::from_bits(ip("2001:db8::1").to_bits() + n),
                interface: 2,
                deprecated: false,
            })
            .chain(own())
            .collect();
        let query = query(Qtype::NODE_ADDRESSES, Flags::GLOBAL);
        let ends = (ip("fe80::1"), ip("fe80::5"));
        let reply = answer(&query, ends, 2, &many, &policy()).unwrap();
        assert!(reply.flags.contains(Flags::TRUNCATED));
        let Answer::Addresses(told) = reply.answer else {
            panic!("no addresses");
        };
        assert_eq!(told.len(), 61);
    }

    #[test]
    fn policy_says_who_is_answered_and_what_is_refused() {
        let asks = query(Qtype::NODE_ADDRESSES, Flags::GLOBAL);
        let mut quiet = policy();
        quiet.addresses = false;
        quiet.name = None;
        let refused = |query| asked(query, &quiet).map(|reply| reply.answer);
        assert_eq!(refused(&asks), Some(Answer::Refused));
        let name = query(Qtype::NODE_NAME, Flags::default());
        assert_eq!(refused(&name), Some(Answer::Refused));
        // From afar, from nobody, to an address that is not ours, about somebody else.
        let far = (ip("2001:db8::1"), ip("2001:db8:2::5"));
        assert_eq!(answer(&asks, far, 2, &own(), &policy()), None);
        let mut open = policy();
        open.scope = Scope::Global;
        assert!(answer(&asks, far, 2, &own(), &open).is_some());
        let nobody = (Ipv6Addr::UNSPECIFIED, ip("fe80::5"));
        assert_eq!(answer(&asks, nobody, 2, &own(), &open), None);
        let group = (ip("fe80::1"), ip("ff02::1"));
        assert_eq!(answer(&asks, group, 2, &own(), &policy()), None);
        let mut other = asks.clone();
        other.subject = Subject::Ipv6(ip("fe80::6"));
        assert_eq!(asked(&other, &policy()), None);
        other.subject = Subject::Ipv4([192, 0, 2, 1].into());
        assert_eq!(asked(&other, &policy()), None);
    }

    #[test]
    fn what_is_not_known_is_said_and_nothing_is_nothing() {
        let unknown = asked(&query(Qtype::IPV4_ADDRESSES, Flags::default()), &policy());
        assert_eq!(unknown.map(|it| it.answer), Some(Answer::UnknownQtype));
        let mut noop = query(Qtype::NOOP, Flags(0xffff));
        noop.subject = Subject::Name(Vec::new());
        let reply = asked(&noop, &policy()).unwrap();
        assert_eq!(reply.answer, Answer::Other(Vec::new()));
        assert_eq!(reply.flags, Flags::default());
    }

    #[test]
    fn names_are_told_in_dns_form() {
        let reply = asked(&query(Qtype::NODE_NAME, Flags::default()), &policy()).unwrap();
        assert_eq!(reply.answer, Answer::Other(b"\0\0\0\0\x02mn\0\0".to_vec()));
        assert_eq!(dns("a.example").unwrap(), b"\x01a\x07example\0");
        assert_eq!(dns("a.").unwrap(), b"\x01a\0");
        assert_eq!(
            (dns(""), dns("a..b"), dns(&"x".repeat(64))),
            (None, None, None)
        );
        let mut by_name = query(Qtype::NODE_ADDRESSES, Flags::GLOBAL);
        by_name.subject = Subject::Name(b"\x02MN\0\0".to_vec());
        assert!(asked(&by_name, &policy()).is_some());
    }
}
