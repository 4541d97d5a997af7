//! What a Proxy Binding Update asks for, and whether its sender may (RFC 5213 section 5.3.1).

use super::config::{over_ipv4, GrePolicy, LmaConfig};
use super::lookup::concerned;
use super::Lma;
use crate::domain::DomainName;
use crate::effect::{Encapsulation, GreKeys};
use crate::message::{can_answer, ProxyOptions};
use crate::ordering::Sent;
use crate::pool::Interface;
use crate::signalling::confirmation;
use crate::{ordering, Now, SignallingProfile};
use std::net::Ipv6Addr;
use wire::mh::{
    AccessTechnology, BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Ipv4HomeAddress,
    Lifetime, MnIdentifier, Status, UpdateFlags,
};

/// An update that has all its mandatory options.
pub(super) struct Request<'a> {
    /// As it came.
    pub(super) received: &'a Received<'a>,
    pub(super) mn_identifier: &'a MnIdentifier,
    /// The prefixes that are asked for by value, sorted.
    pub(super) named: Vec<HomeNetworkPrefix>,
    /// Whether it is about home network prefixes at all.
    pub(super) ipv6: bool,
    /// The prefixes that are delegated, by value; none: those that there are. `None`: it is not about
    /// any, or none can be (RFC 7148 section 5.2.2).
    pub(super) delegated: Option<Vec<HomeNetworkPrefix>>,
    /// Whether it only asks for what there is (draft section 9.1).
    pub(super) confirms: bool,
    /// The IPv4 home address that is asked for; unspecified: any.
    pub(super) ipv4: Option<Ipv4HomeAddress>,
    pub(super) handoff: HandoffIndicator,
    pub(super) access_technology: AccessTechnology,
    /// `None` also when it is all zero (RFC 5213 section 5.1).
    pub(super) link_layer: Option<&'a [u8]>,
    pub(super) care_of: Ipv6Addr,
    pub(super) lifetime: Lifetime,
    /// How packets are to go there.
    pub(super) carried: Carried,
    /// The domain that it is about.
    pub(super) domain: Option<DomainName>,
}

/// What an update asks for around inner packets, as far as it gets it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// Nothing.
    Plain,
    /// UDP.
    Udp,
    /// GRE, with this downlink key or without keys.
    Gre(Option<u32>),
}

impl Carried {
    /// With the uplink key that a session has as long as it lasts, restarts included.
    pub(super) const fn of(self, key: u32) -> Encapsulation {
        match self {
            Self::Plain => Encapsulation::Plain,
            Self::Udp => Encapsulation::Udp,
            Self::Gre(None) => Encapsulation::Gre { keys: None },
            Self::Gre(Some(send)) => Encapsulation::Gre {
                keys: Some(GreKeys { send, receive: key }),
            },
        }
    }
}

impl Request<'_> {
    /// The interface that it is about, to whoever gives out prefixes.
    pub(super) fn interface(&self) -> Interface {
        Interface::of(self.link_layer)
    }

    pub(super) fn is_deregistration(&self) -> bool {
        self.lifetime == Lifetime::ZERO
    }

    /// Whether the gateway has seen the host come, however: all but a refresh.
    pub(super) fn is_attachment(&self) -> bool {
        self.handoff != HandoffIndicator::NOT_CHANGED
    }
}

/// An update as it came, with what its answer needs.
pub(super) struct Received<'a> {
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) update: &'a BindingUpdate,
    pub(super) options: ProxyOptions<'a>,
    /// The form that it has.
    pub(super) form: SignallingProfile,
}

impl<'a> Received<'a> {
    /// The configuration says which form may come besides RFC 5213's.
    pub(super) fn read(
        from: Ipv6Addr,
        to: Ipv6Addr,
        update: &'a BindingUpdate,
        config: &LmaConfig,
    ) -> Self {
        let understood = config.profile;
        let mut options = ProxyOptions::read(&update.options);
        if let (SignallingProfile::Draft, own @ Some(_)) = (understood, config.confirmation_option)
        {
            options.confirms |= update.options.contains(&confirmation(own));
        }
        let drafted = options.confirms || !options.home_addresses.is_empty();
        let drafted = drafted && options.prefixes.is_empty();
        let form = match understood {
            SignallingProfile::Draft if drafted => SignallingProfile::Draft,
            _ => SignallingProfile::Rfc,
        };
        if form == SignallingProfile::Draft {
            options.understand_draft();
        }
        Self {
            from,
            to,
            update,
            options,
            form,
        }
    }
}

