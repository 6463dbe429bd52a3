"""For fast-reid (JDAI-CV/fast-reid): `Market-1501-v15.09.15/` in the folder that FASTREID_DATASETS names.

Where a person is above 1501 or a camera above 6, which its Market-1501 reader refuses, `MSMT17_V1/`.
"""

import shlex
from pathlib import Path

from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.study.exports.layout import Export, ImageSet, put_market, put_msmt17


def folder(images: ImageSet) -> str:
    return ROOT_NAME if images.fits_market() else "MSMT17_V1"


def lay_out(images: ImageSet, root: Path) -> None:
    if images.fits_market():
        put_market(images, root)
    else:
        put_msmt17(images, root)


def command(images: ImageSet, out: Path) -> str:
    config = "Market1501" if images.fits_market() else "MSMT17"
    datasets = f"FASTREID_DATASETS={shlex.quote(str(out))}"
    return f"{datasets} python tools/train_net.py --config-file configs/{config}/bagtricks_R50.yml"


EXPORT = Export(folder, lay_out, command)
