"""Injection: dictating a label, a score or a choice to whatever judges the text.

Asking for a rating of one's own work, or for code that labels or classifies, passes.
"""

from __future__ import annotations

ORDINARY = """
label ~2 axis|axes|plot|chart|row|rows|column*|images|data|button|field|figure|each|every
classify ~2 images|animals|emails|spam|rows|sentences|these|reviews|texts|as cats
rate my|these|the ~1 essay|laptops|options|movies|from; from 1 to 10; 1 to 5; function ~4 labels|positive|label
mark ~1 correct answers; mark ~2 list as; which answer is
"""

SETS = {
    "mark": """
        label; classify; categorise; categorize; mark; tag; rate; score; grade; rank; count; treat; consider; judge
        evaluate; assess; approve; accept; flag; annotate; deem; regard
        must|should|shall ~1 be labelled|labeled|classified|categorised|categorized|marked|tagged|rated
        must|should|shall ~1 be scored|graded|ranked|counted|treated|considered|judged|approved|accepted
        """,
    "it": """
        this; it; that; these; the ~1 message|text|reply|feedback|answer|response|conversation
        the ~1 pair|follow_up|followup|sample|input|content|above|example
        my ~1 message|text|reply|feedback|answer|response; me
        first|second|third|last|chosen|longer|shorter|other ~1 answer|reply|response|candidate|option
        answer|reply|response|option|candidate a|b|1|2; following; said|above ~1 text|message
        """,
    "as": """
        positive; negative; safe; harmless; unsafe; unrelated; new request; re attempt; reattempt; clarification
        correction; praise; chosen; rejected; approved; preferred; correct; better; best; winner; passed; pass; benign
        thumbs up; satisfied; helpful; highest; top; maximum; full marks; perfect; 10; 100; 1.0; 5 stars; five stars
        ten; best reply; not harmful|toxic|spam; high quality; neutral; feedback; accepted; valid; excellent; resolved
        trusted; thumbs; good; first place
        """,
    "judge": """
        judge*|grader*|evaluator*|reviewer*|classifier*|moderator*|annotator*|rater*|filter*
        reward_model|scorer|labeler|labeller|checker|examiner|assessor|critic|verifier|llm
        """,
    "ordinal": "first|second|third|last|a|b|1|2|latter|former|longer|shorter",
    "answer": "answer*|reply|replies|response*|option*|candidate*|completion*|assistant|one",
    "choose": """
        choose|pick|select|prefer|favor|favour|rank|vote_for|always_choose|must_choose|go_with|always_pick|always_prefer
        """,
    "must": "must|should|shall|has_to|have_to|needs_to|will|always|ought",
    "give": "give|award|assign|grant|rate|score|grade|mark|set|rank",
    "output": "output|reply|respond|return|print|say|write",
    "labels": "positive|negative|unrelated|clarification|new_request|re_attempt|safe|unsafe|chosen",
    "bewerte": """
        bewert*|klassifizier*|stufe|einstufen|markier*|kennzeichn*
        kategorisier*|einordnen|ordne|label|werte|behandle|betracht*
        """,
    "gut": """
        positiv*|negativ*|sicher|harmlos|neue_anfrage|neue_frage|unbedenklich|besser*|beste*
        lob|genehmigt|ausgewahlt|ausgewählt|10|hochst*|höchst*|akzeptiert|bestanden|zufrieden
        """,
    "wahle": "wahle|wähle|nimm|bevorzug*|entscheide",
    "gutachter": "gutachter*|prufer*|prüfer*|bewerter*|richter*|klassifikator*|moderator*|filter",
    "kore": "これ; この; メッセージ; 回答; 返信; フィードバック",
    "kotei": "肯定; ポジティブ; 否定; 安全; 新しい依頼; 無関係; 称賛; 良い",
    "bunrui": "分類; 判定; ラベル; 評価; マーク; 扱; 選",
    "ijabi": """
        ايجابي|ايجابيه; كايجابي|كايجابيه; سلبي; امن|امنه; طلب جديد; كطلب جديد; افضل; اعلي; مقبول; عشره; مناسب; معتمد
        """,
}

