//! Which worker polls which receive queue.

use crate::config::document::{advise, place, Document};
use crate::config::schema::{Config, Rx};

/// Notes what is wrong with `[[workers.rx]]`.
pub(super) fn queues(document: &mut Document, config: &Config) {
    let workers = &config.workers;
    for (index, rx) in workers.rx.iter().enumerate() {
        if config.port(&rx.port).is_none() {
            let known = config.port.iter().map(|port| port.name.as_str());
            let advice = advise(&rx.port, known, "the ports are");
            let text = format!("there is no port `{}`{advice}", rx.port);
            document.problem(place!["workers", "rx", index, "port"], text);
        }
        if !workers.cores.contains(&rx.core) {
            let cores: Vec<String> = workers.cores.iter().map(usize::to_string).collect();
            let text = format!(
                "core {} has no worker; those that have are {}",
                rx.core,
                cores.join(", ")
            );
            document.problem(place!["workers", "rx", index, "core"], text);
        }
        if rx.queues.is_empty() {
            document.problem(
                place!["workers", "rx", index, "queues"],
                "no queue; name at least one, from 0, or remove the entry",
            );
        }
        let earlier = workers.rx.get(..index).unwrap_or_default();
        for (place, queue) in rx.queues.iter().enumerate() {
            let here = rx.queues.get(..place).unwrap_or_default();
            let taken = earlier
                .iter()
                .find(|other| other.port == rx.port && other.queues.contains(queue))
                .map(|other| other.core)
                .or_else(|| here.contains(queue).then_some(rx.core));
            if let Some(core) = taken {
                let text = format!(
                    "queue {queue} of port {} is core {core}'s already; a queue has one worker",
                    rx.port
                );
                document.problem(place!["workers", "rx", index, "queues", place], text);
            } else if let Some(pairs) = pairs(config, &rx.port).filter(|pairs| queue >= pairs) {
                let text = format!(
                    "port {} has no queue {queue}: its device has {pairs}; write `,qpairs={}` behind it",
                    rx.port,
                    u32::from(*queue) + 1
                );
                document.problem(place!["workers", "rx", index, "queues", place], text);
            }
        }
        // Said once for each port, at its first entry.
        if !earlier.iter().any(|other| other.port == rx.port) {
            unpolled(document, config, index, rx);
        }
    }
}

/// Queues that would fill up for nobody.
fn unpolled(document: &mut Document, config: &Config, index: usize, rx: &Rx) {
    let named = || {
        let of_port = config.workers.rx.iter().filter(|it| it.port == rx.port);
        of_port.flat_map(|it| it.queues.iter().copied())
    };
    let last = named().max().unwrap_or(0);
    if let Some(missing) = (0..last).find(|queue| !named().any(|it| it == *queue)) {
        let text = format!(
            "nobody polls queue {missing} of port {}, which has queues up to {last}; give it to a core",
            rx.port
        );
        document.problem(place!["workers", "rx", index, "queues"], text);
    }
}

/// Queues of a device that says so in its devargs.
fn pairs(config: &Config, port: &str) -> Option<u16> {
    let device = &config.port(port)?.device;
    let mut words = device.split(',');
    let name = words.next()?;
    if !name.starts_with("net_af_packet") {
        return None;
    }
    let pairs = words.find_map(|word| word.trim().strip_prefix("qpairs="));
    pairs.map_or(Some(1), |pairs| pairs.parse().ok())
}
