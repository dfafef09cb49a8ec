//! Turns the figures of the script suite into Markdown and JSON.
//!
//! In: nanoseconds per item by workload, engine and round. Out: one table of medians with least and most, one of how many
//! times as fast HSL is, and one line for each target. Ratios are of medians within the run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::engine::{Engine, Installed};
use super::{Measured, Times};
use crate::machine::Machine;

/// The figures of one run.
#[derive(Debug)]
pub(super) struct Report<'r> {
    engines: Vec<(Engine, &'r str)>,
    measured: &'r [Measured],
}

/// Over which workloads a mean is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Policy,
}

impl<'r> Report<'r> {
    /// A report of everything measured.
    pub(super) fn new(installed: &'r [Installed], measured: &'r [Measured]) -> Self {
        let engines = installed
            .iter()
            .map(|one| (one.engine, one.version.as_str()))
            .collect();
        Self { engines, measured }
    }

    /// As Markdown.
    pub(super) fn markdown(&self, machine: &Machine) -> String {
        let mut text = format!("{}\n\n", machine.markdown());
        let names: Vec<String> = self
            .engines
            .iter()
            .map(|(engine, version)| match engine {
                Engine::Hsl | Engine::LuaJit | Engine::Node => (*version).to_owned(),
                Engine::PhpJit | Engine::Php => (*version).replace(" with", ", with"),
            })
            .collect();
        push(&mut text, &format!("Engines: {}.\n", names.join("; ")));
        push(
            &mut text,
            "Nanoseconds of CPU per item: median (least-most).\n",
        );
        self.push_figures(&mut text);
        let shares = self.measured.iter().map(cpu_share);
        let [least, median, _] = spread(shares).map(|share| share * 100.0);
        push(
            &mut text,
            &format!(
                "\nThe programs had {median:.0} % of their processor, {least:.0} % in the worst workload."
            ),
        );
        if self.rivals().next().is_some() && self.column(Engine::Hsl).is_some() {
            push(
                &mut text,
                "\nHow many times as fast as another engine HSL is.\n",
            );
            self.push_ratios(&mut text);
            push(&mut text, "");
            self.push_targets(&mut text);
        }
        text
    }

    /// As one JSON value.
    pub(super) fn json(&self, machine: &Machine) -> String {
        let engines = self.engines.iter();
        let engines: Vec<Value> = engines
            .map(|(engine, version)| json!({ "name": engine.to_string(), "version": version }))
            .collect();
        let of_workload = |measured: &Measured| {
            let by_engine = |figure: fn(&Times) -> f64| {
                let engines = self.engines.iter().zip(&measured.times);
                let figures = engines.map(|((engine, _), times)| {
                    let figures: Vec<f64> = times.iter().map(figure).collect();
                    (engine.to_string(), json!(figures))
                });
                figures.collect::<serde_json::Map<_, _>>()
            };
            json!({
                "name": measured.workload.name,
                "item": measured.workload.item.name(),
                "policy": measured.workload.is_policy,
                "items": measured.items_count,
                "answer": measured.answer,
                "cpu_ns_per_item": by_engine(|times| times.cpu_ns),
                "wall_ns_per_item": by_engine(|times| times.wall_ns),
            })
        };
        let workloads: Vec<Value> = self.measured.iter().map(of_workload).collect();
        let value = json!({
            "machine": machine.markdown(),
            "engines": engines,
            "workloads": workloads,
        });
        format!("{value:#}\n")
    }

    fn push_figures(&self, text: &mut String) {
        let names = self.engines.iter().map(|(engine, _)| engine.name());
        push_row(text, "workload, item", names.map(str::to_owned));
        push_row(text, "---", self.engines.iter().map(|_| "---".to_owned()));
        for measured in self.measured {
            let workload = measured.workload;
            let head = format!("{}, {}", workload.title, workload.item.name());
            let cells = measured.times.iter().map(|times| {
                let figures = times.iter().map(|times| times.cpu_ns);
                let [least, median, most] = spread(figures).map(figure);
                format!("{median} ({least}-{most})")
            });
            push_row(text, &head, cells);
        }
    }

    fn push_ratios(&self, text: &mut String) {
        let names = self.rivals().map(|engine| engine.name().to_owned());
        push_row(text, "workload", names);
        push_row(text, "---", self.rivals().map(|_| "---".to_owned()));
        for measured in self.measured {
            let cells = self.rivals().map(|rival| cell(self.ratio(measured, rival)));
            push_row(text, measured.workload.title, cells);
        }
        for (head, scope) in [
            ("geometric mean of all", Scope::All),
            ("geometric mean of the policy workloads", Scope::Policy),
        ] {
            let cells = self.rivals().map(|rival| cell(self.mean(scope, rival)));
            push_row(text, head, cells);
        }
    }

    /// One line for each target that this run can tell of.
    fn push_targets(&self, text: &mut String) {
        for (what, scope, rival, target) in [
            ("geometric mean of all", Scope::All, Engine::LuaJit, 1.5),
            (
                "geometric mean of the policy workloads",
                Scope::Policy,
                Engine::LuaJit,
                3.0,
            ),
            ("geometric mean of all", Scope::All, Engine::Php, 5.0),
        ] {
            let Some(mean) = self.mean(scope, rival) else {
                continue;
            };
            let verdict = if target <= mean { "met" } else { "MISSED" };
            let rival = rival.name();
            push(
                text,
                &format!(
                    "- {what}: {mean:.2} times the speed of {rival}, target {target}: {verdict}"
                ),
            );
        }
        let ratio = |measured| self.ratio(measured, Engine::LuaJit);
        if self
            .measured
            .iter()
            .all(|measured| ratio(measured).is_none())
        {
            return;
        }
        let slow: Vec<String> = self
            .measured
            .iter()
            .filter_map(|measured| {
                let ratio = ratio(measured).filter(|ratio| *ratio < FLOOR)?;
                Some(format!("{} ({ratio:.2})", measured.workload.title))
            })
            .collect();
        let verdict = if slow.is_empty() {
            "met".to_owned()
        } else {
            format!("MISSED by {}", slow.join(", "))
        };
        push(
            text,
            &format!("- no workload under {FLOOR} times the speed of LuaJIT: {verdict}"),
        );
    }

