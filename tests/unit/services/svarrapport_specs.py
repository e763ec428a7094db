"""One description of every kind of report the generator must be able to write (R48)."""

from __future__ import annotations

from dataclasses import replace

from app.services.provesvar.writer import CYTOLOGY, NCRP, PATHOLOGY, Analysis, Clinician, Org, ReportSpec, SampleSpec

LAB = Org("PRESIS LABORATORIUM AS", "990009", dept="Biokjemi", dept_id="990092")
GP = Clinician(Org("LETT BAKKE LEGESENTER AS", "990005"), "ÅRVÅKEN LEGEROT", "222250101", phone="73000002")
SERUM = SampleSpec("1", "2026-03-02T07:45:00", "S", "Serum")
TSH = Analysis("NOR05865", "Us-TSH", number="2.1", unit="mIU/L", reference="0,3 - 4,5", id="t-1", sample="1")

BASE = ReportSpec(
    lab=LAB,
    patient="14838449698",
    msg_id="msg-1",
    serv_prov_id="svar-1",
    requisition_id="rekv-1",
    generated="2026-03-02T12:00:00",
    issued="2026-03-02T11:00:00",
    requester=GP,
    samples=(SERUM,),
    items=(TSH,),
)
CULTURE = (
    Analysis(
        "NPU06073", "U-Bakterier dyrkning", heading="LR", text="Escherichia coli", id="k1", sample="1",
        items=(Analysis(name="Mengde", text=">100 000 pr. mL"),),
    ),
    Analysis("NPU06045", "Us-Ampicillin", heading="RSB", answers=((8271, "R", "Resistent"),), refers_to="k1", sample="1"),
)  # fmt: skip
RADIOLOGY = (
    Analysis(
        heading="FU", text="R: Normale forhold.\nIngen brudd.", xhtml=True, status="11",
        items=(Analysis("SJJ0AK", "UL Lever", NCRP, investigated="2026-03-02T09:00:00", id="r1", status="11",
                        method=(NCRP, "ZTX0EA", "Intravenøs kontrast")),),
    ),
)  # fmt: skip

SPECS = {
    "biochemistry": replace(BASE, items=(TSH, replace(TSH, id="t-2", flag="1", comparator="LT", accredited=True))),
    "culture": replace(BASE, discipline="MBIO", items=CULTURE, ordered="2026-03-01", received="2026-03-02T08:00:00"),
    "immunology": replace(BASE, discipline="IMTR", items=(Analysis("NPU12544", "P-GAD65 IgG", heading="LR", text="Negativ"),)),
    "pharmacology": replace(BASE, discipline="FARM", items=(Analysis("NPU01109", "P-Litium", interval=("0.4", "0.8"), unit="mmol/L"),)),
    "genetics": replace(BASE, discipline="MGEN", items=(Analysis("NPU21692", "B-F2 gen", heading="MET", text="PCR"),)),
    "histology": replace(
        BASE,
        discipline="HIST",
        status="P",
        reason="Utslett",
        items=(Analysis("A", "Histologisk undersøkelse", PATHOLOGY, items=(Analysis(heading="VU", text="Godartet"),)),),
    ),
    "cytology": replace(
        BASE,
        discipline="CYTO",
        samples=(SampleSpec("1", "2026-03-01", "CVX", "Cervix", CYTOLOGY, collector_comment="Børste"),),
        items=(Analysis("NOR25524", "Ce-Cytologisk undersøkelse", text="Normal", sample="1"),),
    ),
    "radiology": replace(BASE, discipline="UL", samples=(), items=RADIOLOGY, responsible=GP),
    "cancelled": replace(BASE, change="C", samples=(), items=(), comment="Trukket"),
    "amended": replace(
        BASE, change="M", generated="2026-03-03T12:00:00", msg_id="msg-2", items=(replace(TSH, change="M", comment="Rettet"),)
    ),
    "dirty": replace(BASE, samples=(SampleSpec("1", text="Blod", count=1),), items=(Analysis(name="Fritekst", text="Se vedlegg", sample="1"),)),
    "reserved": replace(BASE, reservation="R", document="vedlegg.pdf", info=(("CAVE", "Allergi"),), requester=None),
    "due date": replace(BASE, items=(Analysis("NPU00002", "Termin", date="2026-09-01"),), patient_type="FNR"),
    "other patient": replace(BASE, patient="43909349738", patient_type="DNR"),
}  # fmt: skip
