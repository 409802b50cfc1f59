//! Lines that were executed, as `geninfo` of LCOV writes them.

use std::fmt::Write as _;

use crate::coverage::FileCoverage;

/// The tracefile.
pub fn lcov(files: &[FileCoverage]) -> String {
    let mut text = String::new();
    for file in files {
        let _ = writeln!(text, "TN:\nSF:{}", file.file);
        for (line, hits) in &file.lines {
            let _ = writeln!(text, "DA:{line},{hits}");
        }
        let _ = writeln!(text, "LF:{}\nLH:{}\nend_of_record", file.lines.len(), file.covered());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_line_is_told() {
        let file = FileCoverage { file: "src/a.ts".into(), lines: BTreeMap::from([(1, 2), (4, 0)]) };
        assert_eq!(lcov(&[file]), "TN:\nSF:src/a.ts\nDA:1,2\nDA:4,0\nLF:2\nLH:1\nend_of_record\n");
    }
}
