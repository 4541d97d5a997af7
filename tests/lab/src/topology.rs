//! The network of the lab, without the gateways: who is cabled to whom.

use crate::gateway::Programs;
use crate::host::{Host, INTERFACE};
use crate::network::{cable, End, Namespace};
use crate::run::Run;
use crate::wire::{Impairment, Wire};
use anyhow::Result;
use std::net::Ipv6Addr;

/// Address of the correspondent node.
pub const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);

/// The LMA's address on the core (LMAA).
pub const LMA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x1);

/// The MAGs' addresses on the core (Proxy-CoA).
pub const MAGS: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x11),
    Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x12),
];

/// Address of a host on the core that is no gateway.
pub const STRANGER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x66);

/// Link-layer address of the mobile node that the demonstration's policy lists.
pub const MN_MAC: &str = "02:00:00:00:00:01";

/// Names of the access links, which are bridges in the switch.
pub const ACCESS: [&str; 2] = ["access1", "access2"];

/// Name of the core link, a bridge in the switch.
pub const CORE: &str = "core";

/// What a gateway's namespace is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Nothing: `anchord` answers on its ports, the kernel does not.
    Silent,
    /// A router of the kernel's own, in the place of `anchord`.
    Router,
}

/// Namespaces and cables of a run.
#[derive(Debug)]
pub struct Topology {
    /// The wire in the core link, if the plan asked for one.
    pub wire: Option<Wire>,
    /// Where cables are plugged.
    pub switch: Namespace,
    /// The correspondent node.
    pub cn: Host,
    /// Where the LMA runs: ports `inet0` and `core0`.
    pub lma: Namespace,
    /// Where the MAGs run: ports `core0` and `acc0`.
    pub mags: [Namespace; 2],
    kernels: [Kernel; 3],
    /// The run that all belongs to.
    pub run: Run,
}

/// How a [`Topology`] differs from the plain one.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The namespace of the LMA.
    pub lma: Kernel,
    /// The namespaces of the MAGs.
    pub mags: [Kernel; 2],
    /// A seeded wire between the LMA and the core.
    pub wire: Option<(&'a Programs, Impairment)>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            lma: Kernel::Silent,
            mags: [Kernel::Silent; 2],
            wire: None,
        }
    }
}

impl Topology {
    /// Lays the network out.
    ///
    /// # Errors
    /// When we are not root or the kernel refuses a part of it.
    pub fn lay(plan: Plan<'_>) -> Result<Self> {
        let run = Run::start()?;
        let gateway = |kernel, role: &str| match kernel {
            Kernel::Silent => Namespace::silent(&run, role),
            Kernel::Router => Namespace::host(&run, role),
        };
        let switch = Namespace::silent(&run, "switch")?;
        let lma = gateway(plan.lma, "lma")?;
        let mags = [
            gateway(plan.mags[0], "mag1")?,
            gateway(plan.mags[1], "mag2")?,
        ];
        let cn = Host {
            namespace: Namespace::host(&run, "cn")?,
            cable: "inet0".into(),
        };
        switch.bridge(CORE)?;
        for access in ACCESS {
            switch.bridge(access)?;
        }

        cable(End::of(&cn.namespace, INTERFACE), End::of(&lma, "inet0"))?;
        cn.namespace.ip(&format!(
            "addr add {CN}/64 dev {INTERFACE} nodad\n\
             route add default via 2001:db8:100::1 dev {INTERFACE}\n"
        ))?;
        cable(End::of(&lma, "core0"), End::of(&switch, "core-lma"))?;
        let wire = match plan.wire {
            None => {
                switch.plug("core-lma", CORE)?;
                None
            }
            Some((programs, impairment)) => {
                // Wire between the LMA's cable and one more cable, whose far end is in the core.
                cable(End::of(&switch, "core-wire"), End::of(&switch, "core-far"))?;
                switch.plug("core-far", CORE)?;
                let ends = ["core-lma", "core-wire"];
                Some(Wire::start(programs, &switch, ends, impairment)?)
            }
        };
        for ((mag, access), name) in mags.iter().zip(ACCESS).zip(["mag1", "mag2"]) {
            let (core_end, access_end) = (format!("core-{name}"), format!("acc-{name}"));
            cable(End::of(mag, "core0"), End::of(&switch, &core_end))?;
            cable(End::of(mag, "acc0"), End::of(&switch, &access_end))?;
            switch.plug(&core_end, CORE)?;
            switch.plug(&access_end, access)?;
        }
        Ok(Self {
            wire,
            switch,
            cn,
            lma,
            mags,
            kernels: [plan.lma, plan.mags[0], plan.mags[1]],
            run,
        })
    }

    fn place(name: &str) -> usize {
        match name {
            "lma" => 0,
            "mag1" => 1,
            _ => 2,
        }
    }

    /// The namespace of the gateway of that name: `lma`, `mag1` or `mag2`.
    pub fn gateway(&self, name: &str) -> &Namespace {
        let [mag1, mag2] = &self.mags;
        [&self.lma, mag1, mag2][Self::place(name)]
    }

    /// What the kernel does in that namespace.
    pub fn kernel(&self, name: &str) -> Kernel {
        self.kernels[Self::place(name)]
    }

    /// Adds a mobile node: an ordinary host whose cable lies in the switch, not plugged in.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mobile_node(&self, name: &str, mac: &str) -> Result<Host> {
        let host = Host {
            namespace: Namespace::host(&self.run, name)?,
            cable: format!("to-{name}"),
        };
        cable(
            End::of(&host.namespace, INTERFACE),
            End::of(&self.switch, &host.cable),
        )?;
        // Down until it is plugged in; the address has to be set before the link comes up.
        self.switch
            .ip(&format!("link set dev {} down\n", host.cable))?;
        host.namespace.ip(&format!(
            "link set dev {INTERFACE} down\n\
             link set dev {INTERFACE} address {mac}\n\
             link set dev {INTERFACE} up\n"
        ))?;
        Ok(host)
    }

    /// Adds a host to the core link, under an address that no policy names.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn stranger(&self) -> Result<Host> {
        let host = Host {
            namespace: Namespace::host(&self.run, "stranger")?,
            cable: "to-stranger".into(),
        };
        cable(
            End::of(&host.namespace, INTERFACE),
            End::of(&self.switch, &host.cable),
        )?;
        self.switch.plug(&host.cable, CORE)?;
        host.namespace
            .ip(&format!("addr add {STRANGER}/64 dev {INTERFACE} nodad\n"))?;
        Ok(host)
    }

    /// Plugs a host's cable into access link 0 or 1, out of the one where it was. The host sees its
    /// link come up if it was unplugged, and nothing at all if it was not.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn plug(&self, host: &Host, access: usize) -> Result<()> {
        self.switch.plug(&host.cable, ACCESS[access])
    }

    /// Plugs many hosts in at once, each into access link 0 or 1.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn plug_all<'a>(&self, hosts: impl Iterator<Item = (&'a Host, usize)>) -> Result<()> {
        let cables = hosts.map(|(host, access)| (host.cable.as_str(), ACCESS[access]));
        self.switch.plug_all(cables)
    }

    /// Takes a host's cable out of its access link, so quietly that the host does not see it: between
    /// two access points there is a moment like this.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn lift(&self, host: &Host) -> Result<()> {
        self.switch
            .ip(&format!("link set dev {} nomaster\n", host.cable))
            .map(drop)
    }

    /// Unplugs a host: its link goes down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unplug(&self, host: &Host) -> Result<()> {
        self.switch.unplug(&host.cable)
    }
}
