//! What a port's devargs say, before DPDK sees them.
//!
//! DPDK answers a wrong devargs string with a number. What can be told apart here, is: the kind of
//! device, an interface that is not there, and what to try next.

use std::ffi::CString;

/// Octets of a slot of the packet socket's ring as its driver makes it.
const USUAL_SLOT: usize = 2048;

/// Octets of such a slot beside the IP packet: the kernel's headers, the link layer's, alignment.
const SLOT_OVERHEAD: usize = 128;

/// A device as the configuration names it.
#[derive(Clone, Debug)]
pub(crate) struct Devargs {
    text: String,
    name: String,
}

impl Devargs {
    /// Reads devargs; says what is wrong with those that no driver could take.
    pub(crate) fn parse(text: &str) -> Result<Devargs, String> {
        let text = text.trim().to_owned();
        let name = text.split(',').next().unwrap_or_default().trim().to_owned();
        if name.is_empty() {
            return Err(format!("no device is named; {}", EXAMPLES));
        }
        if text.contains('\0') {
            return Err("the device has a NUL in it".to_owned());
        }
        if name.len() >= dpdk_sys::RTE_ETH_NAME_MAX_LEN as usize {
            return Err(format!(
                "the device name `{name}` is longer than DPDK takes"
            ));
        }
        let name = match is_pci(&name) && name.len() == SHORT_PCI {
            true => format!("0000:{name}"),
            false => name,
        };
        let devargs = Devargs { text, name };
        devargs.check_interface()?;
        Ok(devargs)
    }

    /// The same device with slots that hold packets of `mtu` octets. One that copies frames through
    /// slots would cut what is longer than its usual ones.
    pub(crate) fn with_room(mut self, mtu: u16) -> Devargs {
        let slot = (usize::from(mtu) + SLOT_OVERHEAD).next_power_of_two();
        let slots = matches!(self.driver(), "net_af_packet" | "eth_af_packet");
        let told = self.argument("framesz").is_some() || self.argument("blocksz").is_some();
        if slots && !told && slot > USUAL_SLOT {
            self.text
                .push_str(&format!(",framesz={slot},blocksz={slot}"));
        }
        self
    }

    /// Octets of the slots that were asked for, of a device that copies frames through some.
    pub(crate) fn slot(&self) -> Option<usize> {
        let slots = matches!(self.driver(), "net_af_packet" | "eth_af_packet");
        self.argument("framesz").filter(|_| slots)?.parse().ok()
    }

    /// As configured, with what it needs beside.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The device's own name: what stands before the first comma.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a PCI address and not a virtual device.
    pub(crate) fn is_pci(&self) -> bool {
        is_pci(&self.name)
    }

    /// The driver that a virtual device is named after: its name without the number.
    pub(crate) fn driver(&self) -> &str {
        self.name.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// The value of an argument.
    pub(crate) fn argument(&self, key: &str) -> Option<&str> {
        self.text
            .split(',')
            .skip(1)
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim())
    }

    /// Whether its driver sits on a kernel interface that is there before.
    fn is_on_interface(&self) -> bool {
        matches!(
            self.driver(),
            "net_af_packet" | "net_af_xdp" | "eth_af_packet"
        )
    }

    /// The kernel interface that its driver sits on, if it does.
    pub(crate) fn interface(&self) -> Option<&str> {
        self.argument("iface").filter(|_| self.is_on_interface())
    }

    /// The drivers that sit on a kernel interface must name one that is there.
    fn check_interface(&self) -> Result<(), String> {
        if !self.is_on_interface() {
            return Ok(());
        }
        let Some(interface) = self.argument("iface").filter(|iface| !iface.is_empty()) else {
            return Err(format!(
                "`{}` does not say which interface to use: write `{},iface=NAME`",
                self.text, self.name
            ));
        };
        let there = CString::new(interface).is_ok_and(|name| {
            // SAFETY: a C string that outlives the call.
            unsafe { libc::if_nametoindex(name.as_ptr()) != 0 }
        });
        match there {
            true => Ok(()),
            false => Err(format!(
                "there is no interface `{interface}` for `{}` in this network namespace: create \
                 it first, or see `ip link` for those there are",
                self.text
            )),
        }
    }

