//! What an Access-Accept or a change of authorisation says of a host, and what that comes to.

use roles::policy::{Ipv4HomeAddress, Profile};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// What attributes say of a host; `None` and empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// User-Name: who it is for accounting (RFC 2865 section 5.1).
    pub user_name: Option<String>,
    /// Mobile-Node-Identifier (RFC 6572 section 4.2).
    pub mn_identifier: Option<String>,
    /// PMIP6-Home-LMA-IPv6-Address, else PMIP6-Visited-LMA-IPv6-Address.
    pub lma: Option<Ipv6Addr>,
    /// PMIP6-Home-HN-Prefix, else PMIP6-Visited-HN-Prefix.
    pub prefixes: Vec<HomeNetworkPrefix>,
    /// PMIP6-Home-IPv4-HoA, else PMIP6-Visited-IPv4-HoA.
    pub ipv4: Option<Ipv4HomeAddress>,
    /// Service-Selection (RFC 6572 section 4.3).
    pub service_selection: Option<String>,
    /// A DHCPv6 server is named: the home link hands out addresses by DHCPv6.
    pub dhcpv6: bool,
    /// Session-Timeout.
    pub session_timeout: Option<Duration>,
    /// Termination-Action: whether to ask again at the end of Session-Timeout.
    pub ask_again: Option<bool>,
    /// Idle-Timeout.
    pub idle_timeout: Option<Duration>,
    /// Acct-Interim-Interval (RFC 2869 section 5.16); zero: none.
    pub interim_interval: Option<Duration>,
    /// Class, which accounting repeats.
    pub class: Vec<Vec<u8>>,
    /// Chargeable-User-Identity, which accounting repeats (RFC 4372).
    pub chargeable: Option<Vec<u8>>,
    /// State, which the next question repeats.
    pub state: Option<Vec<u8>>,
}

/// What the configuration says where AAA says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The LMA (S1-21).
    pub lma: Option<Ipv6Addr>,
    /// MAAR: whom hosts are registered with. They are anchored wherever they are (RFC 8885), so that
    /// nobody names their anchor or prefixes.
    pub roaming: Option<Ipv6Addr>,
    /// M flag of home links.
    pub managed: bool,
    /// O flag of home links.
    pub other: bool,
    /// Time between interim records; zero: none.
    pub interim_interval: Duration,
}

/// The terms on which a host is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Its name in accounting.
    pub user_name: String,
    /// Longest time of service.
    pub session_timeout: Option<Duration>,
    /// Whether to ask again at its end; else the session ends.
    pub ask_again: bool,
    /// Longest time without a packet.
    pub idle_timeout: Option<Duration>,
    /// Time between interim records.
    pub interim_interval: Option<Duration>,
    /// What accounting repeats.
    pub class: Vec<Vec<u8>>,
    /// What accounting repeats of who pays.
    pub chargeable: Option<Vec<u8>>,
    /// What the next question repeats.
    pub state: Option<Vec<u8>>,
    /// Whether it is anchored wherever it is, so that nobody names its anchor or prefixes.
    pub roaming: bool,
    /// Whether the next question is about the authorisation alone (RFC 5176 section 3.2).
    pub authorize_only: bool,
}

/// That a host may attach: with what, and on what terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What the role is told.
    pub profile: Profile,
    /// What control itself goes by.
    pub terms: Terms,
}

/// The least interim interval; shorter ones would be a load and nothing else (RFC 2869 section 2.1).
const LEAST_INTERIM: Duration = Duration::from_secs(60);

impl Authorization {
    /// What an Access-Accept comes to for a host that was asked about as `user_name`; `None` when
    /// nobody names an LMA.
    pub fn grant(&self, user_name: &str, defaults: &Defaults) -> Option<Grant> {
        let interim = match self.interim_interval {
            Some(given) if !given.is_zero() => given.max(LEAST_INTERIM),
            Some(none) => none,
            None => defaults.interim_interval,
        };
        let known_as = self.user_name.as_deref().unwrap_or(user_name);
        let identifier = self.mn_identifier.as_deref().unwrap_or(known_as);
        let none = Self::default();
        let home = match defaults.roaming {
            Some(_) => &none,
            None => self,
        };
        Some(Grant {
            profile: Profile {
                mn_identifier: MnIdentifier::Nai(identifier.to_owned()),
                lma: defaults.roaming.or(home.lma).or(defaults.lma)?,
                home_network_prefixes: home.prefixes.clone(),
                managed: defaults.managed || self.dhcpv6,
                other: defaults.other,
                learn_addresses: true,
                simultaneous: false,
                mobility: true,
                ipv4_home_address: home.ipv4,
                ipv6: true,
                service_selection: home.service_selection.clone(),
                domain: None,
            },
            terms: Terms {
                user_name: known_as.to_owned(),
                session_timeout: self.session_timeout,
                ask_again: self.ask_again.unwrap_or(false),
                idle_timeout: self.idle_timeout,
                interim_interval: (!interim.is_zero()).then_some(interim),
                class: self.class.clone(),
                chargeable: self.chargeable.clone(),
                state: self.state.clone(),
                roaming: defaults.roaming.is_some(),
                authorize_only: false,
            },
        })
    }

