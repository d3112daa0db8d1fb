"""The JSON Schemas of what goes over the wire, made from the models; they are never written by hand.

``python -m unison_agent.schema`` writes schemas/, with ``--check`` it fails where a file differs.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from unison_agent._resources import data
from unison_agent.errors import OutputError
from unison_agent.packs import Pack
from unison_agent.replay import Record
from unison_agent.schema_examples import calls, granted, pack, plans, record
from unison_agent.tasks import Granted, Plan, Request, TaskCall

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def documents() -> Mapping[str, str]:
    """Return the text of each file of schemas/ by its name."""
    return {
        f"{name}.schema.json": _document(name, title, adapter, examples)
        for name, title, adapter, examples in (
            ("task_call", "TaskCall", TypeAdapter[object](TaskCall), calls()),
            ("plan", "Plan", TypeAdapter[object](Plan), plans()),
            ("granted", "Granted", TypeAdapter[object](Granted), granted()),
            (
                "request",
                "Request",
                TypeAdapter[object](Request),
                [plan.request for plan in plans()],
            ),
            ("tool_pack", "Pack", TypeAdapter[object](Pack), [pack()]),
            ("record", "Record", TypeAdapter[object](Record), [record()]),
        )
    }


def _document(
    name: str, title: str, adapter: TypeAdapter[object], examples: Sequence[BaseModel]
) -> str:
    schema = adapter.json_schema()
    head = {"$schema": DIALECT, "$id": f"{name}.schema.json", "title": title}
    shown = [example.model_dump(mode="json", exclude_none=True) for example in examples]
    return json.dumps({**head, **schema, "examples": shown}, indent=2, ensure_ascii=False) + "\n"


def drift() -> tuple[str, ...]:
    """Return the names of the files in schemas/ that differ from the models, are missing or too many."""
    wanted = documents()
    folder = data("schemas")
    entries = folder.iterdir() if folder.is_dir() else ()
    found = {entry.name: entry.read_text(encoding="utf-8") for entry in entries}
    return tuple(
        sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    )


def write(folder: Path) -> None:
    """Write every schema to `folder`.

    Raises:
        OutputError: The folder cannot be written.
    """
    try:
        folder.mkdir(exist_ok=True)
        for name, text in documents().items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"the schemas cannot be written to {folder}: {error}."
        raise OutputError(msg) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="unison_agent.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where a file differs")
    if parser.parse_args(arguments).check:
        different = drift()
        for name in different:
            print(f"schemas/{name} differs from the models. Run: python -m unison_agent.schema")
        return 1 if different else 0
    write(Path(str(data("schemas"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
