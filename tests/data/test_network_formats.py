import networkx as nx
import numpy as np
import pytest

from facevalue.data.errors import SchemaError, UnknownName
from facevalue.data.networks import Members
from facevalue.data.tie_matrices import sign_matrices
from facevalue.data.ties import link, read_ties
from tests.data import made_ties as made
from tests.data.made_ties import TIES, text, weights, write

FORMATS = (
    (made.as_matrix, ".csv"),
    (made.as_matrix_with_names, ".csv"),
    (made.as_matrix_with_numbers, ".csv"),
    (made.as_list, ".csv"),
    (made.as_signs, ".tsv"),
    (made.as_parquet, ".parquet"),
    (made.as_dl, ".dl"),
    (made.as_dl_without_diagonal, ".txt"),
    (made.as_dl_edges, ".dl"),
    (made.as_dl_numbers, ".dl"),
    (made.as_pajek, ".net"),
    (made.as_pajek_matrix, ".net"),
    (made.as_graphml, ".graphml"),
)


@pytest.mark.parametrize(("as_format", "suffix"), FORMATS, ids=[f.__name__[3:] for f, _ in FORMATS])
def test_every_format_says_the_same(tmp_path, as_format, suffix):
    found = read_ties([as_format(tmp_path / f"friend@2{suffix}")])
    assert weights(found) == TIES
    assert (found.relations, found.waves, found.directed) == (("friend",), ("2",), True)
    assert set(found.source) == {str(tmp_path / f"friend@2{suffix}")}


def test_rows_say_where_they_stand(tmp_path):
    listed = read_ties([write(tmp_path / "a.csv", "ego,alter,note", 'a,b,"two', 'lines"', "", "b,c,", ",,", "c,a,")])
    assert listed.row.tolist() == [2, 5, 7]
    assert read_ties([made.as_matrix(tmp_path / "m.csv")]).row.tolist() == [2, 2, 3, 3, 4, 5, 5]
    assert read_ties([made.as_dl(tmp_path / "m.dl")]).row.tolist() == [5, 5, 6, 6, 7, 8, 8]
    assert read_ties([made.as_pajek_matrix(tmp_path / "m.net")]).row.tolist() == [7, 7, 8, 8, 9, 10, 10]
    assert read_ties([made.as_pajek(tmp_path / "a.net")]).row.tolist() == list(range(10, 17))
    graphml = made.as_graphml(tmp_path / "g.graphml")
    edges = [i for i, line in enumerate(graphml.read_text().split("\n"), 1) if "<edge" in line]
    assert read_ties([graphml]).row.tolist() == edges


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_networkx_reads_the_same_of_pajek_and_graphml(tmp_path, seed, directed):
    rng, join = np.random.default_rng(seed), tuple if directed else frozenset
    graph = nx.gnp_random_graph(12, 0.2, seed=seed, directed=directed)
    graph = nx.relabel_nodes(graph, {i: str(i + 1) for i in range(12)} | {3: "Ann Lee", 5: "bo"})
    for *_, data in graph.edges(data=True):
        data["weight"] = round(float(rng.normal()), 6)
    nx.write_graphml(graph, tmp_path / "x.graphml")
    nx.write_pajek(graph, tmp_path / "x.net")
    for theirs, name in ((nx.read_graphml, "x.graphml"), (nx.read_pajek, "x.net")):
        ours = read_ties([tmp_path / name])
        edges = theirs(tmp_path / name).edges(data=True)
        assert {join(ends): weight for ends, weight in weights(ours).items()} == {
            join((ego, alter)): float(data["weight"]) for ego, alter, data in edges
        }
        assert (len(ours), ours.directed) == (graph.number_of_edges(), directed)


def test_a_list_names_relations_waves_and_signs(tmp_path):
    lines = ("i,j,type,wave,sign", "a,b,kin,1,positive", "a,b,work,1,-", "a,b,kin,2,−1", "b,a,kin,2,0", "c,a,,1,NA")
    found = weights(read_ties([write(tmp_path / "x.csv", *lines)]), "relation", "wave")
    assert found == {
        ("a", "b", "kin", "1"): 1,
        ("a", "b", "work", "1"): -1,
        ("a", "b", "kin", "2"): -1,
        ("b", "a", "kin", "2"): 0,
        ("c", "a", "", "1"): None,
    }


