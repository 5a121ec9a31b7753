"""Arrays in, frozen results out: calibration, resampling, comparison of groups. Imports nothing of ours."""
