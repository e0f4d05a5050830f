from __future__ import annotations

import ipaddress
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from client.server_url import EndpointRefusedError, is_loopback, parse_server_url


@given(st.integers(0, 2**32 - 1))
def test_of_ipv4_only_127_is_loopback_and_only_in_its_plain_form(number: int) -> None:
    address = ipaddress.IPv4Address(number)

    assert is_loopback(str(address)) == (number >> 24 == 127)
    for spelled in (
        str(number), hex(number), f"0{number:o}", f"::ffff:{address}", f"[{address}]", f"{address}.", f"0{address}",
    ):  # fmt: skip
        assert not is_loopback(spelled)


@given(st.integers(0, 127).flatmap(lambda bits: st.integers(0, 2**bits)))
def test_of_ipv6_only_1_is_loopback(number: int) -> None:
    assert is_loopback(str(ipaddress.IPv6Address(number))) == (number == 1)


@given(st.text("abc[]:@/.%", max_size=12), st.text(max_size=8))
def test_any_text_is_refused_or_read_and_never_breaks(left: str, right: str) -> None:
    for text in (left, right, f"{left}://{right}", f"http://{left}", f"http://{left}{right}"):
        with suppress(EndpointRefusedError):
            assert parse_server_url(text).port > 0
