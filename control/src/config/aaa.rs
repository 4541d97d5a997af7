//! `[aaa]`: RADIUS servers that say who may attach, keep account, and change what they said.

use super::check::in_range;
use super::document::{place, Document, Step};
use super::schema::Config;
use crate::aaa::{MAC, NAI};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Servers that may be named.
const MOST_SERVERS: usize = 16;

/// `[aaa]`: a MAG or MAAR asks RADIUS servers who a host is (RFC 2865, 6572), tells them what it used (RFC 2866)
/// and takes orders of theirs (RFC 5176).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aaa {
    /// NAS-Identifier; filled in from `[gateway] name` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nas_identifier: Option<String>,
    /// User-Name: `{mac}` becomes the host's link-layer address, written 02-00-00-00-00-01, `{nai}` the
    /// identifier that the policy file has for it; a host without one may not attach.
    #[serde(default = "defaults::user_name")]
    pub user_name: String,
    /// User-Password, with the same placeholders.
    #[serde(default = "defaults::password")]
    pub password: String,
    /// LMA of hosts for which the servers name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lma: Option<Ipv6Addr>,
    /// M flag of their home links; it is set as well for a host for which the servers name a DHCPv6 server.
    #[serde(default)]
    pub managed: bool,
    /// O flag of their home links.
    #[serde(default)]
    pub other: bool,
    /// What becomes of a host when no server answers.
    #[serde(default)]
    pub when_unreachable: Unreachable,
    /// Milliseconds until a request is sent again; each time twice as long.
    #[serde(default = "defaults::timeout_ms")]
    pub timeout_ms: u32,
    /// How often a request is sent to one server.
    #[serde(default = "defaults::transmissions")]
    pub transmissions: u32,
    /// Seconds for which a server that does not answer is left alone.
    #[serde(default = "defaults::dead_time")]
    pub dead_time: u32,
    /// Whether account is kept.
    #[serde(default = "defaults::enabled")]
    pub accounting: bool,
    /// Seconds between interim records where the servers say nothing; 0 sends none.
    #[serde(default = "defaults::interim_interval")]
    pub interim_interval: u32,
    /// Accounting records that may wait for a server; more are lost, and counted.
    #[serde(default = "defaults::accounting_queue")]
    pub accounting_queue: usize,
    /// `[[aaa.server]]`, the preferred one first.
    pub server: Vec<AaaServer>,
    /// `[aaa.dynamic]`: orders of servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<AaaDynamic>,
}

/// What becomes of a host when no server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreachable {
    /// It may not attach; a host that is attached and was asked about anew is detached.
    #[default]
    Refuse,
    /// A host that is attached keeps what it has; others may not attach.
    Keep,
    /// The policy file says.
    PolicyFile,
}

impl Unreachable {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Keep => "keep",
            Self::PolicyFile => "policy-file",
        }
    }
}

/// `[[aaa.server]]`: a RADIUS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AaaServer {
    /// Address and port for questions.
    pub address: SocketAddr,
    /// Address and port for accounting records; the next port of `address` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounting: Option<SocketAddr>,
    /// File with the secret; relative to the configuration's directory.
    pub secret_file: PathBuf,
}

/// `[aaa.dynamic]`: CoA-Requests and Disconnect-Requests (RFC 5176).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AaaDynamic {
    /// Address and port to listen at.
    #[serde(default = "defaults::listen")]
    pub listen: SocketAddr,
    /// Seconds by which an order's Event-Timestamp may differ from our clock, and for which an order is
    /// remembered so that it is not followed twice.
    #[serde(default = "defaults::window")]
    pub window: u32,
    /// Whether orders without Event-Timestamp are dropped: they could be replayed.
    #[serde(default = "defaults::enabled")]
    pub require_event_timestamp: bool,
    /// `[[aaa.dynamic.client]]`: who may give orders.
    pub client: Vec<AaaClient>,
}

/// `[[aaa.dynamic.client]]`: who may give orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AaaClient {
    /// Its address.
    pub address: IpAddr,
    /// File with the secret; relative to the configuration's directory.
    pub secret_file: PathBuf,
}

impl Aaa {
    /// Fills in what follows from other values, and makes paths absolute with `rebase`.
    pub(super) fn complete(&mut self, name: &str, rebase: impl Fn(&mut PathBuf)) {
        self.nas_identifier.get_or_insert_with(|| name.to_owned());
        for server in &mut self.server {
            rebase(&mut server.secret_file);
            let (address, next) = (server.address.ip(), server.address.port().wrapping_add(1));
            server
                .accounting
                .get_or_insert(SocketAddr::new(address, next));
        }
        let clients = self.dynamic.iter_mut().flat_map(|it| &mut it.client);
        clients.for_each(|client| rebase(&mut client.secret_file));
    }
}

