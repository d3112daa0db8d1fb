"""What a tool's connector makes of a call, for pipelines that read their prompt themselves too; it runs no pipeline."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from unison_agent.adapters.video import NO_CONNECTOR
from unison_agent.conversation import CHAT_TEMPLATE_SHA256, READ_TEMPLATE_SHA256
from unison_agent.media import MediaSet
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.router.connectors import check_stated, load_connector
from unison_agent.router.lazy import Lazy
from unison_agent.router.roles import seen_media
from unison_agent.router.tools import Provider
from unison_agent.specs import ToolSpec
from unison_agent.tasks import Generation, TaskCall

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one call.

    Attributes:
        conditioning: The tokens; None where the pipeline's own text encoder is to read alone.
        notes: What the user should know, in sentences.
        used: Hashes of what was taken, by the names that records give them.
        sources: ``owner/name@commit`` by the same names, of what came from the hub.
    """

    conditioning: "Conditioning | None" = None
    notes: tuple[str, ...] = ()
    used: Mapping[str, str] = field(default_factory=dict[str, str])
    sources: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])


class Conditioner:
    """The connector of one tool.

    Args:
        spec: Of the tool; without a connector in it nothing is read, and nothing is said of it.
        folder: Where the connector lies if the spec names no other place.
        understanding: The model whose states it reads.
    """

    def __init__(self, spec: ToolSpec, folder: Path, understanding: Provider) -> None:
        self._spec = spec
        self._understanding = understanding
        self._connector = Lazy(lambda progress: load_connector(spec, folder, progress))
        self._on = True

    def off(self) -> Self:
        """Return one that reads nothing, and says so."""
        twin = copy(self)
        twin._on = False
        return twin

    def read(self, call: Generation, media: MediaSet, progress: Progress) -> Read:
        """Return the tokens for a call, None where there is no connector or it is off.

        Raises:
            ConnectorMismatchError: The connector was trained for another understanding model, layer or template.
            WeightsError: It is missing or damaged.
        """
        spec = self._spec.connector
        if spec is None:
            return Read()
        loaded = self._connector(progress) if self._on else None
        if loaded is None:
            return Read(notes=(NO_CONNECTOR,))
        from unison_agent.connector import Connector, Contract

        connector, digest, source = loaded
        model = self._understanding(progress)
        own, width = isinstance(connector, Connector), connector.module.shape.text_dim
        template = READ_TEMPLATE_SHA256 if own else CHAT_TEMPLATE_SHA256
        check_stated(spec, layer=model.layer, template_sha256=template)
        # Whether the pipeline reads tokens of that width is known when it is loaded.
        connector.check(Contract(model.fingerprint, model.layer, template, width))
        progress(ProgressEvent("encode", 0, 1))
        negative = call.negative_prompt if spec.mode == "replace" else None
        if own:
            prompt = model.read(call.prompt, seen_media(cast("TaskCall", call), media))
            against = None if negative is None else model.read(negative, ())
        else:
            prompt = model.read_chat(call.prompt, media.attachments)
            against = None if negative is None else model.read_chat(negative)
        made = connector.condition(prompt, against)
        progress(ProgressEvent("encode", 1, 1))
        used = {"connector": digest, "understanding": model.fingerprint}
        lora = None if own else model.lora_hashes.get("planner")  # its states are read with it on
        return Read(
            replace(made, mode=spec.mode),
            made.notes,
            used if lora is None else {**used, "lora/planner": lora},
            {"connector": source, "understanding": model.source},
        )
