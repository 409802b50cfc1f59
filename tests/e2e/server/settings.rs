//! Settings as operators give them.

use belljar_tests::cli;

#[test]
fn help_shows_every_setting_and_print_config_what_is_in_force() {
    let help = cli::run(&["serve", "--help"]);
    assert_eq!(help.code, Some(0));
    for wanted in
        ["--grace-ms", "[default: 10000 ms]", "BELLJAR_ADMIN_TOKEN", "--limit-memory-bytes-max", "Outgoing http:"]
    {
        assert!(help.stdout.contains(wanted), "{wanted} is missing in\n{}", help.stdout);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("belljar.toml");
    std::fs::write(&file, "grace_ms = 123\nadmin_token = \"0123456789abcdef\"\n").unwrap();
    let file_name = file.display().to_string();
    let printed = cli::run(&["serve", "--config", &file_name, "--queue-max", "7", "--print-config"]);
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    assert!(printed.stdout.contains(&format!("grace_ms = 123  # {file_name}\n")), "{}", printed.stdout);
    assert!(
        printed.stdout.contains("queue_max = 7  # --queue-max\n") && !printed.stdout.contains("0123456789abcdef"),
        "{}",
        printed.stdout
    );

    std::fs::write(&file, "grase_ms = 123\nlisten = 80\n").unwrap();
    let wrong = cli::run(&["serve", "--config", &file_name]);
    assert_eq!(wrong.code, Some(2));
    for told in [
        format!("{file_name}:1:1: unknown setting \"grase_ms\"; did you mean \"grace_ms\"?"),
        format!("{file_name}:2:10: listen is a TOML integer"),
    ] {
        assert!(wrong.stderr.contains(&told), "{told} is missing in\n{}", wrong.stderr);
    }
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let script = cli::run(&["completions", shell]);
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("deploy") && script.stdout.contains("rollback"), "{shell}");
    }
}
