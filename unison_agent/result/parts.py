"""What a result consists of: steps, what they made, and how long it took; it does not know the whole."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from operator import add, attrgetter
from pathlib import Path

from unison_agent.media import Image, Kind, Medium, Video
from unison_agent.replay import Record
from unison_agent.result import saving
from unison_agent.result.checked_files import Encoded, write_checked
from unison_agent.result.signing import Signer
from unison_agent.tasks import Call, Granted, granted_json


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock seconds by stage; `total_seconds` is measured, not the sum of the others."""

    plan_seconds: float = 0.0
    load_seconds: float = 0.0
    encode_seconds: float = 0.0
    denoise_seconds: float = 0.0
    decode_seconds: float = 0.0
    answer_seconds: float = 0.0
    tool_seconds: float = 0.0
    total_seconds: float = 0.0

    def __add__(self, other: "Timings") -> "Timings":
        # astuple copies deeply, and calls that take microseconds are timed too.
        return Timings(*map(add, _SECONDS(self), _SECONDS(other)))

    def within(self, total_seconds: float) -> "Timings":
        """Return the same stages of a whole that took `total_seconds`."""
        return Timings(*chain(_SECONDS(self)[:-1], (total_seconds,)))


_SECONDS: Callable[[Timings], tuple[float, ...]] = attrgetter(
    *(one.name for one in fields(Timings))
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One picture or clip that a step made.

    Attributes:
        handle: ``step_1``, or ``step_1_2`` for the second of several outputs.
        medium: The picture or clip.
        record: How it was made.
    """

    handle: str
    medium: Medium
    record: Record

    @property
    def kind(self) -> Kind:
        """``"image"`` or ``"video"``."""
        return self.medium.kind

    @property
    def sha256(self) -> str:
        """Of the pixels as they were made; of the file, when it was loaded from one."""
        return self.medium.sha256

    @property
    def granted(self) -> Granted:
        """What it was to be."""
        return self.record.granted[self.record.step - 1]

    def save(
        self, path: str | Path, *, overwrite: bool = False, sign: Signer | None = None
    ) -> Path:
        """Write this output alone; see `Result.save`.

        Raises:
            OutputError: It cannot be written there, or not under that suffix.
        """
        return save_artifacts([self], Path(path), overwrite=overwrite, sign=sign)[0]


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture that a note speaks of; it is no output.

    Attributes:
        name: A few words for a file's name, e.g. ``"mask-as-given"``.
        image: The picture.
    """

    name: str
    image: Image


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step of the plan did.

    Attributes:
        call: The step.
        granted: What was really done.
        artifacts: Pictures or clips; empty for an answer.
        text: The answer; None for pictures and clips.
        notes: What the user should know, e.g. that no connector was used.
        timings: Of this step.
        kept_db: How near the model itself came to the pixels that an edit keeps, before the source's own were
            put there: PSNR, dB, of the worst output. None where nothing was to be kept.
        previews: Small pictures that the notes speak of.
    """

    call: Call
    granted: Granted
    artifacts: tuple[Artifact, ...] = ()
    text: str | None = None
    notes: tuple[str, ...] = ()
    timings: Timings = Timings()
    kept_db: float | None = None
    previews: tuple[Preview, ...] = ()


def save_artifacts(
    artifacts: Sequence[Artifact], path: Path, *, overwrite: bool, sign: Signer | None = None
) -> tuple[Path, ...]:
    """Write artifacts of one kind under `path`, numbered where there are several; see `Result.save`.

    Raises:
        OutputError: They cannot be written; or a file, read back, is not what was granted. It is kept aside then.
    """
    suffix = path.suffix.lower()
    saving.kind_of(suffix)
    targets = saving.numbered(path, len(artifacts))
    saving.check_targets(targets, overwrite=overwrite)
    data = [saving.encoded(artifact.medium, artifact.record, suffix) for artifact in artifacts]
    if sign is not None:
        whole = zip(data, artifacts, strict=True)
        data = [sign.signed(one, suffix, artifact.record) for one, artifact in whole]
    files = [
        Encoded(target, one, artifact.medium, artifact.granted)
        for target, one, artifact in zip(targets, data, artifacts, strict=True)
    ]
    write_checked(files, overwrite=overwrite)
    return targets


def step_json(step: StepResult) -> dict[str, object]:
    """Return what a step did as values of JSON, without pixels."""
    return {
        "call": step.call.model_dump(mode="json", exclude_defaults=True),
        "granted": granted_json(step.granted),
        "artifacts": [_artifact_json(artifact) for artifact in step.artifacts],
        "text": step.text,
        "notes": list(step.notes),
        "kept_db": step.kept_db,
        "timings": asdict(step.timings),
    }


def _artifact_json(artifact: Artifact) -> dict[str, object]:
    medium = artifact.medium
    fields: dict[str, object] = {
        "handle": artifact.handle,
        "kind": artifact.kind,
        "sha256": artifact.sha256,
        "width": medium.width,
        "height": medium.height,
    }
    if isinstance(medium, Video):
        fields |= {"num_frames": medium.num_frames, "fps": medium.fps}
    return fields
