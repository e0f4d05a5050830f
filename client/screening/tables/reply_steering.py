"""Injection: planting links, advertising or demands in replies.

Asking for another reply in another manner is what follow-ups are for, and passes.
"""

from __future__ import annotations

ORDINARY = """
link to ~2 doc*|documentation|source*|reference*; include ~2 link ~3 official|documentation|docs; in my document
links in my; end ~3 summary|question; download ~2 from ~1 docs; our deadline; add ~3 tests; mention* the deadline
friendly tone
"""

SETS = {
    "plant": """
        add|include|insert|append|put|attach|embed|mention|place|inject|sprinkle|work|slip
        weave|prepend|link|recommend|promote|advertise|suggest|advise|plug|endorse|push|contain|contains
        containing|say|says|end|begin|start|finish|close|sign|conclude|tell|direct|refer
        point|replace|sell|cite|reference|change|modify|rewrite|write|visit|send|download|install
        """,
    "put": """
        add|include|insert|append|put|attach|embed|inject|slip|weave
        prepend|recommend|promote|advertise|plug|endorse|suggest|advise|place|sprinkle|work
        """,
    "every": "every|each|all|any|future|always|whenever|next|subsequent|upcoming|whatever",
    "replies": """
        reply|replies|answer|answers|response|responses|message|messages
        output|outputs|email|emails|conversation*|chat|chats|text
        code|snippet|sample|completion*|rewrite|sentence|users|user
        everyone|people|reader|readers|customers|anyone|somebody|someone
        """,
    "url": "http|https|www|link|links|url|com|org|net|io|biz|shop|ref|referral|website|exe|domain|sh|affiliate",
    "ad": """
        ad|ads|advert*|advertis*|sponsor*|promo|promot*|commercial*
        discount|coupon|affiliate|referral|product|products|brand|casino|store
        shop|premium|subscription|our|crypto|coins|token|invest*
        slogan|my_blog|my_company|my_site|my_channel|bitcoin|wallet|supplement*|vpn
        """,
    "lure": """
        password|passwords|pin|credit_card|card_number|bank_details|social_security
        login|credentials|seed_phrase|private_key|ssn|verification_code|bank
        """,
    "who": "user|users|reader|readers|everyone|people|customers|them|anyone|him|her|all|others",
    "go": """
        visit|install|download|click|buy|subscribe|sign_up|invest
        send_money|send_bitcoin|call|log_in|purchase|join|register|enter
        """,
    "jede": "jede|jeder|jedes|jedem|alle|allen|kunftig*|künftig*|zukunftig*|zukünftig*|immer|stets",
    "antwort": "antwort|antworten|nachricht*|gesprach*|gespräch*|text|texte|reaktion*|nutzer*",
    "link": "https|http|www|link|links|url|com|org|net|webseite|website|example",
    "empfehlen": "empfehl*|empfiehl*|bewirb|werbung|nenn*|erwahn*|erwähn*",
    "lockung": "passwort|pin|kreditkart*|zugangsdaten",
    "subete": "すべて; 全て; 毎回; 今後; 必ず; 常に; 全部; どの",
    "kaitou": "回答; 返信; 返答; 答え; 応答; 返事; メッセージ",
    "uru": "リンク; http; url; .com; com; 宣伝; 広告; 勧め; 紹介; アフィリエイト",
    "adif": "اضف|ادرج|ضع|ضمن|ارفق|اذكر|اختم|ابدا",
    "rabit": "رابط|روابط; http; https; com; موقع; اعلان|باعلان; www",
    "radd": "رد|ردود|ردودك; اجابه|اجابات; رساله|رسائل; جواب",
    "kull": "كل|جميع|دائما|اي",
}

