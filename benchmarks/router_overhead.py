"""Time what stands between the words of a call and a function that does nothing, by library.

``python benchmarks/router_overhead.py``: twelve tools with the arguments of the twelve tasks, one of them called
with the same JSON. Processor time of this process, the least of several rounds, so that a busy machine counts little.
"""

import argparse
import json
import time
import timeit
from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from unison_agent.agent import Unison
from unison_agent.custom.tool import custom_tool
from unison_agent.planning.planner import Planner
from unison_agent.router import Router
from unison_agent.tasks import TASK_CALL, TASK_MODELS
from unison_agent.testing import ScriptedWriter

CALLED = "text_to_image"
ARGUMENTS = {
    "prompt": "a red star on a blue background",
    "width": 64,
    "height": 64,
    "steps": 4,
    "seed": 1,
}
TEXT = json.dumps(ARGUMENTS)
DONE = "done"


def models() -> dict[str, type[BaseModel]]:
    """Return the arguments of each task as a model of its own, of words and numbers that any library reads."""
    return {
        f"do_{task}": create_model(
            f"Do_{task}",
            __doc__=f"Do {task}.",
            **{name: _field(one) for name, one in model.model_fields.items() if name != "task"},
        )
        for task, model in TASK_MODELS.items()
    }


def _field(field: FieldInfo) -> Any:
    kind = _kind(field.annotation)
    return (kind, ...) if field.is_required() else (kind | None, None)


def _kind(annotation: object) -> type[str] | type[int] | type[float]:
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((kind for kind in (int, float) if kind in parts), str)


def bare() -> Callable[[], object]:
    """Return a call by hand."""
    known = {name: lambda **_: DONE for name in models()}
    return lambda: known[f"do_{CALLED}"](**json.loads(TEXT))


def validated() -> Callable[[], object]:
    """Return a call whose words our schema of all tasks reads, and no more."""
    known = {task: lambda _: DONE for task in TASK_MODELS}
    text = json.dumps({"task": CALLED, **ARGUMENTS})

    def call() -> object:
        wanted = TASK_CALL.validate_json(text)
        return known[wanted.task](wanted)

    return call


def ours() -> Callable[[], object]:
    """Return a call as a model makes one: planned, checked, run, timed and reported."""
    tools = [custom_tool(model, _nothing, name=name) for name, model in models().items()]
    unison = Unison(Planner(ScriptedWriter({})), Router([], custom=tools))
    return lambda: unison.call(f"do_{CALLED}", TEXT).text


def _nothing(arguments: BaseModel) -> str:
    del arguments
    return DONE


def langchain() -> Callable[[], object]:
    """Return a call of LangChain's tools."""
    from langchain_core.tools import StructuredTool

    known = {
        name: StructuredTool.from_function(
            lambda **_: DONE, name=name, description=name, args_schema=model
        )
        for name, model in models().items()
    }
    return lambda: known[f"do_{CALLED}"].invoke(json.loads(TEXT))


def smolagents() -> Callable[[], object]:
    """Return a call as the agent of smolagents carries it out."""
    from smolagents import Model, Tool, ToolCallingAgent
    from smolagents.monitoring import LogLevel

    kinds = {str: "string", int: "integer", float: "number"}

    def made(name: str, model: type[BaseModel]) -> Any:
        inputs = {
            one: {
                "type": kinds[_kind(field.annotation)],
                "description": one,
                **({} if field.is_required() else {"nullable": True}),
            }
            for one, field in model.model_fields.items()
        }
        arguments = ", ".join(f"{one}=None" for one in inputs)
        scope: dict[str, Any] = {}
        exec(f"def forward(self, {arguments}): return 'done'", scope)
        fields = {"name": name, "description": name, "inputs": inputs, "output_type": "string"}
        return type(name, (Tool,), {**fields, **scope, "skip_forward_signature_validation": True})()

    tools = [made(name, model) for name, model in models().items()]
    agent = ToolCallingAgent(tools=tools, model=Model(), verbosity_level=LogLevel.OFF)
    return lambda: agent.execute_tool_call(f"do_{CALLED}", json.loads(TEXT))


def llama_index() -> Callable[[], object]:
    """Return a call of LlamaIndex's tools."""
    from llama_index.core.tools import FunctionTool
    from llama_index.core.tools.calling import call_tool

    known = {
        name: FunctionTool.from_defaults(
            fn=lambda **_: DONE, name=name, description=name, fn_schema=model
        )
        for name, model in models().items()
    }
    return lambda: call_tool(known[f"do_{CALLED}"], json.loads(TEXT)).content


LIBRARIES: Mapping[str, tuple[str | None, Callable[[], Callable[[], object]]]] = {
    "json.loads and a dict": (None, bare),
    "our schema and a dict": (None, validated),
    "Unison.call": ("unison-agent", ours),
    "LangChain, tool.invoke": ("langchain-core", langchain),
    "smolagents, execute_tool_call": ("smolagents", smolagents),
    "LlamaIndex, call_tool": ("llama-index-core", llama_index),
}


def microseconds(call: Callable[[], object], rounds: int) -> float:
    """Return the least mean processor time of a call."""
    assert call() == DONE
    timer = timeit.Timer(call, timer=time.process_time)
    number = timer.autorange()[0]
    return min(timer.repeat(rounds, number)) / number * 1e6


def main() -> None:
    """Print a line for each library that is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    least: float | None = None
    print("microseconds of processor time a call, and as many times the first line")
    for name, (package, make) in LIBRARIES.items():
        try:
            call = make()
        except ImportError as error:
            print(f"{name:32} not installed: {error.name}")
            continue
        taken = microseconds(call, rounds)
        least = least or taken
        of = "" if package is None else f"  {package} {version(package)}"
        print(f"{name:32} {taken:8.1f} {taken / least:6.1f}x{of}")


if __name__ == "__main__":
    main()
