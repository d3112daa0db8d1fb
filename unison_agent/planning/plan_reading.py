"""Written text to plan: holds it to the same rules as the grammar, whoever wrote it and with whatever grammar.

It needs no grammar library and knows nothing of models. What it adds to a call: the whole request where no
prompt or question is written, the target of an edit where the words name it, what the request states beyond
doubt, and the evidence.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, cast

from pydantic import ValidationError

from unison_agent.custom.tool import CustomTool
from unison_agent.errors import PlanningError
from unison_agent.planning.beyond_doubt import take_up
from unison_agent.planning.call_fields import (
    LONGEST_SPAN,
    MOST_STEPS,
    SETTINGS,
    SIZES,
    THEN,
    TIMES,
    SpanField,
    makes,
)
from unison_agent.planning.custom_missing import lacking
from unison_agent.planning.custom_reading import TOOL_KEY, argument_places, without_null
from unison_agent.planning.edit_targets import (
    find_target,
    is_wanted_colour,
    of_thing,
    recoloured_pronoun,
)
from unison_agent.planning.evidence import find_evidence, fitting_places
from unison_agent.planning.numbers import canonical
from unison_agent.planning.role_rules import role_problem, shown, told_problem
from unison_agent.planning.stated import Stated, read_stated
from unison_agent.planning.told_attachments import read_told
from unison_agent.planning.units import numbers_for
from unison_agent.planning.written import MISSING_KEY, SLOTS
from unison_agent.tasks import (
    TASK_CALL,
    Call,
    CustomCall,
    Evidence,
    ImageEditing,
    MediaKind,
    MissingInput,
    Plan,
    Request,
    TaskCall,
    Unused,
    VideoEditing,
)

_SHOWN = 8
_QUESTIONS = {
    "source": "Which image or video do you mean? Please attach it.",
    "mask": "Which part should change? Please attach a mask that is white there, or name the thing.",
    "control": "Which image or video gives the structure (depth, pose, edges, ...)? Please attach it.",
    "references": "Which image shows the subject to use? Please attach it.",
    "first_frame": "Which image should the video start from? Please attach it.",
    "last_frame": "Which image should the video end with? Please attach it.",
    "question": "What should be made, changed or answered? Please say it in a sentence.",
}


def read_plan(
    request: Request,
    written: str,
    *,
    confidence: float | None = None,
    tools: Sequence[CustomTool] = (),
) -> Plan:
    """Return the plan that `written` states for the request.

    Args:
        request: What was asked.
        written: JSON in the written form; null counts as unstated.
        confidence: How sure the planner is.
        tools: What can be called besides the tasks.

    Raises:
        PlanningError: It is no such JSON, or states what the request and its media do not support.
    """
    reading = _Reading(request, written, {tool.name: tool for tool in tools})
    document = reading.document()
    if MISSING_KEY in document:
        missing = reading.missing(document)
        return Plan(request=request, missing=missing, confidence=confidence)
    steps: tuple[Call, ...] = tuple(reading.calls(document))
    evidence = tuple(reading.evidence)
    taken = [call for call in steps if not isinstance(call, CustomCall)]
    unused: tuple[Unused, ...] = ()
    if len(taken) == len(steps):  # a tool of the user's own may mean any of the words
        stated = read_stated(request.text)
        steps, evidence, unused = take_up(taken, evidence, stated, request.attachments)
    return Plan(
        request=request, steps=steps, evidence=evidence, unused=unused, confidence=confidence
    )


@dataclass(slots=True)
class _Reading:
    """One text as it is read; it remembers what earlier steps make."""

    request: Request
    written: str
    tools: Mapping[str, CustomTool]
    evidence: list[Evidence] = field(default_factory=list[Evidence])
    _kinds: dict[str, MediaKind] = field(default_factory=dict[str, MediaKind])
    _step: int = 0

    def document(self) -> Mapping[str, object]:
        try:
            document = cast("object", json.loads(self.written))
        except (ValueError, RecursionError) as error:
            raise self._error("expected one JSON object") from error
        if not isinstance(document, dict):
            self._refuse("expected one JSON object")
        fields = cast("Mapping[str, object]", document)
        return {name: value for name, value in fields.items() if value is not None}

    def missing(self, document: Mapping[str, object]) -> MissingInput:
        if TOOL_KEY in document:
            return self._lacking(document)
        slot = document[MISSING_KEY]
        if not isinstance(slot, str) or slot not in SLOTS or len(document) != 1:
            self._refuse(f"{MISSING_KEY} must be one of {', '.join(SLOTS)} and stand alone")
        return MissingInput(slot=slot, question=_QUESTIONS[slot])

    def _lacking(self, document: Mapping[str, object]) -> MissingInput:
        """Return what a custom tool lacks."""
        stated, tools = read_stated(self.request.text), tuple(self.tools.values())
        there = lacking(tools, stated, self.request.attachments)
        for lack in there:
            if document == {TOOL_KEY: lack.tool, MISSING_KEY: lack.first}:
                return lack.missing()
        slots = ", ".join(lack.slot for lack in there) or "none"
        msg = f"{MISSING_KEY} must be the first argument that a tool lacks; these are: {slots}"
        raise self._error(msg)

    def calls(self, document: Mapping[str, object]) -> Iterator[Call]:
        """Yield the call and those that follow it, each checked."""
        stated = read_stated(self.request.text)
        self._kinds = {one.handle: one.kind for one in self.request.attachments}
        following: object = document
        while following is not None:
            self._step += 1
            if self._step > MOST_STEPS:
                self._refuse(f"a plan has at most {MOST_STEPS} steps, got more")
            if not isinstance(following, dict):
                self._refuse(f"{THEN} must be a call, got {shown(following)}")
            call = self._call(cast("Mapping[str, object]", following), stated)
            yield call
            custom = isinstance(call, CustomCall)
            kind = self.tools[call.tool].output if custom else makes(call.task)
            if kind != "text":
                self._kinds[f"step_{self._step}"] = kind
            following = cast("Mapping[str, object]", following).get(THEN)

    def _call(self, document: Mapping[str, object], stated: Stated) -> Call:
        fields = {k: v for k, v in document.items() if v is not None and k != THEN}
        if TOOL_KEY in fields:
            return self._custom_call(fields, stated)
        if not isinstance(fields.get("task"), str):
            self._refuse(f"a call must name its task, or {MISSING_KEY} a slot, got {shown(fields)}")
        words = "question" if str(fields["task"]).endswith("_understanding") else "prompt"
        whole = self.request.text
        said = fields.get(words, whole)
        if isinstance(said, str) and said == " ".join(whole.split()):
            said = whole
        for name, value in fields.items():
            if isinstance(value, bool):
                self._refuse(f"{name} must be no truth value, got {shown(value)}")
        try:
            call = TASK_CALL.validate_python({**fields, words: said})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "call"
            got = "" if first["type"] == "missing" else f", got {shown(first['input'])}"
            raise self._error(f"{place}: {first['msg']}{got}") from error
        told = read_told(self.request.text, self.request.attachments)
        if problem := role_problem(call, self._kinds) or told_problem(call, told):
            self._refuse(problem)
        self._check_values(call, stated)
        call = _with_target(call, stated)
        self.evidence += find_evidence(self._step, call, stated)
        return call

    def _custom_call(self, fields: Mapping[str, object], stated: Stated) -> CustomCall:
        if not isinstance(fields[TOOL_KEY], str) or fields[TOOL_KEY] not in self.tools:
            there = ", ".join(self.tools) or "none"
            self._refuse(
                f"{TOOL_KEY} must be a tool, got {shown(fields[TOOL_KEY])}; there: {there}"
            )
        try:
            call = CustomCall.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self._error(f"{place}: {first['msg']}, got {shown(first['input'])}") from error
        tool = self.tools[call.tool]
        call = CustomCall(tool=call.tool, arguments=without_null(tool.parameters, call.arguments))
        try:
            found = [*argument_places(tool, call.arguments, stated, self._kinds)]
        except ValueError as error:
            raise self._error(f"{call.tool}: {error}") from error
        self.evidence += [
            Evidence(step=self._step, field=name, start=start, end=end)
            for name, places in found
            for start, end in fitting_places(name, places, stated)
        ]
        return call

    def _check_values(self, call: TaskCall, stated: Stated) -> None:
        """Refuse what the request does not state."""
        values = call.model_dump(exclude_none=True)
        for name in (*SIZES, *TIMES, *SETTINGS):
            said = numbers_for(name, stated.text)
            if name in values and canonical(cast("float", values[name])) not in said:
                self._unstated(name, values[name], "a number", said)
        for name, said in (
            ("resolution", stated.resolutions),
            ("aspect_ratio", stated.aspect_ratios),
            ("control_type", stated.control_types),
        ):
            if name in values and values[name] not in said:
                self._unstated(name, values[name], "a name", said)
        for name, longest in LONGEST_SPAN.items():
            words = values.get(name)
            if isinstance(words, str) and words != self.request.text:
                self._check_span(name, words, longest, stated)

    def _check_span(self, name: SpanField, words: str, longest: int, stated: Stated) -> None:
        if len(json.dumps(words, ensure_ascii=False)) - 2 > longest:
            self._refuse(f"{name} must have at most {longest} characters, got {len(words)}")
        if name == "negative_prompt" and not stated.negations:
            self._refuse(f"{name} needs a request that says what to leave out, got {shown(words)}")
        if not stated.places(words):
            self._refuse(f"{name} must be words of the request, word for word, got {shown(words)}")

    def _unstated(self, name: str, got: object, kind: str, said: Collection[str]) -> NoReturn:
        there = ", ".join([*said][:_SHOWN]) + (", ..." if len(said) > _SHOWN else "")
        self._refuse(
            f"{name} must be {kind} that the request states, got {shown(got)}; it states {there or 'none'}"
        )

    def _refuse(self, reason: str) -> NoReturn:
        raise self._error(reason)

    def _error(self, reason: str) -> PlanningError:
        written = self.written if len(self.written) <= 200 else f"{self.written[:200]}..."
        step = f"step {self._step}: " if self._step > 1 else ""
        return PlanningError(
            f"The understanding model wrote no usable plan: {step}{reason}. It wrote: {written!r}",
            hint="Say the request in other words, or pass a plan of your own.",
        )


def _with_target(call: TaskCall, stated: Stated) -> TaskCall:
    """Return an edit with a target that names a thing to be changed, or none; one without mask gets what is plainly named."""
    if not isinstance(call, (ImageEditing, VideoEditing)):
        return call
    target = None if call.target is None else of_thing(call.prompt, call.target)
    if target is not None and target in (call.negative_prompt or ""):
        target = None  # "make it winter, no people"
    if call.mask is None:
        words = recoloured_pronoun(call.prompt, target)
        if target is not None and is_wanted_colour(call.prompt, target):
            target = None
        if words is None and target is None:
            words = find_target(call.prompt)
        words = None if words is None else " ".join(words.split())
        if words is not None and len(words) <= LONGEST_SPAN["target"] and stated.places(words):
            target = words
    return call.model_copy(update={"target": target})
