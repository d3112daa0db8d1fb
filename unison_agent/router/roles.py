"""Which media a call is about, and in which role; it runs nothing."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unison_agent.custom.tool import CustomTool
from unison_agent.errors import MissingInputError, RequestError
from unison_agent.media import Kind, MediaSet, Medium, Video
from unison_agent.negotiate import Basis
from unison_agent.specs import ToolSpec
from unison_agent.tasks import (
    Call,
    CustomCall,
    Generation,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    Plan,
    Task,
    TaskCall,
    VideoControllableGeneration,
    VideoEditing,
    VideoGeneration,
    VideoReferenceGeneration,
)

CustomTools = Mapping[str, CustomTool]


@dataclass(frozen=True, slots=True)
class Role:
    """One handle of a call.

    Attributes:
        name: The field it stands in.
        handle: The medium.
        kinds: What it may be.
    """

    name: str
    handle: str
    kinds: tuple[Kind, ...]


def roles(call: TaskCall) -> tuple[Role, ...]:
    """Return the roles that `call` fills; a mask comes last."""
    match call:
        case ImageEditing():
            filled = (Role("source", call.source, ("image",)), *_mask(call.mask, ("image",)))
        case VideoEditing():
            source = Role("source", call.source, ("video",))
            filled = (source, *_mask(call.mask, ("image", "video")))
        case ImageControllableGeneration():
            filled = (Role("control", call.control, ("image",)),)
        case VideoControllableGeneration():
            filled = (Role("control", call.control, ("video",)),)
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            filled = tuple(Role("references", handle, ("image",)) for handle in call.references)
        case ImageToVideo():
            first = () if call.first_frame is None else (call.first_frame,)
            last = () if call.last_frame is None else (call.last_frame,)
            filled = (
                *(Role("first_frame", handle, ("image",)) for handle in first),
                *(Role("last_frame", handle, ("image",)) for handle in last),
            )
        case _:
            filled = ()
    return filled


def _mask(handle: str | None, kinds: tuple[Kind, ...]) -> tuple[Role, ...]:
    return () if handle is None else (Role("mask", handle, kinds),)


def seen_media(call: TaskCall, media: MediaSet) -> tuple[Medium, ...]:
    """Return what the connector sees, in this order: source, control, references, first and last frame."""
    return tuple(media.medium(role.handle) for role in roles(call) if role.name != "mask")


def basis(
    call: TaskCall, media: MediaSet, made: Mapping[str, Basis] = MappingProxyType({})
) -> Basis | None:
    """Return the size and length of what the output is made from; references have no say.

    Args:
        call: Names handles in its roles.
        media: What they stand for.
        made: Sizes of what earlier steps would make, by handle, where they have not run.
    """
    for role in roles(call):
        if role.name not in ("references", "mask"):
            if role.handle in made:
                return made[role.handle]
            medium = media.medium(role.handle)
            if isinstance(medium, Video):
                return Basis(medium.width, medium.height, medium.num_frames, medium.fps)
            return Basis(medium.width, medium.height)
    return None


def edited_by_words(tools: Iterable[ToolSpec]) -> frozenset[Task]:
    """Return the edits of `tools` that need neither a mask nor a target: the prompt says it all."""
    bound = (tool.image_pipeline.image_editing for tool in tools if tool.image_pipeline is not None)
    words = any(kind not in (None, "StableDiffusionXLInpaintPipeline") for kind in bound)
    return frozenset({"image_editing"} if words else ())


def check_plan(
    plan: Plan,
    media: MediaSet,
    tools: CustomTools | None = None,
    *,
    by_words: Collection[Task] = (),
) -> None:
    """Find out before anything is loaded whether every step has the media it needs.

    Args:
        plan: What to do.
        media: What its handles stand for.
        tools: The custom tools by name.
        by_words: Edits that need neither a mask nor a target.

    Raises:
        MissingInputError: The plan says so itself, or an edit has neither mask nor target and needs one.
        RequestError: A handle is unknown, comes from a later step, or is of the wrong kind; or a custom tool
            is unknown, or its arguments do not fit it.
    """
    if plan.missing is not None:
        msg = "The request cannot run yet: something is missing."
        raise MissingInputError(
            msg,
            slot=plan.missing.slot,
            question=plan.missing.question,
            hint=plan.missing.question,
        )
    kinds: dict[str, Kind] = dict(media.attachments)
    kinds |= {handle: media.medium(handle).kind for handle in media.handles if handle not in kinds}
    for number, call in enumerate(plan.steps, start=1):
        if isinstance(call, CustomCall):
            tool = _custom_tool(call, tools or {})
            for role in tool.roles(call.arguments):
                _check_role(call, Role(*role), kinds)
            if tool.output != "text":
                kinds[f"step_{number}"] = tool.output
            continue
        for role in roles(call):
            _check_role(call, role, kinds)
        check_target(call, by_words)
        if isinstance(call, Generation):
            kinds[f"step_{number}"] = "video" if isinstance(call, VideoGeneration) else "image"


def check_target(call: TaskCall, by_words: Collection[Task]) -> None:
    """Check that an edit says where it changes something.

    Args:
        call: Any call.
        by_words: Edits that need not say so.

    Raises:
        MissingInputError: It has neither mask nor target, and needs one.
    """
    if (
        isinstance(call, ImageEditing | VideoEditing)
        and call.mask is call.target is None
        and call.task not in by_words
    ):
        question = "What should change? Name it, or attach a mask that is white there."
        raise MissingInputError(
            f"{call.task} has no mask, and the request does not name what to change.",
            slot="mask",
            question=question,
            hint=question,
        )


def _custom_tool(call: CustomCall, tools: CustomTools) -> CustomTool:
    """Return the tool of a call whose arguments fit it."""
    if call.tool not in tools:
        there = ", ".join(tools) or "none"
        msg = f"No custom tool {call.tool} is registered; registered: {there}."
        raise RequestError(msg, hint="Pass it in tools=[...] when the agent is made.")
    tool = tools[call.tool]
    try:
        tool.read(call.arguments)
    except ValueError as error:
        raise RequestError(f"{tool.name} cannot be called like this: {error}.") from error
    return tool


def _check_role(call: Call, role: Role, kinds: dict[str, Kind]) -> None:
    wanted = " or ".join(role.kinds)
    kind = kinds.get(role.handle)
    if kind is None:
        there = ", ".join(kinds) or "none"
        msg = f"{call.task} names {role.handle} as its {role.name}; the handles are: {there}."
        raise RequestError(msg, hint="Attach it, or use one of these handles.")
    if kind not in role.kinds:
        msg = f"{call.task} names {role.handle} as its {role.name}, which is a {kind}; expected {wanted}."
        raise RequestError(msg, hint="Attach one, or name another handle.")
