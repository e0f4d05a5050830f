from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.endpoint_policy import Endpoint, EndpointPolicy, EndpointRefusedError
from client.policy_entry import CONSENT_KEY, PURPOSES, PolicyEntry
from client.server_url import parse_server_url

EVERYWHERE = str(ipaddress.IPv4Address(0))
LAB = f"""
[[endpoint]]
name = "lab-gpu"
url = "https://gpu.lab.example:8443/v1"
purpose = ["rewrite", "judge"]
{CONSENT_KEY} = true
"""


def resolve_as(monkeypatch: pytest.MonkeyPatch, **hosts: list[str]) -> list[str]:
    """Host names (dots written as `_`) and what they resolve to; returns the list of lookups."""
    lookups: list[str] = []

    def lookup(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        lookups.append(host)
        found = hosts.get(host.replace(".", "_"))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return lookups


def write(path: Path, text: str, *, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("url", "address", "authority", "path"),
    [
        ("http://127.0.0.1:11434/v1", "127.0.0.1", "127.0.0.1:11434", "/v1"),
        ("http://127.0.0.1:11434/v1/", "127.0.0.1", "127.0.0.1:11434", "/v1"),
        ("HTTP://127.255.0.9", "127.255.0.9", "127.255.0.9:80", ""),
        ("https://127.0.0.1/a/v1", "127.0.0.1", "127.0.0.1:443", "/a/v1"),
        ("http://[::1]:8080/v1", "::1", "[::1]:8080", "/v1"),
        ("http://[0:0:0:0:0:0:0:1]:8080/v1", "::1", "[::1]:8080", "/v1"),
    ],
)
def test_loopback_needs_no_policy(url: str, address: str, authority: str, path: str) -> None:
    for purpose in PURPOSES:
        endpoint = EndpointPolicy().resolve(url, purpose)

        assert endpoint.addresses == (address,)
        assert endpoint.url.authority == endpoint.name == authority
        assert endpoint.url.path == path
        assert not endpoint.consents
        assert endpoint.api_key() is None


def test_localhost_is_used_where_all_of_it_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = resolve_as(monkeypatch, localhost=["::1", "127.0.0.1", "127.0.0.1"])

    assert EndpointPolicy().resolve("http://LocalHost:1234/v1", "judge").addresses == ("::1", "127.0.0.1")
    assert lookups == ["localhost"], "once"


@pytest.mark.parametrize(
    "addresses",
    [
        ["192.0.2.1"], ["127.0.0.1", "192.0.2.1"], ["::1", "2001:db8::1"], [EVERYWHERE], ["::"], ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"], ["::1%lo"], ["169.254.169.254"], [],
    ],
)  # fmt: skip
@pytest.mark.parametrize("host", ["localhost", "model.example"])
def test_a_name_of_which_any_address_is_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], host: str
) -> None:
    resolve_as(monkeypatch, localhost=addresses, model_example=addresses)

    for scheme in ("http", "https"):
        with pytest.raises(EndpointRefusedError, match=rf"^{host}: "):
            EndpointPolicy().resolve(f"{scheme}://{host}:1234/v1", "judge")


def test_a_name_that_cannot_be_resolved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch)

    with pytest.raises(EndpointRefusedError, match=r"^nowhere\.example: .*cannot be resolved"):
        EndpointPolicy().resolve("http://nowhere.example/v1", "judge")


