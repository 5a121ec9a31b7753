"""Models: `load("fairface")`, `names(kind="embed")`, `card("tddfa")`. A file here without an underscore is one model."""

from facevalue.models._card import Card, File, Input, Output
from facevalue.models._licences import data_licences, materials, model_licences, unpermissive
from facevalue.models._perceptual import PERCEPTUAL, install, installed, perception, perceptual_name, vectors
from facevalue.models._registry import Model, adopt, calibration, card, load, names, permissive, prepare, preprocessing, verify
from facevalue.models._spread import SPREAD

__all__ = [
    "PERCEPTUAL",
    "SPREAD",
    "Card",
    "File",
    "Input",
    "Model",
    "Output",
    "adopt",
    "calibration",
    "card",
    "data_licences",
    "install",
    "installed",
    "load",
    "materials",
    "model_licences",
    "names",
    "perception",
    "perceptual_name",
    "permissive",
    "prepare",
    "preprocessing",
    "unpermissive",
    "vectors",
    "verify",
]
