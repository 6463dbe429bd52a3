"""The notes below the mAP table: what a reader must know."""

from reidaug.reports.notes import notes
from tests.factories import TABLE_VI, make_result, seeds_of


def test_people_without_an_image_and_copies_among_the_generated_are_named() -> None:
    rows = [make_result("none", 0.2, 0.4, identities=686), make_result("none", 0.4, 0.5, identities=751)]
    rows.append(make_result("full", 1.0, 0.7, identities=751))
    rows.append(make_result("pona", 0.2, 0.5, synthetic=80, copied=3, missing=80, seen_missing=0, identities=686))
    text = "\n".join(notes(rows))
    assert "p = 0.20: 65 of 751 people" in text
    assert "pona, p = 0.20: 3 of 80 synthetic images are copies" in text
    assert "p = 0.40: " not in text and "people" not in "\n".join(notes(TABLE_VI))


def test_a_gap_that_may_be_chance_is_named() -> None:
    def said(full: tuple[float, ...]) -> str:
        return "\n".join(notes([*seeds_of("none", 0.4, 0.4, 0.44), *seeds_of("full", 1.0, *full)]))

    # Welch: sqrt(2) x 2.0 points, t(0.975; 2 degrees of freedom) = 4.303
    chance = said((0.50, 0.54))
    assert "p = 0.40: full is not above none" in chance and "(± 12.2)" in chance
    assert all("not above none" not in said(full) for full in ((0.60, 0.64), (0.50,)))


def test_notes_say_what_the_generator_saw_and_that_one_seed_is_no_result() -> None:
    text = "\n".join(notes(TABLE_VI))
    assert "trained on 80 of them: " in text and "(protocol paper)" in text
    assert "trained on none of them (protocol strict)" in text
    assert "one seed" in text
    assert "one seed" not in "\n".join(notes(seeds_of("none", 0.4, 0.5, 0.5)))


def test_people_whom_the_generator_alone_has_seen_are_named_unless_a_control_has_seen_them() -> None:
    pona = make_result("pona", 0.2, 0.5, synthetic=80, missing=80, seen_missing=0, generator={"other_images": 9126})
    rows = [pona, make_result("none", 0.2, 0.4)]
    text = "\n".join(notes(rows))
    assert (
        "pona: the generator learnt from 9,126 images of other people" in text and "--controls rendered-first" in text
    )
    for more in (make_result("rendered-first", 0.2, 0.45), make_result("full", 1.0, 0.7, weights="rendered:ab")):
        assert "other people" not in "\n".join(notes([*rows, more]))
    for count in (0, None):
        own = make_result("pona", 0.2, synthetic=80, missing=80, seen_missing=0, generator={"other_images": count})
        assert "other people" not in "\n".join(notes([own]))


def test_generators_of_several_methods_say_how_each_was_trained() -> None:
    training = {"preset": "mini", "iteration": 6500, "batch_size": 16, "seconds": 2700.0}
    rows = [
        make_result(name, 0.2, synthetic=80, missing=80, seen_missing=0, generator={"method": method, **training})
        for name, method in (("one", "PoNA"), ("two", "PATN"))
    ]
    text = "\n".join(notes(rows))
    assert "two, p = 0.20: of 80 missing images" in text
    assert "PATN, preset mini, 6,500 iterations of 16 in 45 min)" in text and "of one table only" in text
    assert "of one table only" not in "\n".join(notes(rows[:1]))


def test_unknown_origin_and_unequal_iterations_are_said() -> None:
    rows = [make_result("pona", 0.2, 0.5, synthetic=80), make_result("none", 0.2, 0.4)]
    text = "\n".join(notes(rows))
    assert "does not say" in text and "not equal iterations" in text


def test_machines_that_differ_are_named() -> None:
    rows = [make_result("none", 0.4, 0.5, seed, device="cpu", processor="A", threads=seed + 1) for seed in (0, 1)]
    text = "\n".join(notes(rows))
    assert "several ways (A fp32, 1 threads; A fp32, 2 threads)" in text
    assert "seeds vary the training" in text
    assert "several ways" not in "\n".join(notes(rows[:1]))


def test_versions_that_differ_are_named() -> None:
    rows = [make_result("none", 0.4, 0.5, seed, versions={"torch": f"2.{seed}", "reidaug": "1"}) for seed in (0, 1)]
    assert "several versions (reidaug 1, torch 2.0; reidaug 1, torch 2.1)" in "\n".join(notes(rows))
    assert "several versions" not in "\n".join(notes(rows[:1]))


def test_controls_of_another_size_are_told_apart() -> None:
    rows = [make_result(name, 0.4, 0.5) for name in ("none", "none-matched for more", "full")]
    lines = "\n".join(notes(rows))
    assert "controls for more have as many images, or iterations, as that set, not as full" in lines
    assert "none-matched: the kept images" in lines and "equal epochs" not in lines
    assert "controls for" not in "\n".join(notes([make_result("none"), make_result("flip")]))