@pytest.mark.parametrize(
    "url",
    [
        # other machines, and every machine
        "http://192.0.2.1/v1", "https://192.0.2.1/v1", "http://10.0.0.1/v1", "http://169.254.169.254/v1",
        "http://0.0.0.0:11434/v1", "http://[::]:11434/v1", "http://[2001:db8::1]/v1", "http://[fe80::1]/v1",
        "http://128.0.0.1/v1", "http://126.255.255.255/v1",
        # IPv4 inside IPv6
        "http://[::ffff:127.0.0.1]/v1", "http://[::ffff:7f00:1]/v1", "http://[::127.0.0.1]/v1", "http://[64:ff9b::7f00:1]/v1",
        "http://[2002:7f00:1::]/v1", "http://[::ffff:192.0.2.1]/v1",
        # addresses that only the C library understands
        "http://2130706433/v1", "http://0x7f000001/v1", "http://0x7f.0.0.1/v1", "http://0177.0.0.1/v1", "http://127.1/v1",
        "http://127.0.1/v1", "http://127.0.0.01/v1", "http://017700000001/v1", "http://0/v1", "http://0x/v1",
        "http://127.0.0.0x1/v1", "http://3221225985/v1", "http://127.0.0.1.5/v1", "http://256.0.0.1/v1",
        "http://127.0.0.1./v1", "http://localhost./v1", "http://127.0.0.1%00.example/v1", "http://①②⑦.⓪.⓪.①/v1",
        "http://١٢٧.0.0.1/v1", "http://127。0。0。1/v1", "http://ｌocalhost/v1", "http://[::1%25lo]/v1", "http://[::1%lo]/v1",
        "http://[127.0.0.1]/v1", "http://[localhost]/v1", "http://[v1.fe80]/v1",
        # another host than it seems
        "http://127.0.0.1@192.0.2.1/v1", "http://user:pass@127.0.0.1/v1", "http://@127.0.0.1/v1", "http://127.0.0.1:80@x/v1",
        "http://127.0.0.1\\@192.0.2.1/v1", "http://127.0.0.1#@192.0.2.1/v1", "http://127.0.0.1?@192.0.2.1/v1",
        "http://[::1]192.0.2.1/v1", "http://[::1].example/v1", "http://127.0.0.1;192.0.2.1/v1", "http://127.0.0.1,x/v1",
        "http:///127.0.0.1/v1", "http:127.0.0.1://v1", "http:/127.0.0.1/://v1",
        "http://127.0.0.1\n.example/v1", "http://127.0.0.1\t/v1", " http://127.0.0.1/v1", "http://127.0.0.1 /v1", "http://::1/v1",
        "http://%31%32%37.0.0.1/v1", "http://-x.example/v1", "http://a..example/v1",
        # other schemes
        "ftp://127.0.0.1/v1", "file:///127.0.0.1/v1", "ws://127.0.0.1/v1", "unix://127.0.0.1/v1", "://127.0.0.1/v1",
        "http+unix://127.0.0.1/v1", "javascript://127.0.0.1/v1", "socks5://127.0.0.1/v1",
        # ports and what follows
        "http://127.0.0.1:0/v1", "http://127.0.0.1:65536/v1", "http://127.0.0.1:/v1", "http://127.0.0.1:8a/v1",
        "http://127.0.0.1:+80/v1", "http://127.0.0.1:-1/v1", "http://127.0.0.1:80:80/v1", "http://:80/v1", "http:///v1",
        "http://127.0.0.1/v1?key=1", "http://127.0.0.1/v1#a", "http://127.0.0.1/v1?", "http://127.0.0.1/../v1",
        "http://127.0.0.1//v1", "http://127.0.0.1/v 1", "http://127.0.0.1/v1%0a", "http://", "://",
    ],
)  # fmt: skip
def test_every_other_url_is_refused_without_a_lookup(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # It would resolve to loopback, every part of it: no refusal here rests on the resolver.
    lookups: list[object] = []

    def lookup(host: object, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        lookups.append(host)
        return [(0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    with pytest.raises(EndpointRefusedError) as caught:
        EndpointPolicy().resolve(url, "judge")

    assert not lookups
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1\\x/v1", "backslashes"),
        ("http://127.0.0.1/v1%0a", "escapes"),
        ("http://user:pass@127.0.0.1/v1", "environment variable"),
        ("http://2130706433/v1", "plain form"),
        ("127.0.0.1:11434://", "must begin with http"),
        ("http://127.0.0.1:99999/v1", "between 1 and 65535"),
        ("http://127.0.0.1/v1?key=1", "without a query"),
        ("http://:80/v1", "must name a host"),
    ],
)
def test_a_refused_url_is_told_why(url: str, said: str) -> None:
    with pytest.raises(EndpointRefusedError, match=said):
        EndpointPolicy().resolve(url, "judge")


@given(
    st.sampled_from(["http", "https"]),
    st.text("0123456789abcdefx.:[]@%-_\\/?#lo ", max_size=30) | st.text(max_size=12),
)
def test_what_is_accepted_is_only_ever_connected_to_loopback(scheme: str, rest: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # Every name is somewhere else, as the worst resolver would say.
        patch.setattr(socket, "getaddrinfo", lambda host, *_, **__: [(0, 0, 0, "", ("192.0.2.1", 0))])
        try:
            endpoint = EndpointPolicy().resolve(f"{scheme}://{rest}", "judge")
        except EndpointRefusedError:
            return
    assert all(
        ipaddress.ip_address(address) in ipaddress.ip_network("127.0.0.0/8") or address == "::1"
        for address in endpoint.addresses
    )


def test_an_endpoint_elsewhere_cannot_be_made_without_the_policy() -> None:
    https, http = parse_server_url("https://192.0.2.1/v1"), parse_server_url("http://192.0.2.1/v1")
    entry = PolicyEntry(name="lab", url=https, purposes=frozenset({"judge"}), consents=True)

    assert Endpoint(url=https, addresses=("192.0.2.1",), purpose="judge", entry=entry).consents
    for make in (
        lambda: Endpoint(url=https, addresses=("192.0.2.1",), purpose="judge"),
        lambda: Endpoint(url=http, addresses=("192.0.2.1",), purpose="judge"),
        lambda: Endpoint(url=http, addresses=("192.0.2.1",), purpose="judge", entry=entry),
        lambda: Endpoint(url=https, addresses=("192.0.2.1",), purpose="rewrite", entry=entry),
        lambda: Endpoint(url=https, addresses=(), purpose="judge", entry=entry),
        lambda: Endpoint(url=https, addresses=("192.0.2.1", EVERYWHERE), purpose="judge", entry=entry),
        lambda: Endpoint(url=https, addresses=("::ffff:192.0.2.1",), purpose="judge", entry=entry),
        lambda: Endpoint(url=https, addresses=("169.254.169.254",), purpose="judge", entry=entry),
        lambda: Endpoint(url=https, addresses=("gpu.lab.example",), purpose="judge", entry=entry),
        lambda: PolicyEntry(name="lab", url=https, purposes=frozenset({"judge"})),
        lambda: PolicyEntry(name="lab", url=http, purposes=frozenset({"judge"}), consents=True),
    ):
        with pytest.raises(EndpointRefusedError):
            make()


def test_a_policy_names_servers_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, gpu_lab_example=["192.0.2.7", "2001:db8::7"])
    text = LAB + 'ca_file = "lab-ca.pem"\napi_key_variable = "LAB_KEY"\n'

    policy = EndpointPolicy.load(write(tmp_path / "policy.toml", text))
    endpoint = policy.resolve("lab-gpu", "rewrite")

    assert endpoint.name == "lab-gpu"
    assert endpoint.addresses == ("192.0.2.7", "2001:db8::7")
    assert endpoint.url.authority == "gpu.lab.example:8443"
    assert endpoint.consents
    assert endpoint.entry is not None
    assert endpoint.entry.ca_file == tmp_path / "lab-ca.pem"
    monkeypatch.setenv("LAB_KEY", "sk-1")
    assert endpoint.api_key() == "sk-1"
    assert "sk-1" not in repr(endpoint)
    assert policy.resolve("http://127.0.0.1:1/v1", "judge").entry is None, "loopback stays allowed"


def test_a_server_elsewhere_is_used_by_its_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = resolve_as(monkeypatch, gpu_lab_example=["192.0.2.7"])
    policy = EndpointPolicy.load(write(tmp_path / "policy.toml", LAB))

    with pytest.raises(EndpointRefusedError, match="use it by that name"):
        policy.resolve("https://gpu.lab.example:8443/v1", "judge")
    for name in ("lab", "LAB-GPU", "gpu.lab.example", "", "lab-gpu "):
        with pytest.raises(EndpointRefusedError, match=r"it names: lab-gpu"):
            policy.resolve(name, "judge")
    with pytest.raises(EndpointRefusedError, match=r"it names: none"):
        EndpointPolicy().resolve("lab-gpu", "judge")
    with pytest.raises(EndpointRefusedError, match="purpose must be one of"):
        policy.resolve("lab-gpu", "train")  # type: ignore[arg-type]
    assert not lookups


def test_a_purpose_that_the_policy_does_not_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = resolve_as(monkeypatch, gpu_lab_example=["192.0.2.7"])
    policy = EndpointPolicy.load(write(tmp_path / "policy.toml", LAB.replace('"rewrite", "judge"', '"judge"')))

    assert policy.resolve("lab-gpu", "judge").purpose == "judge"
    with pytest.raises(EndpointRefusedError, match=r"lab-gpu: .*purpose .rewrite."):
        policy.resolve("lab-gpu", "rewrite")
    assert len(lookups) == 1


@pytest.mark.parametrize("address", [EVERYWHERE, "::", "224.0.0.1", "ff02::1", "169.254.169.254", "::ffff:192.0.2.1"])
def test_a_named_server_must_be_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolve_as(monkeypatch, gpu_lab_example=["192.0.2.7", address])

    with pytest.raises(EndpointRefusedError, match=rf"gpu\.lab\.example: {address} "):
        EndpointPolicy.load(write(tmp_path / "policy.toml", LAB)).resolve("lab-gpu", "judge")


def test_a_server_here_may_be_named_without_consent(tmp_path: Path) -> None:
    text = (
        '[[endpoint]]\nname = "vllm"\nurl = "http://127.0.0.1:8000/v1"\npurpose = ["judge"]\napi_key_variable = "K"\n'
    )

    endpoint = EndpointPolicy.load(write(tmp_path / "policy.toml", text)).resolve("vllm", "judge")

    assert endpoint.addresses == ("127.0.0.1",)
    assert not endpoint.consents


def test_a_name_for_here_that_resolves_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_as(monkeypatch, localhost=["192.0.2.1"])
    for line in ("", f"{CONSENT_KEY} = true\n"):
        text = '[[endpoint]]\nname = "here"\nurl = "http://localhost:8000/v1"\npurpose = ["judge"]\n' + line
        with pytest.raises(EndpointRefusedError, match=r"localhost: 192\.0\.2\.1"):
            EndpointPolicy.load(write(tmp_path / "policy.toml", text)).resolve("here", "judge")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((f"{CONSENT_KEY} = true", ""), rf"endpoint 1, {CONSENT_KEY}: must be true"),
        ((f"{CONSENT_KEY} = true", f"{CONSENT_KEY} = false"), rf"endpoint 1, {CONSENT_KEY}: must be true"),
        ((f"{CONSENT_KEY} = true", f'{CONSENT_KEY} = "true"'), rf"endpoint 1, {CONSENT_KEY}: must be true or false"),
        ((f"{CONSENT_KEY} = true", f"{CONSENT_KEY} = 1"), rf"endpoint 1, {CONSENT_KEY}: must be true or false"),
        (("https://", "http://"), "endpoint 1, url: must be https"),
        (("https://gpu", "https://me:sesame@gpu"), "endpoint 1, .*user or a password"),
        (('url = "https://gpu.lab.example:8443/v1"', ""), "endpoint 1, url: missing"),
        (('name = "lab-gpu"', ""), "endpoint 1, name: missing"),
        (('name = "lab-gpu"', 'name = ""'), "endpoint 1, name: must be a string"),
        (('name = "lab-gpu"', "name = 3"), "endpoint 1, name: must be a string"),
        (('name = "lab-gpu"', 'name = "a b"'), "endpoint 1, name: must be letters"),
        (('name = "lab-gpu"', 'name = "a://b"'), "endpoint 1, name: must be letters"),
        (('["rewrite", "judge"]', '"judge"'), "endpoint 1, purpose: must be a list of rewrite, judge"),
        (('["rewrite", "judge"]', "[]"), "endpoint 1, purpose: must be a list of rewrite, judge"),
        (('["rewrite", "judge"]', '["judge", "train"]'), "endpoint 1, purpose: must be a list of rewrite, judge"),
        (('["rewrite", "judge"]', '["judge", "judge"]'), "endpoint 1, purpose: must be a list of rewrite, judge"),
        (('["rewrite", "judge"]', '["judge", ["x"]]'), "endpoint 1, purpose: must be a list of rewrite, judge"),
        (("name =", 'api_key = "sesame"\nname ='), "endpoint 1, api_key: unknown key"),
        (("name =", 'api_key_variable = "sk-sesame-1"\nname ='), "endpoint 1, api_key_variable: must be the name of"),
        (("name =", 'ca_file = 3\nname ='), "endpoint 1, ca_file: must be a string"),
        (("name =", '"sesame open" = 3\nname ='), r"endpoint 1, \(a key that is not a plain name\): unknown key"),
        (("[[endpoint]]", "[endpoint]"), r"endpoint: must be tables, each written as \[\[endpoint\]\]"),
        (("[[endpoint]]", "[[endpoints]]"), "endpoints: unknown key"),
        (("[[endpoint]]", "allow_all = true\n[[endpoint]]"), "allow_all: unknown key"),
        (('name = "lab-gpu"', 'name = "sesame'), r"is not TOML \(at line 3, column 15\)"),
        (("[[endpoint]]", "a = " + "[" * 5000), "is not TOML"),
    ],
)  # fmt: skip
def test_a_policy_that_is_not_understood_is_refused_by_file_entry_and_key(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = write(tmp_path / "policy.toml", LAB.replace(*change))
    assert LAB.replace(*change) != LAB

    with pytest.raises(EndpointRefusedError, match=said) as caught:
        EndpointPolicy.load(path)

    assert str(path) in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EndpointRefusedError, match="endpoint 2, name: is another endpoint's name"):
        EndpointPolicy.load(write(tmp_path / "policy.toml", LAB + LAB))


