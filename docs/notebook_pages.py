"""What mkdocs does with notebooks: each becomes a page, with what its cells show; it runs none.

A notebook stays beside its page as a file to download. Pages link to it as ``../notebooks/01_first_steps.ipynb``, which
on the site leads to the page.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_FOLDER = Path(__file__).parents[1] / "notebooks"
_LINK = re.compile(r"\]\(((?:\.\./)?(?:notebooks/)?\d\d_\w+)\.ipynb\)(?!\{)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook."""
    for path in sorted(_FOLDER.glob("*.ipynb")):
        content = as_markdown(path.read_text(encoding="utf-8"), path.name)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the pages."""
    del page, config, files
    return _LINK.sub(r"](\1.md)", markdown)


def as_markdown(text: str, name: str) -> str:
    """Return a notebook's JSON as Markdown; its links are those of the site.

    Args:
        text: The notebook.
        name: Of the file, to download it.
    """
    notebook: dict[str, Any] = json.loads(text)
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace("](../docs/", "](../"))
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [part for output in cell["outputs"] for part in _shown(output)]
    title, *rest = parts
    return "\n\n".join([title, f"[The notebook]({name}){{: download }}", *rest]) + "\n"


def _shown(output: dict[str, Any]) -> Iterator[str]:
    """Give the richest form of what a cell shows."""
    data = {kind: "".join(one) for kind, one in output.get("data", {}).items()}
    if "text/html" in data:
        lines = (line for line in data["text/html"].splitlines() if line.strip())
        yield "<div>\n" + "\n".join(lines) + "\n</div>"
    elif "image/png" in data:
        yield f'<img alt="What the cell shows" src="data:image/png;base64,{data["image/png"].strip()}">'
    elif words := "".join(output.get("text", "")) or data.get("text/plain", ""):
        yield "```text\n" + words.rstrip() + "\n```"
