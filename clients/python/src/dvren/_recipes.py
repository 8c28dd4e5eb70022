"""Recipes: mappings or YAML files with the keys of dvren.v1.RecipeFile and its Recipe, made into messages. Strict: an
unknown key names the nearest known one."""

from __future__ import annotations

import difflib
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from . import _tensors as tensors
from ._proto.dvren.v1 import training_service_pb2 as pb
from .errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, invalid

_DATA = "${DVREN_DATA}"
_MAX_EXTENDED = 16
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}


def recipe_file(recipe: Mapping[str, Any] | str | os.PathLike[str]) -> pb.RecipeFile:
    """Of a mapping, or of a YAML file with all that it extends."""
    message = pb.RecipeFile()
    if isinstance(recipe, Mapping):
        _merge(recipe, "", message, pathlib.Path())
    else:
        _merge_file(pathlib.Path(recipe), [], message)
    return message


def dataset_source(dataset: Mapping[str, Any] | str | os.PathLike[str]) -> pb.DatasetSource:
    message = pb.DatasetSource()
    if isinstance(dataset, Mapping):
        _fill(dataset, "dataset", message)
    else:
        message.path = os.fspath(dataset)
    if message.path:
        message.path = _dataset_path(message.path)
    return message


def _dataset_path(path: str) -> str:
    expanded = path.replace(_DATA, os.environ.get("DVREN_DATA") or "../shared/data")
    if "${" in expanded:
        raise invalid("dataset.path", path, f"only {_DATA} is filled in")
    return os.path.abspath(expanded)


def _merge_file(path: pathlib.Path, chain: list[pathlib.Path], message: pb.RecipeFile) -> None:
    try:
        import yaml
    except ImportError:
        raise FailedPreconditionError(
            f"recipe = {path}: reading YAML needs PyYAML; install dvren[yaml], or give the recipe as a dict"
        ) from None
    if path.resolve() in chain or len(chain) >= _MAX_EXTENDED:
        raise invalid("extends", path, "goes round in a circle, or is one of too many in a row")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"recipe = {path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise invalid("recipe", path, f"is no YAML: {' '.join(str(error).split())}") from None
    if document is None:
        return
    if not isinstance(document, Mapping):
        raise invalid("recipe", path, "must be a map of keys and values")
    _merge(document, "", message, path.parent, [*chain, path.resolve()])


def _merge(
    recipe: Mapping[str, Any],
    path: str,
    message: pb.RecipeFile,
    folder: pathlib.Path,
    chain: list[pathlib.Path] | None = None,
) -> None:
    """First what is extended, so that what is said here wins."""
    if "extends" in recipe:
        if not isinstance(recipe["extends"], str):
            raise invalid("extends", recipe["extends"], "must be the path of a recipe")
        _merge_file(folder / recipe["extends"], chain or [], message)
    own = {name: field for name, field in message.DESCRIPTOR.fields_by_name.items() if name != "recipe"}
    recipes = pb.Recipe.DESCRIPTOR.fields_by_name
    for key, value in recipe.items():
        if key == "extends":
            continue
        if key in own:
            _set(value, key, own[key], message)
        elif key in recipes:
            _set(value, key, recipes[key], message.recipe)
        else:
            raise _unknown(path, key, [*own, *recipes, "extends"])


def _fill(values: Any, path: str, message: Message) -> None:
    name = message.DESCRIPTOR.full_name
    if name == "dvren.v1.Vec3" and not isinstance(values, Mapping):
        message.CopyFrom(tensors.to_vec3(path, values))
        return
    if name == "dvren.v1.Box" and not isinstance(values, Mapping):
        message.CopyFrom(tensors.to_box(path, values))
        return
    if not isinstance(values, Mapping):
        raise invalid(path, values, "must be a map of keys and values")
    fields = message.DESCRIPTOR.fields_by_name
    for key, value in values.items():
        if key not in fields:
            raise _unknown(path, key, list(fields))
        _set(value, f"{path}.{key}", fields[key], message)


def _set(value: Any, path: str, field: FieldDescriptor, message: Message) -> None:
    if field.label == FieldDescriptor.LABEL_REPEATED:
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            raise invalid(path, value, "must be a list of maps")
        message.ClearField(field.name)
        for index, item in enumerate(value):
            _fill(item, f"{path}[{index}]", getattr(message, field.name).add())
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        part = getattr(message, field.name)
        part.SetInParent()
        _fill(value, path, part)
    else:
        setattr(message, field.name, _scalar(value, path, field))


def _scalar(value: Any, path: str, field: FieldDescriptor) -> Any:
    if field.cpp_type in _INTEGERS:
        least, most = _INTEGERS[field.cpp_type]
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= int(value) <= most:
            raise invalid(path, value, "must be a whole number" + (", 0 or above" if least == 0 else ""))
        return int(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        number = _number(value)
        if number is None:
            raise invalid(path, value, "must be a number")
        return number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise invalid(path, value, "must be true or false")
        return value
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        # "skip" for MISSING_IMAGES_SKIP.
        prefix = field.enum_type.values[0].name[: -len("UNSPECIFIED")]
        choices = {v.name[len(prefix) :].lower(): v.number for v in field.enum_type.values[1:]}
        return tensors.enum_value(path, value, choices)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise invalid(path, value, "must be a text")
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, str):  # PyYAML takes 1e-3 for a text: YAML 1.1 wants 1.0e-3
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not hasattr(value, "__float__") or not math.isfinite(float(value)):
        return None
    return float(value)


def _unknown(path: str, key: object, known: list[str]) -> InvalidArgumentError:
    name = f"{path}.{key}" if path else str(key)
    near = difflib.get_close_matches(str(key), known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}"
    return InvalidArgumentError(f"{name}: unknown key; {remedy}")
