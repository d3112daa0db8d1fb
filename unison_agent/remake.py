"""Makes a saved file again from its record, and says what differs; it writes no files.

A record is what a stranger may have written: it names a profile that ships with the library and nothing else
to load, its plan is held to that profile's limits as any plan is, and its attachments are found among the
files that the caller names.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import Literal, cast

import numpy as np

from unison_agent import replay
from unison_agent.agent import Unison
from unison_agent.errors import MissingInputError, OutputError, RequestError
from unison_agent.media import DEFAULT_LIMITS, Image, MediaSet, MediaSource, Medium
from unison_agent.media.containers import identify
from unison_agent.media.media_set import open_blob
from unison_agent.media.sources import Blob, read_source
from unison_agent.packs import known_profiles
from unison_agent.progress import Progress
from unison_agent.replay import Record
from unison_agent.result import Artifact, Result
from unison_agent.result.saving import SUFFIXES, encoded
from unison_agent.tasks import GrantedImage, GrantedVideo, granted_json

Match = Literal["bytes", "pixels", "different"]
"""``"bytes"``: the files are the same; ``"pixels"``: what they show is; ``"different"``: not even that."""

_MOST_STEPS = 16  # no plan of this library has as many
_MOST_JSON_BYTES = 16 * 2**20
_LARGEST_SEED = 2**53 - 1
_SUFFIX = {"png": ".png", "webp": ".webp", "mp4": ".mp4", "gif": ".gif"}


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


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is recorded and is otherwise here."""

    what: str
    recorded: str
    here: str


