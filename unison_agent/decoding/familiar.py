"""What plans in JSON look like; nothing but speed depends on it."""

from typing import Final

# For the decoder to guess from: a plan that does not only takes longer to write.
FAMILIAR_PLANS: Final = (
    ',"prompt":"',
    '{"task":"text_to_image","width":64,"height":64,"prompt":"',
    '{"task":"text_to_video","duration_seconds":2,"fps":8,"prompt":"',
    '{"task":"image_to_video","first_frame":"image_1","last_frame":"image_2","prompt":"',
    '{"task":"image_editing","source":"image_1","mask":"image_2","target":"',
    '{"task":"video_editing","source":"video_1","target":"',
    '{"task":"image_controllable_generation","control":"image_1","control_type":"depth","prompt":"',
    '{"task":"video_controllable_generation","control":"video_1","control_type":"depth","prompt":"',
    '{"task":"image_reference_generation","references":["image_1"],"prompt":"',
    '{"task":"video_reference_generation","references":["image_1"],"prompt":"',
    '{"task":"text_understanding"}',
    '{"task":"image_understanding"}',
    '{"task":"video_understanding"}',
    '","then":{"task":"image_to_video","first_frame":"step_1","prompt":"',
)
