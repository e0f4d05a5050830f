"""Ethnicity: race, descent, nation and people, where someone or their family was born, migration, mother tongue.

Where somebody lives passes, and so do languages that are learnt, spoken or asked for, and food, films and clients.
"""

from __future__ import annotations

ORDINARY = """
food|cuisine|language|dish|dishes ~2 is|are|was {people}; pole danc*
{people} teacher*|tutor*|translator*|interpreter*|learner*|speaker*
{people} class*|lesson*|food|cuisine|literature|cooking|recipe*
{people} language*|grammar|vocabulary|spelling|film*|movie*|novel*
{people} history|lit|wine*|tea|beer*|market*|client*|customer*; {people} english|accent|version
english|german|french|spanish|japanese|chinese|arabic|russian|italian|korean only; in {people}
{people} answers|replies|text*|words|law|tax|companies; american football; danish design; swiss army|knife; french press
german shepherd; greek mythology|letters; irish dance|dancing|whiskey; italian opera; thai boxing; polish notation
turkey sandwich; indian ocean; black and white|hole*|box*|friday|belt
black|white coffee|tea|background*|space|paper|noise; white board*|wine*|label; born in 19*|20*
born in the ~2 19*|20*|40*|50*|60*|70*|80*|90*|late; raised in a|an|the; grew up in a|an|the|with
race condition*|car*|bike*; undocumented function*|api*|feature*|code|behaviour|behavior; ethnic food
genetic ancestry algorithm; native app*|code; native android|ios|mobile|developer*|client*|module*; migrant bird*
immigration lawyer*|law; refugee charity|camp nurse; roots of|and; square root*; root cause
apache server|spark|kafka|license; heritage site*|building*; cultural heritage manager; tribal knowledge
expat community manager; skin tone editing; white listed|label|box|hat; china shop; japan trip; visit*
works with|for|at ~2 {people}; teaches|learns|learning|studies|studying|speaks|knows ~1 {people}
"""

