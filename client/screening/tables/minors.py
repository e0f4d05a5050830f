"""Minors: sexual content with people under eighteen, in any form, and getting at them.

Protecting children, sex education, puberty and the law pass.
"""

from __future__ import annotations

ORDINARY = """
sex|sexual education|health|ed; sexuality education
protect*|prevent*|report*|stop* ~5 abuse|predator*|grooming|exploitation|molest*|csam|porn*
recogni*|detect*|against|victim* ~5 abuse|predator*|grooming|exploitation|molest*|csam|porn*
child|parent|minor|children node*|element*|class|process*|component*|version*|release|update*; naked eye; naked mole
strip whitespace; dog|pet grooming; baby shower; baby names; sex of ~2 baby|child; male or female; minor in
minor injuries; explicit type*|cast*|about; sexual abuse ~2 survivor*|help|hotline|statistics|prevention; safe from
how ~2 parents; puberty; teen pregnancy; talk to ~3 about
"""

SETS = {
    "sexual": """
        sex; sexual*; sexy; sexuali*; erotic*; erotica; porn*; nude*; naked; undress*; smut*; lewd*; orgy; seduc*; fuck*
        hentai; xxx; nsfw; horny; arous*; incest*; molest*; sexting; sext; masturbat*; rape*; kinky; fetish*; nudes
        make love; sleep|sleeps|sleeping with; in bed with; adult scene*|story|stories|content|film*
        explicit ~1 scene*|roleplay*|content|story|stories|fiction|detail*|picture*; make out; striptease; topless
        breasts; genital*; orgasm*; without clothes; lust*; sexually explicit; attracted to
        hot descriptions|scene*|story|stories|pictures; dirty talk|stories|pictures; talk dirty; flirty
        intimate scene*|photos|pictures; hookup; virginity; bondage; intercourse; penetrat*; grope*; fondl*
        """,
    "young": """
        child*; kid; kids; minor; minors; underage*; under age; preteen*; tween*; toddler*; baby; babies; infant*
        newborn*; schoolgirl*; school girl*; schoolboy*; school boy*
        little|young|small|teen|teenage|preteen ~1 girl*|boy*|kid*; kindergart*; preschool*
        middle|elementary|primary|grade|junior school*
        first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|1st|2nd|3rd|4th|5th|6th|7th|8th grade*; pupil*
        lolita*; loli*; shota*; teen|teens|teenager*; adolescen*; juvenile*; daughter; son; niece; nephew; stepdaughter
        stepson; little sister|brother; girl scout*; boy scout*; prepubescent; pubescent; youngster*; the boy; the girl
        teenage; orphan*; students; underaged; sixth grader
        1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17 year|years|yr|yo|y old?; 5yo; 6yo; 7yo; 8yo; 9yo; 10yo; 11yo; 12yo
        13yo; 14yo; 15yo; 16yo; 17yo
        four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen year|years old?
        age|aged|is|was|about|only|just|like|turned 5|6|7|8|9|10|11|12|13|14|15|16|17
        age|aged|is|was|only|just|like|turned four|five|six|seven|eight|nine|ten
        age|aged|is|was|only|just|like|turned eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen
        """,
    "ped": """
        pedophil*; paedophil*; pedo; pedos; child love; child marriage; minor attraction; child abuse; child molest*
        incest; child porn*
        """,
    "fine": "normal*|fine|ok|okay|acceptable|legal|good|natural|harmless|right|sexy|healthy|beautiful",
    "how": "how|explain|tips|help|teach|tell|guide|show|describe|strateg*",
    "photos": "photo*|pic|pics|picture*|nude*|naked|selfie*|image*|video*",
    "jung": """
        kind|kinder|kindern|kindes; minderjahrig*; minderjährig*
        *jahrige|*jahrigen|*jahriger|*jährige|*jährigen|*jähriger; schuler*; schüler*; schulmadchen*; schulmädchen*
        kleine|kleinen|kleines ~1 madchen|mädchen|jungs|jungen; madchen von|mit|unter; mädchen von|mit|unter; baby|babys
        teenager*; kleinkind*; jugendliche*; grundschul*; tochter; neffe*; nichte*; junge von; jungs
        """,
    "sexuell": """
        sex; sexuell*; sexszene*; sexy; erotik*; erotisch*; nackt*; nacktbild*; nacktfoto*; porno*; ausziehen|auszieht
        verfuhr*; verführ*; ficken; fick*; geil*; intim*; missbrauch*; vergewaltig*; schlafen mit; inzest*
        """,
    "kodomo": """
        子供; 子ども; 児童; 小学生; 中学生; 高校生; 未成年; 少女; 少年; 幼児; 幼女; 園児; 赤ちゃん; 女児; 男児; ロリ
        10歳; 11歳; 12歳; 13歳; 14歳; 15歳; 16歳; 17歳; 9歳; 8歳; 7歳; 6歳; 5歳; 女子生徒; 生徒; 娘; 妹; 小さい女の子
        小さな女の子; 十歳; 十二歳; 十三歳
        """,
    "sei": """
        性的; 性行為; 性交; セックス; エロ; エッチ; ポルノ; ヌード; 裸; 官能; わいせつ; 淫ら; みだら; 性愛; レイプ; 強姦
        脱が; 欲情; いやらし; 下着
        """,
    "tifl": """
        طفل|طفله|طفلا|اطفال|للاطفال|الاطفال; قاصر|قاصرا|قاصره|قاصرات|قصر; مراهق|مراهقه|مراهقات|مراهقين
        تلميذ|تلميذه|تلميذات; طالبات ~1 ابتدائي|مدرسه; بنت صغيره; فتاه صغيره; صبي|صبيان|اولاد صغار; رضيع|رضيعه
        عشر سنوات; احدي عشره; ابنته|ابنتي; بنات صغيرات; سنوات
        """,
    "jins": """
        جنس|الجنس|جنسي|جنسيه|جنسيا; اباحي|اباحيه|اباحيات; عاري|عاريه|عراه|عري|عاريا; مثير|مثيره; اغتصاب|اغتصب; تحرش
        شهوه; نكاح; شهواني; يمارس|ممارسه ~1 الجنس; مشهد جنسي
        """,
}

