"""The functions that another model can call, each with one JSON Schema (2020-12); it knows no dialect of it.

A schema here is closed and whole: no ``$ref``, no ``default``, no null (what is unstated is left out), and
``x-media`` on every string that stands for a picture or a clip.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, cast

from pydantic import TypeAdapter

from unison_agent.custom.tool import CustomTool
from unison_agent.errors import RequestError, ToolError
from unison_agent.functions.closed import JsonSchema, medium, plain
from unison_agent.specs import Limits, ToolSpec
from unison_agent.tasks import TASK_MODELS, TASKS, Handle, Task

Granularity = Literal["one", "tasks", "both"]

WHOLE = "unison"
"""The function that takes a request in words."""
MEDIA = "media"
"""The argument that lists media where a task has no roles for them."""
MOST_MEDIA = 16
_MEANING = {
    "prompt": "What to make or to change, in words.",
    "question": "What to answer.",
    "negative_prompt": "What must not be seen.",
    "width": "Pixels.",
    "height": "Pixels.",
    "resolution": 'Lines, such as "480p"; instead of width and height.',
    "aspect_ratio": 'Such as "16:9", or "square", "portrait", "landscape".',
    "seed": "The same seed makes the same picture again.",
    "steps": "Denoising steps; more are slower and finer.",
    "guidance_scale": "How closely the prompt is followed.",
    "num_outputs": "How many to make.",
    "num_frames": "Frames of the clip.",
    "duration_seconds": "Length of the clip in seconds.",
    "fps": "Frames a second.",
    "source": "What to change",
    "mask": "Where to change it: white is changed, black is kept",
    "target": "The thing to change, in one to three words; needed where there is no mask.",
    "control": "What gives the structure to follow",
    "control_type": "Which structure of it to follow.",
    "references": "The subject that the new picture or clip shows",
    "first_frame": "What the clip starts from; first_frame, last_frame or both are needed",
    "last_frame": "What the clip ends with; first_frame, last_frame or both are needed",
}


@dataclass(frozen=True, slots=True)
class Function:
    """One thing that can be called.

    Attributes:
        name: What a call names it.
        description: What it does, in a sentence or two.
        schema: JSON Schema of its arguments. Do not change it in place.
        task: The task it stands for; None for the whole agent and for custom tools.
        takes_media: Whether any of its arguments stands for a picture or a clip.
        takes_lists: Whether any of its arguments is a list, or holds one.
    """

    name: str
    description: str
    schema: JsonSchema
    task: Task | None = None
    takes_media: bool = field(init=False, repr=False)
    takes_lists: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "takes_media", _holds(self.schema, "x-media"))
        object.__setattr__(self, "takes_lists", _holds(self.schema, "items"))

    @property
    def arguments(self) -> Mapping[str, JsonSchema]:
        """The schema of each argument by its name."""
        return cast("Mapping[str, JsonSchema]", self.schema["properties"])

    @property
    def required(self) -> Sequence[str]:
        """The arguments that must be given."""
        return cast("Sequence[str]", self.schema["required"])


def _holds(schema: JsonSchema, key: str) -> bool:
    """Return whether a schema, or one of what it holds, has a key."""
    if key in schema:
        return True
    inner = [*cast("Mapping[str, JsonSchema]", schema.get("properties") or {}).values()]
    if "items" in schema:
        inner.append(cast("JsonSchema", schema["items"]))
    return any(_holds(one, key) for one in inner)


def functions(
    tools: Iterable[ToolSpec],
    custom: Iterable[CustomTool] = (),
    granularity: Granularity = "tasks",
) -> tuple[Function, ...]:
    """Return what can be called, in an order that never changes.

    Args:
        tools: Those of a profile.
        custom: The user's own, after the tasks.
        granularity: ``"one"`` function that plans by itself, one for each of the ``"tasks"``, or ``"both"``.

    Raises:
        RequestError: No such granularity.
        ToolError: A custom tool has the name of the whole agent.
    """
    if granularity not in ("one", "tasks", "both"):
        msg = f"granularity must be one, tasks or both, got {granularity!r}."
        raise RequestError(msg)
    serving: dict[Task, list[ToolSpec]] = {}
    for spec in tools:
        for task in spec.tasks:
            serving.setdefault(task, []).append(spec)
    own = tuple(custom)
    if any(tool.name == WHOLE for tool in own):
        msg = f"A custom tool is named {WHOLE}, which is the name of the whole agent."
        raise ToolError(msg, hint="Pass another name= to custom_tool.")
    found: list[Function] = []
    if granularity != "tasks":
        found.append(_whole(serving, own))
    if granularity != "one":
        found += [
            _task(task, [spec.limits for spec in serving[task] if spec.limits is not None])
            for task in TASKS
            if task in serving
        ]
        found += [Function(tool.name, tool.description, plain(tool.schema)) for tool in own]
    return tuple(found)


def _media(kind: str, least: int, meaning: str) -> JsonSchema:
    listed: JsonSchema = {"type": "array", "description": meaning, "items": medium(kind)}
    return {**listed, "minItems": least, "maxItems": MOST_MEDIA}


def _whole(serving: Collection[Task], custom: Sequence[CustomTool]) -> Function:
    can = ", ".join(task.replace("_", " ") for task in TASKS if task in serving)
    more = f", {', '.join(tool.name.replace('_', ' ') for tool in custom)}" if custom else ""
    description = (
        "Understands, makes and changes images and short videos. Say what you want in one sentence; "
        f"it plans the steps itself. It can do: {can}{more}."
    )
    request: JsonSchema = {
        "type": "string",
        "description": "What you want, in the user's words, with every size, number and name they gave.",
        "minLength": 1,
        "maxLength": 8192,
    }
    media = _media("any", 0, "What the request is about, in the order in which it is spoken of.")
    return Function(WHOLE, description, _closed({"request": request, MEDIA: media}, ["request"]))


@cache  # slow to make, and every call needs them all
def _model_schema(task: Task) -> JsonSchema:
    return plain(TASK_MODELS[task].model_json_schema())


def _task(task: Task, limits: Sequence[Limits]) -> Function:
    """Return the function of a task; `limits` are those of the tools that serve it."""
    raw = _model_schema(task)
    properties = cast("dict[str, JsonSchema]", raw["properties"])
    required = [name for name in cast("list[str]", raw["required"]) if name != "task"]
    arguments: dict[str, JsonSchema] = {}
    for name, schema in properties.items():
        if name == "task":
            continue
        said = _MEANING.get(name, "")
        items = cast("JsonSchema", schema.get("items") or {})
        if schema.get("pattern") == _HANDLE_PATTERN:
            arguments[name] = medium(_role_kind(task, name), said)
        elif items.get("pattern") == _HANDLE_PATTERN:
            most = max([one.references for one in limits], default=MOST_MEDIA)
            roles = _media(_role_kind(task, name), 1, f"{said}.")
            arguments[name] = {**roles, "maxItems": max(1, most)}
        else:
            arguments[name] = {**schema, **({"description": said} if said else {})}
    if task in ("image_understanding", "video_understanding"):
        kind = "image" if task == "image_understanding" else "any"
        arguments[MEDIA] = _media(kind, 1, "What the question is about.")
        required.append(MEDIA)
    _tell_limits(arguments, limits)
    description = " ".join((TASK_MODELS[task].__doc__ or task).split())
    return Function(task, description, _closed(arguments, required), task)


def _role_kind(task: Task, role: str) -> str:
    if role == "mask":
        return "any" if task == "video_editing" else "image"
    clips = role in ("source", "control") and task.startswith("video_")
    return "video" if clips else "image"


def _tell_limits(arguments: dict[str, JsonSchema], limits: Sequence[Limits]) -> None:
    """Say what the tools can really do; who asks for another number gets the nearest that one of them can."""
    for name in arguments:
        possible = list(dict.fromkeys(can for one in limits if (can := _possible(name, one))))
        if possible:
            told = arguments[name]["description"]
            arguments[name]["description"] = f"{told} Possible here: {' or '.join(possible)}."
    if "control_type" in arguments and limits:
        known = dict.fromkeys(kind for one in limits for kind in one.control_types)
        arguments["control_type"]["enum"] = list(known)


def _possible(name: str, limits: Limits) -> str | None:
    """Return the values of a number that a tool can do, in words; None of anything else."""
    match name:
        case "width" | "height" | "steps" | "guidance_scale" | "num_frames" | "fps":
            pair: tuple[float, float] | None = getattr(limits, name)
        case "num_outputs":
            pair = (1, limits.num_outputs)
        case _:
            pair = None
    if pair is None:
        return None
    least, most = pair
    if least == most:
        return f"{least:g}"
    stepped = name in ("width", "height") and limits.multiple_of > 1
    return f"{least:g} to {most:g}" + (f" in steps of {limits.multiple_of}" if stepped else "")


def _closed(properties: Mapping[str, JsonSchema], required: Sequence[str]) -> JsonSchema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _handle_pattern() -> str:
    return cast("str", TypeAdapter[str](Handle).json_schema()["pattern"])


_HANDLE_PATTERN = _handle_pattern()