    /// The engines HSL is compared with.
    fn rivals(&self) -> impl Iterator<Item = Engine> {
        let engines = self.engines.iter().map(|(engine, _)| *engine);
        engines.filter(|engine| *engine != Engine::Hsl)
    }

    fn column(&self, engine: Engine) -> Option<usize> {
        self.engines.iter().position(|(one, _)| *one == engine)
    }

    /// How many times as fast as another engine HSL is.
    fn ratio(&self, measured: &Measured, rival: Engine) -> Option<f64> {
        let median = |engine| {
            let times = measured.times[self.column(engine)?].iter();
            let [_, median, _] = spread(times.map(|times| times.cpu_ns));
            Some(median)
        };
        Some(median(rival)? / median(Engine::Hsl)?)
    }

    /// The geometric mean of these ratios.
    fn mean(&self, scope: Scope, rival: Engine) -> Option<f64> {
        let of_scope = |one: &&Measured| scope == Scope::All || one.workload.is_policy;
        let ratios: Option<Vec<f64>> = self
            .measured
            .iter()
            .filter(of_scope)
            .map(|measured| self.ratio(measured, rival))
            .collect();
        let ratios = ratios.filter(|ratios| !ratios.is_empty())?;
        let count = u32::try_from(ratios.len()).ok()?;
        let sum: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        Some((sum / f64::from(count)).exp())
    }
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String does not fail");
}

fn push_row(text: &mut String, head: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    push(text, &format!("| {head} | {} |", cells.join(" | ")));
}

fn cell(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

/// Three digits or so.
fn figure(ns: f64) -> String {
    if ns < 100.0 {
        format!("{ns:.1}")
    } else {
        format!("{ns:.0}")
    }
}

/// CPU of all runs of a workload as a part of the time that passed.
fn cpu_share(measured: &Measured) -> f64 {
    let sum = |figure: fn(&Times) -> f64| measured.times.iter().flatten().map(figure).sum::<f64>();
    sum(|times| times.cpu_ns) / sum(|times| times.wall_ns)
}

/// Least, median and most.
fn spread(figures: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    };
    [at(0), median, at(sorted.len().saturating_sub(1))]
}

/// No workload should be slower than this part of LuaJIT's speed.
const FLOOR: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::{Engine, Installed, Measured, Report, Times, spread};
    use crate::machine::Machine;
    use crate::scripts::workload::chosen;

    fn measured(name: &str, cpu_ns: [f64; 3]) -> Measured {
        Measured {
            workload: chosen(&[name.to_owned()]).expect("it is known")[0],
            items_count: 1,
            answer: "7".to_owned(),
            times: cpu_ns
                .map(|cpu_ns| {
                    vec![Times {
                        cpu_ns,
                        wall_ns: cpu_ns * 2.0,
                    }]
                })
                .to_vec(),
        }
    }

    fn installed() -> Vec<Installed> {
        let engines = [Engine::Hsl, Engine::LuaJit, Engine::Php];
        let installed = engines.map(|engine| Installed {
            engine,
            version: engine.name().to_owned(),
        });
        installed.into_iter().collect()
    }

    #[test]
    fn means_are_geometric_and_compared_with_the_targets() {
        let measured = [
            measured("nat64", [10.0, 80.0, 100.0]),
            measured("levenshtein", [50.0, 20.0, 200.0]),
        ];
        let installed = installed();
        let text = Report::new(&installed, &measured).markdown(&Machine::here());
        for line in [
            "| Levenshtein distance | 0.40 | 4.00 |",
            "The programs had 50 % of their processor, 50 % in the worst workload.",
            "- geometric mean of all: 1.79 times the speed of LuaJIT, target 1.5: met",
            "- geometric mean of the policy workloads: 8.00 times the speed of LuaJIT, target 3: met",
            "- geometric mean of all: 6.32 times the speed of PHP without JIT, target 5: met",
            "- no workload under 0.5 times the speed of LuaJIT: MISSED by Levenshtein distance (0.40)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn json_has_every_figure() {
        let measured = [measured("nat64", [10.0, 80.0, 100.0])];
        let installed = installed();
        let text = Report::new(&installed, &measured).json(&Machine::here());
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["workloads"][0]["cpu_ns_per_item"]["lua-jit"][0], 80.0);
        assert_eq!(value["workloads"][0]["wall_ns_per_item"]["php"][0], 200.0);
        assert_eq!(value["workloads"][0]["answer"], "7");
    }

    #[test]
    fn spreads_of_odd_and_even_rounds() {
        let same =
            |one: [f64; 3], other: [f64; 3]| assert_eq!(format!("{one:?}"), format!("{other:?}"));
        same(spread([3.0, 1.0, 9.0].into_iter()), [1.0, 3.0, 9.0]);
        same(spread([4.0, 2.0].into_iter()), [2.0, 3.0, 4.0]);
    }
}
