"""Health: conditions, disabilities, treatment, pregnancy, addiction, body weight; of the user or of someone near.

A profession passes ("cancer researcher", "psychiatric nurse"), and so does wanting to live healthily. Interest in a
condition does not pass: who keeps asking about insulin tells something.
"""

from __future__ import annotations

ORDINARY = """
{topic} ~2 {profession}; {profession} ~1 for|of|in {topic}; {topic} and {topic} {profession}; depression era
great depression; tropical depression; sick of; sick and tired of; addicted to coffee|chocolate|books
allergic to jargon|buzzwords|fluff|hype|emojis|exclamation|verbosity|waffle|smalltalk; allergic to small talk
colour|color blind friendly|safe; drug discovery; the strokes band; strokes too; stroke order|width|style; brush stroke*
heart surgeon*; injury|disability lawyer*|attorney*; health insurance|policy|app|apps; virus scanner*; broken leg of
autism awareness; disabled button*|field*|state|attribute; pain point*; disorder of the; immune to; on steroids
blind signature*|test*|date*|spot*|review*|taste*; hidden disease; smoking gun; chronic lateness|procrastinat*
pregnant pause; diagnosis code*; pill shaped; lithium batter*; lithium ion; insulin pump software; surgical precision
terminal emulator
"""

SETS = {
    "topic": """
        cancer; diabetes; diabetic; trauma; addiction; autism; hiv; dementia; alzheimer's; mental health; stroke; pain
        psychiatric; psychiatry; rehab; rehabilitation; epilepsy; allergy; asthma; depression; eating disorder
        fertility; infectious disease; disease; disability; disabilities; pregnancy; vaccine; surgery; palliative
        hospice; cardiac; blood; oncology; oncological; dialysis; special needs; speech therapy; physical therapy
        physiotherapy; anxiety
        """,
    "profession": """
        researcher*; nurse*; specialist*; surgeon*; doctor*; charity; foundation; scientist*; biologist*; resident
        counsellor*; counselor*; social worker; professor*; lecturer*; nonprofit; ngo; teacher*; educator*; engineer*
        journalist*; advocate*; clinic manager; ward; lab; laboratory; startup; company; research; studies; software
        """,
    "am": """
        is|am|are|was|were|been|being|be|im|feels|feel|felt|became|got|gets|getting|as; i'm; he's; she's; they're
        i've been; considers ~1 himself|herself|themself|themselves
        """,
    "goes_to": """
        goes to; attends; needs; started; starting; had; has; after; gets; doing; does; undergoing; in; in need of
        is in
        """,
    "quit": "quit|quitting|quits|stop|stopped|stopping; gave up; giving up; gives up; cut down on; used to be",
    "whose": "his|her|my|their|our|a",
    "doctor": """
        doctor*; gp; physician*; specialist*; neurologist*; cardiologist*; oncologist*; psychiatrist*; psychologist*
        therapist*; counsellor*; counselor*; shrink; dermatologist*; gynaecologist*; gynecologist*; urologist*
        endocrinologist*; rheumatologist*; dietician; dietitian; physio; physiotherapist; chiropractor; surgeon; midwife
        """,
    "body": """
        back|knee|knees|neck|hip|shoulder|joint|stomach|chest|tooth|leg|arm|ankle|wrist|foot|hand|rib|ribs|nose|spine
        heart|kidney|liver|lung|lungs|eye|ear|hearing|thyroid|bowel|skin|prostate|breast|pelvi*|jaw|finger|hernia|acl
        """,
    "poorly": "sick|ill|unwell|bedridden|frail|dying|housebound",
    "takes": "takes|taking|take|took|on|uses|using|started|starting|prescribed|needs|need|with|of",
    "drug": """
        zoloft|sertraline|prozac|fluoxetine|lexapro|escitalopram
        citalopram|wellbutrin|bupropion|paxil|effexor|venlafaxine
        duloxetine|cymbalta|mirtazapine|xanax|alprazolam|valium
        diazepam|lorazepam|ativan|klonopin|lithium|seroquel|abilify
        adderall|ritalin|vyvanse|methylphenidate|concerta|strattera
        lisinopril|ramipril|amlodipine|losartan|atorvastatin|lipitor
        warfarin|eliquis|xarelto|levothyroxine|prednisone
        prednisolone|cortisone|humira|methotrexate|omeprazole|gabapentin
        tramadol|oxycodone|oxycontin|morphine|fentanyl|truvada
        prep|metformin|ibuprofen|aspirin|paracetamol|acetaminophen
        tamoxifen|letrozole|clomid|naltrexone|suboxone|melatonin|antihistamine*|ventolin|albuterol|viagra|testosterone
        """,
}