@dataclass(frozen=True, slots=True)
class Remade:
    """A file made again.

    Attributes:
        saved: What the file says.
        result: What was made now.
        artifacts: The outputs that stand for those of the file, in its order.
        match: How the least alike of them compares.
        differences: What is recorded and is otherwise here: versions, weights, media, what was granted.
    """

    saved: Saved
    result: Result
    artifacts: tuple[Artifact, ...]
    match: Match
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether the same pixels came out."""
        return self.match != "different"


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
        record = replay.read_blob(blob)
        if record is None:
            msg = f"{blob.name} holds no record of how it was made."
            raise OutputError(msg, hint="Only files that were saved by unison-agent do.")
        saved = Saved(blob.name, (Expected(record, blob=blob),))
    record = saved.record
    if record.wordless:
        msg = f"{blob.name} was saved without the request's words, so it cannot be made again."
        raise OutputError(msg, hint="Run the request itself.")
    seeds = [each.seed for each in record.granted if isinstance(each, GrantedImage | GrantedVideo)]
    if len(record.plan.steps) > _MOST_STEPS or max(seeds, default=0) > _LARGEST_SEED:
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


def remake(
    source: "str | Path | bytes | Saved",
    media: Sequence[MediaSource] = (),
    *,
    agent: Unison | None = None,
    progress: Progress | None = None,
) -> Remade:
    """Make a saved file again, and compare.

    Args:
        source: The file, or what `read_saved` gave.
        media: What was attached, in any order: it is known by its hash. What no hash knows is taken for
            the attachments that are left, in order, and listed as a difference.
        agent: What runs the plan, on the recorded tools where it has them; by default the recorded profile and
            packs, if they ship with the library.
        progress: Told of every unit of work.

    Raises:
        OutputError: There is no usable record, or its profile is unknown.
        MissingInputError: An attachment is missing.
        RequestError: There are more attachments than recorded.
        UnisonError: As `Unison.run` says.
    """
    saved = source if isinstance(source, Saved) else read_saved(source)
    record = saved.record
    if agent is None:
        agent = Unison.from_pretrained(profile_of(saved), also=also_of(saved))
    given = MediaSet.of(media)
    attached, swapped = _attachments(record, [given.medium(name) for name, _ in given.attachments])
    result = agent.run(
        record.plan,
        attached,
        seed=_seed(record),
        tool=_tools(record, agent),
        connector=not record.without_connector,
        progress=progress,
    )
    artifacts = tuple(_made(result, each.record, saved.name) for each in saved.outputs)
    pairs = list(zip(saved.outputs, artifacts, strict=True))
    matches = {_compare(*pair) for pair in pairs}
    match: Match = "pixels" if "pixels" in matches else "bytes"
    if "different" in matches:
        match = "different"
    recorded = dict.fromkeys(
        difference for one, artifact in pairs for difference in _differences(one.record, artifact)
    )
    return Remade(saved, result, artifacts, match, (*swapped, *recorded))


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


def _attachments(
    record: Record, media: Sequence[Medium]
) -> tuple[MediaSet, tuple[Difference, ...]]:
    """Put attachments under the recorded handles, by hash, else in order."""
    left = list(media)
    placed: dict[str, Medium] = {}
    for one in record.media:
        found = next((each for each in left if each.sha256 == one.sha256), None)
        if found is not None:
            left.remove(found)
            placed[one.handle] = found
    swapped: list[Difference] = []
    for one in record.media:
        if one.handle in placed:
            continue
        found = next((each for each in left if each.kind == one.kind), None)
        if found is None:
            msg = f"{one.handle} is missing: the {one.kind} whose sha256 is {one.sha256}."
            question = f"Which file is {one.handle} ({one.kind})?"
            raise MissingInputError(msg, slot=one.handle, question=question, hint="Attach it.")
        left.remove(found)
        placed[one.handle] = found
        swapped.append(Difference(f"{one.handle} ({found.name})", one.sha256, found.sha256))
    if left:
        names = ", ".join(each.name for each in left)
        msg = f"The record has {len(record.media)} attachments; too many are given: {names}."
        raise RequestError(msg, hint="Leave out what was not attached then.")
    return MediaSet.of([placed[one.handle] for one in record.media]), tuple(swapped)


def _seed(record: Record) -> int:
    """Return the seed of the steps that state none: it was the same for all of them."""
    for call, granted in zip(record.plan.steps, record.granted, strict=False):
        if isinstance(granted, GrantedImage | GrantedVideo) and getattr(call, "seed", None) is None:
            return granted.seed
    return 0


def _tools(record: Record, agent: Unison) -> list[str | None]:
    """Return the recorded tool of each step; None for a custom tool, and where the agent has no such tool."""
    serving = {(spec.name, task) for spec in agent.tools() for task in spec.tasks}
    pairs = zip_longest(record.plan.steps, record.granted[: len(record.plan.steps)])
    return [
        one.tool if one is not None and (one.tool, call.task) in serving else None
        for call, one in pairs
    ]


def _made(result: Result, record: Record, name: str) -> Artifact:
    artifacts = result.steps[record.step - 1].artifacts
    if record.index > len(artifacts):
        msg = f"{name} says it is output {record.index} of step {record.step}, which makes {len(artifacts)}."
        raise OutputError(msg, hint="Its record does not fit its plan.")
    return artifacts[record.index - 1]


def _compare(expected: Expected, artifact: Artifact) -> Match:
    blob = expected.blob
    if blob is None:
        return "pixels" if artifact.sha256 == expected.sha256 else "different"
    suffix = _SUFFIX.get(identify(blob.name, blob.data), "")
    if suffix not in SUFFIXES[artifact.kind]:
        return "different"
    again = Blob("made again", encoded(artifact.medium, expected.record, suffix))
    if again.data == blob.data:
        return "bytes"
    return "pixels" if _same_pixels(open_blob(blob), open_blob(again)) else "different"


def _same_pixels(one: Medium, other: Medium) -> bool:
    frames = ([each.pil] if isinstance(each, Image) else each.frames() for each in (one, other))
    return all(
        a is not None and b is not None and np.array_equal(np.asarray(a), np.asarray(b))
        for a, b in zip_longest(*frames)
    )


def _differences(record: Record, artifact: Artifact) -> Iterator[Difference]:
    now = artifact.record
    if record.unison_version != now.unison_version:
        yield Difference("unison-agent", record.unison_version, now.unison_version)
    for each in record.versions:
        if each.version != (here := _installed(each.name)):
            yield Difference(each.name, each.version, here)
    before = {each.name: each.sha256 for each in record.weights}
    here = {each.name: each.sha256 for each in now.weights}
    for name in sorted({*before, *here}):
        if before.get(name) != here.get(name):
            none = "not used"
            yield Difference(f"weights {name}", before.get(name, none), here.get(name, none))
    sources = {each.name: each.source for each in now.weights}
    for each in record.weights:
        commit = sources.get(each.name)
        if each.source and commit and each.source != commit:
            yield Difference(f"source of {each.name}", each.source, commit)
    for number, (then, granted) in enumerate(
        zip(record.granted, now.granted, strict=False), start=1
    ):
        was, is_now = granted_json(then), granted_json(granted)
        # Why a tool was chosen is no part of what was made.
        for field in sorted((was.keys() | is_now.keys()) - {"choice"}):
            if was.get(field) != is_now.get(field):
                what = f"step {number} {field.replace('_', ' ')}"
                yield Difference(what, str(was.get(field)), str(is_now.get(field)))


def _installed(name: str) -> str:
    try:
        return version(name)
    except (PackageNotFoundError, ValueError):  # ValueError: a name that is none
        return "not installed"
