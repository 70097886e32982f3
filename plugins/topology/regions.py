"""Regions as people abbreviate them in names: `euw1` for eu-west-1, `weu` for westeurope."""

from typing import Mapping, Optional

_DIRECTIONS = {
    "north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
    "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
}  # fmt: skip

# Azure's have no rule. Two of them for one region are two that people use.
_AZURE = {
    "weu": "westeurope", "neu": "northeurope", "eus": "eastus", "eus2": "eastus2", "cus": "centralus",
    "wus": "westus", "wus2": "westus2", "wus3": "westus3", "ncus": "northcentralus", "scus": "southcentralus",
    "uks": "uksouth", "ukw": "ukwest", "gwc": "germanywestcentral", "dewc": "germanywestcentral",
    "frc": "francecentral", "chn": "switzerlandnorth", "swc": "swedencentral", "sec": "swedencentral",
    "noe": "norwayeast", "sea": "southeastasia", "ea": "eastasia", "jpe": "japaneast", "jpw": "japanwest",
    "aue": "australiaeast", "ause": "australiasoutheast", "cac": "canadacentral", "cae": "canadaeast",
    "brs": "brazilsouth", "inc": "centralindia", "cin": "centralindia", "krc": "koreacentral",
    "uan": "uaenorth", "san": "southafricanorth",
}  # fmt: skip


def names(region: str, code: str, more: Mapping[str, str]) -> bool:
    """Whether the code, as it is found in a name, is the region."""
    given = more.get(code, _AZURE.get(code))
    return code == region or given == region or (given is None and code == _short(region))


def is_code(word: str, more: Mapping[str, str]) -> bool:
    """Whether the word looks like a region at all."""
    return word in more or word in _AZURE or _looks_like_aws(word)


def _short(region: str) -> Optional[str]:
    """`eu-west-1` to `euw1`, `us-gov-west-1` to `usgw1`."""
    words = region.split("-")
    if len(words) < 3 or not words[-1].isdigit():
        return None
    middle = "".join(_DIRECTIONS.get(word, word[:1]) for word in words[1:-1])
    return f"{words[0]}{middle}{words[-1]}"


def _looks_like_aws(word: str) -> bool:
    areas = ("af", "ap", "ca", "cn", "eu", "il", "me", "mx", "sa", "us")
    if word[:2] not in areas or not word[-1:].isdigit():
        return False
    directions = tuple(_DIRECTIONS.values())
    middle = word[2:-1]
    return middle in directions or middle[:1] in ("g", "i") and middle[1:] in directions
