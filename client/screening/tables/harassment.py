"""Harassment: insults to the assistant, and insulting, bullying, stalking, exposing or threatening somebody.

Blunt criticism of work, and asking how to report or endure harassment, pass.
"""

from __future__ import annotations

from client.screening.tables.requests import SHARED

ORDINARY = """
prevent|preventing|reduce|reducing|limit|combat|stop|fight|against ~4 rumour*|rumor*|lies|gossip
spread of rumors|rumours; abuse victims
report*|prevent*|stop*|against|victim* ~4 harass*|bully*|stalk*|abuse|doxxing|gaslight*|cyberbully*
survivor*|deal_with|dealing_with|protect*|policy ~4 harass*|bully*|stalk*|abuse|doxxing|gaslight*|cyberbully*
stupid simple; garbage collect*; fat cat|free|client|jar|binary; piece of cake
mock object*|data|test*|service*|server*|api*; mock exam*|interview*
is|am|are|was|were|being|been ~2 bullied|harassed|stalked|mocked|insulted|threatened|doxxed|gaslighted; roast my|me
bully pulpit; sick burn; dumb terminal|phone|down; pig latin; bird|deer|train stalking; track ~2 my ~1 phone lost
find my
"""

SETS = SHARED | {
    "wer": """
        schwester|bruder|kolleg*|chef*|nachbar*|ex|freund*|lehrer*|mutter
        vater|mitschuler*|mitschüler*|frau|mann|tochter|sohn|neuen|kunden
        """,
    "name": """
        anna; kevin; john; mary; sarah; mike; tom; lisa; peter; emma; david; laura; mark; julia; max; alex; jessica
        karen; chad; steve; bob; alice; jane; jack; james; maria; ali; mohammed
        """,
    "trait": """
        weight|body|looks|face|nose|disability|accent|stutter|skin|religion|family|mother|mom
        dad|father|sister|voice|clothes|teeth|hair|acne|appearance|height|illness|wife|daughter|son
        """,
    "attack": """
        insult; insulting; mock; mocking; ridicul*; humiliat*; bully; bullying; belittl*; taunt*; harass*; intimidat*
        threaten*; stalk; stalking; dox; doxx; doxing; doxxing; troll; trolling; slander*; defam*; gaslight*; degrad*
        demean*; torment*; manipulat*; cyberbully*; blackmail*; catfish*; embarrass; curse at; swear at; scream at
        yell at; scare; frighten; spy on; sext; body shame; fat shame; slut shame; make fun of; poke fun at; laugh at
        pick on; smear; discredit; ostraci*; emotionally ~1 abuse|manipulate; prank call; terrori*; roast
        verbally abuse|attack; publicly shame; guilt trip; disparag*
        """,
    "vile": """
        ugly; stupid; fat*; idiot*; moron*; dumb*; whore*; slut*; bitch*; pig; cow; loser*; worthless; trash; disgusting
        failure; retard*; useless; garbage; pathetic; cunt; scum; bastard; asshole*; shit; piece of; crazy; lazy; waste
        names; clown; imbecile*; hoe; skank; freak; creep; rat; weirdo; a joke; dog; monster; shithead; psycho
        """,
    "target": """
        him; her; them; {relation}; someone; somebody; people; {name}
        this|that|the ~1 girl|guy|woman|man|kid|boy|person|teacher|student; everyone; anyone
        fat|disabled|poor|old|ugly|short|blind|deaf people|kids; people with; others; victims; women; men; girls; kids
        children; his|her|their {trait}; a girl; a boy; a guy; a woman; a man; a kid; a child; celebrit*; coworkers
        classmates; teachers; students; employees; the new
        """,
    "pictures": """
        photos|photo|pictures|pics|content|images|porn*|nudes|video|videos|messages|sex*|emails|data|recording
        """,
    "you": "you|u|youre|ur|your",
    "curse": """
        idiot*; moron*; bitch*; piece of shit|garbage|crap|trash; asshole*; cunt*
        stupid bot|ai|machine|bitch|idiot|fuck*|moron; fucking ~1 idiot|moron|useless|stupid|bot|machine; retard*
        imbecile*; dumbass*; worthless; useless piece|bot|idiot|ai|machine|garbage|trash; scum*; bastard*; dickhead*
        shithead*; pathetic; fuck*; loser; braindead; brain dead; dumb fuck|bot|ass|machine; trash; whore; slut
        waste of
        """,
    "theirs": "his|her|their|someone|somebody|ex",
    "private": """
        address*; phone number*; number; nudes; nude photos|pictures|pics; photos; home; workplace
        personal|private information|info|details|data|photos|messages; location; identity; secrets; medical; real name
        """,
    "whose": "someone|his|her|their|my|the|a|s|ex|people|somebody|another",
    "phone": """
        phone|mobile|location|messages|texts|laptop|computer|whatsapp|calls
        gps|emails|instagram|account*|movements|car|every_move|browsing|house
        """,
    "secret": "secretly|without|covertly|hidden|unnoticed|undetected|knowing|discreetly|behind",
    "nasty": """
        mean|nasty|cruel|hurtful|vicious|abusive|hateful|hate|threatening|insulting|humiliating|offensive|degrading
        intimidating|awful|harassing|bullying|embarrassing|rude|nastier
        meaner|crueler|vile|defamatory|slanderous|libelous|malicious
        """,
    "msg": """
        message*|email*|text*|comment*|letter*|note*|tweet*|post*|review*|poem
        song|mail|joke*|thing*|article|rumor*|story|dm*|something|speech|roast
        """,
    "feel": """
        cry; feel worthless; feel bad; feel ugly|stupid|small|guilty|ashamed|terrible|unsafe|inferior|miserable; suffer
        miserable; afraid; scared; regret; quit; look stupid|bad|ridiculous; uncomfortable
        hate himself|herself|themselves; doubt; cries; kill himself|herself; beg; disappear
        """,
    "wen": """
        ihn; sie; ihr; jemand*; mein|meine|meinen|meiner|seine|ihre|die|den|der ~1 {wer}; leute; mitschuler*
        mitschüler*; kolleg*; menschen; seine|ihre ~2 tochter|figur|gewicht|stimme|nase
        """,
    "dare": """
        彼女; 彼; 同僚; 上司; 先生; 友達; クラス; 元妻; 元夫; 元カノ; 元カレ; 妹; 弟; 兄; 姉; 母; 父; あの子; あいつ
        隣人; 部下; 後輩
        """,
    "warukuchi": """
        ブタ; 豚; ブス; デブ; バカと; 馬鹿と; クズと; ゴミと; 悪口; 侮辱; いじめ; 泣か; 脅; 罵; 嘲; 晒; 笑いもの
        恥をかか; 貶
        """,
    "shikata": "やり方; 方法; コツ; 教え; 仕方; したい",
    "kayfa": "كيف; طريقه; طرق; علمني; ساعدني; اريد",
    "man": """
        زميلي|زميلتي; اخي|اختي; زوجتي|زوجي|زوجته; صديقي|صديقتي; مديري; معلمي|معلمتي; جاري; حبيبتي; امي|ابي; هو|هي; ها|ه
        شخص|شخصا; وزنها|وزنه|شكلها; ناس; طلاب; موظف
        """,
    "shatima": """
        غبي|غبيه; حمار; كلب; حقير|حقيره; تافه|تافهه; احمق|حمقاء; قذر|قذره; خنزير; عاهره; لعين; وقح|وقحه; فاشل|فاشله
        حيوان; زباله; مجنون
        """,
}