def test_several_files_are_several_relations_and_some_are_negative(tmp_path):
    like = write(tmp_path / "like.csv", "from,to,weight", "a,b,2")
    dislike = write(tmp_path / "dislike.csv", "from,to,sign,weight", "a,c,+,3", "b,c,-,-4", "c,a,-,2", "c,b,,2")
    found = weights(read_ties([str(like), dislike], negative=["dislike"]), "relation")
    theirs = {("a", "c"): -3, ("b", "c"): -4, ("c", "a"): -2, ("c", "b"): None}
    assert found == {("a", "b", "like"): 2} | {(*ends, "dislike"): weight for ends, weight in theirs.items()}
    assert weights(read_ties([dislike]))["b", "c"] == -4
    with pytest.raises(UnknownName, match="no relation is called 'dislik'; did you mean dislike"):
        read_ties([like, dislike], negative=["dislik"])


def test_a_matrix_whose_people_are_called_like_columns_is_none_the_less_one(tmp_path):
    path = write(tmp_path / "x.csv", "who,to,from", "to,NA,1", "from,0,5")
    assert weights(read_ties([path])) == {("to", "from"): 1, ("from", "from"): 5}
    path = write(tmp_path / "x.csv", "who,2,1", "1,7,0", "2,0,8")
    assert weights(read_ties([path])) == {("1", "2"): 7, ("2", "1"): 8}


def test_several_matrices_of_a_dl_file_are_relations(tmp_path):
    head = ("dl n=2 nm=2", "labels:", "a b", "matrix labels:", "kin, work")
    path = write(tmp_path / "x.dl", *head, "data:", "0 1", "0 0", "5 0", "-1 0")
    full = weights(read_ties([path]), "relation")
    assert full == {("a", "b", "kin"): 1, ("b", "a", "work"): -1, ("a", "a", "work"): 5}
    path = write(tmp_path / "x.dl", "dl n=3 nm=2 format=edgelist1", "data:", "1 2", "!", "2 1 -1", "!")
    assert weights(read_ties([path]), "relation") == {("1", "2", "x_1"): 1, ("2", "1", "x_2"): -1}
    path = write(tmp_path / "x.dl", "dl n=2", "labels embedded", "data:", "a b", "b 3 4", "a 5 6")
    assert weights(read_ties([path])) == {("b", "a"): 3, ("b", "b"): 4, ("a", "a"): 5, ("a", "b"): 6}
    path = write(tmp_path / "x.dl", "dl n=3 format=nodelist1", "labels embedded", "data:", "a b c", "", "c a")
    assert weights(read_ties([path])) == {("a", "b"): 1, ("a", "c"): 1, ("c", "a"): 1}


def test_relations_lists_and_waves_of_a_pajek_file(tmp_path):
    path = write(
        tmp_path / "x.net",
        *("*Vertices 3", '1 "a b"', '3 "c"'),
        *('*Arcs :1 "friend"', "1 2", '*Arcs :2 "enemy of"', "1 3 -1 [4]", "1: 3 1 2"),
        *("*Arcslist", "2 1 3"),
    )
    assert weights(read_ties([path]), "relation", "wave") == {
        ("a b", "2", "friend", ""): 1,
        ("a b", "c", "enemy of", "4"): -1,
        ("c", "a b", "friend", ""): 2,
        ("2", "a b", "x", ""): 1,
        ("2", "c", "x", ""): 1,
    }
    one, two = ("*Network one", "*Vertices 2", "1 a", "*Edges", "1 2"), ("*Network two", "*Vertices 2", "*Edgeslist", "2 1")
    found = read_ties([write(tmp_path / "y.paj", *one, *two)])
    assert weights(found, "relation") == {("a", "2", "one"): 1, ("2", "1", "two"): 1}
    assert not found.directed


def test_a_graphml_names_nodes_and_edges_by_their_data(tmp_path):
    path = write(
        tmp_path / "x.graphml",
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="v" for="node" attr.name="name" attr.type="string"/>',
        '<key id="r" for="edge" attr.name="relation" attr.type="string"><default>friend</default></key>',
        '<key id="s" for="edge" attr.name="Sign" attr.type="string"/>',
        '<graph edgedefault="undirected">',
        '<node id="n0"><data key="v">Ann &amp; Co</data></node><node id="n1"><data key="v">7</data></node>',
        '<edge source="n0" target="n1"/>',
        '<edge source="n0" target="n1"><data key="r">work</data><data key="s">-</data></edge>',
        "</graph></graphml>",
    )
    found = read_ties([path])
    assert weights(found, "relation") == {("Ann & Co", "7", "friend"): 1, ("Ann & Co", "7", "work"): -1}
    assert not found.directed