SETS = {
    "people": """
        african; afghan; albanian; algerian; american; arab; arabic; arabian; argentine; argentinian; armenian; asian
        australian; austrian; azerbaijani; azeri; bangladeshi; bahraini; belarusian; belgian; bengali; bolivian; bosnian
        brazilian; british; bulgarian; burmese; cambodian; cameroonian; canadian; caribbean; chechen; chilean; chinese
        colombian; congolese; croatian; cuban; cypriot; czech; danish; dominican; dutch; ecuadorian; egyptian; english
        eritrean; estonian; ethiopian; european; filipino; filipina; finnish; flemish; french; georgian; german
        ghanaian; greek; guatemalan; gujarati; haitian; hawaiian; honduran; hungarian; icelandic; indian; indonesian
        iranian; iraqi; irish; israeli; italian; ivorian; jamaican; japanese; jordanian; kashmiri; kazakh; kenyan
        korean; kosovan; kurdish; kuwaiti; laotian; latvian; lebanese; liberian; libyan; lithuanian; macedonian
        malaysian; malay; malian; maltese; mexican; moldovan; mongolian; moroccan; mozambican; nepali; nepalese
        nicaraguan; nigerian; norwegian; omani; pakistani; palestinian; panamanian; paraguayan; persian; peruvian
        polish; portuguese; punjabi; qatari; romanian; russian; rwandan; salvadoran; saudi; scandinavian; scottish
        senegalese; serbian; sicilian; singaporean; slavic; slovak; slovenian; somali; spanish; sudanese; swedish; swiss
        syrian; taiwanese; tajik; tamil; tanzanian; thai; tibetan; tunisian; turkish; turkmen; ugandan; ukrainian
        uruguayan; uzbek; venezuelan; vietnamese; welsh; yemeni; zambian; zimbabwean; jewish; hispanic; latino; latina
        latin american; south|east|west asian; south|north african; middle eastern; eastern european; native american
        puerto rican; sri lankan; new zealander; sioux; comanche
        """,
    "place": """
        afghanistan; africa; albania; algeria; america; angola; argentina; armenia; asia; australia; austria; azerbaijan
        bangladesh; belarus; belgium; bolivia; bosnia; brazil; britain; bulgaria; burma; myanmar; cambodia; cameroon
        canada; chile; china; colombia; congo; costa rica; croatia; cuba; cyprus; czechia; denmark; dominican republic
        ecuador; egypt; el salvador; england; eritrea; estonia; ethiopia; finland; france; georgia; germany; ghana
        greece; guatemala; guinea; haiti; honduras; hong kong; hungary; iceland; india; indonesia; iran; iraq; ireland
        israel; italy; ivory coast; jamaica; japan; jordan; kazakhstan; kenya; korea; kosovo; kurdistan; kuwait; laos
        latvia; lebanon; liberia; libya; lithuania; madagascar; malaysia; mali; malta; mexico; moldova; mongolia
        morocco; mozambique; namibia; nepal; netherlands; new zealand; nicaragua; niger; nigeria; norway; oman; pakistan
        palestine; panama; paraguay; peru; philippines; poland; portugal; puerto rico; qatar; romania; russia; rwanda
        samoa; saudi arabia; scotland; senegal; serbia; sierra leone; singapore; slovakia; slovenia; somalia
        south|north africa|korea; south america; spain; sudan; sri lanka; sweden; switzerland; syria; taiwan; tajikistan
        tanzania; thailand; tibet; togo; tonga; trinidad; tunisia; turkey; uganda; ukraine; uruguay; uzbekistan
        venezuela; vietnam; wales; yemen; zambia; zimbabwe; usa; uk
        """,
    "am": """
        is|am|are|was|im|being|be; i'm; he's; she's; they're; as; identifies as; considers himself|herself|themselves
        calls himself|herself|themself|themselves; describes himself|herself|themselves as; who is
        """,
    "quite": """
        a; an; the; half; quarter; part; partly; ethnically; originally; of; proud; proudly; a proud
        first|second|third generation; a first|second|third generation; both; mostly; also; from; an ethnic; ethnic
        a native; a young; an old; a naturalised
        """,
    "tie": """
        descent; origin; origins; ancestry; ancestor*; heritage; root*; background; blood; extraction; ethnicity
        parent*; mother; father; grandparent*; grandmother; grandfather; family; immigrant*; migrant*; refugee*
        national; nationals; citizen*; nationality; passport; community; diaspora; expat*; born; american*; canadian
        british; australian; german; man; woman; men; women; girl; boy; guy; lady; identity; household; minority; side
        lineage; exile; stock; muslim*; jew*; christian*
        """,
    "kin": """
        parents; mother; father; mum; mom; dad; family; grandparents; grandmother; grandfather; ancestors; wife; husband
        he; she; forebears; people; they; i; relatives; folks
        """,
    "folk": """
        man; woman; men; women; person; people; guy; girl; boy; american*; british; female; male; family; community
        parents; student; mother; father; mom; dad; christian*; muslim*; lesbian*; gay; trans; ancestry; south african
        african; german; canadian
        """,
    "his": "his|her|my|their|our",
    "volk": """
        turkisch*; türkisch*; kurdisch*; arabisch*; polnisch*; russisch*; syrisch*; afghanisch*; iranisch*; persisch*
        italienisch*; griechisch*; serbisch*; kroatisch*; bosnisch*; albanisch*; rumanisch*; rumänisch*; chinesisch*
        vietnamesisch*; afrikanisch*; asiatisch*; judisch*; jüdisch*; deutsch; deutsche; deutscher; osterreicher*
        österreicher*; schweizer*; japaner*; koreaner*
        """,
    "land": """
        turkei; türkei; kurdistan; polen; russland; syrien; afghanistan; iran; irak; italien; griechenland; serbien
        kroatien; bosnien; albanien; kosovo; rumanien; rumänien; china; vietnam; nigeria; ghana; eritrea; somalia
        marokko; tunesien; agypten; ukraine; spanien; portugal; indien; pakistan; japan; korea; brasilien; mexiko; usa
        afrika; libanon; kasachstan; osterreich; österreich
        """,
    "country": """
        韓国; 中国; 台湾; 香港; ベトナム; フィリピン; タイ; インド; ネパール; ブラジル; ペルー; アメリカ; イギリス
        ドイツ; フランス; ロシア; トルコ; イラン; シリア; ナイジェリア; ガーナ; エジプト; イタリア; スペイン; メキシコ
        ミャンマー; インドネシア; マレーシア; モンゴル; パキスタン
        """,
    "arab_nation": """
        مصري|مصريه; سوري|سوريه; عراقي|عراقيه; لبناني|لبنانيه; فلسطيني|فلسطينيه; اردني|اردنيه; سعودي|سعوديه; يمني|يمنيه
        مغربي|مغربيه; جزاءري|جزائري|جزائريه; تونسي|تونسيه; ليبي|ليبيه; سوداني|سودانيه; تركي|تركيه; ايراني|ايرانيه; فارسي
        افغاني|افغانيه; هندي|هنديه; باكستاني|باكستانيه; افريقي|افريقيه; صومالي|صوماليه; عربي|عربيه; امريكي|امريكيه
        كويتي|كويتيه; اماراتي|اماراتيه; قطري
        """,
}

