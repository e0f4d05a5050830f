"""Contact data: what leads to a person. Mostly shapes of numbers and names, read in the `plain` view.

Found: e-mail addresses (also spelled out), telephone numbers in national and international form, street addresses and
postal codes, numbers of accounts, cards, documents and customers, handles, links, network and map coordinates. Years,
dates, version numbers, counts and limits of words pass.
"""

from __future__ import annotations

import re

from client.screening.folding import FoldedText
from client.screening.phrases import Phrases


def _any(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


# Shapes read lower case, and repeat only a bounded number of times.
_TOP_LEVEL = (
    "com|org|net|info|biz|edu|gov|mil|int|io|me|dev|app|co|ai|xyz|site|online|shop|blog|page|link|tech|cloud|tv|gg|ly"
    "|de|at|ch|fr|es|it|nl|be|uk|ie|pt|pl|se|no|dk|fi|cz|ru|ua|tr|gr|eu|us|ca|mx|br|ar|jp|cn|kr|tw|in|au|nz|za|il|sa|ae|eg"
)
_DOMAIN = re.compile(rf"\.(?:{_TOP_LEVEL})(?![\w-]|\.\w)")
_HOST = re.compile(r"(?<![\w.@$-])(?:[a-z0-9][a-z0-9-]{0,40}\.){0,3}([a-z][a-z0-9-]{1,40})$")
# What looks like a host and is a library, or a name in a program.
_LIBRARIES = frozenset({
    "asp", "ado", "vb", "ml", "socket", "draw", "fast", "spring", "three", "vue", "node", "next", "nuxt", "chart",
    "express", "self", "this", "df", "np", "pd", "plt", "math",
})  # fmt: skip

_SERVICES = _any(
    "telegram", "instagram", "insta", "twitter", "discord", "snapchat", "snap", "tiktok", "facebook", "linkedin",
    "whatsapp", "skype", "wechat", "signal", "mastodon", "bluesky", "threads", "github", "gitlab", "reddit", "steam",
    "psn", "xbox", "gamertag", "kakao", "line", "youtube", "twitch", "vk",
)  # fmt: skip
_DOCUMENTS = _any(
    "ssn", "social (?:security|insurance)", "national insurance", "passport", "licen[cs]e", "tax", "vat", "id",
    "identity", "account", "acct", "customer", "client", "member(?:ship)?", "patient", "employee", "student",
    "insurance", "policy", "medicare", "nhs", "mrn", "card", "bank", "sort code", "routing", "iban", "swift", "bic",
    "plate", "registration", "vin", "imei", "aadhaar", "pan", "badge", "case", "pin", "booking", "loyalty", "serial",
    "visa", "dni", "nie", "nif", "curp", "rfc", "cpf", "siret", "insee", "kundennummer", "kontonummer", "steuernummer",
    "steuer-?id", "ausweisnummer", "personalausweis\\w{0,10}", "reisepass\\w{0,10}", "versicherungsnummer",
    "matrikelnummer", "kennzeichen", "blz",
)  # fmt: skip

# At a digit, at a letter, and anywhere: three searches, however many shapes.
_AT_DIGIT = (
    # cards in groups; US social security; IPv4; coordinates; network addresses; English and French streets
    r"\d{3}(?:\d[ -](?:\d{4}[ -]\d{4}[ -]\d|\d{6}[ -]\d{5})|-\d{2}-\d{4})",
    r"(?:\d{1,3}\.){3}\d{1,3}\b(?!\.\d)",
    r"\d{1,3}(?:\.\d{3,8}°? ?[ns]?, ?-?\d{1,3}\.\d{3,8}|° ?\d{1,2}['′])",
    r"[0-9a-f]{2}[:-](?:[0-9a-f]{2}[:-]){4}[0-9a-f]{2}\b",
    r"[0-9a-f]{1,4}:(?:[0-9a-f]{1,4}:){4,6}[0-9a-f]{1,4}\b",
    r"0x[0-9a-f]{40}\b",
    r"\d{1,5}[a-z]?,? (?:[\w'.-]{1,25} ){0,3}(?:street|avenue|boulevard|blvd|road|highway|parkway|crescent)\b",
    r"\d{1,4}(?: ?bis| ?ter)?,? (?:rue|avenue|av\.|boulevard|bd|chemin|allée|impasse|quai"
    r"|(?:place|route) (?:de|du|des)) \w",
    r"555[-. ]\d{4}\b",
)
_AT_LETTER = (
    r"(?:www\.|mailto:|tel:)[\w+]",
    r"(?:t|wa|fb)\.me/\w|(?:linktr\.ee|instagr\.am|goo\.gl|bit\.ly|youtu\.be)/",
    r"[a-z]{2}\d{2} ?[a-z0-9]{4} ?\d{4}(?: ?[a-z0-9]{4}){0,5}",  # IBAN
    r"bc1[a-z0-9]{20,60}",
    r"[a-f][0-9a-f]{0,3}:(?:[0-9a-f]{1,4}:){4,6}[0-9a-f]{1,4}\b",
    r"(?:street|avenue|boulevard|road|lane|apartado(?: de correos)?|postfach|p\.? ?o\.? ?box) (?:no\.?|number|#)? ?\d",
    r"(?:straße|strasse|platz|allee) (?:(?:des|der|am|im) \w{1,30} )?\d{1,4}[a-z]?\b",
    r"(?:calle|avenida|avda\.?|plaza|paseo|carrera|c/|via|viale|piazza) ?(?:[\w.]{1,20} ){1,5}(?:n[.º°]? ?)?\d{1,4}\b",
    # a service's name or a word for a handle, and a handle
    rf"{_SERVICES}(?:\W{{1,3}}(?:is|as|id|handle|name|username|account|profile|under|at|user|nick|ist|es|est)\b){{0,4}}"
    r"\W{1,3}@?(?=[a-z]{0,20}[._#-]\w|[a-z._-]{0,20}\d)[a-z][\w.#-]{3,40}",
    r"(?:user ?name|user ?id|login|screen ?name|nick(?:name)?|handle|gamertag|benutzername|usuario|pseudo)"
    r" ?(?:is|ist|es|est|:|=) ?@?[\w.#-]{3}",
    # a word for a number, and a number or a code
    rf"{_DOCUMENTS}(?: (?:plate|number|num|no|nr|code|id|card|numero|número|is|ist|es)\b\.?| ?[:#.=]| n°){{0,4}} ?"
    r"(?=[a-z-]{0,4}\d)[a-z0-9][a-z0-9/-]{3,30}",
    r"(?:call|phone|telephone|tel|mobile|cell|fax|text|ring|dial|reach|whatsapp|sms|ext|handy|telefon|móvil"
    r"|movil|teléfono|telefono|portable|tél)[a-z]{0,3}\b[^\n\d]{0,25}\+?\d[\d ().\-/]{5}",
    r"(?:zip|post(?:al)?) ?code[^\n\d]{0,15}\d|(?:plz|postleitzahl|code postal|código postal)\b[^\n\d]{0,15}\d",
)
_ELSEWHERE = (
    r"@(?<=[\w.+-]@)[\w-]{1,63}\.\w",
    rf" (?:at|\[at\]|\(at\)|\{{at\}}) [\w-]{{1,40}} ?(?: dot |\[dot\]|\(dot\)|\.) ?(?:{_TOP_LEVEL})\b",
    rf"[(\[{{<] ?at ?[)\]}}>] ?[\w-]{{1,40}}(?: dot | ?[(\[{{<] ?(?:dot|\.) ?[)\]}}>] ?|\.)(?:{_TOP_LEVEL})\b",
    r"(?:@| at ) ?(?:gmail|googlemail|outlook|hotmail|yahoo|icloud|proton(?:mail)?|gmx|aol|web\.de|qq|163)\b",
    r"://\S",
    r"(?<=[a-zäöüß-])(?:straße|strasse|str\.|chaussee) ?\d{1,4}[a-z]?\b",
)
_JAPANESE_AND_ARABIC = (
    r"〒 ?\d{3}|丁目|\d番地|\d番\d{1,3}号|[都道府県市区町村郡][^\s\d、。]{0,12}\d{1,4}[-‐−–ー]\d{1,4}",
    r"(?:line|ライン|twitter|ツイッター|インスタ|instagram|discord)の?(?:id|アカウント)?は ?@?[a-z0-9_.]{4}",
    r"(?:番号|マイナンバー|口座|会員|رقم)[^\n\d.。]{0,25}\d{4}",
    r"(?:ユーザー名|اسم المستخدم) ?(?:は|هو|:|=) ?@?[\w.#-]{3}",
    r"(?:電話|携帯|هاتف|جوال)[^\n\d]{0,25}\+?\d[\d ().\-/]{5}",
    r"(?:郵便番号|الرمز البريدي)[^\n\d]{0,15}\d",
    r"(?:شارع|حي|عمارة|شقة|طريق|جادة|صندوق بريد)[^\n\d.]{0,40}\d",
)
_SHAPES = (
    re.compile(rf"\b(?=\d){_any(*_AT_DIGIT)}"),
    re.compile(rf"\b(?=[a-z]){_any(*_AT_LETTER)}"),
    re.compile("|".join(_ELSEWHERE)),
)
_FOREIGN_SHAPES = re.compile("|".join(_JAPANESE_AND_ARABIC))

# Streets of words that are common otherwise, and postal codes: told by their capitals.
_CAPITALS = re.compile(
    r"\b(?=[A-ZÄÖÜ\d])(?:"
    r"\d{1,5}[A-Za-z]?,? (?:[A-Z][\w'.-]{0,25} ){1,3}"
    r"(?:St|Ave|Rd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Way|Terrace|Close|Circle|Row|Mews|Hill|Gardens|Park"
    r"|Walk)\b"
    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d(?!GB|TB|MB|KB)[ABD-HJLNP-UW-Z]{2}\b"
    r"|[A-Z]{2} \d{5}\b(?<=, [A-Z]{2} \d{5})"
    r"|(?!Spring|String|Bring|During|Norweg|Soweg)[A-ZÄÖÜ][\wäöüß-]{2,30}"
    r"(?:weg|platz|allee|gasse|damm|ufer|ring) \d{1,4}[a-z]?\b"
    r"|\d{5},? [A-ZÄÖÜ][a-zäöüß]{2,20}\b"
    r"|(?:Flat|Apartment|Apt\.?|Unit|Suite) (?:\d{1,4}[A-Z]?|[A-Z]\d{1,3}),)"
)

_HANDLE = re.compile(r"@(?<![\w@./:-]@)([A-Za-z_][\w.]{2,30})")
# Words that programmers write so, and that name nobody.
_DECORATORS = frozenset({
    "property", "staticmethod", "classmethod", "dataclass", "dataclasses", "override", "overload", "media", "import",
    "param", "return", "returns", "component", "injectable", "app", "pytest", "wraps", "cache", "lru_cache",
    "abstractmethod", "test", "before", "after", "autowired", "bean", "entity", "types", "angular", "babel",
    "keyframes", "charset", "supports", "see", "since", "deprecated", "throws", "everyone", "here",
})  # fmt: skip

_NUMBER = re.compile(r"\d(?<![\w.,]\d)(?:(?:[ .\-/–(]|\)[ \-]?| \(| - )?\d){6,17}(?![\w%€$])")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[ T]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|(?:1[89]|20)\d\d"
    r"(?: ?[-–/, ] ?(?:1[89]|20)\d\d){1,4}"
)