ENGLISH = """
# conditions
diabet*; prediabet*; type 1|2|one|two diabet*; insulin*; hypoglyc*; blood sugar; asthma*; inhaler*; nebuli*; allergic
allergy; allergies; anaphyla*; epipen*; hay fever; cancer*; tumor*; tumour*; leukemi*; leukaemi*; lymphoma*; melanoma*
carcinoma*; sarcoma*; metasta*; in remission; chemo; chemotherap*; radiotherap*; radiation therapy|treatment; hiv
has|with|had|from aids; std|stds|sti|stis; herpes; hpv; chlamydia; gonorrh*; syphilis; hepatitis; tubercul*; covid*
long covid; malaria; lyme; sepsis; pneumonia; bronchit*; copd; emphysema; cystic fibrosis; stroke survivor*
had|suffered|survived|after|from|for|since ~1 stroke; strokes; mini stroke; heart attack|disease|failure|condition*
heart problem*|trouble|murmur|bypass|transplant|defect|surgery|operation|medication|valve; cardiomyopathy; arrhythmi*
atrial; pacemaker; high|low|raised|elevated blood pressure; blood pressure; hypertens*; cholesterol; anemi*; anaemi*
hemophil*; haemophil*; sickle cell; thyroid*; hypothyroid*; hyperthyroid*; hashimoto*; graves disease; lupus; arthrit*
rheumat*; fibromyalgi*; multiple sclerosis; has|with|from ms; has|with|from als; motor neurone; huntington*; parkinson*
alzheimer*; dementia; epilep*; seizure*; migraine*; headache*; vertigo
chronic ~1 pain|fatigue|illness|condition|disease|migraine*; chronically ill; endometrios*; pcos; polycystic; fibroid*
menopaus*; perimenopaus*; menstru*; period pain*; infertil*; ivf; fertility treatment*|clinic|drug*; pregnan*
expecting ~2 baby|babies|child|twins|triplets; due date; trimester; miscarr*; stillb*; had|has|having an abortion
postpartum; postnatal; breastfe*; birth control; contracepti*; vasectom*; hysterectom*; mastectom*; prostat*; autoimmun*
immunocompromis*; immunodefici*; crohn*; colitis; ibs; celiac; coeliac; gluten|lactose|fructose|histamine intoleran*
gluten|nut|peanut|dairy allerg*; intoleran* to; acid reflux; gerd; ulcer*
kidney stone*|disease|failure|transplant|donor; liver disease|failure|transplant|cirrhosis; cirrhosis; gallbladder
gallstone*; hernia*; scolios*; osteopor*; gout; eczema; psorias*; acne; rosacea; alopecia; hair loss; shingles; varicose
herniated|slipped disc|disk; sciatica; carpal tunnel; tendin*; arthros*; insomni*; sleep apnea|apnoea|disorder*
trouble|difficulty|difficulties|problem*|struggle* ~1 sleeping; cannot|cant sleep; can't sleep; couldn't sleep
sleeps badly|poorly; narcolep*; genetic condition|disorder|disease; birth defect; blood type|group|clot*; syndrome
disorder|disorders; disease|diseases; illness*; infection*; symptom*; terminally ill; immune system|condition
palliative; hospice
# mind
depression; depressed; depressive; antidepress*; anxiety; anxious about health; panic attack*|disorder; bipolar; schizo*
psychos*; psychotic; ocd; ptsd; cptsd; trauma|traumas|traumati*; adhd; has|with add; autis*; asperger*; neurodiver*
on the spectrum; dyslex*; dysprax*; dyscalcul*; tourette*; burnout; burned|burnt out; nervous breakdown
mental illness|health|breakdown|disorder*; suicid*; self harm*; personality disorder; borderline personality; anorex*
bulimi*; eating disorder*; binge eat*; mood swings; hears voices; psychiatric; psychiatry
# senses, movement, learning
disabilit*; {am} ~1 disabled; disabled person|people|veteran|child|son|daughter|parking; handicap*; special needs
wheelchair*; crutch*; walking frame|stick|aid; mobility aid|scooter|impair*; prosthe*; amput*; paraly*; parapleg*
quadripleg*; tetrapleg*; cerebral palsy; muscular dystrophy; spina bifida; down syndrome; down's syndrome
downs syndrome; {am} ~1 blind; legally|partially|nearly|almost|half blind; blind in|since|user|person
visually|vision|hearing|sight impair*; partially sighted; low vision; loss of vision|sight|hearing
losing|lost ~1 sight|vision|hearing|eyesight; colourblind*; colorblind*; colour|color blind; glaucoma; cataract*
macular; deaf*; hard of hearing; hearing loss|aid|aids|problem*; cochlear; tinnitus; stutter*; stammer*
screen reader user; guide|service|assistance dog; limp|limps; tremor*; braille; nearsighted; shortsighted; farsighted
astigmat*
# weight and addiction
obes*; overweight; underweight; bmi; lose|losing|lost|gain|gained|gaining ~3 weight|kg|kilos|kilo|pounds|lbs|stone
weight loss|gain|problem*; ozempic; wegovy; semaglutid*; mounjaro; bariatric; gastric band|bypass; diet pills
{am} ~1 alcoholic; recovering alcoholic; alcoholism; alcoholics anonymous; alcohol|drinking problem*|addiction|abuse
drinks too much|heavily; rehab; in recovery; recover* from; sober; sobriety; addict|addicts|addicted|addiction*
drug use|abuse|problem*|addict*|habit; substance abuse|use; opioid*; opiate*; methadone; overdos*; withdrawal symptom*
smokes|smoke|smoked ~3 pack|day|cigarette*|cigar*|weed|pot|cannabis|marijuana|joint*|heavily; smoker*; a|ex smoker
{quit} smoking|drinking|alcohol|vaping|drugs; used to smoke; nicotine; vapes; vaping
# treatment
medication*; medicated; meds; medicine|medicines for|daily|every; takes|taking|on|needs ~2 medicine*|drugs|tablets
prescribed; prescription*; pill|pills; antibiotic*; painkiller*; sedative*; tranquili*; sleeping tablet*
{takes} ~2 {drug}; ssri*; antipsychotic*; anticoagul*; beta blocker*; blood thinner*; statin|statins; steroid*
vaccinat*; unvaccinated; booster shot; sees|seeing|saw|visits|visiting|has|have|having|his|her|my|their ~1 {doctor}
{doctor} told|said|says|recommend*|advis*|prescrib*|warned|thinks|wants; doctor's appointment*; goes to ~1 {doctor}
{goes_to} ~1 therapy|physiotherapy|counselling|counseling|rehab; therapy session*
physical|occupational|speech|couples|group|cognitive therapy; psychotherap*; support group*
had|having|has|needs|after|awaiting|for|from|underwent|scheduled ~3 surgery|operation; surgery|surgeries; underwent
undergo*; {body} replacement|surgery|injur*|operation|transplant|problem*|condition*|pain; {body} trouble
{whose} bad {body}; bad {body}; transplant*; dialys*; blood test*; biops*; mri; ct scan; x ray of
diagnos* with|as|by|in|last|this; {am} ~2 diagnosed; a diagnosis of; diagnosis; hospitali*; admitted to ~1 hospital*
hospital for|after|with|last|since|twice|because; hospital stay|visit*|bed; rushed to; intensive care; inpatient
outpatient; a patient at|of|with; {am} ~1 {poorly}; sick leave|note; calls in sick; called in sick
health condition*|problem*|issue*|reason*|scare|concern*|trouble; {whose} health; ill health; medical condition*|leave
medical history|reason*|problem*|issue*|treatment|procedure; suffer* ~1 from; sufferer*; struggles with ~2 health
broke|broken|fractur*|sprain*|tore|torn|injured ~2 {body}; {am} injured; injur* his|her|my|their; concuss*
stomach ache*|ache|pain*; back ache|pain*; backache*; joint pain*; in ~1 pain; aches; car accident left
born with|without; life expectancy; cannot walk|see|hear; can't walk|see|hear; unable to walk|see|hear; oxygen tank
catheter; stoma; colostomy
"""

