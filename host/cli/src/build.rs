//! `belljar build`

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use belljar::{Limits, Release};
use belljar_package::Package;
use serde_json::json;

use crate::args::{BuildArgs, Emit};
use crate::exit_codes;
use crate::failure::{Failure, chain};
use crate::{local, problems, terminal};

/// Builds a folder and writes the package, or the component of `--emit component`. Prints path and digest.
///
/// # Errors
/// What is wrong with the folder, why it becomes no component, or why the file cannot be written.
pub(crate) fn run(args: &BuildArgs) -> Result<i32, Failure> {
    let built = belljar_build::build(&args.folder)?;
    let descriptor = &built.package.descriptor;
    let bytes = built.package.encode().map_err(|error| Failure::new("build", chain(&error)))?;
    let (bytes, extension) = match args.emit {
        Emit::Package => (bytes, "belljar"),
        Emit::Component => (component(&bytes)?, "wasm"),
    };
    let digest = Package::digest_of(&bytes).to_hex();
    let path = place(args.output.as_deref(), &format!("{}-{}.{extension}", descriptor.id, descriptor.version));
    write(&path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    if args.json {
        let notices: Vec<_> = built.notices.iter().map(belljar_build::Problem::to_json).collect();
        let object = json!({
            "ok": true,
            "emit": args.emit.name(),
            "path": path.to_string_lossy(),
            "digest": digest.as_str(),
            "bytes": bytes.len(),
            "id": descriptor.id,
            "version": descriptor.version,
            "problems": notices,
        });
        terminal::stdout(format!("{}\n", terminal::json(&object.to_string())).as_bytes())?;
    } else {
        problems::show(&built.notices);
        terminal::stdout(format!("{} {digest}\n", terminal::one_line(&path.to_string_lossy())).as_bytes())?;
    }
    Ok(exit_codes::OK)
}

/// The applet with its engine. Its top-level code runs for this, here.
fn component(package: &[u8]) -> Result<Vec<u8>, Failure> {
    let limits = Limits::default();
    let release = Release::admit_all(local::tenant("build")?, package, &limits)?;
    let host = local::builder(limits, &[]).build()?;
    let component = local::wait_for(host.standalone_component(&release))?;
    component.map_err(|fault| {
        let shown = fault.position().map(|at| format!(" ({at})")).unwrap_or_default();
        Failure::new(fault.code.as_str(), format!("{}{shown}", fault.message))
    })
}

/// Where the package goes: into the current folder, into a folder, or to a file.
fn place(output: Option<&Path>, name: &str) -> PathBuf {
    match output {
        None => PathBuf::from(name),
        Some(folder) if folder.is_dir() => folder.join(name),
        Some(file) => file.to_owned(),
    }
}

/// Writes a file as a whole: whoever reads it meanwhile sees the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
    let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = File::create_new(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_goes_where_it_is_asked_for() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(place(None, "a-1.belljar"), Path::new("a-1.belljar"));
        assert_eq!(place(Some(dir.path()), "a-1.belljar"), dir.path().join("a-1.belljar"));
        let file = dir.path().join("b");
        assert_eq!(place(Some(&file), "a-1.belljar"), file);
        for content in ["one", "two"] {
            write(&file, content.as_bytes()).expect("writes");
            assert_eq!(fs::read_to_string(&file).expect("reads"), content);
        }
        write(&dir.path().join("missing/b"), b"").expect_err("there is no such folder");
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1, "nothing is left over");
    }
}
