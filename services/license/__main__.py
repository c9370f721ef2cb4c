from services.license.app import main

main()
