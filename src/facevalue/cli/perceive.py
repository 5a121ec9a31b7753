"""`facevalue perceive`: fit, evaluate, embed, explain, compare, rater, forget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facevalue.cli._options import Consent, Level, Out, Permissive, Purpose, Quiet, Seed

if TYPE_CHECKING:
    from facevalue.data.findings import Findings
    from facevalue.data.perception import Perception

LISTED = 24
app = typer.Typer(
    help="Faces as people see them: embeddings out of judgments, with a mask for each annotator.", no_args_is_help=True
)
Files = Annotated[
    list[Path], typer.Argument(help="Files of answers, see `facevalue judgments`, or one matrix of similarities.")
]
Model = Annotated[str, typer.Argument(help="Folder of a fitted model, perceptual.NAME, or avfs_cph and the like.")]
Kind = Annotated[str | None, typer.Option(help="odd_one_out, anchor or ranking, where the file does not say it.")]
Format = Annotated[str | None, typer.Option(help="Of the answers: avfs, triplets, things, rankings or facevalue.")]
Photos = Annotated[list[str] | None, typer.Option(help="Photos of the judged faces, named as the answers name them.")]
Detector = Annotated[str, typer.Option(help="Name of the detector that finds the faces of photos.")]
Columns = Annotated[Path | None, typer.Option(help="A .csv of further facts a face, its first column the face.")]
Annotators = Annotated[Path | None, typer.Option(help="What annotators say of themselves: AVFS's prescreener.json.")]


@app.command()
def fit(
    judgments: Files,
    out: Out,
    name: Annotated[str, typer.Option(help="The instrument will be perceptual.NAME.")] = "mine",
    mask: Annotated[str, typer.Option(help="none, annotator or group.")] = "none",
    annotators: Annotators = None,
    by: Annotated[str, typer.Option(help="Which groups: age_group, gender_id, ancestry_regions, ...")] = "gender_id",
    link: Annotated[str, typer.Option(help="Of the masks: sigmoid or softplus.")] = "sigmoid",
    after: Annotated[bool, typer.Option("--after", help="Fit the masks to an embedding that stays as it is.")] = False,
    photos: Photos = None,
    on: Annotated[str | None, typer.Option(help="Columns to place faces by; dlib_resnet.embedding with --photos.")] = None,
    config: Annotated[str | None, typer.Option(help="AVFS's own encoder: a YAML file, or avfs_u, avfs_c, ...")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Of the encoder that avfs_cph starts from.")] = None,
    part: Annotated[str | None, typer.Option(help="Of the answers' column split; train, or all where it has none.")] = None,
    dimensions: Annotated[int, typer.Option(help="At first; those without evidence are pruned.", min=1)] = 36,
    sparsity: Annotated[float, typer.Option(help="Rate of the prior on the embedding.", min=0)] = 6.0,
    restarts: Annotated[int, typer.Option(help="Starts; dimensions must be found again by the others.", min=1)] = 2,
    prune: Annotated[bool, typer.Option(help="Drop dimensions without evidence.")] = True,
    detector: Detector = "centerface",
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    kind: Kind = None,
    format: Format = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Fit an embedding of faces, and masks, to people's answers (extra `train`).

    Example: `facevalue perceive fit answers.csv --mask annotator --out model`; with `--photos faces/` it embeds new faces.
    """
    from facevalue.cli import _consent, _fit, _perceive
    from facevalue.data.annotators import read_annotators

    _fit.check(
        name=name, mask=mask, link=link, after=after, annotators=annotators, photos=photos, on=on, config=config,
        checkpoint=checkpoint, part=part,
    )  # fmt: skip
    allowed = _consent.permission(consent, purpose)
    groups = None if annotators is None else read_annotators(annotators).groups(by)
    if config is not None:
        asked = _fit.Encoder(config, checkpoint, tuple(photos or ()), groups, prune, detector, allowed)
        model = _fit.encoder(asked, judgments, out, name=name, kind=kind, format=format, quiet=quiet)
    else:
        estimator = _fit.estimator(
            seed=seed, dimensions=dimensions, mask=mask, link=link, timing="after" if after else "joint", sparsity=sparsity,
            restarts=restarts, prune=prune, name=name,
        )  # fmt: skip
        answers = _fit.answers(judgments, part, kind=kind, format=format)
        columns = tuple(word.strip() for word in (on or "dlib_resnet.embedding").split(",")) if photos else ()
        if only_permissive and photos:
            _perceive.check_permissive(detector, _perceive.instruments_of(columns))
        model = _fit.fitted(
            estimator, answers, out, photos=tuple(photos or ()), columns=columns, detector=detector, groups=groups, quiet=quiet,
            permission=allowed,
        )  # fmt: skip
    if not quiet:
        _print_model(model, out)


