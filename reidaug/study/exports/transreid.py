"""For TransReID (damo-cv/TransReID) and those that took over its readers: `market1501/` below DATASETS.ROOT_DIR."""

import shlex
from pathlib import Path

from reidaug.datasets.inspection import MAX_CAMID, MAX_PID
from reidaug.study.exports.layout import Export, ImageSet, put_market, refuse_numbers


def lay_out(images: ImageSet, root: Path) -> None:
    refuse_numbers(images, "TransReID", MAX_PID, MAX_CAMID)
    put_market(images, root)


def command(images: ImageSet, out: Path) -> str:
    place = shlex.quote(f"('{out}')")
    return f"python train.py --config_file configs/Market/vit_transreid_stride.yml DATASETS.ROOT_DIR {place}"


EXPORT = Export(lambda images: "market1501", lay_out, command)