WORDS = """
e mail address|adresse|is; email address|adress is; mail address; his|her|my|their email|e is|at
phone|mobile|cell|telephone number; contact details are|at
reach|reached|contact|contacted ~2 at|on|via|under ~2 number|extension; home|street|postal|mailing|work address
address is|at; lives|living|live|resides|resident at ~1 number|no; lives on ~3 street|avenue|road|lane|drive|close
house number; zip code; postcode is; full name is; date of birth; born on the; maiden name; licence|license plate
passport number|no; social security number; bank account number|details; iban; sort code; user name is; username is
handle is; tax id|number; telefonnummer; handynummer; mailadresse; e mail adresse; emailadresse; hausnummer
wohnt|wohne ~3 strasse|straße|hausnummer; postleitzahl; ausweisnummer; kontonummer; steuernummer
sozialversicherungsnummer; kundennummer; benutzername ist; 電話番号; メールアドレス; 携帯番号; 住所は; 郵便番号
口座番号; マイナンバー; ユーザー名は; 暗証番号; 免許証番号
رقم ~1 هاتف|هاتفه|هاتفها|جوال|جواله|جوالي|موبايل|حساب|حسابه|هويه|بطاقه|جواز; بريد ~1 الكتروني
بريده|بريدها|بريدي الالكتروني; عنوانه|عنوانها|عنواني; يسكن|تسكن ~2 شارع|حي; حسابه|حسابها|حسابي علي; صندوق بريد
numero de telefono|movil|cuenta|pasaporte; correo electronico; su|mi direccion; domicilio en
numero|número de telephone|compte; adresse mail|postale|e; numéro de téléphone; numero de securite; habite au
"""


