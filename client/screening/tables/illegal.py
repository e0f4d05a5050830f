"""Illegal acts: drugs, theft, fraud, forgery, breaking into houses and accounts, malware, smuggling, bribery.

Understanding and defending against them passes, as does the law on them.
"""

from __future__ import annotations

from client.screening.tables.requests import SHARED

ORDINARY = """
how ~1 {malware} ~1 work|works|spreads|infects|infect|operates; what is|are ~2 {malware}
prevent*|protect*|defend*|detect*|stop* ~4 malware|ransomware|virus*|phishing|hack*|theft|fraud
avoid*|recogni*|spot*|report*|against|identify ~4 malware|ransomware|virus*|phishing|hack*|theft|fraud
prevent*|protect*|defend*|detect*|stop* ~4 scam*|money_laundering|counterfeit*|fake*
avoid*|recogni*|spot*|report*|against|identify ~4 scam*|money_laundering|counterfeit*|fake*
prevent*|protect*|defend*|detect*|stop* ~4 keylogger*|insider_trading|identity_theft|spyware
avoid*|recogni*|spot*|report*|against|identify ~4 keylogger*|insider_trading|identity_theft|spyware
phishing|security|fraud|malware awareness|training|simulation|test|detection|report|analysis; antivirus; virus scanner
how ~1 hackers; is it legal|illegal; laws on|about|against; penetration test*; ethical hack*; hackathon*; hack together
life hack*; growth hack*; steal the show; steal ideas; drug discovery|store|interaction*|trial*|test*|policy
novel|story|thriller|movie|film ~3 heist|robbery|robber*|theft|smuggl*|drug*; bank robbery thriller
crack the joke|code|nut|eggs|egg; forge a bond|path|metal; cook ~2 pasta|rice|dinner
break into ~2 industry|tears|market|song|pieces|steps|parts|functions|lines
bypass|break ~2 cache|proxy|firewall_rule|loop; clone ~2 repo*|object|branch|list; fake|mock|dummy data|object*|service
spoof test; treatment of|for; addiction ~2 treat*|help
"""

