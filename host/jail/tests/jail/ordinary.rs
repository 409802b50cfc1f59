//! All of this again as an ordinary user, when the tests run as root.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The user that is called `nobody` on most machines.
const NOBODY: u32 = 65_534;

#[test]
fn everything_as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it is one already");
        return;
    }
    let program = std::env::current_exe().expect("a path");
    let folder = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("given away");
    let mut command = Command::new(&program);
    command.args(["--skip", "everything_as_an_ordinary_user", "--test-threads=2"]);
    command.uid(NOBODY).gid(NOBODY).current_dir("/").env("TMPDIR", folder.path()).env("HOME", folder.path());
    match command.stdin(Stdio::null()).output() {
        Ok(output) => {
            let text =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            eprintln!("{text}");
            assert!(output.status.success(), "see above");
        }
        Err(error) => eprintln!("skipped: user {NOBODY} may not run {}: {error}", program.display()),
    }
}
