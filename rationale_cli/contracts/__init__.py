"""The nouns: protocols and frozen values that plugins and the core share (no torch at run time)."""

from .attribution import Attribution, Explanation, Repeated, Specification, Specified
from .checkpoint import Checkpoint
from .checkpoint_format import CheckpointFormat, ForeignCheckpoint, Restored
from .classifier import SCALARS, Classifier, Family, Scalar, Spoken, Word, Worded
from .dataset import Dataset, MaskRules, Nominal, Split
from .method import Drawn, Fitted, Method, MethodOptions, Step, Support
from .model import (
    DeepPromptLearnable,
    Matching,
    Part,
    Preprocessing,
    PromptDimensions,
    PromptLearnable,
    VisionLanguageModel,
)
from .options import PluginOptions, Protocols
from .progress import Progress, Silent
from .regularizer import (
    IMAGES,
    MASKS,
    ImageTuning,
    MaskedTerm,
    Masks,
    Outputs,
    Regularizer,
    RegularizerOptions,
    Setting,
    Term,
    TextTuning,
    TunedTexts,
    Watching,
)
from .sample import Boxes, Evidence, Mask, Sample, Task

__all__ = [
    "IMAGES",
    "MASKS",
    "SCALARS",
    "Attribution",
    "Boxes",
    "Checkpoint",
    "CheckpointFormat",
    "Classifier",
    "Dataset",
    "DeepPromptLearnable",
    "Drawn",
    "Evidence",
    "Explanation",
    "Family",
    "Fitted",
    "ForeignCheckpoint",
    "ImageTuning",
    "Mask",
    "MaskRules",
    "MaskedTerm",
    "Masks",
    "Matching",
    "Method",
    "MethodOptions",
    "Nominal",
    "Outputs",
    "Part",
    "PluginOptions",
    "Preprocessing",
    "Progress",
    "PromptDimensions",
    "PromptLearnable",
    "Protocols",
    "Regularizer",
    "RegularizerOptions",
    "Repeated",
    "Restored",
    "Sample",
    "Scalar",
    "Setting",
    "Silent",
    "Specification",
    "Specified",
    "Split",
    "Spoken",
    "Step",
    "Support",
    "Task",
    "Term",
    "TextTuning",
    "TunedTexts",
    "VisionLanguageModel",
    "Watching",
    "Word",
    "Worded",
]
