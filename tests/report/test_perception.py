import numpy as np
import pytest

from facevalue.data.files import read_findings
from facevalue.data.findings import Findings, concatenate
from facevalue.data.perception import Perception
from facevalue.data.triplets import Triplets
from facevalue.report.page import html
from facevalue.report.perception import Result, digest, figures, page, sentences, write_perception_report
from facevalue.studies.perception import evaluate

from .alone import outside
from .saved import draws_again


def made(*, annotators=6, masks=True, train=False, t=500, repeat=True):
    """Return the findings of a made model that is judged by answers of annotators of whom one has a mark-up name."""
    draw = np.random.default_rng(0)
    names, who = [f"f{i}" for i in range(10 if repeat else 60)], ["b<o>", *(f"a{i}" for i in range(1, annotators))]
    x = np.abs(draw.normal(size=(len(names), 4))).astype(np.float32)
    link = draw.uniform(0.3, 2, (annotators, 4)).astype(np.float32) if masks else np.zeros((0, 4), np.float32)
    known = who if masks else []
    model = Perception("m<1>", np.array(names, object), x, np.array(known, object), link, {name: name for name in known})
    items = np.argsort(draw.random((t, len(names))), 1)[:, :3]
    answers = Triplets(items, draw.integers(0, 3, t), draw.choice(who, t), names, "odd_one_out")
    return evaluate(model, answers, level=0.9, seed=0, train=answers[: t // 4] if train else None)


def result(findings, name="m", done=()):
    return Result(findings, name, 0, "odd_one_out", done)


FOUND = made(train=True)


def row(measure, group="all"):
    return next(r for r in FOUND.to_rows() if (r["measure"], r["group"]) == (measure, group))


def test_the_page_stands_alone_and_escapes_names():
    text = html(page(result(FOUND, "m<1>", ["Done <so>."])))
    assert not outside(text)
    assert "m<1>" not in text
    assert "m&lt;1&gt;" in text
    assert "Done &lt;so&gt;." in text
    assert "answers of these annotators about these faces" in text
    assert "on 500 answers of 6 annotators about 10 faces, each to the question of the odd one out of three" in text
    assert "(100 permutations; Andrews et al., 2023). Seed 0." in text
    assert text.count("<th ") == text.count("<th scope=")
    assert text.count("<img ") == text.count(" alt=") == 4


def test_sentences_say_what_a_value_is_compared_with():
    first, *others = sentences(FOUND)
    accuracy = row("accuracy")
    shown = [f"{100 * accuracy[name]:.1f}" for name in ("value", "low", "high")]
    assert first == f"It says {shown[0]} % of the answers right ({shown[1]} to {shown[2]}); a guess says 33.3 %."
    assert any(f"says {100 * row('typical_mask.accuracy')['value']:.1f} % right" in line for line in others)
    assert any(f"{100 * row('swapped_masks.accuracy')['value']:.1f} %" in line for line in others)
    assert others[-1].startswith(f"{int(row('train.query')['value'])} answers of 500 are to queries")


def test_random_answers_do_not_tell_whether_masks_help_or_people_agree():
    told = " ".join(sentences(FOUND))
    lost = row("typical_mask.accuracy_lost")
    assert ("do not tell whether" in told) == (lost["low"] <= 0 <= lost["high"])
    assert ("How well it could do is not known" in told) == (row("rater_blind_bound")["value"] is None)


def test_the_table_holds_every_figure_of_all_answers_as_it_was_found():
    parts = digest(result(FOUND, "m"))["parts"]
    lines = {line["label"]: line for rows in parts.values() for line in rows}
    accuracy = row("accuracy")
    assert lines["answers said right"] == {
        "label": "answers said right",
        "value": f"{accuracy['value']:.3f}",
        "ends": f"{accuracy['low']:.3f} to {accuracy['high']:.3f}",
        "n": 500,
        "method": "over annotators and faces",
    }
    assert lines["answers whose query stands in the training data"]["value"] == f"{row('train.query')['value']:.0f}"
    assert list(parts)[0] == "The model"
    assert "What the model had seen before" in parts
    bare = digest(result(made(masks=False), "m"))["parts"]
    assert "Annotators' own masks" not in bare
    assert "What the model had seen before" not in bare


def test_points_of_the_plots_are_the_findings():
    drawn = figures(FOUND)
    curve = drawn["elimination"].axes[0].get_lines()[0].get_ydata()
    assert list(curve) == [row("accuracy", f"{k} dimension{'s' * (k > 1)}")["value"] for k in range(1, 5)]
    labels = [text.get_text() for text in drawn["ladder"].axes[0].get_yticklabels()]
    assert labels[:3] == ["own masks", "typical mask", "swapped masks"]
    assert drawn["ladder"].axes[0].get_lines()[0].get_xdata()[0] == row("accuracy")["value"]
    heights = [line.get_ydata()[0] for line in drawn["annotators"].axes[0].get_lines() if len(line.get_xdata()) == 1]
    assert heights == sorted(heights)
    assert sorted(heights) == sorted(
        r["value"] for r in FOUND.to_rows() if r["group"].startswith("annotator") and r["measure"] == "accuracy"
    )
    names = [text.get_text() for text in drawn["annotators"].axes[0].get_xticklabels()]
    assert "b<o>" in names
    bins = [r for r in FOUND.to_rows() if r["measure"] == "said"]
    assert len([line for line in drawn["reliability"].axes[0].get_lines() if line.get_marker() == "o"]) == len(bins)


def test_files_hold_what_the_study_found(tmp_path):
    names = write_perception_report(result(FOUND), tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert read_findings(tmp_path / "findings.csv").value == pytest.approx(FOUND.value, nan_ok=True)
    assert {"ladder.svg", "reliability.png", "elimination.svg", "annotators.png"} < set(names)
    assert (tmp_path / "perception.html").read_text(encoding="utf-8") == html(page(result(FOUND)))
    assert draws_again(tmp_path / "perception.html")


def test_the_tables_beside_the_plots_hold_their_points():
    values = page(result(FOUND)).values
    last = values["curve"][-1]
    assert (len(values["curve"]), last["k"]) == (4, 4)
    assert last["chief"]["value"] == last["by_face"]["value"] == f"{row('accuracy', '4 dimensions')['value']:.3f}"
    bins = [r["value"] for r in FOUND.to_rows() if r["measure"] == "came_true"]
    assert [point["value"] for point in values["bins"]] == [f"{value:.3f}" for value in bins]
    assert {line["label"] for line in values["people"]} == {"b<o>", *(f"a{i}" for i in range(1, 6))}


def test_without_masks_or_known_annotators_or_agreement_there_is_a_page_too():
    bare = made(masks=False, repeat=False, t=60)
    assert "How well it could do is not known" in " ".join(sentences(bare))
    nobody = bare[np.array([not group.startswith("annotator") for group in bare.group])]
    assert set(figures(nobody)) == {"ladder", "reliability", "elimination"}
    text = html(page(result(nobody)))
    assert "Whom does it know best?" not in text
    assert "The typical mask was used for 60 answers" in text


def test_many_annotators_are_a_band_without_names():
    many = made(annotators=70, t=900)
    axes = figures(many)["annotators"].axes[0]
    assert len(axes.get_xticklabels()) == 0
    assert len(axes.get_lines()[0].get_ydata()) == 70
    assert digest(result(many, "m"))["spread"] == sorted(digest(result(many, "m"))["spread"])


def test_rows_of_other_studies_do_not_disturb_the_page():
    other = {"study": "perception", "measure": "auroc gender", "group": "all", "value": 0.6, "low": 0.5, "high": 0.7}
    more = Findings.from_rows([other | {"level": 0.9, "n": 6, "method": "bootstrap", "run": "m"}])
    assert "gender, all" in html(page(result(concatenate([FOUND, more]))))
