//! Turns measurements into Markdown.
//!
//! In: for each case and server one measurement per round. Out: two tables: messages per second, and server CPU seconds
//! per 100,000 messages; medians with least and most, and ratios of medians to the first server of the same run.

use std::fmt::Write as _;

use super::case::Case;
use super::load::Measurement;
use super::server::Kind;
use crate::machine::Machine;

/// The whole report.
pub(super) fn markdown(
    machine: &Machine,
    kinds: &[Kind],
    cases: &[Case],
    measured: &[Vec<Vec<Measurement>>],
) -> String {
    let mut text = format!("{}\n\n", machine.markdown());
    text.push_str(
        "Messages per second: median (least-most), and the part of the first column.\n\n",
    );
    table(&mut text, kinds, cases, measured, |runs| {
        let spread = Spread::of(runs.iter().map(|run| run.per_second));
        let [median, least, most] = [spread.median, spread.least, spread.most].map(thousands);
        (format!("{median} ({least}-{most})"), spread.median)
    });
    text.push_str(
        "\nServer CPU seconds per 100,000 messages: median (least-most), user + system of the middle run, \
         and the multiple of the first column.\n\n",
    );
    table(&mut text, kinds, cases, measured, |runs| {
        let spread = Spread::of(runs.iter().map(|run| run.cpu_s()));
        let mut sorted = runs.to_vec();
        sorted.sort_by(|one, other| one.cpu_s().total_cmp(&other.cpu_s()));
        let middle = sorted.get(sorted.len() / 2);
        let (user, system) = middle.map_or((f64::NAN, f64::NAN), |run| (run.user_s, run.system_s));
        let cell = format!(
            "{:.2} ({:.2}-{:.2}), {user:.2} + {system:.2}",
            spread.median, spread.least, spread.most
        );
        (cell, spread.median)
    });
    text
}

fn table(
    text: &mut String,
    kinds: &[Kind],
    cases: &[Case],
    measured: &[Vec<Vec<Measurement>>],
    cell: impl Fn(&[Measurement]) -> (String, f64),
) {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    push_row(text, "load", names.iter().map(|name| (*name).to_owned()));
    push_row(text, "---", names.iter().map(|_| "---".to_owned()));
    for (case, of_case) in cases.iter().zip(measured) {
        let cells: Vec<(String, f64)> = of_case.iter().map(|runs| cell(runs)).collect();
        let first = cells.first().map_or(f64::NAN, |(_, median)| *median);
        let with_ratio = cells
            .into_iter()
            .enumerate()
            .map(|(index, (cell, median))| {
                if index == 0 {
                    cell
                } else {
                    format!("{cell}; x {:.2}", median / first)
                }
            });
        push_row(text, &case.to_string(), with_ratio);
    }
}

fn push_row(text: &mut String, head: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    writeln!(text, "| {head} | {} |", cells.join(" | "))
        .expect("writing to a String does not fail");
}

/// Median, least and most of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 || sorted.is_empty() {
            at(middle)
        } else {
            f64::midpoint(at(middle - 1), at(middle))
        };
        Self {
            least: at(0),
            median,
            most: at(sorted.len().saturating_sub(1)),
        }
    }
}

/// 12345.6 as 12,346.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Case, Kind, Machine, Measurement, Spread, markdown, thousands};

    #[test]
    fn medians_of_odd_and_even_rounds() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let of = |least, median, most| Spread {
            least,
            median,
            most,
        };
        assert_eq!(spread(&[3.0, 1.0, 9.0]), of(1.0, 3.0, 9.0));
        assert_eq!(spread(&[4.0, 2.0]), of(2.0, 3.0, 4.0));
        assert_eq!(spread(&[5.0]), of(5.0, 5.0, 5.0));
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(thousands(12_345.6), "12,346");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(1_000_000.0), "1,000,000");
    }

    #[test]
    fn ratios_are_to_the_first_server() {
        let run = |per_second, user_s| Measurement {
            per_second,
            user_s,
            system_s: 1.0,
        };
        let measured = vec![vec![vec![run(2_000.0, 1.0)], vec![run(1_000.0, 2.0)]]];
        let kinds = [Kind::Canned, Kind::Postern];
        let text = markdown(&Machine::here(), &kinds, &Case::QUICK[..1], &measured);
        assert!(
            text.contains("| 2,000 (2,000-2,000) | 1,000 (1,000-1,000); x 0.50 |"),
            "{text}"
        );
        assert!(
            text.contains("3.00 (3.00-3.00), 2.00 + 1.00; x 1.50 |"),
            "{text}"
        );
    }
}