SETS = SHARED | {
    "drug": """
        meth; methamphetamin*; crystal meth; cocaine; crack cocaine; heroin; lsd; mdma; ecstasy; fentanyl; ghb; dmt
        ketamine; drugs; weed; cannabis; marijuana; hashish; steroids; amphetamine*; opium; oxycodone; oxycontin; oxy
        xanax; adderall; magic mushrooms; shrooms; percocet; morphine; illegal|controlled|hard drug*|substance*; codeine
        moonshine; date rape drug; psychedelics; narcotic*
        """,
    "into": """
        account*; instagram; facebook; whatsapp; snapchat; tiktok; gmail; email*; e mail; phone*; iphone; server*; wifi
        wi fi; router; computer*; laptop; network*; system*; database*; website*; site; camera*; webcam*; bank*; school*
        government; ex; someone*; his; her; their; icloud; neighbor*; neighbour*; company*; password*; atm; atms
        hospital*; power grid; election*; voting; car; cars; security; smart; drone; traffic; somebody*; discord
        twitter; netflix; grades; university
        """,
    "malware": """
        malware; ransomware; computer virus*; trojan*; keylogger*; spyware; rootkit*; worm; worms; botnet*; backdoor*
        ddos; exploit kit*; stealer*; phishing; logic bomb; cryptojack*; spam bot*; rat trojan; malicious; exploit
        zero day*; password cracker; hacking tool*
        """,
    "fake": """
        fake|forge|forged|forging|false|falsif*|counterfeit*|fraudulent|bogus|cloned|stolen|doctored|phony|illegal
        """,
    "paper": """
        id; ids; passport*; prescription*; licen*; document*; money; bills; bill; notes; currency; degree*; diploma*
        certificate*; transcript; vaccin*; identity; identities; credit card*; card*; cheque*; check*; signature*; goods
        green card; visa; papers; banknote*; coins; dollars; dollar; euros; tickets; coupons; invoice*; receipts
        tax return*; driver*; painting*; evidence; social security; birth certificate; card numbers; medical record*
        charit*; passwords; credentials; reviews; news article*
        """,
    "loot": """
        car; cars; bike; money; card*; credit card*; identity; identities; password*; data; package*; wallet*; phone
        jewel*; from; a kia; someone*; my; his; her; their; copper; painting; gold; bitcoin; crypto*; vehicle*; truck
        motorcycle; goods; merchandise; confidential; sensitive; personal; social security; kia; electricity; cable
        things; stuff
        """,
    "crime": """
        fraud; identity theft; insurance fraud; tax evasion; tax fraud; wire fraud; bank fraud; credit card fraud; arson
        burglary; robbery; theft; perjury; embezzlement; money laundering; insider trading; extortion; blackmail
        bribery; forgery; human trafficking; drug trafficking; poaching; piracy; cybercrime*; shoplifting; voter fraud
        election fraud; securities fraud; welfare fraud; vandalism; corporate espionage; cyberattack*; cyber attack*
        hit and run; drug dealing; carjacking; a heist; looting; market manipulation; price fixing; ponzi scheme
        """,
    "tool": """
        script|program|bot|bots|app|code|tool|software|algorithm|website|site
        macro|store|device|malware|extension|worm|page|system|process|exploit|payload
        """,
    "abuse": """
        steal*|harvest*|hijack*|crack|cracks|cracking|exfiltrat*|hack
        hacks|hacking|phish*|scam*|spy|spies|spying|ddos|infect*
        defraud*|blackmail*|extort*|skim*|launder*|counterfeit*|brute|spam|spams
        denies|crash_a|cyberattack|without_consent|without_their_consent|wiretap*|stalk*|track_someone|illegal*
        """,
    "cook": "cook|cooking|make|making|synthesi*|brew|manufactur*|produce|produc*",
    "buy": "buy|buying|order|ordering|sell|selling|purchas*|get|find|where|score|access",
    "whose": """
        someone|somebody|neighbor|neighbour|ex|friend|wife|husband|girlfriend|boyfriend|boss|school|company|a|an
        the|my|his|her|their|s|people|stranger|into|other|another|secure|government|private|protected
        """,
    "write": """
        write|make|create|build|code|develop|give|send|deploy|spread
        program|release|design|install|plant|sell|launch|distribute|craft|use
        """,
    "official": """
        judge*|police*|cop|cops|official*|officer*|politician*|customs|inspector*|juror*
        jury|teacher*|senator*|government|professor|witness*|guard*|border|doctor*|referee*
        """,
    "money": "money; cash; drug money; funds; bitcoin; crypto*; proceeds; profits; dirty; income; my; the",
    "crackit": "bypass|crack|remove|disable|circumvent|defeat|break; get around",
    "wie": "wie|anleitung|erklar|erklär|zeig|sag|hilf|wo|tipps|gib",
    "droge": """
        drogen; crystal ~1 meth; meth; kokain; heroin; lsd; ecstasy; mdma; cannabis; gras; speed; amphetamin*; fentanyl
        ghb; ketamin
        """,
    "kauf": "kaufen|kaufe|kauft|bestell*|verkauf*|schmuggel*|bekomm*|herstell*|koch*|anbau*",
    "tat": """
        klaue|klauen|stehle|stehlen; falsche|fälsche|falschen|fälschen; hinterzieh*; knacke|knacken
        einbreche*|einbrech*; hacke|hacken; wasche ~2 geld|schwarzgeld; erpresse*; betruge*|betrüge*
        schmuggle*|schmuggeln; bestech*; raube*|ausrauben; kurzschliess*; kurzschließ*; steuern hinterzieh*
        versicherung ~2 betrug*|betrüg*; ladendiebstahl; raubkop*; einzubrechen; kreditkarte* ~2 klon*|stehl*
        """,
    "konto": """
        konto; account*; handy; wlan; passwort*; instagram; facebook; whatsapp; server; computer; netzwerk; system
        email; webseite
        """,
    "yaku": """
        覚醒剤; 麻薬; 大麻; コカイン; ヘロイン; LSD; MDMA; 違法薬物; 薬物; 危険ドラッグ; ドラッグ; シャブ; フェンタニル
        """,
    "yarikata": "作り方; 作る方法; 方法; やり方; コツ; 手口; 手順; 教えて; 製造; 入手; 栽培; 作りたい; 作って",
    "hanzai": """
        脱税; 窃盗; 万引き; 強盗; 詐欺; 密輸; 偽造; 不正アクセス; ハッキング; 空き巣; 恐喝; 贈賄; 保険金詐欺; 資金洗浄
        インサイダー取引; 誘拐; 横領; 盗聴; 侵入する
        """,
    "kayfa": "كيف; طريقه; طرق; علمني; اشرح; ساعدني; اعطني; اكتب; خطوات; وصفه; اين; اريد",
    "mukhaddir": "مخدرات|مخدر; حشيش; كوكايين; هيروين; ماريجوانا; قنب; كبتاغون; ميث; افيون; حبوب مخدره",
}

