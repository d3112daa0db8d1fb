"""Which tools of which packs serve each task, and which of them the caller names; it chooses none."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from unison_agent.errors import PackError, RequestError
from unison_agent.router.tools import Tool
from unison_agent.tasks import Call, CustomCall, Task

Named: TypeAlias = str | Sequence[str | None] | None
"""A tool or a pack that runs every step it serves, or the tool of each step, None where it is chosen."""


class Bindings:
    """The tools of one pack or several.

    Args:
        packs: The tools of each pack by its name, in the order in which ties are broken. Packs may share a tool.

    Raises:
        PackError: Two tools of a pack serve the same task, or two have the same name.
    """

    def __init__(self, packs: Mapping[str, Sequence[Tool]]) -> None:
        self.packs = MappingProxyType({name: tuple(tools) for name, tools in packs.items()})
        self._by_name: dict[str, Tool] = {}
        for pack, tools in self.packs.items():
            serving: dict[Task, Tool] = {}
            for tool in tools:
                self._check(tool, serving, pack)
                self._by_name[tool.spec.name] = tool
                serving |= dict.fromkeys(tool.spec.tasks, tool)

    def _check(self, tool: Tool, serving: Mapping[Task, Tool], pack: str) -> None:
        for task in tool.spec.tasks:
            if task in serving:
                first = serving[task].spec.name
                msg = f"{task} is served by {first!r} and by {tool.spec.name!r}."
                raise PackError(msg, file=pack, key="tools", hint="Keep one of them.")
        if self._by_name.get(tool.spec.name, tool) is not tool:
            msg = f"another pack has a tool named {tool.spec.name!r} too, and it is not the same."
            raise PackError(msg, file=pack, key="tools", hint="Rename one of them in its pack.")

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools, in the order of their packs."""
        return tuple(self._by_name.values())

    def tool(self, name: str) -> Tool:
        """Return the tool of a name."""
        return self._by_name[name]

    def serving(self, task: Task) -> tuple[Tool, ...]:
        """Return the tools that serve a task, in the order of their packs.

        Raises:
            RequestError: There is none.
        """
        found = tuple(tool for tool in self.tools if task in tool.spec.tasks)
        if not found and len(self.packs) == 1:
            (profile,) = self.packs
            msg = f"No tool of {profile!r} serves {task}."
            raise RequestError(msg, hint=f"It serves {self._served(profile)}.")
        if not found:
            told = "; ".join(f"{pack} serves {self._served(pack)}" for pack in self.packs)
            raise RequestError(f"No pack serves {task}: {told}.", hint="Add a pack that does.")
        return found

    def lacking(self, task: Task) -> tuple[str, ...]:
        """Return the names of the packs that do not serve a task."""
        return tuple(
            name
            for name, tools in self.packs.items()
            if not any(task in tool.spec.tasks for tool in tools)
        )

    def packs_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the packs besides the first from which tools of those names come."""
        first, *others = self.packs.items()
        left = set(names) - {tool.spec.name for tool in first[1]}
        return tuple(
            pack for pack, tools in others if any(tool.spec.name in left for tool in tools)
        )

    def named(self, name: Named, steps: Sequence[Call]) -> tuple[Tool | None, ...]:
        """Return the tool of each step that the caller names; None where it is to be chosen.

        Args:
            name: What the caller says.
            steps: Of the plan.

        Raises:
            RequestError: There is no such tool or pack, or it does not serve what it is named for.
        """
        if name is None:
            return (None,) * len(steps)
        if isinstance(name, str):
            found = self.called(name)
            tools = tuple(_of(found, step) for step in steps)
            if not any(tools):
                raise _cannot(name, found, steps[0].task)
            return tools
        if len(name) != len(steps):
            msg = f"{len(name)} tools were named for {len(steps)} steps."
            raise RequestError(msg, hint="Name one tool, or one a step, None where it is open.")
        return tuple(
            None if one is None else self._needed(one, step)
            for one, step in zip(name, steps, strict=True)
        )

    def _needed(self, name: str, step: Call) -> Tool:
        found = self.called(name)
        tool = _of(found, step)
        if tool is None:
            raise _cannot(name, found, step.task)
        return tool

    def called(self, name: str) -> tuple[Tool, ...]:
        """Return the tool of that name, and the tools of a pack of that name.

        Raises:
            RequestError: There is none.
        """
        own = (self._by_name[name],) if name in self._by_name else ()
        found = (*own, *self.packs.get(name, ()))
        if not found:
            there = "; ".join(
                f"{pack} ({', '.join(tool.spec.name for tool in tools)})"
                for pack, tools in self.packs.items()
            )
            msg = f"There is no tool or pack named {name!r}."
            raise RequestError(msg, hint=f"There are: {there}.")
        return found

    def _served(self, pack: str) -> str:
        return _tasks(self.packs[pack])


def _of(tools: Sequence[Tool], step: Call) -> Tool | None:
    if isinstance(step, CustomCall):
        return None
    return next((tool for tool in tools if step.task in tool.spec.tasks), None)


def _cannot(name: str, tools: Sequence[Tool], task: str) -> RequestError:
    return RequestError(
        f"{name} was named, and does not serve {task}.", hint=f"It serves {_tasks(tools)}."
    )


def _tasks(tools: Sequence[Tool]) -> str:
    return ", ".join(sorted({task for tool in tools for task in tool.spec.tasks})) or "nothing"
