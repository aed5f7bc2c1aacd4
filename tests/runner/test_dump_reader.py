"""Rows are counted right whatever the names and the data look like, and however the text is cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmigrations.runner.dump_reader import DumpReader, DumpSyntaxError, column_values

TEXT = rb"""--
-- PostgreSQL database dump
--

\restrict abc'd;

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

-- Data for Name: it's; Type: TABLE DATA; Schema: public; Owner: "x
COPY public.t (id, "a""b;") FROM stdin;
1	x
2	\\.
3	COPY public.t (id) FROM stdin;
\.


COPY public.empty (id) FROM stdin;
\.


COPY "Sp ace"."a
COPY public.x (id) FROM stdin;
"" (id) FROM stdin;
" (id) FROM stdin;
1
\.

COPY public.alembic_version (note, version_num) FROM stdin;
	a\\b
x	\N
y	c\td
\.

SELECT pg_catalog.setval('public."x''
COPY public.y (a) FROM stdin;
"', 1, true);
SELECT pg_catalog.lowrite(0, '\x414243');
COPY public.nocols  FROM stdin;



\.


\unrestrict abc'd;

--
-- done
--

"""
ROWS = {
    (b"public", b"t"): 3,
    (b"public", b"empty"): 0,
    (b"Sp ace", b'a\nCOPY public.x (id) FROM stdin;\n" (id) FROM stdin;\n'): 1,
    (b"public", b"alembic_version"): 3,
    (b"public", b"nocols"): 3,
}
VERSIONS = (b"public", b"alembic_version")


def read(text: bytes, cuts: list[int]) -> DumpReader:
    reader = DumpReader(frozenset([VERSIONS]))
    positions = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in pairwise(positions):
        reader.feed(text[start:end])
    reader.close()
    return reader


def test_tables_with_any_name_are_counted():
    assert read(TEXT, []).rows == ROWS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_small_chunks_change_nothing(size):
    assert read(TEXT, list(range(0, len(TEXT), size))).rows == ROWS


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_random_chunks_change_nothing(cuts):
    assert read(TEXT, cuts).rows == ROWS


def test_version_rows_are_unescaped():
    assert column_values(read(TEXT, []).kept[VERSIONS], b"version_num") == {"a\\b", "c\td"}


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])), max_size=5))
def test_data_never_looks_like_the_end_of_a_table(values):
    escapes = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    lines = ["".join(escapes.get(letter, letter) for letter in value) + "\n" for value in values]
    text = "COPY a.b (x) FROM stdin;\n" + "".join(lines) + "\\.\n"
    reader = DumpReader()
    reader.feed(text.encode())
    reader.close()
    assert reader.rows == {(b"a", b"b"): len(values)}


@pytest.mark.parametrize(
    "after", [b"1\tx\n", b"COPY public.empty (id)", b'COPY "Sp ace"."a\n', b"SELECT pg_catalog.setval('pub"]
)
def test_a_text_that_ends_early_is_an_error(after):
    with pytest.raises(DumpSyntaxError):
        read(TEXT[: TEXT.index(after) + len(after)], [])
