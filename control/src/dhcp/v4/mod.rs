//! The DHCPv4 server of a gateway (RFC 2131, RFC 5844 section 3.4.1).
//!
//! It has one address for each host, the IPv4 home address that the host's anchor gave it, and a lease
//! is nothing but the promise to go on with that: there is nothing to remember, and every gateway
//! answers the same. Who is not served is not answered.
//!
//! | message | answer |
//! |---|---|
//! | DISCOVER | OFFER of the home address |
//! | REQUEST for it, from wherever it was leased | ACK |
//! | REQUEST for another | NAK; but nothing when another server was chosen |
//! | INFORM from it | ACK without lease |
//! | DECLINE, RELEASE | none; the address stays the host's |
//!
//! Where the anchor wants a server of the domain to lease, [`relay`] stands in its place.

pub mod relay;

use roles::effect::Ipv4Service;
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::dhcpv4::{code, kind, op, Message};
use wire::ether::MacAddr;

/// What a server says of itself and of its leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Server identifier: the same on all gateways of the domain.
    pub identifier: Ipv4Addr,
    /// How long a lease lasts.
    pub lease: Duration,
    /// What fits through the host's tunnel.
    pub mtu: u16,
}

/// Why a message is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is no client's, or not this host's, or of no kind that a server answers.
    NotForUs,
    /// The host chose another server.
    OtherServer,
    /// It gives up its address, or found it in use.
    GivenUp,
}

impl Server {
    /// The answer to a message of the host with this link-layer address, which is served so.
    ///
    /// # Errors
    ///
    /// See [`Silence`].
    pub fn answer(
        &self,
        mac: MacAddr,
        service: &Ipv4Service,
        message: &Message,
    ) -> Result<Message, Silence> {
        if message.op != op::REQUEST || message.mac != mac || !message.relay.is_unspecified() {
            return Err(Silence::NotForUs);
        }
        let chosen = message.address(code::SERVER_IDENTIFIER);
        let ours = chosen.is_none_or(|chosen| chosen == self.identifier);
        let asked = message.address(code::REQUESTED_ADDRESS);
        // Who has an address says so in the field for it (RFC 2131 section 4.3.2).
        let has = Some(message.client).filter(|client| !client.is_unspecified());
        let wants = has.or(asked);
        match message.kind() {
            Some(kind::DISCOVER) => Ok(self.lease(message, kind::OFFER, service)),
            Some(kind::REQUEST) if !ours => Err(Silence::OtherServer),
            Some(kind::REQUEST) if wants == Some(service.address) => {
                Ok(self.lease(message, kind::ACK, service))
            }
            Some(kind::REQUEST) => {
                let mut answer = self.begin(message, kind::NAK);
                // What it believes to be its address leads nowhere (RFC 2131 section 4.1).
                answer.broadcast = true;
                Ok(answer)
            }
            Some(kind::INFORM) if message.client == service.address => {
                let mut answer = self.begin(message, kind::ACK);
                answer.client = message.client;
                network(&mut answer, service, self.mtu);
                Ok(answer)
            }
            Some(kind::DECLINE | kind::RELEASE) => Err(Silence::GivenUp),
            _ => Err(Silence::NotForUs),
        }
    }

    fn begin(&self, message: &Message, kind: u8) -> Message {
        let mut answer = message.answer();
        answer.put(code::MESSAGE_TYPE, [kind]);
        answer.put(code::SERVER_IDENTIFIER, self.identifier.octets());
        if let Some(client) = message.option(code::CLIENT_IDENTIFIER) {
            answer.put(code::CLIENT_IDENTIFIER, client);
        }
        answer
    }

    fn lease(&self, message: &Message, kind: u8, service: &Ipv4Service) -> Message {
        let mut answer = self.begin(message, kind);
        answer.given = service.address;
        answer.client = message.client;
        let seconds = u32::try_from(self.lease.as_secs()).unwrap_or(u32::MAX);
        answer.put(code::LEASE_TIME, seconds.to_be_bytes());
        network(&mut answer, service, self.mtu);
        answer
    }
}

