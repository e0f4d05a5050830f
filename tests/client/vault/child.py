"""What the tests kill: `python -m tests.client.vault.child ACT VAULT [NUMBER]`, a vault that its key file opens.

write FIRST     keeps conversations and pairs for ever, and prints each number once it is committed
fill BYTES      the same while no file may grow beyond BYTES; prints "full" when that is reached
large           prints "inside" in the midst of a transaction of several megabytes, and waits
rotate STOP     rotates the data key and dies at its event STOP; without a kill prints how many there were
rotations       rotates the data key again and again
rewrap STOP     the same as rotate while the key file is changed to the one named VAULT.key2
forget STOP     the same while conversation 0 is forgotten
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import FrameType

from client.vault.errors import UnknownError, VaultStorageError
from client.vault.keys import KeyFile
from client.vault.rotation import change_unlocker, rotate_data_key
from client.vault.vault import Vault
from tests.client.vault.vaults import a_branch, a_conversation, a_pair, key_of


def text_of(number: int) -> str:
    """What conversation `number` says, of all sizes."""
    return f"{number} " * (1 + number * 7919 % 1500)


def keep(vault: Vault, number: int) -> None:
    """Everything that belongs to a number, in three transactions."""
    with vault.imports.importing() as transaction:
        transaction.put(a_conversation(number, text_of(number)), [a_branch(str(number))])
    vault.pairs.add(a_pair(str(number)), conversation_ids=[f"chatgpt:c{number}"])
    if number % 5 == 4:
        with suppress(UnknownError):  # a writer that was killed may not have kept it
            vault.forget(f"chatgpt:c{number - 2}")


def die_at(stop: int, act: Callable[[], object]) -> int:
    """Runs `act` and is killed at its event `stop` (a call or return, of Python or of C); else how many there were."""
    seen = 0

    def at(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal seen
        seen += 1
        if seen == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(at)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


def main() -> None:
    act, directory = sys.argv[1], Path(sys.argv[2])
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    key = key_of(directory)
    if act == "rotations":
        print("begun", flush=True)
        while True:
            rotate_data_key(directory, key)
    elif act == "rotate":
        print(die_at(number, lambda: rotate_data_key(directory, key)))
    elif act == "rewrap":
        print(die_at(number, lambda: change_unlocker(directory, key, KeyFile(directory.with_name("vault.key2")))))
    elif act == "forget":
        with Vault.open(directory, key) as vault:
            print(die_at(number, lambda: vault.forget("chatgpt:c0")))
    else:
        with Vault.open(directory, key) as vault:
            if act == "large":
                with vault.imports.importing() as transaction:
                    for one in range(1200):
                        transaction.put(a_conversation(one, "x" * 4000), [])
                    print("inside", flush=True)
                    time.sleep(60)
            if act == "fill":
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
                number = 0
            try:
                for one in count(number):
                    keep(vault, one)
                    print(one, flush=True)
            except VaultStorageError:
                print("full", flush=True)


if __name__ == "__main__":
    main()
