"""Files of judgments in the formats of others, made small."""

import json
from pathlib import Path

import numpy as np

TRIALS, QUESTIONS = 6, 20


def write_avfs(folder: Path, *, seed: int = 0, faces: int = 12, annotators: int = 3) -> Path:
    """Write the six files of AVFS with made answers, and return the folder."""
    draw = np.random.default_rng(seed)
    whose = [f"0000-{i % annotators:04d}" for i in range(TRIALS)]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "ooo_train_val.json", trials(draw, whose, faces, split=True))
    write_json(folder / "ooo_test_same_stimuli.json", trials(draw, whose, faces, repeat=True))
    write_json(folder / "ooo_test_novel_stimuli.json", trials(draw, whose, faces))
    write_json(folder / "prescreener.json", prescreener(sorted(set(whose))))
    topics = [["smile", "happy", "teeth"], ["old", "wrinkles", "gray"]]
    write_json(folder / "dimension_topics.json", [labelled(i, annotator_id=whose[i], topics=topics[i]) for i in range(2)])
    ratings = [labelled(i % 2, annotator_id=whose[i], image_id=100 + i, image_rating=25 * i) for i in range(4)]
    write_json(folder / "image_rating.json", ratings)
    return folder


def trials(draw, whose, faces, *, split=False, repeat=False):
    """Return AVFS's trials; FFHQ's ids are not 0 to n - 1."""
    made = []
    for i, who in enumerate(whose):
        asked = np.random.default_rng(7) if repeat else draw
        questions = [(100 + 7 * asked.permutation(faces)[:3]).tolist() for _ in range(QUESTIONS)]
        made.append(
            {
                "triplet_questions": questions,
                "odd_one_out_positions": draw.integers(3, size=QUESTIONS).tolist(),
                "annotator_id": who,
            }
        )
        if split:
            made[i]["split"] = draw.integers(2, size=QUESTIONS).tolist()
    return made


def prescreener(ids):
    """Return what annotators say of themselves; the second named two regions, the third no age."""
    said = [(19, "AS", "AS-S", "female", "Indian"), (30, "AS, EU", "AS-E,EU-W", "male", "American"), (None, "EU", "", "", "")]
    keys = ("age", "ancestry_regions", "ancestry_subregions", "gender_id", "nationality")
    return [dict(zip(keys, said[i % 3], strict=True)) | {"annotator_id": who} for i, who in enumerate(ids)]


def labelled(dimension, **more):
    """Return an entry about a dimension."""
    return {"dimension_id": dimension, "original_dimension_id": 70 - dimension, **more}


def write_json(path, entries):
    """Write entries as AVFS does: an object keyed "0", "1", ..."""
    path.write_text(json.dumps({str(i): entry for i, entry in enumerate(entries)}), encoding="utf-8")
