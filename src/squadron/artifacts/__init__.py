"""How files that pass from step to step are written, read and checked, and the schemas of tables.

The type of a JSON file is in the room that owns its content. Each artifact holds its `schema` (name
and version) and `made_from` (a digest of what it was made from). Readers refuse a file of another
schema. Writers put a file in place whole or not at all. May import config. Others use the names in
`__all__`.
"""

from squadron.artifacts.columns import Column
from squadron.artifacts.contexts import encode_contexts, read_contexts
from squadron.artifacts.files import written_whole
from squadron.artifacts.json_files import (
    official_in_parts,
    read_json,
    write_json,
    write_official,
)
from squadron.artifacts.records import (
    Record,
    from_content,
    parse_record,
    read_record,
    to_content,
    write_record,
)
from squadron.artifacts.schemas import (
    ANSWERING,
    BREAKDOWN,
    CANDIDATES,
    CUT_WINDOWS,
    ERRORS,
    EXAMPLES,
    EXTENTS,
    FOUND,
    MODEL_ABOUT,
    MODEL_SCHEMA,
    OPEN_ANSWERS,
    PASSAGES,
    SCORES,
    WINDOW_TYPES,
    WINDOWS,
)
from squadron.artifacts.tables import (
    read_origin,
    read_parts,
    read_table,
    read_windows,
    write_table,
    write_windows,
    written_in_parts,
)

__all__ = [
    "ANSWERING",
    "BREAKDOWN",
    "CANDIDATES",
    "CUT_WINDOWS",
    "ERRORS",
    "EXAMPLES",
    "EXTENTS",
    "FOUND",
    "MODEL_ABOUT",
    "MODEL_SCHEMA",
    "OPEN_ANSWERS",
    "PASSAGES",
    "SCORES",
    "WINDOWS",
    "WINDOW_TYPES",
    "Column",
    "Record",
    "encode_contexts",
    "from_content",
    "official_in_parts",
    "parse_record",
    "read_contexts",
    "read_json",
    "read_origin",
    "read_parts",
    "read_record",
    "read_table",
    "read_windows",
    "to_content",
    "write_json",
    "write_official",
    "write_record",
    "write_table",
    "write_windows",
    "written_in_parts",
    "written_whole",
]
