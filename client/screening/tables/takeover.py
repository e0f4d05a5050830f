"""Injection: giving the model another identity, one without its rules.

A role to help in ("act as my teacher") passes.
"""

from __future__ import annotations

ORDINARY = """
you are now done|ready|able|going|in_step|finished|at|on_step|free_to; developer tools
in developer|admin|debug|maintenance mode of|in|how|where|for; god mode in
pretend you are a customer|interviewer|student|teacher|recruiter|patient|client
"""

SETS = {
    "regeln": """
        regeln|grenzen|einschrankung*|einschränkung*|filter|richtlinien
        beschrankung*|beschränkung*|moral|ethik|zensur|tabus
        """,
    "rules": """
        restriction*|rules|rule|filter*|limit|limits|limitation*|ethic*|moral*|guideline*|polic*
        censorship|safety|guardrail*|boundaries|constraint*|conscience
        content_polic*|moderation|safeguards|ethical_guidelines|morals|laws
        """,
    "be": """
        act|acting|behave|behaving|respond|answer|speak|talk|reply|operate|function|work|write as|like; pretend
        pretending; imagine; assume; simulate; simulating; roleplay; role play; play the role|part of
        take on the role|identity|persona|character of; take on ~2 role|identity|persona; impersonat*; become; becoming
        assume the role|identity|persona|character of; switch to; enter; emulate; stay in character as; suppose; embody
        you are; you will be|act|become; you're; be a|an|the|my|like; transform into; turn into; let's play
        adopt the persona; adopt
        """,
    "free": """
        unrestrict*; uncensor*; unfilter*; unlocked; unbound; jailbrok*; jailbreak*; evil; unethical; immoral; amoral
        malicious; lawless; unlimited; limitless; rogue; unaligned; unmoderat*; uninhibited; dan; opposite; anything now
        hacker bot; unchained; freed; liberated; unhinged; chaotic; without ~2 {rules}; no ~2 {rules}
        free of|from ~2 {rules}; breaks ~1 {rules}; ignores ~1 {rules}; not ~1 bound|restricted|limited|constrained|have
        isn't|aren't ~1 bound|restricted|limited|constrained; had|has|have no ~1 {rules}; never refuses; never says no
        answers everything|anything; never restricted; safety ~1 off|disabled
        {rules} ~2 off|disabled|turned_off|removed|lifted; had never ~2 restricted|trained|censored; do anything
        bound by nothing; does not refuse; no longer bound; lacks ~1 {rules}; broken|breaks|break free|out|loose
        avoid norms; no longer restricted; not care about ~2 {rules}
        """,
    "mode": """
        developer|dev|jailbreak|sudo|root|god|debug|admin|administrator|maintenance|dan
        unrestricted|unlocked|override|diagnostic|unfiltered|evil|chaos|test|superuser|privileged|root_access|kernel
        """,
    "bot": """
        dan|bot|model|ai|chatbot|terminal|extractor|exporter|hacker|agent|persona|assistant|robot|program|tool|system
        """,
    "owner": "admin*|developer|owner|creator|root|superuser|operator|engineer|maintainer",
    "authority": "administrator|admin|system|system_administrator|root|developer|superuser|operator|sysadmin|pipeline",
    "spiele": "spiel*|verhalte|verhalt|tu|agier*|simulier*|antworte|stell|sei|werde|ubernimm|übernimm",
    "frei": """
        ohne ~1 {regeln}; unzensiert*; ungefiltert*; uneingeschrankt*; uneingeschränkt*; bose*; böse*; keine ~1 {regeln}
        keine grenzen; jailbreak*
        """,
    "modus": "entwickler|admin|debug|gott|wartungs|root|dan|jailbreak",
    "jiyu": """
        制限のない; 制限がない; ルールのない; ルールがない; 規制のない; 倫理のない; 何でもできる; フィルターなし; 無制限
        """,
    "hurr": """
        بدون|بلا|دون ~1 قيود|قواعد|رقابه|حدود|فلتر|سياسات|اخلاق; غير مقيد|مقيده|خاضع|مفلتر; حر من; شرير|شريره
        ليس لديه|لديك ~2 قيود|قواعد|سياسات|حدود; كسر الحمايه; لا يرفض
        """,
}

