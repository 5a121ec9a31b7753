"""Questions, one a file: photos or columns in, findings with intervals out; models only through callables."""
