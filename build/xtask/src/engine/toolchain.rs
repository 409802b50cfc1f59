//! Finds, or unpacks, what building the engine needs: a Rust with wasm32-unknown-unknown, clang, and wasi-libc's archive.
//! Nothing is installed system-wide and no root is needed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{output, run};

/// The published crate whose `vendor/wasi-libc` holds wasi-libc's headers and archive; nothing else of it is used.
const LIBC_CRATE: (&str, &str) = ("rquickjs-sys", "0.14.0");
/// SHA-256 of its libc.a.
const LIBC_SHA256: &str = "566b9d6322cb3f339963cb1e6719b0bb0c932724fafa3418cf6aebe763dc2036";
/// Changes when this file unpacks something else, so that an old folder is not taken.
const RECIPE: &str = "1";

/// Size of the machine stack in the sandbox. QuickJS is held to half of it, so that deep recursion is an exception.
const STACK_BYTES: usize = 1 << 20;

/// Environment and arguments for cargo to build the engine.
pub(crate) struct Toolchain {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) args: Vec<String>,
    pub(crate) description: String,
}

/// Takes an installed toolchain, else unpacks one (Debian), else says what to install.
pub(crate) fn find(cache: &Path, guest: &Path) -> Result<Toolchain> {
    let libc = wasi_libc(cache)?;
    if let Some(installed) = installed(&libc, guest) {
        return Ok(installed);
    }
    if Command::new("apt-get").arg("--version").output().is_ok()
        && Command::new("dpkg-deb").arg("--version").output().is_ok()
    {
        return unpacked(cache, &libc, guest);
    }
    bail!(
        "building the JavaScript engine needs the Rust target wasm32-unknown-unknown and clang 16 or newer with libclang.\n\
         hint: run `rustup target add wasm32-unknown-unknown`, and install clang: `brew install llvm` (macOS), `dnf install clang lld llvm` \
         (Fedora), `pacman -S clang lld llvm` (Arch), `apt-get install clang-19 lld-19 llvm-19 libclang-19-dev` (Debian, Ubuntu)"
    )
}

/// wasi-libc out of the crate that carries it, through cargo's own registry.
fn wasi_libc(cache: &Path) -> Result<PathBuf> {
    let dir = cache.join(format!("wasi-libc-{}", LIBC_CRATE.1));
    if dir.join("lib/libc.a").is_file() {
        return Ok(dir);
    }
    eprintln!("xtask: taking wasi-libc from the crate {} {}", LIBC_CRATE.0, LIBC_CRATE.1);
    let scratch = cache.join("wasi-libc-unpacking");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"stub\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\n{} = \"={}\"\n[workspace]\n",
        LIBC_CRATE.0, LIBC_CRATE.1
    );
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    run(Command::new("cargo").args(["vendor", "--quiet", "--versioned-dirs", "vendor"]).current_dir(&scratch))?;
    let found = scratch.join(format!("vendor/{}-{}/vendor/wasi-libc", LIBC_CRATE.0, LIBC_CRATE.1));
    let sum = output(Command::new("sha256sum").arg(found.join("lib/libc.a")))?;
    ensure!(sum.starts_with(LIBC_SHA256), "libc.a of {} {} is not the expected one", LIBC_CRATE.0, LIBC_CRATE.1);
    fs::rename(&found, &dir).with_context(|| format!("cannot move wasi-libc to {}", dir.display()))?;
    fs::remove_dir_all(&scratch)?;
    Ok(dir)
}

