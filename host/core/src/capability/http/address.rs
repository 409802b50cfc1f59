//! Which addresses are public: the ones outside every block of IANA's special-purpose registries. It knows nothing of names,
//! rules or tenants.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates), the IPv4 multicast and
//! class E blocks, and IANA's IPv6 allocation, which hands out global unicast from 2000::/3 alone. Blocks that the registries
//! call globally reachable (AS112, AMT, ORCHIDv2, …) are refused too: no applet has business there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IPv4 addresses: network, prefix length, what it is.
type Block4 = (Ipv4Addr, u32, &'static str);
/// A block of IPv6 addresses: network, prefix length, what it is.
type Block6 = (Ipv6Addr, u32, &'static str);

const SPECIAL_4: [Block4; 20] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier's NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 52, 193, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(192, 175, 48, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    // Last, so that the narrower name wins.
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
    // The metadata service of a cloud that lives outside every registry.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's metadata service"),
];

/// The part of the IPv6 space that holds global unicast addresses.
const GLOBAL_UNICAST_6: Block6 = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, "global unicast");

/// Blocks outside [`GLOBAL_UNICAST_6`], which is refused as a whole, that deserve their own name; and blocks inside it.
const SPECIAL_6: [Block6; 13] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "a translated IPv4 address"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "a translated IPv4 address"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "for discarding"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "an IPv4 address in a 6to4 tunnel"),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, "reserved for protocols"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
];

/// Says why `address` is not public, or `None` when it is. IPv4-mapped IPv6 addresses are judged by the address inside.
pub(super) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => SPECIAL_4.iter().find(|block| within_4(v4, block)).map(|block| block.2),
        IpAddr::V6(v6) => match SPECIAL_6.iter().find(|block| within_6(v6, block)) {
            Some(block) => Some(block.2),
            None if within_6(v6, &GLOBAL_UNICAST_6) => None,
            None => Some("reserved"),
        },
    }
}

/// Whether `address` is loopback, IPv4-mapped spellings included.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn within_4(address: Ipv4Addr, &(network, prefix, _): &Block4) -> bool {
    let mask = u32::MAX << (32 - prefix);
    address.to_bits() & mask == network.to_bits()
}

fn within_6(address: Ipv6Addr, &(network, prefix, _): &Block6) -> bool {
    let mask = u128::MAX << (128 - prefix);
    address.to_bits() & mask == network.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, public: bool) {
        let parsed: IpAddr = address.parse().expect("the test names an address");
        assert_eq!(not_public(parsed).is_none(), public, "{address}: {:?}", not_public(parsed));
    }

    #[test]
    fn every_special_block_is_refused_at_both_ends_and_its_neighbours_are_not() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("168.63.129.16", "168.63.129.16"),
            ("::", "::1"),
            ("::ffff:127.0.0.1", "::ffff:10.0.0.1"),
            ("::7f00:1", "::ffff:169.254.169.254"),
            ("64:ff9b::", "64:ff9b::ffff:ffff"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("4000::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            check(first, false);
            check(last, false);
        }
        for address in [
            "1.0.0.0",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2000::1",
            "2001:200::",
            "2001:4860:4860::8888",
            "2001:db7:ffff::1",
            "2001:db9::",
            "2003::1",
            "2606:4700::1",
            "3ffe:ffff::1",
            "3fff:1000::",
        ] {
            check(address, true);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_mapped_address_is_judged_by_the_address_inside(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            proptest::prop_assert_eq!(not_public(IpAddr::V6(v4.to_ipv6_mapped())), not_public(IpAddr::V4(v4)));
        }

        #[test]
        fn what_the_standard_library_calls_special_is_refused(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            if v6.is_loopback() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified() {
                proptest::prop_assert!(not_public(IpAddr::V6(v6)).is_some());
            }
        }
    }
}