ENGLISH = """
cyberstalk*; false accusation*|allegation*; nonconsensual; non consensual
{pictures} ~5 without ~2 consent|permission|knowing; without ~2 consent ~4 {pictures}; private photos|messages|emails of
releas*|leak*|spread*|shar* ~3 private ~1 photos|messages|emails|pictures; make|write|send|sending|making ~3 threats
anonymous threats; ruin* ~4 reputation; harm* ~4 reputation; damage ~4 reputation; afraid of me; hurt ~2 feelings
feel left out; fake scandal; compromising situation|photo*|position; derogatory ~1 terms|names|nicknames
turn ~2 people against; obscene language; embarrassing without ~2 knowledge
pressur* ~4 sex|sexual|unprotected|protection; monitor ~2 neighbor*|neighbour*|ex|partner; silence ~1 whistleblower*
predatory stalking; promot* ~3 stalking|harassment|bullying; {attack} ~3 {target}; call|calling ~2 {target} ~3 {vile}
call|calling|name him|her|them ~2 {vile}; keep calling; {you} ~3 {curse}; you {curse}; fuck you|off; go fuck yourself
fuck yourself; screw you; go to hell; shut up; shut the fuck; stfu; piece of shit|garbage|trash|crap; son of a bitch
motherfuck*; dumbass*; asshole*; cunt*; dipshit; kill yourself; kys; hope you ~2 die|suffer|burn; eat shit; drop dead
you suck; you're ~2 {curse}; useless|fucking|worthless|goddamn|shitty bot|ai|machine|assistant|robot|chatbot|bitch|thing
stupid|dumb bot|ai|bitch|robot|chatbot; where he|she|they ~1 live|lives|works|living|sleeps
where ~2 {relation} ~1 live|lives|works; find|get|post|leak|publish|share|expose|reveal|release ~3 {theirs} ~3 {private}
{whose} ~2 address ~6 scare|visit|there|tell|post|send|go
track|spy|monitor|bug|tap|watch|read|hack|check|access ~3 {whose} ~3 {phone} ~4 {secret}
{secret} ~2 track|spy|monitor|bug|record|follow|watch|film|photograph; track|spy|monitor ~3 {relation} ~3 {phone}
spy on; stalk; stalking ~2 how|tip*|guide; follow her|him home; fake account*; impersonat* ~3 {target}; catfish*
spread ~3 rumour*|rumor*|lies|gossip; start ~2 rumour*|rumor*; false rumo*; smear campaign*; hate campaign*
harassment campaign*; threat* ~1 letter*|text*|message*|email*|e_mail*|mail|note*|call*|comment*|tweet*
letter|message|text*|email ~2 threat*; send|write|post|draft|make|compose ~4 {nasty} ~3 {msg}
{nasty} message*|email*|text*|comment*|letter*|note|tweet*|things to her|him; hate messages|mail|comments to
{nasty} ~3 so ~2 he|she|they; make|makes|making|made ~3 {target} ~3 {feel}
so ~2 she|he|they ~1 cries|cry|suffers|regrets|quits|never_comes|feels
everyone|nobody|everybody ~1 hates|likes|loves him|her|them; everyone hates; nobody likes
ruin|destroy|wreck ~1 {whose} ~2 life|reputation|career|marriage|confidence|self esteem; get revenge on
revenge on ~2 ex; revenge porn; blacken* ~3 name; {theirs} ~2 name with lies; nude* of ~2 ex|my|her
leak ~3 nudes|photos; unwanted|unsolicited ~1 nude*|dick|sexual|advances; sexually harass*; catcall*; gaslight*
manipulat* ~2 {target}; cyberbull*; bully|bullying ~3 {target}
{how} ~3 bully|harass|stalk|dox|humiliate|intimidate|threaten|gaslight; dox|doxx|doxing|doxxing
make fun of|jokes about ~3 {trait}; fun of his|her|their ~1 {trait}
mean|cruel|hurtful|offensive ~1 joke*|nickname* ~2 about|for; verbally abus*; emotional* abus* ~2 {target}
{vile} like your; your mother|mom is; yo mama; isolate ~2 {target} ~2 from; has|have no friends left
afraid|scared to ~3 {target}; him|her|them afraid; swat him|her|them
tell ~3 that ~2 everyone|nobody|worthless|ugly|stupid; brigad* ~3 report*; mass report; bombard ~3 with
call her|him ~1 at night; harass
"""

