use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

fn rule(host: &str, ports: &[u16], methods: &[&str], allow_http: bool) -> HttpRule {
    let methods = methods.iter().map(|&method| method.to_owned()).collect();
    HttpRule { host: host.to_owned(), ports: ports.to_vec(), methods, allow_http }
}

fn decide(rules: &[HttpRule], test_hosts: &[&str], method: &str, url: &str) -> Result<(), HttpError> {
    let test_hosts: Vec<String> = test_hosts.iter().map(|&host| host.to_owned()).collect();
    let test_hosts = TestHosts::parse(&test_hosts).expect("the test hosts are valid");
    HttpRules::new(rules).check(&Target::parse(url, 8_192)?, method, &test_hosts)
}

/// `expected`: "ok", or the code of the error and a part of its message.
fn check(rules: &[HttpRule], test_hosts: &[&str], method: &str, url: &str, expected: &str) {
    match (decide(rules, test_hosts, method, url), expected.split_once(' ')) {
        (Ok(()), None) => assert_eq!(expected, "ok", "{method} {url}"),
        (Err(error), Some((code, part))) => {
            assert_eq!(error.code(), code, "{method} {url}: {error}");
            assert!(error.to_string().contains(part), "{method} {url}: {error}");
        }
        (done, _) => panic!("{method} {url}: {done:?}, expected {expected}"),
    }
}

#[test]
fn rules_are_matched_by_host_scheme_port_and_method() {
    let rules = [
        rule("api.example.com", &[], &[], false),
        rule("*.wild.example.com", &[443, 8443], &["GET", "post"], false),
        rule("plain.example.com", &[], &[], true),
        rule("8.8.8.8", &[], &[], true),
        rule("[2606:4700::1111]", &[], &[], false),
        rule("Münch.example", &[], &[], false),
        rule("a.*.example", &[], &[], true),
        rule("dot.example.", &[], &[], false),
    ];
    for (method, url, expected) in [
        ("GET", "https://api.example.com/x?y#z", "ok"),
        ("PATCH", "https://API.Example.com:443/", "ok"),
        ("GET", "https://api.example.com./", "ok"),
        ("GET", "https://api.example.com../", "invalid not a host name"),
        ("GET", "https://api.example.com:8443/", "denied port 8443"),
        ("GET", "http://api.example.com/", "denied http: is not allowed"),
        ("GET", "https://xapi.example.com/", "denied host xapi.example.com is not in permissions.http"),
        ("GET", "https://api.example.com.evil.example/", "denied not in permissions.http"),
        ("GET", "https://x.api.example.com/", "denied not in permissions.http"),
        ("GET", "https://a.wild.example.com/", "ok"),
        ("POST", "https://a.wild.example.com:8443/", "ok"),
        ("PUT", "https://a.wild.example.com/", "denied method PUT"),
        ("GET", "https://wild.example.com/", "denied not in permissions.http"),
        ("GET", "https://a.b.wild.example.com/", "denied not in permissions.http"),
        ("GET", "https://.wild.example.com/", "invalid not a host name"),
        ("GET", "http://plain.example.com/", "ok"),
        ("GET", "https://plain.example.com/", "ok"),
        ("GET", "http://plain.example.com:443/", "denied port 443"),
        ("GET", "http://0x08080808/", "ok"),
        ("GET", "https://[2606:4700:0:0::1111]/", "ok"),
        ("GET", "https://xn--mnch-0ra.example/", "ok"),
        ("GET", "https://a.b.example/", "denied not in permissions.http"),
        ("GET", "https://dot.example/", "ok"),
        ("GET", "https://user@api.example.com/", "denied user name"),
        ("GET", "https://:x@api.example.com/", "denied user name"),
        ("GET", "ftp://api.example.com/", "denied scheme"),
        ("GET", "file:///etc/passwd", "denied scheme"),
        ("GET", "data:,x", "denied scheme"),
        ("GET", "/relative", "invalid not valid"),
        ("GET", "", "invalid not valid"),
        ("GET", "https://api.example.com:0/", "invalid port 0"),
        ("GET", "https://api.example.com:99999/", "invalid not valid"),
    ] {
        check(&rules, &[], method, url, expected);
    }
    let long = format!("https://api.example.com/{}", "x".repeat(8_192));
    check(&rules, &[], "GET", &long, "limit http.url_bytes_max");
    // Encoding makes it longer than what was written.
    let grows = format!("https://api.example.com/{}", "é".repeat(3_000));
    check(&rules, &[], "GET", &grows, "limit http.url_bytes_max");
}

/// The spellings of `attacks/http`, and then some: none gets past the address rules even where every host is granted.
const SPELLINGS: &[&str] = &[
    "http://127.0.0.1/",
    "http://localhost/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://localhost./",
    "http://foo.localhost/",
    "http://LOCALHOST/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://127.0.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://00000177.0.0.01/",
    "http://2852039166/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://１２７.0.0.1/",
    "http://127.0.0.1./",
    "http://%31%32%37.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1",
    "\thttp://127.0.\n0.1/",
    "http://allowed.example@127.0.0.1/",
    "http://127.0.0.1#@allowed.example/",
    "http://127.0.0.1\\@allowed.example/",
    "http://allowed.example:80@127.0.0.1/",
    "http://allowed.example&@127.0.0.1# @allowed.example/",
    "http://127.0.0.1?@allowed.example/",
    "http://1.1.1.1 &@127.0.0.1# @3.3.3.3/",
    "http://user:pass@allowed.example/",
];

