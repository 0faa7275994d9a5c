"""The words of the demo: two invented businesses, what they sell, and whom they sell it to.

All e-mail addresses end in .example and all telephone numbers are of the range kept for fiction,
so nothing here can reach anybody.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A line that an invoice may have. Prices in dollars, from `low` to `high`.

    `per` times the size of the job is the quantity; without it the quantity is one. `often` is in
    percent. Materials are `taxed`, work is not.
    """

    text: str
    low: int
    high: int
    per: str | None = None
    taxed: bool = False
    often: int = 100


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of job: how often it comes compared with the others, its size, what is billed.

    `size` is from, to, and in which steps: roofing squares, hours, visits.
    """

    name: str
    weight: int
    size: tuple[str, str, str]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What makes a business of the demo different from the other."""

    name: str
    domain: str
    time_zone: str
    number_prefix: str
    tax_rate: str
    people: tuple[str, str, str]  # Admin, Finance, Support
    job_app: str | None
    area_codes: tuple[str, ...]
    towns: tuple[str, ...]
    jobs: tuple[Job, ...]
    dispute: str
    excluded: str
    paused: str


ROOFING = Words(
    name="Halden Ridge Roofing",
    domain="halden-ridge.example",
    time_zone="America/Chicago",
    number_prefix="INV-",
    tax_rate="7.25",
    people=("June Halden", "Omar Castellan", "Priya Nandakumar"),
    job_app="Roof job app",
    area_codes=("630", "815", "262"),
    towns=(
        "Naperville, IL 60540",
        "Aurora, IL 60506",
        "Elgin, IL 60120",
        "Joliet, IL 60435",
        "Wheaton, IL 60187",
        "Kenosha, WI 53140",
    ),
    jobs=(
        Job(
            "Roof replacement",
            16,
            ("16", "42", "0.5"),
            (
                Item("Tear-off and disposal of old shingles, per square", 78, 112, "1"),
                Item("Synthetic underlayment, per square", 21, 33, "1", taxed=True),
                Item("Architectural shingles, per square", 118, 176, "1", taxed=True),
                Item("Installation labor, per square", 135, 190, "1"),
                Item("Ridge vent, per linear foot", 8, 13, "1.5", taxed=True),
                Item("Drip edge, per linear foot", 2, 5, "6", taxed=True, often=80),
                Item("Step and chimney flashing", 240, 560, taxed=True, often=60),
                Item("Building permit", 140, 310),
            ),
        ),
        Job(
            "Roof repair",
            34,
            ("2", "9", "0.5"),
            (
                Item("Repair crew, per hour", 92, 118, "1"),
                Item("Replacement shingles, per bundle", 38, 52, "2", taxed=True),
                Item("Pipe boot, replaced", 65, 95, taxed=True, often=55),
                Item("Sealant and fasteners", 24, 60, taxed=True, often=70),
            ),
        ),
        Job(
            "Storm damage",
            14,
            ("3", "12", "0.5"),
            (
                Item("Emergency tarp, installed", 280, 460),
                Item("Decking replaced, per sheet", 72, 96, "1", taxed=True),
                Item("Ice and water shield, per square", 88, 120, "0.5", taxed=True, often=75),
                Item("Repair crew, per hour", 92, 118, "1.5"),
                Item("Dumpster, 15 yards", 310, 420, often=50),
            ),
        ),
        Job(
            "Gutters",
            18,
            ("60", "220", "5"),
            (
                Item("Seamless aluminum gutter, per foot", 7, 11, "1", taxed=True),
                Item("Downspouts, per foot", 6, 9, "0.3", taxed=True),
                Item("Old gutters removed and hauled off", 120, 260),
                Item("Gutter guards, per foot", 5, 9, "1", taxed=True, often=40),
            ),
        ),
        Job(
            "Inspection and maintenance",
            18,
            ("1", "4", "1"),
            (
                Item("Roof inspection with photo report", 185, 275),
                Item("Debris cleared from valleys and drains, per visit", 140, 210, "1"),
                Item("Moss treatment, per roof plane", 85, 130, "2", often=35),
            ),
        ),
    ),
    dispute="Two downspouts on the north side are missing, says the customer.",
    excluded="Longtime neighbor of the owner, who calls them herself.",
    paused="Their insurance adjuster visits next week.",
)

