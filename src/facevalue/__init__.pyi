from facevalue import models as models
from facevalue.annotate.memory import annotate as annotate
from facevalue.data.errors import FacevalueError as FacevalueError
from facevalue.data.faces import Column as Column
from facevalue.data.faces import Faces as Faces
from facevalue.data.files import (
    read_faces as read_faces,
)
from facevalue.data.files import (
    read_findings as read_findings,
)
from facevalue.data.files import (
    write_faces as write_faces,
)
from facevalue.data.files import (
    write_findings as write_findings,
)
from facevalue.data.findings import Findings as Findings
from facevalue.data.judgments import read_judgments as read_judgments
from facevalue.data.judgments import write_judgments as write_judgments
from facevalue.data.members import read_members as read_members
from facevalue.data.networks import Members as Members
from facevalue.data.networks import Ties as Ties
from facevalue.data.pairs import Pairs as Pairs
from facevalue.data.people import People as People
from facevalue.data.perception import (
    Perception as Perception,
)
from facevalue.data.perception import (
    read_perception as read_perception,
)
from facevalue.data.perception import (
    write_perception as write_perception,
)
from facevalue.data.ties import read_ties as read_ties
from facevalue.data.triplets import Triplets as Triplets

__version__: str
