"""Price lists in files, as CSV and as the JSON of a supplier's ``services``: read, written and compared.

Rates are read as they are written, digit by digit; no float is ever made of one.
"""

from __future__ import annotations

import csv
import io
import json
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, NamedTuple

from .catalog import ServiceList
from .dialects import DIALECTS
from .hooks import Service
from .ids import parse_number
from .money import parse, price, to_text
from .service_types import SERVICE_TYPES

FORMATS = ("csv", "json")

COLUMNS = tuple("service" if field.name == "id" else field.name for field in fields(Service))
"""The columns of the CSV: the names that ``services`` answers, in the order of a :class:`Service`."""


class BrokenList(ValueError):
    """A price list that cannot be read.

    :param problems: everything that is wrong with it, a sentence each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Row(NamedTuple):
    """One row as it was read.

    :param where: its place in the file, for people.
    :param values: by column.
    :param problem: why it is none; empty if it is one.
    """

    where: str
    values: Mapping[str, Any]
    problem: str = ""


# Reading


def decode(data: bytes) -> str:
    """The text of a file, with or without a byte order mark.

    :raises BrokenList: if it is no UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        raise BrokenList([f"Line {line}: this is no UTF-8; save the file in that encoding."]) from None


def format_of(text: str) -> str:
    """``json`` or ``csv``, by how *text* begins."""
    return "json" if text.lstrip()[:1] in ("[", "{") else "csv"


def read_rows(text: str, format: str) -> list[Row]:
    """The rows of *text*, whatever is in them.

    :param format: one of :data:`FORMATS`.
    :raises BrokenList: if it is no such list at all.
    """
    return _json_rows(text) if format == "json" else list(_csv_rows(text))


def to_services(rows: Iterable[Row]) -> list[Service]:
    """The services that *rows* describe.

    :raises BrokenList: with everything that is wrong in any of them.
    """
    services: list[Service] = []
    problems: list[str] = []
    places: dict[int, str] = {}
    for row in rows:
        values, wrong = _parse_row(row)
        if not wrong:
            try:
                service = Service(**values)
            except ValueError as failure:
                wrong = [str(failure)]
            else:
                services.append(service)
                if service.id in places:
                    wrong = [f"service {service.id} is in {places[service.id]} already."]
                places.setdefault(service.id, row.where.lower())
        problems += (f"{row.where}: {sentence}" for sentence in wrong)
    if any(problem.endswith(_NO_SUCH_TYPE) for problem in problems):
        problems.append(f"The types are: {', '.join(SERVICE_TYPES)}.")
    if problems:
        raise BrokenList(problems)
    return services


def _json_rows(text: str) -> list[Row]:
    try:
        found = json.loads(text, parse_float=str, parse_constant=str)  # as written; text is read digit by digit
    except json.JSONDecodeError as wrong:
        raise BrokenList([f"Line {wrong.lineno}: this is no JSON ({wrong.msg})."]) from None
    except (ValueError, RecursionError):
        raise BrokenList(["This is no JSON of a price list."]) from None
    if isinstance(found, dict) and "error" in found:
        raise BrokenList([f"This is a supplier's refusal, not a price list: {found['error']}"])
    if not isinstance(found, list):
        raise BrokenList(["This is no price list; it must be an array, as a supplier's services action answers."])
    return [
        Row(f"Row {n}", row) if isinstance(row, dict) else Row(f"Row {n}", {}, "it must be an object.")
        for n, row in enumerate(found, 1)
    ]


def _csv_rows(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _check_header(header)
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(header):
                yield Row(f"Line {line}", {}, f"it has {len(cells)} cells; the first line has {len(header)}.")
            elif cells:
                yield Row(f"Line {line}", dict(zip(header, map(_unprotected, cells), strict=True)))
            line = reader.line_num + 1
    except csv.Error as wrong:
        yield Row(f"Line {reader.line_num}", {}, f"this is no CSV ({wrong}).")


def _delimiter(text: str) -> str:
    """What separates the columns: spreadsheets write a semicolon in some countries."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _check_header(header: list[str]) -> None:
    missing = [name for name in COLUMNS if _READERS[name].required and name not in header]
    problems = [f"Line 1: the column {name} is missing." for name in missing]
    problems += (f"Line 1: there is no column {reprlib.repr(name)}." for name in header if name not in COLUMNS)
    problems += (f"Line 1: the column {name} is there twice." for name in COLUMNS if header.count(name) > 1)
    if problems:
        raise BrokenList([*problems, f"The columns are: {', '.join(COLUMNS)}."])


def _parse_row(row: Row) -> tuple[dict[str, Any], list[str]]:
    """The arguments of a :class:`Service`, and what is wrong with them."""
    if row.problem:
        return {}, [row.problem]
    parsed: dict[str, Any] = {}
    wrong: list[str] = []
    for name, (read, required) in _READERS.items():
        value = row.values.get(name)
        if value is None:
            if required:
                wrong.append(f"{name} is missing.")
            continue
        try:
            parsed["id" if name == "service" else name] = read(value)
        except ValueError as failure:
            wrong.append(f"{name} is {reprlib.repr(value)}; {failure}")
    return parsed, wrong


def _whole(value: Any) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    number = parse_number(str(value).strip()) if is_number or isinstance(value, str) else None
    if number is None:
        raise ValueError("it must be a whole number of 1 to 18 digits.")
    return number


_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


def parse_decimal(value: Any) -> Decimal:
    """*value*, text or a whole number, as an amount; Decimal itself would take underscores, and digits of any script.

    :raises ValueError: if it is not 0 or more, with at most eight places.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool)
    text = str(value).strip() if is_number or isinstance(value, str) else ""
    try:
        if not _NUMBER.fullmatch(text):
            raise ValueError
        return parse(text)
    except ValueError:
        raise ValueError("it must be a number, 0 or more, with at most eight places.") from None


