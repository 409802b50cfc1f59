//! `crypto.subtle` with keys that the host keeps, through the library and the command: charged, bounded, repeatable, and closed to top-level
//! code.

use belljar::{CryptoLimits, FaultCode, Host, Invocation, Limits, Outcome, Payload, Release};
use belljar_tests::{applet, cli, host};
use serde_json::{Value, json};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }\n";

fn call(main: &str) -> Outcome {
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("crypto", MANIFEST, main));
    block_on(applet::call(host, &release, "default", "null"))
}

fn value(main: &str) -> Value {
    applet::value(&call(main))
}

/// With the host's limits cut.
fn call_within(limits: Limits, main: &str) -> Outcome {
    let host: Host = host::build(host::builder().limits(limits));
    let package = applet::package_of("crypto", MANIFEST, main);
    let release: Release = applet::admit(&host, applet::tenant(), &package);
    block_on(host.invoke(&release, Invocation::new("default", Payload::Json("null".into()))))
}

#[test]
fn every_algorithm_goes_round() {
    let main = "
        const text = new TextEncoder().encode('a message');
        const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
        const s = crypto.subtle;
        const pair = (algorithm: any, usages: KeyUsage[]) => s.generateKey(algorithm, true, usages) as Promise<CryptoKeyPair>;
        export default async () => {
            const results: Record<string, boolean> = {};
            for (const [name, generated, parameters] of [
                ['RSASSA-PKCS1-v1_5', rsa, {}], ['RSA-PSS', rsa, { saltLength: 20 }], ['Ed25519', {}, {}],
                ...['P-256', 'P-384', 'P-521'].flatMap((namedCurve) => (
                    ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].map((hash) => ['ECDSA', { namedCurve }, { hash }]))),
            ] as [string, object, object][]) {
                const algorithm = { name, ...generated };
                const { privateKey, publicKey } = await pair(algorithm, ['sign', 'verify']);
                // Out and in again, both ways of writing them.
                const written = await s.importKey('pkcs8', await s.exportKey('pkcs8', privateKey), algorithm, false, ['sign']);
                const read = await s.importKey('jwk', await s.exportKey('jwk', publicKey), algorithm, false, ['verify']);
                const signature = new Uint8Array(await s.sign({ name, ...parameters }, written, text));
                const isValid = await s.verify({ name, ...parameters }, read, signature, text);
                signature[9] ^= 1;
                const isForged = await s.verify({ name, ...parameters }, publicKey, signature, text);
                results[JSON.stringify([name, generated, parameters]).replace(/,\"modulusLength.*SHA-256\"/, '')] = isValid && !isForged;
            }
            for (const name of ['AES-GCM', 'AES-CBC', 'AES-CTR']) {
                for (const length of [128, 192, 256]) {
                    const key = await s.generateKey({ name, length }, true, ['encrypt', 'decrypt']);
                    const parameters = { name, iv: new Uint8Array(16), counter: new Uint8Array(16), length: 64 };
                    const sealed = await s.encrypt(parameters, key, text);
                    results[name + length] = new TextDecoder().decode(await s.decrypt(parameters, key, sealed)) === 'a message';
                }
            }
            const oaep = await pair({ name: 'RSA-OAEP', ...rsa }, ['encrypt', 'decrypt']);
            const sealed = await s.encrypt({ name: 'RSA-OAEP', label: text }, oaep.publicKey, text);
            results['RSA-OAEP'] = new TextDecoder().decode(await s.decrypt({ name: 'RSA-OAEP', label: text }, oaep.privateKey, sealed)) === 'a message';
            for (const algorithm of [{ name: 'X25519' }, { name: 'ECDH', namedCurve: 'P-256' }, { name: 'ECDH', namedCurve: 'P-384' }, { name: 'ECDH', namedCurve: 'P-521' }]) {
                const [a, b] = [await pair(algorithm, ['deriveKey', 'deriveBits']), await pair(algorithm, ['deriveKey', 'deriveBits'])];
                const wrap = await s.deriveKey({ name: algorithm.name, public: b.publicKey }, a.privateKey, { name: 'AES-KW', length: 192 }, false, ['wrapKey', 'unwrapKey']);
                const unwrap = await s.deriveKey({ name: algorithm.name, public: a.publicKey }, b.privateKey, { name: 'AES-KW', length: 192 }, false, ['wrapKey', 'unwrapKey']);
                const key = await s.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
                const opened = await s.unwrapKey('raw', await s.wrapKey('raw', key, wrap, 'AES-KW'), unwrap, 'AES-KW', { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
                results[JSON.stringify(algorithm)] = JSON.stringify(await s.exportKey('jwk', opened)) === JSON.stringify(await s.exportKey('jwk', key));
            }
            return results;
        };";
    let results = value(main);
    let results = results.as_object().unwrap();
    assert_eq!(results.len(), 3 + 12 + 9 + 1 + 4, "{results:?}");
    for (what, is_right) in results {
        assert_eq!(is_right, &json!(true), "{what}");
    }
}

#[test]
fn host_work_is_charged_and_repeats() {
    let main = "
        export default async () => {
            const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt']);
            const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, new Uint8Array(1000));
            return sealed.byteLength;
        };";
    let (first, second) = (call(main), call(main));
    assert_eq!(applet::value(&first), json!(1016));
    assert_eq!((first.usage.crypto.operations, first.usage.crypto.bytes), (2, 1000 + 12 + 1016));
    assert_eq!(first.usage.crypto, second.usage.crypto);
    assert_eq!(first.usage.fuel, second.usage.fuel);
}

#[test]
fn a_seed_makes_the_same_keys() {
    let script = "(async () => {
        const out = [];
        for (const algorithm of [{ name: 'AES-CBC', length: 192 }, { name: 'ECDSA', namedCurve: 'P-384' }, { name: 'Ed25519' }]) {
            const made = await crypto.subtle.generateKey(algorithm, true, algorithm.length ? ['encrypt'] : ['sign']);
            out.push(await crypto.subtle.exportKey('jwk', made.privateKey ?? made));
        }
        print(JSON.stringify(out));
    })()";
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("seeded.js");
    std::fs::write(&path, script).unwrap();
    let run = |seed: &str| cli::run(&["eval", "--seed", seed, "--script", path.to_str().unwrap()]).stdout;
    assert_eq!(run("7"), run("7"));
    assert!(run("7").contains("P-384"), "{}", run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn top_level_code_has_hashes_but_no_keys_of_the_host() {
    let outcome = call(
        "const digest = await crypto.subtle.digest('SHA-256', new Uint8Array(3));
         export default () => digest.byteLength;",
    );
    assert_eq!(applet::value(&outcome), json!(32));
    let outcome = call(
        "await crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt']);
         export default () => 1;",
    );
    let fault = outcome.result.unwrap_err();
    assert_eq!(fault.code, FaultCode::Preparation, "{fault:?}");
    assert!(fault.message.contains("cannot be used while top-level code runs"), "{fault:?}");
}

#[test]
fn absurd_parameters_end_in_errors_or_limits() {
    let main = "
        const s = crypto.subtle;
        const name = async (work: () => Promise<unknown>) => { try { await work(); return 'done'; } catch (error) { return (error as Error).name + ' ' + ((error as any).cause?.limit ?? ''); } };
        const rsa = (modulusLength: number) => s.generateKey({ name: 'RSA-PSS', modulusLength, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['sign']);
        export default async () => [
            await name(() => rsa(16384)), await name(() => rsa(1)), await name(() => rsa(2 ** 32 - 1)),
            await name(() => s.generateKey({ name: 'HMAC', hash: 'SHA-256', length: 2 ** 32 - 1 }, false, ['sign'])),
            await name(async () => s.deriveBits({ name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info: new Uint8Array(0) }, await s.importKey('raw', new Uint8Array(1), 'HKDF', false, ['deriveBits']), 2 ** 32 - 8)),
            await name(async () => s.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, await s.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt']) as CryptoKey, new Uint8Array(9 << 20))),
        ];";
    let expected = [
        "OperationError crypto.rsa_generated_bits_max",
        "OperationError ",
        "OperationError crypto.rsa_generated_bits_max",
        "OperationError ",
        "OperationError ",
        "OperationError crypto.operation_bytes_max",
    ];
    assert_eq!(value(main), json!(expected));

    let slow = "
        export default async () => {
            const key = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']);
            return crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 1e9 }, key, 256);
        };";
    let limits = Limits { fuel_max: 1_000_000_000, ..Limits::default() };
    assert_eq!(call_within(limits, slow).result.unwrap_err().code, FaultCode::Fuel);
}

#[test]
fn nobody_waits_past_the_deadline_for_a_key() {
    let main = "
        export default async () => {
            const make = () => crypto.subtle.generateKey({ name: 'RSA-PSS', modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['sign']);
            for (;;) await Promise.all([make(), make(), make(), make()]);
        };";
    let outcome = call_within(Limits { deadline_ms: 300, ..Limits::default() }, main);
    assert_eq!(outcome.result.unwrap_err().code, FaultCode::Deadline);
}

#[test]
fn keys_are_given_back_when_nothing_names_them() {
    let limits = Limits { crypto: CryptoLimits { keys_max: 3, ..CryptoLimits::default() }, ..Limits::default() };
    let main = "
        const make = () => crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']);
        export default async () => {
            for (let i = 0; i < 20; i++) await crypto.subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, await make(), new Uint8Array(1));
            const kept = [await make(), await make()];
            const third = await make();
            let name = '';
            try { await make(); } catch (error) { name = (error as Error).name; }
            return [kept.length, third.type, name];
        };";
    assert_eq!(applet::value(&call_within(limits, main)), json!([2, "secret", "OperationError"]));
}

#[test]
fn hashes_are_those_of_the_standards() {
    let main = "
        import { createHash, createHmac } from 'node:crypto';
        const names = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-224', 'sha512-256'];
        const both = () => names.map((name) => [
            createHash(name).update('a').update('bc').digest('hex').slice(0, 8), createHmac(name, 'key').update('The quick brown fox').digest('hex').slice(0, 8),
        ].join());
        // Top-level code may hash, and begin what a call ends.
        const early = both();
        const begun = createHash('sha256').update('ab');
        export default async () => {
            const hex = async (name: string) => Buffer.from(await crypto.subtle.digest(name, new TextEncoder().encode('abc'))).toString('hex').slice(0, 8);
            return [early.join(' '), both().join() === early.join(), begun.copy().update('c').digest('hex').slice(0, 8),
                await Promise.all(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].map(hex)), createHash('sha256').digest('hex').slice(0, 8)];
        };";
    let value = value(main);
    let early = value[0].as_str().unwrap();
    // Node's own answers.
    let expected = [
        "90015098,d006bc60",
        "a9993e36,22f9e077",
        "23097d22,aca35715",
        "ba7816bf,203d1e5c",
        "cb00753f,60638fa0",
        "ddaf35a1,36f44b12",
        "4634270f,154e8362",
        "53048e26,fc7b4ba2",
    ];
    assert_eq!(early.split(' ').collect::<Vec<_>>(), expected);
    assert_eq!(value[1], json!(true));
    assert_eq!(value[2], "ba7816bf");
    assert_eq!(value[3], json!(["a9993e36", "ba7816bf", "cb00753f", "ddaf35a1"]));
    assert_eq!(value[4], "e3b0c442");
}

#[test]
fn hashes_are_charged_before_they_are_computed() {
    let main = |mib: u32| {
        format!(
            "const bytes = new Uint8Array({mib} << 20); export default async () => (await crypto.subtle.digest('SHA-256', bytes)).byteLength;"
        )
    };
    let (one, two, again) = (call(&main(1)), call(&main(2)), call(&main(2)));
    assert_eq!(applet::value(&one), json!(32));
    assert_eq!(two.usage.fuel, again.usage.fuel);
    let each = (two.usage.fuel - one.usage.fuel) >> 20;
    assert!((10..=13).contains(&each), "{each} fuel for a byte");
    let outcome = call_within(Limits { fuel_max: 8_000_000, ..Limits::default() }, &main(1));
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.limit.as_ref().unwrap().name), (FaultCode::Fuel, "fuel_max"));
    // An HMAC costs by its key, too.
    let main = "import { createHmac } from 'node:crypto'; const key = new Uint8Array(1 << 20); export default () => createHmac('sha512', key).update('x').digest().length;";
    assert_eq!(applet::value(&call(main)), json!(64));
    let outcome = call_within(Limits { fuel_max: 25_000_000, ..Limits::default() }, main);
    assert_eq!(applet::fault(&outcome).code, FaultCode::Fuel);
}