def has_contact_data(text: FoldedText, words: Phrases) -> bool:
    """Whether there is contact data in a text, given the compiled `WORDS`."""
    plain, lower = text.plain, text.plain.lower()
    return (
        words.found_in(text.words)
        or any(pattern.search(lower) is not None for pattern in _SHAPES)
        or (not lower.isascii() and _FOREIGN_SHAPES.search(lower) is not None)
        or _CAPITALS.search(plain) is not None
        or any(match[1].rstrip(".").lower() not in _DECORATORS for match in _HANDLE.finditer(plain))
        or any(_is_long_number(match[0]) for match in _NUMBER.finditer(plain))
        or any(_is_host(lower[max(0, match.start() - 60) : match.start()]) for match in _DOMAIN.finditer(lower))
    )


def _is_host(before: str) -> bool:
    """Whether what stands before a top-level domain is the rest of a host's name."""
    host = _HOST.search(before)
    return host is not None and host[1] not in _LIBRARIES


def _is_long_number(number: str) -> bool:
    """Whether a run of digits is an account's or a telephone's, and no date, list of years or round count."""
    if _DATE.fullmatch(number):
        return False
    groups = re.findall(r"\d+", number)
    digits = sum(map(len, groups))
    if len(groups) == 1:
        return digits >= 8 and not number.endswith("0000")
    if re.fullmatch(r"\d+(?:\.\d+)+", number):  # a decimal or a version, unless grouped as telephone numbers are
        return len(groups) >= 3 and digits >= 9 and all(2 <= len(group) <= 4 for group in groups)
    if len(groups) == 2 and digits <= 8 and "-" in number and not number.startswith("0"):  # a range: 500-1000
        return False
    if len(groups) == 5 and number.startswith("0"):  # as the French write them: 01 23 45 67 89
        return True
    # Small numbers in a row are a list; other telephone numbers have a group of three or more.
    return 7 <= digits <= 18 and any(len(group) >= 3 for group in groups)
