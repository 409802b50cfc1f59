//! What is active for each process is known to its supervisor, and what is required is there or the process is not.

use belljar_process::{ControlGroups, Layer, ProcessError, Program, Require, Spec, Supervisor};
use serde_json::Value;

use crate::harness::{Applet, directory, in_each, strict, user};

#[tokio::test]
async fn the_status_lists_what_is_active() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, "");
        assert!(applet.supervisor.status().jails.is_empty());
        applet.recovers().await;
        let status = applet.supervisor.status();
        assert_eq!((status.jails.len(), status.processes.len()), (1, 1));
        let report = status.jails[0].as_ref().expect("it is in a jail");
        for layer in Layer::ALL.into_iter().filter(|&layer| layer != Layer::ControlGroup) {
            assert!(report.has(layer), "{report:?}");
        }
        assert_eq!(report.helpers, 2);
        match user() {
            Some(first) => assert!((first..first + (1 << 24)).contains(&report.user), "{report:?}"),
            None => assert_eq!(report.user, rustix::process::geteuid().as_raw()),
        }
        let text = serde_json::to_string(report).expect("written");
        assert!(text.contains(r#"{"layer":"landlock","active":true"#), "{text}");
    })
    .await;
}

#[tokio::test]
async fn as_root_each_process_is_somebody_else() {
    if user().is_none() {
        eprintln!("skipped: only root can start processes as others");
        return;
    }
    in_each(async |runtime| {
        let users = async || {
            let applet = Applet::new(&runtime, "");
            applet.recovers().await;
            applet.supervisor.status().jails[0].as_ref().expect("it is in a jail").user
        };
        let (one, two) = (users().await, users().await);
        assert_ne!(one, two);
        assert!(one != 0 && two != 0);
    })
    .await;
}

#[tokio::test]
async fn root_is_not_strict() {
    if user().is_none() {
        eprintln!("skipped: only root can stay root");
        return;
    }
    in_each(async |runtime| {
        let strict = Applet::with(&runtime, "", |spec, jail| {
            jail.users = None;
            spec.supervision.failures_max = 1;
        });
        let error = strict.call("healthy", Value::Null).await.expect_err("refused");
        assert!(error.to_string().contains("lacks own-user (it is the host's root)"), "{error}");
        let loose = Applet::with(&runtime, "", |_, jail| {
            jail.users = None;
            jail.policy.require = Require::BestEffort;
        });
        loose.recovers().await;
        let report = loose.supervisor.status().jails[0].clone().expect("it is in a jail");
        assert!(!report.has(Layer::OwnUser) && report.has(Layer::Capabilities));
    })
    .await;
}

/// Where this machine lets groups be made: what they limit depends on it, that they are entered and removed does not.
#[tokio::test]
async fn a_process_has_a_control_group_while_it_lives() {
    let ControlGroups::Usable { path, .. } = belljar_process::control_groups() else {
        eprintln!("skipped: no control group may be made here: {:?}", belljar_process::control_groups());
        return;
    };
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, "", |_, jail| {
            jail.control_groups = Some(path.clone());
            jail.policy.require = Require::BestEffort;
        });
        applet.recovers().await;
        let report = applet.supervisor.status().jails[0].clone().expect("it is in a jail");
        let told = report.layers.iter().find(|one| one.layer == Layer::ControlGroup).expect("it was tried");
        eprintln!("  {told:?}");
        let private = std::fs::read_dir(applet.sockets.path()).expect("readable").flatten().next().expect("one");
        let group = path.join(format!("belljar-{}", private.file_name().to_string_lossy()));
        let inside = std::fs::read_to_string(group.join("cgroup.procs")).expect("there");
        assert_eq!(inside.lines().count(), 3, "keeper, init and program: {inside}");
        assert!(inside.lines().any(|pid| pid == applet.pid().to_string()));
        applet.supervisor.shutdown().await;
        assert!(!group.exists());
    })
    .await;
}

/// As a host has them: packages that nobody else may read, with modules beside the bundle.
#[tokio::test]
async fn a_private_package_is_readable() {
    use std::os::unix::fs::PermissionsExt as _;
    in_each(async |runtime| {
        let source =
            "import { value } from './node_modules/beside/index.mjs'; export function beside() { return value; }";
        let applet = Applet::with(&runtime, source, |spec, jail| {
            let Program::Bundle { bundle, .. } = &spec.program else { panic!("a bundle") };
            let folder = bundle.parent().expect("a folder").to_owned();
            let module = folder.join("node_modules/beside");
            std::fs::create_dir_all(&module).expect("made");
            std::fs::write(module.join("index.mjs"), "export const value = 'read';").expect("written");
            for (path, mode) in [
                (folder.join("node_modules"), 0o700),
                (module.join("index.mjs"), 0o600),
                (bundle.clone(), 0o600),
                (folder.clone(), 0o700),
            ] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
            }
            jail.policy.package.push(folder);
        });
        assert_eq!(applet.call("beside", Value::Null).await.expect("answered"), "read");
    })
    .await;
}

/// A server of the applet's own, in a folder of its own.
#[tokio::test]
async fn servers_have_a_jail_too() {
    if strict().is_none() {
        return;
    }
    let Some(node) = crate::harness::runtimes().await.into_iter().next() else { return };
    let (sockets, folder) = (directory(), directory());
    let script = folder.path().join("server.cjs");
    let source = "require('http').createServer((q, r) => { q.resume(); r.setHeader('content-type', 'application/json'); r.end(q.url === '/health' ? '{}' : JSON.stringify({ here: require('fs').readdirSync('.') })); }).listen(process.env.SOCKET_PATH)";
    std::fs::write(&script, source).expect("written");
    let program = Program::Server { program: node.program, arguments: vec![script.into()] };
    let mut spec = Spec::new("server", program, sockets.path());
    spec.directory = Some(folder.path().to_owned());
    spec.jail = Some(belljar_process::Jail::new(crate::harness::launcher(), Require::Strict));
    let applet = Applet {
        supervisor: Supervisor::new(spec),
        folder,
        sockets,
        capabilities: std::sync::Arc::new(belljar_process::NoCapabilities),
    };
    let answer = applet.call("anything", Value::Null).await.expect("answered");
    assert_eq!(answer["here"], serde_json::json!(["server.cjs"]));
}

#[tokio::test]
async fn a_launcher_that_is_none_starts_nothing() {
    let Some(runtime) = crate::harness::runtimes().await.into_iter().next() else { return };
    for (launcher, told) in [
        (vec!["/bin/echo".into()], "the launcher does not say what is active"),
        (vec!["/usr/bin/env".into(), "-S".into(), "x".into()], "the launcher does not say what is active"),
        (vec!["/no/such/launcher".into()], "/no/such/launcher could not be started"),
    ] {
        let applet = Applet::with(&runtime, "", |spec, jail| {
            jail.launcher = launcher;
            spec.supervision.failures_max = 1;
        });
        let error = applet.call("healthy", Value::Null).await.expect_err("refused");
        assert!(matches!(error, ProcessError::Open { .. }), "{error}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(applet.supervisor.status().jails.is_empty());
    }
}
