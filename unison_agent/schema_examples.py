"""Examples of what goes over the wire, shown in the schemas; each is a valid value of its model."""

from datetime import UTC, datetime

from unison_agent.packs import (
    ConnectorSpec,
    Defaults,
    Limits,
    Pack,
    PipelineSpec,
    ToolSpec,
    UnderstandingSpec,
)
from unison_agent.replay import MediaHash, Record, Version, WeightHash
from unison_agent.tasks import (
    Adjustment,
    Attachment,
    Choice,
    CustomCall,
    Evidence,
    Granted,
    GrantedAnswer,
    GrantedCustom,
    GrantedImage,
    GrantedVideo,
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    ImageUnderstanding,
    MissingInput,
    Plan,
    RejectedTool,
    Request,
    TaskCall,
    TextToImage,
    TextToVideo,
    TextUnderstanding,
    VideoControllableGeneration,
    VideoEditing,
    VideoReferenceGeneration,
    VideoUnderstanding,
)


def calls() -> tuple[TaskCall, ...]:
    """Return one call of each task, with some of what can be stated."""
    return (
        TextUnderstanding(task="text_understanding", question="What is a depth map?"),
        ImageUnderstanding(task="image_understanding", question="How many stars are there?"),
        VideoUnderstanding(task="video_understanding", question="Which way does the car move?"),
        TextToImage(
            task="text_to_image",
            prompt="Draw a red star on a blue background, 64 by 64",
            width=64,
            height=64,
        ),
        TextToVideo(
            task="text_to_video",
            prompt="A 2 second clip of a green car that moves right, without text",
            negative_prompt="text",
            duration_seconds=2,
        ),
        ImageToVideo(
            task="image_to_video", prompt="Let it rise, 8 fps", first_frame="image_1", fps=8
        ),
        ImageEditing(
            task="image_editing",
            prompt="Turn the star green",
            source="image_1",
            target="the star",
        ),
        VideoEditing(
            task="video_editing",
            prompt="Make what is marked yellow",
            source="video_1",
            mask="image_1",
        ),
        ImageControllableGeneration(
            task="image_controllable_generation",
            prompt="A red house with these edges, square, seed 7",
            control="image_1",
            control_type="canny",
            aspect_ratio="square",
            seed=7,
        ),
        VideoControllableGeneration(
            task="video_controllable_generation",
            prompt="A blue ball that follows this depth, in 480p",
            control="video_1",
            control_type="depth",
            resolution="480p",
        ),
        ImageReferenceGeneration(
            task="image_reference_generation",
            prompt="Two pictures of this cat on a green background",
            references=("image_1",),
            num_outputs=2,
        ),
        VideoReferenceGeneration(
            task="video_reference_generation",
            prompt="This cat walks left, 17 frames",
            references=("image_1",),
            num_frames=17,
        ),
    )


def plans() -> tuple[Plan, ...]:
    """Return a plan of one step, one of two, one of a custom tool, and one that says what is missing."""
    text = "Draw a red star on a blue background, 64 by 64"
    start, end = text.index("64 by"), len(text)
    return (
        Plan(
            request=Request(text=text),
            steps=(TextToImage(task="text_to_image", prompt=text, width=64, height=64),),
            evidence=(
                Evidence(step=1, field="width", start=start, end=start + 2),
                Evidence(step=1, field="height", start=end - 2, end=end),
            ),
            confidence=0.98,
        ),
        Plan(
            request=Request(
                text="Turn the star green, then let it move right",
                attachments=(Attachment(handle="image_1", kind="image"),),
            ),
            steps=(
                ImageEditing(
                    task="image_editing",
                    prompt="Turn the star green",
                    source="image_1",
                    target="the star",
                ),
                ImageToVideo(
                    task="image_to_video", prompt="let it move right", first_frame="step_1"
                ),
            ),
        ),
        Plan(
            request=Request(
                text="crop this to 32 by 16",
                attachments=(Attachment(handle="image_1", kind="image"),),
            ),
            steps=(
                CustomCall(tool="crop", arguments={"image": "image_1", "width": 32, "height": 16}),
            ),
        ),
        Plan(
            request=Request(text="Turn the star green"),
            missing=MissingInput(slot="source", question="Which image has the star?"),
        ),
    )


def granted() -> tuple[Granted, ...]:
    """Return what was granted of an answer, images, a clip that could not be as asked, and a custom tool."""
    chosen = Choice(
        reason="nano-video can do all that is asked.",
        rejected=(RejectedTool(tool="sdxl", reason="it would change width 64 to 512."),),
    )
    return (
        GrantedAnswer(output="text", tool="nano-answer", max_new_tokens=48),
        _granted_image().model_copy(update={"choice": chosen}),
        _granted_image(),
        GrantedVideo(
            output="video",
            tool="nano-video",
            width=64,
            height=64,
            num_frames=17,
            fps=8,
            steps=12,
            guidance_scale=3,
            seed=7,
            num_outputs=1,
            adjustments=(
                Adjustment(
                    field="num_frames",
                    asked=24,
                    granted=17,
                    rule="frame_range",
                    reason="num_frames is 5 to 17",
                ),
            ),
        ),
        GrantedCustom(output="custom", tool="crop", num_outputs=1),
    )


def _granted_image() -> GrantedImage:
    return GrantedImage(
        output="image",
        tool="nano-video",
        width=64,
        height=64,
        steps=12,
        guidance_scale=3,
        seed=7,
        num_outputs=1,
    )


def record() -> Record:
    """Return the record of an image."""
    return Record(
        schema_version=1,
        unison_version="0.1.0",
        plan=plans()[0],
        granted=(_granted_image(),),
        profile="nano",
        weights=(WeightHash(name="pipeline/transformer", sha256="0" * 64),),
        media=(MediaHash(handle="image_1", kind="image", sha256="f" * 64),),
        step=1,
        index=1,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        versions=(Version(name="diffusers", version="0.35.0"),),
    )


def pack() -> Pack:
    """Return a pack of one tool that answers and one that draws."""
    return Pack(
        profile="example",
        description="Small models for images of 64x64 pixels and clips of up to 17 frames.",
        understanding=UnderstandingSpec(source="nano", weights="nano", layer=20),
        tools=(
            ToolSpec(
                name="example-answer",
                tasks=("text_understanding", "image_understanding"),
                adapter="answer",
                defaults=Defaults(max_new_tokens=48),
            ),
            ToolSpec(
                name="example-video",
                tasks=("text_to_image", "text_to_video"),
                adapter="video",
                pipeline=PipelineSpec(
                    source="nano",
                    folder="pipeline",
                    text_encoder=False,
                    vae_spatial=4,
                    vae_temporal=1,
                ),
                connector=ConnectorSpec(file="connector.safetensors", required=True),
                defaults=Defaults(
                    width=64, height=64, num_frames=17, fps=8, steps=12, guidance_scale=3
                ),
                limits=Limits(
                    width=(64, 64),
                    height=(64, 64),
                    multiple_of=16,
                    max_area=4096,
                    num_frames=(5, 17),
                    frame_rule="4n+1",
                    fps=(4, 16),
                    native_fps=8,
                    steps=(1, 50),
                    guidance_scale=(0, 10),
                    num_outputs=4,
                    references=1,
                ),
            ),
        ),
    )
