"""A program that starts another, and ends it when whoever started this one is gone, however that was ended.

`python -I tied_process.py COMMAND...`, with a pipe as standard input that nobody writes to: its end is the end of the
other side. A SuperNode that outlived its `tacit join` would go on speaking for a device that nobody answers for, and
the server would let no other of its key in.

Run as a file, so that it imports next to nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_END_SECONDS = 8.0  # after which a child that does not end is made to; `SuperNode.end` waits a little longer


def run(command: list[str]) -> int:
    """Runs a command until it ends, this process is told to end, or standard input does; its status."""
    child = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        # Nothing else runs in this process yet, so that this is safe between fork and exec.
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )

    def end() -> None:
        child.terminate()
        late = threading.Timer(_END_SECONDS, child.kill)
        late.daemon = True
        late.start()

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 1):
                pass
        end()

    for told in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told, lambda *_: end())
    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


def _end_with_parent() -> None:
    """Should this process be killed outright, the kernel ends its child."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    status = run(sys.argv[1:])
    sys.exit(status if status >= 0 else 128 - status)
