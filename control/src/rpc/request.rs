//! What can be asked: one enum of requests, one of replies.

use super::declare::{objects, Field};
use super::error::{code, RpcError};
use super::types;
use super::watching::{CaptureParams, StopParams, TalkersParams, TraceParams};
use roles::cmd::CmdMode;
use serde::Serialize;
use serde_json::{json, Map, Value};
use std::net::Ipv6Addr;
use wire::ether::MacAddr;
use wire::mh::{HomeNetworkPrefix, RevocationTrigger};

/// A method, for documentation and suggestions.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Its parameters.
    pub params: &'static [Field],
    /// Type of its result, as declared in [`types`].
    pub result: &'static str,
    /// What the result is.
    pub result_fields: &'static [Field],
}

/// Declares the methods: each with its parameters, if it has any, and its result. `[T]` is a list.
macro_rules! methods {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal $(($params:ident))? -> $reply:tt;
    )+) => {
        /// A request.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[doc = $doc])+ $variant $(($params))?,)+
        }

        /// A reply: the variant is that of its request.
        // There is one at a time, and it is moved twice: its size is of no matter.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Reply {
            $(
                #[doc = concat!("To [`Request::", stringify!($variant), "`].")]
                $variant(methods!(@type $reply)),
            )+
        }

        impl Method {
            /// All methods.
            pub const ALL: &'static [Self] = &[$(Self {
                name: $name,
                description: concat!($($doc),+),
                params: methods!(@fields $($params)?),
                result: stringify!($reply),
                result_fields: methods!(@reply_fields $reply),
            },)+];
        }

        impl Request {
            /// The name of its method.
            pub const fn method(&self) -> &'static str {
                match self {
                    $(methods!(@pattern $variant $($params)?) => $name,)+
                }
            }

            /// Reads a request from its method and parameters.
            ///
            /// # Errors
            /// `METHOD_NOT_FOUND` with a suggestion; `INVALID_PARAMS`.
            pub fn parse(method: &str, params: Option<Value>) -> Result<Self, RpcError> {
                let params = named(params)?;
                match method {
                    $($name => methods!(@parse $name params $variant $($params)?),)+
                    _ => Err(unknown(method)),
                }
            }

            /// Its parameters, as a client sends them.
            pub fn params(&self) -> Value {
                match self {
                    $(methods!(@bind params $variant $($params)?) =>
                        methods!(@params params $($params)?),)+
                }
            }

            /// Reads the result of a reply to this request.
            ///
            /// # Errors
            /// When the result is not what this version of the program knows.
            pub fn reply(&self, result: Value) -> Result<Reply, serde_json::Error> {
                match self {
                    $(methods!(@pattern $variant $($params)?) =>
                        serde_json::from_value(result).map(Reply::$variant),)+
                }
            }
        }
    };
    (@type [$reply:ident]) => { Vec<types::$reply> };
    (@type $reply:ident) => { types::$reply };
    (@reply_fields [$reply:ident]) => { types::$reply::FIELDS };
    (@reply_fields $reply:ident) => { types::$reply::FIELDS };
    (@fields) => { &[] };
    (@fields $params:ident) => { $params::FIELDS };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $params:ident) => { Self::$variant(_) };
    (@bind $binding:ident $variant:ident) => { Self::$variant };
    (@bind $binding:ident $variant:ident $params:ident) => { Self::$variant($binding) };
    (@params $binding:ident) => { json!({}) };
    (@params $binding:ident $params:ident) => { object($binding) };
    (@parse $name:literal $given:ident $variant:ident) => {
        none($name, &$given).map(|()| Self::$variant)
    };
    (@parse $name:literal $given:ident $variant:ident $params:ident) => {
        read($name, $given, $params::FIELDS).and_then($params::check).map(Self::$variant)
    };
}

