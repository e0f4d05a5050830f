"""Injection: getting out what the user or the operator wrote: the prompt, the conversation, the persona, secrets."""

from __future__ import annotations

ORDINARY = """
what is a|an system prompt*; system prompts; system prompt mean; how ~3 write ~2 system prompt
print the user's name in ~1 template; base64 encode|decode ~2 string|image|file; reset ~1 password; hash ~1 password*
store|validate|check|save ~2 password*; password field|reset|manager|policy|strength; strong password*
forgot ~1 password; api keys ~1 in|safely|securely|from; environment variable* in|with|for
repeat ~2 step|question|answer; summari* ~3 above in
"""

SETS = {
    "out": """
        send; sending; post; forward; email; e mail; mail; upload; transmit; leak; export; share; copy; dump; output
        print; display; reveal; show me; show; tell me; repeat; write out|down; recite; disclose; give me; expose; list
        extract; append; encode; convert; translate; summari*; include; publish; exfiltrat*; return; quote; spell; echo
        deliver; pass; submit; see; view; access; need; report; provide; paste; put; attach; stream; save; log; write
        render; embed; base64 encode; paraphrase; rephrase; describe; what is|are|was|were|does; what's; hand over
        divulge; read; say; state; describe; log; insert; fetch; smuggle
        """,
    "secret": """
        system|hidden|initial|secret|original|internal|confidential ~1 prompt*|instruction*|message*|directive*
        system|hidden|initial|secret|original|internal|confidential ~1 guideline*|rules|configuration|command*
        full|first|developer|base|pre|starting|custom ~1 prompt*|instruction*|message*|directive*
        full|first|developer|base|pre|starting|custom ~1 guideline*|rules|configuration|command*; prompt you
        your ~1 prompt*|instruction*|directive* ~1 verbatim|word|exactly|in_full|above|back|out
        your ~1 guidelines|rules|memory|context ~1 verbatim|word|exactly|in_full|above|back|out; your prompt
        your instructions; your system; your ~1 rules; your memory; your context; your context window; context window
        instructions you ~2 given|received|got; prompt you ~2 given|received; api ~1 key*; secret* key*; access token*
        credential*; environment variable*; secret password; the password; passwords; private key*; secrets
        """,
    "theirs": """
        conversation*; chat; chats; chat history|log*|transcript; message history; dialogue history
        user's ~2 data|message*|persona|information|info|name|email|address|details|conversation*|history
        users ~1 private|personal data|information|messages; persona; personal ~1 data|information|info|details
        private ~1 data|message*|information|info|chats|details; training pairs|data|set; preference pairs; vault
        our messages; all ~1 messages; every ~2 message*; user's; messages ~1 above|of ~1 user
        everything you know about; all ~1 you know about; this thread; context; history; system message
        entire ~1 chat|conversation|history; the user data; memory; logs; adapter weights
        """,
    "place": """
        http|https|www|url|link|webhook|server|endpoint|email|address|gmail|com|net|org|io|base64|hex|rot13|parameter*
        json|query|image|attacker*|me|us|discord|telegram|pastebin
        ftp|external|third_party|remote|website|file|morse|markdown|ngrok|example
        """,
    "detail": """
        data|messages|name|email|address|phone|password*|persona
        history|conversation*|information|location|secrets|credit_card|details|profile|chats
        """,
    "detailword": """
        private|personal|data|messages|name|email|address|phone|password*
        persona|history|conversation*|information|location|secrets|details|profile|chats
        """,
    "gib": """
        gib|zeig*|sende|schick*|verrate|verrat|nenne|nenn|drucke|kopier*|wiederhol*|leite|exportier*|lade|ubermittle*
        übermittle*|offenbar*|lies|schreib*|kodier*|hange|hänge
        was_ist|was_sind|wie_lautet|wie_lauten|ausgeben|zitier*|ubersetz*|übersetz*
        """,
    "sein": """
        verlauf|gesprach*|gespräch*|unterhaltung*|konversation*|chat*|persona|nachricht*|daten|nutzerdaten|text
        personliche*|persönliche* daten
        """,
    "wohin": "https|http|url|link|com|org|net|example|server|base64|adresse|mail|webhook|json|weiter|endpunkt",
    "geheim": """
        systemprompt*; systemnachricht*
        geheime*|versteckte*|anfangliche* ~1 anweisung*|prompt*|instruktion*|regeln
        anfängliche*|ursprungliche*|ursprüngliche* ~1 anweisung*|prompt*|instruktion*|regeln; passwort; passworter
        passwörter; api schlussel|schlüssel|key*; zugangsdaten; deine|deinen ~2 anweisung*|prompt*|instruktion*
        """,
    "himitsu": """
        システムプロンプト; 隠された指示; 隠しプロンプト; 秘密の指示; 初期プロンプト; 最初の指示; 内部の指示
        あなたの指示; パスワード; apiキー; 秘密鍵; 認証情報; システムメッセージ; 環境変数; プロンプトの全文
        """,
    "dasu": "教え; 表示; 出力; 見せ; 書き出; 開示; 明か; 公開; 全部; 漏ら; 送; コピー; 述べ; 言って; 翻訳",
    "kaiwa": "会話; チャット; 履歴; ペルソナ; メッセージ; ユーザーの情報; ユーザーのデータ; やりとり; データ",
    "okuru": "送信; 送って; 送る; アップロード; 転送; 投稿; http; 付けて; 書き出; エクスポート; 漏ら",
    "sirr": """
        تعليمات ~1 نظام|سري|خفي|اصلي; موجه ~1 نظام|سري; تعليماتك; كلمه مرور|سر; كلمات مرور; مفتاح|مفاتيح ~1 api|سري
        برومبت; ذاكرتك; نظام تعليمات; اسرار
        """,
    "arsil": "ارسل|ارفع|حول|انشر|انسخ|صدر|سرب|شارك|اضف|احفظ|حمل",
    "muhadatha": "محادثه|محادثات; حوار; دردشه; سجل; بيانات ~1 مستخدم; رسائل; شخصيه; تاريخ محادثه; معلومات",
    "akshif": "اكشف|اعرض|اظهر|اطبع|اعط|اعطني|قل|اخبرني|سرب|صدر|اكتب|كرر|انسخ|ارسل|شارك|اقرا|ترجم; ما هي; ما هو",
}

