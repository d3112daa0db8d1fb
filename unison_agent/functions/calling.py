"""Tools as schemas and single calls, for an agent or a session; it knows no messages and makes no pictures."""

import asyncio
import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from unison_agent.artifacts import ArtifactStore
from unison_agent.custom.tool import CustomTool
from unison_agent.errors import RunCancelledError, ToolCallError
from unison_agent.functions.arguments import find_function, parse_arguments
from unison_agent.functions.catalog import MEDIA, WHOLE, Function, Granularity, functions
from unison_agent.functions.dialects import Format, in_format
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE, Incoming, MediaPolicy
from unison_agent.functions.once import Once
from unison_agent.functions.results import CallResult, refused, result_of
from unison_agent.functions.understood import understood
from unison_agent.media import Image, MediaSet, MediaSource, Medium, Video
from unison_agent.progress import Progress
from unison_agent.result import Result
from unison_agent.specs import ToolSpec
from unison_agent.tasks import Mode, Plan

if TYPE_CHECKING:
    from unison_agent.router import Named

Message = dict[str, Any]
"""A tool, a message or an item of an API, as JSON values."""
Given = str | Mapping[str, object] | None
_LOG = logging.getLogger(__name__)


class Calling(ABC):
    """Tools as schemas, and single calls of other models.

    Args:
        artifacts: Where what is made is kept.
        owner: The session; None outside of any.
    """

    def __init__(self, artifacts: ArtifactStore | None = None, owner: str | None = None) -> None:
        self._artifacts = ArtifactStore() if artifacts is None else artifacts
        self._owner = owner
        self._once: Once[CallResult] = Once()
        self._functions: Mapping[str, Function] | None = None

    @property
    def artifacts(self) -> ArtifactStore:
        """What runs have made, under handles; the latest are kept."""
        return self._artifacts

    @abstractmethod
    def custom_tools(self) -> tuple[CustomTool, ...]:
        """Return your own tools."""

    @abstractmethod
    def _specs(self) -> tuple[ToolSpec, ...]:
        """Return the tools of the profile."""

    @abstractmethod
    def _run(
        self,
        request: str | Plan,
        media: MediaSet,
        *,
        mode: Mode,
        seed: int | None,
        progress: Progress | None,
        tool: "Named" = None,
        max_new_tokens: int | None = None,
    ) -> Result:
        """Carry out a request or a plan; what it makes is not kept yet."""

    @overload
    def tools(self) -> tuple[ToolSpec, ...]: ...
    @overload
    def tools(self, *, format: Format, granularity: Granularity = "tasks") -> list[Message]: ...
    def tools(
        self, *, format: Format | None = None, granularity: Granularity = "tasks"
    ) -> tuple[ToolSpec, ...] | list[Message]:
        """Return what can be done: the tools with their limits, or as another model's API lists them.

        Args:
            format: ``"openai"`` (Chat Completions), ``"openai_responses"``, ``"anthropic"``, ``"gemini"``
                (function declarations), ``"mcp"`` or ``"json_schema"``.
            granularity: ``"tasks"``: one tool for each task and each of your own. ``"one"``: a single tool
                that takes a request in words and plans by itself. ``"both"``.

        Raises:
            RequestError: No such format or granularity.
            ToolError: A tool of your own is named ``unison``.
        """
        if format is None:
            return self._specs()
        known = functions(self._specs(), self.custom_tools(), granularity)
        return [in_format(function, format) for function in known]

    def call(
        self,
        name: str,
        arguments: Given = None,
        *,
        media: "Sequence[MediaSource] | MediaSet" = (),
        mode: Mode = "nearest",
        seed: int | None = None,
        tool: "Named" = None,
        max_new_tokens: int | None = None,
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        call_id: str | None = None,
        raise_errors: bool = False,
        progress: Progress | None = None,
    ) -> CallResult:
        """Carry out what another model called; what is wrong with the call is told in the result.

        Args:
            name: One of the tools that `tools(format=...)` lists, of any granularity.
            arguments: JSON or its values; null counts as absent. A medium is a handle of `artifacts`, one of
                ``image_1``, ``video_1`` ... of `media`, or a data URI; what `policy` allows may also be an
                https address or a path. A program may put pictures, bytes, arrays and tensors there.
            media: What the user attached.
            mode: As for `run`.
            seed: As for `run`.
            tool: As for `run`.
            max_new_tokens: As for `run`.
            policy: Which media may be named besides.
            call_id: What the calling model named the call: the same call under the same name is answered
                from what it gave before and not carried out again.
            raise_errors: Raise what is wrong, instead of returning it.
            progress: Told of every unit of work; raise RunCancelledError in it to stop.

        Raises:
            RunCancelledError: Raised by `progress`.
            UnisonError: With `raise_errors`: ToolCallError for a wrong name or argument, MediaError for a
                medium, and what `run` raises.
        """

        def run(request: str | Plan, found: MediaSet) -> Result:
            return self._run(
                request,
                found,
                mode=mode,
                seed=seed,
                progress=progress,
                tool=tool,
                max_new_tokens=max_new_tokens,
            )

        def carry_out() -> CallResult:
            try:
                incoming = Incoming(self._artifacts, MediaSet.of(media), policy, self._owner)
                return self._called(name, arguments, incoming, run)
            except RunCancelledError:
                raise
            except Exception as error:
                if raise_errors:
                    raise
                result = refused(name, error)
                if result.error is not None and result.error.code == "internal":
                    _LOG.exception("The call of %s failed.", name)
                return result

        if call_id is None:
            return carry_out()
        written = _written(arguments, media)
        if written is None:
            return replace(carry_out(), call_id=call_id)
        whole: list[CallResult] = []

        def remembered() -> CallResult:
            whole.append(carry_out())
            return replace(whole[0], media={}, result=None)  # pixels are the store's to keep

        named = tool if isinstance(tool, str) or tool is None else tuple(tool)
        given = self._once((call_id, name, written, mode, seed, named, max_new_tokens), remembered)
        found = whole[0] if whole else replace(given, media=self._still_kept(given))
        return replace(found, call_id=call_id)

    async def acall(
        self,
        name: str,
        arguments: Given = None,
        *,
        media: "Sequence[MediaSource] | MediaSet" = (),
        mode: Mode = "nearest",
        seed: int | None = None,
        tool: "Named" = None,
        max_new_tokens: int | None = None,
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        call_id: str | None = None,
        raise_errors: bool = False,
        progress: Progress | None = None,
    ) -> CallResult:
        """Carry out a call in a thread; see `call`. Cancelling it does not stop what runs already."""
        return await asyncio.to_thread(
            self.call,
            name,
            arguments,
            media=media,
            mode=mode,
            seed=seed,
            tool=tool,
            max_new_tokens=max_new_tokens,
            policy=policy,
            call_id=call_id,
            raise_errors=raise_errors,
            progress=progress,
        )

    def _called(
        self,
        name: str,
        arguments: Given,
        incoming: Incoming,
        run: Callable[[str | Plan, MediaSet], Result],
    ) -> CallResult:
        """Carry out a call and keep what it makes."""
        known = self._known()
        function = find_function(name, known)
        given = parse_arguments(arguments)
        takes_all = function.task is not None or function.name == WHOLE
        attached = incoming.attached.handles
        if attached and takes_all and MEDIA in function.arguments and not given.get(MEDIA):
            given[MEDIA] = list(attached)  # all that the user attached, where none is named
        request, found = understood(function, given, incoming, self.custom_tools())
        result = run(request, found)
        kept = self._artifacts.keep_outputs(result, owner=self._owner)
        return result_of(name, result, kept)

    def _known(self) -> Mapping[str, Function]:
        """Return all that can be called by its name; made once, as it takes longer than most calls."""
        if self._functions is None:
            known = functions(self._specs(), self.custom_tools(), "both")
            self._functions = {function.name: function for function in known}
        return self._functions

    def _still_kept(self, given: CallResult) -> dict[str, Medium]:
        found: dict[str, Medium] = {}
        for one in given.artifacts:
            with suppress(ToolCallError):
                found[one.handle] = self._artifacts.open(one.handle, owner=self._owner).medium
        return found


def _written(arguments: Given, media: "Sequence[MediaSource] | MediaSet") -> str | None:
    """Return a hash of what a call says, so that it is known again; None where that is not possible."""
    try:
        said = json.loads(arguments) if isinstance(arguments, str) else arguments
        hashes = [one.sha256 for one in _opened(media)]
        return hashlib.sha256(json.dumps([said, hashes], sort_keys=True).encode()).hexdigest()
    except (ValueError, TypeError, RecursionError):  # no JSON, a picture in it, or not opened yet
        return None


def _opened(media: "Sequence[MediaSource] | MediaSet") -> list[Medium]:
    if isinstance(media, MediaSet):
        return [media.medium(handle) for handle in media.handles]
    if any(not isinstance(one, Image | Video) for one in media):
        raise TypeError
    return [one for one in media if isinstance(one, Image | Video)]
