"""The record of an output: how it was made, so that it can be made again.

It runs nothing, and does not know how files hold it.
"""

import json
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal, Self, cast

from pydantic import AwareDatetime, Field, JsonValue, ValidationError, model_validator

from unison_agent.errors import OutputError
from unison_agent.media import MediaSet
from unison_agent.tasks import Granted, GrantedAnswer, MediaKind, Plan, Wire, wordless_plan

SCHEMA_VERSION = 1
_MOST_CHARACTERS = 2**20  # requests have 8,192; what is longer was not written by this library
# What changes pixels.
_PACKAGES = ("av", "diffusers", "numpy", "pillow", "torch", "transformers")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WeightHash(Wire):
    """One file of weights that took part."""

    name: str
    sha256: Sha256
    source: str | None = Field(
        default=None, description="owner/name@commit on the hub, where it came from there."
    )


class MediaHash(Wire):
    """One attachment that took part; of its content no more than this is kept."""

    handle: str
    kind: MediaKind
    sha256: Sha256


class Version(Wire):
    """One installed package."""

    name: str
    version: str


class Record(Wire):
    """How one output was made: enough to make it again on a machine with the same weights."""

    schema_version: Literal[1]
    unison_version: str
    plan: Plan
    granted: tuple[Granted, ...] = Field(description="Of the plan's steps, in order.")
    profile: str
    also: tuple[str, ...] = Field(default=(), description="Other packs whose tools took part.")
    weights: tuple[WeightHash, ...] = ()
    media: tuple[MediaHash, ...] = ()
    step: int = Field(ge=1, description="Which step of the plan made this output, from 1.")
    index: int = Field(ge=1, description="Which of the step's outputs this is, from 1.")
    created: AwareDatetime = Field(description="UTC.")
    versions: tuple[Version, ...] = ()
    without_connector: bool = Field(
        default=False, description="The connector was switched off for the run."
    )
    wordless: bool = Field(default=False, description="The request's words were left out.")

    @model_validator(mode="after")
    def _step_exists(self) -> Self:
        if self.step > min(len(self.plan.steps), len(self.granted)):
            msg = (
                f"step {self.step} is not among the {len(self.plan.steps)} steps of the plan "
                f"and {len(self.granted)} granted"
            )
            raise ValueError(msg)
        return self

    @classmethod
    def of(
        cls,
        *,
        plan: Plan,
        granted: tuple[Granted, ...],
        profile: str,
        weights: tuple[WeightHash, ...],
        media: MediaSet,
        step: int,
        index: int = 1,
        also: tuple[str, ...] = (),
        without_connector: bool = False,
    ) -> Self:
        """A record made now, with this machine's versions.

        Args:
            plan: The whole plan.
            granted: What was granted to each step, at least up to this one.
            profile: Name of the tool pack.
            weights: Hashes of what was loaded.
            media: The attachments; their hashes are taken, not their pixels.
            step: Which step made the output, from 1.
            index: Which of the step's outputs it is, from 1.
            also: The other packs whose tools took part.
            without_connector: Whether the connector was switched off.
        """
        hashes = tuple(
            MediaHash(handle=handle, kind=kind, sha256=media.medium(handle).sha256)
            for handle, kind in media.attachments
        )
        return cls(
            schema_version=SCHEMA_VERSION,
            unison_version=version("unison-agent"),
            plan=plan,
            granted=granted,
            profile=profile,
            also=also,
            weights=weights,
            media=hashes,
            step=step,
            index=index,
            without_connector=without_connector,
            created=datetime.now(UTC).replace(microsecond=0),
            versions=installed_versions(),
        )

    @property
    def handle(self) -> str:
        """The output's handle: ``step_1``, or ``step_1_2`` when the step made several."""
        granted = self.granted[self.step - 1]
        if isinstance(granted, GrantedAnswer) or granted.num_outputs < 2:
            return f"step_{self.step}"
        return f"step_{self.step}_{self.index}"

    def without_words(self) -> Self:
        """The record without the request's words; what was made cannot be made again from it."""
        return self.model_copy(update={"plan": wordless_plan(self.plan), "wordless": True})


@cache
def installed_versions() -> tuple[Version, ...]:
    """The packages on which pixels depend, as far as they are installed."""
    found: list[Version] = []
    for name in _PACKAGES:
        try:
            found.append(Version(name=name, version=version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def as_text(record: Record) -> str:
    """The record as one line of ASCII, as files hold it."""
    return json.dumps(as_json(record), separators=(",", ":"))


def digest(record: Record) -> str:
    """The SHA-256 of the record as a file holds it, in hexadecimal digits."""
    return sha256(as_text(record).encode()).hexdigest()


def as_json(record: Record) -> dict[str, JsonValue]:
    """The record as values of JSON, without what is unstated."""
    return record.model_dump(mode="json", exclude_defaults=True)


def parse(name: str, text: str) -> Record:
    """Read a record that stands alone; `name` is the file's, for messages.

    Raises:
        OutputError: It is damaged, too long, or of a newer version.
    """
    if len(text) > _MOST_CHARACTERS:
        raise damaged(name, f"it has {len(text):,} characters, at most {_MOST_CHARACTERS:,}")
    try:
        fields = cast("object", json.loads(text))
        newest = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
        stated = newest.get("schema_version")
        if isinstance(stated, int) and stated > SCHEMA_VERSION:
            msg = f"{name}: its record has version {stated}; this one reads up to {SCHEMA_VERSION}."
            raise OutputError(msg, hint="Upgrade unison-agent.")
        return Record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        raise damaged(name, f"{where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # also numbers and nesting beyond all measure
        raise damaged(name, str(error)) from error


def damaged(name: str, reason: str) -> OutputError:
    """Return the error for a record that cannot be read; `name` is the file's."""
    return OutputError(
        f"{name}: its record is damaged ({reason}).",
        hint="The picture itself may still be opened with Image.open or Video.open.",
    )
