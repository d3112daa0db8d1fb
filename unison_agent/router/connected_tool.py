"""What the tools with a connector share: it can be switched off, and what was loaded is told; it runs nothing."""

from copy import copy
from pathlib import Path
from typing import Self

from unison_agent.replay import WeightHash
from unison_agent.router.conditioning import Conditioner
from unison_agent.router.tools import Provider, weight_hashes
from unison_agent.specs import ToolSpec


class ConnectedTool:
    """The base of tools whose pipeline may read through a connector.

    Args:
        spec: Of the tool.
        understanding: The model that is read for the connector.
        weights_folder: Where the spec's connector lies if the spec names no other place.
    """

    def __init__(self, spec: ToolSpec, understanding: Provider, weights_folder: Path) -> None:
        self.spec = spec
        self._conditioner = Conditioner(spec, weights_folder, understanding)
        self._used: dict[str, str] = {}
        self._sources: dict[str, str | None] = {}

    def without_connector(self) -> Self:
        """Return a tool on the same models whose connector is off.

        The pipeline's text encoder reads the prompt then; where there is none, nothing does, and what comes out is
        what the pipeline draws of no prompt. The notes of its outputs say which.
        """
        twin = copy(self)
        twin._conditioner = self._conditioner.off()
        twin._used, twin._sources = {}, {}
        return twin

    def weights(self) -> tuple[WeightHash, ...]:
        """Return the hashes of what was loaded: pipelines, connector, models of maps and masks, LoRA that was on."""
        return weight_hashes(self._used, self._sources)
