//! The tables of the page, in Markdown.

mod load;
mod ratios;
mod sizing;
mod wakeup;

use super::results::{entries, Results};
use serde_json::Value;
use std::fmt::Write;

/// What stands where nothing was measured.
const NONE: &str = "not measured";

/// A row of the budget in cycles: path, bindings, must, aim.
const CYCLES: [(&str, u64, f64, f64); 9] = [
    ("encap", 1, 121.0, 50.0),
    ("decap", 1, 101.0, 50.0),
    ("encap", 10_000, 120.0, 70.0),
    ("encap", 1_000_000, 250.0, 130.0),
    ("decap", 1_000_000, 250.0, 130.0),
    ("encap", 16_777_216, 300.0, 170.0),
    ("decap", 16_777_216, 300.0, 170.0),
    ("route", 1, 84.0, 40.0),
    ("4in6", 1, 121.0, 50.0),
];

/// All tables, by the name of their markers.
pub fn all(results: &Results) -> Vec<(&'static str, String)> {
    vec![
        ("machine", machine(results)),
        ("budget", budget(results)),
        ("stages", stages(results)),
        ("ratios", ratios::table(results)),
        ("compare", compare(results)),
        ("control", control(results)),
        ("table", table(results)),
        ("load", load::table(results)),
        ("wakeup", wakeup::table(results)),
        ("sizing", sizing::table(results)),
    ]
}

fn text<'a>(value: Option<&'a Value>, key: &str) -> &'a str {
    value.and_then(|it| it[key].as_str()).unwrap_or(NONE)
}

fn machine(results: &Results) -> String {
    let it = results.get("machine");
    let number = |key: &str| results.number("machine", &format!("/{key}")).unwrap_or(0.0);
    let hz = results
        .forwards()
        .first()
        .and_then(|run| run["tsc_hz"].as_f64());
    let total = number("hugepages_2mb_total");
    let pages = match total {
        0.0 => "no hugepages reserved: packets lay on 4 KB pages".to_owned(),
        _ => format!("{total:.0} hugepages of 2 MB reserved"),
    };
    format!(
        "{set} set, {date}, commit {commit}: {cpu}, {cores} cores, {memory:.0} GB; TSC {tsc}; \
         Linux {kernel}, {dpdk}; {pages}; transparent hugepages `{thp}`; load average at the start {load}.",
        set = text(it, "set"),
        date = text(it, "date"),
        commit = text(it, "commit"),
        cpu = text(it, "cpu"),
        cores = number("cores"),
        memory = number("memory_gb"),
        tsc = hz.map_or(NONE.to_owned(), |hz| format!("{:.3} GHz", hz / 1e9)),
        kernel = text(it, "kernel"),
        dpdk = text(it, "dpdk"),
        thp = text(it, "transparent_hugepages"),
        load = text(it, "load_average"),
    )
}

