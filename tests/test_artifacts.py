from collections.abc import Iterator

import PIL.Image
import pytest

from unison_agent.artifacts import ArtifactStore, handle_of, names_artifact
from unison_agent.errors import ToolCallError
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.replay import Record
from unison_agent.result import Artifact
from unison_agent.tasks import GrantedImage, Plan, Request, TextToImage

PLAN = Plan(
    request=Request(text="a star"), steps=(TextToImage(task="text_to_image", prompt="a star"),)
)
GRANTED = GrantedImage(
    output="image",
    tool="x",
    width=8,
    height=8,
    steps=1,
    guidance_scale=1,
    seed=0,
    num_outputs=1,
)


def artifact(medium: Medium) -> Artifact:
    record = Record.of(
        plan=PLAN,
        granted=(GRANTED,),
        profile="echo",
        weights=(),
        media=MediaSet(),
        step=1,
        index=1,
    )
    return Artifact("step_1", medium, record)


def picture(red: int, side: int = 8) -> Artifact:
    return artifact(Image.from_pil(PIL.Image.new("RGB", (side, side), (red, 0, 0))))


def pictures() -> Iterator[Artifact]:
    return (picture(red) for red in range(256))


def test_an_artifact_is_found_under_its_handle_and_its_address() -> None:
    store = ArtifactStore()
    made = picture(1)
    info = store.keep(made)
    assert info.handle == handle_of(made.medium)
    assert names_artifact(info.handle)
    assert names_artifact(info.uri)
    assert store.get(info.handle) is made
    assert store.open(info.uri) is made
    assert info.handle in store
    assert info.uri in store
    assert store.info(info.handle) == info
    assert store.keep(picture(1)) == info
    assert len(store) == 1


def test_clips_say_their_frames() -> None:
    clip = Video.from_frames([PIL.Image.new("RGB", (8, 4))] * 5, 10)
    info = ArtifactStore().keep(artifact(clip))
    assert info.handle.startswith("video-")
    assert (info.num_frames, info.fps, info.num_bytes) == (5, 10, 8 * 4 * 3 * 5)


@pytest.mark.parametrize(
    "text", ["image_1", "video_1", "image-", "image-xyz", "photo-12ab", "star.png", "data:,", ""]
)
def test_other_words_are_no_handles(text: str) -> None:
    assert not names_artifact(text)


def test_what_is_not_used_for_longest_goes_first() -> None:
    store = ArtifactStore(most=3)
    some = pictures()
    first, second, third = (store.keep(next(some)) for _ in range(3))
    store.open(first.handle)
    fourth = store.keep(next(some))
    assert [info.handle for info in store] == [fourth.handle, first.handle, third.handle]
    with pytest.raises(ToolCallError, match="At most 3 are kept"):
        store.open(second.handle)


def test_pixels_are_bounded_and_the_latest_is_always_kept() -> None:
    store = ArtifactStore(most_bytes=2 * 8 * 8 * 3)
    for one in pictures():
        store.keep(one)
        assert len(store) <= 2
    large = store.keep(picture(3, side=64))
    assert [info.handle for info in store] == [large.handle]


def test_an_unknown_handle_is_told_with_what_comes_nearest() -> None:
    store = ArtifactStore()
    kept = store.keep(picture(1)).handle
    wrong = f"{kept[:-1]}{'0' if kept[-1] != '0' else '1'}"
    with pytest.raises(ToolCallError) as caught:
        store.open(wrong)
    assert caught.value.nearest == (kept,)
    assert caught.value.got == wrong


def test_a_session_sees_its_own_and_what_belongs_to_nobody() -> None:
    store = ArtifactStore()
    shared = store.keep(picture(1))
    mine, other = store.keep(picture(2), owner="a"), store.keep(picture(3), owner="b")
    assert store.open(shared.handle, owner="a")
    assert store.open(mine.handle, owner="a")
    assert set(store.handles("a")) == {shared.handle, mine.handle}
    with pytest.raises(ToolCallError, match="belongs to a session, and this is another one"):
        store.open(other.handle, owner="a")
    with pytest.raises(ToolCallError, match="this call is outside of any"):
        store.open(mine.handle)
    assert store.get(mine.handle)  # the program itself may see all
    store.keep(picture(3), owner="a")  # made by both
    assert store.open(other.handle, owner="a")
    with pytest.raises(ToolCallError) as caught:
        store.open("image-000000000000", owner="a")
    assert "b" not in caught.value.nearest