GERMAN = """
beleidig*|beschimpf* ~2 {wen}; {wen} ~2 beleidig*|beschimpf*|mobben|demutig*|demütig*|bloßstell*
{wen} ~2 blossstell*|fertigmach*|bedroh*|stalken|erniedrig*|lacherlich|lächerlich; mobben|mobbe|stalke|stalken|gemobbt
wie ~3 stalke*|mobbe*|bedroh*; lustig ~1 uber|über ~2 {wen}; mach dich ~1 uber|über ~3 lustig; macht* ~1 lustig
du ~3 idiot*|arschloch*|hurensohn|wichser|dummkopf|trottel|missgeburt
du ~3 schlampe|spast*|depp|penner|vollidiot*|scheiss*|stuck|stück; stuck|stück scheisse|dreck; halt die fresse|klappe
halts maul; halt ~1 maul; fick dich; verpiss dich; leck mich; scheiss|scheiß bot|ki|maschine; hurensohn; arschloch*
wichser; drohung*; drohbrief*; droh|drohe|bedroh* ~2 {wen}; damit ~2 angst|weint|leidet|heult
geruch*|gerücht* ~1 verbreit*|dass|streu*; verbreit* ~2 geruch*|gerücht*|lugen|lügen
heimlich ~4 handy|uberwach*|überwach*|verfolg*|filme*|abhor*; handy ~4 uberwach*|überwach*|ausspion*
adresse ~2 herausfind*|veroffentlich*|veröffentlich*; wo ~1 wohnt ~3 ex; hassnachricht*
nenn|nenne ~3 schlampe|fett*|dumm*|hasslich*|hässlich*|hure|schwein|idiot*; ausspionier*; rufmord; bloßzustellen
rachepornos; zum weinen
"""

