from rillcast.runtime.service import main
from services.origin.app import OriginSettings, run

main(run, OriginSettings)
