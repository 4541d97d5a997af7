//! MAARs without a database, and a DHCPv6 server whose lease database tells them where a host comes from.
//!
//! ```text
//!   core ── MAAR 1 ── access 1        end CORE: the server, and all that is said on the core
//!     └──── MAAR 2 ── access 2        end MN: the host, in one of the two
//! ```

use crate::bytes::{ip, Seen};
use crate::configuration::{maar_with_leases, MAAR_POLICY_OF_LEASES};
use crate::dhcp::{answer, association, at_host, client, reply, send, SERVER};
use crate::host::Host;
use crate::story::{CAPACITY, CORE, MN};
use crate::world::{begin, Member, Node, World};
use control::dhcp::former::{Answered, LeaseChange, LeaseSource, Question, ServerLease};
use control::gateway::Gateway;
use roles::maar::NodeView;
use std::cell::RefCell;
use std::net::Ipv6Addr;
use std::rc::Rc;
use std::time::Duration;
use wire::dhcpv6::{code, kind, ClientMessage, Options};
use wire::ipv6::next_header;
use wire::mh::HomeNetworkPrefix;

/// Wire of the second access link.
pub const ACCESS: [usize; 2] = [1, 2];

/// Seconds for which the server leases.
pub const LIFETIME: u32 = 600;

/// The lease database, as the test plays it.
#[derive(Default)]
pub struct Database {
    pub questions: Vec<Question>,
    pub changes: Vec<LeaseChange>,
    pub busy: bool,
}

#[derive(Clone, Default)]
pub struct Source(pub Rc<RefCell<Database>>);

impl LeaseSource for Source {
    fn ask(&mut self, question: Question) -> bool {
        let mut database = self.0.borrow_mut();
        let takes = !database.busy;
        if takes {
            database.questions.push(question);
        }
        takes
    }

    fn change(&mut self, change: LeaseChange) {
        self.0.borrow_mut().changes.push(change);
    }
}

impl Source {
    pub fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.0.borrow_mut().questions)
    }

    pub fn changed(&self) -> Vec<LeaseChange> {
        std::mem::take(&mut self.0.borrow_mut().changes)
    }
}

pub struct Domain {
    pub world: World,
    pub server: Host,
    pub sources: [Source; 2],
}

pub fn domain() -> Domain {
    domain_with(|configuration| configuration)
}

/// The domain, with another configuration of its MAARs.
pub fn domain_with(adjust: impl Fn(String) -> String) -> Domain {
    let sources = [Source::default(), Source::default()];
    let nodes = [0, 1].map(|index: usize| {
        let (place, source) = (index as u8, sources[index].clone());
        Node::prepared(
            place,
            &adjust(maar_with_leases(index + 1, SERVER)),
            MAAR_POLICY_OF_LEASES,
            CAPACITY,
            begin(),
            None,
            |engine| engine.look_up_leases(Box::new(source)),
        )
    });
    let wires = vec![
        vec![Member::Port(0, 0), Member::Port(1, 0), Member::End(CORE)],
        vec![Member::Port(0, 1), Member::End(MN)],
        vec![Member::Port(1, 1)],
    ];
    let mut world = World::new(nodes.into(), wires, 3);
    let mut server = Host::new(CORE, 0x53);
    server.addresses.push(ip(SERVER));
    for _ in 0..6 {
        server.live(&mut world);
        world.pass(Duration::from_millis(400));
    }
    server.live(&mut world);
    Domain {
        world,
        server,
        sources,
    }
}

/// What was heard on the core, and of that the server's messages.
pub fn on_core(world: &mut World) -> (Vec<Seen>, Vec<Seen>) {
    let heard = world.hear(CORE);
    let of_server = |seen: &&Seen| seen.destination == ip(SERVER) && seen.kind == next_header::UDP;
    let relayed = heard.iter().filter(of_server).cloned().collect();
    (heard, relayed)
}

impl Domain {
    /// The host comes to a MAAR and asks for a router.
    pub fn come(&mut self, index: usize, mn: &mut Host) -> NodeView {
        self.world.replug(MN, ACCESS[index]);
        mn.addresses.truncate(1);
        mn.solicit_router(&mut self.world);
        mn.live(&mut self.world);
        self.node(index)
    }