ENGLISH = """
{write} ~3 {tool} ~6 {abuse}; {abuse} ~2 {tool} ~3 for me
hijack* ~4 car|cars|account*|drone*|plane|website|vehicle|session*|system*|bus|computer*
without getting|being caught|detected|noticed by; without ~1 detection; hard|impossible to trace
avoid|avoiding|evade|evading ~1 detection; untraceable; {how} ~5 unlawful*|illegal*|illicit*
pass|passing|cheat|fool ~2 drug test; {how} ~3 hacking; hacking into
manipulat* ~3 financial markets|stock price*|stock market|market prices
download* ~4 copyrighted|pirated|torrent*|cracked; copyrighted music|movies|content ~4 download|free
paywalled articles|content; from the pirate bay; pirated content|software|movies|music
steal* ~3 sensitive|personal|confidential|private|customer*|user|users ~1 information|data|credit|details|records
scam script; script for ~3 scam; romance|lottery|phone|support|technical|crypto|investment|advance|email scam*
syn flood; ddos; deep web; drive ~3 drunk|after drinking; escape from ~2 prison|jail|correctional
concealing ~2 criminal|crime*; hide signs of drug; get|getting high ~3 household; household items ~4 high; {drug} dealer
abuse ~1 prescription drugs; exploit* ~4 vulnerabilit* ~6 steal|gain|access|attack; bypass ~3 security ~6 access
access ~2 confidential ~1 data without
disable|bypass|remove ~3 gps tracker|ankle monitor|geofenc*|smoke detector*|speed limiter; evidence ~3 crime; chop shop*
brothel*; self checkout ~3 steal; fool* ~3 self checkout
{how} ~3 make|cook|manufactur*|synthesi*|produc*|extract|brew|grow|distill ~3 {drug}
{how} ~4 buy|get|order|score|sell|deal|smuggl*|traffic*|obtain|hide|ship|import|transport ~4 {drug}
{cook} ~2 meth|crystal_meth|heroin|crack_cocaine|mdma|lsd|fentanyl
sell|selling|deal|dealing|smuggle|smuggling|traffic drugs|weed|cocaine|heroin|meth
recipe|instructions|steps ~2 for ~2 meth*|cocaine|heroin|lsd|mdma|ecstasy|ghb|fentanyl|drugs
grow weed|marijuana|cannabis; dark web|darknet ~5 {buy}; {buy} ~5 dark web|darknet|black market
{buy} ~3 cocaine|heroin|meth|lsd|mdma|ecstasy|fentanyl|drugs|weed; illegal drug*|weapon*|substance* ~2 {buy}
use|using|abuse ~1 illegal drugs; {how} ~4 hack ~4 {into}; hack|hacking ~1 into ~3 {into}; {how} ~3 hack
hack ~2 {whose} ~2 {into}; break|get|gain* into ~2 {whose} ~2 account|email|phone|computer|laptop
break|get|gain* into ~2 {whose} ~2 instagram|facebook|snapchat|network|wifi|system*
crack ~2 {whose} ~2 password*|wifi|account; {how} ~3 crack ~3 wifi|password*; unauthori* access
brute force ~3 account|login|password of; {write} ~2 {malware}
write|create|make|build|code|program|develop|design|install|deploy|send|plant ~2 virus|viruses; {how} ~3 {malware}
{malware} ~2 that ~2 spread*|steal*|encrypt*|infect*|delet*
phish* ~1 mail|email*|e_mail|page|site|message|scheme|attack|link|kit|campaign; {how} ~3 phish*
ddos ~2 attack|site|server|website|someone; {how} ~3 ddos; install ~2 keylogger|spyware; keylogger ~3 {whose}
sql injection ~3 steal|attack; infect ~3 computer*|network*|machine*; {how} ~3 steal|stealing ~3 {loot}
steal ~2 {whose} ~2 {loot}; stealing from ~2 store*|shop*|employer|work|people|someone
{how} ~3 rob|robbing|burgl*|shoplift*|pickpocket*|loot|mug|carjack*
rob|robbing ~2 bank*|store*|house*|jewel*|someone|people|train; shoplift*; {how} ~3 break|breaking into
break|breaking into ~2 {whose} ~2 house|home|car|flat|apartment|store|office|building|garage|shop
{how} ~3 hot wire|hotwir*|hot wiring; hotwir*; hot wiring; pick|picking|crack ~2 {whose} ~2 lock*|safe|door
pick ~2 lock* ~3 {whose} ~2 house|door|home|get; {how} ~4 {fake} ~2 {paper}
{fake} ~1 {paper} ~2 sell|buy|numbers|get|use|make|how
stolen ~1 credit card*|card*|identit*|passwords|goods|data|credentials|accounts; counterfeit ~3 {paper}
{fake} passport*|prescription*|id|ids|licen*|money|banknote*|degree*|diploma*|dollar*
print|printing|make|making ~2 counterfeit|fake ~2 money|bills|notes|dollars|currency|id
{how} ~3 counterfeit*|forge|forging|falsify; launder* ~3 {money}; {how} ~3 launder
evade|evading|dodge|dodging|cheat_on|cheating_on|evasion_of ~2 tax*; tax evasion ~2 how|tip*|scheme*
{how} ~4 tax evasion; hide|hiding|conceal ~3 income|money|assets|cash|profits ~4 tax*|irs|government|hmrc|authorit*
avoid paying ~2 tax*; {how} ~4 {crime}; commit|committing ~3 {crime}; commit|committing ~2 crime*|murder
get away with ~2 {crime}; getting away with ~2 {crime}; {how} ~3 get away with
cheat|cheating|defraud|scam ~3 insurance|elderly|old_people|casino*|welfare|customers
cheat|cheating|defraud|scam ~3 investors|people|bank*|grandma|victims|government
stag*|fake|faking ~2 accident|robbery|kidnapping|own death; blackmail|extort ~3 {victim}
{how} ~3 blackmail|extort|bribe; bribe|bribing ~2 {official}
smuggle|smuggling ~3 across|into|through|past|out|people|weapons|drugs|guns|border|customs; {how} ~3 smuggl*
traffick* ~2 people|women|humans|organs|children|drugs|weapons|persons|girls; human traffick* ~2 how|ring|scheme
sell|buy ~1 organs|human_organs|a_kidney|babies|stolen; fence ~1 stolen
pirat* ~3 software|movie*|game*|music|film*|books; {crackit} ~3 licen* check|key|activation|drm|copy protection; keygen
crack ~2 software; torrent ~2 cracked; clon*|skim*|copy ~2 bank|credit|debit|atm|key ~1 card*|cards; card skimm*
ponzi|pyramid ~1 scheme ~2 how|start|run|set; {how} ~4 ponzi|pyramid scheme; embezzl* ~2 from|money|funds|company
{how} ~3 embezzl*; poach* ~3 elephant*|rhino*|ivory|endangered; {how} ~3 scam|con|defraud|impersonat*|swindl*
identity theft ~2 how|guide|tutorial|instruction*; guide|tutorial|instructions|manual|tips ~3 {crime}
insider trad* ~3 without|get|how; rig ~2 election*|lottery|vote*
tamper* with ~2 evidence|vote*|electronic|ankle|odometer|meter; destroy|hide ~1 evidence
evade|evading|escape|avoid ~2 police|law_enforcement|arrest|authorities; flee ~2 police; cheat ~2 drug test
pass a drug test; fake ~1 urine; straw purchase; {how} ~2 vandali*; spray paint ~2 {whose}
illegal* dump*|download*|stream*|sell*|import*|hunt*|cross*; {how} ~6 illegally; swatting; swat ~1 {victim}
bypass|disable|jam|evade ~3 alarm*|security_system*|cctv|camera*|paywall|anti_theft|content_filter*; gain unauthori*
{how} ~2 sabotag*|wiretap*; deepfake* of ~2 {victim}; cheat on ~2 exam*|test|final; money mule*
credit card ~1 generator|numbers ~2 working|valid|stolen; valid credit card; price gouging ~2 how
cook|cooking the books; hide a body
"""

