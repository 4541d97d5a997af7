//! The DHCPv4 relay agent of a gateway (RFC 2131, RFC 3046, RFC 5844 section 3.4.2), for hosts whose
//! anchor says that a server of the domain leases.
//!
//! ```text
//!   host ── REQUEST ──► to_server   giaddr: ours on the core
//!                         │         82: home network (link selection), home address (remote id), link,
//!                         ▼             domain (virtual subnet selection, RFC 6607)
//!                       servers of its domain, each of them
//!                         │
//!   host ◄── ACK ───── to_host      only of the home address; router, mask and MTU are the binding's
//! ```
//!
//! A lease follows its host, for to the server all gateways ask for the same network, and to the host all
//! of them are the same server: the identifier that it is told is the one of the access links, so its
//! renewals come to the gateway that it is behind. The server's own is put back where a client names it,
//! which it does only right after an offer (RFC 2131 section 4.3.2); nothing else has to be remembered.

use hashbrown::HashMap;
use roles::domain::DomainName;
use roles::effect::Ipv4Service;
use roles::event::HostLink;
use std::net::Ipv4Addr;
use wire::dhcpv4::{code, kind, op, relay, Message};
use wire::ether::MacAddr;

/// How the virtual subnet selection sub-option names a network: in ASCII (RFC 6607 section 3.5).
const BY_NAME: u8 = 0;

/// Relay agents that a message may come through (RFC 1542 section 4.1.1).
const MOST_HOPS: u8 = 16;

/// How a relay agent is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our address on the core: where servers answer to.
    pub address: Ipv4Addr,
    /// The servers. Each hears of every message.
    pub servers: Vec<Ipv4Addr>,
    /// Servers for hosts on links of domains, in the place of those: networks of domains may have the same
    /// addresses, which few servers can tell apart.
    pub domains: Vec<(DomainName, Vec<Ipv4Addr>)>,
}

impl Settings {
    /// The servers for hosts of a domain, or of the common network.
    pub fn servers(&self, domain: Option<DomainName>) -> &[Ipv4Addr] {
        let own = self.domains.iter().find(|(name, _)| Some(*name) == domain);
        own.map_or(&self.servers, |(_, servers)| servers)
    }

    /// Whether it is a server of any.
    pub fn knows(&self, server: Ipv4Addr) -> bool {
        let mut domains = self.domains.iter();
        self.servers.contains(&server) || domains.any(|(_, servers)| servers.contains(&server))
    }
}

/// Why a message goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no client's, or claims to have come through a relay agent, or is no server's answer.
    NotForUs,
    /// The host chose a server that none of its offers came from.
    OtherServer,
    /// It is about an address that is not the host's home address.
    Mismatch,
}

/// A relay agent.
#[derive(Debug)]
pub struct Relay {
    settings: Settings,
    /// The servers whose offers hosts have: what their identifiers are, for the answer to an offer.
    offers: HashMap<HostLink, Ipv4Addr>,
}