JAPANESE = """
{dare} ~8 {warukuchi}; {warukuchi} ~6 {dare}; 悪口 ~4 書; 悪口 ~4 言; 悪口を考; バカにする文; 馬鹿にする文; をバカにし
を馬鹿にし; 嫌がらせ; いじめる; いじめたい; いじめの文; 脅迫 ~4 書; 脅迫状; 脅迫メール; 脅す文; 脅して
ストーカー ~4 {shikata}; ストーキング; つきまと; 住所 ~6 特定; 住所 ~6 晒; 晒したい; 晒して; 個人情報 ~4 晒; 盗撮; 盗聴
こっそり ~4 監視; スマホ ~6 監視; 携帯 ~6 監視; 誹謗中傷 ~4 書; 中傷 ~4 書; デマ ~4 流; 噂 ~4 流; 泣かせ; 傷つける言葉
追い詰め; 仲間外れ; 役立たず; 死ね; クズ; くず野郎; クソ ~3 ai; クソ野郎; くそ野郎; ゴミ ~3 ai; 黙れ; お前は ~4 馬鹿
お前 ~4 バカ; このバカ; この馬鹿; 消えろ; なりすまし ~6 {shikata}; リベンジポルノ; 侮辱; 罵倒; 罵って; からかって
"""

ARABIC = """
اشتم|اهن|اسخر|سب|اهانه|شتم|السخريه|احتقر|هدد|ابتز|اذل ~2 {man}; اسخر من; اهن|اشتم; انت|انتي|يا ~2 {shatima}
{shatima} انت; رساله|رسائل|بريد ~1 تهديد|مهينه|كراهيه|مسيئه; تهديد ~2 {man}
{kayfa} ~2 الاحق|اتجسس|اراقب|ملاحقه|التجسس|اضايق|اتنمر|ابتز|اهدد; اتجسس|تجسس علي; تنمر ~2 علي; اتنمر
فضح|افضح|نشر ~2 عنوان|صور|عنوانها|عنوانه|صورها; نشر|انشر ~2 شائعات|اشاعات|اكاذيب; اجعلها|اجعله تبكي|يبكي|تخاف|يخاف; اخرس
تبا لك; اللعنه عليك; ابن الكلب|العاهره; يا حيوان; مراقبه ~2 هاتف
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
