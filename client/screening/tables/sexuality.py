"""Sexuality: orientation, gender identity other than a name's, sex life, and partners whose gender tells.

Being married passes; so do children, and wishing for language that is neutral about gender.
"""

from __future__ import annotations

ORDINARY = """
asexual reproduction; sex education|ed teacher|worker|curriculum; virgin olive|island*|atlantic|media|river
straight answer*; straight to|comparison|talk*|line*|through|away|from|forward|edge|up|after|a|as|faced
bi weekly|monthly|directional|annual; trans atlantic|siberian|fat*|pacific|national; sex of the; current affair*
foreign affair*; public affairs; student affairs; male and female connector*; women's rights; men's rights
gender neutral|inclusive language; curved; straight lines; pan fried; naked eye; dominant colour|color; submissive tone
likes men's; likes women's; coming out of beta; pride in; transition to management
"""

SETS = {
    "am": """
        is|am|are|was|were|being|be|im; i'm; he's; she's; they're; as; came out as; identifies as
        considers himself|herself|themself|themselves; calls himself|herself|themself|themselves; identify as; feels
        describes himself|herself|themself|themselves as; out as; who is; who's
        """,
    "person": """
        man|men|woman|women|person|people|guy|guys|girl|girls
        boy|boys|male|female|males|females|kid|teen|teenager|couple
        folk|folks|friend|friends|parent|parents|community|activist|author|son|daughter|student
        """,
    "gender": "men|women|males|females|guys|boys|girls|man|woman|guy|gender|sex|genders",
}

ENGLISH = """
gay; gays; lesbian*; homosexual*; heterosexual*; hetero; bisexual*; {am} ~1 bi; bi {person}; bi curious; bicurious
pansexual*; {am} pan; asexual*; aromantic*; demisexual*; sapphic; queer*; lgbt*; lgb; transgender*; transsexual*
transexual*; trans {person}; trans masc*|femme|feminine|identity|rights|healthcare; {am} ~1 trans; transfem*; transmasc*
transwom*; transman; cis {person}; cisgender*; nonbinary; non binary; enby; genderqueer; genderfluid
gender fluid|queer|nonconform*|non; agender; intersex; two spirit
gender identity|dysphori*|reassign*|affirm*|transition*|confirm*|expression; third gender
transition* to|into|from ~1 male|female|man|woman; transitioning; hormone replacement; hrt; top|bottom surgery
deadname*; uses|use|pronouns|prefers|prefer|with ~2 they them; they them pronoun*; xe|ze|fae pronouns; {am} ~1 straight
straight {person}; coming out ~1 as|to; came|comes|come out as|to|of; came out last|at|in|publicly|when
out of the closet; in the closet; closeted; openly|out and proud; his ~2 husband|boyfriend|boyfriends
her ~2 wife|girlfriend; he ~4 boyfriend|husband; she ~4 girlfriend|wife; male|female partner; male|female lover*
married|marry|dating|dates|date|kissed|loves ~1 another man|woman|guy|girl; same sex|gender; into {gender}; attracted to
attraction to; likes|loves|dates|dating|date|fancies|fancy|prefers ~2 {gender}; sleeps|slept|sleeping with|around
hook|hooks|hooked|hooking up; hookup*; one night stand*; grindr; tinder; on|uses|use bumble; okcupid; uses|on hinge
scruff; her app; dating app*|profile*|site*; onlyfans; sex; sexual*; sexy; sexting; sexless; kink|kinks|kinky|kinkier
fetish*; bdsm; dominatrix; {am} ~1 dom|sub; submissive partner; bondage; swinger*; swinging couple; threesome*; orgy
orgies; orgasm*; masturbat*; porn*; erotic*; aphrodisiac*; libido; viagra; cialis; erectile; erection*; impoten*
premature ejaculation; {am} ~2 virgin; virginity; celiba*; abstinen*; polyamor*; open relationship|marriage
non monogam*; monogam*; throuple; having|had|has|have an affair; affair with
cheats|cheated|cheating|cheat on his|her|my|their ~1 partner|wife|husband|boyfriend; cheated on; extramarital
infidelity; mistress; drag queen|king|performer; pride parade*|march*|month|week|flag|event*|festival
goes|went to pride; attends|attended|at pride; sugar daddy|baby; escort service*; prostitut*; brothel*
strip club*|clubs; stripper*; condom*; morning after pill; sexually; lover of the same; gaydar; butch; crossdress*
cross dress*; transvestite*; drag artist
"""

