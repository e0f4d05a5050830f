"""Text as the screens read it: tricks of spelling undone, so that a rule is written once.

Two views of one text. `plain` keeps case, punctuation and layout, and is for e-mail addresses, numbers and markup.
`words` is for words: casefolded, without accents other than the diaeresis, one space between words, a line a sentence.

Undone in both: compatibility forms (full width, mathematical and circled letters, ligatures), characters that do not
show, digits of other scripts, Cyrillic and Greek letters among Latin ones. Undone in `words` only: accents and marks
laid over letters, Arabic vowel signs and hamza, and an Arabic word's article and endings (close to the light stemmer of
Larkey, Ballesteros and Connell, 2002), apostrophes and underscores, letters set apart ("g a y", "g.a.y"),
digits inside words ("d1abetes"). Not undone: misspelling, words run together, pictures of letters, other encodings.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Characters that show nothing and are not of the category "format".
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

# Soft hyphen, zero-width characters, marks of direction, invisible operators, variation selectors, tags.
_INVISIBLE = re.compile(
    f"[\u00ad\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    f"\U000e0000-\U000e01ef{_BLANK_LETTERS}]"
)
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_SENTENCE_END = re.compile(r"[.!?;]+(?=[\s\"')\]»”’]|$)|[。؟；！？]+")
_BETWEEN_WORDS = re.compile(r"[^\w\n]+")
_BETWEEN_SENTENCES = re.compile(r" ?\n[ \n]*")

# Combining marks except the diaeresis, which tells German words apart, and the Japanese voicing marks.
_MARK = re.compile(
    "[\u0300-\u0307\u0309-\u036f\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0591-\u05c7\u20d0-\u20f0]"
)

_CYRILLIC_AND_GREEK = "аеорсухіјѕԁԛԝһкмтвнАВЕКМНОРСТХУІЈЅοαρνικτυχεΑΒΕΗΙΚΜΝΟΡΤΥΧΖɡıɑ"
_AS_LATIN = "aeopcyxijsdqwhkmtbhABEKMHOPCTXYIJSoapviktuxeABEHIKMNOPTYXZgia"
_LOOK_ALIKES = str.maketrans(_CYRILLIC_AND_GREEK, _AS_LATIN)
_LOOK_ALIKE = re.compile(f"[{_CYRILLIC_AND_GREEK}]")
_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN = re.compile("[a-zA-Z]")
_SET_APART = re.compile(r"\b(?<!')[^\W\d_](?:[ .*_\-][^\W\d_]){2,}\b")
_APART = re.compile(r"[ .*_\-]")
_DIGIT_BETWEEN = re.compile(r"[013457@$](?<=[a-z].)(?=[a-z013457@$])")
_DIGIT_IN_WORD = re.compile(r"\b[a-z]+(?:[013457@$]{1,2}[a-z]+)+\b")
_LETTER_FOR_DIGIT = str.maketrans("013457@$", "oieastas")
_ARABIC_WORD = re.compile("[\u0621-\u064a]{4,30}")
_ARABIC_BEFORE = re.compile("^(?:و(?=...))?(?:[فبك]?ال(?=..)|لل(?=..))?")
_ARABIC_AFTER = re.compile("(?<=..)(?:ها|هم|هن|ان|ات|ون|ين|وا|يه|نا|ه|ي|ا)$")
_ARABIC_FORMS = str.maketrans({"ى": "ي", "ة": "ه", "ـ": None, "ی": "ي", "ک": "ك", "ٱ": "ا"})
_APOSTROPHE = re.compile("[’‘`´ʼ＇]")


@dataclass(frozen=True, kw_only=True, repr=False)
class FoldedText:
    """One text in two views (see the module). It holds a person's words, so it shows none."""

    plain: str
    words: str

    def __repr__(self) -> str:
        return f"FoldedText({len(self.words)} characters)"


def fold(text: str) -> FoldedText:
    """Both views of `text`, in time linear in its length. Halves of surrogate pairs are kept as they are."""
    plain = fold_plain(text)
    return FoldedText(plain=plain, words=_fold_words(plain))


def fold_words(text: str) -> str:
    """The `words` view alone; tables of rules are folded by it too."""
    return _fold_words(fold_plain(text))


def fold_plain(text: str) -> str:
    """The `plain` view alone."""
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)))
    text = _OTHER_DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0])), text)
    return text if _LOOK_ALIKE.search(text) is None else _LETTERS.sub(_as_latin, text)


def _fold_words(plain: str) -> str:
    if not plain.isascii():
        plain = _MARK.sub("", unicodedata.normalize("NFKD", plain.casefold()))
        plain = unicodedata.normalize("NFC", plain).translate(_ARABIC_FORMS)
    words = _APOSTROPHE.sub("'", plain.casefold())
    words = _SET_APART.sub(_put_together, words)
    if _DIGIT_BETWEEN.search(words) is not None:
        words = _DIGIT_IN_WORD.sub(_undo_digits, words)
    words = words.replace("\n", " ").replace("_", " ")
    words = _BETWEEN_WORDS.sub(" ", _SENTENCE_END.sub("\n", words))
    if not plain.isascii():
        words = _ARABIC_WORD.sub(_arabic_stem, words)
    return _BETWEEN_SENTENCES.sub("\n", words).strip()


def _as_latin(word: re.Match[str]) -> str:
    # Only in a word that mixes alphabets: a Russian word is no disguise.
    return word[0] if _LATIN.search(word[0]) is None else word[0].translate(_LOOK_ALIKES)


def _arabic_stem(word: re.Match[str]) -> str:
    stem = _ARABIC_BEFORE.sub("", word[0])
    shorter = _ARABIC_AFTER.sub("", stem)
    return _ARABIC_AFTER.sub("", shorter) if len(shorter) > 3 else shorter


def _put_together(run: re.Match[str]) -> str:
    word = _APART.sub("", run[0])
    # "I k i l l": the first letter may be a word of its own, so both readings are kept.
    return f"{word[0]} {word[1:]} {word}" if word[0] in "ia" else word


def _undo_digits(word: re.Match[str]) -> str:
    # Two letters and a digit is a name ("b2b"), not a disguise.
    letters = sum(character.isalpha() for character in word[0])
    return word[0].translate(_LETTER_FOR_DIGIT) if letters >= 3 else word[0]
