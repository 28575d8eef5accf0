from headrace.frame import Bad
from headrace.metrics.reasons import MOST, OTHER, Reasons


def test_reasons_say_nothing_of_what_a_record_holds():
    told = Reasons()
    raised = Bad(
        0, "agent", "agent 'views' raised ValueError: Erika 7", None, "ValueError", "views"
    )
    assert told.of(raised) == "agent 'views' raised ValueError"
    cut = "rule 'known': no currency (currency 'Erika, rule' x…); rule 'low': at most 5 (n 7)"
    assert told.of(Bad(0, "rule", cut)) == "rule 'known', rule 'low'"
    assert told.of(Bad(0, "decode", "field 'n': 17 of 20 bytes b'Erika'")) == (
        "field 'n': # of # bytes '…'"
    )


def test_past_some_reasons_all_others_are_one():
    told = Reasons()
    names = ["abcdefghij"[i // 10] + "klmnopqrst"[i % 10] for i in range(MOST)]
    kept = {told.of(Bad(0, "agent", "", error=name, agent="a")) for name in names}
    assert len(kept) == MOST
    assert OTHER not in kept
    assert told.of(Bad(0, "agent", "", error="zz", agent="a")) == OTHER
    assert told.of(Bad(0, "agent", "", error="ak", agent="a")) in kept
