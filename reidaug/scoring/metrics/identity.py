"""Identity similarity: whether a re-ID network recognises the same person."""

from reidaug.evaluation.identity import load_identity
from reidaug.scoring.metrics.metric import Column, Job, Meter, Metric, NotComputed


def _set_up(job: Job) -> Meter:
    if job.request.reid is None:
        raise NotComputed("give a network that `reidaug evaluate --save-models` saved (--reid)")
    features = load_identity(job.request.reid, job.device)
    return Meter(lambda batch: {"identity": (features(batch.images) * features(batch.targets)).sum(axis=1)})


METRIC = Metric((Column("identity", "identity ↑", 3),), ("identity",), _set_up)
