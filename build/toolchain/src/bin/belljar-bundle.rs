//! `belljar-bundle ENTRY OUT`: bundles a TypeScript file whose default export is a function into one classic script whose
//! completion value is that function, and its source map beside it. The engine's build makes the web platform with it.

use std::{path::Path, process::ExitCode};

/// The command was called wrongly.
const EXIT_USAGE: u8 = 2;
/// The source has errors, or a file cannot be written.
const EXIT_FAILED: u8 = 1;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [entry, out] = arguments.as_slice() else {
        eprintln!("usage: belljar-bundle ENTRY OUT");
        return ExitCode::from(EXIT_USAGE);
    };
    let (code, source_map) = match belljar_build::bundle_script(Path::new(entry), true) {
        Ok(made) => made,
        Err(error) => {
            eprintln!("{:?}", miette::Report::new(error));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let out = Path::new(out);
    let mut map_path = out.as_os_str().to_owned();
    map_path.push(".map");
    for (path, text) in [(out, &code), (Path::new(&map_path), &source_map)] {
        if let Err(error) = std::fs::write(path, text) {
            eprintln!("error: {} cannot be written: {error}", path.display());
            return ExitCode::from(EXIT_FAILED);
        }
    }
    ExitCode::SUCCESS
}
