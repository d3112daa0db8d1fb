"""Masks on photographs: what is salient, and what words name, by checkpoints of the real classes."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import PIL.Image
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL.Image import Image as Picture
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2Model,
    Sam2VisionConfig,
    SwinConfig,
)

from unison_agent.errors import DownloadError, MissingInputError
from unison_agent.preprocess.grounded import Box, Grounded
from unison_agent.preprocess.masks import MaskMaker
from unison_agent.preprocess.target_words import names_ground, names_subject
from unison_agent.preprocess.weight_files import U2NETP, fetch_weights
from unison_agent.specs import PreprocessSpec
from unison_agent.testing import ScriptedUnderstanding

COFFEE = cast("NDArray[np.uint8]", skimage.data.coffee())
CUP: Picture = PIL.Image.fromarray(COFFEE).resize((120, 80))


def never() -> ScriptedUnderstanding:
    pytest.fail("the understanding model is for flat scenes")


# --- tiny checkpoints ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("grounding")
    torch.manual_seed(0)
    text = BertConfig(
        vocab_size=32,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    swin = SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"],  # pyright: ignore[reportCallIssue]
    )  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=text, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        num_queries=6, disable_custom_kernels=True,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "the", "cup", "dog", "red"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("segment")
    torch.manual_seed(0)
    backbone = Sam2HieraDetConfig(
        hidden_size=8, image_size=[128, 128], blocks_per_stage=[1, 1, 2, 1], embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2], window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3], window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
    )  # fmt: skip
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
    )  # fmt: skip
    Sam2Model(config).save_pretrained(folder)
    return str(folder)


def test_both_models_load_from_folders_and_give_a_mask_a_frame(
    detector: str, segmenter: str
) -> None:
    grounded = Grounded.load(detector, segmenter, fits=0.0)
    boxes = grounded.boxes(CUP, "the cup")
    assert boxes
    assert all(len(box) == 4 for box in boxes)
    assert set(grounded.hashes) == {detector, segmenter}
    found = grounded.masks([CUP, CUP.rotate(5)], "all the cups")
    assert [mask.size for mask in found.masks] == [(120, 80)] * 2
    assert {mask.mode for mask in found.masks} == {"L"}
    assert set(np.unique(np.asarray(found.masks[0]))) <= {0, 255}


def test_words_that_nothing_fits_ask_for_a_mask(detector: str, segmenter: str) -> None:
    grounded = Grounded.load(detector, segmenter, fits=1.0)
    with pytest.raises(MissingInputError, match="'the dog' could not be found: nothing there fits"):
        grounded.masks([CUP], "the dog")


class Placed(Grounded):
    """Finds the boxes it was told of; what is in them is found by the model."""

    def place(self, *boxes: Sequence[Box]) -> None:
        self.told = list(boxes)
        self.asked: list[list[Box]] = []

    def boxes(self, frame: Picture, target: str) -> list[Box]:
        return list(self.told.pop(0))

    def _fill(self, frame: Picture, boxes: Sequence[Box]) -> np.ndarray:
        self.asked.append(list(boxes))
        super()._fill(frame, boxes)
        mask = np.zeros((frame.height, frame.width), np.bool_)
        for left, top, right, bottom in boxes:
            mask[int(top) : int(bottom), int(left) : int(right)] = True
        return mask


LEFT, LEFT_LATER, RIGHT = (
    (10.0, 10.0, 40.0, 40.0),
    (16.0, 12.0, 46.0, 42.0),
    (70.0, 10.0, 100.0, 40.0),
)


def test_of_several_boxes_the_one_where_the_thing_was_is_followed(
    detector: str, segmenter: str
) -> None:
    grounded = Placed.load(detector, segmenter)
    assert isinstance(grounded, Placed)
    grounded.place([LEFT], [RIGHT, LEFT_LATER], [])
    found = grounded.masks([CUP] * 3, "the cup")
    assert grounded.asked == [[LEFT], [LEFT_LATER]]
    assert found.missed == (2,)
    assert found.masks[2].tobytes() == found.masks[1].tobytes() != found.masks[0].tobytes()


def test_several_things_are_a_question_unless_all_are_meant(detector: str, segmenter: str) -> None:
    grounded = Placed.load(detector, segmenter)
    assert isinstance(grounded, Placed)
    grounded.place([LEFT, RIGHT])
    with pytest.raises(MissingInputError, match="2 things fit it"):
        grounded.masks([CUP], "the cup")
    grounded.place([LEFT, RIGHT])
    (mask,) = grounded.masks([CUP], "both cups").masks
    assert mask.getbbox() == (10, 10, 100, 40)


def test_models_that_are_not_there_say_so() -> None:
    spec = PreprocessSpec(grounding="nobody/nothing-here", segment="nobody/nothing-there")
    with pytest.raises(DownloadError, match="nobody/nothing-here could not be loaded"):
        MaskMaker(spec).find([CUP], "the cup", never)


# --- which of the ways ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "ground", "subject"),
    [
        ("the background", True, False),
        ("the main subject", False, True),
        ("it", False, True),
        ("the foreground", False, True),
        ("the cup", False, False),
        ("the red one", False, False),
    ],
)
def test_what_words_name(words: str, ground: bool, subject: bool) -> None:
    assert (names_ground(words), names_subject(words)) == (ground, subject)


def test_the_background_of_a_photograph_is_all_but_the_salient_thing() -> None:
    try:
        fetch_weights(U2NETP)
    except DownloadError as error:
        pytest.skip(f"the weights cannot be fetched here: {error.message}")
    maker = MaskMaker(PreprocessSpec(salient="u2netp"))
    (ground,) = maker.find([CUP], "the background", never).masks
    (subject,) = maker.find([CUP], "the subject", never).masks
    total = np.asarray(ground).astype(int) + np.asarray(subject)
    assert (total == 255).all()
    assert not np.asarray(ground)[30:50, 40:80].any()
    assert set(maker.hashes) == {"u2netp.onnx"}


def test_flat_scenes_need_no_networks() -> None:
    scene = PIL.Image.new("RGB", (64, 64), (60, 110, 220))
    scene.paste((220, 50, 50), (16, 16, 48, 48))
    maker = MaskMaker(PreprocessSpec(salient="u2netp"))
    (mask,) = maker.find([scene], "the background", ScriptedUnderstanding).masks
    assert np.asarray(mask)[:8].all()
    assert not np.asarray(mask)[20:44, 20:44].any()
    assert maker.hashes == {}


def test_a_clip_that_fades_in_from_black_is_read_as_the_photographs_it_shows(
    detector: str, segmenter: str
) -> None:
    black = PIL.Image.new("RGB", CUP.size)
    # Packs name repositories; folders stand in for them here.
    maker = MaskMaker(PreprocessSpec.model_construct(grounding=detector, segment=segmenter))
    with suppress(MissingInputError):  # what networks of random weights find does not matter
        maker.find([black, CUP], "the cup", ScriptedUnderstanding)
    assert set(maker.hashes) == set(Grounded.load(detector, segmenter).hashes)
    without = MaskMaker(PreprocessSpec())
    with pytest.raises(MissingInputError, match="on a photograph nothing here can tell it"):
        without.find([black, CUP], "the cup", ScriptedUnderstanding)
    with pytest.raises(MissingInputError, match="nothing stands out"):
        without.find([black, black], "the cup", ScriptedUnderstanding)


def test_a_photograph_that_nothing_here_can_read_asks_for_a_mask() -> None:
    with pytest.raises(MissingInputError, match="on a photograph nothing here can tell it"):
        MaskMaker(PreprocessSpec()).find([CUP], "the background", never)
    with pytest.raises(MissingInputError, match="nothing here can tell it"):
        MaskMaker(PreprocessSpec(salient="u2netp")).find([CUP], "the cup", never)


def test_hashes_are_of_the_weights(detector: str, segmenter: str) -> None:
    first, again = (Grounded.load(detector, segmenter).hashes for _ in range(2))
    assert first == again
    assert all(Path(name).is_dir() for name in first)
