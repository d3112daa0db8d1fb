"""Any outlines model as the planner: local ones write under the request's grammar, others by its JSON Schema.

It knows what a model takes and nothing of how requests are run. What was written is held to the request by
`read_plan`, whoever wrote it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

from unison_agent.custom.tool import CustomTool, check_names
from unison_agent.errors import MissingDependencyError, PlanningError, RequestError
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.instructions import BY_GRAMMAR, BY_SCHEMA, instructions
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import MAX_NEW_TOKENS, check_words, prompt_text
from unison_agent.planning.request_schema import request_schema, written_form
from unison_agent.tasks import Plan, Request

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer
    from outlines.backends.llguidance import LLGuidanceBackend
    from tokenizers import AddedToken
    from torch import Tensor

OutlinesModel = Callable[..., Any]
"""A model of outlines, or what is called like one: ``(input, output_type, **settings) -> str``."""


class OutlinesPlanner:
    """Plans requests with a model of outlines; its plans have no confidence.

    Args:
        model: What `outlines.from_transformers`, `from_openai` and so on return; not an asynchronous one.
        tools: Custom tools that can be planned.
        settings: Handed to the model at every call, e.g. ``{"temperature": 0}``.

    Raises:
        RequestError: The model is an asynchronous one, or none.
        ToolError: Two tools have the same name.
        MissingDependencyError: outlines is not installed.
    """

    def __init__(
        self,
        model: OutlinesModel,
        tools: Sequence[CustomTool] = (),
        *,
        settings: dict[str, object] | None = None,
    ) -> None:
        try:
            from outlines.models import AsyncBlackBoxModel, SteerableModel
        except ImportError as error:
            raise MissingDependencyError(error.name or "outlines", extra="models") from error
        if not callable(model):
            msg = f"A planner is a model of outlines, got {type(model).__name__}."
            raise RequestError(msg, hint='E.g. outlines.from_openai(openai.OpenAI(), "gpt-5").')
        if isinstance(model, get_args(AsyncBlackBoxModel)):
            msg = f"{type(model).__name__} is asynchronous; plans are made by a synchronous model."
            raise RequestError(msg, hint="Give outlines the client without Async in its name.")
        self._model = model
        self._tools = check_names(tools)
        self._settings = dict(settings or {})
        self._steerable = isinstance(model, get_args(SteerableModel))
        self._backend: LLGuidanceBackend | None = None

    def with_tools(self, tools: Sequence[CustomTool]) -> "OutlinesPlanner":
        """Return a planner that can plan more custom tools.

        Raises:
            ToolError: Two of all have the same name.
        """
        return OutlinesPlanner(self._model, (*self._tools, *tools), settings=self._settings)

    def plan(self, request: Request) -> Plan:
        """Return the plan that the request means, or what is missing.

        Raises:
            RequestError: The request has no words.
            PlanningError: The model failed, or what it wrote is no plan for this request.
        """
        check_words(request.text)
        try:
            written = self._steered(request) if self._steerable else self._asked(request)
        except Exception as error:
            name, cause = type(self._model).__name__, type(error).__name__
            msg = f"The planner's model ({name}) failed: {cause}: {error}."
            raise PlanningError(
                msg, hint="See what it says; settings= are handed to it."
            ) from error
        if not isinstance(written, str):
            msg = f"The planner's model wrote {type(written).__name__}, expected text."
            raise PlanningError(msg, hint="Ask it for one answer.")
        return read_plan(request, written_form(written), tools=self._tools)

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        """Return the plans of several requests, made one after another; raises as `plan` does."""
        return [self.plan(request) for request in requests]

    def _steered(self, request: Request) -> object:
        """Let a local model write under the request's grammar."""
        from outlines.backends.llguidance import LLGuidanceBackend
        from outlines.generator import SteerableGenerator

        model = cast("Any", self._model)
        if self._backend is None:  # it reads the whole vocabulary
            self._backend = LLGuidanceBackend(model)
        grammar = request_grammar(request.text, request.attachments, self._tools)
        if model.tensor_library_name == "torch":
            processor: Any = _TorchMask(cast("LLTokenizer", self._backend.llg_tokenizer), grammar)  # pyright: ignore[reportUnknownMemberType]
        else:
            processor = self._backend.get_cfg_logits_processor(grammar)
        text = prompt_text(request, self._tools)
        settings: dict[str, object] = {"max_tokens": MAX_NEW_TOKENS}
        if tokenizer := getattr(model, "hf_tokenizer", None):
            settings = {"max_new_tokens": MAX_NEW_TOKENS, "do_sample": False}
            # Outlines reads control tokens in what it is given; those that a user types are no control.
            added = cast("Mapping[int, AddedToken]", tokenizer.added_tokens_decoder)
            for token in [one.content for one in added.values() if one.special]:
                text = text.replace(token, f"{token[:1]} {token[1:]}")
        generate = SteerableGenerator.from_processor(model, processor)
        return generate(self._input(BY_GRAMMAR, text), **{**settings, **self._settings})

    def _asked(self, request: Request) -> object:
        """Ask a model for an answer by the request's schema."""
        from outlines.types import JsonSchema

        schema = request_schema(request, self._tools)
        text = prompt_text(request, self._tools)
        wanted = JsonSchema(cast("dict[str, Any]", schema))
        if self._takes(wanted):
            return self._model(self._input(BY_SCHEMA, text), wanted, **self._settings)
        # Anthropic's takes no schema, and its system text is a setting of its own.
        system = f"{instructions(BY_SCHEMA, self._tools)}The JSON Schema of the answer: {json.dumps(schema)}"
        settings = {"system": system, "max_tokens": MAX_NEW_TOKENS, **self._settings}
        return self._model(text, None, **settings)

    def _takes(self, wanted: object) -> bool:
        """Whether the model takes an answer's schema; what is no model of outlines does."""
        adapter = getattr(self._model, "type_adapter", None)
        try:
            if adapter is not None:
                adapter.format_output_type(wanted)
        except NotImplementedError:
            return False
        return True

    def _input(self, form: str, text: str) -> object:
        from outlines.inputs import Chat

        rules = instructions(form, self._tools)
        adapter = getattr(self._model, "type_adapter", None)
        if not getattr(adapter, "has_chat_template", True):
            return f"{rules}\n{text}\n"
        return Chat(
            [
                {"role": "system", "content": rules},
                {"role": "user", "content": text},
            ]
        )


class _TorchMask:
    """Keeps torch logits to a grammar, one text at a time; llguidance's own way needs a C++ compiler."""

    def __init__(self, tokens: "LLTokenizer", grammar: str) -> None:
        self._tokens = tokens
        self._grammar = grammar
        self._matcher: LLMatcher | None = None

    def reset(self) -> None:
        self._matcher = None

    def __call__(self, input_ids: "Tensor", logits: "Tensor") -> "Tensor":
        import numpy as np
        import torch
        from llguidance import LLMatcher

        if self._matcher is None:
            self._matcher = LLMatcher(self._tokens, self._grammar)
        else:
            self._matcher.consume_token(int(input_ids[0, -1]))
        if self._matcher.is_error():
            raise PlanningError(f"The grammar was left: {self._matcher.get_error()}")
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        known = np.unpackbits(bits, bitorder="little")[: logits.shape[-1]] == 1
        # Rows of the model that name no token are refused too.
        allowed = np.zeros(logits.shape[-1], dtype=np.bool_)
        allowed[: len(known)] = known
        mask = torch.tensor(allowed, device=logits.device)
        return logits.masked_fill(~mask, float("-inf"))
