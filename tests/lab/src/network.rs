//! Namespaces, cables and bridges.

use crate::command;
use crate::run::Run;
use crate::undo::{self, Leftover, Undo};
use anyhow::Result;

/// A network namespace: one machine of the lab. Its interfaces go with it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    _undo: Undo,
}

impl Namespace {
    /// A machine whose kernel has IPv6.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn host(run: &Run, role: &str) -> Result<Self> {
        let namespace = Self::make(run, role)?;
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// A machine whose kernel has no IPv6 of its own, so that it answers nothing: a switch, or a
    /// gateway whose ports belong to `anchord`.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn silent(run: &Run, role: &str) -> Result<Self> {
        let namespace = Self::make(run, role)?;
        namespace.sysctl(&[
            "net.ipv6.conf.all.disable_ipv6=1",
            "net.ipv6.conf.default.disable_ipv6=1",
        ])?;
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    fn make(run: &Run, role: &str) -> Result<Self> {
        let name = format!("{}-{role}", run.name());
        let ((), undo) = undo::make(|| {
            command::run_held(&["ip", "netns", "add", &name])?;
            Ok(((), Leftover::Namespace(name.clone())))
        })?;
        Ok(Self { name, _undo: undo })
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip -batch` in it.
    ///
    /// # Errors
    /// When one of the lines fails.
    pub fn ip(&self, lines: &str) -> Result<String> {
        command::run_with(&["ip", "-n", &self.name, "-batch", "-"], lines)
    }

    /// Runs `ip -6 -batch` in it: for routes and rules, which exist once per family.
    ///
    /// # Errors
    /// When one of the lines fails.
    pub fn ip6(&self, lines: &str) -> Result<String> {
        command::run_with(&["ip", "-6", "-n", &self.name, "-batch", "-"], lines)
    }

    /// Runs a program in it to its end and returns what it printed.
    ///
    /// # Errors
    /// When the program does not succeed.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let mut line = vec!["ip", "netns", "exec", &self.name];
        line.extend(words);
        command::run(&line)
    }

    /// Sets kernel parameters, each as `name=value`.
    ///
    /// # Errors
    /// When the kernel does not know one.
    pub fn sysctl(&self, settings: &[&str]) -> Result<()> {
        let mut words = vec!["sysctl", "-qw"];
        words.extend(settings);
        self.run(&words).map(drop)
    }

    /// Makes a bridge that floods like a hub at the first frame and learns at once: no spanning
    /// tree, no delay, no multicast snooping.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn bridge(&self, name: &str) -> Result<()> {
        self.ip(&format!(
            "link add name {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set dev {name} up\n"
        ))
        .map(drop)
    }

    /// Plugs a cable into a bridge here, which carries its frames when this returns. Left to itself the kernel
    /// opens a port when it has looked at the link, which it does once a second; until then what a host says is lost.
    ///
    /// # Errors
    /// When the kernel refuses, as it does when the cable's other end is down.
    pub fn plug(&self, cable: &str, bridge: &str) -> Result<()> {
        self.ip(&plugging(cable, bridge)).map(drop)
    }

    /// Plugs many cables in at once, each into its bridge.
    ///
    /// # Errors
    /// As [`plug`](Self::plug).
    pub fn plug_all<'a>(&self, cables: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let lines: String = cables.map(|(cable, to)| plugging(cable, to)).collect();
        self.ip(&lines).map(drop)
    }

    /// Unplugs a cable: it is in no bridge, and its other end sees that the link is down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unplug(&self, cable: &str) -> Result<()> {
        self.ip(&format!(
            "link set dev {cable} nomaster\nlink set dev {cable} down\n"
        ))
        .map(drop)
    }
}

fn plugging(cable: &str, bridge: &str) -> String {
    // 3 is BR_STATE_FORWARDING.
    format!(
        "link set dev {cable} master {bridge}\nlink set dev {cable} up\n\
         link set dev {cable} type bridge_slave state 3\n"
    )
}

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The machine.
    pub namespace: &'a Namespace,
    /// Name of the interface there.
    pub interface: &'a str,
}

impl<'a> End<'a> {
    /// The interface of that name on that machine.
    pub fn of(namespace: &'a Namespace, interface: &'a str) -> Self {
        Self {
            namespace,
            interface,
        }
    }
}

/// Lays a cable: a veth pair, both ends up, without the offloads that leave checksums and segments
/// unfinished, since a DPDK port at one end takes frames as they are.
///
/// # Errors
/// When the kernel refuses.
pub fn cable(a: End<'_>, b: End<'_>) -> Result<()> {
    a.namespace.ip(&format!(
        "link add dev {} type veth peer name {} netns {}\n",
        a.interface,
        b.interface,
        b.namespace.name()
    ))?;
    for end in [a, b] {
        plain_frames(end)?;
        end.namespace
            .ip(&format!("link set dev {} up\n", end.interface))?;
    }
    Ok(())
}

/// Switches the offloads of an interface off, so that every frame on it is whole.
///
/// # Errors
/// When the driver refuses.
pub fn plain_frames(end: End<'_>) -> Result<()> {
    end.namespace
        .run(&[
            "ethtool",
            "-K",
            end.interface,
            "tx",
            "off",
            "tso",
            "off",
            "gso",
            "off",
            "gro",
            "off",
        ])
        .map(drop)
}
