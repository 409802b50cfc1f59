//! Arguments that a runtime is started with: such that it reads no configuration, fetches nothing, and, in a jail, gives itself no more
//! than it needs where it has a permission model of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use semver::Version;

use super::code_cache::Code;
use super::directory::Directory;
use crate::runtime::{Runtime, RuntimeKind};

/// What Deno calls the machine: of these libraries ask when they are loaded, and in a jail they tell nothing.
const DENO_SYSTEM: &str =
    "--allow-sys=hostname,cpus,homedir,osRelease,loadavg,systemMemoryInfo,uid,gid,osUptime,userInfo";
/// Since then Deno asks for a permission of the network's before it uses a unix socket; it did not know of it before.
const DENO_UNIX_SOCKETS: Version = Version::new(2, 9, 0);

/// Of a process that is in no jail: whoever could leave the permission model is not kept by it.
pub(super) fn free(kind: RuntimeKind) -> Vec<OsString> {
    let mut words = plain(kind);
    if kind == RuntimeKind::Deno {
        words.push("--allow-all".into());
    }
    words
}

/// Of a process in a jail, which may read `package` and begins with this code.
pub(super) fn jailed(runtime: &Runtime, directory: &Directory, package: &[PathBuf], code: &Code) -> Vec<OsString> {
    let mut words = plain(runtime.kind);
    match runtime.kind {
        // It has no permissions.
        RuntimeKind::Bun => {}
        RuntimeKind::Node => words.extend(node(&runtime.version, directory.path(), package)),
        RuntimeKind::Deno => {
            if *code == Code::Nothing {
                // What it would keep is gone with the process, and to keep it takes longer than it saves.
                words.push("--no-code-cache".into());
            }
            words.extend(deno(&runtime.version, directory, package));
        }
    }
    words
}

/// A variable that a runtime in a jail needs: Deno does not start without a folder for its cache, which it makes in a home that is not
/// there everywhere. It goes on when it cannot make this one.
pub(super) fn variable(kind: RuntimeKind) -> Option<(&'static str, &'static str)> {
    (kind == RuntimeKind::Deno).then_some(("DENO_DIR", "/tmp/deno"))
}

fn plain(kind: RuntimeKind) -> Vec<OsString> {
    let words: &[&str] = match kind {
        // `bun run` reads no bunfig.toml and no .env of where it stands, and installs nothing.
        RuntimeKind::Bun => &["--no-install", "--env-file=", "run"],
        RuntimeKind::Node => &["--no-warnings"],
        // Packages are found in `node_modules` beside the bundle, as the others find them; nothing is installed.
        RuntimeKind::Deno => {
            &["run", "--no-prompt", "--no-remote", "--no-config", "--node-modules-dir=manual", "--quiet"]
        }
    };
    words.iter().map(OsString::from).collect()
}

/// No child processes, no workers, no native addons; files as the jail shows them. Not before Node 20, and its network only since 25.
fn node(version: &Version, directory: &Path, package: &[PathBuf]) -> Vec<OsString> {
    let mut words = Vec::new();
    let name = match version.major {
        0..20 => return words,
        20..23 => "--experimental-permission",
        23 if version.minor < 5 => "--experimental-permission",
        _ => "--permission",
    };
    words.push(name.into());
    let tmp = Path::new("/tmp");
    let read = package.iter().map(PathBuf::as_path).chain([directory, tmp]);
    words.extend(read.map(|path| joined(&["--allow-fs-read="], path, if path.is_dir() { "/*" } else { "" })));
    words.extend([directory, tmp].map(|path| joined(&["--allow-fs-write="], path, "/*")));
    if version.major >= 25 {
        words.push("--allow-net".into());
    }
    words
}

