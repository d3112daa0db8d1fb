"""Shipped packs made small, what is asked of them, and what comes back; shared by the tests of image and clip packs."""

import re
from pathlib import Path

import PIL.Image
import pytest

from unison_agent import Unison
from unison_agent.errors import PackError, RunCancelledError, WeightsError
from unison_agent.media import Image, MediaSet
from unison_agent.packs import parse_pack
from unison_agent.progress import ProgressEvent
from unison_agent.result import Result
from unison_agent.tasks import TASK_CALL, Attachment, Plan, Request, TaskCall

TOOLS = Path(__file__).parents[1] / "tools"

ARRAYS_OF_TENSORS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Of numpy, about arrays that diffusers' Euler scheduler makes of tensors."""


def small(text: str, table: str, sides: tuple[int, int], **defaults: int) -> str:
    """Return the text of a pack whose tool with the `table` makes small things, in float32.

    Args:
        text: Of the pack.
        table: ``"image_pipeline"`` or ``"clip_pipeline"``.
        sides: The least and the most that width and height may be.
        defaults: What is done where nothing is stated.
    """
    head, mark, body = text.partition(f"[tools.{table}]")
    body = re.sub(r'dtype = "\w+"', 'dtype = "float32"', body)
    body = re.sub(r"(width|height) = \[.*", rf"\1 = {list(sides)}", body)
    for name, value in defaults.items():
        body = re.sub(rf"\n{name} = \d+", f"\n{name} = {value}", body)
    return head + mark + body


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return a text with each of the first strings replaced, all of which it has."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def opened(text: str, path: Path) -> Unison:
    """Write a pack and open it."""
    path.write_text(text, encoding="utf-8")
    return Unison.from_pretrained(path, device="cpu")


def asked(task: str, *media: PIL.Image.Image, **fields: object) -> tuple[Plan, MediaSet]:
    """Return a plan of one step, and the pictures attached to its request."""
    attached = MediaSet.of([Image.from_pil(picture) for picture in media])
    call: TaskCall = TASK_CALL.validate_python({"task": task, "prompt": "a red star", **fields})
    named = tuple(Attachment(handle=handle, kind=kind) for handle, kind in attached.attachments)
    return Plan(request=Request(text="a red star", attachments=named), steps=(call,)), attached


def run(unison: Unison, task: str, *media: PIL.Image.Image, **fields: object) -> Result:
    return unison.run(*asked(task, *media, **fields))


def hashes(result: Result) -> dict[str, str]:
    """Return the SHA-256 of each file of weights that the record of the first output names."""
    return {one.name: one.sha256 for one in result.steps[0].artifacts[0].record.weights}


class Stop:
    """Ends a run when its second step is done.

    Attributes:
        seen: Steps done, as they were told.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, event: ProgressEvent) -> None:
        if event.stage == "denoise":
            self.seen.append(event.done)
            if event.done == 2:
                raise RunCancelledError("stop")


def assert_pins_hold(pack: Path, place: Path, task: str, name: str, sha256: str) -> None:
    """Check that a pack runs where it pins a file in `place` as records name it, and not where it pins another."""
    text = pack.read_text(encoding="utf-8")
    stated = f"path = '{place}'"

    def pinned(digest: str) -> Unison:
        pin = f'pins = [{{ file = "{name.removeprefix("pipeline/")}", sha256 = "{digest}" }}]'
        return opened(changed(text, (stated, f"{stated}\n{pin}")), pack.with_name("pinned.toml"))

    assert hashes(run(pinned(sha256), task))[name] == sha256
    with pytest.raises(WeightsError, match=f"sha256 {sha256}, the tool pack states {'0' * 64}"):
        run(pinned("0" * 64), task)


def refusal(text: str, old: str, new: str) -> PackError:
    """Return why a pack is none, once the first `old` in it is `new`."""
    assert old in text
    with pytest.raises(PackError) as caught:
        parse_pack(text.replace(old, new, 1), file="some.toml")
    return caught.value
