"""What mkdocs does besides: files of the repository as pages and downloads, and the help of every command.

Pages link to the repository as their readers there would, ``../notebooks/01_first_steps.ipynb``; on the site such
a file lies beside the pages. The commands are written where a page says ``<!-- commands -->``.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from unison_agent.cli.app import app

_ROOT = Path(__file__).parents[1]
_SHOWN = (
    "CHANGELOG.md",
    "data/planning/README.md",
    "unison_agent/nano/MODEL_CARD.md",
    "examples/*.*",
    "notebooks/*.ipynb",
    "schemas/*.json",
    "tools/*.toml",
)
_COMMANDS = "<!-- commands -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside of docs/."""
    for pattern in _SHOWN:
        for path in sorted(_ROOT.glob(pattern)):
            name = path.relative_to(_ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the site's copies, and write the commands."""
    del config, files
    if page.file.src_uri.startswith("notebooks/"):
        return markdown
    if page.file.src_uri.startswith(("unison_agent/", "data/", "CHANGELOG")):
        return markdown.replace("](../../docs/", "](../../")
    if _COMMANDS in markdown:
        markdown = markdown.replace(
            _COMMANDS, "\n".join(_help(get_command(app), ("unison-agent",)))
        )
    return markdown.replace("](../", "](")


def _help(command: TyperCommand | TyperGroup, path: tuple[str, ...]) -> Iterator[str]:
    """Write one command and those below it."""
    context = command.make_context(path[-1], [], resilient_parsing=True)
    yield f"{'#' * (len(path) + 1)} {' '.join(path)}\n\n{command.help or ''}\n"
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{' '.join(path)} {pieces}\n```\n"
    rows = [
        record
        for parameter in command.params
        if parameter.name != "help" and (record := parameter.get_help_record(context))
    ]
    if rows:
        yield "| | |\n|---|---|"
        yield from (f"| <code>{_cell(name)}</code> | {_cell(text)} |" for name, text in rows)
        yield ""
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _help(below, (*path, name))


def _cell(text: str) -> str:
    return escape(" ".join(text.split()), quote=False).replace("|", "&#124;")
