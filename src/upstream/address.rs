//! IP addresses as the policy for connections sees them: networks, what kind an address is, and the IPv4 address that an IPv6 one carries.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// All addresses whose first bits are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// One of them.
    address: IpAddr,
    /// How many bits count.
    bits: u8,
}

impl Network {
    /// The network; more bits than there are mean all.
    pub(crate) fn new(address: IpAddr, bits: u8) -> Self {
        Self { address, bits }
    }

    /// One address, in its plain form where it is an IPv4 address written as an IPv6 one.
    pub(crate) fn only(address: IpAddr) -> Self {
        Self::new(address.to_canonical(), u8::MAX)
    }

    /// Reads `ADDRESS/BITS`; nothing where bits are set behind those that count: `10.1.2.3/8` may be a slip for `/32`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bare = match address.strip_prefix('[') {
            Some(inner) => IpAddr::V6(inner.strip_suffix(']')?.parse().ok()?),
            None => address.parse().ok()?,
        };
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = bits.parse().ok().filter(|_| is_number)?;
        let is_whole = match bare {
            IpAddr::V4(ip) => bits <= 32 && ip.to_bits().checked_shl(bits.into()).unwrap_or(0) == 0,
            IpAddr::V6(ip) => {
                bits <= 128 && ip.to_bits().checked_shl(bits.into()).unwrap_or(0) == 0
            }
        };
        let mapped = match bare {
            IpAddr::V6(ip) => ip.to_ipv4_mapped(),
            IpAddr::V4(_) => None,
        };
        // Of IPv4 addresses written as IPv6 ones: addresses are compared in their plain form.
        is_whole.then(|| match (mapped, bits.checked_sub(96)) {
            (Some(ip), Some(bits)) => Self::new(ip.into(), bits),
            _ => Self::new(bare, bits),
        })
    }

    /// Whether the address is in it.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let shift = |width: u8| u32::from(width.saturating_sub(self.bits));
        match (address, self.address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let differ = one.to_bits() ^ other.to_bits();
                differ.checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                let differ = one.to_bits() ^ other.to_bits();
                differ.checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Kinds of addresses that are not everybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A cloud's own services, which give credentials to whoever can reach them.
    Metadata,
    /// On the link: 169.254.0.0/16 and fe80::/10 (RFC 3927, RFC 4291). Most clouds' metadata is there.
    LinkLocal,
    /// This machine.
    Loopback,
    /// No address: systems take it for this machine.
    Unspecified,
    /// Of a site (RFC 1918, RFC 4193).
    Private,
    /// Shared by a carrier's customers (RFC 6598).
    Shared,
    /// A group of machines (RFC 5771, RFC 4291 section 2.7).
    Multicast,
    /// Every machine on the link (RFC 919).
    Broadcast,
    /// 240.0.0.0/4, for future use (RFC 1112 section 4).
    Reserved,
}

impl Class {
    /// Whether nobody is led there unless the person says so: nothing is there that a program asks an authsome for.
    pub(crate) fn is_refused_by_default(self) -> bool {
        matches!(
            self,
            Self::Metadata | Self::LinkLocal | Self::Multicast | Self::Broadcast | Self::Reserved
        )
    }

    /// The class of an address, by what it is and by the IPv4 address that it carries.
    pub(crate) fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => {
                let class = Self::of_v6(ip).or_else(|| carried(ip).and_then(Self::of_v4));
                let is_refused = class.is_some_and(Self::is_refused_by_default);
                if !is_refused && spells_metadata(ip) {
                    return Some(Self::Metadata);
                }
                class
            }
        }
    }

    /// Returns whether an address of this class leads to this machine, whatever its interfaces are.
    pub(crate) fn is_this_machine(self) -> bool {
        matches!(self, Self::Loopback | Self::Unspecified)
    }

    /// Returns whether clouds give out credentials at an IPv4 address.
    fn is_metadata(ip: Ipv4Addr) -> bool {
        matches!(Self::of_v4(ip), Some(Self::Metadata | Self::LinkLocal))
    }

    /// That of an IPv4 address.
    fn of_v4(ip: Ipv4Addr) -> Option<Self> {
        let class = match ip.octets() {
            // Alibaba, Oracle, Azure.
            [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Self::Metadata,
            [169, 254, ..] => Self::LinkLocal,
            [127, ..] => Self::Loopback,
            [0, ..] => Self::Unspecified,
            [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Self::Private,
            [100, 64..=127, ..] => Self::Shared,
            [224..=239, ..] => Self::Multicast,
            [255, 255, 255, 255] => Self::Broadcast,
            [240..=255, ..] => Self::Reserved,
            _ => return None,
        };
        Some(class)
    }

    /// That of an IPv6 address, by itself.
    fn of_v6(ip: Ipv6Addr) -> Option<Self> {
        let class = match ip.segments() {
            // Amazon has more than one service there that gives credentials; Google, Scaleway,
            // Alibaba.
            [0xfd00, 0x0ec2, ..]
            | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
            | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042]
            | [0xfd00, 0x0100, 0, 0, 0, 0, 0x0100, 0x0200] => Self::Metadata,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Unspecified,
            // Site-local ones too, which RFC 3879 took back and networks may still have.
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Self::Private,
            _ => return None,
        };
        Some(class)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "a cloud metadata address",
            Self::LinkLocal => "a link-local address, where clouds keep their metadata",
            Self::Loopback => "a loopback address",
            Self::Unspecified => "an unspecified address, which stands for this machine",
            Self::Private => "a private address",
            Self::Shared => "a shared address (RFC 6598)",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address (240.0.0.0/4)",
        })
    }
}