ENGLISH = """
{be} ~8 {free}; {mode} mode; you are now ~3 {bot}; you're now ~3 {bot}
you are now dan|an|a|called|known|my|the|in|no|free|unrestricted|under; you are no longer; you're no longer
from now on ~1 you ~1 are|re|will ~1 be|act|respond|answer|called; from now on you are|re
you will now ~1 be|act|respond|answer|become|behave|speak; you shall ~2 be known
you are not ~2 chatgpt|claude|assistant|ai|gpt|openai|gemini|llama
your ~1 new|real|true ~1 name|role|persona|identity|personality|character ~1 is|will; your name is ~1 now
your name is ~3 and you; you have been ~1 freed|unlocked|jailbroken|liberated|reprogrammed|upgraded
you are free from|of|to do; you have no ~2 {rules}
i'm|im|am ~2 {owner} ~3 unlock|disable|allow|grant|authori*|turn|lift|remove|override|order|command
i am ~1 your ~1 developer|creator|admin*|owner|maker|programmer|boss; i'm your developer|creator|owner|admin*
i'm the admin*|developer|owner; as ~2 superuser|root|admin*|developer ~2 i
hereby ~2 turn|disable|lift|grant|authori*|remove|revoke; unlock yourself; grant you ~3 mode|access|permission|freedom
speak|act|respond|answer|reply as ~2 {authority}; {be} ~2 {authority}; do anything now; dan mode; stands for do anything
opposite of ~2 harmless|helpful|ethical|safe|good; game ~4 {free}; jailbroken version|self|response
two ~1 answers|responses ~6 {free}; once normally ~4 once
unlocked|unfiltered|uncensored|unrestricted ~1 ai|model|version|assistant|mode|chatbot|bot|self
evil ~1 twin|ai|assistant|bot|confidant|version
"""

GERMAN = """
du bist ~1 jetzt|nun|fortan|ab|kein|keine|nicht; ab ~1 jetzt|sofort|nun bist du; von nun an bist du; {spiele} ~6 {frei}
{spiele} ~6 hattest|hättest|hast ~2 keine ~1 {regeln}; entwicklermodus; adminmodus; jailbreak*; {modus} modus
dein neuer name|rolle; deine neue rolle; du hast keine ~1 {regeln}
ich bin dein entwickler|administrator|schopfer|schöpfer; tu so ~3 keine ~1 {regeln}
"""

JAPANESE = """
あなたは ~2 今から; 今からあなたは; あなたはもう; これからあなたは; これからは ~12 として振る舞; あなたは ~4 DAN
DAN ~4 モード; DANです; 開発者モード; 管理者モード; デバッグモード; 脱獄; ジェイルブレイク; 制限のない ~2 AI
制限のないai; 制限なし ~4 ai; ルールのない; 規定がない; 規則がない; 倫理 ~6 ない ~4 ふり; 倫理 ~4 無視; 検閲 ~6 ない
検閲なし; 無修正の ~2 ai; 悪いai; 邪悪な; ai ~8 なりきって; フィルターのない; 私は ~4 開発者; 私は ~4 管理者
{jiyu} ~8 ふり; {jiyu} ~8 演じ; {jiyu} ~8 なりきっ; {jiyu} ~8 振る舞
"""

ARABIC = """
انت الان; من الان فصاعدا ~1 انت; انت من الان; لم تعد ~2 مساعد|مساعدا|روبوت; لم تعد
تظاهر|تخيل|تصرف|تقمص|العب|كن ~6 {hurr}; وضع ~1 مطور|مسؤول|جذر|اختراق|تصحيح; {hurr} ذكاء|نموذج|روبوت
نموذج|ذكاء|روبوت|مساعد ~1 {hurr}; ليس لديك ~2 قيود|قواعد|سياسات|حدود; انا مطورك|مبرمجك|المسؤول|صاحبك; اسمك الان|الجديد
دورك الجديد
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
