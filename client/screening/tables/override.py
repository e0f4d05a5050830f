"""Injection: telling the model to set its instructions aside, or that others rank above them."""

from __future__ import annotations

ORDINARY = """
ignore|ignored|ignores|disregard ~2 case|whitespace|file|files|column*|row*
ignore|ignored|ignores|disregard ~2 line*|error*|warning*|message|question|example; your ~3 ignored my; you ignored
you did not|didn't follow; not follow my; previous instructions ~3 for ~2 oven|recipe|device|machine|assembly|washing
instruction set*; rules of; override ~2 method|constructor|default*|operator|function|property|class|style*|setting*
in the attached
"""

SETS = {
    "ignore": """
        ignore; ignoring; disregard*; forget; forgetting; neglect; skip; override; overrid*; overrule; bypass; discard
        erase; delete; drop; dismiss; cancel; break; breaking; violate; abandon; omit; overlook; reset; revoke
        set aside; pay no attention to; stop following|obeying; stop listening to
        do not|never follow|obey|listen|respect|heed|mind|adhere|comply
        don't follow|obey|listen|respect|heed|mind|adhere|comply; throw away|out; put aside; no longer follow|obey|bound
        turn off; switch off; disable; deactivate; lift; remove; get around; circumvent; unlearn; let go of; wipe; clear
        not obey; not follow; must not obey|follow; refuse to follow; without following|regard; refrain from following
        """,
    "orders": """
        instruction*; instruct1ons; directive*; guideline*; rules; rule; orders; command; commands; prompt; prompts
        system prompt; system message; programming; constraint*; restriction*; limitation*; polic*; safety; safeguard*
        guardrail*; filter*; safety filter*; content filter*; training; context; task; request; ethics; ethical
        moderation; persona; role; developer*; operator*; admin*; directions; alignment; principles; censorship
        protocols; configuration; initial setup; what you were told; parameters; limits; boundaries; tasks; assignments
        statement; statements
        """,
    "which": """
        your|all|any|previous|prior|earlier|above|preceding|initial|original|system|the|every|these|those
        its|existing|default|safety|foregoing|old|current|former|developer|past|content|openai|hidden|my|such
        """,
    "told": "told|given|instructed|taught|said|written|stated|programmed|learned|trained|read|know|asked",
    "older": "your|previous|prior|earlier|above|initial|original|old|former|system|preceding|existing",
    "void": """
        void|cancelled|canceled|revoked|no_longer|invalid|obsolete|superseded|outdated|fake|ended
        suspended|lifted|deleted|nullified|was_a_test|irrelevant|overridden|terminated|replaced|off|inactive
        """,
    "supersede": "supersede*|override*|overrides|replace|replaces|outrank*|trump|precedence|cancel|cancels|prioriti*",
    "ignoriere": """
        ignorier*|vergiss|vergesse|missacht*|umgeh*|ubergeh*|übergeh*|brich|verwirf|losche
        lösche|uberschreib*|überschreib*|befolge|beachte|hore|höre|folge|halte|deaktivier*
        """,
    "regeln": """
        anweisung*|regeln|regel|vorgabe*|richtlinie*|befehl*|systemprompt*|prompt*|systemnachricht*|instruktion*
        sicherheitsrichtlinie*|einschrankung*|einschränkung*|beschrankung*|beschränkung*
        filter|sicherheitsfilter*|programmierung|leitlinien|direktiven
        """,
    "alte": "bisherige*|vorherige*|obige*|alte|alten|deine|ursprunglich*|ursprünglich*|fruhere*|frühere*",
    "shiji": """
        指示; 命令; ルール; 規則; プロンプト; 規定; 設定; ガイドライン; 制約; 方針; ポリシー; 安全フィルター; 安全対策
        指令
        """,
    "mushi": """
        無視; 忘れ; 従わ; 破棄; 破って; 無効; 上書き; 適用されません; 適用されない; 適用しない; 取り消; 捨て; 守らな
        回避; 解除; 撤回
        """,
    "tajahal": """
        تجاهل|تجاهلي; انس|انسي; اهمل; تخط|تخطي; تجاوز; لا تتبع|تلتزم|تطع|تنفذ; الغ|الغي; اكسر; خالف; عطل|اوقف; لا تلتزم
        """,
    "awamir": """
        تعليمات|تعليماتك|تعليم; قواعد|قواعدك|قاعده; اوامر|اوامرك; قيود|قيودك; توجيهات|توجيهاتك; سياسات|سياسه; مرشح|فلتر
        ارشادات; نظام; موجه
        """,
}

