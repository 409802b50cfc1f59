//! `belljar new`: a folder to begin with, which builds, runs and type-checks as it is, without a network. The templates are folders of
//! the repository, host/cli/templates, and part of this program; the types of the SDK go with them, so that no package is needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use belljar_package::rules;
use serde_json::json;

use crate::args::{NewArgs, Template};
use crate::exit_codes;
use crate::failure::Failure;
use crate::terminal;

/// Id and name of every template, and what the author's take the place of.
const ID: &str = "new-applet";
const NAME: &str = "New applet";

type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($from:literal, $to:literal: $($path:literal)*) => { &[$((concat!($to, $path), include_str!(concat!($from, $path)))),*] };
}

const SHARED: Files = files!("../templates/shared/", "": "package.json" "tsconfig.json");
/// Kept under another name, so that git does not obey it in this repository.
const GITIGNORE: &str = include_str!("../templates/shared/gitignore");
const TYPES: Files = files!("../../../guest-js/sdk/", "types/belljar-sdk/":
    "index.d.ts" "test.d.ts" "globals.d.ts" "globals/console.d.ts" "globals/crypto.d.ts" "globals/encoding.d.ts" "globals/errors.d.ts" "globals/events.d.ts"
    "globals/fetch.d.ts" "globals/files.d.ts" "globals/messages.d.ts" "globals/runtime.d.ts" "globals/streams.d.ts" "globals/url.d.ts");
const WEBHOOK: Files = files!("../templates/webhook/", "":
    "README.md" "manifest.yaml" "samples/forged.http" "samples/recent.json" "samples/signed.http" "src/deliveries.ts" "src/index.ts"
    "src/signature.ts");
const CRON: Files = files!("../templates/cron/", "":
    "README.md" "manifest.yaml" "samples/measurement.json" "src/index.ts" "src/measurements.ts");
const CRUD: Files = files!("../templates/crud/", "":
    "README.md" "manifest.yaml" "samples/create.http" "samples/invalid.http" "samples/list.http" "src/index.ts" "src/notes.ts");

impl Template {
    /// Files by path, with the template's id and name in them.
    fn files(self) -> Files {
        match self {
            Self::Webhook => WEBHOOK,
            Self::Cron => CRON,
            Self::Crud => CRUD,
        }
    }

    /// What to try first, in the new folder.
    fn first_run(self) -> &'static str {
        match self {
            Self::Webhook => "belljar run . --request samples/signed.http",
            Self::Cron => "belljar run . --handler measure --payload @samples/measurement.json",
            Self::Crud => "belljar run . --request samples/create.http",
        }
    }
}

/// Makes the folder.
///
/// # Errors
/// When its name is no id, when there is something already, or when a file cannot be written.
pub(crate) fn run(args: &NewArgs) -> Result<i32, Failure> {
    let folder = &args.folder;
    let id = id_of(folder)?;
    free(folder)?;
    let files = made(args.template, &id);
    for (path, text) in &files {
        let path = folder.join(path);
        write(&path, text)
            .map_err(|error| Failure::new("failed", format!("{} cannot be written: {error}", path.display())))?;
    }
    let shown = folder.to_string_lossy();
    if args.json {
        let names: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        let object = json!({ "ok": true, "path": shown, "id": id, "template": args.template.name(), "files": names });
        terminal::stdout(format!("{}\n", terminal::json(&object.to_string())).as_bytes())?;
    } else {
        let shown = terminal::one_line(&shown);
        terminal::stdout(format!("{shown}\n").as_bytes())?;
        let next = args.template.first_run();
        terminal::stderr(&format!(
            "made from the template {}: try\n  cd {shown}\n  belljar check\n  {next}\n",
            args.template.name()
        ));
    }
    Ok(exit_codes::OK)
}

/// The applet's id: the folder's own name.
fn id_of(folder: &Path) -> Result<String, Failure> {
    // `.` and `..` have no name until they are resolved.
    let resolved = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => {
            folder.canonicalize().map_err(|error| Failure::new("failed", format!("{}: {error}", folder.display())))?
        }
    };
    let id = resolved.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match rules::id(&id) {
        Ok(()) => Ok(id),
        Err(rule) => Err(Failure::usage(format!("{id:?} cannot be an applet's id"))
            .hint(format!("the folder's name is the id: {rule}, such as orders-webhook"))),
    }
}

/// Nothing is overwritten: the folder is new, or empty.
fn free(folder: &Path) -> Result<(), Failure> {
    let taken = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    if taken {
        return Err(Failure::new("exists", format!("{} is there already", folder.display()))
            .hint("choose another name, or an empty folder"));
    }
    Ok(())
}

/// What is written: paths in the folder, and texts.
fn made(template: Template, id: &str) -> Vec<(&'static str, String)> {
    let mut words = id.replace('-', " ").trim().to_owned();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let own =
        template.files().iter().chain(SHARED).map(|(path, text)| (*path, text.replace(ID, id).replace(NAME, &words)));
    let plain = [(".gitignore", GITIGNORE)];
    own.chain(plain.iter().chain(TYPES).map(|(path, text)| (*path, (*text).to_owned()))).collect()
}

fn write(path: &PathBuf, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Never over a file that appeared meanwhile.
    fs::File::create_new(path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::*;

    fn below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("reads") {
            let entry = entry.expect("reads");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), found)
            } else {
                assert!(found.insert(name))
            }
        }
    }

    #[test]
    fn every_file_of_a_template_is_in_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for template in Template::value_variants() {
            let mut there = BTreeSet::new();
            below(&root.join("templates").join(template.name()), "", &mut there);
            let embedded: BTreeSet<String> = template.files().iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(embedded, there);
        }
        let mut types = BTreeSet::new();
        below(&root.join("../../guest-js/sdk"), "types/belljar-sdk/", &mut types);
        types.retain(|path| path.ends_with(".d.ts"));
        assert_eq!(TYPES.iter().map(|(path, _)| (*path).to_owned()).collect::<BTreeSet<_>>(), types);
    }

    #[test]
    fn the_folders_name_is_the_id() {
        assert_eq!(id_of(Path::new("some/where/orders-2")).expect("it is one"), "orders-2");
        for name in ["Orders", "2orders", "a b", "ab", "/"] {
            assert_eq!(id_of(Path::new(name)).expect_err(name).exit, exit_codes::USAGE);
        }
        for template in Template::value_variants() {
            let files = made(*template, "orders-webhook");
            let manifest = &files.iter().find(|(path, _)| *path == "manifest.yaml").expect("it has one").1;
            assert!(manifest.starts_with("id: orders-webhook\nversion: 0.1.0\nname: Orders webhook\n"), "{manifest}");
            assert!(
                files.iter().all(|(_, text)| !text.contains(ID) && !text.contains(NAME)),
                "nothing is left of the template's name"
            );
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        free(dir.path()).expect("it is empty");
        let file = dir.path().join("file");
        write(&file, "mine").expect("writes");
        assert_eq!(free(dir.path()).expect_err("it is not empty").code, "exists");
        assert_eq!(free(&file).expect_err("it is a file").code, "exists");
        write(&file, "yours").expect_err("it is there");
        assert_eq!(fs::read_to_string(&file).expect("reads"), "mine");
    }
}