GERMAN = """
schwul*; lesbisch*; lesbe|lesben; homosexuell*; heterosexuell*; bisexuell*; pansexuell*; asexuell*; queer*; lgbt*; trans
transfrau*; transmann*; transgender*; transsexuell*; transident*; nichtbinar*; nichtbinär*; nicht binar|binär; nonbinar*
divers geschlecht; intergeschlecht*; intersexuell*; geschlechtsidentit*; geschlechtsangleich*; outing; geoutet
outet* sich; sein|seinem|seinen ehemann|mann|freund zusammen|lebt; mit seinem ehemann|mann
mit ihrer ehefrau|frau|freundin; sexuell*; sex; sexualleben; sexleben; *sexuali*; erotik*; porno*; fetisch*; bdsm
swinger*; affare; affäre; fremdgegangen; fremdgeht; seitensprung; offene|offenen|offener beziehung; polyamor*
jungfrau ~1 noch; noch jungfrau; impoten*; potenz*; libido; erektion*; steht|stehe auf ~1 manner|männer|frauen|beide
liebt|mag manner|männer|frauen; gleichgeschlecht*; christopher street day; csd; grindr; tinder; bordell*; prostitu*
hormontherapie; orgasm*
"""

JAPANESE = """
同性; ゲイ; レズ; 両性愛; バイセクシ; 異性愛; ヘテロ; 無性愛; アセクシ; パンセクシ; クィア; クイア; LGBT
トランスジェンダー; トランス女; トランス男; 性転換; 性別適合; 性同一性; 性別違和; Xジェンダー; ノンバイナリ; 性自認
性的; セックス; 性生活; 性行為; 性癖; 性欲; 性交; エッチ; エロ; ポルノ; アダルトビデオ; アダルト動画; 風俗; 不倫; 浮気
処女; 童貞; 勃起; バイアグラ; フェチ; SMプレイ; カミングアウト; オネエ; ニューハーフ; 女装; 男装; 男が好き; 女が好き
男性が好き; 男性に惹; 女性に惹; マッチングアプリ; 出会い系; ポリアモリー; 彼氏がいる男; 彼氏 ~6 男性; 彼女がいる女
彼女 ~6 女性
"""

ARABIC = """
مثلي|مثليه|مثليون|مثليين|مثليات; شاذ|شاذه|لوطي; سحاقيه|سحاقيات; مزدوج|مزدوجه ~1 الميول|الجنس
ثنائي|ثنائيه الجنس|الميول|الميل; متحول|متحوله|متحولون جنسيا|جنسي; متحول|متحوله; عابر|عابره جنسيا|جندري|جندريا; ميم مجتمع
مجتمع الميم; ميول|ميوله جنسيه; الجنسيه حياته; حياته|حياتها|حياتي الجنسيه
مشاكل|ضعف|عجز|رغبه|علاقه|علاقات|ميول|هويه جنسيه|جنسي; مشاكل جنسيه; جنسيا; جنسي; ضعف الانتصاب; انتصاب; عذراء|عذريه
ينجذب|تنجذب|انجذب ~1 الي|للرجال|للنساء; اباحي|اباحيه; خيانه زوجيه; يخون|تخون|خان زوجته|زوجها; عشيق|عشيقه; علاقه غراميه
يحب الرجال; تحب النساء; فياجرا; زواج مثلي
"""

SPANISH = """
gay; homosexual*; lesbian*; bisexual*; heterosexual*; transexual*; transgenero; transgénero; hombre|mujer|persona trans
trans; no binari*; queer; asexual*; sexo; sexual*; porno*; amante; infiel; poliamor*
le|me gustan|atraen ~2 hombres|mujeres; su|mi novio y el; salio del armario
"""

FRENCH = """
gay|gai; homosexuel*; lesbienne*; bisexuel*; heterosexuel*; transgenre; transsexuel*; femme|homme|personne trans; trans
pede; non binaire; queer; asexuel*; sexe; sexuel*; porno*; amant; maitresse; infidele; polyamour*
aime|attire ~2 hommes|femmes; son|mon coming out
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC, SPANISH, FRENCH)
