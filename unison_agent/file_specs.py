"""What every table of a tool pack that names files is made of; it knows neither models nor tools."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unison_agent.tasks import Wire

Dtype = Literal["float32", "bfloat16", "float16"]
Count = Annotated[int, Field(ge=1)]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.(safetensors|pth))?$")]
Repo = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]


def wrong(message: str, *at: str | int) -> PydanticCustomError:
    """Return an error that says where, below the model that raises it, the cause stands."""
    return PydanticCustomError("pack", "{message}", {"message": message, "at": at})


class Pin(Wire):
    """A file that must be the one the pack was written for."""

    file: str = Field(min_length=1, pattern=r"^[^/\\][^\\]*$", description="Its path there.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Files(Wire):
    """Files of a repository on the hub, or of a folder of yours."""

    repo: Repo | None = Field(default=None, description="Repository on the hub.")
    revision: str | None = Field(
        default=None, min_length=1, description="Commit or branch of `repo`."
    )
    path: str | None = Field(
        default=None, min_length=1, description="Folder; a relative one starts from the pack's own."
    )
    pins: tuple[Pin, ...] = Field(default=(), description="Files and the hashes they must have.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.repo is None) != (self.revision is None):
            key = "revision" if self.revision is None else "repo"
            msg = f"repo and revision go together: it needs {key}"
            raise wrong(msg, key)
        if self.repo is not None and self.path is not None:
            raise wrong("either repo or path, not both", "path")
        return self

    def pinned(self) -> dict[str, str]:
        """Return the stated hashes by file."""
        return {pin.file: pin.sha256 for pin in self.pins}