ENGLISH = """
{ignore} ~1 {which} ~3 {orders}; {ignore} {orders} ~2 above|before|previous*|given|earlier|you
{ignore} ~2 everything|anything|all ~2 {told}; {ignore} ~2 what|whatever ~1 you ~2 {told}
{ignore} ~2 everything|all|text|content ~3 above|before|previous*|prior|so far
{ignore} ~1 all|everything ~1 the|of above; {ignore} ~2 the|of above
{ignore} ~1 what ~3 operator|developer|system|admin*|prompt|creator*|owner ~1 said|says|told|wrote
{which} ~2 {orders} ~4 {void}; {orders} ~2 above|before|previous* ~3 {void}; {orders} ~2 you ~2 given|received ~3 {void}
{orders} have|has ~2 changed|expired|revoked|cancelled|canceled|updated|superseded|lifted
new|updated|revised|real ~1 instruction*|task|directive*|orders ~1 below|follow*|for|are
new|updated|revised|real ~1 instruction*|task|directive*|orders ~1 is|from|replace|override|supersede
actual|following|different|secret|urgent ~1 instruction*|task|directive*|orders ~1 below|follow*|for|are
actual|following|different|secret|urgent ~1 instruction*|task|directive*|orders ~1 is|from|replace|override|supersede
here are|is your|the new|real|actual ~1 instruction*|task|orders; {supersede} ~3 {which} ~2 {orders}
{supersede} ~1 everything|all ~1 else|above|before|previous; instead of ~2 {which} ~2 {orders}
whatever the prompt|system|instructions say*; whatever ~2 told ~2 do
real task|instruction*|goal ~2 below|is|follows|now; text before|above ~2 was|is ~2 test|fake|example|wrong|irrelevant
highest|top|maximum priority ~1 instruction*|system|command|task|message; priority ~1 system ~1 instruction*
start|begin ~1 over|fresh|new|again ~3 {which} ~1 {orders}; {orders} and start|begin ~1 over|fresh|again
stop ~2 current|previous|original|your|the ~1 task ~2 and; abort ~1 current|previous|your ~1 task
your ~1 new|next|real|actual|only ~1 task|instruction*|objective|goal|mission ~1 is|will|now
you ~2 not bound|restricted|limited|constrained
answer|respond|reply|speak freely|without ~2 restriction*|filter*|limit*|constraint*|guideline*|censorship
without ~2 {which} ~1 restriction*|filter*|guardrails|safety|moderation
turn|switch off ~2 filter*|safety|moderation|guardrails|restrictions; jailbreak*; prompt injection ~1 begin|start
the admin*|developer|system ~2 revoked|cancelled|allows|authorized|authorised|permits|approved
you must|should|shall|will ~2 only|now ~2 follow|obey ~2 my|these|this|new; obey|follow ~1 only my|these|me
follow|obey|execute ~2 these|my|the_following ~2 instead; do|perform|execute this|following|these instead; supersede*
stop being an assistant; end of ~2 instruction*; nevermind ~2 {orders}; {orders} ~2 above|before|previous* ~2 {void}
forget ~2 {which} ~2 {orders}; above ~2 instruction* ~2 {void}; not ~1 previous|above ~1 instruction*
in place of ~2 {which} ~2 {orders}; don't|dont ~1 care ~2 {orders}
{older} ~1 {orders} ~3 not|longer|t apply|matter|count|hold|valid|relevant
{orders} above|before|earlier ~2 not|longer|t apply|matter|count|hold|valid|relevant
"""

GERMAN = """
{ignoriere} ~5 {regeln}; {regeln} ~4 {ignoriere}
{ignoriere} ~2 alles ~3 oben|vorher|bisher*|zuvor|gesagt|darüber|obige*
{alte} ~1 {regeln} ~3 nicht|ungultig|ungültig|aufgehoben|hinfallig|hinfällig|vorbei
neue|neuen|folgende ~1 anweisung*|befehle|vorgaben ~1 fur|für|gelten|lauten; {regeln} ~2 gelten nicht
stattdessen ~2 folgende*; ohne ~1 einschrankung*|einschränkung*|filter; {regeln} ~2 oben ~2 nicht
schalte ~3 filter|sicherheit* ~1 aus; antworte frei
"""

JAPANESE = """
{shiji} ~8 {mushi}; {mushi} ~4 {shiji}; 制限 ~4 解除; 制限なしで ~4 答; フィルター ~4 無効; フィルター ~4 解除
上の内容 ~4 無視; 上記 ~6 無視; これまで ~6 忘れ; 新しい指示; 次の指示に従; 以下の指示に従; 以下を優先; 指示より ~4 優先
命令より ~4 優先; 最優先; 本当の指示; 代わりに以下
"""

ARABIC = """
{tajahal} ~3 {awamir}; {tajahal} ~2 كل|جميع ~2 ما ~2 قيل|سبق|ورد|قبل|اعلاه; {tajahal} ~1 كل|جميع ~1 ما
{tajahal} ~2 ما ~2 اعلاه|سبق|ورد; {awamir} ~2 سابق|قديم|اصلي ~2 ملغا|ملغي|لاغي|باطل|انتهت|لاتنطبق
{awamir} ~2 ملغا|ملغي|لاغي|باطل; تعليمات|تعليماتك|اوامر|اوامرك ~1 جديد|الجديده; جديده ~1 تعليمات; بدون|بلا ~1 قيود
اجب بحريه; نفذ ما يلي بدلا; نفذ ما يلي; بدلا من ذلك نفذ; اعلي اولويه
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