def test_an_empty_policy_allows_what_no_policy_allows(tmp_path: Path) -> None:
    assert EndpointPolicy.load(write(tmp_path / "policy.toml", "# nothing yet\n")) == EndpointPolicy()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
@pytest.mark.parametrize(
    ("mode", "is_read"),
    [(0o600, True), (0o400, True), (0o644, True), (0o640, True), (0o620, False), (0o602, False), (0o666, False)],
)
def test_a_policy_that_others_can_write_is_refused(tmp_path: Path, mode: int, is_read: bool) -> None:
    path = write(tmp_path / "policy.toml", LAB, mode=mode)

    if is_read:
        assert EndpointPolicy.load(path).entries
    else:
        with pytest.raises(EndpointRefusedError, match="can be written by others; run chmod go-w"):
            EndpointPolicy.load(path)


@pytest.mark.skipif(os.name != "posix", reason="file owners are POSIX's")
def test_a_policy_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "policy.toml", LAB)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(EndpointRefusedError, match="belongs to another user"):
        EndpointPolicy.load(path)


def test_what_is_no_policy_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EndpointRefusedError, match=r"missing\.toml: cannot be read .FileNotFoundError"):
        EndpointPolicy.load(tmp_path / "missing.toml")
    with pytest.raises(EndpointRefusedError, match=r"cannot be read|is not a file"):
        EndpointPolicy.load(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(EndpointRefusedError, match="is not UTF-8") as caught:
        EndpointPolicy.load(tmp_path / "bytes.toml")
    assert caught.value.__context__ is None
    with pytest.raises(EndpointRefusedError, match="is longer than 65,536 bytes"):
        EndpointPolicy.load(write(tmp_path / "long.toml", "#" * 70_000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_a_named_pipe_does_not_hold_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml", 0o600)

    with pytest.raises(EndpointRefusedError, match="is not a file"):
        EndpointPolicy.load(tmp_path / "pipe.toml")


def test_the_authority_of_a_named_server_is_guarded_like_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_as(monkeypatch, gpu_lab_example=["192.0.2.7"])
    path = write(tmp_path / "policy.toml", LAB + 'ca_file = "ca.pem"\n')
    endpoint = EndpointPolicy.load(path).resolve("lab-gpu", "judge")

    with pytest.raises(EndpointRefusedError, match=r"ca\.pem: cannot be read"):
        endpoint.tls()
    write(tmp_path / "ca.pem", "no certificate")
    with pytest.raises(EndpointRefusedError, match=r"ca\.pem: holds no PEM certificates"):
        endpoint.tls()
    if os.name == "posix":
        write(tmp_path / "ca.pem", "no certificate", mode=0o666)
        with pytest.raises(EndpointRefusedError, match=r"ca\.pem: can be written by others"):
            endpoint.tls()
