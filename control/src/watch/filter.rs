//! From the words of a request to a filter.

use crate::gateway::PortInfo;
use crate::rpc::{code, FilterWords, RpcError};
use crate::suggest::nearest;
use dataplane::verdict::Verdict;
use dataplane::watch::{Filter, Prefix, Verdicts};
use packet::PortId;
use std::net::IpAddr;

/// Protocols that have names.
const PROTOCOLS: [(&str, u8); 9] = [
    ("icmp", 1),
    ("ipv4", 4),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6", 41),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("mobility", 135),
];

/// The name of a protocol, or its number.
pub(super) fn protocol_name(number: u8) -> String {
    let named = PROTOCOLS.iter().find(|(_, protocol)| *protocol == number);
    named.map_or_else(
        || format!("protocol {number}"),
        |(name, _)| (*name).to_owned(),
    )
}

/// Reads a filter.
pub(super) fn read(words: &FilterWords, ports: &[PortInfo]) -> Result<Filter, RpcError> {
    let prefix = |name, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| prefix(name, text)).transpose()
    };
    Ok(Filter {
        port: words
            .port
            .as_deref()
            .map(|name| port(name, ports))
            .transpose()?,
        address: prefix("address", &words.address)?,
        outer: prefix("outer", &words.outer)?,
        inner: prefix("inner", &words.inner)?,
        protocol: words.protocol.as_deref().map(protocol).transpose()?,
        verdicts: words.verdict.as_deref().map(verdicts).transpose()?,
    })
}

fn invalid(message: String, hint: impl Into<String>) -> RpcError {
    RpcError::new(code::INVALID_PARAMS, message, hint)
}

fn port(name: &str, ports: &[PortInfo]) -> Result<PortId, RpcError> {
    let known = ports.iter().flat_map(|port| {
        let twin = port.twin.iter().map(|(name, id)| (name.as_str(), *id));
        std::iter::once((port.name.as_str(), port.id)).chain(twin)
    });
    let known: Vec<_> = known.collect();
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, id)| *id).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        RpcError::not_found(
            format!("there is no port `{name}`"),
            format!("the ports are {}", names.join(", ")),
        )
    })
}

fn prefix(name: &str, text: &str) -> Result<Prefix, RpcError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let wrong = || {
        invalid(
            format!("`{name}`: `{text}` is no address or prefix"),
            "give one such as 2001:db8::1 or 2001:db8::/32",
        )
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let whole = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let length = length.map_or(Ok(whole), |length| length.parse().map_err(|_| wrong()))?;
    match length {
        length if length <= whole => Ok(Prefix { address, length }),
        _ => Err(wrong()),
    }
}

fn protocol(text: &str) -> Result<u8, RpcError> {
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text);
    if let Some((_, number)) = named {
        return Ok(*number);
    }
    text.parse().map_err(|_| {
        let names = PROTOCOLS.map(|(name, _)| name);
        let hint = match nearest(text, names.into_iter()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("give a number to 255 or one of {}", names.join(", ")),
        };
        invalid(format!("there is no protocol `{text}`"), hint)
    })
}

fn verdicts(text: &str) -> Result<Verdicts, RpcError> {
    let whole = |verdict: Verdict| format!("{}_{}", verdict.kind(), verdict.reason());
    let set = Verdicts::of(|verdict| {
        verdict.kind() == text || verdict.reason() == text || whole(verdict) == text
    });
    if !set.is_empty() {
        return Ok(set);
    }
    let names = Verdict::all().flat_map(|it| [it.kind().to_owned(), it.reason(), whole(it)]);
    let names: Vec<String> = names.collect();
    Err(invalid(
        format!("there is no verdict `{text}`"),
        match nearest(text, names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`counters` lists them, as drop_tunnel_unknown; `drop` means all drops".into(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::verdict::{Drop, Reply};

    fn words(change: impl FnOnce(&mut FilterWords)) -> Result<Filter, RpcError> {
        let mut words = FilterWords::default();
        change(&mut words);
        let ports = [PortInfo {
            name: "core0".into(),
            device: "net_null0".into(),
            driver: "net_null".into(),
            mac: "02:00:00:00:00:01".parse().expect("an address"),
            mtu: 1500,
            id: PortId(0),
            twin: Some(("anchor-core0".into(), PortId(1))),
            queues: Default::default(),
        }];
        read(&words, &ports)
    }

    #[test]
    fn a_verdict_goes_by_kind_by_reason_or_by_both() {
        let set = |text: &str| words(|it| it.verdict = Some(text.into())).map(|it| it.verdicts);
        let unknown = Verdict::Drop(Drop::TunnelUnknown);
        let told = Verdict::Reply(Reply::NoRoute);
        for (text, has, lacks) in [
            ("drop", unknown, told),
            ("tunnel_unknown", unknown, told),
            ("reply_no_route", told, Verdict::Drop(Drop::NoRoute)),
        ] {
            let set = set(text).expect("verdicts").expect("given");
            assert!(set.contains(has) && !set.contains(lacks), "{text}");
        }
        let error = set("tunel_unknown").expect_err("none");
        assert_eq!(error.hint(), Some("did you mean `tunnel_unknown`?"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |change: fn(&mut FilterWords)| words(change).expect_err("refused");
        let error = refused(|it| it.port = Some("eth0".into()));
        assert_eq!(error.code, code::NOT_FOUND);
        assert_eq!(error.hint(), Some("the ports are core0, anchor-core0"));
        let error = refused(|it| it.inner = Some("2001:db8::/129".into()));
        assert!(
            error.message.contains("`inner`: `2001:db8::/129`"),
            "{error}"
        );
        let error = refused(|it| it.protocol = Some("icmp6".into()));
        assert_eq!(error.hint(), Some("did you mean `icmp`?"));
        refused(|it| it.protocol = Some("256".into()));
        refused(|it| it.address = Some("host".into()));
    }

    #[test]
    fn what_can_be_read_is_there() {
        let filter = words(|it| {
            it.port = Some("anchor-core0".into());
            it.address = Some("192.0.2.0/24".into());
            it.protocol = Some("mobility".into());
        });
        let filter = filter.expect("a filter");
        assert_eq!(filter.port, Some(PortId(1)));
        assert_eq!(filter.address.map(|it| it.length), Some(24));
        assert_eq!(filter.protocol, Some(135));
    }
}