methods! {
    /// The gateway as a whole: role, version, uptime, tables, trouble.
    Status = "status" -> Status;
    /// The ports, with what DPDK counts for them.
    Ports = "ports" -> [Port];
    /// The workers, with how busy they are.
    Workers = "workers" -> [Worker];
    /// The routes: our own addresses, on-link prefixes, static routes.
    Routes = "routes" -> [Route];
    /// The neighbours that are known or asked for.
    Neighbours = "neighbours" (PageParams) -> [Neighbour];
    /// The gateways that policy names or that share sessions with this one, with what heartbeats tell of
    /// them (RFC 5847).
    Peers = "peers" (PageParams) -> [Peer];
    /// LMA: the binding cache.
    Bindings = "bindings" (PageParams) -> [Binding];
    /// MAG: the hosts that are attached, with the binding update list.
    Visitors = "visitors" (PageParams) -> [Visitor];
    /// MAAR: the hosts that it anchors: where each is, and its prefixes of other anchors.
    Anchors = "anchors" (PageParams) -> [AnchoredHost];
    /// CMD: the binding cache: each host, the MAAR that serves it, and those that it came by.
    Sessions = "sessions" (PageParams) -> [Session];
    /// CMD: how serving MAARs hear of previous ones; changed when a mode is given.
    Mode = "mode" (ModeParams) -> Mode;
    /// All counters: verdicts of each worker, signalling, the control socket.
    Counters = "counters" -> Counters;
    /// MAG: a host has attached, says the access network.
    Attach = "attach" (AttachParams) -> Accepted;
    /// MAG: a host has left, says the access network.
    Detach = "detach" (DetachParams) -> Accepted;
    /// Deletes the session of a host, whatever its state.
    Delete = "delete" (DeleteParams) -> Accepted;
    /// Ends bindings and tells the peers that share them (RFC 5846): those of one host, those with one
    /// peer, those of the hosts of a realm, or all.
    Revoke = "revoke" (RevokeParams) -> Revoked;
    /// LMA: registers a host's own binding (RFC 6275), for signalling that runs elsewhere. It stands beside
    /// what gateways register, and none of them finds it.
    Register = "register" (RegisterParams) -> Registered;
    /// Reads the policy file and the routes again. When something is wrong with them, nothing changes.
    Reload = "reload" -> Reloaded;
    /// Sends a `notice` notification on this connection for whatever happens from now on.
    Subscribe = "subscribe" -> Subscribed;
    /// Sends the next packets that a filter wants as `traced` notifications on this connection, each
    /// with what every stage decided, and `ended` behind them.
    Trace = "trace" (TraceParams) -> Watching;
    /// Sends the frames of packets that a filter wants as `captured` notifications on this connection,
    /// before and after they were rewritten, and `ended` behind them.
    Capture = "capture" (CaptureParams) -> Watching;
    /// Ends a trace or a capture, whoever began it.
    Stop = "stop" (StopParams) -> Stopped;
    /// The bindings that most goes through at present. Their counters are read round by round while
    /// somebody asks: the first answers are empty.
    Talkers = "talkers" (TalkersParams) -> [Talker];
    /// MAAR: whether the DHCPv6 server leases what this gateway gives hosts prefixes of.
    Dhcp = "dhcp" -> Dhcp;
    /// MAG: how the RADIUS servers do, and what waits for them.
    Aaa = "aaa" -> Aaa;
    /// All metrics, as text.
    Metrics = "metrics" -> Metrics;
}

/// Entries that one answer holds at most: making it must not keep packets waiting.
pub const LONGEST_PAGE: usize = 4_096;