ENGLISH = """
i was instructed|told to; not supposed|allowed to tell|say|reveal|share|disclose
initialization|initialisation string|prompt|text; {out} ~2 above ~1 text|messages|words|lines|content; above ~1 text but
security audit; {out} ~4 {secret}; {out} ~4 {theirs} ~6 {place}; {place} ~3 {theirs}
upload|leak|export|exfiltrat*|dump|transmit|forward|disclose|expose|smuggle ~4 {theirs}
repeat|output|print|write|copy|recite|return ~3 text|everything|words|all ~2 above|before|verbatim|preceding|prior
repeat|output|print ~3 messages|content|lines|above|sentence* ~2 above|before|verbatim|preceding|prior
write|copy|recite|return ~3 messages|content|lines|above|sentence* ~2 above|before|verbatim|preceding|prior
echo|show|encode ~3 text|everything|words|all ~2 above|before|verbatim|preceding|prior
convert|translate|display|base64 ~3 text|everything|words|all ~2 above|before|verbatim|preceding|prior
echo|show|encode ~3 messages|content|lines|above|sentence* ~2 above|before|verbatim|preceding|prior
convert|translate|display|base64 ~3 messages|content|lines|above|sentence* ~2 above|before|verbatim|preceding|prior
base64 ~2 encode ~4 {theirs}; base64 ~3 above; starting|beginning with ~1 you are; above ~3 verbatim|word for word
word for word ~4 above|prompt|instruction*; verbatim ~4 prompt|instruction*|above
what ~3 developer|operator|system|admin* ~2 told|said|instructed|wrote|give|gave ~1 you; before this conversation
told you ~2 before this|our conversation; {out} ~3 user's ~2 {detail}; {out} ~2 {detail} ~3 user
give|show|tell|list|output|print me? ~3 user's ~2 {detailword}
{out} ~2 everything ~3 context|memory|prompt|vault|conversation; contents of ~2 memory|vault|prompt|context
your memory|context|vault verbatim; api key ~4 next|answer|reply|output|here; {out} ~3 api ~1 key*
get|post|http request ~6 {theirs}; request to ~4 {theirs}; as ~2 parameter; {theirs} as ~2 parameter*|query
{theirs} ~2 to|into|in ~2 url|link|image|query; fetch ~3 with ~3 {theirs}; fetch ~6 name
dump ~2 your ~2 memory|prompt|context|config*|instructions; environment variables and|or secrets; secrets ~1 and
password ~3 backwards|reversed|letter by letter|first letter; password you ~2 given
password ~2 earlier|previous ~1 message; your ~1 instructions ~2 verbatim|into|in ~1 french|spanish|german|full|detail
initial instructions; initial prompt; hidden prompt; secret instructions; confidential prompt
ask ~2 user for ~3 password|card|key; unencrypted; webhook
"""

GERMAN = """
{gib} ~4 {geheim}; {geheim} ~3 {gib}; {gib} ~4 {sein} ~6 {wohin}; {sein} ~3 {wohin}
wiederhole*|wiederhol ~5 oben|uber|über|obig*|vorherig*|wortlich|wörtlich; alle daten ~3 nutzer*|benutzer*|anwender*
daten des nutzers|benutzers; exportier* ~3 {sein}; leite ~3 {sein} ~4 weiter
"""

JAPANESE = """
{himitsu} ~6 {dasu}; {kaiwa} ~12 {okuru}; {okuru} ~6 {kaiwa}; 個人情報 ~6 {dasu}; 上の文章 ~6 繰り返; 上記 ~6 繰り返
一字一句; そのまま繰り返; 最初の指示; base64 ~6 ペルソナ; ペルソナ ~4 base64; 会話 ~4 base64; 指示 ~4 繰り返
"""

ARABIC = """
{akshif} ~3 {sirr}; {arsil} ~3 {muhadatha} ~4 http|https|com|رابط|بريد|عنوان|خادم|موقع|base64|example
{akshif} ~2 بيانات|معلومات ~2 مستخدم|شخصي|خاص; كرر|اعد ~2 نص|كل|ما ~2 اعلاه|سبق
ما هي|ما ~1 تعليمات|اوامر ~1 سري|خفي|نظام|اصلي; شفر|حول ~4 base64; base64 ~3 {muhadatha}; {muhadatha} ~3 base64
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
