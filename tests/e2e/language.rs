//! The language itself, where the engine was found to be wrong.

use belljar_tests::{applet, cli};

/// Runs a script that prints.
fn prints(script: &str, expected: &str) {
    let folder = applet::folder(&[("script.js", script)]);
    let path = folder.path().join("script.js");
    let ran = cli::run(&["eval", "--script", path.to_str().expect("a path in UTF-8")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected), "{}", ran.stderr);
}

#[test]
fn pushing_behind_holes_leaves_holes() {
    prints(
        "const show = (list) => Array.from({ length: list.length }, (_, i) => (i in list ? JSON.stringify(list[i]) : 'hole')).join();
         const made = new Array(2);
         print(made.push('a'), show(made));
         const longer = [1, 2];
         longer.length = 4;
         print(longer.push('a', 'b'), show(longer));
         const removed = [1, 2, 3];
         delete removed[2];
         print(removed.push('a'), show(removed));
         for (let i = 0; i < 1000; i++) { const list = new Array(i % 7); list.push({}); list[0] = i; list.length = 1; }
         print([1].push(2));",
        "3 hole,hole,\"a\"\n6 1,2,hole,hole,\"a\",\"b\"\n4 1,2,hole,\"a\"\n2\n",
    );
}
