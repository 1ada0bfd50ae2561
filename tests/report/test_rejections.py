"""Like reasons are counted together, whatever numbers stand in them."""

from pfd.report.rejections import kinds_of


def test_numbers_do_not_part_reasons():
    reasons = ["no 1 in f12", "no 2 in f13", "the disk is full"]
    assert kinds_of(reasons) == [("no … in …", 2), ("the disk is full", 1)]


def test_exit_codes_are_told():
    reasons = ["pw.x ended with exit code 3 after 12 s", "pw.x ended with exit code 3 after 14 s", "exit code 1"]
    assert kinds_of(reasons) == [("pw.x ended with exit code 3 after … s", 2), ("exit code 1", 1)]