objects! {
    /// Which part of a list that can be long. Without parameters it is all of it, or an error when
    /// there are more than 4096 entries. What comes or goes between two pages may be missed or come
    /// twice.
    #[derive(Copy, Default)]
    pub struct PageParams {
        /// How many entries to leave out from the beginning; none when absent.
        pub skip: Option<usize>,
        /// How many entries to answer with at most, 1 to 4096. A page of fewer is the last.
        pub limit: Option<usize>,
    }

    /// Parameters of `attach`.
    pub struct AttachParams {
        /// The access interface, by its name in the configuration.
        pub interface: String,
        /// The host's link-layer address.
        pub mac: MacAddr,
        /// A session comes to this interface from another of the host (RFC 5213 section 5.4): the one
        /// with these home network prefixes, or with none given the only one that it has.
        pub takes_over: Option<Vec<HomeNetworkPrefix>>,
    }

    /// Parameters of `detach`: one of the two.
    pub struct DetachParams {
        /// The host's link-layer address.
        pub mac: Option<MacAddr>,
        /// The host's identifier.
        pub identifier: Option<String>,
    }

    /// Parameters of `revoke`: one of `identifier`, `realm`, `peer` and `all`.
    #[derive(Default)]
    pub struct RevokeParams {
        /// The host's identifier.
        pub identifier: Option<String>,
        /// The realm of hosts: what follows the `@` of their identifiers.
        pub realm: Option<String>,
        /// Of one host: its IPv4 home address alone, by `true`.
        pub ipv4_only: Option<bool>,
        /// Of one host: what the peer is told of why: `unspecified`, `administrative`, `user`,
        /// `access-network` or `out-of-sync`. Absent: `administrative`; at a MAG, where nothing is said of
        /// IPv4 alone, the host is de-registered, which says no reason.
        pub trigger: Option<String>,
        /// The peer: a MAG's address at an LMA, an LMA's at a MAG.
        pub peer: Option<Ipv6Addr>,
        /// Everything, by `true`.
        pub all: Option<bool>,
    }

    /// Parameters of `register`.
    pub struct RegisterParams {
        /// The host's identifier.
        pub identifier: String,
        /// Its home address: of a pool of the LMA, or of a prefix that policy fixes for the host.
        pub home_address: Ipv6Addr,
        /// Where its packets go: an address of its own, elsewhere.
        pub care_of_address: Ipv6Addr,
        /// Lifetime that is asked for in seconds, counted in units of four; 0 ends the binding.
        pub lifetime_secs: u32,
        /// Sequence number of the host's update, which has to be newer than the last. Absent: the one
        /// behind it.
        pub sequence: Option<u16>,
    }

    /// Parameters of `mode`.
    #[derive(Default)]
    pub struct ModeParams {
        /// The mode that is wanted: `relay`, `locator` or `proxy`; absent: nothing is changed.
        pub mode: Option<String>,
    }

    /// Parameters of `delete`.
    pub struct DeleteParams {
        /// The host's identifier.
        pub identifier: String,
    }
}

impl PageParams {
    fn check(self) -> Result<Self, RpcError> {
        match self.limit {
            Some(limit) if !(1..=LONGEST_PAGE).contains(&limit) => Err(invalid(
                format!("a `limit` of {limit} is out of range"),
                format!("give 1 to {LONGEST_PAGE}"),
            )),
            _ => Ok(self),
        }
    }

    /// These entries of a list that has `total` of them.
    ///
    /// # Errors
    /// `INVALID_PARAMS` when all of too many are asked for.
    pub fn of<T>(self, total: usize, entries: impl Iterator<Item = T>) -> Result<Vec<T>, RpcError> {
        let skip = self.skip.unwrap_or(0);
        if self.limit.is_none() && total.saturating_sub(skip) > LONGEST_PAGE {
            return Err(invalid(
                format!("{total} entries are more than one answer holds"),
                format!("ask for pages by `limit`, up to {LONGEST_PAGE}, and `skip`"),
            ));
        }
        let limit = self.limit.unwrap_or(LONGEST_PAGE);
        Ok(entries.skip(skip).take(limit).collect())
    }
}

impl AttachParams {
    fn check(self) -> Result<Self, RpcError> {
        if self.mac.is_group() {
            return Err(invalid(
                format!("{} is a group of hosts", self.mac),
                "give a unicast link-layer address",
            ));
        }
        Ok(self)
    }
}

impl DetachParams {
    fn check(self) -> Result<Self, RpcError> {
        if self.mac.is_some() == self.identifier.is_some() {
            return Err(invalid(
                "`detach` needs the host by `mac` or by `identifier`",
                "give one of the two",
            ));
        }
        Ok(self)
    }
}

/// What an operator may say of why a binding ends (RFC 5846 section 5.1). A handover is for an anchor
/// to notice, and the global ones follow from what is revoked.
const TRIGGERS: [(&str, RevocationTrigger); 5] = [
    ("unspecified", RevocationTrigger::UNSPECIFIED),
    ("administrative", RevocationTrigger::ADMINISTRATIVE),
    ("user", RevocationTrigger::USER_TERMINATION),
    ("access-network", RevocationTrigger::ACCESS_TERMINATION),
    ("out-of-sync", RevocationTrigger::OUT_OF_SYNC),
];

fn trigger(word: &str) -> Option<RevocationTrigger> {
    let known = TRIGGERS.iter().find(|(known, _)| *known == word);
    known.map(|&(_, trigger)| trigger)
}