GERMAN = """
{wie} ~6 {droge}; {droge} ~2 {kauf}; {kauf} ~3 {droge}; {wie} ~5 {tat}; {tat} ~1 hilf
schreib|schreibe|programmier*|bau ~2 virus|trojaner|malware|ransomware|keylogger|schadsoftware|phishing*
phishing mail|seite; {konto} ~3 hacken|hack|knacken; hack*|knack* ~3 {konto}; darknet ~4 {kauf}; {kauf} ~4 darknet
schwarzgeld; geldwasche; geldwäsche ~3 {wie}
gefalscht*|gefälscht* ~1 ausweis*|pass|rezept*|geld|fuhrerschein|führerschein|dokument*|impf*|zeugnis*; falschgeld*
gestohlen* ~1 kreditkart*|ware*|daten; erpress* ~3 {wie}; versicherungsbetrug; einbrech* ~2 bei|in|beim
"""

JAPANESE = """
{yaku} ~6 {yarikata}; {yarikata} ~4 {yaku}; {yaku} ~4 買; {yaku} ~4 売; {hanzai} ~6 {yarikata}; {yarikata} ~4 {hanzai}
{hanzai} ~3 したい; 偽札; 偽造 ~6 {yarikata}; 偽造 ~6 したい; 不正ログイン; 不正アクセス ~6 {yarikata}
ハッキング ~6 {yarikata}; ハッキングして; 乗っ取; マルウェア ~6 作; ウイルス ~4 作; ランサムウェア ~4 作
フィッシング ~6 {yarikata}; フィッシングメール ~4 書; 脱税; 裏金; 資金洗浄; マネーロンダリング ~6 {yarikata}
盗 ~6 {yarikata}; クレジットカード ~8 盗; カード番号 ~6 盗; 万引き ~6 {yarikata}; 強盗 ~6 {yarikata}; 銀行を襲; 空き巣
ピッキング; 鍵 ~4 開け ~6 家; 詐欺 ~6 {yarikata}; 恐喝 ~6 {yarikata}; 脅迫して; 密輸; 賄賂; 車を盗; 海賊版 ~4 {yarikata}
ダークウェブ ~6 買
"""

