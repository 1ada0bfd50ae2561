"""Like reasons are counted together, whatever numbers stand in them."""

from pfd.report.rejections import kinds_of


def test_numbers_do_not_part_reasons():
    reasons = ["no 1 in f12", "no 2 in f13", "the disk is full"]
    assert kinds_of(reasons) == [("no … in …", 2), ("the disk is full", 1)]
