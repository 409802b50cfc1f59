//! A plug-in system for a command: `embed-plugins PACKAGE PROJECT COMMAND [ARGUMENT]`. A plug-in is an applet; its handlers are the commands that it
//! adds. All it can do is to read the text files of one folder, through the capability `project`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use belljar::{Call, CallError, Capability, CustomLimits, Host, Invocation, TenantId};
use serde::{Deserialize, Serialize};

/// The largest file that a plug-in may read, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Deserialize)]
struct Read {
    path: String,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

/// What plug-ins see of the project: `sdk.project.files()` and `sdk.project.read({ path })`.
fn project(folder: PathBuf) -> Capability {
    let listed = folder.clone();
    Capability::new("project")
        .limits(CustomLimits { reply_bytes_max: 2 * FILE_BYTES_MAX, ..CustomLimits::default() })
        .blocking("files", move |_: Call, (): ()| Ok(files(&listed)?))
        .blocking("read", move |_: Call, Read { path }: Read| {
            // A name that was listed, and so none that leads out of the folder.
            if !files(&folder)?.contains(&path) {
                return Err(CallError::new("no-such-file", format!("the project has no file {path:?}")));
            }
            let file = folder.join(path);
            if file.metadata()?.len() > FILE_BYTES_MAX {
                return Err(CallError::new(
                    "too-large",
                    format!("files of more than {FILE_BYTES_MAX} bytes are not read"),
                ));
            }
            Ok(Text { text: std::fs::read_to_string(file)? })
        })
}

/// Names of the files in a folder, sorted; not those of links and folders.
fn files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("embed-plugins: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Installs the plug-in, and calls the handler that the command is.
fn run(arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let [package, folder, command, rest @ ..] = arguments else {
        return Err("use: embed-plugins PACKAGE PROJECT COMMAND [ARGUMENT]".into());
    };
    let host = Host::builder().user_cache().capability(project(folder.into())).build()?.blocking()?;
    let plugin = host.install(TenantId::new("me")?, &std::fs::read(package)?)?;
    let outcome = host.invoke(&plugin, Invocation::json(command, &rest.first())?);
    let calls: u64 = outcome.usage.custom.values().map(|used| used.calls).sum();
    let text: String = outcome.value()?;
    Ok(format!("{text}\n({calls} calls of project)"))
}
