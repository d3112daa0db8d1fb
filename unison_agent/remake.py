"""Makes a saved file again from its record, and says what differs; it writes no files.

The plan is held to the profile's limits as any plan is, and its attachments are found among the files that the
caller names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np

from unison_agent.agent import Unison
from unison_agent.errors import MissingInputError, OutputError, RequestError
from unison_agent.media import Image, MediaSet, MediaSource, Medium
from unison_agent.media.containers import identify
from unison_agent.media.image import pixels_sha256
from unison_agent.media.media_set import open_blob
from unison_agent.media.sources import Blob
from unison_agent.progress import Progress
from unison_agent.replay import Record
from unison_agent.result import Artifact, Result
from unison_agent.result.saving import SUFFIXES, encoded
from unison_agent.saved_files import Expected, Saved, also_of, profile_of, read_saved
from unison_agent.tasks import GrantedImage, GrantedVideo, granted_json

Match = Literal["bytes", "pixels", "different"]
"""``"bytes"``: the files are the same; ``"pixels"``: what they show is; ``"different"``: not even that."""

_SUFFIX = {"png": ".png", "webp": ".webp", "mp4": ".mp4", "gif": ".gif"}


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


def _attachments(
    record: Record, media: Sequence[Medium]
) -> tuple[MediaSet, tuple[Difference, ...]]:
    """Put attachments under the recorded handles, by hash, else in order."""
    left = list(media)
    placed: dict[str, Medium] = {}
    for is_it in (_same_file, _same_image):
        for one in record.media:
            found = next((each for each in left if is_it(each, one.sha256)), None)
            if found is not None and one.handle not in placed:
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


def _same_file(medium: Medium, sha256: str) -> bool:
    return medium.sha256 == sha256


def _same_image(medium: Medium, sha256: str) -> bool:
    """Whether it is a picture that was attached out of memory, of which only the pixels were known."""
    return isinstance(medium, Image) and pixels_sha256(medium.pil) == sha256


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
