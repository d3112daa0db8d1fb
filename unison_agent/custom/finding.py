"""Custom tools named by where they are, for a command line: "module:name" or "file.py:name"; it runs the module."""

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import cast

from unison_agent.custom.tool import CustomTool, check_names
from unison_agent.errors import ToolError

_FORM = "Name a tool as module:name or path/to/file.py:name."


def find_tools(places: Iterable[str]) -> tuple[CustomTool, ...]:
    """Import and return the tools at those places; a place may hold one tool or several.

    Args:
        places: ``"my_tools:CROP"``, ``"tools/crop.py:CROP"``. Modules are looked for in the working
            directory first.

    Raises:
        ToolError: There is no such module or name, it cannot be imported, or it holds no tool.
    """
    found: list[CustomTool] = []
    for place in places:
        where, _, name = place.rpartition(":")
        if not where or not name.isidentifier():
            raise ToolError(f"{place!r} names no tool.", hint=_FORM)
        held = cast("object", getattr(_module(where), name, None))
        several = cast("Sequence[object]", held) if isinstance(held, list | tuple) else [held]
        for one in several:
            if not isinstance(one, CustomTool):
                msg = f"{place} is {type(one).__name__}, expected what custom_tool() returns."
                raise ToolError(msg, hint=_FORM if one is None else None)
            found.append(one)
    return check_names(found)


def _module(where: str) -> ModuleType:
    try:
        if where.endswith(".py"):
            return _from_file(Path(where))
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(where)
    except ToolError:
        raise
    except Exception as error:
        msg = f"{where} cannot be imported: {type(error).__name__}: {error}."
        raise ToolError(msg, hint=_FORM) from error


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ToolError(f"There is no file {path}.", hint=_FORM)
    module = importlib.util.module_from_spec(spec)
    # Models resolve their annotations in the module of their name.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
