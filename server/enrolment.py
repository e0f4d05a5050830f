"""The roster of enrolled devices, in a file that their organiser made on another machine."""

from __future__ import annotations

from pathlib import Path

from shared.secagg.enrolment import EnrolmentError, Roster
from shared.secagg.session_terms import Member


def read_device_list(path: Path) -> list[Member]:
    """Devices to enrol, one a line: number and public key. Empty lines, and lines that start with #, are left out.

    Raises:
        OSError: it cannot be read.
        EnrolmentError: a line is something else; names it.
    """
    members: list[Member] = []
    for place, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 2 or not (words[0].isascii() and words[0].isdigit()) or len(words[0]) > 18:
            raise EnrolmentError(f"{path}, line {place}: must be a device's number and its `tacit identity`")
        members.append(Member(number=int(words[0]), identity=words[1]))
    return members


def read_roster(path: Path) -> Roster:
    """A roster whose every entry its organiser signed.

    Raises:
        EnrolmentError: it cannot be read, or is none; names the file.
    """
    try:
        return Roster.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnrolmentError(f"cannot read the roster {path} ({error.strerror or type(error).__name__})") from None
    except UnicodeDecodeError:
        raise EnrolmentError(f"{path}: is not a roster: make one with `tacit-server organiser roster`") from None
    except EnrolmentError as error:
        raise EnrolmentError(f"{path}: {error}") from None
