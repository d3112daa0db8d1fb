"""Custom tools: a function of the user's, what it takes and what it makes; it does not know how it is planned.

A pydantic model (or a bare JSON Schema) says what the function takes. `ImageHandle`, `VideoHandle` and
`MediaHandle` are arguments that name a medium, `Stated` ones that the request must state::

    class Crop(BaseModel):
        "Cut a region out of an image."

        image: ImageHandle
        width: Stated[int]
        height: Stated[int]

    def crop(wanted: Crop, media: MediaSet) -> Image:
        return media.image(wanted.image).pil.crop((0, 0, wanted.width, wanted.height))

    unison = Unison.from_pretrained("nano", tools=[custom_tool(Crop, crop)])
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, TypeVar, cast

import PIL.Image
from pydantic import BaseModel, JsonValue, ValidationError
from pydantic import Field as PydanticField
from pydantic.errors import PydanticInvalidForJsonSchema

from unison_agent.custom.fields import ObjectField, handles_in
from unison_agent.custom.schema import Schema, may_be_null, read_arguments_schema
from unison_agent.custom.signature import made_by, takes_media
from unison_agent.errors import (
    GenerationError,
    MissingDependencyError,
    RequestError,
    RunCancelledError,
    ToolError,
)
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.tasks import TASKS, CustomCall, MediaKind, OutputKind

T = TypeVar("T")
ImageHandle = Annotated[str, PydanticField(json_schema_extra={"x-media": "image"})]
VideoHandle = Annotated[str, PydanticField(json_schema_extra={"x-media": "video"})]
MediaHandle = Annotated[str, PydanticField(json_schema_extra={"x-media": "any"})]
Stated = Annotated[T, PydanticField(json_schema_extra={"x-stated": True})]
"""``Stated[int]``: a number, or one of some words, that the request says; nothing else can be planned."""

Function = Callable[..., object]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST_DESCRIPTION = 200
_HOW = {
    "text": "a str",
    "image": "an Image, a Pillow image, or several",
    "video": "a Video, or several",
}


@dataclass(frozen=True, slots=True, eq=False)
class CustomTool:
    """A function that requests can be routed to; made by `custom_tool`.

    Attributes:
        name: What a plan calls it.
        description: One line; the planner chooses by it.
        output: What it makes.
        parameters: What its arguments may hold.
        schema: JSON Schema of its arguments.
    """

    name: str
    description: str
    output: OutputKind
    parameters: ObjectField
    schema: Schema = field(repr=False)
    _validate: Callable[[Mapping[str, JsonValue]], object] = field(repr=False)
    _function: Function = field(repr=False)
    _takes_media: bool = field(repr=False)
    _absent: Mapping[str, None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = cast("Mapping[str, object]", self.schema.get("properties") or {})
        required = cast("Iterable[str]", self.schema.get("required") or ())
        # What may be null is left out of a plan, also where the model requires it.
        absent = {name: None for name in required if may_be_null(named.get(name))}
        object.__setattr__(self, "_absent", absent)

    def read(self, arguments: Mapping[str, JsonValue]) -> object:
        """Return the arguments as the function gets them.

        Raises:
            ValueError: They do not fit the tool's model or schema.
        """
        return self._validate({**self._absent, **arguments})

    def roles(
        self, arguments: Mapping[str, JsonValue]
    ) -> Iterable[tuple[str, str, tuple[MediaKind, ...]]]:
        """Return for each handle the name of its argument, the handle, and the kinds it may be."""
        return handles_in(self.parameters, arguments)

    def run(self, call: CustomCall, media: MediaSet) -> tuple[tuple[Medium, ...], str | None]:
        """Carry out a call; return the media and the text that the function made.

        Raises:
            RequestError: The arguments do not fit.
            GenerationError: The function raised, or made something else than it should.
            RunCancelledError: Raised by the function.
        """
        try:
            arguments = self.read(call.arguments)
        except ValueError as error:
            raise RequestError(f"{self.name} cannot be called like this: {error}.") from error
        try:
            made = self._function(*((arguments, media) if self._takes_media else (arguments,)))
            several = cast("Iterable[object]", made) if isinstance(made, list | tuple) else (made,)
            given = [
                Image.from_pil(one) if isinstance(one, PIL.Image.Image) else one for one in several
            ]
        except RunCancelledError:
            raise
        except Exception as error:
            if isinstance(error, GenerationError) and error.hint is not None:
                raise  # it says all
            msg = f"The tool {self.name} failed: {type(error).__name__}: {error}."
            raise GenerationError(msg, hint="The cause is in its function.") from error
        return self._checked(given)

    def _checked(self, given: Iterable[object]) -> tuple[tuple[Medium, ...], str | None]:
        media: list[Medium] = []
        said: list[str] = []
        for one in given:
            match one:
                case str():
                    said.append(one)
                case Image() | Video() if one.kind == self.output:
                    media.append(one)
                case _:
                    raise self._unexpected(type(one).__name__)
        if not (said if self.output == "text" else media):
            raise self._unexpected("only words" if said else "nothing")
        return tuple(media), "\n".join(said) if said else None

    def _unexpected(self, got: str) -> GenerationError:
        msg = f"The tool {self.name} returned {got}; expected {_HOW[self.output]}."
        return GenerationError(msg, hint="Return that, or say with output= what it makes.")


def custom_tool(
    arguments: type[BaseModel] | Schema,
    function: Function,
    *,
    name: str | None = None,
    description: str | None = None,
    output: OutputKind | None = None,
) -> CustomTool:
    """Return a tool that requests can be routed to.

    Args:
        arguments: A pydantic model, or a JSON Schema of an object.
        function: Called with the validated model (for a JSON Schema a dict) and, if it takes a second
            argument, with the MediaSet in which the handles are found. It returns words, an Image, a Pillow
            image, a Video, or a list of them. It may be called from several threads.
        name: The model's name or the schema's title in snake case when left out.
        description: One line by which the planner chooses; the model's docstring or the schema's
            description when left out, or else the function's docstring.
        output: What the function makes; read off its return annotation when left out.

    Raises:
        ToolError: The definition is incomplete, or uses what a plan cannot be closed over.
        MissingDependencyError: A JSON Schema was given, and jsonschema is not installed.
    """
    if inspect.iscoroutinefunction(function):
        msg = f"A tool's function is called and not awaited, got the async function {function.__name__}."
        raise ToolError(msg, hint="Give a plain function; it may run the other with asyncio.run.")
    schema, validate = _read_model(arguments)
    named = schema.get("title", getattr(arguments, "__name__", ""))
    name = name or _snake_case(str(named))
    if not _NAME.fullmatch(name):
        msg = f"A tool's name is lower case letters, digits and _, at most 64; got {name!r}."
        raise ToolError(msg, hint="Pass name=.")
    if name in TASKS:
        raise ToolError(f"{name} is the name of a task.", hint="Pass another name=.")
    parameters = read_arguments_schema(name, schema)
    return CustomTool(
        name,
        _description(name, description or schema.get("description") or function.__doc__),
        output or made_by(name, function),
        parameters,
        schema,
        validate,
        function,
        takes_media(name, function),
    )


def check_names(tools: Iterable[CustomTool]) -> tuple[CustomTool, ...]:
    """Return the tools.

    Raises:
        ToolError: Two have the same name, or one is no tool.
    """
    listed: tuple[object, ...] = tuple(tools) if isinstance(tools, Iterable) else ()  # pyright: ignore[reportUnnecessaryIsInstance] - users are untyped
    if not isinstance(tools, Iterable) or not all(isinstance(one, CustomTool) for one in listed):  # pyright: ignore[reportUnnecessaryIsInstance]
        msg = f"tools is a list of what custom_tool returns, got {tools!r}."
        raise ToolError(msg[:300], hint="Write tools=[custom_tool(Model, function)].")
    named: dict[str, CustomTool] = {}
    for tool in cast("tuple[CustomTool, ...]", listed):
        if tool.name in named:
            raise ToolError(f"Two tools are named {tool.name}.", hint="Pass name= to one of them.")
        named[tool.name] = tool
    return tuple(named.values())


def _read_model(
    arguments: type[BaseModel] | Schema,
) -> tuple[Schema, Callable[[Mapping[str, JsonValue]], object]]:
    if isinstance(arguments, Mapping):
        return arguments, _by_schema(arguments)
    if not (inspect.isclass(arguments) and issubclass(arguments, BaseModel)):  # pyright: ignore[reportUnnecessaryIsInstance] - users are untyped
        msg = f"A tool is described by a pydantic model or a JSON Schema, got {arguments!r}."
        raise ToolError(msg)
    try:
        schema = arguments.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        msg = f"{arguments.__name__} has no JSON Schema: {error.message}."
        raise ToolError(msg, hint="Use types that JSON can hold, and handles for media.") from error
    return schema, partial(_by_model, arguments)


def _by_model(model: type[BaseModel], arguments: Mapping[str, JsonValue]) -> BaseModel:
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise ValueError(f"{place}: {first['msg']}") from error


def _by_schema(schema: Schema) -> Callable[[Mapping[str, JsonValue]], object]:
    try:
        import jsonschema
    except ImportError as error:
        raise MissingDependencyError("jsonschema", extra="models") from error
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ToolError(f"The JSON Schema is not valid: {error.message}.") from error
    validator = jsonschema.Draft202012Validator(schema)

    def validate(arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        found = dict(arguments)
        for error in validator.iter_errors(found):  # pyright: ignore[reportUnknownMemberType]
            raise ValueError(f"{error.json_path.removeprefix('$.')}: {error.message}")
        return found

    return validate


def _description(name: str, said: object) -> str:
    paragraph = inspect.cleandoc(said).split("\n\n")[0] if isinstance(said, str) else ""
    words = " ".join(paragraph.split())
    if not 0 < len(words) <= _LONGEST_DESCRIPTION:
        msg = f"{name} needs a description of 1 to {_LONGEST_DESCRIPTION} characters, got {len(words)}."
        raise ToolError(msg, hint="Write a docstring, or pass description=; the planner reads it.")
    return words


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\s-]+", "_", name).lower()
