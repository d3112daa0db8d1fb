"""Notebooks as they are kept: with what their cells show, without what changes from run to run; it runs none.

``python docs/tidy_notebooks.py notebooks/*.ipynb`` after ``nox -s notebooks -- --overwrite``; ``--check`` changes
nothing and fails where something is left to tidy. What goes: bars and warnings (stderr, unless the cell is meant to fail),
counters, the times of a run, the kernel's version, and pictures that are there twice.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_SECONDS = re.compile(r" \(\d+\.\d s\)$", re.MULTILINE)
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def tidied(text: str) -> str:
    """Return a notebook's JSON as it is kept."""
    notebook: dict[str, Any] = json.loads(text)
    notebook["metadata"] = _METADATA
    for cell in notebook["cells"]:
        cell["metadata"] = {
            key: one for key, one in cell["metadata"].items() if key == "tags" and one
        }
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            fails = "raises-exception" in cell["metadata"].get("tags", [])
            cell["outputs"] = _joined(
                _tidied(one) for one in cell["outputs"] if fails or one.get("name") != "stderr"
            )
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _joined(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join what was printed in several pieces."""
    joined: list[dict[str, Any]] = []
    for one in outputs:
        if joined and "name" in one and joined[-1].get("name") == one["name"]:
            joined[-1]["text"] += one["text"]
        else:
            joined.append(one)
    return joined


def _tidied(output: dict[str, Any]) -> dict[str, Any]:
    if "execution_count" in output:
        output["execution_count"] = None
    if data := output.get("data"):
        if "image/png" in data:
            data.pop("image/jpeg", None)
        if "text/plain" in data:
            plain = data["text/plain"]
            words = _SECONDS.sub("", plain if isinstance(plain, str) else "".join(plain))
            data["text/plain"] = words.splitlines(keepends=True)
    return output


def main() -> None:
    """Tidy the notebooks that are named, or say which of them are not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    left: list[Path] = []
    for path in arguments.notebooks:
        text = path.read_text(encoding="utf-8")
        if (tidy := tidied(text)) != text:
            left.append(path)
            if not arguments.check:
                path.write_text(tidy, encoding="utf-8")
    if left and arguments.check:
        names = " ".join(map(str, left))
        sys.exit(f"python docs/tidy_notebooks.py {names}")


if __name__ == "__main__":
    main()
