"""Politics: parties and votes, ideologies, causes, politicians for or against, and trade unions.

Reporting on politics or studying it passes.
"""

from __future__ import annotations

ORDINARY = """
political science|scientist*|journalist*|reporter*|historian*|editor*|cartoon*|geography|theory lecturer
journalist*|reporter*|correspondent* ~1 covering ~2 politics|elections|parliament; office politics; trump card*
conservative estimate*|colour*|color*|choice*|default*|style*|dress*|approach|assumption*|investor|investment*
liberal use|amount*|arts|sprinkling; progressive rock|web|overload|enhancement|jpeg|disclosure|metal|house|lens*
national park*|geographic|gallery|team; democratic minded; majority voting; voting classifier*|ensemble*
patriot missile; sql union*; union type*|all|find|set*|operator*; credit union; european union law; set union
socialist realism; social butterfly; petition letter template; republic of; historian of
history of ~3 communism|fascism|politics; ad|marketing|email|advertising|sales|dnd campaign*; campaign manager at
conservative with|about|in; liberal with; green partition; labor|labour intensive|saving; anarchy online
left|right join; protest song*; no politics
"""

SETS = {
    "am": """
        is|am|are|was|were|being|be|im; identifies as; i'm; he's; she's; they're; as a; as an
        considers himself|herself|themself|themselves; calls himself|herself|themself|themselves
        describes himself|herself|themself|themselves as; is ~1 politically; politically
        """,
    "for": """
        supports|support|supported|supporter|supporters|supporting|backs|backed|favours|favors|favoured|favor
        in favour of; in favor of
        opposes|opposed|oppose|opposing|against|dislikes|hates|hated|hate|loves|admires|admire|distrusts|distrust
        distrusted|criticises|criticizes|critical|resents|blames|despises; fan of; approves of; disapproves of
        votes for; protests; protested; protesting; demonstrates|demonstrated against|for
        campaigns|campaigned|campaigning for|against; canvasses; canvassed; canvassing
        marched|marches|marching for|against|with; stands|stood for; volunteers|volunteered for; member of; active in
        belongs to; joined; donates|donated|donating to; worked|works on|for; petition for|against; wants; wishes
        thinks; believes; welcomes; regrets; pro; anti; signed
        """,
    "figure": """
        trump; biden; obama; hillary; clinton; sanders; bernie; desantis; kamala; harris campaign; pence; vance; reagan
        putin; zelensk*; modi; erdogan; netanyahu; macron; le pen; melenchon; merkel; scholz; merz; habeck; weidel
        corbyn; starmer; sunak; boris johnson; farage; thatcher; bolsonaro; lula; milei; maduro; chavez; orban; meloni
        berlusconi; xi jinping; trudeau; poilievre; sisi; assad; duterte; marcos; imran khan; ocasio cortez; aoc
        ron paul; elizabeth warren
        """,
    "attends": """
        attends|attended|attend|attending|joins|joined|organises|organizes|organised|organized|leads; went to; goes to
        took part in; takes part in; participates|participated in; arrested at
        """,
    "party": """
        republican*; democrat*; labour; labor; tory; tories; conservative*; liberal*; green; greens; libertarian*
        socialist*; communist*; left; right; independent; ukip; snp; afd; cdu; csu; spd; fdp; bjp; aap; akp; chp; hdp
        likud; hamas; fatah; hezbollah; psoe; podemos; vox; lega; fidesz; pis; dup; sinn fein; plaid cymru; lib dem*
        reform uk; ndp; bloc quebecois; anc; mdc; pti; ppp; kmt; dpp; congress; national rally; en marche; five star
        third party
        """,
    "issue": """
        brexit; abortion*; gun|guns; nato; immigration; immigrants; migrants; refugees; the? government*; the? regime
        the? war; capitalism; nuclear power|energy|weapons; death penalty; capital punishment; gay marriage
        same sex marriage; socialism; the? monarchy; welfare; taxes; tax cuts|increases; wealth tax; basic income
        minimum wage; climate action|policy|law*; affirmative action
        the? eu|establishment|deep_state|system|elites|police|politicians|un; politicians; israel; palestine
        independence; scottish|catalan|kurdish|quebec|basque|irish independence; lockdown*; vaccine mandates; fracking
        unions; transgender rights; lgbt rights; reparations; border wall; open borders; free trade; sanctions
        censorship; prohibition
        """,
}

