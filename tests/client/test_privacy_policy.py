from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.privacy_policy import PolicyError, PrivacyPolicy, SecureLimits, UserLimits

_GOOD = """
delta = 1e-7
require = "user"
minimum_cohort = 100
[user]
max_epsilon_per_run = 2
max_epsilon_in_total = 4.5
trust_the_server_to_add_noise = true
"""


def _file(path: Path, text: str, *, mode: int = 0o600) -> Path:
    file = path / "policy.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_policy_is_read(tmp_path: Path) -> None:
    policy = PrivacyPolicy.load(_file(tmp_path, _GOOD))

    assert policy == PrivacyPolicy(
        delta=1e-7,
        minimum_cohort=100,
        user=UserLimits(max_epsilon_per_run=2.0, max_epsilon_in_total=4.5, trust_the_server_to_add_noise=True),
    )


def test_whom_to_aggregate_with_is_read(tmp_path: Path) -> None:
    text = f'{_GOOD}[secure]\norganiser = "{"ab" * 32}"\ncorrupt_devices = 3\nrequired = true\n'

    assert PrivacyPolicy.load(_file(tmp_path, text)).secure == SecureLimits(
        organiser="ab" * 32, corrupt_devices=3, required=True
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("delta = 2", "delta"),
        ("delta = true\n[user]", "delta"),
        ("delta = nan\n[user]", "delta"),
        (f"delta = 1{'0' * 400}\n[user]", "delta"),
        ('require = "all"', "require"),
        ('require = "user"', r"no \[user\]"),
        ('require = "pair"\n[user]\nmax_epsilon_per_run=1\nmax_epsilon_in_total=1', r"no \[pair\]"),
        ('require = "either"', r"needs \[user\] or \[pair\]"),
        ("minimum_cohort = 0", "minimum_cohort"),
        ("maximum = 1", "unknown keys"),
        ('servers = ["a"]', "servers"),
        ("servers = [1]", "servers"),
        ("user = 1", r"\[user\]: must be a table"),
        ("[user]\nmax_epsilon_per_run = 1", "max_epsilon_in_total: is missing"),
        ("[user]\nmax_epsilon_per_run = inf\nmax_epsilon_in_total = 1", "max_epsilon_per_run"),
        ("[user]\nmax_epsilon_per_run = -1\nmax_epsilon_in_total = 1", "must not be negative"),
        ("[user]\nmax_epsilon_per_run=1\nmax_epsilon_in_total=1\nmechanisms=['laplace']", "mechanisms"),
        ("[user]\nmax_epsilon_per_run=1\nmax_epsilon_in_total=1\ntrust_the_server_to_add_noise='yes'", "trust_the"),
        ("[user]\nmax_epsilon_per_run=1\nmax_epsilon_in_total=1\nnoise=1", "unknown keys"),
        ("secure = 1", r"\[secure\]: must be a table"),
        ("[secure]", "organiser"),
        ("[secure]\norganiser = 'a'", "organiser"),
        ("[secure]\norganiser = 3", "organiser"),
        ("[secure]\norganiser = 'first-use'\ncorrupt_devices = -1", "corrupt_devices"),
        ("[secure]\norganiser = 'first-use'\ncorrupt_devices = 0.1", "corrupt_devices"),
        ("[secure]\norganiser = 'first-use'\nrequired = 1", "required"),
        ("[secure]\norganiser = 'first-use'\nrequire = true", "unknown keys"),
        ("not toml", "not TOML"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        PrivacyPolicy.load(_file(tmp_path, text))


def test_a_policy_that_others_can_write_counts_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="can be written by others"):
        PrivacyPolicy.load(_file(tmp_path, _GOOD, mode=0o666))
    with pytest.raises(PolicyError, match="cannot be read"):
        PrivacyPolicy.load(tmp_path / "none")


def test_the_written_policy_is_a_policy_and_declines_until_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    made = CliRunner().invoke(app, ["policy", "init", str(file)])
    assert made.exit_code == 0
    policy = PrivacyPolicy.load(file)
    assert policy.user is not None
    assert not policy.user.trust_the_server_to_add_noise
    assert CliRunner().invoke(app, ["policy", "init", str(file)]).exit_code == 1  # never over what is there

    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[privacy]\nunit = "user"\ndelta = 1e-6\n[user-privacy]\nnoise-multiplier = 4.0\n'
        '[federation]\nsampling = "schedule"\ncohort-size = 100\ndevices = 1200\n'
    )
    declined = CliRunner().invoke(app, ["policy", "check", str(file), str(plan)])
    assert declined.exit_code == 1
    assert "does not trust it to" in " ".join(declined.output.split())
    file.write_text(file.read_text().replace("add_noise = false", "add_noise = true"))
    answered = CliRunner().invoke(app, ["policy", "check", str(file), str(plan)])
    assert answered.exit_code == 0
    assert "One user (all of a device's data)" in answered.output
