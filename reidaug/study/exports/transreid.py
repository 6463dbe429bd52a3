"""For TransReID (damo-cv/TransReID) and those that took over its readers: `market1501/` below DATASETS.ROOT_DIR.

Where a person is above 1501 or a camera above 6, which its Market-1501 reader refuses, `MSMT17/`.
"""

from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.study.exports.layout import Export, ImageSet, put_market, put_msmt17, quoted


def folder(images: ImageSet) -> str:
    return "market1501" if images.fits_market() else "MSMT17"


def lay_out(images: ImageSet, root: Path) -> None:
    if images.fits_market():
        put_market(images, root)
        return
    people = {split: {image.pid for image in images.images[split] if image.pid >= 0} for split in ("query", "gallery")}
    if (without := people["query"] - people["gallery"]) and people["gallery"] - people["query"]:
        raise ReidAugError(
            f"person {min(without)} has queries and no gallery image, and others the reverse: TransReID's reader for "
            "persons above 1501 or cameras above 6 takes only one of the two; remove these queries"
        )
    put_msmt17(images, root)


def command(images: ImageSet, out: Path) -> str:
    config = "Market" if images.fits_market() else "MSMT17"
    line = f"python train.py --config_file configs/{config}/vit_transreid_stride.yml"
    cameras = {image.camid for image in images.images["train"]}
    tested = {image.camid for split in ("query", "gallery") for image in images.images[split]}
    # It learns a vector for each training camera and looks it up by the number, of test images too.
    known = cameras == set(range(1, 1 + len(cameras))) and tested <= cameras
    place = quoted(f"('{out}')")
    return line + ("" if known else " MODEL.SIE_CAMERA False") + f" DATASETS.ROOT_DIR {place}"


EXPORT = Export(folder, lay_out, command)
