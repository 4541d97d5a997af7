//! The kernel's segment routing, which with one segment and no routing header is plain IPv6-in-IPv6.
//!
//! ```text
//!   namespace of the sender            namespace of the router
//!   generate ── af_packet ── s0 ════ r0   encap.red or End.DT6   r1 ════ s1 (dropped, or verified)
//! ```
//!
//! A veth hands a packet to the other end on the sender's own processor, so one core does it all and
//! is kept busy. What the sender itself costs is measured beside it, by a router that drops everything,
//! and taken off: what is left is the router's work and the veth behind it.

use super::program::{json, number, run};
use super::Turn;
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::process::Command;

/// What the router does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Puts a tunnel on.
    Encap,
    /// Takes it off.
    Decap,
}

impl Path {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Encap => "encap.red",
            Self::Decap => "End.DT6",
        }
    }

    /// Hops that the inner packet loses: the kernel takes the hop off the outer header when it puts a
    /// tunnel on.
    fn hops(self) -> &'static str {
        match self {
            Self::Encap => "0",
            Self::Decap => "1",
        }
    }

    /// What the generator is told to send, and to expect.
    fn traffic(self) -> &'static [&'static str] {
        match self {
            Self::Encap => &["--tunnelled", "received", "--anchor", ROUTER],
            Self::Decap => &[
                "--tunnelled",
                "sent",
                "--direction",
                "from-hosts",
                "--anchor",
                SEGMENT,
                "--frame",
                "114",
            ],
        }
    }
}

/// The router's address, a segment of it that is decapsulated, and the tunnel's other end.
const ROUTER: &str = "2001:db8:c::1";
const SEGMENT: &str = "2001:db8:f::1";
const FAR: &str = "2001:db8:c::11";

/// Two namespaces; they go when this drops.
pub struct Lab {
    sender: String,
    router: String,
    /// Link-layer address of r0.
    gateway: String,
}

impl Lab {
    /// Whether there can be one.
    ///
    /// # Errors
    /// When there cannot, and why.
    pub fn possible() -> Result<()> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "network namespaces need root"
        );
        run(Command::new("ip").arg("-V")).context("iproute2 is not installed")?;
        Ok(())
    }

    /// Makes the namespaces and the veths.
    fn new() -> Result<Self> {
        let id = std::process::id();
        let mut lab = Self {
            sender: format!("aperf{id}s"),
            router: format!("aperf{id}r"),
            gateway: String::new(),
        };
        for name in [&lab.sender, &lab.router] {
            run(Command::new("ip").args(["netns", "add", name]))?;
        }
        // No stack of the sender's own answers or listens.
        sysctl(&lab.sender, "net.ipv6.conf.all.disable_ipv6=1")?;
        sysctl(&lab.sender, "net.ipv6.conf.default.disable_ipv6=1")?;
        sysctl(&lab.router, "net.ipv6.conf.all.forwarding=1")?;
        sysctl(&lab.router, "net.ipv6.conf.all.accept_dad=0")?;
        sysctl(&lab.router, "net.ipv6.conf.default.accept_dad=0")?;
        for number in ["0", "1"] {
            let (r, s) = (format!("r{number}"), format!("s{number}"));
            let line = [
                "-n",
                &lab.router,
                "link",
                "add",
                &r,
                "type",
                "veth",
                "peer",
                "name",
                &s,
                "netns",
                &lab.sender,
            ];
            run(Command::new("ip").args(line))?;
            run(Command::new("ip").args(["-n", &lab.router, "link", "set", &r, "up"]))?;
            run(Command::new("ip").args(["-n", &lab.sender, "link", "set", &s, "up"]))?;
        }
        lab.gateway = mac(&lab.router, "r0")?;
        let far = mac(&lab.sender, "s1")?;
        lab.router(&format!("addr add {ROUTER}/64 dev r1 nodad"))?;
        lab.router("addr add 2001:db8:100::1/64 dev r1 nodad")?;
        for neighbour in [FAR, "2001:db8:100::10"] {
            lab.router(&format!(
                "neigh add {neighbour} lladdr {far} dev r1 nud permanent"
            ))?;
        }
        run(Command::new("ip").args(["-n", &lab.router, "sr", "tunsrc", "set", ROUTER]))?;
        Ok(lab)
    }

    /// Runs `ip -6` in the router's namespace.
    fn router(&self, line: &str) -> Result<()> {
        let words = line.split_whitespace();
        run(Command::new("ip")
            .args(["-6", "-n", &self.router])
            .args(words))
        .map(drop)
        .with_context(|| line.to_owned())
    }

    /// Makes the router do one thing with what is sent.
    fn set(&self, path: Path) -> Result<()> {
        self.router(&match path {
            Path::Encap => format!(
                "route replace 2001:db8:1000::/40 encap seg6 mode encap.red segs {FAR} dev r1"
            ),
            Path::Decap => format!(
                "route replace {SEGMENT}/128 encap seg6local action End.DT6 table main dev r0"
            ),
        })
    }

    /// Makes the router drop what is sent.
    fn set_drop(&self, path: Path) -> Result<()> {
        let prefix = match path {
            Path::Encap => "2001:db8:1000::/40".to_owned(),
            Path::Decap => format!("{SEGMENT}/128"),
        };
        self.router(&format!("route replace blackhole {prefix}"))
            .and_then(|()| self.router("route flush cache"))
    }

    /// Removes the router's route.
    fn clear(&self, path: Path) {
        let prefix = match path {
            Path::Encap => "2001:db8:1000::/40".to_owned(),
            Path::Decap => format!("{SEGMENT}/128"),
        };
        // It may be of another kind, or not there.
        let _ = self.router(&format!("route del {prefix}"));
        let _ = self.router(&format!("route del blackhole {prefix}"));
    }

    /// Runs the generator in the sender's namespace.
    fn generate(&self, path: Path, core: usize, more: &[&str]) -> Result<Value> {
        let program = std::env::current_exe()?;
        let core = core.to_string();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.sender])
            .arg(program)
            .args([
                "generate",
                "--port",
                "net_af_packet0,iface=s0",
                "--gateway-mac",
                &self.gateway,
            ])
            .args([
                "--core",
                &core,
                "--hosts",
                "1",
                "--json",
                "--hugepages",
                "never",
            ])
            .args(path.traffic())
            .args(more);
        json(&mut command)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [&self.router, &self.sender] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn sysctl(namespace: &str, setting: &str) -> Result<()> {
    run(Command::new("ip").args(["netns", "exec", namespace, "sysctl", "-qw", setting])).map(drop)
}

