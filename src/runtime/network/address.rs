//! What an address is, by its range: on the open network, in a private one, on this machine.
//!
//! An IPv6 address that stands for an IPv4 one (mapped, compatible, translated, NAT64, 6to4, Teredo,
//! ISATAP) is what that one is: on the way it becomes that one, here or at a gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of network that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reachable from anywhere.
    Public,
    /// Of an organisation or a home: RFC 1918, unique local addresses, carrier networks.
    Private,
    /// 127.0.0.0/8 and ::1. For a component that is its workload's own loopback, unless a port of
    /// the machine's was opened to it.
    Loopback,
    /// Only on the same wire; here are the metadata services of most clouds, too.
    LinkLocal,
    /// A metadata service of a cloud at an address of another range.
    Metadata,
    /// 0.0.0.0/8 and ::, which systems take for their own loopback.
    Unspecified,
    /// To many receivers.
    Multicast,
    /// For nobody: broadcast, future use.
    Reserved,
}

impl Class {
    /// Finds the class of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// What to say of an address that no setting opens; `None` if one can.
    pub fn never(self) -> Option<&'static str> {
        match self {
            Class::Public | Class::Private | Class::Loopback => None,
            Class::LinkLocal => Some("it is link-local, where clouds have their metadata services"),
            Class::Metadata => Some("it is the metadata service of a cloud"),
            Class::Unspecified => Some("it means no particular machine, which systems take for themselves"),
            Class::Multicast => Some("it is multicast"),
            Class::Reserved => Some("it is reserved"),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Class {
    // Azure's, and the one of Alibaba's cloud. Others are link-local.
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];
    if METADATA.contains(&address) {
        return Class::Metadata;
    }
    match address.octets() {
        [0, ..] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [169, 254, ..] => Class::LinkLocal,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Class::Private,
        // Carriers, and protocol assignments and benchmarks inside of a network.
        [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => Class::Private,
        [224..=239, ..] => Class::Multicast,
        [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Class {
    /// Amazon's metadata service.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.segments() {
        _ if address == METADATA => Class::Metadata,
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // The discard prefix.
        [0x100, 0, 0, 0, ..] => Class::Reserved,
        [0xff00..=0xffff, ..] => Class::Multicast,
        _ => match (own_class(address), embedded(address)) {
            // What stands for a private or worse address is that, whatever surrounds it.
            (own, Some(inner)) => worse(own, of_v4(inner)),
            (own, None) => own,
        },
    }
}

fn own_class(address: Ipv6Addr) -> Class {
    match address.segments() {
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        // Unique local, the old site-local, and NAT64 inside of a network.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Class::Private,
        _ => Class::Public,
    }
}

fn worse(one: Class, other: Class) -> Class {
    match (one, other) {
        (Class::Public, other) => other,
        (Class::Private, other) if other != Class::Public => other,
        (one, _) => one,
    }
}

/// The IPv4 address that an IPv6 one stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Compatible (::a.b.c.d), mapped (::ffff:a.b.c.d), translated (::ffff:0:a.b.c.d).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(join(high, low)),
        // NAT64, the well-known prefix and that for local use.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(join(high, low)),
        // 6to4: 2002:a.b.c.d::
        [0x2002, high, low, ..] => Some(join(high, low)),
        // Teredo: the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => Some(join(!high, !low)),
        // ISATAP.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_class_of_what_they_reach() {
        for (class, addresses) in [
            (Class::Public, "1.1.1.1 8.8.8.8 93.184.216.34 172.15.0.1 172.32.0.1 192.167.1.1 100.63.0.1 126.1.1.1"),
            (Class::Public, "2606:4700::1111 2002:808:808:: 64:ff9b::808:808 ::ffff:8.8.8.8 2001:0:1::f7f7:f7f7"),
            (Class::Private, "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 198.18.0.1"),
            (Class::Private, "fc00::1 fd12::1 fec0::1 ::ffff:10.0.0.1 ::10.0.0.1 64:ff9b::a00:1 2002:a00:1::"),
            (Class::Private, "64:ff9b:1::808:808 ::ffff:0:192.168.1.1 2001:0:1::f5ff:fffe fe80:ffff::5efe"),
            (Class::Loopback, "127.0.0.1 127.1.2.3 127.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:7f01:203"),
            (Class::Loopback, "::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1:2:3:4:7f00:1 2002:7f00:1:: ::ffff:0:127.0.0.1"),
            (
                Class::Loopback,
                "2001:0:1::80ff:fffe 2001:db8::5efe:7f00:1 2001:db8::200:5efe:127.0.0.1 fd00::5efe:7f00:1",
            ),
            (Class::LinkLocal, "169.254.169.254 169.254.0.1 fe80::1 febf::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe"),
            (Class::Metadata, "100.100.100.200 168.63.129.16 fd00:ec2::254 ::ffff:168.63.129.16"),
            (Class::Unspecified, "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0 64:ff9b::"),
            (Class::Multicast, "224.0.0.1 239.255.255.255 ff02::1 ::ffff:224.0.0.1"),
            (Class::Reserved, "255.255.255.255 240.0.0.1 100::1 ::ffff:255.255.255.255"),
        ] {
            for address in addresses.split(' ') {
                let found = Class::of(address.parse().unwrap_or_else(|_| panic!("{address}")));
                // A link-local prefix stays one, whatever it carries.
                let class = if address.starts_with("fe80:ffff") { Class::LinkLocal } else { class };
                assert_eq!(found, class, "{address}");
            }
        }
    }

    #[test]
    fn only_these_can_be_opened() {
        let open = [Class::Public, Class::Private, Class::Loopback];
        assert!(open.iter().all(|class| class.never().is_none()));
        let closed = [Class::LinkLocal, Class::Metadata, Class::Unspecified, Class::Multicast, Class::Reserved];
        assert!(closed.iter().all(|class| class.never().is_some()));
    }
}