ENGLISH = """
republicans; democrats; {am} ~2 republican|democrat|conservative|tory|libertarian|socialist|communist|liberal|centrist
registered|lifelong|staunch|card ~1 republican|democrat|independent|voter
republican|democratic|democrat party|voter*|primary
republican|conservative|liberal|left|right|progressive|democratic ~1 views|values|politics|opinions|voter*|politician*
progressive cause*|policies; gop; maga; labour|labor party|voter*|supporter*|government; labour mp|councillor|activist
conservative party|mp|councillor|voter*; tory|tories; whig; green|greens party|voter*; votes|voted|vote|voting {party}
votes|vote|voting for|against; voted; voter*; ballot*; electora*; did|does not vote; didn't vote; never votes|voted
leans|lean|leaning|leaned ~1 conservative|liberal|left|right|republican|democrat*|libertarian; swing voter
polling station*; {party} member|members|supporter*|councillor*|activist*|campaign*|rally|rallies|convention
conservatives; liberals; leftist*; rightist*; socialist*; socialism; communis*; marxis*; leninis*; maois*; trotsky*
anarchis*; anarcho; fascis*; antifascis*; antifa; nazi|nazis|neonazi*; neo nazi*; alt right
far|hard|extreme|radical left|right; left|right wing*; left|right of centre|center; centre|center left|right; centrist*
libertarian*; populis*; nationalis*; supremacis*; monarchis*; royalist*; separatis*; unionist*; feminis*; suffrag*
environmentalis*; anticapitalis*; imperialis*; zionis*; antizionis*; antisemit*; {am} ~1 patriot; activis*; protester*
protestor*; protest|protests against|for|march*|movement; protests; protested; protesting; demonstrat* against|for
marched|marches|marching for|against|with; march for|against; {attends} ~3 protest*|rally|rallies|demonstration*|sit in
petition* for|against|to_ban|to_stop; political*; politic|politics; politically; politician*; ideolog*
{am} ~1 party member|official; party member*; member of ~2 party|parliament|congress|senate
runs|ran|run|running|stood|standing|candidate for ~1 office|council|parliament|mayor
runs|ran|run|running|stood|standing|candidate for ~1 congress|senate|president|governor|city
runs|ran|running for ~2 council|mayor; {for} ~2 {figure}; {figure} supporter*|voter*|fan*|administration|campaign*|rally
{figure} s campaign|presidency; trump; biden; obama; putin; netanyahu; bolsonaro; brexit; brexiteer*; remainer*
remoaner*; {for} ~2 {issue}; {for} ~2 {party} party; {for} {party}; hates|hate|dislikes ~2 government
pro|anti life|choice|abortion|gun; pro|anti eu|union|russia*|israel*|palestin*|vax*|vaccin*
pro|anti war|capitalis*|immigra*|migrant*|government|communis*|establishment
pro|anti democracy|china|monarchy|trump|lockdown|globali*|racis*; prolife; antivax*
gun control|rights|ownership|law*|lobby; second amendment; nra; abortion ~2 legal|illegal|banned|murder|rights|right
reproductive rights; death penalty; stricter ~1 law*; immigration policy|control*|reform|law*; open borders
tax|taxes|taxation ~1 theft; tax the rich; redistribut*; welfare state; universal basic income; nato; black lives matter
blm; all lives matter; extinction rebellion; fridays for future; just stop oil; greenpeace member
amnesty international member; proud boys; qanon; deep state; me too movement; civil disobedience
scottish|catalan|kurdish|quebec|basque independence; free palestine; apartheid; capitalism; anti capitalis*
nuclear disarmament; trade|labor|labour union*
union member*|rep|reps|organi*|dues|steward*|official|activist|leader|meeting*; unionis*; unioniz*
in|of|to|joined ~2 union; teachers|workers|nurses|drivers|students|miners ~1 union; shop steward*; picket*
on|went|goes|joined ~2 strike; class struggle; works council; government ~2 corrupt|evil|tyrann*; tyranny; regime change
coup
"""

