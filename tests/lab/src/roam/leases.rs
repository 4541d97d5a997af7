//! The draft's way without a database, by DHCPv6: a real Kea holds the leases, every MAAR relays to it and works in
//! its lease database, and the host's real client asks on every link that it comes to.

use super::{pool, Bed, Layout};
use crate::dhcp::{Client, Server, SERVER};
use crate::gateway::{Configuration, Programs};
use anyhow::{ensure, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What this way is called in a configuration.
pub const DHCPV6: &str = "dhcpv6";

/// The link-local address of every MAAR on its access link.
pub const ROUTER: &str = "fe80::1";

const LIMIT: Duration = Duration::from_secs(20);

/// Each MAAR relays, and asks the server's leases for the anchors of hosts; `mobile`: whether the host
/// has the mobility service.
fn adjust(configuration: &mut Configuration, place: &Path, mobile: bool) {
    let mut dhcp = toml::Table::new();
    dhcp.insert("servers".into(), vec![SERVER.to_string()].into());
    dhcp.insert("control".into(), place.display().to_string().into());
    configuration.set("maar", "dhcpv6", dhcp);
    show_one_router(configuration);
    if let Some(host) = configuration.first_host() {
        host.insert("managed".into(), true.into());
        host.insert("mobility".into(), mobile.into());
    }
}

/// Every MAAR is the same router to hosts, with an address of its own in each prefix (S2-39).
fn show_one_router(configuration: &mut Configuration) {
    configuration.set("maar", "dlif", false);
    let table = configuration.table();
    let neighbours = table["maar"]["neighbour"].as_array_mut();
    for neighbour in neighbours.into_iter().flatten() {
        if let Some(neighbour) = neighbour.as_table_mut() {
            neighbour.remove("router");
            neighbour.remove("mac");
        }
    }
    let interfaces = table["interface"].as_array_mut().into_iter().flatten();
    for interface in interfaces.filter(|it| it["kind"].as_str() == Some("access")) {
        if let Some(interface) = interface.as_table_mut() {
            interface.insert("router".into(), ROUTER.into());
            interface.insert("mac".into(), "02:00:5e:00:52:13".into());
        }
    }
}

/// A bed of so many MAARs without a database, whose host takes addresses from DHCPv6 alone; and where its server's
/// control socket has to be.
///
/// # Errors
/// As [`Bed::lay`].
pub fn lay(programs: &Programs, conf: &Path, maars: usize, mobile: bool) -> Result<(Bed, PathBuf)> {
    let mut place = PathBuf::new();
    let layout = Layout {
        maars,
        ..Layout::of_the_draft(DHCPV6)
    };
    let bed = Bed::lay(programs, conf, layout, |_, configuration| {
        if let Some(store) = configuration.table()["store"]["path"].as_str() {
            let directory = Path::new(store).parent().and_then(Path::parent);
            place = directory.unwrap_or(Path::new("/")).join("kea6.sock");
        }
        adjust(configuration, &place, mobile);
    })?;
    let mn = &bed.host().namespace;
    // Duplicate address detection, two seconds at each stop, proves nothing here.
    mn.sysctl(&[
        "net.ipv6.conf.eth0.autoconf=0",
        "net.ipv6.conf.eth0.dad_transmits=0",
    ])?;
    Ok((bed, place))
}

/// Starts the server, with a subnet for each MAAR.
///
/// # Errors
/// When it does not start.
pub fn serve(bed: &Bed, maars: usize, place: &Path) -> Result<Server> {
    let pools: Vec<String> = (0..maars).map(pool).collect();
    let pools: Vec<&str> = pools.iter().map(String::as_str).collect();
    Server::at(bed.run(), bed.switch(), &pools, &json!([]), Some(place))
}

/// Starts the host's client on the link that it has come to, once it has an address there to speak from.
///
/// # Errors
/// When it has none, or the client does not start.
pub fn begin(bed: &Bed) -> Result<Client> {
    let end = Instant::now() + LIMIT;
    while bed.host().link_local()?.is_empty() {
        ensure!(Instant::now() < end, "no link-local address");
        std::thread::sleep(Duration::from_millis(10));
    }
    Client::anew(bed.run(), bed.host())
}
