"""What came out of a run: artifacts, text, and how they were made.

It does not run anything; it can be saved, loaded, shown, and turned into JSON.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from unison_agent import record_files, replay
from unison_agent.errors import OutputError
from unison_agent.media import DEFAULT_LIMITS, Image, Kind, Medium, Video
from unison_agent.media.media_set import open_blob
from unison_agent.media.sources import read_source
from unison_agent.result import display, saving
from unison_agent.result.parts import (
    Artifact,
    Preview,
    StepResult,
    Timings,
    save_artifacts,
    step_json,
)
from unison_agent.result.signing import Signer, check_suffix
from unison_agent.tasks import (
    Adjustment,
    Granted,
    Plan,
    handles_of,
    wordless_call,
    wordless_plan,
)
from unison_agent.wording import choice_words


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """What a run gave.

    Attributes:
        plan: What was planned.
        steps: What each step did, in order; a loaded result has the one step that made the file.
        timings: Of the whole run.
    """

    plan: Plan
    steps: tuple[StepResult, ...]
    timings: Timings = field(default_factory=Timings)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """All pictures and clips, also those that were made for a later step."""
        return tuple(artifact for step in self.steps for artifact in step.artifacts)

    @property
    def outputs(self) -> tuple[Artifact, ...]:
        """The pictures and clips that no later step used: what was asked for."""
        found: list[Artifact] = []
        if not any(step.artifacts for step in self.steps):
            return ()
        for number, step in enumerate(self.steps, start=1):
            used = {handle for later in self.steps[number:] for handle in handles_of(later.call)}
            found += [each for each in step.artifacts if f"step_{each.record.step}" not in used]
        return tuple(found)

    @property
    def text(self) -> str | None:
        """The last answer; None when no step answered."""
        return next((step.text for step in reversed(self.steps) if step.text is not None), None)

    @property
    def granted(self) -> Granted:
        """What the last step really did."""
        return self.steps[-1].granted

    @property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """What was asked and could not be done as asked, of all steps."""
        return tuple(change for step in self.steps for change in step.granted.adjustments)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all steps, each once."""
        return tuple(dict.fromkeys(note for step in self.steps for note in step.notes))

    @property
    def previews(self) -> tuple[Preview, ...]:
        """Small pictures that the notes speak of, of all steps; no outputs."""
        return tuple(preview for step in self.steps for preview in step.previews)

    @property
    def image(self) -> Image:
        """The image that was asked for; the first of the last step that made some.

        Raises:
            OutputError: No step made an image.
        """
        medium = self._last("image")
        if not isinstance(medium, Image):
            raise OutputError(f"The result has no image; it has {self._contents()}.")
        return medium

    @property
    def video(self) -> Video:
        """The clip that was asked for; the first of the last step that made some.

        Raises:
            OutputError: No step made a clip.
        """
        medium = self._last("video")
        if not isinstance(medium, Video):
            raise OutputError(f"The result has no video; it has {self._contents()}.")
        return medium

    def without_words(self) -> Self:
        """The same without the request's words, for files that others see.

        They are left out of the plan, its calls and the records, and so such a file cannot be made again.
        """
        steps = tuple(
            replace(
                step,
                call=wordless_call(step.call),
                artifacts=tuple(
                    replace(each, record=each.record.without_words()) for each in step.artifacts
                ),
            )
            for step in self.steps
        )
        return replace(self, plan=wordless_plan(self.plan), steps=steps)

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        words: bool = True,
        sign: Signer | None = None,
    ) -> Path | tuple[Path, ...]:
        """Write what was asked for; each file carries its record and appears whole or not at all.

        Args:
            path: The suffix decides what is written: .png and .webp the images, .mp4 and .gif the
                clips, .txt the answer, .json everything but the pixels. Several images or clips
                are numbered: ``star-1.png``, ``star-2.png``.
            overwrite: Whether files that exist are replaced.
            words: Whether records and JSON hold the request's words; see `without_words`.
            sign: Puts Content Credentials into pictures and clips; the record can still be read.

        Returns:
            The path written, or all of them when there are several.

        Raises:
            OutputError: The result has nothing for that suffix, the folder is missing or not
                writable, or a file exists; or it cannot be signed. Nothing is written then. Or a file, read
                back, is not what was granted; it is kept aside then, as ``star-rejected.mp4``.
        """
        if not words:
            return self.without_words().save(path, overwrite=overwrite, sign=sign)
        target = Path(path)
        suffix = target.suffix.lower()
        kind = saving.kind_of(suffix)
        if sign is not None:
            check_suffix(suffix)
        if kind is None:
            content = self.to_json() if suffix == ".json" else self.text
            if content is None:
                raise OutputError(
                    f"The result has no answer to write as {suffix}; it has {self._contents()}."
                )
            saving.check_targets([target], overwrite=overwrite)
            data = content.encode() if content.endswith("\n") else f"{content}\n".encode()
            saving.write_whole([(target, data)], overwrite=overwrite)
            return target
        chosen = [output for output in self.outputs if output.kind == kind]
        chosen = chosen or [artifact for artifact in self.artifacts if artifact.kind == kind]
        if not chosen:
            msg = f"The result has no {kind} to write as {suffix}; it has {self._contents()}."
            raise OutputError(msg, hint="Choose the suffix for what there is.")
        paths = save_artifacts(chosen, target, overwrite=overwrite, sign=sign)
        return paths[0] if len(paths) == 1 else paths

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote: the picture or clip, and how it was made.

        Returns:
            A result with the whole plan and the one step that made the file.

        Raises:
            OutputError: The file holds no record, or a damaged one.
            MediaError: It is no picture or clip, damaged, or could not be read.
        """
        blob = read_source(path, DEFAULT_LIMITS)
        medium = open_blob(blob)
        record = record_files.read_blob(blob)
        if record is None:
            msg = f"{path} holds no record of how it was made."
            raise OutputError(msg, hint="Open it with Image.open or Video.open instead.")
        step = StepResult(
            call=record.plan.steps[record.step - 1],
            granted=record.granted[record.step - 1],
            artifacts=(Artifact(record.handle, medium, record),),
        )
        return cls(record.plan, (step,))

    def to_json(self) -> str:
        """All but the pixels: plan, what was granted, answers, hashes, sizes, timings, and the outputs' records."""
        content = {
            "plan": self.plan.model_dump(mode="json", exclude_defaults=True),
            "steps": [step_json(step) for step in self.steps],
            "timings": asdict(self.timings),
            "records": [
                {"sha256": each.sha256, "record": replay.as_json(each.record)}
                for each in self.outputs
            ],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    def summary(self) -> str:
        """A few lines for people."""
        lines: list[str] = []
        for number, step in enumerate(self.steps, start=1):
            made = "; ".join(display.size(artifact.medium) for artifact in step.artifacts)
            seconds = f" ({step.timings.total_seconds:.1f} s)" if step.timings.total_seconds else ""
            lines.append(f"{number}. {step.call.task}: {made or step.text or 'nothing'}{seconds}")
            lines += [f"   {words}" for words in choice_words(step.granted)]
            lines += [
                f"   {change.field}: asked {change.asked}, granted {change.granted}: {change.reason}"
                for change in step.granted.adjustments
            ]
            lines += [f"   {note}" for note in step.notes]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Result\n{self.summary()}>"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> Mapping[str, str]:
        """What a notebook shows: text always, one image as PNG, and all of it as HTML where HTML is shown."""
        bundle = {"text/plain": self.summary()}
        media = [output.medium for output in self.outputs]
        match media:
            case [Image() as image] if self.text is None:
                bundle["image/png"] = display.base64(image.png_bytes())
            case _:
                pass
        if display.shows_html(include, exclude):
            bundle["text/html"] = display.html(
                media,
                self.text,
                previews=[(one.name, one.image) for one in self.previews],
                plan=self.plan,
                adjustments=self.adjustments,
                notes=self.notes,
            )
        return bundle

    def _last(self, kind: Kind) -> Medium | None:
        for step in reversed(self.steps):
            for artifact in step.artifacts:
                if artifact.kind == kind:
                    return artifact.medium
        return None

    def _contents(self) -> str:
        found = [display.size(output.medium) for output in self.outputs]
        kinds = [
            f"{output.kind} ({words})" for output, words in zip(self.outputs, found, strict=True)
        ]
        return ", ".join([*kinds, *(["an answer"] if self.text is not None else [])]) or "nothing"
