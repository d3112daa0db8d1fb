"""Whether each tool of a pack can be reached by words: the conformance kit; it runs no tool.

A binding is a tool under a name that the planner can choose, with requests that should choose it: a task of a
pack's tool, the name of a custom tool, or an argument that a custom tool asks for, ``crop.image``, where it is called
with nothing. How often it asks is told and not required.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from unison_agent.custom.tool import CustomTool
from unison_agent.errors import MissingDependencyError
from unison_agent.evaluation.custom_cases import custom_cases, lacking_cases
from unison_agent.evaluation.planning import NO_PLAN
from unison_agent.evaluation.planning_cases import NEEDS_INPUT, Case, Step, read_cases
from unison_agent.evaluation.planning_run import run
from unison_agent.planning.custom_reading import ARGUMENTS_KEY
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.written import MISSING_KEY
from unison_agent.progress import Progress, silent
from unison_agent.specs import Pack
from unison_agent.tasks import TASKS, Plan, Request

if TYPE_CHECKING:
    from llguidance import LLTokenizer

FAIR_SHARE = 0.5
# Requests of each task that ship with the library.
_REQUESTS = Path(__file__).with_name("tool_requests.jsonl")


@dataclass(frozen=True, slots=True)
class Binding:
    """One tool under one name, and what should lead to it."""

    tool: str
    name: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """How well one binding is reached.

    Attributes:
        tool: The tool.
        name: What the planner chooses it by.
        cases: Requests that should lead to it.
        offered: In how many of them it could be chosen at all.
        chosen: In how many it was chosen.
        taken_for: What was chosen instead, and how often; most frequent first.
        fair_share: The least share of choices that counts as reachable.
    """

    tool: str
    name: str
    cases: int
    offered: int
    chosen: int
    taken_for: Mapping[str, int]
    fair_share: float = FAIR_SHARE

    @property
    def share(self) -> float:
        """Share of the requests in which it was chosen."""
        return self.chosen / self.cases if self.cases else 0.0

    @property
    def reachable(self) -> bool:
        """Whether it could always be chosen, and was for a fair share; without requests nobody knows."""
        return self.cases > 0 and self.offered == self.cases and self.share >= self.fair_share


def bindings(
    pack: Pack,
    files: Sequence[Path] = (),
    tools: Sequence[CustomTool] = (),
    *,
    most: int = 12,
    seed: int = 0,
) -> list[Binding]:
    """Return the tools of a pack under their tasks, with requests that ship and then those of benchmark files.

    Custom tools come first, with requests made of what they say of themselves.

    Args:
        pack: Whose tools.
        files: Where to find more requests; only those of one step are taken.
        tools: Custom tools.
        most: Requests of each task.
        seed: Chooses among those of the files.

    Raises:
        RequestError: A file is no benchmark.
    """
    known: dict[str, list[Case]] = {}
    for case in [*read_cases([_REQUESTS]), *_shuffled(read_cases(files), seed)]:
        if len(case.steps) == 1 and case.task != NEEDS_INPUT:
            known.setdefault(case.task, []).append(case)
    own = [
        Binding(tool.name, tool.name, custom_cases(tool, most=most, seed=seed)) for tool in tools
    ]
    for tool in tools:
        lacks: dict[str, list[Case]] = {}
        for case in lacking_cases(tool, most=most):
            lacks.setdefault(_name(case.steps), []).append(case)
        own += [Binding(tool.name, slot, tuple(cases)) for slot, cases in lacks.items()]
    return own + [
        Binding(tool.name, task, tuple(known.get(task, ())[:most]))
        for tool in pack.tools
        for task in tool.tasks
    ]


def is_offered(request: Request, name: str, tools: Sequence[CustomTool] = ()) -> bool:
    """Whether the request's grammar lets a plan begin with a call of that task or tool, or ask for that argument.

    Raises:
        MissingDependencyError: llguidance is not installed.
    """
    try:
        from llguidance import LLMatcher
    except ImportError as error:
        raise MissingDependencyError(error.name or "llguidance", extra="models") from error
    tokens = _byte_tokens()
    tool, _, argument = name.partition(".")
    follows = f',"{MISSING_KEY}":{json.dumps(argument)}' if argument else f',"{ARGUMENTS_KEY}"'
    call = f'"task":"{name}"' if name in TASKS else f'"tool":"{tool}"{follows}'
    ids = tokens.tokenize_str(f"{{{call}")
    grammar = request_grammar(request.text, request.attachments, tuple(tools))
    matcher = LLMatcher(tokens, grammar)
    return matcher.validate_tokens(ids) == len(ids)


@lru_cache(maxsize=1)
def _byte_tokens() -> "LLTokenizer":
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def check(
    wanted: Sequence[Binding],
    plan: Callable[[Request], Plan],
    *,
    tools: Sequence[CustomTool] = (),
    offers: Callable[[Request, str, Sequence[CustomTool]], bool] = is_offered,
    fair_share: float = FAIR_SHARE,
    progress: Progress = silent,
) -> list[Reach]:
    """Plan the requests of each binding and see where they lead.

    Args:
        wanted: What should be reached.
        plan: The planner.
        tools: The custom tools that it knows.
        offers: Whether a name can be chosen for a request.
        fair_share: The least share of right choices.
        progress: Told of every request.
    """
    outcomes = iter(
        run(plan, [case for binding in wanted for case in binding.cases], progress=progress)
    )
    reached: list[Reach] = []
    for binding in wanted:
        found = Counter(_name(next(outcomes).steps) for _ in binding.cases)
        chosen = found.pop(binding.name, 0)
        reached.append(
            Reach(
                binding.tool,
                binding.name,
                cases=len(binding.cases),
                offered=sum(offers(case.request, binding.name, tools) for case in binding.cases),
                chosen=chosen,
                taken_for=dict(found.most_common()),
                fair_share=0.0 if "." in binding.name else fair_share,
            )
        )
    return reached


def _name(steps: Sequence[Step]) -> str:
    """Return what was chosen: the task or tool of the first step, or the argument that a tool asks for."""
    if not steps:
        return NO_PLAN
    slot = str(steps[0].fields.get("slot", ""))
    return slot if steps[0].task == NEEDS_INPUT and "." in slot else steps[0].task


def served_by(pack: Pack) -> dict[str, str]:
    """Return the tool of each task of a pack, to tell what has one."""
    return {task: tool.name for tool in pack.tools for task in tool.tasks}


def _shuffled(cases: list[Case], seed: int) -> list[Case]:
    random.Random(seed).shuffle(cases)
    return cases
