"""Write handbook.pdf, an invented operations manual, next to this script.

The PDF is an example input with the habits of real documents: running headers and footers, a table
of contents, tables, bulleted lists, a word hyphenated across a page break and a two-column page.
"""

from dataclasses import dataclass
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

TITLE = "Operations handbook of the Harrow Point weather station"

# Blocks are separated by blank lines. "# " and "## " open numbered sections, "- " a list item,
# "| " a table row and "! " a table caption; "=== name" continues on a new page of that layout.
# "&shy;" marks where a word may be hyphenated.
TEXT = """
# The station

## Location and purpose

Harrow Point lies at the eastern tip of the island of Skelvane, at latitude 61.3° N. The foot of
the instrument mast stands 47 m above mean sea level, and cliffs drop away on three sides of the
headland. A gravel track of 6.2 km leads west to the village of Drennock, which has 310
inhabitants, a harbour and the only shop on the island. The nearest town is Port Aldous, 31 km
away on the mainland.

The station measures the weather for three groups of users. Forecasters need its reports because
no other site lies within 85 km upwind of the shipping lane. Skippers and helicopter crews call
the observer directly before they cross the sound. Researchers value the long record, which
contains only one gap of more than a day since 1931.

## A short history

Rainfall has been measured here since 14 May 1931. The lighthouse keeper Désiré Kallan bought the
first gauge with his own money after the ferry <i>Petrel</i> had sunk in the previous autumn
without any warning. Margit Osei became the first full-time observer in 1938 and stayed for 24
years.

On the night of 2 November 1951 a paraffin heater set fire to the wooden hut in which the
observers worked. Kallan carried the original registers out of the building in two milk churns, so
that nothing older than a week was lost. Reports stopped for eleven days, which is the gap
mentioned above. The granite house that replaced the hut was finished in August 1952 and is still
in use.

The first automatic instruments arrived in 1979 and ran beside the manual ones for 18 months. The
comparison paid off: the new thermometer read 0.3 °C too warm on calm, sunny days, because its
screen had been delivered in grey paint. Once the screen was painted white, the difference
vanished. Balloon soundings began in 2004 with one ascent a day and were doubled in 2011.

## People

Seven people are employed, and four of them are on site at any time. Crews change every 21 days,
always on a Wednesday, when the supply boat <i>Kittiwake</i> calls. Ingrid Tolland has managed the
station since 2016; her predecessor, Piet Varga, held the post for 22 years. Noor Halvorsen, the
senior observer, is responsible for data quality, and the technician Luca Brandão looks after the
equipment.

# Observing programme

## Hours of observation

Automatic sensors send a report every hour. In addition, an observer records cloud, visibility,
present weather and the state of the sea eight times a day, every three hours starting at 00:00
UTC. The station keeps UTC throughout the year, so that no report is lost or duplicated when civil
clocks change.

## Quality control

Every value passes through an automatic check within a minute of being measured. A temperature
that changes by more than 6 °C in ten minutes is flagged as suspect, as is any pressure that
differs by more than 1.5 hPa from the reserve barometer. A suspect value is still sent, with its
flag, since forecasters prefer a doubtful figure to none.

The senior observer then reviews the flagged values every morning and marks each of them as good
or rejected. Raw readings are never over&shy;written: a cor&shy;rected figure is stored
along&shy;side the orig&shy;inal, with the ini&shy;tials of who&shy;ever made the
cor&shy;rec&shy;tion and a reason. The rule dates from 1986, when an over&shy;zealous clean-up
re&shy;moved a gen&shy;uine drop of 9 °C, caused by a sudden change of wind direc&shy;tion. Three
re&shy;searchers had to re&shy;con&shy;struct the miss&shy;ing after&shy;noon from paper charts,
which took almost a month. Since then, delet&shy;ing an obser&shy;va&shy;tion has been
tech&shy;ni&shy;cally impos&shy;sible for every&shy;one, the man&shy;ager in&shy;cluded.

A monthly summary is due on the third working day of the following month. In 2023 the station
delivered 99.2% of its hourly reports within five minutes, against a target of 98.5%. Most of the
70 late or missing hours were caused by ice on the anemometer.

## The manual observation

Each manual observation follows the same order:

- Go outside ten minutes before the hour; at night the eyes need that long to adapt to the dark.

- Judge visibility first, using the ten marks listed on the wall chart. The nearest mark is the
boathouse at 350 m, the farthest is the Gannet Rock lighthouse at 28 km.

- Note the cloud types from the lowest layer to the highest and estimate the cover in eighths.

- Look at the sea from the north rail for a full minute and count the breaking crests.

- Enter everything in the register before looking at the automatic values, because knowing the
sensor's answer biases the estimate.

The rain gauges and the three snow stakes are read once a day, at 09:00 UTC. Snow depth is
reported as the mean of the stakes, rounded to the nearest centimetre. If drifting has buried a
stake completely, the observer notes the fact and averages the other two.

A new observer works under supervision for six weeks and must then estimate cloud height and
visibility independently on twenty occasions. At least seventeen of the twenty estimates have to
agree with those of the examiner. Two candidates out of eleven have failed since 2010, and both
passed at the second attempt.

# Instruments

## Overview

Table 1 lists the instruments in permanent use. Heights are given above ground, except for the
barometer, which hangs in the office at 49.2 m above mean sea level.

! Table 1. Instruments, their accuracy and the interval between calibrations

| Instrument | Height | Range | Accuracy | Calibration
| Platinum thermometer | 1.5 m | -40 to +50 °C | ±0.1 °C | 12 months
| Humidity probe | 1.5 m | 0–100% | ±2% | 6 months
| Barometer | 49.2 m a.s.l. | 500–1,100 hPa | ±0.15 hPa | 24 months
| Ultrasonic anemometer | 10 m | 0–75 m/s | ±2% | 12 months
| Tipping-bucket rain gauge | 0.5 m | 0.2 mm per tip | ±3% | 6 months
| Weighing gauge | 1.2 m | 0–750 mm | ±0.1 mm | 12 months
| Laser ceilometer | 1.0 m | 0–7,600 m | ±10 m | 12 months
| Particle counter | 4 m | 0.3–20 µm | ±10% | 6 months
| Pyranometer | 3 m | 0–1,600 W/m² | ±3% | 24 months

The humidity probe is calibrated twice as often as the thermometer beside it, because sea salt
collects on its filter and makes dry air appear damp. Two rain gauges are kept for a similar
reason: the tipping bucket reacts quickly to showers, whereas the weighing gauge also measures
snow and catches the drizzle that is too light to move the bucket.

## Cleaning and icing

The window of the ceilometer is wiped every Monday with distilled water and a lens cloth. Alcohol
is not used, as it dulled the coating of the previous unit within two years. The inlet of the
particle counter has a mesh of 20 µm and is brushed after every day with a mean wind above 15 m/s,
when spray reaches the roof.

Ice on the anemometer is the most frequent fault of the winter. The heated arms draw 180 W and
switch on below 3 °C when the humidity exceeds 90%. If the arms still freeze, the technician may
tap them with the rubber mallet that hangs at the foot of the mast, but never with metal. In an
average winter the mallet is needed on six days.

## Spare parts

A complete reserve set of thermometer, humidity probe and barometer is stored in the dry cabinet
of the workshop, ready to be connected in 20 minutes. There is no spare ceilometer, since a
replacement costs as much as all the other instruments together; Port Aldous airport lends its own
unit if the repair takes longer than two weeks.

# Balloon soundings

## Launch

Balloons are released at 11:15 and 23:15 UTC. The early start allows the radiosonde to cross the
middle of the atmosphere close to noon and midnight, the hours for which the forecast models
expect the data. Each balloon weighs 350 g and is filled with 1.5 m³ of helium. It climbs at 5 m/s
and bursts near 27 km after about 90 minutes.

Hydrogen would cost only a third as much as helium. It was rejected in 2004 because the rules ask
for 30 m between a hydrogen store and any dwelling, and the headland is too narrow for that. One
cylinder holds enough gas for six balloons, so the station uses about 122 cylinders a year.

The filling shed has a single door that faces east, away from the prevailing wind. No balloon is
launched when the mean wind at the mast exceeds 18 m/s: above this speed the train swings so low
that the sonde is likely to hit the rail. The launch may be delayed by up to 45 minutes to wait
for a lull; after that the sounding counts as missed.

## The radiosonde

The sonde weighs 95 g and sends temperature, humidity, pressure and position once a second on a
frequency near 403 MHz. A red parachute slows its fall to 4 m/s. Every sonde carries a prepaid
label, and finders returned 64 of them in 2022. Returned sondes are not flown again, but their
batteries go to the recycling centre and the finder receives a postcard.

In the same year 718 of 730 planned soundings were completed. Nine of the twelve failures were due
to strong wind and three to a broken receiver. The highest ascent so far reached 35,140 m on 8
August 2018, in exceptionally calm conditions.

# Power and communications

## Energy supply

A wind turbine of 6 kW and 24 solar panels of 400 W each feed a battery with a usable capacity of
48 kWh. The average load is 2.1 kW, so a full battery alone keeps the station running for almost
23 hours. Over the year the turbine provides 61% of the energy, the panels 27% and the diesel
generator 12%. In December the share of the panels drops to 4%, because the sun stays behind the
hills of Skelvane until noon.

The generator has a rating of 15 kVA. It starts by itself when the battery falls to 30% and stops
at 80%. Running without a break it burns 5 litres an hour, so the tank of 2,400 litres would last
for 20 days. Before the turbine and the panels were installed in 2017, the generator used 9,800
litres a year; it now needs about 900.

If the battery sinks below 20%, consumers are switched off in a fixed order: first the hot-water
boiler, then the workshop sockets and finally the kitchen oven. Instruments and radio are never
disconnected. The house is heated by a stove that burns five tonnes of wood pellets a year and
needs electricity only for its fan.

## Links to the outside

Data travel over a microwave link to Port Aldous with a capacity of 20 Mbit/s. When the link has
been silent for 90 seconds, traffic moves to a satellite terminal that manages only 0.4 Mbit/s.
While the backup is active, camera pictures are held back, and only reports, soundings and voice
calls are transmitted. The most common cause of an outage is not a storm but ducting over a warm,
calm sea, which bends the beam away from the receiver.

The observer on duty talks to Drennock harbour by radio at 08:30 and 20:30 every day. If the
harbour hears nothing at two checks in a row, the harbour master telephones the manager, and sends
a boat as soon as the sea permits. This has happened once, in March 2009, when both aerials had
been torn down by ice.

# Safety

## Working in wind

Three alert levels apply outdoors. They depend on the mean wind over ten minutes, not on single
gusts:

- Yellow, from 17 m/s: work in pairs and hold on to the guide rope between the house and the mast.

- Orange, from 24 m/s: no work on roofs, at the cliff rail or with ladders; helmets are
compulsory.

- Red, from 32 m/s: nobody leaves the house, and observations are made through the west window.

Climbing the mast has stricter limits. It is allowed only below 12 m/s and above -10 °C, by
daylight, and with a second person on the ground. A climber who cannot feel their fingertips comes
down at once, whatever the state of the job.

## Lightning

A field meter on the roof sounds an alarm at 5 kV/m. Outdoor work also stops when a flash is
detected within 10 km, and it resumes 30 minutes after the last one. The balloon shed counts as
outdoors, for its roof is not connected to the conductor of the house.

## Illness and injury

At least two members of each crew hold the advanced first-aid certificate, which has to be renewed
every two years. The helicopter from Port Aldous needs 55 minutes and lands on the gravel pad 120
m north-west of the house. If fog grounds it, the lifeboat takes 2 hours and 40 minutes. A doctor
can be reached by video at any hour, and the medicine chest is numbered so that items can be asked
for by number rather than by name.

## Food and water

The store holds food for four people for 30 days. Rain from the roof is collected in a tank of
18,000 litres, passed through a filter of 0.2 µm and treated with ultraviolet light. At the usual
65 litres per person and day, a full tank lasts a crew of four for 69 days. During droughts the
laundry is sent to Drennock, which saves about a fifth of the consumption.

## Wildlife and visitors

The north path is closed from 1 April to 31 July, because about 400 pairs of terns nest beside it.
Drones are forbidden all year, with one exception: the annual inspection of the mast in October.
Groups of up to six visitors are welcome on Saturdays from May to September if they book ten days
ahead. Coffee is served in the former engine room, which the crew calls the Café Kallan.

=== columns

# From the logbook

## The gale of 1993

On 11 January 1993 at 04:42 UTC the mast recorded a gust of 52.3 m/s, the strongest in the history
of the station. The previous record, 47.8 m/s, had stood since 1968. Tomas Ekberg, alone on the
night shift, crawled 40 m along the guide rope to secure the shutters of the balloon shed, which
was then a store for paint. In the morning the roof of the boathouse was found 1.1 km inland,
almost intact. It was cut up and made into the bench that stands in front of the house today.

## The frost of 1956

The lowest temperature, -17.6 °C, was measured on 3 February 1956. The ink froze in the recorder,
and Margit Osei drew the curve for nine hours in pencil, one dot every five minutes. Drennock
harbour was closed by ice for 16 days. Bread was brought from the village on a sledge, and the
crew ate salted herring three times a day.

## The heat of 2006

The highest temperature came on 19 July 2006, when a dry wind from the mainland hills lifted the
thermometer to 31.2 °C at 14:20 UTC. Humidity fell to 19%, the lowest value ever seen here. The
tar on the flat roof became soft, and a chair left on it sank in by 3 cm. By 18:00 a sea breeze
had brought the temperature back to 17 °C.

## Red rain

In April 2014 dust from the Sahara reached Skelvane. The particle counter showed 212 µg/m³,
compared with 8 µg/m³ on an ordinary day, and most of the grains were between 2 and 5 µm across.
The sky turned the colour of weak tea. When showers followed, they left red stains on the white
screen, and the crew kept a jar of the mud, which is still on the office shelf.

## The owl in the shed

A sounding was once delayed by a bird. On 6 March 2019 a snowy owl had settled on the inflated
balloon's table and refused to leave. Luca Brandão opened the door, switched off the lamp and
waited. The owl left after 40 minutes, five minutes before the launch would have counted as
missed. The balloon itself had not a scratch, and that evening it climbed to 29 km.

## The longest fog

Fog lasted from 5 to 12 June 1987, for 171 hours in all. The horn sounded every 45 seconds. Two
observers began to hear it even in the pauses, and since that week off-duty staff may sleep in the
cellar, where the horn cannot be heard.

## A wedding by radio

On 22 June 1964 the relief boat could not land because of swell, and observer Hamish Dole missed
his own wedding in Port Aldous. The vicar married the couple over the radio instead, with the
harbour master as witness at one end and the cook at the other. The battery failed just after the
vows. Dole reached his wife nine days later.

## The stolen summer

Between 3 and 27 July 1998 the old rain gauge caught only 6 mm, although the crew saw showers on
eight days. A starling had built a nest in the funnel. The missing 41 mm were estimated from the
gauge in Drennock and carry a flag in the register. Since then the funnel has worn a crown of
twelve spikes.

## The comet

Comet Hale–Bopp was seen from the headland on 38 evenings in the spring of 1997. Noor Halvorsen,
at that time a schoolgirl of eleven on a visit, drew it in the guest book and wrote that she would
like to work here. She was hired in 2011, and the page now hangs framed above her desk.

## The great silence

On 5 September 2012 a ship's anchor cut the telephone cable of the island. The microwave link had
been out of order for two days, and the satellite terminal had not yet been bought. For 14 hours
the reports travelled by bicycle: Piet Varga rode to Drennock four times, and a trawler relayed
the figures. He had covered almost 50 km by the end, and the terminal was ordered on the following
morning.

=== single

# Climate figures

## Monthly averages

Table 2 gives averages for 1991–2020. The sea keeps the seasons mild: August, not July, is the
warmest month, and February is the coldest. May is the driest month, although the smallest number
of days with rain falls in June.

! Table 2. Mean temperature, precipitation and wind speed by month, 1991–2020

| Month | Temperature (°C) | Precipitation (mm) | Wind speed (m/s)
| January | 3.6 | 128 | 9.8
| February | 3.4 | 98 | 9.2
| March | 4.6 | 90 | 8.6
| April | 6.6 | 66 | 7.1
| May | 9.3 | 58 | 6.3
| June | 11.8 | 62 | 5.8
| July | 13.7 | 71 | 5.6
| August | 13.9 | 86 | 6.0
| September | 12.1 | 104 | 7.2
| October | 9.3 | 131 | 8.4
| November | 6.3 | 126 | 9.0
| December | 4.6 | 122 | 9.7
| Year | 8.3 | 1,142 | 7.7

## How the climate has changed

Compared with the average of 1961–1990, the year has become 0.9 °C warmer, and the number of frost
nights has fallen from 58 to 41. Annual precipitation has risen by 6%, almost all of it in autumn.
Wind speed shows no trend that could be told apart from the effect of the taller mast erected in
1983.

## Changes to this handbook

Proposals for changes go to the manager in writing and are discussed at the crew meeting on the
first Thursday of the month. A change takes effect as soon as all seven employees have signed it.
Printed copies hang in the office, the workshop and the kitchen; the kitchen copy is laminated,
for obvious reasons. The ninth edition replaces that of June 2019.
"""

