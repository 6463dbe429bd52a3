"""`reidaug pairs`: the public pairs CSV of a data set."""

from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_out
from reidaug.datasets.keypoints import FILES, find_annotations, read_annotations, read_annotations_of
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import parse_name
from reidaug.datasets.pairs import draw_pairs, make_pairs, write_pairs


def pairs_file(data: Path, split: str, out: Path, count: int | None = None, seed: int = 0) -> tuple[int, int]:
    """Write all or some pairs of the training or the gallery images of a data set.

    Args:
        data: a data set, or a folder with only the keypoint files of Market-1501.
        split: train or test, which is the gallery.
        out: the CSV to write.
        count: how many pairs to draw; None = all, in their order.

    Returns:
        How many pairs were written, of how many.

    Raises:
        ReidAugError: no or a broken keypoint file, one that cannot belong to the images, no pairs, or fewer than
            `count`.
    """
    check_out(out)
    try:
        dataset = open_dataset(data)
    except ReidAugError:
        if not (data / FILES[split]).is_file():
            raise
        annotations = read_annotations(data / FILES[split]).in_jpg(data / FILES[split])
        pids = {name: parse_name(name)[0] for name in annotations.names}
    else:
        images = dataset.images("gallery" if split == "test" else split)
        pids = {image.name: image.pid for image in images}
        annotations = read_annotations_of(find_annotations(dataset.root, split), images)
    pairs = make_pairs(annotations, pids)
    if not len(pairs):
        raise ReidAugError(f"no person in {data} has two images of the {split} split with both shoulders and both hips")
    chosen = pairs if count is None else draw_pairs(pairs, count, seed)
    write_pairs(out, annotations.names, chosen)
    return len(chosen), len(pairs)
