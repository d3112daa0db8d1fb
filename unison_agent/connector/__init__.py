"""The connector: hidden states of the understanding model to prompt_embeds of a pipeline.

`contract` says what every connector reads, gives and was trained for; `resampler` is the library's own and
`projector` the paper's. None of them knows how states are read nor what is drawn from them.
"""

from unison_agent.connector.contract import Conditioning, Contract, States
from unison_agent.connector.projector import NO_CONTRACT, Projector, ProjectorShape, ProjMLP
from unison_agent.connector.resampler import UNPROMPTED, Connector, Resampler, Shape

__all__ = [
    "NO_CONTRACT",
    "UNPROMPTED",
    "Conditioning",
    "Connector",
    "Contract",
    "ProjMLP",
    "Projector",
    "ProjectorShape",
    "Resampler",
    "Shape",
    "States",
]