/// Notes what is wrong with `[aaa]`. `directory` is that of the file.
pub(super) fn check(document: &mut Document, config: &Config, aaa: &Aaa, directory: &Path) {
    if config.mag.is_none() && config.maar.is_none() {
        document.problem(
            place!["aaa"],
            "only a MAG or a MAAR asks who hosts are; move [aaa] to the configuration of those",
        );
    }
    if config.maar.is_some() && aaa.lma.is_some() {
        let text =
            "a MAAR's hosts have no LMA: each MAAR that they come to anchors them; remove it";
        document.problem(place!["aaa", "lma"], text);
    }
    template(document, "user_name", &aaa.user_name);
    if aaa.password.len() > 128 {
        document.problem(
            place!["aaa", "password"],
            "at most 128 octets fit (RFC 2865)",
        );
    }
    let no_gateway = |it: &Ipv6Addr| {
        it.is_unspecified() || it.is_loopback() || it.is_multicast() || it.is_unicast_link_local()
    };
    if let Some(lma) = aaa.lma.filter(no_gateway) {
        let text = format!("`{lma}` is no gateway's address; give a global one");
        document.problem(place!["aaa", "lma"], text);
    }
    let numbers = [
        ("timeout_ms", aaa.timeout_ms, 10..=60_000),
        ("transmissions", aaa.transmissions, 1..=10),
        ("dead_time", aaa.dead_time, 1..=86_400),
    ];
    for (key, value, range) in numbers {
        in_range(document, place!["aaa", key], value, range);
    }
    if aaa.interim_interval != 0 {
        let way = place!["aaa", "interim_interval"];
        in_range(document, way, aaa.interim_interval, 60..=86_400);
    }
    let way = place!["aaa", "accounting_queue"];
    in_range(document, way, aaa.accounting_queue, 1..=1_000_000);
    if aaa.server.is_empty() || aaa.server.len() > MOST_SERVERS {
        let text = format!("give 1 to {MOST_SERVERS} [[aaa.server]]");
        document.problem(place!["aaa", "server"], text);
    }
    for (index, server) in aaa.server.iter().enumerate() {
        let accounting = server.accounting.map(|it| ("accounting", it));
        for (key, address) in [("address", server.address)].into_iter().chain(accounting) {
            if !can_be_sent_to(address.ip()) || address.port() == 0 {
                let text = format!("`{address}` is no server's; give its address and port");
                document.problem(place!["aaa", "server", index, key], text);
            }
        }
        let mut earlier = aaa.server.iter().take(index);
        if earlier.any(|it| it.address == server.address) {
            let text = format!("`{}` stands here twice", server.address);
            document.problem(place!["aaa", "server", index, "address"], text);
        }
        let way = place!["aaa", "server", index, "secret_file"];
        secret(document, way, &directory.join(&server.secret_file));
    }
    if let Some(dynamic) = &aaa.dynamic {
        check_dynamic(document, dynamic, directory);
    }
}

fn check_dynamic(document: &mut Document, dynamic: &AaaDynamic, directory: &Path) {
    let way = place!["aaa", "dynamic", "window"];
    in_range(document, way, dynamic.window, 1..=3_600);
    if dynamic.listen.port() == 0 {
        let text = "give a port; the usual one is 3799";
        document.problem(place!["aaa", "dynamic", "listen"], text);
    }
    if dynamic.client.is_empty() {
        let text = "nobody may give orders; add [[aaa.dynamic.client]] or leave [aaa.dynamic] out";
        document.problem(place!["aaa", "dynamic", "client"], text);
    }
    for (index, client) in dynamic.client.iter().enumerate() {
        let mut earlier = dynamic.client.iter().take(index);
        let way = place!["aaa", "dynamic", "client", index, "address"];
        if !can_be_sent_to(client.address) {
            let text = format!("`{}` is no client's address", client.address);
            document.problem(way, text);
        } else if earlier.any(|it| it.address == client.address) {
            document.problem(way, format!("`{}` stands here twice", client.address));
        }
        let way = place!["aaa", "dynamic", "client", index, "secret_file"];
        secret(document, way, &directory.join(&client.secret_file));
    }
}

/// Whether a datagram can be sent to that address.
fn can_be_sent_to(address: IpAddr) -> bool {
    !(address.is_unspecified() || address.is_multicast())
}

/// A template of names has to tell hosts apart, and know no other placeholder.
fn template(document: &mut Document, key: &'static str, text: &str) {
    let rest = text.replace(MAC, "").replace(NAI, "");
    let invisible = |c: char| c.is_whitespace() || c.is_control();
    if rest.len() == text.len() {
        let text = "must contain {mac} or {nai}, or all hosts would have one name; write \"{mac}\"";
        document.problem(place!["aaa", key], text);
    } else if rest.contains(['{', '}']) || rest.contains(invisible) || rest.len() > 200 {
        let text =
            "is no name; {mac} and {nai} are the placeholders, at most 200 octets are around them";
        document.problem(place!["aaa", key], text);
    }
}

/// A file that must hold a secret.
fn secret(document: &mut Document, way: &[Step], path: &Path) {
    if let Err(unusable) = Secret::read(path) {
        document.problem(way, format!("{} {unusable}", path.display()));
    }
}

mod defaults {
    use std::net::{Ipv6Addr, SocketAddr};

    pub(super) fn user_name() -> String {
        crate::aaa::MAC.to_owned()
    }
    pub(super) fn password() -> String {
        crate::aaa::MAC.to_owned()
    }
    pub(super) const fn timeout_ms() -> u32 {
        1_000
    }
    pub(super) const fn transmissions() -> u32 {
        3
    }
    pub(super) const fn dead_time() -> u32 {
        30
    }
    pub(super) const fn enabled() -> bool {
        true
    }
    pub(super) const fn interim_interval() -> u32 {
        600
    }
    pub(super) const fn accounting_queue() -> usize {
        10_000
    }
    pub(super) fn listen() -> SocketAddr {
        (Ipv6Addr::UNSPECIFIED, 3_799).into()
    }
    pub(super) const fn window() -> u32 {
        300
    }
}