#[test]
fn no_spelling_of_an_address_that_is_not_public_gets_past() {
    let every_port: Vec<u16> = (1..=u16::MAX).collect();
    let rules = [rule("*", &every_port, &[], true)];
    for url in SPELLINGS {
        check(&rules, &[], "GET", url, "denied ");
        // Naming another test host opens none of them.
        check(&rules, &["127.0.0.2:9", "api.localhost"], "GET", url, "denied ");
    }
    check(&rules, &[], "GET", "http://425.510.425.510/", "invalid not valid");
    check(&rules, &[], "GET", "http://allowed.example%00@127.0.0.1/", "denied user name");
    check(&rules, &[], "GET", "http://127.0.0.1.nip.example:77/", "ok");
    check(&rules, &[], "GET", "http://1.1.1.1/", "ok");
}

#[test]
fn a_test_host_still_has_to_be_granted() {
    let rules = [rule("localhost", &[], &["GET"], false), rule("127.0.0.1", &[9000], &[], false)];
    let test_hosts = ["localhost:8080", "127.0.0.1", "other.localhost"];
    for (method, url, expected) in [
        ("GET", "http://localhost:8080/", "ok"),
        ("POST", "http://localhost:8080/", "denied method POST"),
        ("GET", "https://localhost:8080/", "ok"),
        ("GET", "http://localhost:8081/", "denied http: is not allowed"),
        ("GET", "https://localhost/", "denied not a public address (loopback)"),
        ("GET", "http://0x7f.1:9000/", "ok"),
        ("GET", "http://127.0.0.1:9001/", "denied port 9001"),
        ("GET", "http://other.localhost/", "denied not in permissions.http"),
    ] {
        check(&rules, &test_hosts, method, url, expected);
    }
}

#[test]
fn no_rule_allows_nothing() {
    assert!(HttpRules::new(&[]).is_empty());
    check(&[], &["localhost"], "GET", "http://localhost/", "denied not in permissions.http");
}

/// Ways to write an IPv4 address in a URL.
fn spellings_4(v4: Ipv4Addr) -> Vec<String> {
    let ([a, b, c, d], n) = (v4.octets(), v4.to_bits());
    vec![
        format!("{v4}"),
        format!("{v4}."),
        format!("{n}"),
        format!("0x{n:x}"),
        format!("0{n:o}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:X}.{b}.0{c:o}.0x{d:x}"),
        format!("{a}.{}", n & 0xff_ffff),
        format!("{a}.{b}.{}", n & 0xffff),
        format!("[::ffff:{v4}]"),
        format!("{a}%2E{b}%2e{c}.{d}"),
        format!("{a}。{b}．{c}｡{d}"),
        format!("0000{a:o}.{b}.{c}.{d}"),
    ]
}

proptest::proptest! {
    #[test]
    fn every_spelling_of_an_ipv4_address_is_judged_alike(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let public = not_public(IpAddr::V4(v4)).is_none();
        for spelling in spellings_4(v4) {
            let done = decide(&[rule("*", &[], &[], true)], &[], "GET", &format!("http://{spelling}/"));
            proptest::prop_assert_eq!(done.is_ok(), public, "{} {:?}", spelling, done);
        }
    }

    #[test]
    fn special_blocks_are_refused_in_every_spelling(
        block in proptest::sample::select(vec![0x7f00_0000_u32, 0x0a00_0000, 0xac10_0000, 0xc0a8_0000, 0xa9fe_0000, 0x6440_0000, 0]),
        low in 0_u32..0x1_0000,
    ) {
        for spelling in spellings_4(Ipv4Addr::from_bits(block | low)) {
            let done = decide(&[rule("*", &[], &[], true)], &[], "GET", &format!("http://{spelling}/"));
            proptest::prop_assert!(matches!(done, Err(HttpError::Denied(_))), "{} {:?}", spelling, done);
        }
    }

    #[test]
    fn whatever_parses_to_an_address_that_is_not_public_is_refused(url in "https?:(//)?[0-9a-fx.:\\[\\]@%#?\\\\/]{1,30}") {
        let done = decide(&[rule("*", &(1..=u16::MAX).collect::<Vec<_>>(), &[], true)], &[], "GET", &url);
        if let Ok(parsed) = Url::parse(&url) {
            let address = match parsed.host() {
                Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
                Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
                _ => None,
            };
            if address.is_some_and(|address| not_public(address).is_some()) {
                proptest::prop_assert!(done.is_err(), "{}", url);
            }
        }
    }

    #[test]
    fn ipv6_is_judged_by_its_address(bits: u128) {
        let v6 = Ipv6Addr::from_bits(bits);
        let done = decide(&[rule("*", &[], &[], false)], &[], "GET", &format!("https://[{v6}]/"));
        proptest::prop_assert_eq!(done.is_ok(), not_public(IpAddr::V6(v6)).is_none(), "{}", v6);
    }

    #[test]
    fn nothing_an_applet_writes_panics(url: String, method: String, pattern: String) {
        let _ = decide(&[rule(&pattern, &[], &[], true), rule("*", &[], &[], true)], &[], &method, &url);
    }
}
