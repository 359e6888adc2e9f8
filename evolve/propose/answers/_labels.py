"""The line above a fence: whether it says that old lines or new ones come, in the languages that models answer in."""

from __future__ import annotations

import re

_OLD_LABEL = re.compile(
    r"(?:.{0,150}\b)?(?:search(?: for)?|find|replace|change|original|old|before|current(?:ly)?|existing|from)"
    r"(?: (?:the|this|these|following|code|lines?|block|version|snippet|section|text|by|content|with this)){0,4}",
    re.IGNORECASE,
)
_NEW_LABEL = re.compile(
    r"(?:.{0,150}\b)?(?:replace(?: with)?|replacement|with|to|by|after|updated?|new|modified|improved|changed|becomes|into)"
    r"(?: (?:the|this|these|following|code|lines?|block|version|snippet|section|text|content|it)){0,4}",
    re.IGNORECASE,
)
_LONGEST_ABROAD = 80  # characters of a label
_OLD_ABROAD = re.compile(
    r"(?:.{0,100}\b)?(?:ersetzen?|remplace[rz]?|reemplaz(?:a|ar|ue)|substitu(?:a|ir)|sostituisci|замените?)\b.{0,80}"
    r"|vorher|alt(?:er code)?|avant|(?:ancien )?code(?: original)?|antes"
    r"|c[óo]digo (?:original|antiguo|atual)|prima|до|было|старый код"
    r"|(?:将|把).{0,60}|(?:原|旧|原始|原来的|修改前的?|替换前的?)(?:代码)?|変更前|元のコード|기존 코드|변경 전",
    re.IGNORECASE,
)
_NEW_ABROAD = re.compile(
    r"durch|mit|nachher|neu(?:er code)?|apr[èe]s|par|nouveau(?: code)?|despu[ée]s|depois|por|con"
    r"|c[óo]digo nuevo|(?:nuevo|novo) c[óo]digo"
    r"|dopo|после|стало|на|новый код|.{0,20}(?:替换为|改为|修改为|替换成|改成)"
    r"|(?:新|修改后的?|替换后的?)(?:代码)?|変更後|新しいコード|변경 후|새 코드",
    re.IGNORECASE,
)


def label_kind(label: str, *, pending: bool) -> str:
    """What the line above a fence says that it holds: ``old`` lines, ``new`` lines, or "".  ``pending``: old ones came before."""
    words = label.strip("#*_`:：.> -\t").rstrip(":：").strip("*_` ")
    short = words if len(words) <= _LONGEST_ABROAD else ""
    if pending and (_NEW_LABEL.fullmatch(words) or _NEW_ABROAD.fullmatch(short)):
        return "new"
    return "old" if _OLD_LABEL.fullmatch(words) or _OLD_ABROAD.fullmatch(short) else ""
