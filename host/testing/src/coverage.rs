//! Which lines of the applet's files the tests have executed. A line is as often executed as that statement on it which was executed most often;
//! lines on which none begins do not count.

use std::collections::BTreeMap;

use crate::guest::Executed;

/// Executions of statements, by file.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Before any test.
    base: Executed,
    total: Executed,
}

/// The lines of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCoverage {
    /// Relative to the applet's folder.
    pub file: String,
    /// How often each line that counts was executed, by its number from 1.
    pub lines: BTreeMap<u32, u64>,
}

impl FileCoverage {
    /// Lines that were executed.
    pub fn covered(&self) -> usize {
        self.lines.values().filter(|hits| **hits > 0).count()
    }

    /// Lines that were not, neighbours together: `3-5,9`.
    pub fn uncovered(&self) -> String {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut before = None;
        for (line, hits) in &self.lines {
            if *hits == 0 {
                match runs.last_mut() {
                    Some(run) if before == Some(0) => run.1 = *line,
                    _ => runs.push((*line, *line)),
                }
            }
            before = Some(*hits);
        }
        let shown = runs.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
        shown.collect::<Vec<_>>().join(",")
    }
}

impl Coverage {
    /// Begins with what top-level code has executed: every sandbox goes on from there.
    pub(crate) fn new(base: &Executed) -> Self {
        Self { base: base.clone(), total: base.clone() }
    }

    /// Adds what one test has executed beyond that.
    pub(crate) fn add(&mut self, executed: &Executed) {
        for (file, counts) in executed {
            let before = self.base.get(file).map(Vec::as_slice).unwrap_or_default();
            let total = self.total.entry(file.clone()).or_default();
            if total.len() < counts.len() {
                total.resize(counts.len(), 0);
            }
            for (place, count) in counts.iter().enumerate() {
                let own = count.saturating_sub(before.get(place).copied().unwrap_or(0));
                total[place] = total[place].saturating_add(own);
            }
        }
    }

    /// The lines of each file; `lines` has the line of each statement.
    pub fn files(&self, lines: &BTreeMap<String, Vec<u32>>) -> Vec<FileCoverage> {
        let of = |(file, statements): (&String, &Vec<u32>)| {
            let counts = self.total.get(file).map(Vec::as_slice).unwrap_or_default();
            let mut lines: BTreeMap<u32, u64> = BTreeMap::new();
            for (place, line) in statements.iter().enumerate() {
                let hits = lines.entry(*line).or_default();
                *hits = (*hits).max(counts.get(place).copied().unwrap_or(0));
            }
            FileCoverage { file: file.clone(), lines }
        };
        lines.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_executed_before_counts_once() {
        let executed = |counts: &[u64]| Executed::from([("a.ts".to_owned(), counts.to_vec())]);
        let mut coverage = Coverage::new(&executed(&[1, 0]));
        coverage.add(&executed(&[1, 2, 0, 3]));
        coverage.add(&executed(&[2, 1]));
        let lines = BTreeMap::from([("a.ts".to_owned(), vec![1, 2, 3, 3, 9]), ("b.ts".to_owned(), vec![1])]);
        let files = coverage.files(&lines);
        assert_eq!(files[0].lines, BTreeMap::from([(1, 2), (2, 3), (3, 3), (9, 0)]));
        assert_eq!((files[0].covered(), files[0].uncovered().as_str()), (3, "9"));
        assert_eq!((files[1].covered(), files[1].uncovered().as_str()), (0, "1"));
    }

    #[test]
    fn neighbours_are_told_together() {
        let check = |lines: &[(u32, u64)], expected: &str| {
            assert_eq!(
                FileCoverage { file: String::new(), lines: lines.iter().copied().collect() }.uncovered(),
                expected
            );
        };
        check(&[(1, 0), (3, 0), (4, 1), (7, 0)], "1-3,7");
        check(&[(1, 1)], "");
    }
}
