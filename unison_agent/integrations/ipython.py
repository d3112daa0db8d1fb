"""The notebook magics ``%unison`` and ``%%unison``; they know no more of the agent than `run` and `plan`.

::

    %load_ext unison_agent
    %unison draw a red star

    %%unison --media star.png --seed 3 --as result
    Turn the star green
"""

import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from IPython.core.error import UsageError
from IPython.core.magic import (
    no_var_expand,  # pyright: ignore[reportUnknownVariableType]
)

from unison_agent.agent import Unison
from unison_agent.errors import RequestError, UnisonError
from unison_agent.integrations.tqdm_bars import TqdmBars
from unison_agent.media import MediaSource
from unison_agent.planned import Planned
from unison_agent.result import Result
from unison_agent.tasks import Mode

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Magic = Callable[[str, str | None], Result | Planned]

_OPTION = re.compile(r"\s*--(?P<name>[a-z]+)(?=[\s=]|$)")
_VALUE = re.compile(r"""\s*(?:=|\s)\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>\S+))""")
_TAKES = ("media", "seed", "profile", "agent", "mode", "as")
_QUESTION = re.compile(r"^(?P<indent>\s*)%unison[ \t]+(?P<rest>.*\S.*\?)[ \t]*$", re.MULTILINE)
_USAGE = (
    "Write %unison [--media FILE]... [--seed N] [--profile NAME] [--agent VARIABLE] "
    "[--mode nearest|strict|ask] [--as VARIABLE] [--plan] REQUEST, or the request below a %%unison line."
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a magic's line asks for.

    Attributes:
        text: The request.
        media: Files, or ``$name`` for a variable that holds a medium or a result.
        seed: Where the request states none.
        profile: Of the agent, unless `agent` names one.
        agent: A variable that holds a Unison.
        mode: What is done about values that are not possible.
        variable: Where the result goes besides the notebook.
        plan_only: Whether nothing is run.
    """

    text: str
    media: tuple[str, ...] = ()
    seed: int | None = None
    profile: str = "nano"
    agent: str | None = None
    mode: Mode = "nearest"
    variable: str | None = None
    plan_only: bool = False


def read_order(line: str, cell: str | None = None) -> Order:
    """Read a magic's line: options first, then the request as it stands; a cell is the request of a ``%%`` line.

    Raises:
        RequestError: An option is unknown or lacks its value, or there is no request or two of them.
    """
    given: dict[str, list[str]] = {}
    while (option := _OPTION.match(line)) is not None:
        name, line = option["name"], line[option.end() :]
        if name == "plan":
            given[name] = []
            continue
        value = _VALUE.match(line)
        if name not in _TAKES or value is None:
            what = f"needs a value: --{name} VALUE" if name in _TAKES else "is not known"
            raise RequestError(f"--{name} {what}.", hint=_USAGE)
        given.setdefault(name, []).append(next(each for each in value.groups() if each is not None))
        line = line[value.end() :]
    own = line.strip().removeprefix("-- ")
    if cell is not None and own:
        msg = f"A %%unison line holds options only, got {own!r}."
        raise RequestError(msg, hint="Write the request into the lines below it.")
    text = own if cell is None else cell.strip()
    if not text:
        raise RequestError("There is no request.", hint=_USAGE)
    last = {name: values[-1] for name, values in given.items() if values}
    variable = last.get("as")
    if variable is not None and (not variable.isidentifier() or keyword.iskeyword(variable)):
        raise RequestError(f"--as takes the name of a variable, got {variable!r}.")
    seed, mode = last.get("seed", ""), last.get("mode", "nearest")
    if seed and not seed.isdecimal():
        raise RequestError(f"--seed takes a whole number from 0, got {seed!r}.")
    if mode not in get_args(Mode):
        raise RequestError(f"--mode takes {', '.join(get_args(Mode))}; got {mode!r}.")
    return Order(
        text=text,
        media=tuple(given.get("media", ())),
        seed=int(seed) if seed else None,
        profile=last.get("profile", "nano"),
        agent=last.get("agent"),
        mode=cast("Mode", mode),
        variable=variable,
        plan_only="plan" in given,
    )


class UnisonMagic:
    """The magics of one shell; an agent is opened once for each profile and kept.

    Args:
        shell: Whose variables are read and set.
    """

    def __init__(self, shell: "InteractiveShell") -> None:
        self._shell = shell
        self._agents: dict[str, Unison] = {}

    @no_var_expand
    def unison(self, line: str, cell: str | None = None) -> Result | Planned:
        """Run a request, and show what it made.

        %unison REQUEST                  the rest of the line is the request
        %%unison                         the cell is the request

        Options stand before the request: --media FILE (or $variable; repeat it for several), --seed N,
        --profile NAME, --agent VARIABLE (a Unison of yours, e.g. with tools of your own), --mode, --plan (show
        the plan, run nothing) and --as VARIABLE (keep the result).
        """
        try:
            made = self._carry_out(read_order(line, cell))
        except UnisonError as error:
            raise UsageError(
                str(error)
            ) from None  # shown as one line, and the cell counts as failed
        return made

    def _carry_out(self, order: Order) -> Result | Planned:
        agent = self._agent(order)
        media = [each for name in order.media for each in self._media(name)]
        with TqdmBars() as bars:
            planned = agent.plan(order.text, media, progress=bars)
            made: Result | Planned = planned
            if not order.plan_only:
                made = agent.run(planned, mode=order.mode, seed=order.seed, progress=bars)
        if order.variable is not None:
            self._shell.push({order.variable: made})  # pyright: ignore[reportUnknownMemberType]
        return made

    def _agent(self, order: Order) -> Unison:
        if order.agent is not None:
            held = self._variable(order.agent)
            if not isinstance(held, Unison):
                msg = f"--agent takes a variable that holds a Unison; {order.agent} is a {type(held).__name__}."
                raise RequestError(msg, hint="Make one with Unison.from_pretrained.")
            return held
        if order.profile not in self._agents:
            self._agents[order.profile] = Unison.from_pretrained(order.profile)
        return self._agents[order.profile]

    def _media(self, name: str) -> Iterator[MediaSource]:
        if not name.startswith("$"):
            yield Path(name).expanduser()
            return
        held = self._variable(name[1:])
        if isinstance(held, Result):
            yield from (output.medium for output in held.outputs)
        else:
            yield cast("MediaSource", held)  # what it is, opening it says

    def _variable(self, name: str) -> object:
        variables = cast("dict[str, object]", self._shell.user_ns)  # pyright: ignore[reportUnknownMemberType]
        if name not in variables:
            raise RequestError(f"There is no variable {name!r}.", hint="Run the cell that sets it.")
        return variables[name]


def register(shell: "InteractiveShell") -> None:
    """Add ``%unison`` and ``%%unison`` to a shell."""
    # The shell's own register_magic_function is typed as if it were no method.
    add = cast("Callable[[Magic, str, str], None]", shell.register_magic_function)  # pyright: ignore[reportUnknownMemberType]
    add(UnisonMagic(shell).unison, "line_cell", "unison")
    if _questions not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_questions)


def _questions(lines: list[str]) -> list[str]:
    """Keep requests that end in a question mark from being read as a call for IPython's help."""
    return [_QUESTION.sub(_as_call, line) for line in lines]


def _as_call(line: re.Match[str]) -> str:
    return f"{line['indent']}get_ipython().run_line_magic('unison', {line['rest']!r})"