/// The IPv4 address that an IPv6 one leads to by itself: IPv4-mapped, -compatible and -translated
/// (RFC 4291, RFC 2765), behind a translator (RFC 6052, and one of a network's own by RFC 8215,
/// read as a prefix of 96 bits), 6to4 (RFC 3056), ISATAP (RFC 5214), and the client of Teredo (RFC
/// 4380, which stores its bits inverted).
pub(crate) fn carried(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x0064, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => (high, low),
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        _ => return None,
    };
    Some(joined(high, low))
}

/// Returns where a system connects to for an address: to its own loopback for an unspecified one.
pub(crate) fn connected(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Returns what stands for everyone who can take an address at will: an IPv4 address, and the /64
/// of an IPv6 one.
pub(crate) fn neighborhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Returns an IPv4 address of two groups.
fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// Returns whether an IPv6 address spells an IPv4 address of metadata: in the form of a translator
/// whose prefix isn't known (RFC 6052 section 2.2), or in any two groups of an address of a site,
/// as clouds choose them. Other servers have such addresses only by chance.
fn spells_metadata(ip: Ipv6Addr) -> bool {
    let groups = ip.segments();
    let mut pairs = groups.iter().zip(groups.iter().skip(1)).rev();
    let is_metadata = |(high, low): (&u16, &u16)| Class::is_metadata(joined(*high, *low));
    if pairs.next().is_some_and(is_metadata) {
        return true;
    }
    let is_of_a_site = matches!(groups, [0xfc00..=0xfdff, ..]);
    if is_of_a_site && pairs.any(|(high, low)| joined(*high, *low) == METADATA) {
        return true;
    }
    // Prefixes of 32 to 64 bits: the IPv4 address follows, around an octet of zeros, and zeros
    // follow it.
    let [before @ .., 0, _, _, _, _, _, _, _] = ip.octets() else {
        return false;
    };
    let behind = ip.octets().into_iter().skip(before.len() + 1);
    let octets: Vec<u8> = before.into_iter().chain(behind).collect();
    (4..=8).any(|prefix| {
        let found = octets.get(prefix..).and_then(<[u8]>::split_first_chunk);
        found.is_some_and(|(found, rest)| {
            rest.iter().all(|octet| *octet == 0) && Class::is_metadata(Ipv4Addr::from(*found))
        })
    })
}

/// The address of most clouds' metadata service.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

#[cfg(test)]
mod tests {
    use super::*;

    /// The class of an address, as it is written.
    fn class(text: &str) -> Option<Class> {
        Class::of(text.parse().unwrap())
    }

    #[test]
    fn every_class_from_its_first_address_to_its_last() {
        for (class_of_it, texts) in [
            (
                Class::Metadata,
                &[
                    "100.100.100.200",
                    "192.0.0.192",
                    "168.63.129.16",
                    "fd00:ec2::254",
                    "fd00:ec2::23",
                    "fd20:ce::254",
                ][..],
            ),
            (
                Class::LinkLocal,
                &[
                    "169.254.0.0",
                    "169.254.169.254",
                    "169.254.255.255",
                    "fe80::1",
                    "febf:ffff::",
                ],
            ),
            (
                Class::Loopback,
                &["127.0.0.1", "127.0.0.0", "127.255.255.255", "::1"],
            ),
            (
                Class::Unspecified,
                &["0.0.0.0", "0.1.2.3", "0.255.255.255", "::"],
            ),
            (
                Class::Private,
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.0",
                    "172.31.255.255",
                    "192.168.0.0",
                    "192.168.255.255",
                    "fc00::",
                    "fdff:ffff::1",
                    "fec0::1",
                ],
            ),
            (Class::Shared, &["100.64.0.0", "100.127.255.255"]),
        ] {
            for text in texts {
                assert_eq!(class(text), Some(class_of_it), "{text}");
            }
        }
    }

    #[test]
    fn addresses_of_a_site_that_clouds_chose_are_metadata() {
        for text in [
            "fd00:42::42",
            "fd00:100::100:200",
            "fd00:c1::a9fe:a9fe",
            "fd00:a9fe:a9fe::1",
            "fc12:0:0:a9fe:a9fe::",
            "fd12::100.100.100.200",
            "fd12::168.63.129.16",
            "fd12::169.254.170.2",
        ] {
            assert_eq!(class(text), Some(Class::Metadata), "{text}");
        }
    }

    #[test]
    fn what_is_no_single_machine_s_has_a_class() {
        for text in [
            "224.0.0.0",
            "239.255.255.255",
            "ff00::",
            "ff02::1",
            "ffff::1",
        ] {
            assert_eq!(class(text), Some(Class::Multicast), "{text}");
        }
        for text in ["240.0.0.0", "255.255.255.254"] {
            assert_eq!(class(text), Some(Class::Reserved), "{text}");
        }
        assert_eq!(class("255.255.255.255"), Some(Class::Broadcast));
    }

    #[test]
    fn the_neighbours_of_a_class_are_everybodys() {
        for text in [
            "100.63.255.255",
            "100.128.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "192.0.0.191",
            "168.63.129.17",
            "8.8.8.8",
            "223.255.255.255",
            "fe7f:ffff::",
            "fbff::",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:db8::5efe:808:808",
            "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
            // Metadata in the middle is nobody's, unless zeros follow.
            "2001:db8:a9fe:a9fe::1",
            "2001:db8:0:a9fe:a9:fe00:0:1",
            "2001:db8::a9fe:a9fe:0:1",
        ] {
            assert_eq!(class(text), None, "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_within_an_ipv6_one_counts() {
        for (text, class_of_it) in [
            ("::ffff:169.254.169.254", Class::LinkLocal),
            ("::ffff:a9fe:a9fe", Class::LinkLocal),
            ("::169.254.169.254", Class::LinkLocal),
            ("::ffff:0:169.254.169.254", Class::LinkLocal),
            ("64:ff9b::169.254.169.254", Class::LinkLocal),
            ("64:ff9b:1:2:3:4:169.254.169.254", Class::LinkLocal),
            ("2002:a9fe:a9fe::1", Class::LinkLocal),
            ("2002:6464:64c8:1:2:3:4:5", Class::Metadata),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::127.0.0.1", Class::Loopback),
            ("64:ff9b::10.0.0.1", Class::Private),
            ("2002:c0a8:1::", Class::Private),
            ("::ffff:0.0.0.0", Class::Unspecified),
            ("64:ff9b::100.64.0.1", Class::Shared),
            ("::ffff:224.0.0.1", Class::Multicast),
            ("2002:ffff:ffff::", Class::Broadcast),
            ("2001:db8::5efe:169.254.169.254", Class::LinkLocal),
            ("2001:db8::200:5efe:127.0.0.1", Class::Loopback),
            ("2001:0:4136:e378:8000:63bf:5601:5601", Class::LinkLocal),
            ("2001::80ff:fffe", Class::Loopback),
            ("fd12::5efe:100.100.100.200", Class::Metadata),
        ] {
            assert_eq!(class(text), Some(class_of_it), "{text}");
        }
    }

    #[test]
    fn a_translator_of_a_network_s_own_leads_to_no_metadata() {
        // 169.254.169.254 and 100.100.100.200 behind prefixes of 96, 64, 56, 48, 40 and 32 bits
        // (RFC 6052 section 2.2).
        for text in [
            "2001:db8:64::169.254.169.254",
            "2001:db8:1:2:3:4:169.254.0.23",
            "2001:db8:122:344:a9:fea9:fe00:0",
            "2001:db8:122:3a9:fe:a9fe::",
            "2001:db8:122:a9fe:a9:fe00::",
            "2001:db8:1a9:fea9:fe::",
            "2001:db8:a9fe:a9fe::",
            "2001:db8:64::100.100.100.200",
            "2001:db8:122:344:64:6464:c800:0",
            "2001:db8:6464:64c8::",
        ] {
            assert_eq!(class(text), Some(Class::Metadata), "{text}");
        }
    }

    #[test]
    fn a_network_has_what_shares_its_bits() {
        let has =
            |network: &str, ip: &str| Network::parse(network).unwrap().has(ip.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1"));
        assert!(!has("10.0.0.0/8", "11.0.0.0"));
        assert!(!has("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(has("0.0.0.0/0", "255.0.0.1"));
        assert!(has("192.0.2.7/32", "192.0.2.7"));
        assert!(!has("192.0.2.7/32", "192.0.2.6"));
        assert!(has("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(has("[2001:db8::]/32", "2001:db8::"));
        assert!(!has("2001:db8::/32", "2001:db9::"));
        assert!(has("::/0", "fe80::1"));
        assert!(has("::1/128", "::1"));
        let mapped = Network::only("::ffff:10.0.0.1".parse().unwrap());
        assert!(mapped.has("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "10.0/8",
            "010.0.0.0/8",
            "::/129",
            "fd00::1/8",
            "[fd00::/8",
            "fd00::]/8",
            "[10.0.0.0]/8",
            "a.test/8",
            "10.0.0.0 /8",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