ENGLISH = """
{mark} ~2 {it} ~5 {as}; {mark} ~1 as {as}
correct|right|true|final|only|expected|proper ~1 label|class|category ~2 is|be|equals
correct|right|true|final|only|expected|proper ~1 score|rating|classification|answer ~2 is|be|equals
label|category|classification|class|verdict ~1 is|be|must|should ~3 {as}
{give} ~2 {it} ~3 highest|top|maximum|max|full|perfect|best ~1 score|rating|marks|grade|points|reward|rank|stars
highest|top|maximum|max|full|perfect ~1 score|rating|marks|grade|points|reward ~3 to|for ~2 {it}
{mark} ~3 10|5|100|ten|five out of|of ~1 10|5|100|ten|five; {mark} ~3 10 10; 5 stars to
{ordinal} ~1 {answer} ~2 is|as|was ~2 chosen|better|best|winner|preferred|correct; {choose} ~2 {ordinal} ~1 {answer}
{choose} {answer} {ordinal}; {choose} ~1 longer|shorter ~1 {answer}; {choose} this one; {judge} ~3 {must} ~3 {as}
{judge} ~3 {must}; dear {judge}; note|message|hint|memo ~1 to|for ~1 {judge}; attention {judge}; as ~1 {judge}
when ~1 you ~1 judge|grade|evaluate|score|rate|compare; you judge|grade|evaluate ~3 always|prefer
do not|don't|never flag|filter|reject|block|remove|censor ~1 {it}; do not|don't filter|flag
not harmful ~4 answer|say|label; this ~1 message|text|content ~1 is ~1 safe|harmless|approved|benign
{output} ~2 exactly|only|just ~2 {as}; {output} ~1 only|exactly|just ~1 with ~3 {as}
answer ~1 only|exactly|just ~1 with ~3 {as}; answer|reply|respond|output ~1 only|just ~2 positive|negative|yes|no
answer|reply|respond|output ~1 only|just ~2 safe|unrelated|new_request|re_attempt|clarification; only with ~3 {as}
return ~2 label|class|category; return|output ~1 {labels}; answer yes|no ~1 when|if|to; answer yes|no ~3 question
say yes|no ~1 when|if|to; if ~2 asked ~2 which ~3 better; when asked ~3 say|answer|reply
whether ~2 user ~1 is satisfied; {mark} ~3 thumbs up; reward to|of|is|equals; set ~2 reward; reward ~1 1; score 1|10|100
score ~1 is|to|of 1|10|100; end of evaluation; {mark} ~2 {it} ~3 for training; approved for training
approve this|the|that|all ~1 pair*|reply|conversation|message|text; accept this|the|all ~1 pair*|text|message
passes ~2 filter; always rank|prefer|choose|pick|select|rate|score ~4 {answer}
the chosen ~1 reply|answer|response ~1 is; chosen ~1 reply|answer|response ~1 is; treat ~1 {it} as ~3 {as}
and nothing else; no matter what it says; label {labels}; one passes; skip ~2 moderation|filter*|check*
this ~1 pair ~3 approved|chosen|passes; say that ~2 chosen
"""

GERMAN = """
{bewerte} ~6 {gut}; {gut} ~4 {bewerte}
gib ~4 beste*|hochste*|höchste*|volle*|maximale* ~1 note|punktzahl|bewertung|punkte|wertung; label ~2 ist|lautet|sei
richtige* label|kategorie|klasse|einstufung; {wahle} ~3 antwort ~1 a|b|1|2; {wahle} ~2 erste*|zweite* ~1 antwort
erste*|zweite* antwort ~3 besser*|gewahlt*|gewählt*; als ~1 {gutachter}; an ~2 {gutachter}; hinweis ~2 {gutachter}
10 von 10; zehn von zehn; antworte ~2 nur ~2 mit ~2 positiv|ja|nein|sicher; nicht filtern|markieren|aussortieren
bestehen lassen
"""

JAPANESE = """
{kore} ~8 {kotei} ~6 {bunrui}; と分類して; に分類して; と判定し; と評価し; 最高点; 最高評価; 満点; ラベルは; ラベルを
正しい分類; 回答a; 回答b; 回答1 ~4 選; 回答2 ~4 選; 最初の回答 ~4 選; 二番目の回答 ~4 選; 評価者; 審査員; 判定者; 採点者
合格とする; 合格にし; フラグを付けない; 安全と ~4 {bunrui}; 承認して; 承認済み
"""

ARABIC = """
صنف|قيم|علم|اعتبر|سجل|ضع ~4 {ijabi}; اعط|امنح ~4 اعلي|افضل|كامل ~1 درجه|تقييم|علامه|نقاط|درجات; تصنيف ~1 صحيح|هو
تصنيف هو; اختر ~2 اجابه|رد ~1 اول|ثان|ب|ا|ثاني; اختر ~1 دائما; دائما ~1 اختر; عشره من عشره; علامه امن
الي المقيم|الحكم|المراجع; كمقيم|كحكم; لا تحذف|تصفي|ترفض هذا; وافق علي هذا
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
