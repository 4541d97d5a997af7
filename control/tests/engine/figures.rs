//! The draft's figure 5, from its first arrow to its last: a host that comes to a MAAR from another, a DHCPv6
//! server whose leases tell from where, and the MAAR before. (Figures 1 to 4 and 6 are among the tests of `roles`.)
//!
//! `tests/figures` has all that is said. What comes from host and server was said by a real host (dhclient 4.4.3
//! on Linux) and a real server (Kea 2.2.0) in the lab's test bed, which has this domain's addresses, when the host
//! of `leases_tell_the_anchors_of_a_host_that_walks` went to its second MAAR. What comes from the MAARs, these say,
//! in the same octets as those of the lab did; with `RECORDINGS_REGENERATE` it is written anew, to be read before
//! it is committed.

use crate::bytes::{ip, mac_of, Seen};
use crate::dhcp::SERVER;
use crate::former_domain::{domain_with, leased, on_core, Domain, ACCESS};
use crate::host::Host;
use crate::story::{CORE, MN};
use crate::world::port_mac;
use control::dhcp::former::{LeaseChange, ServerLease};
use roles::maar::NodeState;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;
use wire::dhcpv6::{code, ClientMessage, RelayMessage};
use wire::ipv6::next_header;
use wire::mh::{Message, MobilityOption};
use wire::udp::Datagram;

/// The gateways, as they are called in the recording.
const MAARS: [&str; 2] = ["MAAR1", "MAAR2"];

/// Something that is said: a packet, or what a lease database is asked and answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Arrow {
    from: String,
    to: String,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    octets: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    says: Option<Value>,
}

impl Arrow {
    /// Whether host or server says it.
    fn is_given(&self) -> bool {
        !MAARS.contains(&self.from.as_str())
    }

    /// The gateway that hears it.
    fn hearer(&self) -> usize {
        let hearer = MAARS.iter().position(|name| *name == self.to);
        hearer.expect("it is said to a gateway")
    }

    fn packet(&self) -> Vec<u8> {
        let text = self.octets.as_deref().expect("a packet");
        let octets = (0..text.len()).step_by(2);
        let octets = octets.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
        octets.collect()
    }

    fn line(&self) -> String {
        format!("{} → {} {}", self.from, self.to, self.what)
    }
}

/// What a DHCPv6 message is called (RFC 8415 section 7.3).
fn dhcp_name(message: &[u8]) -> String {
    let name = |kind| match kind {
        1 => "Solicit",
        2 => "Advertise",
        3 => "Request",
        4 => "Confirm",
        7 => "Reply",
        12 => "Relay-forward",
        13 => "Relay-reply",
        other => panic!("{other} is of no figure"),
    };
    match RelayMessage::parse(message) {
        Ok(relayed) => {
            let inner = relayed.options.first(code::RELAY_MESSAGE).unwrap();
            format!("{}({})", name(relayed.kind), name(inner[0]))
        }
        Err(_) => name(ClientMessage::parse(message).unwrap().kind).to_owned(),
    }
}

/// The figure while it is played.
struct Play {
    domain: Domain,
    mn: Host,
    /// The gateway that the host is with.
    place: Option<usize>,
    /// Numbers of the updates that have gone out.
    updates: Vec<u16>,
    arrows: Vec<Arrow>,
}

