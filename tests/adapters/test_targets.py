"""Which addresses requests to URLs of users may go to."""

from __future__ import annotations

import ipaddress

import pytest

from agentguard.adapters.http.targets import Allowed, BadTargetError, parse_target, refusal

NOBODY = Allowed()


def kind_of(address: str, allowed: Allowed = NOBODY, host: str = "hooks.example.com") -> str | None:
    return refusal(ipaddress.ip_address(address), host, allowed)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.10", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("198.18.0.1", "private"),
        ("203.0.113.9", "private"),
        ("fd12:3456::1", "private"),
        ("2001:db8::1", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "reserved"),  # noqa: S104 - refused, not bound
        ("0.1.2.3", "reserved"),
        ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("::", "reserved"),
        ("fec0::1", "reserved"),
        ("::7f00:1", "reserved"),
        ("::ffff:127.0.0.1", "IPv4-mapped"),
        ("::ffff:93.184.216.34", "IPv4-mapped"),
        ("64:ff9b::7f00:1", "NAT64"),
        ("64:ff9b::5db8:d822", "NAT64"),
        ("64:ff9b:1::1", "NAT64"),
        ("2002:7f00:1::1", "tunnel"),
        ("2001:0:1::1", "tunnel"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "metadata"),
        ("fd00:ec2::254", "metadata"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address, kind):
    assert kind in (kind_of(address) or "allowed")


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::6810:84e5"])
def test_a_public_address_is_allowed(address):
    assert kind_of(address) is None


def test_a_named_host_may_be_private_but_no_metadata_service():
    allowed = Allowed.parse(["Hooks.Internal."])

    assert kind_of("10.0.0.1", allowed, "hooks.internal") is None
    assert kind_of("127.0.0.1", allowed, "HOOKS.internal") is None
    assert kind_of("10.0.0.1", allowed, "other.internal") is not None
    for address in ("169.254.169.254", "fe80::1", "::ffff:10.0.0.1", "224.0.0.1"):
        assert kind_of(address, allowed, "hooks.internal") is not None


def test_a_named_network_allows_what_is_in_it():
    allowed = Allowed.parse(["10.1.0.0/16", "127.0.0.1", "fd12::/16"])

    assert [kind_of(a, allowed) for a in ("10.1.2.3", "127.0.0.1", "fd12::9")] == [None] * 3
    assert kind_of("10.2.0.1", allowed) is not None
    assert kind_of("127.0.0.2", allowed) is not None
    assert kind_of("::ffff:10.1.2.3", allowed) is not None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com",
        "//example.com/",
        "example.com/hook",
        "https://",
        "https://user@example.com/",
        "https://user:SECRET@example.com/",
        "https://@example.com/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://münchen.example/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://example.com/\r\nHost: evil",
    ],
)
def test_a_url_of_another_form_is_refused_without_repeating_it(url):
    with pytest.raises(BadTargetError) as refused:
        parse_target(url)

    assert "SECRET" not in str(refused.value)


def test_a_target_keeps_port_path_and_query():
    target = parse_target("https://Hooks.Example.com:8443/a/b?c=d#e")

    assert (target.scheme, target.host, target.port, target.path) == (
        "https",
        "hooks.example.com",
        8443,
        "/a/b?c=d",
    )
    assert target.authority == "hooks.example.com:8443"
    assert parse_target("http://[2001:db8::1]").authority == "[2001:db8::1]"
