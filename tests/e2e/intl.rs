//! Intl: for applets that declare locales, and for nobody else.

use belljar::{FaultCode, Invocation, Payload};
use belljar_tests::{applet, cli, host};
use serde_json::{Value, json};

const DECLARES: &str = "runtime: { entrypoint: src/main.ts, locales: [en, de-AT] }\n";

async fn answer(manifest: &str, main: &str, locale: &str) -> Value {
    let host = host::shared();
    let package = applet::package_of("intl", manifest, main);
    let release = applet::admit(host, applet::tenant(), &package);
    let invocation = Invocation { locale: locale.into(), ..Invocation::new("default", Payload::Json("null".into())) };
    applet::value(&host.invoke(&release, invocation).await)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

fn check(manifest: &str, main: &str, locale: &str, expected: Value) {
    assert_eq!(block_on(answer(manifest, main, locale)), expected, "{main}");
}

#[test]
fn a_declaring_applet_formats() {
    let main = "
        // Made while the applet is prepared: part of its image.
        const euros = new Intl.NumberFormat('de-AT', { style: 'currency', currency: 'EUR' });
        const early = new Date(0).toLocaleDateString('en', { dateStyle: 'long' });
        export default () => [
            euros.format(1234.5), early, (0.256).toLocaleString('en', { style: 'percent' }), 12345678901234567890n.toLocaleString('de-AT'),
            new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'short', timeZone: 'America/New_York' }).format(0),
            new Intl.PluralRules('en', { type: 'ordinal' }).select(22), new Intl.ListFormat('en').format(['a', 'b', 'c']),
            new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'), ['z', 'ä', 'a'].sort(new Intl.Collator('de').compare).join(''),
            'a'.localeCompare('b'), Intl.getCanonicalLocales('EN-us')[0], Intl.DateTimeFormat().resolvedOptions().timeZone,
        ];";
    let expected = json!([
        "€\u{a0}1.234,50",
        "January 1, 1970",
        "26%",
        "12\u{a0}345\u{a0}678\u{a0}901\u{a0}234\u{a0}567\u{a0}890",
        "Wednesday, December 31, 1969 at 7:00 PM",
        "two",
        "a, b, and c",
        "yesterday",
        "aäz",
        -1,
        "en-US",
        "UTC"
    ]);
    check(DECLARES, main, "en", expected);
}

#[test]
fn the_callers_locale_is_the_default_when_it_is_declared() {
    let main = "export default () => [new Intl.NumberFormat().resolvedOptions().locale, (1.5).toLocaleString()];";
    check(DECLARES, main, "de-AT", json!(["de-AT", "1,5"]));
    check(DECLARES, main, "de", json!(["de-AT", "1,5"]));
    check(DECLARES, main, "en-GB", json!(["en-GB", "1.5"]));
    check(DECLARES, main, "fr", json!(["en", "1.5"]));
    check(DECLARES, main, "not a locale", json!(["en", "1.5"]));
}

#[test]
fn other_applets_have_no_intl() {
    check(
        applet::PLAIN,
        "export default () => [typeof Intl, (1234.5).toLocaleString('de')];",
        "en",
        json!(["undefined", "1234.5"]),
    );
    let host = host::shared();
    let package =
        applet::package_of("intl", applet::PLAIN, "export default () => new Intl.NumberFormat('en').format(1);");
    let release = applet::admit(host, applet::tenant(), &package);
    let outcome = block_on(applet::call(host, &release, "default", "null"));
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Threw, "ReferenceError: Intl is not defined"));
}

#[test]
fn what_is_absurd_is_a_range_error() {
    let main = "const name = (f) => { try { return String(f()); } catch (error) { return error.name; } };
        export default () => [
            name(() => new Intl.NumberFormat('en', { minimumFractionDigits: 1e9 })),
            name(() => new Intl.NumberFormat('en', { style: 'currency' })),
            name(() => new Intl.NumberFormat('e')),
            name(() => new Intl.NumberFormat(null)),
            name(() => new Intl.DateTimeFormat('en', { timeZone: 'Mars/Olympus' })),
            name(() => new Intl.DateTimeFormat('en', { dateStyle: 'full', year: 'numeric' })),
            name(() => new Intl.ListFormat('en').format(['x'.repeat(10_000_000)])),
            name(() => new Intl.ListFormat('en').format([1])),
            name(() => new Intl.NumberFormat('en').format(10n ** 20_001n)),
            name(() => Intl.supportedValuesOf('secrets')),
            name(() => new Intl.PluralRules('en').select(Symbol())),
            name(() => new Intl.Segmenter('en')),
        ];";
    let expected = json!([
        "RangeError",
        "TypeError",
        "RangeError",
        "TypeError",
        "RangeError",
        "TypeError",
        "RangeError",
        "TypeError",
        "RangeError",
        "RangeError",
        "TypeError",
        "Error"
    ]);
    check(DECLARES, main, "en", expected);
}