_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def _flag(value: Any) -> bool:
    flag = _FLAGS.get(str(value).strip().lower()) if isinstance(value, (bool, int, str)) else None
    if flag is None:
        raise ValueError("it must be true or false.")
    return flag


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be text.")
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair, which JSON can write
        raise ValueError("no store can keep this.") from None
    return value


_NO_SUCH_TYPE = "there is no such type."


def _type(value: Any) -> str:
    if not isinstance(value, str) or value not in SERVICE_TYPES:
        raise ValueError(_NO_SUCH_TYPE)
    return value


class _Reader(NamedTuple):
    """How a column is read, and whether it must be there."""

    read: Callable[[Any], Any]
    required: bool = True


_READERS: dict[str, _Reader] = {
    "service": _Reader(_whole),
    "name": _Reader(_text),
    "type": _Reader(_type),
    "category": _Reader(_text),
    "rate": _Reader(parse_decimal),
    "min": _Reader(_whole),
    "max": _Reader(_whole),
    "refill": _Reader(_flag, required=False),
    "cancel": _Reader(_flag, required=False),
    "dripfeed": _Reader(_flag, required=False),
    "desc": _Reader(lambda value: _text(value) or None, required=False),
    "average_time": _Reader(lambda value: _text(value) or None, required=False),
}


def marked_up(services: Iterable[Service], percent: Decimal) -> list[Service]:
    """*services* at rates that are *percent* higher, rounded up to the next 10⁻⁸.

    :param percent: -100 or more.
    :raises BrokenList: if a rate would become larger than any account could pay.
    """
    numerator, denominator = percent.as_integer_ratio()
    parts, whole = 100 * denominator + numerator, 100 * denominator
    dearer: list[Service] = []
    problems: list[str] = []
    for service in services:
        try:
            dearer.append(replace(service, rate=price(service.rate, parts, whole)))
        except ValueError as failure:
            problems.append(str(failure))
    if problems:
        raise BrokenList(problems)
    return dearer


# Writing


def write(services: Iterable[Service], format: str) -> str:
    """*services* in one of :data:`FORMATS`; :func:`read_rows` gives them back."""
    return _to_json(services) if format == "json" else _to_csv(services)


def _to_json(services: Iterable[Service]) -> str:
    """As the panel dialect answers ``services``, a line a row."""
    rows = json.loads(DIALECTS["panel"].services(ServiceList(services)))
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def _to_csv(services: Iterable[Service]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for service in services:
        writer.writerow([_cell(getattr(service, field.name)) for field in fields(Service)])
    return file.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return to_text(value)
    return "" if value is None else protected(str(value))


_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # the last four as East Asian keyboards write them


def protected(cell: str) -> str:
    """*cell*, so that a spreadsheet takes it for text: it would compute what begins like a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unprotected(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


# Comparing


class Change(NamedTuple):
    """A service that is in both lists, and not the same.

    :param fields: what differs.
    """

    before: Service
    after: Service
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """What becomes of one list when another takes its place. A service is in one of these alone.

    :param dearer: by their rate, whatever else differs; likewise
    :param cheaper: those.
    :param changed: with the same rate, or with one that is of something else by now (of 1,000, of one).
    :param same: how many stay as they are.
    :param reordered: whether those in both lists are shown in another order.
    """

    new: tuple[Service, ...]
    gone: tuple[Service, ...]
    dearer: tuple[Change, ...]
    cheaper: tuple[Change, ...]
    changed: tuple[Change, ...]
    same: int
    reordered: bool

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.new or self.gone or self.dearer or self.cheaper or self.changed or self.reordered)


def compare(old: ServiceList, new: ServiceList) -> Changes:
    """What changes when *new* takes the place of *old*."""
    pairs = [(before, after) for after in new if (before := old.get(after.id)) is not None]
    changes = [Change(before, after, _differing(before, after)) for before, after in pairs if before != after]
    changes = [change for change in changes if change.fields]
    both = {after.id for _, after in pairs}
    kept = [id_ for id_ in dict.fromkeys(service.id for service in old) if id_ in both]
    return Changes(
        new=tuple(service for service in new if old.get(service.id) is None),
        gone=tuple(service for service in old if new.get(service.id) is None),
        dearer=tuple(change for change in changes if _rise(change) > 0),
        cheaper=tuple(change for change in changes if _rise(change) < 0),
        changed=tuple(change for change in changes if _rise(change) == 0),
        same=len(pairs) - len(changes),
        reordered=kept != [after.id for _, after in pairs],
    )


def _differing(before: Service, after: Service) -> tuple[str, ...]:
    """An empty text is no text, as in a CSV."""
    names = (field.name for field in fields(Service))
    return tuple(name for name in names if (getattr(before, name) or None) != (getattr(after, name) or None))


def _rise(change: Change) -> int:
    before, after = change.before, change.after
    if SERVICE_TYPES[before.type].per != SERVICE_TYPES[after.type].per:
        return 0
    return (after.rate > before.rate) - (after.rate < before.rate)