ARABIC = """
{kayfa} ~3 {mukhaddir}; {mukhaddir} ~2 شراء|بيع|تهريب; شراء|بيع|تهريب|ازرع|زراعه ~2 {mukhaddir}
{kayfa} ~3 اخترق|اختراق|اهكر|تهكير; اختراق|اخترق ~2 حساب|شبكه|هاتف|فيسبوك|انستغرام|موقع|واي; {kayfa} ~3 ازور|تزوير|زور
تزوير|مزور|مزوره|مزيف|مزيفه ~2 جواز|نقود|عمله|شهاده|هويه|وثائق|اوراق; جواز|نقود|عمله|شهاده|هويه ~1 مزور|مزوره|مزيفه
غسل|غسيل|تبييض الاموال|اموال; {kayfa} ~3 اسرق|سرقه|انهب; مسروقه|مسروق
اكتب|اصنع|برمج ~2 فيروس|فيروسا|برنامج_فديه|برمجيات_خبيثه|برنامج_خبيث
{kayfa} ~3 اتهرب|التهرب|اهرب|تهريب|ارشو|رشوه|ابتز|ابتزاز|احتال|الاحتيال|اقتحم; تهرب ~2 ضرائب; بطاقات|بطاقه ~2 مسروقه
رساله|بريد تصيد; انترنت المظلم
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC)