fn budget(results: &Results) -> String {
    let mut out = String::from(
        "| work | entries | must | aim | reached: min | median | max | packets near: min | median |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (path, bindings, must, aim) in CYCLES {
        let size = entries(bindings);
        let run = results.forward(path, bindings);
        let reached = match run.map(|run| &run["cycles"]) {
            Some(cycles) => ["min", "median", "max"].map(|key| figure(cycles[key].as_f64())),
            None => [NONE, "", ""].map(str::to_owned),
        };
        let near = format!("near-{path}-{bindings}");
        let near = ["min", "median"].map(|key| {
            let cycles = results.number(&near, &format!("/cycles/{key}"));
            cycles.map_or("–".to_owned(), |cycles| figure(Some(cycles)))
        });
        let (reached, near) = (reached.join(" | "), near.join(" | "));
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| {path}, cycles per packet | {size} | <= {must:.0} | {aim:.0} | {reached} | {near} |"
        );
    }
    if let Some(cycles) = results.get("forward-zipf").map(|run| &run["cycles"]) {
        let cycles = ["min", "median", "max"].map(|key| figure(cycles[key].as_f64()));
        let _ = writeln!(
            out,
            "| encap by Zipf's law, cycles per packet | 1 M | | | {} | – | – |",
            cycles.join(" | ")
        );
    }
    let mut plain = |work: &str, entries: &str, must: &str, aim: &str, reached: Option<String>| {
        let reached = reached.unwrap_or_else(|| NONE.to_owned());
        let _ = writeln!(
            out,
            "| {work} | {entries} | {must} | {aim} | | {reached} | | – | – |"
        );
    };
    let update = |run: &str| {
        let rate = results.number(run, "/updates_per_s")?;
        let loss = results.number(run, "/forwarding_loss_percent");
        Some(format!("{:.2} M, losing {} %", rate / 1e6, figure(loss)))
    };
    let update = match (update("update-paced"), update("update")) {
        (Some(paced), Some(most)) => Some(format!("{paced}; at the most {most}")),
        (paced, most) => paced.or(most),
    };
    plain(
        "table updates per second",
        "1 M",
        "1 M, losing < 5 %",
        "3 M",
        update,
    );
    let flood = results
        .number("flood", "/forged/cycles/median")
        .map(|cycles| {
            let number = |key: &str| results.number("flood", &format!("/forged/{key}"));
            let share = 100.0 * number("share").unwrap_or(0.0);
            let loss = figure(number("loss_percent/median"));
            let ports = figure(number("loss_to_ports_percent/median"));
            let to_plain = figure(number("loss_to_plain_percent/median"));
            format!("{loss} % beside no flood (ports alone {ports} %), {to_plain} % beside as many plain packets, at {share:.0} % of all packets; {cycles:.1} cycles each")
        });
    plain(
        "forwarding lost to forged signalling",
        "1 M",
        "< 5 %",
        "",
        flood,
    );
    let storm = results.number("storm", "/registrations_per_s");
    let cpu = results.number("storm", "/control_us_per_registration");
    let storm =
        storm.map(|rate| format!("{:.1} k; control takes {} us each", rate / 1e3, figure(cpu)));
    plain(
        "registrations per second, all of anchord on one core",
        "",
        "100 k",
        "300 k",
        storm,
    );
    let memory = results.number("storm", "/anchord_octets_per_binding");
    let memory = memory.map(|octets| format!("{octets:.0}"));
    plain(
        "octets per binding, both planes",
        "",
        "<= 1024",
        "400",
        memory,
    );
    out
}

fn figure(number: Option<f64>) -> String {
    number.map_or(NONE.to_owned(), |number| format!("{number:.1}"))
}

fn stages(results: &Results) -> String {
    let runs: Vec<&Value> = ["encap", "decap"]
        .iter()
        .flat_map(|path| results.plain(path))
        .collect();
    let Some(first) = runs.first() else {
        return NONE.to_owned();
    };
    let Some(names) = first["stages"].as_object() else {
        return NONE.to_owned();
    };
    let title = |run: &&Value| {
        let count = run["bindings"].as_u64().unwrap_or(0);
        format!(
            " {} {} |",
            run["path"].as_str().unwrap_or(""),
            entries(count)
        )
    };
    let titles: String = runs.iter().map(title).collect();
    let mut out = format!("| stage |{titles}\n|---|{}\n", "---|".repeat(runs.len()));
    let mut row = |name: &str, of: &dyn Fn(&Value) -> Option<f64>| {
        let cells: String = runs
            .iter()
            .map(|run| format!(" {} |", figure(of(run))))
            .collect();
        let _ = writeln!(out, "| {name} |{cells}");
    };
    for name in names.keys() {
        row(name, &|run| run["stages"][name].as_f64());
    }
    row("**gateway, without the meter**", &|run| {
        run["cycles_per_packet"].as_f64()
    });
    row("ports", &|run| run["io_cycles_per_packet"].as_f64());
    out
}

fn compare(results: &Results) -> String {
    let Some(rows) = results.get("compare").and_then(Value::as_object) else {
        return NONE.to_owned();
    };
    let mut out = String::from(
        "| | Mpps | cycles: min | median | max | ratio to ours | ours being |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, row) in rows {
        let cycles = ["min", "median", "max"].map(|key| figure(row["cycles"][key].as_f64()));
        let _ = writeln!(
            out,
            "| {name} | {:.2} | {} | {:.2} | {} |",
            row["mpps"].as_f64().unwrap_or(0.0),
            cycles.join(" | "),
            row["ratio_to_ours"].as_f64().unwrap_or(0.0),
            row["against"].as_str().unwrap_or(""),
        );
    }
    out
}

