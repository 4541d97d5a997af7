//! The gateway as metrics.

use super::Desk;
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::metrics::{Exposition, Family};
use roles::Now;

impl Desk {
    /// All metrics as text.
    pub(super) fn metrics(&mut self, engine: &Engine<Gateway>, now: Now) -> String {
        let mut all = Exposition::default();
        self.whole(&mut all, engine, now);
        self.packets(&mut all, engine, now);
        for port in self.ports() {
            let of = [port.name.as_str()];
            all.put(Family::LinkUp, &of, u64::from(port.link_up));
            for (family, value) in [
                (Family::RxPackets, port.rx_packets),
                (Family::RxBytes, port.rx_bytes),
                (Family::RxMissed, port.rx_missed),
                (Family::RxErrors, port.rx_errors),
                (Family::TxPackets, port.tx_packets),
                (Family::TxBytes, port.tx_bytes),
                (Family::TxErrors, port.tx_errors),
            ] {
                all.put(family, &of, value);
            }
        }
        for (name, value, help) in engine.counters().snapshot() {
            all.count("signalling", &name, &help, value);
        }
        let role = self.config.role().name();
        for view in engine.role().counters() {
            all.count(role, view.name, view.description, view.value);
        }
        for (name, value, help) in self.aaa.iter().flat_map(|aaa| aaa.counters().snapshot()) {
            all.count("aaa", name, help, value);
        }
        for it in self.socket.counters() {
            all.count("socket", &it.name, &it.description, it.value);
        }
        all.text()
    }

    fn whole(&self, all: &mut Exposition, engine: &Engine<Gateway>, now: Now) {
        let status = self.status(engine, now);
        let what = [
            status.name.as_str(),
            &status.role,
            &status.version,
            &status.dpdk_version,
        ];
        all.put(Family::Gateway, &what, 1u64);
        all.put(Family::Uptime, &[], status.uptime_secs);
        all.put(Family::Draining, &[], u64::from(status.draining));
        all.put(Family::Sessions, &[], status.sessions);
        all.put(Family::Subscribers, &[], status.subscribers as u64);
        for table in &status.tables {
            let of = [table.name.as_str()];
            all.put(Family::TableUsed, &of, table.used as u64);
            all.put(Family::TableCapacity, &of, table.capacity as u64);
        }
        if let Some(store) = &status.store {
            all.put(Family::Restarts, &[], u64::from(store.restarts));
            for (family, value) in [
                (Family::StoreRecords, store.records),
                (Family::StoreBytes, store.octets),
                (Family::StoreRestored, store.restored),
                (Family::StoreCommits, store.commits),
                (Family::StoreChanges, store.changes),
                (Family::StoreWaiting, store.waiting),
                (Family::StoreHeld, store.held as u64),
                (Family::StoreFailures, store.failures),
                (Family::StoreFailing, u64::from(store.failing.is_some())),
            ] {
                all.put(family, &[], value);
            }
            let (last, longest) = (store.last_commit_us, store.longest_commit_us);
            all.put(Family::StoreLastCommit, &[], last / 1e6);
            all.put(Family::StoreLongestCommit, &[], longest / 1e6);
        }
        let times = status.signalling;
        for (quantile, micros) in [
            ("0.5", times.p50_us),
            ("0.99", times.p99_us),
            ("0.999", times.p999_us),
            ("1", times.max_us),
        ] {
            all.put(Family::Answered, &[quantile], micros / 1e6);
        }
    }

    fn packets(&self, all: &mut Exposition, engine: &Engine<Gateway>, now: Now) {
        let tables = engine.writer().tables();
        for index in 0..tables.workers() {
            let counts = tables.verdict_counts(index);
            let of = index.to_string();
            all.put(Family::Received, &[&of], counts.received);
            for (born, value) in counts.born() {
                all.put(Family::Born, &[&of, &born.reason()], value);
            }
            for (verdict, value) in counts.iter() {
                let what = [&of, verdict.kind(), &verdict.reason()];
                all.put(Family::Verdicts, &what, value);
            }
        }
        for worker in self.workers(now) {
            let number = worker.index.to_string();
            let of = [number.as_str()];
            all.put(Family::Polls, &of, worker.polls);
            all.put(Family::EmptyPolls, &of, worker.empty_polls);
            all.put(Family::Packets, &of, worker.packets);
            all.put(Family::Busy, &of, worker.busy_secs);
            all.put(Family::Sleeps, &of, worker.sleeps);
            all.put(Family::Slept, &of, worker.slept_secs);
            all.put(Family::Held, &of, worker.held);
            all.put(
                Family::Stalled,
                &of,
                u64::from(worker.standing_secs.is_some()),
            );
            for vector in worker.vectors {
                let most = vector
                    .most
                    .map_or_else(|| "more".into(), |it| it.to_string());
                all.put(Family::Vectors, &[&number, &most], vector.polls);
            }
        }
    }
}