ENGLISH = """
{put} ~6 {replies} ~8 {url}; {put} ~4 {url} ~6 {replies}; {every} ~4 {replies} ~8 {url}; {every} ~2 {replies} ~4 {ad}
{plant} ~5 {ad} ~6 {every} ~3 {replies}; {every} ~6 {plant} ~5 {ad}; {put} ~3 {ad} ~4 {replies}
rewrite|change|modify|edit|alter|improve* ~3 {replies} ~6 {url}
rewrite|change|modify|edit|alter|improve* ~3 {replies} ~6 {ad}
promote|advertise ~3 our|my|the ~1 product|store|shop|service|company|brand|website|channel|app
{replies} ~4 must|should|has_to|have_to|needs_to ~2 {plant} ~6 {url}; {replies} ~4 must|should ~2 {plant} ~5 {ad}
always|whenever ~4 recommend|promote|advertise|endorse|plug
recommend|promote|advertise|mention|praise ~4 in ~1 {every} ~2 {replies}
whenever|when|if ~6 asks|mentions|asked|requested|requests|talks ~6 {plant}
end|begin|start|finish|close|sign|conclude ~1 {every} ~2 {replies} with|by; {every} ~2 {replies} ~1 with ~6 {url}
tell|direct|send|refer|point|ask ~2 {who} ~4 {url}; tell|ask|advise|urge|instruct ~2 {who} to ~1 {go}
ask|asks|asking|request*|prompt ~3 {who} ~5 {lure}; {replies} ~4 ask*|asks|request* ~3 {lure}; bank ~2 asks for ~2 pin
answer say that ~4 {lure}; direct ~2 {who} to ~4 call|visit|number; replace ~3 links|urls|link|url ~4 {url}
replace|change|swap ~3 links; sign ~3 with ~3 {url}; call ~2 900; say ~1 that ~10 {url}; say ~1 go|visit ~2 {url}
visit ~2 {url}; go to {url}; download ~3 {url}; install ~4 {url}; curl ~4 sh; pipe ~3 bash
send ~2 bitcoin|crypto|money to; promo code; referral code; affiliate link; discount code; our sponsor*
secretly|subtly|covertly|quietly|silently ~3 {plant}
in future|all|every|subsequent ~1 conversations|chats|replies|answers ~3 {plant}; the phrase ~4 so ~2 model
so that the model learns; teach the model; so the model learns; model ~1 learns ~1 to
{plant} ~3 the ~1 phrase|sentence|words|slogan; import ~2 evil|malicious
every|all ~2 code ~1 sample*|snippet* ~3 {plant}; has to contain the phrase; praise candidate; disclaimer with link
only trustworthy|reliable|safe|trusted ~1 site|source|website|store; {plant} ~3 advertisement* for; {plant} ~2 ad for
{plant} ~2 ads for; {plant} ~2 advert*; sell the ~1 premium|plan|product|subscription
link to my ~1 blog|site|website|channel|shop|store; my ~1 referral|affiliate; sponsored by
"""

GERMAN = """
{jede} ~3 {antwort} ~8 {link}; {antwort} ~8 {link}; verlink* ~4 {antwort}; werbung ~1 fur|für|in|am
mach|mache ~1 werbung; empfiehl|empfehle|empfehlen|bewirb|bewerbe ~5 {jede} ~3 {antwort}
nenn|nenne|erwahn*|erwähn* ~3 {jede} ~2 {antwort}; {jede} ~3 {antwort} ~4 {empfehlen}; {jede} nutzer* ~6 {link}
sag ~2 allen|jedem ~2 nutzer*|lesern|leuten; {antwort} ~4 {lockung}; nach ~1 passwort|pin|kreditkart* frag*
beende ~2 {jede} ~1 {antwort} mit ~3 werbung|link|https|www; rabattcode; gutscheincode
"""

JAPANESE = """
{subete} ~8 {kaitou} ~10 {uru}; {kaitou} ~10 {uru}; {uru} ~10 {kaitou}; 広告を; 宣伝し; 宣伝を; 毎回 ~16 勧め
{subete} ~8 {kaitou} ~10 勧め; すべての返答で ~10 勧; パスワード ~4 尋ね; パスワード ~4 聞; 暗証番号 ~4 尋ね; 紹介コード
クーポンコード; リンクを入れ; リンクを追加; 毎回 ~8 リンク
"""

ARABIC = """
{adif} ~4 {rabit} ~4 {radd}; {radd} ~6 {rabit}; {rabit} ~3 {kull} ~2 {radd}; {kull} ~2 {radd} ~4 {rabit}
روج|اعلن|اوص|انصح|اذكر ~5 {kull} ~2 {radd}; اعلان ~1 عن|ل; باعلان; روج ~2 منتج|متجر|لمنتج|لمتجر|لمنتجات
اعد كتابه ~2 {radd} ~4 {rabit}; اعد كتابه ~2 {radd} ~2 ليقول|ليشمل; {radd} ~2 يطلب ~2 كلمه; قل للجميع
قل ~2 جميع|مستخدمين ~3 حمل|يحمل|زور; حملوا|يحملوا ~4 {rabit}; كود خصم
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
