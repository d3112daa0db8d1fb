"""The mask of what an edit names, on flat scenes and on photographs; it does not know what the mask is for.

Flat scenes are taken apart by their pixels. On photographs, and where that finds nothing, the background and the main thing are told by what is
salient, and other words by models that read them, where the tool pack names some.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from unison_agent.errors import MissingInputError
from unison_agent.preprocess.regions import Mask, flat_scene
from unison_agent.preprocess.target import ClipMasks, Scorer, filled_in, find_masks, not_found
from unison_agent.preprocess.target_words import names_ground, names_subject
from unison_agent.preprocess.weight_files import U2NETP, fetch_weights
from unison_agent.progress import Progress, silent
from unison_agent.specs import PreprocessSpec
from unison_agent.weights import sha256_file

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from unison_agent.preprocess.grounded import Grounded
    from unison_agent.preprocess.salient import SalientObject


class MaskMaker:
    """Finds masks; safe to call from threads.

    Args:
        spec: What finds them on photographs.
    """

    def __init__(self, spec: PreprocessSpec) -> None:
        self._spec = spec
        self._salient: SalientObject | None = None
        self._grounded: Grounded | None = None
        self._lock = Lock()
        self.hashes: dict[str, str] = {}  # of the weights that were loaded

    def find(
        self,
        frames: "Sequence[Picture]",
        target: str,
        scorer: Callable[[], Scorer],
        progress: Progress = silent,
    ) -> ClipMasks:
        """Return the masks of `target`.

        Args:
            frames: RGB, of one size, at least one.
            target: The words that name it.
            scorer: Returns the understanding model; called for flat scenes only.
            progress: Told of downloads and loading.

        Raises:
            MissingInputError: Nothing fits the words, or several things do, or nothing here can tell.
            MissingDependencyError: The package that runs the network is not installed.
            WeightsError: The network's weights are missing or damaged.
        """
        spec = self._spec
        reads_words = spec.grounding is not None and spec.segment is not None
        flat = [flat_scene(frame) is not None for frame in frames]
        if any(flat):
            try:
                return find_masks(frames, target, scorer())
            except MissingInputError:
                # A clip may fade in from black, and a photograph may show a clear sky.
                if all(flat) and not reads_words:
                    raise
        with self._lock:
            ground = names_ground(target)
            if spec.salient is not None and (ground or names_subject(target)):
                return self._by_salience(frames, target, ground, progress)
            if spec.grounding is not None and spec.segment is not None and not ground:
                return self._by_words(frames, target, spec.grounding, spec.segment, progress)
        raise not_found(target, "on a photograph nothing here can tell it")

    def _by_salience(
        self, frames: "Sequence[Picture]", target: str, ground: bool, progress: Progress
    ) -> ClipMasks:
        if self._salient is None:
            from unison_agent.preprocess.salient import SalientObject

            (path,) = fetch_weights(U2NETP, progress)
            self.hashes |= {path.name: sha256_file(path)}
            self._salient = SalientObject(path)
        things = [np.asarray(mask) > 0 for mask in self._salient.masks(frames)]
        if not any(thing.any() for thing in things):
            raise not_found(target, "nothing stands out from the background")
        seen: list[Mask | None] = [
            (~thing if ground else thing) if thing.any() else None for thing in things
        ]
        return filled_in(seen, frames)

    def _by_words(
        self,
        frames: "Sequence[Picture]",
        target: str,
        grounding: str,
        segment: str,
        progress: Progress,
    ) -> ClipMasks:
        if self._grounded is None:
            from unison_agent.preprocess.grounded import Grounded

            self._grounded = Grounded.load(grounding, segment, progress)
            self.hashes |= self._grounded.hashes
        return self._grounded.masks(frames, target)