/// No programs, no foreign functions; files as the jail shows them; of the network the two sockets; of the environment everything, since
/// there is nothing in it that the process does not need.
fn deno(version: &Version, directory: &Directory, package: &[PathBuf]) -> Vec<OsString> {
    let tmp = Path::new("/tmp");
    let mut words: Vec<OsString> = vec!["--allow-env".into(), DENO_SYSTEM.into()];
    let read = package.iter().map(PathBuf::as_path).chain([directory.path(), tmp]);
    words.extend(read.map(|path| joined(&["--allow-read="], &escaped(path), "")));
    words.extend([directory.path(), tmp].map(|path| joined(&["--allow-write="], &escaped(path), "")));
    if *version >= DENO_UNIX_SOCKETS {
        let sockets = [directory.ours(), directory.theirs()];
        words.extend(sockets.map(|path| joined(&["--allow-net=", "unix:"], &escaped(&path), "")));
    }
    words
}

fn joined(before: &[&str], path: &Path, after: &str) -> OsString {
    let mut word: OsString = before.concat().into();
    word.push(path);
    word.push(after);
    word
}

/// A comma ends a path in Deno's lists, and two are one that does not.
fn escaped(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace(',', ",,").into(),
        // A path in a jail's policy is text.
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kind: RuntimeKind, version: &str, code: &Code) -> String {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = Directory::make(parent.path(), None).expect("made");
        let version = Version::parse(version).expect("a version");
        let runtime = Runtime { kind, program: "/bin/x".into(), version };
        let words = jailed(&runtime, &directory, &["/srv/a,b.mjs".into()], code);
        let words: Vec<_> = words.iter().map(|word| word.to_str().expect("text")).collect();
        words.join(" ").replace(directory.path().to_str().expect("text"), "DIR")
    }

    #[test]
    fn what_a_runtime_can_keep_by_itself_depends_on_its_version() {
        let check = |kind, version, expected: &[&str], absent: &[&str]| {
            let words = words(kind, version, &Code::Nothing);
            assert!(expected.iter().all(|part| words.contains(part)), "{words}");
            assert!(!absent.iter().any(|part| words.contains(part)), "{words}");
        };
        let files = "--allow-fs-read=/srv/a,b.mjs --allow-fs-read=DIR/* --allow-fs-read=/tmp/* --allow-fs-write=DIR/*";
        check(RuntimeKind::Node, "18.0.0", &["--no-warnings"], &["permission"]);
        check(RuntimeKind::Node, "20.20.2", &["--experimental-permission", files], &["--allow-net", "child"]);
        check(RuntimeKind::Node, "24.1.0", &["--permission", files], &["experimental", "--allow-net"]);
        check(RuntimeKind::Node, "25.0.0", &["--permission", "--allow-net"], &["--allow-child-process"]);
        let files = "--allow-read=/srv/a,,b.mjs --allow-read=DIR --allow-read=/tmp --allow-write=DIR";
        check(RuntimeKind::Deno, "2.1.4", &["--allow-env", files], &["--allow-all", "--allow-net", "run="]);
        check(RuntimeKind::Deno, "2.9.0", &["--allow-net=unix:DIR/host.sock"], &["--allow-all", "--allow-ffi"]);
        check(RuntimeKind::Bun, "1.2.0", &["--no-install"], &["allow"]);
    }

    #[test]
    fn deno_keeps_code_where_it_has_some() {
        let sealed = Code::Sealed { file: "/srv/code".into(), within_tmp: "deno/code".into() };
        for (code, keeps) in [(Code::Nothing, false), (Code::Kept, true), (sealed, true)] {
            assert_eq!(!words(RuntimeKind::Deno, "2.9.0", &code).contains("--no-code-cache"), keeps, "{code:?}");
        }
    }

    #[test]
    fn without_a_jail_deno_is_free() {
        assert_eq!(free(RuntimeKind::Deno).last(), Some(&"--allow-all".into()));
        assert!(!free(RuntimeKind::Node).iter().any(|word| word.to_string_lossy().contains("permission")));
    }
}