@app.command()
def evaluate(
    model: Model,
    judgments: Files,
    out: Out,
    part: Annotated[str | None, typer.Option(help="Of the answers' column split; test, or all where it has none.")] = None,
    train: Annotated[list[Path] | None, typer.Option(help="What the model was fitted to, to count leaks.")] = None,
    human: Annotated[Path | None, typer.Option(help="A matrix of how alike people find the faces.")] = None,
    annotators: Annotators = None,
    columns: Columns = None,
    photos: Photos = None,
    detector: Detector = "centerface",
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    kind: Kind = None,
    format: Format = None,
    level: Level = 0.9,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Judge a model by answers: accuracy against chance, ceiling and bound, calibration, masks swapped, dimensions removed.

    Example: `facevalue perceive evaluate model answers.csv --out results`; with `--photos` about faces that it never saw.
    """
    from facevalue.cli import _consent, _perceive, _show
    from facevalue.data.annotators import read_annotators
    from facevalue.data.findings import concatenate
    from facevalue.data.judged import part as part_of
    from facevalue.data.judged import read_facts
    from facevalue.data.similarities import read_similarities
    from facevalue.report import perception as report
    from facevalue.studies import attributes, perception
    from facevalue.studies.explanation import explain as explain_dimensions

    allowed = _consent.permission(consent, purpose)
    found = _perceive.read_model(model)
    given = _perceive.one_kind(judgments, kind=kind, format=format)
    answers = part_of(given, part, "test")
    before = part_of(_perceive.one_kind(train, kind=kind, format=format), None, "train") if train else None
    matrix = None if human is None else read_similarities(human)
    tables = {} if annotators is None else _perceive.groupings(found, read_annotators(annotators))
    if photos:
        if only_permissive:
            _perceive.check_permissive(detector, _perceive.needed(found))
        found, answers = _perceive.with_photos(
            found, answers, photos, out / "faces", detector=detector, quiet=quiet, permission=allowed
        )
    with _show.progress("evaluating", "parts", quiet=quiet) as progress:
        findings = perception.evaluate(found, answers, level=level, seed=seed, human=matrix, train=before, progress=progress)
    parts = [attributes.group_auroc(found.masks, groups, name=by, level=level, seed=seed) for by, groups in tables.items()]
    if columns is not None:
        facts = read_facts(columns, found.items)
        parts.append(explain_dimensions(found, found.items, found.embedding, facts=facts, level=level, seed=seed))
    findings = concatenate([findings, *parts])
    done = [f"{len(answers)} of {len(given)} {answers.kind} answers out of {', '.join(map(str, judgments))}."]
    result = report.Result(findings, found.name, seed, answers.kind, done)
    files = report.write_perception_report(result, out)
    if not quiet:
        for sentence in report.digest(result)["sentences"]:
            typer.echo(sentence)
        typer.echo(f"{', '.join(files)}: in {out}")


@app.command()
def embed(
    model: Model,
    photos: Annotated[list[str], typer.Argument(help="Photos, folders, globs, lists (.txt, .csv), parquet files with bytes.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the results, or - for JSON lines on stdout.")],
    instruments: Annotated[str, typer.Option(help="Other instruments to measure with, with commas.")] = "",
    detector: Detector = "centerface",
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    quiet: Quiet = False,
) -> None:
    """Install a model as the instrument perceptual.NAME, and measure photos with it, as `annotate` does from then on.

    Example: `facevalue perceive embed model photos/ --out results`.
    """
    from facevalue.cli import _perceive
    from facevalue.cli.annotate import annotate

    names = ",".join(filter(None, (instruments, _perceive.instrument(model, quiet=quiet))))
    annotate(
        photos, out, instruments=names, detector=detector, consent=consent, purpose=purpose,
        only_permissive=only_permissive, quiet=quiet,
    )  # fmt: skip


@app.command()
def explain(
    model: Model,
    out: Out,
    photos: Photos = None,
    columns: Columns = None,
    topics: Annotated[Path | None, typer.Option(help="AVFS's dimension_topics.json.")] = None,
    ratings: Annotated[Path | None, typer.Option(help="AVFS's image_rating.json.")] = None,
    instruments: Annotated[str, typer.Option(help="Instruments whose columns are compared, with commas.")] = "default",
    detector: Detector = "centerface",
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    level: Level = 0.9,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Show each dimension: the faces along it, its words, what it goes with, and how much each annotator weighs it.

    Example: `facevalue perceive explain model --photos faces/ --out results`.
    """
    from dataclasses import replace

    from facevalue.annotate.instruments import named
    from facevalue.cli import _consent, _explain, _perceive
    from facevalue.data.annotators import read_ratings, read_topics
    from facevalue.data.judged import read_facts
    from facevalue.report import dimensions as report
    from facevalue.studies import explanation as study

    allowed = _consent.permission(consent, purpose)
    found = _perceive.read_model(model)
    if only_permissive and photos:
        _perceive.check_permissive(detector, [*named(instruments.split(",")), *_perceive.needed(found)])
    shown, facts = _explain.shown(
        found, tuple(photos or ()), out, instruments=instruments, detector=detector, quiet=quiet, permission=allowed
    )
    facts = {**facts, **({} if columns is None else read_facts(columns, shown.names))}
    words = None if topics is None else read_topics(topics)
    rated = None if ratings is None else read_ratings(ratings)
    findings = study.explain(
        found, shown.names, shown.dimensions, facts=facts, topics=words, rated=rated, level=level, seed=seed
    )
    told = replace(shown, findings=findings, notes=_explain.notes(findings), seed=seed)
    files = report.write_dimensions(told, out)
    if not quiet:
        _print_dimensions(report.digest(told))
        typer.echo(f"{', '.join(files)}: in {out}")


@app.command()
def compare(
    model: Model,
    first: Annotated[str, typer.Argument(help="Photos, or the result of annotate.")],
    second: Annotated[str, typer.Argument(help="Others.")],
    out: Out,
    size: Annotated[int | None, typer.Option(help="Also choose so many of each that are as alike as can be.", min=2)] = None,
    detector: Detector = "centerface",
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    level: Level = 0.9,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Compare two sets of faces along the dimensions of a model, without labels; choose balanced subsets.

    Example: `facevalue perceive compare model ours/ theirs/ --size 200 --out results`.
    """
    from facevalue import models
    from facevalue.cli import _consent, _perceive
    from facevalue.data.findings import concatenate
    from facevalue.report import comparison as report
    from facevalue.studies.balance import matched_subsets
    from facevalue.studies.comparison import comparison

    allowed = _consent.permission(consent, purpose)
    found = _perceive.read_model(model)
    if only_permissive:
        _perceive.check_permissive(detector, _perceive.needed(found))
    sides = [
        _perceive.dimensions(found, [photos], out / f"faces_{i}", detector=detector, quiet=quiet, permission=allowed)
        for i, photos in enumerate((first, second))
    ]
    column = f"{models.PERCEPTUAL}{found.name}.dimensions"
    a, b = (faces[column].values for faces in sides)
    findings, notes = comparison(a, b, level=level, seed=seed), list[str]()
    if size is not None:
        *chosen, balance = matched_subsets(a, b, size, level=level, seed=seed)
        findings = concatenate([findings, balance])
        notes += [f"{size} faces of each set that are as alike as can be: subset.csv."]
        _perceive.write_subset([faces.path[rows] for faces, rows in zip(sides, chosen, strict=True)], (first, second), out)
    cards = [models.card(name) for name in (models.perceptual_name(found.name), *_perceive.needed(found), detector)]
    told = report.Comparison(found.name, (first, second), (len(a), len(b)), findings, seed, cards, notes)
    files = report.write_comparison(told, out)
    if not quiet:
        _print_comparison(findings)
        typer.echo(f"{', '.join([*files, *(['subset.csv'] if size else [])])}: in {out}")


@app.command()
def rater(
    model: Model,
    judgments: Files,
    out: Out,
    photos: Photos = None,
    detector: Detector = "centerface",
    consent: Consent = None,
    purpose: Purpose = None,
    only_permissive: Permissive = False,
    kind: Kind = None,
    format: Format = None,
    level: Level = 0.9,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Find the masks of new annotators out of a few answers, with intervals, and write the model that knows them too.

    Example: `facevalue perceive rater model new_answers.csv --out model_with_them`.
    """
    from dataclasses import replace

    from facevalue.cli import _consent, _perceive
    from facevalue.data.files import write_findings
    from facevalue.data.perception import write_perception
    from facevalue.studies.rater import new_rater

    allowed = _consent.permission(consent, purpose)
    own, answers = _perceive.read_model(model), _perceive.one_kind(judgments, kind=kind, format=format)
    shown = own
    if photos:
        if only_permissive:
            _perceive.check_permissive(detector, _perceive.needed(own))
        shown, answers = _perceive.with_photos(
            own, answers, photos, out / "faces", detector=detector, quiet=quiet, permission=allowed
        )
    found = new_rater(shown, answers, level=level, seed=seed)
    write_perception(replace(found.model, items=own.items, embedding=own.embedding), out)
    write_findings(found.findings, out / "findings.csv")
    if not quiet:
        for one in found.raters:
            ends = ((i, one.mask[i], one.low[i], one.high[i]) for i in one.differ.nonzero()[0])
            differs = ", ".join(f"{i} ({mask:.2f}, {low:.2f} to {high:.2f})" for i, mask, low, high in ends)
            told = f"weighs otherwise than most: {differs}" if differs else "weighs no dimension otherwise for certain"
            typer.echo(f"{one.annotator}: {one.answers} answers; {told}")
        typer.echo(f"perception.json, arrays.npz, findings.csv: in {out}")


@app.command()
def forget(
    annotator: Annotated[str, typer.Option(help="Whose answers and mask are to go.")],
    paths: Annotated[list[Path], typer.Argument(help="Files of answers, folders of them, folders of models.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Take an annotator's answers and mask out of files and models, and list the models that were fitted with them.

    Installed models are looked at too. Example: `facevalue perceive forget --annotator 7f3a answers/ model/`.
    """
    from facevalue.cli import _perceive
    from facevalue.data.forgetting import forget as forget_in

    data, models = _perceive.data_and_models(paths)
    for sentence in forget_in(annotator, data=data, models=models, dry_run=dry_run).sentences():
        typer.echo(sentence)


def _print_model(model: Perception, out: Path) -> None:
    masks = f", {len(model.masks)} masks by {model.grouping}" if model.grouping else ""
    typer.echo(f"{model.d} {'dimension' if model.d == 1 else 'dimensions'} of {len(model.items)} faces{masks}")
    weight = (model.embedding**2).sum(0)
    for i in (-weight).argsort(kind="stable")[:LISTED].tolist():
        told = [f"{name} {values[i]:.3g}" for name, values in model.measures.items()]
        on = int((model.embedding[:, i] > 0).sum())
        typer.echo(f"  {i:>3}  {weight[i] / weight.sum():6.1%} of the likeness, {on} faces on it  {', '.join(told)}")
    if model.d > LISTED:
        typer.echo(f"  and {model.d - LISTED} more")
    embeds = "embeds new faces: facevalue perceive embed" if model.head or model.encoder else "a table: it embeds no new face"
    typer.echo(f"{embeds}\nperception.json, arrays.npz: in {out}")


def _print_dimensions(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        columns = [f"{column['name']} {column['value']:+.2f}" for column in row["columns"][:3]]
        words = [word["name"] for word in row["words"][:3]]
        typer.echo(f"  {row['number']:>3}  {', '.join(words + columns) or 'nothing known of it'}")


def _print_comparison(findings: Findings) -> None:
    from facevalue.report.comparison import digest

    for row in digest(findings)[:10]:
        adjusted, one = row["adjusted_p"]["told"], row["disparity"]
        typer.echo(f"  {row['group']:14} disparity {one['told']} ({one['interval']}), adjusted p {adjusted}")
