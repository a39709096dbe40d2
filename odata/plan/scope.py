"""Scope: what names mean at one place of a request, and under which profile and limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import count

from odata.edm.model import Model
from odata.errors import BadRequest
from odata.plan.bound import Variable
from odata.plan.limits import Limits, Profile
from odata.plan.values import Guards
from odata.url.nodes import Expression, ParameterAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """root: what $it is, inside $expand too; None before the resource path is known. implicit: whose properties bare
    names are. variables: of enclosing lambdas. aliases: with "@".

    numbers, steps (nodes bound so far), guards and first_steps (of the paths bound so far) are shared by all scopes of
    one plan. filtering: properties must be filterable. ordering: now() must be the same on every page.
    """

    model: Model
    profile: Profile = "strict"
    limits: Limits = field(default_factory=Limits)
    root_variable: Variable | None = None
    implicit_variable: Variable | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)
    aliases: Mapping[str, Expression] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    guards: Guards = field(default_factory=Guards)
    steps: Iterator[int] = field(default_factory=lambda: count(1))
    first_steps: set[str] = field(default_factory=set)
    lambda_depth: int = 0
    alias_depth: int = 0
    filtering: bool = False
    ordering: bool = False

    @property
    def lenient(self) -> bool:
        """Whether the caller's profile bends the standard the way Salesforce needs it."""
        return self.profile == "salesforce"

    @property
    def root(self) -> Variable:
        assert self.root_variable is not None, "a scope without a resource path has no $it"
        return self.root_variable

    @property
    def implicit(self) -> Variable:
        assert self.implicit_variable is not None, "a scope without an entity set has no properties"
        return self.implicit_variable

    @property
    def this(self) -> Variable:
        """What $this is: the entity for which an option is evaluated, inside $expand the expanded one."""
        return self.implicit

    def fresh(self) -> int:
        """A number no variable of this plan has yet."""
        return next(self.numbers)

    def entering(self, variable: Variable) -> Scope:
        """The scope of a request's own options: variable is $it and owns bare names."""
        return replace(self, root_variable=variable, implicit_variable=variable)

    def nested(self, variable: Variable, aliases: tuple[tuple[str, Expression], ...] = ()) -> Scope:
        """The scope of options nested in parentheses: bare names are those of variable, $it stays."""
        known = {**self.aliases, **dict(aliases)} if aliases else self.aliases
        return replace(self, implicit_variable=variable, aliases=known)

    def with_lambda(self, name: str, variable: Variable) -> Scope:
        """The scope inside any(name: ...) or all(name: ...)."""
        return replace(self, variables={**self.variables, name: variable}, lambda_depth=self.lambda_depth + 1)

    def resolve(self, expression: Expression) -> Expression | None:
        """What an alias stands for, other expressions as they are; None for an alias without a value, which is null.

        Raises: BadRequest for aliases that stand for each other in a circle.
        """
        seen: set[str] = set()
        while isinstance(expression, ParameterAlias):
            if expression.name in seen:
                raise BadRequest(f"The parameter alias {expression.name} stands for itself.", target=expression.name)
            seen.add(expression.name)
            found = self.aliases.get(expression.name)
            if found is None:
                return None
            expression = found
        return expression


def root_scope(
    model: Model, *, profile: Profile = "strict", limits: Limits | None = None,
    aliases: tuple[tuple[str, Expression], ...] = (),
) -> Scope:  # fmt: skip
    """The scope of a request before its path is known."""
    return Scope(model=model, profile=profile, limits=limits or Limits(), aliases=dict(aliases))


def nearest(name: str, known: Collection[str]) -> str:
    """How an error message ends: "; did you mean 'Region'?", or with a full stop when no known name is close."""
    by_case = {entry.lower(): entry for entry in known}
    exact = by_case.get(name.lower())
    near = [exact] if exact else get_close_matches(name, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else "."
