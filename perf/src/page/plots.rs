//! The plots of the page, each as SVG and as PNG.

use super::results::Results;
use anyhow::{anyhow, Context, Result};
use epaint_default_fonts::UBUNTU_LIGHT;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{register_font, FontStyle};
use std::path::Path;

/// Size of a plot in pixels.
const SIZE: (u32, u32) = (860, 440);

/// Colours of the lines, distinct in print and to the colour-blind.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 90, 160),
    RGBColor(200, 80, 0),
    RGBColor(0, 130, 90),
    RGBColor(150, 60, 140),
    RGBColor(90, 90, 90),
    RGBColor(170, 140, 0),
];

/// A line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
}

/// How an axis runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By powers.
    Logarithmic,
}

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Name of its files.
    pub file: &'static str,
    /// What stands above it.
    pub title: String,
    /// What the axis across shows.
    pub across: &'static str,
    /// What the axis upwards shows.
    pub up: &'static str,
    /// How the axis across runs, and how the one upwards.
    pub scales: (Scale, Scale),
    /// Its lines.
    pub lines: Vec<Line>,
}

/// All plots that there are results for.
pub fn all(results: &Results) -> Vec<Plot> {
    [bindings(results), latency(results), handover(results)]
        .into_iter()
        .flatten()
        .collect()
}

/// A line, unless it has no points.
fn line(name: &str, points: impl Iterator<Item = Option<(f64, f64)>>) -> Option<Line> {
    let points: Vec<_> = points
        .flatten()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    (!points.is_empty()).then(|| Line {
        name: name.to_owned(),
        points,
    })
}

/// Cycles per packet against bindings.
fn bindings(results: &Results) -> Option<Plot> {
    let of = |path: &str| {
        let points = results.plain(path).into_iter().map(|run| {
            let bindings = run["bindings"].as_f64()?;
            Some((bindings, run["cycles_per_packet"].as_f64()?))
        });
        line(&format!("{path}, the whole gateway"), points)
    };
    let lookups = |whose: &str, name: &str| {
        let sizes = results.get("table").and_then(|it| it["sizes"].as_array());
        let points = sizes.into_iter().flatten().map(|size| {
            let cycles = size["lookups"][0][whose]["median"].as_f64()?;
            Some((size["bindings"].as_f64()?, cycles))
        });
        line(name, points)
    };
    let lines = [
        of("encap"),
        of("decap"),
        lookups("ours", "our lookup alone"),
        lookups("rte_hash", "rte_hash bulk lookup alone"),
    ];
    Plot {
        file: "bindings",
        title: "Cycles per packet against bindings".to_owned(),
        across: "bindings",
        up: "cycles per packet",
        scales: (Scale::Logarithmic, Scale::Linear),
        lines: lines.into_iter().flatten().collect(),
    }
    .unless_empty()
}

/// Latency against load.
fn latency(results: &Results) -> Option<Plot> {
    let points = results.get("latency")?["points"].as_array()?;
    let of = |key: &str, name: &str| {
        let points = points.iter().map(|point| {
            let us = point["outcome"]["received"]["latency_us"][key].as_f64()?;
            Some((point["percent"].as_f64()?, us))
        });
        line(name, points)
    };
    let lines = [
        of("p50", "median"),
        of("p90", "90 %"),
        of("p99", "99 %"),
        of("p999", "99.9 %"),
    ];
    Plot {
        file: "latency",
        title: "Latency from the due time of each packet, against load".to_owned(),
        across: "percent of the no-loss rate",
        up: "microseconds",
        scales: (Scale::Linear, Scale::Logarithmic),
        lines: lines.into_iter().flatten().collect(),
    }
    .unless_empty()
}

/// Throughput while every host moves.
fn handover(results: &Results) -> Option<Plot> {
    let samples = results.get("storm-traffic")?["traffic"]["timeline"].as_array()?;
    // From the first packet on: before, hosts only register.
    let first = samples
        .iter()
        .position(|it| it["sent"].as_f64() > Some(0.0))?;
    let samples = samples.get(first.saturating_sub(1)..)?;
    // Steps of a tenth of a second show a rate and not the grain of the samples.
    let step = 10;
    let rate = |key: &str, name: &str| {
        let points = samples.windows(step + 1).step_by(step / 2).map(|window| {
            let (from, to) = (window.first()?, window.last()?);
            let seconds = to["seconds"].as_f64()? - from["seconds"].as_f64()?;
            let count = to[key].as_f64()? - from[key].as_f64()?;
            Some((to["seconds"].as_f64()?, count / seconds.max(1e-9) / 1e3))
        });
        line(name, points)
    };
    let lines = [
        rate("sent", "packets sent"),
        rate("received", "packets received"),
        rate("registered", "handovers"),
    ];
    Plot {
        file: "handover",
        title: "Throughput while all hosts move".to_owned(),
        across: "seconds",
        up: "thousands per second",
        scales: (Scale::Linear, Scale::Linear),
        lines: lines.into_iter().flatten().collect(),
    }
    .unless_empty()
}

impl Plot {
    fn unless_empty(self) -> Option<Self> {
        (!self.lines.is_empty()).then_some(self)
    }

