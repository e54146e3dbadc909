"""The first steps of a job: affinities, and the groupings that they lead to."""

from taskgroup.core.affinity import Affinity
from taskgroup.core.recipe import Candidate
from taskgroup.core.record import SEPARATE, SHARED, Proposals
from taskgroup.core.text import plural
from taskgroup.core.trial import TrialSpec
from taskgroup.groupers.propose import make_groupers, propose
from taskgroup.measures import MEASURES
from taskgroup.pipeline.context import Job, run_all
from taskgroup.pipeline.desk import FOLDER, Desk
from taskgroup.pipeline.forking import JOINT
from taskgroup.pipeline.measuring import MIN_CHECKS, averaged, read_looks, summary
from taskgroup.pipeline.sights import measure_missing
from taskgroup.pipeline.wanted import wanted_measures


def measure(job: Job) -> Affinity:
    """Train all tasks together under several seeds, look at their affinities, average."""
    config = job.config.measure
    sees = MEASURES[config.affinity["method"]].sees
    if sees in ("runs", "file"):
        return _ready_made(job)
    train = job.train(config.steps)
    specs = [measure_spec(job, k) for k in range(config.seeds)]
    results = run_all(job, "measure", specs)
    looks = [read_looks(job.folder, spec, result) for spec, result in zip(specs, results, strict=True)]
    tasks, rows = job.prepared.tasks.names, job.prepared.rows("train")
    n_rows = min(train.batch_size, len(rows))
    affinity = averaged(config, looks, tasks, job.prepared.trunk.names, rows.labels.double().numpy(), n_rows)
    affinity = affinity if config.profile else affinity.flattened()
    candidate = Candidate(architecture=specs[0].architecture)
    trained = [job.compute.trainings(candidate, r.history[-1].step) for r in results if r.history]
    n_looks = sum(len(seed.samples) for seed in looks)
    job.charge("measure", sum(trained) + job.compute.looks(config.affinity, n_looks))
    job.folder.write_affinity(affinity)
    job.progress.end(summary(affinity, looks))
    return affinity


def measure_spec(job: Job, k: int) -> TrialSpec:
    """Of the ``k``-th seed; that of the first keeps its weights where search may start from them."""
    config = job.config.measure
    sees, train = MEASURES[config.affinity["method"]].sees, job.train(config.steps)
    options = config.model_dump(include={"affinity", "every", "overhead", "stop", "min_looks"})
    keep = {"keep": True} if k == 0 and job.config.search.fork != "off" and sees in JOINT else {}
    return TrialSpec(
        job=job.config.name,
        data=job.prepared.key,
        step="measure",
        architecture=job.baseline(SEPARATE if sees == "features" else SHARED),
        seed=job.seed("measure", k),
        train=train.model_copy(update={"n_checks": max(train.n_checks, MIN_CHECKS)}),
        measure={"sees": sees, **options, **keep},
    )


def _ready_made(job: Job) -> Affinity:
    """What pairs that are trained together gained, or a matrix of the user's own."""
    (wanted,) = wanted_measures([job.config.measure.affinity], job.config.measure.affinity)
    desk = Desk(job.config, job.folder, job.base, job.config.measure.seeds)
    desk.read_files([wanted])
    measure_missing(desk, desk.missing([wanted]), job.crew, job.progress)
    affinity = job.folder.affinity(f"{FOLDER}/{wanted.file}")
    job.folder.write_affinity(affinity)
    return affinity


def make_proposals(job: Job, affinity: Affinity) -> Proposals:
    """Groupings and candidate trees from the affinity."""
    config = job.config.propose
    job.progress.begin("propose", 0)
    proposals = propose(
        affinity,
        make_groupers(config.groupers, config.symmetrization),
        n_resampled=config.resampled_trees,
        seed=job.seed("propose"),
        n_draws=config.draws,
        symmetrization=config.symmetrization,
        constraints=config.constraints,
    )
    job.folder.write_proposals(proposals)
    job.progress.end(f"{plural(len(proposals.proposals), 'grouping')}, {plural(len(proposals.trees), 'tree')}")
    return proposals