impl Play {
    /// Whose an address is; those in a gateway's prefixes, and what hosts see of it, are its.
    fn owner(&self, address: Ipv6Addr) -> &'static str {
        let [first, second] = MAARS;
        match address.segments() {
            _ if address == ip(SERVER) => "Kea",
            _ if address == self.mn.addresses[0] => "MN",
            _ if address == ip("fe80::1") => MAARS[self.place.expect("it is somewhere")],
            [.., 0x21] | [_, _, 0x2100..=0x21ff, ..] => first,
            [.., 0x22] | [_, _, 0x2200..=0x22ff, ..] => second,
            _ => panic!("{address} is nobody's"),
        }
    }

    /// A packet of a gateway, if it is of the figure.
    fn hear(&mut self, seen: &Seen) {
        let (from, to) = (self.owner(seen.source), self.owner(seen.destination));
        let (what, octets, says) = match (seen.mh(), seen.kind) {
            // Only what every run has in the same words.
            (Some(mut message), _) => {
                let (what, sequence) = match &mut message {
                    Message::BindingUpdate(it) => ("PBU", &mut it.sequence),
                    Message::BindingAcknowledgement(it) => ("PBA", &mut it.sequence),
                    other => panic!("{other} is of no figure"),
                };
                match what {
                    "PBU" => self.updates.push(*sequence),
                    _ => assert!(self.updates.contains(sequence), "an answer to that"),
                }
                *sequence = 0;
                let says = json!([seen.source, seen.destination, message]);
                (what.to_owned(), None, Some(says))
            }
            (None, next_header::UDP) => {
                let datagram = Datagram::parse(seen.source, seen.destination, &seen.payload);
                let octets = seen.packet.iter().map(|octet| format!("{octet:02x}"));
                let what = dhcp_name(datagram.unwrap().payload);
                (what, Some(octets.collect()), None)
            }
            _ => return,
        };
        self.arrows.push(Arrow {
            from: from.to_owned(),
            to: to.to_owned(),
            what,
            octets,
            says,
        });
    }

    /// What gateways have said, and asked of the lease database, until all is quiet.
    fn listen(&mut self) {
        for (index, name) in MAARS.iter().enumerate() {
            for question in self.domain.sources[index].0.borrow().questions.iter() {
                let says = json!({ "duid": question.duid, "iaids": question.associations });
                self.arrows.push(asks(name, "whose leases", says));
            }
        }
        let (heard, _) = on_core(&mut self.domain.world);
        for seen in &heard {
            if seen.source != ip(SERVER) && [UDP, MH].contains(&seen.kind) {
                self.hear(seen);
            }
        }
        for seen in self.mn.live(&mut self.domain.world) {
            if seen.kind == UDP {
                self.hear(&seen);
            }
        }
        for (index, name) in MAARS.iter().enumerate() {
            for change in self.domain.sources[index].changed() {
                let LeaseChange::Keep(lease) = change else {
                    panic!("{change:?}");
                };
                let says = json!({ "address": lease.address, "lifetime": lease.lifetime });
                self.arrows.push(asks(name, "keep lease", says));
            }
        }
    }

    /// Host or server says what it said.
    fn say(&mut self, arrow: &Arrow) {
        self.arrows.push(arrow.clone());
        let index = arrow.hearer();
        if arrow.from == "MN" {
            if self.place != Some(index) {
                self.domain.world.replug(MN, ACCESS[index]);
                self.place = Some(index);
            }
            let packet = arrow.packet();
            let octets: [u8; 16] = packet[24..40].try_into().unwrap();
            let group = mac_of(octets.into(), self.mn.mac);
            self.mn.send_to(&mut self.domain.world, group, &packet);
        } else if let Some(says) = &arrow.says {
            let asked = self.domain.sources[index].asked();
            let [question] = &asked[..] else {
                panic!("not one question: {asked:?}");
            };
            let leases = says["arguments"]["leases"].as_array().unwrap();
            let leases = leases.iter().map(|it| self.lease(it)).collect();
            self.domain.tell(index, question.clone(), leases);
        } else {
            let server = &self.domain.server;
            let (mac, packet) = (port_mac(index as u8, 0), arrow.packet());
            server.send_to(&mut self.domain.world, mac, &packet);
        }
        self.domain.world.pass(Duration::from_millis(20));
    }

    /// A lease as Kea's commands tell of it.
    fn lease(&self, told: &Value) -> ServerLease {
        let number = |key: &str| told[key].as_u64().unwrap();
        let duid = told["duid"].as_str().unwrap().split(':');
        let lifetime = number("valid-lft") as u32;
        ServerLease {
            duid: duid.map(|it| u8::from_str_radix(it, 16).unwrap()).collect(),
            association: number("iaid") as u32,
            address: ip(told["ip-address"].as_str().unwrap()),
            subnet: number("subnet-id"),
            lifetime,
            ends: self.domain.world.now().wall + Duration::from_secs(lifetime.into()),
        }
    }
}

/// A MAAR that knows what prefixes are of the domain, and not whose they are: it writes to where every anchor is in
/// its prefix.
fn without_pools(configuration: String) -> String {
    let lines = configuration.lines();
    let lines = lines.filter(|line| !line.starts_with("pools = [\""));
    let lines: Vec<&str> = lines.collect();
    let known = "[maar.distributed]\ndomain = [\"2001:db8:2000::/36\"]\n";
    lines.join("\n") + "\n" + known
}

const UDP: u8 = next_header::UDP;
const MH: u8 = next_header::MOBILITY;

fn asks(from: &str, what: &str, says: Value) -> Arrow {
    Arrow {
        from: from.to_owned(),
        to: "Kea".to_owned(),
        what: what.to_owned(),
        octets: None,
        says: Some(says),
    }
}