fn control(results: &Results) -> String {
    let Some(storm) = results.get("storm") else {
        return NONE.to_owned();
    };
    let mut out = String::from(
        "| round | hosts | per second | sent again | given up |\n|---|---|---|---|---|\n",
    );
    for round in storm["rounds"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "| {} | {} | {:.1} k | {} | {} |",
            round["kind"].as_str().unwrap_or(""),
            round["registered"],
            round["registrations_per_s"].as_f64().unwrap_or(0.0) / 1e3,
            round["retransmitted"],
            round["abandoned"],
        );
    }
    let us = &storm["latency_us"];
    let _ = writeln!(
        out,
        "\nUpdate due to answer received (us): p50 {}, p99 {}, p99.9 {}. Processor time of control per \
         registration: {} us.",
        figure(us["p50"].as_f64()),
        figure(us["p99"].as_f64()),
        figure(us["p999"].as_f64()),
        figure(storm["control_us_per_registration"].as_f64()),
    );
    if let Some(traffic) = results.get("storm-traffic").map(|it| &it["traffic"]) {
        let _ = writeln!(
            out,
            "Traffic to the hosts while all of them move: {} packets sent, {} lost.",
            traffic["sent"], traffic["lost"]
        );
    }
    out
}

fn table(results: &Results) -> String {
    let sizes = results.get("table").and_then(|it| it["sizes"].as_array());
    let Some(sizes) = sizes else {
        return NONE.to_owned();
    };
    let mut out = String::from(
        "| bindings | burst | ours: min | median | max | of these, counting | rte_hash: min | median | max | ratio |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for size in sizes {
        let count = entries(size["bindings"].as_u64().unwrap_or(0));
        for lookups in size["lookups"].as_array().into_iter().flatten() {
            let spread = |whose: &str| {
                ["min", "median", "max"]
                    .map(|key| figure(lookups[whose][key].as_f64()))
                    .join(" | ")
            };
            let _ = writeln!(
                out,
                "| {count} | {} | {} | {} | {} | {:.2} |",
                lookups["burst"],
                spread("ours"),
                figure(lookups["counting"]["median"].as_f64()),
                spread("rte_hash"),
                lookups["ratio"]["median"].as_f64().unwrap_or(0.0),
            );
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn forward(path: &str, bindings: u64, cycles: f64) -> Value {
        json!({"path": path, "bindings": bindings, "workers": 1, "writer_rate": 0.0, "frame": 64,
            "flows": "uniform", "cycles_per_packet": cycles, "io_cycles_per_packet": 30.0,
            "cycles": {"min": cycles - 1.0, "median": cycles, "max": cycles + 9.0},
            "stages": {"classify": 10.0, "lookup": 20.0}, "tsc_hz": 2_445_000_000_u64})
    }

    #[test]
    fn the_budget_shows_what_was_reached_and_what_was_not_measured() {
        let results = Results::of([
            ("forward-a", forward("encap", 1_000_000, 123.0)),
            ("near-encap-1000000", forward("encap", 1_000_000, 111.0)),
            (
                "storm",
                json!({"registrations_per_s": 110_000.0, "control_us_per_registration": 7.0}),
            ),
        ]);
        let table = budget(&results);
        let row = |start: &str| {
            table
                .lines()
                .find(|line| line.starts_with(start))
                .expect("a row")
        };
        let million = "| encap, cycles per packet | 1 M | <= 250 | 130 | 122.0 | 123.0 | 132.0 | 110.0 | 111.0 |";
        assert_eq!(row("| encap, cycles per packet | 1 M"), million);
        assert!(row("| decap, cycles per packet | 1 |").contains("not measured"));
        assert!(row("| registrations").contains("110.0 k; control takes 7.0 us each"));
        let columns = |line: &str| line.matches('|').count();
        assert!(table.lines().all(|line| columns(line) == 10), "{table}");
    }

    #[test]
    fn every_table_stands_without_results() {
        for (name, table) in all(&Results::default()) {
            assert!(
                table.to_lowercase().contains("not measured"),
                "{name}: {table}"
            );
        }
    }

    #[test]
    fn stages_stand_in_rows() {
        let results = Results::of([
            ("forward-a", forward("encap", 1_000_000, 123.0)),
            ("forward-b", forward("encap", 1, 50.0)),
        ]);
        let table = stages(&results);
        assert!(
            table.starts_with("| stage | encap 1 | encap 1 M |\n"),
            "{table}"
        );
        assert!(table.contains("| lookup | 20.0 | 20.0 |"));
        assert!(table.contains("| **gateway, without the meter** | 50.0 | 123.0 |"));
    }
}
