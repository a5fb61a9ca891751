from fer_video import listing


def test_measures_stand_in_columns_by_test_and_only_those_that_there_are() -> None:
    known = {"n": 3136, "accuracy": 0.84598, "accuracy_interval": [0.8332, 0.8584]}
    shown = listing.metrics_table(
        {"label": known | {"brier_score": None}, "ferplus": known | {"brier_score": 0.2141},
         "seconds_per_crop": 0.001}
    )  # fmt: skip
    assert shown.splitlines() == [
        "                                 label         ferplus",
        "images                           3,136           3,136",
        "accuracy                         0.846           0.846",
        "  95 % interval         0.833 to 0.858  0.833 to 0.858",
        "Brier score, of 0 to 2                           0.214",
    ]


def test_a_model_from_before_there_were_intervals_is_listed_all_the_same() -> None:
    shown = listing.metrics_table({"label": {"n": 10, "accuracy": 0.5, "macro_f1": 0.4}})
    assert "interval" not in shown
    assert listing.metrics_table({}) == ""


def test_an_emotion_without_a_measure_has_a_dash() -> None:
    row = {"n": 0, "sensitivity": None, "specificity": 1.0, "precision": None, "f1": None,
           "auc": None}  # fmt: skip
    assert listing.emotions_table({"fear": row}).splitlines()[1] == (
        "fear       0            -        1.000          -   -    -"
    )
