//! `cargo xtask portability`: library, server and command type-check for systems that are not at hand. Nothing is linked or run, so that no
//! foreign linker, SDK or C compiler is needed: crates with C code (SQLite, zstd, AWS-LC) get a compiler that makes empty objects.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{cargo, output, run, target_dir};
use crate::engine;

/// One of each family; `rustup target add` has their standard libraries.
const TARGETS: [&str; 2] = ["x86_64-apple-darwin", "x86_64-pc-windows-gnu"];
/// All that is shipped: what these depend on is checked with them.
const PACKAGES: [&str; 3] = ["belljar", "belljar-server", "belljar-cli"];

/// Compiles to empty objects, and says that it is clang when the crate `cc` asks.
const COMPILER: &str = "\
#!/bin/sh
out=
while [ $# -gt 0 ]; do
    case $1 in
        -E | -print* | --version | -dumpmachine) echo 'clang version 17.0.0'; exit 0 ;;
        -o) out=$2; shift ;;
        -o*) out=${1#-o} ;;
    esac
    shift
done
[ -z \"$out\" ] || : > \"$out\"
";

/// Makes empty archives.
const ARCHIVER: &str = "\
#!/bin/sh
for word in \"$@\"; do
    case $word in
        *.a) : > \"$word\" ;;
    esac
done
";

/// Checks each target whose standard library is installed, and says which are left out.
pub(crate) fn check(repository: &Path) -> Result<()> {
    // The core embeds the engine: without one, it does not compile.
    engine::build(repository)?;
    let tools = target_dir()?.join("portability");
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let (compiler, archiver) = (program(&tools, "cc", COMPILER)?, program(&tools, "ar", ARCHIVER)?);
    for target in TARGETS {
        if !has_standard_library(repository, target)? {
            eprintln!("xtask: skipped: {target} has no standard library here: `rustup target add {target}` gets it");
            continue;
        }
        eprintln!("xtask: type-checking for {target}");
        let mut check = cargo(repository);
        check
            .args(["check", "-j2", "--locked", "--target", target])
            .args(PACKAGES.into_iter().flat_map(|name| ["-p", name]));
        let suffix = target.replace('-', "_");
        check
            .env(format!("CC_{suffix}"), &compiler)
            .env(format!("CXX_{suffix}"), &compiler)
            .env(format!("AR_{suffix}"), &archiver);
        // Nothing of an SDK is read; that there is one is taken for granted.
        check.env("SDKROOT", &tools);
        run(&mut check).with_context(|| format!("something does not compile for {target}"))?;
    }
    Ok(())
}

fn program(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let write = || {
        // Not when it is the same: what was compiled with it need not be compiled again.
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::write(&path, text)?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn has_standard_library(repository: &Path, target: &str) -> Result<bool> {
    let folder =
        output(Command::new("rustc").current_dir(repository).args(["--print", "target-libdir", "--target", target]))?;
    let Ok(entries) = fs::read_dir(folder.trim()) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}