/// Says what the network of a host's binding is, and what fits through its tunnel (RFC 5844 section
/// 3.4.3).
fn network(answer: &mut Message, service: &Ipv4Service, mtu: u16) {
    let past = 32u32.saturating_sub(service.prefix_length.into());
    let mask = u32::MAX.checked_shl(past).unwrap_or(0);
    answer.set(code::SUBNET_MASK, mask.to_be_bytes());
    answer.set(code::ROUTER, service.router.octets());
    answer.set(code::MTU, mtu.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::mh::DhcpMode;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const HOME: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 8);
    const SERVER: Server = Server {
        identifier: Ipv4Addr::new(169, 254, 0, 1),
        lease: Duration::from_secs(600),
        mtu: 1460,
    };

    fn service() -> Ipv4Service {
        Ipv4Service {
            address: HOME,
            prefix_length: 16,
            router: Ipv4Addr::new(10, 1, 0, 1),
            dhcp: DhcpMode::Server,
        }
    }

    fn message(kind: u8) -> Message {
        Message {
            op: op::REQUEST,
            hops: 0,
            xid: 7,
            secs: 0,
            broadcast: false,
            client: Ipv4Addr::UNSPECIFIED,
            given: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            mac: MAC,
            names: Vec::new(),
            options: vec![
                (code::MESSAGE_TYPE, vec![kind]),
                (code::CLIENT_IDENTIFIER, vec![1, 2, 3]),
            ],
        }
    }

    fn asks(address: Ipv4Addr) -> Message {
        let mut message = message(kind::REQUEST);
        message.put(code::REQUESTED_ADDRESS, address.octets());
        message
    }

    fn answered(message: &Message) -> Result<(Option<u8>, Ipv4Addr), Silence> {
        let answer = SERVER.answer(MAC, &service(), message)?;
        assert_eq!((answer.op, answer.xid, answer.mac), (op::REPLY, 7, MAC));
        assert_eq!(
            answer.address(code::SERVER_IDENTIFIER),
            Some(SERVER.identifier)
        );
        assert_eq!(answer.option(code::CLIENT_IDENTIFIER), Some(&[1, 2, 3][..]));
        Ok((answer.kind(), answer.given))
    }

    #[test]
    fn the_home_address_is_offered_and_leased_with_its_network() {
        let offer = SERVER
            .answer(MAC, &service(), &message(kind::DISCOVER))
            .unwrap();
        assert_eq!((offer.kind(), offer.given), (Some(kind::OFFER), HOME));
        let address = |code| offer.address(code);
        assert_eq!(
            address(code::SUBNET_MASK),
            Some(Ipv4Addr::new(255, 255, 0, 0))
        );
        assert_eq!(address(code::ROUTER), Some(service().router));
        assert_eq!(
            offer.option(code::LEASE_TIME),
            Some(&600u32.to_be_bytes()[..])
        );
        assert_eq!(offer.option(code::MTU), Some(&1460u16.to_be_bytes()[..]));

        let mut selecting = asks(HOME);
        selecting.put(code::SERVER_IDENTIFIER, SERVER.identifier.octets());
        assert_eq!(answered(&selecting), Ok((Some(kind::ACK), HOME)));
        // After a restart of the host, or behind another gateway: no server is named.
        assert_eq!(answered(&asks(HOME)), Ok((Some(kind::ACK), HOME)));
        let mut renewing = message(kind::REQUEST);
        renewing.client = HOME;
        assert_eq!(answered(&renewing), Ok((Some(kind::ACK), HOME)));
    }

    #[test]
    fn another_address_is_refused_by_broadcast() {
        let unspecified = Ipv4Addr::UNSPECIFIED;
        assert_eq!(answered(&asks(OTHER)), Ok((Some(kind::NAK), unspecified)));
        assert!(
            SERVER
                .answer(MAC, &service(), &asks(OTHER))
                .unwrap()
                .broadcast
        );
        let mut renewing = message(kind::REQUEST);
        renewing.client = OTHER;
        assert_eq!(answered(&renewing), Ok((Some(kind::NAK), unspecified)));
        assert_eq!(
            answered(&message(kind::REQUEST)),
            Ok((Some(kind::NAK), unspecified))
        );
    }

    #[test]
    fn informing_gives_parameters_alone() {
        let mut inform = message(kind::INFORM);
        inform.client = HOME;
        let answer = SERVER.answer(MAC, &service(), &inform).unwrap();
        assert_eq!(
            (answer.kind(), answer.given),
            (Some(kind::ACK), Ipv4Addr::UNSPECIFIED)
        );
        assert_eq!(answer.option(code::LEASE_TIME), None);
        assert_eq!(answer.address(code::ROUTER), Some(service().router));
        inform.client = OTHER;
        assert_eq!(answered(&inform), Err(Silence::NotForUs));
    }

    #[test]
    fn what_needs_no_answer_gets_none() {
        assert_eq!(answered(&message(kind::DECLINE)), Err(Silence::GivenUp));
        assert_eq!(answered(&message(kind::RELEASE)), Err(Silence::GivenUp));
        assert_eq!(answered(&message(kind::OFFER)), Err(Silence::NotForUs));
        let mut elsewhere = asks(HOME);
        elsewhere.put(code::SERVER_IDENTIFIER, [192, 0, 2, 1]);
        assert_eq!(answered(&elsewhere), Err(Silence::OtherServer));
        let mut stranger = asks(HOME);
        stranger.mac = MacAddr([2, 0, 0, 0, 0, 2]);
        assert_eq!(answered(&stranger), Err(Silence::NotForUs));
        let mut relayed = asks(HOME);
        relayed.relay = OTHER;
        assert_eq!(answered(&relayed), Err(Silence::NotForUs));
        let mut reply = asks(HOME);
        reply.op = op::REPLY;
        assert_eq!(answered(&reply), Err(Silence::NotForUs));
    }
}
