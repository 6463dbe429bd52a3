"""Links to files and folders, or copies where links are not possible."""

import errno
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from reidaug.core.files import copy_file, filled, lock_of
from reidaug.core.fingerprint import refuse_pipe
from reidaug.core.left_overs import remove
from reidaug.core.locks import locked

# what file systems answer that have no links: exFAT, network drives, file systems of containers
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LOG = logging.getLogger("reidaug")


def link_or_copy_files(files: Mapping[str, Path], target: Path, copy: bool) -> None:
    """Writes a folder of links to files or of copies; it appears whole or not at all.

    Links are as `link` makes them.
    Files of one folder that keep their names become one link to that folder, or a copy of all files in it. Where links
    are not possible it copies, and logs so.

    Args:
        files: by their names in the new folder.
        target: the new folder; what is there is replaced.
        copy: copy instead of linking.
    """
    try:
        _link_or_copy(files, target, copy)
    except OSError as error:
        if copy:
            raise
        _copy_instead(error, target)
        _link_or_copy(files, target, copy=True)


def link_or_copy_file(path: Path, source: Path, copy: bool) -> None:
    """Makes a link to a file as `link` does, or a copy; where links are not possible a copy, and logs so."""
    try:
        if not copy:
            link(path, source)
            return
    except OSError as error:
        _copy_instead(error, path.parent)
    refuse_pipe(source)
    copy_file(source, path)


def _copy_instead(error: OSError, place: Path) -> None:
    """Logs that there are no links at a place; raises any other error again."""
    if error.errno not in NO_LINKS:
        raise error
    _LOG.warning("links are not possible at %s (%s): copying the files instead", place, error.strerror)


def _link_or_copy(files: Mapping[str, Path], target: Path, copy: bool) -> None:
    folders = {path.parent for path in files.values()}
    one_folder = len(folders) == 1 and all(name == path.name for name, path in files.items())
    if one_folder and not copy:
        remove(target)
        link(target, folders.pop())
        return
    if one_folder:
        files = {entry.name: Path(entry.path) for entry in os.scandir(folders.pop()) if entry.is_file()}
    with locked(lock_of(target), str(target), wait=True), filled(target, replace=True) as partial:
        for name, path in files.items():
            if copy:
                copy_file(path, partial / name)
            else:
                link(partial / name, path)


def link(path: Path, source: Path) -> None:
    """Makes a symbolic link, relative where both are below one folder of the disk, so that they can be moved together.

    Args:
        path: the link, in an existing folder.
        source: the file or folder that it leads to.
    """
    source, start = (Path(os.path.realpath(place)) for place in (source, path.parent))  # resolve() stops at loops
    together = len(Path(os.path.commonpath([source, start])).parts) > 1 if source.drive == start.drive else False
    path.symlink_to(os.path.relpath(source, start) if together else source, target_is_directory=source.is_dir())