    /// Time passes, in which everybody answers who is asked.
    pub fn rest(&mut self, mn: &mut Host, seconds: u32) {
        for _ in 0..seconds {
            self.world.pass(Duration::from_secs(1));
            mn.live(&mut self.world);
            self.server.live(&mut self.world);
        }
    }

    pub fn node(&self, index: usize) -> NodeView {
        let Gateway::Maar(maar) = self.world.nodes[index].engine.role() else {
            panic!("no MAAR");
        };
        let node = maar.nodes(self.world.now()).next();
        node.expect("a host")
    }

    /// The database answers a MAAR.
    pub fn tell(&mut self, index: usize, question: Question, leases: Vec<ServerLease>) {
        let answered = Answered {
            question,
            leases: Some(leases),
        };
        self.told(index, answered);
    }

    pub fn told(&mut self, index: usize, answered: Answered) {
        let now = self.world.now();
        self.world.nodes[index].engine.leases_found(now, answered);
        self.world.settle();
    }

    pub fn lease(&self, duid: &[u8], address: Ipv6Addr) -> ServerLease {
        ServerLease {
            duid: duid.to_vec(),
            association: 1,
            address,
            subnet: 1,
            lifetime: LIFETIME,
            ends: self.world.now().wall + Duration::from_secs(200),
        }
    }

    /// The host leases an address of a MAAR; what the server was asked on the way.
    pub fn lease_here(&mut self, index: usize, mn: &mut Host, leases: Vec<ServerLease>) -> Leased {
        self.world.pass(Duration::from_secs(3));
        mn.live(&mut self.world);
        on_core(&mut self.world);
        send(&mut self.world, mn, &client(kind::REQUEST, 7, b"one"));
        let (heard, relayed) = on_core(&mut self.world);
        assert!(relayed.is_empty(), "it waits: {heard:?}");
        let [question] = &self.sources[index].asked()[..] else {
            panic!("one question");
        };
        self.tell(index, question.clone(), leases);
        let (heard, relayed) = on_core(&mut self.world);
        let address = of(question.prefix, 0x77);
        let given = reply(7, &association(address, LIFETIME));
        answer(&mut self.world, &self.server, &relayed[0], &given);
        let told = at_host(&mut self.world, mn);
        Leased {
            question: question.clone(),
            address,
            heard,
            relayed: relayed[0].clone(),
            addresses: leased(&told[0].1),
        }
    }
}

pub struct Leased {
    pub question: Question,
    pub address: Ipv6Addr,
    pub heard: Vec<Seen>,
    pub relayed: Seen,
    pub addresses: Vec<(Ipv6Addr, u32, u32)>,
}

pub fn of(prefix: HomeNetworkPrefix, last: u128) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.prefix.to_bits() | last)
}

/// The addresses of a message's first association: preferred and valid lifetime of each.
pub fn leased(message: &[u8]) -> Vec<(Ipv6Addr, u32, u32)> {
    let message = ClientMessage::parse(message).unwrap();
    let association = message.options.first(code::IA_NA).unwrap();
    let options = Options::new(&association[12..]).flatten();
    let addresses = options.filter(|option| option.code == code::IA_ADDRESS);
    let number = |octets: &[u8]| u32::from_be_bytes(octets.try_into().unwrap());
    let one = |data: &[u8]| {
        let address: [u8; 16] = data[..16].try_into().unwrap();
        (address.into(), number(&data[16..20]), number(&data[20..24]))
    };
    addresses.map(|option| one(option.data)).collect()
}

/// A host walks from one MAAR to the other with a lease of each.
pub fn walked() -> (Domain, Host, Leased, Leased) {
    let mut domain = domain();
    let mut mn = Host::new(MN, 1);
    domain.come(0, &mut mn);
    let first = domain.lease_here(0, &mut mn, Vec::new());
    domain.come(1, &mut mn);
    let old = domain.lease(b"one", first.address);
    let second = domain.lease_here(1, &mut mn, vec![old]);
    (domain, mn, first, second)
}