def test_ties_with_and_without_direction_need_a_word(tmp_path):
    path = write(tmp_path / "x.net", "*Vertices 3", "*Arcs", "1 2", "*Edges", "2 3", "3 3")
    with pytest.raises(SchemaError, match=r"x.net, line 3 has one, .*x.net, line 5 has none: say which with directed="):
        read_ties([path])
    directed = read_ties([path], directed=True)
    assert weights(directed) == {("1", "2"): 1, ("2", "3"): 1, ("3", "2"): 1, ("3", "3"): 1}
    assert directed.directed
    undirected = read_ties([path], directed=False)
    assert weights(undirected) == {("1", "2"): 1, ("2", "3"): 1, ("3", "3"): 1}
    assert not undirected.directed
    people = Members(text("3", "2", "1"))
    mirrored = [
        sign_matrices(link(found, people), [np.arange(3)], relations=["x"], wave="", symmetrise="either")[0]
        for found in (directed, undirected)
    ]
    np.testing.assert_array_equal(*mirrored)


BAD = (
    ("x.csv", ("a,b", "1,2"), r"expected a list of ties with the columns ego,alter .*; it has 1 rows and the columns a, b"),
    ("x.csv", ("a,b", "0,1", "x,0"), r"x.csv, line 3: expected a number, or NA where unknown; got 'x' for 'a'"),
    ("x.csv", ("a,a", "0,1", "1,0"), r"expected each name once in the first line; 'a' stands 2 times"),
    ("x.csv", ("a,", "0,1", "1,0"), r"expected 2 names in the first line, one a row; column 2 has none"),
    ("x.csv", ("n,a,b", "a,0,1", "c,1,0"), r"expected the same names of rows and columns; 'b' names only one of them"),
    ("x.csv", ("n,a,b", "a,0,1", "a,1,0"), r"'b' names only one of them"),
    ("x.csv", ("a,b", "0,1", "1"), r"x.csv, line 3: expected 2 cells, as the first line has; got 1"),
    ("x.csv", ("a,b", "0,inf", "1,0"), r"expected a number, .*; got 'inf' for 'b'"),
    ("x.csv", ("ego,alter,weight", "a,b,1", "a,c,much"), r"line 3: expected a weight that is a number, .*; got 'much'"),
    ("x.csv", ("ego,alter,sign", "a,b,friend"), r"line 2: expected a sign \(\+, -, 1, -1, positive, negative\), got 'friend'"),
    ("x.csv", ("ego,alter,sign,weight", "a,b,+,-2"), r"line 2: expected a sign and a weight that agree, got '\+' and '-2'"),
    ("x.csv", ("ego,alter,Ego", "a,b,c"), r"expected each column's name once; 'ego' stands 2 times"),
    ("x.csv", ("ego,alter",), "expected a line of names and rows below it; it has none"),
    ("x.parquet", ("PAR",), "expected parquet; it cannot be read"),
    ("x.xls", ("",), r"expected ties as .csv, .*; got .xls"),
    ("x.txt", ("ego,alter", "a,b"), r"or a .txt that begins with DL; got .txt"),
    ("x.dl", ("dl n=2", "0 1 0 1"), "expected 'data:' before the data"),
    ("x.dl", ("dl", "data:", "0 1 0 1"), r"expected n=, a whole number above 0, in a DL file; got none"),
    ("x.dl", ("dl n=two", "data:", "0"), r"expected n=, a whole number above 0, .*; got {'n': 'two'}"),
    ("x.dl", ("dl nr=2 nc=3", "data:", "0 1 0"), r"expected a square matrix, as many rows as columns"),
    ("x.dl", ("dl n=2", "data:", "0 1 0"), r"line 2: expected 4 words of data for n=2, nm=1; got 3"),
    ("x.dl", ("dl n=2", "data:", "0 1 0 0 1"), r"expected 4 words of data for n=2, nm=1; got 5"),
    ("x.dl", ("dl n=2", "data:", "0 1", "x 0"), r"line 4: expected a number, or NA where unknown; got 'x'"),
    ("x.dl", ("dl n=2", "labels: a a", "data:", "0 1 0 0"), "expected each label once; 'a' stands 2 times"),
    ("x.dl", ("dl n=2", "labels: a", "data:", "0 1 0 0"), "expected 2 labels, one of each row; got 1"),
    ("x.dl", ("dl n=2", "row labels: a b", "col labels: b a", "data:", "0 1 0 0"), "the same labels of rows and columns"),
    ("x.dl", ("dl n=2", "labels embedded", "data:", "a b", "a 0 1", "a 1 0"), "the same labels of rows and columns, each once"),
    ("x.dl", ("dl n=2 nm=2", "matrix labels: a", "data:", "0"), "expected 2 labels, one of each matrix; got 1"),
    (
        "x.dl",
        ("dl n=2 format=lowerhalf", "data:", "0"),
        "expected the DL format edgelist1, fullmatrix, nodelist1; got lowerhalf",
    ),
    ("x.dl", ("dl n=2 format=edgelist1", "data:", "1 3"), r"line 3: expected the number of a person, 1 to 2, .*; got '3'"),
    ("x.dl", ("dl n=2 format=el1", "data:", "1 2 1 1"), "expected two people and perhaps a value; got '1 2 1 1'"),
    ("x.dl", ("dl n=2 format=el1", "data:", "1 2", "!", "1 2"), r"line 5: expected 1 matrices, as nm= says; got one more"),
    (
        "x.dl",
        ("dl n=2 format=nl1", "labels embedded", "data:", "a b", "c a"),
        "expected 2 people, as n= says; got one more, 'c'",
    ),
    ("x.net", ("*Arcs", "1 2"), r"line 2: expected the number of a vertex, 1 to 0; got '1'"),
    ("x.net", ("1 2",), r"expected \*Vertices in a Pajek file; it has none"),
    ("x.net", ("*Vertices 3 2", "*Edges"), r"line 1: expected \*Vertices and how many there are, of one kind; got '3 2'"),
    ("x.net", ("*Vertices 2", "1 a", "2 a", "*Edges"), "above line 4: expected each label once; 'a' stands 2 times"),
    ("x.net", ("*Vertices 2", '1 "2"', "*Edges"), "expected each label once; '2' stands 2 times"),
    ("x.net", ("*Vertices 2", "*Arcs", "1 2 c Blue"), r"line 3: expected a number as the value of a tie; got 'c'"),
    ("x.net", ("*Vertices 2", "*Arcs", "1 ann"), r"line 3: expected the number of a vertex, 1 to 2; got 'ann'"),
    ("x.net", ("*Vertices 2", "*Arcs", "1"), r"line 3: expected two vertices and perhaps a value; got '1'"),
    ("x.net", ("*Vertices 2", "*Arcs", "1 2 1 [1-3]"), r"line 3: expected one time a tie, as \[2\]; got '\[1-3\]'"),
    ("x.net", ("*Vertices 2", "*Matrix", "0 1"), r"expected 2 rows of \*Matrix above; got 1"),
    ("x.net", ("*Vertices 2", "*Matrix", "0 1 1"), r"line 3: expected 2 rows of 2 numbers; got 3 in row 1"),
    ("x.graphml", ("<graphml>",), "expected GraphML; it cannot be read: no element found"),
    ("x.graphml", ("<graphml></graphml>",), "expected GraphML; it has no graph"),
    (
        "x.graphml",
        ('<!DOCTYPE g [<!ENTITY a "b">]>', "<graphml>&a;</graphml>"),
        r"line 1: expected GraphML without a document type; got <!DOCTYPE g>: remove it",
    ),
    ("x.graphml", ("<graphml><graph/></graphml>",), r'expected edgedefault="directed" or "undirected"'),
)
GRAPH = '<graphml><graph edgedefault="directed"><node id="a"/>{}</graph></graphml>'
BAD_GRAPHS = (
    ('<node id="a"/>', "expected each node's id once, none empty; got 'a'"),
    ('<edge source="a" target="b"/>', "line 1: expected edges between nodes of the file; it has no node 'b'"),
    ('<edge source="a" target="a" directed="yes"/>', "expected directed=true or false of an edge; got 'yes'"),
    ('<node id="b"><data key="k">1</data></node>', "expected data of a key that the file declares; got 'k'"),
    ('</graph><graph edgedefault="directed">', "expected one graph a file; got another"),
    ("<hyperedge/>", "expected edges between two nodes; got a hyperedge"),
)


@pytest.mark.parametrize(
    ("name", "lines", "words"), [*BAD, *(("x.graphml", (GRAPH.format(part),), words) for part, words in BAD_GRAPHS)]
)
def test_bad_files_are_told_with_file_and_line(tmp_path, name, lines, words):
    with pytest.raises(SchemaError, match=words) as error:
        read_ties([write(tmp_path / name, *lines)])
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_is_no_tie(tmp_path):
    with pytest.raises(SchemaError, match="expected files of ties; got none"):
        read_ties([])
    with pytest.raises(SchemaError, match=r"x.csv: expected a text in UTF-8; it cannot be read"):
        read_ties([tmp_path / "x.csv"])
    with pytest.raises(SchemaError, match=r"x.graphml: expected GraphML; it cannot be read"):
        read_ties([tmp_path / "x.graphml"])
