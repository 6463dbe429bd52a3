"""For torchreid (KaiyangZhou/deep-person-reid): `market1501/Market-1501-v15.09.15/` below its root.

Where a person is above 1501 or a camera above 6, which its Market-1501 reader refuses, `msmt17/MSMT17_V1/`.
"""

import shlex
from pathlib import Path

from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.study.exports.layout import Export, ImageSet, put_market, put_msmt17


def folder(images: ImageSet) -> str:
    return "market1501" if images.fits_market() else "msmt17"


def lay_out(images: ImageSet, root: Path) -> None:
    if images.fits_market():
        put_market(images, root / ROOT_NAME)
    else:
        put_msmt17(images, root / "MSMT17_V1")


def command(images: ImageSet, out: Path) -> str:
    config, name = "configs/im_osnet_x1_0_softmax_256x128_amsgrad_cosine.yaml", folder(images)
    return f"python scripts/main.py --config-file {config} --root {shlex.quote(str(out))} -s {name} -t {name}"


EXPORT = Export(folder, lay_out, command)