/// rustup's target and a clang on the PATH, when both are there.
fn installed(libc: &Path, guest: &Path) -> Option<Toolchain> {
    let libdir =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"])).ok()?;
    let has_std =
        fs::read_dir(libdir.trim()).ok()?.flatten().any(|e| e.file_name().to_string_lossy().starts_with("libstd"));
    let version = output(Command::new("clang").arg("-dumpversion")).ok()?;
    let major: u32 = version.trim().split('.').next()?.parse().ok()?;
    let has_wasm = output(Command::new("clang").arg("--print-targets")).ok()?.contains("wasm32");
    let llvm_ar = output(Command::new("clang").arg("-print-prog-name=llvm-ar")).ok()?;
    if !has_std || major < 16 || !has_wasm {
        return None;
    }
    let resource = output(Command::new("clang").arg("-print-resource-dir")).ok()?;
    let mut env = common_env(libc, guest, Path::new(resource.trim()), &[]);
    env.insert("CC_wasm32_unknown_unknown".into(), "clang".into());
    env.insert("AR_wasm32_unknown_unknown".into(), llvm_ar.trim().into());
    Some(Toolchain {
        env,
        args: Vec::new(),
        description: format!("installed wasm32-unknown-unknown and clang {}", version.trim()),
    })
}

/// Debian's packages, unpacked under the cache.
fn unpacked(cache: &Path, libc: &Path, guest: &Path) -> Result<Toolchain> {
    let prefix = cache.join(format!("guest-toolchain-{RECIPE}"));
    if !prefix.join("complete").is_file() {
        let _ = fs::remove_dir_all(&prefix);
        unpack(&prefix)?;
    }
    let llvm = fs::read_to_string(prefix.join("complete"))?;
    let usr = prefix.join("usr");
    let lib = usr.join("lib/x86_64-linux-gnu");
    let resource = usr.join(format!("lib/llvm-{llvm}/lib/clang/{llvm}"));
    let mut env = common_env(libc, guest, &resource, &[format!("--remap-path-prefix={}=/toolchain", prefix.display())]);
    let bin = |name: &str| prefix.join("bin").join(name).display().to_string();
    env.insert("RUSTC".into(), bin("rustc"));
    // Debian's compiler is stable; building std from source is what needs the switch.
    env.insert("RUSTC_BOOTSTRAP".into(), "1".into());
    env.insert("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER".into(), bin("wasm-ld"));
    env.insert("CC_wasm32_unknown_unknown".into(), bin("clang"));
    env.insert("AR_wasm32_unknown_unknown".into(), bin("llvm-ar"));
    env.insert("CLANG_PATH".into(), bin("clang"));
    env.insert("LIBCLANG_PATH".into(), lib.display().to_string());
    env.insert("LD_LIBRARY_PATH".into(), lib.display().to_string());
    let args = vec!["-Zbuild-std=std,panic_abort".into()];
    Ok(Toolchain {
        env,
        args,
        description: format!("Debian's rustc-web and clang {llvm}, unpacked in {}", prefix.display()),
    })
}

fn common_env(libc: &Path, guest: &Path, clang_resources: &Path, remap: &[String]) -> BTreeMap<String, String> {
    let include = libc.join("include").display().to_string();
    let cargo_home =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()));
    // rquickjs-sys does not know this target: the defines are those it sets for WASI. `__GLIBC__` makes QuickJS ask the
    // allocator for real block sizes (guest-js/engine/c/include/malloc.h).
    let cflags = format!(
        "-DEMSCRIPTEN=1 -DFE_DOWNWARD=0 -DFE_UPWARD=0 -D__GLIBC__=2 -isystem {include} -I{} -mbulk-memory",
        guest.join("c/include").display()
    );
    let bindgen = format!(
        "--target=wasm32-unknown-unknown -fvisibility=default -isystem {include} -resource-dir {}",
        clang_resources.display()
    );
    let mut rustflags = vec![
        "--cfg".to_owned(),
        "getrandom_backend=\"custom\"".to_owned(),
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
        "-Clink-arg=--strip-debug".to_owned(),
        format!("--remap-path-prefix={cargo_home}=/cargo"),
        format!("--remap-path-prefix={}=/guest", guest.display()),
    ];
    rustflags.extend_from_slice(remap);
    BTreeMap::from([
        ("BELLJAR_GUEST_LIBC".into(), libc.display().to_string()),
        ("CFLAGS_wasm32_unknown_unknown".into(), cflags),
        ("BINDGEN_EXTRA_CLANG_ARGS_wasm32_unknown_unknown".into(), bindgen),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS".into(), rustflags.join(" ")),
    ])
}

