"""The tools that a set can be laid out for. To add one, write a file like `fastreid.py` and list it here."""

from reidaug.study.exports import fastreid, huggingface, layumi, torchreid, transreid
from reidaug.study.exports.layout import Export

EXPORTS: dict[str, Export] = {
    "torchreid": torchreid.EXPORT,
    "fastreid": fastreid.EXPORT,
    "transreid": transreid.EXPORT,
    "layumi": layumi.EXPORT,
    "huggingface": huggingface.EXPORT,
}