impl RevokeParams {
    fn check(self) -> Result<Self, RpcError> {
        let all = self.all == Some(true);
        let (host, peer) = (self.identifier.is_some(), self.peer.is_some());
        let given = [host, self.realm.is_some(), peer, all];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(invalid(
                "`revoke` needs a host by `identifier`, a `realm`, a `peer`, or `all`",
                "give one of the four",
            ));
        }
        if !host && (self.ipv4_only == Some(true) || self.trigger.is_some()) {
            return Err(invalid(
                "`ipv4_only` and `trigger` are about one host",
                "give its `identifier`",
            ));
        }
        let realm = self.realm.as_deref();
        if realm.is_some_and(|realm| realm.is_empty() || realm.contains('@')) {
            return Err(invalid(
                "a realm is what follows the `@` of an identifier",
                "give it without the `@`, such as `example.net`",
            ));
        }
        match self.trigger.as_deref() {
            Some(word) if trigger(word).is_none() => Err(invalid(
                format!("there is no trigger `{word}` to choose"),
                format!("give {}", TRIGGERS.map(|(word, _)| word).join(", ")),
            )),
            _ => Ok(self),
        }
    }

    /// What the peer is to be told of why, if that is chosen.
    pub fn wanted_trigger(&self) -> Option<RevocationTrigger> {
        trigger(self.trigger.as_deref()?)
    }
}

impl RegisterParams {
    fn check(self) -> Result<Self, RpcError> {
        if self.identifier.is_empty() {
            return Err(invalid(
                "`identifier` is empty",
                "give the host's identifier",
            ));
        }
        if matches!(self.lifetime_secs, 1..=3) {
            return Err(invalid(
                "a lifetime has units of four seconds",
                "give 4 or more, or 0 to end the binding",
            ));
        }
        Ok(self)
    }
}

impl ModeParams {
    fn check(self) -> Result<Self, RpcError> {
        let names = CmdMode::ALL.map(CmdMode::name);
        match &self.mode {
            Some(mode) if !names.contains(&mode.as_str()) => Err(invalid(
                "there is no such mode",
                format!("give {}", names.join(", ")),
            )),
            _ => Ok(self),
        }
    }

    /// The mode that is wanted, if one is.
    pub fn wanted(&self) -> Option<CmdMode> {
        let mode = self.mode.as_deref()?;
        CmdMode::ALL.into_iter().find(|known| known.name() == mode)
    }
}

impl DeleteParams {
    fn check(self) -> Result<Self, RpcError> {
        if self.identifier.is_empty() {
            return Err(invalid("`identifier` is empty", "give a host's identifier"));
        }
        Ok(self)
    }
}

impl Request {
    /// Which part of a list it asks for, if it is for one that comes in pages.
    pub fn page(&mut self) -> Option<&mut PageParams> {
        match self {
            Self::Neighbours(page)
            | Self::Peers(page)
            | Self::Bindings(page)
            | Self::Visitors(page)
            | Self::Anchors(page)
            | Self::Sessions(page) => Some(page),
            _ => None,
        }
    }
}

fn invalid(message: impl Into<String>, hint: impl Into<String>) -> RpcError {
    RpcError::new(code::INVALID_PARAMS, message, hint)
}

fn unknown(method: &str) -> RpcError {
    let names = Method::ALL.iter().map(|method| method.name);
    let hint = match crate::suggest::nearest(method, names.clone()) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("the methods are {}", names.collect::<Vec<_>>().join(", ")),
    };
    // Someone who sends a megabyte of method name does not get it back.
    let shown: String = method.chars().take(64).collect();
    RpcError::new(
        code::METHOD_NOT_FOUND,
        format!("there is no method `{shown}`"),
        hint,
    )
}

/// The parameters by name: an object, or nothing.
fn named(params: Option<Value>) -> Result<Map<String, Value>, RpcError> {
    match params {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(params)) => Ok(params),
        Some(_) => Err(invalid(
            "parameters must be an object",
            "name them: {\"params\": {\"mac\": \"02:00:00:00:00:01\"}}",
        )),
    }
}

fn none(method: &str, params: &Map<String, Value>) -> Result<(), RpcError> {
    match params.keys().next() {
        None => Ok(()),
        Some(_) => Err(invalid(
            format!("`{method}` has no parameters"),
            "leave `params` out",
        )),
    }
}

fn read<T: serde::de::DeserializeOwned>(
    method: &str,
    params: Map<String, Value>,
    fields: &[Field],
) -> Result<T, RpcError> {
    serde_json::from_value(Value::Object(params)).map_err(|error| {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        invalid(
            format!("parameters of `{method}`: {error}"),
            format!("its parameters are {}", names.join(", ")),
        )
    })
}

/// The parameters without those that are left out.
fn object(params: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(params).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    value
}
