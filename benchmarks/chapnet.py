"""CHAPNet on drawn scenes, whose right answer is known: the train x test matrix, what context alone tells, each branch's part.

    python benchmarks/chapnet.py

writes results/chapnet.csv. Two questions, each with scenes of its own:
  mixed      every label shows in the face and, less surely, in the context: nets trained intact and on hidden faces, both
             shown both. Goal: on hidden faces, the net trained on them is right at least 10 points more often.
  context    labels show in the context alone: one net. Goal: right more often than .9, and no better than chance without
             its context branches.
Nothing is chosen by the test part: the epoch by half of the validation part, all else beforehand. `--scenes`, `--epochs` and
`--size` make it smaller; `--tries` tries settings on the validation part alone, and writes nothing.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from figures import LEVEL, Ends, Figure, stack, told, write

from facevalue.data.dpac import LABELS
from facevalue.data.findings import Findings, concatenate
from facevalue.train import chapnet
from facevalue.train.chapnet_augment import Augmentation
from facevalue.train.chapnet_data import Condition
from facevalue.train.chapnet_loop import Config
from facevalue.train.chapnet_tested import under_conditions
from facevalue.train.scenes import Cues, write_scenes
