"""What the methods paragraphs cite."""

BOOTSTRAP = "Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall."