    /// What to try when no driver took the device.
    pub(crate) fn device_hint(&self) -> String {
        match () {
            () if self.is_pci() => format!(
                "see `dpdk-devbind.py --status`, and bind it with `dpdk-devbind.py \
                 --bind=vfio-pci {}`",
                self.name
            ),
            () if KNOWN.contains(&self.driver()) => "check its arguments".to_owned(),
            () => EXAMPLES.to_owned(),
        }
    }

    /// What to try when it has too few queues.
    pub(crate) fn queue_hint(&self, wanted: usize) -> String {
        match self.driver() {
            "net_af_packet" | "eth_af_packet" => {
                format!("add `,qpairs={wanted}` to the device")
            }
            "net_af_xdp" => format!("add `,queue_count={wanted}` to the device"),
            "net_pcap" => "give one rx_pcap and one tx_pcap for each queue".to_owned(),
            _ => "run fewer workers, or another device".to_owned(),
        }
    }
}

/// Length of a PCI address without its domain.
const SHORT_PCI: usize = "01:00.0".len();

/// Virtual devices worth naming.
const KNOWN: &[&str] = &[
    "net_af_packet",
    "net_af_xdp",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_ring",
    "net_tap",
    "net_vhost",
    "net_virtio_user",
];

/// What a device may look like.
const EXAMPLES: &str = "write a PCI address such as `0000:01:00.0`, or a virtual device such as \
                        `net_af_packet0,iface=eth1` or `net_tap0,iface=tap0`";

/// Whether `name` is a PCI address, with its domain or without.
fn is_pci(name: &str) -> bool {
    let short = match name.split_once(':') {
        Some((domain, rest)) if rest.contains(':') => {
            if domain.len() != 4 || !is_hex(domain) {
                return false;
            }
            rest
        }
        _ => name,
    };
    let octets = short.as_bytes();
    octets.len() == SHORT_PCI
        && short.split([':', '.']).map(str::len).eq([2, 2, 1])
        && octets.get(2) == Some(&b':')
        && octets.get(5) == Some(&b'.')
        && short.split([':', '.']).all(is_hex)
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_told_from_virtual_devices() {
        for text in ["0000:01:00.0", "01:00.0", "0001:af:1f.7,arg=1"] {
            assert!(Devargs::parse(text).expect(text).is_pci(), "{text}");
        }
        for text in [
            "net_null0",
            "net_tap0,iface=x",
            "01:00:0",
            "01-00.0",
            "zz:00.0",
        ] {
            assert!(!Devargs::parse(text).expect(text).is_pci(), "{text}");
        }
        let short = Devargs::parse("01:00.0,x=1").expect("short form");
        assert_eq!(short.name(), "0000:01:00.0");
    }

    #[test]
    fn arguments_are_found_by_name() {
        let pcap = Devargs::parse("net_pcap3,rx_pcap=in.pcap,tx_pcap=out.pcap").expect("valid");
        assert_eq!(pcap.driver(), "net_pcap");
        assert_eq!(pcap.argument("tx_pcap"), Some("out.pcap"));
        assert_eq!(pcap.argument("iface"), None);
    }

    #[test]
    fn slots_grow_with_the_mtu_unless_they_are_told() {
        let room = |text: &str, mtu| {
            let devargs = Devargs::parse(text).expect(text).with_room(mtu);
            (devargs.text().to_owned(), devargs.slot())
        };
        let plain = "net_af_packet0,iface=lo";
        assert_eq!(room(plain, 1500), (plain.to_owned(), None));
        let grown = format!("{plain},framesz=16384,blocksz=16384");
        assert_eq!(room(plain, 9000), (grown, Some(16384)));
        let told = format!("{plain},framesz=4096");
        assert_eq!(room(&told, 9000), (told.clone(), Some(4096)));
        let other = "net_null0";
        assert_eq!(room(other, 9000), (other.to_owned(), None));
    }

    #[test]
    fn a_missing_interface_is_named() {
        let absent = Devargs::parse("net_af_packet0,iface=nosuch0").expect_err("refused");
        assert!(
            absent.contains("nosuch0") && absent.contains("ip link"),
            "{absent}"
        );
        let none = Devargs::parse("net_af_packet0").expect_err("refused");
        assert!(none.contains("net_af_packet0,iface=NAME"), "{none}");
        assert!(Devargs::parse(" ,iface=lo").is_err());
        assert!(Devargs::parse("net_af_packet0,iface=lo").is_ok());
    }
}
