"""The flags: each says which bug it hunts, and some vector hunts it."""

import re

from bbdg_ref.conformance import FLAGS, vectors


def test_every_flag_is_used_and_every_used_flag_explained():
    used = {flag for vector in vectors() for flag in vector.flags}
    assert used == FLAGS.keys()


def test_every_explanation_is_a_sentence_or_two():
    for flag, text in FLAGS.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", flag), flag
        assert text.endswith(".") and 30 < len(text) < 260, flag
        assert text.strip() == text and "  " not in text, flag


def test_no_two_flags_hunt_the_same_bug():
    assert len(set(FLAGS.values())) == len(FLAGS)
