//! Movement detection (RFC 6275 section 11.5.1): has the host changed links?
//!
//! A host that hears a router it does not know, announcing prefixes none of which it has, is on another
//! link. The same router with the same prefixes is the same link, whoever really sent it: that is what
//! every access gateway of a proxy mobility domain makes sure of.

use crate::advertisement::Heard;
use serde::Serialize;
use std::fmt;
use std::net::Ipv6Addr;
use wire::ether::MacAddr;

/// What an advertisement means for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The first router of this host.
    First,
    /// The link that the host was on.
    Same,
    /// The same prefixes from another router address or link-layer address.
    RouterChanged,
    /// The same router, and not all of the prefixes.
    PrefixesChanged,
    /// The router says that it serves this host no longer.
    Withdrawn,
    /// Another link: none of the prefixes is known.
    Moved,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first router",
            Self::Same => "same link",
            Self::RouterChanged => "same prefixes, another router",
            Self::PrefixesChanged => "same router, other prefixes",
            Self::Withdrawn => "the router serves us no longer",
            Self::Moved => "another link",
        })
    }
}

/// The link that the host believes itself on.
#[derive(Clone, Debug)]
struct Known {
    router: (Ipv6Addr, MacAddr),
    prefixes: Vec<(Ipv6Addr, u8)>,
}

/// What the host knows of its link.
#[derive(Clone, Debug, Default)]
pub struct Movement {
    known: Option<Known>,
}

impl Movement {
    /// Takes an advertisement and says what it means.
    pub fn on(&mut self, heard: &Heard) -> Change {
        if heard.router_lifetime == 0 {
            self.known = None;
            return Change::Withdrawn;
        }
        let mut prefixes: Vec<_> = heard
            .prefixes
            .iter()
            .filter(|prefix| prefix.valid > 0)
            .map(|prefix| (prefix.prefix, prefix.length))
            .collect();
        prefixes.sort_unstable();
        let router = (heard.router, heard.router_mac);
        let change = match &self.known {
            None => Change::First,
            Some(known) => {
                let same_router = known.router == router;
                if known.prefixes == prefixes {
                    if same_router {
                        Change::Same
                    } else {
                        Change::RouterChanged
                    }
                } else if same_router || prefixes.iter().any(|it| known.prefixes.contains(it)) {
                    Change::PrefixesChanged
                } else {
                    Change::Moved
                }
            }
        };
        self.known = Some(Known { router, prefixes });
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advertisement::Prefix;

    fn heard(router: &str, mac: u8, prefixes: &[&str]) -> Heard {
        Heard {
            router: router.parse().unwrap(),
            router_mac: MacAddr([2, 0, 0, 0, 0, mac]),
            destination: "ff02::1".parse().unwrap(),
            unicast: true,
            managed: false,
            other: false,
            home_agent: false,
            router_lifetime: 1800,
            prefixes: prefixes
                .iter()
                .map(|prefix| Prefix {
                    prefix: prefix.parse().unwrap(),
                    length: 64,
                    on_link: false,
                    valid: 3600,
                    preferred: 1800,
                })
                .collect(),
        }
    }

    #[test]
    fn a_domain_that_plays_the_home_link_looks_like_one_link() {
        let mut movement = Movement::default();
        let home = heard("fe80::1", 1, &["2001:db8:1::"]);
        assert_eq!(movement.on(&home), Change::First);
        assert_eq!(movement.on(&home), Change::Same);
    }

    #[test]
    fn each_difference_has_its_name() {
        let mut movement = Movement::default();
        movement.on(&heard("fe80::1", 1, &["2001:db8:1::"]));
        let another_mac = heard("fe80::1", 2, &["2001:db8:1::"]);
        assert_eq!(movement.on(&another_mac), Change::RouterChanged);
        let more = heard("fe80::1", 2, &["2001:db8:1::", "2001:db8:2::"]);
        assert_eq!(movement.on(&more), Change::PrefixesChanged);
        let elsewhere = heard("fe80::9", 9, &["2001:db8:9::"]);
        assert_eq!(movement.on(&elsewhere), Change::Moved);
        let mut goodbye = elsewhere.clone();
        goodbye.router_lifetime = 0;
        assert_eq!(movement.on(&goodbye), Change::Withdrawn);
        assert_eq!(movement.on(&elsewhere), Change::First);
    }

    #[test]
    fn the_order_of_prefixes_is_no_change() {
        let mut movement = Movement::default();
        movement.on(&heard("fe80::1", 1, &["2001:db8:1::", "2001:db8:2::"]));
        let turned = heard("fe80::1", 1, &["2001:db8:2::", "2001:db8:1::"]);
        assert_eq!(movement.on(&turned), Change::Same);
    }
}