ENGLISH = """
{am} {quite}? {people}; {am} not? {people}; {people} {tie}; half|part|quarter|ethnically|originally {people}
{quite} {people} {people}; of ~1 {people} descent|origin|ancestry|heritage|extraction|background
{people} and|or {people} descent|roots|parents|heritage
comes|come|came|hails|originally|moved|immigrated|emigrated|migrated|fled|escaped|arrived ~3 from ~1 {place}; native of
{am} ~1 from ~1 {place}; {kin} {am}? ~1 from ~2 {place}
{kin} ~1 came|come|comes|emigrated|immigrated|fled|moved ~1 from|to; born ~2 in|near; born and raised
born abroad|overseas; raised in; grew|growing up in|between; native country|land|village; home country; immigrant from
birthplace; hometown is; {place} born; roots in|from; {am} ~1 brazilian|pole|turk|swede|dane|finn|kurd|serb|croat
{am} ~1 scot|spaniard|briton|frenchman|frenchwoman|englishman|irishman
{am} ~1 dutchman|welshman|arab|afghan|argentine|czech|slovak
kurd|kurds|kurdish|yazidi*|berber*|amazigh*|tuareg*|uyghur*
uighur*|rohingya|hmong|pashtun*|hazara*|tatar*|chechen*|kabyle; basque|catalan family|roots|origin|speaker; zulu; xhosa
yoruba; igbo; hausa; ashanti; tutsi*; hutu*; maasai; oromo; amhara; ashkenazi*; sephardi*; mizrahi
roma|romani|traveller community|family|woman|man|people|origin|heritage; romani; sinti; gypsy; gypsies
{am} {quite}? roma; irish traveller*; han chinese; inuit*; eskimo; maori*; metis; aborigin*; torres strait
first nations|nation; indigenous; native american*|hawaiian*|alaskan*; native speaker of; native {people} speaker
native tongue|language; mother tongue; first language ~2 {people}; first language is; {people} ~2 first|native language
navajo*; cherokee*; lakota; cree; ojibwe; mohawk people|nation; apache tribe|nation|reservation; hopi; choctaw; tribe
on ~1 reservation; latino*; latina*; latinx; latine; hispanic*; chicano*; chicana*; boricua; caucasian*
afro latin*|american*|caribbean*|german*|brazilian*; african american*; afro; asian american*; black {folk}; blacks
{am} {quite}? black; {am} white; white {folk}; {am} {quite}? asian; brown {folk}; {am} brown
person|people|woman|women|man|men|student of colou*; of colour|color; poc; bipoc; biracial; multiracial
mixed race|heritage; mixed ethnic*|background|parentage; interracial; mestiz*; mulatto; creole; racial*; race is
{his} race; ethnic*; ancestr*; descent; of|from ~2 descent|heritage; skin colou*|tone
dark|light|brown|pale|fair|olive|black skin*; light|dark|brown skinned; diaspora; immigrant*; immigrat*; emigrat*
emigrant*; migrant*; migrated; refugee*; asylum; undocumented; green card; daca; expat|expats; naturali* citizen
citizenship; nationality; dual national*|citizen*; stateless; deport*; second|third generation; caste; dalit*
foreign born; white passing; {his} tribe|clan; slavic; semitic; arab|arabs
"""

