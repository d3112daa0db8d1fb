"""How the calls of one plan are granted; it knows neither what a plan is about nor how a call is run."""

from dataclasses import dataclass

from unison_agent.negotiate import Basis, negotiate
from unison_agent.router.bindings import Bindings
from unison_agent.router.choosing import choose
from unison_agent.router.tools import Tool
from unison_agent.tasks import Choice, GrantedTask, Mode, TaskCall


@dataclass(frozen=True, slots=True)
class Order:
    """By which tools the calls of a plan are granted, and how strictly.

    Attributes:
        bindings: The tools of all packs.
        named: The tool that is named for each step; None where it is chosen.
        mode: What to do about values that a tool cannot grant as stated.
        seed: Of calls that state none.
        max_new_tokens: Of answers; the tool's default where None.
    """

    bindings: Bindings
    named: tuple[Tool | None, ...]
    mode: Mode
    seed: int
    max_new_tokens: int | None

    def grant(self, place: int, call: TaskCall, basis: Basis | None) -> GrantedTask:
        """Return what the call of a step is granted, on the tool that is named, alone or best."""
        tools, tool = self.bindings.serving(call.task), self.named[place]
        if tool is None and len(self.bindings.packs) > 1:
            return choose(
                call,
                [one.spec for one in tools],
                mode=self.mode,
                basis=basis,
                default_seed=self.seed,
                max_new_tokens=self.max_new_tokens,
                lacking=self.bindings.lacking(call.task),
            )
        spec = (tool or tools[0]).spec
        granted = negotiate(
            call,
            spec,
            mode=self.mode,
            basis=basis,
            default_seed=self.seed,
            max_new_tokens=self.max_new_tokens,
        )
        if len(self.bindings.packs) == 1:
            return granted
        return granted.model_copy(update={"choice": Choice(reason=f"{spec.name} was named.")})
