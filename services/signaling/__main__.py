"""`python -m services.signaling`"""

from services.signaling.app import main

main()