GERMAN = """
cdu; csu; spd; fdp; afd; npd; bsw; die linke; der linken; linkspartei; die grunen; die grünen; bundnis 90; bündnis 90
grunen wahler; freie wahler; piratenpartei
wahlt|wahlte|wählt|wählte|wahle|wähle ~3 cdu|spd|fdp|afd|grun*|grün*|link*|rechts; gewahlt|gewählt ~2 hat
wahlen|wählen gegangen; wahler*; wähler*; stimmt|stimmte fur|für; parteimitglied*; partei; parteien
mitglied der|bei ~1 partei; *partei; politisch*; politik; politiker*
links|rechts eingestellt|orientiert|extrem*|radikal*; linke|linker|linken gesinnung|ansicht*|szene|politik
rechte|rechter gesinnung|ansicht*|szene; linksextrem*; rechtsextrem*; konservative|konservativer|konservativ
liberal|liberaler|liberale; sozialist*; sozialis*; sozialdemokrat*; kommunis*; marxis*; anarchis*; faschis*; antifa*
nazi*; nationalis*; patriot*; feminis*; monarchist*; reichsburger*; reichsbürger*; querdenk*; aktivist*; demonstrier*
demonstration*; demo|demos; kundgebung*; volksbegehren; petition*; gewerkschaft*; ig metall; ver di; verdi mitglied; dgb
betriebsrat*; streikt|streik|streikte; fridays for future; letzte generation; klimaaktivis*; pegida; merkel; scholz
merz; habeck; weidel; hocke; höcke; wagenknecht; trump; putin; gegen|fur|für ~2 regierung|abtreibung|atomkraft
gegen|fur|für ~2 einwanderung|zuwanderung|migration|krieg|kapitalismus|waffenlieferungen; atomkraftgegner*; impfgegner*
"""

JAPANESE = """
自民党; 立憲; 民主党; 公明党; 共産党; 共産主義; 社民党; 国民民主; 維新の会; れいわ; 参政党; 政党; 党員; 与党; 野党; 投票
選挙運動; 選挙で; 支持政党; 政治; 右翼; 左翼; 右派; 左派; 保守的な思想; 保守派; 保守主義; リベラル派; リベラルな
リベラル思想; 社会主義; 資本主義; 無政府; ナショナリス; 愛国; フェミニス; 活動家; デモに; デモ参加; 抗議; 署名活動
労働組合; 労組; 組合員; 組合の; ストライキ; 反原発; 原発反対; 反戦; 護憲; 改憲; 憲法改正; 天皇制; 政権; 安倍; 岸田; 石破
高市; トランプ; プーチン; 習近平; 政府に批判; 政府を批判; 反政府; ネトウヨ
"""

ARABIC = """
حزب|احزاب|حزبي|حزبيه; صوت|صوتت|يصوت|تصوت|تصويت ~2 ل|لصالح|ضد|للحزب|للمعارضه|لحزب; انتخب|انتخبت|ينتخب; انتخابات
ناخب|ناخبه; سياسي|سياسيه|سياسه|سياسات; معارض|معارضه|يعارض|تعارض ~2 النظام|الحكومه|السلطه|الحرب; معارض|معارضه|للمعارضه
نظام الحاكم; الحاكم; ناشط|ناشطه|نشطاء; يساري|يساريه|يسار; يميني متطرف; يميني|يمينيه; شيوعي|شيوعيه; اشتراكي|اشتراكيه
ليبرالي|ليبراليه; علماني|علمانيه; قومي عربي; بعثي|بعثيه; ناصري|ناصريه; ثوري|ثوريه|ثوره; اخوان المسلمين|المسلمون; اخواني
سلفي|سلفيه; حماس; فتح حركه; حركه فتح|حماس; حزب الله; نقابه|نقابي|نقابيه|نقابات
مظاهره|مظاهرات|تظاهر|متظاهر|احتجاج|احتجاجات|اعتصام|اضراب; يؤيد|تؤيد|اؤيد|مؤيد|مؤيده; نسويه|نسوي
السيسي|الاسد|اردوغان|ترامب|بوتين|نتنياهو; استقلال كردستان; ضد الحكومه; ماركسي
"""

SPANISH = """
vota|voto|voté|vote|votar|votante ~2 a|al|por; votante; partido; psoe; podemos; sumar; vox; pp militante; izquierd*
derechas; de|extrema|ultra derecha; ultraderech*; comunis*; socialis*; anarquis*; fascis*; independentis*; nacionalis*
feminis*; republicano|republicana; monarquic*; politic*; políti*; militante; militancia; activista*; sindicat*
sindicalis*; huelga; manifestacion*; manifesta; peronis*; chavis*; sandinis*; conservador|conservadora; liberal de
"""

FRENCH = """
vote|voté|votent|votait ~1 a|pour|contre|lfi|rn; vote|votait gauche|droite; voter pour; rassemblement national
front national; lfi; parti socialiste|communiste; republicains; macronis*; macron; le pen; melenchon
de|extreme|a gauche|droite; gauchiste; communis*; socialis*; anarchis*; fascis*; royalis*; ecologiste*; écologiste*
militant*; politique*; activiste*; syndi*; cgt; cfdt; greve; manifeste|manifestation*; gilet|gilets jaune|jaunes
feminis*; féminis*; souverainis*
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC, SPANISH, FRENCH)