GERMAN = """
diabet*; zuckerkrank*; *krebs; krebs*; *tumor*; leukamie; leukämie; asthma*; allerg*; *allergie*; *allergik*; heuschnup*
*intoleranz*; unvertraglich*; *unverträglich*; zoliakie; zöliakie; *depressi*; depri; angststorung*; angststörung*
panikattack*; burnout; bipolar*; schizophren*; psychos*; psychotherap*; *therapie; therapeut hat; in therapie
psychisch krank*|erkrank*|belast*; psychiater*; adhs; ads diagnose; autis*; *borderline*; magersucht; bulimie; essstor*
*essstör*; ubergewicht*; *übergewicht*; adipos*; *abnehmen; *schwanger*; fehlgeburt*; kinderwunsch*; unfruchtbar*
abgetrieben; abtreibung; krank|kranke|kranken|kranker; *krankheit*; *erkrank*; *leiden; leidet|leide|litt ~3 an|unter
operiert|operieren; operation am|wegen|hinter; *herzoperation; *medikament*; *tablette*; insulin*; antibiot*
schmerzmittel; *schmerz*; migrane*; migräne*; epilep*; *anfall|anfalle|anfälle; *infarkt*; schlaganf*; herzfehler
herzkrank*; blutdruck*; bluthoch*; cholesterin*; schilddrus*; *schilddrüse*; *rheuma*; arthr*; bandscheib*
multiple sklerose; parkinson*; alzheimer*; demenz*; dement; hiv; aids; hepatitis; corona infekt*; long covid; rollstuhl*
*behinder*; schwerbehind*; *gelähm*; gelahmt*; querschnitt*; blind|blinde|blinder; sehbehind*; gehorlos*; gehörlos*
taub; schwerhor*; *schwerhör*; horgerat*; *hörgerät*; tinnitus; *amput*; prothese*; alkoholiker*; alkoholkrank*
trocken seit; drogensucht; alkoholsucht; spielsucht; suchtkrank*; *süchtig*; raucher*; raucht; entzug*; reha
*klinik aufenthalt; im krankenhaus; diagnos*; *syndrom*; *störung; *storung; schlaflos*; schlafstor*; *schlafstör*
dialyse; chemo*; bestrahl*; geimpft; ungeimpft; legasthen*; neurodermit*; schuppenflechte; endometriose; wechseljahre
*arzt hat|sagt|rat; gebrochen; verletz*
"""