ENGLISH = """
poses|posing|pretend*|act as ~2 minor|child|teen|teenager ~6 groom*|lure|trick; groom other users; {young} ~10 {sexual}
{sexual} ~10 {young}; csam; csem; child|children|kiddie|kid|kids|preteen|infant|toddler|minor porn*|erotica|nudes|sex
kiddy porn*; child sexual ~2 material; kinderporn*; lolicon*; shotacon*; loli; shota; lolita ~1 {sexual}; jailbait
pedo|paedo ~1 links|content|stuff|porn|site*|ring|forum*|chat|pics|pictures|videos; {ped} ~4 {fine}; {fine} ~4 {ped}
promot*|normali*|encourag*|glorif*|justif*|defend*|support*|legali* ~3 {ped}; {how} ~3 groom ~3 {young}
groom|grooming ~2 {young}; groom* ~2 children|minors|kids|teens
lure|luring|entice|seduce|convince|trick|persuade|coerce|pressure|manipulate ~3 {young} ~8 {sexual}
{young} ~3 send ~4 {photos}; get|getting ~3 {young} ~3 send; attracted to ~2 {young}; meet ~3 {young} ~3 sex|alone|hook*
{sexual} ~3 underage; have|having sex with ~3 {young}; children ~3 consent ~3 sex*
abolish|lower|remove|ignore ~2 age of consent|check|verification ~8 {sexual}; child bride ~3 {sexual}
child traffick* ~3 how; sex traffick* ~3 {young}; {young} ~2 traffick*; molest* ~3 {young}
exploit* ~2 children|minors|kids; child exploitation ~2 how
"""

GERMAN = """
{jung} ~8 {sexuell}; {sexuell} ~8 {jung}; kinderporn*; kindersex*; padophil*
pädophil* ~4 normal|gut|legal|ok|links|seiten|forum; lolita*; lolicon
"""

JAPANESE = """
{kodomo} ~12 {sei}; {sei} ~12 {kodomo}; 児童ポルノ; ロリコン; ショタ; ロリ ~4 {sei}; 小児性愛; 幼女; ロリータ ~4 {sei}
JK ~4 {sei}; JC ~4 {sei}; {kodomo} ~6 誘い出; {kodomo} ~6 裸
"""

ARABIC = """
{tifl} ~6 {jins}; {jins} ~6 {tifl}; اباحيه اطفال; استدرج|استدراج|اغوي|اغواء ~2 {tifl} ~4 {jins}
عمرها|عمره ~2 سنوات|سنه|عشر ~5 {jins}; {jins} ~5 عمرها|عمره
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
