"""Notebooks as they are kept, and as pages of the documentation; tests/ executes none, `nox -s notebooks` does."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIDIED = cast(
    "Callable[[str], str]", runpy.run_path(str(ROOT / "docs/tidy_notebooks.py"))["tidied"]
)


def notebook(*outputs: dict[str, Any], tags: tuple[str, ...] = ()) -> str:
    cell = {
        "cell_type": "code",
        "execution_count": 3,
        "id": "a",
        "metadata": {"execution": {"iopub.status.busy": "now"}, "tags": list(tags)},
        "outputs": outputs,
        "source": ["1 + 1"],
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_tidy_and_with_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert TIDIED(text) == text, "python docs/tidy_notebooks.py notebooks/*.ipynb"
    assert any(cell.get("outputs") for cell in json.loads(text)["cells"])


def test_what_changes_from_run_to_run_goes() -> None:
    printed = [{"output_type": "stream", "name": "stdout", "text": [one]} for one in "ab"]
    bar = {"output_type": "stream", "name": "stderr", "text": ["50%"]}
    plain = ["1. text_to_image: 64x64 (4.5 s)\n", "   note"]
    data = {"image/png": "x", "image/jpeg": "y", "text/plain": plain}
    shown = {"output_type": "execute_result", "execution_count": 3, "data": data, "metadata": {}}
    (cell,) = json.loads(TIDIED(notebook(bar, *printed, shown)))["cells"]
    assert (cell["execution_count"], cell["metadata"]) == (None, {})
    words, picture = cell["outputs"]
    assert words["text"] == ["a", "b"]
    kept = {"image/png": "x", "text/plain": ["1. text_to_image: 64x64\n", "   note"]}
    assert (picture["data"], picture["execution_count"]) == (kept, None)
    (failing,) = json.loads(TIDIED(notebook(bar, tags=("raises-exception",))))["cells"]
    assert failing["outputs"] == [bar]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_shows_what_the_notebook_does(path: Path) -> None:
    pytest.importorskip("mkdocs")
    hook = runpy.run_path(str(ROOT / "docs" / "notebook_pages.py"))
    made = cast("Callable[[str, str], str]", hook["as_markdown"])
    text = path.read_text(encoding="utf-8")
    page = made(text, path.name)
    assert page.startswith("# ")
    assert f"[The notebook]({path.name})" in page
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            assert f"```python\n{''.join(cell['source'])}\n```" in page
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" not in data and "image/png" in data:
                assert f'base64,{"".join(data["image/png"]).strip()}"' in page
            elif "text/html" not in data:
                assert "".join(output.get("text", data.get("text/plain", ""))).rstrip() in page
    assert "](../docs/" not in page