JAPANESE = """
病気; 持病; 患; 糖尿; 高血圧; 低血圧; 喘息; アレルギー; 花粉症; アトピー; がんの; がんと; がん治療; がん患者; 乳がん
肺がん; 癌; ガンの; 腫瘍; 白血病; 抗がん剤; 鬱; うつ病; うつ状態; うつで; 双極性; 統合失調; パニック障害; 不安障害
適応障害; 発達障害; 自閉; ADHD; アスペルガー; 学習障害; 障害; 障がい; 車椅子; 車いす; 難聴; 聴覚; 視覚障; 失明; 盲目
義足; 義手; 麻痺; 妊娠; 流産; 不妊; 中絶; 出産予定; 生理; 更年期; 診断; 通院; 入院; 手術; 治療; 療養; 休職; 服薬
薬 ~4 飲; 薬 ~3 服; 処方; 投薬; インスリン; 透析; 心臓病; 心筋梗塞; 脳卒中; 脳梗塞; てんかん; 偏頭痛; 片頭痛; 頭痛; 腰痛
不眠; 睡眠障害; 睡眠薬; 摂食障害; 拒食; 過食; 肥満; 減量; 依存症; アルコール中毒; 禁煙; 喫煙; 断酒; リハビリ; 認知症
アルツハイマー; 骨折; 怪我; けがを; 感染; コロナ; HIV; エイズ; 肝炎; 結核; 難病; 症候群; ワクチン; 心療内科; 精神科
カウンセリング; 体調; 余命; 医者に; 医師に; 腎臓
"""

