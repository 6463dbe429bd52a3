"""For Person_reID_baseline_pytorch (layumi): `Market/`, in which its prepare.py makes `pytorch/`; so it gets copies.

prepare.py looks for `../Market` from where it is started; it takes the part before the first underscore as the person,
its test.py the first four characters, and one digit after the first c as the camera.
"""

import shlex
from pathlib import Path

from reidaug.datasets.dataset import Image
from reidaug.datasets.market1501 import LAST_CAMID
from reidaug.study.exports.layout import Export, ImageSet, put_market, refuse_numbers


def lay_out(images: ImageSet, root: Path) -> None:
    refuse_numbers(images, "Person_reID_baseline_pytorch", 9999, LAST_CAMID)
    put_market(images, root, _four_digits)


def _four_digits(image: Image) -> str:
    person = f"{image.pid:04d}" if image.pid >= 0 else str(image.pid)
    return person + image.name[image.name.index("_") :]


def command(images: ImageSet, out: Path) -> str:
    market = shlex.quote(str(out / "Market"))
    place = shlex.quote(str(out / "Market" / "pytorch"))
    there = "PATH/TO/Person_reID_baseline_pytorch"
    return f"(cd {market} && python {there}/prepare.py) && cd {there} && python train.py --train_all --data_dir {place}"


EXPORT = Export(lambda images: "Market", lay_out, command, copies=True)
