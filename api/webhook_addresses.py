"""Which addresses webhooks may be sent to: those of the internet, and on request private ones.

The check is made on the address that is connected to, whatever its spelling in the URL was: a name
may resolve to another address every time (DNS rebinding).
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Never allowed: link-local addresses, where clouds keep the secrets of a machine, and the
#: metadata services of Azure, Oracle, Alibaba and AWS at other addresses.
_NEVER = tuple(
    map(
        ip_network,
        ("169.254.0.0/16", "fe80::/10", "168.63.129.16/32", "192.0.0.0/24", "100.100.100.200/32",
         "fd00:ec2::/32"),
    )
)  # fmt: skip
#: Allowed where the operator allows private networks.
_PRIVATE = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
         "fc00::/7", "::1/128"),
    )
)  # fmt: skip
_UNICAST = IPv6Network("2000::/3")  # all public addresses of IPv6 so far (RFC 4291, 2.4)


def is_allowed(text: str, *, private: bool) -> bool:
    """Whether webhooks may be sent to an IP address, as `getaddrinfo` returns it."""
    address = _unmapped(ip_address(text))
    if _is_in(address, _NEVER):
        return False
    return _is_public(address) or (private and _is_in(address, _PRIVATE))


def is_allowed_host(host: str, *, private: bool) -> bool:
    """Whether the host of a URL may be allowed: a name is, as its address is not known yet."""
    try:
        return is_allowed(host.strip("[]"), private=private)
    except ValueError:
        name = host.rstrip(".").lower()
        return private or not (name == "localhost" or name.endswith(".localhost"))


def _unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or else the address itself."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    # 6to4 carries an IPv4 address, which may be a private one.
    return address in _UNICAST and address.is_global and address.sixtofour is None


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == one.version and address in one for one in networks)