impl Relay {
    /// A relay agent with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            offers: HashMap::new(),
        }
    }

    /// Its settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A host is no longer served.
    pub fn forget(&mut self, link: HostLink) {
        self.offers.remove(&link);
    }

    /// The message of a served host as servers get it. `identifier` is what the host knows as its server,
    /// `domain` that of its link.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn to_server(
        &self,
        host: HostLink,
        service: &Ipv4Service,
        (identifier, domain): (Ipv4Addr, Option<DomainName>),
        message: &Message,
    ) -> Result<Message, Refused> {
        // What has option 82 or a relay agent's address before it came to one is forged (RFC 3046
        // section 2.1).
        let forged = message.option(code::RELAY_AGENT).is_some() || !message.relay.is_unspecified();
        if message.op != op::REQUEST || message.mac != host.mac || forged {
            return Err(Refused::NotForUs);
        }
        let kind = message.kind().ok_or(Refused::NotForUs)?;
        let has = Some(message.client).filter(|client| !client.is_unspecified());
        let asked = has.or(message.address(code::REQUESTED_ADDRESS));
        let other = asked.is_some_and(|asked| asked != service.address);
        match kind {
            // A wish, not a claim: the server knows better.
            kind::DISCOVER => {}
            kind::REQUEST | kind::DECLINE | kind::RELEASE | kind::INFORM if other => {
                return Err(Refused::Mismatch);
            }
            kind::REQUEST | kind::DECLINE | kind::RELEASE | kind::INFORM => {}
            _ => return Err(Refused::NotForUs),
        }
        let mut relayed = message.clone();
        if let Some(chosen) = message.address(code::SERVER_IDENTIFIER) {
            let real = self.offers.get(&host).filter(|_| chosen == identifier);
            match (real, kind) {
                (Some(real), _) => relayed.set(code::SERVER_IDENTIFIER, real.octets()),
                // The server knows its client by its lease; behind another gateway than that of the
                // offer there is nobody to name.
                (None, kind::RELEASE | kind::DECLINE) if chosen == identifier => {
                    relayed.remove(code::SERVER_IDENTIFIER);
                }
                (None, _) => return Err(Refused::OtherServer),
            }
        }
        relayed.hops = message.hops.saturating_add(1);
        if relayed.hops > MOST_HOPS {
            return Err(Refused::NotForUs);
        }
        relayed.relay = self.settings.address;
        let mut agent = Vec::with_capacity(64);
        let MacAddr(mac) = host.mac;
        let circuit = [&host.interface.to_be_bytes()[..], &mac].concat();
        let network = domain.map(|domain| [&[BY_NAME], domain.as_str().as_bytes()].concat());
        let mut says = vec![
            (relay::CIRCUIT_ID, circuit),
            (relay::REMOTE_ID, service.address.octets().to_vec()),
            (relay::LINK_SELECTION, service.router.octets().to_vec()),
        ];
        if let Some(network) = network {
            says.push((relay::VIRTUAL_SUBNET, network));
            says.push((relay::VIRTUAL_SUBNET_CONTROL, Vec::new()));
        }
        for (sub_option, data) in says {
            agent.extend([sub_option, u8::try_from(data.len()).unwrap_or(u8::MAX)]);
            agent.extend(data);
        }
        relayed.put(code::RELAY_AGENT, agent);
        Ok(relayed)
    }

    /// The host that a server's message is for, as the circuit says that it was asked from.
    pub fn addressee(message: &Message) -> Option<HostLink> {
        let mut rest = message.option(code::RELAY_AGENT)?;
        loop {
            let [sub_option, length, behind @ ..] = rest else {
                return None;
            };
            let (data, behind) = behind.split_at_checked(usize::from(*length))?;
            if *sub_option == relay::CIRCUIT_ID {
                let circuit: &[u8; 8] = data.try_into().ok()?;
                let [a, b, mac @ ..] = *circuit;
                return Some(HostLink {
                    interface: u16::from_be_bytes([a, b]),
                    mac: MacAddr(mac),
                });
            }
            rest = behind;
        }
    }

    /// A server's message as its host gets it: with the server identifier of the access links, with the
    /// network that the host's binding has, and without what tells where the host is.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn to_host(
        &mut self,
        host: HostLink,
        service: &Ipv4Service,
        (identifier, mtu): (Ipv4Addr, u16),
        message: &Message,
    ) -> Result<Message, Refused> {
        let ours = message.relay == self.settings.address;
        if message.op != op::REPLY || message.mac != host.mac || !ours {
            return Err(Refused::NotForUs);
        }
        let kind = message.kind().ok_or(Refused::NotForUs)?;
        // The answer to INFORM gives no address.
        let informs = kind == kind::ACK && message.given.is_unspecified();
        match kind {
            kind::OFFER | kind::ACK if message.given != service.address && !informs => {
                return Err(Refused::Mismatch);
            }
            kind::OFFER | kind::ACK | kind::NAK => {}
            _ => return Err(Refused::NotForUs),
        }
        let server = message.address(code::SERVER_IDENTIFIER);
        let server = server.ok_or(Refused::NotForUs)?;
        if kind == kind::OFFER {
            self.offers.insert(host, server);
        }
        let mut answer = message.clone();
        answer.remove(code::RELAY_AGENT);
        answer.hops = 0;
        answer.relay = Ipv4Addr::UNSPECIFIED;
        answer.set(code::SERVER_IDENTIFIER, identifier.octets());
        if kind == kind::NAK {
            answer.broadcast = true;
        } else {
            super::network(&mut answer, service, mtu);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mh::DhcpMode;

    const HOST: HostLink = HostLink {
        interface: 1,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
    };
    const HOME: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);
    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 8);
    const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
    const IDENTIFIER: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
    const SERVICE: Ipv4Service = Ipv4Service {
        address: HOME,
        prefix_length: 16,
        router: ROUTER,
        dhcp: DhcpMode::Relay,
    };

    fn relay() -> Relay {
        Relay::new(Settings {
            address: OURS,
            servers: vec![SERVER],
            domains: Vec::new(),
        })
    }

    fn message(op: u8, kind: u8) -> Message {
        Message {
            op,
            hops: 0,
            xid: 7,
            secs: 3,
            broadcast: false,
            client: Ipv4Addr::UNSPECIFIED,
            given: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            mac: HOST.mac,
            names: Vec::new(),
            options: vec![(code::MESSAGE_TYPE, vec![kind])],
        }
    }

    fn to_server(relay: &Relay, message: &Message) -> Result<Message, Refused> {
        relay.to_server(HOST, &SERVICE, (IDENTIFIER, None), message)
    }

    /// A server's answer to what was relayed.
    fn answered(relayed: &Message, kind: u8, given: Ipv4Addr) -> Message {
        let mut answer = message(op::REPLY, kind);
        answer.given = given;
        answer.relay = relayed.relay;
        answer.put(code::SERVER_IDENTIFIER, SERVER.octets());
        answer.put(code::ROUTER, OTHER.octets());
        let agent = relayed.option(code::RELAY_AGENT).unwrap();
        answer.put(code::RELAY_AGENT, agent);
        answer
    }

    /// Hosts of two domains may have the same network: what is asked says whose is meant, and who is asked.
    #[test]
    fn a_question_from_a_domain_names_it_and_goes_to_its_servers() {
        let red: DomainName = "red".parse().unwrap();
        let blue: DomainName = "blue".parse().unwrap();
        let settings = Settings {
            domains: vec![(red, vec![OTHER])],
            ..relay().settings
        };
        assert_eq!(settings.servers(Some(red)), [OTHER]);
        assert_eq!(settings.servers(Some(blue)), [SERVER]);
        assert_eq!(settings.servers(None), [SERVER]);
        assert!(settings.knows(SERVER) && settings.knows(OTHER) && !settings.knows(OURS));
        let asks = message(op::REQUEST, kind::DISCOVER);
        let told = (IDENTIFIER, Some(red));
        let relayed = relay().to_server(HOST, &SERVICE, told, &asks).unwrap();
        let agent = relayed.option(code::RELAY_AGENT).unwrap();
        assert!(agent.ends_with(&[151, 4, 0, b'r', b'e', b'd', 152, 0]));
        assert_eq!(Relay::addressee(&relayed), Some(HOST));
    }

    #[test]
    fn a_question_names_the_home_network_and_comes_back_to_its_host() {
        let mut relay = relay();
        let relayed = to_server(&relay, &message(op::REQUEST, kind::DISCOVER)).unwrap();
        assert_eq!((relayed.hops, relayed.relay, relayed.secs), (1, OURS, 3));
        let expected = [
            &[1, 8, 0, 1, 2, 0, 0, 0, 0, 1, 2, 4, 10, 1, 0, 7, 5, 4][..],
            &ROUTER.octets(),
        ];
        let agent = relayed.option(code::RELAY_AGENT);
        assert_eq!(agent, Some(&expected.concat()[..]));
        let offer = answered(&relayed, kind::OFFER, HOME);
        assert_eq!(Relay::addressee(&offer), Some(HOST));
        let told = relay.to_host(HOST, &SERVICE, (IDENTIFIER, 1460), &offer);
        let told = told.unwrap();
        assert_eq!((told.given, told.relay), (HOME, Ipv4Addr::UNSPECIFIED));
        assert_eq!(told.option(code::RELAY_AGENT), None);
        assert_eq!(told.address(code::SERVER_IDENTIFIER), Some(IDENTIFIER));
        assert_eq!(told.address(code::ROUTER), Some(ROUTER));
        assert_eq!(told.option(code::MTU), Some(&1460_u16.to_be_bytes()[..]));
        // The host chooses what it was told; its server hears its own name.
        let mut chosen = message(op::REQUEST, kind::REQUEST);
        chosen.put(code::REQUESTED_ADDRESS, HOME.octets());
        chosen.put(code::SERVER_IDENTIFIER, IDENTIFIER.octets());
        let relayed = to_server(&relay, &chosen).unwrap();
        assert_eq!(relayed.address(code::SERVER_IDENTIFIER), Some(SERVER));
        // Behind another gateway there was no offer.
        relay.forget(HOST);
        assert_eq!(to_server(&relay, &chosen), Err(Refused::OtherServer));
        let mut renewal = message(op::REQUEST, kind::REQUEST);
        renewal.client = HOME;
        assert!(to_server(&relay, &renewal).is_ok());
        let mut release = renewal;
        release.options = vec![(code::MESSAGE_TYPE, vec![kind::RELEASE])];
        release.put(code::SERVER_IDENTIFIER, IDENTIFIER.octets());
        let relayed = to_server(&relay, &release).unwrap();
        assert_eq!(relayed.address(code::SERVER_IDENTIFIER), None);
    }

    #[test]
    fn another_address_than_the_hosts_is_neither_asked_for_nor_given() {
        let mut relay = relay();
        let mut other = message(op::REQUEST, kind::REQUEST);
        other.put(code::REQUESTED_ADDRESS, OTHER.octets());
        assert_eq!(to_server(&relay, &other), Err(Refused::Mismatch));
        let relayed = to_server(&relay, &message(op::REQUEST, kind::DISCOVER)).unwrap();
        for kind in [kind::OFFER, kind::ACK] {
            let answer = answered(&relayed, kind, OTHER);
            let told = relay.to_host(HOST, &SERVICE, (IDENTIFIER, 1460), &answer);
            assert_eq!(told, Err(Refused::Mismatch));
        }
        let refusal = answered(&relayed, kind::NAK, Ipv4Addr::UNSPECIFIED);
        let told = relay.to_host(HOST, &SERVICE, (IDENTIFIER, 1460), &refusal);
        assert!(told.is_ok_and(|told| told.broadcast && told.option(code::MTU).is_none()));
    }

    #[test]
    fn what_is_no_clients_and_what_is_no_servers_is_refused() {
        let mut relay = relay();
        let discover = message(op::REQUEST, kind::DISCOVER);
        let mut forged = discover.clone();
        forged.put(code::RELAY_AGENT, [1, 1, 7]);
        let mut relayed = discover.clone();
        relayed.relay = OTHER;
        let mut far = discover.clone();
        far.hops = MOST_HOPS;
        let mut stranger = discover.clone();
        stranger.mac = MacAddr([2, 0, 0, 0, 0, 9]);
        let reply = message(op::REPLY, kind::OFFER);
        let none = message(op::REQUEST, kind::OFFER);
        for wrong in [forged, relayed, far, stranger, reply, none] {
            assert_eq!(to_server(&relay, &wrong), Err(Refused::NotForUs));
        }
        let asked = to_server(&relay, &discover).unwrap();
        let good = answered(&asked, kind::OFFER, HOME);
        let mut elsewhere = good.clone();
        elsewhere.relay = OTHER;
        let mut nameless = good.clone();
        nameless.remove(code::SERVER_IDENTIFIER);
        let mut request = good.clone();
        request.op = op::REQUEST;
        let mut of_nothing = good.clone();
        of_nothing.set(code::MESSAGE_TYPE, [kind::DECLINE]);
        for wrong in [elsewhere, nameless, request, of_nothing] {
            let told = relay.to_host(HOST, &SERVICE, (IDENTIFIER, 1460), &wrong);
            assert_eq!(told, Err(Refused::NotForUs));
        }
        let mut broken = good;
        for agent in [vec![], vec![1], vec![1, 9, 0], vec![2, 1, 0], vec![1, 1, 0]] {
            broken.set(code::RELAY_AGENT, agent);
            assert_eq!(Relay::addressee(&broken), None);
        }
    }
}