    /// Writes both files into a directory.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        register_font("sans-serif", FontStyle::Normal, UBUNTU_LIGHT)
            .map_err(|_| anyhow!("the font cannot be read"))?;
        let svg = directory.join(format!("{}.svg", self.file));
        self.draw(SVGBackend::new(&svg, SIZE).into_drawing_area())
            .with_context(|| svg.display().to_string())?;
        let png = directory.join(format!("{}.png", self.file));
        self.draw(BitMapBackend::new(&png, SIZE).into_drawing_area())
            .with_context(|| png.display().to_string())
    }

    /// Least and most across, and upwards.
    fn extent(&self) -> [(f64, f64); 2] {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let of = |each: fn(&(f64, f64)) -> f64| {
            let least = points().map(each).fold(f64::INFINITY, f64::min);
            (least, points().map(each).fold(f64::NEG_INFINITY, f64::max))
        };
        [of(|(x, _)| *x), of(|(_, y)| *y)]
    }

    /// With room for the legend above the lines.
    fn draw<B: DrawingBackend>(&self, area: DrawingArea<B, Shift>) -> Result<()> {
        let [(least, most), (low, high)] = self.extent();
        let high = if high > 0.0 { high } else { 1.0 };
        let margin = ((most - least) * 0.02).max(1e-6);
        let across = least - margin..most + margin;
        let powers = (least.max(1e-9) / 1.3)..(most.max(1e-9) * 1.3);
        let up = 0.0..high * 1.4;
        // A legend of a third of the height, in powers.
        let low = low.clamp(1e-9, high);
        let powers_up = low / 1.3..high * (high / low).max(10.0).powf(0.5);
        match self.scales {
            (Scale::Linear, Scale::Linear) => self.draw_on(&area, across, up),
            (Scale::Linear, Scale::Logarithmic) => {
                self.draw_on(&area, across, powers_up.log_scale())
            }
            (Scale::Logarithmic, Scale::Linear) => self.draw_on(&area, powers.log_scale(), up),
            (Scale::Logarithmic, Scale::Logarithmic) => {
                self.draw_on(&area, powers.log_scale(), powers_up.log_scale())
            }
        }
        .and_then(|()| area.present().map_err(|error| anyhow!("{error}")))
    }

    fn draw_on<B: DrawingBackend, X, Y>(
        &self,
        area: &DrawingArea<B, Shift>,
        across: X,
        up: Y,
    ) -> Result<()>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let failed = |error: DrawingAreaErrorKind<B::ErrorType>| anyhow!("{error}");
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(across, up)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc(self.up)
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 15))
            .light_line_style(WHITE)
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| short(*y))
            .draw()
            .map_err(failed)?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))
                .map_err(failed)?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
            if line.points.len() <= 30 {
                let dots = line
                    .points
                    .iter()
                    .map(|point| Circle::new(*point, 3, colour.filled()));
                chart.draw_series(dots).map_err(failed)?;
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(170, 170, 170))
            .label_font(("sans-serif", 15))
            .draw()
            .map_err(failed)
    }
}

/// A number on an axis.
fn short(number: f64) -> String {
    let trim = |number: f64, unit: &str| {
        let digits = format!("{number:.2}");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        format!("{digits}{unit}")
    };
    match number.abs() {
        size if size >= 1e6 => trim(number / 1e6, " M"),
        size if size >= 1e4 => trim(number / 1e3, " k"),
        _ => trim(number, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::forward;
    use super::*;
    use serde_json::{json, Value};

    fn results() -> Results {
        let point = |percent: u32, us: f64| {
            json!({"percent": percent, "outcome": {"received": {"latency_us":
                {"p50": us, "p90": us * 2.0, "p99": us * 3.0, "p999": us * 9.0}}}})
        };
        let timeline: Vec<Value> = (0..60)
            .map(|at| {
                json!({"seconds": f64::from(at) / 100.0, "sent": at * 1000, "received": at * 990,
                "registered": at * 50})
            })
            .collect();
        Results::of([
            ("forward-a", forward("encap", 1, 50.0)),
            ("forward-b", forward("encap", 1_000_000, 120.0)),
            ("forward-c", forward("decap", 1_000_000, 130.0)),
            (
                "latency",
                json!({"points": [point(10, 5.0), point(50, 6.0), point(90, 20.0)]}),
            ),
            ("storm-traffic", json!({"traffic": {"timeline": timeline}})),
        ])
    }

    #[test]
    fn every_plot_is_written_as_svg_and_png() {
        let directory = tempfile::tempdir().expect("a directory");
        let plots = all(&results());
        assert_eq!(plots.len(), 3);
        for plot in &plots {
            plot.write(directory.path()).expect("written");
            let file = |kind: &str| directory.path().join(format!("{}.{kind}", plot.file));
            let svg = std::fs::read_to_string(file("svg")).expect("SVG");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            for line in &plot.lines {
                assert!(svg.contains(&line.name), "{}", line.name);
            }
            let png = std::fs::read(file("png")).expect("PNG");
            assert_eq!(png.get(..4), Some(&b"\x89PNG"[..]));
            let area = (SIZE.0 * SIZE.1) as usize;
            assert!(png.len() < area, "small enough to keep");
        }
    }

    #[test]
    fn rates_come_from_sums() {
        let plot = handover(&results()).expect("a plot");
        let sent = &plot.lines[0];
        assert!(
            sent.points
                .iter()
                .all(|(_, rate)| (rate - 100.0).abs() < 1.0),
            "{sent:?}"
        );
        assert!(handover(&Results::default()).is_none());
        assert!(bindings(&Results::default()).is_none());
    }

    #[test]
    fn numbers_on_axes_are_short() {
        let cases = [
            (0.0, "0"),
            (2.5, "2.5"),
            (1_000.0, "1000"),
            (10_000.0, "10 k"),
            (16e6, "16 M"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
    }
}