#[test]
fn work_of_the_host_is_paid_in_fuel_and_repeats() {
    let host = host::shared();
    let main = "export default (_context, count) => {
        const dates = new Intl.DateTimeFormat('en', { dateStyle: 'full' });
        for (let i = 0; i < count; i++) dates.format(i);
        return 0;
    };";
    let package = applet::package_of("intl", DECLARES, main);
    let release = applet::admit(host, applet::tenant(), &package);
    let fuel = |count: u32| block_on(applet::call(host, &release, "default", &count.to_string())).usage.fuel;
    let (once, many) = (fuel(1), fuel(1_000));
    assert_eq!((once, many), (fuel(1), fuel(1_000)));
    // At least what is charged for each answer and its bytes.
    assert!(many - once > 999 * 2_000, "{once} {many}");
}

#[test]
fn an_applet_that_formats_for_ever_is_ended() {
    let manifest = "runtime: { entrypoint: src/main.ts, locales: [en], limits: { fuel_max: 200000000 } }\n";
    let main = "export default () => { for (;;) 'a'.localeCompare('b'); };";
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("intl", manifest, main));
    let outcome = block_on(applet::call(host, &release, "default", "null"));
    assert_eq!(applet::fault(&outcome).code, FaultCode::Fuel);
    assert!(outcome.usage.host_calls < 200_000, "{:?}", outcome.usage);
}

#[test]
fn builtins_that_were_replaced_do_not_matter() {
    let main = "export default () => {
        const numbers = new Intl.NumberFormat('en');
        JSON.parse = JSON.stringify = Array.prototype.push = Map.prototype.get = Map.prototype.set = String.prototype.split = RegExp.prototype.exec =
            () => { throw new Error('replaced'); };
        return [numbers.format(1e6), new Intl.DateTimeFormat('de', { timeZone: 'UTC' }).format(0), new Intl.ListFormat('en').format(['a', 'b'])];
    };";
    check(DECLARES, main, "en", json!(["1,000,000", "1.1.1970", "a and b"]));
}

#[test]
fn eval_takes_locales() {
    let ran = cli::run(&[
        "eval",
        "--locale",
        "DE",
        "--locale",
        "en",
        "console.log((1.5).toLocaleString(), new Intl.NumberFormat('en').format(1.5))",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "1,5 1.5\n"), "{ran:?}");
    let ran = cli::run(&["eval", "Intl.NumberFormat"]);
    assert!(ran.stderr.contains("Intl is not defined") && ran.stderr.contains("--locale en"), "{ran:?}");
    let ran = cli::run(&["eval", "--locale", "klingon", "1"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("klingon"), "{ran:?}");
}

#[test]
fn locales_and_uses_that_cannot_be_served_are_told_with_their_place() {
    let check = |locales: &str, main: &str, expected: &str| {
        let manifest = format!("id: intl\nversion: 1.0.0\nname: Test\nruntime:\n  entrypoint: src/main.ts\n{locales}");
        let folder = applet::folder(&[("manifest.yaml", &manifest), ("src/main.ts", main)]);
        let ran = cli::run(&["check".as_ref(), folder.path().as_os_str()]);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(expected), "{expected}\n{said}");
    };
    let plain = "export default () => 1;";
    check("  locales: [en, xx]\n", plain, "locale 'xx' is not known");
    check("  locales: [EN]\n", plain, "write 'en'");
    check("  locales: [en_US]\n", plain, "is not valid");
    check("  locales: [de-u-nu-latn]\n", plain, "extensions");
    check("  locales: [en, xx]\n", plain, "manifest.yaml:6:");
    check(
        "  locales: [en]\n",
        "export default () => new Intl.Segmenter('en');",
        "Intl.Segmenter is not in the sandbox",
    );
    check("", "export default () => new Intl.NumberFormat('en').format(1);", "the manifest declares no locales");
}
