"""The checks of this repository: `nox -l` lists them, `nox -P 3.12 -s tests` picks a Python.

`make` runs the same sessions with --no-venv in .venv, where nothing is installed again.
"""

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "schemas", "docs", "tests", "notebooks", "wheel"]
PROJECT = nox.project.load_toml("pyproject.toml")

# The other side of the split that mcp 2, openai 3 and pydantic 2.13 made; docs/integrations.md has the table.
OLD = (
    "pydantic>=2.12,<2.13",
    "openai>=2,<3",
    "mcp>=1.20,<2",  # which our server and client do not take; they say so
    "anthropic>=0.100,<1",
    "google-genai>=1.70,<2",
    "langchain-core>=1.0,<1.1",
    "pytest>=8.3",
    "pytest-timeout>=2.3",
    "hypothesis>=6.120",
    "scikit-image>=0.24",
)
OLD_TESTS = (
    "tests/test_functions_calls.py",
    "tests/test_functions_schemas.py",
    "tests/test_integrations_langchain.py",
    "tests/test_integrations_mcp_old.py",
    "tests/test_planner_outlines.py",
    "tests/test_schema.py",
)


def install(session: nox.Session, *requirements: str, groups: tuple[str, ...] = ()) -> None:
    """Install `requirements` and dependency `groups`, unless the session has no environment."""
    if session.venv_backend != "none":
        session.install(*requirements, *nox.project.dependency_groups(PROJECT, *groups))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and the direction of imports."""
    install(session, "-e", ".", groups=("lint",))
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly."""
    install(session, "-e", ".[control,training]", groups=("test", "lint"))
    session.run("pyright")


@nox.session
def schemas(session: nox.Session) -> None:
    """Fail when schemas/ differs from the pydantic models."""
    install(session, "-e", ".")
    session.run("python", "-m", "unison_agent.schema", "--check")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that need no GPU, with branch coverage."""
    install(session, "-e", ".[control,training]", groups=("test",))
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session
def old(session: nox.Session) -> None:
    """Run what meets other packages with the oldest majors of them that are supported.

    No environment holds them beside the test group, so nothing is installed with --no-venv, where it is skipped.
    """
    if session.venv_backend == "none":
        session.skip("The old lane needs an environment of its own: nox -s old.")
    session.install("-e", ".[models]", *OLD)
    session.run("pytest", *(session.posargs or OLD_TESTS))


@nox.session
def wheel(session: nox.Session) -> None:
    """Run the same tests against the built wheel, not the checkout."""
    install(session, ".[control,training]", groups=("test",))
    session.run("pytest", *session.posargs, env={"PYTHONSAFEPATH": "1"})


@nox.session
def notebooks(session: nox.Session) -> None:
    """Execute the notebooks; with `-- --overwrite` what they show is kept, see docs/tidy_notebooks.py."""
    install(session, "-e", ".[models]", groups=("test", "notebooks"))
    pytest = ("pytest", "--nbmake", "notebooks", "--override-ini=filterwarnings=")
    session.run(*pytest, *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into site/; a warning is an error."""
    install(session, "-e", ".", groups=("docs",))
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})
