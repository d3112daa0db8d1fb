"""What a tool's connector makes of a call; it runs no pipeline."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from unison_agent.adapters.video import NO_CONNECTOR
from unison_agent.conversation import CHAT_TEMPLATE_SHA256, READ_TEMPLATE_SHA256
from unison_agent.errors import RequestError
from unison_agent.media import MediaSet
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.router.connectors import LoadedConnector, check_stated, load_connector
from unison_agent.router.lazy import Lazy
from unison_agent.router.roles import seen_media
from unison_agent.router.tools import Provider, lora_hash
from unison_agent.specs import ToolSpec
from unison_agent.tasks import Generation, TaskCall

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning
    from unison_agent.pipelines import LoadedPipeline


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
        """Return one that reads nothing, and says so; see `read`."""
        twin = copy(self)
        twin._on = False
        return twin

    def read(
        self,
        call: Generation,
        media: MediaSet,
        progress: Progress,
        pipeline: "LoadedPipeline | None" = None,
    ) -> Read:
        """Return the tokens for a call, None where there is no connector or it is off.

        Args:
            call: Whose prompt is read.
            media: What it is about.
            progress: Told of loading and reading.
            pipeline: What draws, where that is known before it is loaded; others have a text encoder, and find out
                by themselves whether the tokens are of their width. With the connector off, one without a text
                encoder is given the tokens for no prompt.

        Raises:
            ConnectorMismatchError: The connector was trained for another understanding model, layer or template, or
                its tokens are not as wide as those of the pipeline.
            RequestError: It is off, nothing else reads the prompt, and it has no tokens for no prompt.
            WeightsError: It is missing or damaged.
        """
        spec = self._spec.connector
        off = Read(notes=(NO_CONNECTOR,))
        if spec is None:
            return Read()
        if not self._on and (pipeline is None or pipeline.has_text_encoder):
            return off
        loaded = self._connector(progress)
        if loaded is None:
            return off
        if not self._on:
            return self._unprompted(loaded)
        from unison_agent.connector import Connector, Contract

        connector, digest, source = loaded
        model = self._understanding(progress)
        own = isinstance(connector, Connector)
        width = connector.module.shape.text_dim if pipeline is None else pipeline.text_dim
        template = READ_TEMPLATE_SHA256 if own else CHAT_TEMPLATE_SHA256
        check_stated(spec, layer=model.layer, template_sha256=template)
        connector.check(Contract(model.fingerprint, model.layer, template, width))
        progress(ProgressEvent("encode", 0, 1))
        # Where tokens are appended, the text encoder alone reads what to keep away from.
        negative = call.negative_prompt if spec.mode == "replace" else None
        if own:
            prompt = model.read(call.prompt, seen_media(cast("TaskCall", call), media))
            against = None if negative is None else model.read(negative, ())
        else:
            prompt = model.read_chat(call.prompt, media.attachments)
            against = None if negative is None else model.read_chat(negative)
        made = connector.condition(prompt, against)
        progress(ProgressEvent("encode", 1, 1))
        lora = {} if own else lora_hash(model, "planner")  # the paper's states are read with it on
        return Read(
            replace(made, mode=spec.mode, max_sequence_length=spec.max_sequence_length),
            made.notes,
            {"connector": digest, "understanding": model.fingerprint, **lora},
            {"connector": source, "understanding": model.source},
        )

    def _unprompted(self, loaded: LoadedConnector) -> Read:
        from unison_agent.connector import Connector

        if not isinstance(loaded.connector, Connector):
            msg = f"{self._spec.name} draws nothing with its connector off: its pipeline has no text encoder."
            raise RequestError(msg, hint="Set text_encoder = true in the tool pack's pipeline.")
        made = loaded.connector.unprompted()
        used, sources = {"connector": loaded.sha256}, {"connector": loaded.source}
        return Read(made, made.notes, used, sources)