fn mac(namespace: &str, interface: &str) -> Result<String> {
    let mut command = Command::new("ip");
    let shown = json(command.args(["-n", namespace, "-j", "link", "show", "dev", interface]))?;
    let mac = shown.pointer("/0/address").and_then(Value::as_str);
    mac.map(str::to_owned)
        .context("an interface without an address")
}

/// How often the whole and the sender alone take turns. Either is the fastest of its times: a slow phase of
/// the machine in one of the two would make most of their difference, or more.
const TIMES: u32 = 3;

/// One turn: verified at a low rate, then the whole and the sender alone as fast as they go, in turns.
///
/// # Errors
/// When the kernel cannot do it, or what it sends is not what we would send.
pub fn turn(path: Path, core: usize, seconds: f64) -> Result<Turn> {
    let lab = Lab::new()?;
    lab.set(path)?;
    let back = [
        "--back",
        "net_af_packet1,iface=s1",
        "--receive",
        "--verify",
        path.hops(),
        "--rate",
        "2k",
        "--seconds",
        "0.3",
    ];
    let verified = lab.generate(path, core, &back)?;
    let arrived = number(&verified, "/received/unique")?;
    ensure!(arrived > 0.0, "nothing comes out of the router");
    let seconds = (seconds / f64::from(TIMES)).to_string();
    let flood = ["--rate", "max", "--seconds", &seconds];
    let (mut whole, mut sender) = (0.0f64, 0.0f64);
    for _ in 0..TIMES {
        lab.clear(path);
        lab.set(path)?;
        whole = whole.max(rate(&lab.generate(path, core, &flood)?)?);
        lab.clear(path);
        lab.set_drop(path)?;
        sender = sender.max(rate(&lab.generate(path, core, &flood)?)?);
    }
    let hz = cycles_per_second(&verified)?;
    Ok(Turn {
        mpps: whole / 1e6,
        cycles: hz / whole - hz / sender,
    })
}

fn rate(outcome: &Value) -> Result<f64> {
    let rate = number(outcome, "/sent_pps")?;
    ensure!(rate > 0.0, "nothing was sent");
    Ok(rate)
}

fn cycles_per_second(outcome: &Value) -> Result<f64> {
    number(outcome, "/tsc_hz")
}
