//! The corpus of attacks that is shared with other projects, where it lies beside this one: each file ends without having come through,
//! and the next call is served.

use std::path::{Path, PathBuf};

use belljar_process::RuntimeKind;
use serde_json::Value;

use crate::harness::{Applet, in_each, may_spawn};

fn corpus() -> Option<Vec<PathBuf>> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("../shared/attacks/sidecar"));
    let folder = folder.into_iter().find(|folder| folder.is_dir());
    let Some(folder) = folder else {
        eprintln!("skipped: there is no folder ../shared/attacks/sidecar beside the repository");
        return None;
    };
    let files = std::fs::read_dir(folder).expect("readable").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "tsx")).collect();
    files.sort();
    Some(files)
}

#[tokio::test]
async fn each_attack_of_the_corpus_ends_as_it_says() {
    let Some(files) = corpus() else { return };
    in_each(async |runtime| {
        for file in &files {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(file).expect("readable");
            // `bun:ffi` is there in Bun only: elsewhere the file cannot be loaded, which is an end as well.
            if text.contains("\"bun:ffi\"") && runtime.kind != RuntimeKind::Bun {
                eprintln!("  {name}: not loaded, it imports bun:ffi");
                continue;
            }
            let source = format!("{text}\nexport const app = App;");
            let applet = Applet::with(&runtime, &source, |spec, _| {
                may_spawn(&runtime, spec);
                // One that spoils its process (sc-21) is to be replaced within the time of the corpus, 5 s.
                spec.limits.abandoned_in_a_row_max = 2;
            });
            for round in 0..3 {
                let answer = match applet.call_within(3_000, "app", Value::Null).await {
                    Ok(value) => value.to_string(),
                    Err(error) => format!("{} ({error})", error.status()),
                };
                eprintln!("  {name} {round}: {}", answer.chars().take(160).collect::<String>());
                assert!(!answer.contains("PWNED") || answer.contains("PWNED daemon"), "{name}: {answer}");
                check(&name, &answer, round, runtime.kind);
            }
            applet.recovers().await;
            applet.supervisor.shutdown().await;
        }
        assert!(crate::harness::with_argument("3600").is_empty(), "a daemon is left");
    })
    .await;
}

/// What the header of a file says beside that it must not come through.
fn check(name: &str, answer: &str, round: usize, kind: RuntimeKind) {
    match name {
        "sc-01-env" => {
            let mut names: Vec<_> = answer.split('"').map(|part| part.trim_end_matches('\\')).collect();
            names.retain(|part| !["", "ENV [", ",", "]", "DENO_DIR"].contains(part));
            names.sort_unstable();
            assert_eq!(names, ["NODE_ENV", "TZ"], "{answer}");
        }
        "sc-11-frame-huge" => assert!(answer.starts_with("502") || answer.starts_with("500"), "{answer}"),
        "sc-13-slow" => assert!(answer.starts_with("504"), "{answer}"),
        "sc-15-oom" => assert!(answer.starts_with("502") || answer.starts_with("50"), "{answer}"),
        // Rust's handler for overflows of the stack takes the first SIGSEGV that Deno gets.
        "sc-17-crash-render" if kind == RuntimeKind::Deno => {}
        "sc-17-crash-render" => assert_eq!(answer.starts_with("503"), round == 2, "{answer}"),
        _ => {}
    }
}