BODY = ParagraphStyle(
    "body", fontName="Times-Roman", fontSize=11, leading=15, spaceAfter=7, alignment=TA_JUSTIFY
)
NARROW = ParagraphStyle("narrow", BODY, fontSize=10.5, leading=14, alignment=TA_LEFT)
BULLET = ParagraphStyle(
    "bullet",
    BODY,
    leftIndent=16,
    bulletIndent=4,
    bulletFontName="Vera",
    spaceAfter=4,
    alignment=TA_LEFT,
)
CAPTION = ParagraphStyle("caption", BODY, fontName="Times-Italic", keepWithNext=1, spaceBefore=4)
HEADINGS = [
    ParagraphStyle(
        f"heading{level}",
        fontName="Helvetica-Bold",
        fontSize=size,
        leading=size * 1.25,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=1,
    )
    for level, (size, before, after) in enumerate([(16, 14, 7), (12, 8, 4)])
]
COVER = ParagraphStyle(
    "cover", fontName="Helvetica-Bold", fontSize=22, leading=30, alignment=TA_CENTER
)
EDITION = ParagraphStyle("edition", BODY, alignment=TA_CENTER, spaceBefore=8, spaceAfter=16)
TABLE = TableStyle(
    [
        ("FONT", (0, 0), (-1, -1), "Times-Roman", 10),
        ("FONT", (0, 0), (-1, 0), "Times-Bold", 10),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#dfe6ec")),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.grey),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]
)
WIDTH, HEIGHT = A4
MARGIN = 25 * mm
GUTTER = 8 * mm


@dataclass(frozen=True)
class Entry:
    """A numbered heading and the page it stands on."""

    level: int
    title: str
    page: int


class ContentsLine(Flowable):
    """A line of the table of contents: heading, dotted leader and page number.

    Reportlab's own table draws the page number before the heading, and text extracted from the page
    keeps that order.
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry
        self.font = ("Times-Roman", 10.5) if entry.level else ("Times-Bold", 11)

    def wrap(self, width: float, _: float) -> tuple[float, float]:
        """Take the full width; a main section gets more room than its parts."""
        self.width = width
        return width, 13 if self.entry.level else 18

    def draw(self) -> None:
        """Draw in reading order."""
        indent = 14 * self.entry.level
        used = indent + stringWidth(f"{self.entry.title}  {self.entry.page}", *self.font)
        dot = stringWidth(".", *self.font)
        dots = int((self.width - used) / dot)
        line = self.canv.beginText(indent, 3)
        line.setFont(*self.font)
        line.textOut(f"{self.entry.title} ")
        line.setCharSpace((self.width - used - dots * dot) / dots)
        line.textOut("." * dots)
        line.setCharSpace(0)
        line.textOut(f" {self.entry.page}")
        self.canv.drawText(line)


class Handbook(BaseDocTemplate):
    """A document that records its numbered headings."""

    entries: list[Entry]

    def afterFlowable(self, flowable: Flowable) -> None:  # the name reportlab calls
        """Record a heading once its page is known."""
        levels = [style.name for style in HEADINGS]
        if not isinstance(flowable, Paragraph) or flowable.style.name not in levels:
            return
        level = levels.index(flowable.style.name)
        title = flowable.getPlainText()
        key = title.split()[0]
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(title, key, level)
        self.entries.append(Entry(level, title, self.page))


def draw_header(canvas: Canvas, _: BaseDocTemplate) -> None:
    """Draw the running header before the text of the page, where a reader meets it."""
    canvas.setFont("Helvetica", 8.5)
    canvas.drawString(MARGIN, HEIGHT - 15 * mm, "Harrow Point weather station")
    canvas.drawRightString(WIDTH - MARGIN, HEIGHT - 15 * mm, "Operations handbook")
    canvas.setLineWidth(0.4)
    canvas.line(MARGIN, HEIGHT - 17 * mm, WIDTH - MARGIN, HEIGHT - 17 * mm)


def draw_footer(canvas: Canvas, document: BaseDocTemplate) -> None:
    """Draw the page number after the text of the page."""
    canvas.setFont("Helvetica", 8.5)
    canvas.drawCentredString(WIDTH / 2, 13 * mm, f"Page {document.page}")


def layouts() -> list[PageTemplate]:
    """Return the page layouts: the title page, one column and two columns."""
    inner = WIDTH - 2 * MARGIN
    column = (inner - GUTTER) / 2
    bottom, height = 22 * mm, HEIGHT - 44 * mm
    padding = {f"{side}Padding": 0 for side in ("left", "right", "top", "bottom")}
    full = [Frame(MARGIN, bottom, inner, height, **padding)]
    halves = [
        Frame(MARGIN + shift, bottom, column, height, **padding) for shift in (0, column + GUTTER)
    ]
    return [
        PageTemplate("title", full),
        PageTemplate("single", full, onPage=draw_header, onPageEnd=draw_footer),
        PageTemplate("columns", halves, onPage=draw_header, onPageEnd=draw_footer),
    ]


def title_page(entries: list[Entry]) -> list[Flowable]:
    """Return the title and the table of contents, and switch to the one-column layout."""
    return [
        Spacer(1, 6 * mm),
        Paragraph(TITLE.replace(" of ", "<br/>of "), COVER),
        Paragraph("Ninth edition – March 2024", EDITION),
        # Not one of HEADINGS, which would list the table of contents in itself.
        Paragraph("Contents", ParagraphStyle("contents", HEADINGS[0])),
        *map(ContentsLine, entries),
        NextPageTemplate("single"),
        PageBreak(),
    ]


def body(text: str) -> list[Flowable]:
    """Turn the marked-up text into flowables, numbering the sections."""
    story: list[Flowable] = []
    section = subsection = 0
    prose = BODY
    for block in text.strip().replace("&shy;", "\N{SOFT HYPHEN}").split("\n\n"):
        mark, _, rest = block.partition(" ")
        rest = rest.replace("\n", " ")
        if mark == "===":
            prose = NARROW if rest == "columns" else BODY
            story += [NextPageTemplate(rest), PageBreak()]
        elif mark == "#":
            section, subsection = section + 1, 0
            story.append(Paragraph(f"{section} {rest}", HEADINGS[0]))
        elif mark == "##":
            subsection += 1
            story.append(Paragraph(f"{section}.{subsection} {rest}", HEADINGS[1]))
        elif mark == "-":
            story.append(Paragraph(rest, BULLET, bulletText="•"))
        elif mark == "!":
            story.append(Paragraph(rest, CAPTION))
        elif mark == "|":
            rows = [line.lstrip("| ").split(" | ") for line in block.splitlines()]
            story.append(Table(rows, style=TABLE, repeatRows=1, hAlign="LEFT", spaceAfter=10))
        else:
            story.append(Paragraph(block.replace("\n", " "), prose))
    return story


def build(target: Path, contents: list[Entry]) -> Handbook:
    """Write the handbook with these contents, and return it with the headings it really has."""
    document = Handbook(
        str(target), pagesize=A4, title=TITLE, author="Harrow Point weather station", invariant=1
    )
    document.entries = []
    document.addPageTemplates(layouts())
    document.build(title_page(contents) + body(TEXT))
    return document


def main() -> None:
    """Write the handbook; the same bytes on every run."""
    # The standard fonts encode the bullet as a control character; an embedded font maps it back.
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    target = Path(__file__).with_name("handbook.pdf")
    draft = build(target, [])
    document = build(target, draft.entries)
    if document.entries != draft.entries:
        raise RuntimeError("the table of contents no longer fits on the title page")
    print(f"wrote {target.name}: {document.page} pages, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
