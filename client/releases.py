"""A release that was handed to this device: whether it may be used here, and if so, used from now on.

| what is wrong | what happens |
| --- | --- |
| no server is allowed (no policy, or none named in it, and no key given) | refused |
| signed by another key, not signed, or changed since | refused |
| the adapter's file is another, another plan's, of another size, or holds NaN or infinity | refused |
| made for another base model, or of another layout than its specification | refused |
| does not follow the release of its run that is known here; or a second one of the same round | refused |
| releases between that and this one are not at hand | used: the signature stands for them, and its user is told |
| older than what is here of its run; of another run, and made before one installed here | refused unless asked |

It says nothing about the words that a release learned from, and nothing leaves the device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from client.device import DeviceError
from client.personal_adapter import KeptAdapters
from client.privacy_policy import PrivacyPolicy
from client.shared_adapters import SharedAdapter
from shared.adapter import attach_adapter
from shared.language_model import LanguageModel
from shared.release import ADAPTER_FILE, LARGEST_MANIFEST, MANIFEST_FILE, ReleaseManifest, ReleaseManifestError
from shared.release_payload import ReleasePayload, read_payload

_NUMBER = re.compile(r"\d{4,7}")
_ALL = "releases"


class ReleaseRefusedError(DeviceError):
    """A release is not used here. Says why."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Attributes:
    manifest: of the release that is used now.
    was_used: whether it was before, so that nothing was done.
    unseen: releases of its run between the last one known here and this, that were not at hand to be checked.
    """

    manifest: ReleaseManifest
    was_used: bool = False
    unseen: int = 0


def allowed_servers(policy_file: Path, given: str | None) -> tuple[str, ...]:
    """The keys whose releases may be used: the one that its user gives here, else those of the policy.

    Raises:
        ReleaseRefusedError: there are none: a policy that lets any server ask lets none change what answers its user.
        PolicyError: the policy cannot be read.
    """
    if given is not None:
        return (given,)
    servers = PrivacyPolicy.load(policy_file).servers if policy_file.exists() else ()
    if not servers:
        raise ReleaseRefusedError(
            "no server's releases are allowed: name its key in the policy (servers = [...]), or give it with "
            "--server-key, as its operator shows it"
        )
    return servers


def install_release(
    path: Path, *, servers: Collection[str], kept: KeptAdapters, load: Callable[[], LanguageModel], older: bool = False
) -> Installed:
    """Verifies a release and uses it from now on.

    Args:
        path: its directory or manifest; or a directory of releases, of which the last is taken.
        servers: public keys that may have signed it.
        load: this profile's base model, fresh; called when all else is in order.
        older: whether it may be older than what is here.

    Raises:
        ReleaseRefusedError: see the module. Nothing was changed.
        DeviceError: it cannot be kept.
        LanguageModelError, AdapterError: the base model cannot be loaded or adapted.
        OSError: it cannot be read.
    """
    directory = _locate(path)
    here = kept.all_shared()
    try:
        manifest = _read_manifest(directory)
        manifest.check(servers)
        used = kept.shared()
        if used is not None and used.manifest is not None and used.manifest.digest() == manifest.digest():
            return Installed(manifest=manifest, was_used=True)
        unseen = _check_chain(manifest, directory, here)
        if not older:
            _check_newer(manifest, here)
        payload = read_payload(_read(directory / ADAPTER_FILE, manifest.size), manifest)
    except ReleaseManifestError as error:
        raise ReleaseRefusedError(str(error)) from None
    _check_fits(manifest, payload, load())
    kept.keep_release(
        SharedAdapter(
            plan=payload.plan,
            spec_digest=manifest.specification,
            run=manifest.run,
            round_number=manifest.round_number + 1,
            vector=payload.vector,
            manifest=manifest,
        )
    )
    return Installed(manifest=manifest, unseen=unseen)


def roll_back(kept: KeptAdapters, number: int | None = None) -> SharedAdapter:
    """Uses another of the shared adapters that are kept.

    Args:
        number: its place among them, 1 is the newest; by default the one before that which is used.

    Raises:
        DeviceError: there is none.
    """
    here = kept.all_shared()
    if number is None:
        used = kept.shared()
        before = [one for one in here if used is None or one.sequence < used.sequence]
        if not before:
            raise DeviceError("nothing from before the adapter that is used is kept here")
        return kept.use_shared(before[0].sequence)
    if not 1 <= number <= len(here):
        raise DeviceError(f"there is no number {number}: `tacit release list` shows what is kept")
    return kept.use_shared(here[number - 1].sequence)


def _locate(path: Path) -> Path:
    if path.is_file() and path.name in (MANIFEST_FILE, ADAPTER_FILE):
        return path.parent
    for place in (path, path / _ALL):
        if (place / MANIFEST_FILE).is_file():
            return place
        numbered = [one for one in place.glob("*") if _NUMBER.fullmatch(one.name) and one.is_dir()]
        if numbered:
            return max(numbered, key=lambda one: int(one.name))
    raise ReleaseRefusedError(f"{path} is no release: name the directory that holds its {MANIFEST_FILE}")


def _read(file: Path, most: int) -> bytes:
    if not file.is_file():
        raise ReleaseManifestError(f"{file.name} is missing")
    with file.open("rb") as opened:
        return opened.read(most + 1)


def _read_manifest(directory: Path) -> ReleaseManifest:
    return ReleaseManifest.from_json(_read(directory / MANIFEST_FILE, LARGEST_MANIFEST))


def _check_chain(manifest: ReleaseManifest, directory: Path, here: tuple[SharedAdapter, ...]) -> int:
    """How many releases before it could not be looked at. Raises: ReleaseManifestError."""
    known = {one.manifest.round_number: one.manifest for one in here if one.manifest and one.run == manifest.run}
    same = known.get(manifest.round_number)
    if same is not None and same.digest() != manifest.digest():
        raise ReleaseManifestError("this device knows another release of this run and round: one of them is not meant")
    for one in known.values():
        manifest.check_same_run(one)
    after = known.get(manifest.round_number + 1)
    if after is not None:
        after.check_follows(manifest)
    earlier = [number for number in known if number < manifest.round_number]
    if not earlier:
        return 0
    unseen, before = 0, known[max(earlier)]
    for following in _between(max(earlier), manifest, directory):
        if following is None:
            unseen += 1
            continue
        if following.round_number == before.round_number + 1:
            following.check_follows(before)
        before = following
    return unseen


def _between(known: int, manifest: ReleaseManifest, directory: Path) -> Iterator[ReleaseManifest | None]:
    """The manifests after one that is known, up to this one; None for those that are not at hand."""
    for number in range(known + 1, manifest.round_number):
        beside = directory.parent / f"{number:04d}"
        found = _read_manifest(beside) if (beside / MANIFEST_FILE).is_file() else None
        if found is not None and (found.round_number, found.run) != (number, manifest.run):
            found = None  # something else lies there
        yield found
    yield manifest


def _check_newer(manifest: ReleaseManifest, here: tuple[SharedAdapter, ...]) -> None:
    for one in here:
        if one.run == manifest.run:
            # One that came with a round is the release before it: the same, and now with its signature.
            if manifest.round_number < one.release or (manifest.round_number == one.release and one.manifest):
                raise ReleaseManifestError(
                    f"it is release {manifest.round_number}, and this device has release {one.release} of its run: "
                    "`tacit release list` and `rollback` go back to what is kept; --older takes it all the same"
                )
        elif one.manifest is not None and manifest.made < one.manifest.made:
            raise ReleaseManifestError(
                f"it was made before {one.origin}, which was installed here: --older takes it all the same"
            )


def _check_fits(manifest: ReleaseManifest, payload: ReleasePayload, base: LanguageModel) -> None:
    if base.fingerprint() != manifest.base_fingerprint:
        raise ReleaseRefusedError(
            f"the release was made for the base model {manifest.base_name!r}, and this profile's is {base.name!r}, or "
            "another version of it"
        )
    adapted = attach_adapter(base, payload.plan.adapter)
    if adapted.spec.digest() != manifest.specification:
        raise ReleaseRefusedError(
            f"the release's adapter is not laid out as its specification says (base model {manifest.base_name!r}, here "
            f"{base.name!r})"
        )
    if payload.vector.shape != (adapted.spec.state_dimension,):
        raise ReleaseRefusedError(
            f"the release holds {payload.vector.size:,} numbers, and its adapter has {adapted.spec.state_dimension:,}"
        )