    /// A grant with what this says in the place of what was so (RFC 5176 section 2.2).
    pub fn change(&self, grant: &Grant) -> Grant {
        let mut changed = grant.clone();
        let profile = &mut changed.profile;
        if let Some(identifier) = &self.mn_identifier {
            profile.mn_identifier = MnIdentifier::Nai(identifier.clone());
        }
        profile.managed |= self.dhcpv6;
        if !grant.terms.roaming {
            self.change_home(profile);
        }
        let terms = &mut changed.terms;
        terms.session_timeout = self.session_timeout.or(terms.session_timeout);
        terms.ask_again = self.ask_again.unwrap_or(terms.ask_again);
        terms.idle_timeout = self.idle_timeout.or(terms.idle_timeout);
        if let Some(given) = self.interim_interval {
            terms.interim_interval = (!given.is_zero()).then(|| given.max(LEAST_INTERIM));
        }
        if !self.class.is_empty() {
            terms.class.clone_from(&self.class);
        }
        changed
    }
}

impl Authorization {
    /// What is otherwise about where a host is anchored.
    fn change_home(&self, profile: &mut Profile) {
        profile.lma = self.lma.unwrap_or(profile.lma);
        if !self.prefixes.is_empty() {
            profile.home_network_prefixes.clone_from(&self.prefixes);
        }
        profile.ipv4_home_address = self.ipv4.or(profile.ipv4_home_address);
        if self.service_selection.is_some() {
            profile
                .service_selection
                .clone_from(&self.service_selection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Defaults {
        Defaults {
            lma: Some("2001:db8:c::1".parse().expect("an address")),
            roaming: None,
            managed: false,
            other: true,
            interim_interval: Duration::from_secs(600),
        }
    }

    /// Proves S1-21.
    #[test]
    fn the_anchor_is_that_of_the_answer_or_that_of_the_configuration() {
        let silent = Authorization::default();
        let granted = silent.grant("mn", &defaults()).expect("granted");
        assert_eq!(Some(granted.profile.lma), defaults().lma);
        let lma = Some("2001:db8:d::1".parse().expect("an address"));
        let named = Authorization {
            lma,
            ..silent.clone()
        };
        let granted = named.grant("mn", &defaults()).expect("granted");
        assert_eq!(Some(granted.profile.lma), lma);
        let nobody = Defaults {
            lma: None,
            ..defaults()
        };
        assert_eq!(silent.grant("mn", &nobody), None);
        assert!(named.grant("mn", &nobody).is_some());
    }

    /// Proves S2-04.
    #[test]
    fn nobody_names_the_anchor_of_a_host_that_roams() {
        let maar = Defaults {
            lma: None,
            roaming: Some("2001:db8:c::2c".parse().expect("an address")),
            ..defaults()
        };
        let answer = Authorization {
            lma: Some("2001:db8:d::1".parse().expect("an address")),
            prefixes: vec!["2001:db8:7::/64".parse().expect("a prefix")],
            ..Authorization::default()
        };
        let granted = answer.grant("mn", &maar).expect("granted");
        assert_eq!(Some(granted.profile.lma), maar.roaming);
        assert_eq!(granted.profile.home_network_prefixes, []);
        assert_eq!(answer.change(&granted), granted);
    }

    #[test]
    fn the_answer_names_the_host_or_it_keeps_the_name_it_was_asked_by() {
        let mut answer = Authorization::default();
        let named = |answer: &Authorization| {
            let grant = answer.grant("asked", &defaults()).expect("granted");
            (
                grant.profile.mn_identifier.to_string(),
                grant.terms.user_name,
            )
        };
        assert_eq!(named(&answer), ("asked".to_owned(), "asked".to_owned()));
        answer.user_name = Some("user".to_owned());
        assert_eq!(named(&answer), ("user".to_owned(), "user".to_owned()));
        answer.mn_identifier = Some("mn".to_owned());
        assert_eq!(named(&answer), ("mn".to_owned(), "user".to_owned()));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let first = Authorization {
            session_timeout: Some(Duration::from_secs(100)),
            class: vec![b"gold".to_vec()],
            ..Authorization::default()
        };
        let granted = first.grant("mn", &defaults()).expect("granted");
        assert_eq!(Authorization::default().change(&granted), granted);
        let change = Authorization {
            interim_interval: Some(Duration::from_secs(1)),
            session_timeout: Some(Duration::from_secs(7)),
            ..Authorization::default()
        };
        let changed = change.change(&granted).terms;
        assert_eq!(changed.session_timeout, Some(Duration::from_secs(7)));
        assert_eq!(changed.interim_interval, Some(LEAST_INTERIM));
        assert_eq!(changed.class, granted.terms.class);
    }
}
