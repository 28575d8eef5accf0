from headrace.serve.pipeline.window import Window


def test_rates_are_over_the_span_and_a_little_more():
    window = Window(5.0)
    assert window.rates() == {}
    window.add(100.0, {"a": 50})
    assert window.rates() == {"a": 0.0}
    window.add(102.0, {"a": 70, "b": 4})
    assert window.rates() == {"a": 10.0, "b": 2.0}
    window.add(102.0, {"a": 999})  # told twice: the moment is the same
    assert window.rates() == {"a": 10.0, "b": 2.0}
    window.add(108.0, {"a": 70, "b": 4})
    assert window.rates() == {"a": 0.0, "b": 0.0}


def test_what_began_again_has_no_negative_rate():
    window = Window(5.0)
    window.add(1.0, {"a": 50})
    window.add(2.0, {"a": 3})
    assert window.rates() == {"a": 0.0}