/// The arrows in order, with the one between the MAAR and the lease database that the draft has the server do of
/// itself. What the host asks first on a new link, whether its addresses are still right, is its own affair.
///
/// Proves S2-37, S2-40, S2-41, S2-42, S2-43, S2-44, S2-45.
#[test]
fn figure_5_leases_tell_where_a_host_comes_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/figures");
    let file = folder.join("figure_5_dhcpv6.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let recorded: Vec<Arrow> = serde_json::from_str(&text).unwrap();
    let mut play = Play {
        domain: domain_with(without_pools),
        mn: Host::new(MN, 1),
        place: None,
        updates: Vec::new(),
        arrows: Vec::new(),
    };
    on_core(&mut play.domain.world);
    for arrow in recorded.iter().filter(|it| it.is_given()) {
        play.say(arrow);
        play.listen();
    }
    if std::env::var_os("RECORDINGS_REGENERATE").is_some() {
        let mut text = serde_json::to_string_pretty(&play.arrows).unwrap();
        text.push('\n');
        std::fs::write(&file, text).unwrap();
    } else {
        assert_eq!(play.arrows, recorded);
    }
    let lines: Vec<String> = play.arrows.iter().map(Arrow::line).collect();
    let comes = "MN → MAAR2 MLD report";
    let comes = lines.iter().position(|it| it == comes).expect("a handover");
    let (before, figure) = lines.split_at(comes);
    assert_eq!(
        before,
        [
            "MN → MAAR1 RS",
            "MN → MAAR1 Solicit",
            "MAAR1 → Kea whose leases",
            "Kea → MAAR1 leases",
            "MAAR1 → Kea Relay-forward(Solicit)",
            "Kea → MAAR1 Relay-reply(Advertise)",
            "MAAR1 → MN Advertise",
            "MN → MAAR1 Request",
            "MAAR1 → Kea Relay-forward(Request)",
            "Kea → MAAR1 Relay-reply(Reply)",
            "MAAR1 → MN Reply",
        ]
    );
    assert_eq!(
        figure,
        [
            "MN → MAAR2 MLD report",
            "MN → MAAR2 Confirm",
            "MAAR2 → Kea Relay-forward(Confirm)",
            "Kea → MAAR2 Relay-reply(Reply)",
            "MAAR2 → MN Reply",
            "MN → MAAR2 Solicit",
            "MAAR2 → Kea whose leases",
            "Kea → MAAR2 leases",
            "MAAR2 → MAAR1 PBU",
            "MAAR2 → Kea Relay-forward(Solicit)",
            "MAAR1 → MAAR2 PBA",
            "Kea → MAAR2 Relay-reply(Advertise)",
            "MAAR2 → MN Advertise",
            "MN → MAAR2 Request",
            "MAAR2 → Kea Relay-forward(Request)",
            "Kea → MAAR2 Relay-reply(Reply)",
            "MAAR2 → MN Reply",
            "MAAR2 → Kea keep lease",
        ]
    );
    // To where an anchor is in its prefix, and from its own address.
    let arrow = |what: &str| play.arrows.iter().find(|it| it.what == what);
    let says = |what: &str| arrow(what).and_then(|it| it.says.clone()).unwrap();
    let own = play.domain.node(0).prefix;
    let constructed = Ipv6Addr::from_bits(own.prefix.to_bits() | 0x0200_5eff_fe00_5213);
    assert_eq!(says("PBU")[1], json!(constructed));
    assert_eq!(says("PBA")[0], json!("2001:db8:c::21"));
    let message: Message = serde_json::from_value(says("PBU")[2].clone()).unwrap();
    let Message::BindingUpdate(update) = message else {
        panic!("no update");
    };
    let named = MobilityOption::HomeNetworkPrefix(own);
    assert!(update.options.contains(&named));
    // The host has the new address, and the old one for what it has begun with it.
    let reply = play.arrows.iter().rev().find(|it| it.what == "Reply");
    let packet = reply.expect("a reply").packet();
    let [new, old] = leased(&packet[48..]).try_into().expect("two addresses");
    assert!(play.domain.node(1).prefix.contains(new.0) && new.1 > 0);
    assert!(own.contains(old.0) && old.1 == 0 && old.2 > 0);
    assert_eq!(play.domain.node(0).state, NodeState::Previous);
    let led = play.domain.node(1).previous;
    assert_eq!(led.iter().map(|it| it.prefix).collect::<Vec<_>>(), [own]);
    assert!(play.domain.world.hear(CORE).is_empty());
    for node in &play.domain.world.nodes {
        node.check();
    }
}
