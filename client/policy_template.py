"""The policy that a user starts from, with every key explained."""

from __future__ import annotations

_TEMPLATE = """\
# What your device may answer. It checks every plan that a server proposes against this file and against its own
# ledger, with its own arithmetic. What is weaker is declined: you see why, the server sees "declined".
# Without this file nothing leaves.

delta = 1e-6            # chance that the promise fails; keep it far below 1 over the number of users
require = "user"        # what a run must protect: "user", "pair", "either" or "none"
SERVERS# public keys of servers that may ask (`tacit-server key` shows one); empty: any server
minimum_cohort = 50     # devices that must be asked together

[user]                                  # one user: all of your data at once
max_epsilon_per_run = 4.0               # smaller is stronger; below 1 is strong, above 8 says little
max_epsilon_in_total = 8.0              # over everything this device will ever have answered
minimum_noise_multiplier = 0.5
mechanisms = ["skellam", "discrete-gaussian", "gaussian", "banded-gaussian"]
# The last two add their noise on the server: it sees your clipped update, and your device cannot check the noise or the
# cohort. Set this to true if you trust the server's operator to do as the plan says.
trust_the_server_to_add_noise = false

[pair]                                  # one preference pair; other pairs and your persona are not covered
max_epsilon_per_run = 8.0
max_epsilon_in_total = 16.0
minimum_noise_multiplier = 0.5

# Secure aggregation: under masks the server learns the sum of a cohort's updates and nothing else. It is worth as much
# as the list of who is in the cohort, so say whose list you believe; until then such plans are declined.
SECURE
# When this device may work for others: outside of it nothing is begun, and what was begun is finished. What cannot be
# told of this machine counts as not allowed where it is asked for.
[when]
on_power = true                         # not on battery
# hours = "22-7"                        # of the local clock
# unmetered = true                      # needs NetworkManager to ask
free_memory_gb = 1.0                    # that must be free before it begins
# idle_load = 0.5                       # the machine's load for each core, above which it begins nothing
threads = 1                             # that training may use; 0 leaves it to PyTorch
"""
_SECURE = """\
[secure]
organiser = "ORGANISER"
                                        # public key of who enrols devices; "first-use" believes the first it meets
corrupt_devices = 1                     # of all that are enrolled, that may work for the server: it picks cohorts, and
                                        # may put them all into yours, which must bear as many
required = true                         # decline every plan that shows your update to the server; masks alone do not
                                        # protect you from sums of almost the same devices: require noise, too (above)
"""


def policy_template(*, server: str | None = None, organiser: str | None = None) -> str:
    """The file's text.

    Args:
        server: public key of the one server that may ask; None lets any ask.
        organiser: public key of who enrols devices; without one secure aggregation is declined.
    """
    servers = "servers = []            " if server is None else f'servers = ["{server}"]\n                        '
    secure = _SECURE.replace("ORGANISER", organiser or "<64 hex digits>")
    if organiser is None:
        secure = "".join(f"# {line}\n" for line in secure.splitlines())
    return _TEMPLATE.replace("SERVERS", servers).replace("SECURE", secure)