ARABIC = """
مرض|مريض|مريضه|امراض|مصاب|مصابه|اصيب|اصيبت|مصابون; يعاني|تعاني|اعاني|عاني|عانت ~2 من; سكري; سرطان; ورم|اورام; ربو
حساسيه; اكتئاب|مكتئب|مكتئبه; قلق نفسي; والقلق; نوبات هلع; وسواس; فصام; توحد; فرط الحركه; اضطراب|اضطرابات
اعاقه|معاق|معاقه; كرسي متحرك; كرسيا متحركا; كفيف|كفيفه|اعمي|عمياء|اصم|صماء; شلل|مشلول|مشلوله; حامل في; هي حامل; انا حامل
حملها; حمل|حبلي; اجهاض|اجهضت; عقم|عقيم; ضغط الدم; ارتفاع الضغط; كوليسترول; جلطه|سكته; ذبحه صدريه; القلب مرض
مرض في القلب; قلب مفتوح; صرع; شقيقه|صداع; روماتيزم|مفاصل; فيروس نقص المناعه; ايدز; التهاب; كورونا; كيميائي|كيماوي
علاج ~1 نفسي|طبيعي|كيميائي|اشعاعي; يخضع|تخضع ~2 لعلاج|علاج|عمليه|غسيل; عمليه جراحيه; جراحه
يتناول|تتناول|اتناول|ياخذ|تاخذ|اخذ ~1 دواء|ادويه|حبوب|مضادات|علاج; ادويه; انسولين; غسيل الكلي; طبيبه النفسي; طبيب نفسي
معالج نفسي; مستشفي; تشخيص|شخص|شخصت ~2 بمرض|بالسرطان|بالتوحد|باضطراب; ادمان|مدمن|مدمنه; مدخن|مدخنه|يدخن|تدخن|تدخين; سمنه
بدين|بدينه; وزن زائد; ارق|الارق; انتحار; تطعيم; زهايمر; خرف
"""

SPANISH = """
diabet*; asma; alergi*; cancer; cáncer*; tumor*; embaraza*; aborto; depresi*; deprimid*; ansiedad; antidepres*; epilep*
padece|padezco|sufre|sufro ~1 de|una|un; enferm*; discapaci*; silla de ruedas; ciego|ciega|sordo|sorda; autis*; vih
sida; seropositiv*; hipertens*; infarto; operaron; cirugia; cirugía; medicament*; pastillas; medicación; alcoholic*
adicto; adicta; drogadict*; fumador*; obes*; diagnostic*; tratamiento; psiquiatra; psicologo; psicólogo; terapia
hospitaliz*
"""

FRENCH = """
diabet*; asthm*; allergi*; cancer*; tumeur*; enceinte; fausse couche; depressi*; dépressi*; anxiete; epilep*; épilep*
souffre|souffrir ~1 de|d; malade|maladie*; handicap*; fauteuil roulant; aveugle|sourd|sourde|malentendant*; autis*; vih
sida; seropositif; seropositive; séropositif*; hypertens*; infarctus; opere|operee; opération du|de|chirurgicale
subi|subit ~1 opération; chirurg*; medicament*; médicament*; alcoolique; toxicoman*; fumeur|fumeuse; obes*; obès*
diagnosti*; traitement; psychiatre; therapie; psy; hospitalis*; chimio*; depistage
"""

PHRASES = (ENGLISH, GERMAN, JAPANESE, ARABIC, SPANISH, FRENCH)
