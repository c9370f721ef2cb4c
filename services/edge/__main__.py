from rillcast.runtime.service import main
from services.edge.app import EdgeSettings, run

main(run, EdgeSettings)