/// Whether an update has to be newer than the last accepted one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It has just come.
    Check,
    /// It was checked when it came, and waited since.
    Checked,
}

impl Lma {
    /// The checks of section 5.3.1, in its order.
    pub(super) fn check<'a>(
        &self,
        now: Now,
        received: &'a Received<'a>,
        order: Order,
    ) -> Result<Request<'a>, Status> {
        let options = &received.options;
        let mn_identifier = options.identified()?;
        let care_of = options.alternate_care_of.unwrap_or(received.from);
        let known = |address| self.admission.knows_mag(address);
        if !known(received.from) || !known(care_of) || !can_answer(care_of) {
            return Err(Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
        }
        // A tunnel has two ends of one family.
        if over_ipv4(care_of) != over_ipv4(received.to) {
            return Err(Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
        }
        self.admission.admits(mn_identifier)?;
        if options.repeated {
            return Err(Status::UNSPECIFIED);
        }
        let domain = self.domain_of(mn_identifier, received)?;
        if order == Order::Check {
            self.check_order(now, received, (mn_identifier, domain), care_of)?;
        }
        let ipv6 = !options.prefixes.is_empty() || options.confirms;
        let ipv4 = options.ipv4_request;
        if !ipv6 && ipv4.is_none() {
            return Err(Status::MISSING_HOME_NETWORK_PREFIX_OPTION);
        }
        self.admission
            .admits_families(mn_identifier, ipv6, ipv4.is_some())?;
        if ipv6 && domain.is_some() {
            return Err(Status::NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE);
        }
        if ipv4.is_some() && !self.domains.addresses(domain).are_there() {
            return Err(Status::NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE);
        }
        if options.many_ipv4_requests {
            return Err(Status::MULTIPLE_IPV4_HOME_ADDRESSES_NOT_SUPPORTED);
        }
        // The draft has neither of the two.
        let drafted = received.form == SignallingProfile::Draft;
        let handoff = Some(HandoffIndicator::UNKNOWN).filter(|_| drafted);
        let access_technology = Some(AccessTechnology(0)).filter(|_| drafted);
        let carried = self.carried(received, domain)?;
        Ok(Request {
            received,
            mn_identifier,
            carried,
            domain,
            named: options.named_prefixes(),
            ipv6,
            delegated: options
                .delegated
                .clone()
                .filter(|_| self.delegations.are_there() && domain.is_none()),
            confirms: options.confirms,
            ipv4,
            handoff: options
                .handoff
                .or(handoff)
                .ok_or(Status::MISSING_HANDOFF_INDICATOR_OPTION)?,
            access_technology: options
                .access_technology
                .or(access_technology)
                .ok_or(Status::MISSING_ACCESS_TECH_TYPE_OPTION)?,
            link_layer: options.told_link_layer(),
            care_of,
            lifetime: received.update.lifetime,
        })
    }

    /// What goes around inner packets (RFC 5844 section 4.1.3.1, RFC 5845 section 5.2).
    fn carried(
        &self,
        received: &Received<'_>,
        domain: Option<DomainName>,
    ) -> Result<Carried, Status> {
        let update = received.update;
        let ends = update.lifetime == Lifetime::ZERO;
        // A domain's packets are told from others' by their key alone.
        if domain.is_some() && !ends && !matches!(received.options.gre, Some(Some(_))) {
            return Err(Status::GRE_KEY_OPTION_REQUIRED);
        }
        let forced = update.flags.contains(UpdateFlags::FORCE_UDP) && over_ipv4(received.to);
        match (received.options.gre, self.config.gre) {
            (None, GrePolicy::Required) if !ends => Err(Status::GRE_KEY_OPTION_REQUIRED),
            (Some(key), GrePolicy::Accepted | GrePolicy::Required) => Ok(Carried::Gre(key)),
            _ if forced && !self.config.accept_forced_udp => {
                Err(Status::ADMINISTRATIVELY_PROHIBITED)
            }
            _ if forced => Ok(Carried::Udp),
            _ => Ok(Carried::Plain),
        }
    }

    /// Whether the update is newer than what was accepted before (section 5.5).
    fn check_order(
        &self,
        now: Now,
        received: &Received<'_>,
        host: (&MnIdentifier, Option<DomainName>),
        care_of: Ipv6Addr,
    ) -> Result<(), Status> {
        let entry = concerned(&self.cache, host, care_of, &received.options);
        let last = entry.map(|entry| Sent {
            sequence: entry.sequence,
            timestamp: entry.timestamp,
        });
        let sent = Sent::read(received.update, &received.options);
        ordering::check(now, self.config.timestamp_window, last, sent)
    }
}