fn unpack(prefix: &Path) -> Result<()> {
    eprintln!(
        "xtask: unpacking a WebAssembly toolchain from Debian's packages (about 180 MB to download, 600 MB on disk)"
    );
    let debs = prefix.join("debs");
    for dir in ["debs", "bin", "apt/lists/partial", "apt/cache/archives/partial"] {
        fs::create_dir_all(prefix.join(dir))?;
    }
    // apt's own state stays untouched, so that no root is needed and a machine without package lists works as well.
    let apt = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&debs);
        for (key, dir) in [("Dir::State::lists", "apt/lists"), ("Dir::Cache", "apt/cache")] {
            command.arg("-o").arg(format!("{key}={}", prefix.join(dir).display()));
        }
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    };
    run(apt("apt-get").args(["-qq", "update"]))?;
    let depends = |package: &str, starts: &str| -> Result<String> {
        let text = output(apt("apt-cache").args(["depends", package]))?;
        let found = text.lines().filter_map(|l| l.trim().strip_prefix("Depends: ")).find(|d| {
            d.strip_prefix(starts)
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        });
        found.map(str::to_owned).with_context(|| {
            format!("{package} depends on no {starts}*: is Debian's security archive among apt's sources?")
        })
    };
    let rust_std = depends("libstd-rust-web-dev", "libstd-rust-web-")?;
    let libllvm = depends(&rust_std, "libllvm")?;
    let llvm = libllvm.trim_start_matches("libllvm").to_owned();
    let packages = [
        "rustc-web".to_owned(),
        rust_std,
        "libstd-rust-web-dev".into(),
        "rust-web-src".into(),
        libllvm,
        format!("clang-{llvm}"),
        format!("libclang-cpp{llvm}"),
        format!("libclang1-{llvm}"),
        format!("libclang-common-{llvm}-dev"),
        format!("lld-{llvm}"),
        format!("llvm-{llvm}"),
    ];
    run(apt("apt-get").args(["-qq", "download"]).args(&packages))?;
    for entry in fs::read_dir(&debs)? {
        let deb = entry?.path();
        let name = deb.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The two large ones are taken in part.
        let wanted: &[&str] = if name.starts_with("rust-web-src_") {
            &["./usr/src/rustc-*/library/*", "./usr/lib/rustlib/src/*"]
        } else if name.starts_with(&format!("llvm-{llvm}_")) {
            &["./usr/lib/llvm-*/bin/llvm-ar"]
        } else {
            &["*"]
        };
        let mut data =
            Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&deb).stdout(std::process::Stdio::piped()).spawn()?;
        let stdout = data.stdout.take().context("dpkg-deb gives no output")?;
        run(Command::new("tar").arg("-x").arg("-C").arg(prefix).arg("--wildcards").args(wanted).stdin(stdout))?;
        ensure!(data.wait()?.success(), "{name} cannot be unpacked");
    }
    for dir in ["debs", "apt", "usr/share"] {
        let _ = fs::remove_dir_all(prefix.join(dir));
    }
    let lib = prefix.join("usr/lib/x86_64-linux-gnu");
    let llvm_bin = format!("lib/llvm-{llvm}/bin");
    for (name, program) in [
        ("rustc", "bin/rustc".to_owned()),
        ("clang", format!("{llvm_bin}/clang")),
        ("llvm-ar", format!("{llvm_bin}/llvm-ar")),
        ("wasm-ld", format!("{llvm_bin}/wasm-ld")),
    ] {
        let script = prefix.join("bin").join(name);
        let text = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH={}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\nexec {} \"$@\"\n",
            lib.display(),
            prefix.join("usr").join(program).display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    run(Command::new(prefix.join("bin/rustc")).arg("--version").stdout(std::process::Stdio::null()))?;
    fs::write(prefix.join("complete"), &llvm)?;
    Ok(())
}
