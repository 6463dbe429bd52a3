"""Interrupted trainings: resumed exactly, or refused."""

import os
from dataclasses import replace

import pytest
import torch

from reid_baseline import ReIDError, StateError, training_seconds
from reid_baseline import train as train_module
from reid_baseline.resume import write_whole
from tests.reid_baseline.factories import STRONG_TINY, TINY, same_weights, train


class Killed(Exception):
    pass


def kill_in_epoch_three(report):
    if report.epoch == 3:
        raise Killed


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resume_gives_the_same_network_as_no_interruption(tmp_path, monkeypatch, precision):
    options = {"recipe": replace(TINY, size=(64, 32)), "precision": precision}  # oneDNN convolves no map one pixel wide
    whole = train(**options)
    monkeypatch.setattr(train_module, "SAVE_SECONDS", -1.0)
    checkpoint = tmp_path / "training.pt"
    with pytest.raises(Killed):
        train(**options, checkpoint=checkpoint, progress=kill_in_epoch_three)
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]
    first = training_seconds(checkpoint)
    reports = []
    assert same_weights(whole, train(**options, checkpoint=checkpoint, progress=reports.append))
    assert {report.epoch for report in reports} == {3}
    seconds = training_seconds(checkpoint)
    assert 0 < first < seconds  # of both runs
    reports.clear()
    assert same_weights(whole, train(**options, checkpoint=checkpoint, progress=reports.append))
    assert not reports and training_seconds(checkpoint) == seconds  # there was nothing left to do


def test_the_strong_recipe_resumes_exactly(tmp_path, monkeypatch):
    whole = train(STRONG_TINY)
    monkeypatch.setattr(train_module, "SAVE_SECONDS", -1.0)
    with pytest.raises(Killed):
        train(STRONG_TINY, checkpoint=tmp_path / "t.pt", progress=kill_in_epoch_three)
    assert same_weights(whole, train(STRONG_TINY, checkpoint=tmp_path / "t.pt"))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    recipe = replace(TINY, epochs=1)
    checkpoint = tmp_path / "training.pt"
    train(recipe, checkpoint=checkpoint)
    for options in ({"seed": 1}, {"recipe": replace(recipe, weight_decay=0.0)}):
        with pytest.raises(ReIDError, match=r"other images.*versions"):
            train(**({"recipe": recipe, "checkpoint": checkpoint} | options))
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "format": "reid_baseline training state 2"}, checkpoint)
    with pytest.raises(ReIDError, match="another version"):
        train(recipe, checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ReIDError, match="no state"):
        train(recipe, checkpoint=checkpoint)


def test_a_checkpoint_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(ReIDError, match=r"cannot write .*: No such file or directory; choose a folder"):
        train(replace(TINY, epochs=1), checkpoint=tmp_path / "absent" / "training.pt")


def test_the_longest_name_can_be_written(tmp_path):
    write_whole(tmp_path / ("n" * 255), {"a": torch.zeros(1)})
    assert [path.name for path in tmp_path.iterdir()] == ["n" * 255]


def test_a_state_that_is_broken_says_what_to_remove(tmp_path, toy):
    recipe, path = replace(TINY, epochs=1), tmp_path / "training.pt"
    options = {"recipe": recipe, "arch": toy, "checkpoint": path}
    train(**options)
    state, whole = torch.load(path, weights_only=True), bytearray(path.read_bytes())
    first = next(iter(state["model"]))
    changes = [
        *({"epochs_done": value} for value in (-1, 2, 10**30, "1", None)),
        *({"seconds": value} for value in (float("nan"), -1.0, "1")),
        *({"identity": value} for value in (None, torch.ones(2))),
        *({"model": value} for value in ({}, None, {**state["model"], first: torch.ones(1)})),
        {"model": {**state["model"], first: torch.full_like(state["model"][first], torch.nan)}},
        {"optimizer": {**state["optimizer"], "state": {0: {"momentum_buffer": torch.ones(1, 1)}}}},
        *({"optimizer": value} for value in ({}, {**state["optimizer"], "param_groups": []})),
    ]
    for change in changes:
        torch.save(state | change, path)
        with pytest.raises(StateError, match=r"training\.pt.*remove it to start again") as error:
            train(**options)
        assert "\n" not in str(error.value), change
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(StateError, match=r"damaged.*remove it to start again"):
        train(**options)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StateError, match=r"is a pipe.*remove it to start again"):
        training_seconds(path)


def test_a_full_disk_below_torchs_words_is_called_so(tmp_path, monkeypatch):
    def save(content, file):
        try:
            raise OSError(28, "No space left on device")
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(ReIDError) as caught:
        write_whole(tmp_path / "a.pt", {})
    expected = "No space left on device; free some space and run again: it goes on where it stopped"
    assert str(caught.value) == f"cannot write {tmp_path}/a.pt: {expected}" and not list(tmp_path.iterdir())
