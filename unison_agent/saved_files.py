"""What a saved file says of how it was made, read and checked; it makes nothing again.

A record is what a stranger may have written: it names a profile that ships with the library and nothing else
to load.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from unison_agent import record_files, replay
from unison_agent.errors import OutputError
from unison_agent.media import DEFAULT_LIMITS
from unison_agent.media.media_set import open_blob
from unison_agent.media.sources import Blob, read_source
from unison_agent.packs import known_profiles
from unison_agent.replay import Record
from unison_agent.tasks import LARGEST_SEED, GrantedImage, GrantedVideo

_MOST_STEPS = 16  # no plan of this library has as many
_MOST_JSON_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Expected:
    """One output that is to be made again: its record, and the file or the hash of the pixels to hold it to."""

    record: Record
    blob: Blob | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """What a saved file says: the outputs of one run that stand in it, one but for JSON."""

    name: str
    outputs: tuple[Expected, ...]

    @property
    def record(self) -> Record:
        """The record of the first output."""
        return self.outputs[0].record


def read_saved(source: str | Path | bytes) -> Saved:
    """Read a picture, clip or .json file that `Result.save` wrote.

    Raises:
        OutputError: It holds no record, or one that is damaged, too large or without the request's words.
        MediaError: It is damaged, of no allowed kind, or could not be read.
    """
    blob = read_source(source, DEFAULT_LIMITS)
    if blob.data.lstrip()[:1] == b"{":
        saved = Saved(blob.name, _sidecar(blob))
    else:
        open_blob(blob)  # a file that is cut short says so, not that it has no record
        record = record_files.read_blob(blob)
        if record is None:
            msg = f"{blob.name} holds no record of how it was made."
            raise OutputError(msg, hint="Only files that were saved by unison-agent do.")
        saved = Saved(blob.name, (Expected(record, blob=blob),))
    record = saved.record
    if record.wordless:
        msg = f"{blob.name} was saved without the request's words, so it cannot be made again."
        raise OutputError(msg, hint="Run the request itself.")
    seeds = [each.seed for each in record.granted if isinstance(each, GrantedImage | GrantedVideo)]
    if len(record.plan.steps) > _MOST_STEPS or max(seeds, default=0) > LARGEST_SEED:
        msg = f"{blob.name}: its record was not written by unison-agent: too many steps, or too large a seed."
        raise OutputError(msg, hint=f"A plan has at most {_MOST_STEPS} steps.")
    return saved


def profile_of(saved: Saved) -> str:
    """Return the profile that a file was made with, if it ships with this installation.

    Raises:
        OutputError: It does not; a record's word is not taken for a path.
    """
    profile, known = saved.record.profile, known_profiles()
    if profile not in known:
        msg = f"{saved.name} was made with the tool pack {profile[:80]!r}, which does not ship with the library."
        hint = f"Known are {', '.join(known)}; if you have that pack and trust it, name it yourself as the profile."
        raise OutputError(msg, hint=hint)
    return profile


def also_of(saved: Saved) -> tuple[str, ...]:
    """Return the other packs whose tools made a file, if they ship with this installation.

    Raises:
        OutputError: One does not; a record's word is not taken for a path.
    """
    known = known_profiles()
    for name in (also := saved.record.also):
        if name not in known:
            msg = f"{saved.name} was made with a tool of the pack {name[:80]!r}, which does not ship with the library."
            hint = "If you have that pack and trust it, name it yourself in also."
            raise OutputError(msg, hint=hint)
    return also


def _sidecar(blob: Blob) -> tuple[Expected, ...]:
    """Read the records of a .json file, which are of one run."""
    if len(blob.data) > _MOST_JSON_BYTES:
        raise OutputError(
            f"{blob.name}: larger than {_MOST_JSON_BYTES >> 20} MiB, as no record is."
        )
    try:
        content = cast("object", json.loads(blob.data))
    except (ValueError, RecursionError) as error:
        raise OutputError(f"{blob.name} is no JSON: {error}.") from error
    entries = cast("dict[str, object]", content).get("records")
    if not isinstance(entries, list) or not entries:
        msg = f"{blob.name} holds no record of a picture or clip."
        raise OutputError(msg, hint="Give the file that Result.save wrote as .json.")
    found: list[Expected] = []
    for entry in cast("list[object]", entries):
        fields = cast("dict[str, object]", entry if isinstance(entry, dict) else {})
        sha256 = fields.get("sha256")
        record = replay.parse(blob.name, json.dumps(fields.get("record")))
        found.append(Expected(record, sha256=sha256 if isinstance(sha256, str) else ""))
        first = found[0].record
        if (record.plan, record.profile, record.media) != (first.plan, first.profile, first.media):
            raise OutputError(f"{blob.name}: its records are of several runs.")
    return tuple(found)