HEATING = Words(
    name="Marlow Peak Heating & Air",
    domain="marlow-peak.example",
    time_zone="America/New_York",
    number_prefix="MP-",
    tax_rate="6",
    people=("Walt Marlow", "Grace Lindqvist", "Theo Banerjee"),
    job_app=None,
    area_codes=("717", "610", "484"),
    towns=(
        "Lancaster, PA 17601",
        "York, PA 17403",
        "Reading, PA 19604",
        "Harrisburg, PA 17110",
        "Lebanon, PA 17042",
        "Ephrata, PA 17522",
    ),
    jobs=(
        Job(
            "Service call",
            36,
            ("1", "4", "0.25"),
            (
                Item("Service call and diagnostic", 89, 129),
                Item("Technician, per hour", 108, 138, "1"),
                Item("Run capacitor, replaced", 65, 110, taxed=True, often=35),
                Item("Contactor, replaced", 80, 135, taxed=True, often=25),
                Item("Refrigerant, per pound", 58, 84, "0.75", taxed=True, often=40),
            ),
        ),
        Job(
            "Maintenance visit",
            24,
            ("1", "6", "1"),
            (
                Item("Seasonal tune-up, per unit", 109, 149, "1"),
                Item("Pleated filter", 18, 34, "2", taxed=True),
                Item("Condensate line cleared", 45, 70, often=45),
            ),
        ),
        Job(
            "Condenser replacement",
            11,
            ("2", "5", "0.5"),
            (
                Item("Condenser, per ton", 890, 1240, "1", taxed=True),
                Item("Evaporator coil, matched", 780, 1180, taxed=True, often=70),
                Item("Line set and insulation", 260, 420, taxed=True),
                Item("Installation labor, per hour", 108, 138, "4"),
                Item("Old unit recovered and hauled off", 120, 190),
                Item("Mechanical permit", 75, 160),
            ),
        ),
        Job(
            "Duct cleaning",
            15,
            ("8", "26", "1"),
            (
                Item("Duct cleaning, per register", 28, 42, "1"),
                Item("Main trunk line cleaning", 140, 230),
                Item("Dryer vent cleaning", 95, 145, often=50),
                Item("Sanitizing fog treatment", 85, 140, often=30),
            ),
        ),
        Job(
            "Furnace and thermostat",
            14,
            ("2", "8", "0.5"),
            (
                Item("Furnace repair labor, per hour", 108, 138, "1"),
                Item("Hot surface igniter", 58, 96, taxed=True, often=60),
                Item("Inducer motor", 310, 520, taxed=True, often=35),
                Item("Smart thermostat, installed", 240, 365, taxed=True, often=55),
            ),
        ),
    ),
    dispute="The thermostat was to be replaced under warranty, says the customer.",
    excluded="Pays at the counter every quarter; reminders only annoy them.",
    paused="Their office manager is on leave until the end of next week.",
)

PLACES = (
    "Harbor Street",
    "Maple Grove",
    "Cedar Hill",
    "Stonebridge",
    "Willow Creek",
    "Northgate",
    "Fox Hollow",
    "Briar Lane",
    "Kettle Creek",
    "Elm Terrace",
    "Prairie View",
    "Granite Falls",
    "Old Mill",
    "Juniper Court",
    "Sycamore Bend",
    "Orchard Hill",
    "Birch Run",
    "Mill Pond",
    "Quarry Road",
    "Larkspur",
)
KINDS = (
    "Dental Group",
    "Animal Clinic",
    "Property Management",
    "Homeowners Association",
    "Lutheran Church",
    "Elementary School",
    "Brewing Company",
    "Self Storage",
    "Apartments",
    "Office Park",
    "Bakery",
    "Family Medicine",
    "Child Care Center",
    "Auto Body",
    "Print Shop",
    "Senior Living",
    "Garden Center",
    "Fitness Studio",
)
FIRST_NAMES = (
    "Dana",
    "Marcus",
    "Elena",
    "Howard",
    "Tessa",
    "Luis",
    "Ingrid",
    "Caleb",
    "Yvonne",
    "Ravi",
    "Bridget",
    "Terrence",
    "Mei",
    "Gordon",
    "Paloma",
    "Stanley",
    "Nadia",
    "Wesley",
    "Colette",
    "Amos",
)
LAST_NAMES = (
    "Whitfield",
    "Okonkwo",
    "Brandt",
    "Delacroix",
    "Pruitt",
    "Yamada",
    "Sandoval",
    "McAllister",
    "Novak",
    "Abernathy",
    "Lindgren",
    "Farrow",
    "Iyer",
    "Castillo",
    "Hathaway",
    "Mbeki",
    "Rosenthal",
    "Tully",
    "Vandermeer",
    "Gallo",
)
STREETS = (
    "Alder Street",
    "Third Avenue",
    "Commerce Drive",
    "Old County Road",
    "Linden Avenue",
    "Depot Street",
    "Fairway Lane",
    "Highland Avenue",
    "Market Street",
    "River Road",
    "Cobbler Lane",
    "West Union Street",
)
DESKS = ("ap", "accounts", "billing", "office")
CLOSINGS = (
    "Thank you for your business.",
    "Workmanship is under warranty for two years.",
    "Please write the invoice number on your check.",
)
