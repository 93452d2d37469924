"""Where requests to URLs that users give may go: the rules, without any network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from agentguard.kernel.errors import InvalidInputError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?")
_PORTS = {"http": 80, "https": 443}


class BadTargetError(InvalidInputError):
    """A URL that somebody gave is not one that requests may go to."""

    code = "bad-target"


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a URL that a request needs."""

    scheme: str
    host: str
    """A name, or an address without brackets."""
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """Return the value of the Host header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """Return the parts of an http or https URL; raise BadTargetError, which does not repeat it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadTargetError("The URL is invalid.") from None
    if parts.scheme not in _PORTS:
        raise BadTargetError("The URL must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise BadTargetError("The URL must have no user or password.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise BadTargetError("The URL must be ASCII: write other characters in percent encoding.")
    host = parts.hostname or ""
    if not _is_host(host):
        raise BadTargetError("The URL must have a host.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, path)


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST.fullmatch(host) is not None
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting allows beyond the public internet."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    """Names that may have private and loopback addresses."""

    @staticmethod
    def parse(entries: Iterable[str]) -> Allowed:
        """Return what addresses, networks and names of hosts allow; raise BadTargetError."""
        networks, hosts = [], set()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if not _HOST.fullmatch(entry) or "/" in entry:
                    raise BadTargetError(f"{entry!r} is no host, address or network.") from None
                hosts.add(_plain(entry))
        return Allowed(tuple(networks), frozenset(hosts))

    def has_network_of(self, address: Address) -> bool:
        return any(address.version == n.version and address in n for n in self.networks)

    def has_host(self, host: str) -> bool:
        return _plain(host) in self.hosts


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def refusal(address: Address, host: str, allowed: Allowed) -> str | None:
    """Return what kind of address this is, if no request may go there; None if one may.

    Addresses that stand for an IPv4 address (mapped, NAT64, 6to4, Teredo) are refused whatever that
    is: what routes them may reach where we may not.
    """
    if allowed.has_network_of(address):
        return None
    if kind := _never(address):
        return kind
    kind = _inside(address)
    return None if kind is None or allowed.has_host(host) else kind


def _never(address: Address) -> str | None:
    """Return the kind of an address that only a named network allows."""
    if address.is_loopback:
        return None  # though `::1` lies in a reserved network
    for kind, networks in _KINDS.items():
        if any(address.version == n.version and address in n for n in networks):
            return kind
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    return "a reserved address" if address.is_reserved or address.is_unspecified else None


def _inside(address: Address) -> str | None:
    """Return the kind of an address that is not on the public internet."""
    if address.is_loopback:
        return "a loopback address"
    return None if address.is_global else "a private address"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


_KINDS = {
    "the metadata service of a cloud": _networks(
        "169.254.169.254/32",  # AWS, Azure, Google Cloud and others
        "169.254.170.2/32",  # AWS ECS
        "169.254.170.23/32",  # AWS EKS
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's host, though the address is a public one
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:ec2::254/128",  # AWS
        "fd00:ec2::23/128",  # AWS EKS
        "fd20:ce::254/128",  # Google Cloud
    ),
    "an IPv4-mapped address": _networks("::ffff:0:0/96"),
    "a NAT64 address": _networks("64:ff9b::/96", "64:ff9b:1::/48"),
    "a tunnel's address": _networks("2002::/16", "2001::/32"),
    "a reserved address": _networks("0.0.0.0/8", "240.0.0.0/4", "fec0::/10"),
}
"""RFC 4291, 6052, 8215, 3056, 4380, 1122, 1112 and 3879; the providers' documentation."""