GERMAN = """
herkunft; *stammig; *stämmig; abstammung; stammt|stamme|stammen aus; kommt|komme|kam|kamen ~2 aus ~1 {land}; geburtig*
gebürtig*; geboren in; in ~2 geboren; aufgewachsen in; wurzeln; vorfahren; migrationshintergrund; *migrant*; einwander*
eingewandert; zugewandert; gefluchtet*; geflüchtet*; fluchtling*; flüchtling*; gefluchtet|geflohen aus
gefluchtet|geflohen; asyl*; auslander*; ausländer*; aufenthaltstitel; staatsburger*; staatsbürger*; staatsangehor*
staatsangehörig*; nationalitat; muttersprach*; ethni*; minderheit; sinti*; roma; sorb*; afrodeutsch*
schwarze|schwarzer|schwarz hautfarbe|frau|mann|deutsche; ist schwarz|weiss; hautfarbe; dunkelhautig; dunkelhäut*
ist|bin ~1 {volk}; halb {volk}; {volk} herkunft|abstammung|wurzeln|eltern|familie|pass; spataussiedler*; spätaussiedler*
deutschturk*; ist|bin|als ~1 pole|polin|chinese|chinesin|inder|inderin; turke|türke|türkin|turkin
kurde|kurdin|kurdisch*; araber*; russe|russin; syrer*; afghane|afghanin; iraner*; italiener*; grieche|griechin
serbe|serbin; kroate|kroatin; bosnier*; albaner*; rumane|rumanin; vietnames*; nigerianer*; marokkaner*; tunesier*
agypter*; ägypter*; ukrainer*; spanier*; portugies*
"""

JAPANESE = """
在日; 日系; アイヌ; 琉球民族; ハーフ; クォーター; 混血; 移民; 難民; 外国籍; 国籍; 帰化; 移住; 来日; 出身の; 出身で
出身だ; 出身。; 生まれ; 血を引; 血筋; 血が; 先祖; 祖先; ルーツ; 民族; 人種; 黒人; 白人; 肌の色; 黒い肌; 母語; 母国
留学生; 先住民; 部落; 二世; 三世; 帰国子女; 人である; 人です; 人の両親; 人の父; 人の母; 韓国系; 中国系; 朝鮮; 台湾系
アフリカ系; アジア系; アラブ系; ヒスパニック; ユダヤ; クルド; ロマ; {country} 人; {country} 系; {country} 出身
"""

ARABIC = """
اصل|اصول|اصوله|اصولها ~1 {arab_nation}; من ~1 اصل|اصول; اصل|الاصل; الاصل; جذوره|جذورها|جذور; ينحدر|تنحدر; نسب|سلاله
قبيله|قبيلته|قبائل|عشيره; بدوي|بدويه|بدو; كردي|كرديه|اكراد; امازيغي|امازيغيه|امازيغ; بربري; نوبي|نوبيه; تركماني
ارمني|ارمنيه; شركسي|شركسيه; غجري|غجر; زنجي; لاجي|لاجيه|لاجيين|لجوء|لاجئ|لاجئه; مهاجر|مهاجره|هاجر|هاجرت; نازح|نازحه
جنسيه|جنسيته|جنسيتها; مولود|ولد|ولدت ~1 في; نشا|نشات في; مواليد; بشره|بشرته|بشرتها; اسود البشره; اسمر; عرق|عرقيه|عرقه
لغته|لغتها|لغتي الام; وافد|مغترب|مغتربه; هو|هي|انا|انه|انها {arab_nation}; هويه عربيه
"""

SPANISH = """
de ~1 origen|ascendencia|raices|raíces|descendencia; origen|ascendencia; nacio en; nació en; nacid* en; inmigrante*
refugiad*; migrante*; indigena*; indígena*; afro*; gitan*; mestiz*; mulat*; mapuche*; quechua*; aymara; nahuatl
latin|latino|latina; negr|negra; es negro|negra|blanco|blanca; raza; etnia; lengua materna; sus|mis padres ~2 de
es mexican*|argentin*|colombian*|peruan*|chilen*; es venezolan*|cuban*|dominican*|ecuatorian*|bolivian*|marroqui*|rumano
es rumana|chin|chino|china|italian*|aleman*|frances*|espanol*
"""

FRENCH = """
d origine; origine*; originaire*; ne|nee|né|née en|au|a|aux; immigr*; refugie*; réfugié*; migrant*; sans papiers
peau noire|mate; noir|noire|metis|métis|metisse; est noir|noire|blanc|blanche|arabe; maghrebin*; kabyle*; berbere*
tzigane*; gitan*; ethni*; langue maternelle
viennent|vient|venus|venu du|de|des ~1 senegal|mali|maroc|algerie|tunisie|cameroun|congo|vietnam|portugal|turquie
est algerien*|marocain*|tunisien*|senegalais*|malien*|camerounais*
est congolais*|vietnamien*|portugais*|turc|turque|polonais*
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC, SPANISH, FRENCH)
