from facevalue.report.figures import BY_GROUP, TOO_FEW, by_group, overall

ROWS = [
    ["race_accuracy", "all", 0.8, 0.75, 0.85, 900],
    ["race_accuracy", "age: 10-19", 0.7, 0.6, 0.8, 80],
    ["race_accuracy", "age: 3-9", 0.9, 0.85, 0.95, 60],
    ["gender_accuracy", "age: 10-19", None, None, None, 80],
    ["gender_accuracy", "age: 3-9", 0.65, 0.5, 0.8, 60],
    ["gender_accuracy", "age: 70+", None, None, None, 4],
    ["gender_accuracy", "gender: Female", 0.95, 0.9, 0.99, 400],
    ["gender_ece", "gender: Female", 0.1, 0.05, 0.15, 400],
    ["race_ece", "gender: Female", 0.02, 0.0, 0.04, 400],
    ["depth", "gender: Female", 0.5, 0.4, 0.6, 400],
]


def test_what_is_told_of_all_faces_stands_apart_from_groups():
    assert overall({"figures": ROWS}) == [("race_accuracy", "0.800 (0.750 to 0.850)", "900")]
    assert [table.grouping for table in by_group({"figures": ROWS[:1]})] == []


def test_groups_are_rows_in_the_order_of_their_numbers_and_those_of_few_faces_are_counted():
    age, gender = by_group({"figures": ROWS})
    assert (age.grouping, age.columns) == ("age; 1 more groups have too few faces", ("gender_accuracy", "race_accuracy"))
    assert [row[0] for row in age.rows] == ["3-9", "10-19"]
    assert age.rows[1] == ("10-19", "80", TOO_FEW, "0.700 (0.600 to 0.800)")
    assert [row[0] for row in gender.rows] == ["Female"]


def test_a_calibration_error_of_faces_of_one_label_is_left_out_and_the_others_say_what_they_assume():
    *_, gender = by_group({"figures": ROWS})
    assert gender.columns == ("gender_accuracy", "race_ece")
    assert gender.rows[0][2:] == ("0.950 (0.900 to 0.990)", "0.020 (0.000 to 0.040 if calibrated)")
    assert "depth" not in BY_GROUP
