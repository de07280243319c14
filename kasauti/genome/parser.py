"""From text to a checked expression tree; foreign text is read here and never evaluated."""

import difflib
import keyword
import math
import re
import unicodedata
from typing import NamedTuple, NoReturn

from kasauti.errors import GenomeError
from kasauti.genome.language import COMPARISONS, FUNCTIONS, SERIES
from kasauti.genome.model import Binary, Call, Expression, Number, Series, Unary
from kasauti.genome.text import BINDING, MINUS_BINDING
from kasauti.genome.tree import MAX_DEPTH
from kasauti.genome.units import unit_of

MAX_TEXT = 10_000
# An operand in parentheses takes two levels of the parser for one of the tree.
_MAX_LEVELS = 2 * MAX_DEPTH + 2

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<number>(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<refused>\*\*|//|<<|>>|:=|==|!=|<>|->)
    | (?P<operator><=|>=|[-+*/<>(),])
    """,
    re.VERBOSE,
)
_VALUE = "a number, a series, a function, '-', 'not' or '('"
_REASONS = {
    "**": "powers are not part of the language",
    "//": "whole division is not part of the language: use /",
    "%": "the remainder is not part of the language",
    "==": "values are never compared for equality: use <= or >=",
    "!=": "values are never compared for equality: use < or >",
    ":=": "assignment is not part of the language",
    "=": "arguments are positional and nothing is assigned: write sma(close, 20)",
    ".": "attribute access is not part of the language",
    "[": "subscripts and lists are not part of the language: use lag(close, 1)",
    "]": "subscripts and lists are not part of the language: use lag(close, 1)",
    "&": "bit operators are not part of the language: use 'and'",
    "|": "bit operators are not part of the language: use 'or'",
    "~": "bit operators are not part of the language: use 'not'",
    "!": "write 'not'",
}


class _Token(NamedTuple):
    kind: str
    text: str
    position: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{self.text:.40}'"


def parse_expression(text: str) -> Expression:
    """Return the tree of `text`, type-checked; arguments left out are filled with their defaults.

    Parameters
    ----------
    text : str
        At most `MAX_TEXT` characters of the expression language.

    Raises
    ------
    GenomeError
        On anything outside the language, with its position and what was expected.
    """
    if not isinstance(text, str):
        raise GenomeError(f"expected an expression as text, found {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise GenomeError(
            f"the expression has {len(text)} characters, at most {MAX_TEXT} are read: simplify it"
        )
    return _Parser(_tokens(text)).parse()


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise GenomeError(_refusal(text[position]), position)
        kind, found = match.lastgroup, match.group()
        if kind == "refused":
            raise GenomeError(_refusal(found), position)
        end = match.end()
        if kind == "number" and end < len(text) and (text[end].isalnum() or text[end] in "_."):
            raise GenomeError(
                f"expected a number such as 14 or 0.5, found {text[position : end + 9]!a}",
                position,
            )
        if kind != "space":
            tokens.append(_Token(kind, found, position))
        position = end
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _refusal(found: str) -> str:
    if found in _REASONS:
        return f"'{found}': {_REASONS[found]}"
    if found.isascii():
        return f"{found!a} is not part of the language: expected {_VALUE} or an operator"
    name = unicodedata.name(found, "a character without a name")
    return f"{found!a} ({name}) is not part of the language: only ASCII is read"


class _Parser:
    """Precedence climbing over the tokens; `positions` remembers where each node was written."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.next = 0
        self.levels = 0
        self.positions: dict[int, int] = {}

    def parse(self) -> Expression:
        expression = self.expression(0)
        if self.peek().kind != "end":
            self.fail("an operator or the end")
        unit_of(expression, self.positions)
        return expression

    def peek(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        token = self.tokens[self.next]
        self.next += 1
        return token

    def fail(self, expected: str) -> NoReturn:
        token = self.peek()
        raise GenomeError(f"expected {expected}, found {token}", token.position)

    def node(self, node: Expression, token: _Token) -> Expression:
        self.positions[id(node)] = token.position
        return node

    def expression(self, least: int) -> Expression:
        """Read operands joined by operators that bind tighter than `least`."""
        self.levels += 1
        if self.levels > _MAX_LEVELS:
            raise GenomeError(
                f"the expression is nested deeper than {MAX_DEPTH}: simplify it",
                self.peek().position,
            )
        left = self.operand(least)
        compared = False
        while (binding := self.infix_binding()) > least:
            operator = self.take()
            if operator.text in COMPARISONS:
                if compared:
                    raise GenomeError(
                        "comparisons cannot be chained: write a < b and b < c", operator.position
                    )
                compared = True
            right = self.expression(binding)
            left = self.node(Binary(operator.text, left, right), operator)
        self.levels -= 1
        return left

    def infix_binding(self) -> int:
        token = self.peek()
        return 0 if token.text == "not" else BINDING.get(token.text, 0)

    def operand(self, least: int) -> Expression:
        token = self.peek()
        if token.kind == "number":
            return self.number(self.take())
        if token.text == "(":
            self.take()
            inside = self.expression(0)
            self.expect(")", "an operator or ')'")
            return inside
        if token.text == "-":
            return self.minus(self.take())
        if token.text == "not":
            return self.negation(self.take(), least)
        if token.kind == "name" and token.text not in BINDING:
            return self.named(self.take())
        return self.fail(_VALUE)

    def expect(self, text: str, expected: str) -> None:
        if self.peek().text != text:
            self.fail(expected)
        self.take()

    def number(self, token: _Token) -> Expression:
        value = float(token.text)
        if math.isinf(value):
            raise GenomeError(f"expected a finite number, found {token}", token.position)
        mantissa = re.split("[eE]", token.text)[0]
        if value == 0 and mantissa.strip("0."):
            raise GenomeError(f"{token} is too small to be told from 0", token.position)
        return self.node(Number(value), token)

    def minus(self, token: _Token) -> Expression:
        operand = self.expression(MINUS_BINDING)
        if isinstance(operand, Number):
            return self.node(Number(0.0 - operand.value), token)
        return self.node(Unary("-", operand), token)

    def negation(self, token: _Token, least: int) -> Expression:
        if least > BINDING["not"]:
            raise GenomeError("'not' inside an operand needs parentheses", token.position)
        # A `not` directly under `not` is read by the same rule, so the operand starts just below.
        return self.node(Unary("not", self.expression(BINDING["not"])), token)

    def named(self, token: _Token) -> Expression:
        name = token.text
        if self.peek().text == "(":
            if name in FUNCTIONS:
                return self.call(token)
            if name in SERIES:
                raise GenomeError(f"'{name}' is a series, not a function", token.position)
        elif name in SERIES:
            return self.node(Series(name), token)
        elif name in FUNCTIONS:
            raise GenomeError(
                f"'{name}' is a function: write {FUNCTIONS[name].signature}", token.position
            )
        raise GenomeError(_unknown(name), token.position)

    def call(self, token: _Token) -> Expression:
        function = FUNCTIONS[token.text]
        arguments: list[Expression] = []
        self.take()
        if self.peek().text != ")":
            arguments.append(self.expression(0))
            while self.peek().text == ",":
                self.take()
                arguments.append(self.expression(0))
        self.expect(")", "',' or ')'")
        for parameter in function.parameters[len(arguments) :]:
            if parameter.default is None:
                break
            arguments.append(self.node(Number(parameter.default), token))
        return self.node(Call(function.name, tuple(arguments)), token)


def _unknown(name: str) -> str:
    if keyword.iskeyword(name):
        return f"'{name}' is not part of the language"
    near = difflib.get_close_matches(name[:40].lower(), [*SERIES, *FUNCTIONS], n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"the series are {', '.join(SERIES)}"
    return f"the name {name[:40]!r} is not registered: {advice}"
