//! The launcher by itself: what it refuses, and what it says of a jail that lacks something. A launcher in a jail finds a kernel that lets
//! it do nothing, which is how machines without namespaces are played here.

use std::process::Stdio;

use belljar_jail::{Layer, Policy, Report, Require, Told, probe};

use crate::harness::{command, launcher, policy, said, strict, user};

fn refusal(policy: &Policy, program: &[&str]) -> String {
    let output = command(policy, program).stdin(Stdio::null()).output().expect("the launcher");
    let (told, _) = said(&output.stderr);
    assert_eq!(output.status.code(), Some(belljar_jail::REFUSED.into()), "{told:?}");
    let Some(Told::Refused(refusal)) = told else { panic!("{told:?}") };
    refusal.message
}

/// A launcher within a jail, with this policy of its own.
fn nested(inner: &Policy, program: &[&str]) -> (Option<i32>, Option<Told>, String) {
    let launcher = launcher()[0].to_str().expect("text").to_owned();
    let inner = Policy { user: None, ..inner.clone() }.to_argument().expect("a policy");
    let mut words = vec![launcher.as_str(), "run", &inner];
    words.extend(program);
    let mut seen = vec![launcher.as_str()];
    seen.extend(program.first());
    let output = command(&policy(Require::Strict, &seen), &words).stdin(Stdio::null()).output().expect("the launcher");
    let (outer, rest) = said(&output.stderr);
    assert!(matches!(outer, Some(Told::Started(_))), "{outer:?}");
    let (told, rest) = said(rest.as_bytes());
    (output.status.code(), told, format!("{}{rest}", String::from_utf8_lossy(&output.stdout)))
}

const NAMESPACES: [Layer; 6] = [
    Layer::UserNamespace,
    Layer::MountNamespace,
    Layer::PidNamespace,
    Layer::IpcNamespace,
    Layer::UtsNamespace,
    Layer::NetNamespace,
];

#[test]
fn strict_names_what_is_missing() {
    if strict().is_none() {
        return;
    }
    let (code, told, _) = nested(&policy(Require::Strict, &["/bin/true"]), &["/bin/true"]);
    let Some(Told::Refused(refusal)) = told else { panic!("{told:?}") };
    eprintln!("{refusal}");
    assert_eq!(code, Some(belljar_jail::REFUSED.into()));
    let missing: Vec<_> = refusal.missing.iter().map(|one| one.layer).collect();
    assert!(NAMESPACES.iter().all(|layer| missing.contains(layer)), "{missing:?}");
    assert!(!missing.contains(&Layer::Seccomp));
    assert!(refusal.message.starts_with("the jail is required, and lacks user-namespace ("), "{refusal}");
}

#[test]
fn best_effort_goes_on_and_says_so() {
    if strict().is_none() {
        return;
    }
    let (code, told, said) = nested(&policy(Require::BestEffort, &["/bin/echo"]), &["/bin/echo", "on it goes"]);
    let Some(Told::Started(report)) = told else { panic!("{told:?} {said}") };
    assert_eq!((code, said.as_str()), (Some(0), "on it goes\n"));
    assert!(NAMESPACES.iter().all(|&layer| !report.has(layer)));
    assert!([Layer::Landlock, Layer::Seccomp, Layer::NoNewPrivileges].iter().all(|&layer| report.has(layer)));
    assert!(report.missing().all(|one| !one.note.is_empty()), "each with its reason: {report:?}");
    assert_eq!(report.helpers, 1, "there is no init");
}

#[test]
fn orphans_end_without_a_namespace_too() {
    if strict().is_none() || !std::path::Path::new("/bin/sh").exists() {
        return;
    }
    let mark = "617.25";
    let script = format!("(setsid sleep {mark} >/dev/null 2>&1 &) ; echo done");
    let inner =
        policy(Require::BestEffort, &["/bin/sh", "/usr/bin/sh", "/usr/bin/setsid", "/usr/bin/sleep", "/bin/sleep"]);
    let launcher = launcher()[0].to_str().expect("text").to_owned();
    let argument = Policy { user: None, ..inner.clone() }.to_argument().expect("a policy");
    let seen: Vec<String> =
        inner.programs.iter().map(|path| path.display().to_string()).chain([launcher.clone()]).collect();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    // The outer jail has a namespace that would end it as well, so it is asked from within, after the inner keeper has ended.
    let look = format!(
        "{launcher} run '{argument}' /bin/sh -c '{script}' 2>/dev/null; for p in /proc/[0-9]*/cmdline; do case \"$(tr '\\0' ' ' < $p)\" in \"sleep {mark} \") echo left;; esac; done"
    );
    let mut outer = policy(Require::Strict, &seen);
    outer.programs.extend(["/usr/bin/tr".into(), "/bin/tr".into()]);
    let mut command = command(&outer, &["/bin/sh", "-c", &look]);
    let output = command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).output().expect("the launcher");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    if strict().is_none() {
        return;
    }
    let good = policy(Require::Strict, &["/bin/true"]);
    let there = tempfile::tempdir().expect("a directory");
    for (policy, program, told) in [
        (Policy { package: vec!["/no/such/package".into()], ..good.clone() }, "/bin/true", "/no/such/package"),
        (Policy { package: vec!["relative".into()], ..good.clone() }, "/bin/true", "a path that is not absolute"),
        (Policy { programs: Vec::new(), ..good.clone() }, "/bin/true", "may not execute /bin/true"),
        (Policy { sockets: Some(there.path().join("none")), ..good.clone() }, "/bin/true", "none"),
        (Policy { control_group: Some("/no/group".into()), ..good.clone() }, "/bin/true", "lacks control-group ("),
    ] {
        let message = refusal(&policy, &[program]);
        assert!(message.contains(told), "{told:?} in {message:?}");
    }
    for words in [vec![], vec!["run"], vec!["run", "{}", "/bin/true"], vec!["jump"]] {
        let launcher = launcher();
        let output = std::process::Command::new(&launcher[0]).args(&words).output().expect("the launcher");
        assert!(matches!(said(&output.stderr).0, Some(Told::Refused(_))), "{words:?}");
    }
}

#[test]
fn a_missing_program_is_told_after_the_report() {
    if strict().is_none() {
        return;
    }
    // It is there, and no program.
    let file = "/usr/lib/os-release";
    if !std::path::Path::new(file).exists() {
        eprintln!("skipped: {file} is not there");
        return;
    }
    let message = refusal(&policy(Require::Strict, &[]), &[file]);
    assert!(message.contains("may not execute"), "{message}");
}

#[test]
fn a_probe_makes_a_whole_jail() {
    let report = probe(&launcher(), user()).expect("the launcher");
    for one in &report.layers {
        eprintln!("{:<18} {:<4} {}", one.layer.name(), if one.active { "yes" } else { "no" }, one.note);
    }
    assert!(report.has(Layer::NoNewPrivileges));
    let expected: Vec<_> = Layer::ALL.into_iter().filter(|layer| *layer != Layer::ControlGroup).collect();
    let found: Vec<_> = report.layers.iter().map(|one| one.layer).collect();
    assert_eq!(found, expected, "each layer but the one that no policy has named");
    assert!(probe(&["/bin/echo".into()], None).is_err());
    assert!(probe(&[], None).is_err());
    let _: Report = report;
}
